//! Kubernetes fails: missing CRDs, forbidden verbs, an API server that stops and returns. Each failure has a clear
//! message in the log and at /readyz, and ends without intervention.

use serde_json::{Value, json};

use crate::support::harness::{BOB, CAROL, Stage, WORLD};
use crate::support::operator::{Operator, eventually};
use crate::support::reused_planes::Reused;

/// Changes the verbs of the operator's rule for some resource.
fn allow(stage: &Stage, resource: &str, verbs: &[&str]) {
    let plane = &stage.plane;
    let role: Value =
        serde_json::from_str(&plane.kubectl(&["get", "clusterrole", "guestlist-guestlist", "-o", "json"]).ok())
            .unwrap();
    let mut rules = role["rules"].clone();
    let rule = rules.as_array_mut().unwrap().iter_mut();
    let has = |rule: &Value| rule["resources"].as_array().unwrap().contains(&json!(resource));
    let rule = rule.into_iter().find(|rule| has(rule)).unwrap();
    rule["verbs"] = json!(verbs);
    let patch = json!({ "rules": rules }).to_string();
    plane.kubectl(&["patch", "clusterrole", "guestlist-guestlist", "--type=merge", "-p", &patch]).ok();
}

#[test]
fn missing_crds_are_named_and_operator_continues_once_installed() {
    let plane = Reused::alone();
    plane.kubectl(&["create", "namespace", "guestlist"]).ok();
    plane.kubectl(&["create", "namespace", "partners"]).ok();
    Operator::install(&plane, "rbac");
    let mut stage = Stage { operator: Operator::outside(&plane), plane };
    stage.operator.go();
    stage.operator.is_unready(&["localpartners.guestlist.dev", "guestlist crds | kubectl apply"]);
    let line = stage.operator.logs(&["WARN", "guestmemberships.guestlist.dev", "install the CRDs"]);
    assert!(!line.contains("Status {"), "in words, not as the client's innards: {line}");
    let healthy = stage.operator.probe("/healthz").unwrap();
    assert!(healthy.contains("200 OK"), "a restart would not help: {healthy}");
    Operator::install(&stage.plane, "crds");
    Operator::established(&stage.plane);
    stage.operator.is_ready();
    stage.settle();
}

#[test]
fn deleted_crds_revoke_all_access_and_can_be_reinstalled() {
    let stage = Stage::start();
    stage.settle();
    stage.plane.kubectl(&["delete", "crd", "-l", "app.kubernetes.io/name=guestlist", "--timeout=4m"]).ok();
    stage.operator.is_unready(&["guestmemberships.guestlist.dev", "install the CRDs"]);
    let show = stage.operator.show();
    assert_eq!((&show["guests"], &show["partners"]), (&json!([]), &json!([])), "{show:#}");
    assert_eq!(crate::support::harness::deactivated(&stage.operator), [BOB, CAROL]);
    Operator::install(&stage.plane, "crds");
    Operator::established(&stage.plane);
    stage.operator.is_ready();
    // The removed guest is invited again; earlier MFA methods count after the acceptance.
    stage.apply(WORLD);
    stage.partners().guest("carol", CAROL, "Invited", &[]);
    stage.operator.joins(CAROL);
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
}

#[test]
fn forbidden_verbs_are_named_and_delayed_work_runs_once_allowed() {
    let kinds = "localpartners";
    let mut stage = Stage::prepare();
    // Without `list`, the operator is not ready, because it has no objects.
    allow(&stage, kinds, &["get", "watch", "patch"]);
    stage.operator.go();
    stage.operator.is_unready(&["not allowed to list", "guestmemberships.guestlist.dev", "ClusterRole"]);
    allow(&stage, kinds, &["get", "list", "patch"]);
    stage.operator.logs(&["not allowed to watch", "accountshares.guestlist.dev", "ClusterRole"]);
    allow(&stage, kinds, &["get", "list", "watch", "patch"]);
    stage.operator.is_ready();
    stage.settle();

    // Without a status write, access is still revoked.
    allow(&stage, "localpartners/status", &["get"]);
    stage.partners().patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    stage.operator.has_access(BOB, &[]);
    let line = stage.operator.logs(&["GuestMembership partners/bob", "status", "forbidden", "ClusterRole"]);
    assert!(!line.contains("Status {"), "{line}");
    assert_eq!(stage.partners().get("gm/bob")["status"]["state"], "Active", "nobody could write it");
    allow(&stage, "localpartners/status", &["patch"]);
    stage.partners().guest("bob", BOB, "Suspended", &[]);

    // Without permission for Events, everything else works.
    allow(&stage, "events", &["get"]);
    stage.partners().patch("gm/carol", r#"{"spec":{"suspended":true}}"#);
    stage.partners().guest("carol", CAROL, "Suspended", &[]);
    let line = stage.operator.logs(&["failed to write an Event", "partners/carol"]);
    assert!(!line.contains("Status {"), "{line}");

    // Without permission to add a finalizer, nobody is invited: such an object could vanish and leave access behind.
    allow(&stage, kinds, &["get", "list", "watch"]);
    stage.apply(
        &WORLD.replace("bob", "ned").split("---").nth(1).unwrap().replace("carol@acme.example", "alice@host.example"),
    );
    stage.operator.logs(&["partners/ned", "forbidden", "ClusterRole"]);
    assert_eq!(stage.operator.guest("ned@acme.example"), None);
    allow(&stage, kinds, &["get", "list", "watch", "patch"]);
    stage.partners().guest("ned", "ned@acme.example", "Invited", &[]);
}

#[test]
fn api_server_outage_allows_revocations_and_work_resumes_after() {
    let mut stage = Stage::prepare();
    stage.operator.arguments = vec!["--lease-duration=2s"];
    stage.operator.start();
    stage.settle();
    stage.plane.stop_api_server();
    stage.operator.is_unready(&["GuestMembership", "Connection refused"]);
    // Revocations for changes in the directory continue, however long the outage lasts: the record itself loses the
    // grant, not only its effect.
    stage.operator.logs(&["the Lease has expired", "Connection refused"]);
    stage.operator.directory_ok(&["reset-mfa", BOB]);
    eventually("the grant is taken from the record", || {
        let guest = stage.operator.guest(BOB).unwrap();
        if guest["grants"] == json!([]) { Ok(()) } else { Err(format!("{guest}\n{}", stage.operator.log())) }
    });
    assert!(stage.operator.runs(), "{}", stage.operator.log());
    stage.plane.start_api_server();
    stage.operator.is_ready();
    let partners = stage.partners();
    partners.guest("bob", BOB, "Joined", &[]);
    stage.operator.directory_ok(&["enroll-mfa", BOB]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    // The API server is down during another start: the operator waits for it, and reports that.
    stage.operator.kill();
    stage.plane.stop_api_server();
    stage.operator.go();
    stage.operator.is_unready(&["API server", "Connection refused"]);
    let line = stage.operator.logs(&["ERROR", "Lease guestlist/guestlist", "Connection refused"]);
    assert!(line.contains("tried again"), "{line}");
    assert!(!stage.operator.log().contains("kube_client"), "its own words, once: {}", stage.operator.log());
    stage.plane.start_api_server();
    stage.operator.is_ready();
    stage.partners().patch("share/instagram", r#"{"spec":{"suspended":true}}"#);
    stage.operator.has_access(BOB, &[]);
    stage.operator.has_access(CAROL, &[]);
    assert_eq!(stage.operator.terminate(), Some(0), "{}", stage.operator.log());
}
