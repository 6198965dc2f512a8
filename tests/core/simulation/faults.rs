//! A fault at every call of a whole lifecycle: the process dies before or after the call, the answer is lost, another
//! writer was faster, or the other side is busy or fails. The end is the same, and nobody is created or mailed twice.

use guestlist::cache::Kind::{Membership, Partner, Share};
use serde_json::json;

use super::driver::{Sim, TROUBLES, Trouble, email};
use super::walk;

fn setting_up(sim: &mut Sim) {
    walk::begin(sim);
}

fn taking_away(sim: &mut Sim) {
    walk::begin(sim);
    sim.edit(Membership, "carol", json!({"role": "GuestUser"}));
    sim.edit(Share, "newsletter", json!({"exclude": [{"name": "bob"}]}));
    sim.settle();
    sim.delete(Share, "instagram");
    sim.delete(Membership, "dave");
    sim.settle();
    sim.delete(Partner, "acme");
    sim.settle();
}

fn run(seed: u64, trouble: Option<(usize, Trouble)>, scenario: fn(&mut Sim)) -> Sim {
    let mut sim = Sim::new(seed);
    sim.trouble = trouble;
    scenario(&mut sim);
    sim
}

/// The effects that must not happen twice.
fn counted(sim: &Sim) -> [usize; 4] {
    [sim.creations, sim.mails, sim.deactivations, sim.destructions]
}

/// Runs until all records are purged.
fn purging(sim: &mut Sim) {
    gone(sim);
    for _ in 0..5 {
        sim.later(1);
    }
}

/// All guests have left, and their records are due to be purged.
fn gone(sim: &mut Sim) {
    walk::begin(sim);
    sim.delete(Partner, "acme");
    sim.settle();
    sim.later(24);
}

/// A fault at every call of a scenario after its beginning.
fn fault_at_every_call(beginning: usize, scenario: fn(&mut Sim)) {
    let golden = run(0, None, scenario);
    let end = walk::end(&golden);
    let calls = golden.calls.len();
    assert!(calls > beginning + 20, "{calls}");
    for at in beginning..calls {
        for trouble in TROUBLES {
            let mut sim = run(0, Some((at, trouble)), scenario);
            let place = format!("{trouble:?} at call {at}, {}", sim.calls[at]);
            assert_eq!(walk::end(&sim), end, "{place}");
            assert_eq!(counted(&sim), counted(&golden), "{place}");
            walk::is_at_rest(&mut sim);
        }
    }
}

#[test]
fn creation_with_any_fault_at_any_call_ends_the_same() {
    fault_at_every_call(0, setting_up);
}

#[test]
fn revocation_with_any_fault_at_any_call_ends_the_same() {
    let beginning = run(0, None, setting_up).calls.len();
    fault_at_every_call(beginning, taking_away);
}

#[test]
fn purge_with_any_fault_at_any_call_ends_the_same() {
    let beginning = run(0, None, |sim| {
        walk::begin(sim);
        sim.delete(Partner, "acme");
        sim.settle();
    });
    let golden = run(0, None, purging);
    assert_eq!(golden.deactivations, 4);
    assert_eq!(golden.destructions, 4, "three guests and their partner: {:?}", golden.calls);
    assert!(golden.everything().guests.is_empty() && golden.everything().partners.is_empty());
    for at in beginning.calls.len()..golden.calls.len() {
        for trouble in TROUBLES {
            let mut sim = run(0, Some((at, trouble)), purging);
            let place = format!("{trouble:?} at call {at}, {}", sim.calls[at]);
            assert_eq!((walk::end(&sim), counted(&sim)), (walk::end(&golden), counted(&golden)), "{place}");
            walk::is_at_rest(&mut sim);
        }
    }
}

#[test]
fn guest_deleted_before_invite_response_is_known_is_deactivated() {
    let golden = run(0, None, setting_up);
    for (at, _) in golden.calls.iter().enumerate().filter(|(_, call)| call.starts_with("invite_guest for ")) {
        let name = golden.calls[at].rsplit('/').next().unwrap().to_owned();
        let mut sim = Sim::new(0);
        sim.trouble = Some((at, Trouble::AnswerLost));
        walk::apply(&mut sim);
        while sim.calls.len() <= at {
            assert!(sim.step(), "the acceptance of {name} is never asked for");
        }
        sim.delete(Membership, &name);
        sim.settle();
        let address = email(&format!("{name}@acme.example"));
        let left = sim.everything().guests.into_iter().find(|guest| guest.address == address && guest.is_live());
        assert_eq!(left, None, "{name} has no membership");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn partner_deleted_before_first_response_is_deactivated() {
    let mut sim = Sim::new(0);
    let spec = walk::objects().into_iter().find(|(kind, ..)| *kind == Partner).unwrap().2;
    sim.create(Partner, "acme", spec);
    let written = loop {
        assert!(sim.step(), "the partner is never written");
        if let Some(at) = sim.calls.iter().position(|call| call.contains("apply_partner")) {
            break at;
        }
    };
    let mut sim = Sim::new(0);
    sim.trouble = Some((written, Trouble::AnswerLost));
    sim.create(Partner, "acme", walk::objects().into_iter().find(|(kind, ..)| *kind == Partner).unwrap().2);
    while sim.calls.len() <= written {
        assert!(sim.step());
    }
    sim.delete(Partner, "acme");
    sim.settle();
    let live = sim.everything().partners.into_iter().find(|partner| partner.deactivated_at.is_none());
    assert_eq!(live, None);
    walk::is_at_rest(&mut sim);
}

#[test]
fn order_of_events_and_operations_does_not_change_the_end() {
    let golden = run(0, None, taking_away);
    for seed in 1..=60 {
        let mut sim = run(seed, None, taking_away);
        assert_eq!(walk::end(&sim), walk::end(&golden), "seed {seed}");
        assert_eq!(counted(&sim), counted(&golden), "seed {seed}");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn the_same_seed_makes_the_same_calls() {
    let calls = |seed| run(seed, None, taking_away).calls;
    assert_eq!(calls(7), calls(7));
    assert_ne!(calls(7), calls(8));
}

#[test]
fn edits_during_any_step_grant_nothing_forbidden() {
    let mut first = None;
    for seed in 1..=150 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        for (number, edit) in walk::EDITS.into_iter().enumerate() {
            edit(&mut sim);
            sim.steps(usize::try_from(seed).unwrap() * (number + 3) % 11);
        }
        sim.settle();
        walk::is_where_the_law_says(&sim);
        walk::is_at_rest(&mut sim);
        let end = walk::end(&sim);
        let first = first.get_or_insert_with(|| end.clone());
        assert_eq!(&end, first, "seed {seed}: the end depends on what was written last only");
    }
}
