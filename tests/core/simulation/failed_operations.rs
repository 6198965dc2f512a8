//! A directory that can be read but accepts no operation: no status claims that the directory matches the declared
//! objects.

use futures::executor::block_on;
use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::directory::{Changed, DirectoryReader as _, DirectoryWriter as _, GuestChange, GuestRecord, Operation};
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Failure, Input, Observed, Task, TaskOutcome};
use jiff::SignedDuration;
use serde_json::json;

use super::churn::vanish;
use super::driver::{MOST_STEPS, Sim, email, key};
use super::server::PatchTarget;
use super::walk;
use crate::support::worlds::specs;

/// Some time passes, and due work is done.
pub fn wait(sim: &mut Sim, time: SignedDuration) {
    let (until, mut steps) = (sim.now + time, 0);
    loop {
        if sim.step() {
            steps += 1;
            assert!(steps < MOST_STEPS, "never at rest: {:#?}", sim.last_calls());
            continue;
        }
        match sim.next_check() {
            Some(next) if next <= until => sim.now = next,
            _ => break,
        }
    }
    sim.now = until;
}

/// The status and the reason of an object's Ready condition.
pub fn ready(sim: &Sim, kind: Kind, name: &str) -> (String, String) {
    let conditions = sim.status(kind, name)["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    let word = |field: &str| ready[field].as_str().unwrap().to_owned();
    (word("status"), word("reason"))
}

const ALL: [(Kind, &str); 3] = [(Partner, "acme"), (Membership, "bob"), (Share, "instagram")];

/// No object waits for the directory.
fn all_is_well(sim: &mut Sim) {
    for (kind, name) in ALL {
        assert_eq!(ready(sim, kind, name).0, "True", "{name}");
    }
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    walk::is_at_rest(sim);
}

/// The time from a change that the directory does not accept until readiness and all statuses show it.
pub fn shows_after() -> SignedDuration {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.cursed = ["bob", "carol", "dave"].map(|name| email(&format!("{name}@acme.example"))).into();
    sim.takes_nothing = true;
    let began = sim.now;
    sim.edit(Share, "instagram", json!({"suspended": true}));
    let shows = |sim: &Sim| {
        let missing = sim.engine.health().missing();
        ALL.iter().all(|(kind, name)| ready(sim, *kind, name).1 == "DirectoryUnavailable")
            && missing.iter().any(|line| line.starts_with("DirectoryUnavailable: "))
    };
    while !shows(&sim) {
        if !sim.step() {
            sim.now = sim.next_check().expect("the operation is tried again");
        }
    }
    sim.now.duration_since(began)
}

#[test]
fn guest_with_unrevoked_access_is_not_reported_without_it() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let had = sim.effective();
    sim.cursed = ["bob", "carol", "dave"].map(|name| email(&format!("{name}@acme.example"))).into();
    sim.takes_nothing = true;
    sim.edit(Share, "instagram", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(20));
    assert_eq!(sim.effective(), had, "nothing could be taken away");
    for (kind, name) in ALL {
        assert_eq!(ready(&sim, kind, name), ("Unknown".to_owned(), "DirectoryUnavailable".to_owned()), "{name}");
    }
    let missing = sim.engine.health().missing();
    assert!(missing.iter().any(|line| line.starts_with("DirectoryUnavailable: ")), "{missing:?}");
    let version = sim.server.version;
    wait(&mut sim, SignedDuration::from_hours(1));
    assert_eq!(sim.server.version, version, "it is said once");

    (sim.cursed, sim.takes_nothing) = (Vec::new(), false);
    wait(&mut sim, SignedDuration::from_secs(15));
    assert!(sim.effective().keys().all(|(_, account)| account != "instagram"), "{:?}", sim.effective());
    all_is_well(&mut sim);
}

