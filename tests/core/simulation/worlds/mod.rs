//! Random worlds: two namespaces, three partners, every field of specs and policy, people who act at any moment.
//! After each operation the directory is as the operation promises, no guest has gained access without a rule, and no excess
//! access is left for a later operation. At rest every guest has exactly the access that the rules give.

mod generate;
pub mod planted;
mod promise;
mod reference;

use std::collections::BTreeSet;

use guestlist::directory::{
    AccountRecord, Changed, Everything, GuestRecord, Import, Login, MfaRecord, Operation, UserRecord, Weight,
};
use guestlist::index::{Key, Kind};
use guestlist::operator::engine::Input;
use guestlist::rules::MfaMethod;
use guestlist::workspace::Workspace;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::driver::{Running, Sim, TROUBLES, email};
use super::server::Part;
use generate::{Dice, Edit};
use planted::Bug;
use reference::{Rights, View};

/// The facts that no operation of the operator changes.
#[derive(Clone, PartialEq)]
pub struct Outside {
    accounts: Vec<AccountRecord>,
    users: Vec<UserRecord>,
    policy: Value,
}

/// The state that the checks remember.
pub struct Watch {
    /// All versions of the outside facts so far.
    outside: Vec<Outside>,
    /// The index of the version that the engine knew last.
    pub known: usize,
    /// An administrator enabled or disabled a login: the operator may correct that.
    pub login_was_switched: bool,
}

impl Watch {
    fn note(&mut self, all: &Everything, policy: &Value) {
        let now = Outside { accounts: all.accounts.clone(), users: all.users.clone(), policy: policy.clone() };
        if self.outside.last() != Some(&now) {
            self.outside.push(now);
        }
    }

    pub fn is_told(&mut self) {
        self.known = self.outside.len() - 1;
    }

    fn policy(&self) -> &Value {
        &self.outside[self.outside.len() - 1].policy
    }
}

fn view<'a>(sim: &'a Sim, all: &'a Everything) -> View<'a> {
    View {
        objects: sim.server.objects(),
        policy: sim.watch.as_ref().unwrap().policy(),
        accounts: &all.accounts,
        users: &all.users,
        guests: &all.guests,
        shares: &all.shares,
        now: sim.now,
    }
}

/// Checks one operation after its execution.
pub fn look(sim: &Sim, running: &Running, operation: &Operation, before: &Everything, after: &Everything) {
    if let Err(broken) = promise::kept(before, after, operation, sim.now) {
        panic!("{operation:?} of {}: {broken}", running.about.key);
    }
    let watch = sim.watch.as_ref().unwrap();
    // Every state from the plan of this operation until now: the operator may know any of them.
    let versions: Vec<_> = (running.seen..=sim.server.version).map(|version| sim.server.at(version)).collect();
    let mut rights: Vec<Rights> = Vec::new();
    let mut endable: BTreeSet<&str> = BTreeSet::new();
    for objects in &versions {
        for outside in &watch.outside[running.outside..] {
            let view = View {
                objects,
                policy: &outside.policy,
                accounts: &outside.accounts,
                users: &outside.users,
                guests: &after.guests,
                shares: &before.shares,
                now: sim.now,
            };
            rights.push(view.rights());
            endable.extend(before.guests.iter().filter(|guest| view.may_end(guest)).map(|guest| guest.id.0.as_str()));
        }
    }
    // For accounts that the operation does not change, the operator may know an older state.
    let known = View { objects: &running.known, guests: &before.guests, ..view(sim, before) }.rights();
    let (had, has) = (reference::held(&before.guests), reference::held(&after.guests));
    for (what, gained) in has.iter().filter(|(what, now)| had.get(*what).is_none_or(|had| !had.covers(now))) {
        let allowed = rights.iter().any(|rights| rights.get(what).is_some_and(|right| right.covers(gained)));
        assert!(
            allowed,
            "{what:?} is given {gained:?} by {operation:?}; the rules give {:?}",
            rights.last().unwrap().get(what)
        );
        // No excess access is left for a later operation: it is revoked before any access is added.
        let theirs = had.iter().filter(|((member, _), _)| *member == what.0);
        for (other, held) in theirs {
            let fits = |rights: &Rights| rights.get(other).is_some_and(|right| right.covers(held));
            assert!(
                rights.iter().any(fits) || fits(&known),
                "{what:?} is given while {other:?} still exceeds the rules: {held:?}"
            );
        }
    }
    for (what, lost) in had.iter().filter(|(what, _)| !has.contains_key(*what)) {
        let entitled = rights.iter().all(|rights| rights.get(what) == Some(lost));
        assert!(!entitled, "{what:?} is revoked for no reason by {operation:?}: {lost:?}");
    }
    if operation.weight() == Weight::End
        && let Some(guest) = operation.guest()
    {
        assert!(
            endable.contains(guest.0.as_str()),
            "{guest:?} is ended by {operation:?}, and a membership declares the guest"
        );
    }
    if let Operation::Destroy { since, .. } = operation {
        let age = sim.now.duration_since(*since);
        let after = match watch.policy()["destroy"]["after"].as_str() {
            Some("1h") => 1,
            _ => 24,
        };
        assert!(age >= SignedDuration::from_hours(after), "a record is purged after {age:?}");
    }
}

