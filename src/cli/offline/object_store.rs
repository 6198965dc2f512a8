//! Objects without an API server: manifests from files, or a copy of a cluster's objects. For the executor they behave
//! like an API server: versions, finalizers, deletion and status.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api;
use crate::cache::{Kind, Object, ObjectRef};
use crate::engine::Failure;
use crate::executor::object_store::{EventContext, ObjectStore, PatchTarget, Watched};
use crate::executor::received_object::ReceivedObject;
use crate::util::clock::Clock;

/// Objects in memory.
pub struct InMemoryObjects {
    held: Mutex<StoredObjects>,
    clock: Clock,
}

#[derive(Default)]
struct StoredObjects {
    objects: BTreeMap<ObjectRef, Value>,
    /// Unreadable objects stay unchanged and are never patched.
    unreadable: BTreeMap<ObjectRef, Object>,
    gone: Vec<(ObjectRef, String)>,
    version: u64,
}

impl InMemoryObjects {
    /// Creates a store with these objects.
    pub fn holding(objects: impl IntoIterator<Item = Object>, clock: Clock) -> Self {
        let mut held = StoredObjects::default();
        for object in objects {
            let key = object.key();
            match value(&object) {
                Some(mut value) => {
                    default(&mut value["metadata"], "generation", json!(1));
                    // The finalizer is set from the start: in memory, nothing else deletes objects.
                    if value.pointer("/metadata/deletionTimestamp").is_none() {
                        default(&mut value["metadata"], "finalizers", json!([api::FINALIZER]));
                    }
                    held.store(key, value);
                }
                None => drop(held.unreadable.insert(key, object)),
            }
        }
        Self { held: Mutex::new(held), clock }
    }

    /// All objects of a kind, as they are now.
    pub fn list(&self, kind: Kind) -> Vec<Object> {
        let held = self.held();
        let of_kind = held.objects.iter().filter(|(key, _)| key.kind == kind);
        let mut all: Vec<Object> = of_kind.map(|(key, value)| read(key, value)).collect();
        all.extend(held.unreadable.values().filter(|object| object.kind() == kind).cloned());
        all
    }

    /// Maps the status of each readable object of a kind.
    pub fn statuses<T>(&self, kind: Kind, mut read: impl FnMut(&ObjectRef, &Value) -> T) -> Vec<T> {
        let held = self.held();
        let of_kind = held.objects.iter().filter(|(key, _)| key.kind == kind);
        of_kind.map(|(key, object)| read(key, &object["status"])).collect()
    }

    /// The objects that were deleted since the last call, with their UIDs.
    pub fn take_gone(&self) -> Vec<(ObjectRef, String)> {
        std::mem::take(&mut self.held().gone)
    }

    /// The newest resourceVersion.
    pub fn version(&self) -> u64 {
        self.held().version
    }

    fn held(&self) -> MutexGuard<'_, StoredObjects> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn merge(&self, key: &ObjectRef, part: PatchTarget, patch: &Value) -> Result<Object, Failure> {
        let mut held = self.held();
        let mut object = held.objects.get(key).cloned().ok_or(Failure::NotFound)?;
        let meant = patch.pointer("/metadata/resourceVersion");
        if meant.is_some_and(|version| Some(version) != object.pointer("/metadata/resourceVersion")) {
            return Err(Failure::Conflict);
        }
        match part {
            PatchTarget::Object => {
                if let Some(finalizers) = patch.pointer("/metadata/finalizers") {
                    object["metadata"]["finalizers"] = finalizers.clone();
                }
            }
            PatchTarget::Status => json_merge(&mut object["status"], &patch["status"]),
        }
        let held_back = object["metadata"]["finalizers"].as_array().is_some_and(|names| !names.is_empty());
        if !held_back && object.pointer("/metadata/deletionTimestamp").is_some() {
            held.objects.remove(key);
            held.gone.push((key.clone(), text(&object["metadata"]["uid"])));
            return Ok(read(key, &object));
        }
        Ok(read(key, held.store(key.clone(), object)))
    }

    fn remove(&self, key: &ObjectRef, uid: &str) -> Result<Option<Object>, Failure> {
        let mut held = self.held();
        let mut object = held.objects.get(key).cloned().ok_or(Failure::NotFound)?;
        if object["metadata"]["uid"] != uid {
            return Err(Failure::Conflict);
        }
        if object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
            held.objects.remove(key);
            held.gone.push((key.clone(), uid.to_owned()));
            return Ok(None);
        }
        default(&mut object["metadata"], "deletionTimestamp", json!(whole_seconds(self.clock.now())));
        Ok(Some(read(key, held.store(key.clone(), object))))
    }
}

impl StoredObjects {
    fn store(&mut self, key: ObjectRef, mut object: Value) -> &Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.entry(key).insert_entry(object).into_mut()
    }
}

impl ObjectStore for InMemoryObjects {
    fn get<'a>(&'a self, key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>> {
        let found = self.held().objects.get(key).map(|object| read(key, object)).ok_or(Failure::NotFound);
        async { found }.boxed()
    }

    fn patch<'a>(
        &'a self,
        key: &'a ObjectRef,
        part: PatchTarget,
        patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>> {
        async move { self.merge(key, part, patch) }.boxed()
    }

    fn delete<'a>(&'a self, key: &'a ObjectRef, uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        async move { self.remove(key, uid) }.boxed()
    }

    fn has_members<'a>(&'a self, partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>> {
        let names = |(key, object): (&ObjectRef, &Value)| {
            key.kind == Kind::Membership
                && key.namespace == partner.namespace
                && object["spec"]["partnerRef"]["name"] == *partner.name
        };
        let any = self.held().objects.iter().any(names);
        async move { Ok(any) }.boxed()
    }

    fn publish<'a>(&'a self, _telling: EventContext<'a>) -> BoxFuture<'a, ()> {
        // The command itself prints the operations; nothing watches Events.
        async {}.boxed()
    }
}

fn value(object: &Object) -> Option<Value> {
    let written = match object {
        Object::Partner(object) => serde_json::to_value(object),
        Object::Membership(object) => serde_json::to_value(object),
        Object::Share(object) => serde_json::to_value(object),
        Object::Unreadable { .. } => return None,
    };
    written.ok()
}

fn read(key: &ObjectRef, object: &Value) -> Object {
    fn typed<K: Watched>(object: &Value) -> Option<Object> {
        ReceivedObject::<K>::deserialize(object).ok().map(ReceivedObject::declared)
    }
    let read = match key.kind {
        Kind::Partner => typed::<api::LocalPartner>(object),
        Kind::Membership => typed::<api::GuestMembership>(object),
        Kind::Share => typed::<api::AccountShare>(object),
    };
    read.unwrap_or_else(|| Object::Unreadable {
        kind: key.kind,
        metadata: Box::default(),
        error: "it has no metadata".to_owned(),
    })
}

fn json_merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, change) in changes {
        match (change, target.as_object_mut()) {
            (Value::Null, Some(fields)) => drop(fields.remove(name)),
            (change, _) => json_merge(&mut target[name], change),
        }
    }
}

fn default(object: &mut Value, name: &str, value: Value) {
    if object.get(name).is_none_or(Value::is_null) {
        object[name] = value;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn whole_seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
