//! Reads one object: its kind, its fit to the schema, and its declared content.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::finding::{Code, Finding, Location};
use super::schema::Checker;
use crate::api;
use crate::cache::{Kind, Object, ObjectRef};
use crate::domain::{Reason, quote};
use crate::util::suggest::nearest;
use crate::yaml::node::{Node, Value, field_mark};

/// The longest name of an object: it is a key of lists, and part of messages.
const LONGEST_NAME: usize = 63;
/// UUID namespace for objects from files, so that the same files produce the same UIDs.
const FILES: Uuid = Uuid::from_u128(0x6b0f_53a4_5cf1_4a3e_9f0e_7d6c_2f11_88d2);

/// An object of guestlist from a file.
pub struct ManifestObject {
    /// The kind, namespace and name.
    pub key: ObjectRef,
    /// The index of the source.
    pub source: usize,
    /// The YAML tree.
    pub root: Node,
    /// The paths of fields whose checked value differs from the text.
    pub broken: BTreeSet<String>,
    /// The declared object.
    pub declared: Object,
}

/// The class of a document.
pub enum ObjectClass {
    /// An object of guestlist.
    Ours(Kind),
    /// A list of objects.
    List,
    /// An object of another API.
    Foreign,
    /// Apparently an object of guestlist with an error: the message and the path.
    Mistaken(String, String),
}

/// Determines the class of a document.
pub fn sort(root: &Node) -> ObjectClass {
    if let Value::List(items) = &root.value {
        let ours = items.iter().any(|item| !matches!(sort(item), ObjectClass::Foreign));
        let message =
            "a document is one object, not a list; write each one after a line of ---, or as items of kind: List";
        return if ours { ObjectClass::Mistaken(String::new(), message.to_owned()) } else { ObjectClass::Foreign };
    }
    let text = |name| root.get(name).and_then(Node::text);
    let (version, kind) = (text("apiVersion"), text("kind"));
    let wanted = format!("{}/{}", api::GROUP, api::VERSION);
    let known = |kind: &str| Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    match (version, kind) {
        (Some(version), Some(kind)) if version == wanted => match known(kind) {
            Some(kind) => ObjectClass::Ours(kind),
            None if kind.strip_suffix("List").and_then(known).is_some() => list(root),
            None => {
                let near = nearest(kind, Kind::ALL.into_iter().map(Kind::as_str));
                let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                ObjectClass::Mistaken("kind".to_owned(), format!("{wanted} has no kind {}{hint}", quote(kind)))
            }
        },
        (Some("v1"), Some("List")) => list(root),
        // kubectl treats every object with items as a list, and drops the other fields.
        (Some(_), Some(_)) if matches!(root.get("items"), Some(Node { value: Value::List(_), .. })) => {
            ObjectClass::List
        }
        (Some(version), kind) => {
            let group = version.split('/').next().unwrap_or_default();
            if group == api::GROUP && kind.is_some() {
                ObjectClass::Mistaken(
                    "apiVersion".to_owned(),
                    format!("there is no version {}; this release knows {wanted}", quote(version)),
                )
            } else if group == api::GROUP {
                misspelt(root).unwrap_or_else(|| {
                    ObjectClass::Mistaken("kind".to_owned(), "kind is missing; it is required".to_owned())
                })
            } else if let Some(kind) = kind.filter(|kind| is_ours(kind)) {
                let message = format!("{} has no kind {}; did you mean {wanted}?", quote(version), quote(kind));
                ObjectClass::Mistaken("apiVersion".to_owned(), message)
            } else {
                misspelt(root).unwrap_or(ObjectClass::Foreign)
            }
        }
        (None, Some(kind)) if is_ours(kind) => misspelt(root).unwrap_or_else(|| {
            ObjectClass::Mistaken("apiVersion".to_owned(), format!("apiVersion is missing; write {wanted}"))
        }),
        (None, _) => misspelt(root).unwrap_or(ObjectClass::Foreign),
    }
}

/// Whether a kind is one of guestlist's or a list of it, in any letter case. No other group is known to have such a kind.
fn is_ours(kind: &str) -> bool {
    let item = kind.get(..kind.len().saturating_sub(4)).filter(|_| kind.to_ascii_lowercase().ends_with("list"));
    let known = |kind: &str| Kind::ALL.into_iter().any(|known| known.as_str().eq_ignore_ascii_case(kind));
    known(kind) || item.is_some_and(known)
}

/// An object that would be guestlist's if the fields `apiVersion` and `kind` had the right capital letters.
fn misspelt(root: &Node) -> Option<ObjectClass> {
    let find = |name: &'static str| {
        let mut entries = root.entries().iter();
        entries
            .find(|entry| entry.key.eq_ignore_ascii_case(name))
            .map(|entry| (entry.key.as_str(), name, entry.value.text()))
    };
    let (version, kind) = (find("apiVersion"), find("kind"));
    let group = |text: &str| text.split('/').next() == Some(api::GROUP);
    let ours = version.is_some_and(|(_, _, text)| text.is_some_and(group))
        || kind.is_some_and(|(_, _, text)| text.is_some_and(is_ours));
    let (written, name, _) = [version, kind].into_iter().flatten().find(|(written, name, _)| written != name)?;
    ours.then(|| {
        ObjectClass::Mistaken(written.to_owned(), format!("there is no field {}; write {name}", quote(written)))
    })
}

/// A list of objects, if its items are one.
fn list(root: &Node) -> ObjectClass {
    match root.get("items").map(|items| &items.value) {
        None => {
            ObjectClass::Mistaken("items".to_owned(), "items is missing; a list has a list of objects there".to_owned())
        }
        Some(Value::List(_)) => ObjectClass::List,
        Some(Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Map(_)) => {
            ObjectClass::Mistaken("items".to_owned(), "items is a list of objects".to_owned())
        }
    }
}

