//! A guest's lifecycle from the invitation to the deletion of the partner, as kubectl and the directory show it.

use crate::support::harness::{BOB, CAROL, Stage, WORLD, deactivated};
use crate::support::operator::eventually;

#[test]
fn guest_joins_enrols_mfa_loses_it_and_leaves_with_partner() {
    let mut stage = Stage::start();
    stage.apply(WORLD);
    let partners = stage.partners();
    let operator = &stage.operator;
    // Applied in the wrong order: bob waits for carol, who has no access before MFA.
    partners.says("gm/bob", "InviterNotActive");
    partners.guest("carol", CAROL, "Invited", &[]);
    assert!(!operator.directory(&["enroll-mfa", CAROL]).status.success(), "who has not joined has nothing to turn on");
    operator.joins(CAROL);
    partners.guest("carol", CAROL, "Joined", &[]);
    operator.directory_ok(&["enroll-mfa", CAROL]);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    operator.joins_with_mfa(BOB);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.becomes("share/instagram", "/status/grants/summary", "2/2");
    partners.becomes("lp/acme", "/status/guests/summary", "2/2");

    // An MFA reset withholds access at once, in the directory itself; another method restores it.
    operator.directory_ok(&["reset-mfa", BOB]);
    assert!(operator.access(BOB).is_empty());
    partners.guest("bob", BOB, "Joined", &[]);
    partners.becomes("share/instagram", "/status/withheld/0/reason", "MfaNotEnrolled");
    operator.directory_ok(&["enroll-mfa", BOB, "--method", "WebAuthn"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    // The annotation resets once: methods that are enrolled after its time stay.
    let now = jiff::Timestamp::now().to_string();
    partners.annotate("gm/bob", &format!("guestlist.dev/reset-mfa={now}"));
    partners.guest("bob", BOB, "Joined", &[]);
    operator.directory_ok(&["enroll-mfa", BOB]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    // A pause grants nothing, and does not prevent a revocation.
    partners.annotate("gm/bob", "guestlist.dev/paused=true");
    partners.patch("share/instagram", r#"{"spec":{"suspended":true}}"#);
    operator.has_access(BOB, &[]);
    partners.patch("share/instagram", r#"{"spec":{"suspended":false}}"#);
    operator.has_access(CAROL, &["instagram:Manager"]);
    partners.says("gm/bob", "Paused");
    assert!(operator.access(BOB).is_empty());
    partners.annotate("gm/bob", "guestlist.dev/paused-");
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    // Block keeps the guests; Cascade removes them, and leaves deactivated records.
    partners.begin_to_delete("lp/acme");
    partners.says("lp/acme", "DeletionBlocked");
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.patch("lp/acme", r#"{"spec":{"deletion":"Cascade"}}"#);
    eventually("the partner and all that is its are gone", || {
        let left = stage.versions();
        if left.trim().is_empty() { Ok(()) } else { Err(format!("{left}\n{}", operator.log())) }
    });
    let show = operator.show();
    assert_eq!(show["guests"].as_array().unwrap().len() + show["partners"].as_array().unwrap().len(), 0, "{show}");
    assert_eq!(deactivated(operator), [BOB, CAROL]);
    assert_eq!(stage.operator.terminate(), Some(0), "{}", stage.operator.log());
}

#[test]
fn the_owner_changes_and_the_account_goes_and_comes_back() {
    let stage = Stage::start();
    stage.settle();
    let (partners, operator) = (stage.partners(), &stage.operator);
    operator.directory_ok(&["set-owner", "instagram", "dan@host.example"]);
    partners.guest("bob", BOB, "Active", &[]);
    partners.guest("carol", CAROL, "Active", &[]);
    partners.says("share/instagram", "SharerNotOwner");
    partners.becomes("share/instagram", "/status/grants/summary", "0/2");
    // Both own the account: it is enough that the sharer is one of them.
    operator.directory_ok(&["set-owner", "instagram", "dan@host.example", "alice@host.example"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    // The sharer must be an Owner. Another Host Admin becomes the sharer by the spec, not by owning the account.
    operator.directory_ok(&["set-owner", "instagram", "dan@host.example"]);
    partners.guest("carol", CAROL, "Active", &[]);
    partners.patch("share/instagram", r#"{"spec":{"sharedBy":"dan@host.example"}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);

    operator.directory_ok(&["delete-account", "instagram"]);
    assert!(operator.access(BOB).is_empty(), "the directory itself lets nobody use what is deleted");
    partners.guest("bob", BOB, "Active", &[]);
    partners.says("share/instagram", "AccountNotFound");
    // A restored share grants the access of the present spec, not the former one.
    partners.patch("share/instagram", r#"{"spec":{"exclude":[{"name":"bob"}]}}"#);
    operator.directory_ok(&["restore-account", "instagram"]);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &[]);
    partners.patch("share/instagram", r#"{"spec":{"exclude":null}}"#);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.says("share/instagram", "Reconciled");

    // A deleted share grants nothing from that moment on; its guests stay.
    partners.delete("share/instagram");
    assert!(operator.access(BOB).is_empty() && operator.access(CAROL).is_empty(), "gone means taken away");
    partners.guest("bob", BOB, "Active", &[]);
    assert!(deactivated(operator).is_empty());
    partners.becomes("lp/acme", "/status/shares", "0");
}
