//! Full reads of the directory: one leaves the cache of a new process, and one that began before a write does not undo it.

use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::domain::MfaMethod;
use guestlist::engine::Input;
use jiff::SignedDuration;
use serde_json::json;

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

/// Changes by people. All operations that follow are in the directory before the full read ends.
const EDITS: [fn(&mut Sim); 9] = [
    |sim| sim.create(Share, "more", specs::share("acme", "newsletter", "alice@host.example")),
    |sim| sim.edit(Partner, "acme", json!({"suspended": true})),
    |sim| sim.edit(Partner, "acme", json!({"suspended": null, "displayName": "Acme Example"})),
    |sim| sim.delete(Membership, "dave"),
    |sim| sim.delete(Share, "instagram"),
    |sim| sim.now += SignedDuration::from_hours(25),
    |sim| sim.create(Membership, "erin", specs::membership("acme", "erin@acme.example", true, "alice@host.example")),
    |sim| sim.delete(Partner, "acme"),
    |sim| sim.now += SignedDuration::from_hours(25),
];

#[test]
fn full_read_begun_before_a_write_does_not_undo_it() {
    for seed in 0..4 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        sim.delete(Share, "newsletter");
        sim.settle();
        for (number, edit) in EDITS.into_iter().enumerate() {
            sim.engine.handle(Input::Loading, sim.now);
            let old = sim.everything();
            edit(&mut sim);
            sim.settle();
            assert_ne!(sim.everything(), old, "edit {number} leads to no operation");
            let (memory, calls) = (sim.memory(), sim.calls.len());
            sim.engine.handle(Input::Loaded(Box::new(old)), sim.now);
            sim.remembers(&memory, &format!("edit {number}"));
            sim.settle();
            assert_eq!(sim.calls[calls..], [] as [String; 0], "edit {number}");
        }
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
    }
    assert!(sim.guest(&bob).unwrap().grants.contains_key("instagram"));
}
