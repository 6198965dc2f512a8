//! An environment in memory: objects as an API server would keep them, an embedded directory, and a loop that plans and
//! executes until nothing remains to do. It checks the invariants after every operation.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::single_match_else,
    reason = "each test uses a part; a test may stop"
)]

mod seen;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::executor::block_on;
use guestlist::api;
use guestlist::cache::{Kind, Object, ObjectCache, ObjectRef, WatchedNamespaces};
use guestlist::directory::Import;
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{
    AccountRecord, DirectoryCache, DirectoryWriter, Epoch, GuestChange, GuestRecord, MfaRecord, Operation, Owner,
    UserRecord,
};
use guestlist::domain::{Email, GuestRole, MfaMethod, ShareRole};
use guestlist::plan::{self, AvailableFacts, Finalizer, Plan, PruneScope, Status};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

pub const SPACE: &str = "partners";
/// A share whose Manager passes the account on to Bob.
pub const MANAGER: &str = "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]";
const POLICY: &str = r#"
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"]}]
mailInterval: 10m
invitationsPerHour: 100000
"#;
/// The maximum number of rounds. An environment that has not converged by then never does.
const ROUNDS: usize = 60;

/// The effective access, by membership name and account.
pub type Access3 = BTreeMap<(String, String), ShareRole>;

pub struct World {
    pub now: Timestamp,
    pub objects: BTreeMap<ObjectRef, Object>,
    pub index: ObjectCache,
    pub directory_cache: DirectoryCache,
    pub workspace: WorkspacePolicy,
    pub directory: Inline,
    /// The partners whose undeclared guests may be deactivated.
    pub prune_scope: PruneScope,
    /// The namespaces that the operator watches.
    pub namespaces: WatchedNamespaces,
    owner: Owner,
    epoch: Epoch,
    counter: u64,
    /// Operations executed so far.
    pub done: Vec<Operation>,
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn meta(object: &mut Object) -> &mut ObjectMeta {
    match object {
        Object::Partner(object) => &mut object.metadata,
        Object::Membership(object) => &mut object.metadata,
        Object::Share(object) => &mut object.metadata,
        Object::Unreadable { metadata, .. } => metadata,
    }
}

impl World {
    /// Alice and Zoe work here; Alice owns `instagram`, both own `newsletter`.
    pub fn new() -> Self {
        let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
        let user = |name: &str| UserRecord {
            email: email(&format!("{name}@host.example")),
            name: name.to_owned(),
            enabled: true,
            verified: true,
        };
        let account = |name: &str, owners: &[&str]| AccountRecord {
            name: name.to_owned(),
            owners: owners.iter().map(|owner| email(&format!("{owner}@host.example"))).collect(),
            deleted: false,
        };
        let accounts = vec![account("instagram", &["alice"]), account("newsletter", &["alice", "zoe"])];
        store.import(&Import { users: vec![user("alice"), user("zoe")], accounts }).unwrap();
        let directory = Inline::new(store);
        let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
        block_on(directory.claim(&owner)).unwrap();
        let epoch = block_on(directory.lead()).unwrap();
        let mut world = Self {
            now: "2027-01-01T00:00:00Z".parse().unwrap(),
            prune_scope: PruneScope::Everything,
            namespaces: WatchedNamespaces::All,
            objects: BTreeMap::new(),
            index: ObjectCache::default(),
            directory_cache: DirectoryCache::default(),
            workspace: WorkspacePolicy::parse(POLICY).unwrap(),
            directory,
            owner,
            epoch,
            counter: 0,
            done: Vec::new(),
        };
        world.look();
        world
    }

    /// With partner acme, Guest Admin carol and Guest Users bob and dave.
    pub fn acme() -> Self {
        let mut world = Self::new();
        world.partner("acme", "hostAdmins: [alice@host.example]");
        world.member("carol", "GuestAdmin", "");
        world.member("bob", "GuestUser", "");
        world.member("dave", "GuestUser", "");
        world
    }

    /// All guests have joined; Carol is Manager of instagram and passes it on to Bob.
    pub fn shared() -> Self {
        let mut world = Self::acme();
        world.share("instagram", MANAGER);
        world.settle();
        world.joins(&["carol", "bob", "dave"]);
        world.settle();
        assert_eq!(world.access(), ["bob: instagram as Collaborator", "carol: instagram as Manager"]);
        world
    }

