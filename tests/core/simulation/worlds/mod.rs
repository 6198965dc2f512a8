//! Random environments: two namespaces, three partners, every field of specs and policy, people who act at any moment,
//! and two processes at once. After each operation the directory has exactly the specified effect. No guest has gained
//! access without a rule, and no excess access remains for a later operation. After convergence every guest has exactly
//! the access that the rules grant.

mod check;
mod isolated;
pub mod planted;
mod promise;
mod rest;
mod scenes;
mod scoped;

use std::collections::BTreeMap;

use guestlist::directory::{AccountRecord, Import, Snapshot, UserRecord};
use guestlist::domain::Email;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::driver::{Running, Sim, TROUBLES, email};
use super::edits::happen;
use crate::support::worlds::SIMULATED;
use crate::support::worlds::generate::{self, Dice};
use crate::support::worlds::reference::View;
pub use check::{is_tried, look};
use planted::Bug;
use rest::is_right_at_rest;
pub use scoped::watches_a_part;

/// The facts that no operation of the operator changes.
#[derive(Clone, PartialEq)]
pub struct Outside {
    accounts: Vec<AccountRecord>,
    users: Vec<UserRecord>,
    policy: Value,
}

/// The facts that the checks remember.
pub struct Watch {
    /// All versions of the outside facts so far.
    outside: Vec<Outside>,
    /// The index of the version that the engine last knew.
    pub known: usize,
    /// For each guest: the number of versions when the state of MFA became known or unknown.
    told: BTreeMap<Email, usize>,
    /// An administrator enabled or disabled a login: the operator may correct that.
    pub login_was_switched: bool,
    /// The times at which records were purged.
    pub purged: Vec<Timestamp>,
}

impl Watch {
    pub fn note(&mut self, all: &Snapshot, policy: &Value) {
        let now = Outside { accounts: all.accounts.clone(), users: all.users.clone(), policy: policy.clone() };
        if self.outside.last() != Some(&now) {
            self.outside.push(now);
        }
    }

    /// Records that the state of a guest's MFA became known or unknown, as a new version.
    pub fn note_told(&mut self, address: Email) {
        let last = self.outside[self.outside.len() - 1].clone();
        self.outside.push(last);
        self.told.insert(address, self.outside.len() - 1);
    }

    /// Whether the plan of a task used an outdated state of MFA.
    pub fn is_stale(&self, running: &Running) -> bool {
        running
            .about
            .address
            .as_ref()
            .and_then(|address| self.told.get(address))
            .is_some_and(|at| *at > running.outside)
    }

    pub fn is_told(&mut self) {
        self.known = self.outside.len() - 1;
    }

    pub fn policy(&self) -> &Value {
        &self.outside[self.outside.len() - 1].policy
    }
}

/// The guests whose MFA the operator does not know, and the instant since which this is so.
fn unknown_mfa(sim: &Sim) -> BTreeMap<String, Timestamp> {
    sim.unknown_mfa.iter().map(|(address, since)| (address.to_string(), (*since).max(sim.started))).collect()
}

fn view<'a>(sim: &'a Sim, all: &'a Snapshot, unknown: &'a BTreeMap<String, Timestamp>) -> View<'a> {
    View { unknown, ..View::of(sim.server.objects(), sim.watch.as_ref().unwrap().policy(), all, sim.now) }
}

/// A new world without any edit.
fn world(seed: u64, dice: &mut Dice) -> Sim {
    let mut sim = Sim::new(seed);
    let user =
        |address: &String| UserRecord { email: email(address), name: "Host".to_owned(), enabled: true, verified: true };
    let account = |name: &&str| AccountRecord {
        name: (*name).to_owned(),
        owners: generate::owners().iter().map(|owner| email(owner)).collect(),
        deleted: false,
    };
    let import = Import {
        users: generate::users(dice).iter().map(user).collect(),
        accounts: generate::ACCOUNTS.iter().map(account).collect(),
    };
    sim.directory.0.lock().unwrap().import(&import).unwrap();
    let policy = generate::policy(dice, SIMULATED);
    sim.policy = policy.to_string();
    let mut watch =
        Watch { outside: Vec::new(), known: 0, told: BTreeMap::new(), login_was_switched: false, purged: Vec::new() };
    watch.note(&sim.everything(), &policy);
    sim.watch = Some(watch);
    sim.restart();
    sim
}

/// Creates the initial objects, and lets guests join.
fn populate(sim: &mut Sim, dice: &mut Dice) {
    for edit in generate::objects(dice, sim.now) {
        happen(sim, edit);
    }
    settle(sim, dice);
    for edit in generate::joining(dice) {
        happen(sim, edit);
    }
    settle(sim, dice);
}

fn settle(sim: &mut Sim, dice: &mut Dice) {
    sim.settle();
    is_right_at_rest(sim);
    if !dice.one_in(3) {
        return;
    }
    // The mere passage of time changes access: at that instant, not at the next event.
    let (all, unknown) = (sim.everything(), unknown_mfa(sim));
    let next = view(sim, &all, &unknown).next_change();
    if let Some(next) = next.filter(|next| *next < sim.now + SignedDuration::from_hours(200)) {
        for at in [next - SignedDuration::from_secs(1), next] {
            sim.now = sim.now.max(at);
            sim.settle();
            is_right_at_rest(sim);
        }
    }
    let soon = sim.now + SignedDuration::from_secs(30);
    if sim.engine.next_check().is_none_or(|next| next > soon) {
        rest::is_at_rest(sim);
    }
}

fn run_with(seed: u64, bug: Option<Bug>) {
    let mut dice = Dice(seed);
    let mut sim = world(seed, &mut dice);
    match bug {
        Some(Bug::Planner(planner)) => sim.planner = planner,
        Some(Bug::Sweeper(sweeper)) => sim.sweeper = sweeper,
        Some(Bug::Reader(reader)) => sim.reader = Some(reader),
        Some(Bug::Executor(executor)) => sim.executor = Some(executor),
        Some(Bug::Store(bug)) => sim.store_bug = Some(bug),
        None => {}
    }
    sim.restart();
    populate(&mut sim, &mut dice);
    for _ in 0..8 {
        for _ in 0..=dice.roll(7) {
            let guests = sim.everything().guests;
            for edit in generate::edits(&mut dice, SIMULATED, sim.server.objects(), &guests, sim.now) {
                happen(&mut sim, edit);
            }
            sim.steps(dice.roll(15));
        }
        if dice.one_in(2) {
            sim.trouble = Some((sim.calls.len() + dice.roll(20), dice.of(&TROUBLES)));
        }
        settle(&mut sim, &mut dice);
    }
    scenes::play(&mut sim);
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
