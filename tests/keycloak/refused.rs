//! Operations that Keycloak refuses until a person changes something: `plan` reports them if it can know, `apply`
//! reports them at once. The tests count calls and measure no time.

use std::sync::{Arc, Mutex};

use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::faults::{APPLY, guests, on};
use crate::killed::Scene;
use crate::support::contract::Player as _;
use crate::support::proxy::Fate;

const PLAN: [&str; 3] = ["plan", "objects.yaml", "--prune"];

fn g0() -> Email {
    Email::parse("g0@acme.example").unwrap()
}

/// Runs a command. Returns its exit code, its output, and the number of users that it wrote.
async fn counted(scene: &Scene, arguments: &[&str]) -> (Option<i32>, String, usize) {
    let writes = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&writes);
    scene.proxy.rules(move |method, path| {
        let user = path.contains("/users") && ["POST", "PUT"].contains(&method.as_str()) && !path.ends_with("/logout");
        *seen.lock().unwrap() += usize::from(user);
        Fate::Passes
    });
    let (code, said) = scene.run(arguments).await;
    scene.proxy.rules(|_, _| Fate::Passes);
    let writes = *writes.lock().unwrap();
    (code, said, writes)
}

fn suspended(spec: bool) -> String {
    let more = if spec { ", suspended: true" } else { "" };
    let share = "---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {name: instagram, namespace: partners}\n\
                 spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example}\n";
    let admin = format!("g0@acme.example, role: GuestAdmin{more},");
    guests(1).replace("g0@acme.example,", &admin) + share
}

fn joins(scene: &Scene) {
    assert!(scene.people.accept(&g0(), Timestamp::now()).unwrap());
    assert!(scene.people.enroll(&g0(), MfaMethod::TOTP, Timestamp::now()).unwrap());
}

async fn claims(scene: &Scene) -> (Value, Value) {
    let user = scene.people.user(&g0()).await;
    (user["enabled"].clone(), user["attributes"]["guestlist.accounts"][0].clone())
}

/// The plan matches the operations, and a second run has nothing to do. Returns its last output.
async fn settles(scene: &Scene) -> String {
    let (_, planned) = scene.run(&PLAN).await;
    let (_, done) = scene.run(&APPLY).await;
    let count = |text: &str, word: &str| {
        let line = text.lines().find(|line| line.starts_with(word)).map(str::to_owned);
        line.map(|line| line.trim_start_matches(word).to_owned())
    };
    if let Some(done) = count(&done, "Done: ") {
        let planned_count = count(&planned, "Plan: ").map(|line| line.replace(" now", ""));
        assert_eq!(planned_count, Some(done), "{planned}");
    }
    let (_, again, writes) = counted(scene, &APPLY).await;
    assert_eq!(writes, 0, "{again}");
    again
}

#[test]
fn username_address_is_reported_and_nothing_written() {
    on("refused-username", async |scene| {
        let body = json!({"username": "g0@acme.example", "email": "other@host.example", "firstName": "O", "lastName": "T",
                          "enabled": true});
        scene.people.admin("POST", "/users", Some(body)).await;
        scene.declare(&guests(2));
        let (code, said) = scene.run(&PLAN).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("IdentityExists") && said.contains("change its username"), "{said}");
        assert!(!said.contains("invite g0@acme.example") && said.contains("g1@acme.example"), "{said}");
        let (code, said, writes) = counted(scene, &APPLY).await;
        assert_eq!((code, writes), (Some(1), 1), "only the other guest is made: {said}");
        assert!(said.contains("IdentityExists") && said.contains("change its username"), "{said}");
        // A person changes the username; the next run invites.
        let user = scene.people.user(&Email::parse("other@host.example").unwrap()).await;
        scene.people.admin("PUT", "", Some(json!({"editUsernameAllowed": true}))).await;
        let mut renamed = user.clone();
        renamed["username"] = "other".into();
        scene.people.admin("PUT", &format!("/users/{}", user["id"].as_str().unwrap()), Some(renamed)).await;
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        assert_eq!(scene.mail.count("g0@acme.example"), 1);
    });
}

