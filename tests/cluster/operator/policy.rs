//! The workspace policy in a running operator: an unlisted namespace gets nothing, and a changed file takes effect by
//! itself.

use crate::support::harness::{CAROL, Stage, WORLD};
use crate::support::operator::POLICY;

#[test]
fn unlisted_namespace_gets_nothing_for_any_manifest() {
    let stage = Stage::start();
    let operator = &stage.operator;
    stage.plane.kubectl(&["create", "namespace", "strangers"]).ok();
    stage.apply(&WORLD.replace("namespace: partners", "namespace: strangers"));
    let strangers = stage.at("strangers");
    strangers.says("lp/acme", "HostAdminNotAllowedHere");
    strangers.says("share/instagram", "HostAdminNotAllowedHere");
    stage.rests(4);
    let show = operator.show();
    assert_eq!(show["guests"].as_array().unwrap().len() + show["partners"].as_array().unwrap().len(), 0, "{show}");
    // A policy that lists the namespace restores it without any other step; one that drops it withholds the access.
    operator.policy(&POLICY.replace("namespace: partners", "namespace: strangers"));
    operator.joins_with_mfa(CAROL);
    strangers.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    operator.policy(POLICY);
    operator.has_access(CAROL, &[]);
    strangers.says("lp/acme", "HostAdminNotAllowedHere");
}

#[test]
fn unreadable_policy_keeps_access_and_grants_nothing_new() {
    let stage = Stage::start();
    stage.settle();
    let (partners, operator) = (stage.partners(), &stage.operator);
    for broken in [
        "installation: [",
        "tenants: nobody",
        "installation: somewhere-else",
        "",
        "installation: test\ndomains: [host.example]\n",
        "installation: test\ntenants:\n# - {namespace: partners, hostAdmins: ['*@host.example']}\n",
    ] {
        operator.policy(broken);
        operator.is_unready(&["PolicyUnreadable"]);
    }
    std::fs::remove_file(operator.folder.join("workspace.yaml")).unwrap();
    operator.is_unready(&["PolicyUnreadable", "workspace.yaml"]);
    let another =
        WORLD.replace("bob", "ned").replace("name: instagram", "name: another").replace(": instagram", ": tiktok");
    stage.apply(&another);
    partners.says("gm/ned", "PolicyUnreadable");
    assert_eq!(operator.guest("ned@acme.example"), None);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    // Revocations continue.
    partners.patch("gm/carol", r#"{"spec":{"suspended":true}}"#);
    partners.guest("carol", CAROL, "Suspended", &[]);
    partners.patch("gm/carol", r#"{"spec":{"suspended":false}}"#);
    operator.policy(POLICY);
    operator.is_ready();
    partners.guest("carol", CAROL, "Active", &["instagram:Manager", "tiktok:Manager"]);
    partners.guest("ned", "ned@acme.example", "Invited", &[]);
}

#[test]
fn operator_started_on_policy_without_tenants_waits_for_one() {
    let mut stage = Stage::prepare();
    stage.operator.policy("installation: test\n");
    stage.operator.go();
    stage.apply(WORLD);
    stage.operator.is_unready(&["PolicyUnreadable", "tenants: []"]);
    assert_eq!(stage.operator.show()["guests"], serde_json::json!([]), "nothing is done without a policy");
    stage.operator.policy(POLICY);
    stage.operator.is_ready();
    stage.partners().guest("carol", "carol@acme.example", "Invited", &[]);
}

#[test]
fn policy_without_tenants_denies_all_access_with_a_reason() {
    let mut stage = Stage::prepare();
    stage.operator.policy("tenants: []\n");
    stage.operator.start();
    stage.apply(WORLD);
    let partners = stage.partners();
    partners.says("lp/acme", "HostAdminNotAllowedHere");
    partners.shows("gm/carol", "is refused", |seen| seen["status"]["state"] == "Rejected");
    assert_eq!(stage.operator.show()["guests"], serde_json::json!([]));
}
