//! Runs a task: makes the calls that the engine requested, each with a deadline, and reports their outcome.

pub mod lease_term;
pub mod load;
pub mod metrics;
pub mod object_store;
pub mod received_object;
pub mod runner;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::Instant;

use crate::cache::{Kind, ObjectRef};
use crate::directory::error::Retry;
use crate::directory::{AccessChange, DirectoryWriter, Epoch, Error, GuestChange, Operation, PartnerId, Revision};
use crate::domain::Email;
use crate::engine::{Check, Failure, Observed, Task, TaskOutcome, TaskSubject};
use crate::executor::lease_term::LeaseTerm;
use crate::executor::metrics::Metrics;
use crate::executor::object_store::{EventContext, ObjectStore, PatchTarget};
use crate::plan::{Deletion, Event, Step};
use crate::util::clock::Clock;

/// Timeout of one call.
const DEADLINE: Duration = Duration::from_secs(10);
/// Timeout of a call that sends a mail: longer than the directory waits for its mail server.
const MAIL_DEADLINE: Duration = Duration::from_secs(25);

/// The dependencies of a task.
#[derive(Clone)]
pub struct Executor {
    /// The declared objects.
    pub objects: Arc<dyn ObjectStore>,
    /// The directory.
    pub directory: Arc<dyn DirectoryWriter>,
    /// The epoch of this leader's term in the directory.
    pub epoch: Epoch,
    /// The term of the Lease. The executor writes nothing after its end.
    pub term: LeaseTerm,
    /// The source of the current time.
    pub clock: Clock,
    /// The operator's metrics.
    pub metrics: Arc<Metrics>,
}

impl Executor {
    /// Runs a task to its end.
    pub async fn run(&self, subject: TaskSubject, task: Task) -> TaskOutcome {
        let mut outcome = TaskOutcome::default();
        let result = match task {
            Task::Finalizer { object, finalizers, version } => {
                self.finalize(&subject, &object, &finalizers, &version, &mut outcome).await
            }
            Task::Execute { checks, steps, basis, events } => {
                self.execute(&subject, &checks, &steps, basis, &events, &mut outcome).await
            }
            Task::Read(address) => self.read(&subject, address, &mut outcome).await,
            Task::Delete(deletions) => self.delete(&deletions, &mut outcome).await,
            Task::Status { object, patch, events } => {
                let written = self.objects.patch(&object, PatchTarget::Status, &patch).await;
                self.publish(&subject, &events).await;
                written.map(|object| outcome.objects.push(object))
            }
        };
        outcome.failure = result.err();
        outcome
    }

