//! Live reads of objects before an operation. The operator reads only what its watches may not have reported yet.

use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::PartnerRecord;
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Check, Task};
use jiff::SignedDuration;
use serde_json::json;

use super::churn::making;
use super::driver::{Sim, key};
use super::edits::happen;
use super::failed_operations::wait;
use super::walk;
use crate::support::worlds::specs;

fn erin() -> serde_json::Value {
    specs::membership("acme", "erin@acme.example", false, "alice@host.example")
}

/// Before a partner is removed, no membership may name it. Everything else that revokes access needs no read.
#[test]
fn revocation_and_removal_read_no_object_live_except_members() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let before = sim.calls.len();
    sim.edit(Share, "instagram", json!({"exclude": [{"name": "bob"}]}));
    sim.settle();
    sim.delete(Membership, "dave");
    sim.settle();
    sim.delete(Partner, "acme");
    sim.settle();
    let is_read = |call: &&String| call.starts_with("get ") || call.starts_with("list ");
    let read: Vec<_> = sim.calls[before..].iter().filter(is_read).collect();
    assert_eq!(read, ["list members of LocalPartner partners/acme"]);
}

#[test]
fn partner_named_by_an_unseen_membership_is_kept() {
    let mut sim = Sim::new(0);
    sim.create(Partner, "acme", specs::with(specs::partner(&["alice@host.example"]), [specs::deletion(true)]));
    sim.settle();
    sim.silent = vec![Membership];
    sim.create(Membership, "erin", erin());
    sim.delete(Partner, "acme");
    wait(&mut sim, SignedDuration::from_secs(30));
    assert!(sim.everything().partners.iter().all(PartnerRecord::is_live), "{:#?}", sim.last_calls());
    sim.silent.clear();
    sim.settle();
    assert!(sim.server.objects().is_empty() && sim.everything().partners.iter().all(|partner| !partner.is_live()));
}

/// The operator starts on an old list, in which Bob's membership is being deleted. Another one has its name by now.
#[test]
fn record_of_a_successor_is_not_removed_on_an_old_list() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.delete(Membership, "bob");
    let old = sim.server.version;
    sim.settle();
    sim.now += SignedDuration::from_mins(11);
    happen(&mut sim, making(Membership, "bob"));
    sim.settle();
    walk::join(&mut sim, &["bob"]);
    sim.settle();
    let effective = sim.effective();
    sim.silent = Kind::ALL.to_vec();
    sim.restart_at(old);
    wait(&mut sim, SignedDuration::from_secs(30));
    assert!(sim.calls.iter().any(|call| call == "get GuestMembership partners/bob"));
    assert_eq!(sim.effective(), effective, "{:#?}", sim.last_calls());
}

#[test]
fn grant_reads_the_propagator_live() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let entries = sim.server.object(&key(Share, "instagram")).unwrap()["spec"]["guestUsers"].clone();
    sim.edit(Share, "instagram", json!({"guestUsers": []}));
    sim.settle();
    sim.edit(Share, "instagram", json!({"guestUsers": entries}));
    sim.deliver(&Share.into());
    let bob = QueueKey::from(key(Membership, "bob"));
    let task = sim.engine.tasks(sim.now).into_iter().find(|(subject, _)| subject.key == bob).map(|(_, task)| task);
    let Some(Task::Execute { checks, .. }) = task else { panic!("{task:?}") };
    let read = checks.into_iter().map(unchanged).collect::<Vec<_>>();
    assert_eq!(read, [key(Partner, "acme"), key(Membership, "bob"), key(Membership, "carol")]);
}

/// The object that a check reads.
fn unchanged(check: Check) -> ObjectRef {
    match check {
        Check::Unchanged { key, .. } => key,
        check => panic!("{check:?}"),
    }
}

/// The objects that are read live before Erin's invitation, which follows the write of her finalizer.
fn read_before_invitation(after_the_write: fn(&mut Sim)) -> Vec<ObjectRef> {
    let mut sim = Sim::new(0);
    sim.create(Partner, "acme", specs::partner(&["alice@host.example"]));
    sim.settle();
    sim.create(Membership, "erin", erin());
    sim.deliver(&Membership.into());
    let erin = QueueKey::from(&key(Membership, "erin"));
    let next = |sim: &mut Sim| sim.engine.tasks(sim.now).into_iter().find(|(subject, _)| subject.key == erin).unwrap();
    let (subject, task) = next(&mut sim);
    assert!(matches!(task, Task::Finalizer { .. }), "{task:?}");
    sim.perform_now(subject, task);
    after_the_write(&mut sim);
    let (_, Task::Execute { checks, .. }) = next(&mut sim) else { panic!("the guest is invited next") };
    checks.into_iter().map(unchanged).collect()
}

#[test]
fn object_just_written_is_read_only_if_another_is_newer() {
    assert_eq!(read_before_invitation(|_| {}), [key(Partner, "acme")]);
    let edited = read_before_invitation(|sim| {
        sim.edit(Partner, "acme", json!({"guests": {"maxGuests": 5}}));
        sim.deliver(&Partner.into());
    });
    assert_eq!(edited, [key(Membership, "erin")]);
}