    /// Only Carol has joined, and she is Manager of instagram.
    pub fn of_one_manager() -> Self {
        let mut world = Self::acme();
        world.share("instagram", "guestAdminRole: Manager");
        world.settle();
        world.joins(&["carol"]);
        world.settle();
        assert_eq!(world.access(), ["carol: instagram as Manager"]);
        world
    }

    pub fn play<T>(&mut self, act: impl FnOnce(&mut Store, Timestamp) -> Result<T, guestlist::directory::Error>) -> T {
        let now = self.now;
        let result = act(&mut self.directory.0.lock().unwrap(), now).unwrap();
        self.look();
        result
    }

    /// The guests accept their invitations and enrol MFA.
    pub fn joins(&mut self, names: &[&str]) {
        for name in names {
            let address = email(&format!("{name}@acme.example"));
            self.play(|store, now| store.accept(&address, now));
            self.play(|store, now| store.enroll_mfa(&address, MfaMethod::TOTP, now));
        }
    }

    pub fn resets_mfa(&mut self, name: &str) {
        self.play(|store, now| store.reset_mfa(&email(&format!("{name}@acme.example")), now));
    }

    pub fn owners(&mut self, account: &str, owners: &[&str]) {
        let owners: BTreeSet<_> = owners.iter().map(|owner| email(owner)).collect();
        self.play(|store, _| store.set_owner(account, &owners));
    }

    /// Reads the whole directory again.
    fn look(&mut self) {
        let all = self.directory.0.lock().unwrap().everything().unwrap();
        let mut directory_cache = DirectoryCache::default();
        for partner in all.partners {
            directory_cache.set_partner(&partner.id.clone(), Some(partner));
        }
        for account in all.accounts {
            directory_cache.set_account(&account.name.clone(), Some(account));
        }
        for user in all.users {
            directory_cache.set_user(&user.email.clone(), Some(user));
        }
        for mail in all.mails {
            directory_cache.set_mail(&mail);
        }
        directory_cache.set_shares(all.shares);
        directory_cache.set_purged(&all.purged);
        for guest in all.guests {
            directory_cache.set_guest(&guest.address.clone(), Some(guest));
        }
        self.directory_cache = directory_cache;
    }

    pub fn seen(&self) -> plan::Inputs<'_> {
        plan::Inputs {
            declared: &self.index,
            observed: &self.directory_cache,
            workspace: &self.workspace,
            owner: &self.owner,
            directory_available: true,
            unsent: false,
            invitations: &guestlist::plan::NO_INVITATIONS,
            scope: AvailableFacts::ALL,
            prune_scope: self.prune_scope,
            namespaces: &self.namespaces,
            now: self.now,
        }
    }

    pub fn plan(&self, key: &ObjectRef) -> Plan {
        let plan = plan::plan(self.seen(), key);
        assert_eq!(plan, plan::plan(self.seen(), key), "the same world gives the same plan");
        plan
    }

    /// Runs one garbage collection. Returns whether it did anything.
    pub fn sweep(&mut self) -> bool {
        let sweep = plan::gc::plan(self.seen());
        let withhold = sweep.revocations.into_iter().flat_map(|(_, steps)| steps);
        let steps: Vec<_> = withhold.chain(sweep.steps).collect();
        for step in &steps {
            self.execute(&step.operation);
        }
        !steps.is_empty()
    }

    /// Executes an operation without a base revision.
    pub fn execute(&mut self, operation: &Operation) {
        let before = self.effective();
        let effect = block_on(self.directory.execute(operation, None, self.now, self.epoch)).unwrap();
        self.directory_cache.apply(&effect);
        self.done.push(operation.clone());
        self.check(&before, operation);
    }

    /// Plans and executes until nothing remains to do. `order` sets the order of each round.
    pub fn settle_in(&mut self, order: impl Fn(&mut Vec<ObjectRef>)) {
        for _ in 0..ROUNDS {
            let mut keys: Vec<_> = self.objects.keys().cloned().collect();
            order(&mut keys);
            let mut quiet = true;
            for key in keys {
                quiet &= !self.pass(&key);
            }
            quiet &= !self.sweep();
            if quiet {
                return;
            }
        }
        panic!("never at rest: {:?}", &self.done[self.done.len().saturating_sub(10)..]);
    }

    pub fn settle(&mut self) {
        self.settle_in(|_| {});
    }

