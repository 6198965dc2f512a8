//! The API server and `guestlist check` give the same verdict on every sort of character in a name: the limits of each
//! refused range, and some of the others.

use std::collections::BTreeSet;

use guestlist::domain::text::is_hidden;
use serde_json::{Value, json};

use super::generate::Dice;
use super::plane;
use crate::support::check::check;

/// The limits of each range of similar characters, and a few random ones.
fn characters() -> Vec<char> {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    let edges = all.windows(2).filter(|two| is_hidden(two[0]) != is_hidden(two[1]));
    let mut chosen: Vec<char> = edges.flatten().copied().chain(['\0', char::MAX]).collect();
    let mut dice = Dice(7);
    chosen.extend((0..60).map(|_| all[dice.below(all.len())]));
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

fn object(number: usize, name: &str) -> Value {
    json!({
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner", "metadata": {"name": format!("c{number}")},
        "spec": {"hostAdmins": ["a@host.example"], "displayName": name},
    })
}

#[test]
fn every_character_gets_the_same_verdict_everywhere() {
    let characters = characters();
    assert!(characters.len() > 100);
    let objects: Vec<Value> = characters.iter().enumerate().map(|(n, c)| object(n, &format!("a{c}b"))).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let list = guestlist::domain::printable_json(&list);
    // A single call: kubectl reports for each object whether the server accepts it.
    let said = plane().kubectl_with(&["create", "--dry-run=server", "-o", "name", "-f", "-"], &list);
    let taken: Vec<&str> = said.stdout.lines().collect();
    let (_, found) = check(&list);
    let mut refused = BTreeSet::new();
    for finding in found["findings"].as_array().unwrap() {
        let name = finding["object"]["name"].as_str().unwrap().to_owned();
        assert_eq!(
            (&finding["reason"], &finding["path"]),
            (&json!("InvalidValue"), &json!("spec.displayName")),
            "{finding}"
        );
        refused.insert(name);
    }
    for (number, c) in characters.iter().enumerate() {
        let name = format!("c{number}");
        let server = !taken.iter().any(|line| line.ends_with(&format!("/{name}")));
        let check = refused.contains(&name);
        assert_eq!((server, check), (is_hidden(*c), is_hidden(*c)), "{c:?}: {}", said.stderr);
    }
}
