//! Planners with deliberate bugs. The walk catches each; one that it misses shows a gap in its checks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use guestlist::cache::Kind::{Membership, Share};
use guestlist::cache::ObjectRef;
use guestlist::directory::{AccessChange, GuestChange, Operation};
use guestlist::engine::Planner;
use guestlist::plan::{Finalizer, Inputs, Plan, Status, plan};
use serde_json::json;

use super::driver::{Sim, email};
use super::walk;

/// Runs the whole walk, with a check after each step.
fn survives(planner: Planner) -> Result<(), String> {
    let walked = catch_unwind(AssertUnwindSafe(|| {
        let mut sim = Sim::new(0);
        sim.planner = planner;
        sim.restart();
        walk::begin(&mut sim);
        walk::is_where_the_law_says(&sim);
        for edit in walk::EDITS {
            edit(&mut sim);
            sim.settle();
            walk::is_where_the_law_says(&sim);
            walk::is_at_rest(&mut sim);
        }
        sim.edit(Share, "instagram", json!({"exclude": [{"name": "carol"}]}));
        sim.settle();
        walk::is_where_the_law_says(&sim);
        sim.delete(Membership, "bob");
        sim.settle();
        let bob = email("bob@acme.example");
        assert!(sim.everything().guests.iter().all(|guest| guest.address != bob || !guest.is_live()), "bob is left");
    }));
    walked.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

fn without(world: Inputs<'_>, key: &ObjectRef, drop: impl Fn(&Operation) -> bool) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.retain(|step| !drop(&step.operation));
    plan
}

fn withholds_nothing(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Revoke { .. }, .. }))
}

fn demotes_nobody(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Demote, .. }))
}

fn gives_nothing(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Grant { .. }, .. }))
}

fn lets_go_before_it_has_ended_anything(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = without(world, key, |operation| operation.access_change() == AccessChange::Remove);
    if plan.finalizer == Finalizer::Release { Plan { steps: Vec::new(), ..plan } } else { plan }
}

fn never_puts_its_finalizer_on(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Hold { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

fn counts_its_own_passes_in_the_status(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    if let Some(Status::Membership(status)) = &mut plan.status {
        let stored = world.declared.membership(&key.namespace, &key.name).and_then(|slot| slot.read());
        let stored = stored.and_then(|entry| entry.status.read()?.account_count);
        status.account_count = Some(stored.unwrap_or_default() + 1);
    }
    plan
}

fn moves_the_transition_time_each_pass(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    if let Some(Status::Membership(status)) = &mut plan.status {
        for condition in &mut status.conditions {
            condition.last_transition_time = world.now.to_string();
        }
    }
    plan
}

#[test]
fn each_wrong_planner_is_caught_and_the_right_one_is_not() {
    let wrong: [(&str, Planner); 7] = [
        ("withholds nothing", withholds_nothing),
        ("demotes nobody", demotes_nobody),
        ("gives nothing", gives_nothing),
        ("lets go before it has ended anything", lets_go_before_it_has_ended_anything),
        ("never puts its finalizer on", never_puts_its_finalizer_on),
        ("counts its own passes in the status", counts_its_own_passes_in_the_status),
        ("moves the transition time each pass", moves_the_transition_time_each_pass),
    ];
    assert_eq!(survives(plan), Ok(()));
    for (name, planner) in wrong {
        assert!(survives(planner).is_err(), "a planner that {name} goes unnoticed");
    }
}
