//! A directory whose full read never ends, or fails. The operator revokes the access that the specs end within seconds,
//! and does nothing else until the directory is read.

use futures::executor::block_on;
use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::directory::{DirectoryWriter, Epoch, Error, GuestChange, Operation};
use guestlist::engine::{Engine, Input, Planner};
use guestlist::plan::{Inputs, Plan, plan};
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, email, key};
use super::failed_operations::{ready, wait};
use super::rules;
use super::walk;

/// The maximum time for such a revocation while the directory is unread.
const BOUND: SignedDuration = SignedDuration::from_secs(15);

/// The failure of the directory's full read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// A new process, whose first read does not end.
    NeverEnds,
    /// A new process, whose first read fails repeatedly.
    Fails,
    /// A read fails in a process that has read the directory before.
    FailsLater,
    /// The same, after an earlier outage in which the operator read single guests.
    FailsAgain,
}

const READINGS: [Reading; 4] = [Reading::NeverEnds, Reading::Fails, Reading::FailsLater, Reading::FailsAgain];

fn down() -> Input {
    Input::DirectoryDown(Error::Unavailable { context: "GET users: no answer in 120s".to_owned() })
}

/// Makes full reads of the directory fail from now on.
fn unread(sim: &mut Sim, reading: Reading) {
    match reading {
        Reading::NeverEnds => sim.restart_unread(),
        Reading::Fails => {
            sim.restart_unread();
            sim.engine.handle(down(), sim.now);
        }
        Reading::FailsLater => sim.engine.handle(down(), sim.now),
        Reading::FailsAgain => {
            let (looks, silent) = (sim.looks, std::mem::replace(&mut sim.silent, Kind::ALL.to_vec()));
            for outage in 0..2 {
                sim.engine.handle(down(), sim.now);
                if outage == 0 {
                    wait(sim, BOUND);
                    sim.load();
                    sim.settle();
                }
            }
            (sim.looks, sim.silent) = (looks, silent);
        }
    }
}

/// The operations that need the full read.
fn counted(sim: &Sim) -> [usize; 4] {
    [sim.creations, sim.mails, sim.deactivations, sim.destructions]
}

fn lacks(sim: &Sim, name: &str, account: &str) -> bool {
    !sim.effective().contains_key(&(name.to_owned(), account.to_owned()))
}

type Edit = fn(&mut Sim);

#[test]
fn access_that_specs_end_is_revoked_before_the_full_reading() {
    let ends: [(&str, Edit, &str, &str); 10] = [
        ("suspended", |sim| sim.edit(Membership, "bob", json!({"suspended": true})), "bob", "instagram"),
        ("partner suspended", |sim| sim.edit(Partner, "acme", json!({"suspended": true})), "carol", "newsletter"),
        ("share suspended", |sim| sim.edit(Share, "instagram", json!({"suspended": true})), "carol", "instagram"),
        ("deleted", |sim| sim.delete(Membership, "bob"), "bob", "newsletter"),
        ("share deleted", |sim| sim.delete(Share, "instagram"), "bob", "instagram"),
        ("excluded", |sim| sim.edit(Share, "instagram", json!({"exclude": [{"name": "carol"}]})), "carol", "instagram"),
        ("role lowered", |sim| sim.edit(Membership, "carol", json!({"role": "GuestUser"})), "carol", "instagram"),
        ("partner deleted", |sim| sim.delete(Partner, "acme"), "bob", "instagram"),
        ("entry removed", |sim| sim.edit(Share, "instagram", json!({"guestUsers": null})), "bob", "instagram"),
        (
            "passed on by nobody",
            |sim| sim.edit(Share, "instagram", json!({"guestAdminRole": "Collaborator"})),
            "bob",
            "instagram",
        ),
    ];
    for (what, end, name, account) in ends {
        for reading in READINGS {
            for edited_first in [true, false] {
                let place = format!("{what}, {reading:?}, edited first: {edited_first}");
                let mut sim = Sim::new(0);
                walk::begin(&mut sim);
                let before = counted(&sim);
                if edited_first {
                    end(&mut sim);
                    unread(&mut sim, reading);
                } else {
                    unread(&mut sim, reading);
                    wait(&mut sim, SignedDuration::from_mins(30));
                    end(&mut sim);
                }
                wait(&mut sim, BOUND);
                assert!(lacks(&sim, name, account), "{place}: {:?}", sim.effective());
                assert_eq!(counted(&sim), before, "{place}");
                let login = sim.guest(&email(&format!("{name}@acme.example"))).unwrap().login;
                let off = ["suspended", "partner suspended", "deleted"].contains(&what);
                assert_eq!(login.is_enabled(), !off, "{place}");
                // The other operations follow after the read.
                sim.load();
                sim.settle();
                walk::is_where_the_law_says(&sim);
                walk::is_at_rest(&mut sim);
            }
        }
    }
}

