//! Drives the engine with a server and a directory in memory. One thread, one clock and one seed select the next
//! delivery and the next task, so every run can be replayed. A test can inject a fault at any call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::executor::block_on;
use guestlist::cache::{Collection, Kind, Object, ObjectRef, WatchedNamespaces};
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{
    AccountRecord, Changed, DirectoryReader, DirectoryWriter, Epoch, Error, GuestChange, GuestRecord, Import,
    MfaRecord, Operation, Owner, Snapshot, UserRecord,
};
use guestlist::domain::Email;
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Engine, GarbageCollector, Input, Observed, Planner, Task, TaskSubject, wanted};
use guestlist::plan::{AvailableFacts, Event, Inputs, NO_INVITATIONS, PruneScope, Step};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::rules;
use super::server::{Entry, Server, read};
use super::two_leaders::Former;
use super::worlds::Watch;
use super::worlds::planted::StoreBug;
use crate::metrics::counts;
use crate::support::worlds::Objects;
use crate::support::worlds::reference::is_unreadable;

const POLICY: &str = r#"
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"]}]
mailInterval: 10m
"#;
/// The driver waits for timers within this time: back-offs and counts are shorter, the waits of people are longer.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(150);
/// The limit of steps in a run: an endless loop fails within seconds.
pub const MOST_STEPS: usize = 5_000;
/// The limit of steps in a test.
const MOST_STEPS_IN_ALL: usize = 100_000;

/// The number of concurrent tasks.
const WORKERS: usize = 4;

/// The fault of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    CrashBefore,
    CrashAfter,
    AnswerLost,
    /// The call is made, and then the task panics: its outcome is lost.
    Panic,
    Conflict,
    Busy,
    Error,
    /// The call succeeds, and then the term ends: another process becomes the leader soon.
    TermEnds,
}

pub const TROUBLES: [Trouble; 8] = [
    Trouble::CrashBefore,
    Trouble::CrashAfter,
    Trouble::AnswerLost,
    Trouble::Panic,
    Trouble::Conflict,
    Trouble::Busy,
    Trouble::Error,
    Trouble::TermEnds,
];

pub struct Running {
    pub about: TaskSubject,
    pub task: Task,
    /// The newest relevant version that the engine knew for this plan.
    pub seen: u64,
    /// The index of the outside facts that the engine knew.
    pub outside: usize,
    /// The objects in the engine's cache, if the operation grants something.
    pub known: Objects,
}

pub struct Sim {
    pub server: Server,
    pub directory: Inline,
    pub engine: Engine,
    pub now: Timestamp,
    pub planner: Planner,
    pub sweeper: GarbageCollector,
    /// The workspace policy of the next process.
    pub policy: String,
    /// The namespaces that the next process watches.
    pub namespaces: WatchedNamespaces,
    /// The fault, and the number of its call.
    pub trouble: Option<(usize, Trouble)>,
    /// Addresses whose directory calls all fail.
    pub cursed: Vec<Email>,
    /// The message with which the directory refuses these calls for good. `None`: it does not answer them.
    pub refuses: Option<String>,
    /// The directory refuses all other writes, too.
    pub takes_nothing: bool,
    /// Only calls that grant access are affected.
    pub only_gives: bool,
    /// Addresses that receive no mail.
    pub mailless: Vec<Email>,
    /// Addresses whose single reads the directory does not answer.
    pub unanswered: Vec<Email>,
    /// The term is over: only writes that revoke access are allowed.
    pub lapsed: bool,
    /// The number of tasks after which another process leads.
    pub successor: Option<usize>,
    /// The number of single reads of guests before the directory was read in full.
    pub looks: usize,
    /// Plans may panic.
    pub planners_panic: bool,
    /// Every call of the operator.
    pub calls: Vec<String>,
    /// Every completed operation, with its object and its reason.
    pub done: Vec<String>,
    /// Every operation that the directory refused by itself.
    pub refused: Vec<String>,
    /// The number of corrections of another party's change, each with an Event.
    pub corrections: usize,
    /// The number of created or revived records.
    pub creations: usize,
    /// The number of sent mails.
    pub mails: usize,
    pub sent: Vec<Timestamp>,
    /// The number of live records that were deactivated.
    pub deactivations: usize,
    /// The number of purged records.
    pub destructions: usize,
    /// New access must be allowed by the present declarations, not only by those that the operator could know.
    pub strict: bool,
    /// The checks of random environments.
    pub watch: Option<Watch>,
    /// Planted bugs: an executor that replaces operations, and a fault of the object store.
    pub executor: Option<fn(&Operation) -> Option<Operation>>,
    /// A change to the objects that the operator reads.
    pub reader: Option<fn(Kind, &mut Value)>,
    pub store_bug: Option<StoreBug>,
    /// The versions that this process wrote, according to the answers.
    pub own: BTreeSet<u64>,
    /// The number of steps so far.
    pub steps: usize,
    /// The guests whose MFA the directory cannot tell, and the instant since which this is so.
    pub unknown_mfa: BTreeMap<Email, Timestamp>,
    /// The kinds whose watches currently deliver nothing.
    pub silent: Vec<Kind>,
    /// The start of the present process.
    pub started: Timestamp,
    /// The former leader, which is still running.
    pub former: Option<Box<Former>>,
    /// The former leader makes the present step.
    pub is_former: bool,
    /// Another party changes records that only guestlist writes: the operator may correct that.
    pub is_tampered_with: bool,
    pub(super) running: Vec<Running>,
    pub(super) places: BTreeMap<Collection, usize>,
    pub(super) bookmarks: BTreeMap<Collection, u64>,
    pub(super) changed: BTreeSet<Changed>,
    pub epoch: Epoch,
    random: u64,
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, "partners", name)
}

