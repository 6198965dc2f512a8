//! Waits and their cost: no object waits for another that fails or cannot be read, own writes cause no further work,
//! and every wait ends.

use std::cell::RefCell;

use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::cache::ObjectRef;
use guestlist::directory::{Changed, Error};
use guestlist::domain::MfaMethod;
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Input, Observed};
use guestlist::executor::object_store::PatchTarget;
use guestlist::plan::{Inputs, Plan, plan};
use serde_json::json;

use super::driver::{MOST_STEPS, Sim, Trouble, email, key};
use super::{failed_operations, walk};
use crate::support::worlds::specs;

thread_local! {
    /// The objects that were planned, in order.
    static PLANNED: RefCell<Vec<ObjectRef>> = const { RefCell::new(Vec::new()) };
}

fn counting(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    PLANNED.with_borrow_mut(|planned| planned.push(key.clone()));
    plan(world, key)
}

/// The objects that the operator plans, until nothing changes.
fn planned(sim: &mut Sim) -> Vec<ObjectRef> {
    PLANNED.take();
    sim.settle();
    PLANNED.take()
}

#[test]
fn the_echo_of_our_own_writes_wakes_nobody() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.planner = counting;
    sim.restart();
    assert_eq!(planned(&mut sim).len(), 6, "each object is planned once after a start at rest");
    let address = email("bob@acme.example");
    sim.play(Changed::Guest(address.clone()), |store, now| store.reset_mfa(&address, now));
    let told = planned(&mut sim);
    // Bob has a grant to lose and a status to write; the partner and two shares have counts to update.
    assert!(told.len() < 20, "plans for one change: {told:?}");
    let version = sim.server.version;
    sim.load();
    assert_eq!((planned(&mut sim), sim.server.version), (Vec::new(), version), "a full read shows nothing new");
}

/// Carol passes accounts on to Bob, and their partner has a quota. Neither depends on her methods.
#[test]
fn second_mfa_method_of_a_guest_plans_no_other_guest() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Partner, "acme", json!({"guests": {"maxGuests": 9}}));
    sim.settle();
    sim.planner = counting;
    sim.restart();
    sim.settle();
    let address = email("carol@acme.example");
    sim.play(Changed::Guest(address.clone()), |store, now| store.enroll_mfa(&address, MfaMethod::WebAuthn, now));
    let planned = planned(&mut sim);
    assert!(planned.contains(&key(Membership, "carol")), "{planned:?}");
    let others = planned.iter().filter(|key| key.kind == Membership && &*key.name != "carol");
    assert_eq!(others.collect::<Vec<_>>(), [] as [&ObjectRef; 0]);
}

/// The directory cannot tell MFA for a while, which changes no revision.
#[test]
fn record_of_the_same_revision_without_mfa_gets_no_new_grant() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Share, "newsletter", specs::excludes(&["bob"]));
    sim.settle();
    let bob = email("bob@acme.example");
    for is_known in [false, true] {
        if is_known {
            sim.unknown_mfa.remove(&bob);
        } else {
            sim.unknown_mfa.insert(bob.clone(), sim.now);
        }
        sim.is_changed(Changed::Guest(bob.clone()));
        sim.edit(Share, "newsletter", json!({"exclude": null}));
        sim.settle();
        let has = sim.effective().contains_key(&("bob".to_owned(), "newsletter".to_owned()));
        assert_eq!(has, is_known, "{:?}", sim.effective());
    }
}

#[test]
fn a_guest_whose_record_cannot_be_written_delays_nobody() {
    let mut sim = Sim::new(0);
    sim.cursed = vec![email("bob@acme.example")];
    let tries = |sim: &Sim| sim.calls.iter().filter(|call| call.contains("bob") && !call.contains("status")).count();
    walk::apply(&mut sim);
    failed_operations::wait(&mut sim, jiff::SignedDuration::from_secs(20));
    assert_eq!(sim.state("carol"), "Invited");
    assert_eq!(sim.state("dave"), "Invited");
    assert_eq!(failed_operations::ready(&sim, Membership, "bob"), ("False".to_owned(), "DirectoryRefused".to_owned()));
    // The executor retries every few seconds, not continuously, and reports the failure once.
    let (before, version) = (tries(&sim), sim.server.version);
    failed_operations::wait(&mut sim, jiff::SignedDuration::from_mins(10));
    let tries = tries(&sim) - before;
    assert!((40..70).contains(&tries), "{tries} tries in ten minutes");
    assert_eq!(sim.server.version, version);
    sim.cursed.clear();
    sim.settle();
    assert_eq!(sim.state("bob"), "Invited");
    walk::is_at_rest(&mut sim);
}

