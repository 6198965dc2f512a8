//! An administrator changes a partner's organization in the console: edits its ownership mark, or deletes it or its
//! content. guestlist restores readable data, sends no second mail, and loses no guest.

use guestlist::directory::{Changed, Error};
use guestlist::domain::MfaMethod;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::applied::told;
use crate::held_to_the_contract::{People, subject};
use crate::killed::Scene;
use crate::support::contract::{Player, acme, email, ensure_partner};
use crate::support::keycloak::multi;

const BOB: &str = "bob@acme.example";
const CAROL: &str = "carol@acme.example";
const ALL: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: bob@acme.example, invitedBy: alice@host.example}
";

async fn organization(people: &People) -> Value {
    let all = people.admin("GET", "/organizations?briefRepresentation=false&max=100", None).await;
    all.as_array().unwrap().iter().find(|one| one["alias"] != "strangers").cloned().unwrap_or_default()
}

async fn put(people: &People, organization: Value) {
    people.admin("PUT", &format!("/organizations/{}", organization["id"].as_str().unwrap()), Some(organization)).await;
}

/// The user joins.
fn joins(people: &People, who: &str) {
    assert!(people.accept(&email(who), Timestamp::now()).unwrap());
}

/// Acme in its own realm, with carol Active and bob invited.
async fn acme_with_guests(name: &str) -> Scene {
    let scene = Scene::open(name).await;
    scene.declare(ALL);
    scene.ends("invited").await;
    joins(&scene.people, CAROL);
    assert!(scene.people.enroll(&email(CAROL), MfaMethod::TOTP, Timestamp::now()).unwrap());
    scene.ends("given").await;
    assert_eq!(told(&scene.people, CAROL).await, ["instagram:manager"]);
    scene
}

