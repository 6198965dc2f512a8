//! `apply` runs exactly the operations that `plan` prints on a real realm, even after manual changes; then nothing
//! remains to be done.

use guestlist::domain::Email;
use serde_json::{Value, json};

use crate::applied::ends;
use crate::edited_by_hand::applied;
use crate::held_to_the_contract::People;
use crate::support::keycloak::multi;

const BOB: &str = "bob@acme.example";
const FRANK: &str = "frank@acme.example";

/// Operations without their instants: object, operation, access, guest and accounts.
fn operations(said: &str) -> Vec<Value> {
    let start = said.find('{').unwrap_or_else(|| panic!("{said}"));
    let value: Value = serde_json::Deserializer::from_str(&said[start..]).into_iter().next().unwrap().unwrap();
    let one = |operation: &Value| {
        json!([
            operation["object"],
            operation["operation"],
            operation["access"],
            operation["guest"],
            operation["accounts"]
        ])
    };
    value["operations"].as_array().unwrap().iter().map(one).collect()
}

async fn user_path(people: &People, address: &str) -> String {
    let user = people.user(&Email::parse(address).unwrap()).await;
    format!("/users/{}", user["id"].as_str().unwrap())
}

/// The path of the organization that has a member or an invitation of this name.
async fn organization(people: &People) -> String {
    let all = people.admin("GET", "/organizations?briefRepresentation=false&max=100", None).await;
    let acme =
        all.as_array().unwrap().iter().find(|one| one["name"].as_str().is_some_and(|name| name.contains("acme")));
    format!("/organizations/{}", acme.unwrap_or(&all[0])["id"].as_str().unwrap())
}

async fn change(people: &People, what: &str) {
    match what {
        "a changed address" => {
            let path = user_path(people, BOB).await;
            people.admin("PUT", &path, Some(json!({"email": "robert@acme.example"}))).await;
        }
        "the address again" => {
            let user = people.admin("GET", "/users?exact=true&email=robert@acme.example", None).await;
            let path = format!("/users/{}", user[0]["id"].as_str().unwrap());
            people.admin("PUT", &path, Some(json!({"email": BOB, "emailVerified": true}))).await;
        }
        "no method" => {
            let path = user_path(people, BOB).await;
            let credentials = people.admin("GET", &format!("{path}/credentials"), None).await;
            for one in credentials.as_array().unwrap().iter().filter(|one| one["type"] == "otp") {
                people.admin("DELETE", &format!("{path}/credentials/{}", one["id"].as_str().unwrap()), None).await;
            }
        }
        "a removed member" => {
            let (user, organization) = (user_path(people, BOB).await, organization(people).await);
            let id = user.rsplit('/').next().unwrap();
            people.admin("DELETE", &format!("{organization}/members/{id}"), None).await;
        }
        "a deleted invitation" => {
            let organization = organization(people).await;
            let rows = people.admin("GET", &format!("{organization}/invitations?email={FRANK}"), None).await;
            people
                .admin("DELETE", &format!("{organization}/invitations/{}", rows[0]["id"].as_str().unwrap()), None)
                .await;
        }
        "a deleted user" => {
            let path = user_path(people, BOB).await;
            people.admin("DELETE", &path, None).await;
        }
        _ => panic!("{what}"),
    }
}

#[test]
fn plan_after_a_change_by_hand_matches_apply() {
    multi(async {
        let (people, address) = applied("plan-matches-apply");
        for what in [
            "a changed address",
            "the address again",
            "no method",
            "a deleted invitation",
            "a removed member",
            "a deleted user",
        ] {
            change(&people, what).await;
            let planned = said(&address, &["plan", "examples/acme", "-o", "json"]);
            let done = said(&address, &["apply", "examples/acme", "--yes", "-o", "json"]);
            assert_eq!(operations(&done), operations(&planned), "{what}");
            let again = said(&address, &["plan", "examples/acme", "-o", "json"]);
            assert_eq!(operations(&again), Vec::<Value>::new(), "{what}");
        }
        ends(&address, 0, &["plan", "examples/acme"]);
    });
}

#[test]
fn plan_of_an_mfa_reset_matches_apply() {
    multi(async {
        let (_people, address) = applied("plan-matches-reset");
        let folder = tempfile::tempdir().unwrap();
        let manifests = folder.path().to_str().unwrap();
        for file in ["memberships.yaml", "partners.yaml", "shares.yaml"] {
            std::fs::copy(format!("examples/acme/{file}"), folder.path().join(file)).unwrap();
        }
        let file = folder.path().join("memberships.yaml");
        for name in ["bob", "carol"] {
            // With fractions of a second: a truncated time can precede a factor that was enrolled in that second.
            let now = jiff::Timestamp::now();
            let asked = format!("metadata: {{name: {name}, annotations: {{guestlist.dev/reset-mfa: '{now:.3}'}}, ");
            let text = std::fs::read_to_string(&file).unwrap();
            let marked = text.replace(&format!("metadata: {{name: {name}, "), &asked);
            assert_ne!(marked, text, "{name}");
            std::fs::write(&file, marked).unwrap();
            let planned = operations(&said(&address, &["plan", manifests, "-o", "json"]));
            assert!(planned.iter().any(|one| one[1] == "reset_mfa"), "{name}: {planned:?}");
            let done = said(&address, &["apply", manifests, "--yes", "-o", "json"]);
            assert_eq!(operations(&done), planned, "{name}");
            let again = said(&address, &["plan", manifests, "-o", "json"]);
            assert_eq!(operations(&again), Vec::<Value>::new(), "{name}");
        }
    });
}

/// The output of a command, with any exit code.
fn said(address: &str, arguments: &[&str]) -> String {
    crate::applied::guestlist(address, arguments).1
}