#[test]
fn unreadable_object_delays_no_other_and_is_reported_once() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.create(Membership, "odd", json!({"partnerRef": "acme", "email": 7}));
    sim.edit(Membership, "carol", json!({"suspended": true}));
    sim.settle();
    assert_eq!(sim.state("carol"), "Suspended");
    let conditions = sim.status(Membership, "odd")["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|condition| condition["reason"] == "Unreadable"), "{conditions:?}");
    walk::is_where_the_law_says_of_readable(&sim);
    // The stored status cannot be compared: a new process writes it again, which changes nothing.
    let version = sim.server.version;
    sim.restart();
    sim.settle();
    assert_eq!(sim.server.version, version);
}

#[test]
fn unreadable_report_is_repeated_after_failed_status_write() {
    for trouble in [Trouble::Conflict, Trouble::Error, Trouble::AnswerLost] {
        let mut sim = Sim::new(0);
        sim.trouble = Some((0, trouble));
        sim.create(Membership, "odd", json!({"partnerRef": "acme", "email": 7}));
        sim.settle();
        assert!(sim.status(Membership, "odd")["conditions"].is_array(), "{trouble:?}: {:?}", sim.calls);
    }
}

#[test]
fn each_edit_of_an_unreadable_object_reports_its_mismatch() {
    let specs = [
        (Partner, json!({"hostAdmins": 7})),
        (Membership, json!({"partnerRef": "acme", "email": "odd@acme.example", "invitedBy": "alice@host.example"})),
        (Share, json!({"partnerRef": "acme", "account": "instagram", "sharedBy": "alice@host.example"})),
    ];
    for (kind, spec) in specs {
        let mut sim = Sim::new(0);
        sim.create(kind, "odd", spec);
        sim.settle();
        let mut messages = vec![sim.status(kind, "odd")["conditions"][0]["message"].clone()];
        let fixed = json!({"partnerRef": {"name": "acme"}, "hostAdmins": ["alice@host.example"]});
        for wrong in [json!({"suspended": "yes"}), json!({"suspended": null, "expiresAt": 7})] {
            sim.edit(kind, "odd", specs::with(fixed.clone(), [wrong]));
            sim.settle();
            let message = sim.status(kind, "odd")["conditions"][0]["message"].clone();
            assert!(message.is_string() && !messages.contains(&message), "{kind:?}: {message} after {messages:?}");
            messages.push(message);
        }
    }
}

#[test]
fn unavailable_directory_changes_only_the_status() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let had = sim.effective();
    sim.engine.handle(Input::DirectoryDown(Error::Unavailable { context: "away".to_owned() }), sim.now);
    sim.edit(Membership, "bob", json!({"displayName": "Robert"}));
    sim.settle();
    let ready = |sim: &Sim, kind, name: &str| {
        let conditions = sim.status(kind, name)["conditions"].as_array().unwrap().clone();
        conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap()["reason"].clone()
    };
    for (kind, name) in [(Partner, "acme"), (Membership, "bob"), (Share, "instagram")] {
        assert_eq!(ready(&sim, kind, name), "DirectoryUnavailable", "{name}");
    }
    assert_eq!(sim.effective(), had);
    assert!(!sim.engine.health().missing().is_empty());
    sim.load();
    sim.settle();
    assert_eq!((ready(&sim, Membership, "bob"), ready(&sim, Partner, "acme")), (json!("Active"), json!("Reconciled")));
    assert_eq!(sim.effective(), had);
    assert!(sim.engine.health().missing().is_empty());
    walk::is_at_rest(&mut sim);
}

