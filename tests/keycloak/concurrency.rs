//! Concurrent runs on one realm: `guestlist apply` beside another, and beside an operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use guestlist::directory::{DirectoryWriter as _, Error};
use jiff::Timestamp;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::faults::{APPLY, directory_at, guests};
use crate::killed::Scene;
use crate::support::contract::ensure_partner;
use crate::support::harness::Stage;
use crate::support::keycloak::{Keycloak, multi};
use crate::support::mail::Mood;
use crate::support::proxy::Fate;

const GUESTS: usize = 12;
/// The time of a mail that allows the next one.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";
/// The message of an apply that stopped because another one started.
const OVERTAKEN: &str = "became the leader of the directory meanwhile";

#[test]
fn concurrent_applies_create_and_mail_each_guest_once() {
    multi(async {
        let scene = Scene::open("raced").await;
        scene.declare(&guests(GUESTS));
        let (one, other) = futures::join!(scene.run(&APPLY), scene.run(&APPLY));
        for (code, said) in [&one, &other] {
            // An apply that lost the leadership reports that, and no other failure.
            assert!(matches!(code, Some(0 | 1)), "{said}");
        }
        assert!([&one, &other].iter().any(|(code, _)| *code == Some(0)), "{}\n{}", one.1, other.1);
        scene.ends("after both").await;
        let ours = users(&scene).await;
        let ids: BTreeSet<_> =
            ours.iter().map(|user| user["attributes"]["guestlist.id"][0].as_str().unwrap()).collect();
        assert_eq!((ours.len(), ids.len()), (GUESTS, GUESTS));
        assert_eq!(mails(&scene), [1; GUESTS]);
        let organizations = scene.people.admin("GET", "/organizations?max=10", None).await;
        assert_eq!(organizations.as_array().unwrap().len(), 1, "{organizations}");
    });
}

/// Deletes all invitations, as an administrator can in Keycloak's console.
async fn invitations_are_deleted(scene: &Scene) {
    let all = scene.people.admin("GET", "/organizations", None).await;
    let id = all[0]["id"].as_str().unwrap();
    let rows = scene.people.admin("GET", &format!("/organizations/{id}/invitations?max=100"), None).await;
    for row in rows.as_array().unwrap() {
        let path = format!("/organizations/{id}/invitations/{}", row["id"].as_str().unwrap());
        scene.people.admin("DELETE", &path, None).await;
    }
}

/// All users, as an administrator sees them.
async fn users(scene: &Scene) -> Vec<Value> {
    let users = scene.people.admin("GET", "/users?max=100&briefRepresentation=false", None).await;
    let ours = |user: &&Value| user["attributes"]["guestlist.id"].is_array();
    users.as_array().unwrap().iter().filter(ours).cloned().collect()
}

/// The record in a user's attributes.
fn record(user: &Value) -> Value {
    serde_json::from_str(user["attributes"]["guestlist.record"][0].as_str().unwrap()).unwrap()
}

/// The last mails are old enough for the next ones, and nobody has an invitation.
async fn mails_are_due_again(scene: &Scene) {
    for mut user in users(scene).await {
        let mut record = record(&user);
        record["lastMailAt"] = LONG_AGO.into();
        user["attributes"]["guestlist.record"] = json!([record.to_string()]);
        let path = format!("/users/{}", user["id"].as_str().unwrap());
        scene.people.admin("PUT", &path, Some(user)).await;
    }
    invitations_are_deleted(scene).await;
}

fn mails(scene: &Scene) -> Vec<usize> {
    (0..GUESTS).map(|n| scene.mail.count(&format!("g{n}@acme.example"))).collect()
}

#[test]
fn concurrent_applies_resend_a_due_invitation_once() {
    multi(async {
        let scene = Scene::open("due-again").await;
        scene.declare(&guests(GUESTS));
        scene.ends("invited").await;
        for round in 2..5 {
            invitations_are_deleted(&scene).await;
            let (one, other) = futures::join!(scene.run(&APPLY), scene.run(&APPLY));
            let said = format!("{}\n{}", one.1, other.1);
            let ends: BTreeSet<_> = [one.0, other.0].into();
            assert!(ends.contains(&Some(0)) && ends.is_subset(&[Some(0), Some(1)].into()), "{said}");
            assert_eq!(mails(&scene), [round; GUESTS], "{said}");
            scene.ends("after both").await;
            assert_eq!(mails(&scene), [round; GUESTS], "{said}");
        }
    });
}

/// Another process becomes the leader at the first such call, before it is forwarded.
fn overtaken_at(scene: &Scene, is_it: impl Fn(&str, &str) -> bool + Send + 'static) {
    let realm = scene.people.realm.clone();
    let mut led = false;
    scene.proxy.rules(move |method, path| {
        if !led && is_it(method.as_str(), path) {
            led = true;
            let realm = realm.clone();
            let leads = async move { directory_at(&Keycloak::shared().base, &realm).lead().await.unwrap() };
            std::thread::spawn(|| multi(leads)).join().unwrap();
        }
        Fate::Passes
    });
}