/// Asserts the state of a world in which the operator has nothing left to do.
fn is_right_at_rest(sim: &Sim) {
    let all = sim.everything();
    let view = view(sim, &all);
    let (rights, held) = (view.rights(), reference::held(&all.guests));
    for (what, held) in &held {
        let right = rights.get(what).filter(|right| right.covers(held));
        assert!(right.is_some(), "at rest {what:?} exceeds the rules: {held:?}, {:?}", rights.get(what));
    }
    for (what, right) in &rights {
        let share = Key::new(Kind::Share, &*what.0.namespace, &*right.share);
        if view.is_paused(&what.0) || view.is_paused(&share) {
            continue;
        }
        assert_eq!(held.get(what), Some(right), "at rest {what:?} does not have what the rules give");
    }
    for guest in all.guests.iter().filter(|guest| guest.is_live()) {
        record_is_right(sim, view, guest);
    }
    for key in sim.server.objects().keys().filter(|key| key.kind == Kind::Membership) {
        let member = &sim.server.objects()[key];
        assert!(!reference::is_deleted(member) || view.is_paused(key), "at rest {key} is still being deleted");
    }
    for (key, member) in sim.server.objects().iter().filter(|(key, _)| key.kind == Kind::Membership) {
        if view.is_paused(key) || reference::is_deleted(member) {
            continue;
        }
        let status = &member["status"];
        assert_eq!(status["observedGeneration"], member["metadata"]["generation"], "at rest {key} was not looked at");
        assert_eq!(status["state"] == "Active", view.is_active(key), "at rest {key} says {}", status["state"]);
    }
    assert_eq!(sim.engine.queue.failing().next(), None, "at rest a success is still slowed down");
    if let Some(change) = view.next_change() {
        let next = sim.engine.next_look();
        assert!(
            next.is_some_and(|next| next <= change),
            "access changes at {change}, and the next look is at {next:?}"
        );
    }
}

fn record_is_right(sim: &Sim, view: View<'_>, guest: &GuestRecord) {
    let mark = guest.mark.as_ref().unwrap();
    let key = Key::new(Kind::Membership, &*mark.namespace, &*mark.name);
    let member = sim.server.objects().get(&key);
    let member = member.unwrap_or_else(|| panic!("at rest {} is live and has no membership", guest.address));
    assert_eq!(member["metadata"]["uid"], *mark.uid, "at rest the mark of {key} names another object");
    if view.is_paused(&key) {
        return;
    }
    let Some(partner) = view.partner_of(&key) else { return };
    let ended = View::end_of_member(member, partner, guest).is_some_and(|end| end <= sim.now);
    let off = member["spec"]["suspended"] == true || partner["spec"]["suspended"] == true || ended;
    let made = reference::is_made(guest);
    assert!(!(off && made && guest.login == Login::Enabled), "at rest {key} is suspended or expired and may sign in");
    if view.member_in_order(&key).is_some() {
        assert_ne!(guest.login, Login::DisabledByGuestlist, "at rest {key} is in order and may not sign in");
        let admin = guest.role == guestlist::rules::GuestRole::GuestAdmin;
        assert_eq!(admin, member["spec"]["role"] == "GuestAdmin", "at rest {key} has the other role");
        let name = member["spec"]["displayName"].as_str().unwrap_or(guest.address.as_str());
        assert_eq!(guest.display_name, name, "at rest {key} has another name");
        assert_eq!(Some(&guest.allowed), view.allowed_of(&key).as_ref(), "at rest {key} has other methods");
        let reset = member.pointer("/metadata/annotations/guestlist.dev~1reset-mfa");
        let reset: Option<Timestamp> = reset.map(|time| time.as_str().unwrap().parse().unwrap());
        if let (Some(reset), MfaRecord::Known(methods)) = (reset, &guest.mfa) {
            let older = methods.iter().find(|(_, since)| **since < reset);
            assert!(older.is_none() || !made, "at rest {key} has {older:?}, and MFA was reset at {reset}");
        }
    }
}

