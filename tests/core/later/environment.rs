//! Objects, an embedded directory and a clock; a session of `apply` on them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use guestlist::cache::{Kind, Object};
use guestlist::cli::offline::object_store::InMemoryObjects;
use guestlist::cli::offline::session::{OfflineSession, SessionOutcome};
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{AccountRecord, DirectoryWriter, Import, Operation, Owner, Snapshot, UserRecord};
use guestlist::domain::{Email, MfaMethod, ShareRole};
use guestlist::plan::PruneScope;
use guestlist::util::clock::Clock;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub const POLICY: &str = r#"
installation: test
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"]}]
mailInterval: 10m
"#;

/// Guest, account, role, share.
pub type Held = (Email, String, ShareRole, String);

pub struct Environment {
    pub objects: Vec<Value>,
    pub now: Timestamp,
    directory: Arc<Inline>,
    pub owner: Owner,
    pub prune_scope: PruneScope,
}

/// An event in the workspace.
pub type Event = Box<dyn FnOnce(&mut Environment)>;

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn inviter_name(address: &Email) -> String {
    format!("inviter-{}", address.as_str().split('@').next().unwrap())
}

fn read<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"))
}

fn declared(object: &Value) -> Object {
    match object["kind"].as_str().unwrap() {
        "LocalPartner" => Object::Partner(Box::new(read(object))),
        "GuestMembership" => Object::Membership(Box::new(read(object))),
        _ => Object::Share(Box::new(read(object))),
    }
}

