//! Access through a share, while roles, exclusions and propagators change, and names are reused.

use crate::support::harness::{BOB, CAROL, Stage};

const DAVE: &str = "dave@acme.example";

const DAVE_TOO: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dave, namespace: partners}
spec: {partnerRef: {name: acme}, email: dave@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
";

#[test]
fn roles_come_and_go_propagators_leave_and_names_are_used_again() {
    let stage = Stage::start();
    stage.settle();
    promotion_demotion_exclusion_and_overrides_apply_and_revert(&stage);
    propagator_leaves_and_returns_and_is_not_replaced(&stage);
    name_reused_by_other_person_gets_nothing_from_pinned_entry(&stage);
}

fn promotion_demotion_exclusion_and_overrides_apply_and_revert(stage: &Stage) {
    let partners = stage.partners();
    // An exclusion has precedence over everything else, for a Guest User and for a Guest Admin.
    for (name, email, access) in [("bob", BOB, "instagram:Collaborator"), ("carol", CAROL, "instagram:Manager")] {
        partners.patch("share/instagram", &format!(r#"{{"spec":{{"exclude":[{{"name":"{name}"}}]}}}}"#));
        partners.guest(name, email, "Active", &[]);
        partners.patch("share/instagram", r#"{"spec":{"exclude":null}}"#);
        partners.guest(name, email, "Active", &[access]);
    }
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    // A demoted propagator loses the access of a Guest Admin, and so do the guests that it was passed on to.
    partners.patch("gm/carol", r#"{"spec":{"role":"GuestUser"}}"#);
    partners.guest("carol", CAROL, "Active", &[]);
    partners.guest("bob", BOB, "Active", &[]);
    partners.says("share/instagram", "PropagationNeedsManager");
    partners.becomes("gm/carol", "/status/role", "GuestUser");
    partners.patch("gm/carol", r#"{"spec":{"role":"GuestAdmin"}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    // A promoted Guest User gets the access of Guest Admins, and the entry has no effect; after a demotion it has
    // again.
    partners.patch("gm/bob", r#"{"spec":{"role":"GuestAdmin"}}"#);
    partners.guest("bob", BOB, "Active", &["instagram:Manager"]);
    partners.says("share/instagram", "Reconciled");
    partners.patch("gm/bob", r#"{"spec":{"role":"GuestUser"}}"#);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    // An override to Collaborator also ends the propagation. The reconcile refuses Manager for a Guest User.
    partners.patch("share/instagram", r#"{"spec":{"roleOverrides":[{"name":"carol","role":"Collaborator"}]}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Collaborator"]);
    partners.guest("bob", BOB, "Active", &[]);
    partners.patch("share/instagram", r#"{"spec":{"roleOverrides":[{"name":"bob","role":"Manager"}]}}"#);
    partners.says("share/instagram", "ManagerNeedsGuestAdmin");
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.patch("share/instagram", r#"{"spec":{"roleOverrides":null}}"#);
    partners.says("share/instagram", "Reconciled");
}

fn propagator_leaves_and_returns_and_is_not_replaced(stage: &Stage) {
    stage.apply(DAVE_TOO);
    stage.operator.joins_with_mfa(DAVE);
    let partners = stage.partners();
    partners.guest("dave", DAVE, "Active", &["instagram:Manager"]);
    partners.delete("gm/carol");
    partners.nobody(CAROL);
    partners.guest("bob", BOB, "Active", &[]);
    partners.says("share/instagram", "PropagationNeedsManager");
    let told = partners.get("share/instagram")["status"]["violations"][0].clone();
    assert_eq!(told["path"], "spec.guestUsers[0].propagatedBy", "{told}");
    assert!(told["message"].as_str().unwrap().contains("dave"), "it names who could: {told}");
    partners.guest("dave", DAVE, "Active", &["instagram:Manager"]);
    // Carol returns under the same name: from Invited on, her entry is valid by spec, Active or not.
    stage.apply(crate::support::harness::WORLD);
    partners.guest("carol", CAROL, "Invited", &[]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.says("share/instagram", "Reconciled");
    stage.operator.joins(CAROL);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
}

fn name_reused_by_other_person_gets_nothing_from_pinned_entry(stage: &Stage) {
    const MALLORY: &str = "mallory@acme.example";
    let partners = stage.partners();
    let entries = r#"{"spec":{"guestUsers":[{"name":"bob","propagatedBy":"carol","email":"bob@acme.example"}]}}"#;
    partners.patch("share/instagram", entries);
    stage.apply(
        "
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: tiktok
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: carol}]
",
    );
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator", "tiktok:Collaborator"]);
    partners.delete("gm/bob");
    partners.nobody(BOB);
    stage.apply(
        "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: mallory@acme.example, invitedBy: alice@host.example}
",
    );
    partners.guest("bob", MALLORY, "Invited", &[]);
    stage.operator.joins_with_mfa(MALLORY);
    // The unpinned share applies to the name; the pinned one reports another person.
    partners.guest("bob", MALLORY, "Active", &["tiktok:Collaborator"]);
    partners.says("share/instagram", "NotAGuestOfPartner");
    partners.becomes("share/instagram", "/status/violations/0/path", "spec.guestUsers[0].email");
    partners.says("share/tiktok", "Reconciled");
}
