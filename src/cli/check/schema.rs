//! Checks a tree by the schema of its kind, as the API server would, and builds the value for deserialization. Every
//! problem has its place. A stand-in replaces a value that does not match, so that the rules can check the rest. The
//! CEL rules are left to [`crate::validation`].

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value as Json};

use super::finding::{Code, Finding, Location};
use super::names::is_subdomain;
use crate::api;
use crate::domain::quote;
use crate::util::suggest::nearest;
use crate::yaml::node::{MapEntry, Node, Span, Value, field_mark};

/// The longest ending that may be missing from a field's name by mistake: `Ref`, `At`, `By`.
const SUFFIX: usize = 3;
const TIME: &str = "write an RFC 3339 time in quotes, as \"2027-06-30T00:00:00Z\"";

/// Checks one object.
pub struct Checker<'a> {
    /// The index of the source.
    pub source: usize,
    /// The current time.
    pub now: Timestamp,
    findings: &'a mut Vec<Finding>,
    /// Paths where a stand-in replaces the value of the text: no rule is checked on them.
    pub broken: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    /// A checker of one object.
    pub fn new(source: usize, now: Timestamp, findings: &'a mut Vec<Finding>) -> Self {
        Self { source, now, findings, broken: BTreeSet::new() }
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Reports a mismatch at a path.
    pub fn report(&mut self, span: &Span, path: &str, message: impl Into<String>) {
        let finding = Finding::error(Code::Schema, Location::new(self.source, span), message);
        self.findings.push(Finding { path: path.to_owned(), ..finding });
    }

    /// Reads a field of an object. The API server drops a null on creation; server-side apply refuses it.
    pub fn field(&mut self, entry: &MapEntry, schema: &JSONSchemaProps, path: &str) -> Option<Json> {
        if matches!(entry.value.value, Value::Null) {
            self.report(&field_mark(entry), path, format!("{path} has no value; give it one, or remove the field"));
            self.broken.insert(path.to_owned());
            return None;
        }
        self.value(&entry.value, &field_mark(entry), schema, path)
    }

    fn value(&mut self, node: &Node, mark: &Span, schema: &JSONSchemaProps, path: &str) -> Option<Json> {
        match (schema.type_.as_deref(), &node.value) {
            (Some("object"), Value::Map(entries)) => Some(self.object(entries, mark, schema, path)),
            (Some("array"), Value::List(items)) => Some(self.array(items, mark, schema, path)),
            (Some("string"), Value::Text(text)) => {
                self.lengths(text, mark, schema, path);
                Some(Json::from(text.as_str()))
            }
            (Some("boolean"), Value::Bool(value)) => {
                self.check_surprising(node, value, path);
                Some(Json::from(*value))
            }
            (Some("integer"), Value::Int(value)) => {
                self.check_surprising(node, value, path);
                self.range(*value, mark, schema, path);
                Some(Json::from(*value))
            }
            (Some("integer"), Value::Float(value)) if whole(*value).is_some() => {
                let value = whole(*value).unwrap_or_default();
                self.report_reading(node, &value, path);
                self.range(value, mark, schema, path);
                Some(Json::from(value))
            }
            (Some(wanted), _) => {
                self.mismatch(node, mark, wanted, path);
                None
            }
            (None, _) => None,
        }
    }

    fn mismatch(&mut self, node: &Node, mark: &Span, wanted: &str, path: &str) {
        let is_scalar = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Null);
        let hint = match (wanted, &node.value) {
            ("string", _) if is_scalar => format!("; {}", form(path)),
            ("boolean", _) => "; write true or false".to_owned(),
            ("integer", _) => "; write a whole number without quotes".to_owned(),
            ("object", Value::Text(name)) if path.ends_with(".partnerRef") && is_subdomain(name) => {
                format!("; write {{name: {name}}}")
            }
            _ => String::new(),
        };
        let wanted = match wanted {
            "object" => "a map",
            "array" => "a list",
            "integer" => "a whole number",
            "boolean" => "a boolean",
            _ => "a string",
        };
        self.report(mark, path, format!("{path} is {wanted}, not {}{hint}", node.describe()));
        self.broken.insert(path.to_owned());
    }

    fn object(&mut self, entries: &[MapEntry], mark: &Span, schema: &JSONSchemaProps, path: &str) -> Json {
        let mut made = Map::new();
        let properties = schema.properties.as_ref();
        for entry in entries {
            let place = format!("{path}.{}", entry.key);
            if let Some(known) = properties.and_then(|properties| properties.get(&entry.key)) {
                if let Some(value) = self.field(entry, known, &place) {
                    made.insert(entry.key.clone(), value);
                }
            } else if let Some(JSONSchemaPropsOrBool::Schema(any)) = &schema.additional_properties {
                if let Some(value) = self.field(entry, any, &place) {
                    made.insert(entry.key.clone(), value);
                }
            } else if schema.x_kubernetes_preserve_unknown_fields != Some(true) {
                let known = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
                self.unknown(entry, &place, known);
            }
        }
        for name in schema.required.iter().flatten().filter(|name| !made.contains_key(*name)).collect::<Vec<_>>() {
            let place = format!("{path}.{name}");
            if !self.broken.contains(&place) {
                self.report(mark, &place, format!("{place} is missing; it is required"));
                self.broken.insert(place);
            }
            if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
                made.insert(name.clone(), placeholder(schema));
            }
        }
        Json::Object(made)
    }

    /// Reports an unknown field, with the field that was probably meant.
    pub fn unknown<'k>(&mut self, entry: &MapEntry, path: &str, known: impl Iterator<Item = &'k str> + Clone) {
        // A field without its suffix, such as partner for partnerRef, is likelier than a field with a similar name.
        let begun = |known: &&str| known.starts_with(&entry.key) && known.len() - entry.key.len() <= SUFFIX;
        let cut = known.clone().find(begun).filter(|_| !entry.key.is_empty());
        let hint = if let Some(near) = cut.or_else(|| nearest(&entry.key, known.clone())) {
            format!("; did you mean {near}?")
        } else {
            let mut known: Vec<_> = known.collect();
            known.sort_unstable();
            if known.is_empty() { String::new() } else { format!("; here are {}", known.join(", ")) }
        };
        self.report(&entry.key_span, path, format!("there is no field {}{hint}", quote(&entry.key)));
    }

    fn array(&mut self, items: &[Node], mark: &Span, schema: &JSONSchemaProps, path: &str) -> Json {
        let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items else { return Json::Array(Vec::new()) };
        let mut made = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let value = self.value(node, &node.mark(), item, &format!("{path}[{index}]"));
            made.push(value.unwrap_or_else(|| placeholder(item)));
        }
        if let Some(most) = schema.max_items.filter(|most| i64::try_from(items.len()).is_ok_and(|len| len > *most)) {
            self.report(mark, path, format!("{path} has {} entries; at most {most} fit", items.len()));
        }
        Json::Array(made)
    }

    fn lengths(&mut self, text: &str, mark: &Span, schema: &JSONSchemaProps, path: &str) {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if let Some(most) = schema.max_length.filter(|most| length > *most) {
            self.report(mark, path, format!("{path} has {length} characters; at most {most} fit"));
        }
        if let Some(least) = schema.min_length.filter(|least| length < *least) {
            let message = match least {
                1 => format!("{path} is empty"),
                _ => format!("{path} has {length} characters; at least {least} are needed"),
            };
            self.report(mark, path, message);
        }
    }

    fn range(&mut self, value: i64, mark: &Span, schema: &JSONSchemaProps, path: &str) {
        // Bounds in a JSON schema are floats; guestlist's bounds are small integers.
        #[allow(clippy::cast_precision_loss)]
        let value_as_bound = value as f64;
        if let Some(least) = schema.minimum.filter(|least| value_as_bound < *least) {
            self.report(mark, path, format!("{path} is {value}; the least is {least}"));
        }
        if let Some(most) = schema.maximum.filter(|most| value_as_bound > *most) {
            self.report(mark, path, format!("{path} is {value}; the most is {most}"));
        }
    }

    fn check_surprising(&mut self, node: &Node, value: &dyn std::fmt::Display, path: &str) {
        if node.surprising {
            self.report_reading(node, value, path);
        }
    }

    fn report_reading(&mut self, node: &Node, value: &dyn std::fmt::Display, path: &str) {
        let message = format!("kubectl reads this as {value}, as YAML 1.1 has it; write {value}");
        let finding = Finding::warning(Code::Scalar, Location::new(self.source, &node.span), message);
        self.findings.push(Finding { path: path.to_owned(), ..finding });
    }
}

/// The fix for a scalar of another type in place of a string.
pub fn form(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "expiresAt" | "creationTimestamp" | "deletionTimestamp" => TIME,
        "expireAfter" | "enrolWithin" | "maxDuration" => "write a duration with its unit, as 168h",
        _ if [api::RESET_MFA, api::RESEND_INVITATION].iter().any(|name| path.ends_with(name)) => TIME,
        _ => "put it in quotes",
    }
}

/// An integer that is written with a fraction or an exponent, as kubectl reads it.
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "it is whole, and small enough to be exact")]
    (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64)
}

/// The value that replaces a missing or mismatching one, so that deserialization succeeds.
fn placeholder(schema: &JSONSchemaProps) -> Json {
    match schema.type_.as_deref() {
        Some("string") => Json::from(""),
        Some("integer") => Json::from(0),
        Some("boolean") => Json::from(false),
        Some("array") => Json::Array(Vec::new()),
        _ => {
            let required = schema.required.iter().flatten();
            let fields = required.filter_map(|name| {
                schema.properties.as_ref()?.get(name).map(|property| (name.clone(), placeholder(property)))
            });
            Json::Object(fields.collect())
        }
    }
}