fn engine(planner: Planner, sweeper: GarbageCollector, policy: &str) -> Engine {
    let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
    Engine::new(owner, WorkspacePolicy::parse(policy).unwrap(), WORKERS)
        .with_planner(planner)
        .with_garbage_collector(sweeper)
}

impl Sim {
    /// Alice owns `instagram` and `newsletter`. Seed 0 processes everything in its order of arrival.
    pub fn new(seed: u64) -> Self {
        let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
        let alice = email("alice@host.example");
        let user = UserRecord { email: alice.clone(), name: "Alice".to_owned(), enabled: true, verified: true };
        let account = |name: &str| AccountRecord { name: name.to_owned(), owners: vec![alice.clone()], deleted: false };
        let accounts = vec![account("instagram"), account("newsletter")];
        store.import(&Import { users: vec![user], accounts }).unwrap();
        let directory = Inline::new(store);
        let planner: Planner = guestlist::plan::plan;
        let mut sim = Self {
            server: Server::default(),
            directory,
            engine: engine(planner, guestlist::plan::gc::plan, POLICY),
            policy: POLICY.to_owned(),
            namespaces: WatchedNamespaces::All,
            now: "2027-01-01T00:00:00Z".parse().unwrap(),
            planner,
            sweeper: guestlist::plan::gc::plan,
            trouble: None,
            cursed: Vec::new(),
            refuses: None,
            takes_nothing: false,
            only_gives: false,
            mailless: Vec::new(),
            unanswered: Vec::new(),
            lapsed: false,
            successor: None,
            looks: 0,
            planners_panic: false,
            calls: Vec::new(),
            done: Vec::new(),
            refused: Vec::new(),
            corrections: 0,
            creations: 0,
            mails: 0,
            sent: Vec::new(),
            deactivations: 0,
            destructions: 0,
            strict: false,
            watch: None,
            executor: None,
            reader: None,
            store_bug: None,
            own: BTreeSet::new(),
            steps: 0,
            unknown_mfa: BTreeMap::new(),
            silent: Vec::new(),
            started: "2027-01-01T00:00:00Z".parse().unwrap(),
            former: None,
            is_former: false,
            is_tampered_with: false,
            running: Vec::new(),
            places: BTreeMap::new(),
            bookmarks: BTreeMap::new(),
            changed: BTreeSet::new(),
            epoch: Epoch::default(),
            random: seed,
        };
        sim.restart();
        sim
    }

    // --- the operator's life

    /// Starts a new process with empty caches and current lists.
    pub fn restart(&mut self) {
        self.restart_at(self.server.version);
    }

