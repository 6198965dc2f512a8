//! Drives the engine against a server and a directory in memory. One thread, one clock, one seed: what is delivered and
//! done next is drawn, and every run can be replayed. Faults fall on a call of choice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::executor::block_on;
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{
    AccountRecord, Changed, DirectoryReader, DirectoryWriter, Epoch, Error, GuestRecord, Import, MfaRecord, Operation,
    Owner, Snapshot, UserRecord,
};
use guestlist::domain::Email;
use guestlist::engine::{Engine, GarbageCollector, Input, Load, Now, Planner, Task, wanted};
use guestlist::executor::TaskSubject;
use guestlist::plan::{Event, Step};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::rules;
use super::server::{Entry, Server, read};
use super::two_leaders::Former;
use super::worlds::Watch;
use super::worlds::planted::StoreBug;
use crate::support::worlds::Objects;
use crate::support::worlds::reference::is_unreadable;

const POLICY: &str = r#"
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"]}]
mailInterval: 10m
"#;
/// What is due within this time is waited for: back-offs and counts are shorter, what people wait for is longer.
const PATIENCE: SignedDuration = SignedDuration::from_secs(150);
/// More than any run takes: who is not at rest by then never is.
const MOST_STEPS: usize = 20_000;
/// More steps than any test takes: an endless loop fails within seconds.
const MOST_STEPS_IN_ALL: usize = 200_000;

/// The number of tasks at once.
const WORKERS: usize = 4;

/// What goes wrong with one call.
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
    /// The call succeeds, and then the term ends: another process leads soon.
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
    /// The newest version of what decides, that the engine knew when it planned this.
    pub seen: u64,
    /// The index of the outside facts that the engine knew.
    pub outside: usize,
    /// The objects as the engine knew them, if the operation grants something.
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
    /// What goes wrong, and at which call.
    pub trouble: Option<(usize, Trouble)>,
    /// Addresses whose directory calls all fail.
    pub cursed: Vec<Email>,
    /// The message with which the directory refuses these calls for good. `None`: it does not answer them.
    pub refuses: Option<String>,
    /// The directory takes no other write either.
    pub takes_nothing: bool,
    /// Only those of them that give.
    pub only_gives: bool,
    /// Addresses to which no mail goes out.
    pub mailless: Vec<Email>,
    /// The term is over: only writes that revoke access are allowed.
    pub lapsed: bool,
    /// The number of tasks after which another process leads.
    pub successor: Option<usize>,
    /// How many guests were looked up one by one before the directory was read.
    pub looks: usize,
    /// Plans may panic.
    pub planners_panic: bool,
    /// Every call that the operator made.
    pub calls: Vec<String>,
    /// Every operation that was done, for which object and why.
    pub done: Vec<String>,
    /// Records that came to be or came alive again.
    pub creations: usize,
    /// Mails that went out, and when.
    pub mails: usize,
    pub sent: Vec<Timestamp>,
    /// Records that were live and are not any more.
    pub deactivations: usize,
    /// Records that went for good.
    pub destructions: usize,
    /// New access must be allowed by what is declared now, not only by what could be known.
    pub strict: bool,
    /// Random worlds have checks of their own.
    pub watch: Option<Watch>,
    /// Planted bugs: an executor that replaces operations, and a fault of the object store.
    pub executor: Option<fn(&Operation) -> Option<Operation>>,
    /// The operator reads other objects than are stored.
    pub reader: Option<fn(Kind, &mut Value)>,
    pub store_bug: Option<StoreBug>,
    /// The versions that this process wrote, as the answers told it.
    pub own: BTreeSet<u64>,
    /// The number of steps so far.
    pub steps: usize,
    /// The guests whose MFA the directory cannot tell, and since when.
    pub unknown_mfa: BTreeMap<Email, Timestamp>,
    /// The kinds whose watches deliver nothing for now.
    pub silent: Vec<Kind>,
    /// When the present process began.
    pub started: Timestamp,
    /// The process that led before and still works.
    pub former: Option<Box<Former>>,
    /// The former leader does the present step.
    pub is_former: bool,
    pub(super) running: Vec<Running>,
    pub(super) places: BTreeMap<Kind, usize>,
    pub(super) bookmarks: BTreeMap<Kind, u64>,
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
    Engine::new(owner, WorkspacePolicy::parse(policy).unwrap(), WORKERS).with_planner(planner).with_sweeper(sweeper)
}

impl Sim {
    /// Alice owns `instagram` and `newsletter`. Seed 0 takes everything in the order in which it came.
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
            now: "2027-01-01T00:00:00Z".parse().unwrap(),
            planner,
            sweeper: guestlist::plan::gc::plan,
            trouble: None,
            cursed: Vec::new(),
            refuses: None,
            takes_nothing: false,
            only_gives: false,
            mailless: Vec::new(),
            lapsed: false,
            successor: None,
            looks: 0,
            planners_panic: false,
            calls: Vec::new(),
            done: Vec::new(),
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

