//! Edits one at a time, so that no other edit hides a missing reconcile: after each, a restart finds nothing to do.
//! Also edits that only one watch has delivered, while the others lag.

use guestlist::cache::{Kind, ObjectRef};
use jiff::{SignedDuration, Timestamp};

use super::super::driver::Sim;
use super::super::edits::happen;
use super::rest::{is_at_rest, is_right_at_rest};
use super::{populate, settle, world};
use crate::support::worlds::generate::{self, Dice};
use crate::support::worlds::{Edit, SIMULATED};

const WORLDS: std::ops::RangeInclusive<u64> = 1..=8;
const EDITS: usize = 50;

/// Whether only a part of the objects has to be reconciled after an edit.
fn is_isolated(edit: &Edit) -> bool {
    !matches!(edit, Edit::Policy(_) | Edit::Restart | Edit::Handover(_) | Edit::Relist(_) | Edit::Wait(_))
}

fn draw(sim: &Sim, dice: &mut Dice) -> Vec<Edit> {
    let guests = sim.everything().guests;
    generate::edits(dice, SIMULATED, sim.server.objects(), &guests, sim.now)
}

#[test]
fn each_edit_alone_reaches_all_that_it_affects() {
    for seed in WORLDS {
        let mut dice = Dice(seed);
        let mut sim = world(seed, &mut dice);
        populate(&mut sim, &mut dice);
        for _ in 0..EDITS {
            let edits = draw(&sim, &mut dice);
            let isolated = edits.iter().all(is_isolated);
            for edit in edits.clone() {
                happen(&mut sim, edit);
            }
            if isolated {
                sim.settle();
                is_right_at_rest(&sim);
                let rests = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| is_at_rest(&mut sim)));
                assert!(rests.is_ok(), "world {seed}: after {edits:?}");
                nothing_changes_before_the_next_look(&sim);
            } else {
                settle(&mut sim, &mut dice);
            }
        }
    }
}

/// Time alone changes no plan before the time at which it is due again. The counts of partners and shares follow the
/// statuses of memberships.
fn nothing_changes_before_the_next_look(sim: &Sim) {
    let second = SignedDuration::from_secs(1);
    let planned = |key: &ObjectRef, now: Timestamp| (sim.planner)(sim.inputs(now), key);
    let is_armed = |due: Option<Timestamp>| due.is_none_or(|due| sim.engine.next_check().is_some_and(|at| at <= due));
    for key in Kind::ALL.into_iter().flat_map(|kind| sim.engine.objects().keys(kind)) {
        let plan = planned(&key, sim.now);
        assert!(is_armed(plan.next_check), "{key} is due at {:?}, and no timer wakes it", plan.next_check);
        let last = plan.next_check.map_or(sim.now + SignedDuration::from_hours(24 * 400), |next| next - second);
        if last <= sim.now {
            continue;
        }
        let later = planned(&key, last);
        assert_eq!(plan.steps, later.steps, "{key} at {last}: the next look is at {:?}", plan.next_check);
        if key.kind == Kind::Membership {
            assert_eq!(plan.status, later.status, "{key} at {last}: the next look is at {:?}", plan.next_check);
        }
    }
    let collected = |now: Timestamp| (sim.sweeper)(sim.inputs(now));
    let collection = collected(sim.now);
    assert!(is_armed(collection.next_check), "no timer wakes garbage collection at {:?}", collection.next_check);
    let last = collection.next_check.map_or(sim.now + SignedDuration::from_hours(24 * 400), |next| next - second);
    if last > sim.now {
        let later = collected(last);
        assert_eq!((&collection.steps, &collection.revocations), (&later.steps, &later.revocations), "at {last}");
    }
}

/// The kind of the object that an edit changes.
fn kind_of(edit: &Edit) -> Option<Kind> {
    match edit {
        Edit::Create(key, _) | Edit::Spec(key, _) | Edit::Annotate(key, ..) | Edit::Delete(key) | Edit::Vanish(key) => {
            Some(key.kind)
        }
        _ => None,
    }
}

#[test]
fn no_grant_follows_from_watches_that_lag_behind() {
    for seed in WORLDS {
        let mut dice = Dice(seed);
        let mut sim = world(seed, &mut dice);
        populate(&mut sim, &mut dice);
        for _ in 0..EDITS {
            let edits: Vec<Edit> = (0..4).flat_map(|_| draw(&sim, &mut dice)).collect();
            let Some(last) = edits.iter().rev().find_map(kind_of) else { continue };
            for edit in edits.into_iter().filter(|edit| kind_of(edit).is_some()) {
                happen(&mut sim, edit);
            }
            // An operation must fit the objects of the server since the newest one that the engine planned it on.
            sim.silent = Kind::ALL.into_iter().filter(|kind| *kind != last).collect();
            sim.steps(300);
            sim.silent.clear();
            sim.settle();
            is_right_at_rest(&sim);
        }
    }
}