    /// Starts a new process with lists of this version.
    pub fn restart_at(&mut self, version: u64) {
        self.begin_at(version);
        self.load();
    }

    /// Starts a new process that reads this content of the directory.
    pub fn restart_on(&mut self, content: Snapshot) {
        self.begin_at(self.server.version);
        self.read_directory(content);
    }

    /// A full read of the directory with this content, which may be older than the directory.
    pub fn read_directory(&mut self, content: Snapshot) {
        self.engine.handle(Input::Loading, self.now);
        self.engine.handle(Input::Loaded(Box::new(content)), self.now);
    }

    /// Starts a new process whose read of the directory is still in progress.
    pub fn restart_unread(&mut self) {
        self.begin_at(self.server.version);
        self.engine.handle(Input::Loading, self.now);
    }

    fn begin_at(&mut self, version: u64) {
        block_on(self.directory.claim(self.engine.owner())).unwrap();
        if self.store_bug != Some(StoreBug::EpochStays) {
            self.epoch = block_on(self.directory.lead()).unwrap();
        }
        self.engine = engine(self.planner, self.sweeper, &self.policy).with_namespaces(self.namespaces.clone());
        (self.places, self.bookmarks) = (BTreeMap::new(), BTreeMap::new());
        self.started = self.now;
        self.lapsed = false;
        self.successor = None;
        self.own.clear();
        self.running.clear();
        self.changed.clear();
        let mut kinds = Kind::ALL.to_vec();
        let by = self.draw(3);
        kinds.rotate_left(by);
        for kind in kinds {
            self.list_at(kind, version);
        }
    }

    /// Complete lists of a kind at a version; the watches continue from there.
    pub fn list_at(&mut self, kind: Kind, version: u64) {
        for collection in self.namespaces.collections().into_iter().filter(|collection| collection.kind == kind) {
            self.list_collection_at(collection, version);
        }
    }

    /// A complete list of a collection at a version; the watch continues from there.
    pub fn list_collection_at(&mut self, collection: Collection, version: u64) {
        let kind = collection.kind;
        let all = self.server.at(version);
        let listed = all.iter().filter(|(key, _)| collection.contains(key));
        let mut objects: Vec<_> = listed.map(|(_, object)| self.read(kind, object).into()).collect();
        if self.store_bug == Some(StoreBug::RelistKeepsGoneObjects) {
            let gone = |entry: &&Entry| {
                collection.contains(&entry.key)
                    && entry.object.is_none()
                    && self.engine.objects().metadata(&entry.key).is_some()
            };
            let gone = self.server.history.iter().filter(gone).filter(|entry| !all.contains_key(&entry.key));
            objects.extend(gone.map(|entry| self.read(kind, &entry.last).into()));
        }
        let place = self.server.history.iter().filter(|entry| entry.version <= version).count();
        self.places.insert(collection.clone(), place);
        self.bookmarks.insert(collection.clone(), 0);
        self.engine.handle(Input::Listed { collection, objects, version }, self.now);
    }

    /// An object in the operator's form.
    pub(super) fn read(&self, kind: Kind, object: &Value) -> Object {
        let Some(reader) = self.reader else { return read(kind, object) };
        let mut other = object.clone();
        reader(kind, &mut other);
        read(kind, &other)
    }

    /// Reads the directory in full.
    pub fn load(&mut self) {
        self.engine.handle(Input::Loading, self.now);
        let snapshot: Snapshot = self.everything();
        self.is_told();
        self.engine.handle(Input::Loaded(Box::new(snapshot)), self.now);
    }

