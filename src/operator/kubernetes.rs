//! The operator's [`ObjectStore`]: reads and writes the declared objects on an API server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde_json::Value;

use crate::api;
use crate::cache::{Kind, Object, ObjectRef};
use crate::engine::Failure;
use crate::executor::lease_term::LeaseTerm;
use crate::executor::object_store::{EventContext, ObjectStore, PatchTarget, Watched};
use crate::executor::received_object::ReceivedObject;
use crate::operator::error::describe;
use crate::operator::events::EventRecorder;
use crate::util::coalesce::CoalescedRead;

/// Timeout of one call.
const DEADLINE: Duration = Duration::from_secs(10);

/// The objects of an API server. No call starts after the end of the term.
pub struct Kubernetes {
    /// The client.
    pub client: Client,
    /// The term of the Lease.
    pub term: LeaseTerm,
    /// Publishes Events.
    pub recorder: EventRecorder,
    /// The live reads in progress: many guests that are admitted at once need the same partner.
    pub readings: Readings,
}

/// Live reads in progress, shared by all callers that need the same object.
#[derive(Default)]
pub struct Readings(Mutex<BTreeMap<ObjectRef, Arc<CoalescedRead<Object>>>>);

impl Readings {
    fn of(&self, key: &ObjectRef) -> Arc<CoalescedRead<Object>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default())
    }

    /// Removes a finished read that nobody waits for, so that a later caller does not receive an old result.
    fn end(&self, key: &ObjectRef) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(key).is_some_and(|reading| Arc::strong_count(reading) == 1) {
            all.remove(key);
        }
    }
}

/// Calls a generic function with the type of a kind.
macro_rules! for_kind {
    ($key:expr, $self:ident.$function:ident($($argument:expr),*)) => {
        match $key.kind {
            Kind::Partner => $self.$function::<api::LocalPartner>($($argument),*).boxed(),
            Kind::Membership => $self.$function::<api::GuestMembership>($($argument),*).boxed(),
            Kind::Share => $self.$function::<api::AccountShare>($($argument),*).boxed(),
        }
    };
}

impl ObjectStore for Kubernetes {
    fn get<'a>(&'a self, key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>> {
        async move {
            let reading = self.readings.of(key);
            let read = reading.get(for_kind!(key, self.get_one(key))).await;
            drop(reading);
            self.readings.end(key);
            Ok(Object::clone(&*read?))
        }
        .boxed()
    }

    fn patch<'a>(
        &'a self,
        key: &'a ObjectRef,
        part: PatchTarget,
        patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>> {
        for_kind!(key, self.patch_one(key, part, patch))
    }

    fn delete<'a>(&'a self, key: &'a ObjectRef, uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        for_kind!(key, self.delete_one(key, uid))
    }

    fn has_members<'a>(&'a self, partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>> {
        async move {
            let objects = self.objects::<api::GuestMembership>(&partner.namespace);
            let params = ListParams::default().fields(&format!("spec.partnerRef.name={}", partner.name)).limit(1);
            let listed = self.call("list", Kind::Membership, objects.list(&params)).await?;
            Ok(!listed.items.is_empty())
        }
        .boxed()
    }

    fn publish<'a>(&'a self, telling: EventContext<'a>) -> BoxFuture<'a, ()> {
        async move {
            if !self.term.left().is_zero() {
                self.recorder.publish(&telling).await;
            }
        }
        .boxed()
    }
}

impl Kubernetes {
    fn objects<K: Watched + Resource<Scope = NamespaceResourceScope>>(
        &self,
        namespace: &str,
    ) -> Api<ReceivedObject<K>> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn get_one<K: Watched + Resource<Scope = NamespaceResourceScope>>(
        &self,
        key: &ObjectRef,
    ) -> Result<Object, Failure> {
        self.call("get", key.kind, self.objects::<K>(&key.namespace).get(&key.name)).await.map(ReceivedObject::declared)
    }

    async fn delete_one<K: Watched + Resource<Scope = NamespaceResourceScope>>(
        &self,
        key: &ObjectRef,
        uid: &str,
    ) -> Result<Option<Object>, Failure> {
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
            ..DeleteParams::default()
        };
        let objects = self.objects::<K>(&key.namespace);
        let deleted = self.call("delete", key.kind, objects.delete(&key.name, &params)).await?;
        Ok(deleted.left().map(ReceivedObject::declared))
    }

    async fn patch_one<K: Watched + Resource<Scope = NamespaceResourceScope>>(
        &self,
        key: &ObjectRef,
        part: PatchTarget,
        patch: &Value,
    ) -> Result<Object, Failure> {
        let objects = self.objects::<K>(&key.namespace);
        let params = PatchParams { field_manager: Some("guestlist".to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let written = match part {
            PatchTarget::Object => self.call("patch", key.kind, objects.patch(&key.name, &params, &patch)).await,
            PatchTarget::Status => {
                self.call("patch_status", key.kind, objects.patch_status(&key.name, &params, &patch)).await
            }
        };
        written.map(ReceivedObject::declared)
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        kind: Kind,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failure> {
        let failed = |why| Err(Failure::Retry(format!("failed to {verb} a {}: {why}", kind.as_str())));
        let Some(deadline) = self.term.within(DEADLINE) else { return Err(Failure::NotLeading) };
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(verb, kind, &error)),
            Err(_) => failed(format!("no answer in {deadline:.1?}")),
        }
    }
}

/// Maps an error of the API server to the next action.
fn failure(verb: &str, kind: Kind, error: &kube::Error) -> Failure {
    let context = format!("failed to {verb} a {}", kind.as_str());
    let kube::Error::Api(status) = error else { return Failure::Retry(format!("{context}: {}", describe(error))) };
    let message = format!("{context}: {}", describe(error));
    match status.code {
        404 => Failure::NotFound,
        409 => Failure::Conflict,
        // A terminating namespace accepts no new objects, and needs none.
        403 if status.message.contains("being terminated") => Failure::NotFound,
        403 => Failure::Retry(format!(
            "{message}; the chart has what is needed: a ClusterRole, or a Role for each namespace of watchNamespaces"
        )),
        400 | 405 | 415 | 422 => Failure::Permanent(message),
        429 => {
            let seconds = status.details.as_ref().map_or(1, |details| details.retry_after_seconds);
            Failure::RetryAfter(SignedDuration::from_secs(i64::from(seconds.max(1))), message)
        }
        _ => Failure::Retry(message),
    }
}