    async fn finalize(
        &self,
        subject: &TaskSubject,
        object: &ObjectRef,
        finalizers: &[String],
        version: &str,
        outcome: &mut TaskOutcome,
    ) -> Result<(), Failure> {
        if !finalizers.iter().any(|finalizer| finalizer == crate::api::FINALIZER) {
            self.has_ended(subject, object, outcome).await?;
        }
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        match self.objects.patch(object, PatchTarget::Object, &patch).await {
            Ok(object) => {
                // The server returns the terminating object once more, although removing its last finalizer deletes it.
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

    /// Before a finalizer is removed, the guest's record must have ended, or the partner's record must be deactivated.
    /// Where the answer to a creation was lost, the plan does not know the record, and it would remain forever. So this
    /// reads it live.
    async fn has_ended(
        &self,
        subject: &TaskSubject,
        object: &ObjectRef,
        outcome: &mut TaskOutcome,
    ) -> Result<(), Failure> {
        if object.kind == Kind::Partner {
            let id = PartnerId::of(&subject.uid);
            return match self.directory.partner(&id).await {
                Ok(Some(record)) if record.is_live() && record.mark.uid == subject.uid => {
                    outcome.reread.push(Observed::Partner(id, Some(Box::new(record))));
                    Err(Failure::Replan)
                }
                Ok(_) => Ok(()),
                Err(fault) => Err(self.after(subject, fault, outcome).await),
            };
        }
        let Some(address) = &subject.address else { return Ok(()) };
        match self.directory.guest(address).await {
            Ok(Some(record))
                if record.is_live() && record.mark.as_ref().is_some_and(|mark| mark.uid == subject.uid) =>
            {
                outcome.reread.push(Observed::Guest(address.clone(), Some(Box::new(record))));
                Err(Failure::Replan)
            }
            Ok(_) => Ok(()),
            Err(fault) => Err(self.after(subject, fault, outcome).await),
        }
    }

    async fn execute(
        &self,
        subject: &TaskSubject,
        checks: &[Check],
        steps: &[Step],
        basis: Option<Revision>,
        events: &[Event],
        outcome: &mut TaskOutcome,
    ) -> Result<(), Failure> {
        for check in checks {
            self.check(check).await?;
        }
        let mut basis = basis;
        for step in steps {
            let kind = step.operation.name();
            let deadline = self.deadline(&step.operation).ok_or(Failure::NotLeading)?;
            let began = Instant::now();
            let execute = self.directory.execute(&step.operation, basis, self.clock.now(), self.epoch);
            let done = match tokio::time::timeout(deadline, execute).await {
                Ok(done) => done,
                Err(_) => Err(Error::Unavailable { context: format!("failed to {kind} in {deadline:.1?}") }),
            };
            let result = done.as_ref().map_or_else(Error::result, |_| "ok");
            self.metrics.operation(kind, result, began.elapsed());
            match done {
                Ok(effect) => {
                    tracing::info!(key = %subject.key, operation = kind, reason = %step.reason, "operation done: {}", step.message);
                    if let Some(guest) = effect.guest.as_ref().filter(|_| basis.is_some()) {
                        basis = Some(guest.revision);
                    }
                    outcome.effects.push(effect);
                }
                Err(fault) if fault.retry() == Retry::BackOff => {
                    let (operation, why) = (Box::new(step.operation.clone()), fault.to_string());
                    if !matches!(fault, Error::MailNotSent { .. }) {
                        return Err(self.diagnose_failed_write(operation, why).await);
                    }
                    // The record exists now: only the mail remains to be sent.
                    if let Some(address) = &subject.address
                        && let Ok(record) = self.directory.guest(address).await
                    {
                        outcome.reread.push(Observed::Guest(address.clone(), record.map(Box::new)));
                    }
                    return Err(Failure::MailNotSent(operation, why));
                }
                Err(fault) if fault.retry() == Retry::Wait => {
                    self.read_others(subject, outcome).await;
                    return Err(Failure::Refused(Box::new(step.operation.clone()), fault.to_string()));
                }
                Err(fault) => {
                    let why = fault.to_string();
                    let failure = self.after(subject, fault, outcome).await;
                    // The record is unchanged since the plan, so a new plan would be the same.
                    let is_unchanged = outcome.reread.last().is_some_and(|now| now.revision() == basis);
                    return Err(if is_unchanged && matches!(failure, Failure::Replan) {
                        self.diagnose_failed_write(Box::new(step.operation.clone()), why).await
                    } else {
                        failure
                    });
                }
            }
        }
        self.publish(subject, events).await;
        Ok(())
    }

    /// Distinguishes a directory that accepts no writes from a single unwritable record, by another write.
    async fn diagnose_failed_write(&self, operation: Box<Operation>, why: String) -> Failure {
        let Some(deadline) = self.term.within(DEADLINE) else { return Failure::OperationFailed(operation, why) };
        match tokio::time::timeout(deadline, self.directory.check_writable()).await {
            Ok(Ok(())) => Failure::Unwritable(operation, why),
            Ok(Err(_)) | Err(_) => Failure::OperationFailed(operation, why),
        }
    }

    /// Reads the records that may conflict with a refused operation, so that the next plan includes them.
    async fn read_others(&self, subject: &TaskSubject, outcome: &mut TaskOutcome) {
        let Some(address) = &subject.address else { return };
        if let Ok(record) = self.directory.guest(address).await {
            outcome.reread.push(Observed::Guest(address.clone(), record.map(Box::new)));
        }
        if let Ok(record) = self.directory.user(address).await {
            outcome.reread.push(Observed::User(address.clone(), record));
        }
    }

    async fn read(&self, subject: &TaskSubject, address: Email, outcome: &mut TaskOutcome) -> Result<(), Failure> {
        match self.directory.guest(&address).await {
            Ok(record) => {
                outcome.reread.push(Observed::Guest(address, record.map(Box::new)));
                Ok(())
            }
            Err(fault) => Err(self.after(subject, fault, outcome).await),
        }
    }

    /// Timeout of an operation. `None`: the term is over, and another process may be the leader. Where the directory
    /// refuses the writes of a former leader, revocation continues after the term.
    fn deadline(&self, operation: &Operation) -> Option<Duration> {
        let take = operation.access_change() == AccessChange::Revoke && self.directory.fences();
        let deadline = match operation {
            Operation::Guest { change: GuestChange::Invite(_) | GuestChange::ResendInvitation { .. }, .. } => {
                MAIL_DEADLINE
            }
            Operation::Guest { .. } | Operation::Partner { .. } | Operation::ForgetShare { .. } => DEADLINE,
        };
        self.term.within(deadline).or_else(|| take.then_some(DEADLINE))
    }

    /// Maps an error of the directory to the next action.
    async fn after(&self, subject: &TaskSubject, fault: Error, outcome: &mut TaskOutcome) -> Failure {
        match fault.retry() {
            Retry::BackOff => Failure::Retry(fault.to_string()),
            Retry::After(after) => {
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::from_secs(60));
                Failure::RetryAfter(after, fault.to_string())
            }
            Retry::Reread => match &subject.address {
                Some(address) => match self.directory.guest(address).await {
                    Ok(record) => {
                        outcome.reread.push(Observed::Guest(address.clone(), record.map(Box::new)));
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
                // `NotFound` counts as done; an object of the same name with another UID is not this one.
                Err(Failure::NotFound | Failure::Conflict) => {}
                Err(failure) => return Err(failure),
            }
        }
        // A remaining object is terminating: its deletion queues its partner again.
        Err(Failure::NotFound)
    }

    async fn publish(&self, subject: &TaskSubject, events: &[Event]) {
        let Some(key) = subject.key.object() else { return };
        for event in events {
            let at = self.clock.now();
            let context = EventContext { key, uid: &subject.uid, generation: subject.generation, event, at };
            self.objects.publish(context).await;
        }
    }
}
