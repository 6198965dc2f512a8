//! A tool copied a user with all attributes: only the original counts as the guest.

use guestlist::directory::{DirectoryReader as _, GuestChange, Integrity, Operation};
use guestlist::domain::{Email, MfaMethod, ShareRole};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::applied::told;
use crate::held_to_the_contract::{People, reads_anew, subject};
use crate::killed::Scene;
use crate::support::contract::{Player, at, bob, email, give, grant, guest};
use crate::support::keycloak::multi;

const CAROL: &str = "carol@acme.example";
const DAVE: &str = "dave@others.example";
const PARTNER: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager}
";
const MEMBERSHIP: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
";

/// Stands for the attribute with the copy's own address instead of the copied one.
const OWN_ATTRIBUTE: &str = "guestlist.address of their own";

/// A tool creates a copy of another user.
async fn copy(people: &People, of: &str, who: &str, without: &[&str]) {
    let original = people.user(&Email::parse(of).unwrap()).await;
    let mut attributes = original["attributes"].clone();
    for name in without {
        attributes.as_object_mut().unwrap().remove(*name);
        if *name == OWN_ATTRIBUTE {
            attributes["guestlist.address"] = json!([who]);
        }
    }
    let body = json!({"username": who, "email": who, "firstName": "Dave", "lastName": "Other", "enabled": true,
                      "emailVerified": true, "attributes": attributes});
    people.admin("POST", "/users", Some(body)).await;
}

#[test]
fn copy_of_guest_loses_only_the_claim_and_guest_keeps_it() {
    multi(async {
        let scene = Scene::open("copied").await;
        let people = &scene.people;
        scene.declare(&[PARTNER, MEMBERSHIP].concat());
        scene.ends("she is invited").await;
        let carol = email(CAROL);
        assert!(people.accept(&carol, Timestamp::now()).unwrap());
        assert!(people.enroll(&carol, MfaMethod::TOTP, Timestamp::now()).unwrap());
        scene.ends("she is in").await;
        assert_eq!(told(people, CAROL).await, ["instagram:manager"]);
        let (before, enabled) = (people.user(&carol).await, Value::Bool(true));
        // In each order of the realm's listing, and with each part of the ownership mark.
        let copies: [(&str, &[&str]); 5] = [
            ("anna@others.example", &[]),
            (DAVE, &[]),
            ("erik@others.example", &["guestlist.id", "guestlist.record"]),
            ("fred@others.example", &["guestlist.address", "guestlist.partner"]),
            ("hans@others.example", &[OWN_ATTRIBUTE]),
        ];
        for (who, without) in copies {
            copy(people, CAROL, who, without).await;
            scene.ends(who).await;
            assert_eq!(told(people, who).await, Vec::<String>::new(), "{who}");
            assert_eq!(people.user(&email(who)).await["enabled"], enabled, "{who}");
            let now = people.user(&carol).await;
            assert_eq!(now, before, "nothing happened to her for {who}");
        }
        copy(people, CAROL, "gina@others.example", &[]).await;
        scene.declare(PARTNER);
        scene.ends("she leaves").await;
        assert_eq!(people.user(&carol).await["enabled"], Value::Bool(false));
        for who in copies.map(|(who, _)| who).into_iter().chain(["gina@others.example"]) {
            assert_eq!(people.user(&email(who)).await["enabled"], enabled, "{who} has nothing to do with it");
            assert_eq!(told(people, who).await, Vec::<String>::new(), "{who}");
        }
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn copy_of_guest_is_distinguished_and_outlives_the_guest() {
    multi(async {
        let (subject, people) = subject("copied-record");
        let subject = subject.furnish().await.with_manager().await;
        copy(&people, bob().as_str(), DAVE, &["guestlist.accounts", "guestlist.grants"]).await;
        let dave = email(DAVE);
        let record = subject.record(&bob()).await;
        for directory in [&reads_anew(&people), &reads_anew(&people)] {
            let alone = directory.guest(&dave).await.unwrap().unwrap();
            assert_eq!((alone.mark, alone.integrity), (None, Integrity::Unreadable));
            let own = directory.guest(&bob()).await.unwrap().unwrap();
            assert_eq!((&own.id, &own.grants), (&record.id, &record.grants));
            let listed = directory.guests(None).await.unwrap().items;
            let marked: Vec<_> = listed.iter().filter(|one| one.mark.is_some()).map(|one| one.id.clone()).collect();
            assert_eq!(marked, [guest("bob")]);
            assert!(listed.iter().any(|one| one.address == dave), "nobody is invited at the copy's address");
            assert!(directory.user(&dave).await.unwrap().is_some(), "the copy is a user of the workspace");
        }
        subject.done(&give("bob", vec![grant("tiktok", ShareRole::Collaborator)]), 50).await;
        subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }, 60).await;
        subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 70).await;
        assert_eq!(people.user(&bob()).await["enabled"], false);
        let before = people.user(&dave).await;
        assert_eq!((&before["enabled"], &before["attributes"]["guestlist.id"][0]), (&json!(true), &json!("g-bob")));
        // The guest is purged, and no copy counts as the guest.
        subject
            .done(&Operation::Guest { id: guest("bob"), change: GuestChange::Purge { since: at(70), at_most: 9 } }, 80)
            .await;
        assert_eq!(people.user(&bob()).await, Value::Null);
        let after = people.user(&dave).await;
        assert_eq!((&after["enabled"], &after["attributes"]), (&json!(true), &Value::Null));
        assert_eq!(reads_anew(&people).guests(None).await.unwrap().items, []);
        people.admin("DELETE", "", None).await;
    });
}
