//! Stale views: lists from a cache that lags, events that never arrive, and objects that were deleted and created again
//! unseen.

use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::cache::ObjectRef;
use guestlist::directory::Changed;
use guestlist::domain::MfaMethod;
use guestlist::engine::Input;
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, email, key};
use super::failed_operations::wait;
use super::server::PatchTarget;
use super::walk;

/// Creates Bob again, under the same name.
fn recreate_bob(sim: &mut Sim) {
    sim.create(
        Membership,
        "bob",
        json!({"partnerRef": {"name": "acme"}, "email": "bob@acme.example", "invitedBy": "alice@host.example"}),
    );
}

#[test]
fn restart_on_stale_list_grants_nothing_revoked_since() {
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
fn restart_on_stale_list_keeps_guest_returned_under_same_name() {
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
fn restart_on_stale_list_keeps_partner_returned_under_same_name() {
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
fn blocked_partner_restores_mfa_reset_grants_before_watch_moves() {
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
    // No bookmark comes, so the relevant objects are read live.
    sim.restart();
    loop {
        let tasks = sim.engine.tasks(sim.now);
        if tasks.is_empty() {
            break;
        }
        for (subject, task) in tasks {
            sim.perform_now(subject, task);
        }
    }
    assert_eq!(sim.effective(), had);
}

/// An object vanishes without the operator having removed its finalizer.
fn vanish(sim: &mut Sim, key: &ObjectRef) {
    let none = json!({"metadata": {"finalizers": null}});
    sim.server.patch(key, PatchTarget::Object, &none, sim.now).unwrap();
    sim.server.delete(key, None, sim.now).unwrap();
}

fn has(sim: &Sim, who: &str) -> Vec<String> {
    sim.effective().into_keys().filter(|(name, _)| name == who).map(|(_, account)| account).collect()
}

#[test]
fn unprocessable_membership_loses_grants_of_deleted_share() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        sim.edit(Membership, "bob", json!({"suspended": "yes"}));
        sim.settle();
        assert_eq!(has(&sim, "bob"), ["instagram", "newsletter"], "seed {seed}: the engine does not read");
        let newsletter = sim.server.object(&key(Share, "newsletter")).unwrap()["spec"].clone();
        let instagram = sim.server.object(&key(Share, "instagram")).unwrap()["spec"].clone();
        for share in ["instagram", "newsletter"] {
            vanish(&mut sim, &key(Share, share));
        }
        sim.create(Share, "newsletter", newsletter.clone());
        sim.restart();
        sim.settle();
        assert_eq!(has(&sim, "bob"), ["newsletter"], "seed {seed}: instagram is gone");
        assert_eq!(has(&sim, "carol"), ["newsletter"]);
        vanish(&mut sim, &key(Share, "newsletter"));
        let without = json!({"exclude": [{"name": "bob"}]});
        sim.create(Share, "newsletter", newsletter);
        sim.edit(Share, "newsletter", without);
        sim.create(Share, "instagram", instagram);
        sim.restart();
        sim.settle();
        assert_eq!(has(&sim, "bob"), [] as [&str; 0], "seed {seed}: the guest is excluded and gets no new grant");
        assert_eq!(has(&sim, "carol"), ["instagram", "newsletter"]);
    }
}

#[test]
fn restore_of_two_shares_keeps_the_one_that_granted_access() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let had = sim.effective();
        let instagram = sim.server.object(&key(Share, "instagram")).unwrap()["spec"].clone();
        vanish(&mut sim, &key(Share, "instagram"));
        // The other share comes first, and grants more.
        let mut other = instagram.clone();
        other["guestUsers"] = json!([{"name": "dave", "propagatedBy": "carol"}]);
        sim.create(Share, "another", other);
        sim.now += SignedDuration::from_secs(1);
        sim.create(Share, "instagram", instagram);
        sim.restart();
        sim.settle();
        assert_eq!(sim.effective(), had, "seed {seed}");
        let conditions = sim.status(Share, "another")["conditions"].to_string();
        assert!(conditions.contains("DuplicateShare"), "seed {seed}: {conditions}");
        walk::is_at_rest(&mut sim);
    }
}

