//! A mail server that refuses or hangs: no record claims an invitation, and the mail is sent later, once.

use std::time::{Duration, Instant};

use guestlist::directory::{Error, GuestChange, Operation};

use super::harness::{Stage, in_three_days, on_stage};
use crate::support::contract::{admit, email, guest};
use crate::support::mail::Mood;

const BOB: &str = "bob@acme.example";
/// Longer than Keycloak's timeout for a mail server, shorter than guestlist's timeout for Keycloak.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// The error names the address and the place to check.
fn is_clear(fault: &Error) {
    let said = fault.to_string();
    assert!(matches!(fault, Error::MailNotSent { .. }), "{said}");
    assert!(said.contains(BOB) && said.contains("mail server"), "{said}");
}

#[test]
fn mail_server_refusal_is_reported_and_mail_is_sent_once_later() {
    on_stage("refuses", async |stage| {
        stage.mail.set(Mood::Refuses);
        let fault = stage.run(&admit(&email(BOB), in_three_days())).await.expect_err("no mail went out");
        is_clear(&fault);
        let record = stage.record(BOB).await;
        assert_eq!(
            (record.invitation, record.last_mail_at, record.joined_at),
            (None, None, None),
            "nobody was invited"
        );
        assert!(record.is_live(), "the record stands");

        // The same operation again: the user exists, and nothing is sent.
        stage.done(&admit(&email(BOB), in_three_days())).await;
        let invite = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::ResendInvitation { expires_at: in_three_days() },
        };
        is_clear(&stage.run(&invite).await.expect_err("still no mail server"));
        let record = stage.record(BOB).await;
        assert_eq!((record.invitation, record.last_mail_at), (None, None));
        goes_out_once(stage).await;
    });
}

/// Once the mail server accepts mails, one is sent, and its link works.
async fn goes_out_once(stage: &Stage) {
    stage.mail.set(Mood::Takes);
    let invite =
        Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: in_three_days() } };
    stage.done(&invite).await;
    stage.done(&invite).await;
    assert_eq!(stage.mail.count(BOB), 1, "one mail in all");
    assert!(stage.record(BOB).await.invitation.is_some());
    let mut bob = stage.person(BOB);
    bob.accepts().await;
    bob.chooses_a_password().await;
    assert!(bob.record().await.joined_at.is_some());
}

#[test]
fn hanging_mail_server_is_reported_and_mail_counts_as_sent() {
    on_stage("hangs", async |stage| {
        stage.mail.set(Mood::Hangs);
        let began = Instant::now();
        let fault = stage.run(&admit(&email(BOB), in_three_days())).await.expect_err("no mail went out");
        is_clear(&fault);
        assert!(began.elapsed() < MAIL_TIMEOUT, "{:?}", began.elapsed());
        let record = stage.record(BOB).await;
        assert!(record.is_live() && record.invitation.is_none() && record.last_mail_at.is_some(), "{record:?}");
        goes_out_once(stage).await;
    });
}

#[test]
fn failed_resend_of_invitation_leaves_no_working_link() {
    on_stage("not-resent", async |stage| {
        let mut bob = stage.invite(BOB).await;
        let sent = bob.record().await.last_mail_at;
        stage.mail.set(Mood::Refuses);
        let again = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::ResendInvitation { expires_at: in_three_days() },
        };
        is_clear(&stage.run(&again).await.expect_err("no mail went out"));
        let record = bob.record().await;
        assert_eq!((record.invitation, record.last_mail_at), (None, sent), "the last mail was the first");
        bob.opens(&bob.link()).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());
        stage.mail.set(Mood::Takes);
        stage.done(&again).await;
        bob.accepts().await;
        assert!(bob.browser.asks("password-new"), "{}", bob.browser.words());
    });
}

#[test]
fn half_joined_guest_without_mail_is_reported_and_mailed_later() {
    on_stage("rest-not-sent", async |stage| {
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        stage.mail.set(Mood::Refuses);
        let again = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::ResendInvitation { expires_at: in_three_days() },
        };
        is_clear(&stage.run(&again).await.expect_err("no mail went out"));
        assert_eq!(bob.record().await.invitation, None);
        stage.mail.set(Mood::Takes);
        stage.done(&again).await;
        assert_eq!(stage.mail.count(BOB), 2);
        bob.accepts().await;
        bob.chooses_a_password().await;
        assert!(bob.record().await.joined_at.is_some());
    });
}