#[test]
fn membership_expiring_during_the_reading_loses_access() {
    for reading in READINGS {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        let end = sim.now + SignedDuration::from_hours(2);
        sim.edit(Membership, "bob", json!({"expiresAt": end.to_string()}));
        sim.settle();
        unread(&mut sim, reading);
        wait(&mut sim, SignedDuration::from_hours(1));
        assert!(!lacks(&sim, "bob", "instagram"), "{reading:?}");
        wait(&mut sim, SignedDuration::from_hours(1) + BOUND);
        let record = sim.everything().guests.into_iter().find(|guest| guest.address.as_str() == "bob@acme.example");
        let record = record.unwrap();
        assert!(record.grants.is_empty() && !record.login.is_enabled(), "{reading:?}: {record:?}");
    }
}

/// Edits in any order before the full read grant nothing and revoke ended access. After the read, the end is the same.
#[test]
fn edits_before_the_full_reading_only_revoke() {
    let golden = {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        for edit in walk::EDITS {
            edit(&mut sim);
        }
        sim.settle();
        walk::end(&sim)
    };
    for seed in 1..=16_usize {
        let reading = READINGS[seed % READINGS.len()];
        let mut sim = Sim::new(seed as u64);
        walk::begin(&mut sim);
        let (before, counts, done) = (sim.effective(), counted(&sim), sim.done.len());
        unread(&mut sim, reading);
        for (number, edit) in walk::EDITS.into_iter().enumerate() {
            edit(&mut sim);
            sim.steps(seed * (number + 3) % 11);
            if seed % 2 == 0 {
                wait(&mut sim, SignedDuration::from_secs(i64::try_from(seed % 7).unwrap()));
            }
        }
        wait(&mut sim, BOUND);
        let place = format!("seed {seed}, {reading:?}");
        let allowed = rules::allowed(sim.server.objects());
        for (held, role) in sim.effective() {
            assert!(before.get(&held).is_some_and(|had| *had >= role), "{place}: {held:?} was gained");
            assert!(allowed.get(&held).is_some_and(|most| *most >= role), "{place}: {held:?} is not allowed");
        }
        assert_eq!(counted(&sim), counts, "{place}");
        for line in &sim.done[done..] {
            let revokes = ["Revoke", "Reduce", "Demote", "RevokeInvitation", "DisableLogin"];
            assert!(revokes.iter().any(|word| line.contains(word)), "{place}: {line}");
        }
        sim.load();
        sim.settle();
        walk::is_where_the_law_says(&sim);
        assert_eq!(walk::end(&sim), golden, "{place}");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn guest_keeping_all_access_is_neither_read_nor_changed() {
    for reading in READINGS {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        let (version, had) = (sim.server.version, sim.effective());
        unread(&mut sim, reading);
        wait(&mut sim, SignedDuration::from_hours(1));
        assert_eq!((sim.effective(), sim.looks), (had, 0), "{reading:?}");
        if reading == Reading::NeverEnds {
            assert_eq!(sim.server.version, version, "no status says anything new");
        }
    }
}

#[test]
fn no_single_guest_is_read_before_each_kind_is_listed() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    let mut engine = Engine::new(sim.engine.owner().clone(), sim.engine.workspace().clone(), 4);
    engine.handle(Input::Loading, sim.now);
    for kind in [Partner, Membership] {
        let objects = sim.server.objects().iter().filter(|(key, _)| key.kind == kind);
        let objects = objects.map(|(_, object)| sim.read(kind, object).into()).collect();
        engine.handle(Input::Listed { collection: kind.into(), objects, version: sim.server.version }, sim.now);
    }
    assert_eq!(engine.tasks(sim.now + SignedDuration::from_mins(1)), []);
}

#[test]
fn short_outage_reads_no_single_guest() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.now += SignedDuration::from_mins(1);
    unread(&mut sim, Reading::FailsLater);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(5));
    assert_eq!(sim.looks, 0);
    sim.load();
    sim.settle();
    assert_eq!(ready(&sim, Membership, "bob").0, "True");
    assert!(lacks(&sim, "bob", "instagram"));
}