#[test]
fn attribute_that_the_realm_requires_is_said_at_once() {
    on("refused-attribute", async |scene| {
        let mut profile = scene.people.admin("GET", "/users/profile", None).await;
        let before = profile.clone();
        let attribute = json!({"name": "department", "required": {},
                               "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}});
        profile["attributes"].as_array_mut().unwrap().push(attribute);
        scene.people.admin("PUT", "/users/profile", Some(profile)).await;
        scene.declare(&guests(2));
        let (code, said, writes) = counted(scene, &APPLY).await;
        assert_eq!((code, writes), (Some(1), 2), "each guest is tried once: {said}");
        for part in ["partners/g0", "partners/g1", "department", "require it of users only"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        scene.people.admin("PUT", "/users/profile", Some(before)).await;
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
    });
}

/// The first guest as `directory show` lists them: the state and the grants that are in effect.
async fn shown(scene: &Scene) -> (Value, Vec<Value>) {
    let (_, said) = scene.run(&["directory", "show", "-o", "json"]).await;
    let all: Value = serde_json::from_str(&said).unwrap();
    let guest = &all["guests"][0];
    let grants = guest["grants"].as_array().into_iter().flatten().filter(|grant| grant["effective"] == true);
    (guest["state"].clone(), grants.map(|grant| grant["account"].clone()).collect())
}

#[test]
fn user_that_keycloak_refuses_is_named_and_shown_without_access() {
    on("refused-user", async |scene| {
        // As in a realm after setup, applications see accounts only of members of the group `/guestlist/claims-enabled`.
        let roots = scene.people.admin("GET", "/groups?search=guestlist&exact=true", None).await;
        let root = roots.as_array().unwrap().iter().find(|group| group["name"] == "guestlist").unwrap();
        let told = json!({"name": "claims-enabled", "attributes": {"guestlist.claims-enabled": ["true"]}});
        scene.people.admin("POST", &format!("/groups/{}/children", root["id"].as_str().unwrap()), Some(told)).await;
        scene.declare(&suspended(false));
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        joins(scene);
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        assert_eq!(shown(scene).await, (json!("Active"), vec![json!("instagram")]));

        let mut profile = scene.people.admin("GET", "/users/profile", None).await;
        let before = profile.clone();
        let attribute = json!({"name": "department", "required": {}, "validations": {"options": {"options": ["sales"]}},
                               "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}});
        profile["attributes"].as_array_mut().unwrap().push(attribute);
        scene.people.admin("PUT", "/users/profile", Some(profile)).await;
        let share = suspended(false).find("---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare").unwrap();
        for objects in [suspended(true), suspended(false)[..share].to_owned()] {
            scene.declare(&objects);
            let (code, said) = scene.run(&APPLY).await;
            assert_eq!(code, Some(1), "{said}");
            for part in ["user g0@acme.example", "department", "Validations"] {
                assert!(said.contains(part), "{part}: {said}");
            }
            assert_eq!(shown(scene).await, (json!("Suspended"), vec![]), "{said}");
            let (_, planned) = scene.run(&PLAN).await;
            assert!(planned.contains("revoke instagram"), "{planned}");
            assert!(planned.contains("grant: 0"), "{planned}");
        }
        // The edit is reverted. The user still has the grants of the files, so no write is necessary.
        scene.declare(&suspended(false));
        settles(scene).await;
        assert_eq!(shown(scene).await, (json!("Active"), vec![json!("instagram")]));
        scene.declare(&suspended(true));
        assert_eq!(scene.run(&APPLY).await.0, Some(1));
        scene.people.admin("PUT", "/users/profile", Some(before)).await;
        settles(scene).await;
        assert_eq!(claims(scene).await, (json!(false), Value::Null));
        assert_eq!(shown(scene).await, (json!("Suspended"), vec![]));
    });
}

#[test]
fn login_disabled_by_an_administrator_is_never_enabled_by_apply() {
    on("refused-login", async |scene| {
        scene.declare(&suspended(false));
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        joins(scene);
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        assert_eq!(claims(scene).await, (json!(true), json!("instagram:collaborator")));

        scene.people.set_login(&g0(), false).unwrap();
        let said = settles(scene).await;
        assert!(said.contains("DisabledByAdministrator"), "{said}");
        assert_eq!(claims(scene).await, (json!(false), Value::Null));
        for spec in [true, false] {
            scene.declare(&suspended(spec));
            settles(scene).await;
            assert_eq!(claims(scene).await, (json!(false), Value::Null), "suspended: {spec}");
        }
        // Removed and declared again: nobody is mailed.
        scene.declare(&guests(0));
        settles(scene).await;
        let mails = scene.mail.total();
        scene.declare(&suspended(false));
        let said = settles(scene).await;
        assert!(said.contains("DisabledByAdministrator"), "{said}");
        assert_eq!((claims(scene).await.0, scene.mail.total()), (json!(false), mails));
        // The administrator enables the login: the guest is invited, and has the access of before once they have joined.
        scene.people.set_login(&g0(), true).unwrap();
        settles(scene).await;
        assert_eq!(scene.mail.total(), mails + 1);
        // The MFA of before counts.
        assert!(scene.people.accept(&g0(), Timestamp::now()).unwrap());
        settles(scene).await;
        assert_eq!(claims(scene).await, (json!(true), json!("instagram:collaborator")));
    });
}

#[test]
fn login_that_guestlist_disabled_is_enabled_by_apply() {
    on("refused-own", async |scene| {
        scene.declare(&suspended(false));
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        joins(scene);
        for (spec, expected) in
            [(true, (json!(false), Value::Null)), (false, (json!(true), json!("instagram:collaborator")))]
        {
            scene.declare(&suspended(spec));
            settles(scene).await;
            assert_eq!(claims(scene).await, expected);
        }
    });
}

#[test]
fn login_disabled_after_an_ended_suspension_stays_disabled() {
    on("refused-later", async |scene| {
        scene.declare(&suspended(false));
        assert_eq!(scene.run(&APPLY).await.0, Some(0));
        joins(scene);
        scene.declare(&suspended(true));
        settles(scene).await;
        // The administrator and the spec end the suspension, the administrator first.
        scene.people.set_login(&g0(), true).unwrap();
        scene.declare(&suspended(false));
        settles(scene).await;
        assert_eq!(claims(scene).await, (json!(true), json!("instagram:collaborator")));
        scene.people.set_login(&g0(), false).unwrap();
        let said = settles(scene).await;
        assert!(said.contains("DisabledByAdministrator"), "{said}");
        assert_eq!(claims(scene).await, (json!(false), Value::Null));
    });
}
