//! An operation that is not taken. A mail that does not go out is its guest's own trouble, and all else goes on. A directory
//! that can be read but takes no operation concerns every object: a disk that is full, a database that its server fails over. A
//! record that cannot be written, while the directory accepts another write, concerns its object alone. The operator tries a
//! failed operation again every few seconds. If the failure lasts, the status of each object that it concerns says so.

use jiff::{SignedDuration, Timestamp};

use crate::cache::{CacheEntry, Kind, ObjectRef};
use crate::directory::Operation;
use crate::domain::GuestRole;
use crate::engine::Engine;
use crate::engine::queue::Priority;
use crate::plan::Plan;

/// How long to wait between two tries at most: access that is to be taken away is held until then.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// The same for a mail and for an operation that the directory refused, at least and at most: neither is fixed in a moment, and
/// a mail server may be slow to say no.
const SLOW_DELAY: [SignedDuration; 2] = [SignedDuration::from_secs(10), SignedDuration::from_mins(5)];
/// After how many failures in a row it is said. A single one is soon over, and not worth a write.
const SAID_AFTER: u32 = 3;

/// What is kept as it is for the time being when an object is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retained {
    /// Nothing.
    Nothing,
    /// The guest has no invitation, for his mail did not go out: his own trouble, and nobody else's.
    Mail,
    /// The object's record cannot be written. Its operations wait, and its status shows the failure and the access in the
    /// directory. Other objects are not concerned.
    Object,
    /// The same, because the directory refused this object's operation.
    Refused,
    /// Everything, as while the directory does not answer.
    Everything,
}

/// An object whose operation was not taken.
#[derive(Debug)]
pub(super) struct FailedOperation {
    /// The operation, whenever it was planned.
    operation: Operation,
    /// The cause for the status, if only a person can remove it. `None`: the failure may pass.
    cause: Option<String>,
    /// What is kept until then.
    kept: Retained,
    /// How often in a row.
    times: u32,
    /// When it is tried again.
    again: Timestamp,
}

impl FailedOperation {
    /// Its status says so, and it is left alone until then, as long as the operation is what comes next.
    fn is_said(&self) -> bool {
        matches!(self.kept, Retained::Mail | Retained::Refused) || self.times >= SAID_AFTER
    }

    /// It is the directory's trouble, and said: others are concerned.
    fn concerns_others(&self) -> bool {
        self.kept == Retained::Everything && self.is_said()
    }
}

impl Engine {
    /// An operation was not taken.
    pub(super) fn not_taken(
        &mut self,
        key: &ObjectRef,
        operation: &Operation,
        kept: Retained,
        problem: String,
        now: Timestamp,
    ) {
        let [shortest, longest] = match kept {
            Retained::Mail | Retained::Refused => SLOW_DELAY,
            Retained::Nothing | Retained::Object | Retained::Everything => [SignedDuration::ZERO, LONGEST_DELAY],
        };
        let delay = self.queue.back_off_within(longest, key, now).max(shortest);
        let before = self.not_taken.remove(key);
        let times = before.as_ref().filter(|before| before.kept == kept).map_or(0, |before| before.times) + 1;
        let cause = (kept == Retained::Refused).then(|| problem.clone());
        let waiting = FailedOperation { operation: operation.timeless(), cause, kept, times, again: now + delay };
        let concerned = [before.is_some_and(|before| before.concerns_others()), waiting.concerns_others()];
        let said = waiting.is_said();
        self.not_taken.insert(key.clone(), waiting);
        let news = match kept {
            Retained::Mail | Retained::Object | Retained::Refused => times == 1,
            Retained::Nothing | Retained::Everything => self.health.not_taken.is_none(),
        };
        if news {
            tracing::warn!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
        } else {
            tracing::debug!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
        }
        match concerned {
            [false, true] => {
                // Only now: where others are taken meanwhile, it is this object's own trouble, not the directory's.
                self.health.not_taken = Some(problem);
                self.tell_concerned(key, now);
            }
            [true, false] => {
                self.tell_concerned(key, now);
                self.takes_again_if_nothing_waits();
            }
            [false, false] | [true, true] => {}
        }
        if said && !key.is_garbage_collection() {
            self.queue.push(key.clone(), Priority::Live);
        }
    }