#[test]
fn edit_reverted_before_directory_accepts_it_leaves_no_wait() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.cursed = vec![email("bob@acme.example")];
    sim.edit(Membership, "bob", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(20));
    assert_eq!(ready(&sim, Membership, "bob").1, "DirectoryRefused");
    sim.edit(Membership, "bob", json!({"suspended": false}));
    wait(&mut sim, SignedDuration::from_secs(15));
    all_is_well(&mut sim);
}

/// The directory takes no write while Bob is suspended, and the operator is not ready.
fn suspension_fails() -> Sim {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    (sim.cursed, sim.takes_nothing) = (vec![email("bob@acme.example")], true);
    sim.edit(Membership, "bob", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(20));
    assert_ne!(sim.engine.health().missing(), [] as [String; 0]);
    sim
}

#[test]
fn reverted_edit_ends_the_directory_failure_without_a_write() {
    let mut sim = suspension_fails();
    sim.edit(Membership, "bob", json!({"suspended": false}));
    wait(&mut sim, SignedDuration::from_secs(15));
    all_is_well(&mut sim);
}

#[test]
fn refused_revocation_is_reported_beside_remaining_access() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let had = sim.effective();
    sim.cursed = vec![email("bob@acme.example")];
    sim.refuses = Some("Keycloak answered 400: user bob@acme.example: department: too short. Correct it".to_owned());
    sim.edit(Membership, "bob", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_secs(1));
    assert_eq!(sim.effective(), had);
    assert_eq!(ready(&sim, Membership, "bob"), ("False".to_owned(), "DirectoryRefused".to_owned()));
    let status = sim.status(Membership, "bob").clone();
    let stalled = |condition: &&serde_json::Value| condition["type"] == "Stalled";
    let stalled = status["conditions"].as_array().unwrap().iter().find(stalled).unwrap();
    assert_eq!(stalled["message"].as_str(), sim.refuses.as_deref());
    let effective = status["accounts"].as_array().unwrap().iter().map(|account| account["effective"] == true);
    assert!(effective.clone().count() > 0 && effective.clone().all(|it| it), "{status}");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0], "the directory accepts other writes");
    let version = sim.server.version;
    wait(&mut sim, SignedDuration::from_hours(1));
    assert_eq!(sim.server.version, version, "it is said once");

    (sim.cursed, sim.refuses) = (Vec::new(), None);
    wait(&mut sim, SignedDuration::from_mins(6));
    assert!(sim.effective().keys().all(|(name, _)| name != "bob"), "{:?}", sim.effective());
    assert_eq!((sim.state("bob"), ready(&sim, Membership, "bob").0), ("Suspended", "True".to_owned()));
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
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
}

/// The newsletter is due for Bob, but the directory refuses the grant.
fn owed() -> Sim {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Share, "newsletter", json!({"exclude": [{"name": "bob"}]}));
    sim.settle();
    (sim.cursed, sim.only_gives) = (vec![email("bob@acme.example")], true);
    sim.edit(Share, "newsletter", json!({"exclude": null}));
    wait(&mut sim, SignedDuration::from_secs(20));
    // The directory accepts other writes: only bob is concerned.
    assert_eq!(ready(&sim, Membership, "bob").1, "DirectoryRefused");
    for (kind, name) in [(Partner, "acme"), (Share, "newsletter")] {
        assert_eq!(ready(&sim, kind, name).1, "Reconciled", "{name}");
    }
    sim
}

#[test]
fn revocation_does_not_wait_for_a_refused_grant() {
    let has = |sim: &Sim| sim.effective().keys().filter(|(name, _)| name == "bob").count();
    let mut sim = owed();
    assert_eq!(has(&sim), 1);
    sim.edit(Share, "instagram", json!({"exclude": [{"name": "bob"}]}));
    wait(&mut sim, SignedDuration::from_millis(1));
    assert_eq!(has(&sim), 0, "at once: {:?}", sim.calls);
    let mut sim = owed();
    sim.edit(Membership, "bob", json!({"suspended": true}));
    wait(&mut sim, SignedDuration::from_millis(1));
    assert_eq!((has(&sim), sim.state("bob")), (0, "Suspended"));
    let mut sim = owed();
    sim.delete(Membership, "bob");
    wait(&mut sim, SignedDuration::from_millis(1));
    assert!(sim.server.object(&key(Membership, "bob")).is_none(), "{:?}", sim.calls);
    sim.settle();
    assert_eq!(ready(&sim, Partner, "acme").0, "True");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
}

