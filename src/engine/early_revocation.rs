//! Revokes before the directory is read in full. A listing that is slow or fails must not delay a revocation. The
//! operator reads each affected guest individually, and executes the plan of [`plan::revoke`] on that record. All other
//! operations wait for the full read.

use jiff::{SignedDuration, Timestamp};

use crate::cache::{CacheEntry, ObjectRef};
use crate::domain::Email;
use crate::engine::queue::Priority;
use crate::engine::{Engine, Kind, Task, panics};
use crate::plan::{self, Plan};

/// How long a full read may take or fail before the operator reads single guests. Most full reads are faster.
const SLOW: SignedDuration = SignedDuration::from_secs(10);

/// The time since which a full read has been due.
#[derive(Debug, Default)]
pub(super) struct EarlyRevocationState {
    since: Option<Timestamp>,
    /// All memberships were queued for an early revocation.
    begun: bool,
}

impl Engine {
    /// Whether all facts for a first plan are known.
    pub(super) fn is_complete(&self) -> bool {
        self.is_listed() && self.directory_was_read()
    }

    /// Whether every collection has been listed in full.
    pub(super) fn is_listed(&self) -> bool {
        self.health.unlisted.is_empty()
    }

    pub(super) fn directory_was_read(&self) -> bool {
        self.health.directory || self.health.problems.contains_key("DirectoryUnavailable")
    }

    /// Records that a full read begins, or failed.
    pub(super) fn not_read_yet(&mut self, now: Timestamp) {
        if !self.health.directory {
            self.early_revocation.since.get_or_insert(now);
        }
    }

    /// Records that the directory was read in full.
    pub(super) fn is_read(&mut self) {
        self.early_revocation = EarlyRevocationState::default();
        self.health.reading = None;
    }

    /// Whether the operator reads single guests: all objects are listed, and the full read has taken longer than
    /// [`SLOW`].
    pub(super) fn revokes_early(&self, now: Timestamp) -> bool {
        self.early_since().is_some_and(|since| since <= now)
    }

    fn early_since(&self) -> Option<Timestamp> {
        let since = self.early_revocation.since.filter(|_| self.is_listed() && !self.health.directory)?;
        since.checked_add(SLOW).ok()
    }

    /// When early revocation begins. `None`: it has begun, or is not due.
    pub(super) fn early_at(&self) -> Option<Timestamp> {
        self.early_since().filter(|_| !self.early_revocation.begun)
    }

    /// Whether early revocation has begun.
    pub(super) fn has_begun_early(&self) -> bool {
        self.early_revocation.begun && !self.health.directory
    }

    /// Queues every membership, once.
    pub(super) fn begin_early(&mut self) {
        if std::mem::replace(&mut self.early_revocation.begun, true) {
            return;
        }
        tracing::warn!("the directory is not read in full yet: access that the specs end is revoked guest by guest");
        for key in self.objects.keys(Kind::Membership).collect::<Vec<_>>() {
            self.queue.push(key, Priority::Resync);
        }
    }

    /// When the engine is due without an input.
    pub fn next_check(&self) -> Option<Timestamp> {
        let early = self.early_at();
        if !self.is_complete() && !self.has_begun_early() {
            // Nothing else runs before that. A timer that is due would wake the loop all the time.
            return early;
        }
        self.queue.next_due().into_iter().chain(self.pending_status.values().min().copied()).chain(early).min()
    }

    /// The next task that revokes access that the specs end. `None`: nothing is left to revoke, as far as is known.
    pub(super) fn advance_early(&mut self, key: &ObjectRef, now: Timestamp) -> Option<Task> {
        if let Some(again) = self.backoff_end(key, now) {
            self.queue.at(key, again);
            return None;
        }
        let (address, known) = self.record_of(key)?;
        let looked = self.rounds.get(key).is_some_and(|round| round.was_read);
        let inputs = self.inputs(now);
        let planned = panics::catch_panic(|| (plan::revoke::plan(inputs, key), plan::revoke::may_revoke(inputs, key)));
        let (plan, may_revoke) = planned
            .map_err(|message| self.planner_panicked(&key.into(), &message, now))
            .unwrap_or((Plan::nothing(), false));
        if let Some(next) = plan.next_check {
            self.queue.at(key, next);
        }
        if !looked && (!plan.steps.is_empty() || (!known && may_revoke)) {
            self.rounds.entry(key.clone()).or_default().was_read = true;
            return Some(Task::Read(address));
        }
        if plan.steps.is_empty() {
            self.rounds.remove(key);
            return None;
        }
        let checks = self.checks(key, &plan);
        let Plan { steps, basis, events, .. } = plan;
        Some(Task::Execute { checks, steps, basis, events })
    }

    /// The address of a membership's guest, and whether its record is known.
    fn record_of(&self, key: &ObjectRef) -> Option<(Email, bool)> {
        let entry = self.objects.membership(&key.namespace, &key.name).filter(|_| key.kind == Kind::Membership)?;
        let entry = CacheEntry::read(entry)?;
        let recorded = self.directory.live_by_uid(entry.metadata.uid.as_deref().unwrap_or_default());
        if let Some(record) = recorded {
            return Some((record.address.clone(), true));
        }
        let address = entry.reading.terms.email.clone()?;
        let known = self.directory.guest(&address).is_some();
        Some((address, known))
    }
}
