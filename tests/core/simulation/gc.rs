//! Garbage collection in the engine: it runs without any object, keeps its rate across restarts, and does not act on a
//! stale view.

use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::directory::{Applied, Origin, Owner};
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Engine, Input, Observed, TaskOutcome};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::driver::{Sim, email, key};
use super::walk;

fn member(name: &str) -> Value {
    json!({
        "partnerRef": {"name": "acme"}, "email": format!("{name}@acme.example"), "role": "GuestAdmin",
        "invitedBy": "alice@host.example",
    })
}

/// A number of Guest Admins of acme, with one account each.
fn crowd(sim: &mut Sim, count: usize) {
    sim.create(Partner, "acme", json!({"hostAdmins": ["alice@host.example"], "deletion": "Cascade"}));
    let share = json!({"partnerRef": {"name": "acme"}, "account": "instagram", "sharedBy": "alice@host.example"});
    sim.create(Share, "instagram", share);
    let names: Vec<_> = (0..count).map(|n| format!("g{n}")).collect();
    for name in &names {
        sim.create(Membership, name, member(name));
    }
    sim.settle();
    walk::join(sim, &names.iter().map(String::as_str).collect::<Vec<_>>());
    sim.settle();
    assert_eq!(sim.effective().len(), count);
}

/// An administrator removes the finalizer and deletes the object.
fn vanish(sim: &mut Sim, kind: Kind, name: &str) {
    sim.server
        .patch(
            &key(kind, name),
            super::server::PatchTarget::Object,
            &json!({"metadata": {"finalizers": null}}),
            sim.now,
        )
        .unwrap();
    sim.server.delete(&key(kind, name), None, sim.now).unwrap();
}