#[test]
fn refused_grant_of_one_guest_is_not_a_directory_failure() {
    let mut sim = owed();
    assert_eq!(sim.engine.health().missing(), [] as [String; 0], "though nothing else was to be done");
    for second in 0..20 {
        sim.edit(Membership, "carol", json!({"displayName": format!("Carol {second}")}));
        wait(&mut sim, SignedDuration::from_secs(3));
        assert_eq!(sim.engine.health().missing(), [] as [String; 0], "after {second} seconds");
    }
    assert_eq!(ready(&sim, Membership, "bob").1, "DirectoryRefused");
}

/// Bob holds `instagram` alone, and loses it. Carol, a Guest Admin, holds both accounts.
#[test]
fn failed_revocation_is_shown_by_the_share_of_the_grant_alone() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Share, "newsletter", json!({"guestUsers": null}));
    sim.settle();
    (sim.cursed, sim.takes_nothing) = (vec![email("bob@acme.example")], true);
    sim.edit(Share, "instagram", json!({"guestUsers": null}));
    wait(&mut sim, SignedDuration::from_secs(20));
    assert!(sim.effective().contains_key(&("bob".to_owned(), "instagram".to_owned())), "{:?}", sim.effective());
    assert_eq!(ready(&sim, Share, "instagram"), ("Unknown".to_owned(), "DirectoryUnavailable".to_owned()));
    assert_eq!(ready(&sim, Share, "newsletter").0, "True");
}

/// Only shares through which the guest may have an account are concerned, whether the guest has it or not.
#[test]
fn failed_grant_is_shown_by_its_share_and_no_other_partner() {
    for name in ["bob", "carol"] {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        sim.create(Partner, "beta", specs::partner(&["alice@host.example"]));
        sim.edit(Share, "newsletter", specs::excludes(&[name]));
        sim.settle();
        (sim.cursed, sim.takes_nothing) = (vec![email(&format!("{name}@acme.example"))], true);
        sim.edit(Share, "newsletter", json!({"exclude": null}));
        wait(&mut sim, SignedDuration::from_secs(20));
        assert_eq!(ready(&sim, Share, "newsletter").0, "Unknown", "{name}");
        sim.edit(Partner, "beta", json!({"guests": {"maxGuests": 9}}));
        wait(&mut sim, SignedDuration::from_secs(1));
        assert_eq!(sim.status(Partner, "beta")["observedGeneration"], 2);
        assert_eq!(ready(&sim, Partner, "beta").0, "True", "{name}");
    }
}

#[test]
fn failure_of_an_object_that_vanishes_ends_with_it() {
    let mut sim = suspension_fails();
    vanish(&mut sim, Membership, "bob");
    // Before garbage collection, which the directory would accept.
    wait(&mut sim, SignedDuration::from_secs(1));
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
}

#[test]
fn invitation_is_resent_at_once_after_another_refused_operation() {
    let mut sim = Sim::new(0);
    walk::apply(&mut sim);
    sim.settle();
    sim.now += SignedDuration::from_mins(11);
    (sim.cursed, sim.refuses) = (vec![email("bob@acme.example")], Some("department: too short".to_owned()));
    sim.edit(Membership, "bob", json!({"displayName": "Robert"}));
    wait(&mut sim, SignedDuration::from_secs(1));
    assert_eq!(ready(&sim, Membership, "bob").1, "DirectoryRefused");
    (sim.cursed, sim.refuses) = (Vec::new(), None);
    let resend = json!({"guestlist.dev/resend-invitation": sim.now.to_string()});
    let patch = json!({"metadata": {"annotations": resend}, "spec": {"displayName": null}});
    sim.server.patch(&key(Membership, "bob"), PatchTarget::Object, &patch, sim.now).unwrap();
    let mails = sim.mails;
    wait(&mut sim, SignedDuration::from_millis(1));
    assert_eq!(sim.mails, mails + 1, "{:#?}", sim.last_calls());
}

