//! Suspended and expired objects of the three kinds: access is withheld at once, the login is disabled, and both
//! return.

use crate::support::harness::{BOB, CAROL, Stage};
use crate::support::operator::eventually;

const MANAGER: &[&str] = &["instagram:Manager"];
const COLLABORATOR: &[&str] = &["instagram:Collaborator"];

#[test]
fn suspended_expired_or_overdue_access_is_revoked_and_returns() {
    let stage = Stage::start();
    stage.settle();
    suspending_each_kind_withholds_and_lifting_it_gives_back(&stage);
    each_kind_expires_at_its_instant_and_extension_restores_all(&stage);
    overdue_enrolment_suspends_until_mfa_and_keeps_login_open(&stage);
}

fn suspending_each_kind_withholds_and_lifting_it_gives_back(stage: &Stage) {
    let partners = stage.partners();
    let (on, off) = (r#"{"spec":{"suspended":true}}"#, r#"{"spec":{"suspended":null}}"#);
    // A partner: all of its guests.
    partners.patch("lp/acme", on);
    partners.guest("carol", CAROL, "Suspended", &[]);
    partners.guest("bob", BOB, "Suspended", &[]);
    partners.becomes("lp/acme", "/status/guests/suspended", "2");
    partners.becomes("share/instagram", "/status/withheld/1/reason", "Suspended");
    partners.patch("lp/acme", off);
    partners.guest("carol", CAROL, "Active", MANAGER);
    partners.guest("bob", BOB, "Active", COLLABORATOR);
    // A membership: one guest, whose login is disabled. The propagator need not be Active.
    partners.patch("gm/carol", on);
    partners.guest("carol", CAROL, "Suspended", &[]);
    partners.says("gm/carol", "Suspended");
    assert!(!stage.operator.directory(&["enroll-mfa", CAROL, "--method", "WebAuthn"]).status.success());
    partners.guest("bob", BOB, "Active", COLLABORATOR);
    partners.patch("gm/carol", off);
    partners.guest("carol", CAROL, "Active", MANAGER);
    // A share: its account and nothing else.
    partners.patch("share/instagram", on);
    partners.guest("carol", CAROL, "Active", &[]);
    partners.guest("bob", BOB, "Active", &[]);
    partners.becomes("share/instagram", "/status/grants/summary", "0/2");
    partners.becomes("gm/bob", "/status/accounts/0/reason", "Suspended");
    partners.patch("share/instagram", off);
    partners.guest("carol", CAROL, "Active", MANAGER);
    partners.guest("bob", BOB, "Active", COLLABORATOR);
    // A guest that is suspended before the first invitation gets no mail.
    let quiet = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: quinn, namespace: partners}
spec: {partnerRef: {name: acme}, email: quinn@acme.example, invitedBy: alice@host.example, suspended: true}
";
    stage.apply(quiet);
    partners.says("gm/quinn", "Suspended");
    assert_eq!(stage.operator.guest("quinn@acme.example"), None);
    partners.patch("gm/quinn", off);
    partners.guest("quinn", "quinn@acme.example", "Invited", &[]);
}

fn each_kind_expires_at_its_instant_and_extension_restores_all(stage: &Stage) {
    let partners = stage.partners();
    let extended = r#"{"spec":{"expiresAt":"2199-01-01T00:00:00Z"}}"#;
    // Nothing changes at that instant, but the operator acts on it at once, not at the next resync.
    let soon = || {
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
        format!(r#"{{"spec":{{"expiresAt":"{}"}}}}"#, end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    };
    partners.patch("lp/acme", &soon());
    partners.guest("carol", CAROL, "Expired", &[]);
    partners.guest("bob", BOB, "Expired", &[]);
    partners.patch("lp/acme", extended);
    partners.guest("carol", CAROL, "Active", MANAGER);
    partners.guest("bob", BOB, "Active", COLLABORATOR);
    partners.becomes("gm/bob", "/status/expiresAt", "2199-01-01T00:00:00Z");

    partners.patch("gm/bob", &soon());
    partners.guest("bob", BOB, "Expired", &[]);
    partners.says("gm/bob", "Expired");
    partners.guest("carol", CAROL, "Active", MANAGER);
    partners.patch("gm/bob", r#"{"spec":{"expiresAt":null}}"#);
    partners.guest("bob", BOB, "Active", COLLABORATOR);

    partners.patch("share/instagram", &soon());
    partners.guest("carol", CAROL, "Active", &[]);
    partners.guest("bob", BOB, "Active", &[]);
    partners.becomes("gm/bob", "/status/accounts/0/reason", "Expired");
    partners.patch("share/instagram", extended);
    partners.guest("carol", CAROL, "Active", MANAGER);
    partners.guest("bob", BOB, "Active", COLLABORATOR);

    // A cap that is lowered later ends existing memberships and rejects none; a raised cap revives them.
    partners.patch("lp/acme", r#"{"spec":{"guests":{"maxDuration":"1s"}}}"#);
    partners.guest("bob", BOB, "Expired", &[]);
    partners.patch("lp/acme", r#"{"spec":{"guests":{"maxDuration":"240h"}}}"#);
    partners.guest("bob", BOB, "Active", COLLABORATOR);
    let soon = |seen: &serde_json::Value| crate::support::harness::condition(seen, "ExpiringSoon")["status"] == "True";
    partners.shows("gm/bob", "expires soon", soon);
}

fn overdue_enrolment_suspends_until_mfa_and_keeps_login_open(stage: &Stage) {
    let partners = stage.partners();
    partners.patch("lp/acme", r#"{"spec":{"mfa":{"enrolWithin":"1s"}}}"#);
    stage.operator.directory_ok(&["reset-mfa", BOB]);
    partners.says("gm/bob", "MfaEnrolmentOverdue");
    partners.becomes("gm/bob", "/status/state", "Suspended");
    eventually("the directory leaves the login open", || {
        let guest = stage.operator.guest(BOB).unwrap();
        if guest["state"] == "Joined" { Ok(()) } else { Err(guest.to_string()) }
    });
    stage.operator.directory_ok(&["enroll-mfa", BOB]);
    partners.guest("bob", BOB, "Active", COLLABORATOR);
}
