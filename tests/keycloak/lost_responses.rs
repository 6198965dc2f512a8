//! Mails with lost answers: nobody gets a second one, whose link would invalidate the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use guestlist::domain::Email;
use serde_json::{Value, json};

use crate::faults::{APPLY, guests, on};
use crate::killed::Scene;
use crate::support::mail::Mood;
use crate::support::proxy::Fate;

/// Sets the fate of the first requested mail.
fn first_mail(scene: &Scene, fate: Fate) {
    let mut asked = false;
    scene.proxy.rules(move |_, path| {
        let first = !asked && path.ends_with("/invite-user");
        asked |= first;
        if first { fate } else { Fate::Passes }
    });
}

/// The number of invitations in Keycloak.
async fn invitations(scene: &Scene) -> usize {
    let mut count = 0;
    for organization in scene.people.admin("GET", "/organizations", None).await.as_array().unwrap() {
        let path = format!("/organizations/{}/invitations", organization["id"].as_str().unwrap());
        count += scene.people.admin("GET", &path, None).await.as_array().unwrap().len();
    }
    count
}

/// The first guest in `guestlist directory show`.
async fn guest(scene: &Scene) -> Value {
    let (code, said) = scene.run(&["directory", "show", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str::<Value>(&said).unwrap()["guests"][0].clone()
}

#[test]
fn delivered_mail_counts_although_proxy_reports_a_failure() {
    on("lost-by-proxy", async |scene| {
        for (count, status) in [(1, 502), (2, 503), (3, 504), (4, 500), (5, 408)] {
            scene.declare(&guests(count));
            first_mail(scene, Fate::Lost(status));
            scene.ends(&status.to_string()).await;
            assert_eq!(scene.mail.total(), count, "{status}: one mail each");
        }
    });
}

#[test]
fn mail_in_transit_with_lost_response_is_not_sent_again() {
    on("on-its-way", async |scene| {
        scene.mail_interval("1h");
        scene.declare(&guests(1));
        scene.mail.set(Mood::Holds);
        first_mail(scene, Fate::Hasty(504));
        let (_, said) = scene.run(&APPLY).await;
        assert_eq!(invitations(scene).await, 0, "Keycloak is still at it: {said}");
        scene.mail.set(Mood::Takes);
        while invitations(scene).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        scene.ends("it went out after all").await;
        assert_eq!((scene.mail.total(), invitations(scene).await), (1, 1));
        assert_eq!(guest(scene).await["state"], "Invited");
    });
}

#[test]
fn mail_after_unknown_delivery_waits_for_the_mail_interval() {
    on("not-known", async |scene| {
        scene.mail_interval("1h");
        scene.declare(&guests(1));
        first_mail(scene, Fate::Page(502));
        scene.run(&APPLY).await;
        let (_, said) = scene.run(&APPLY).await;
        assert_eq!(scene.mail.total(), 0, "it counts as sent: {said}");
        scene.mail_interval("0s");
        scene.ends("it is due").await;
        assert_eq!(scene.mail.total(), 1);
        assert_eq!(guest(scene).await["state"], "Invited");
    });
}

#[test]
fn a_mail_that_was_refused_is_due_at_once() {
    on("refused-mail", async |scene| {
        scene.mail_interval("1h");
        scene.declare(&guests(1));
        first_mail(scene, Fate::Patience(1));
        scene.ends("asked again").await;
        assert_eq!(scene.mail.total(), 1);
    });
}

#[test]
fn missing_mail_server_is_reported_and_each_mail_tried_once() {
    on("no-mail-server", async |scene| {
        scene.declare(&guests(3));
        let mut realm = scene.people.admin("GET", "", None).await;
        let mail_server = std::mem::replace(&mut realm["smtpServer"], json!({}));
        scene.people.admin("PUT", "", Some(realm.clone())).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        scene.proxy.rules(move |_, path| {
            count.fetch_add(usize::from(path.ends_with("/invite-user")), Ordering::SeqCst);
            Fate::Passes
        });
        for round in 1..3 {
            let (code, said) = scene.run(&APPLY).await;
            assert_eq!(code, Some(1), "{said}");
            assert_eq!(asked.load(Ordering::SeqCst), 3 * round, "{said}");
            for guest in 0..3 {
                assert!(said.contains(&format!("could not send a mail to g{guest}@acme.example")), "{said}");
            }
            assert!(said.contains("Realm settings, Email"), "{said}");
            assert!(!said.contains("Done") && !said.contains("DirectoryUnavailable"), "{said}");
        }
        scene.declare(&guests(2));
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && !said.contains("g2@acme.example as"), "{said}");
        let gone = scene.people.user(&Email::parse("g2@acme.example").unwrap()).await;
        assert_eq!(gone["enabled"], false, "who is declared no more is pruned all the same: {said}");
        realm["smtpServer"] = mail_server;
        scene.people.admin("PUT", "", Some(realm)).await;
        scene.ends("with a mail server").await;
        assert_eq!(scene.mail.total(), 2, "one mail each");
    });
}

#[test]
fn mail_server_timeout_of_keycloak_is_named_and_counts_as_sent() {
    on("gave-up", async |scene| {
        scene.mail_interval("1h");
        scene.declare(&guests(1));
        scene.mail.set(Mood::Hangs);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        scene.proxy.rules(move |_, path| {
            count.fetch_add(usize::from(path.ends_with("/invite-user")), Ordering::SeqCst);
            Fate::Passes
        });
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && said.contains("Keycloak gave up on its mail server after"), "{said}");
        assert!(said.contains("g0@acme.example") && !said.contains("+ GuestMembership"), "{said}");
        scene.mail.set(Mood::Takes);
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(0) && said.contains("waits[MailInterval]"), "{said}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "it may have gone out: {said}");
    });
}
