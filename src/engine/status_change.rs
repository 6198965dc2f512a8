//! Compares a status with the stored one, and writes the difference as a merge patch. Fields that our types do not know
//! stay; removed fields are set to null.
//!
//! The crate `json-patch` applies merge patches and does not make them. It makes JSON patches. If the `test` of the
//! resourceVersion in a JSON patch fails, the API server answers 422 instead of a conflict (409).

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
    let old = stored(index, key);
    if old.as_ref() == Some(status) {
        return Some(StatusChange::None);
    }
    let (old, new) = (old.map_or_else(|| json!({}), |old| value(&old)), value(status));
    let changes = merge(&old, &new);
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
    with_version(meta, value(status))
}

fn with_version(meta: &CachedMetadata, status: Value) -> Value {
    json!({"metadata": {"resourceVersion": meta.resource_version}, "status": status})
}

fn value(status: &Status) -> Value {
    match status {
        Status::Partner(status) => json!(status),
        Status::Membership(status) => json!(status),
        Status::Share(status) => json!(status),
    }
}

fn stored(index: &ObjectCache, key: &ObjectRef) -> Option<Status> {
    let ObjectRef { namespace, name, .. } = key;
    match key.kind {
        Kind::Partner => index.partner(namespace, name)?.read()?.status.read().map(Box::new).map(Status::Partner),
        Kind::Membership => {
            index.membership(namespace, name)?.read()?.status.read().map(Box::new).map(Status::Membership)
        }
        Kind::Share => index.share(namespace, name)?.read()?.status.read().map(Box::new).map(Status::Share),
    }
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn merge_patch_has_changed_fields_and_nulls_removed_ones() {
        let old = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": 1});
        let new = json!({"a": 1, "b": {"c": 1, "d": 3}, "e": [1, 2]});
        assert_eq!(merge(&old, &new), json!({"b": {"d": 3}, "e": [1, 2], "f": null}));
        assert_eq!(merge(&old, &old), json!({}));
    }

    /// An object as of a status: without nulls, because a status omits absent fields.
    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![(0..3).prop_map(Value::from), Just(json!([])), Just(json!([1])), Just(json!({}))];
        let fields = |value| prop::collection::btree_map("[a-c]", value, 0..4).prop_map(|fields| json!(fields));
        fields(leaf.prop_recursive(3, 20, 4, move |inner| fields(inner).boxed()).boxed())
    }

    proptest! {
        #[test]
        fn merge_patch_of_any_status_leads_to_the_new_one(old in object(), new in object()) {
            let mut patched = old.clone();
            json_patch::merge(&mut patched, &merge(&old, &new));
            prop_assert_eq!(patched, new);
        }
    }
}
