//! The counts in the status of a partner or a share: written at once when the guests have converged, and every few
//! seconds until then.

use guestlist::api::FINALIZER;
use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::engine::queue::QueueKey;
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, key};
use super::failed_operations::wait;
use super::server::PatchTarget;
use super::walk;
use crate::support::worlds::specs;

/// The number of status writes of an object so far.
fn writes(sim: &Sim, kind: Kind, name: &str) -> usize {
    let call = format!("status {}", key(kind, name));
    sim.calls.iter().filter(|done| **done == call).count()
}

#[test]
fn counts_are_written_at_once_when_guests_have_converged() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    for (number, name) in ["bob", "carol", "dave"].into_iter().enumerate() {
        sim.edit(Membership, name, json!({"suspended": true}));
        wait(&mut sim, SignedDuration::from_millis(1));
        assert_eq!(sim.status(Partner, "acme")["guests"]["suspended"], number + 1);
    }
}

#[test]
fn counts_follow_an_invitation_that_expires() {
    let mut sim = Sim::new(0);
    walk::apply(&mut sim);
    sim.settle();
    assert_eq!(sim.status(Partner, "acme")["guests"]["invited"], 3);
    sim.later(24 * 60);
    assert_eq!(sim.state("bob"), "InvitationExpired");
    assert_eq!(sim.status(Partner, "acme")["guests"]["invited"].as_u64().unwrap_or_default(), 0);
}

#[test]
fn counts_after_a_burst_of_changes_are_written_once() {
    for restarted in [false, true] {
        let mut sim = Sim::new(0);
        walk::apply(&mut sim);
        sim.settle();
        if restarted {
            sim.restart();
            sim.settle();
        }
        let counting = [(Partner, "acme"), (Share, "instagram"), (Share, "newsletter")];
        let before = counting.map(|(kind, name)| writes(&sim, kind, name));
        walk::join(&mut sim, &["bob", "carol", "dave"]);
        sim.settle();
        let after = counting.map(|(kind, name)| writes(&sim, kind, name) - 1);
        assert_eq!(after, before, "restarted: {restarted}: {:#?}", sim.last_calls());
    }
}

/// The operator has written no counts since its start.
#[test]
fn first_counts_wait_for_the_task_of_another_guest() {
    let mut sim = Sim::new(0);
    walk::apply(&mut sim);
    sim.settle();
    sim.restart();
    sim.settle();
    let before = writes(&sim, Partner, "acme");
    let dave = QueueKey::from(key(Membership, "dave"));
    sim.edit(Membership, "dave", json!({"suspended": true}));
    sim.deliver(&Membership.into());
    let tasks = sim.engine.tasks(sim.now);
    let (held, others): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|(subject, _)| subject.key == dave);
    assert_eq!(held.len(), 1, "{held:?}");
    for (subject, task) in others {
        sim.perform_now(subject, task);
    }
    while sim.step() {}
    assert_eq!(writes(&sim, Partner, "acme"), before, "{:#?}", sim.last_calls());
    sim.now += SignedDuration::from_secs(5);
    while sim.step() {}
    assert_eq!(writes(&sim, Partner, "acme"), before + 1, "{:#?}", sim.last_calls());
}

/// One guest joins every second, while the task of another guest does not end.
#[test]
fn counts_are_written_every_few_seconds_while_guests_change() {
    for restarted in [false, true] {
        for is_touched in [false, true] {
            let mut sim = Sim::new(0);
            sim.create(Partner, "acme", specs::partner(&["alice@host.example"]));
            let names: Vec<_> = (0..21).map(|number| format!("guest{number}")).collect();
            for name in &names {
                let address = format!("{name}@acme.example");
                sim.create(Membership, name, specs::membership("acme", &address, false, "alice@host.example"));
            }
            sim.settle();
            if restarted {
                sim.restart();
                sim.settle();
            }
            sim.now += SignedDuration::from_mins(1);
            let last = QueueKey::from(key(Membership, &names[20]));
            sim.edit(Membership, &names[20], json!({"suspended": true}));
            sim.deliver(&Membership.into());
            let tasks = sim.engine.tasks(sim.now);
            let (held, others): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|(subject, _)| subject.key == last);
            assert_eq!(held.len(), 1, "{held:?}");
            for (subject, task) in others {
                sim.perform_now(subject, task);
            }
            let before = writes(&sim, Partner, "acme");
            for name in &names[..20] {
                if is_touched {
                    let finalizers = json!({"metadata": {"finalizers": [FINALIZER, format!("example.com/{name}")]}});
                    sim.server.patch(&key(Partner, "acme"), PatchTarget::Object, &finalizers, sim.now).unwrap();
                }
                walk::join(&mut sim, &[name.as_str()]);
                while sim.step() {}
                sim.next_check();
                sim.now += SignedDuration::from_secs(1);
            }
            let writes = writes(&sim, Partner, "acme") - before;
            let place = format!("restarted: {restarted}, touched: {is_touched}");
            assert!((3..=5).contains(&writes), "{place}: {writes} writes in 20 seconds");
        }
    }
}