    /// Advances the time by a number of minutes, then converges again.
    pub fn later(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
        self.settle();
    }

    /// Reconciles one object once. Returns whether it did or wrote anything.
    pub fn pass(&mut self, key: &ObjectRef) -> bool {
        if !self.objects.contains_key(key) {
            return false;
        }
        let plan = self.plan(key);
        if plan.finalizer == Finalizer::Hold && self.finalizer(key, true) {
            return true;
        }
        let mut basis = plan.basis;
        for step in &plan.steps {
            let before = self.effective();
            let effect = block_on(self.directory.execute(&step.operation, basis, self.now, self.epoch)).unwrap();
            basis = basis.and(effect.guest.as_ref().map(|guest| guest.revision));
            self.directory_cache.apply(&effect);
            self.done.push(step.operation.clone());
            self.check(&before, &step.operation);
        }
        if !plan.steps.is_empty() {
            let again = self.plan(key);
            assert_eq!(again.steps, [], "the plan after executing a plan is empty: {key}, {:?}", plan.steps);
            return true;
        }
        for deletion in &plan.deletions {
            self.remove(&deletion.key);
        }
        if !plan.deletions.is_empty() {
            return true;
        }
        if plan.finalizer == Finalizer::Release && self.finalizer(key, false) {
            return true;
        }
        plan.status.is_some_and(|status| self.write(key, status))
    }

    /// Adds or removes the finalizer. A terminating object without a finalizer is deleted.
    fn finalizer(&mut self, key: &ObjectRef, on: bool) -> bool {
        let mut object = self.objects[key].clone();
        let list = meta(&mut object).finalizers.get_or_insert_default();
        if list.is_empty() != on {
            return false;
        }
        *list = if on { vec![api::FINALIZER.to_owned()] } else { Vec::new() };
        let leaving = object.metadata().deletion_timestamp.is_some();
        assert!(!(on && leaving), "no finalizer can be put on an object that is being deleted");
        self.store(key.clone(), object);
        if leaving {
            self.remove(key);
        }
        true
    }

    fn write(&mut self, key: &ObjectRef, status: Status) -> bool {
        let Some(mut object) = self.objects.get(key).cloned() else { return false };
        let same = match (&mut object, status) {
            (Object::Partner(object), Status::Partner(new)) => object.status.replace(*new.clone()) == Some(*new),
            (Object::Membership(object), Status::Membership(new)) => object.status.replace(*new.clone()) == Some(*new),
            (Object::Share(object), Status::Share(new)) => object.status.replace(*new.clone()) == Some(*new),
            // The operator still patches the conditions of an unreadable object, but this environment does not store
            // them.
            (Object::Unreadable { .. }, _) => true,
            (object, status) => panic!("a status of another kind: {object:?} {status:?}"),
        };
        if !same {
            self.store(key.clone(), object);
        }
        !same
    }

    /// Checks the invariants after every operation, wherever the operator stops.
    fn check(&self, before: &Access3, operation: &Operation) {
        let all = self.directory.0.lock().unwrap().everything().unwrap();
        let mut addresses = BTreeSet::new();
        for guest in all.guests.iter().filter(|guest| guest.is_live()) {
            assert!(addresses.insert(&guest.address), "two live guests: {}", guest.address);
            for held in guest.grants.values() {
                let above = guest.role == GuestRole::GuestUser && held.grant.role == ShareRole::Manager;
                assert!(!above, "a Guest User is Manager: {guest:?} after {operation:?}");
            }
        }
        for ((name, account), role) in &self.effective() {
            if before.get(&(name.clone(), account.clone())).is_some_and(|had| had >= role) {
                continue;
            }
            let guest = self.record(name).unwrap_or_else(|| panic!("{name} has access and no record"));
            let MfaRecord::Known(methods) = &guest.mfa else { panic!("{name} got {account} with MFA unknown") };
            assert!(!methods.is_empty(), "{name} got {account} without MFA");
            let share = &guest.grants[account].grant.share;
            let Some(Object::Share(share)) = self.objects.get(&ObjectRef::new(Kind::Share, SPACE, share.as_str()))
            else {
                panic!("{name} got {account} through a share that is not there")
            };
            assert_eq!(share.spec.partner_ref.name, guest.partner_name, "across partners");
            assert!(share.metadata.deletion_timestamp.is_none(), "through a share that goes");
        }
    }
}
