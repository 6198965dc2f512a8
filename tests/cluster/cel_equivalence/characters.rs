//! Every sort of character gets the same verdict in a name from the API server and from `guestlist check`: the edges of each
//! range that is refused, and some of everything else.

use std::collections::BTreeSet;

use guestlist::domain::text::is_hidden;
use serde_json::{Value, json};

use super::generate::Dice;
use super::plane;
use crate::support::check::check;

/// The edges of each range of characters that are alike, and a few drawn ones.
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
    // One call: kubectl says of each object whether the server takes it.
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
