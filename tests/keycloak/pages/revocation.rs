//! A revocation shows in the next token, and ends the sessions.

use guestlist::util::small_map::SmallMap;

use guestlist::directory::{Grant, GuestChange, MfaRecord, Operation};
use guestlist::domain::ShareRole;
use jiff::Timestamp;
use serde_json::json;

use super::harness::{Person, Stage, accounts, holds, on_stage};
use crate::support::browser::{Browser, Tokens};
use crate::support::contract::{give, grant, guest};

const BOB: &str = "bob@acme.example";

/// Bob as Manager of two accounts and Collaborator of a third, signed in.
async fn signed_in(stage: &Stage) -> (Person<'_>, Tokens) {
    let mut bob = stage.active(BOB).await;
    let grants = vec![
        grant("instagram", ShareRole::Manager),
        grant("tiktok", ShareRole::Manager),
        grant("youtube", ShareRole::Collaborator),
    ];
    stage.done(&give("bob", grants)).await;
    let tokens = bob.signs_in().await.unwrap();
    holds(&tokens, &["instagram:manager", "tiktok:manager", "youtube:collaborator"]);
    (bob, tokens)
}

/// Executes an operation that ends every session.
async fn ends_the_session(stage: &Stage, bob: &mut Person<'_>, tokens: &Tokens, operation: &Operation) {
    stage.done(operation).await;
    bob.is_out(tokens, &format!("{operation:?}")).await;
}

#[test]
fn revoked_reduced_or_demoted_access_leaves_token_and_session() {
    on_stage("taken", async |stage| {
        let (mut bob, tokens) = signed_in(stage).await;
        let withhold =
            Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["youtube".to_owned()] } };
        ends_the_session(stage, &mut bob, &tokens, &withhold).await;
        let tokens = bob.signs_in().await.unwrap();
        holds(&tokens, &["instagram:manager", "tiktok:manager"]);

        let lower = vec![grant("tiktok", ShareRole::Collaborator)];
        ends_the_session(
            stage,
            &mut bob,
            &tokens,
            &Operation::Guest { id: guest("bob"), change: GuestChange::Reduce { grants: lower } },
        )
        .await;
        let tokens = bob.signs_in().await.unwrap();
        holds(&tokens, &["instagram:manager", "tiktok:collaborator"]);

        ends_the_session(stage, &mut bob, &tokens, &Operation::Guest { id: guest("bob"), change: GuestChange::Demote })
            .await;
        let tokens = bob.signs_in().await.unwrap();
        holds(&tokens, &["instagram:collaborator", "tiktok:collaborator"]);

        let accounts_of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let all = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: accounts_of(&["instagram", "tiktok"]) },
        };
        ends_the_session(stage, &mut bob, &tokens, &all).await;
        assert_eq!(accounts(&bob.signs_in().await.unwrap()), None);
    });
}

#[test]
fn guest_without_reduced_claims_stays_signed_in() {
    on_stage("the-same", async |stage| {
        let (_, tokens) = signed_in(stage).await;
        let until = Some(Timestamp::now() + jiff::SignedDuration::from_hours(24));
        let earlier = Grant { until, ..grant("instagram", ShareRole::Manager) };
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Reduce { grants: vec![earlier] } }).await;
        let tokens = stage.application.refresh(&tokens).await.expect("nothing was revoked today");
        holds(&tokens, &["instagram:manager", "tiktok:manager", "youtube:collaborator"]);
        stage.done(&give("bob", vec![grant("youtube", ShareRole::Manager)])).await;
        let tokens = stage.application.refresh(&tokens).await.expect("the guest has more access than before");
        holds(&tokens, &["instagram:manager", "tiktok:manager", "youtube:manager"]);
    });
}

#[test]
fn a_passkey_that_was_reset_is_not_answered_as_still_there() {
    on_stage("passkey", async |stage| {
        stage.active(BOB).await;
        let data = json!({"aaguid": "00000000-0000-0000-0000-000000000000", "credentialId": "AA", "counter": 0,
                          "credentialPublicKey": "AA", "attestationStatementFormat": "none", "transports": []});
        let passkey = json!([{"type": "webauthn", "userLabel": "key", "secretData": "{}",
                              "createdDate": Timestamp::now().as_millisecond(), "credentialData": data.to_string()}]);
        let path = format!("/users/{}", stage.user(BOB).await["id"].as_str().unwrap());
        stage.admin("PUT", &path, Some(json!({"credentials": passkey}))).await;
        let MfaRecord::Known(both) = stage.record(BOB).await.mfa else { panic!("it can be told") };
        assert_eq!(both.len(), 2);
        stage
            .done(&Operation::Guest {
                id: guest("bob"),
                change: GuestChange::ResetMfa { enrolled_before: Timestamp::MAX },
            })
            .await;
        assert_eq!(stage.record(BOB).await.mfa, MfaRecord::Known(SmallMap::default()));
    });
}

