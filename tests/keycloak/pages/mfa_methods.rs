//! The MFA methods allowed to a guest on real pages: Keycloak asks for an allowed method, and for no other.

use guestlist::directory::{GuestChange, MfaRecord, NewGuest, Operation};
use guestlist::domain::{Methods, MfaMethod, ShareRole, all_methods};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::harness::{PASSWORD, Person, Stage, holds, in_three_days, on_stage};
use crate::support::authenticator::SecurityKey;
use crate::support::contract::{acme, admit, email, give, grant, guest, mark};

const BOB: &str = "bob@acme.example";

fn only(method: MfaMethod) -> Methods {
    [method].into()
}

/// Invites bob with these methods; bob follows the link and chooses a password.
async fn joined<'a>(stage: &'a Stage, methods: &Methods) -> Person<'a> {
    let mut operation = admit(&email(BOB), in_three_days());
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { allowed, .. }), .. } = &mut operation {
        allowed.clone_from(methods);
    }
    stage.done(&operation).await;
    let mut bob = stage.person(BOB);
    bob.accepts().await;
    bob.chooses_a_password().await;
    bob
}

/// The methods allowed to bob change.
async fn allow(stage: &Stage, methods: &Methods) {
    let describe = Operation::Guest {
        id: guest("bob"),
        change: GuestChange::Update {
            mark: mark("bob", "u-bob"),
            partner: acme(),
            partner_name: "acme".to_owned(),
            display_name: "bob".to_owned(),
            allowed: methods.clone(),
        },
    };
    stage.done(&describe).await;
    assert_eq!(stage.record(BOB).await.allowed, *methods);
}

async fn required(stage: &Stage) -> Value {
    stage.user(BOB).await["requiredActions"].clone()
}

async fn delete_credential(stage: &Stage, sort: &str) {
    let credential = stage.credential(BOB, sort).await.expect("the guest has it");
    let id = stage.user(BOB).await["id"].as_str().unwrap().to_owned();
    stage.admin("DELETE", &format!("/users/{id}/credentials/{credential}"), None).await;
}

async fn methods(bob: &Person<'_>) -> Vec<MfaMethod> {
    let MfaRecord::Known(methods) = bob.record().await.mfa else { panic!("unknown") };
    methods.keys().copied().collect()
}

