//! Another party changes records that only guestlist writes. The operator restores each as soon as it knows of the change.

use futures::executor::block_on;
use guestlist::cache::Kind;
use guestlist::directory::{
    Changed, DirectoryWriter as _, Epoch, GuestChange, GuestRecord, Operation, PartnerChange, PartnerRecord, Revision,
    Snapshot,
};
use guestlist::domain::{MfaMethod, ShareRole};
use serde_json::json;

use super::driver::{Sim, email};
use super::walk;

/// The changes to the record of a guest, each with whether an Event reports the correction. Only guestlist writes the
/// fields of those that it reports.
fn of_guest(record: &GuestRecord) -> Vec<(GuestChange, bool)> {
    let mark = record.mark.clone().unwrap();
    let (partner, partner_name) = (record.partner.clone(), record.partner_name.clone());
    let (display_name, allowed) = (record.display_name.clone(), record.allowed.clone());
    let lower = |grant: &guestlist::directory::GrantRecord| guestlist::directory::Grant {
        role: ShareRole::Collaborator,
        until: Some("2027-03-01T00:00:00Z".parse().unwrap()),
        ..grant.grant.clone()
    };
    let update = |display_name: &str, allowed: guestlist::domain::Methods| GuestChange::Update {
        mark: mark.clone(),
        partner: partner.clone(),
        partner_name: partner_name.clone(),
        display_name: display_name.to_owned(),
        allowed,
    };
    vec![
        (GuestChange::Revoke { accounts: vec!["instagram".to_owned()] }, true),
        (GuestChange::Reduce { grants: record.grants.values().map(lower).collect() }, true),
        (GuestChange::Demote, true),
        (GuestChange::Promote, true),
        (GuestChange::DisableLogin, true),
        (update("Mallory", allowed), false),
        (update(&display_name, [MfaMethod::TOTP].into()), false),
    ]
}

/// The changes to the record of a partner.
fn of_partner(record: &PartnerRecord) -> Vec<PartnerChange> {
    let apply = |display_name: &str, host_admins: &[&str], suspended| PartnerChange::Apply {
        mark: record.mark.clone(),
        display_name: display_name.to_owned(),
        host_admins: host_admins.iter().map(|admin| email(admin)).collect(),
        suspended,
    };
    let (name, admins) = (record.display_name.as_str(), ["alice@host.example"]);
    vec![
        apply("Mallory", &admins, false),
        apply(name, &["alice@host.example", "mallory@host.example"], false),
        apply(name, &admins, true),
    ]
}

/// The records without revisions and times of grants.
fn records(sim: &Sim) -> Snapshot {
    let mut all = sim.everything();
    for guest in &mut all.guests {
        guest.revision = Revision(0);
        for held in guest.grants.values_mut() {
            held.since = guest.admitted_at;
        }
    }
    all
}

fn change(sim: &mut Sim, operation: &Operation, changed: Changed) {
    block_on(sim.directory.execute(operation, None, sim.now, Epoch(i64::MAX))).unwrap();
    sim.is_changed(changed);
}

#[test]
fn record_changed_by_another_party_is_restored_and_reported() {
    let mut sim = Sim::new(0);
    sim.is_tampered_with = true;
    walk::begin(&mut sim);
    let expected = records(&sim);
    let guests = expected.guests.iter().flat_map(|guest| {
        let operation = |change| Operation::Guest { id: guest.id.clone(), change };
        let changed = Changed::Guest(guest.address.clone());
        of_guest(guest).into_iter().map(move |(change, told)| (operation(change), changed.clone(), told))
    });
    let partners = expected.partners.iter().flat_map(|partner| {
        let operation = |change| Operation::Partner { id: partner.id.clone(), change };
        let changed = Changed::Partner(partner.id.clone());
        of_partner(partner).into_iter().map(move |change| (operation(change), changed.clone(), true))
    });
    let mut restored = 0;
    for (operation, changed, told) in guests.chain(partners) {
        change(&mut sim, &operation, changed);
        let (differs, corrections) = (records(&sim) != expected, sim.corrections);
        restored += usize::from(differs);
        sim.settle();
        assert_eq!(records(&sim), expected, "{operation:?}");
        assert_eq!(sim.corrections - corrections, usize::from(differs && told), "{operation:?}");
        walk::is_at_rest(&mut sim);
    }
    assert!(restored > 15, "only {restored} changes had an effect");
}

#[test]
fn change_that_only_a_full_read_shows_is_reported() {
    let mut sim = Sim::new(0);
    sim.is_tampered_with = true;
    walk::begin(&mut sim);
    let expected = records(&sim);
    let id = sim.guest(&email("bob@acme.example")).unwrap().id;
    let operation = Operation::Guest { id, change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    block_on(sim.directory.execute(&operation, None, sim.now, Epoch(i64::MAX))).unwrap();
    sim.load();
    sim.settle();
    assert_eq!((records(&sim), sim.corrections), (expected, 1));
}

#[test]
fn correction_is_not_reported_again_with_a_later_edit() {
    let mut sim = Sim::new(0);
    sim.is_tampered_with = true;
    walk::begin(&mut sim);
    let all = sim.everything();
    let bob = all.guests.into_iter().find(|guest| guest.address.as_str() == "bob@acme.example").unwrap();
    let acme = all.partners.into_iter().next().unwrap();
    let revoke = GuestChange::Revoke { accounts: vec!["instagram".to_owned()] };
    let rename = of_partner(&acme).swap_remove(0);
    let changes = [
        (Operation::Guest { id: bob.id, change: revoke }, Changed::Guest(bob.address), Kind::Membership, "bob"),
        (Operation::Partner { id: acme.id.clone(), change: rename }, Changed::Partner(acme.id), Kind::Partner, "acme"),
    ];
    for (operation, changed, kind, name) in changes {
        let corrections = sim.corrections;
        change(&mut sim, &operation, changed);
        sim.settle();
        assert_eq!(sim.corrections, corrections + 1, "{name}");
        let done = sim.done.len();
        sim.edit(kind, name, json!({"displayName": "Another name"}));
        sim.settle();
        assert!(sim.done.len() > done, "{name}");
        assert_eq!(sim.corrections, corrections + 1, "{name}: the edit is reported as a correction");
    }
}
