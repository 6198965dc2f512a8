//! Operations that the directory does not accept.
//!
//! A mail that is not sent concerns only its guest. A directory that is readable but accepts no operation concerns
//! every object, for example during a database failover or on a full disk. A record that cannot be written, while the
//! directory accepts another write, concerns only its object.
//!
//! The operator retries a failed operation every few seconds. If the failure lasts, the status of each object that it
//! concerns shows it.

use jiff::{SignedDuration, Timestamp};

use crate::cache::{CacheEntry, Kind, ObjectRef};
use crate::directory::{GuestChange, Operation};
use crate::domain::GuestRole;
use crate::engine::Engine;
use crate::engine::queue::{Priority, QueueKey};
use crate::plan::Plan;

/// Maximum delay between two tries. It also delays access that must be revoked.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// Minimum and maximum delay for a mail, and for an operation that the directory refused. Neither is fixed in seconds,
/// and a mail server may be slow to refuse.
const SLOW_DELAY: [SignedDuration; 2] = [SignedDuration::from_secs(10), SignedDuration::from_mins(5)];
/// The number of consecutive failures before a status shows them. A single failure is usually brief, and not worth a
/// write.
const REPORTED_AFTER: u32 = 3;

/// The scope that a plan leaves unchanged for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retained {
    /// Nothing.
    Nothing,
    /// The guest's mail was not sent, so they have no invitation. Only this guest is concerned.
    Mail,
    /// The object's record cannot be written. Its operations wait, and its status shows the failure and the access in
    /// the directory. Other objects are not concerned.
    Object,
    /// Like `Object`, because the directory refused this object's operation.
    Refused,
    /// Every object, as while the directory is unavailable.
    Everything,
}

/// An object whose operation failed.
#[derive(Debug)]
pub(super) struct FailedOperation {
    /// The operation, whenever it was planned.
    operation: Operation,
    /// The cause for the status, if only a person can remove it. `None`: the failure may be temporary.
    cause: Option<String>,
    /// The scope that waits until the next try.
    scope: Retained,
    /// The number of consecutive failures.
    times: u32,
    /// The time of the next try.
    retry_at: Timestamp,
}

impl FailedOperation {
    /// Whether the status shows the failure. If so, the object waits for `retry_at` while its next operation is the same.
    fn is_reported(&self) -> bool {
        matches!(self.scope, Retained::Mail | Retained::Refused) || self.times >= REPORTED_AFTER
    }

    /// Whether the failure concerns other objects too: it is the directory's, and the status shows it.
    fn concerns_others(&self) -> bool {
        self.scope == Retained::Everything && self.is_reported()
    }
}

impl Engine {
    /// Records that an operation failed.
    pub(super) fn operation_failed(
        &mut self,
        key: &QueueKey,
        operation: &Operation,
        scope: Retained,
        problem: String,
        now: Timestamp,
    ) {
        let [shortest, longest] = match scope {
            Retained::Mail | Retained::Refused => SLOW_DELAY,
            Retained::Nothing | Retained::Object | Retained::Everything => [SignedDuration::ZERO, LONGEST_DELAY],
        };
        let delay = self.queue.back_off_within(longest, key, now).max(shortest);
        let before = self.failures.remove(key);
        let times = before.as_ref().filter(|before| before.scope == scope).map_or(0, |before| before.times) + 1;
        let cause = (scope == Retained::Refused).then(|| problem.clone());
        let waiting = FailedOperation { operation: operation.timeless(), cause, scope, times, retry_at: now + delay };
        let concerned = [before.is_some_and(|before| before.concerns_others()), waiting.concerns_others()];
        let reported = waiting.is_reported();
        self.failures.insert(key.clone(), waiting);
        let news = match scope {
            Retained::Mail | Retained::Object | Retained::Refused => times == 1,
            Retained::Nothing | Retained::Everything => self.health.write_problem.is_none(),
        };
        if news {
            tracing::warn!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
        } else {
            tracing::debug!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
        }
        match concerned {
            [false, true] => {
                // Not before the status shows it. If other operations succeed meanwhile, the failure concerns only this
                // object, and not the directory.
                self.health.write_problem = Some(problem);
                self.queue_affected(key, now);
            }
            [true, false] => {
                self.queue_affected(key, now);
                self.writes_accepted_if_none_failed();
            }
            [false, false] | [true, true] => {}
        }
        if reported && key.object().is_some() {
            self.queue.push(key, Priority::Live);
        }
    }