    /// The cause for which the directory refuses the operation of an object.
    pub(super) fn cause(&self, key: &ObjectRef) -> Option<&str> {
        self.not_taken.get(key)?.cause.as_deref()
    }

    /// The directory took an operation.
    pub(super) fn takes_again(&mut self) {
        if self.health.not_taken.take().is_some() {
            tracing::info!("the directory takes operations again");
        }
    }

    /// An object has come to rest: whatever was not taken has been, or is not asked for any more.
    pub(super) fn taken(&mut self, key: &ObjectRef, now: Timestamp) {
        if self.not_taken.remove(key).is_some_and(|waiting| waiting.concerns_others()) {
            self.tell_concerned(key, now);
        }
        self.takes_again_if_nothing_waits();
    }

    /// Until when an object is left alone because the directory took none of its last operations.
    pub(super) fn held_back(&self, key: &ObjectRef, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.not_taken.get(key).filter(|waiting| waiting.kept != Retained::Mail)?;
        (waiting.again > now).then_some(waiting.again)
    }

    fn takes_again_if_nothing_waits(&mut self) {
        if self.not_taken.values().all(|waiting| waiting.kept != Retained::Everything) {
            self.takes_again();
        }
    }

    /// Until when an object is left alone, as its operation was not taken and is what comes next. Anything else, such as what
    /// is to be taken away by now, is tried at once.
    pub(super) fn waits_for_the_directory(
        &self,
        key: &ObjectRef,
        plan: &Plan,
        now: Timestamp,
    ) -> Option<(Timestamp, Retained)> {
        let waiting = self.not_taken.get(key).filter(|waiting| waiting.is_said() && waiting.again > now)?;
        let next = plan.steps.first().map(|step| step.operation.timeless());
        // Who was admitted without a mail is owed nothing but that.
        let mail = waiting.kept == Retained::Mail && matches!(next, Some(Operation::ResendInvitation { .. }));
        (mail || next.as_ref() == Some(&waiting.operation)).then_some((waiting.again, waiting.kept))
    }

    /// Whether the directory does not reflect a partner or a share, for somebody's operation was not taken: one of the
    /// partner's guests, one who has or may get the account through the share.
    pub(super) fn is_behind(&self, key: &ObjectRef) -> bool {
        if key.kind == Kind::Membership || self.not_taken.is_empty() {
            return false;
        }
        let partner = self.index.partner_of(key);
        let waiting = self
            .not_taken
            .iter()
            .filter(|(other, waiting)| waiting.concerns_others() && other.kind == Kind::Membership);
        let mut guests = waiting.map(|(other, _)| other).filter(|other| self.index.partner_of(other) == partner);
        match key.kind {
            Kind::Membership | Kind::Partner => guests.next().is_some(),
            Kind::Share => guests.any(|guest| self.is_concerned(key, guest)),
        }
    }

    /// Whether a share may give something to a guest of its partner, or he holds something through it.
    fn is_concerned(&self, share: &ObjectRef, guest: &ObjectRef) -> bool {
        let Some(entry) = self.index.share(&share.namespace, &share.name).and_then(CacheEntry::read) else {
            return true;
        };
        let member = self.index.membership(&guest.namespace, &guest.name).and_then(CacheEntry::read);
        let admin = member.is_some_and(|member| member.reading.terms.role == GuestRole::GuestAdmin);
        let uid = entry.metadata.uid.as_deref().unwrap_or_default();
        let mut holders = self.mirror.holders(uid).filter_map(|guest| guest.mark.as_ref());
        admin
            || entry.reading.terms.guest_users.contains_key(&*guest.name)
            || holders.any(|mark| mark.namespace == *guest.namespace && mark.name == *guest.name)
    }

    /// What it means for others is to be looked at: the partner, and its shares.
    fn tell_concerned(&mut self, key: &ObjectRef, now: Timestamp) {
        let slot = self.index.membership(&key.namespace, &key.name).filter(|_| key.kind == Kind::Membership);
        let address = slot.and_then(CacheEntry::read).and_then(|entry| entry.reading.terms.email.clone());
        for concerned in address.map(|address| self.index.touched_by_guest(&address).counts).into_iter().flatten() {
            self.count_later(concerned, now);
        }
    }
}
