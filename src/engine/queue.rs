//! The queue: plain data with time as an argument. Each key is queued at most once and runs at most once at a time. A
//! key that is queued while it runs, runs again. The order is first in, first out within a priority.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};

use jiff::{SignedDuration, Timestamp};

use crate::cache::ObjectRef;

/// A key to reconcile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueKey {
    /// An object.
    Object(ObjectRef),
    /// Garbage collection: the records that no object declares.
    GarbageCollection,
}

impl QueueKey {
    /// The object, if the key is one.
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::Object(object) => Some(object),
            Self::GarbageCollection => None,
        }
    }
}

impl From<ObjectRef> for QueueKey {
    fn from(object: ObjectRef) -> Self {
        Self::Object(object)
    }
}

impl From<&ObjectRef> for QueueKey {
    fn from(object: &ObjectRef) -> Self {
        Self::Object(object.clone())
    }
}

impl From<&Self> for QueueKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

impl fmt::Display for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::GarbageCollection => f.write_str("garbage collection"),
        }
    }
}

/// The priority of a key; lower values run first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// The change may revoke access.
    Withhold,
    /// The object or its facts changed.
    Live,
    /// A check of all objects.
    Resync,
}

const LANES: [Priority; 3] = [Priority::Withhold, Priority::Live, Priority::Resync];
const FIRST_DELAY: SignedDuration = SignedDuration::from_millis(250);
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(60);

/// The number of failures of a key, and the end of its last delay.
#[derive(Debug)]
struct Failed {
    times: u32,
    until: Timestamp,
}

/// The priority of a queued key, and since when it has been queued.
#[derive(Clone, Copy, Debug)]
struct QueuedKey {
    priority: Priority,
    since: Timestamp,
}

/// The keys to run.
#[derive(Debug, Default)]
pub struct Queue {
    /// The instant of the present calls.
    now: Timestamp,
    lanes: [VecDeque<QueueKey>; 3],
    queued: BTreeMap<QueueKey, QueuedKey>,
    /// Since when keys have been queued → the number of these keys.
    queued_since: BTreeMap<Timestamp, usize>,
    running: BTreeSet<QueueKey>,
    again: BTreeMap<QueueKey, Priority>,
    timers: BTreeMap<QueueKey, Timestamp>,
    due: BTreeSet<(Timestamp, QueueKey)>,
    failures: BTreeMap<QueueKey, Failed>,
}

impl Queue {
    /// Sets the instant of the following calls.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Queues a key, or moves it to a higher priority.
    pub fn push(&mut self, key: impl Into<QueueKey>, priority: Priority) {
        let key = key.into();
        if self.running.contains(&key) {
            let again = self.again.entry(key).or_insert(priority);
            *again = priority.min(*again);
            return;
        }
        let known = self.queued.get(&key).copied();
        if known.is_some_and(|known| known.priority <= priority) {
            return;
        }
        self.lanes[priority as usize].push_back(key.clone());
        let since = known.map_or(self.now, |known| known.since);
        if known.is_none() {
            *self.queued_since.entry(since).or_default() += 1;
        }
        self.queued.insert(key, QueuedKey { priority, since });
    }

    /// The next key to run; it counts as running until [`Queue::done`].
    pub fn pop(&mut self) -> Option<QueueKey> {
        for lane in LANES {
            while let Some(key) = self.lanes[lane as usize].pop_front() {
                // A key that moved to a higher priority leaves an entry in its old lane.
                if let Some(QueuedKey { since, .. }) = self.queued.get(&key).copied().filter(|it| it.priority == lane) {
                    self.queued.remove(&key);
                    self.left(since);
                    self.running.insert(key.clone());
                    self.set_timer(&key, None);
                    return Some(key);
                }
            }
        }
        None
    }

    /// A key that was queued since this instant no longer is.
    fn left(&mut self, since: Timestamp) {
        if let Some(count) = self.queued_since.get_mut(&since) {
            *count -= 1;
            if *count == 0 {
                self.queued_since.remove(&since);
            }
        }
    }

