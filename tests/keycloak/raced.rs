//! Two at once on one realm: `guestlist apply` beside itself, and beside an operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Notify;

use crate::faults::{APPLY, guests};
use crate::killed::Scene;
use crate::mail::Mood;
use crate::proxy::Fate;
use crate::stage::Stage;
use crate::support::multi;

const GUESTS: usize = 12;

#[test]
fn two_applies_at_once_make_each_guest_once_and_send_each_one_mail() {
    multi(async {
        let scene = Scene::open("raced").await;
        scene.declare(&guests(GUESTS));
        let (one, other) = futures::join!(scene.run(&APPLY), scene.run(&APPLY));
        for (code, said) in [&one, &other] {
            // Who was overtaken says so, and would say the same of nobody else's work.
            assert!(matches!(code, Some(0 | 1)), "{said}");
        }
        assert!([&one, &other].iter().any(|(code, _)| *code == Some(0)), "{}\n{}", one.1, other.1);
        scene.ends("after both").await;
        let users = scene.people.admin("GET", "/users?max=100&briefRepresentation=false", None).await;
        let guest = |user: &&Value| user["attributes"]["guestlist.id"].is_array();
        let ours: Vec<_> = users.as_array().unwrap().iter().filter(guest).collect();
        let ids: BTreeSet<_> =
            ours.iter().map(|user| user["attributes"]["guestlist.id"][0].as_str().unwrap()).collect();
        assert_eq!((ours.len(), ids.len()), (GUESTS, GUESTS));
        let mails: Vec<_> = (0..GUESTS).map(|n| scene.mail.count(&format!("g{n}@acme.example"))).collect();
        assert_eq!(mails, [1; GUESTS]);
        let organizations = scene.people.admin("GET", "/organizations?max=10", None).await;
        assert_eq!(organizations.as_array().unwrap().len(), 1, "{organizations}");
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
                // In its listing and once more the other has seen that there is no invitation.
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
    std::fs::write(&file, crate::stage::WORLD.replace("bob", "ned")).unwrap();
    let before = stage.operator.show();
    let apply = ["apply", file.to_str().unwrap(), "--prune", "--yes"];
    let output = stage.operator.guestlist(&stage.operator.kubeconfig, &apply);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ForeignDirectory") && said.contains("run by an operator"), "{said}");
    assert_eq!(stage.operator.show(), before);
}
