//! The scenario of the tests: a partner, three guests, two shares, and their lifecycle.

use guestlist::cache::Kind;
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::directory::Changed;
use guestlist::domain::{GuestRole, MfaMethod};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::driver::{Sim, email, key};
use super::rules;
use crate::support::worlds::specs;

fn member(name: &str, admin: bool) -> Value {
    specs::membership("acme", &format!("{name}@acme.example"), admin, "alice@host.example")
}

fn share(account: &str) -> Value {
    let bob = specs::guest_users(vec![specs::propagated("bob", "carol")]);
    specs::with(specs::share("acme", account, "alice@host.example"), [bob])
}

/// The declared objects, in an unfavourable order.
pub fn objects() -> Vec<(Kind, &'static str, Value)> {
    vec![
        (Share, "instagram", share("instagram")),
        (Membership, "bob", member("bob", false)),
        (Membership, "carol", member("carol", true)),
        (Membership, "dave", member("dave", false)),
        (Share, "newsletter", share("newsletter")),
        (Partner, "acme", specs::with(specs::partner(&["alice@host.example"]), [specs::deletion(true)])),
    ]
}

/// Everything is applied at once.
pub fn apply(sim: &mut Sim) {
    for (kind, name, spec) in objects() {
        sim.create(kind, name, spec);
    }
}

pub fn join(sim: &mut Sim, names: &[&str]) {
    for name in names {
        let address = email(&format!("{name}@acme.example"));
        sim.play(Changed::Guest(address.clone()), |store, now| store.accept(&address, now));
        sim.play(Changed::Guest(address.clone()), |store, now| store.enroll_mfa(&address, MfaMethod::TOTP, now));
    }
}

/// Runs until all guests are Active.
pub fn begin(sim: &mut Sim) {
    apply(sim);
    sim.settle();
    join(sim, &["bob", "carol", "dave"]);
    sim.settle();
}

/// Edits of all kinds, each a single change by a person.
pub const EDITS: [fn(&mut Sim); 12] = [
    |sim| sim.edit(Membership, "carol", json!({"role": "GuestUser"})),
    |sim| sim.edit(Share, "instagram", json!({"guestUsers": [{"name": "bob", "propagatedBy": "dave"}]})),
    |sim| sim.edit(Membership, "dave", json!({"role": "GuestAdmin"})),
    |sim| sim.edit(Share, "newsletter", json!({"exclude": [{"name": "dave"}]})),
    |sim| sim.edit(Partner, "acme", json!({"suspended": true})),
    |sim| sim.edit(Membership, "carol", json!({"role": "GuestAdmin"})),
    |sim| sim.delete(Share, "newsletter"),
    |sim| sim.edit(Partner, "acme", json!({"suspended": null})),
    |sim| sim.edit(Membership, "bob", json!({"suspended": true})),
    |sim| sim.edit(Share, "instagram", json!({"roleOverrides": [{"name": "carol", "role": "Collaborator"}]})),
    |sim| sim.edit(Membership, "bob", json!({"suspended": null})),
    |sim| sim.delete(Membership, "dave"),
];

pub fn end(sim: &Sim) -> Vec<String> {
    rules::end(sim.server.objects(), &sim.everything(), sim.now)
}

/// Asserts that each Active guest has exactly the access of the declared objects.
pub fn is_where_the_law_says(sim: &Sim) {
    let mut allowed = rules::allowed(sim.server.objects());
    allowed.retain(|(name, _), _| sim.state(name) == "Active");
    assert_eq!(sim.effective(), allowed);
    for guest in sim.everything().guests.iter().filter(|guest| guest.is_live()) {
        let name = guest.mark.as_ref().unwrap().name.as_str();
        let said = &sim.server.object(&key(Membership, name)).unwrap()["spec"]["role"];
        let role = if said == "GuestAdmin" { GuestRole::GuestAdmin } else { GuestRole::GuestUser };
        assert_eq!(guest.role, role, "{name}");
    }
}

/// The same with an unreadable object: it was never admitted, so it has no access.
pub fn is_where_the_law_says_of_readable(sim: &Sim) {
    let mut objects = sim.server.objects().clone();
    objects.retain(|_, object| object["spec"]["partnerRef"].as_str().is_none());
    let mut allowed = rules::allowed(&objects);
    allowed.retain(|(name, _), _| sim.state(name) == "Active");
    assert_eq!(sim.effective(), allowed);
}

/// Asserts that nothing writes: neither another reconcile of everything nor a restart.
pub fn is_at_rest(sim: &mut Sim) {
    for look in ["another look", "a restart"] {
        let (version, calls) = (sim.server.version, sim.calls.len());
        let memory = sim.memory();
        sim.now += SignedDuration::from_secs(7);
        if look == "a restart" {
            sim.restart();
        } else {
            for kind in guestlist::cache::Kind::ALL {
                sim.list_at(kind, version);
            }
            sim.load();
        }
        sim.settle();
        assert_eq!(sim.calls[calls..], [] as [String; 0], "after {look}");
        assert_eq!(sim.server.version, version, "after {look}");
        assert_eq!(sim.engine.queue().failing().next(), None, "after {look} a success is still slowed down");
        sim.remembers(&memory, look);
    }
}

#[test]
fn partner_with_guests_and_shares_is_created_in_any_order() {
    let mut sim = Sim::new(0);
    apply(&mut sim);
    sim.settle();
    assert_eq!(["bob", "carol", "dave"].map(|name| sim.state(name).to_owned()), ["Invited"; 3]);
    assert_eq!((sim.creations, sim.mails), (4, 3));
    join(&mut sim, &["bob", "carol", "dave"]);
    sim.settle();
    assert_eq!(["bob", "carol", "dave"].map(|name| sim.state(name).to_owned()), ["Active"; 3]);
    assert_eq!(sim.effective().len(), 4, "carol and bob, two accounts each: {:?}", sim.effective());
    assert_eq!(sim.status(Partner, "acme")["guests"]["summary"], "3/3");
    is_where_the_law_says(&sim);
    is_at_rest(&mut sim);
}

#[test]
fn state_after_each_edit_follows_the_rules_and_is_at_rest() {
    let mut sim = Sim::new(0);
    begin(&mut sim);
    for edit in EDITS {
        edit(&mut sim);
        sim.settle();
        is_where_the_law_says(&sim);
        is_at_rest(&mut sim);
    }
    // In this order of events, every operation is planned on the present record.
    assert_eq!(sim.refused, [] as [String; 0]);
}

#[test]
fn a_partner_deleted_with_cascade_takes_everything_with_it() {
    let mut sim = Sim::new(0);
    begin(&mut sim);
    sim.delete(Partner, "acme");
    sim.settle();
    assert_eq!(sim.server.objects().keys().collect::<Vec<_>>(), [] as [&guestlist::cache::ObjectRef; 0]);
    let all = sim.everything();
    assert!(all.guests.iter().all(|guest| !guest.is_live() && guest.grants.is_empty() && !guest.login.is_enabled()));
    assert!(all.partners.iter().all(|partner| partner.deactivated_at.is_some()));
    assert_eq!(sim.refused, [] as [String; 0]);
    is_at_rest(&mut sim);
}
