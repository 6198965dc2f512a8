//! A directory that can be read but takes no operation: a disk that is full, a record that its server fails over. Whose
//! operation fails is tried again every few seconds; where that lasts, the objects that it concerns say so instead of
//! saying that the directory reflects them.

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use crate::index::{Key, Kind, Slot};
use crate::operator::queue::Priority;

/// How long to wait between two tries at most: access that is to be taken away is held until then.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// After how many failures in a row it is said. A single one is soon over, and not worth a write.
const SAID_AFTER: u32 = 3;

/// An object whose operation was not taken.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it is tried again.
    again: Timestamp,
    /// Its status says so, and it is left alone until then.
    said: bool,
}

impl Engine {
    /// An operation was not taken.
    pub(super) fn not_taken(&mut self, key: &Key, problem: String, now: Timestamp) {
        let delay = self.queue.back_off_within(LONGEST_DELAY, key, now);
        let said = self.queue.failures(key) >= SAID_AFTER && !key.is_sweep();
        let before = self.not_taken.insert(key.clone(), Waiting { again: now + delay, said });
        if self.condition.not_taken.is_none() {
            tracing::warn!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
        } else {
            tracing::debug!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
        }
        if said {
            self.condition.not_taken = Some(problem);
            if before.is_none_or(|before| !before.said) {
                self.tell_concerned(key, now);
            }
            self.queue.push(key.clone(), Priority::Live);
        }
    }

    /// The directory took an operation.
    pub(super) fn takes_again(&mut self) {
        if self.condition.not_taken.take().is_some() {
            tracing::info!("the directory takes operations again");
        }
    }

    /// An object has come to rest: whatever was not taken has been, or is not asked for any more.
    pub(super) fn taken(&mut self, key: &Key, now: Timestamp) {
        if self.not_taken.remove(key).is_some_and(|waiting| waiting.said) {
            self.tell_concerned(key, now);
        }
        if self.not_taken.is_empty() {
            self.takes_again();
        }
    }

    /// Until when an object is left alone, as its operation was not taken.
    pub(super) fn waits_for_the_directory(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        self.not_taken.get(key).filter(|waiting| waiting.said && waiting.again > now).map(|waiting| waiting.again)
    }

    /// Whether the directory does not reflect a partner or a share, for somebody's operation was not taken: one of the
    /// partner's guests, one who holds an account through the share.
    pub(super) fn is_behind(&self, key: &Key) -> bool {
        let said = |key: &Key| self.not_taken.get(key).is_some_and(|waiting| waiting.said);
        match key.kind {
            Kind::Membership => false,
            Kind::Partner => self.not_taken.keys().any(|other| {
                other.kind == Kind::Membership && said(other) && self.index.partner_of(other).as_ref() == Some(key)
            }),
            Kind::Share => {
                let uid = self.index.metadata(key).and_then(|meta| meta.uid.as_deref()).unwrap_or_default();
                let marks = self.mirror.holders(uid).filter_map(|guest| guest.mark.as_ref());
                marks
                    .into_iter()
                    .any(|mark| said(&Key::new(Kind::Membership, mark.namespace.as_str(), mark.name.as_str())))
            }
        }
    }

    /// What it means for others is to be looked at: the partner, and its shares.
    fn tell_concerned(&mut self, key: &Key, now: Timestamp) {
        let slot = self.index.membership(&key.namespace, &key.name).filter(|_| key.kind == Kind::Membership);
        let address = slot.and_then(Slot::read).and_then(|entry| entry.reading.terms.email.clone());
        for concerned in address.map(|address| self.index.touched_by_guest(&address).counts).into_iter().flatten() {
            self.count_later(concerned, now);
        }
    }
}