    /// Runs until only people can cause further work.
    pub fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            if self.step() {
                continue;
            }
            match self.next_check() {
                Some(next) if next <= self.now + LONGEST_BACKOFF => self.now = next,
                _ => return counts::are_right(&self.engine),
            }
        }
        panic!("never at rest: {:#?}", self.last_calls());
    }

    /// When the engine is due again, after a step without work.
    pub fn next_check(&self) -> Option<Timestamp> {
        let next = self.engine.next_check();
        assert!(
            next.is_none_or(|next| next > self.now),
            "the engine is due and has nothing to do: {:#?}",
            self.last_calls()
        );
        next
    }

    pub fn last_calls(&self) -> &[String] {
        &self.calls[self.calls.len().saturating_sub(12)..]
    }

    /// Advances the time by a number of hours, then converges again.
    pub fn later(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
        self.settle();
    }

    /// Runs a number of steps.
    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Runs one step. Returns whether there was one.
    pub fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS_IN_ALL, "a loop: {:#?}", self.last_calls());
        if self.former.is_some() && self.draw(2) == 0 {
            self.step_of_former();
            return true;
        }
        self.step_of_leader() || self.former.is_some()
    }

    /// The same for one process.
    pub(super) fn step_of_leader(&mut self) -> bool {
        self.start();
        let watched = self.places.keys().filter(|collection| self.has_news(collection));
        let mut waiting: Vec<Collection> = watched.cloned().collect();
        let (news, told) = (waiting.len(), usize::from(!self.changed.is_empty()));
        let choices = news + told + self.running.len();
        if choices == 0 && self.successor.is_some() {
            self.restart();
            return true;
        }
        if choices == 0 {
            return false;
        }
        let choice = self.draw(choices);
        if choice < news {
            self.deliver(&waiting.swap_remove(choice));
        } else if choice < news + told {
            self.tell();
        } else {
            let running = self.running.remove(choice - news - told);
            self.perform(running);
        }
        true
    }

    fn start(&mut self) {
        for (about, task) in self.engine.tasks(self.now) {
            let seen = self.newest(&about.key, &task);
            self.looks += usize::from(matches!(task, Task::Read(_)) && !self.engine.health().directory);
            if let Task::Execute { steps, events, .. } = &task {
                self.gives_nothing_to_unknown_mfa(steps);
                let corrects = self.watch.as_ref().is_some_and(|watch| watch.login_was_switched);
                let corrects = corrects || self.is_former || self.former.is_some() || self.is_tampered_with;
                assert!(
                    corrects || !events.contains(&Event::CORRECTED),
                    "{}: the engine's own work was taken for drift",
                    about.key
                );
                self.corrections += usize::from(events.contains(&Event::CORRECTED));
            }
            let known = self.known(&task);
            let outside = self.watch.as_ref().map_or(0, |watch| watch.known);
            self.running.push(Running { about, task, seen, outside, known });
        }
        assert!(self.engine.queue().running() <= WORKERS, "more tasks at once than workers");
        assert!(self.is_former || self.engine.fatal_error().is_none(), "{:?}", self.engine.fatal_error());
        assert!(self.planners_panic || self.engine.stats().planner_panics == 0, "{:?}", self.engine.health().panicking);
    }

    /// MFA that the directory cannot tell grants nothing.
    fn gives_nothing_to_unknown_mfa(&self, steps: &[Step]) {
        for step in steps {
            let Operation::Guest { id: guest, change: GuestChange::Grant { .. } } = &step.operation else { continue };
            let record = self.engine.directory().guest_by_id(guest);
            assert!(
                record.is_none_or(|record| record.mfa != MfaRecord::Unknown),
                "{guest:?} is given something though MFA is unknown: {step:?}"
            );
        }
    }

    /// The newest version of the objects that decide about a task's grants, as far as the operator knew it. The
    /// operator must know the state of that version or a later one, not a mixture.
    fn newest(&self, key: &QueueKey, task: &Task) -> u64 {
        let QueueKey::Object(key) = key else { return self.delivered() };
        let index = self.engine.objects();
        let mut involved = vec![key.clone()];
        involved.extend(index.partner_of(key));
        if let Task::Execute { steps, .. } = task {
            for step in steps {
                let Operation::Guest { change: GuestChange::Grant { grants }, .. } = &step.operation else {
                    continue;
                };
                for grant in grants {
                    involved.push(ObjectRef::new(Kind::Share, &*key.namespace, &*grant.share));
                    let Some(share) = index.share(&key.namespace, &grant.share).and_then(|slot| slot.read()) else {
                        continue;
                    };
                    let entries = share.reading.terms.guest_users.values().filter(|entry| *entry.name == *key.name);
                    let through =
                        entries.map(|entry| ObjectRef::new(Kind::Membership, &*key.namespace, &*entry.propagated_by));
                    involved.extend(through);
                }
            }
        }
        let version = |key: &ObjectRef| index.metadata(key)?.resource_version.as_ref()?.parse::<u64>().ok();
        involved.iter().filter_map(version).max().unwrap_or_default()
    }

    /// The version up to which every watch has delivered its events.
    fn delivered(&self) -> u64 {
        let of = |collection: &Collection| {
            self.next_event(collection).map_or(self.server.version, |place| self.server.history[place].version - 1)
        };
        self.places.keys().map(of).min().unwrap_or_default()
    }

    /// The objects in the engine's cache.
    fn known(&self, task: &Task) -> Objects {
        if self.watch.is_none() || !matches!(task, Task::Execute { .. }) {
            return Objects::new();
        }
        let index = self.engine.objects();
        let stored = |key: ObjectRef| {
            let version = index.metadata(&key)?.resource_version.as_ref()?.parse::<usize>().ok()?;
            Some((key, self.server.history[version - 1].object.clone()?))
        };
        Kind::ALL.into_iter().flat_map(|kind| index.keys(kind)).filter_map(stored).collect()
    }

    pub(super) fn draw(&mut self, below: usize) -> usize {
        if self.random == 0 {
            return 0;
        }
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % below as u64).unwrap()
    }

    // --- deliveries to the operator

    fn next_event(&self, collection: &Collection) -> Option<usize> {
        let place = self.places[collection];
        (place..self.server.history.len()).find(|place| collection.contains(&self.server.history[*place].key))
    }

    fn has_news(&self, collection: &Collection) -> bool {
        let has_news = self.next_event(collection).is_some() || self.bookmarks[collection] < self.server.version;
        has_news && !self.silent.contains(&collection.kind)
    }

    pub fn deliver(&mut self, collection: &Collection) {
        let (kind, version) = (collection.kind, self.server.version);
        let Some(place) = self.next_event(collection) else {
            self.places.insert(collection.clone(), self.server.history.len());
            self.bookmarks.insert(collection.clone(), version);
            self.engine.handle(Input::Bookmark { collection: collection.clone(), version }, self.now);
            return;
        };
        self.places.insert(collection.clone(), place + 1);
        let entry = &self.server.history[place];
        if entry.object.is_none() && self.store_bug == Some(StoreBug::DeletionsAreLost) {
            return;
        }
        let unreadable = self.store_bug == Some(StoreBug::UnreadableIsAbsent);
        let input = match &entry.object {
            Some(object) if unreadable && is_unreadable(object) => {
                let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
                Input::Deleted { key: entry.key.clone(), uid, version: entry.version }
            }
            Some(object) => Input::Applied { object: Box::new(self.read(kind, object)), version: entry.version },
            None => {
                let uid = entry.last["metadata"]["uid"].as_str().unwrap().to_owned();
                Input::Deleted { key: entry.key.clone(), uid, version: entry.version }
            }
        };
        self.engine.handle(input, self.now);
    }

    /// A watch loses its pending events.
    pub fn lose_events(&mut self) {
        for place in self.places.values_mut() {
            *place = self.server.history.len();
        }
    }

    fn is_told(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.is_told();
        }
    }

    /// Records a change in the directory that the operator will receive.
    pub fn is_changed(&mut self, changed: Changed) {
        if let Some(former) = &mut self.former {
            former.changed.insert(changed.clone());
        }
        self.changed.insert(changed);
    }

    fn tell(&mut self) {
        self.is_told();
        let changes = std::mem::take(&mut self.changed);
        if self.store_bug == Some(StoreBug::DirectoryChangesAreLost) {
            return;
        }
        let changes = wanted(&changes).expect("nobody plays a change of everything");
        let now = changes.into_iter().map(|changed| match changed {
            Changed::Guest(email) => Observed::Guest(email.clone(), self.guest(email).map(Box::new)),
            Changed::Account(name) => Observed::Account(name.clone(), block_on(self.directory.account(name)).unwrap()),
            Changed::User(email) => Observed::User(email.clone(), block_on(self.directory.user(email)).unwrap()),
            Changed::Partner(id) => {
                Observed::Partner(id.clone(), block_on(self.directory.partner(id)).unwrap().map(Box::new))
            }
            Changed::Purged => Observed::Purged(block_on(self.directory.purged()).unwrap()),
            Changed::Everything => panic!("nobody plays that"),
        });
        let now = now.collect();
        self.engine.handle(Input::Observed(now), self.now);
    }

    // --- acts of people

    pub fn create(&mut self, kind: Kind, name: &str, spec: Value) {
        self.server.create(&key(kind, name), spec, self.now);
    }

    pub fn edit(&mut self, kind: Kind, name: &str, spec: Value) {
        self.server.edit(&key(kind, name), spec);
    }

    pub fn delete(&mut self, kind: Kind, name: &str) {
        self.server.delete(&key(kind, name), None, self.now).unwrap();
    }

    /// An act of a guest or of the workspace in the directory.
    pub fn play<T>(&mut self, changed: Changed, act: impl FnOnce(&mut Store, Timestamp) -> Result<T, Error>) {
        act(&mut self.directory.0.lock().unwrap(), self.now).unwrap();
        self.changed.insert(changed);
    }

    // --- observations

    pub fn everything(&self) -> Snapshot {
        let mut all = self.directory.0.lock().unwrap().everything().unwrap();
        all.guests.iter_mut().for_each(|guest| self.hide_mfa(guest));
        all
    }

    /// The inputs of a planner at a time.
    pub fn inputs(&self, now: Timestamp) -> Inputs<'_> {
        Inputs {
            declared: self.engine.objects(),
            observed: self.engine.directory(),
            workspace: self.engine.workspace(),
            owner: self.engine.owner(),
            directory_available: true,
            unsent: false,
            invitations: &NO_INVITATIONS,
            scope: AvailableFacts::ALL,
            prune_scope: PruneScope::Everything,
            namespaces: &self.namespaces,
            now,
        }
    }

    /// The objects, the records and the indexes in the engine's memory, by field, as text.
    pub fn memory(&self) -> BTreeMap<String, String> {
        /// The fields that depend on the history of the process.
        const OF_THE_PROCESS: [&str; 6] = ["mails", "sent", "purged", "mfa_unknown_since", "missing", "shared_texts"];
        let caches = [format!("{:#?}", self.engine.objects()), format!("{:#?}", self.engine.directory())];
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut field = String::new();
        for line in caches.iter().flat_map(|cache| cache.lines()) {
            let begun = line.strip_prefix("    ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
            if let Some((name, _)) = begun.and_then(|rest| rest.split_once(':')) {
                name.clone_into(&mut field);
            }
            let text = fields.entry(field.clone()).or_default();
            text.push_str(line.trim_start());
            text.push('\n');
        }
        fields.retain(|field, _| !OF_THE_PROCESS.contains(&field.as_str()));
        fields
    }

    /// Asserts that the engine's memory is as before. An index that keeps an entry too long, or loses one, differs from
    /// that of a new process.
    pub fn remembers(&self, before: &BTreeMap<String, String>, look: &str) {
        for (field, known) in self.memory() {
            assert_eq!(before.get(&field), Some(&known), "{field} after {look}");
        }
    }

    /// The record of an address.
    pub fn guest(&self, address: &Email) -> Option<GuestRecord> {
        let mut guest = block_on(self.directory.guest(address)).unwrap();
        if let Some(guest) = &mut guest {
            self.hide_mfa(guest);
        }
        guest
    }

    /// Removes facts from a record that the directory cannot tell.
    pub fn hide_mfa(&self, guest: &mut GuestRecord) {
        if self.unknown_mfa.contains_key(&guest.address) {
            guest.mfa = MfaRecord::Unknown;
        }
    }

    /// The effective access, according to the directory: (membership, account) → role.
    pub fn effective(&self) -> rules::Access {
        rules::effective(&self.everything(), self.now)
    }

    pub fn status(&self, kind: Kind, name: &str) -> &Value {
        &self.server.object(&key(kind, name)).unwrap()["status"]
    }

    pub fn state(&self, name: &str) -> &str {
        self.status(Kind::Membership, name)["state"].as_str().unwrap_or("none")
    }
}
