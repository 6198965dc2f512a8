//! Manifests: the YAML reader, and the files that `check`, `plan` and `apply` read.

use std::path::Path;

use guestlist::cache::Object;
use guestlist::cli::read_manifests;
use guestlist::workspace_policy::WorkspacePolicy;
use guestlist::yaml::node::{Node, Value};
use guestlist::yaml::{self, manifest, metadata};
use serde_json::{Value as Json, json};

use super::harness::{Subject, each, files, fuzz};
use super::shapes::shapes;

const WORDS: [&str; 24] = [
    "apiVersion: guestlist.dev/v1alpha1\n",
    "kind: GuestMembership\n",
    "kind: AccountShare\n",
    "kind: LocalPartner\n",
    "kind: List\n",
    "items:\n",
    "metadata:\n  name: a\n",
    "  annotations: {guestlist.dev/paused: yes}\n",
    "spec:\n",
    "  guestUsers:\n",
    "  - name: a\n",
    "  expiresAt: ",
    "  mfa: {methods: [",
    "&a ",
    "*a",
    "<<: *a\n",
    "? ",
    "!!binary ",
    "1_000",
    "0o7",
    "12:30:45",
    "2027-06-30",
    ".inf",
    "{\"a\": ",
];

/// Manifests as people write them, and the texts on which readers differ.
fn corpus() -> Vec<Vec<u8>> {
    let folders = ["examples/acme", "tests/check/corpus"];
    folders.iter().flat_map(|folder| files(Path::new(folder))).map(|(_, content)| content).collect()
}

/// Asserts that a value is within bounds, and returns the number of its values.
fn count(node: &Node, text: &str) -> usize {
    let holds = |span: &std::ops::Range<usize>| span.start <= span.end && span.end <= text.len();
    assert!(holds(&node.span) && holds(&node.mark()), "{:?} is not in the text", node.span);
    match &node.value {
        Value::List(items) => 1 + items.iter().map(|item| count(item, text)).sum::<usize>(),
        Value::Map(entries) => {
            let entry = |entry: &yaml::node::MapEntry| {
                assert!(holds(&entry.key_span), "{:?} is not in the text", entry.key_span);
                count(&entry.value, text)
            };
            1 + entries.iter().map(entry).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => 1,
    }
}

/// Reads a manifest, prints the result as JSON, and reads that again.
fn read(input: &[u8]) {
    let Ok(text) = yaml::decode_bytes(input.to_vec()) else { return };
    let (documents, problems) = yaml::read(&text);
    for problem in &problems {
        assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len(), "{problem:?}");
    }
    for document in documents {
        assert!(count(&document, &text) <= 1000 + 100 * text.len());
        document.locate("spec.guestUsers[0].email");
        drop(metadata::problem(&document));
        if problems.is_empty() {
            let printed = json!({"value": document.to_json()});
            let (again, problems) = yaml::read(&printed.to_string());
            assert_eq!(problems, [], "{printed}");
            assert!(same(&again[0].to_json(), &printed), "{} of {printed}", again[0].to_json());
        }
        for object in manifest::objects(document).unwrap_or_default() {
            drop(object.to_json());
        }
    }
}

/// Whether two values are equal: `1` and `1.0` are the same number in JSON.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

#[test]
fn manifest_reader() {
    fuzz(Subject { name: "manifests", corpus: corpus(), words: &WORDS, share: 30 }, read);
}

#[test]
fn manifest_reader_on_large_texts() {
    each(shapes(8000), read);
}

/// The objects that a file declares, as JSON, or the report of its errors.
fn accepted(text: &str) -> Result<Vec<Json>, String> {
    let policy = WorkspacePolicy::parse(include_str!("../../../examples/acme/workspace.yaml")).unwrap();
    let json = |object: &Object| {
        let mut json = match object {
            Object::Partner(object) => serde_json::to_value(object).unwrap(),
            Object::Membership(object) => serde_json::to_value(object).unwrap(),
            Object::Share(object) => serde_json::to_value(object).unwrap(),
            Object::Unreadable { error, .. } => panic!("an object that does not read is accepted: {error}"),
        };
        // The UID is derived from the name and the UID in the file.
        json["metadata"].as_object_mut().unwrap().remove("uid");
        json
    };
    Ok(read_manifests(text, &policy, "2026-06-01T00:00:00Z".parse().unwrap())?.iter().map(json).collect())
}

/// Reads a file, prints the objects, and reads them again.
fn commands(input: &[u8]) {
    let Ok(text) = yaml::decode_bytes(input.to_vec()) else { return };
    let Ok(objects) = accepted(&text) else { return };
    let printed = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    assert_eq!(accepted(&printed), Ok(objects), "{printed}");
}

#[test]
fn files_of_commands() {
    assert_eq!(accepted(include_str!("../../../examples/acme/partners.yaml")).unwrap().len(), 2);
    fuzz(Subject { name: "files", corpus: corpus(), words: &WORDS, share: 3 }, commands);
}

#[test]
fn large_files_of_commands() {
    let head = "apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {name: bob}\nspec:\n";
    let indented = |text: &str| text.split_inclusive('\n').flat_map(|line| ["  ", line]).collect::<String>();
    let inside = shapes(3000).into_iter().map(|(name, text)| (name, head.to_owned() + &indented(&text)));
    each(shapes(3000).into_iter().chain(inside).collect(), commands);
    let objects =
        (0..500).map(|n| format!("{}  partnerRef: {{name: a{n}}}\n---\n", head.replace("bob", &format!("b{n}"))));
    each(vec![("objects", objects.collect())], commands);
}