/// A planner that always repeats its operations.
fn restless(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    if let (Membership, Some(record)) = (key.kind, world.observed.guests().next()) {
        plan.steps = vec![guestlist::plan::Step {
            operation: guestlist::directory::Operation::Guest {
                id: record.id.clone(),
                change: guestlist::directory::GuestChange::RevokeInvitation,
            },
            reason: guestlist::domain::Reason::Terminating,
            message: "it never learns".to_owned(),
        }];
        plan.basis = None;
    }
    plan
}

#[test]
fn a_plan_that_never_comes_to_rest_is_slowed_down() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.planner = restless;
    sim.restart();
    let (before, until) = (sim.calls.len(), sim.now + jiff::SignedDuration::from_mins(10));
    for _ in 0..MOST_STEPS {
        if !sim.step() {
            sim.now = sim.next_check().unwrap();
        }
        if sim.now > until {
            break;
        }
    }
    assert!(sim.now > until, "the clock stands still: it goes round without a pause");
    assert!(sim.calls.len() - before < 2_000, "{} calls in ten minutes", sim.calls.len() - before);
}

#[test]
fn edit_is_processed_before_many_new_objects() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    for number in 0..20 {
        let address = format!("guest{number}@acme.example");
        sim.create(
            Membership,
            &format!("guest{number}"),
            specs::membership("acme", &address, false, "alice@host.example"),
        );
        sim.deliver(&Membership.into());
    }
    sim.edit(Membership, "bob", json!({"suspended": true}));
    sim.deliver(&Membership.into());
    let bob = QueueKey::from(key(Membership, "bob"));
    let started = sim.engine.tasks(sim.now);
    assert!(started.iter().any(|(subject, _)| subject.key == bob), "{started:#?}");
}

#[test]
fn write_during_directory_read_is_not_undone_by_older_snapshot() {
    let mut sim = Sim::new(0);
    sim.engine.handle(Input::Loading, sim.now);
    let old = sim.everything();
    walk::apply(&mut sim);
    sim.settle();
    let (mails, partner) = (sim.mails, sim.everything().partners.len());
    assert_eq!((mails, partner), (3, 1));
    let snapshot = old;
    let calls = sim.calls.len();
    sim.engine.handle(Input::Loaded(Box::new(snapshot)), sim.now);
    sim.settle();
    assert_eq!(sim.calls[calls..], [] as [String; 0]);
}

/// A read of an event may end after the operation that followed it.
#[test]
fn record_older_than_our_own_write_changes_nothing() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let bob = email("bob@acme.example");
    let old = sim.guest(&bob);
    sim.edit(Share, "newsletter", specs::excludes(&["bob"]));
    sim.settle();
    let calls = sim.calls.len();
    sim.engine.handle(Input::Observed(vec![Observed::Guest(bob, old.map(Box::new))]), sim.now);
    sim.settle();
    assert_eq!(sim.calls[calls..], [] as [String; 0]);
    assert_eq!(sim.corrections, 0);
}

#[test]
fn record_missing_from_a_full_read_is_gone() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.engine.handle(Input::Loading, sim.now);
    let mut snapshot = sim.everything();
    snapshot.accounts.retain(|account| account.name != "newsletter");
    sim.engine.handle(Input::Loaded(Box::new(snapshot)), sim.now);
    sim.settle();
    let mut accounts: Vec<_> = sim.effective().into_keys().map(|(_, account)| account).collect();
    accounts.dedup();
    assert_eq!(accounts, ["instagram"]);
}

#[test]
fn clock_jumping_back_and_forth_sends_no_mail_and_revokes_none() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let (had, mails, version) = (sim.effective(), sim.mails, sim.server.version);
    // Within the day: purge times, mail times and announced instants stay the same.
    for hours in [-3, 6, -24, 24, -1, -2] {
        sim.now += jiff::SignedDuration::from_hours(hours);
        for (kind, name) in [(Partner, "acme"), (Membership, "bob"), (Share, "instagram")] {
            let asked = json!({"metadata": {"annotations": {"guestlist.dev/reconcile-at": sim.now.to_string()}}});
            sim.server.patch(&key(kind, name), PatchTarget::Object, &asked, sim.now).unwrap();
        }
        sim.restart();
        sim.settle();
        assert_eq!((sim.effective(), sim.mails), (had.clone(), mails), "{hours} hours");
    }
    assert!(sim.server.version > version);
    walk::is_at_rest(&mut sim);
}
