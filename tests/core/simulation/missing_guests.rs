//! A directory that lacks the guests of the statuses, because it is new or restored from an old copy: no invitation goes
//! out until a person has decided about each of these guests.

use guestlist::cache::Kind::Membership;
use guestlist::executor::object_store::PatchTarget;
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, key};
use super::failed_operations::{ready, wait};
use super::walk;
use crate::support::worlds::specs;

const MISSING: [&str; 3] = ["bob", "carol", "dave"];

/// A person's decision about a membership whose guest the directory does not know.
type Decision = fn(&mut Sim, &str);

/// The effect of `guestlist detach --missing`.
fn reset(sim: &mut Sim, name: &str) {
    let before = json!({"status": {"directoryId": null, "state": "Pending", "invitation": null, "joinedAt": null}});
    sim.server.patch(&key(Membership, name), PatchTarget::Status, &before, sim.now).unwrap();
}

/// An operator that starts on an empty directory, with Erin as a new member.
fn restored_without_guests(seed: u64) -> Sim {
    let mut sim = Sim::new(seed);
    walk::begin(&mut sim);
    sim.directory = Sim::new(0).directory;
    sim.restart();
    sim.create(Membership, "erin", specs::membership("acme", "erin@acme.example", false, "alice@host.example"));
    wait(&mut sim, SignedDuration::from_hours(2));
    sim
}

fn is_behind(sim: &Sim) -> bool {
    sim.engine.health().missing().iter().any(|problem| problem.starts_with("DirectoryBehind"))
}

#[test]
fn directory_that_is_not_read_yet_is_not_behind() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.restart_unread();
    assert!(!is_behind(&sim), "{:?}", sim.engine.health().missing());
}

#[test]
fn directory_without_known_guests_invites_nobody() {
    let sim = restored_without_guests(0);
    assert!(is_behind(&sim), "{:?}", sim.engine.health());
    assert_eq!(sim.engine.health().missing_guests, 3);
    assert_eq!((sim.mails, sim.everything().guests.len()), (3, 0), "the mails of the first directory");
    for name in MISSING.into_iter().chain(["erin"]) {
        assert_eq!(ready(&sim, Membership, name), ("False".to_owned(), "DirectoryBehind".to_owned()), "{name}");
    }
}

#[test]
fn invitations_go_out_once_each_missing_guest_is_decided() {
    let decisions: [Decision; 2] = [|sim, name| sim.delete(Membership, name), reset];
    for (number, decide) in decisions.into_iter().enumerate() {
        for seed in 0..4 {
            let mut sim = restored_without_guests(seed);
            for name in MISSING {
                assert!(is_behind(&sim) && sim.mails == 3, "before {name} is decided");
                decide(&mut sim, name);
                sim.settle();
            }
            assert!(!is_behind(&sim), "decision {number}: {:?}", sim.engine.health().missing());
            assert_eq!((sim.state("erin"), sim.engine.health().missing_guests), ("Invited", 0), "decision {number}");
            assert_eq!(sim.mails, 4 + 3 * number, "decision {number}: each guest is invited once");
            walk::is_at_rest(&mut sim);
        }
    }
}

#[test]
fn directory_with_all_guests_again_is_no_longer_behind() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let whole = std::mem::replace(&mut sim.directory, Sim::new(0).directory);
    sim.restart();
    sim.settle();
    assert!(is_behind(&sim));
    sim.directory = whole;
    sim.load();
    sim.settle();
    assert!(!is_behind(&sim), "{:?}", sim.engine.health().missing());
    assert_eq!((sim.state("bob"), sim.mails), ("Active", 3));
}
