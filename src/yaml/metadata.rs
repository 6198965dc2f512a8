//! The types of the fields of an object's metadata, in the way that kubectl decodes them (`ObjectMeta` and `ListMeta`).

use super::Problem;
use super::node::{MapEntry, Node, Span, Value};
use crate::domain::quote;
use crate::domain::time::instant;

/// The type of a field. An unlisted field may have any type.
enum Type {
    Text,
    Time,
    Integer,
    Bool,
    Map,
    Texts,
    List(&'static Type),
    Fields(&'static [(&'static str, Type)]),
}

const METADATA: Type = Type::Fields(&[
    ("name", Type::Text),
    ("namespace", Type::Text),
    ("generateName", Type::Text),
    ("uid", Type::Text),
    ("resourceVersion", Type::Text),
    ("selfLink", Type::Text),
    ("continue", Type::Text),
    ("creationTimestamp", Type::Time),
    ("deletionTimestamp", Type::Time),
    ("generation", Type::Integer),
    ("deletionGracePeriodSeconds", Type::Integer),
    ("remainingItemCount", Type::Integer),
    ("labels", Type::Texts),
    ("annotations", Type::Texts),
    ("finalizers", Type::List(&Type::Text)),
    ("ownerReferences", Type::List(&OWNER)),
    ("managedFields", Type::List(&MANAGER)),
]);

const OWNER: Type = Type::Fields(&[
    ("apiVersion", Type::Text),
    ("kind", Type::Text),
    ("name", Type::Text),
    ("uid", Type::Text),
    ("controller", Type::Bool),
    ("blockOwnerDeletion", Type::Bool),
]);

const MANAGER: Type = Type::Fields(&[
    ("manager", Type::Text),
    ("operation", Type::Text),
    ("apiVersion", Type::Text),
    ("time", Type::Time),
    ("fieldsType", Type::Text),
    ("fieldsV1", Type::Map),
    ("subresource", Type::Text),
]);

/// The cause for which kubectl refuses the metadata of an object of any kind.
pub fn problem(object: &Node) -> Option<Problem> {
    let metadata = object.entry("metadata")?;
    METADATA.problem(&metadata.value, "metadata", &metadata.key_span)
}

/// The cause for which kubectl refuses a field of the metadata.
pub fn field_problem(field: &MapEntry) -> Option<Problem> {
    METADATA.field_problem(field, "metadata")
}

impl Type {
    fn problem(&self, node: &Node, path: &str, mark: &Span) -> Option<Problem> {
        match (self, &node.value) {
            // kubectl treats a null as an absent field.
            (_, Value::Null)
            | (Self::Text, Value::Text(_))
            | (Self::Integer, Value::Int(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Map, Value::Map(_)) => None,
            (Self::Time, Value::Text(text)) => instant(text).is_err().then(|| {
                let message = format!("{path} is a time such as 2027-06-30T00:00:00Z, not {}", quote(text));
                Problem::syntax(message, node.span.clone())
            }),
            (Self::List(of), Value::List(items)) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| of.problem(item, &format!("{path}[{index}]"), &item.mark())),
            (Self::Texts, Value::Map(entries)) => entries
                .iter()
                .find_map(|entry| Self::Text.problem(&entry.value, &format!("{path}.{}", entry.key), &entry.key_span)),
            (Self::Fields(_), Value::Map(entries)) => entries.iter().find_map(|entry| self.field_problem(entry, path)),
            _ => {
                let message = format!("{path} is {}, not {}", self.describe(), node.describe());
                Some(Problem::syntax(message, mark.clone()))
            }
        }
    }

    fn field_problem(&self, field: &MapEntry, path: &str) -> Option<Problem> {
        let Self::Fields(fields) = self else { return None };
        let (name, of) = fields.iter().find(|(name, _)| *name == field.key)?;
        of.problem(&field.value, &format!("{path}.{name}"), &field.key_span)
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Text | Self::Time => "a string (in quotes)",
            Self::Integer => "a whole number",
            Self::Bool => "a boolean",
            Self::Map | Self::Texts | Self::Fields(_) => "a map",
            Self::List(_) => "a list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_wrong_type_is_named_with_its_path() {
        for (text, part) in [
            ("{managedFields: [{manager: 1}]}", "metadata.managedFields[0].manager is a string"),
            ("{managedFields: [{time: x}]}", "metadata.managedFields[0].time is a time"),
            ("{managedFields: [x]}", "metadata.managedFields[0] is a map, not a string"),
            ("{ownerReferences: [{controller: 'true'}]}", "metadata.ownerReferences[0].controller is a boolean"),
            ("{ownerReferences: [{}, {blockOwnerDeletion: 1}]}", "ownerReferences[1].blockOwnerDeletion is a boolean"),
            ("{labels: {a: 1}}", "metadata.labels.a is a string"),
            ("{generation: 1.5}", "metadata.generation is a whole number"),
            ("[]", "metadata is a map, not a list"),
        ] {
            let (documents, _) = crate::yaml::read(&format!("metadata: {text}\n"));
            let message = problem(&documents[0]).unwrap().message;
            assert!(message.contains(part), "{text}: {message}");
        }
        let sound = "metadata: {x: 1, labels: {a: }, managedFields: [{fieldsV1: {}, time: ~}, ~], ownerReferences: [{uid: a}]}\n";
        assert_eq!(problem(&crate::yaml::read(sound).0[0]), None);
    }
}
