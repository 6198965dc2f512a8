//! Views that are older than the world: lists from a cache that lags, events that never come, objects that went and came
//! while nobody looked.

use guestlist::directory::Changed;
use guestlist::index::Kind::{self, Membership, Partner, Share};
use guestlist::rules::MfaMethod;
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, email, key};
use super::server::Part;
use super::walk;

/// Bob again, under the same name.
fn recreate_bob(sim: &mut Sim) {
    sim.create(
        Membership,
        "bob",
        json!({"partnerRef": {"name": "acme"}, "email": "bob@acme.example", "invitedBy": "alice@host.example"}),
    );
}

#[test]
fn a_restart_on_an_old_list_gives_nothing_that_has_been_taken_away_since() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let old = sim.server.version;
        sim.delete(Share, "newsletter");
        sim.edit(Share, "instagram", json!({"exclude": [{"name": "bob"}]}));
        sim.delete(Membership, "dave");
        sim.settle();
        let mails = sim.mails;
        sim.strict = true;
        sim.restart_at(old);
        sim.settle();
        assert_eq!(sim.mails, mails, "seed {seed}: nobody is invited again");
        walk::is_where_the_law_says(&sim);
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn a_restart_on_an_old_list_ends_nothing_of_who_came_back_under_the_same_name() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        sim.delete(Membership, "bob");
        let old = sim.server.version;
        sim.settle();
        sim.now += SignedDuration::from_mins(11);
        recreate_bob(&mut sim);
        sim.settle();
        walk::join(&mut sim, &["bob"]);
        sim.settle();
        let (mails, effective) = (sim.mails, sim.effective());
        sim.restart_at(old);
        sim.settle();
        assert_eq!((sim.mails, sim.effective()), (mails, effective), "seed {seed}");
        assert_eq!(sim.state("bob"), "Active");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn a_restart_on_an_old_list_ends_nothing_of_a_partner_that_came_back_under_the_same_name() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        sim.delete(Partner, "acme");
        let old = sim.server.version;
        sim.settle();
        sim.now += SignedDuration::from_mins(11);
        walk::begin(&mut sim);
        let (mails, effective) = (sim.mails, sim.effective());
        assert_eq!(effective.len(), 4);
        let calls = sim.calls.len();
        sim.restart_at(old);
        sim.settle();
        assert_eq!((sim.mails, sim.effective()), (mails, effective), "seed {seed} {:#?}", &sim.calls[calls..]);
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn an_mfa_reset_while_the_operator_was_down_counts_at_its_start() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let address = email("carol@acme.example");
    sim.play(Changed::Guest(address.clone()), |store, now| store.reset_mfa(&address, now));
    sim.restart_at(sim.server.version - 3);
    sim.settle();
    assert_eq!(sim.state("carol"), "Joined");
    walk::is_where_the_law_says(&sim);
}

#[test]
fn a_partner_whose_deletion_is_blocked_gives_back_what_an_mfa_reset_took_before_its_watch_moves_on() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let had = sim.effective();
    sim.edit(Partner, "acme", json!({"deletion": "Block"}));
    sim.delete(Partner, "acme");
    let carol = email("carol@acme.example");
    sim.play(Changed::Guest(carol.clone()), |store, now| store.reset_mfa(&carol, now));
    sim.settle();
    assert!(sim.effective().len() < had.len());
    sim.play(Changed::Guest(carol.clone()), |store, now| store.enroll_mfa(&carol, MfaMethod::TOTP, now));
    // No bookmark comes, so what decides is read live.
    sim.restart();
    loop {
        let tasks = sim.engine.tasks(sim.now);
        if tasks.is_empty() {
            break;
        }
        for (key, task) in tasks {
            sim.perform_now(key, task);
        }
    }
    assert_eq!(sim.effective(), had);
}

#[test]
fn a_restore_under_other_uids_takes_nothing_away() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let had = sim.effective();
        // Everything goes and comes back while nobody looks.
        let stored: Vec<_> = sim.server.objects().iter().map(|(key, o)| (key.clone(), o["spec"].clone())).collect();
        for (key, _) in &stored {
            let none = json!({"metadata": {"finalizers": null}});
            sim.server.patch(key, Part::Object, &none, sim.now).unwrap();
            sim.server.delete(key, None, sim.now).unwrap();
        }
        for (key, spec) in stored {
            sim.server.create(&key, spec, sim.now);
        }
        sim.restart();
        while sim.step() {
            assert_eq!(sim.effective(), had, "seed {seed}");
        }
        sim.settle();
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn events_that_never_came_are_made_good_by_the_next_list() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        sim.delete(Share, "newsletter");
        sim.edit(Membership, "carol", json!({"role": "GuestUser"}));
        sim.delete(Membership, "dave");
        sim.create(Share, "short", json!({}));
        sim.server.delete(&key(Share, "short"), None, sim.now).unwrap();
        sim.lose_events();
        sim.settle();
        for kind in Kind::ALL {
            sim.list_at(kind, sim.server.version);
        }
        sim.settle();
        walk::is_where_the_law_says(&sim);
        assert!(sim.server.object(&key(Membership, "dave")).is_none());
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn who_was_deleted_while_the_operator_was_down_is_let_go_and_may_come_back() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.delete(Membership, "bob");
    sim.restart();
    sim.settle();
    assert!(sim.server.object(&key(Membership, "bob")).is_none());
    recreate_bob(&mut sim);
    sim.now += SignedDuration::from_mins(11);
    sim.settle();
    assert_eq!((sim.state("bob"), sim.mails), ("Invited", 4));
    walk::is_where_the_law_says(&sim);
    walk::is_at_rest(&mut sim);
}

#[test]
fn a_namespace_whose_objects_all_go_at_once_leaves_nothing() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        for (kind, name) in [(Partner, "acme"), (Share, "instagram"), (Share, "newsletter")] {
            sim.delete(kind, name);
        }
        for name in ["bob", "carol", "dave"] {
            sim.delete(Membership, name);
        }
        sim.steps(usize::try_from(seed).unwrap());
        sim.restart();
        sim.settle();
        assert!(sim.server.objects().is_empty(), "seed {seed}");
        assert!(sim.everything().guests.iter().all(|guest| !guest.is_live()));
    }
}
