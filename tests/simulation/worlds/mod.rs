//! Random worlds: two namespaces, three partners, everything that specs and policy can say, people who act at any moment.
//! After each operation the directory is as the operation promises, nobody has gained what the rules did not give, and
//! nothing is left for a later operation to repair. At rest everybody has exactly what the rules give.

mod generate;
mod promise;
mod reference;

use std::collections::BTreeSet;

use guestlist::directory::{
    AccountRecord, Changed, Everything, GuestRecord, Import, Login, Operation, UserRecord, Weight,
};
use guestlist::index::{Key, Kind};
use guestlist::operator::engine::Input;
use guestlist::workspace::Workspace;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::driver::{Running, Sim, TROUBLES, email};
use super::server::Part;
use generate::{Dice, Edit};
use reference::{Rights, View};

/// The facts that no operation of the operator changes.
#[derive(Clone, PartialEq)]
pub struct Outside {
    accounts: Vec<AccountRecord>,
    users: Vec<UserRecord>,
    policy: Value,
}

/// What the checks have to remember.
pub struct Watch {
    /// All facts from outside that there ever were.
    outside: Vec<Outside>,
    /// Which of them the engine knew last.
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

/// Looks at one operation after it was executed.
pub fn look(sim: &Sim, running: &Running, operation: &Operation, before: &Everything, after: &Everything) {
    if let Err(broken) = promise::kept(before, after, operation, sim.now) {
        panic!("{operation:?} of {}: {broken}", running.about.key);
    }
    let watch = sim.watch.as_ref().unwrap();
    // What the operator could know when it planned this, and whatever came after.
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
    let (had, has) = (reference::held(&before.guests), reference::held(&after.guests));
    for (what, gained) in has.iter().filter(|(what, now)| had.get(*what).is_none_or(|had| !had.covers(now))) {
        let allowed = rights.iter().any(|rights| rights.get(what).is_some_and(|right| right.covers(gained)));
        assert!(
            allowed,
            "{what:?} is given {gained:?} by {operation:?}; the rules give {:?}",
            rights.last().unwrap().get(what)
        );
        // Nothing that a later operation has to repair: what exceeds the rules goes before anything is added.
        let theirs = had.iter().filter(|((member, _), _)| *member == what.0);
        for (other, held) in theirs {
            let fits = rights.iter().any(|rights| rights.get(other).is_some_and(|right| right.covers(held)));
            let seen = versions.len() == 1;
            assert!(fits || !seen, "{what:?} is given while {other:?} still exceeds the rules: {held:?}");
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

/// What is true when the operator has nothing left to do.
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
    let ended = view.end_of_member(member, partner, guest).is_some_and(|end| end <= sim.now);
    let off = member["spec"]["suspended"] == true || partner["spec"]["suspended"] == true || ended;
    let made = reference::is_made(guest);
    assert!(!(off && made && guest.login == Login::Enabled), "at rest {key} is suspended or expired and may sign in");
    if view.member_in_order(&key).is_some() {
        assert_ne!(guest.login, Login::DisabledByGuestlist, "at rest {key} is in order and may not sign in");
        let admin = guest.role == guestlist::rules::GuestRole::GuestAdmin;
        assert_eq!(admin, member["spec"]["role"] == "GuestAdmin", "at rest {key} has the other role");
    }
}

/// A world before anybody has done anything in it.
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

/// Does an edit. What cannot be done, such as accepting without an invitation, is left out.
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
        Edit::Wait(time) => {
            sim.settle();
            sim.now += time;
        }
    }
    let (all, policy) = (sim.everything(), sim.watch.as_ref().unwrap().policy().clone());
    sim.watch.as_mut().unwrap().note(&all, &policy);
}

fn settle(sim: &mut Sim) {
    sim.settle();
    is_right_at_rest(sim);
    // Time alone changes access: at that instant, and not before somebody happens to look.
    let all = sim.everything();
    let next = view(sim, &all).next_change();
    if let Some(next) = next.filter(|next| *next < sim.now + SignedDuration::from_hours(200)) {
        sim.now = next;
        sim.settle();
        is_right_at_rest(sim);
    }
}

fn run(seed: u64) {
    let mut dice = Dice(seed);
    let mut sim = world(seed, &mut dice);
    for edit in generate::objects(&mut dice, sim.now) {
        happen(&mut sim, edit);
    }
    settle(&mut sim);
    for address in generate::addresses() {
        if !dice.one_in(6) {
            happen(&mut sim, Edit::Accept(address.clone()));
            if !dice.one_in(8) {
                happen(&mut sim, Edit::Enrol(address, dice.of(guestlist::rules::MfaMethod::ALL)));
            }
        }
    }
    settle(&mut sim);
    for _ in 0..8 {
        for _ in 0..=dice.roll(4) {
            let edit = generate::edit(&mut dice, |key| sim.server.object(key).is_some(), sim.now);
            happen(&mut sim, edit);
            sim.steps(dice.roll(15));
        }
        if dice.one_in(2) {
            sim.trouble = Some((sim.calls.len() + dice.roll(20), dice.of(&TROUBLES)));
        }
        settle(&mut sim);
    }
}

#[test]
fn random_worlds_follow_the_rules_at_each_operation() {
    let first: u64 = std::env::var("GUESTLIST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count: u64 = std::env::var("GUESTLIST_WORLDS").map_or(60, |count| count.parse().unwrap());
    for seed in first..first + count {
        let world = std::panic::catch_unwind(|| run(seed));
        assert!(world.is_ok(), "world {seed}: run it alone with GUESTLIST_SEED={seed} GUESTLIST_WORLDS=1");
    }
}
