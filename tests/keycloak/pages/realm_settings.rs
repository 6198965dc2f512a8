//! Realms with stricter rules for users than Keycloak's defaults.

use guestlist::directory::{DirectoryReader as _, Error, GuestChange, Operation};
use guestlist::domain::ShareRole;
use serde_json::{Value, json};

use super::adopted::{adopt, own};
use super::harness::{Stage, accounts, holds, in_three_days, on_stage};
use crate::support::contract::{email, give, grant, guest};

const BOB: &str = "bob@acme.example";
const CAROL: &str = "carol@acme.example";

async fn requires(stage: &Stage, name: &str, validations: Value) {
    let mut profile = stage.admin("GET", "/users/profile", None).await;
    let attribute = json!({"name": name, "required": {}, "validations": validations,
                           "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}});
    profile["attributes"].as_array_mut().unwrap().push(attribute);
    stage.admin("PUT", "/users/profile", Some(profile)).await;
}

#[test]
fn newly_required_attribute_does_not_prevent_revocation() {
    on_stage("required", async |stage| {
        let mut bob = stage.active(BOB).await;
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)])).await;
        let tokens = bob.signs_in().await.unwrap();
        holds(&tokens, &["instagram:collaborator"]);
        requires(stage, "department", json!({})).await;
        let refused = stage.run(&give("bob", vec![grant("tiktok", ShareRole::Collaborator)])).await;
        let Err(Error::Refused { message }) = refused else { panic!("{refused:?}") };
        assert!(message.contains("department") && message.contains("require it of users only"), "{message}");

        let withhold = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        };
        stage.done(&withhold).await;
        assert!(!stage.application.knows(&tokens).await);
        let user = stage.user(BOB).await;
        assert_eq!(user["attributes"]["guestlist.accounts"], Value::Null);
        assert_eq!(user["attributes"]["department"], json!(["-"]));
        assert_eq!(accounts(&bob.signs_in().await.unwrap()), None);

        // guestlist cannot choose this value: the user cannot be written, and is still signed out.
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)])).await;
        let tokens = bob.signs_in().await.unwrap();
        requires(stage, "floor", json!({"options": {"options": ["1", "2"]}})).await;
        let refused = stage.run(&withhold).await;
        let Err(Error::Refused { message }) = refused else { panic!("{refused:?}") };
        assert!(message.contains("floor"), "{message}");
        assert!(!stage.application.knows(&tokens).await, "the guest stays signed in");
    });
}

#[test]
fn of_two_users_with_one_address_none_is_taken_for_the_guest() {
    on_stage("two-of-one", async |stage| {
        stage.admin("PUT", "", Some(json!({"loginWithEmailAllowed": false, "duplicateEmailsAllowed": true}))).await;
        let second = |address: &str| {
            json!({"username": format!("second-{address}"), "email": address, "firstName": "Other", "lastName": "Hand",
                   "enabled": true, "emailVerified": true})
        };
        stage.colleague(BOB).await;
        stage.admin("POST", "/users", Some(second(BOB))).await;
        let both = stage.admin("GET", &format!("/users?exact=true&email={BOB}"), None).await;
        let refused = stage.run(&adopt(BOB)).await;
        let Err(Error::Refused { message }) = refused else { panic!("{refused:?}") };
        assert!(message.contains("several users of the realm have the address bob@acme.example"), "{message}");
        assert_eq!(stage.admin("GET", &format!("/users?exact=true&email={BOB}"), None).await, both);
        assert_eq!((stage.mail.count(BOB), stage.has_no_record(BOB).await), (0, true));

        // A stranger who gets a guest's address later receives nothing of the guest's.
        let carol = stage.invite(CAROL).await;
        stage.admin("POST", "/users", Some(second(CAROL))).await;
        let again = Operation::Guest {
            id: guest("carol"),
            change: GuestChange::ResendInvitation { expires_at: in_three_days() },
        };
        let before = stage.admin("GET", &format!("/users?exact=true&email={CAROL}"), None).await;
        let refused = stage.run(&again).await;
        let after = stage.admin("GET", &format!("/users?exact=true&email={CAROL}"), None).await;
        assert_eq!(after, before, "nothing is written for what is refused");
        assert!(matches!(&refused, Err(Error::Refused { message }) if message.contains(CAROL)), "{refused:?}");
        let record = carol.record().await;
        assert_eq!((record.joined_at, stage.mail.count(CAROL)), (None, 1));
        let users = stage.admin("GET", &format!("/users?exact=true&email={CAROL}"), None).await;
        let stranger = users.as_array().unwrap().iter().find(|user| user["firstName"] == "Other").unwrap();
        assert_eq!(stranger["attributes"], Value::Null);
        let guests = stage.directory.guests(None).await.unwrap().items;
        assert_eq!(guests.iter().filter(|guest| guest.mark.is_some()).count(), 1);
    });
}

#[test]
fn realm_with_verified_addresses_as_usernames_admits_a_guest() {
    on_stage("verified", async |stage| {
        let settings = json!({"verifyEmail": true, "registrationEmailAsUsername": true, "bruteForceProtected": true});
        stage.admin("PUT", "", Some(settings)).await;
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        // Keycloak's own mail: it does not accept the followed invitation as proof of the address.
        assert_eq!(stage.mail.count(BOB), 2);
        let link = bob.link();
        bob.browser.open(&link).await;
        bob.chooses_a_password().await;
        bob.enrols().await;
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)])).await;
        holds(&bob.signs_in().await.unwrap(), &["instagram:collaborator"]);
        assert_eq!(stage.mail.count(BOB), 2);

        // Wrong passwords lock the user out for a while, without further effects.
        let before = own(&stage.user(BOB).await);
        for _ in 0..3 {
            let wrong = stage.application.direct(BOB, "wrong", None).await;
            assert!(wrong.is_err());
        }
        assert_eq!(own(&stage.user(BOB).await), before);
    });
}

#[test]
fn guests_whose_marks_the_realm_hides_are_not_taken_for_gone() {
    on_stage("hidden", async |stage| {
        let mut bob = stage.active(BOB).await;
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)])).await;
        let profile = stage.admin("GET", "/users/profile", None).await;
        let mut without = profile.clone();
        let ours = |one: &Value| one["name"].as_str().unwrap().starts_with("guestlist.");
        without["attributes"].as_array_mut().unwrap().retain(|one| !ours(one));
        stage.admin("PUT", "/users/profile", Some(without)).await;
        assert_eq!(stage.user(BOB).await["attributes"], Value::Null);
        holds(&bob.signs_in().await.unwrap(), &["instagram:collaborator"]);

        let withhold = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        };
        let hidden = |fault: Error| {
            let said = fault.to_string();
            assert!(said.contains("does not know the attribute") && said.contains("setup"), "{said}");
        };
        hidden(stage.directory.guests(None).await.unwrap_err());
        hidden(stage.directory.guest(&email(BOB)).await.unwrap_err());
        hidden(stage.run(&withhold).await.unwrap_err());

        stage.admin("PUT", "/users/profile", Some(profile)).await;
        assert_eq!(stage.directory.guests(None).await.unwrap().items.len(), 1);
        stage.done(&withhold).await;
        assert_eq!(accounts(&bob.signs_in().await.unwrap()), None);
    });
}