#[test]
fn restarts_never_speed_up_purges_and_all_are_purged_in_the_end() {
    for restarts in [false, true] {
        let mut sim = Sim::new(0);
        crowd(&mut sim, 6);
        sim.delete(Partner, "acme");
        sim.settle();
        sim.later(23);
        assert_eq!((sim.destructions, sim.server.objects().len()), (0, 0));
        let mut counts = Vec::new();
        for minute in 0..4 * 60 {
            sim.now += SignedDuration::from_mins(1);
            if restarts && minute % 7 == 0 {
                sim.restart();
            }
            sim.settle();
            if minute % 60 == 59 {
                counts.push(sim.destructions);
            }
        }
        // A quarter of six is two; then a quarter of the rest. The checks fall between the hours, because the clock has
        // no fixed phase.
        assert!(counts.windows(2).all(|pair| pair[1] - pair[0] <= 2), "{counts:?}");
        sim.later(1);
        sim.later(1);
        sim.later(1);
        assert_eq!(sim.destructions, 7, "{counts:?}, restarts: {restarts}");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn nothing_is_purged_after_failed_read_until_the_next_succeeds() {
    let mut sim = Sim::new(0);
    crowd(&mut sim, 2);
    sim.delete(Membership, "g0");
    sim.settle();
    let away = guestlist::directory::Error::Unavailable { context: "the second page did not come".to_owned() };
    sim.engine.handle(Input::DirectoryDown(away), sim.now);
    sim.later(30);
    assert_eq!(sim.destructions, 0);
    sim.load();
    sim.settle();
    assert_eq!(sim.destructions, 1);
}

#[test]
fn garbage_collection_follows_operations_but_no_status_write() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let soon = |sim: &Sim| sim.engine.next_check().filter(|next| *next < sim.now + SignedDuration::from_mins(1));
    for (effects, follows) in [(Vec::new(), false), (vec![Applied::default()], true)] {
        let outcome = Box::new(TaskOutcome { effects, ..TaskOutcome::default() });
        sim.engine.handle(Input::Done { key: key(Membership, "bob").into(), outcome }, sim.now);
        assert_eq!(soon(&sim).is_some(), follows);
    }
}

#[test]
fn nothing_is_swept_before_each_kind_was_listed() {
    let mut sim = Sim::new(0);
    crowd(&mut sim, 2);
    let calls = sim.calls.len();
    let mut engine = Engine::new(sim.engine.owner().clone(), sim.engine.workspace().clone(), 4);
    engine.handle(Input::Loaded(Box::new(sim.everything())), sim.now);
    for kind in [Kind::Partner, Kind::Share] {
        engine.handle(Input::Listed { collection: kind.into(), objects: Vec::new(), version: 1 }, sim.now);
    }
    for hours in [0, 1, 30] {
        assert_eq!(engine.tasks(sim.now + SignedDuration::from_hours(hours)), []);
    }
    assert_eq!(sim.calls.len(), calls);
}

#[test]
fn orphan_loses_access_and_is_counted_without_partner_too() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        vanish(&mut sim, Membership, "carol");
        sim.settle();
        assert!(sim.effective().keys().all(|(name, _)| name == "dave"), "{:?}", sim.effective());
        assert_eq!(sim.engine.health().orphans, 1);
        assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
        vanish(&mut sim, Partner, "acme");
        vanish(&mut sim, Membership, "dave");
        sim.settle();
        assert!(sim.effective().is_empty());
        assert_eq!(sim.engine.health().orphans, 2);
        let live = sim.everything().guests.iter().filter(|guest| guest.is_live()).count();
        assert_eq!(live, 3, "nobody is deactivated, let alone purged");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn membership_back_unseen_keeps_access_among_many_orphans() {
    let mut sim = Sim::new(0);
    sim.policy.push_str("invitationsPerHour: 1000\n");
    sim.restart();
    crowd(&mut sim, 100);
    let mut gone: Vec<_> = (0..25).map(|n| format!("g{n}")).collect();
    gone.sort();
    for name in &gone {
        vanish(&mut sim, Membership, name);
    }
    while sim.engine.objects().keys(Membership).count() > 75 {
        sim.deliver(&Membership.into());
    }
    // The last ones come back, and the watch does not report it yet.
    let back = gone.split_off(20);
    for name in &back {
        sim.create(Membership, name, member(name));
    }
    sim.silent = vec![Membership];
    sim.steps(200);
    sim.now += SignedDuration::from_secs(3);
    sim.steps(200);
    assert_eq!(sim.effective().len(), 75 + back.len(), "before a revocation, each membership is read");
    sim.silent.clear();
    sim.settle();
    assert_eq!(sim.effective().len(), 75 + back.len());
}

#[test]
fn too_many_orphans_are_unchanged_and_readiness_says_so() {
    let mut sim = Sim::new(0);
    crowd(&mut sim, 5);
    for n in 0..4 {
        vanish(&mut sim, Membership, &format!("g{n}"));
    }
    sim.settle();
    assert_eq!(sim.effective().len(), 5);
    let missing = sim.engine.health().missing();
    assert!(missing.len() == 1 && missing[0].starts_with("TooManyOrphans: 4 of 5 guests"), "{missing:?}");
    walk::is_at_rest(&mut sim);
    sim.restart();
    sim.settle();
    assert_eq!(sim.effective().len(), 5, "a restart changes nothing");
    sim.create(Membership, "g0", member("g0"));
    sim.settle();
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    assert_eq!(sim.effective().len(), 2);
    assert_eq!((sim.state("g0"), sim.mails), ("Active", 5));
}

#[test]
fn a_list_that_lags_makes_nobody_an_orphan() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        crowd(&mut sim, 3);
        let old = sim.server.version;
        sim.create(Membership, "late", member("late"));
        sim.settle();
        walk::join(&mut sim, &["late"]);
        sim.settle();
        let effective = sim.effective();
        // The view stays the same: no event comes for a while.
        sim.restart_at(old);
        for _ in 0..40 {
            sim.now += SignedDuration::from_secs(5);
            for (subject, task) in sim.engine.tasks(sim.now) {
                if subject.key == QueueKey::GarbageCollection {
                    sim.perform_now(subject, task);
                }
            }
            assert_eq!(sim.effective(), effective, "seed {seed}");
        }
    }
}