pub fn object(kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"namespace": "partners", "name": name, "uid": format!("{kind}-{name}")});
    json!({"apiVersion": "guestlist.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

impl Environment {
    pub fn new(objects: Vec<Value>, users: Vec<UserRecord>, accounts: Vec<AccountRecord>) -> Self {
        let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
        store.import(&Import { users, accounts: accounts.clone() }).unwrap();
        for account in accounts.iter().filter(|account| account.deleted) {
            store.set_deleted(&account.name, true).unwrap();
        }
        let owner = Owner { installation: "test".to_owned(), cluster: "files".to_owned() };
        let directory = Arc::new(Inline::new(store));
        block_on(directory.claim(&owner)).unwrap();
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        Self { objects, now, directory, owner, prune_scope: PruneScope::Declared }
    }

    pub fn everything(&self) -> Snapshot {
        self.directory.0.lock().unwrap().everything().unwrap()
    }

    /// A copy of the environment.
    pub fn copy(&self) -> Self {
        let store = Store::copy(&self.everything(), &self.owner).unwrap();
        let directory = Arc::new(Inline::new(store));
        let (objects, owner) = (self.objects.clone(), self.owner.clone());
        Self { objects, now: self.now, directory, owner, prune_scope: self.prune_scope }
    }

    /// Applies the declared objects. A short time passes.
    pub fn apply(&mut self) -> SessionOutcome {
        self.now += SignedDuration::from_secs(1);
        self.session(self.everything(), self.directory.clone()).0
    }

    /// Applies the declared objects, and returns the operations.
    pub fn applied(&mut self) -> Vec<Operation> {
        self.now += SignedDuration::from_secs(1);
        self.session(self.everything(), self.directory.clone()).1
    }

    /// Rehearses on a changed copy of the directory's content.
    pub fn rehearse(&self, change: impl FnOnce(&mut Snapshot)) -> (SessionOutcome, Vec<Operation>) {
        let mut snapshot = self.everything();
        change(&mut snapshot);
        let copy = Store::copy(&snapshot, &self.owner).unwrap();
        self.session(snapshot, Arc::new(Inline::new(copy)))
    }

    fn session(&self, snapshot: Snapshot, directory: Arc<Inline>) -> (SessionOutcome, Vec<Operation>) {
        let (start, waited) = (self.now, Arc::new(AtomicI64::new(0)));
        let passed = Arc::clone(&waited);
        let clock = Clock::new(move || start + SignedDuration::from_millis(passed.load(Ordering::Relaxed)));
        let session = OfflineSession {
            owner: self.owner.clone(),
            workspace: WorkspacePolicy::parse(POLICY).unwrap(),
            objects: Arc::new(InMemoryObjects::holding(self.objects.iter().map(declared), clock.clone())),
            snapshot,
            epoch: block_on(directory.lead()).unwrap(),
            directory,
            clock,
            prune_scope: self.prune_scope,
            workers: 1,
            wait: Box::new(move |pause: Duration| {
                waited.fetch_add(i64::try_from(pause.as_millis()).unwrap() + 1, Ordering::Relaxed);
                Box::pin(std::future::ready(()))
            }),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut done = Vec::new();
        let rest = runtime.block_on(session.run(|one| done.push(one.step.operation.clone()))).unwrap();
        assert!(rest.failed.is_empty(), "{:?}", rest.failed);
        (rest, done)
    }

    /// The objects, one a line.
    pub fn lines(&self) -> String {
        let line = |object: &Value| format!("\n{} {} {}", object["kind"], object["metadata"]["name"], object["spec"]);
        self.objects
            .iter()
            .map(line)
            .chain([format!("\n{:?}\n{:?}", self.everything().accounts, self.everything().users)])
            .collect()
    }

    /// All grants.
    pub fn held(&self) -> BTreeSet<Held> {
        let all = self.everything();
        let live = all.guests.iter().filter(|guest| guest.is_live());
        let grants = live.flat_map(|guest| guest.grants.values().map(move |held| (guest, &held.grant)));
        grants.map(|(guest, it)| (guest.address.clone(), it.account.clone(), it.role, it.share.clone())).collect()
    }

    fn play<T>(&self, act: impl FnOnce(&mut Store) -> Result<T, guestlist::directory::Error>) -> Option<T> {
        act(&mut self.directory.0.lock().unwrap()).ok()
    }

    pub fn accepts(&mut self, guest: &Email) {
        let now = self.now;
        let _ = self.play(|store| store.accept(guest, now));
    }

    pub fn enrols(&mut self, guest: &Email, method: MfaMethod) {
        let now = self.now;
        let _ = self.play(|store| store.enroll_mfa(guest, method, now));
    }

    pub fn resets(&mut self, guest: &Email) {
        let now = self.now;
        let _ = self.play(|store| store.reset_mfa(guest, now));
    }

    pub fn user(&mut self, email: &Email) {
        let user = UserRecord { email: email.clone(), name: email.to_string(), enabled: true, verified: true };
        let _ = self.play(|store| store.import(&Import { users: vec![user], accounts: Vec::new() }));
    }

    /// Creates the account if it does not exist, and adds this Owner.
    pub fn owns(&mut self, account: &str, owner: &Email) {
        let known = self.everything().accounts.into_iter().find(|known| known.name == account);
        let mut owners: BTreeSet<Email> = known.iter().flat_map(|known| known.owners.clone()).collect();
        owners.insert(owner.clone());
        if known.is_none() {
            let account = AccountRecord { name: account.to_owned(), owners: vec![owner.clone()], deleted: false };
            self.play(|store| store.import(&Import { users: Vec::new(), accounts: vec![account] })).unwrap();
        }
        self.play(|store| store.set_owner(account, &owners)).unwrap();
        self.play(|store| store.set_deleted(account, false)).unwrap();
    }

    fn spec(&self, kind: &str, address: &Email) -> Option<Value> {
        let wanted = |object: &&Value| object["kind"] == kind && object["spec"]["email"] == address.as_str();
        self.objects.iter().find(wanted).cloned()
    }

    /// Declares a partner, run by all who act in it.
    pub fn declare_partner(&mut self, name: &str) {
        let acts = |object: &Value| {
            let spec = &object["spec"];
            let ours = spec["partnerRef"]["name"] == name;
            [&spec["invitedBy"], &spec["sharedBy"]]
                .into_iter()
                .filter_map(Value::as_str)
                .filter(|email| ours && email.ends_with("@host.example"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let admins: BTreeSet<String> = self.objects.iter().flat_map(acts).collect();
        self.objects.push(object("LocalPartner", name, json!({"hostAdmins": admins})));
    }

    /// Declares a Guest Admin, invited by a Host Admin.
    pub fn declare_guest_admin(&mut self, name: &str, address: Option<&Email>, partner: &str) {
        let users = self.everything().users;
        let declared = self.objects.iter().find(|object| object["kind"] == "LocalPartner").unwrap();
        let admins = declared["spec"]["hostAdmins"].as_array().unwrap();
        let by = admins.iter().find(|admin| users.iter().any(|user| user.enabled && **admin == *user.email.as_str()));
        let address = address.map_or_else(|| format!("new-{name}@acme.example"), ToString::to_string);
        let spec = json!({"partnerRef": {"name": partner}, "email": address, "role": "GuestAdmin", "invitedBy": by.unwrap_or(&admins[0])});
        self.objects.push(object("GuestMembership", name, spec));
    }

    /// A Guest Admin becomes Active, with every step that this requires.
    pub fn becomes_active(&mut self, inviter: &Email, partner: &str) {
        if self.spec("GuestMembership", inviter).is_none() {
            self.declare_guest_admin(&inviter_name(inviter), Some(inviter), partner);
        }
        for _ in 0..3 {
            let spec = self.spec("GuestMembership", inviter).unwrap();
            if let Some(by) = spec["spec"]["invitedBy"].as_str().filter(|by| by.ends_with("@host.example")) {
                self.user(&email(by));
            }
            self.apply();
            self.now += SignedDuration::from_mins(11);
            self.apply();
            self.accepts(inviter);
            super::all_methods(self, inviter);
        }
        self.apply();
    }

    /// The addresses of all memberships.
    pub fn guests(&self) -> BTreeSet<Email> {
        let members = self.objects.iter().filter(|object| object["kind"] == Kind::Membership.as_str());
        members.filter_map(|object| object["spec"]["email"].as_str()).map(email).collect()
    }

    /// Whether guests compete for a place or an address.
    pub fn is_contended(&self) -> bool {
        let quota = self.objects.iter().any(|object| !object["spec"]["guests"]["maxGuests"].is_null());
        let members = self.objects.iter().filter(|object| object["kind"] == Kind::Membership.as_str()).count();
        quota || members != self.guests().len()
    }

    /// All events that can still happen without a change to the declared objects, and the declaration of missing
    /// objects.
    pub fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = vec![Box::new(|it| it.now += SignedDuration::from_mins(11))];
        let named = |kind: &str, name: &Value| {
            self.objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
        };
        if !named("LocalPartner", &json!("acme")) {
            events.push(Box::new(|it| it.declare_partner("acme")));
            return events;
        }
        for admin in ["alice@host.example", "dan@host.example"] {
            events.push(Box::new(move |it| it.user(&email(admin))));
        }
        for guest in self.guests() {
            let (accepts, enrols) = (guest.clone(), guest);
            events.push(Box::new(move |it| it.accepts(&accepts)));
            events.push(Box::new(move |it| super::all_methods(it, &enrols)));
        }
        for object in &self.objects {
            let spec = &object["spec"];
            if let (Some(account), Some(sharer)) = (spec["account"].as_str(), spec["sharedBy"].as_str()) {
                let (account, sharer) = (account.to_owned(), email(sharer));
                events.push(Box::new(move |it| it.owns(&account, &sharer)));
            }
            for entry in spec["guestUsers"].as_array().into_iter().flatten() {
                let name = &entry["propagatedBy"];
                if !named("GuestMembership", name) {
                    let name = name.as_str().unwrap().to_owned();
                    events.push(Box::new(move |it| {
                        if !it.objects.iter().any(|object| object["metadata"]["name"] == *name) {
                            it.declare_guest_admin(&name, None, "acme");
                        }
                    }));
                }
            }
            let inviter = spec["invitedBy"].as_str().filter(|inviter| inviter.ends_with("@acme.example"));
            if let Some(inviter) = inviter.map(email).filter(|inviter| self.spec("GuestMembership", inviter).is_none())
            {
                events.push(Box::new(move |it| {
                    if it.spec("GuestMembership", &inviter).is_none() {
                        it.declare_guest_admin(&inviter_name(&inviter), Some(&inviter), "acme");
                    }
                }));
            }
        }
        events
    }
}
