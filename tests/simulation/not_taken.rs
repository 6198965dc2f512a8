//! A directory that can be read but takes no operation: nobody is told that it reflects what is declared.

use guestlist::index::Kind::{self, Membership, Partner, Share};
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, email};
use super::walk;

/// Some time passes; what falls due in it is done.
pub fn wait(sim: &mut Sim, time: SignedDuration) {
    let until = sim.now + time;
    loop {
        if sim.step() {
            continue;
        }
        match sim.engine.next_look() {
            Some(next) if next <= until => sim.now = sim.now.max(next),
            _ => break,
        }
    }
    sim.now = until;
}

/// What Ready says, and why.
pub fn ready(sim: &Sim, kind: Kind, name: &str) -> (String, String) {
    let conditions = sim.status(kind, name)["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    let word = |field: &str| ready[field].as_str().unwrap().to_owned();
    (word("status"), word("reason"))
}

const ALL: [(Kind, &str); 3] = [(Partner, "acme"), (Membership, "bob"), (Share, "instagram")];

#[test]
fn who_may_still_use_what_was_taken_back_is_not_said_to_be_without_it() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let had = sim.effective();
    sim.cursed = ["bob", "carol", "dave"].map(|name| email(&format!("{name}@acme.example"))).into();
    sim.edit(Share, "instagram", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(20));
    assert_eq!(sim.effective(), had, "nothing could be taken away");
    for (kind, name) in ALL {
        assert_eq!(ready(&sim, kind, name), ("Unknown".to_owned(), "DirectoryUnavailable".to_owned()), "{name}");
    }
    let missing = sim.engine.condition.missing();
    assert!(missing.iter().any(|line| line.starts_with("DirectoryUnavailable: ")), "{missing:?}");
    let version = sim.server.version;
    wait(&mut sim, SignedDuration::from_hours(1));
    assert_eq!(sim.server.version, version, "it is said once");

    sim.cursed.clear();
    wait(&mut sim, SignedDuration::from_secs(15));
    assert!(sim.effective().keys().all(|(_, account)| account != "instagram"), "{:?}", sim.effective());
    for (kind, name) in ALL {
        assert_eq!(ready(&sim, kind, name).0, "True", "{name}");
    }
    assert_eq!(sim.engine.condition.missing(), [] as [String; 0]);
    walk::is_at_rest(&mut sim);
}

#[test]
fn an_edit_taken_back_before_the_directory_takes_anything_leaves_nothing_to_wait_for() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.cursed = vec![email("bob@acme.example")];
    sim.edit(Membership, "bob", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(20));
    assert_eq!(ready(&sim, Membership, "bob").1, "DirectoryUnavailable");
    sim.edit(Membership, "bob", json!({"suspended": false}));
    wait(&mut sim, SignedDuration::from_secs(15));
    for (kind, name) in ALL {
        assert_eq!(ready(&sim, kind, name).0, "True", "{name}");
    }
    assert_eq!(sim.engine.condition.missing(), [] as [String; 0]);
    walk::is_at_rest(&mut sim);
}

#[test]
fn a_failure_that_is_soon_over_writes_no_status() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let writes = |sim: &Sim| sim.calls.iter().filter(|call| call.contains("status")).count();
    let before = writes(&sim);
    sim.cursed = vec![email("bob@acme.example")];
    sim.edit(Membership, "bob", json!({"displayName": "Robert"}));
    wait(&mut sim, SignedDuration::from_millis(300));
    sim.cursed.clear();
    sim.settle();
    assert_eq!(writes(&sim) - before, 1, "{:?}", sim.calls);
    assert_eq!(sim.engine.condition.missing(), [] as [String; 0]);
}
