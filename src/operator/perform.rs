//! Does a task: the calls that the engine asked for, each with a deadline, and what came of them.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::{Client, Resource};
use serde_json::{Value, json};

use super::engine::{Check, Failure, Now, Outcome, Task};
use super::events::{Teller, Telling};
use super::health::Metrics;
use super::watch::{Watched, declared};
use super::words::words;
use crate::api;
use crate::directory::fault::Next;
use crate::directory::{Epoch, Execute, Fault, Revision};
use crate::index::{Declared, Key, Kind};
use crate::plan::{Deletion, Notice, Step};
use crate::rules::Email;

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Everything that a task needs.
#[derive(Clone)]
pub struct Performer {
    /// The Kubernetes client.
    pub client: Client,
    /// The directory.
    pub directory: Arc<dyn Execute>,
    /// Our term.
    pub epoch: Epoch,
    /// Tells people.
    pub teller: Teller,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// What the task is about, as the engine knew it.
#[derive(Clone, Debug)]
pub struct About {
    /// The object.
    pub key: Key,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: Option<i64>,
    /// The guest's address, to read him again where the plan was stale.
    pub address: Option<Email>,
}

impl Performer {
    /// Does a task.
    pub async fn perform(&self, about: About, task: Task) -> Outcome {
        let mut outcome = Outcome::default();
        let result = match task {
            Task::Finalizer { finalizers, version } => self.finalize(&about, &finalizers, &version, &mut outcome).await,
            Task::Execute { checks, steps, basis, notices } => {
                self.execute(&about, &checks, &steps, basis, &notices, &mut outcome).await
            }
            Task::Delete(deletions) => self.delete(&deletions, &mut outcome).await,
            Task::Status { patch, notices } => {
                let written = self.patch(&about.key, Part::Status, &patch).await;
                self.tell(&about, &notices).await;
                written.map(|object| outcome.objects.push(object))
            }
        };
        outcome.failure = result.err();
        outcome
    }

    async fn finalize(
        &self,
        about: &About,
        finalizers: &[String],
        version: &str,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        match self.patch(&about.key, Part::Object, &patch).await {
            Ok(object) => {
                // Without its last finalizer an object on its way out is gone, though the server returns it once more.
                let gone = finalizers.is_empty() && object.metadata().deletion_timestamp.is_some();
                if gone {
                    return Err(Failure::Gone);
                }
                outcome.objects.push(object);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn execute(
        &self,
        about: &About,
        checks: &[Check],
        steps: &[Step],
        basis: Option<Revision>,
        notices: &[Notice],
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        for check in checks {
            self.check(check).await?;
        }
        let mut basis = basis;
        for step in steps {
            let kind = super::health::operation_name(&step.operation);
            let execute = self.directory.execute(&step.operation, basis, Timestamp::now(), self.epoch);
            let done = match tokio::time::timeout(DEADLINE, execute).await {
                Ok(done) => done,
                Err(_) => Err(Fault::Unavailable { context: format!("failed to {kind} in {}s", DEADLINE.as_secs()) }),
            };
            self.metrics.operation(kind, done.is_ok());
            match done {
                Ok(effect) => {
                    tracing::info!(key = %about.key, operation = kind, reason = %step.reason, because = %step.because, "done");
                    if let Some(guest) = effect.guest.as_ref().filter(|_| basis.is_some()) {
                        basis = Some(guest.revision);
                    }
                    outcome.effects.push(effect);
                }
                Err(fault) => return Err(self.after(about, fault, outcome).await),
            }
        }
        self.tell(about, notices).await;
        Ok(())
    }

    /// What happens after a fault of the directory.
    async fn after(&self, about: &About, fault: Fault, outcome: &mut Outcome) -> Failure {
        match fault.next() {
            Next::BackOff => Failure::Retry(fault.to_string()),
            Next::After(after) => {
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::from_secs(60));
                Failure::RetryAfter(after, fault.to_string())
            }
            Next::Reread => match &about.address {
                Some(address) => match self.directory.guest(address).await {
                    Ok(record) => {
                        outcome.reread.push(Now::Guest(address.clone(), record.map(Box::new)));
                        Failure::Replan
                    }
                    Err(fault) => Failure::Retry(fault.to_string()),
                },
                None => Failure::Retry(fault.to_string()),
            },
            Next::Wait => match &about.address {
                // Somebody is in the way: the next plan shall know him.
                Some(address) => {
                    if let Ok(record) = self.directory.guest(address).await {
                        outcome.reread.push(Now::Guest(address.clone(), record.map(Box::new)));
                    }
                    if let Ok(record) = self.directory.user(address).await {
                        outcome.reread.push(Now::User(address.clone(), record));
                    }
                    Failure::Retry(fault.to_string())
                }
                None => Failure::Wait(fault.to_string()),
            },
            Next::Stop => Failure::Stop(fault.to_string()),
        }
    }

    async fn check(&self, check: &Check) -> Result<(), Failure> {
        match check {
            Check::Unchanged { key, uid, generation } => {
                let object = self.get(key).await?;
                let meta = object.metadata();
                let same = meta.uid.as_deref() == Some(uid)
                    && meta.generation == *generation
                    && meta.deletion_timestamp.is_none();
                if same { Ok(()) } else { Err(Failure::Behind) }
            }
            Check::NoMembers { partner } => {
                let objects: Api<DeserializeGuard<api::GuestMembership>> =
                    Api::namespaced(self.client.clone(), &partner.namespace);
                let params = ListParams::default().fields(&format!("spec.partnerRef.name={}", partner.name)).limit(1);
                let listed = self.call("list", Kind::Membership, objects.list(&params)).await?;
                if listed.items.is_empty() { Ok(()) } else { Err(Failure::Behind) }
            }
        }
    }

    async fn delete(&self, deletions: &[Deletion], outcome: &mut Outcome) -> Result<(), Failure> {
        for Deletion { key, uid } in deletions {
            let params = DeleteParams {
                preconditions: Some(Preconditions { uid: Some(uid.clone()), resource_version: None }),
                ..DeleteParams::default()
            };
            let deleted = match key.kind {
                Kind::Partner => self.delete_one::<api::LocalPartner>(key, &params).await,
                Kind::Membership => self.delete_one::<api::GuestMembership>(key, &params).await,
                Kind::Share => self.delete_one::<api::AccountShare>(key, &params).await,
            };
            match deleted {
                Ok(object) => outcome.objects.extend(object),
                // Gone already counts as done; another object of the name is none of ours.
                Err(Failure::Gone | Failure::Behind) => {}
                Err(failure) => return Err(failure),
            }
        }
        // What is still there is on its way out: its end touches its partner again.
        Err(Failure::Gone)
    }

    async fn delete_one<K: Watched>(&self, key: &Key, params: &DeleteParams) -> Result<Option<Declared>, Failure>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope>,
    {
        let objects: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), &key.namespace);
        let deleted = self.call("delete", key.kind, objects.delete(&key.name, params)).await?;
        Ok(deleted.left().map(declared))
    }

