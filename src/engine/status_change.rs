//! Compares a status with the stored one, and writes the difference as a merge patch. Fields that our types do not know
//! stay; removed fields are set to null.

use serde_json::{Map, Value, json};

use crate::cache::{CachedMetadata, Kind, ObjectCache, ObjectRef};
use crate::plan::Status;

/// The fields that contain only counts.
const COUNTS: [&str; 4] = ["guests", "shares", "grants", "withheld"];

/// The difference between a status and the stored one, with the merge patch from the stored one.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusChange {
    /// No difference.
    None,
    /// A difference only in counts.
    Counts(Value),
    /// Any other difference.
    More(Value),
}

/// The difference between a status and the stored one. `None`: the object does not exist.
pub fn difference(index: &ObjectCache, key: &ObjectRef, status: &Status) -> Option<StatusChange> {
    let meta = index.metadata(key)?;
    let (old, new) = (stored(index, key), text(status));
    // The same types wrote both, so equal text means an equal status.
    if old == new {
        return Some(StatusChange::None);
    }
    let old = value(old);
    let changes = merge(&old, &value(new));
    let fields = || changes.as_object().into_iter().flat_map(Map::keys);
    if fields().next().is_none() {
        return Some(StatusChange::None);
    }
    // A missing status is more than a count.
    let begun = old.as_object().is_some_and(|fields| !fields.is_empty());
    let counts = begun && key.kind != Kind::Membership && fields().all(|field| COUNTS.contains(&field.as_str()));
    let patch = with_version(meta, changes);
    Some(if counts { StatusChange::Counts(patch) } else { StatusChange::More(patch) })
}

/// The merge patch that writes a status over one that cannot be read.
pub fn whole(meta: &CachedMetadata, status: &Status) -> Value {
    with_version(meta, value(text(status)))
}

fn with_version(meta: &CachedMetadata, status: Value) -> Value {
    json!({"metadata": {"resourceVersion": meta.resource_version}, "status": status})
}

fn text(status: &Status) -> Option<String> {
    match status {
        Status::Partner(status) => serde_json::to_string(status),
        Status::Membership(status) => serde_json::to_string(status),
        Status::Share(status) => serde_json::to_string(status),
    }
    .ok()
}

fn stored(index: &ObjectCache, key: &ObjectRef) -> Option<String> {
    match key.kind {
        Kind::Partner => index.partner(&key.namespace, &key.name)?.read()?.status.text(),
        Kind::Membership => index.membership(&key.namespace, &key.name)?.read()?.status.text(),
        Kind::Share => index.share(&key.namespace, &key.name)?.read()?.status.text(),
    }
}

/// The JSON value of a text; an empty object without a status.
fn value(text: Option<String>) -> Value {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| json!({}))
}

/// The merge patch (RFC 7396) from one value to another.
fn merge(old: &Value, new: &Value) -> Value {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return new.clone() };
    let mut patch = Map::new();
    for (field, value) in new {
        match old.get(field) {
            Some(same) if same == value => {}
            Some(before) => {
                patch.insert(field.clone(), merge(before, value));
            }
            None => {
                patch.insert(field.clone(), value.clone());
            }
        }
    }
    for field in old.keys().filter(|field| !new.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_patch_has_changed_fields_and_nulls_removed_ones() {
        let old = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": 1});
        let new = json!({"a": 1, "b": {"c": 1, "d": 3}, "e": [1, 2]});
        assert_eq!(merge(&old, &new), json!({"b": {"d": 3}, "e": [1, 2], "f": null}));
        assert_eq!(merge(&old, &old), json!({}));
    }
}
