//! From the invitation to the accounts.

use guestlist::util::small_map::SmallMap;

use guestlist::directory::{Login, MfaRecord};
use guestlist::domain::{MfaMethod, ShareRole};
use jiff::{SignedDuration, Timestamp};

use super::harness::{accounts, holds, on_stage};
use crate::support::contract::{give, grant};

const BOB: &str = "bob@acme.example";

/// Keycloak counts milliseconds, so an instant of guestlist may be later than a subsequent one of Keycloak.
fn since(instant: Timestamp) -> Timestamp {
    instant - SignedDuration::from_millis(1)
}

#[test]
fn joined_and_enrolled_guest_holds_grants_and_nothing_before() {
    on_stage("joins", async |stage| {
        let began = Timestamp::now();
        let mut bob = stage.invite(BOB).await;
        assert_eq!(stage.mail.count(BOB), 1);
        assert!(stage.mail.newest(BOB).contains("Acme Agency"), "the mail names the partner");
        let record = bob.record().await;
        let invitation = record.invitation.expect("the guest is invited");
        assert!(began <= invitation.sent_at && invitation.sent_at <= Timestamp::now());
        assert_eq!(
            (record.joined_at, record.mfa, record.login),
            (None, MfaRecord::Known(SmallMap::default()), Login::Enabled)
        );

        // A mail scanner opens every link: that is no acceptance.
        bob.opens(&bob.link()).await;
        let record = bob.record().await;
        assert!(record.joined_at.is_none() && record.invitation.is_some(), "{record:?}");

        bob.browser.follow("proceed").await;
        assert_eq!(bob.record().await.joined_at, None, "without a password the guest has not joined");
        bob.signs_in_directly().await.expect_err("without a password nobody signs in");

        let before_password = Timestamp::now();
        bob.chooses_a_password().await;
        let record = bob.record().await;
        let joined_at = record.joined_at.expect("the guest has joined");
        assert!(since(before_password) <= joined_at && joined_at <= Timestamp::now());
        assert_eq!((record.invitation, record.mfa), (None, MfaRecord::Known(SmallMap::default())));
        let refused = bob.signs_in_directly().await.expect_err("without MFA nobody signs in");
        assert!(!refused.contains("Invalid user credentials"), "the password is right: {refused}");
        let refused = stage.run(&give("bob", vec![grant("instagram", ShareRole::Manager)])).await;
        refused.expect_err("without MFA nothing is given");

        let before_enrolment = Timestamp::now();
        bob.enrols().await;
        let record = bob.record().await;
        let MfaRecord::Known(methods) = &record.mfa else { panic!("{record:?}") };
        let enrolled_at = *methods.get(&MfaMethod::TOTP).expect("the guest has a one-time password");
        assert!(since(before_enrolment) <= enrolled_at && enrolled_at <= Timestamp::now());
        assert_eq!((record.joined_at, methods.len()), (Some(joined_at), 1));

        let tokens = bob.signs_in().await.unwrap();
        assert_eq!(accounts(&tokens), None, "nothing was given yet");
        stage
            .done(&give("bob", vec![grant("instagram", ShareRole::Manager), grant("tiktok", ShareRole::Collaborator)]))
            .await;
        let tokens = stage.application.refresh(&tokens).await.expect("who is given something stays signed in");
        holds(&tokens, &["instagram:manager", "tiktok:collaborator"]);
        holds(&bob.signs_in().await.unwrap(), &["instagram:manager", "tiktok:collaborator"]);
        holds(&bob.signs_in_directly().await.unwrap(), &["instagram:manager", "tiktok:collaborator"]);
        assert_eq!(bob.record().await.joined_at, Some(joined_at));
        assert_eq!(stage.mail.count(BOB), 1, "one mail in all");
    });
}

#[test]
fn guest_without_code_cannot_sign_in() {
    on_stage("no-code", async |stage| {
        let mut bob = stage.active(BOB).await;
        bob.key = None;
        bob.signs_in().await.expect_err("the page asks for a code");
        assert!(bob.browser.asks("otp"), "{}", bob.browser.words());
        bob.signs_in_directly().await.expect_err("a code belongs there");
    });
}
