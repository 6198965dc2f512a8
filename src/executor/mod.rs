//! Does a task: the calls that the engine asked for, each with a deadline, and what came of them.

pub mod lease_term;
pub mod load;
pub mod metrics;
pub mod object_store;
pub mod running;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use crate::cache::{CacheEntry, Kind, ObjectCache, ObjectRef};
use crate::directory::error::Retry;
use crate::directory::{AccessChange, DirectoryWriter, Epoch, Error, Operation, PartnerId, Revision};
use crate::domain::Email;
use crate::engine::{Check, Failure, Now, Task, TaskOutcome};
use crate::executor::lease_term::LeaseTerm;
use crate::executor::metrics::Metrics;
use crate::executor::object_store::{EventContext, ObjectStore, PatchTarget};
use crate::plan::{Deletion, Event, Step};
use crate::util::clock::Clock;

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long one may take that sends a mail: as long as the directory waits for whoever sends it, and more.
const MAIL_DEADLINE: Duration = Duration::from_secs(25);

/// Everything that a task needs.
#[derive(Clone)]
pub struct Executor {
    /// The objects.
    pub objects: Arc<dyn ObjectStore>,
    /// The directory.
    pub directory: Arc<dyn DirectoryWriter>,
    /// Our term, as the directory counts it.
    pub epoch: Epoch,
    /// Our term, as the Lease has it: nothing is written once it is over.
    pub term: LeaseTerm,
    /// What time it is.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// What the task is about, as the engine knew it.
#[derive(Clone, Debug)]
pub struct TaskSubject {
    /// The object.
    pub key: ObjectRef,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: Option<i64>,
    /// The guest's address, to read him again where the plan was stale.
    pub address: Option<Email>,
}

impl TaskSubject {
    /// What the index knows of an object.
    pub fn of(index: &ObjectCache, key: &ObjectRef) -> Self {
        let meta = index.metadata(key);
        let membership = index.membership(&key.namespace, &key.name).filter(|_| key.kind == Kind::Membership);
        Self {
            uid: meta.and_then(|meta| meta.uid.as_deref()).unwrap_or_default().to_owned(),
            generation: meta.and_then(|meta| meta.generation),
            address: membership.and_then(CacheEntry::read).and_then(|entry| entry.reading.terms.email.clone()),
            key: key.clone(),
        }
    }
}

impl Executor {
    /// Does a task.
    pub async fn run(&self, about: TaskSubject, task: Task) -> TaskOutcome {
        let mut outcome = TaskOutcome::default();
        let result = match task {
            Task::Finalizer { finalizers, version } => self.finalize(&about, &finalizers, &version, &mut outcome).await,
            Task::Execute { checks, steps, basis, notices } => {
                self.execute(&about, &checks, &steps, basis, &notices, &mut outcome).await
            }
            Task::Look(address) => self.look(&about, address, &mut outcome).await,
            Task::Delete(deletions) => self.delete(&deletions, &mut outcome).await,
            Task::Status { patch, notices } => {
                let written = self.objects.patch(&about.key, PatchTarget::Status, &patch).await;
                self.tell(&about, &notices).await;
                written.map(|object| outcome.objects.push(object))
            }
        };
        outcome.failure = result.err();
        outcome
    }