    async fn get(&self, key: &Key) -> Result<Declared, Failure> {
        match key.kind {
            Kind::Partner => self.get_one::<api::LocalPartner>(key).await,
            Kind::Membership => self.get_one::<api::GuestMembership>(key).await,
            Kind::Share => self.get_one::<api::AccountShare>(key).await,
        }
    }

    async fn get_one<K: Watched>(&self, key: &Key) -> Result<Declared, Failure>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope>,
    {
        let objects: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), &key.namespace);
        self.call("get", key.kind, objects.get(&key.name)).await.map(declared)
    }

    async fn patch(&self, key: &Key, part: Part, patch: &Value) -> Result<Declared, Failure> {
        match key.kind {
            Kind::Partner => self.patch_one::<api::LocalPartner>(key, part, patch).await,
            Kind::Membership => self.patch_one::<api::GuestMembership>(key, part, patch).await,
            Kind::Share => self.patch_one::<api::AccountShare>(key, part, patch).await,
        }
    }

    async fn patch_one<K: Watched>(&self, key: &Key, part: Part, patch: &Value) -> Result<Declared, Failure>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope>,
    {
        let objects: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PatchParams { field_manager: Some("guestlist".to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let written = match part {
            Part::Object => self.call("patch", key.kind, objects.patch(&key.name, &params, &patch)).await,
            Part::Status => self.call("patch_status", key.kind, objects.patch_status(&key.name, &params, &patch)).await,
        };
        written.map(declared)
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        kind: Kind,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failure> {
        let answer = tokio::time::timeout(DEADLINE, call).await;
        let result = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(verb, kind, &error)),
            Err(_) => Err(Failure::Retry(format!("failed to {verb} a {}: no answer in 10s", kind.as_str()))),
        };
        self.metrics.call(verb, kind, result.is_ok());
        result
    }

    async fn tell(&self, about: &About, notices: &[Notice]) {
        for notice in notices {
            let telling = Telling { key: &about.key, uid: &about.uid, generation: about.generation, notice };
            self.teller.tell(&telling).await;
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Object,
    Status,
}

/// What happens after a failure of the API server.
fn failure(verb: &str, kind: Kind, error: &kube::Error) -> Failure {
    let context = format!("failed to {verb} a {}", kind.as_str());
    let kube::Error::Api(status) = error else { return Failure::Retry(format!("{context}: {}", words(error))) };
    let message = format!("{context}: {}", words(error));
    match status.code {
        404 => Failure::Gone,
        409 => Failure::Behind,
        // In a terminating namespace nothing new is let in, and nothing has to be.
        403 if status.message.contains("being terminated") => Failure::Gone,
        403 => Failure::Retry(format!("{message}; the chart's ClusterRole has what is needed")),
        400 | 405 | 415 | 422 => Failure::Wait(message),
        429 => {
            let seconds = status.details.as_ref().map_or(1, |details| details.retry_after_seconds);
            Failure::RetryAfter(SignedDuration::from_secs(i64::from(seconds.max(1))), message)
        }
        _ => Failure::Retry(message),
    }
}
