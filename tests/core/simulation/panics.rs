//! Plans and tasks that panic: no key is lost, all others continue, and the object reaches its state after the fault is
//! gone.

use std::cell::RefCell;

use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::cache::ObjectRef;
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Planner, ReconcileOutcome, Task};
use guestlist::plan::{Inputs, Plan, plan};
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, Trouble, email, key};
use super::failed_operations::{ready, wait};
use super::walk;

thread_local! {
    /// The names of objects whose plans panic.
    static BROKEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn panics_for_the_broken(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    assert!(!BROKEN.with_borrow(|names| names.contains(&&*key.name)), "the planner is broken for \"hunter2\"");
    plan(world, key)
}

fn broken(names: &[&'static str]) {
    BROKEN.set(names.to_vec());
}

/// All guests are Active, planned by a planner that panics for the named objects.
fn begin() -> Sim {
    broken(&[]);
    let mut sim = Sim::new(0);
    sim.planner = panics_for_the_broken as Planner;
    sim.planners_panic = true;
    sim.restart();
    walk::begin(&mut sim);
    sim
}

#[test]
fn planner_panic_delays_its_own_object_and_nobody_else() {
    let mut sim = begin();
    broken(&["bob"]);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    sim.edit(Membership, "carol", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(1));
    assert!(sim.effective().keys().all(|(name, _)| name == "bob"), "carol lost it at once: {:?}", sim.effective());
    assert_eq!(ready(&sim, Membership, "bob").0, "True", "its status stays as it was");
    let panics = sim.engine.health().panicking[&key(Membership, "bob").into()].clone();
    assert_eq!(panics.message, "the planner is broken for \"…\"", "no quoted text");

    wait(&mut sim, SignedDuration::from_mins(10));
    let times = sim.engine.stats().planner_panics;
    assert!((8..40).contains(&times), "tried again with a growing delay: {times}");
    let ended = sim.engine.take_reconciles();
    let panicked = ended.iter().filter(|reconcile| reconcile.outcome == ReconcileOutcome::Panicked).count();
    assert_eq!(panicked as u64, times, "{ended:?}");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0], "one object does not make the operator unready");
    let notes = sim.engine.health().notes();
    assert!(notes.len() == 1 && notes[0].starts_with("GuestMembership partners/bob: "), "{notes:?}");

    broken(&[]);
    wait(&mut sim, SignedDuration::from_mins(2));
    assert!(sim.effective().is_empty(), "{:?}", sim.effective());
    assert_eq!(sim.engine.health().notes(), [] as [String; 0]);
    walk::is_at_rest(&mut sim);
}

#[test]
fn planner_panics_of_more_objects_than_workers_block_nobody() {
    let mut sim = begin();
    let many: [&'static str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];
    broken(&many);
    for name in many {
        sim.create(Partner, name, json!({"hostAdmins": ["alice@host.example"]}));
    }
    wait(&mut sim, SignedDuration::from_secs(30));
    sim.edit(Share, "instagram", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(1));
    assert!(sim.effective().keys().all(|(_, account)| account == "newsletter"), "{:?}", sim.effective());
    broken(&[]);
    wait(&mut sim, SignedDuration::from_mins(2));
    assert!(many.iter().all(|name| ready(&sim, Partner, name).0 == "True"));
    walk::is_at_rest(&mut sim);
}

#[test]
fn object_deleted_while_its_plan_panics_is_forgotten() {
    let mut sim = begin();
    broken(&["spare"]);
    sim.create(Partner, "spare", json!({"hostAdmins": ["alice@host.example"]}));
    wait(&mut sim, SignedDuration::from_mins(1));
    assert_eq!(sim.engine.health().notes().len(), 1);
    // It never had a finalizer, so it is deleted at once.
    sim.delete(Partner, "spare");
    wait(&mut sim, SignedDuration::from_secs(1));
    assert_eq!(sim.engine.health().notes(), [] as [String; 0]);
}

/// A part of the task may have succeeded.
#[test]
fn record_is_read_again_after_its_task_panicked() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    sim.trouble = Some((sim.calls.len(), Trouble::Panic));
    while sim.engine.health().panicking.is_empty() {
        assert!(sim.step(), "the first operation panics");
    }
    sim.now += SignedDuration::from_secs(1);
    let bob = QueueKey::from(key(Membership, "bob"));
    let next = sim.engine.tasks(sim.now).into_iter().find(|(subject, _)| subject.key == bob);
    assert_eq!(next.map(|(_, task)| task), Some(Task::Read(email("bob@acme.example"))));
}

/// Each call of a walk panics three times in a row, which a single fault does not show.
#[test]
fn task_that_panicked_repeatedly_completes_afterwards() {
    let calls = {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        (walk::end(&sim), sim.mails, sim.creations, sim.calls.len())
    };
    for at in (0..calls.3).step_by(3) {
        let mut sim = Sim::new(0);
        sim.trouble = Some((at, Trouble::Panic));
        walk::apply(&mut sim);
        for _ in 0..3 {
            sim.settle();
            sim.trouble = Some((sim.calls.len() + 1, Trouble::Panic));
        }
        sim.settle();
        walk::join(&mut sim, &["bob", "carol", "dave"]);
        sim.settle();
        assert_eq!((walk::end(&sim), sim.mails, sim.creations), (calls.0.clone(), calls.1, calls.2), "call {at}");
        assert!(sim.engine.health().panicking.is_empty());
        walk::is_at_rest(&mut sim);
    }
}
