//! The engine: one owner of everything that is known, a state machine without I/O. Inputs come in, tasks go out; the
//! shell runs the tasks and feeds their outcomes back. A reconcile can never see a world older than the event that
//! caused it, and the same inputs give the same tasks.

mod sweep;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

pub use super::exchange::*;
use super::queue::{Priority, Queue};
use super::status::{self, Difference};
use crate::directory::{
    AccountRecord, Changed, DESTROYED_KEPT, Effect, Fault, GuestRecord, MAILS_KEPT, MfaRecord, Mirror, Operation,
    Owner, PartnerId, Weight,
};
use crate::index::{Declared, Index, Key, Kind, Touched, has_finalizer};
use crate::plan::sweep::Orphan;
use crate::plan::{self, Extent, Finalizer, Notice, Plan, Scope, Step, World};
use crate::rules::Email;
use crate::workspace::Workspace;

/// How often the counts of a partner or a share are written at most while its guests are not at rest.
const COUNT_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// How many tasks a key may take on its way to rest before it has to wait: a plan that never comes to rest must not
/// keep everybody busy.
const MOST_ROUNDS: u32 = 12;

/// What an object that does not read was told, so that it is told once.
#[derive(Debug, PartialEq)]
struct Told {
    uid: Option<String>,
    generation: Option<i64>,
    written: bool,
}

