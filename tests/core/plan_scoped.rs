//! The operator watches some of the namespaces: what the plans do with records of the others.

use std::fmt::Display;

use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, ObjectRef, WatchedNamespaces};
use guestlist::domain::Reason;
use guestlist::plan::gc::{self, GarbageCollection};
use guestlist::plan::{PruneScope, State, Status};
use jiff::SignedDuration;

fn collected(world: &World) -> GarbageCollection {
    gc::plan(world.seen())
}

fn watches(world: &mut World, namespace: &str) {
    world.namespaces = WatchedNamespaces::named([namespace]).unwrap();
}

/// Moves the records of guests to another namespace, as if its objects had made them.
fn moves(world: &mut World, names: &[impl Display]) {
    for name in names {
        let address = email(&format!("{name}@acme.example"));
        let mut record = world.directory_cache.guest(&address).unwrap().clone();
        let mark = record.mark.as_mut().unwrap();
        "elsewhere".clone_into(&mut mark.namespace);
        mark.uid = format!("elsewhere-{name}");
        world.directory_cache.set_guest(&address, Some(record));
    }
}

/// A new membership breaks a rule, and nothing is planned for its guest.
fn is_rejected(world: &World, name: &str, reason: Reason) {
    let plan = world.plan(&ObjectRef::new(Kind::Membership, SPACE, name));
    assert_eq!(plan.steps, [], "{name}");
    let Some(Status::Membership(status)) = plan.status else { panic!("{name} has no status") };
    assert_eq!(status.violations[0].reason, reason.as_str());
    assert_eq!(status.state.as_deref(), Some(State::Rejected.reason().as_str()));
}

/// Acme with Active guests, of which the first is a Guest Admin, and without their objects.
fn without_objects() -> World {
    let mut world = World::acme();
    world.share("instagram", "guestUsers: [{name: bob, propagatedBy: carol}]\nguestAdminRole: Manager");
    world.settle();
    world.joins(&["carol", "bob", "dave"]);
    world.settle();
    for key in world.objects.keys().cloned().collect::<Vec<_>>() {
        world.vanishes(key.kind, &key.name);
    }
    world
}

#[test]
fn records_of_an_unwatched_namespace_are_no_orphans() {
    let mut world = without_objects();
    assert_eq!(collected(&world).orphans.len(), 3, "while the namespace is watched");
    watches(&mut world, "elsewhere");
    for days in [0, 1, 90] {
        world.now += SignedDuration::from_hours(24 * days);
        let collection = collected(&world);
        assert_eq!((collection.guests, collection.unwatched), (0, 3));
        let nothing = GarbageCollection { unwatched: 3, ..GarbageCollection::default() };
        assert_eq!(collection, nothing, "no revocation, no purge, no partner, no share, no timer");
    }
    world.namespaces = WatchedNamespaces::named(["elsewhere", SPACE]).unwrap();
    assert_eq!(collected(&world).orphans.len(), 3);
}

fn sixteen_guests() -> (World, Vec<String>) {
    let names: Vec<String> = (0..16).map(|n| format!("g{n:02}")).collect();
    let mut world = World::new();
    world.partner("acme", "hostAdmins: [alice@host.example]");
    for name in &names {
        world.member(name, "GuestUser", "");
    }
    world.settle();
    (world, names)
}

#[test]
fn unwatched_guests_do_not_raise_the_orphan_bound() {
    let (mut world, names) = sixteen_guests();
    for name in &names[..4] {
        world.vanishes(Kind::Membership, name);
    }
    assert!(!collected(&world).too_many_orphans, "4 of 16");
    // The rest of the guests is of another namespace, which raises nothing and lowers nothing.
    moves(&mut world, &names[4..]);
    watches(&mut world, SPACE);
    let collection = collected(&world);
    assert_eq!((collection.orphans.len(), collection.guests, collection.unwatched), (4, 4, 12));
    assert!(collection.too_many_orphans && collection.revocations.is_empty(), "4 of 4");
}

