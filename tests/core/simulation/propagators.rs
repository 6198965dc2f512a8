//! When a propagator's membership breaks a rule, its Guest Users lose access at once. When it complies again, they get
//! access at once.

use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::directory::{AccountRecord, GuestChange, Operation, UserRecord};
use guestlist::directory::{Changed, Import};
use serde_json::json;

use super::driver::{Sim, email};
use super::edits::happen;
use super::walk;
use crate::support::worlds::{Edit, specs};

#[test]
fn guests_of_a_propagator_follow_changes_of_the_directory() {
    for seed in 0..40 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let (eve, alice) = (email("eve@acme.example"), email("alice@host.example"));
        let account = AccountRecord { name: "of-eve".to_owned(), owners: vec![eve.clone()], deleted: false };
        sim.play(Changed::Account("of-eve".to_owned()), |store, _| {
            store.import(&Import { users: Vec::new(), accounts: vec![account] })
        });
        sim.create(
            Membership,
            "eve",
            // Suspended, so that no admission causes a reconcile.
            json!({"partnerRef": {"name": "acme"}, "email": "eve@acme.example", "role": "GuestAdmin",
                   "invitedBy": "alice@host.example", "suspended": true}),
        );
        sim.edit(Share, "instagram", json!({"guestUsers": [{"name": "bob", "propagatedBy": "eve"}]}));
        sim.settle();
        let has = |sim: &Sim| sim.effective().contains_key(&("bob".to_owned(), "instagram".to_owned()));
        assert!(!has(&sim), "seed {seed}: eve owns an account, so she is no guest");
        sim.play(Changed::Account("of-eve".to_owned()), |store, _| store.set_owner("of-eve", &[alice].into()));
        sim.settle();
        assert!(has(&sim), "seed {seed}: {:?}", sim.effective());
        walk::is_at_rest(&mut sim);
    }
}

/// A rule for new memberships applies again once the propagator's record is gone, without a change of the specs.
#[test]
fn propagator_without_a_record_passes_nothing_on() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        let dan = "dan@host.example";
        let user = UserRecord { email: email(dan), name: "Dan".to_owned(), enabled: true, verified: true };
        sim.play(Changed::User(email(dan)), |store, _| {
            store.import(&Import { users: vec![user], accounts: Vec::new() })
        });
        sim.edit(Partner, "acme", json!({"hostAdmins": ["alice@host.example", dan]}));
        sim.create(Membership, "eve", specs::membership("acme", "eve@acme.example", true, dan));
        sim.settle();
        walk::join(&mut sim, &["eve"]);
        sim.edit(Share, "instagram", specs::guest_users(vec![specs::propagated("bob", "eve")]));
        // Eve stays, although dan can no longer invite anybody.
        sim.edit(Partner, "acme", json!({"hostAdmins": ["alice@host.example"]}));
        sim.settle();
        let has = |sim: &Sim| sim.effective().contains_key(&("bob".to_owned(), "instagram".to_owned()));
        assert!(has(&sim), "seed {seed}: {:?}", sim.effective());
        let guest = sim.guest(&email("eve@acme.example")).unwrap().id;
        happen(&mut sim, Edit::Tamper(Box::new(Operation::Guest { id: guest, change: GuestChange::Deactivate })));
        sim.settle();
        assert!(!has(&sim), "seed {seed}: eve is not a guest, and may not become one");
        walk::is_at_rest(&mut sim);
    }
}
