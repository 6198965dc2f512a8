//! Keycloak stops during the work and starts again with its database, while the operator keeps running.

use serde_json::{Value, json};

use crate::operated::{furnish_on, realm};
use crate::support::browser::{Application, Browser};
use crate::support::harness::{BOB, CAROL, Stage, condition};
use crate::support::keycloak::{Keycloak, multi};
use crate::support::operator::{Operator, eventually};
use crate::support::reused_planes::Reused;

/// Guests with nothing but an invitation.
fn guests(names: &[&str]) -> String {
    let guest = |name: &&str| {
        format!(
            "---\napiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {{name: {name}, namespace: partners}}\n\
             spec: {{partnerRef: {{name: acme}}, email: {name}@acme.example, invitedBy: alice@host.example}}\n"
        )
    };
    names.iter().map(guest).collect()
}

fn unavailable(seen: &Value) -> bool {
    condition(seen, "Ready")["reason"] == "DirectoryUnavailable"
}

/// Waits until the total number of mails is reached.
#[track_caller]
fn mails(stage: &Stage, names: &[&str], each: usize) {
    let count = |name: &&str| stage.operator.elsewhere.as_ref().unwrap().mails(&format!("{name}@acme.example"));
    eventually("mails", || {
        let seen: Vec<_> = names.iter().map(|name| (*name, count(name))).collect();
        if seen.iter().all(|(_, mails)| *mails == each) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

/// A browser on the page for a new password, after the sign-in of a workspace user.
async fn holds_page(server: &Keycloak, realm: &str) -> Browser {
    let client = json!({
        "clientId": "app", "publicClient": true, "standardFlowEnabled": true, "redirectUris": [Application::RETURN],
    });
    let erin = json!({
        "username": "erin", "email": "erin@host.example", "firstName": "Erin", "lastName": "Host", "enabled": true,
        "emailVerified": true, "credentials": [{"type": "password", "value": "old", "temporary": false}],
    });
    for (path, body) in [("clients", client), ("users", erin)] {
        let (status, answer) = server.admin("POST", &format!("/{realm}/{path}"), Some(body)).await;
        assert_eq!(status, 201, "{answer}");
    }
    let application = Application { realm: format!("{}/realms/{realm}", server.base), client: "app".to_owned() };
    let mut browser = Browser::new();
    browser.open(&format!("{}&kc_action=UPDATE_PASSWORD", application.door())).await;
    browser.submit(&[("username", "erin")]).await;
    browser.submit(&[("password", "old")]).await;
    assert!(browser.asks("password-new"), "{}", browser.words());
    browser
}

/// A restart of Keycloak ends the page, as docs/keycloak/sessions.md describes.
async fn asks_to_sign_in_again(browser: &mut Browser) {
    browser.submit(&[("password-new", "new"), ("password-confirm", "new")]).await;
    assert!(browser.landed.is_none() && browser.asks("username"), "{}", browser.words());
}

#[test]
fn keycloak_restart_loses_no_guest_or_edit_and_mails_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    // Leaked, because the realm borrows it; its process ends below, or with this one.
    let server: &'static Keycloak = Box::leak(Box::new(Keycloak::start_in(folder.path())));
    let plane = Reused::start();
    let mut stage = Stage { operator: furnish_on(server, Operator::prepare(&plane)), plane };
    stage.operator.start();
    stage.settle();
    stage.apply(&guests(&["ned"]));
    let partners = stage.partners();
    partners.guest("ned", "ned@acme.example", "Invited", &[]);

    // During the work: some of these are invited, and some are not yet.
    let many = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"];
    stage.apply(&guests(&many));
    mails(&stage, &many[..1], 1);
    let mut held = multi(holds_page(server, &realm(&stage.operator)));
    server.stop();

    // Further edits of people are accepted, and no status claims that they are done.
    partners.patch("share/instagram", r#"{"spec":{"suspended":true}}"#);
    partners.begin_to_delete("gm/bob");
    stage.apply(&guests(&["dora"]));
    stage.operator.is_unready(&["DirectoryUnavailable"]);
    for object in ["lp/acme", "gm/carol", "gm/ned", "gm/dora", "share/instagram"] {
        partners.shows(object, "says that the directory is away", unavailable);
    }
    let bob = partners.shows("gm/bob", "is being deleted", |seen| seen["metadata"]["deletionTimestamp"].is_string());
    assert!(bob["metadata"]["finalizers"][0].is_string(), "no guest could be removed: {bob}");

    server.go_on();
    multi(asks_to_sign_in_again(&mut held));
    stage.operator.is_ready();
    // The revoked access is gone, the former guests remain, and the new ones are invited.
    partners.guest("carol", CAROL, "Active", &[]);
    partners.shows("gm/bob", "is gone", Value::is_null);
    partners.nobody(BOB);
    for name in [&many[..], &["ned", "dora"]].concat() {
        partners.guest(name, &format!("{name}@acme.example"), "Invited", &[]);
    }
    partners.patch("share/instagram", r#"{"spec":{"suspended":null}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    stage.operator.joins_with_mfa("ned@acme.example");
    partners.guest("ned", "ned@acme.example", "Active", &[]);
    stage.rests(3);
    mails(&stage, &[&many[..], &["carol", "bob", "ned", "dora"]].concat(), 1);
    assert!(stage.operator.runs(), "it went on all the time");
    drop(stage);
    server.stop();
}