/// A new world without any edit.
fn world(seed: u64, dice: &mut Dice) -> Sim {
    let mut sim = Sim::new(seed);
    let user =
        |address: &&str| UserRecord { email: email(address), name: "Host".to_owned(), enabled: true, verified: true };
    let account = |name: &&str| AccountRecord {
        name: (*name).to_owned(),
        owners: vec![email("alice@host.example"), email("dan@host.example")],
        deleted: false,
    };
    let import = Import {
        users: generate::HOSTS.iter().map(user).collect(),
        accounts: generate::ACCOUNTS.iter().map(account).collect(),
    };
    sim.directory.0.lock().unwrap().import(&import).unwrap();
    let policy = generate::policy(dice);
    sim.policy = policy.to_string();
    let mut watch = Watch { outside: Vec::new(), known: 0, login_was_switched: false };
    watch.note(&sim.everything(), &policy);
    sim.watch = Some(watch);
    sim.restart();
    sim
}

fn play(
    sim: &mut Sim,
    changed: Changed,
    act: impl FnOnce(&mut guestlist::directory::sqlite::Store, Timestamp) -> bool,
) {
    let now = sim.now;
    if act(&mut sim.directory.0.lock().unwrap(), now) {
        sim.is_changed(changed);
    }
}

/// Does an edit. Skips one that is impossible, such as an acceptance without an invitation.
fn happen(sim: &mut Sim, edit: Edit) {
    match edit {
        Edit::Create(key, spec) => sim.server.create(&key, spec, sim.now),
        Edit::Spec(key, patch) => sim.server.edit(&key, patch),
        Edit::Annotate(key, name, value) => {
            let patch = json!({"metadata": {"annotations": {name: value}}});
            sim.server.patch(&key, Part::Object, &patch, sim.now).unwrap();
        }
        Edit::Delete(key) => {
            sim.server.delete(&key, None, sim.now).unwrap();
        }
        Edit::Accept(address) => {
            let address = email(&address);
            play(sim, Changed::Guest(address.clone()), |store, now| store.accept(&address, now).unwrap_or(false));
        }
        Edit::Enrol(address, method) => {
            let address = email(&address);
            let changed = Changed::Guest(address.clone());
            play(sim, changed, |store, now| store.enroll_mfa(&address, method, now).unwrap_or(false));
        }
        Edit::LoseMfa(address) => {
            let address = email(&address);
            play(sim, Changed::Guest(address.clone()), |store, now| store.reset_mfa(&address, now).unwrap_or(false));
        }
        Edit::SetLogin(address, on) => {
            let address = email(&address);
            sim.watch.as_mut().unwrap().login_was_switched = true;
            play(sim, Changed::Guest(address.clone()), |store, _| store.set_login(&address, on).unwrap_or(false));
        }
        Edit::SetOwners(account, owners) => {
            let owners = owners.into_iter().map(email).collect();
            let changed = Changed::Account(account.to_owned());
            play(sim, changed, |store, _| store.set_owner(account, &owners).unwrap_or(false));
        }
        Edit::SetDeleted(account, deleted) => {
            let changed = Changed::Account(account.to_owned());
            play(sim, changed, |store, _| store.set_deleted(account, deleted).unwrap_or(false));
        }
        Edit::Policy(policy) => {
            sim.policy = policy.to_string();
            let all = sim.everything();
            sim.watch.as_mut().unwrap().note(&all, &policy);
            let workspace = Workspace::parse(&sim.policy).unwrap();
            sim.engine.handle(Input::Policy(Ok(Box::new(workspace))), sim.now);
        }
        Edit::Restart => sim.restart(),
        Edit::Relist(gone) => {
            if let Some(key) = gone {
                let none = json!({"metadata": {"finalizers": null}});
                sim.server.patch(&key, Part::Object, &none, sim.now).unwrap();
                if sim.server.object(&key).is_some() {
                    sim.server.delete(&key, None, sim.now).unwrap();
                }
            }
            sim.lose_events();
            for kind in Kind::ALL {
                sim.list_at(kind, sim.server.version);
            }
        }
        Edit::Wait(time) => {
            sim.settle();
            sim.now += time;
        }
    }
    let (all, policy) = (sim.everything(), sim.watch.as_ref().unwrap().policy().clone());
    sim.watch.as_mut().unwrap().note(&all, &policy);
}

fn settle(sim: &mut Sim, dice: &mut Dice) {
    sim.settle();
    is_right_at_rest(sim);
    if !dice.one_in(3) {
        return;
    }
    // Time alone changes access: at that instant, not at the next event.
    let all = sim.everything();
    let next = view(sim, &all).next_change();
    if let Some(next) = next.filter(|next| *next < sim.now + SignedDuration::from_hours(200)) {
        for at in [next - SignedDuration::from_secs(1), next] {
            sim.now = sim.now.max(at);
            sim.settle();
            is_right_at_rest(sim);
        }
    }
    let soon = sim.now + SignedDuration::from_secs(30);
    if sim.engine.next_look().is_none_or(|next| next > soon) {
        super::walk::is_at_rest(sim);
    }
}

