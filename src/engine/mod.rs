//! The engine: one owner of everything that is known, a state machine without I/O. Inputs come in, tasks go out; the
//! shell runs the tasks and feeds their outcomes back. A reconcile can never see a world older than the event that
//! caused it, and the same inputs give the same tasks.

mod behind;
mod early;
mod failures;
mod freshness;
mod gc;
mod invitations;
mod logged;
pub mod message;
mod observe;
mod panics;
mod policy;
pub mod queue;
mod status;
pub mod status_change;
mod status_throttle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::cache::{Dependents, Kind, Object, ObjectCache, ObjectRef, has_finalizer, resource_version};
use crate::directory::{Changed, DirectoryCache, Owner, PartnerId};
use crate::domain::Email;
pub use crate::engine::message::*;
use crate::engine::queue::{Priority, Queue};
use crate::plan::gc::{self as sweeping, GarbageCollection, Orphan};
use crate::plan::{self, AvailableFacts, Event, Finalizer, Inputs, InvitationQueue, Plan, PruneScope};
use crate::workspace_policy::WorkspacePolicy;
use failures::Retained;

/// How many tasks a key may take on its way to rest before it has to wait: a plan that never comes to rest must not
/// keep everybody busy.
const MOST_ROUNDS: u32 = 12;

/// How long to wait for the Lease to be renewed.
const TERM: SignedDuration = SignedDuration::from_millis(500);

