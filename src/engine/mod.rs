//! The engine: one owner of all known facts, a state machine without I/O. Inputs come in, tasks go out. The executor
//! runs the tasks and returns their outcomes as inputs. A reconcile never reads a state older than the event that
//! triggered it. The same inputs produce the same tasks.

mod advance;
mod early_revocation;
mod failures;
mod freshness;
mod gc;
mod invitations;
mod logged;
pub mod message;
mod missing_guests;
mod observe;
mod outcome;
mod panics;
mod policy;
pub mod queue;
mod readiness;
mod reconciles;
mod stats;
mod status;
pub mod status_change;
mod status_throttle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cache::{Collection, Dependents, Kind, Object, ObjectCache, ObjectRef, WatchedNamespaces};
use crate::directory::{Changed, DirectoryCache, Owner, PartnerId};
use crate::domain::Email;
pub use crate::engine::message::*;
use crate::engine::queue::{Priority, Queue, QueueKey};
pub use crate::engine::readiness::ReadinessProblem;
pub use crate::engine::reconciles::{Reconcile, ReconcileOutcome};
pub use crate::engine::stats::EngineStats;
use crate::plan::gc::{GarbageCollection, Orphan, plan as collect_garbage};
use crate::plan::{self, AvailableFacts, Inputs, InvitationQueue, Plan, PruneScope};
use crate::workspace_policy::WorkspacePolicy;
use failures::Retained;

/// Maximum number of tasks in a row for one key. A plan that never converges must not occupy all workers.
const MOST_ROUNDS: u32 = 12;

