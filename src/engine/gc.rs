//! Schedule and reports of garbage collection. It has a queue key of its own, and no object.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::cache::ObjectRef;
use crate::directory::OwnershipMark;
use crate::engine::queue::QueueKey;
use crate::engine::{Check, Engine, Priority, Task, panics};
use crate::plan::gc::{GarbageCollection, Orphan};
use crate::plan::{PruneScope, Step};

/// The delay after a change. Garbage collection checks every guest, so one run covers a burst of changes.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// Maximum number of steps, and of orphans, in one task.
const BATCH: usize = 200;
const ORPHANS_AT_ONCE: usize = 20;
/// Maximum number of orphans in one line of the log.
const NAMED: usize = 50;

impl Engine {
    /// Schedules garbage collection after a change that may affect it.
    pub(super) fn schedule_gc(&mut self, now: Timestamp) {
        // Nothing runs before all objects are listed. A timer that is due would wake the loop all the time.
        if self.is_complete() {
            self.queue.at(QueueKey::GarbageCollection, now + PAUSE);
        }
    }

    /// Queues garbage collection now.
    pub fn gc_now(&mut self) {
        self.queue.push(QueueKey::GarbageCollection, Priority::Resync);
    }

    /// The next task of garbage collection. `None`: it has converged.
    pub(super) fn advance_gc(&mut self, now: Timestamp) -> Option<Task> {
        if !self.health.directory {
            return None;
        }
        let collection = match panics::catch_panic(|| (self.garbage_collector)(self.inputs(now))) {
            Ok(collection) => collection,
            Err(message) => {
                self.planner_panicked(&QueueKey::GarbageCollection, &message, now);
                return None;
            }
        };
        if let Some(next) = collection.next_check {
            self.queue.at(QueueKey::GarbageCollection, next);
        }
        self.report_orphans(&collection);
        self.report_unwatched(collection.unwatched);
        let GarbageCollection { revocations, mut steps, .. } = collection;
        // Revocations come first. They read the objects live, so that an outdated view revokes nothing.
        if !revocations.is_empty() {
            let few = || revocations.iter().take(ORPHANS_AT_ONCE);
            let checks = few().map(|(key, _)| self.as_declared(key)).collect();
            let steps: Vec<Step> = few().flat_map(|(_, steps)| steps.iter().cloned()).collect();
            return Some(Task::Execute { checks, steps, basis: None, events: Vec::new() });
        }
        steps.truncate(BATCH);
        if !steps.is_empty() {
            return Some(Task::Execute { checks: Vec::new(), steps, basis: None, events: Vec::new() });
        }
        self.queue.reset_backoff(QueueKey::GarbageCollection);
        self.health.panicking.remove(&QueueKey::GarbageCollection);
        self.clear_failure(&QueueKey::GarbageCollection, now);
        None
    }

    /// Checks that an object is as the object cache has it: absent, or unchanged.
    fn as_declared(&self, key: &ObjectRef) -> Check {
        match self.objects.metadata(key) {
            Some(meta) => Check::unchanged(key.clone(), meta),
            None => Check::Absent { key: key.clone() },
        }
    }

    /// Logs the orphans when they change, and reports in readiness if they exceed the limit.
    fn report_orphans(&mut self, collection: &GarbageCollection) {
        let orphans: BTreeSet<Orphan> = collection.orphans.iter().cloned().collect();
        self.health.orphans = orphans.len();
        if collection.too_many_orphans {
            self.health.problems.insert("TooManyOrphans", self.too_many_orphans(collection));
        } else {
            self.health.problems.remove("TooManyOrphans");
        }
        if orphans == self.orphans {
            return;
        }
        let names: Vec<_> = orphans
            .iter()
            .take(NAMED)
            .map(|Orphan { namespace, name, address }| format!("{namespace}/{name} ({address})"))
            .collect();
        let (count, guests, names) = (orphans.len(), collection.guests, names.join(", "));
        match (orphans.is_empty(), collection.too_many_orphans) {
            (true, _) => tracing::info!("no guest is orphaned"),
            (false, true) => {
                tracing::error!(count, guests, "TooManyOrphans: nothing declares {names}; they are left as they are");
            }
            (false, false) => {
                tracing::warn!(count, guests, "Orphaned: no membership declares {names}; their access is withheld");
            }
        }
        self.orphans = orphans;
    }

    /// Logs how many guests belong to namespaces that are not watched, when the number changes.
    fn report_unwatched(&mut self, count: usize) {
        if count != self.unwatched {
            tracing::info!(count, "live guests belong to namespaces that are not watched; their access stays as it is");
        }
        self.unwatched = count;
    }

    /// The message for too many orphans, with the fix.
    fn too_many_orphans(&self, collection: &GarbageCollection) -> String {
        let (gone, guests) = (collection.orphans.len(), collection.guests);
        if self.prune_scope == PruneScope::Everything {
            return format!(
                "{gone} of {guests} guests in the directory have no membership; their access stays as it is. \
                 Restore the memberships; only if they are gone for good, remove the ownership marks of these guests with \
                 guestlist detach --orphans"
            );
        }
        let before = match collection.pruned {
            0 => String::new(),
            pruned => format!(", after {pruned} that were removed for this reason in the last 24 hours"),
        };
        format!(
            "{gone} of {guests} guests in the directory are declared by no file{before}; their access stays as it \
             is. Declare them again, or remove them with --max-removals {}",
            gone + collection.pruned
        )
    }

    /// Stops the engine at an ownership mark of another installation or cluster. Such records are not orphans and must
    /// not change.
    pub(super) fn stop_at_foreign_mark<'a>(&mut self, marks: impl Iterator<Item = &'a OwnershipMark>) {
        let ours =
            |mark: &&OwnershipMark| mark.installation == self.owner.installation && mark.cluster == self.owner.cluster;
        let mut foreign = marks.filter(|mark| !ours(mark));
        if let Some(mark) = foreign.next() {
            self.fatal = Some(format!(
                "ForeignDirectory: {}/{} in the directory has the ownership mark of installation {:?} (cluster {}), and this is {:?} \
                 (cluster {}); nothing was changed. Use another directory, or adopt this one: guestlist detach --adopt-directory",
                mark.namespace, mark.name, mark.installation, mark.cluster, self.owner.installation, self.owner.cluster
            ));
        }
    }
}
