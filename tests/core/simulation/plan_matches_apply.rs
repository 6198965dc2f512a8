//! The output of `plan --from-cluster` matches the operator's subsequent operations one by one, in any order of
//! objects. Includes terminating objects, deleted objects, cascades and objects that are created again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::executor::block_on;
use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::cli::offline::object_store::InMemoryObjects;
use guestlist::cli::offline::session::OfflineSession;
use guestlist::directory::DirectoryWriter;
use guestlist::directory::sqlite::{Inline, Store};
use guestlist::plan::PruneScope;
use guestlist::util::clock::Clock;
use jiff::SignedDuration;
use serde_json::json;

use super::churn::{is_there, making, restoring, vanish};
use super::driver::{Sim, key};
use super::edits::happen;
use super::perform::lines;
use super::server::read;
use super::walk;
use crate::support::dice::Dice;
use crate::support::worlds::{Edit, specs};

/// A session on this cluster, and on a copy of the directory after an event.
fn session(sim: &Sim, clock: Clock, happens: impl FnOnce(&mut Store)) -> OfflineSession {
    let objects = sim.server.objects().iter().map(|(key, object)| read(key.kind, object));
    let owner = sim.engine.owner().clone();
    let snapshot = sim.everything();
    let mut store = Store::copy(&snapshot, &owner).unwrap();
    happens(&mut store);
    let directory = Arc::new(Inline::new(store));
    OfflineSession {
        owner,
        workspace: sim.engine.workspace().clone(),
        objects: Arc::new(InMemoryObjects::holding(objects, clock.clone())),
        snapshot,
        epoch: block_on(directory.lead()).unwrap(),
        directory,
        clock,
        prune_scope: PruneScope::Everything,
        workers: 1,
        wait: Box::new(|_| Box::pin(std::future::ready(()))),
    }
}

/// Runs a session to its end. Returns the operations, and the remaining work or the error.
fn run(session: OfflineSession) -> (Vec<String>, Result<Vec<String>, String>) {
    let mut said = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let end = runtime.block_on(session.run(|done| said.extend(lines(&done.key, &done.step))));
    let end = end.and_then(|rest| if rest.failed.is_empty() { Ok(rest.problems) } else { Err(rest.failed.join("\n")) });
    (said, end)
}

/// The output of a plan for this cluster and this directory.
fn foretold(sim: &Sim) -> Vec<String> {
    let now = sim.now;
    let (mut said, end) = run(session(sim, Clock::new(move || now), |_| {}));
    let problems = end.unwrap();
    assert!(problems.iter().all(|problem| problem.starts_with("TooManyOrphans")), "{problems:?}");
    said.sort();
    said
}

#[test]
fn operation_conflicting_until_timeout_is_reported_as_not_done() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Share, "newsletter", json!({"exclude": [{"name": "bob"}]}));
    sim.settle();
    sim.edit(Share, "newsletter", json!({"exclude": null}));
    // Each read of the clock advances it by a second, so that the session's timeout passes without waiting.
    let (start, asked) = (sim.now, AtomicI64::new(0));
    let clock = Clock::new(move || start + SignedDuration::from_secs(asked.fetch_add(1, Ordering::Relaxed)));
    let after_the_look = |store: &mut Store| assert!(store.set_deleted("newsletter", true).unwrap());
    let (said, end) = run(session(&sim, clock, after_the_look));
    assert_eq!(said, [] as [String; 0]);
    let problem = end.expect_err("the account cannot be given");
    assert!(problem.contains("GuestMembership partners/bob: ") && problem.contains("changed"), "{problem}");
}

/// Starts the operator, and asserts that it does exactly the planned operations.
fn does_as_foretold(sim: &mut Sim, what: &str) -> usize {
    let said = foretold(sim);
    sim.done.clear();
    sim.restart();
    sim.settle();
    let mut done = std::mem::take(&mut sim.done);
    done.sort();
    assert_eq!(done, said, "{what}");
    assert_eq!(foretold(sim), [] as [String; 0], "{what}: and then there is nothing left");
    done.len()
}