#[test]
fn guest_allowed_only_a_key_registers_it_and_signs_in_with_it() {
    on_stage("key-only", async |stage| {
        let mut bob = joined(stage, &only(MfaMethod::WebAuthn)).await;
        assert!(bob.browser.asks_for_new_key() && !bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        bob.registers_a_key().await;
        assert_eq!((methods(&bob).await, required(stage).await), (vec![MfaMethod::WebAuthn], json!([])));
        let mut manager = grant("instagram", ShareRole::Manager);
        manager.allowed = only(MfaMethod::WebAuthn);
        stage.done(&give("bob", vec![manager])).await;
        holds(&bob.signs_in().await.expect("the key is asked for and signs"), &["instagram:manager"]);
        bob.signs_in_directly().await.expect_err("a direct grant cannot show a key");
        // A key of another person is refused.
        bob.security_key = Some(SecurityKey::new());
        bob.signs_in().await.expect_err("a key that was never registered");
    });
}

#[test]
fn guest_with_disallowed_factor_is_asked_for_an_allowed_one() {
    on_stage("narrowed", async |stage| {
        let mut bob = joined(stage, &all_methods()).await;
        bob.enrols().await;
        bob.signs_in().await.expect("a one-time password counts");
        allow(stage, &only(MfaMethod::WebAuthn)).await;
        assert_eq!(required(stage).await, json!(["webauthn-register"]));
        bob.signs_in().await.expect_err("the one-time password does not count any longer");
        assert!(bob.browser.asks_for_new_key(), "{}", bob.browser.words());
        bob.signs_in_directly().await.expect_err("the code does not count for a direct grant either");
        // Without the required action the flow alone asks for it.
        let id = stage.user(BOB).await["id"].as_str().unwrap().to_owned();
        stage.admin("PUT", &format!("/users/{id}"), Some(json!({"requiredActions": []}))).await;
        bob.signs_in().await.expect_err("the flow asks for a key");
        bob.registers_a_key().await;
        bob.is_in().await.expect("the key is registered");
        bob.signs_in().await.expect("both are shown");

        // The key is lost: the one-time password does not replace it.
        delete_credential(stage, "webauthn").await;
        bob.signs_in().await.expect_err("the key is gone");
        assert!(bob.browser.asks_for_new_key(), "{}", bob.browser.words());

        // Back to both: the one-time password is enough.
        allow(stage, &all_methods()).await;
        bob.signs_in_without_actions(stage).await.expect("the one-time password counts again");
    });
}

#[test]
fn guest_with_a_key_is_asked_for_a_code_where_only_codes_count() {
    on_stage("code-only", async |stage| {
        let mut bob = joined(stage, &only(MfaMethod::WebAuthn)).await;
        bob.registers_a_key().await;
        allow(stage, &only(MfaMethod::TOTP)).await;
        assert_eq!(required(stage).await, json!(["CONFIGURE_TOTP"]));
        bob.signs_in().await.expect_err("the key does not count");
        assert!(bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        bob.enrols().await;
        bob.is_in().await.expect("the one-time password is set up");
        bob.signs_in_directly().await.expect("its code counts");
    });
}

#[test]
fn reset_guest_is_asked_again_for_the_method_that_counts() {
    on_stage("reset-key", async |stage| {
        let mut bob = joined(stage, &only(MfaMethod::WebAuthn)).await;
        bob.registers_a_key().await;
        bob.signs_in().await.expect("in");
        let reset =
            Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before: Timestamp::now() } };
        stage.done(&reset).await;
        assert_eq!((methods(&bob).await, required(stage).await), (vec![], json!(["webauthn-register"])));
        bob.signs_in().await.expect_err("no factor is left");
        assert!(bob.browser.asks_for_new_key() && !bob.browser.asks("totpSecret"), "{}", bob.browser.words());
        bob.registers_a_key().await;
        bob.is_in().await.expect("a new key");
    });
}

#[test]
fn mailbox_alone_does_not_replace_a_key() {
    on_stage("forgot", async |stage| {
        stage.admin("PUT", "", Some(json!({"resetPasswordAllowed": true}))).await;
        let mut bob = joined(stage, &only(MfaMethod::WebAuthn)).await;
        bob.registers_a_key().await;
        for has_key in [true, false] {
            let mails = stage.mail.count(BOB);
            bob.browser = crate::support::browser::Browser::new();
            bob.browser.open(&stage.application.door()).await;
            bob.browser.submit(&[("username", BOB)]).await;
            bob.browser.follow("Forgot Password").await;
            if bob.browser.asks("username") {
                bob.browser.submit(&[("username", BOB)]).await;
            }
            assert_eq!(stage.mail.count(BOB), mails + 1, "{}", bob.browser.words());
            bob.browser.open(&bob.link()).await;
            if !bob.browser.asks("password-new") && !bob.browser.asks_for_key() && !bob.browser.asks_for_new_key() {
                bob.browser.follow("proceed").await;
            }
            if bob.browser.asks("password-new") {
                bob.browser.submit(&[("password-new", PASSWORD), ("password-confirm", PASSWORD)]).await;
            }
            if has_key {
                assert!(bob.browser.asks_for_key(), "{}", bob.browser.words());
                bob.shows_the_key().await;
                if bob.browser.asks("password-new") {
                    bob.browser.submit(&[("password-new", PASSWORD), ("password-confirm", PASSWORD)]).await;
                }
                bob.is_in().await.expect("the key was shown");
                delete_credential(stage, "webauthn").await;
            } else {
                bob.is_in().await.expect_err("no key");
                assert!(bob.browser.asks_for_new_key() || bob.browser.asks("password-new"), "{}", bob.browser.words());
            }
        }
    });
}
