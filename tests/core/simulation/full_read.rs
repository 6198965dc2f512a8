//! Full reads of the directory: one leaves the cache of a new process.

use guestlist::cache::Kind::Partner;
use guestlist::domain::MfaMethod;

use super::driver::{Sim, email};
use super::walk;
use crate::support::dice::Dice;
use crate::support::worlds::specs;

/// Records of every sort vanish, and no event reports them.
#[test]
fn full_read_leaves_the_cache_of_a_new_process() {
    for seed in 1..=20 {
        let (mut sim, mut dice) = (Sim::new(seed), Dice(seed));
        walk::begin(&mut sim);
        let mut content = sim.everything();
        content.guests.retain(|_| !dice.one_in(3));
        content.partners.retain(|_| !dice.one_in(3));
        content.accounts.retain(|_| !dice.one_in(3));
        content.users.retain(|_| !dice.one_in(3));
        content.shares.retain(|_| !dice.one_in(3));
        sim.read_directory(content.clone());
        let memory = sim.memory();
        sim.restart_on(content);
        sim.remembers(&memory, "the full read of a new process");
    }
}

/// The listing of a directory may lack some methods of a guest, and no event reports them.
#[test]
fn guest_lacking_a_method_is_read_singly_after_each_full_read() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let bob = email("bob@acme.example");
    sim.edit(Partner, "acme", specs::methods(Some(&["WebAuthn"])));
    sim.settle();
    assert_eq!(sim.state("bob"), "Joined");
    for enrols in [false, false, true] {
        if enrols {
            sim.directory.0.lock().unwrap().enroll_mfa(&bob, MfaMethod::WebAuthn, sim.now).unwrap();
        }
        let mut content = sim.everything();
        let listed = sim.engine.directory().guest(&bob).cloned();
        content.guests.retain(|guest| guest.address != bob);
        content.guests.extend(listed);
        sim.read_directory(content);
        sim.settle();
        assert_eq!(sim.state("bob"), if enrols { "Active" } else { "Joined" });
        assert!(sim.engine.rechecked().contains(&bob));
    }
    assert!(sim.guest(&bob).unwrap().grants.contains_key("instagram"));
}
