//! The operator watches some of the namespaces. The records and objects of the others stay as they are, whatever people
//! do to them. After it watches all namespaces again, everybody has the access that the rules grant.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use guestlist::cache::{ALL_NAMESPACES, Kind, ObjectRef, WatchedNamespaces};
use guestlist::directory::{GuestRecord, OwnershipMark, PartnerRecord, ShareRecord};
use guestlist::plan::{Inputs, gc};

use super::super::driver::Sim;
use super::super::edits::happen;
use super::rest::is_right_at_rest;
use super::{populate, settle, world};
use crate::support::worlds::generate::{self, Dice, NAMESPACES};
use crate::support::worlds::{Edit, Objects, SIMULATED};

const WORLDS: std::ops::RangeInclusive<u64> = 1..=12;
const ROUNDS: usize = 10;

/// Whether the operator watches some of the namespaces. The checks of whole environments do not apply then.
pub fn watches_a_part(sim: &Sim) -> bool {
    !NAMESPACES.into_iter().all(|namespace| sim.namespaces.contains(namespace))
}

/// The records and objects of namespaces that are not watched.
#[derive(Debug, PartialEq)]
struct Unwatched {
    guests: Vec<GuestRecord>,
    partners: Vec<PartnerRecord>,
    shares: Vec<ShareRecord>,
    objects: Objects,
}

fn unwatched(sim: &Sim) -> Unwatched {
    let is_elsewhere = |namespace: &str| !sim.namespaces.contains(namespace);
    let is_marked = |mark: &OwnershipMark| is_elsewhere(&mark.namespace);
    let mut all = sim.everything();
    all.guests.retain(|guest| guest.mark.as_ref().is_some_and(is_marked));
    all.partners.retain(|partner| is_marked(&partner.mark));
    let shares = sim.server.history.iter().filter(|entry| entry.key.kind == Kind::Share);
    let shares = shares.filter(|entry| is_elsewhere(&entry.key.namespace)).filter_map(|entry| entry.object.as_ref());
    let uids: BTreeSet<&str> = shares.filter_map(|share| share["metadata"]["uid"].as_str()).collect();
    all.shares.retain(|share| uids.contains(share.uid.as_str()));
    let mut objects = sim.server.objects().clone();
    objects.retain(|key, _| is_elsewhere(&key.namespace));
    Unwatched { guests: all.guests, partners: all.partners, shares: all.shares, objects }
}

/// Runs the operator, which must change nothing of the other namespaces.
fn keeps_others(sim: &mut Sim, run: impl FnOnce(&mut Sim)) {
    let before = unwatched(sim);
    run(sim);
    assert_eq!(unwatched(sim), before, "{:#?}", sim.last_calls());
}

/// Plays an edit. Some edits let the operator run.
fn plays(sim: &mut Sim, edit: Edit) {
    match edit {
        Edit::Wait(_) | Edit::Handover(_) | Edit::Restart | Edit::Policy(_) => {
            keeps_others(sim, |sim| happen(sim, edit));
        }
        edit => happen(sim, edit),
    }
}

/// An operator of all namespaces settles. Then one of a single namespace follows it.
fn narrowed(seed: u64, dice: &mut Dice) -> Sim {
    let mut sim = world(seed, dice);
    populate(&mut sim, dice);
    sim.namespaces = WatchedNamespaces::named([dice.of(&NAMESPACES)]).unwrap();
    sim.restart();
    sim
}

/// Random edits in all namespaces.
fn lives(sim: &mut Sim, dice: &mut Dice) {
    for _ in 0..ROUNDS {
        for _ in 0..=dice.roll(7) {
            let guests = sim.everything().guests;
            for edit in generate::edits(dice, SIMULATED, sim.server.objects(), &guests, sim.now) {
                plays(sim, edit);
            }
            let steps = dice.roll(15);
            keeps_others(sim, |sim| sim.steps(steps));
        }
        keeps_others(sim, Sim::settle);
    }
}

#[test]
fn unwatched_namespaces_keep_their_records_and_objects() {
    for seed in WORLDS {
        let mut dice = Dice(seed);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut sim = narrowed(seed, &mut dice);
            lives(&mut sim, &mut dice);
            // Records become due for a purge, and orphans stay.
            keeps_others(&mut sim, |sim| sim.later(48));
            sim.namespaces = WatchedNamespaces::All;
            sim.restart();
            sim.settle();
            is_right_at_rest(&sim);
        }));
        assert!(ran.is_ok(), "world {seed}");
    }
}

#[test]
fn mistyped_namespace_changes_nothing() {
    for seed in WORLDS {
        let mut dice = Dice(seed);
        let mut sim = world(seed, &mut dice);
        populate(&mut sim, &mut dice);
        // All objects vanish while no operator runs, and the new one has a mistyped namespace.
        for key in sim.server.objects().keys().cloned().collect::<Vec<ObjectRef>>() {
            happen(&mut sim, Edit::Vanish(key));
        }
        sim.namespaces = WatchedNamespaces::named(["partner"]).unwrap();
        sim.restart();
        let (before, calls) = (sim.everything(), sim.calls.len());
        sim.later(24 * 60);
        assert_eq!((sim.everything(), sim.calls.len()), (before, calls), "world {seed}");
        assert_eq!(sim.engine.health().orphans, 0);
        assert_eq!(sim.engine.health().missing(), Vec::<String>::new());
    }
}

#[test]
fn watch_for_each_namespace_gives_what_the_rules_grant() {
    for seed in WORLDS {
        let mut dice = Dice(seed);
        let mut sim = world(seed, &mut dice);
        sim.namespaces = WatchedNamespaces::named(NAMESPACES).unwrap();
        sim.restart();
        populate(&mut sim, &mut dice);
        for _ in 0..ROUNDS / 2 {
            for _ in 0..=dice.roll(7) {
                let guests = sim.everything().guests;
                for edit in generate::edits(&mut dice, SIMULATED, sim.server.objects(), &guests, sim.now) {
                    happen(&mut sim, edit);
                }
                sim.steps(dice.roll(15));
            }
            settle(&mut sim, &mut dice);
        }
    }
}

/// Garbage collection that treats all namespaces as watched.
fn gc_of_everything(world: Inputs<'_>) -> gc::GarbageCollection {
    gc::plan(Inputs { namespaces: &ALL_NAMESPACES, ..world })
}

#[test]
fn garbage_collection_of_all_namespaces_is_noticed() {
    let noticed = |seed| {
        let mut dice = Dice(seed);
        let mut sim = narrowed(seed, &mut dice);
        sim.sweeper = gc_of_everything;
        sim.restart();
        catch_unwind(AssertUnwindSafe(|| lives(&mut sim, &mut dice))).is_err()
    };
    let mut worlds = WORLDS;
    assert!(worlds.any(noticed));
}