fn run_with(seed: u64, bug: Option<Bug>) {
    let mut dice = Dice(seed);
    let mut sim = world(seed, &mut dice);
    match bug {
        Some(Bug::Planner(planner)) => sim.planner = planner,
        Some(Bug::Executor(executor)) => sim.executor = Some(executor),
        Some(Bug::Store(bug)) => sim.store_bug = Some(bug),
        None => {}
    }
    sim.restart();
    for edit in generate::objects(&mut dice, sim.now) {
        happen(&mut sim, edit);
    }
    settle(&mut sim, &mut dice);
    for address in generate::addresses() {
        if !dice.one_in(6) {
            happen(&mut sim, Edit::Accept(address.clone()));
            for method in MfaMethod::ALL {
                if !dice.one_in(3) {
                    happen(&mut sim, Edit::Enrol(address.clone(), *method));
                }
            }
        }
    }
    settle(&mut sim, &mut dice);
    for _ in 0..8 {
        for _ in 0..=dice.roll(7) {
            let edit = generate::edit(&mut dice, sim.server.objects(), sim.now);
            happen(&mut sim, edit);
            sim.steps(dice.roll(15));
        }
        if dice.one_in(2) {
            sim.trouble = Some((sim.calls.len() + dice.roll(20), dice.of(&TROUBLES)));
        }
        settle(&mut sim, &mut dice);
    }
    for scene in SCENES {
        for key in sim.server.objects().keys().cloned().collect::<Vec<_>>() {
            for edit in scene(&key, &sim) {
                happen(&mut sim, edit);
            }
        }
        sim.settle();
        is_right_at_rest(&sim);
        sim.now += SignedDuration::from_mins(14);
        sim.settle();
        is_right_at_rest(&sim);
    }
}

/// The edits that each object gets at the end, so that each world covers all of them.
const SCENES: [fn(&Key, &Sim) -> Vec<Edit>; 8] = [
    |key, _| vec![Edit::Spec(key.clone(), json!({"suspended": null, "expiresAt": null, "mfa": null}))],
    |key, sim| match address_of(key, sim) {
        Some(address) => {
            let enrol = MfaMethod::ALL.iter().map(|method| Edit::Enrol(address.clone(), *method));
            [Edit::Accept(address.clone())].into_iter().chain(enrol).collect()
        }
        None => Vec::new(),
    },
    |key, _| match key.kind {
        Kind::Share => {
            vec![Edit::Spec(key.clone(), json!({"mfa": {"methods": ["TOTP"]}, "guestAdminRole": "Manager"}))]
        }
        Kind::Partner | Kind::Membership => Vec::new(),
    },
    |key, sim| match key.kind {
        Kind::Share => {
            let end = sim.now + SignedDuration::from_mins(90);
            vec![Edit::Spec(key.clone(), json!({"expiresAt": end.to_string()}))]
        }
        Kind::Partner | Kind::Membership => Vec::new(),
    },
    |key, sim| match &sim.server.object(key).unwrap()["spec"]["role"] {
        role if role == "GuestAdmin" => vec![Edit::Spec(key.clone(), json!({"role": "GuestUser"}))],
        _ if key.kind == Kind::Membership => vec![Edit::Spec(key.clone(), json!({"role": "GuestAdmin"}))],
        _ => Vec::new(),
    },
    |key, sim| match key.kind {
        Kind::Membership if &*key.name < "cleo" => {
            vec![Edit::Annotate(key.clone(), "guestlist.dev/reset-mfa", Some(sim.now.to_string()))]
        }
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
    |key, _| match key.kind {
        Kind::Membership if &*key.name > "dora" => vec![Edit::Spec(key.clone(), json!({"suspended": true}))],
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
    // Every membership is reconciled again while the shares have less than an hour left.
    |key, _| match key.kind {
        Kind::Membership => vec![Edit::Spec(key.clone(), json!({"displayName": "Last Example"}))],
        Kind::Partner | Kind::Share => Vec::new(),
    },
];

fn address_of(key: &Key, sim: &Sim) -> Option<String> {
    sim.server.object(key)?["spec"]["email"].as_str().map(str::to_owned)
}

#[test]
fn random_worlds_follow_the_rules_at_each_operation() {
    let first: u64 = std::env::var("GUESTLIST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count: u64 = std::env::var("GUESTLIST_WORLDS").map_or(25, |count| count.parse().unwrap());
    for seed in first..first + count {
        let world = std::panic::catch_unwind(|| run_with(seed, None));
        assert!(world.is_ok(), "world {seed}: run it alone with GUESTLIST_SEED={seed} GUESTLIST_WORLDS=1");
    }
}