    /// Since when the oldest queued key has been queued. `None`: no key is queued.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.queued_since.first_key_value().map(|(since, _)| *since)
    }

    /// Ends a run. A key that was queued meanwhile is queued again.
    pub fn done(&mut self, key: &QueueKey) {
        self.running.remove(key);
        if let Some(priority) = self.again.remove(key) {
            self.push(key, priority);
        }
    }

    /// Resets the back-off of a key that has converged.
    pub fn reset_backoff(&mut self, key: impl Into<QueueKey>) {
        self.failures.remove(&key.into());
    }

    /// Runs a key again at an instant, or sooner.
    pub fn at(&mut self, key: impl Into<QueueKey>, instant: Timestamp) {
        let key = key.into();
        let earlier = self.timers.get(&key).is_none_or(|timer| instant < *timer);
        if earlier {
            self.set_timer(&key, Some(instant));
        }
    }

    /// Runs a key again with back-off. The delay is the same for the same key and count, so it can be replayed.
    pub fn back_off(&mut self, key: impl Into<QueueKey>, now: Timestamp) -> SignedDuration {
        self.back_off_within(LONGEST_DELAY, key, now)
    }

    /// Like [`Queue::back_off`], with a maximum delay. A key that runs before its delay has passed, and fails, keeps
    /// that delay.
    pub fn back_off_within(
        &mut self,
        longest: SignedDuration,
        key: impl Into<QueueKey>,
        now: Timestamp,
    ) -> SignedDuration {
        let key = key.into();
        let failed = self.failures.entry(key.clone()).or_insert(Failed { times: 0, until: now });
        // Limits the delay if the clock was set back since.
        let pending = failed.until.duration_since(now).min(longest * 2);
        let delay = if pending.is_positive() {
            pending
        } else {
            let delay = (FIRST_DELAY * 2_i32.pow(failed.times.min(10))).min(longest);
            failed.times = failed.times.saturating_add(1);
            let mut hasher = DefaultHasher::new();
            (&key, failed.times).hash(&mut hasher);
            let jitter = i32::try_from(hasher.finish() % 256).unwrap_or(0);
            delay + delay * jitter / 1024
        };
        failed.until = now + delay;
        self.at(key, now + delay);
        delay
    }

    /// The keys that have failed and have not converged since.
    pub fn failing(&self) -> impl Iterator<Item = &QueueKey> {
        self.failures.keys()
    }

    /// The number of keys that have failed and have not converged since.
    pub fn failing_count(&self) -> usize {
        self.failures.len()
    }

    /// Whether a key has failed and has not converged since.
    pub fn is_failing(&self, key: &QueueKey) -> bool {
        self.failures.contains_key(key)
    }

    /// Queues the keys that are due.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some((instant, key)) = self.due.first().cloned() {
            if instant > now {
                break;
            }
            self.set_timer(&key, None);
            self.push(key, Priority::Live);
        }
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(instant, _)| *instant)
    }

    /// Removes the timer and the back-off of a key.
    pub fn forget(&mut self, key: impl Into<QueueKey>) {
        let key = key.into();
        self.set_timer(&key, None);
        self.failures.remove(&key);
    }

    /// Whether nothing is queued and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.queued.is_empty() && self.running.is_empty()
    }

    /// The number of queued keys.
    pub fn depth(&self) -> usize {
        self.queued.len()
    }

    /// The number of running keys.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn set_timer(&mut self, key: &QueueKey, instant: Option<Timestamp>) {
        if let Some(old) = self.timers.remove(key) {
            self.due.remove(&(old, key.clone()));
        }
        if let Some(instant) = instant {
            self.timers.insert(key.clone(), instant);
            self.due.insert((instant, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Kind;

    #[test]
    fn depth_counts_queued_keys_and_running_those_taken() {
        let mut queue = Queue::default();
        for name in ["a", "b", "b", "c"] {
            queue.push(key(name), Priority::Live);
        }
        assert_eq!((queue.depth(), queue.running()), (3, 0));
        queue.pop();
        queue.pop();
        assert_eq!((queue.depth(), queue.running()), (1, 2));
        queue.done(&key("a"));
        assert_eq!((queue.depth(), queue.running()), (1, 1));
    }

    fn key(name: &str) -> QueueKey {
        ObjectRef::new(Kind::Membership, "ns", name).into()
    }

    fn now() -> Timestamp {
        "2027-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn keys_come_out_once_in_order_of_priority_and_arrival() {
        let mut queue = Queue::default();
        queue.push(key("a"), Priority::Resync);
        queue.push(key("b"), Priority::Live);
        queue.push(key("c"), Priority::Live);
        queue.push(key("b"), Priority::Live);
        queue.push(key("a"), Priority::Withhold);
        let order: Vec<_> =
            std::iter::from_fn(|| queue.pop()).map(|key| key.object().unwrap().name.to_string()).collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn oldest_key_keeps_its_age_when_it_moves_up() {
        let (mut queue, later) = (Queue::default(), now() + SignedDuration::from_secs(5));
        assert_eq!(queue.oldest(), None);
        queue.set_now(now());
        queue.push(key("a"), Priority::Resync);
        queue.set_now(later);
        queue.push(key("b"), Priority::Live);
        queue.push(key("a"), Priority::Withhold);
        assert_eq!((queue.oldest(), queue.depth()), (Some(now()), 2));
        assert_eq!((queue.pop(), queue.oldest()), (Some(key("a")), Some(later)));
        // A key that runs again is as old as the end of its run.
        queue.push(key("a"), Priority::Live);
        assert_eq!((queue.pop(), queue.oldest()), (Some(key("b")), None));
        queue.set_now(later + SignedDuration::from_secs(5));
        queue.done(&key("a"));
        assert_eq!(queue.oldest(), Some(later + SignedDuration::from_secs(5)));
    }

    #[test]
    fn key_touched_while_running_reruns_and_never_concurrently() {
        let mut queue = Queue::default();
        queue.push(key("a"), Priority::Live);
        assert_eq!(queue.pop(), Some(key("a")));
        queue.push(key("a"), Priority::Live);
        queue.push(key("a"), Priority::Withhold);
        assert_eq!(queue.pop(), None);
        queue.done(&key("a"));
        assert_eq!(queue.pop(), Some(key("a")));
        queue.done(&key("a"));
        assert!(queue.is_idle());
    }

    #[test]
    fn rerun_takes_the_highest_priority_of_the_time_it_ran() {
        for (first, then) in [(Priority::Resync, Priority::Withhold), (Priority::Withhold, Priority::Resync)] {
            let mut queue = Queue::default();
            queue.push(key("a"), Priority::Live);
            assert_eq!(queue.pop(), Some(key("a")));
            queue.push(key("a"), first);
            queue.push(key("a"), then);
            queue.push(key("b"), Priority::Live);
            queue.done(&key("a"));
            assert_eq!([queue.pop(), queue.pop()], [Some(key("a")), Some(key("b"))]);
        }
    }

    #[test]
    fn the_earlier_of_two_timers_counts_and_fires_once() {
        let mut queue = Queue::default();
        let soon = now() + SignedDuration::from_secs(1);
        queue.at(key("a"), now() + SignedDuration::from_secs(9));
        queue.at(key("a"), soon);
        assert_eq!(queue.next_due(), Some(soon));
        queue.tick(now());
        assert_eq!(queue.pop(), None);
        queue.tick(soon);
        assert_eq!(queue.pop(), Some(key("a")));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn delays_of_many_keys_are_spread_over_a_quarter() {
        let delay = |number: i32| Queue::default().back_off(key(&number.to_string()), now());
        let delays: BTreeSet<SignedDuration> = (0..100).map(delay).collect();
        assert!(delays.len() > 50, "{delays:?}");
        assert!(
            delays.iter().all(|delay| *delay >= FIRST_DELAY && *delay < FIRST_DELAY + FIRST_DELAY / 4),
            "{delays:?}"
        );
    }

    #[test]
    fn failures_back_off_up_to_a_limit_and_success_resets_the_delay() {
        let mut queue = Queue::default();
        let mut then = now();
        let mut fail = |queue: &mut Queue| {
            let delay = queue.back_off(key("a"), then);
            // A failure before the delay has passed does not increase the delay.
            let early = then + delay / 2;
            assert_eq!(early + queue.back_off(key("a"), early), then + delay);
            then += delay;
            delay
        };
        let delays: Vec<_> = (0..12).map(|_| fail(&mut queue)).collect();
        assert!(delays.windows(2).take(7).all(|pair| pair[0] < pair[1]));
        assert!(delays.iter().all(|delay| *delay <= LONGEST_DELAY * 2));
        queue.reset_backoff(key("a"));
        assert_eq!(fail(&mut queue), delays[0]);
    }
}