#[test]
fn deactivated_records_of_an_unwatched_namespace_are_kept() {
    let mut world = World::acme();
    world.settle();
    for name in ["carol", "bob", "dave"] {
        world.delete(Kind::Membership, name);
    }
    world.delete(Kind::Partner, "acme");
    world.settle();
    world.now += SignedDuration::from_hours(24 * 30);
    assert!(!collected(&world).steps.is_empty(), "while the namespace is watched, records are purged");
    let mut record = world.directory_cache.guest(&email("bob@acme.example")).unwrap().clone();
    record.login = guestlist::directory::Login::Enabled;
    world.directory_cache.set_guest(&record.address.clone(), Some(record));
    watches(&mut world, "elsewhere");
    assert_eq!(collected(&world), GarbageCollection::default(), "also a login that was enabled by hand");
}

#[test]
fn purges_count_the_guests_of_watched_namespaces_alone() {
    let (mut world, names) = sixteen_guests();
    for name in &names[..4] {
        world.delete(Kind::Membership, name);
        // Their records are deactivated; those of the others are live.
        world.pass(&ObjectRef::new(Kind::Membership, SPACE, name.as_str()));
    }
    for name in &names[..4] {
        world.pass(&ObjectRef::new(Kind::Membership, SPACE, name.as_str()));
    }
    world.now += SignedDuration::from_hours(24 * 30);
    assert_eq!(collected(&world).steps.len(), 4, "a quarter of 16");
    moves(&mut world, &names[4..]);
    watches(&mut world, SPACE);
    assert_eq!(collected(&world).steps.len(), 1, "a quarter of 4");
}

#[test]
fn address_with_a_record_of_an_unwatched_namespace_is_taken() {
    for deactivated in [false, true] {
        let mut world = World::acme();
        world.settle();
        if deactivated {
            world.delete(Kind::Membership, "bob");
            world.settle();
        } else {
            world.vanishes(Kind::Membership, "bob");
        }
        moves(&mut world, &["bob"]);
        world.namespaces = WatchedNamespaces::named([SPACE]).unwrap();
        world.member("bob", "GuestUser", "");
        is_rejected(&world, "bob", Reason::AlreadyGuest);
    }
}

#[test]
fn host_admin_of_an_unwatched_partner_is_not_invited() {
    let mut world = World::new();
    world.workspace = guestlist::workspace_policy::WorkspacePolicy::parse(
        "domains: [host.example]\ninvitationsPerHour: 100000\n\
         tenants: [{namespace: '*', hostAdmins: ['*'], adoption: true}]",
    )
    .unwrap();
    world.partner("acme", "hostAdmins: [alice@host.example]\nadoption: Unmarked");
    world.partner("other", "hostAdmins: [zoe@host.example]");
    world.member("erin", "GuestUser", "");
    world.settle();
    let record = world.directory_cache.partners().find(|partner| partner.mark.name == "other").unwrap().clone();
    let mut elsewhere = record.clone();
    "elsewhere".clone_into(&mut elsewhere.mark.namespace);
    elsewhere.host_admins = vec![email("frank@acme.example")];
    world.vanishes(Kind::Partner, "other");
    world.directory_cache.set_partner(&record.id, Some(elsewhere));
    world.namespaces = WatchedNamespaces::named([SPACE]).unwrap();
    world.member("frank", "GuestUser", "");
    is_rejected(&world, "frank", Reason::IsWorkspaceUser);
}

#[test]
fn scope_of_partners_and_objects_follows_the_namespaces() {
    let mut world = World::acme();
    assert!(world.seen().is_whole(SPACE, "acme") && world.seen().is_whole("elsewhere", "acme"));
    assert!(world.seen().is_whole_cluster());
    watches(&mut world, SPACE);
    assert!(world.seen().is_whole(SPACE, "acme") && !world.seen().is_whole("elsewhere", "acme"));
    assert!(!world.seen().is_whole_cluster());
    watches(&mut world, "elsewhere");
    world.prune_scope = PruneScope::DeclaredPartners { at_most: None };
    assert!(!world.seen().is_whole(SPACE, "acme"), "a declared partner of another namespace");
}
