//! Reads and writes declared objects. A trait, so that the same executor works on an API server, on manifests in files, and in
//! a simulation.

use std::fmt::Debug;

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Resource;
use kube::core::DeserializeGuard;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api;
use crate::cache::{Kind, Object, ObjectRef};
use crate::engine::Failure;
use crate::plan::Event;

/// Which part of an object is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchTarget {
    /// Metadata and spec.
    Object,
    /// Its status.
    Status,
}

/// What is told, of which object.
#[derive(Debug)]
pub struct EventContext<'a> {
    /// The object.
    pub key: &'a ObjectRef,
    /// Its UID.
    pub uid: &'a str,
    /// Its generation.
    pub generation: Option<i64>,
    /// What is told.
    pub event: &'a Event,
    /// When.
    pub at: Timestamp,
}

/// Reads and writes objects of the three kinds.
pub trait ObjectStore: Send + Sync {
    /// An object as it is now.
    fn get<'a>(&'a self, key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>>;
    /// Merges a patch into a part of it; the object as it is then.
    fn patch<'a>(
        &'a self,
        key: &'a ObjectRef,
        part: PatchTarget,
        patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>>;
    /// Deletes it if it still has this UID; what is left of it while a finalizer holds it.
    fn delete<'a>(&'a self, key: &'a ObjectRef, uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>>;
    /// Whether any membership names this partner.
    fn has_members<'a>(&'a self, partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>>;
    /// Tells people; that never fails the work.
    fn publish<'a>(&'a self, telling: EventContext<'a>) -> BoxFuture<'a, ()>;
}

/// A kind that we watch.
pub trait Watched: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;
    /// The object as it is declared.
    fn declared(self) -> Object;
}

impl Watched for api::LocalPartner {
    const KIND: Kind = Kind::Partner;
    fn declared(self) -> Object {
        Object::Partner(Box::new(self))
    }
}

impl Watched for api::GuestMembership {
    const KIND: Kind = Kind::Membership;
    fn declared(self) -> Object {
        Object::Membership(Box::new(self))
    }
}

impl Watched for api::AccountShare {
    const KIND: Kind = Kind::Share;
    fn declared(self) -> Object {
        Object::Share(Box::new(self))
    }
}

/// An object as it came from the server, readable or not. What we never read does not stay in memory.
pub fn declared<K: Watched>(object: DeserializeGuard<K>) -> Object {
    match object.0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            object.declared()
        }
        Err(invalid) => {
            let mut metadata = invalid.metadata;
            metadata.managed_fields = None;
            Object::Unreadable { kind: K::KIND, metadata: Box::new(metadata), error: invalid.error }
        }
    }
}