#[test]
fn mfa_reset_ends_session_and_requires_enrolment_at_sign_in() {
    on_stage("reset", async |stage| {
        let (mut bob, tokens) = signed_in(stage).await;
        let before = Timestamp::now();
        let reset = Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before: before } };
        ends_the_session(stage, &mut bob, &tokens, &reset).await;
        let record = bob.record().await;
        assert_eq!(record.mfa, MfaRecord::Known(SmallMap::default()));
        assert!(record.mfa_lost_at.is_some_and(|lost| before <= lost && lost <= Timestamp::now()), "{record:?}");
        assert!(record.joined_at.is_some(), "after a reset the guest stays joined");

        bob.signs_in().await.expect_err("the code of a telephone that was taken away");
        assert!(bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        bob.enrols().await;
        let record = bob.record().await;
        let MfaRecord::Known(methods) = &record.mfa else { panic!("{record:?}") };
        assert!(methods.values().all(|at| before <= *at) && methods.len() == 1, "{record:?}");
        assert_eq!(record.mfa_lost_at, None, "the guest is back");
        let tokens = bob.is_in().await.expect("the guest signs in with the new factor");
        let held: Vec<_> = record.grants.keys().map(String::as_str).collect();
        let told = accounts(&tokens).unwrap_or_default();
        assert!(told.iter().all(|claim| held.iter().any(|name| claim.starts_with(name))), "{told:?} of {held:?}");

        // The same reset again: a method that was enrolled after it stays.
        stage.done(&reset).await;
        assert!(stage.credential(BOB, "otp").await.is_some());
    });
}

#[test]
fn self_removed_mfa_is_noticed_and_revocation_forces_enrolment() {
    on_stage("own-mfa", async |stage| {
        let (mut bob, tokens) = signed_in(stage).await;
        let before = Timestamp::now();
        let signed_in = std::mem::replace(&mut bob.browser, Browser::new());
        let otp = stage.credential(BOB, "otp").await.unwrap();
        let url = format!("{}/account/credentials/{otp}", stage.application.realm);
        let request = reqwest::Client::new().delete(url).bearer_auth(&tokens.access);
        let answer = request.header("accept", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 204, "Keycloak permits it");

        let record = bob.record().await;
        assert_eq!(record.mfa, MfaRecord::Known(SmallMap::default()));
        assert!(record.mfa_lost_at.is_some_and(|lost| before <= lost && lost <= Timestamp::now()), "{record:?}");
        // Even before the guest acts, no new sign-in works without a code.
        bob.signs_in_directly().await.expect_err("the guest has no code");
        bob.signs_in().await.expect_err("the guest has to enrol first");
        assert!(bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        let accounts_held = record.grants.keys().cloned().collect();
        let withhold = Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: accounts_held } };
        bob.browser = signed_in;
        ends_the_session(stage, &mut bob, &tokens, &withhold).await;
        bob.signs_in().await.expect_err("the guest has to enrol first");
        assert!(bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        bob.enrols().await;
        assert_eq!(accounts(&bob.is_in().await.unwrap()), None);
    });
}

#[test]
fn disabled_login_ends_session_and_returns_only_with_a_new_one() {
    on_stage("login-off", async |stage| {
        let (mut bob, tokens) = signed_in(stage).await;
        let off = Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin };
        stage.done(&off).await;
        assert!(!stage.application.knows(&tokens).await);
        stage.application.refresh(&tokens).await.expect_err("the login is off");
        bob.signs_in().await.expect_err("the login is off");
        bob.signs_in_directly().await.expect_err("the login is off");

        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
        assert!(!stage.application.knows(&tokens).await, "an old token is not revived");
        stage.application.refresh(&tokens).await.expect_err("an old session is not revived");
        bob.signs_in().await.expect("the login is on");
    });
}

#[test]
fn deactivated_guest_has_no_session_sign_in_or_link() {
    on_stage("deactivated", async |stage| {
        let (mut bob, tokens) = signed_in(stage).await;
        let door = stage.application.door();
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        assert!(!stage.application.knows(&tokens).await);
        stage.application.refresh(&tokens).await.expect_err("the guest is gone");
        bob.browser.open(&door).await;
        assert!(bob.browser.landed.is_none(), "the browser is no longer signed in");
        bob.signs_in().await.expect_err("the guest is gone");
        bob.signs_in_directly().await.expect_err("the guest is gone");
        let user = stage.user(BOB).await;
        assert_eq!((&user["enabled"], &user["attributes"]["guestlist.accounts"]), (&false.into(), &().into()));
        let organization = stage.organization().await.unwrap();
        let (status, _) = stage
            .realm
            .admin("GET", &format!("/organizations/{organization}/members/{}", user["id"].as_str().unwrap()), None)
            .await;
        assert_eq!(status, 404, "the guest is no longer a member");
        assert!(bob.record().await.deactivated_at.is_some(), "the ownership mark stays");

        // The link of a guest who was only invited no longer works.
        let mut carol = stage.invite("carol@acme.example").await;
        let link = carol.link();
        stage.done(&Operation::Guest { id: guest("carol"), change: GuestChange::Deactivate }).await;
        carol.opens(&link).await;
        assert_eq!(carol.browser.status, 400, "{}", carol.browser.words());
    });
}
