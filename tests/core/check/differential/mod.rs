//! guestlist never accepts a text that kubectl refuses or reads differently. The test passes generated manifests with
//! unusual spellings to kubectl's reader and to guestlist's. guestlist may refuse more.
//!
//! `GUESTLIST_YAML_SEED` repeats a run, `GUESTLIST_YAML_TEXTS` sets the number of texts. A text that was read differently
//! belongs in `tests/core/check/corpus`, which every run also reads.

pub(super) mod kubectl_habits;
mod manifests;
mod odd;
mod reader;

use std::path::Path;

use guestlist::yaml::{self, manifest};
use serde_json::Value;

use kubectl_habits::Random;
use reader::Reader;

/// The number of texts in a run.
const TEXTS: u64 = 4000;

/// How the problems begin for which guestlist alone refuses a text. kubectl reads such a text, and misleads a person.
#[rustfmt::skip]
const STRICTER: &[&str] = &[
    "a byte order mark stands inside the text", "apiVersion is ", "it is ", "it looks like UTF-16", "items is ",
    "kind is missing", "kubectl begins a new line", "kubectl drops this silently", "kubectl ignores the tag",
    "kubectl lets ", "kubectl may drop", "kubectl reads no %YAML", "kubectl reads the blank", "kubectl reads this key",
    "kubectl refuses the character", "kubectl refuses this document", "kubectl refuses a list inside a list",
    "kubectl takes no infinite number", "metadata", "the key ", "this line is a conflict marker of git",
    "values lie more than", "aliases make more than", "two byte order marks",
];

/// The objects of a text as guestlist reads them, or why it refuses the text.
fn ours(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let text = yaml::decode_bytes(bytes.to_vec())?;
    let (documents, problems) = yaml::read(&text);
    if let Some(problem) = problems.first() {
        return Err(problem.message.clone());
    }
    let mut objects = Vec::new();
    for document in documents {
        let found = manifest::objects(document).map_err(|problem| problem.message)?;
        if let Some(problem) = found.iter().find_map(yaml::metadata::problem) {
            return Err(problem.message);
        }
        objects.extend(found.iter().map(yaml::node::Node::to_json));
    }
    Ok(objects)
}

/// Drops namespaces without a name: kubectl prints some of them and omits others, and both readers treat them as
/// absent.
fn without_empty_namespace(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && meta.get("namespace").is_some_and(|name| name.is_null() || name == "")
    {
        meta.remove("namespace");
    }
    object
}

/// Whether two values are equal: `1` and `1.0` are the same number in JSON.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        // Values deeper than serde_json's limit are not compared.
        (_, Value::String(theirs)) if theirs == reader::TOO_DEEP => true,
        _ => a == b,
    }
}