#[test]
fn failed_early_revocation_is_retried_after_a_delay() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    sim.cursed = vec![super::driver::email("bob@acme.example")];
    unread(&mut sim, Reading::NeverEnds);
    wait(&mut sim, SignedDuration::from_mins(10));
    let tries = sim.calls.iter().filter(|call| call.contains("bob") && !call.contains("status")).count();
    assert!(tries < 200, "{tries}");
    assert!(!lacks(&sim, "bob", "instagram"));
    sim.cursed.clear();
    wait(&mut sim, BOUND);
    assert!(lacks(&sim, "bob", "instagram"));
    assert!(sim.server.object(&key(Membership, "bob")).is_some());
}

#[test]
fn guest_whose_early_read_fails_is_read_again() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    unread(&mut sim, Reading::NeverEnds);
    sim.unanswered = vec![email("bob@acme.example")];
    wait(&mut sim, SignedDuration::from_secs(30));
    assert!(sim.looks > 0 && !lacks(&sim, "bob", "instagram"), "{} reads", sim.looks);
    sim.unanswered.clear();
    wait(&mut sim, SignedDuration::from_mins(1));
    assert!(lacks(&sim, "bob", "instagram"), "{:#?}", sim.last_calls());
}

/// Grants the access that an unread directory seems to allow.
fn believes_in_what_was_not_read(world: Inputs<'_>, key: &guestlist::cache::ObjectRef) -> Plan {
    plan(Inputs { directory_available: true, ..world }, key)
}

#[test]
fn planner_that_grants_before_the_full_reading_is_caught() {
    let planner: Planner = believes_in_what_was_not_read;
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    (sim.planner, sim.planners_panic) = (planner, true);
    let had = sim.effective();
    unread(&mut sim, Reading::Fails);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait(&mut sim, BOUND);
        assert_eq!(sim.effective(), had);
        assert_eq!(ready(&sim, Partner, "acme").1, "DirectoryUnavailable");
    }));
    assert!(caught.is_err(), "a planner that takes a part for the whole goes unnoticed");
}

#[test]
fn record_changed_before_an_early_revocation_is_read_again() {
    let mut refused = 0;
    for steps in 0..20 {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        unread(&mut sim, Reading::NeverEnds);
        sim.edit(Membership, "bob", json!({"suspended": true}));
        sim.now += BOUND;
        sim.steps(steps);
        let bob = sim.guest(&email("bob@acme.example")).unwrap();
        if !bob.grants.is_empty() {
            // Another process changes the record, and no change is reported.
            let operation = Operation::Guest {
                id: bob.id,
                change: GuestChange::Revoke { accounts: vec!["newsletter".to_owned()] },
            };
            block_on(sim.directory.execute(&operation, None, sim.now, Epoch(i64::MAX))).unwrap();
        }
        let looks = sim.looks;
        wait(&mut sim, BOUND);
        refused += usize::from(looks > 0 && sim.looks > looks);
        assert!(lacks(&sim, "bob", "instagram"), "after {steps} steps: {:#?}", sim.last_calls());
    }
    assert!(refused > 0);
}

#[test]
fn directory_that_fails_is_shown_by_every_object_and_ends_so() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let objects: Vec<_> = sim.server.at(sim.server.version).keys().cloned().collect();
    assert!(objects.len() > 5, "{objects:?}");
    sim.engine.handle(down(), sim.now);
    // Before the operator reads single guests, which causes reconciles too.
    wait(&mut sim, SignedDuration::from_secs(1));
    for object in &objects {
        let (status, reason) = ready(&sim, object.kind, &object.name);
        assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "DirectoryUnavailable"), "{object}");
    }
    sim.load();
    sim.settle();
    for object in &objects {
        assert_ne!(ready(&sim, object.kind, &object.name).1, "DirectoryUnavailable", "{object}");
    }
}
