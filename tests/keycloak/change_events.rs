//! Other activity in the realm costs no calls, and relevant changes are read at once.

use std::collections::BTreeSet;

use guestlist::directory::keycloak::Directory;
use guestlist::directory::{Changed, Cursor, DirectoryReader as _};
use guestlist::domain::Email;
use serde_json::{Value, json};

use crate::prepared::Stage;
use crate::sign_in::{application, direct, person};
use crate::support::keycloak::block_on;

const ALICE: &str = "alice@host.example";

fn calls(directory: &Directory, endpoint: &str) -> u64 {
    directory.calls().get(endpoint).copied().unwrap_or_default()
}

/// The changes, and the number of calls for users and for organizations that they took.
async fn told(directory: &Directory, since: &mut Cursor) -> (BTreeSet<Changed>, u64, u64) {
    let count = || (calls(directory, "GET users/{id}"), calls(directory, "GET organizations/{id}"));
    let before = count();
    let changes = directory.changes(*since).await.unwrap();
    *since = changes.cursor;
    let after = count();
    (changes.changed, after.0 - before.0, after.1 - before.1)
}

#[test]
fn sign_in_costs_no_call_and_changed_user_costs_one() {
    let stage = Stage::prepared("hints");
    block_on(application(&stage.realm, "portal"));
    block_on(person(&stage.realm, ALICE, false, json!({})));
    let user = stage.admin("GET", &format!("/users?exact=true&email={ALICE}"), None)[0].clone();
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    block_on(async {
        let directory = stage.directory();
        let mut since = directory.cursor().await.unwrap();
        let nothing = BTreeSet::new();
        let admin = async |method: &str, path: &str, body: Option<Value>| {
            let (status, answer) = stage.realm.admin(method, path, body).await;
            assert!(status < 300, "{method} {path}: {status} {answer}");
        };
        for _ in 0..5 {
            assert_eq!(direct(&stage.realm, "portal", ALICE, None).await.0, 200);
            assert_ne!(direct(&stage.realm, "portal", "nobody@host.example", None).await.0, 200);
        }
        assert_eq!(told(&directory, &mut since).await, (nothing.clone(), 0, 0), "signing in");

        for name in ["One", "Two", "Three"] {
            let mut renamed = user.clone();
            renamed["firstName"] = json!(name);
            admin("PUT", &path, Some(renamed)).await;
        }
        let changed = [Changed::User(Email::parse(ALICE).unwrap())].into();
        assert_eq!(told(&directory, &mut since).await, (changed, 1, 0), "three changes of one user");
        assert_eq!(told(&directory, &mut since).await, (nothing.clone(), 0, 0), "told once");

        // Members of an organization of another tool.
        admin("POST", "/organizations", Some(json!({"name": "Strangers", "alias": "strangers"}))).await;
        let (_, found) = stage.realm.admin("GET", "/organizations?search=Strangers", None).await;
        let members = format!("/organizations/{}/members", found[0]["id"].as_str().unwrap());
        admin("POST", &members, Some(user["id"].clone())).await;
        let (changed, _, organizations) = told(&directory, &mut since).await;
        assert!(!changed.contains(&Changed::Everything), "{changed:?}");
        assert_eq!(organizations, 1, "it is looked at once");
    });
}
