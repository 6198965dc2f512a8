//! Links that are sent again, and people who interrupt the enrolment and continue later.

use guestlist::directory::{Error, GuestChange, MfaRecord, Operation};
use guestlist::domain::MfaMethod;

use super::harness::{in_three_days, on_stage};
use crate::support::contract::guest;

const BOB: &str = "bob@acme.example";

fn invite_again() -> Operation {
    Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: in_three_days() } }
}

#[test]
fn resent_invitation_invalidates_earlier_link_and_open_page() {
    on_stage("resent", async |stage| {
        let mut bob = stage.invite(BOB).await;
        let first = bob.link();
        let mut late = stage.person(BOB);
        late.opens(&first).await;
        stage.done(&invite_again()).await;
        assert_eq!(stage.mail.count(BOB), 2);
        assert_ne!(bob.link(), first);
        late.browser.follow("proceed").await;
        assert_eq!(late.browser.status, 400, "{}", late.browser.words());
        bob.opens(&first).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());
        assert_eq!(bob.record().await.joined_at, None);
        bob.accepts().await;
        bob.chooses_a_password().await;
        assert!(bob.record().await.joined_at.is_some());
    });
}

#[test]
fn a_revoked_invitation_cannot_be_followed() {
    on_stage("revoked", async |stage| {
        let mut bob = stage.invite(BOB).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::RevokeInvitation }).await;
        assert_eq!(bob.record().await.invitation, None);
        bob.opens(&bob.link()).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());
    });
}

#[test]
fn invitation_revoked_during_password_choice_makes_no_guest() {
    on_stage("revoked-late", async |stage| {
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        assert!(bob.browser.asks("password-new"), "{}", bob.browser.words());
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::RevokeInvitation }).await;
        bob.chooses_a_password().await;
        let record = bob.record().await;
        assert_eq!((record.joined_at, record.invitation), (None, None));
    });
}

#[test]
fn guest_stopped_before_password_continues_by_the_next_mail() {
    on_stage("no-password", async |stage| {
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        assert!(bob.browser.asks("password-new"), "{}", bob.browser.words());
        // The guest closes the page. The link is used up.
        bob.opens(&bob.link()).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());
        let record = bob.record().await;
        assert_eq!(record.joined_at, None, "the guest has not joined");
        assert!(record.invitation.is_some(), "nobody is mailed again for being at the page");

        stage.done(&invite_again()).await;
        assert_eq!(stage.mail.count(BOB), 2);
        assert!(bob.record().await.invitation.is_some(), "a mail is under way");
        bob.accepts().await;
        bob.chooses_a_password().await;
        bob.enrols().await;
        assert!(bob.record().await.joined_at.is_some());
        bob.signs_in().await.expect("the guest is signed in");
    });
}

#[test]
fn second_mail_before_password_is_sent_once_and_revocable() {
    on_stage("second", async |stage| {
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        let again = invite_again();
        stage.done(&again).await;
        stage.done(&again).await;
        assert_eq!(stage.mail.count(BOB), 2);
        let link = bob.link();
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::RevokeInvitation }).await;
        assert_eq!(bob.record().await.invitation, None);
        bob.opens(&link).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());
    });
}

#[test]
fn guest_stopped_after_password_continues_at_sign_in() {
    on_stage("no-code-yet", async |stage| {
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        bob.chooses_a_password().await;
        assert!(bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        // The guest closes the page. No mail is needed.
        let again = stage.run(&invite_again()).await;
        assert!(matches!(again, Err(Error::Changed { .. })), "{again:?}");
        bob.signs_in().await.expect_err("the guest has to enrol first");
        bob.enrols().await;
        bob.is_in().await.expect("the guest is signed in");
    });
}

#[test]
fn guest_stopped_after_code_first_continues_with_the_same_code() {
    on_stage("code-first", async |stage| {
        stage.action_at("UPDATE_PASSWORD", 57).await;
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        bob.enrols().await;
        assert!(bob.browser.asks("password-new"), "{}", bob.browser.words());
        let record = bob.record().await;
        assert_eq!(record.joined_at, None, "the guest has not joined");
        assert!(record.invitation.is_some(), "nobody is mailed again for being at the page");

        stage.done(&invite_again()).await;
        bob.accepts().await;
        bob.chooses_a_password().await;
        let record = bob.record().await;
        assert!(record.joined_at.is_some());
        assert!(
            matches!(&record.mfa, MfaRecord::Known(methods) if methods.contains_key(&MfaMethod::TOTP)),
            "{record:?}"
        );
        bob.signs_in().await.expect("the guest signs in with the code");
    });
}