/// The function that plans an object. Tests inject faulty ones, to show that they are detected.
pub type Planner = fn(Inputs<'_>, &ObjectRef) -> Plan;

/// The function that plans garbage collection. Tests inject faulty ones.
pub type GarbageCollector = fn(Inputs<'_>) -> GarbageCollection;

/// The progress of a key since its reconcile began.
#[derive(Debug, Default)]
struct Round {
    number: u32,
    /// The resourceVersion that the server returned for our last write. The object is at least as new.
    answered: Option<u64>,
    /// The guest was read individually since the reconcile began, before the directory was read in full.
    was_read: bool,
}

/// All known facts, and the pending work.
pub struct Engine {
    /// The declared objects.
    objects: ObjectCache,
    /// The directory's records.
    directory: DirectoryCache,
    /// The policy in force.
    workspace: WorkspacePolicy,
    /// The installation and cluster.
    owner: Owner,
    /// The keys to reconcile.
    queue: Queue,
    health: EngineHealth,
    planner: Planner,
    garbage_collector: GarbageCollector,
    prune_scope: PruneScope,
    namespaces: WatchedNamespaces,
    workers: usize,
    seen_versions: BTreeMap<Collection, u64>,
    /// Collections whose watch has sent a bookmark since the list. A list alone may come from an outdated cache.
    bookmarked: BTreeSet<Collection>,
    pending_status: BTreeMap<ObjectRef, Timestamp>,
    last_status_write: BTreeMap<ObjectRef, Timestamp>,
    rounds: BTreeMap<ObjectRef, Round>,
    unreadable_reported: BTreeMap<ObjectRef, status::UnreadableReport>,
    failures: BTreeMap<QueueKey, failures::FailedOperation>,
    written_since_loading: (BTreeSet<Email>, BTreeSet<PartnerId>),
    /// The guests that were read individually since the directory was read in full.
    rechecked: BTreeSet<Email>,
    orphans: BTreeSet<Orphan>,
    /// The number of live guests of namespaces that are not watched.
    unwatched: usize,
    invitations: InvitationQueue,
    /// UIDs of memberships whose record another party changed.
    drifted: BTreeSet<String>,
    logged: logged::Logged,
    fatal: Option<String>,
    /// Whether the statuses were compared with the directory.
    compared: bool,
    /// Objects whose task panicked. The directory may have done a part of it, so their records are read again first.
    unsure: BTreeSet<ObjectRef>,
    /// The time since which a full read has been due.
    early_revocation: early_revocation::EarlyRevocationState,
    /// The number of plans that panicked.
    planner_panics: u64,
    /// When the directory was last read in full.
    directory_read_at: Option<Timestamp>,
    reconciles: reconciles::Reconciles,
}

impl Engine {
    /// An engine without any facts.
    pub fn new(owner: Owner, workspace: WorkspacePolicy, workers: usize) -> Self {
        Self {
            objects: ObjectCache::default(),
            directory: DirectoryCache::default(),
            workspace,
            owner,
            queue: Queue::default(),
            health: EngineHealth { unlisted: WatchedNamespaces::All.collections(), ..EngineHealth::default() },
            planner: plan::plan,
            garbage_collector: collect_garbage,
            prune_scope: PruneScope::Everything,
            namespaces: WatchedNamespaces::All,
            workers,
            seen_versions: BTreeMap::new(),
            bookmarked: BTreeSet::new(),
            pending_status: BTreeMap::new(),
            last_status_write: BTreeMap::new(),
            rounds: BTreeMap::new(),
            unreadable_reported: BTreeMap::new(),
            failures: BTreeMap::new(),
            written_since_loading: Default::default(),
            rechecked: BTreeSet::new(),
            orphans: BTreeSet::new(),
            unwatched: 0,
            invitations: InvitationQueue::default(),
            drifted: BTreeSet::new(),
            logged: logged::Logged::default(),
            fatal: None,
            compared: false,
            unsure: BTreeSet::new(),
            early_revocation: early_revocation::EarlyRevocationState::default(),
            planner_panics: 0,
            directory_read_at: None,
            reconciles: reconciles::Reconciles::default(),
        }
    }

    /// Replaces the planner.
    #[must_use]
    pub fn with_planner(mut self, planner: Planner) -> Self {
        self.planner = planner;
        self
    }

    /// Replaces the planner of garbage collection.
    #[must_use]
    pub fn with_garbage_collector(mut self, collector: GarbageCollector) -> Self {
        self.garbage_collector = collector;
        self
    }

    /// Sets how far the declared objects are complete.
    #[must_use]
    pub fn with_prune_scope(mut self, prune_scope: PruneScope) -> Self {
        self.prune_scope = prune_scope;
        self
    }

    /// Sets the namespaces whose objects are declared here.
    #[must_use]
    pub fn with_namespaces(mut self, namespaces: WatchedNamespaces) -> Self {
        self.health.unlisted = namespaces.collections();
        self.namespaces = namespaces;
        self
    }

    /// The declared objects.
    pub fn objects(&self) -> &ObjectCache {
        &self.objects
    }

    /// The directory's records.
    pub fn directory(&self) -> &DirectoryCache {
        &self.directory
    }

    /// The policy in force.
    pub fn workspace(&self) -> &WorkspacePolicy {
        &self.workspace
    }

    /// The installation and cluster.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The pending work.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The data for readiness.
    pub fn health(&self) -> &EngineHealth {
        &self.health
    }

    /// Replaces the problems of the directory that do not stop any operation.
    pub fn set_warnings(&mut self, warnings: Vec<String>) {
        self.health.warnings = warnings;
    }

    /// The facts of an engine that has converged.
    pub fn into_facts(self) -> (ObjectCache, DirectoryCache) {
        (self.objects, self.directory)
    }

    /// The cause, if the engine has stopped for good.
    pub fn fatal_error(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// The guests whose MFA was read individually, because a method is missing, since the directory was read in full.
    pub fn rechecked(&self) -> &BTreeSet<Email> {
        &self.rechecked
    }

    /// Processes an input.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.queue.set_now(now);
        let changes_orphans = match &input {
            Input::Listed { .. }
            | Input::Applied { .. }
            | Input::Deleted { .. }
            | Input::Loaded(_)
            | Input::Observed(_) => true,
            Input::Done { key, outcome } => key.object().is_some() && !outcome.effects.is_empty(),
            Input::Bookmark { .. }
            | Input::WatchFailed { .. }
            | Input::Loading
            | Input::Reading(_)
            | Input::DirectoryDown(_)
            | Input::Policy(_) => false,
        };
        match input {
            Input::Listed { collection, objects, version } => {
                self.bookmarked.remove(&collection);
                let first = self.health.unlisted.remove(&collection);
                self.health.watch_problems.remove(&collection);
                let touched = self.objects.replace(&collection, objects);
                self.seen_versions.insert(collection, version);
                self.touch(touched, if first { Priority::Resync } else { Priority::Live }, now);
                self.compare_statuses();
                self.compare_again(None);
                self.queue_all_when_complete();
            }
            Input::Applied { object, version } => {
                self.advance(self.namespaces.collection_of(&object.key()), version);
                let priority = urgency(&object);
                let uid = object.metadata().uid.clone().unwrap_or_default();
                let touched = self.objects.apply(*object);
                self.touch(touched, priority, now);
                self.compare_again(Some(&uid));
            }
            Input::Deleted { key, uid, version } => {
                self.advance(self.namespaces.collection_of(&key), version);
                let touched = self.objects.delete(&key, &uid);
                self.queue.forget(&key);
                self.logged.annotations.remove(&key);
                self.health.panicking.remove(&QueueKey::from(&key));
                self.touch(touched, Priority::Withhold, now);
                self.compare_again(Some(&uid));
            }
            Input::Bookmark { collection, version } => {
                self.bookmarked.insert(collection.clone());
                self.advance(collection, version);
            }
            Input::WatchFailed { collection, problem } => {
                // A retry follows every few seconds, so the same problem is logged only once.
                if self.health.watch_problems.get(&collection) != Some(&problem) {
                    tracing::warn!(
                        kind = collection.kind.as_str(),
                        namespace = collection.namespace.as_deref(),
                        "{problem}"
                    );
                }
                self.health.watch_problems.insert(collection, problem);
            }
            Input::Loading => {
                self.written_since_loading = Default::default();
                self.not_read_yet(now);
            }
            Input::Reading(progress) => self.health.reading = Some(progress),
            Input::Loaded(snapshot) => {
                self.load(*snapshot, now);
                self.compare_statuses();
                self.compare_again(None);
                self.report_wide_patterns();
            }
            Input::Observed(changes) => {
                // Changes by our own operations are not among them.
                for change in changes {
                    self.note_drift(&change);
                    let touched = self.observe(change, true, now);
                    self.touch(touched, Priority::Withhold, now);
                }
                self.compare_again(None);
            }
            Input::DirectoryDown(fault) => self.directory_down(&fault, now),
            Input::Policy(news) => self.policy(news),
            Input::Done { key, outcome } => self.done(&key, *outcome, now),
        }
        if changes_orphans {
            self.schedule_gc(now);
        }
    }

    /// Queues all objects once the last list has arrived.
    fn queue_all_when_complete(&mut self) {
        if self.is_complete() {
            self.touch_all(Priority::Resync);
        }
    }

    /// Queues all objects.
    fn touch_all(&mut self, priority: Priority) {
        for kind in Kind::ALL {
            for key in self.objects.keys(kind).collect::<Vec<_>>() {
                self.queue.push(key, priority);
            }
        }
    }

    fn advance(&mut self, collection: Collection, version: u64) {
        let known = self.seen_versions.entry(collection).or_insert(0);
        *known = version.max(*known);
    }

    fn touch(&mut self, touched: Dependents, priority: Priority, now: Timestamp) {
        for key in touched.keys {
            self.queue.push(key, priority);
        }
        for key in touched.counts {
            self.count_later(key, now);
        }
    }

    fn inputs(&self, now: Timestamp) -> Inputs<'_> {
        Inputs {
            declared: &self.objects,
            observed: &self.directory,
            workspace: &self.workspace,
            owner: &self.owner,
            directory_available: self.health.directory,
            unsent: false,
            invitations: &self.invitations,
            scope: AvailableFacts::ALL,
            prune_scope: self.prune_scope,
            namespaces: &self.namespaces,
            now,
        }
    }

    /// The tasks that can start now.
    pub fn tasks(&mut self, now: Timestamp) -> Vec<(TaskSubject, Task)> {
        let early = self.revokes_early(now);
        if self.fatal.is_some() || !(self.is_complete() || early) {
            return Vec::new();
        }
        if early {
            self.begin_early();
        }
        self.queue.set_now(now);
        self.queue.tick(now);
        self.count_now(now);
        let mut tasks = Vec::new();
        self.start_queued(&mut tasks, now);
        if self.queue.is_idle() {
            // All keys have converged, so the counts are final.
            for key in std::mem::take(&mut self.pending_status).into_keys() {
                self.queue.push(key, Priority::Live);
            }
            self.start_queued(&mut tasks, now);
        }
        tasks
    }

    /// Starts the tasks of the queued keys, as long as workers are free.
    fn start_queued(&mut self, tasks: &mut Vec<(TaskSubject, Task)>, now: Timestamp) {
        while self.queue.running() < self.workers
            && let Some(key) = self.queue.pop()
        {
            self.reconcile_runs(&key, now);
            let panics = self.planner_panics;
            let task = match &key {
                QueueKey::Object(object) => self.advance_object(object, now),
                QueueKey::GarbageCollection => self.advance_gc(now),
            };
            match task {
                Some(task) => tasks.push((TaskSubject::of(&self.objects, key), task)),
                None => {
                    self.reconcile_rests(&key, panics, now);
                    self.queue.done(&key);
                }
            }
        }
    }
}

/// The priority of a change. A change may revoke access: an object is being deleted, suspended, or excludes a guest.
/// Only new objects have a lower priority.
fn urgency(object: &Object) -> Priority {
    let new = object.metadata().generation == Some(1) && object.metadata().deletion_timestamp.is_none();
    if new { Priority::Live } else { Priority::Withhold }
}

/// The records to read, from the directory's change events. `None`: a full read.
pub fn wanted(changed: &BTreeSet<Changed>) -> Option<Vec<&Changed>> {
    (!changed.contains(&Changed::Everything)).then(|| changed.iter().collect())
}
