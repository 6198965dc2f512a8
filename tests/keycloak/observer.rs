//! An independent observer: an administrator who checks the users of a realm repeatedly for forbidden states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::operated::realm;
use crate::support::keycloak::{Keycloak, Realm, block_on};
use crate::support::looking::Observer;
use crate::support::operator::Operator;

/// The state of a user at one check.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    factor: bool,
    told: BTreeSet<String>,
}

/// The states at all checks.
#[derive(Default)]
struct Memory {
    last: BTreeMap<String, Seen>,
    /// The addresses of guests, by user ID.
    guests: BTreeMap<String, String>,
}

fn attribute<'a>(user: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    user["attributes"][name].as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl Memory {
    /// The forbidden states: a Guest User with the claim of a Manager; any claim of a user who has not joined or was
    /// deactivated; a grant that was made without an enrolled method; a guest whose user is deleted. A grant from
    /// before a loss of MFA may exist until the operator's next read. Returns the forbidden states that it found.
    fn look(&mut self, users: &[Value]) -> Vec<String> {
        let mut forbidden = Vec::new();
        for user in users.iter().filter(|user| attribute(user, "guestlist.id").next().is_some()) {
            let (id, email) = (user["id"].as_str().unwrap().to_owned(), user["email"].as_str().unwrap().to_owned());
            let record: Value = serde_json::from_str(attribute(user, "guestlist.record").next().unwrap()).unwrap();
            let told: BTreeSet<String> = attribute(user, "guestlist.accounts").map(str::to_owned).collect();
            let seen = Seen { factor: user["totp"] == true, told };
            let last = self.last.get(&id).cloned().unwrap_or_default();
            let mut wrong = |what: &str| forbidden.push(format!("{what}: {email} {last:?} {seen:?} {record}"));
            if record["role"] == "GuestUser" && seen.told.iter().any(|told| told.ends_with(":manager")) {
                wrong("a Guest User is Manager");
            }
            if !seen.told.is_empty() && !record["deactivatedAt"].is_null() {
                wrong("an unmanaged user has a grant");
            }
            if !seen.told.is_empty() && user["enabled"] != true {
                wrong("who cannot sign in holds something");
            }
            if !last.factor && !seen.factor && !seen.told.is_subset(&last.told) {
                wrong("given without a factor");
            }
            self.last.insert(id.clone(), seen);
            self.guests.insert(id, email);
        }
        let there: BTreeSet<_> = users.iter().filter_map(|user| user["id"].as_str()).collect();
        forbidden.extend(
            self.guests
                .iter()
                .filter(|(id, _)| !there.contains(id.as_str()))
                .map(|(id, email)| format!("the user of {email} is gone: {id}")),
        );
        forbidden
    }
}

/// Starts to check.
pub fn watch(operator: &Operator) -> Observer {
    let realm = Realm { server: Keycloak::shared(), name: realm(operator) };
    Observer::begin(Duration::from_millis(40), Memory::default, move |memory| {
        let (status, users) = block_on(realm.admin("GET", "/users?max=100&briefRepresentation=false", None));
        assert_eq!(status, 200, "{users}");
        memory.look(users.as_array().unwrap())
    })
}

#[test]
fn observer_notices_forbidden_states() {
    let user = |role: &str, factor: bool, told: &[&str]| {
        let record = serde_json::json!({"role": role}).to_string();
        serde_json::json!({"id": "1", "email": "bob@acme.example", "enabled": true, "totp": factor, "attributes":
            {"guestlist.id": ["g"], "guestlist.record": [record], "guestlist.accounts": told}})
    };
    let after = |users: &[Vec<Value>]| {
        let mut memory = Memory::default();
        users.iter().flat_map(|users| memory.look(users)).count()
    };
    let (none, one, manager) = (&[][..], &["a:collaborator"][..], &["a:manager"][..]);
    let given = vec![user("GuestUser", true, one)];
    let lost = vec![user("GuestUser", false, one)];
    assert_eq!(after(&[given.clone(), lost.clone()]), 0, "given before the factor was lost");
    assert_eq!(after(&[vec![user("GuestUser", false, none)], lost]), 1, "given without a factor");
    assert_eq!(after(&[vec![user("GuestUser", true, manager)]]), 1);
    assert_eq!(after(&[vec![user("GuestAdmin", true, manager)]]), 0);
    assert_eq!(after(&[given.clone(), Vec::new()]), 1, "the user is gone");
    let mut off = given;
    off[0]["enabled"] = Value::Bool(false);
    assert_eq!(after(&[off]), 1);
}
