//! The organization of a suspended partner: disabled once its guests have no grants, and enabled before they get any.
//! It stays enabled if it has a member that guestlist did not create.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::faults::{APPLY, guests, on};
use crate::killed::Scene;
use crate::support::contract::Player as _;
use crate::support::proxy::Fate;
use guestlist::domain::{Email, MfaMethod};

async fn organization(scene: &Scene) -> Value {
    scene.people.admin("GET", "/organizations?briefRepresentation=false", None).await[0].clone()
}

/// Applies with the partner suspended or not. Returns the writes to users and organizations, in order.
async fn apply(scene: &Scene, suspended: bool) -> Vec<String> {
    let more = if suspended { ", suspended: true" } else { "" };
    let share = "---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {name: instagram, namespace: partners}\n\
                 spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example}\n";
    let manifests = guests(2).replace("g0@acme.example,", "g0@acme.example, role: GuestAdmin,") + share;
    scene.declare(&manifests.replace("[alice@host.example]}", &format!("[alice@host.example]{more}}}")));
    let writes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&writes);
    scene.proxy.rules(move |method, path| {
        let kind = path.split('/').nth(4).unwrap_or_default();
        // Each run writes the leadership, which is a group.
        if method == "PUT" && ["users", "organizations"].contains(&kind) {
            seen.lock().unwrap().push(kind.to_owned());
        }
        Fate::Passes
    });
    let (code, said) = scene.run(&APPLY).await;
    assert_eq!(code, Some(0), "{said}");
    scene.proxy.rules(|_, _| Fate::Passes);
    std::mem::take(&mut *writes.lock().unwrap())
}

#[test]
fn suspended_organization_is_disabled_last_and_enabled_first() {
    on("switched", async |scene| {
        apply(scene, false).await;
        let now = jiff::Timestamp::now();
        let g0 = Email::parse("g0@acme.example").unwrap();
        assert!(scene.people.accept(&g0, now).unwrap() && scene.people.enroll(&g0, MfaMethod::TOTP, now).unwrap());
        apply(scene, false).await;
        let holds = async || scene.people.user(&g0).await["attributes"]["guestlist.accounts"][0].clone();
        assert_eq!(
            (holds().await, organization(scene).await["enabled"].clone()),
            (json!("instagram:collaborator"), json!(true))
        );

        let writes = apply(scene, true).await;
        let last = writes.iter().rposition(|kind| kind == "users").expect("a guest lost access");
        assert_eq!(writes[last + 1..], ["organizations"], "{writes:?}");
        assert_eq!((holds().await, organization(scene).await["enabled"].clone()), (Value::Null, json!(false)));
        assert_eq!(apply(scene, true).await, [] as [String; 0], "it is at rest");

        // An administrator enables it: guestlist reverts that.
        let mut by_hand = organization(scene).await;
        by_hand["enabled"] = json!(true);
        let path = format!("/organizations/{}", by_hand["id"].as_str().unwrap());
        scene.people.admin("PUT", &path, Some(by_hand)).await;
        assert_eq!(apply(scene, true).await, ["organizations"]);
        assert_eq!(organization(scene).await["enabled"], false);

        let writes = apply(scene, false).await;
        assert_eq!(writes.first().map(String::as_str), Some("organizations"), "{writes:?}");
        assert!(writes.iter().any(|kind| kind == "users"));
        assert_eq!(
            (holds().await, organization(scene).await["enabled"].clone()),
            (json!("instagram:collaborator"), json!(true))
        );

        // A colleague that an administrator added is a member, and keeps access.
        let alice = scene.people.user(&Email::parse("alice@host.example").unwrap()).await;
        scene.people.admin("POST", &format!("{path}/members"), Some(alice["id"].clone())).await;
        apply(scene, true).await;
        assert_eq!((holds().await, organization(scene).await["enabled"].clone()), (Value::Null, json!(true)));
        assert_eq!(apply(scene, true).await, [] as [String; 0], "it is at rest");
    });
}
