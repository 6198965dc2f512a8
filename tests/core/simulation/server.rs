//! An API server in memory, with the features that an operator notices: versions, generations, finalizers, merge
//! patches with preconditions, the status subresource, and a history for lists and watches.

use std::rc::Rc;
use std::sync::Arc;

use guestlist::api;
use guestlist::cache::{Kind, Object, ObjectRef};
pub use guestlist::executor::object_store::PatchTarget;
use guestlist::executor::object_store::Watched;
use guestlist::executor::received_object::ReceivedObject;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::worlds::Objects;
use crate::support::worlds::specs::merge;

/// The value of a key after a version. `None`: deleted.
pub struct Entry {
    pub version: u64,
    pub key: ObjectRef,
    pub object: Option<Arc<Value>>,
    /// The last value of a deleted object.
    pub last: Arc<Value>,
}

#[derive(Default)]
pub struct Server {
    objects: Objects,
    /// All objects after each version.
    snapshots: Vec<Rc<Objects>>,
    /// For each version: the number of changes so far that did not concern statuses and finalizers.
    editions: Vec<usize>,
    pub history: Vec<Entry>,
    pub version: u64,
    uids: u64,
}

impl Server {
    pub fn object(&self, key: &ObjectRef) -> Option<&Value> {
        self.objects.get(key).map(|object| &**object)
    }

    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    pub fn create(&mut self, key: &ObjectRef, spec: Value, now: Timestamp) {
        self.uids += 1;
        let object = json!({
            "apiVersion": "guestlist.dev/v1alpha1",
            "kind": key.kind.as_str(),
            "metadata": {
                "namespace": &*key.namespace, "name": &*key.name, "uid": format!("uid-{}", self.uids),
                "generation": 1, "creationTimestamp": whole_seconds(now),
            },
            "spec": spec,
        });
        assert!(!self.objects.contains_key(key), "{key} exists");
        self.store(key, object);
    }

    /// An edit of a spec, as a merge patch.
    pub fn edit(&mut self, key: &ObjectRef, spec: Value) {
        self.patch(key, PatchTarget::Object, &json!({"spec": spec}), Timestamp::UNIX_EPOCH).unwrap();
    }

    /// The answer, or the status code of the error.
    pub fn patch(&mut self, key: &ObjectRef, part: PatchTarget, patch: &Value, _now: Timestamp) -> Result<Value, u16> {
        let old = self.object(key).cloned().ok_or(404_u16)?;
        let expected = patch.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        if expected.is_some_and(|version| Some(version) != old.pointer("/metadata/resourceVersion").unwrap().as_str()) {
            return Err(409);
        }
        let mut new = old.clone();
        merge(&mut new, patch);
        let (taken, kept) = if part == PatchTarget::Object { ("metadata", "status") } else { ("status", "spec") };
        let mut result = old.clone();
        restore(&mut result, &new, taken);
        restore(&mut result, &old, kept);
        if part == PatchTarget::Object {
            restore(&mut result, &new, "spec");
        }
        // A client can change only these two fields of the metadata; the server sets the others.
        let mut metadata = old["metadata"].clone();
        for field in ["finalizers", "annotations"] {
            restore(&mut metadata, &result["metadata"], field);
        }
        result["metadata"] = metadata;
        let leaving = result.pointer("/metadata/deletionTimestamp").is_some();
        if leaving && finalizers(&result).iter().any(|finalizer| !finalizers(&old).contains(finalizer)) {
            return Err(422);
        }
        if result["spec"] != old["spec"] {
            result["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        if result == old {
            return Ok(old);
        }
        if leaving && finalizers(&result).is_empty() {
            self.remove(key, result.clone());
            return Ok(result);
        }
        Ok(self.store(key, result))
    }

    /// An object with a finalizer stays until the finalizer is removed.
    pub fn delete(&mut self, key: &ObjectRef, uid: Option<&str>, now: Timestamp) -> Result<Option<Value>, u16> {
        let mut object = self.object(key).cloned().ok_or(404_u16)?;
        if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) {
            return Err(409);
        }
        if finalizers(&object).is_empty() {
            self.remove(key, object);
            return Ok(None);
        }
        if object.pointer("/metadata/deletionTimestamp").is_none() {
            object["metadata"]["deletionTimestamp"] = json!(whole_seconds(now));
            object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
            return Ok(Some(self.store(key, object)));
        }
        Ok(Some(object))
    }