    /// A new process: an empty memory, and lists of what there is now.
    pub fn restart(&mut self) {
        self.restart_at(self.server.version);
    }

    /// A new process whose lists are as old as this version.
    pub fn restart_at(&mut self, version: u64) {
        self.begin_at(version);
        self.load();
    }

    /// A new process whose reading of the directory has begun, and goes on.
    pub fn restart_unread(&mut self) {
        self.begin_at(self.server.version);
        self.engine.handle(Input::Loading, self.now);
    }

    fn begin_at(&mut self, version: u64) {
        block_on(self.directory.claim(&self.engine.owner)).unwrap();
        if self.store_bug != Some(StoreBug::EpochStays) {
            self.epoch = block_on(self.directory.lead()).unwrap();
        }
        self.engine = engine(self.planner, self.sweeper, &self.policy);
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

    /// A complete list of a kind, as it was at a version; the watch goes on from there.
    pub fn list_at(&mut self, kind: Kind, version: u64) {
        let all = self.server.at(version);
        let mut objects: Vec<_> =
            all.iter().filter(|(key, _)| key.kind == kind).map(|(_, object)| self.read(kind, object).into()).collect();
        if self.store_bug == Some(StoreBug::RelistKeepsGoneObjects) {
            let gone = |entry: &&Entry| {
                entry.key.kind == kind && entry.object.is_none() && self.engine.index.metadata(&entry.key).is_some()
            };
            let gone = self.server.history.iter().filter(gone).filter(|entry| !all.contains_key(&entry.key));
            objects.extend(gone.map(|entry| self.read(kind, &entry.last).into()));
        }
        self.places.insert(kind, self.server.history.iter().filter(|entry| entry.version <= version).count());
        self.bookmarks.insert(kind, 0);
        self.engine.handle(Input::Listed { kind, objects, frontier: version }, self.now);
    }

    /// An object as the operator reads it.
    pub(super) fn read(&self, kind: Kind, object: &Value) -> Object {
        let Some(reader) = self.reader else { return read(kind, object) };
        let mut other = object.clone();
        reader(kind, &mut other);
        read(kind, &other)
    }

    /// Reads the directory in full.
    pub fn load(&mut self) {
        self.engine.handle(Input::Loading, self.now);
        let load: Load = self.everything();
        self.is_told();
        self.engine.handle(Input::Loaded(Box::new(load)), self.now);
    }

    /// Until nothing is left to do but to wait for people.
    pub fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            if self.step() {
                continue;
            }
            match self.engine.next_check() {
                Some(next) if next <= self.now + PATIENCE => self.now = self.now.max(next),
                _ => return,
            }
        }
        panic!("never at rest: {:#?}", self.last_calls());
    }

    pub fn last_calls(&self) -> &[String] {
        &self.calls[self.calls.len().saturating_sub(12)..]
    }

    /// Later by so many hours, then at rest again.
    pub fn later(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
        self.settle();
    }

    /// Only so far.
    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// One thing happens. Whether there was any.
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
        let mut waiting: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| self.has_news(*kind)).collect();
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
            self.deliver(waiting.swap_remove(choice));
        } else if choice < news + told {
            self.tell();
        } else {
            let running = self.running.remove(choice - news - told);
            self.perform(running);
        }
        true
    }

    fn start(&mut self) {
        for (key, task) in self.engine.tasks(self.now) {
            let seen = self.newest(&key, &task);
            let about = TaskSubject::of(&self.engine.index, &key);
            self.looks += usize::from(matches!(task, Task::Look(_)) && !self.engine.health.directory);
            if let Task::Execute { steps, notices, .. } = &task {
                self.gives_nothing_to_unknown_mfa(steps);
                let corrects = self.watch.as_ref().is_some_and(|watch| watch.login_was_switched);
                let corrects = corrects || self.is_former || self.former.is_some();
                assert!(
                    corrects || !notices.contains(&Event::CORRECTED),
                    "{key}: our own work was taken for somebody else's"
                );
            }
            let known = self.known(&task);
            let outside = self.watch.as_ref().map_or(0, |watch| watch.known);
            self.running.push(Running { about, task, seen, outside, known });
        }
        assert!(self.engine.queue.running() <= WORKERS, "more tasks at once than workers");
        assert!(self.is_former || self.engine.stopped().is_none(), "{:?}", self.engine.stopped());
        assert!(self.planners_panic || self.engine.planner_panics() == 0, "{:?}", self.engine.health.panicking);
    }

    /// MFA that the directory cannot tell gives nothing.
    fn gives_nothing_to_unknown_mfa(&self, steps: &[Step]) {
        for step in steps {
            let Operation::Grant { guest, .. } = &step.operation else { continue };
            let record = self.engine.mirror.guest_by_id(guest);
            assert!(
                record.is_none_or(|record| record.mfa != MfaRecord::Unknown),
                "{guest:?} is given something though MFA is unknown: {step:?}"
            );
        }
    }

    /// The newest version of whatever decides what a task gives, as far as the operator knew it. Its view has to be the
    /// world's at that version or a later one, not a mixture of times.
    fn newest(&self, key: &ObjectRef, task: &Task) -> u64 {
        if key.is_garbage_collection() {
            return self.delivered();
        }
        let index = &self.engine.index;
        let mut involved = vec![key.clone()];
        involved.extend(index.partner_of(key));
        if let Task::Execute { steps, .. } = task {
            for step in steps {
                let Operation::Grant { grants, .. } = &step.operation else { continue };
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
        let of =
            |kind| self.next_event(kind).map_or(self.server.version, |place| self.server.history[place].version - 1);
        Kind::ALL.into_iter().map(of).min().unwrap_or_default()
    }

    /// The objects as the engine knows them.
    fn known(&self, task: &Task) -> Objects {
        if self.watch.is_none() || !matches!(task, Task::Execute { .. }) {
            return Objects::new();
        }
        let index = &self.engine.index;
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

    // --- what it is told

    fn next_event(&self, kind: Kind) -> Option<usize> {
        let place = self.places[&kind];
        (place..self.server.history.len()).find(|place| self.server.history[*place].key.kind == kind)
    }

    fn has_news(&self, kind: Kind) -> bool {
        let has_news = self.next_event(kind).is_some() || self.bookmarks[&kind] < self.server.version;
        has_news && !self.silent.contains(&kind)
    }

    pub fn deliver(&mut self, kind: Kind) {
        let Some(place) = self.next_event(kind) else {
            self.places.insert(kind, self.server.history.len());
            self.bookmarks.insert(kind, self.server.version);
            self.engine.handle(Input::Bookmark { kind, frontier: self.server.version }, self.now);
            return;
        };
        self.places.insert(kind, place + 1);
        let entry = &self.server.history[place];
        if entry.object.is_none() && self.store_bug == Some(StoreBug::DeletionsAreLost) {
            return;
        }
        let unreadable = self.store_bug == Some(StoreBug::UnreadableIsAbsent);
        let input = match &entry.object {
            Some(object) if unreadable && is_unreadable(object) => {
                let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
                Input::Deleted { key: entry.key.clone(), uid, frontier: entry.version }
            }
            Some(object) => Input::Applied { object: Box::new(self.read(kind, object)), frontier: entry.version },
            None => {
                let uid = entry.last["metadata"]["uid"].as_str().unwrap().to_owned();
                Input::Deleted { key: entry.key.clone(), uid, frontier: entry.version }
            }
        };
        self.engine.handle(input, self.now);
    }

    /// A watch loses whatever it would have told.
    pub fn lose_events(&mut self) {
        for kind in Kind::ALL {
            self.places.insert(kind, self.server.history.len());
        }
    }

    fn is_told(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.is_told();
        }
    }

    /// Notes a change in the directory that the operator will receive.
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
            Changed::Guest(email) => Now::Guest(email.clone(), self.guest(email).map(Box::new)),
            Changed::Account(name) => Now::Account(name.clone(), block_on(self.directory.account(name)).unwrap()),
            Changed::User(email) => Now::User(email.clone(), block_on(self.directory.user(email)).unwrap()),
            Changed::Partner(_) | Changed::Destroyed | Changed::Everything => panic!("nobody plays that"),
        });
        let now = now.collect();
        self.engine.handle(Input::Observed(now), self.now);
    }

    // --- what people do

    pub fn create(&mut self, kind: Kind, name: &str, spec: Value) {
        self.server.create(&key(kind, name), spec, self.now);
    }

    pub fn edit(&mut self, kind: Kind, name: &str, spec: Value) {
        self.server.edit(&key(kind, name), spec);
    }

    pub fn delete(&mut self, kind: Kind, name: &str) {
        self.server.delete(&key(kind, name), None, self.now).unwrap();
    }

    /// Something that a guest or the workspace does in the directory.
    pub fn play<T>(&mut self, changed: Changed, act: impl FnOnce(&mut Store, Timestamp) -> Result<T, Error>) {
        act(&mut self.directory.0.lock().unwrap(), self.now).unwrap();
        self.changed.insert(changed);
    }

    // --- what there is to see

    pub fn everything(&self) -> Snapshot {
        let mut all = self.directory.0.lock().unwrap().everything().unwrap();
        all.guests.iter_mut().for_each(|guest| self.hide_mfa(guest));
        all
    }

    /// The record of an address.
    pub fn guest(&self, address: &Email) -> Option<GuestRecord> {
        let mut guest = block_on(self.directory.guest(address)).unwrap();
        if let Some(guest) = &mut guest {
            self.hide_mfa(guest);
        }
        guest
    }

    /// Leaves out of a record what the directory cannot tell.
    pub fn hide_mfa(&self, guest: &mut GuestRecord) {
        if self.unknown_mfa.contains_key(&guest.address) {
            guest.mfa = MfaRecord::Unknown;
        }
    }

    /// Who can use what now, as the directory says it: (membership, account) → role.
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
