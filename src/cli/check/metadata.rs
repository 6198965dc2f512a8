//! An object's metadata: no schema of ours describes it, the API server holds it to its own rules.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::schema::Checker;
use super::tree::{Entry, Node, Value, field_mark};

const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Reads what judging needs. `namespace` is where an object without one goes.
pub fn read(root: &Node, namespace: &str, checker: &mut Checker<'_>) -> ObjectMeta {
    let mut meta = ObjectMeta { namespace: Some(namespace.to_owned()), ..ObjectMeta::default() };
    let Some(entry) = root.entry("metadata").filter(|entry| !matches!(entry.value.value, Value::Null)) else {
        checker.say(&root.mark(), "metadata.name", "metadata.name is missing; it is required");
        return meta;
    };
    if !matches!(entry.value.value, Value::Map(_)) {
        let message = format!("metadata is a map, not {}", entry.value.describe());
        checker.say(&field_mark(entry), "metadata", message);
        return meta;
    }
    for field in entry.value.entries() {
        let path = format!("metadata.{}", field.key);
        if !FIELDS.contains(&field.key.as_str()) {
            checker.unknown(field, &path, FIELDS.into_iter());
        } else if !matches!(field.value.value, Value::Null) {
            take(field, &path, &mut meta, checker);
        }
    }
    if meta.name.is_none() && entry.value.get("name").is_none() {
        let message = match entry.value.get("generateName") {
            Some(_) => "metadata.name is missing; with generateName no other object could name this one",
            None => "metadata.name is missing; it is required",
        };
        checker.say(&entry.key_span, "metadata.name", message);
    }
    meta
}

fn take(field: &Entry, path: &str, meta: &mut ObjectMeta, checker: &mut Checker<'_>) {
    match field.key.as_str() {
        "name" => {
            meta.name = text(field, path, checker);
            if let Some(name) = meta.name.as_deref().filter(|name| !is_subdomain(name)) {
                let form =
                    "lower-case letters, digits, '-' and '.', at most 253, beginning and ending with a letter or digit";
                checker.say(&field_mark(field), path, format!("{name:?} is not the name of an object: {form}"));
            }
        }
        "namespace" => {
            let given = text(field, path, checker).filter(|name| !name.is_empty());
            if let Some(name) = given.as_deref().filter(|name| !is_label(name)) {
                let form = "lower-case letters, digits and '-', at most 63";
                checker.say(&field_mark(field), path, format!("{name:?} is not a namespace: {form}"));
            }
            meta.namespace = given.or_else(|| meta.namespace.take());
        }
        "uid" => meta.uid = text(field, path, checker).filter(|uid| !uid.is_empty()),
        "creationTimestamp" => meta.creation_timestamp = time(field, path, checker),
        "deletionTimestamp" => meta.deletion_timestamp = time(field, path, checker),
        "annotations" => meta.annotations = Some(texts(field, path, checker)),
        "labels" => meta.labels = Some(texts(field, path, checker)),
        // What the API server keeps for itself; nothing here is judged by it.
        _ => {}
    }
}

fn text(field: &Entry, path: &str, checker: &mut Checker<'_>) -> Option<String> {
    let text = field.value.text();
    if text.is_none() {
        let message = format!("{path} is a string, not {}; put it in quotes", field.value.describe());
        checker.say(&field_mark(field), path, message);
    }
    text.map(str::to_owned)
}

fn time(field: &Entry, path: &str, checker: &mut Checker<'_>) -> Option<Time> {
    let text = text(field, path, checker)?;
    let time = text.parse::<Timestamp>().ok();
    if time.is_none() {
        checker.say(&field_mark(field), path, format!("{text:?} is not a time, as 2027-06-30T00:00:00Z"));
    }
    time.map(Time)
}

fn texts(field: &Entry, path: &str, checker: &mut Checker<'_>) -> BTreeMap<String, String> {
    if !matches!(field.value.value, Value::Map(_)) {
        checker.say(&field_mark(field), path, format!("{path} is a map, not {}", field.value.describe()));
    }
    let entries = field.value.entries().iter();
    entries
        .filter_map(|entry| Some((entry.key.clone(), text(entry, &format!("{path}.{}", entry.key), checker)?)))
        .collect()
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_part)
}

fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_part(name)
}

fn is_part(part: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !part.is_empty() && part.chars().all(fits) && !part.starts_with('-') && !part.ends_with('-')
}
