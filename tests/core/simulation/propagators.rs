//! When a propagator's membership breaks a rule, the guests behind it lose access at once. When it complies again, they get
//! access at once.

use guestlist::directory::AccountRecord;
use guestlist::directory::{Changed, Import};
use guestlist::index::Kind::{Membership, Share};
use serde_json::json;

use super::driver::{Sim, email};
use super::walk;

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
