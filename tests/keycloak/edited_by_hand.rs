//! Edits of guestlist's attributes in the administration console: whatever remains readable, nobody keeps more access
//! than the shares grant.

use guestlist::directory::DirectoryReader as _;
use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::applied::{ends, told};
use crate::held_to_the_contract::{People, reads_anew, realm_with_mail};
use crate::support::contract::Player;
use crate::support::keycloak::{Keycloak, multi};

const BOB: &str = "bob@acme.example";
const ATTRIBUTES: [&str; 5] =
    ["guestlist.id", "guestlist.installation", "guestlist.address", "guestlist.partner", "guestlist.record"];

/// Changes a user's attributes in the administration console.
async fn edit(people: &People, address: &str, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let mut user = people.user(&Email::parse(address).unwrap()).await;
    if user["attributes"].is_null() {
        user["attributes"] = json!({});
    }
    change(user["attributes"].as_object_mut().unwrap());
    people.admin("PUT", &format!("/users/{}", user["id"].as_str().unwrap()), Some(user.clone())).await;
}

/// Attributes and their new values. `None`: removed.
type Changes = Vec<(&'static str, Option<Value>)>;

/// The examples on their own realm, with carol and bob joined and their MFA enrolled.
pub fn applied(name: &str) -> (People, String) {
    let people = realm_with_mail(name);
    let address = format!("keycloak:{}#{}", Keycloak::shared().base, people.realm);
    ends(&address, 0, &["directory", "import", "--users", "examples/acme/directory.yaml"]);
    ends(&address, 0, &["apply", "examples/acme", "--yes"]);
    for who in ["carol@acme.example", BOB] {
        let email = Email::parse(who).unwrap();
        assert!(people.accept(&email, Timestamp::now()).unwrap());
        assert!(people.enroll(&email, MfaMethod::TOTP, Timestamp::now()).unwrap());
    }
    ends(&address, 0, &["apply", "examples/acme", "--yes"]);
    (people, address)
}

/// Makes changes of Bob's attributes, which also claim more accounts.
async fn claims_more(people: &People, changes: &Changes) {
    edit(people, BOB, |attributes| {
        for (name, value) in changes {
            match value {
                Some(value) => attributes.insert((*name).to_owned(), value.clone()),
                None => attributes.remove(*name),
            };
        }
        attributes.insert("guestlist.accounts".to_owned(), json!(["instagram-main:manager", "billing-portal:manager"]));
    })
    .await;
}

#[test]
fn guest_with_edited_mark_has_no_accounts_until_it_is_restored() {
    multi(async {
        let (people, address) = applied("spoilt");
        let bob = Email::parse(BOB).unwrap();
        let right = people.user(&bob).await["attributes"].clone();
        let mut ways: Vec<(String, Changes)> =
            ATTRIBUTES.iter().map(|name| (format!("{name} removed"), vec![(*name, None)])).collect();
        ways.extend(ATTRIBUTES.iter().map(|name| (format!("{name} edited"), vec![(*name, Some(json!(["x"])))])));
        for text in ["", "{}", "not JSON", "{\"installation\": 7}"] {
            ways.push((format!("the record is {text:?}"), vec![("guestlist.record", Some(json!([text])))]));
        }
        for (what, changes) in ways {
            claims_more(&people, &changes).await;
            let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
            assert_eq!(told(&people, BOB).await, Vec::<String>::new(), "{what}: {said}");
            let reported = said.contains("OwnershipMarkUnreadable") && !said.contains(&format!("invite {BOB}"));
            assert!(reported, "{what}: {said}");
            let user = people.user(&bob).await;
            assert!(user["enabled"] == true && user["attributes"]["guestlist.grants"].is_null(), "{what}: {user}");
            let planned = ends(&address, 0, &["plan", "examples/acme", "-o", "json"]);
            assert_eq!(serde_json::from_str::<Value>(&planned).unwrap()["operations"], json!([]), "{what}");
            // A person restores the attributes.
            edit(&people, BOB, |attributes| {
                for name in ATTRIBUTES {
                    attributes.insert(name.to_owned(), right[name].clone());
                }
            })
            .await;
            let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
            assert_eq!(told(&people, BOB).await, ["instagram-main:collaborator"], "{what}: {said}");
        }
        // An unreadable grant is made again.
        claims_more(&people, &vec![("guestlist.grants", Some(json!(["{}"])))]).await;
        let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert_eq!(told(&people, BOB).await, ["instagram-main:collaborator"], "{said}");
    });
}

#[test]
fn deleted_user_with_unreadable_mark_is_invited_again() {
    multi(async {
        let (people, address) = applied("spoilt-and-deleted");
        let bob = Email::parse(BOB).unwrap();
        claims_more(&people, &vec![("guestlist.record", None)]).await;
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        let before = people.user(&bob).await["id"].clone();
        people.admin("DELETE", &format!("/users/{}", before.as_str().unwrap()), None).await;
        let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert!(said.contains(&format!("invite {BOB}")), "{said}");
        assert_ne!(people.user(&bob).await["id"], before);
    });
}

#[test]
fn user_with_only_the_claim_loses_it_and_is_otherwise_unchanged() {
    multi(async {
        let (people, address) = applied("claimed");
        // A guest without any other attribute, and a workspace user.
        for who in [BOB, "alice@host.example"] {
            edit(&people, who, |attributes| {
                attributes.retain(|name, _| !name.starts_with("guestlist."));
                attributes.insert("guestlist.accounts".to_owned(), json!(["billing-portal:manager"]));
            })
            .await;
        }
        // A user without an address, which cannot receive a mail.
        let nobody = json!({"username": "robot", "enabled": true, "attributes": {"guestlist.accounts": ["billing-portal:manager"]}});
        people.admin("POST", "/users", Some(nobody)).await;
        let said = ends(&address, 1, &["apply", "examples/acme", "--yes"]);
        let robot = people.admin("GET", "/users?username=robot&exact=true", None).await[0].clone();
        assert_eq!(robot["attributes"]["guestlist.accounts"], Value::Null, "{said}");
        assert_eq!((&robot["enabled"], &robot["email"]), (&json!(true), &Value::Null));
        assert!(said.contains("error[IsWorkspaceUser]: GuestMembership partners/bob"), "{said}");
        for who in [BOB, "alice@host.example"] {
            assert_eq!(told(&people, who).await, Vec::<String>::new(), "{said}");
            assert!(people.user(&Email::parse(who).unwrap()).await["enabled"] == true, "{who}");
        }
    });
}

#[test]
fn host_admin_with_forged_account_is_no_guest_and_revokes_none() {
    multi(async {
        let (people, address) = applied("written-on-alice");
        let told_before = told(&people, BOB).await;
        assert_eq!(told_before, ["instagram-main:collaborator"]);
        let alice = "alice@host.example";
        edit(&people, alice, |attributes| {
            attributes.insert("guestlist.accounts".to_owned(), json!(["billing-portal:manager"]));
        })
        .await;
        let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert!(said.contains("revoke billing-portal") && !said.contains("HostAdminIsGuest"), "{said}");
        assert_eq!(told(&people, BOB).await, told_before, "{said}");
        let user = people.user(&Email::parse(alice).unwrap()).await;
        assert_eq!(user["attributes"].as_object().into_iter().flatten().count(), 0, "{user}");
        let planned = ends(&address, 0, &["plan", "examples/acme", "-o", "json"]);
        assert_eq!(serde_json::from_str::<Value>(&planned).unwrap()["operations"], json!([]));
    });
}

#[test]
fn guest_with_required_password_change_stays_without_a_mail() {
    multi(async {
        let (people, address) = applied("new-passwords");
        let frank = Email::parse("frank@acme.example").unwrap();
        assert!(people.accept(&frank, Timestamp::now()).unwrap());
        let bob = Email::parse(BOB).unwrap();
        // Frank's acceptance is not recorded yet: no write has followed it.
        for who in [&bob, &frank] {
            let user = people.user(who).await;
            let path = format!("/users/{}", user["id"].as_str().unwrap());
            let mut actions = user["requiredActions"].as_array().unwrap().clone();
            actions.push(json!("UPDATE_PASSWORD"));
            people.admin("PUT", &path, Some(json!({"requiredActions": actions}))).await;
        }
        let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert_eq!(told(&people, BOB).await, ["instagram-main:collaborator"], "{said}");
        let directory = reads_anew(&people);
        for who in [&bob, &frank] {
            let guest = directory.guest(who).await.unwrap().unwrap();
            assert!(guest.joined_at.is_some() && guest.invitation.is_none(), "{said}\n{guest:?}");
        }
        assert!(said.contains("Plan: 0 operations"), "{said}");
    });
}

/// Sets whether guestlist's attributes may have several values.
async fn takes_many(people: &People, many: bool) {
    let mut profile = people.admin("GET", "/users/profile", None).await;
    for attribute in profile["attributes"].as_array_mut().unwrap() {
        if ATTRIBUTES.contains(&attribute["name"].as_str().unwrap()) {
            attribute["multivalued"] = json!(many);
        }
    }
    people.admin("PUT", "/users/profile", Some(profile)).await;
}

#[test]
fn guest_with_duplicate_attribute_values_is_rewritten() {
    multi(async {
        let (people, address) = applied("written-twice");
        let bob = Email::parse(BOB).unwrap();
        for name in ATTRIBUTES {
            // Concurrent writes can leave more values than the profile allows.
            takes_many(&people, true).await;
            edit(&people, BOB, |attributes| {
                let value = attributes[name][0].as_str().unwrap().to_owned();
                let other = match name {
                    "guestlist.record" => value.replace("\"partnerName\":\"acme\"", "\"partnerName\": \"acme\""),
                    _ => value.clone(),
                };
                attributes.insert(name.to_owned(), json!([value, other]));
            })
            .await;
            takes_many(&people, false).await;
            let user = people.user(&bob).await;
            assert_eq!(user["attributes"][name].as_array().unwrap().len(), 2);
            let path = format!("/users/{}", user["id"].as_str().unwrap());
            let refused = people.own.admin("PUT", &path, Some(user.clone())).await.0;
            assert_eq!(refused, 400, "an administrator cannot write the user either");
            let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
            let user = people.user(&bob).await;
            assert_eq!(user["attributes"][name].as_array().unwrap().len(), 1, "{name}: {said}");
            assert_eq!(told(&people, BOB).await, ["instagram-main:collaborator"], "{name}: {said}");
            people.admin("PUT", &path, Some(user)).await;
            let planned = ends(&address, 0, &["plan", "examples/acme", "-o", "json"]);
            assert_eq!(serde_json::from_str::<Value>(&planned).unwrap()["operations"], json!([]), "{name}");
        }
    });
}

#[test]
fn guest_whose_user_is_deleted_by_hand_is_invited_again() {
    multi(async {
        let (people, address) = applied("deleted-by-hand");
        let bob = Email::parse(BOB).unwrap();
        let before = people.user(&bob).await["id"].clone();
        people.admin("DELETE", &format!("/users/{}", before.as_str().unwrap()), None).await;
        let said = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        let user = people.user(&bob).await;
        assert_ne!(user["id"], before, "{said}");
        assert_eq!(told(&people, BOB).await, Vec::<String>::new(), "{said}");
        assert!(people.accept(&bob, Timestamp::now()).unwrap());
        assert!(people.enroll(&bob, MfaMethod::TOTP, Timestamp::now()).unwrap());
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert_eq!(told(&people, BOB).await, ["instagram-main:collaborator"]);
    });
}
