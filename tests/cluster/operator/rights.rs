//! The chart grants exactly the permissions that the operator uses, as the API server's audit log records them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::controlplane::ControlPlane;
use crate::support::harness::{BOB, CAROL, Stage};
use crate::support::operator::eventually;

/// A verb on a resource of a group, in one namespace or in the cluster: `partners: guestlist.dev accountshares patch`.
type Right = String;

const CLUSTER_ROLE: &str = "clusterroles/guestlist-guestlist";
/// The scope of the rights of a `ClusterRole`.
const CLUSTER: &str = "cluster";

/// The Roles of the chart: their namespaces and names.
const ROLES: [(&str, &str); 1] = [("guestlist", "guestlist")];
const ROLES_OF_WATCHED: [(&str, &str); 2] = [("guestlist", "guestlist"), ("partners", "guestlist-guestlist")];

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn granted(plane: &ControlPlane, roles: &[(&str, &str)]) -> BTreeSet<Right> {
    let mut granted = BTreeSet::new();
    let paths = roles.iter().map(|(namespace, name)| (*namespace, format!("namespaces/{namespace}/roles/{name}")));
    for (scope, path) in [(CLUSTER, CLUSTER_ROLE.to_owned())].into_iter().chain(paths) {
        let role = plane.read(&format!("/apis/rbac.authorization.k8s.io/v1/{path}")).expect("the chart's role");
        for rule in role["rules"].as_array().unwrap() {
            for (group, resource) in
                texts(&rule["apiGroups"]).flat_map(|group| texts(&rule["resources"]).map(move |one| (group, one)))
            {
                granted.extend(texts(&rule["verbs"]).map(|verb| format!("{scope}: {group} {resource} {verb}")));
            }
        }
    }
    granted
}

fn used(plane: &ControlPlane, roles: &[(&str, &str)]) -> BTreeSet<Right> {
    let log = plane.audit_log();
    let requests = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours = requests.filter(|request| request["user"]["username"] == "system:serviceaccount:guestlist:guestlist");
    ours.filter(|request| request["objectRef"].is_object())
        .map(|request| {
            let part = |name: &str| request["objectRef"][name].as_str().unwrap_or_default().to_owned();
            let resource = [part("resource"), part("subresource")].join("/");
            let verb = request["verb"].as_str().unwrap();
            let namespace = part("namespace");
            let scope = roles.iter().find(|(of, _)| *of == namespace).map_or(CLUSTER, |(of, _)| *of);
            format!("{scope}: {} {} {verb}", part("apiGroup"), resource.trim_end_matches('/'))
        })
        .collect()
}

#[test]
fn chart_grants_exactly_the_rights_that_are_used() {
    uses_exactly_its_rights(Stage::start(), &ROLES);
}

#[test]
fn chart_grants_exactly_the_rights_for_watched_namespaces() {
    let mut stage = Stage::prepare_in(1, &["partners", "team-b"]);
    stage.operator.arguments = vec!["--namespace=partners"];
    stage.operator.start();
    uses_exactly_its_rights(stage, &ROLES_OF_WATCHED);
}

/// Makes the operator use each of its rights.
fn uses_exactly_its_rights(mut stage: Stage, roles: &[(&str, &str)]) {
    let partners = stage.partners();
    stage.settle();
    // A changed share increases a grant: the newest object is read again where the other watches lag behind it.
    partners.patch("lp/acme", r#"{"spec":{"expiresAt":"2199-01-01T00:00:00Z"}}"#);
    partners.patch("share/instagram", r#"{"spec":{"suspended":true}}"#);
    partners.guest("bob", BOB, "Active", &[]);
    partners.patch("share/instagram", r#"{"spec":{"suspended":false}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    stage.operator.kill();
    stage.operator.start();
    let partners = stage.partners();
    partners.patch("lp/acme", r#"{"spec":{"deletion":"Cascade"}}"#);
    partners.delete("lp/acme");
    let granted = granted(&stage.plane, roles);
    eventually("each right of the chart is used", || {
        let used = used(&stage.plane, roles);
        let without_use: Vec<_> = granted.difference(&used).collect();
        without_use.is_empty().then_some(()).ok_or_else(|| format!("granted and not used: {without_use:?}"))
    });
    let used = used(&stage.plane, roles);
    assert_eq!(used.difference(&granted).collect::<Vec<_>>(), Vec::<&Right>::new(), "asked for and not granted");
}