    async fn finalize(
        &self,
        about: &TaskSubject,
        finalizers: &[String],
        version: &str,
        outcome: &mut TaskOutcome,
    ) -> Result<(), Failure> {
        if !finalizers.iter().any(|finalizer| finalizer == crate::api::FINALIZER) {
            self.nobody_is_left(about, outcome).await?;
        }
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        match self.objects.patch(&about.key, PatchTarget::Object, &patch).await {
            Ok(object) => {
                // Without its last finalizer an object on its way out is gone, though the server returns it once more.
                let gone = finalizers.is_empty() && object.metadata().deletion_timestamp.is_some();
                if gone {
                    return Err(Failure::NotFound);
                }
                outcome.objects.push(object);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// A membership is let go when its guest has been ended, and a partner when its record has been deactivated; but where the
    /// answer to an acceptance was lost, the plan did not know of them, and they would stay for ever. So they are read live.
    async fn nobody_is_left(&self, about: &TaskSubject, outcome: &mut TaskOutcome) -> Result<(), Failure> {
        if about.key.kind == Kind::Partner {
            let id = PartnerId::of(&about.uid);
            return match self.directory.partner(&id).await {
                Ok(Some(record)) if record.deactivated_at.is_none() && record.mark.uid == about.uid => {
                    outcome.reread.push(Now::Partner(id, Some(Box::new(record))));
                    Err(Failure::Replan)
                }
                Ok(_) => Ok(()),
                Err(fault) => Err(self.after(about, fault, outcome).await),
            };
        }
        let Some(address) = &about.address else { return Ok(()) };
        match self.directory.guest(address).await {
            Ok(Some(record)) if record.is_live() && record.mark.as_ref().is_some_and(|mark| mark.uid == about.uid) => {
                outcome.reread.push(Now::Guest(address.clone(), Some(Box::new(record))));
                Err(Failure::Replan)
            }
            Ok(_) => Ok(()),
            Err(fault) => Err(self.after(about, fault, outcome).await),
        }
    }

    async fn execute(
        &self,
        about: &TaskSubject,
        checks: &[Check],
        steps: &[Step],
        basis: Option<Revision>,
        notices: &[Event],
        outcome: &mut TaskOutcome,
    ) -> Result<(), Failure> {
        for check in checks {
            self.check(check).await?;
        }
        let mut basis = basis;
        for step in steps {
            let kind = crate::executor::metrics::operation_name(&step.operation);
            let deadline = self.deadline(&step.operation).ok_or(Failure::NotLeading)?;
            let execute = self.directory.execute(&step.operation, basis, self.clock.now(), self.epoch);
            let done = match tokio::time::timeout(deadline, execute).await {
                Ok(done) => done,
                Err(_) => Err(Error::Unavailable { context: format!("failed to {kind} in {deadline:.1?}") }),
            };
            self.metrics.operation(kind, done.is_ok());
            match done {
                Ok(effect) => {
                    tracing::info!(key = %about.key, operation = kind, reason = %step.reason, because = %step.message, "done");
                    if let Some(guest) = effect.guest.as_ref().filter(|_| basis.is_some()) {
                        basis = Some(guest.revision);
                    }
                    outcome.effects.push(effect);
                }
                Err(fault) if fault.retry() == Retry::BackOff => {
                    let (operation, why) = (Box::new(step.operation.clone()), fault.to_string());
                    if !matches!(fault, Error::Unsent { .. }) {
                        return Err(self.not_taken(operation, why).await);
                    }
                    // He has a record now: what comes next is nothing but his mail.
                    if let Some(address) = &about.address
                        && let Ok(record) = self.directory.guest(address).await
                    {
                        outcome.reread.push(Now::Guest(address.clone(), record.map(Box::new)));
                    }
                    return Err(Failure::MailNotSent(operation, why));
                }
                Err(fault) if fault.retry() == Retry::Wait => {
                    self.look_around(about, outcome).await;
                    return Err(Failure::Refused(Box::new(step.operation.clone()), fault.to_string()));
                }
                Err(fault) => {
                    let why = fault.to_string();
                    return Err(match self.after(about, fault, outcome).await {
                        // Read again he is as he was when this was planned: planned again it would be the same.
                        Failure::Replan if outcome.reread.last().is_some_and(|now| now.revision() == basis) => {
                            self.not_taken(Box::new(step.operation.clone()), why).await
                        }
                        failure => failure,
                    });
                }
            }
        }
        self.tell(about, notices).await;
        Ok(())
    }

    /// Whether it is the directory that takes no operation, or the record that cannot be written: by evidence, another write.
    async fn not_taken(&self, operation: Box<Operation>, why: String) -> Failure {
        let Some(deadline) = self.term.within(DEADLINE) else { return Failure::OperationFailed(operation, why) };
        match tokio::time::timeout(deadline, self.directory.takes_writes()).await {
            Ok(Ok(())) => Failure::Unwritable(operation, why),
            Ok(Err(_)) | Err(_) => Failure::OperationFailed(operation, why),
        }
    }

    /// Reads what may be in the way of an operation that the directory refused, so that the next plan knows it.
    async fn look_around(&self, about: &TaskSubject, outcome: &mut TaskOutcome) {
        let Some(address) = &about.address else { return };
        if let Ok(record) = self.directory.guest(address).await {
            outcome.reread.push(Now::Guest(address.clone(), record.map(Box::new)));
        }
        if let Ok(record) = self.directory.user(address).await {
            outcome.reread.push(Now::User(address.clone(), record));
        }
    }

    async fn look(&self, about: &TaskSubject, address: Email, outcome: &mut TaskOutcome) -> Result<(), Failure> {
        match self.directory.guest(&address).await {
            Ok(record) => {
                outcome.reread.push(Now::Guest(address, record.map(Box::new)));
                Ok(())
            }
            Err(fault) => Err(self.after(about, fault, outcome).await),
        }
    }

    /// How long an operation may take. `None`: our term is over, and another one may lead. A directory that refuses the
    /// writes of whoever led before lets us go on to take away.
    fn deadline(&self, operation: &Operation) -> Option<Duration> {
        let take = operation.access_change() == AccessChange::Revoke && self.directory.fences();
        let deadline = match operation {
            Operation::InviteGuest { .. } | Operation::ResendInvitation { .. } => MAIL_DEADLINE,
            _ => DEADLINE,
        };
        self.term.within(deadline).or_else(|| take.then_some(DEADLINE))
    }

    /// What happens after a fault of the directory.
    async fn after(&self, about: &TaskSubject, fault: Error, outcome: &mut TaskOutcome) -> Failure {
        match fault.retry() {
            Retry::BackOff => Failure::Retry(fault.to_string()),
            Retry::After(after) => {
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::from_secs(60));
                Failure::RetryAfter(after, fault.to_string())
            }
            Retry::Reread => match &about.address {
                Some(address) => match self.directory.guest(address).await {
                    Ok(record) => {
                        outcome.reread.push(Now::Guest(address.clone(), record.map(Box::new)));
                        Failure::Replan
                    }
                    Err(fault) => Failure::Retry(fault.to_string()),
                },
                None => Failure::Retry(fault.to_string()),
            },
            Retry::Wait => Failure::Permanent(fault.to_string()),
            Retry::Stop => Failure::Stop(fault.to_string()),
        }
    }

    async fn check(&self, check: &Check) -> Result<(), Failure> {
        match check {
            Check::Unchanged { key, .. } => {
                let object = self.objects.get(key).await?;
                let now = Check::unchanged(key.clone(), &object.metadata().clone().into());
                if now == *check { Ok(()) } else { Err(Failure::Conflict) }
            }
            Check::Present { key, uid } => match self.objects.get(key).await {
                Ok(object) if object.metadata().uid.as_deref() == Some(uid) => Ok(()),
                Ok(_) | Err(Failure::NotFound) => Err(Failure::Conflict),
                Err(failure) => Err(failure),
            },
            Check::Absent { key } => match self.objects.get(key).await {
                Err(Failure::NotFound) => Ok(()),
                Err(failure) => Err(failure),
                Ok(_) => Err(Failure::Conflict),
            },
            Check::NoMembers { partner } => {
                if self.objects.has_members(partner).await? {
                    Err(Failure::Conflict)
                } else {
                    Ok(())
                }
            }
        }
    }

    async fn delete(&self, deletions: &[Deletion], outcome: &mut TaskOutcome) -> Result<(), Failure> {
        for Deletion { key, uid } in deletions {
            match self.objects.delete(key, uid).await {
                Ok(object) => outcome.objects.extend(object),
                // Gone already counts as done; another object of the name is none of ours.
                Err(Failure::NotFound | Failure::Conflict) => {}
                Err(failure) => return Err(failure),
            }
        }
        // What is still there is on its way out: its end touches its partner again.
        Err(Failure::NotFound)
    }

    async fn tell(&self, about: &TaskSubject, notices: &[Event]) {
        for notice in notices {
            let (key, at) = (&about.key, self.clock.now());
            self.objects
                .publish(EventContext { key, uid: &about.uid, generation: about.generation, event: notice, at })
                .await;
        }
    }
}