/// The context for reading objects.
pub struct Reader {
    schemas: BTreeMap<&'static str, JSONSchemaProps>,
    /// The namespace for objects without one.
    pub namespace: String,
    /// Whether the namespace was requested: objects of another namespace are then refused, as by kubectl.
    pub only_namespace: bool,
    /// The installation's name, for UIDs.
    pub installation: String,
    /// The current time.
    pub now: Timestamp,
}

impl Reader {
    /// Creates a reader with the schemas of the custom resource definitions.
    pub fn new(namespace: Option<&str>, installation: &str, now: Timestamp) -> Self {
        let mut schemas = BTreeMap::new();
        for crd in api::crds() {
            let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == crd.spec.names.kind);
            let mut versions = crd.spec.versions.into_iter();
            let schema = versions.find_map(|version| version.schema?.open_api_v3_schema);
            if let (Some(kind), Some(schema)) = (kind, schema) {
                schemas.insert(kind.as_str(), schema);
            }
        }
        Self {
            schemas,
            namespace: namespace.unwrap_or("default").to_owned(),
            only_namespace: namespace.is_some(),
            installation: installation.to_owned(),
            now,
        }
    }

    /// Reads one object. Reports each mismatch; the rules still check the rest.
    pub fn read(&self, kind: Kind, source: usize, root: Node, findings: &mut Vec<Finding>) -> ManifestObject {
        let mut own = Vec::new();
        let mut checker = Checker::new(source, self.now, &mut own);
        let mut meta = super::metadata::read(&root, kind, &self.namespace, &mut checker);
        let spec = self.fields(kind, &root, &mut checker);
        let broken = std::mem::take(&mut checker.broken);
        let name = meta.name.clone().unwrap_or_default();
        let key = ObjectRef::new(kind, meta.namespace.clone().unwrap_or_default(), name);
        self.name_rules(&key, source, &root, &mut own);
        // A cluster's UIDs are unique, but a file can contain any UID. So the UID counts only within its namespace.
        let whose = format!("{}/{}/{}", self.installation, kind.as_str(), key.namespace);
        let text = match &meta.uid {
            Some(uid) => format!("{whose}//{uid}"),
            None => format!("{whose}/{}", key.name),
        };
        meta.uid = Some(Uuid::new_v5(&FILES, text.as_bytes()).to_string());
        findings.extend(own.into_iter().map(|finding| {
            let path = finding.path.clone();
            finding.of(&key, path)
        }));
        ManifestObject { declared: declare(kind, meta, spec), key, source, root, broken }
    }

    /// Reads the fields beside the metadata. Returns the spec.
    fn fields(&self, kind: Kind, root: &Node, checker: &mut Checker<'_>) -> Option<serde_json::Value> {
        let schema = self.schemas.get(kind.as_str())?;
        let properties = schema.properties.as_ref()?;
        let mut spec = None;
        for entry in root.entries() {
            match (entry.key.as_str(), properties.get(&entry.key)) {
                ("apiVersion" | "kind" | "metadata", _) => {}
                // The API server ignores a status in a manifest.
                ("status", _) if matches!(entry.value.value, Value::Null) => {}
                ("spec", Some(schema)) => spec = checker.field(entry, schema, "spec"),
                (_, Some(schema)) => drop(checker.field(entry, schema, &entry.key)),
                (_, None) => {
                    let known = ["apiVersion", "kind", "metadata", "spec", "status"].into_iter();
                    checker.unknown(entry, &entry.key, known);
                }
            }
        }
        if spec.is_none() && !checker.broken.contains("spec") {
            let mark = root.entry("spec").map_or_else(|| root.mark(), field_mark);
            checker.report(&mark, "spec", "spec is missing; it is required");
        }
        spec
    }

    fn name_rules(&self, key: &ObjectRef, source: usize, root: &Node, findings: &mut Vec<Finding>) {
        let place = |path: &str| Location::new(source, &root.locate(path));
        if key.name.chars().count() > LONGEST_NAME {
            let message = format!("the name of the object has at most {LONGEST_NAME} characters");
            let finding = Finding::error(Code::Rule(Reason::InvalidValue), place("metadata.name"), message);
            findings.push(Finding { path: "metadata.name".to_owned(), ..finding });
        }
        if self.only_namespace && *key.namespace != *self.namespace {
            let message = format!("the object is of namespace {}, not of {}", key.namespace, self.namespace);
            let finding = Finding::error(Code::Schema, place("metadata.namespace"), message);
            findings.push(Finding { path: "metadata.namespace".to_owned(), ..finding });
        }
    }
}

fn declare(kind: Kind, metadata: ObjectMeta, spec: Option<serde_json::Value>) -> Object {
    match kind {
        Kind::Partner => match typed(spec) {
            Ok(spec) => Object::Partner(Box::new(api::LocalPartner { metadata, spec, status: None })),
            Err(error) => Object::Unreadable { kind, metadata: Box::new(metadata), error },
        },
        Kind::Membership => match typed(spec) {
            Ok(spec) => Object::Membership(Box::new(api::GuestMembership { metadata, spec, status: None })),
            Err(error) => Object::Unreadable { kind, metadata: Box::new(metadata), error },
        },
        Kind::Share => match typed(spec) {
            Ok(spec) => Object::Share(Box::new(api::AccountShare { metadata, spec, status: None })),
            Err(error) => Object::Unreadable { kind, metadata: Box::new(metadata), error },
        },
    }
}

fn typed<T: DeserializeOwned>(spec: Option<serde_json::Value>) -> Result<T, String> {
    serde_json::from_value(spec.ok_or("there is no spec")?).map_err(|error| error.to_string())
}