#[test]
fn restored_backup_reclaims_everything_in_any_order() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let (effective, mails, creations) = (sim.effective(), sim.mails, sim.creations);
        let specs: Vec<_> =
            sim.server.objects().iter().map(|(key, object)| (key.clone(), object["spec"].clone())).collect();
        for (key, _) in &specs {
            vanish(&mut sim, key.kind, &key.name);
        }
        for (key, spec) in specs {
            sim.server.create(&key, spec, sim.now);
        }
        sim.restart();
        sim.settle();
        assert_eq!((sim.effective(), sim.mails, sim.creations), (effective, mails, creations), "seed {seed}");
        assert_eq!(["bob", "carol", "dave"].map(|name| sim.state(name).to_owned()), ["Active"; 3]);
        assert_eq!(sim.engine.health().orphans, 0);
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn marks_of_other_cluster_stop_operator_before_any_change() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let owner = Owner { cluster: "another".to_owned(), ..sim.engine.owner().clone() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 4);
    engine.handle(Input::Loaded(Box::new(sim.everything())), sim.now);
    for kind in Kind::ALL {
        engine.handle(Input::Listed { collection: kind.into(), objects: Vec::new(), version: 1 }, sim.now);
    }
    assert_eq!(engine.tasks(sim.now + SignedDuration::from_hours(1)), []);
    let stopped = engine.fatal_error().unwrap_or_default();
    assert!(stopped.starts_with("ForeignDirectory") && stopped.contains("--adopt-directory"), "{stopped}");
}

#[test]
fn adopted_guest_is_never_purged() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let bob = email("bob@acme.example");
    let adopted = sim.everything().guests.into_iter().find(|guest| guest.address == bob).map(|mut guest| {
        guest.mark.as_mut().unwrap().origin = Origin::Adopted;
        guest.deactivated_at = Some(sim.now);
        guest.grants.clear();
        guest
    });
    // No directory of guestlist reaches this state. If one ever does, the record stays unchanged.
    sim.engine.handle(Input::Observed(vec![Observed::Guest(bob, adopted.map(Box::new))]), sim.now);
    sim.now += SignedDuration::from_hours(48);
    let calls = sim.calls.len();
    let tasks = sim.engine.tasks(sim.now);
    assert!(tasks.iter().all(|(subject, _)| subject.key != QueueKey::GarbageCollection), "{tasks:?}");
    assert_eq!(sim.calls.len(), calls);
}

#[test]
fn purged_propagator_is_awaited_in_all_affected_statuses() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.delete(Membership, "carol");
    sim.settle();
    assert_eq!(sim.status(Share, "instagram")["violations"][0]["reason"], "PropagationNeedsManager");
    sim.later(25);
    assert_eq!(sim.destructions, 1);
    assert_eq!(sim.status(Share, "instagram")["violations"], Value::Null);
    assert_eq!(sim.status(Membership, "bob")["accounts"][0]["reason"], "MembershipNotFound");
    walk::is_at_rest(&mut sim);
}

#[test]
fn engine_waiting_for_lists_is_not_woken_repeatedly() {
    let mut sim = Sim::new(0);
    crowd(&mut sim, 1);
    let mut engine = Engine::new(sim.engine.owner().clone(), sim.engine.workspace().clone(), 4);
    engine.handle(Input::Loaded(Box::new(sim.everything())), sim.now);
    engine.handle(Input::Listed { collection: Membership.into(), objects: Vec::new(), version: 1 }, sim.now);
    assert_eq!((engine.tasks(sim.now), engine.next_check()), (vec![], None));
}

#[test]
fn orphans_are_not_forgotten_while_the_directory_is_away() {
    let mut sim = Sim::new(0);
    crowd(&mut sim, 5);
    for n in 0..4 {
        vanish(&mut sim, Membership, &format!("g{n}"));
    }
    sim.settle();
    let away = guestlist::directory::Error::Unavailable { context: "away".to_owned() };
    sim.engine.handle(Input::DirectoryDown(away), sim.now);
    sim.create(Membership, "g9", member("g9"));
    sim.settle();
    assert_eq!(sim.engine.health().orphans, 4);
    assert!(sim.engine.health().problems.contains_key("TooManyOrphans"));
}

#[test]
fn vanished_partner_is_kept_for_guests_and_purged_when_empty() {
    let mut sim = Sim::new(0);
    crowd(&mut sim, 1);
    vanish(&mut sim, Partner, "acme");
    sim.settle();
    let live = |sim: &Sim| sim.everything().partners.iter().filter(|partner| partner.deactivated_at.is_none()).count();
    assert_eq!((live(&sim), sim.effective().len()), (1, 0), "one made anew would take both up");
    sim.delete(Membership, "g0");
    sim.settle();
    assert_eq!(live(&sim), 0);
    sim.later(25);
    sim.later(25);
    assert_eq!((sim.everything().partners.len(), sim.everything().guests.len()), (0, 0));
    walk::is_at_rest(&mut sim);
}