#[test]
fn organization_with_edited_data_is_restored_without_effects() {
    multi(async {
        let scene = acme_with_guests("spoilt-partner").await;
        let people = &scene.people;
        let mut right = organization(people).await;
        right["attributes"]["department"] = json!(["marketing"]);
        right["description"] = json!("another party's words");
        put(people, right.clone()).await;
        for (name, value) in [
            ("host-admins", json!(["nobody"])),
            ("host-admins", json!(null)),
            ("deactivated-at", json!(["one day"])),
            ("id", json!(["another"])),
            ("uid", json!(["another"])),
        ] {
            let what = format!("{name} is {value}");
            let mut spoilt = right.clone();
            spoilt["attributes"][format!("guestlist.{name}")] = value;
            spoilt["attributes"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
            put(people, spoilt).await;
            scene.ends(&what).await;
            let mut fixed = organization(people).await;
            if name == "id" {
                // Its name may differ: it still is the partner of the object.
                fixed["attributes"]["guestlist.id"] = right["attributes"]["guestlist.id"].clone();
            }
            assert_eq!(fixed, right, "{what}");
            put(people, right.clone()).await;
            scene.ends(&what).await;
            assert_eq!(told(people, CAROL).await, ["instagram:manager"], "{what}");
            assert_eq!([BOB, CAROL].map(|who| scene.mail.count(who)), [1, 1], "{what}: nobody is mailed again");
        }
        joins(people, BOB);
        scene.ends("the link was valid all the time").await;
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn organization_with_unreadable_mark_is_left_to_a_person() {
    multi(async {
        let scene = acme_with_guests("unreadable-partner").await;
        let people = &scene.people;
        let right = organization(people).await;
        for name in ["id", "installation", "cluster", "namespace", "name", "uid", ""] {
            let mut spoilt = right.clone();
            let removed = |known: &String| {
                *known == format!("guestlist.{name}") || name.is_empty() && known.starts_with("guestlist.")
            };
            spoilt["attributes"].as_object_mut().unwrap().retain(|known, _| !removed(known));
            put(people, spoilt.clone()).await;
            for _ in 0..2 {
                let (_, said) = scene.run(&["apply", "objects.yaml", "--prune", "--yes"]).await;
                assert!(said.contains("OwnershipMarkUnreadable"), "{name}: {said}");
                assert_eq!(organization(people).await, spoilt, "{name}: {said}");
                assert_eq!(told(people, CAROL).await, Vec::<String>::new(), "{name}: {said}");
            }
            put(people, right.clone()).await;
            scene.ends(name).await;
            assert_eq!(told(people, CAROL).await, ["instagram:manager"], "{name}");
            assert_eq!([BOB, CAROL].map(|who| scene.mail.count(who)), [1, 1], "{name}: nobody is mailed again");
            let all = people.admin("GET", "/organizations?max=100", None).await;
            assert_eq!(all.as_array().unwrap().len(), 1, "{name}");
        }
        people.admin("DELETE", "", None).await;
    });
}

const ZETA_TOO: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: zeta, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: zeta}, account: tiktok, sharedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: zoe, namespace: partners}
spec: {partnerRef: {name: zeta}, email: zoe@zeta.example, role: GuestAdmin, invitedBy: alice@host.example}
";

#[test]
fn organizations_with_one_identifier_mail_nobody() {
    const ZOE: &str = "zoe@zeta.example";
    multi(async {
        let scene = acme_with_guests("swapped-partners").await;
        let people = &scene.people;
        scene.declare(&[ALL, ZETA_TOO].concat());
        scene.ends("zeta too").await;
        joins(people, ZOE);
        assert!(people.enroll(&email(ZOE), MfaMethod::TOTP, Timestamp::now()).unwrap());
        scene.ends("given").await;
        let both = async || {
            let all = people.admin("GET", "/organizations?briefRepresentation=false&max=100", None).await;
            let mut all = all.as_array().unwrap().clone();
            all.sort_by_key(|one| one["alias"].to_string());
            all
        };
        let right = both().await;
        let [acme, zeta] = [&right[0], &right[1]];
        for (what, edits, swapped) in [
            ("acme says that it is zeta", vec![(acme, zeta)], false),
            ("zeta says that it is acme", vec![(zeta, acme)], false),
            ("each says that it is the other", vec![(acme, zeta), (zeta, acme)], true),
        ] {
            for (one, other) in edits {
                let mut edited = one.clone();
                edited["attributes"]["guestlist.id"] = other["attributes"]["guestlist.id"].clone();
                put(people, edited).await;
            }
            let edited = both().await;
            let (_, said) = scene.run(&["apply", "objects.yaml", "--prune", "--yes"]).await;
            assert_eq!(both().await, edited, "{what}: {said}");
            let expected = if swapped { vec!["instagram:manager"] } else { vec![] };
            assert_eq!(told(people, CAROL).await, expected, "{what}: {said}");
            put(people, acme.clone()).await;
            put(people, zeta.clone()).await;
            scene.ends(what).await;
            assert_eq!(told(people, CAROL).await, ["instagram:manager"], "{what}");
            assert_eq!(told(people, ZOE).await, ["tiktok:collaborator"], "{what}");
            assert_eq!([BOB, CAROL, ZOE].map(|who| scene.mail.count(who)), [1; 3], "{what}: nobody is mailed again");
        }
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn organization_of_other_partner_with_our_alias_is_unchanged() {
    multi(async {
        let (subject, people) = subject("alias-taken");
        let subject = subject.furnish().await;
        let mut taken = organization(&people).await;
        let of_another = json!({"guestlist.id": ["p"], "guestlist.installation": ["demo"], "guestlist.uid": ["u"]});
        taken["attributes"] = of_another;
        put(&people, taken.clone()).await;
        let said = subject.refused(&ensure_partner(), 1).await;
        let alias = taken["alias"].as_str().unwrap();
        assert!(matches!(&said, Error::Refused { message } if message.contains(alias)), "{said:?}");
        assert_eq!(organization(&people).await, taken);
    });
}

#[test]
fn guest_removed_from_organization_is_reinvited_and_rejoins() {
    multi(async {
        let scene = acme_with_guests("out-by-hand").await;
        let people = &scene.people;
        let members = format!("/organizations/{}/members", organization(people).await["id"].as_str().unwrap());
        let invitations = members.replace("members", "invitations");
        let carol = people.user(&email(CAROL)).await["id"].as_str().unwrap().to_owned();
        people.admin("DELETE", &format!("{members}/{carol}"), None).await;
        let row = people.admin("GET", &invitations, None).await[0]["id"].as_str().unwrap().to_owned();
        people.admin("DELETE", &format!("{invitations}/{row}"), None).await;
        back_by_a_second_mail(&scene, "out of it").await;
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn organization_deleted_by_hand_is_recreated_and_guests_rejoin() {
    multi(async {
        let scene = acme_with_guests("deleted-by-hand").await;
        let people = &scene.people;
        let gone = organization(people).await["id"].as_str().unwrap().to_owned();
        people.admin("DELETE", &format!("/organizations/{gone}"), None).await;
        back_by_a_second_mail(&scene, "deleted").await;
        assert_ne!(organization(people).await["id"], json!(gone));
        people.admin("DELETE", "", None).await;
    });
}

/// Both are no longer members. Until the next mail, nothing is granted; one mail is sent when it is due, and then both
/// are members again.
async fn back_by_a_second_mail(scene: &Scene, what: &str) {
    let people = &scene.people;
    let before = [people.user(&email(BOB)).await["id"].clone(), people.user(&email(CAROL)).await["id"].clone()];
    let mails = || [BOB, CAROL].map(|who| scene.mail.count(who));
    scene.mail_interval("1h");
    for _ in 0..2 {
        scene.ends(what).await;
        assert_eq!(told(people, CAROL).await, Vec::<String>::new(), "{what}: who is no member uses nothing");
        assert_eq!(mails(), [1, 1], "{what}: not yet");
    }
    scene.mail_interval("0s");
    for _ in 0..2 {
        scene.ends(what).await;
        assert_eq!(mails(), [2, 2], "{what}: one mail more");
    }
    for who in [BOB, CAROL] {
        joins(people, who);
    }
    scene.ends(what).await;
    assert_eq!(told(people, CAROL).await, ["instagram:manager"], "{what}: her factor counts as before");
    assert_eq!(mails(), [2, 2], "{what}");
    let after = [people.user(&email(BOB)).await["id"].clone(), people.user(&email(CAROL)).await["id"].clone()];
    assert_eq!(after, before, "{what}: they are who they were");
}

#[test]
fn when_an_organization_is_gone_all_of_its_guests_are_looked_at() {
    multi(async {
        let (subject, people) = subject("organization-gone");
        let subject = subject.furnish().await.with_manager().await;
        let cursor = subject.cursor().await;
        let gone = organization(&people).await["id"].as_str().unwrap().to_owned();
        people.admin("DELETE", &format!("/organizations/{gone}"), None).await;
        assert_eq!(subject.directory.changes(cursor).await.unwrap().changed, [Changed::Partner(acme())].into());
        assert_eq!(subject.directory.partner(&acme()).await.unwrap(), None);
        assert_eq!(subject.directory.changes(cursor).await.unwrap().changed, [Changed::Everything].into());
        assert_eq!(subject.directory.guests(None).await.unwrap().items[0].joined_at, None);
        people.admin("DELETE", "", None).await;
    });
}