#[test]
fn apply_overtaken_before_mails_sends_none_and_restores_records() {
    multi(async {
        let scene = Scene::open("overtaken-mail").await;
        scene.declare(&guests(GUESTS));
        scene.ends("invited").await;
        scene.mail_interval("1h");
        mails_are_due_again(&scene).await;
        overtaken_at(&scene, |method, path| method == "PUT" && path.contains("/users/"));
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && said.contains(OVERTAKEN), "{said}");
        assert_eq!(mails(&scene), [1; GUESTS], "{said}");
        for user in users(&scene).await {
            assert_eq!(record(&user)["lastMailAt"], LONG_AGO, "the mail is due as before: {said}");
        }
        scene.ends("afterwards").await;
        assert_eq!(mails(&scene), [2; GUESTS]);
    });
}

#[test]
fn apply_overtaken_before_mail_of_returning_guest_sends_none() {
    multi(async {
        let scene = Scene::open("overtaken-back").await;
        scene.declare(&guests(1));
        scene.ends("invited").await;
        scene.declare(&guests(0));
        scene.ends("removed").await;
        scene.declare(&guests(1));
        overtaken_at(&scene, |method, path| method == "PUT" && path.contains("/users/"));
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && said.contains(OVERTAKEN), "{said}");
        assert_eq!(scene.mail.total(), 1, "{said}");
        scene.ends("afterwards").await;
        assert_eq!(scene.mail.total(), 2);
    });
}

#[test]
fn realm_without_leader_group_is_refused_and_left_unchanged() {
    multi(async {
        let scene = Scene::open("leaderless").await;
        let directory = directory_at(&Keycloak::shared().base, &scene.people.realm);
        let epoch = directory.lead().await.unwrap();
        let groups = || scene.people.admin("GET", "/groups?search=guestlist&exact=true", None);
        let path = format!("/groups/{}", groups().await[0]["id"].as_str().unwrap());
        scene.people.admin("DELETE", &path, None).await;
        let fault = directory.execute(&ensure_partner(), None, Timestamp::now(), epoch).await.unwrap_err();
        // Unlike a lost leadership, this needs a person to check.
        assert!(
            matches!(&fault, Error::Refused { message } if message.contains("guestlist/leader is gone")),
            "{fault}"
        );
        assert_eq!(groups().await, json!([]));
        let organizations = scene.people.admin("GET", "/organizations", None).await;
        assert_eq!(organizations, json!([]));
    });
}

#[test]
fn overtaken_apply_stops_after_operations_in_progress() {
    multi(async {
        let scene = Scene::open("overtaken").await;
        scene.declare(&guests(60));
        overtaken_at(&scene, |method, path| method == "POST" && path.ends_with("/users"));
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && said.contains(OVERTAKEN), "{said}");
        let made = scene.mail.total();
        assert!((1..30).contains(&made), "{made}: {said}");
        scene.ends("afterwards").await;
        assert_eq!(scene.mail.total(), 60, "one mail each");
    });
}

#[test]
fn a_mail_that_another_apply_has_under_way_is_not_sent_again() {
    multi(async {
        let scene = Scene::open("under-way").await;
        scene.declare(&guests(1));
        scene.mail.set(Mood::Holds);
        let (asked, looked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (ask, look) = (asked.clone(), looked.clone());
        let (mut mails, mut looks) = (0, 0);
        scene.proxy.rules(move |_, path| {
            if path.ends_with("/invite-user") {
                mails += 1;
                ask.notify_one();
            } else if mails > 0 && path.ends_with("/invitations") {
                looks += 1;
            } else if looks == 2 {
                // By its listing and one more read, the other has seen that no invitation exists.
                look.notify_one();
            }
            Fate::Passes
        });
        let other = async {
            asked.notified().await;
            scene.run(&APPLY).await
        };
        let mail_server = async {
            looked.notified().await;
            scene.mail.set(Mood::Takes);
        };
        let (one, other, ()) = futures::join!(scene.run(&APPLY), other, mail_server);
        assert_eq!((one.0, other.0), (Some(0), Some(0)), "{}\n{}", one.1, other.1);
        assert_eq!(scene.mail.total(), 1, "{}\n{}", one.1, other.1);
    });
}

#[test]
fn an_apply_beside_an_operator_is_refused_and_touches_nothing() {
    let stage = Stage::start();
    let file = stage.operator.folder.join("objects.yaml");
    std::fs::write(&file, crate::support::harness::WORLD.replace("bob", "ned")).unwrap();
    let before = stage.operator.show();
    let apply = ["apply", file.to_str().unwrap(), "--prune", "--yes"];
    let output = stage.operator.guestlist(&stage.operator.kubeconfig, &apply);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ForeignDirectory") && said.contains("run by an operator"), "{said}");
    assert_eq!(stage.operator.show(), before);
}