/// The edits of people while no operator runs.
fn edits(sim: &Sim, dice: &mut Dice) -> Vec<Edit> {
    let member = key(Membership, ["bob", "carol", "dave"][dice.roll(3)]);
    let name = ["instagram", "newsletter"][dice.roll(2)];
    let (share, partner) = (key(Share, name), key(Partner, "acme"));
    match dice.roll(16) {
        0 | 1 => vec![Edit::Delete(share)],
        2 | 3 => vec![Edit::Delete(member)],
        4 => vec![Edit::Vanish(share)],
        5 => vec![Edit::Vanish(member)],
        6 => vec![Edit::Delete(partner)],
        7 => vec![Edit::Spec(partner.clone(), specs::deletion(false)), Edit::Delete(partner)],
        8 if dice.roll(3) == 0 => vec![Edit::Vanish(partner)],
        9 => restoring(sim),
        10 => vec![Edit::Spec(member, specs::suspended(dice.roll(2) == 0))],
        11 => vec![Edit::Spec(member, specs::role(dice.roll(2) == 0))],
        12 => vec![Edit::Spec(share, specs::excludes(&[&*member.name]))],
        13 => vec![Edit::Spec(partner, specs::suspended(dice.roll(2) == 0))],
        14 => {
            let Edit::Create(_, spec) = making(Share, name) else { unreachable!() };
            vec![Edit::Create(key(Share, "another"), specs::with(spec, [specs::guest_admin_role(false)]))]
        }
        _ => walk::objects().into_iter().map(|(kind, name, _)| making(kind, name)).collect(),
    }
}

#[test]
fn operator_after_downtime_matches_the_plan_of_its_cluster() {
    let mut done = 0;
    for seed in 1..=120 {
        let mut sim = Sim::new(seed);
        let mut dice = Dice(seed);
        walk::begin(&mut sim);
        for round in 0..4 {
            for _ in 0..=dice.roll(4) {
                for edit in edits(&sim, &mut dice) {
                    happen(&mut sim, edit);
                }
            }
            // People accept their invitations, and a mail interval passes.
            sim.now += SignedDuration::from_mins(11);
            done += does_as_foretold(&mut sim, &format!("seed {seed}, round {round}"));
            let invited: Vec<_> = ["bob", "carol", "dave"]
                .into_iter()
                .filter(|name| is_there(&sim, Membership, name) && sim.state(name) == "Invited")
                .collect();
            walk::join(&mut sim, &invited);
            sim.settle();
        }
    }
    assert!(done > 1000, "only {done} operations were compared");
}

/// A variant of an event.
type Go = fn(&mut Sim);

#[test]
fn each_kind_of_removal_is_planned_to_the_operation() {
    let gone: [(&str, usize, Go); 7] = [
        ("a share that is being deleted", 3, |sim| sim.delete(Share, "instagram")),
        ("a share that is gone", 3, |sim| vanish(sim, Share, "instagram")),
        ("a membership that is being deleted", 3, |sim| sim.delete(Membership, "carol")),
        ("a membership that is gone", 2, |sim| vanish(sim, Membership, "carol")),
        ("a cascade", 8, |sim| sim.delete(Partner, "acme")),
        ("a partner that is blocked", 0, |sim| {
            sim.edit(Partner, "acme", json!({"deletion": "Block"}));
            sim.delete(Partner, "acme");
        }),
        ("a partner that is gone", 2, |sim| vanish(sim, Partner, "acme")),
    ];
    for (what, count, go) in gone {
        for seed in 0..20 {
            let mut sim = Sim::new(seed);
            walk::begin(&mut sim);
            go(&mut sim);
            assert_eq!(does_as_foretold(&mut sim, &format!("{what}, seed {seed}")), count, "{what}");
        }
    }
}

#[test]
fn share_is_removed_at_once_despite_unreadable_membership() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.server
        .patch(
            &key(Membership, "bob"),
            super::server::PatchTarget::Object,
            &json!({"spec": {"partnerRef": "acme"}}),
            sim.now,
        )
        .unwrap();
    sim.delete(Share, "instagram");
    does_as_foretold(&mut sim, "a membership that does not read");
    assert!(!is_there(&sim, Kind::Share, "instagram"));
    assert!(sim.effective().keys().all(|(_, account)| account == "newsletter"), "{:?}", sim.effective());
}