    /// The cause for which the directory refuses the operation of an object.
    pub(super) fn cause(&self, key: &ObjectRef) -> Option<&str> {
        self.failures.get(&key.into())?.cause.as_deref()
    }

    /// Records that the directory accepted an operation.
    pub(super) fn writes_accepted(&mut self) {
        if self.health.write_problem.take().is_some() {
            tracing::info!("the directory accepts writes again");
        }
    }

    /// Records that an object has converged: its failed operation succeeded, or is no longer planned.
    pub(super) fn clear_failure(&mut self, key: &QueueKey, now: Timestamp) {
        if self.failures.remove(key).is_some_and(|waiting| waiting.concerns_others()) {
            self.queue_affected(key, now);
        }
        self.writes_accepted_if_none_failed();
    }

    /// When an object whose last operations failed is tried again.
    pub(super) fn backoff_end(&self, key: &ObjectRef, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.failures.get(&key.into()).filter(|waiting| waiting.scope != Retained::Mail)?;
        (waiting.retry_at > now).then_some(waiting.retry_at)
    }

    fn writes_accepted_if_none_failed(&mut self) {
        if self.failures.values().all(|waiting| waiting.scope != Retained::Everything) {
            self.writes_accepted();
        }
    }

    /// When an object whose failed operation is still its next one is tried again. Any other next operation, such as a
    /// new revocation, is tried at once.
    pub(super) fn waits_for_the_directory(
        &self,
        key: &ObjectRef,
        plan: &Plan,
        now: Timestamp,
    ) -> Option<(Timestamp, Retained)> {
        let waiting =
            self.failures.get(&key.into()).filter(|waiting| waiting.is_reported() && waiting.retry_at > now)?;
        let next = plan.steps.first().map(|step| step.operation.timeless());
        // For a guest who was admitted without a mail, the mail is the only missing operation.
        let mail = waiting.scope == Retained::Mail
            && matches!(next, Some(Operation::Guest { change: GuestChange::ResendInvitation { .. }, .. }));
        (mail || next.as_ref() == Some(&waiting.operation)).then_some((waiting.retry_at, waiting.scope))
    }

    /// Whether the directory does not reflect a partner or a share because a guest's operation failed. For a partner,
    /// all its guests count. For a share, those who have or may get the account through it count.
    pub(super) fn is_behind(&self, key: &ObjectRef) -> bool {
        if key.kind == Kind::Membership || self.failures.is_empty() {
            return false;
        }
        let partner = self.objects.partner_of(key);
        let waiting = self.failures.iter().filter(|(_, waiting)| waiting.concerns_others());
        let mut guests = (waiting.filter_map(|(other, _)| other.object()))
            .filter(|other| other.kind == Kind::Membership && self.objects.partner_of(other) == partner);
        match key.kind {
            Kind::Membership | Kind::Partner => guests.next().is_some(),
            Kind::Share => guests.any(|guest| self.is_concerned(key, guest)),
        }
    }

    /// Whether a share may grant access to a guest of its partner, or the guest has a grant through it.
    fn is_concerned(&self, share: &ObjectRef, guest: &ObjectRef) -> bool {
        let Some(entry) = self.objects.share(&share.namespace, &share.name).and_then(CacheEntry::read) else {
            return true;
        };
        let member = self.objects.membership(&guest.namespace, &guest.name).and_then(CacheEntry::read);
        let admin = member.is_some_and(|member| member.reading.terms.role == GuestRole::GuestAdmin);
        let uid = entry.metadata.uid.as_deref().unwrap_or_default();
        let mut holders = self.directory.holders(uid).filter_map(|guest| guest.mark.as_ref());
        admin
            || entry.reading.terms.guest_users.contains_key(&*guest.name)
            || holders.any(|mark| mark.namespace == *guest.namespace && mark.name == *guest.name)
    }

    /// Schedules the status of the partner and its shares.
    fn queue_affected(&mut self, key: &QueueKey, now: Timestamp) {
        let Some(key) = key.object() else { return };
        let slot = self.objects.membership(&key.namespace, &key.name).filter(|_| key.kind == Kind::Membership);
        let address = slot.and_then(CacheEntry::read).and_then(|entry| entry.reading.terms.email.clone());
        for concerned in address.map(|address| self.objects.dependents_of_guest(&address).counts).into_iter().flatten()
        {
            self.count_later(concerned, now);
        }
    }
}