/// The record of the guest exists without an invitation, so the next operation is another one than the failed one.
#[test]
fn guest_admitted_without_a_mail_waits_for_the_next_try() {
    let mut sim = Sim::new(0);
    sim.policy = sim.policy.replace("mailInterval: 10m", "mailInterval: 0s");
    sim.restart();
    sim.create(Partner, "acme", specs::partner(&["alice@host.example"]));
    sim.settle();
    sim.create(Membership, "erin", specs::membership("acme", "erin@acme.example", false, "alice@host.example"));
    sim.deliver(&Membership.into());
    let erin = QueueKey::from(&key(Membership, "erin"));
    let next = |sim: &mut Sim| sim.engine.tasks(sim.now).into_iter().find(|(subject, _)| subject.key == erin).unwrap();
    let (subject, finalizer) = next(&mut sim);
    sim.perform_now(subject, finalizer);
    let (_, Task::Execute { steps, .. }) = next(&mut sim) else { panic!("the guest is invited next") };
    let invite = steps[0].operation.clone();
    let invited = block_on(sim.directory.execute(&invite, None, sim.now, sim.epoch)).unwrap().guest.unwrap();
    let record = GuestRecord { invitation: None, ..invited };
    let outcome = TaskOutcome {
        reread: vec![Observed::Guest(record.address.clone(), Some(Box::new(record)))],
        failure: Some(Failure::MailNotSent(Box::new(invite), "no mail server".to_owned())),
        ..TaskOutcome::default()
    };
    sim.engine.handle(Input::Done { key: erin.clone(), outcome: Box::new(outcome) }, sim.now);
    let (subject, status) = next(&mut sim);
    assert!(matches!(status, Task::Status { .. }), "{status:?}");
    sim.perform_now(subject, status);
    assert_eq!(ready(&sim, Membership, "erin"), ("False".to_owned(), "MailNotSent".to_owned()));
}

#[test]
fn late_lease_renewal_of_any_length_delays_no_later_work() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let had = sim.effective();
    sim.lapsed = true;
    let both = json!([{"name": "bob", "propagatedBy": "carol"}, {"name": "dave", "propagatedBy": "carol"}]);
    sim.edit(Share, "instagram", json!({"guestUsers": both}));
    for second in 0..60 {
        // Each edit queues all of them again.
        sim.edit(Partner, "acme", json!({"displayName": format!("Acme {second}")}));
        wait(&mut sim, SignedDuration::from_secs(1));
    }
    assert_eq!(sim.effective(), had);
    sim.lapsed = false;
    wait(&mut sim, SignedDuration::from_millis(600));
    assert!(sim.effective().keys().any(|(name, _)| name == "dave"), "{:?}", sim.effective());
    sim.settle();
    walk::is_at_rest(&mut sim);
}