/// How an object is planned. Injectable, so that wrong planners can be shown to be caught.
pub type Planner = fn(Inputs<'_>, &ObjectRef) -> Plan;

/// How the sweep is planned. Tests inject wrong ones.
pub type GarbageCollector = fn(Inputs<'_>) -> GarbageCollection;

/// How far a key has come since it began.
#[derive(Debug, Default)]
struct Round {
    number: u32,
    /// The resourceVersion with which the server answered our last write: the object is no older than that.
    answered: Option<u64>,
    /// The guest was read alone since it began, before the directory was read in full.
    looked: bool,
}

/// Everything that is known, and what is to be done.
pub struct Engine {
    /// What is declared.
    pub index: ObjectCache,
    /// What was observed.
    pub mirror: DirectoryCache,
    /// The policy in force.
    pub workspace: WorkspacePolicy,
    /// Who we are.
    pub owner: Owner,
    /// What is to be run.
    pub queue: Queue,
    /// What the operator tells about itself.
    pub health: EngineHealth,
    planner: Planner,
    sweeper: GarbageCollector,
    extent: PruneScope,
    workers: usize,
    seen_versions: BTreeMap<Kind, u64>,
    /// Kinds whose watch has come to a bookmark since the list: a list alone may come from a cache that lags.
    bookmarked: BTreeSet<Kind>,
    pending_status: BTreeMap<ObjectRef, Timestamp>,
    last_status_write: BTreeMap<ObjectRef, Timestamp>,
    rounds: BTreeMap<ObjectRef, Round>,
    unreadable_reported: BTreeMap<ObjectRef, status::UnreadableReport>,
    not_taken: BTreeMap<ObjectRef, failures::FailedOperation>,
    written_since_loading: (BTreeSet<Email>, BTreeSet<PartnerId>),
    /// Who was looked up by himself since the directory was read in full.
    rechecked: BTreeSet<Email>,
    orphans: BTreeSet<Orphan>,
    invitations: InvitationQueue,
    /// UIDs of memberships whose record somebody else changed.
    drifted: BTreeSet<String>,
    logged: logged::Logged,
    fatal: Option<String>,
    /// The statuses were compared with the directory.
    compared: bool,
    /// Objects whose task panicked: the directory may have done a part of it, so they are read again first.
    unsure: BTreeSet<ObjectRef>,
    /// Since when the directory has not been read in full.
    unread: early::Unread,
    /// How many plans panicked.
    planner_panics: u64,
}

impl Engine {
    /// Knows nothing yet.
    pub fn new(owner: Owner, workspace: WorkspacePolicy, workers: usize) -> Self {
        Self {
            index: ObjectCache::default(),
            mirror: DirectoryCache::default(),
            workspace,
            owner,
            queue: Queue::default(),
            health: EngineHealth::default(),
            planner: plan::plan,
            sweeper: sweeping::plan,
            extent: PruneScope::Everything,
            workers,
            seen_versions: BTreeMap::new(),
            bookmarked: BTreeSet::new(),
            pending_status: BTreeMap::new(),
            last_status_write: BTreeMap::new(),
            rounds: BTreeMap::new(),
            unreadable_reported: BTreeMap::new(),
            not_taken: BTreeMap::new(),
            written_since_loading: Default::default(),
            rechecked: BTreeSet::new(),
            orphans: BTreeSet::new(),
            invitations: InvitationQueue::default(),
            drifted: BTreeSet::new(),
            logged: logged::Logged::default(),
            fatal: None,
            compared: false,
            unsure: BTreeSet::new(),
            unread: early::Unread::default(),
            planner_panics: 0,
        }
    }

    /// Plans by another function.
    #[must_use]
    pub fn with_planner(mut self, planner: Planner) -> Self {
        self.planner = planner;
        self
    }

    /// Plans the sweep by another function.
    #[must_use]
    pub fn with_sweeper(mut self, sweeper: GarbageCollector) -> Self {
        self.sweeper = sweeper;
        self
    }

    /// Takes what is declared for less than all there is.
    #[must_use]
    pub fn with_extent(mut self, extent: PruneScope) -> Self {
        self.extent = extent;
        self
    }

    /// Why everything stops, where it does.
    pub fn stopped(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// Who is withheld for want of a method by what is known of him since the directory was read in full.
    pub fn closer(&self) -> &BTreeSet<Email> {
        &self.rechecked
    }

    /// Takes an input in.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        let changes_orphans = match &input {
            Input::Listed { .. }
            | Input::Applied { .. }
            | Input::Deleted { .. }
            | Input::Loaded(_)
            | Input::Observed(_) => true,
            Input::Done { key, outcome } => !key.is_garbage_collection() && !outcome.effects.is_empty(),
            Input::Bookmark { .. }
            | Input::WatchFailed { .. }
            | Input::Loading
            | Input::Reading(_)
            | Input::DirectoryDown(_)
            | Input::Policy(_) => false,
        };
        match input {
            Input::Listed { kind, objects, frontier } => {
                self.seen_versions.insert(kind, frontier);
                self.bookmarked.remove(&kind);
                let first = self.health.listed.insert(kind.as_str());
                self.health.problems.remove(kind.as_str());
                let touched = self.index.replace(kind, objects);
                self.touch(touched, if first { Priority::Resync } else { Priority::Live }, now);
                self.compare_statuses();
                self.compare_again(None);
                self.begin();
            }
            Input::Applied { object, frontier } => {
                self.advance(object.kind(), frontier);
                let priority = urgency(&object);
                let uid = object.metadata().uid.clone().unwrap_or_default();
                let touched = self.index.apply(*object);
                self.touch(touched, priority, now);
                self.compare_again(Some(&uid));
            }
            Input::Deleted { key, uid, frontier } => {
                self.advance(key.kind, frontier);
                let touched = self.index.delete(&key, &uid);
                self.queue.forget(&key);
                self.logged.annotations.remove(&key);
                self.health.panicking.remove(&key);
                self.touch(touched, Priority::Withhold, now);
                self.compare_again(Some(&uid));
            }
            Input::Bookmark { kind, frontier } => {
                self.bookmarked.insert(kind);
                self.advance(kind, frontier);
            }
            Input::WatchFailed { kind, problem } => {
                // It is tried again every few seconds: the same is not said each time.
                if self.health.problems.get(kind.as_str()) != Some(&problem) {
                    tracing::warn!(kind = kind.as_str(), "{problem}");
                }
                self.health.problems.insert(kind.as_str(), problem);
            }
            Input::Loading => {
                self.written_since_loading = Default::default();
                self.not_read_yet(now);
            }
            Input::Reading(progress) => self.health.reading = Some(progress),
            Input::Loaded(load) => {
                self.load(*load, now);
                self.compare_statuses();
                self.compare_again(None);
                self.report_wide_patterns();
            }
            Input::Observed(changes) => {
                // What we did ourselves is not among it.
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

    /// When the last list comes in, everything is looked at.
    fn begin(&mut self) {
        if self.is_complete() {
            self.touch_all(Priority::Resync);
        }
    }

    /// Queues everything.
    fn touch_all(&mut self, priority: Priority) {
        for kind in Kind::ALL {
            for key in self.index.keys(kind).collect::<Vec<_>>() {
                self.queue.push(key, priority);
            }
        }
    }

    fn advance(&mut self, kind: Kind, frontier: u64) {
        let known = self.seen_versions.entry(kind).or_insert(0);
        *known = frontier.max(*known);
    }

    fn touch(&mut self, touched: Dependents, priority: Priority, now: Timestamp) {
        for key in touched.keys {
            self.queue.push(key, priority);
        }
        for key in touched.counts {
            self.count_later(key, now);
        }
    }

    fn world(&self, now: Timestamp) -> Inputs<'_> {
        Inputs {
            declared: &self.index,
            observed: &self.mirror,
            workspace: &self.workspace,
            owner: &self.owner,
            directory_available: self.health.directory,
            unsent: false,
            invitations: &self.invitations,
            scope: AvailableFacts::ALL,
            extent: self.extent,
            now,
        }
    }

    /// The tasks that can start now.
    pub fn tasks(&mut self, now: Timestamp) -> Vec<(ObjectRef, Task)> {
        let early = self.revokes_early(now);
        if self.fatal.is_some() || !(self.is_complete() || early) {
            return Vec::new();
        }
        if early {
            self.begin_early();
        }
        self.queue.tick(now);
        self.count_now(now);
        let mut tasks = Vec::new();
        while self.queue.running() < self.workers {
            let Some(key) = self.queue.pop() else {
                if self.pending_status.is_empty() || !self.queue.is_idle() {
                    break;
                }
                // Everybody has come to rest: what is counted is final.
                for key in std::mem::take(&mut self.pending_status).into_keys() {
                    self.queue.push(key, Priority::Live);
                }
                continue;
            };
            match self.advance_key(&key, now) {
                Some(task) => tasks.push((key, task)),
                None => self.queue.done(&key),
            }
        }
        tasks
    }

    /// What failed, or went round and round, and has not come to rest since.
    pub fn failing(&self) -> impl Iterator<Item = &ObjectRef> {
        self.queue.failing()
    }

    /// The next task of a running key. `None`: it has come to rest.
    fn advance_key(&mut self, key: &ObjectRef, now: Timestamp) -> Option<Task> {
        if key.is_garbage_collection() {
            return self.advance_gc(now);
        }
        if self.index.metadata(key).is_none() {
            self.sends_nothing(key, now);
            self.forget(key);
            return None;
        }
        let round = self.rounds.entry(key.clone()).or_default();
        round.number += 1;
        if round.number > MOST_ROUNDS {
            self.rounds.remove(key);
            let delay = self.queue.back_off(key, now);
            tracing::warn!(%key, delay_ms = delay.as_millis(), "does not come to rest; later");
            return None;
        }
        if self.revokes_early(now)
            && let Some(task) = self.advance_early(key, now)
        {
            return Some(task);
        }
        if !self.is_complete() {
            self.rounds.remove(key);
            return None;
        }
        if let Some(address) = self.address_to_read_again(key) {
            return Some(Task::Look(address));
        }
        self.report_annotations(key, now);
        let mut plan = self.planned(key, Retained::Nothing, now)?;
        let waits = self.waits_for_the_directory(key, &plan, now);
        if let Some((_, kept)) = waits {
            plan = self.planned(key, kept, now)?;
        }
        // While it is not known what became of its operation, it keeps its turn.
        if !matches!(waits, Some((_, Retained::Everything | Retained::Object | Retained::Refused))) {
            self.take_turn(key, &plan, now);
        }
        let meta = self.index.metadata(key)?;
        let version = meta.resource_version.clone().unwrap_or_default();
        let finalizers: Vec<String> = meta.finalizers.clone();
        let ours = has_finalizer(&meta.finalizers);
        let leaving = meta.deletion_timestamp.is_some();
        if let Some(next) = plan.next_check {
            self.queue.at(key, next);
        }
        if plan.finalizer == Finalizer::Hold && !ours && !leaving {
            let finalizers = finalizers.into_iter().chain([crate::api::FINALIZER.to_owned()]).collect();
            return Some(Task::Finalizer { finalizers, version });
        }
        let drifted = meta.uid.as_ref().is_some_and(|uid| self.drifted.remove(&**uid));
        if !plan.steps.is_empty() {
            let checks = self.checks(key, &plan);
            let Plan { steps, basis, events: mut notices, .. } = plan;
            notices.extend(drifted.then_some(Event::CORRECTED));
            return Some(Task::Execute { checks, steps, basis, notices });
        }
        if let Some(address) = plan.closer.take().filter(|address| self.rechecked.insert(address.clone())) {
            return Some(Task::Look(address));
        }
        if !plan.deletions.is_empty() {
            return Some(Task::Delete(plan.deletions));
        }
        if plan.finalizer == Finalizer::Release && ours {
            let finalizers = finalizers.into_iter().filter(|finalizer| finalizer != crate::api::FINALIZER).collect();
            return Some(Task::Finalizer { finalizers, version });
        }
        if waits.is_none() && self.is_behind(key) {
            plan = self.planned(key, Retained::Everything, now)?;
        }
        if let Some(task) = plan.status.and_then(|status| self.status_task(key, &status, plan.events, now)) {
            return Some(task);
        }
        self.rounds.remove(key);
        match waits {
            Some((again, _)) => self.queue.at(key, again),
            None => {
                self.queue.rest(key);
                self.health.panicking.remove(key);
                self.taken(key, now);
            }
        }
        None
    }

    /// A task is over: take in what it brought, and go on.
    fn done(&mut self, key: &ObjectRef, outcome: TaskOutcome, now: Timestamp) {
        let TaskOutcome { objects, effects, reread, failure } = outcome;
        if let Some(round) = self.rounds.get_mut(key) {
            round.looked &= failure.is_none();
            let answer = objects.iter().find(|object| object.key() == *key).filter(|_| failure.is_none());
            round.answered =
                answer.and_then(|object| resource_version::number(object.metadata().resource_version.as_deref()));
        }
        for object in objects {
            // We only write what is declared. What the index has no more was deleted while the answer was on its way;
            // taken in, it would stay for ever, for no event comes to remove it.
            let known = self
                .index
                .metadata(&object.key())
                .is_some_and(|known| known.uid.as_deref() == object.metadata().uid.as_deref());
            if known {
                let touched = self.index.apply(object);
                self.touch(touched, Priority::Live, now);
            }
        }
        if !effects.is_empty() {
            self.takes_again();
        }
        for effect in effects {
            let touched = self.take_in(effect, now);
            self.touch(touched, Priority::Live, now);
        }
        for change in reread {
            let touched = self.observe(change, true, now);
            self.touch(touched, Priority::Live, now);
        }
        if let Some(failure) = &failure {
            self.failed_to_send(key, failure, now);
        }
        if failure.is_none()
            && let Some(told) = self.unreadable_reported.get_mut(key)
        {
            told.written = true;
        }
        match failure {
            None | Some(Failure::Replan) => self.queue.push(key.clone(), Priority::Withhold),
            Some(Failure::NotFound) => {}
            Some(Failure::Conflict) => {
                let delay = self.queue.back_off(key, now);
                tracing::debug!(%key, delay_ms = delay.as_millis(), "behind the API server; later");
            }
            Some(Failure::Permanent(problem)) => {
                tracing::error!(%key, "{problem}; nothing is tried until something changes");
            }
            Some(Failure::Retry(problem)) => {
                let delay = self.queue.back_off(key, now);
                tracing::warn!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
            }
            Some(Failure::OperationFailed(operation, problem)) => {
                self.not_taken(key, &operation, Retained::Everything, problem, now);
            }
            Some(Failure::Unwritable(operation, problem)) => {
                self.not_taken(key, &operation, Retained::Object, problem, now);
            }
            Some(Failure::Refused(operation, problem)) => {
                self.not_taken(key, &operation, Retained::Refused, problem, now)
            }
            Some(Failure::MailNotSent(operation, problem)) => {
                self.not_taken(key, &operation, Retained::Mail, problem, now)
            }
            Some(Failure::Panicked(message)) => {
                self.unsure.insert(key.clone());
                self.panicked(key, &message, now);
            }
            Some(Failure::NotLeading) => {
                tracing::debug!(%key, "our term is over; tried again soon");
                self.queue.at(key, now + TERM);
            }
            Some(Failure::RetryAfter(after, problem)) => {
                tracing::warn!(%key, ?after, "{problem}; tried again then");
                self.queue.at(key, now + after);
            }
            Some(Failure::Stop(problem)) => self.fatal = Some(problem),
        }
        self.queue.done(key);
    }
}

/// What was changed may take access away: an object on its way out, suspended, excluded. Everything declared is as
/// urgent as that, but for objects that are new.
fn urgency(object: &Object) -> Priority {
    let new = object.metadata().generation == Some(1) && object.metadata().deletion_timestamp.is_none();
    if new { Priority::Live } else { Priority::Withhold }
}

/// The directory's hints, as what has to be read.
pub fn wanted(changed: &BTreeSet<Changed>) -> Option<Vec<&Changed>> {
    (!changed.contains(&Changed::Everything)).then(|| changed.iter().collect())
}
