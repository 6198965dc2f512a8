//! The chart grants exactly the permissions that the operator uses, as the API server's audit log records them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::controlplane::ControlPlane;
use crate::support::harness::{BOB, CAROL, Stage};
use crate::support::operator::eventually;

/// A verb on a resource of a group, as `guestlist.dev accountshares/status patch`.
type Right = String;

const RULES: [&str; 2] = ["clusterroles/guestlist-guestlist", "namespaces/guestlist/roles/guestlist"];

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn granted(plane: &ControlPlane) -> BTreeSet<Right> {
    let mut granted = BTreeSet::new();
    for path in RULES {
        let role = plane.read(&format!("/apis/rbac.authorization.k8s.io/v1/{path}")).expect("the chart's role");
        for rule in role["rules"].as_array().unwrap() {
            for (group, resource) in
                texts(&rule["apiGroups"]).flat_map(|group| texts(&rule["resources"]).map(move |one| (group, one)))
            {
                granted.extend(texts(&rule["verbs"]).map(|verb| format!("{group} {resource} {verb}")));
            }
        }
    }
    granted
}

fn used(plane: &ControlPlane) -> BTreeSet<Right> {
    let log = std::fs::read_to_string(plane.dir().join("audit.log")).unwrap();
    let requests = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours = requests.filter(|request| request["user"]["username"] == "system:serviceaccount:guestlist:guestlist");
    ours.filter(|request| request["objectRef"].is_object())
        .map(|request| {
            let part = |name: &str| request["objectRef"][name].as_str().unwrap_or_default().to_owned();
            let resource = [part("resource"), part("subresource")].join("/");
            let verb = request["verb"].as_str().unwrap();
            format!("{} {} {verb}", part("apiGroup"), resource.trim_end_matches('/'))
        })
        .collect()
}

#[test]
fn chart_grants_exactly_the_rights_that_are_used() {
    let mut stage = Stage::start();
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
    let granted = granted(&stage.plane);
    eventually("each right of the chart is used", || {
        let used = used(&stage.plane);
        let without_use: Vec<_> = granted.difference(&used).collect();
        without_use.is_empty().then_some(()).ok_or_else(|| format!("granted and not used: {without_use:?}"))
    });
    let used = used(&stage.plane);
    assert_eq!(used.difference(&granted).collect::<Vec<_>>(), Vec::<&Right>::new(), "asked for and not granted");
}
