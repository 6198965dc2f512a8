//! Invitations: they expire at their instant. On request they are sent again, once, and not too often.

use crate::support::harness::{BOB, CAROL, Stage, deactivated};
use crate::support::operator::POLICY;

const PARTNER: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example], invitations: {expireAfter: 1s}}
";

const GUEST: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, invitedBy: alice@host.example}
";

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

#[test]
fn invitation_expires_at_its_instant_and_is_resent_only_once() {
    let mut stage = Stage::start();
    let (partners, operator) = (stage.partners(), &stage.operator);
    stage.apply(PARTNER);
    stage.apply(GUEST);
    partners.guest("carol", CAROL, "InvitationExpired", &[]);
    // An unaccepted invitation is no failure: pipelines do not wait for it.
    partners.becomes("gm/carol", "/status/conditions/0/status", "True");
    let said = operator.directory(&["accept", CAROL]);
    let said = (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned());
    assert!(said.0 == Some(1) && said.1.contains("expired"), "{said:?}");
    // In another directory, no command simulates the guest.
    assert!(operator.elsewhere.is_some() || said.1.contains("resend-invitation"), "{said:?}");
    // A guest with an expired invitation does not count as joined.
    partners.becomes("lp/acme", "/status/guests/summary", "0/1");

    // A longer lifetime applies to the next mail; an annotation with a future time requests nothing yet.
    partners.patch("lp/acme", r#"{"spec":{"invitations":{"expireAfter":"72h"}}}"#);
    partners.annotate("gm/carol", "guestlist.dev/resend-invitation=2199-01-01T00:00:00Z");
    partners.annotate("gm/carol", "guestlist.dev/reconcile-at=1");
    partners.becomes("gm/carol", "/status/lastHandledReconcileAt", "1");
    partners.becomes("gm/carol", "/status/state", "InvitationExpired");

    partners.annotate("gm/carol", &format!("guestlist.dev/resend-invitation={}", now()));
    partners.guest("carol", CAROL, "Invited", &[]);
    let sent = partners.get("gm/carol")["status"]["invitation"].clone();
    // A repetition of the same request, for example by a pipeline, sends nothing.
    partners.annotate("gm/carol", "guestlist.dev/resend-invitation-");
    partners.annotate("gm/carol", "guestlist.dev/resend-invitation=2020-01-01T00:00:00Z");
    partners.annotate("gm/carol", "guestlist.dev/reconcile-at=2");
    partners.becomes("gm/carol", "/status/lastHandledReconcileAt", "2");
    stage.rests(3);
    assert_eq!(partners.get("gm/carol")["status"]["invitation"], sent);
    // Nor does a restart that finds the annotation.
    stage.operator.kill();
    stage.operator.start();
    stage.rests(3);
    assert_eq!(stage.partners().get("gm/carol")["status"]["invitation"], sent);
    let log = stage.operator.log();
    assert_eq!(log.matches("operation=\"resend_invitation\"").count(), 1, "{log}");
    stage.operator.joins(CAROL);
    stage.partners().guest("carol", CAROL, "Joined", &[]);
}

#[test]
fn recreated_membership_is_invited_and_mfa_counts_once_accepted() {
    let stage = Stage::start();
    let (partners, operator) = (stage.partners(), &stage.operator);
    stage.settle();
    partners.delete("gm/bob");
    partners.nobody(BOB);
    assert_eq!(deactivated(operator), [BOB]);
    partners.becomes("share/instagram", "/status/withheld/0/reason", "MembershipNotFound");
    stage.apply(crate::support::harness::WORLD);
    partners.guest("bob", BOB, "Invited", &[]);
    partners.becomes("gm/bob", "/status/mfa/enrolled", "Unknown");
    assert!(deactivated(operator).is_empty(), "the record was revived");
    // The share still names the guest, who has the former access again after the acceptance.
    operator.joins(BOB);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
}

#[test]
fn mails_to_one_address_keep_the_policy_interval_across_objects() {
    let stage = Stage::prepare();
    stage.operator.policy(&POLICY.replace("mailInterval: 0s", "mailInterval: 1h"));
    let mut stage = stage;
    stage.operator.start();
    let partners = stage.partners();
    stage.apply(PARTNER);
    stage.apply(GUEST);
    partners.guest("carol", CAROL, "InvitationExpired", &[]);
    partners.annotate("gm/carol", &format!("guestlist.dev/resend-invitation={}", now()));
    partners.says("gm/carol", "MailInterval");
    // Nor does a new object for the address: the limit applies to the address.
    partners.delete("gm/carol");
    stage.apply(&GUEST.replace("name: carol", "name: caroline"));
    partners.says("gm/caroline", "MailInterval");
    partners.becomes("gm/caroline", "/status/state", "Pending");
    // The platform team may change the interval: without a restart or any other step.
    stage.operator.policy(POLICY);
    partners.shows("gm/caroline", "is invited", |seen| seen["status"]["invitation"]["sentAt"].is_string());
}
