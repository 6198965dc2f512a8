//! Objects that vanish and reappear in every way at once: deleted, deleted without their finalizer, created again, or
//! restored from a backup. A process may also start with an old list. In the end the access matches the declared
//! objects, and nothing changes.

use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use jiff::SignedDuration;

use super::driver::{Sim, key};
use super::edits::happen;
use super::{rules, walk};
use crate::support::dice::Dice;
use crate::support::worlds::Edit;

const NAMES: [&str; 3] = ["bob", "carol", "dave"];
const STEPS: usize = 10;

pub fn is_there(sim: &Sim, kind: Kind, name: &str) -> bool {
    sim.server.object(&key(kind, name)).is_some()
}

pub fn vanish(sim: &mut Sim, kind: Kind, name: &str) {
    happen(sim, Edit::Vanish(key(kind, name)));
}

/// Creates an object of the walk, if it does not exist.
pub fn making(kind: Kind, name: &str) -> Edit {
    let all = walk::objects();
    let (_, _, spec) = all.into_iter().find(|(k, n, _)| *k == kind && *n == name).unwrap();
    Edit::Create(key(kind, name), spec)
}

/// Restores all objects with other UIDs.
pub fn restoring(sim: &Sim) -> Vec<Edit> {
    let stored = sim.server.objects();
    let gone = stored.keys().cloned().map(Edit::Vanish);
    gone.chain(stored.iter().map(|(key, object)| Edit::Create(key.clone(), object["spec"].clone()))).collect()
}

fn something_happens(sim: &mut Sim, dice: &mut Dice) {
    let name = NAMES[dice.roll(3)];
    let edits = match dice.roll(10) {
        0 => vec![Edit::Delete(key(Membership, name))],
        1 => vec![Edit::Vanish(key(Membership, name))],
        2 | 3 => vec![making(Membership, name)],
        4 => vec![Edit::Delete(key(Share, "instagram"))],
        5 => vec![making(Share, "instagram")],
        6 => restoring(sim),
        7 => {
            let back = dice.roll(12) as u64;
            return sim.restart_at(sim.server.version.saturating_sub(back));
        }
        8 => vec![Edit::Vanish(key(Partner, "acme"))],
        hours => {
            sim.now += if hours == 9 && dice.one_in(2) {
                SignedDuration::from_hours(25)
            } else {
                SignedDuration::from_mins(11)
            };
            return;
        }
    };
    for edit in edits {
        happen(sim, edit);
    }
}

#[test]
fn access_after_random_changes_is_as_declared_and_at_rest() {
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
                happen(&mut sim, making(kind, name));
            }
        }
        sim.settle();
        sim.now += SignedDuration::from_mins(11);
        sim.restart();
        sim.settle();
        let mut allowed = rules::allowed(sim.server.objects());
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
