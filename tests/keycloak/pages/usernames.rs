//! Names and addresses that Keycloak refuses, or that another user of the realm has.

use guestlist::directory::{DirectoryReader as _, Error, GuestChange, NewGuest, Operation, Origin};
use serde_json::{Value, json};

use super::adopted::adopt;
use super::harness::{Stage, in_three_days, on_stage};
use crate::support::contract::{admit, email, guest, mark};

const BOB: &str = "bob@acme.example";
const ROBERT: &str = "robert@elsewhere.example";

/// Admits a guest under this name.
fn admit_as(address: &str, name: &str) -> Operation {
    let mut operation = admit(&email(address), in_three_days());
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { display_name, .. }), .. } = &mut operation {
        name.clone_into(display_name);
    }
    operation
}

async fn names(stage: &Stage, address: &str) -> [Value; 2] {
    let user = stage.user(address).await;
    [user["firstName"].clone(), user["lastName"].clone()]
}

#[test]
fn guest_of_any_name_is_invited_and_recorded_as_declared() {
    on_stage("named", async |stage| {
        let long = "x".repeat(256);
        let all_refused = "<>&\"$%!#?§;*~/\\|^=[]{}()";
        let odd = [
            ("Bob (Contractor)", "Bob", "Contractor"),
            ("  Bob\tvan\u{1}  der   Meer; ", "Bob van der", "Meer"),
            ("Zoë O'Brien, Jr.", "Zoë O'Brien,", "Jr."),
            ("Bob", "Bob", "-"),
            (all_refused, "-", "-"),
            (&long, &"x".repeat(255), "-"),
        ];
        for (number, (called, first, last)) in odd.into_iter().enumerate() {
            let address = format!("g{number}@acme.example");
            stage.done(&admit_as(&address, called)).await;
            assert_eq!(names(stage, &address).await, [json!(first), json!(last)]);
            assert_eq!(stage.record(&address).await.display_name, called);
            assert_eq!(stage.mail.count(&address), 1);
        }
        // A new name is written once, and the repetition writes nothing.
        let Operation::Guest { id: guest, change: GuestChange::Invite(NewGuest { mark, partner, partner_name, .. }) } =
            admit(&email("g0@acme.example"), in_three_days())
        else {
            unreachable!()
        };
        let display_name = "Bob [Bobby] \u{1F600}".repeat(20);
        let renamed = Operation::Guest {
            id: guest,
            change: GuestChange::Update {
                mark,
                partner,
                partner_name,
                display_name: display_name.clone(),
                allowed: guestlist::domain::all_methods(),
            },
        };
        stage.done(&renamed).await;
        assert_eq!(stage.record("g0@acme.example").await.display_name, display_name);
        let before = stage.directory.calls();
        stage.done(&renamed).await;
        assert_eq!(stage.directory.calls().get("PUT users/{id}"), before.get("PUT users/{id}"));
    });
}

#[test]
fn guest_address_used_as_foreign_username_gets_own_username() {
    on_stage("username", async |stage| {
        let body =
            json!({"username": BOB, "email": ROBERT, "firstName": "Robert", "lastName": "Hand", "enabled": true});
        stage.admin("POST", "/users", Some(body)).await;
        let before = stage.user(ROBERT).await;
        let refused = stage.run(&admit(&email(BOB), in_three_days())).await;
        let Err(Error::Refused { message }) = refused else { panic!("{refused:?}") };
        assert!(message.contains("has bob@acme.example for a username, and another address"), "{message}");
        stage.admin("PUT", "", Some(json!({"loginWithEmailAllowed": false}))).await;
        let mut bob = stage.invite(BOB).await;
        bob.accepts().await;
        bob.chooses_a_password().await;
        bob.enrols().await;
        assert!(bob.record().await.joined_at.is_some());
        assert_eq!(stage.user(BOB).await["username"], "guest-g-bob");
        assert_eq!(stage.user(ROBERT).await, before);
    });
}

/// The user's address changes, in the account settings or by an administrator.
async fn moves(stage: &Stage, from: &str, to: &str) {
    let mut user = stage.user(from).await;
    user["email"] = to.into();
    user["emailVerified"] = true.into();
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    stage.admin("PUT", &path, Some(user)).await;
}

#[test]
fn returning_guest_is_invited_at_declared_not_changed_address() {
    on_stage("moved", async |stage| {
        stage.active(BOB).await;
        moves(stage, BOB, ROBERT).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        stage.done(&admit(&email(BOB), in_three_days())).await;
        assert_eq!((stage.mail.count(ROBERT), stage.mail.count(BOB)), (0, 2));
        let user = stage.user(BOB).await;
        assert_eq!((&user["emailVerified"], &user["enabled"]), (&json!(false), &json!(true)));
        assert_eq!(stage.record(BOB).await.email, email(BOB));

        // Another user has the address by now, and keeps it.
        stage.admin("PUT", "", Some(json!({"loginWithEmailAllowed": false}))).await;
        moves(stage, BOB, ROBERT).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        let body =
            json!({"username": "second", "email": BOB, "firstName": "Second", "lastName": "Hand", "enabled": true});
        stage.admin("POST", "/users", Some(body)).await;
        // The sessions of a removed guest may be ended once more.
        let users = async || {
            let mut users = [stage.user(BOB).await, stage.user(ROBERT).await];
            for user in &mut users {
                user["notBefore"] = Value::Null;
            }
            users
        };
        let before = users().await;
        let refused = stage.run(&admit(&email(BOB), in_three_days())).await;
        assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
        assert_eq!(users().await, before);
        assert_eq!((stage.mail.count(ROBERT), stage.mail.count(BOB)), (0, 2));
    });
}

#[test]
fn link_is_invalid_after_its_guest_changed_the_address() {
    on_stage("moved-link", async |stage| {
        let mut bob = stage.invite(BOB).await;
        moves(stage, BOB, ROBERT).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        let organization = stage.organization().await.unwrap();
        let open = stage.admin("GET", &format!("/organizations/{organization}/invitations"), None).await;
        assert_eq!(open, json!([]));
        let link = bob.link();
        bob.opens(&link).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());
    });
}

#[test]
fn adopted_user_is_never_given_another_address() {
    on_stage("moved-colleague", async |stage| {
        stage.colleague(BOB).await;
        stage.done(&adopt(BOB)).await;
        moves(stage, BOB, ROBERT).await;
        let described = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Update {
                mark: guestlist::directory::OwnershipMark { origin: Origin::Adopted, ..mark("bob", "u-bob") },
                partner: crate::support::contract::acme(),
                partner_name: "acme".to_owned(),
                display_name: "Bob".to_owned(),
                allowed: guestlist::domain::all_methods(),
            },
        };
        stage.done(&described).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }).await;
        let user = stage.user(ROBERT).await;
        assert_eq!((&user["emailVerified"], &user["attributes"]), (&json!(true), &Value::Null));
        let organization = stage.organization().await.unwrap();
        let open = stage.admin("GET", &format!("/organizations/{organization}/invitations"), None).await;
        assert_eq!(open, json!([]), "the link to the old address");
    });
}
