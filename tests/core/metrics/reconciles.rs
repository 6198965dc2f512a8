//! The durations and outcomes of reconciles.

use guestlist::cache::Kind;
use guestlist::engine::{Reconcile, ReconcileOutcome};
use jiff::SignedDuration;

use crate::simulation::driver::{Sim, Trouble, email};
use crate::simulation::{failed_operations, walk};

fn of(reconciles: &[Reconcile], kind: Option<Kind>, outcome: ReconcileOutcome) -> Vec<Reconcile> {
    reconciles.iter().filter(|it| it.kind == kind && it.outcome == outcome).copied().collect()
}

#[test]
fn all_rounds_of_object_are_one_reconcile_that_converges() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.engine.take_reconciles();
    sim.restart();
    sim.settle();
    let reconciles = sim.engine.take_reconciles();
    for (kind, count) in [(Kind::Partner, 1), (Kind::Membership, 3), (Kind::Share, 2)] {
        assert_eq!(of(&reconciles, Some(kind), ReconcileOutcome::Converged).len(), count, "{reconciles:?}");
    }
    assert!(!of(&reconciles, None, ReconcileOutcome::Converged).is_empty(), "garbage collection: {reconciles:?}");
    assert!(reconciles.iter().all(|it| !it.retry), "{reconciles:?}");
    assert_eq!(sim.engine.take_reconciles(), []);
}

#[test]
fn failed_reconcile_is_retried_and_converges_later() {
    let mut sim = Sim::new(0);
    sim.cursed = vec![email("bob@acme.example")];
    walk::apply(&mut sim);
    failed_operations::wait(&mut sim, SignedDuration::from_secs(30));
    let failed = of(&sim.engine.take_reconciles(), Some(Kind::Membership), ReconcileOutcome::Failed);
    assert!(failed.len() > 2 && !failed[0].retry && failed[1..].iter().all(|it| it.retry), "{failed:?}");
    assert_eq!(sim.engine.stats().failing, 1);
    sim.cursed.clear();
    failed_operations::wait(&mut sim, SignedDuration::from_mins(10));
    let reconciles = sim.engine.take_reconciles();
    assert!(of(&reconciles, Some(Kind::Membership), ReconcileOutcome::Converged).iter().any(|it| it.retry));
    assert_eq!(sim.engine.stats().failing, 0);
}

#[test]
fn conflict_and_panic_end_a_reconcile_with_their_outcome() {
    for (trouble, outcome) in
        [(Trouble::Conflict, ReconcileOutcome::Conflict), (Trouble::Panic, ReconcileOutcome::Panicked)]
    {
        let mut sim = Sim::new(0);
        sim.trouble = Some((1, trouble));
        walk::apply(&mut sim);
        sim.settle();
        let reconciles = sim.engine.take_reconciles();
        assert_eq!(reconciles.iter().filter(|it| it.outcome == outcome).count(), 1, "{reconciles:?}");
    }
}

#[test]
fn duration_is_the_time_between_begin_and_end_of_rounds() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.engine.take_reconciles();
    sim.edit(Kind::Membership, "bob", serde_json::json!({"suspended": true}));
    while sim.engine.queue().running() == 0 {
        assert!(sim.step(), "the change begins a reconcile");
    }
    sim.now += SignedDuration::from_secs(7);
    sim.settle();
    let reconciles = sim.engine.take_reconciles();
    let longest = reconciles.iter().map(|it| it.took).max().unwrap();
    assert!(longest >= SignedDuration::from_secs(7) && longest < SignedDuration::from_secs(20), "{reconciles:?}");
}