/// How an object is planned. Injectable, so that wrong planners can be shown to be caught.
pub type Planner = fn(World<'_>, &Key) -> Plan;

/// Everything that is known, and what is to be done.
pub struct Engine {
    /// What is declared.
    pub index: Index,
    /// What was observed.
    pub mirror: Mirror,
    /// The policy in force.
    pub workspace: Workspace,
    /// Who we are.
    pub owner: Owner,
    /// What is to be run.
    pub queue: Queue,
    /// What the operator tells about itself.
    pub condition: Condition,
    planner: Planner,
    extent: Extent,
    workers: usize,
    frontiers: BTreeMap<Kind, u64>,
    /// Kinds whose watch has come to a bookmark since the list: a list alone may come from a cache that lags.
    proven: BTreeSet<Kind>,
    counts: BTreeMap<Key, Timestamp>,
    written: BTreeMap<Key, Timestamp>,
    rounds: BTreeMap<Key, u32>,
    told: BTreeMap<Key, Told>,
    written_since_loading: (BTreeSet<Email>, BTreeSet<PartnerId>),
    orphans: BTreeSet<Orphan>,
    stopped: Option<String>,
}

impl Engine {
    /// Knows nothing yet.
    pub fn new(owner: Owner, workspace: Workspace, workers: usize) -> Self {
        Self {
            index: Index::default(),
            mirror: Mirror::default(),
            workspace,
            owner,
            queue: Queue::default(),
            condition: Condition::default(),
            planner: plan::plan,
            extent: Extent::Everything,
            workers,
            frontiers: BTreeMap::new(),
            proven: BTreeSet::new(),
            counts: BTreeMap::new(),
            written: BTreeMap::new(),
            rounds: BTreeMap::new(),
            told: BTreeMap::new(),
            written_since_loading: Default::default(),
            orphans: BTreeSet::new(),
            stopped: None,
        }
    }

    /// Plans by another function.
    #[must_use]
    pub fn with_planner(mut self, planner: Planner) -> Self {
        self.planner = planner;
        self
    }

    /// Takes what is declared for less than all there is.
    #[must_use]
    pub fn with_extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// Why everything stops, where it does.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Takes an input in.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Listed { kind, objects, frontier } => {
                self.frontiers.insert(kind, frontier);
                self.proven.remove(&kind);
                let first = self.condition.listed.insert(kind.as_str());
                self.condition.problems.remove(kind.as_str());
                let touched = self.index.replace(kind, objects);
                self.touch(touched, if first { Priority::Resync } else { Priority::Live }, now);
                self.sweep_later(now);
                self.begin();
            }
            Input::Applied { object, frontier } => {
                self.advance(object.kind(), frontier);
                let priority = urgency(&object);
                let touched = self.index.apply(*object);
                self.touch(touched, priority, now);
                self.sweep_later(now);
            }
            Input::Deleted { key, uid, frontier } => {
                self.advance(key.kind, frontier);
                let touched = self.index.delete(&key, &uid);
                self.queue.forget(&key);
                self.touch(touched, Priority::Withhold, now);
                self.sweep_later(now);
            }
            Input::Bookmark { kind, frontier } => {
                self.proven.insert(kind);
                self.advance(kind, frontier);
            }
            Input::WatchFailed { kind, problem } => {
                tracing::warn!(kind = kind.as_str(), "{problem}");
                self.condition.problems.insert(kind.as_str(), problem);
            }
            Input::Loading => self.written_since_loading = Default::default(),
            Input::Loaded(load) => self.load(*load, now),
            Input::Observed(changes) => {
                for change in changes {
                    let touched = self.observe(change, true, now);
                    self.touch(touched, Priority::Withhold, now);
                }
                self.sweep_later(now);
            }
            Input::DirectoryDown(fault) => self.directory_down(&fault),
            Input::Policy(news) => self.policy(news),
            Input::Done { key, outcome } => self.done(&key, *outcome, now),
        }
    }

    /// Whether everything needed for a first plan is known.
    fn is_complete(&self) -> bool {
        self.condition.listed.len() == Kind::ALL.len() && self.mirror_is_loaded()
    }

    fn mirror_is_loaded(&self) -> bool {
        self.condition.directory || self.condition.problems.contains_key("DirectoryUnavailable")
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
        let known = self.frontiers.entry(kind).or_insert(0);
        *known = frontier.max(*known);
    }

    fn touch(&mut self, touched: Touched, priority: Priority, now: Timestamp) {
        for key in touched.keys {
            self.queue.push(key, priority);
        }
        for key in touched.counts {
            self.count_later(key, now);
        }
    }

    fn count_later(&mut self, key: Key, now: Timestamp) {
        let due = self.written.get(&key).map_or(now, |written| *written + COUNT_INTERVAL);
        self.counts.entry(key).or_insert(due.max(now));
    }

    fn load(&mut self, load: Load, now: Timestamp) {
        self.stop_at_foreign_mark(
            load.guests.iter().filter_map(|guest| guest.mark.as_ref()).chain(load.partners.iter().map(|p| &p.mark)),
        );
        let first = !self.condition.directory;
        let mut changes = Vec::new();
        let listed: BTreeSet<Email> = load.guests.iter().map(|guest| guest.address.clone()).collect();
        let gone: Vec<Email> = self
            .mirror
            .guests()
            .map(|guest| guest.address.clone())
            .filter(|address| !listed.contains(address))
            .collect();
        changes.extend(gone.into_iter().map(|address| Now::Guest(address, None)));
        changes.extend(load.guests.into_iter().map(|guest| Now::Guest(guest.address.clone(), Some(Box::new(guest)))));
        let partners: BTreeSet<_> = load.partners.iter().map(|partner| partner.id.clone()).collect();
        let gone = self.mirror.partners().map(|partner| partner.id.clone()).filter(|id| !partners.contains(id));
        changes.extend(gone.collect::<Vec<_>>().into_iter().map(|id| Now::Partner(id, None)));
        changes.extend(load.partners.into_iter().map(|p| Now::Partner(p.id.clone(), Some(Box::new(p)))));
        let accounts: BTreeSet<_> = load.accounts.iter().map(|account| account.name.clone()).collect();
        let gone = self.mirror.accounts().map(|account| account.name.clone()).filter(|name| !accounts.contains(name));
        changes.extend(gone.collect::<Vec<_>>().into_iter().map(|name| Now::Account(name, None)));
        changes.extend(load.accounts.into_iter().map(|a| Now::Account(a.name.clone(), Some(a))));
        let users: BTreeSet<Email> = load.users.iter().map(|user| user.email.clone()).collect();
        let left: Vec<Email> =
            self.mirror.users().map(|user| user.email.clone()).filter(|email| !users.contains(email)).collect();
        changes.extend(left.into_iter().map(|email| Now::User(email, None)));
        changes.extend(load.users.into_iter().map(|user| Now::User(user.email.clone(), Some(user))));
        for change in changes {
            // What we wrote while the reading went on is newer than what it read.
            let stale = match &change {
                Now::Guest(address, _) => self.written_since_loading.0.contains(address),
                Now::Partner(id, _) => self.written_since_loading.1.contains(id),
                Now::Account(..) | Now::User(..) | Now::Destroyed(_) => false,
            };
            if !stale {
                let touched = self.observe(change, true, now);
                if !first {
                    self.touch(touched, Priority::Live, now);
                }
            }
        }
        for mail in load.mails {
            self.mirror.set_mail(&mail.address, mail.at);
        }
        self.mirror.set_shares(load.shares);
        self.mirror.set_destroyed(&load.destroyed);
        let ago = |age| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        self.mirror.forget_before(ago(MAILS_KEPT), ago(DESTROYED_KEPT));
        self.condition.directory = true;
        if self.condition.problems.remove("DirectoryUnavailable").is_some() {
            tracing::info!("the directory answers again");
        }
        self.sweep_later(now);
        if first && self.is_complete() {
            self.touch_all(Priority::Resync);
        }
    }

    /// Takes in what something is now; what that touches. `outside`: somebody else did it.
    fn observe(&mut self, change: Now, outside: bool, now: Timestamp) -> Touched {
        match change {
            Now::Guest(address, record) => {
                let old = self.mirror.guest(&address);
                let newer = |old: &GuestRecord| {
                    record.as_ref().is_some_and(|new| new.id == old.id && new.revision < old.revision)
                };
                if old == record.as_deref() || old.is_some_and(newer) {
                    return Touched::default();
                }
                let old = old.cloned();
                let freed = old.as_ref().is_some_and(GuestRecord::is_live)
                    && !record.as_deref().is_some_and(GuestRecord::is_live);
                let unknown = record.as_ref().is_some_and(|guest| guest.mfa == MfaRecord::Unknown);
                self.mirror.set_guest(&address, record.map(|record| *record));
                self.mirror.set_mfa_unknown_since(&address, unknown.then_some(now));
                let mut touched = self.index.touched_by_guest(&address);
                let departed = old.as_ref().filter(|old| !old.is_live());
                if let Some((old, mark)) = departed.and_then(|old| Some((old, old.mark.as_ref()?))) {
                    touched.merge(self.index.touched_by_departed(&mark.namespace, &old.partner_name, &mark.name));
                }
                if let Some((mark, name)) =
                    old.filter(|_| freed).and_then(|old| old.mark.map(|mark| (mark, old.partner_name)))
                {
                    touched.merge(self.index.touched_by_place(&mark.namespace, &name));
                }
                touched
            }
            Now::Partner(id, record) => {
                let old = self.mirror.partner(&id).cloned();
                if old.as_ref() == record.as_deref() {
                    return Touched::default();
                }
                let mark = record.as_deref().or(old.as_ref()).map(|record| record.mark.clone());
                // What its memberships wait for is the record; a new name or Host Admin is nothing to them.
                let matters = outside
                    || old.as_ref().map(|old| old.deactivated_at) != record.as_ref().map(|new| new.deactivated_at);
                self.mirror.set_partner(&id, record.map(|record| *record));
                let matters = mark.filter(|_| matters);
                matters.map(|mark| self.index.touched_by_partner(&mark.namespace, &mark.name)).unwrap_or_default()
            }
            Now::Account(name, record) => {
                if self.mirror.account(&name) == record.as_ref() {
                    return Touched::default();
                }
                let owners =
                    |record: Option<&AccountRecord>| record.map(|account| account.owners.clone()).unwrap_or_default();
                let mut concerned = owners(self.mirror.account(&name));
                concerned.extend(owners(record.as_ref()));
                self.mirror.set_account(&name, record);
                let mut touched = self.index.touched_by_account(&name);
                for owner in concerned {
                    touched.merge(self.index.touched_by_user(&owner));
                }
                touched
            }
            Now::User(email, record) => {
                if self.mirror.user(&email) == record.as_ref() {
                    return Touched::default();
                }
                self.mirror.set_user(&email, record);
                self.index.touched_by_user(&email)
            }
            Now::Destroyed(destroyed) => {
                self.mirror.set_destroyed(&destroyed);
                Touched::default()
            }
        }
    }

    fn directory_down(&mut self, fault: &Fault) {
        if let Fault::Foreign { .. } | Fault::Fenced = fault {
            self.stopped = Some(fault.to_string());
            return;
        }
        let first = !self.condition.problems.contains_key("DirectoryUnavailable");
        self.condition.directory = false;
        self.condition.problems.insert("DirectoryUnavailable", fault.to_string());
        if first {
            tracing::error!(%fault, "DirectoryUnavailable: what was true is kept until it answers");
            self.begin();
        }
    }

    fn policy(&mut self, news: Result<Box<Workspace>, String>) {
        match news {
            Ok(workspace) => {
                if workspace.installation() != self.owner.installation {
                    let problem = format!(
                        "the policy names installation {:?} now, this operator runs {:?}; restart it to change that",
                        workspace.installation(),
                        self.owner.installation
                    );
                    return self.policy_unreadable(problem);
                }
                self.condition.problems.remove("PolicyUnreadable");
                if self.workspace != *workspace {
                    tracing::info!("the workspace policy changed; everything is looked at again");
                    self.workspace = *workspace;
                    self.touch_all(Priority::Withhold);
                    self.queue.push(Key::sweep(), Priority::Resync);
                }
            }
            Err(problem) => self.policy_unreadable(problem),
        }
    }

    fn policy_unreadable(&mut self, problem: String) {
        if self.condition.problems.get("PolicyUnreadable") != Some(&problem) {
            tracing::error!(
                "PolicyUnreadable: {problem}; the last good policy stays in force and nothing new is given"
            );
        }
        self.condition.problems.insert("PolicyUnreadable", problem);
        if self.workspace.is_readable() {
            self.workspace.set_readable(false);
            self.touch_all(Priority::Live);
        }
    }

    fn world(&self, now: Timestamp) -> World<'_> {
        World {
            declared: &self.index,
            observed: &self.mirror,
            workspace: &self.workspace,
            owner: &self.owner,
            directory_available: self.condition.directory,
            scope: Scope::ALL,
            extent: self.extent,
            now,
        }
    }

    /// The tasks that can start now.
    pub fn tasks(&mut self, now: Timestamp) -> Vec<(Key, Task)> {
        if self.stopped.is_some() || !self.is_complete() {
            return Vec::new();
        }
        self.queue.tick(now);
        self.count_now(now);
        let mut tasks = Vec::new();
        while self.queue.running() < self.workers {
            let Some(key) = self.queue.pop() else {
                if self.counts.is_empty() || !self.queue.is_idle() {
                    break;
                }
                // Everybody has come to rest: what is counted is final.
                for key in std::mem::take(&mut self.counts).into_keys() {
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

    /// When something happens by itself.
    pub fn next_look(&self) -> Option<Timestamp> {
        self.queue.next_due().into_iter().chain(self.counts.values().min().copied()).min()
    }

    fn count_now(&mut self, now: Timestamp) {
        let due: Vec<Key> = self.counts.iter().filter(|(_, due)| **due <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            // A first count waits until its guests have come to rest, or for the interval.
            let waited = self.written.contains_key(&key) || self.queue.is_idle();
            if waited {
                self.counts.remove(&key);
                self.queue.push(key, Priority::Live);
            } else {
                self.counts.insert(key.clone(), now + COUNT_INTERVAL);
                self.written.insert(key, now);
            }
        }
    }

    /// The next task of a running key. `None`: it has come to rest.
    fn advance_key(&mut self, key: &Key, now: Timestamp) -> Option<Task> {
        if key.is_sweep() {
            return self.advance_sweep(now);
        }
        let rounds = self.rounds.entry(key.clone()).or_insert(0);
        *rounds += 1;
        if *rounds > MOST_ROUNDS {
            self.rounds.remove(key);
            let delay = self.queue.back_off(key, now);
            tracing::warn!(%key, ?delay, "does not come to rest; later");
            return None;
        }
        let plan = (self.planner)(self.world(now), key);
        let Some(meta) = self.index.metadata(key) else {
            self.queue.forget(key);
            self.rounds.remove(key);
            self.counts.remove(key);
            self.written.remove(key);
            self.told.remove(key);
            return None;
        };
        let version = meta.resource_version.clone().unwrap_or_default();
        let finalizers: Vec<String> = meta.finalizers.clone().unwrap_or_default();
        let ours = has_finalizer(meta);
        let leaving = meta.deletion_timestamp.is_some();
        if let Some(next) = plan.next_look {
            self.queue.at(key, next);
        }
        if plan.finalizer == Finalizer::Hold && !ours && !leaving {
            let finalizers = finalizers.into_iter().chain([crate::api::FINALIZER.to_owned()]).collect();
            return Some(Task::Finalizer { finalizers, version });
        }
        if !plan.steps.is_empty() {
            let checks = self.checks(key, &plan);
            return Some(Task::Execute { checks, steps: plan.steps, basis: plan.basis, notices: plan.notices });
        }
        if !plan.deletions.is_empty() {
            return Some(Task::Delete(plan.deletions));
        }
        if plan.finalizer == Finalizer::Release && ours {
            let finalizers = finalizers.into_iter().filter(|finalizer| finalizer != crate::api::FINALIZER).collect();
            return Some(Task::Finalizer { finalizers, version });
        }
        if let Some(task) = plan.status.and_then(|status| self.status_task(key, &status, plan.notices, now)) {
            return Some(task);
        }
        self.rounds.remove(key);
        self.queue.rest(key);
        None
    }

    fn status_task(&mut self, key: &Key, status: &plan::Status, notices: Vec<Notice>, now: Timestamp) -> Option<Task> {
        let meta = self.index.metadata(key)?;
        if self.index.is_unreadable(key) {
            // What is stored cannot be compared; it is told once.
            let told = Told { uid: meta.uid.clone(), generation: meta.generation, written: true };
            if self.told.get(key) == Some(&told) {
                return None;
            }
            self.told.insert(key.clone(), Told { written: false, ..told });
            return Some(Task::Status { patch: status::whole(meta, status), notices });
        }
        match status::difference(&self.index, key, status) {
            Difference::None => {
                self.counts.remove(key);
                None
            }
            Difference::Counts if !self.may_count(key, now) => {
                self.count_later(key.clone(), now);
                None
            }
            Difference::Counts | Difference::More => {
                self.written.insert(key.clone(), now);
                Some(Task::Status { patch: status::patch(&self.index, key, status)?, notices })
            }
        }
    }

    /// Whether a change of mere counts may be written now: its guests are at rest, or the interval is over.
    fn may_count(&self, key: &Key, now: Timestamp) -> bool {
        let alone = self.queue.depth() == 0 && self.queue.running() <= 1;
        alone || self.written.get(key).is_none_or(|written| *written + COUNT_INTERVAL <= now)
    }

    /// What has to be made sure of before a plan gives or ends something.
    fn checks(&self, key: &Key, plan: &Plan) -> Vec<Check> {
        let heaviest = plan.steps.iter().map(|step| step.operation.weight()).max();
        match heaviest {
            Some(Weight::Give) => self.freshness(key, &plan.steps),
            // An object on its way out does not come back; but a partner's guests are judged by who names it.
            Some(Weight::End)
                if key.kind == Kind::Partner && self.index.member_count(&key.namespace, &key.name) == 0 =>
            {
                vec![Check::NoMembers { partner: key.clone() }]
            }
            Some(Weight::End | Weight::Keep | Weight::Take) | None => Vec::new(),
        }
    }

    /// Before something is given, each watch has reached the newest object that it was planned on, or the objects are
    /// read live.
    fn freshness(&self, key: &Key, steps: &[Step]) -> Vec<Check> {
        let mut keys = BTreeSet::from([key.clone()]);
        keys.extend(self.index.partner_of(key));
        for step in steps {
            if let Operation::Give { grants, .. } = &step.operation {
                for grant in grants {
                    keys.insert(Key::new(Kind::Share, key.namespace.clone(), grant.share.clone()));
                    keys.extend(self.propagator(key, &grant.share));
                }
            }
        }
        let newest = keys
            .iter()
            .filter_map(|key| self.index.metadata(key)?.resource_version.as_deref()?.parse::<u64>().ok())
            .max()
            .unwrap_or(0);
        let reached = |kind: &Kind| self.frontiers.get(kind).is_some_and(|frontier| *frontier >= newest);
        if Kind::ALL.iter().all(|kind| self.proven.contains(kind) && reached(kind)) {
            return Vec::new();
        }
        keys.into_iter()
            .filter_map(|key| {
                let meta = self.index.metadata(&key)?;
                let (uid, generation) = (meta.uid.clone().unwrap_or_default(), meta.generation);
                Some(Check::Unchanged { key, uid, generation })
            })
            .collect()
    }

    /// The Guest Admin who passes a share on to a membership: what he is decides too.
    fn propagator(&self, key: &Key, share: &str) -> Option<Key> {
        let terms = &self.index.share(&key.namespace, share)?.read()?.reading.terms;
        let entry = terms.guest_users.values().find(|entry| entry.name == key.name)?;
        Some(Key::new(Kind::Membership, key.namespace.clone(), entry.propagated_by.clone()))
    }

    /// A task is over: take in what it brought, and go on.
    fn done(&mut self, key: &Key, outcome: Outcome, now: Timestamp) {
        let Outcome { objects, effects, reread, failure } = outcome;
        for object in objects {
            // We only write what is declared. What the index has no more was deleted while the answer was on its way;
            // taken in, it would stay for ever, for no event comes to remove it.
            let known = self.index.metadata(&object.key()).is_some_and(|known| known.uid == object.metadata().uid);
            if known {
                let touched = self.index.apply(object);
                self.touch(touched, Priority::Live, now);
            }
        }
        if !effects.is_empty() && !key.is_sweep() {
            self.sweep_later(now);
        }
        for effect in effects {
            let touched = self.take_in(effect, now);
            self.touch(touched, Priority::Live, now);
        }
        for change in reread {
            let touched = self.observe(change, true, now);
            self.touch(touched, Priority::Live, now);
        }
        if failure.is_none()
            && let Some(told) = self.told.get_mut(key)
        {
            told.written = true;
        }
        match failure {
            None | Some(Failure::Replan) => self.queue.push(key.clone(), Priority::Withhold),
            Some(Failure::Gone) => {}
            Some(Failure::Behind) => {
                let delay = self.queue.back_off(key, now);
                tracing::debug!(%key, ?delay, "behind the API server; later");
            }
            Some(Failure::Wait(problem)) => {
                tracing::error!(%key, "{problem}; nothing is tried until something changes");
            }
            Some(Failure::Retry(problem)) => {
                let delay = self.queue.back_off(key, now);
                tracing::warn!(%key, ?delay, "{problem}; tried again later");
            }
            Some(Failure::RetryAfter(after, problem)) => {
                tracing::warn!(%key, ?after, "{problem}; tried again then");
                self.queue.at(key, now + after);
            }
            Some(Failure::Stop(problem)) => self.stopped = Some(problem),
        }
        self.queue.done(key);
    }

    fn take_in(&mut self, effect: Effect, now: Timestamp) -> Touched {
        let mut touched = Touched::default();
        self.mirror.apply_memory(&effect);
        if let Some(gone) = effect.partner_gone {
            self.written_since_loading.1.insert(gone.clone());
            touched.merge(self.observe(Now::Partner(gone, None), false, now));
        }
        if let Some(gone) = &effect.gone
            && let Some(address) = self.mirror.guest_by_id(gone).map(|guest| guest.address.clone())
        {
            self.written_since_loading.0.insert(address.clone());
            touched.merge(self.observe(Now::Guest(address, None), false, now));
        }
        if let Some(guest) = effect.guest {
            self.written_since_loading.0.insert(guest.address.clone());
            touched.merge(self.observe(Now::Guest(guest.address.clone(), Some(Box::new(guest))), false, now));
        }
        if let Some(partner) = effect.partner {
            self.written_since_loading.1.insert(partner.id.clone());
            touched.merge(self.observe(Now::Partner(partner.id.clone(), Some(Box::new(partner))), false, now));
        }
        touched
    }
}

/// What was changed may take access away: an object on its way out, suspended, excluded. Everything declared is as
/// urgent as that, but for objects that are new.
fn urgency(object: &Declared) -> Priority {
    let new = object.metadata().generation == Some(1) && object.metadata().deletion_timestamp.is_none();
    if new { Priority::Live } else { Priority::Withhold }
}

/// The directory's hints, as what has to be read.
pub fn wanted(changed: &BTreeSet<Changed>) -> Option<Vec<&Changed>> {
    (!changed.contains(&Changed::Everything)).then(|| changed.iter().collect())
}
