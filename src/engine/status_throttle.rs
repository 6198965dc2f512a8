//! The rate of writes of counts in the status of a partner or a share. They are written when its guests have converged,
//! or every few seconds until then.

use jiff::{SignedDuration, Timestamp};

use crate::cache::{CacheEntry, ObjectRef};
use crate::engine::{Engine, Priority};

/// Minimum interval between writes of the counts of a partner or a share, while its guests have not converged.
const COUNT_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
impl Engine {
    pub(super) fn count_later(&mut self, key: ObjectRef, now: Timestamp) {
        let due = self.last_status_write.get(&key).map_or(now, |written| *written + COUNT_INTERVAL);
        self.pending_status.entry(key).or_insert(due.max(now));
    }

    /// Updates the counts of the partner and the shares after the status of a membership changed, also because of time
    /// alone.
    pub(super) fn count_again(&mut self, membership: &ObjectRef, now: Timestamp) {
        let entry = self.objects.membership(&membership.namespace, &membership.name).and_then(CacheEntry::read);
        let Some(entry) = entry else { return };
        let counting = self.objects.counting(&membership.namespace, &entry.reading.terms.partner);
        let declared: Vec<ObjectRef> = counting.filter(|key| self.objects.metadata(key).is_some()).collect();
        for key in declared {
            self.count_later(key, now);
        }
    }

    pub(super) fn count_now(&mut self, now: Timestamp) {
        let due: Vec<ObjectRef> =
            self.pending_status.iter().filter(|(_, due)| **due <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            // The first counts wait until the guests have converged, or for the interval.
            let waited = self.last_status_write.contains_key(&key) || self.queue.is_idle();
            self.pending_status.remove(&key);
            if waited {
                self.queue.push(key, Priority::Live);
            } else {
                self.last_status_write.insert(key.clone(), now);
                self.count_later(key, now);
            }
        }
    }

    /// Whether a change of counts alone may be written now: the guests have converged, or the interval has passed.
    pub(super) fn may_write_counts(&self, key: &ObjectRef, now: Timestamp) -> bool {
        let alone = self.queue.depth() == 0 && self.queue.running() <= 1;
        alone || self.last_status_write.get(key).is_none_or(|written| *written + COUNT_INTERVAL <= now)
    }
}
