//! Checks an object's metadata by the rules of the API server; guestlist's schemas do not describe it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::annotation;
use super::finding::{Code, Finding, Location};
use super::names::{is_label_value, is_qualified, is_subdomain};
use super::schema::{Checker, form};
use crate::api;
use crate::cache::Kind;
use crate::domain::time::instant;
use crate::domain::{is_dns_label, quote};
use crate::yaml::{
    self,
    node::{MapEntry, Node, Value, field_mark},
};

/// The maximum size of all annotations of an object, in bytes.
const MOST_ANNOTATED: usize = 256 * 1024;
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

/// Reads the metadata that the rules need. `namespace` is the default for objects without one.
pub fn read(root: &Node, kind: Kind, namespace: &str, checker: &mut Checker<'_>) -> ObjectMeta {
    let mut meta = ObjectMeta { namespace: Some(namespace.to_owned()), ..ObjectMeta::default() };
    let Some(entry) = root.entry("metadata").filter(|entry| !matches!(entry.value.value, Value::Null)) else {
        checker.report(&root.mark(), "metadata.name", "metadata.name is missing; it is required");
        return meta;
    };
    if !matches!(entry.value.value, Value::Map(_)) {
        let message = format!("metadata is a map, not {}", entry.value.describe());
        checker.report(&field_mark(entry), "metadata", message);
        return meta;
    }
    for field in entry.value.entries() {
        let path = format!("metadata.{}", field.key);
        if !FIELDS.contains(&field.key.as_str()) {
            checker.unknown(field, &path, FIELDS.into_iter());
        } else if !matches!(field.value.value, Value::Null) {
            take(field, kind, &path, &mut meta, checker);
        }
    }
    if meta.name.is_none() && entry.value.get("name").is_none() {
        let message = match entry.value.get("generateName") {
            Some(_) => "metadata.name is missing; with generateName no other object could name this one",
            None => "metadata.name is missing; it is required",
        };
        checker.report(&entry.key_span, "metadata.name", message);
    }
    meta
}

fn take(field: &MapEntry, kind: Kind, path: &str, meta: &mut ObjectMeta, checker: &mut Checker<'_>) {
    match field.key.as_str() {
        "name" => {
            meta.name = text(field, path, checker);
            if let Some(name) = meta.name.as_deref().filter(|name| !is_subdomain(name)) {
                let form =
                    "lower-case letters, digits, '-' and '.', at most 253, beginning and ending with a letter or digit";
                checker.report(
                    &field_mark(field),
                    path,
                    format!("{} is not the name of an object: {form}", quote(name)),
                );
            }
        }
        "namespace" => {
            let given = text(field, path, checker).filter(|name| !name.is_empty());
            if let Some(name) = given.as_deref().filter(|name| !is_dns_label(name)) {
                let form = "lower-case letters, digits and '-', at most 63";
                checker.report(&field_mark(field), path, format!("{} is not a namespace: {form}", quote(name)));
            }
            meta.namespace = given.or_else(|| meta.namespace.take());
        }
        "uid" => meta.uid = text(field, path, checker).filter(|uid| !uid.is_empty()),
        // The author of a file can write any time: it must not win claims or evade limits.
        "creationTimestamp" => drop(time(field, path, checker)),
        "deletionTimestamp" => meta.deletion_timestamp = time(field, path, checker),
        "annotations" => meta.annotations = Some(annotations(field, kind, path, checker)),
        "labels" => meta.labels = Some(labels(field, path, checker)),
        "finalizers" => finalizers(field, path, checker),
        "ownerReferences" => owners(field, path, checker),
        "generation" | "deletionGracePeriodSeconds" if !matches!(field.value.value, Value::Int(_)) => {
            let message = format!("{path} is a whole number, not {}", field.value.describe());
            checker.report(&field_mark(field), path, message);
        }
        "managedFields" => drop(typed_items(field, path, checker)),
        "generateName" | "resourceVersion" | "selfLink" => drop(text(field, path, checker)),
        // The API server sets the other fields; no rule uses them.
        _ => {}
    }
}

fn text(field: &MapEntry, path: &str, checker: &mut Checker<'_>) -> Option<String> {
    let text = field.value.text();
    if text.is_none() {
        let message = format!("{path} is a string, not {}; {}", field.value.describe(), form(path));
        checker.report(&field_mark(field), path, message);
    }
    text.map(str::to_owned)
}