#[test]
fn unsendable_mail_affects_only_its_guest() {
    let mut sim = Sim::new(0);
    walk::apply(&mut sim);
    sim.settle();
    let bob = email("bob@acme.example");
    let id = block_on(sim.directory.guest(&bob)).unwrap().unwrap().id;
    block_on(sim.directory.execute(
        &Operation::Guest { id, change: GuestChange::RevokeInvitation },
        None,
        sim.now,
        sim.epoch,
    ))
    .unwrap();
    sim.mailless = vec![bob.clone()];
    sim.play(Changed::Guest(bob), |_, _| Ok(true));
    wait(&mut sim, SignedDuration::from_mins(30));
    let tries = |sim: &Sim| sim.calls.iter().filter(|call| call.starts_with("resend_invitation")).count();
    assert_eq!(ready(&sim, Membership, "bob"), ("False".to_owned(), "MailNotSent".to_owned()));
    assert_eq!(ready(&sim, Partner, "acme").0, "True");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    let (before, version) = (tries(&sim), sim.server.version);
    wait(&mut sim, SignedDuration::from_hours(1));
    assert!((8..20).contains(&(tries(&sim) - before)), "{} tries in an hour", tries(&sim) - before);
    assert_eq!(sim.server.version, version, "it is said once");
    sim.edit(Membership, "bob", json!({"displayName": "Robert"}));
    wait(&mut sim, SignedDuration::from_millis(1));
    let held = block_on(sim.directory.guest(&email("bob@acme.example"))).unwrap().unwrap();
    assert_eq!(held.display_name, "Robert", "all else goes on");
    // The directory refuses all writes of Bob's record for a while. The status reports that, and stops when it is over,
    // although the mail is still pending.
    sim.cursed = vec![email("bob@acme.example")];
    sim.edit(Membership, "bob", json!({"displayName": "Bob"}));
    wait(&mut sim, SignedDuration::from_mins(10));
    assert_eq!(ready(&sim, Membership, "bob").1, "DirectoryRefused");
    assert_eq!(ready(&sim, Partner, "acme").0, "True");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    sim.cursed.clear();
    wait(&mut sim, SignedDuration::from_mins(10));
    assert_eq!(ready(&sim, Membership, "bob").1, "MailNotSent");
    assert_eq!(ready(&sim, Partner, "acme").0, "True");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    sim.mailless.clear();
    wait(&mut sim, SignedDuration::from_mins(7));
    assert_eq!(sim.state("bob"), "Invited");
    walk::is_at_rest(&mut sim);
}

#[test]
fn access_ends_in_time_although_a_grant_is_refused() {
    for refuses in [None, Some("user bob@acme.example: department: too short".to_owned())] {
        let mut sim = Sim::new(0);
        walk::begin(&mut sim);
        (sim.cursed, sim.refuses, sim.only_gives) = (vec![email("bob@acme.example")], refuses, true);
        let end = sim.now + SignedDuration::from_secs(1000);
        sim.edit(Share, "newsletter", json!({"mfa": {"methods": ["TOTP"]}, "expiresAt": end.to_string()}));
        wait(&mut sim, SignedDuration::from_secs(10));
        sim.edit(Share, "newsletter", json!({"mfa": null}));
        wait(&mut sim, SignedDuration::from_secs(989));
        let held = |sim: &Sim| sim.guest(&email("bob@acme.example")).unwrap().grants.contains_key("newsletter");
        assert!(held(&sim) && ready(&sim, Membership, "bob").1 == "DirectoryRefused", "a grant is refused");
        wait(&mut sim, SignedDuration::from_secs(2));
        assert!(!held(&sim), "the directory accepts revocations: {:#?}", sim.last_calls());
    }
}

/// The mail to another guest still fails, which concerns that guest alone.
#[test]
fn directory_failure_ends_although_a_mail_is_still_not_sent() {
    let (mut sim, erin) = (suspension_fails(), email("erin@acme.example"));
    sim.takes_nothing = false;
    sim.create(Membership, "erin", specs::membership("acme", erin.as_str(), false, "alice@host.example"));
    wait(&mut sim, SignedDuration::from_secs(20));
    let id = sim.guest(&erin).unwrap().id;
    let revoke = Operation::Guest { id, change: GuestChange::RevokeInvitation };
    block_on(sim.directory.execute(&revoke, None, sim.now, sim.epoch)).unwrap();
    sim.mailless = vec![erin.clone()];
    sim.play(Changed::Guest(erin), |_, _| Ok(true));
    wait(&mut sim, SignedDuration::from_mins(30));
    sim.takes_nothing = true;
    wait(&mut sim, SignedDuration::from_mins(1));
    assert_ne!(sim.engine.health().missing(), [] as [String; 0]);
    sim.edit(Membership, "bob", json!({"suspended": false}));
    wait(&mut sim, SignedDuration::from_mins(1));
    assert_eq!(ready(&sim, Membership, "erin").1, "MailNotSent");
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
}