    fn store(&mut self, key: &ObjectRef, mut object: Value) -> Value {
        object["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
        let stored = Arc::new(object.clone());
        self.objects.insert(key.clone(), stored.clone());
        self.note(key, Some(stored), Arc::default());
        object
    }

    fn remove(&mut self, key: &ObjectRef, mut last: Value) {
        last["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
        self.objects.remove(key);
        self.note(key, None, Arc::new(last));
    }

    fn note(&mut self, key: &ObjectRef, object: Option<Arc<Value>>, last: Arc<Value>) {
        let before = self.snapshots.last().and_then(|objects| objects.get(key));
        let said = |object: &Value| {
            let metadata = &object["metadata"];
            [&object["spec"], &metadata["annotations"], &metadata["deletionTimestamp"], &metadata["uid"]]
                .map(Value::clone)
        };
        let differs = before.map(|object| said(object)) != object.as_ref().map(|object| said(object));
        self.editions.push(self.editions.last().copied().unwrap_or_default() + usize::from(differs));
        self.version += 1;
        self.history.push(Entry { version: self.version, key: key.clone(), object, last });
        self.snapshots.push(Rc::new(self.objects.clone()));
    }

    /// The states from a version until now that differ in more than statuses and finalizers.
    pub fn since(&self, version: u64) -> Vec<Rc<Objects>> {
        let mut versions: Vec<u64> = (version..=self.version).collect();
        let edition = |version: &u64| usize::try_from(*version).unwrap().checked_sub(1).map(|at| self.editions[at]);
        versions.dedup_by_key(|version| edition(version));
        versions.into_iter().map(|version| self.at(version)).collect()
    }

    /// All objects at a version.
    pub fn at(&self, version: u64) -> Rc<Objects> {
        let place = usize::try_from(version.min(self.version)).unwrap().checked_sub(1);
        place.map(|place| Rc::clone(&self.snapshots[place])).unwrap_or_default()
    }
}

/// An object as the operator's watch reads it.
pub fn read(kind: Kind, object: &Value) -> Object {
    fn typed<K: Watched>(object: &Value) -> Object {
        serde_json::from_value::<ReceivedObject<K>>(object.clone()).unwrap().declared()
    }
    match kind {
        Kind::Partner => typed::<api::LocalPartner>(object),
        Kind::Membership => typed::<api::GuestMembership>(object),
        Kind::Share => typed::<api::AccountShare>(object),
    }
}

fn whole_seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap().to_string()
}

fn finalizers(object: &Value) -> Vec<Value> {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Copies a field from another object.
fn restore(object: &mut Value, from: &Value, field: &str) {
    let fields = object.as_object_mut().unwrap();
    match from.get(field) {
        Some(value) if !value.is_null() => fields.insert(field.to_owned(), value.clone()),
        _ => fields.remove(field),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_in_memory_keeps_the_rules_of_the_real_one() {
        let mut server = Server::default();
        let (key, now) = (ObjectRef::new(Kind::Partner, "ns", "a"), Timestamp::UNIX_EPOCH);
        server.create(&key, json!({"hostAdmins": []}), now);
        let version = |server: &Server| server.object(&key).unwrap()["metadata"]["resourceVersion"].clone();
        let first = version(&server);
        // Nothing changed: no new version. A stale version is refused. A status changes neither the generation nor the
        // spec.
        server.patch(&key, PatchTarget::Object, &json!({"metadata": {"resourceVersion": first}}), now).unwrap();
        assert_eq!(version(&server), first);
        server.patch(&key, PatchTarget::Status, &json!({"spec": {"x": 1}, "status": {"shares": 1}}), now).unwrap();
        let stale = json!({"metadata": {"resourceVersion": first, "finalizers": ["f"]}});
        assert_eq!(server.patch(&key, PatchTarget::Object, &stale, now), Err(409));
        let object = server.object(&key).unwrap();
        assert_eq!((&object["spec"], &object["metadata"]["generation"]), (&json!({"hostAdmins": []}), &json!(1)));
        // A finalizer keeps the object, and cannot be added now. Without the last finalizer the object is deleted.
        server
            .patch(&key, PatchTarget::Object, &json!({"metadata": {"finalizers": ["f"]}, "status": null}), now)
            .unwrap();
        assert_eq!(server.object(&key).unwrap()["status"]["shares"], 1);
        assert_eq!(server.delete(&key, Some("other"), now), Err(409));
        assert!(server.delete(&key, None, now).unwrap().is_some());
        assert_eq!(
            server.patch(&key, PatchTarget::Object, &json!({"metadata": {"finalizers": ["f", "g"]}}), now),
            Err(422)
        );
        server.patch(&key, PatchTarget::Object, &json!({"metadata": {"finalizers": []}}), now).unwrap();
        assert_eq!((server.object(&key), server.at(2).len(), server.at(99).len()), (None, 1, 0));
    }
}