fn time(field: &MapEntry, path: &str, checker: &mut Checker<'_>) -> Option<Time> {
    let text = text(field, path, checker)?;
    match instant(&text) {
        Ok(time) => Some(Time(time)),
        Err(message) => {
            checker.report(&field_mark(field), path, message);
            None
        }
    }
}

/// A map of strings whose keys are names.
fn texts(field: &MapEntry, path: &str, checker: &mut Checker<'_>) -> BTreeMap<String, String> {
    if !matches!(field.value.value, Value::Map(_)) {
        checker.report(&field_mark(field), path, format!("{path} is a map, not {}", field.value.describe()));
    }
    let mut texts = BTreeMap::new();
    for entry in field.value.entries() {
        let place = format!("{path}.{}", entry.key);
        if !is_qualified(&entry.key) {
            checker.report(&entry.key_span, &place, name_form(&entry.key));
        }
        texts.extend(text(entry, &place, checker).map(|text| (entry.key.clone(), text)));
    }
    texts
}

fn name_form(name: &str) -> String {
    format!(
        "{} is not a name here: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or \
         digit; before it a domain and '/', or nothing",
        quote(name)
    )
}

fn annotations(field: &MapEntry, kind: Kind, path: &str, checker: &mut Checker<'_>) -> BTreeMap<String, String> {
    let texts = texts(field, path, checker);
    for entry in field.value.entries() {
        annotation::check(entry, kind, &format!("{path}.{}", entry.key), checker);
    }
    let size: usize = texts.iter().map(|(name, text)| name.len() + text.len()).sum();
    if size > MOST_ANNOTATED {
        let message = format!("all annotations together have {size} bytes; at most {MOST_ANNOTATED} fit");
        checker.report(&field_mark(field), path, message);
    }
    texts
}

fn labels(field: &MapEntry, path: &str, checker: &mut Checker<'_>) -> BTreeMap<String, String> {
    let texts = texts(field, path, checker);
    for entry in field.value.entries() {
        if api::is_annotation(&entry.key) {
            let message = format!(
                "the label {} does nothing; guestlist reads annotations: move it to metadata.annotations",
                quote(&entry.key)
            );
            let at = Location::new(checker.source, &entry.key_span);
            let finding = Finding::warning(Code::Annotation, at, message);
            checker.add(Finding { path: format!("{path}.{}", entry.key), ..finding });
        }
        if let Some(value) = entry.value.text().filter(|value| !is_label_value(value)) {
            let form =
                "nothing, or at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit";
            let message = format!("{} is not the value of a label: {form}", quote(value));
            checker.report(&field_mark(entry), &format!("{path}.{}", entry.key), message);
        }
    }
    texts
}

fn finalizers(field: &MapEntry, path: &str, checker: &mut Checker<'_>) {
    for (index, item) in items(field, path, checker).iter().enumerate() {
        let place = format!("{path}[{index}]");
        match item.text() {
            Some(name) if is_qualified(name) => {}
            Some(name) => checker.report(&item.mark(), &place, name_form(name)),
            None => checker.report(&item.mark(), &place, format!("{place} is a string, not {}", item.describe())),
        }
    }
}

fn owners(field: &MapEntry, path: &str, checker: &mut Checker<'_>) {
    for (index, item) in typed_items(field, path, checker).iter().enumerate() {
        for name in ["apiVersion", "kind", "name", "uid"] {
            if item.get(name).and_then(Node::text).is_none_or(str::is_empty) {
                let place = format!("{path}[{index}].{name}");
                checker.report(&item.mark(), &place, format!("{place} is missing; it is required"));
            }
        }
    }
}

fn items<'n>(field: &'n MapEntry, path: &str, checker: &mut Checker<'_>) -> &'n [Node] {
    if let Value::List(items) = &field.value.value {
        return items;
    }
    checker.report(&field_mark(field), path, format!("{path} is a list, not {}", field.value.describe()));
    &[]
}

/// The items of a list of objects, if all their fields have the types that kubectl decodes.
fn typed_items<'n>(field: &'n MapEntry, path: &str, checker: &mut Checker<'_>) -> &'n [Node] {
    if let Some(problem) = yaml::metadata::field_problem(field) {
        checker.report(&problem.span, path, problem.message);
        return &[];
    }
    items(field, path, checker)
}
