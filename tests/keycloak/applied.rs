//! The command line on a realm: people and accounts imported, the examples planned and applied, and the claims of their
//! tokens once the guests have joined and enrolled MFA.

use std::path::Path;
use std::process::Command;

use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::Value;

use crate::held_to_the_contract::{People, realm_with_mail};
use crate::support::contract::Player;
use crate::support::keycloak::{Keycloak, SECRET, multi};

/// Runs `guestlist`. Returns the exit code and the output.
pub fn guestlist(address: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_guestlist"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("GUESTLIST_DIRECTORY", address)
        .env("GUESTLIST_WORKSPACE", "examples/acme/workspace.yaml")
        .env("GUESTLIST_KEYCLOAK_CLIENT_SECRET", SECRET)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains(SECRET), "{said}");
    (output.status.code().unwrap(), said)
}

pub fn ends(address: &str, code: i32, arguments: &[&str]) -> String {
    let (ended, said) = guestlist(address, arguments);
    assert_eq!(ended, code, "guestlist {arguments:?}: {said}");
    said
}

/// The claims that applications would receive about a user.
pub async fn told(people: &People, address: &str) -> Vec<String> {
    let user = people.user(&Email::parse(address).unwrap()).await;
    let values = user["attributes"]["guestlist.accounts"].as_array().cloned().unwrap_or_default();
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn examples_are_planned_and_applied_and_second_apply_is_empty() {
    multi(async {
        let people = realm_with_mail("applied");
        let address = format!("keycloak:{}#{}", Keycloak::shared().base, people.realm);
        let said = ends(&address, 0, &["directory", "import", "--users", "examples/acme/directory.yaml"]);
        assert!(said.contains("9 created"), "{said}");
        let plan = ends(&address, 2, &["plan", "examples/acme"]);
        let done = ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        let summary = |text: &str, word: &str| {
            let line = text.lines().find(|line| line.starts_with(word)).unwrap_or_default().to_owned();
            line.trim_start_matches(word).to_owned()
        };
        let planned = summary(&plan, "Plan: ").replace(" now", "");
        assert_eq!(planned, summary(&done, "Done: "), "{plan}\n{done}");
        ends(&address, 0, &["apply", "examples/acme"]);

        for who in ["carol@acme.example", "bob@acme.example"] {
            let email = Email::parse(who).unwrap();
            assert!(people.accept(&email, Timestamp::now()).unwrap());
            assert!(people.enroll(&email, MfaMethod::TOTP, Timestamp::now()).unwrap());
        }
        assert_eq!(told(&people, "carol@acme.example").await, Vec::<String>::new(), "nothing before it is given");
        ends(&address, 2, &["plan", "examples/acme"]);
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert!(told(&people, "carol@acme.example").await.contains(&"instagram-main:manager".to_owned()));
        assert_eq!(told(&people, "bob@acme.example").await, ["instagram-main:collaborator"]);
        ends(&address, 0, &["apply", "examples/acme"]);

        // An administrator grants bob more than the shares do, in the administration console.
        let bob = people.user(&Email::parse("bob@acme.example").unwrap()).await;
        let mut changed = bob.clone();
        changed["attributes"]["guestlist.accounts"] =
            serde_json::json!(["instagram-main:collaborator", "billing-portal:manager"]);
        people.admin("PUT", &format!("/users/{}", bob["id"].as_str().unwrap()), Some(changed)).await;
        let plan = ends(&address, 2, &["plan", "examples/acme"]);
        assert!(plan.contains("billing-portal"), "{plan}");
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert_eq!(told(&people, "bob@acme.example").await, ["instagram-main:collaborator"]);

        people.reset(&Email::parse("bob@acme.example").unwrap(), Timestamp::now()).unwrap();
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        assert_eq!(told(&people, "bob@acme.example").await, Vec::<String>::new());
        ends(&address, 0, &["apply", "examples/acme"]);
    });
}