/// The reason why guestlist is less strict than kubectl on this text, if it is.
fn milder(ours: &Result<Vec<Value>, String>, kubectl: &Result<Vec<Value>, String>) -> Option<String> {
    match (ours, kubectl) {
        (Err(_), _) => None,
        (Ok(_), Err(error)) => Some(format!("kubectl refuses it: {error}")),
        (Ok(ours), Ok(theirs)) => {
            let equal = ours.len() == theirs.len() && {
                let objects = ours.iter().zip(theirs);
                objects
                    .map(|(a, b)| (without_empty_namespace(a), without_empty_namespace(b)))
                    .all(|(a, b)| same(&a, &b))
            };
            let shown = |objects: &[Value]| Value::from(objects).to_string().chars().take(2000).collect::<String>();
            (!equal).then(|| format!("guestlist reads {}\nkubectl reads {}", shown(ours), shown(theirs)))
        }
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[test]
fn generated_text_is_never_read_milder_than_kubectl() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let seed = from_environment("GUESTLIST_YAML_SEED").unwrap_or_else(now);
    let count = from_environment("GUESTLIST_YAML_TEXTS").unwrap_or(TEXTS);
    println!("GUESTLIST_YAML_SEED={seed}");
    let mut reader = Reader::start();
    let (mut both, mut stricter) = (0, std::collections::BTreeMap::<String, (u32, String)>::new());
    let (mut faults, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..count {
        let mut random = Random::new(seed.wrapping_add(number));
        let text = kubectl_habits::text(&mut random);
        let (ours, kubectl) = (ours(&text), reader.read(&text));
        both += u64::from(ours.is_ok() && kubectl.is_ok());
        if let Some(why) = milder(&ours, &kubectl) {
            let text = shrink(text, &mut reader);
            faults.push(format!(
                "GUESTLIST_YAML_SEED={} GUESTLIST_YAML_TEXTS=1: {why}\n{}\n",
                seed.wrapping_add(number),
                show(&text)
            ));
        } else if let (Err(problem), Ok(_)) = (&ours, &kubectl) {
            let entry = stricter.entry(problem.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()).or_default();
            entry.0 += 1;
            entry.1 = show(&text);
            if !STRICTER.iter().any(|beginning| problem.starts_with(beginning)) {
                unknown.push(format!(
                    "GUESTLIST_YAML_SEED={}: {problem}\n{}\n",
                    seed.wrapping_add(number),
                    show(&text)
                ));
            }
        }
    }
    if std::env::var_os("GUESTLIST_YAML_STRICTER").is_some() {
        for (problem, (count, text)) in &stricter {
            println!("{count} texts are refused by guestlist alone: {problem}\n{text}\n");
        }
    }
    println!(
        "{both} of {count} texts are read by both, {} by kubectl alone",
        stricter.values().map(|(n, _)| n).sum::<u32>()
    );
    assert!(
        faults.is_empty(),
        "{} texts are read milder:\n{}",
        faults.len(),
        faults[..faults.len().min(10)].join("\n")
    );
    assert!(unknown.is_empty(), "kubectl reads them, and guestlist has no reason not to:\n{}", unknown.join("\n"));
    assert!(count < 1000 || both > count / 8, "most texts are refused by both: they show nothing");
}

/// Removes lines, then characters, from a text while it still shows the fault.
fn shrink(text: Vec<u8>, reader: &mut Reader) -> Vec<u8> {
    let mut at_fault = |text: &[u8]| milder(&ours(text), &reader.read(text)).is_some();
    let mut text = text;
    for size in [200, 40, 8, 1] {
        let mut at = 0;
        while at < text.len() {
            let mut shorter = text.clone();
            shorter.drain(at..(at + size).min(text.len()));
            if at_fault(&shorter) {
                text = shorter;
            } else {
                at += size;
            }
        }
    }
    text
}

fn show(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

#[test]
fn corpus_is_never_read_milder_than_kubectl() {
    let mut reader = Reader::start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/check/corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let fault = milder(&ours(&text), &reader.read(&text));
        assert_eq!(fault, None, "{}", path.display());
        count += 1;
    }
    assert!(count > 20, "the corpus holds {count} texts");
}

/// Whether `guestlist check` accepts a text, and its counts.
fn passes(text: &[u8]) -> Option<Value> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("text.yaml"), text).unwrap();
    let said = crate::support::check::run(directory.path(), &["-o", "json", "text.yaml"], "");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    (said.status == 0).then(|| report["summary"].clone())
}

#[test]
fn text_that_passes_also_passes_as_kubectl_reads_it() {
    let mut reader = Reader::start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/check/corpus");
    let corpus = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let mut passed = 0;
    for text in corpus.chain((0..150).map(|seed| kubectl_habits::text(&mut Random::new(seed)))) {
        let Some(counts) = passes(&text) else { continue };
        let objects = reader.read(&text).unwrap_or_else(|error| panic!("{}\n{error}", show(&text)));
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        assert_eq!(passes(list.to_string().as_bytes()), Some(counts), "{}", show(&text));
        passed += 1;
    }
    assert!(passed > 10, "{passed} texts pass");
}

#[test]
fn reader_of_the_tests_reads_as_kubectl_itself() {
    let mut reader = Reader::start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/check/corpus");
    let corpus = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let generated = (0..20).map(|seed| kubectl_habits::text(&mut Random::new(seed)));
    for text in corpus.chain(generated) {
        if reader.read(&text).is_ok_and(|objects| objects.contains(&Value::from(reader::TOO_DEEP))) {
            continue;
        }
        let expected = reader::kubectl(&text);
        let read =
            reader.read(&text).map(|objects| objects.into_iter().map(reader::without_annotation).collect::<Vec<_>>());
        match (&read, &expected) {
            (Ok(read), Ok(expected)) => {
                let equal = read.len() == expected.len() && read.iter().zip(expected).all(|(a, b)| same(a, b));
                assert!(equal, "{}\n{read:?}\n{expected:?}", show(&text));
            }
            (Err(_), Err(_)) => {}
            // kubectl has further reasons for a refusal: it changes the object, and so decodes the metadata.
            (Ok(_), Err(error)) => {
                assert!(error.contains("metadata") || error.contains("no objects"), "{}\n{error}", show(&text));
                let is_refused = ours(&text).is_err() || error.contains("no objects");
                assert!(is_refused, "only kubectl refuses it: {}\n{error}", show(&text));
            }
            (Err(error), Ok(_)) => panic!("{}\nonly kubectl reads it: {error}", show(&text)),
        }
    }
}

/// The tests' reader does not decode metadata; kubectl does, and drops some of it.
#[test]
fn metadata_that_kubectl_refuses_is_refused() {
    let mut refused = 0;
    for seed in 0..60 {
        let text = kubectl_habits::metadata_text(&mut Random::new(seed));
        if let Err(error) = reader::kubectl(&text) {
            assert!(ours(&text).is_err(), "only kubectl refuses it: {}\n{error}", show(&text));
            refused += 1;
        }
    }
    assert!(refused > 10, "kubectl refuses {refused} texts");
}