#[test]
fn a_restore_under_other_uids_takes_nothing_away() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let had = sim.effective();
        // All objects are deleted and created again unseen.
        let stored: Vec<_> = sim.server.objects().iter().map(|(key, o)| (key.clone(), o["spec"].clone())).collect();
        for (key, _) in &stored {
            vanish(&mut sim, key);
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
fn unreadable_restored_share_keeps_grants_until_deleted() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let had = sim.effective();
        vanish(&mut sim, &key(Share, "instagram"));
        sim.create(Share, "instagram", json!({"partnerRef": "acme", "account": 7}));
        sim.restart();
        while sim.step() {
            assert_eq!(sim.effective(), had, "seed {seed}");
        }
        sim.settle();
        sim.delete(Share, "instagram");
        sim.settle();
        assert!(
            sim.effective().keys().all(|(_, account)| account != "instagram"),
            "seed {seed}: {:?}",
            sim.effective()
        );
        assert!(sim.server.object(&key(Share, "instagram")).is_none());
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
fn guest_deleted_during_downtime_is_removed_and_may_return() {
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

#[test]
fn pause_of_a_partner_holds_before_its_watch_reports_it() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Share, "instagram", json!({"exclude": [{"name": "carol"}]}));
    sim.settle();
    // The partner is paused first. Only the later edit of the share is reported.
    let pause = json!({"metadata": {"annotations": {"guestlist.dev/paused": "true"}}});
    sim.server.patch(&key(Partner, "acme"), PatchTarget::Object, &pause, sim.now).unwrap();
    sim.edit(Share, "instagram", json!({"exclude": null}));
    sim.deliver(&Share.into());
    for _ in 0..3 {
        for (subject, task) in sim.engine.tasks(sim.now) {
            sim.perform_now(subject, task);
        }
    }
    assert!(!sim.effective().contains_key(&("carol".to_owned(), "instagram".to_owned())), "{:?}", sim.effective());
    sim.settle();
    assert!(!sim.effective().contains_key(&("carol".to_owned(), "instagram".to_owned())), "{:?}", sim.effective());
}

#[test]
fn stale_propagator_passes_nothing_on() {
    for loss in [json!({"role": "GuestUser"}), json!({"mfa": {"required": false}})] {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        let entries = sim.server.object(&key(Share, "instagram")).unwrap()["spec"]["guestUsers"].clone();
        sim.edit(Share, "instagram", json!({"guestUsers": []}));
        sim.settle();
        assert_eq!(has(&sim, "bob"), ["newsletter"]);
        // Only the later edit of the share is reported.
        sim.edit(Membership, "carol", loss.clone());
        sim.edit(Share, "instagram", json!({"guestUsers": entries}));
        sim.silent = vec![Membership, Partner];
        sim.steps(100);
        assert_eq!(has(&sim, "bob"), ["newsletter"], "{loss}: carol may not pass the account on");
        sim.silent.clear();
        sim.settle();
        assert_eq!(has(&sim, "bob"), [] as [&str; 0], "{loss}");
    }
}

/// Lists of the same process come from a cache that lags, and bookmarks may come from there too.
#[test]
fn stale_lists_of_some_kinds_grant_nothing_revoked_since() {
    let cases = (1..8).flat_map(|stale| [false, true].map(|bookmarked| (stale, bookmarked)));
    // If all watches are equally late, the operator knows a state that existed.
    for (stale, bookmarked) in cases.filter(|case| *case != (7, true)) {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        let old = sim.server.version;
        sim.edit(Share, "instagram", json!({"exclude": [{"name": "bob"}]}));
        sim.edit(Membership, "carol", json!({"suspended": true}));
        sim.settle();
        let had = sim.effective();
        sim.strict = true;
        sim.silent = Kind::ALL.to_vec();
        // The lists may lack the newest of these.
        sim.own.clear();
        for (_, kind) in Kind::ALL.into_iter().enumerate().filter(|(place, _)| stale & (1 << place) != 0) {
            sim.list_at(kind, old);
            if bookmarked {
                sim.engine.handle(Input::Bookmark { collection: kind.into(), version: old }, sim.now);
            }
        }
        wait(&mut sim, SignedDuration::from_secs(10));
        assert_eq!(sim.effective(), had, "{stale:b} {bookmarked}");
        sim.silent.clear();
        sim.settle();
        assert_eq!(sim.effective(), had, "{stale:b} {bookmarked}");
    }
}
