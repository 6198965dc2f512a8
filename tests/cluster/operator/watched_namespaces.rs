//! `--namespace`: the operator watches some namespaces, with rights there alone. The others stay as they are.

use serde_json::{Value, json};

use crate::support::harness::{BOB, CAROL, Stage, WORLD};
use crate::support::operator::{Operator, eventually};

const POLICY: &str = "{installation: test, domains: [host.example], mailInterval: 0s, \
                      tenants: [{namespace: '*', hostAdmins: ['*@host.example']}]}";
const BOTH: [&str; 2] = ["partners", "team-b"];
/// The guests of the other namespace.
const CAROL_B: &str = "carol@team-b.example";
const BOB_B: &str = "bob@team-b.example";

/// Objects that nobody reconciles.
const NEW: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: brio, namespace: team-b}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dora, namespace: team-b}
spec: {partnerRef: {name: brio}, email: dora@team-b.example, invitedBy: alice@host.example}
";

/// The same objects in another namespace, with other addresses.
fn world_of(namespace: &str) -> String {
    WORLD
        .replace("namespace: partners", &format!("namespace: {namespace}"))
        .replace("@acme.", &format!("@{namespace}."))
}

/// All records of a namespace, as `directory show` has them.
fn records(stage: &Stage, namespace: &str) -> Vec<Value> {
    let show = stage.operator.show();
    let lists = ["partners", "guests", "deactivated"].map(|list| show[list].as_array().unwrap().clone());
    lists.into_iter().flatten().filter(|record| record["namespace"] == namespace).collect()
}

/// Objects of the namespace that is not watched.
fn objects(stage: &Stage) -> [Value; 4] {
    ["lp/brio", "gm/dora", "gm/carol", "lp/acme"].map(|object| stage.at("team-b").get(object))
}

/// An object vanishes in spite of its finalizer.
fn vanish(stage: &Stage, namespace: &str, object: &str) {
    stage.at(namespace).patch(object, r#"{"metadata":{"finalizers":null}}"#);
    stage.at(namespace).delete(object);
}

#[test]
fn unwatched_namespace_is_left_as_it_is() {
    let mut stage = Stage::prepare_in(2, &BOTH);
    stage.operator.policy(POLICY);
    // Both namespaces are watched at first.
    stage.operator.arguments = vec!["--namespace=partners,team-b"];
    stage.operator.start();
    stage.apply(&world_of("team-b"));
    stage.operator.joins_with_mfa(CAROL_B);
    stage.operator.joins_with_mfa(BOB_B);
    stage.at("team-b").guest("bob", BOB_B, "Active", &["instagram:Collaborator"]);
    stage.rests(2);
    assert_eq!(stage.operator.terminate(), Some(0));

    // Then only one, with a Role there alone.
    stage.plane.kubectl(&["delete", "role,rolebinding", "-n=team-b", "guestlist-guestlist"]).ok();
    stage.apply(&Operator::rbac_of(&stage.plane, &BOTH[..1]));
    let before = records(&stage, "team-b");
    vanish(&stage, "team-b", "gm/bob");
    stage.at("team-b").begin_to_delete("gm/carol");
    stage.apply(NEW);
    let declared = objects(&stage);
    stage.operator.arguments = vec!["--namespace=partners"];
    stage.operator.start();
    stage.settle();
    stage.at("partners").delete("gm/bob");
    stage.operator.has_access(CAROL, &["instagram:Manager"]);
    stage.operator.has_access(BOB, &[]);
    // An address of the other namespace stays taken.
    stage.apply(&WORLD.replace("bob@acme.", "bob@team-b."));
    stage.at("partners").says("gm/bob", "AlreadyGuest");
    stage.operator.logs(&["count=2", "live guests belong to namespaces that are not watched"]);
    stage.rests(4);

    assert_eq!(objects(&stage), declared, "no finalizer and no status");
    assert_eq!(records(&stage, "team-b"), before);
    stage.operator.has_access(BOB_B, &["instagram:Collaborator"]);
    let metrics = stage.operator.probe("/metrics").unwrap();
    assert!(metrics.contains("\nguestlist_orphans 0\n"), "{metrics}");
    let log = stage.operator.log();
    assert!(!log.contains("Orphaned"), "{log}");

    // Watched again, the guest without a membership is an orphan, and the deletion comes to its end.
    assert_eq!(stage.operator.terminate(), Some(0));
    stage.apply(&Operator::rbac_of(&stage.plane, &BOTH));
    stage.operator.arguments = vec!["--namespace=partners", "--namespace=team-b"];
    stage.operator.start();
    stage.operator.has_access(BOB_B, &[]);
    stage.operator.logs(&["Orphaned", BOB_B]);
    stage.at("team-b").shows("gm/carol", "is gone", Value::is_null);
    stage.operator.joins("dora@team-b.example");
}

#[test]
fn missing_role_of_a_namespace_keeps_the_operator_unready() {
    let mut stage = Stage::prepare_in(1, &BOTH);
    stage.operator.arguments = vec!["--namespace=partners", "--namespace=team-b"];
    stage.operator.go();
    stage.apply(WORLD);
    stage.operator.is_unready(&["GuestMembership in namespace team-b", "not allowed to list", "watchNamespaces"]);
    // The lists of the other namespace are complete, and no object has been reconciled.
    assert_eq!(stage.partners().get("gm/bob")["status"], json!({"observedGeneration": -1}));
    stage.apply(&Operator::rbac_of(&stage.plane, &BOTH));
    stage.operator.is_ready();
    stage.operator.joins_with_mfa(CAROL);
    eventually("carol is a Guest Admin", || {
        let seen = stage.operator.access(CAROL);
        if seen == ["instagram:Manager"] { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

const SECOND_LEASE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: second, namespace: guestlist}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [second], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: second, namespace: guestlist}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: second}
subjects: [{kind: ServiceAccount, name: guestlist, namespace: guestlist}]
";

#[test]
fn second_operator_with_other_namespaces_stops_the_first() {
    let mut stage = Stage::prepare_in(2, &BOTH);
    stage.operator.policy(POLICY);
    stage.apply(SECOND_LEASE);
    stage.operator.arguments = vec!["--namespace=partners"];
    stage.operator.start();
    stage.settle();
    let mut second = stage.operator.beside("second");
    second.arguments = vec!["--namespace=team-b", "--lease-name=second"];
    second.start();
    // The first operator notices it at its next write, which the directory refuses.
    stage.partners().patch("share/instagram", r#"{"spec":{"suspended":true}}"#);
    stage.operator.logs(&["another operator or apply is the leader of this directory now"]);
    eventually("the first operator ends", || if stage.operator.runs() { Err(stage.operator.log()) } else { Ok(()) });
    assert!(second.runs());
    stage.operator.has_access(CAROL, &["instagram:Manager"]);
    second.terminate();
}
