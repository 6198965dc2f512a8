//! A user or an organization with an unreadable ownership mark: the access is revoked, the reason is reported, and
//! nothing else changes.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{
    AccessChange, GuestChange, GuestId, GuestRecord, Integrity, Operation, OwnershipMark, PartnerId, PartnerRecord,
};
use guestlist::domain::Reason;
use guestlist::plan::evaluate::evaluate;
use guestlist::plan::gc;
use guestlist::util::small_map::SmallMap;

const REASON: Reason = Reason::OwnershipMarkUnreadable;

fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, SPACE, name)
}

#[test]
fn guest_with_unreadable_mark_loses_only_the_claims() {
    let mut world = World::of_one_manager();
    let carol = world.record("carol").unwrap();
    let unmarked = |id: &str| GuestRecord {
        id: GuestId(id.to_owned()),
        mark: None,
        integrity: Integrity::Unreadable,
        ..carol.clone()
    };
    let claims = GuestRecord { address: email("keycloak-1@address.invalid"), ..unmarked("keycloak-1") };
    let blocked = GuestRecord { grants: SmallMap::default(), ..unmarked("keycloak-carol") };
    for record in [claims, blocked] {
        world.directory_cache.set_guest(&record.address.clone(), Some(record));
    }
    let evaluation = evaluate(world.seen(), &key(Kind::Membership, "carol")).unwrap();
    assert_eq!((evaluation.wait, evaluation.violations), (Some(REASON), vec![]));
    let plan = world.plan(&key(Kind::Membership, "carol"));
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    let collection = gc::plan(world.seen());
    assert!(collection.orphans.is_empty() && collection.revocations.is_empty(), "{collection:?}");
    let steps: Vec<_> = collection.steps.iter().map(|step| (&step.operation, step.reason)).collect();
    let revoke = GuestChange::Revoke { accounts: vec!["instagram".to_owned()] };
    assert_eq!(steps, [(&Operation::Guest { id: GuestId("keycloak-1".to_owned()), change: revoke }, REASON)]);
}

#[test]
fn partner_with_unreadable_mark_only_revokes() {
    let mut world = World::of_one_manager();
    let record = world.directory_cache.partners().next().unwrap().clone();
    let nameless = PartnerRecord { mark: OwnershipMark::default(), ..record.clone() };
    let renamed = PartnerRecord { id: PartnerId("keycloak-1".to_owned()), ..record.clone() };
    for unreadable in [record.clone(), nameless, renamed] {
        let unreadable = PartnerRecord { integrity: Integrity::Unreadable, ..unreadable };
        world.directory_cache.set_partner(&record.id, None);
        world.directory_cache.set_partner(&unreadable.id.clone(), Some(unreadable.clone()));
        assert_eq!(world.plan(&key(Kind::Partner, "acme")).steps, [], "{unreadable:?}");
        for name in ["carol", "bob"] {
            let evaluation = evaluate(world.seen(), &key(Kind::Membership, name)).unwrap();
            assert_eq!(evaluation.wait, Some(REASON), "{name} {unreadable:?}");
            let steps = world.plan(&key(Kind::Membership, name)).steps;
            let revokes = |change| matches!(change, AccessChange::Revoke | AccessChange::None);
            assert!(steps.iter().all(|step| revokes(step.operation.access_change())), "{steps:?}");
            assert_eq!(steps.iter().any(|step| step.reason == REASON), name == "carol", "{steps:?}");
        }
        assert!(gc::plan(world.seen()).revocations.is_empty());
        // Its deletion removes no record.
        world.delete(Kind::Partner, "acme");
        let steps = world.plan(&key(Kind::Partner, "acme")).steps;
        assert!(steps.iter().all(|step| !matches!(step.operation, Operation::Partner { .. })), "{steps:?}");
        world = World::of_one_manager();
    }
}

#[test]
fn changed_record_is_written_again() {
    let mut world = World::of_one_manager();
    let partner = world.directory_cache.partners().next().unwrap().clone();
    let carol = world.record("carol").unwrap();
    let outdated = PartnerRecord { integrity: Integrity::Outdated, ..partner.clone() };
    world.directory_cache.set_partner(&partner.id, Some(outdated));
    let guest = GuestRecord { integrity: Integrity::Outdated, ..carol.clone() };
    world.directory_cache.set_guest(&carol.address, Some(guest));
    let steps = |kind, name| world.plan(&key(kind, name)).steps;
    assert!(matches!(steps(Kind::Partner, "acme")[..], [ref step] if step.operation.name() == "apply_partner"));
    assert!(matches!(steps(Kind::Membership, "carol")[..], [ref step] if step.operation.name() == "update_guest"));
}
