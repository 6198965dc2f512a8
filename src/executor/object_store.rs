//! Reads and writes declared objects. A trait, so that the same executor works on an API server, on manifests in files, and in
//! a simulation.

use std::fmt::Debug;

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api;
use crate::cache::{Kind, Object, ObjectRef};
use crate::engine::Failure;
use crate::plan::Event;

/// The part of an object that a patch changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchTarget {
    /// Metadata and spec.
    Object,
    /// Its status.
    Status,
}

/// An event with its object.
#[derive(Debug)]
pub struct EventContext<'a> {
    /// The object.
    pub key: &'a ObjectRef,
    /// Its UID.
    pub uid: &'a str,
    /// Its generation.
    pub generation: Option<i64>,
    /// The event to publish.
    pub event: &'a Event,
    /// The time of the event.
    pub at: Timestamp,
}

/// Reads and writes objects of the three kinds.
///
/// # Examples
///
/// A caller that cannot tell whether an object exists does not act:
///
/// ```
/// use guestlist::cache::ObjectRef;
/// use guestlist::engine::Failure;
/// use guestlist::executor::object_store::ObjectStore;
///
/// /// `None`: the store does not answer.
/// async fn exists(objects: &dyn ObjectStore, key: &ObjectRef) -> Option<bool> {
///     match objects.get(key).await {
///         Ok(_) => Some(true),
///         Err(Failure::NotFound) => Some(false),
///         Err(_) => None,
///     }
/// }
/// ```
pub trait ObjectStore: Send + Sync {
    /// Reads the current object.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`]: there is none. Another failure says when to retry.
    fn get<'a>(&'a self, key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>>;
    /// Merges a patch into a part of the object. Returns the patched object.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`]: there is no object. [`Failure::Conflict`]: it has another `resourceVersion` than the patch
    /// names. [`Failure::Permanent`]: the server refuses the content. Another failure says when to retry.
    fn patch<'a>(
        &'a self,
        key: &'a ObjectRef,
        part: PatchTarget,
        patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>>;
    /// Deletes the object if its UID matches. Returns the terminating object while a finalizer holds it.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`]: there is no object. [`Failure::Conflict`]: it has another UID. Another failure says when
    /// to retry.
    fn delete<'a>(&'a self, key: &'a ObjectRef, uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>>;
    /// Whether any membership names this partner.
    ///
    /// # Errors
    ///
    /// The store does not answer. The failure says when to retry.
    fn has_members<'a>(&'a self, partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>>;
    /// Publishes an event. A failure does not fail the task.
    fn publish<'a>(&'a self, telling: EventContext<'a>) -> BoxFuture<'a, ()>;
}

/// A kind that the operator watches.
///
/// # Examples
///
/// ```
/// use guestlist::api::{LocalPartner, LocalPartnerSpec};
/// use guestlist::cache::Kind;
/// use guestlist::executor::object_store::Watched;
///
/// let partner = LocalPartner::new("acme", LocalPartnerSpec::default());
/// assert_eq!(partner.declared().kind(), Kind::Partner);
/// assert_eq!(LocalPartner::KIND, Kind::Partner);
/// ```
pub trait Watched: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;
    /// Converts the custom resource to the common object type.
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
