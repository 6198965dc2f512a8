//! Objects that go and come in every way at once: deleted, stripped and deleted, made anew, restored from a backup, seen by
//! a process that starts on an old list. In the end the access is what is declared then, and nothing moves.

use guestlist::index::Kind::{self, Membership, Partner, Share};
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, key};
use super::server::Part;
use super::{law, walk};
use crate::support::dice::Dice;

const NAMES: [&str; 3] = ["bob", "carol", "dave"];
const STEPS: usize = 10;

pub fn is_there(sim: &Sim, kind: Kind, name: &str) -> bool {
    sim.server.object(&key(kind, name)).is_some()
}

pub fn vanish(sim: &mut Sim, kind: Kind, name: &str) {
    let none = json!({"metadata": {"finalizers": null}});
    if sim.server.patch(&key(kind, name), Part::Object, &none, sim.now).is_ok() && is_there(sim, kind, name) {
        sim.server.delete(&key(kind, name), None, sim.now).unwrap();
    }
}

pub fn make(sim: &mut Sim, kind: Kind, name: &str) {
    if is_there(sim, kind, name) {
        return;
    }
    let all = walk::objects();
    let (_, _, spec) = all.into_iter().find(|(k, n, _)| *k == kind && *n == name).unwrap();
    sim.create(kind, name, spec);
}

/// Everything comes back under other UIDs.
pub fn restore(sim: &mut Sim) {
    let stored: Vec<_> = sim.server.objects().iter().map(|(key, o)| (key.clone(), o["spec"].clone())).collect();
    for (key, _) in &stored {
        vanish(sim, key.kind, &key.name);
    }
    for (key, spec) in stored {
        sim.server.create(&key, spec, sim.now);
    }
}

fn something_happens(sim: &mut Sim, dice: &mut Dice) {
    let name = NAMES[dice.roll(3)];
    match dice.roll(10) {
        0 if is_there(sim, Membership, name) => sim.delete(Membership, name),
        1 => vanish(sim, Membership, name),
        2 | 3 => make(sim, Membership, name),
        4 if is_there(sim, Share, "instagram") => sim.delete(Share, "instagram"),
        5 => make(sim, Share, "instagram"),
        6 => restore(sim),
        7 => {
            let back = dice.roll(12) as u64;
            sim.restart_at(sim.server.version.saturating_sub(back));
        }
        8 if is_there(sim, Partner, "acme") => vanish(sim, Partner, "acme"),
        9 => sim.now += SignedDuration::from_hours(25),
        _ => sim.now += SignedDuration::from_mins(11),
    }
}

#[test]
fn whatever_goes_and_comes_in_the_end_everybody_has_what_is_declared_and_nothing_moves() {
    for seed in 1..=120 {
        let mut sim = Sim::new(seed);
        let mut dice = Dice(seed);
        walk::begin(&mut sim);
        for _ in 0..STEPS {
            something_happens(&mut sim, &mut dice);
            let steps = dice.roll(25);
            sim.steps(steps);
        }
        for (kind, name, _) in walk::objects() {
            let leaving = |o: &serde_json::Value| o.pointer("/metadata/deletionTimestamp").is_some();
            if sim.server.object(&key(kind, name)).is_none_or(leaving) && kind == Partner {
                make(&mut sim, kind, name);
            }
        }
        sim.settle();
        sim.now += SignedDuration::from_mins(11);
        sim.restart();
        sim.settle();
        let mut allowed = law::allowed(sim.server.objects());
        allowed.retain(|(name, _), _| sim.state(name) == "Active");
        assert_eq!(sim.effective(), allowed, "seed {seed}");
        for name in NAMES.iter().filter(|name| is_there(&sim, Membership, name)) {
            assert!(
                ["Active", "Invited", "InvitationExpired", "Joined"].contains(&sim.state(name)),
                "seed {seed}: {name} is {}",
                sim.state(name)
            );
        }
        walk::is_at_rest(&mut sim);
    }
}
