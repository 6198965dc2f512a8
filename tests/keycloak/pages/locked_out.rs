//! A realm that disables users permanently after wrong passwords.

use guestlist::directory::{Error, GuestChange, Login, Operation};
use guestlist::domain::ShareRole;
use serde_json::json;

use super::harness::{Stage, in_three_days, on_stage};
use crate::support::contract::{admit, email, give, grant, guest};

const BOB: &str = "bob@acme.example";

/// Guesses passwords until Keycloak disables the user.
async fn guesses(stage: &Stage) {
    for _ in 0..10 {
        assert!(stage.application.direct(BOB, "wrong", None).await.is_err());
        if stage.user(BOB).await["enabled"] == false {
            return;
        }
    }
    panic!("the guest is not locked out");
}

/// A disabled user stays disabled, and the error names the fix.
async fn stays_locked_out(stage: &Stage, operation: &Operation) {
    let before = stage.user(BOB).await;
    assert_eq!(
        (&before["enabled"], &before["attributes"]["disabledReason"]),
        (&json!(false), &json!(["permanentLockout"]))
    );
    assert_eq!(stage.record(BOB).await.login, Login::DisabledByOther);
    let refused = stage.run(operation).await;
    assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
    assert_eq!(stage.user(BOB).await, before, "nothing was written");
}

#[test]
fn permanently_locked_out_guest_stays_so_until_enabled_by_hand() {
    on_stage("locked-out", async |stage| {
        let settings = json!({"bruteForceProtected": true, "permanentLockout": true, "failureFactor": 2,
                              "maxTemporaryLockouts": 0, "quickLoginCheckMilliSeconds": 0});
        stage.admin("PUT", "", Some(settings)).await;
        let mut bob = stage.active(BOB).await;
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)])).await;
        guesses(stage).await;
        stays_locked_out(stage, &Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
        // Access is revoked meanwhile, and that does not enable the login.
        let accounts = vec!["instagram".to_owned()];
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts } }).await;
        stays_locked_out(stage, &Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
        // An administrator enables the user.
        let id = stage.user(BOB).await["id"].as_str().unwrap().to_owned();
        stage.admin("PUT", &format!("/users/{id}"), Some(json!({"enabled": true}))).await;
        assert!(bob.record().await.login.is_enabled());
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
        bob.signs_in().await.expect("the guest is signed in");

        // A new invitation after a removal does not enable it, either.
        guesses(stage).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        stays_locked_out(stage, &admit(&email(BOB), in_three_days())).await;
        assert_eq!(stage.mail.count(BOB), 1, "and nobody is mailed");
    });
}
