//! Garbage collection acts only on what would be declared here: the whole cluster, the partners of the files, or nothing.
//! Also the heirs of a record whose membership vanished.
use crate::support::in_memory::{MANAGER, SPACE, World};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{GuestChange, GuestRecord, Operation, Origin, PartnerId, PartnerRecord, ShareRecord};
use guestlist::plan::PruneScope::{self, Declared, DeclaredPartners, Everything};
use guestlist::plan::Step;
use guestlist::plan::gc::{self, GarbageCollection};
use guestlist::util::small_map::SmallMap;
use jiff::SignedDuration;

const ADMIN: &str = "hostAdmins: [alice@host.example]";
const FILES: PruneScope = DeclaredPartners { at_most: None };

fn planned(world: &mut World, scope: PruneScope) -> GarbageCollection {
    world.prune_scope = scope;
    gc::plan(world.seen())
}

fn names(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.operation.name()).collect()
}

fn change_record(world: &mut World, name: &str, change: impl Fn(&mut GuestRecord)) {
    let mine = |guest: &&GuestRecord| guest.mark.as_ref().is_some_and(|mark| mark.name == name);
    let mut record = world.directory_cache.guests().find(mine).unwrap().clone();
    change(&mut record);
    world.directory_cache.set_guest(&record.address.clone(), Some(record));
}

#[test]
fn prune_ends_created_guests_and_releases_adopted_ones() {
    let mut world = World::shared();
    world.member("erin", "GuestUser", "");
    world.settle();
    for name in ["bob", "carol", "erin"] {
        world.vanishes(Kind::Membership, name);
    }
    change_record(&mut world, "carol", |carol| carol.mark.as_mut().unwrap().origin = Origin::Adopted);
    for (scope, expected) in [
        (Everything, vec![("bob", vec!["revoke"]), ("carol", vec!["revoke"]), ("erin", vec!["revoke_invitation"])]),
        (
            DeclaredPartners { at_most: Some(3) },
            vec![
                ("bob", vec!["revoke", "deactivate"]),
                ("carol", vec!["revoke", "release"]),
                ("erin", vec!["revoke_invitation", "deactivate"]),
            ],
        ),
        (Declared, vec![]),
    ] {
        let revocations = planned(&mut world, scope).revocations;
        let found: Vec<_> = revocations.iter().map(|(key, steps)| (&*key.name, names(steps))).collect();
        assert_eq!(found, expected, "{scope:?}");
    }
}

#[test]
fn pruned_guest_counts_for_24_hours_unless_declared_again() {
    let mut world = World::shared();
    world.vanishes(Kind::Membership, "bob");
    world.prune_scope = FILES;
    assert!(world.sweep());
    let pruned_at = world.now;
    let pruned = |world: &mut World, scope| planned(world, scope).pruned;
    assert_eq!([FILES, Everything, Declared].map(|scope| pruned(&mut world, scope)), [1, 0, 0]);
    world.now = pruned_at + SignedDuration::from_hours(24) - SignedDuration::from_secs(1);
    assert_eq!(pruned(&mut world, FILES), 1);
    world.now = pruned_at + SignedDuration::from_hours(24);
    assert_eq!(pruned(&mut world, FILES), 0);
    world.now = pruned_at;
    world.vanishes(Kind::Partner, "acme");
    assert_eq!(pruned(&mut world, FILES), 0, "the files no longer declare the partner");
    world.partner("acme", ADMIN);
    assert_eq!(pruned(&mut world, FILES), 1);
    world.member("bob", "GuestUser", "");
    assert_eq!(pruned(&mut world, FILES), 0, "the files declare the guest again");
}

#[test]
fn orphan_of_no_named_partner_is_declared_nowhere_else() {
    let mut world = World::shared();
    world.vanishes(Kind::Membership, "bob");
    let orphans = |world: &mut World| [Everything, FILES, Declared].map(|scope| planned(world, scope).orphans.len());
    assert_eq!(orphans(&mut world), [1, 1, 0]);
    change_record(&mut world, "bob", |bob| bob.partner_name.clear());
    assert_eq!(orphans(&mut world), [1, 1, 1]);
}

#[test]
fn grant_of_vanished_share_is_revoked_if_its_guest_is_stuck() {
    type Edit = fn(&mut World);
    let recreated: Edit = |world| {
        world.vanishes(Kind::Share, "instagram");
        world.share("instagram", MANAGER);
    };
    let vanished: Edit = |world| world.vanishes(Kind::Share, "instagram");
    for (case, is_readable, edit, scope, is_revoked) in [
        ("the share exists", false, (|_| {}) as Edit, Everything, false),
        ("the share vanished", false, vanished, Everything, true),
        ("the share vanished", false, vanished, FILES, true),
        ("it may be in other files", false, vanished, Declared, false),
        ("the share was created again", false, recreated, Everything, false),
        ("the membership revokes", true, vanished, Everything, false),
    ] {
        let mut world = World::shared();
        if !is_readable {
            world.becomes_unreadable(Kind::Membership, "bob");
        }
        edit(&mut world);
        let revocations = planned(&mut world, scope).revocations;
        assert_eq!(revocations.len(), usize::from(is_revoked), "{case}: {revocations:?}");
        for (key, steps) in revocations {
            assert_eq!(key, ObjectRef::new(Kind::Share, SPACE, "instagram"), "{case}");
            let id = world.record("bob").unwrap().id;
            let revoke = GuestChange::Revoke { accounts: vec!["instagram".to_owned()] };
            assert_eq!(steps[0].operation, Operation::Guest { id, change: revoke }, "{case}");
        }
    }
}

#[test]
fn share_record_is_forgotten_only_where_it_would_be_declared() {
    let mut world = World::shared();
    for name in ["bob", "carol"] {
        change_record(&mut world, name, |record| record.grants = SmallMap::default());
    }
    let forgotten = |world: &mut World, scope| {
        names(&planned(world, scope).steps).into_iter().filter(|name| *name == "forget_share").count()
    };
    assert_eq!(forgotten(&mut world, Everything), 0, "the share exists");
    world.vanishes(Kind::Share, "instagram");
    assert_eq!([Everything, FILES, Declared].map(|scope| forgotten(&mut world, scope)), [1, 1, 0]);
    // The record has no namespace, so a partner of that name anywhere else may own it.
    let mut namesake: PartnerRecord = world.directory_cache.partners().next().unwrap().clone();
    namesake.id = PartnerId("namesake".to_owned());
    namesake.mark.namespace = "elsewhere".to_owned();
    world.directory_cache.set_partner(&namesake.id.clone(), Some(namesake.clone()));
    assert_eq!([Everything, FILES].map(|scope| forgotten(&mut world, scope)), [1, 0]);
    world.directory_cache.set_partner(&namesake.id, None);
    let uid = world.directory_cache.shares().next().unwrap().uid.clone();
    let of_unknown = ShareRecord { uid, partner_name: "unknown".to_owned(), account: "instagram".to_owned() };
    world.directory_cache.set_shares(vec![of_unknown]);
    assert_eq!([Everything, FILES].map(|scope| forgotten(&mut world, scope)), [1, 0], "no partner of that name");
}

#[test]
fn vanished_partner_without_guests_is_deactivated_then_purged() {
    let mut world = World::new();
    world.partner("acme", ADMIN);
    world.settle();
    let ends = |world: &mut World, scope| {
        let GarbageCollection { revocations, steps, .. } = planned(world, scope);
        let revocations = revocations.iter().flat_map(|(_, steps)| names(steps));
        revocations.chain(names(&steps)).collect::<Vec<_>>()
    };
    let none = [] as [&str; 0];
    assert_eq!(ends(&mut world, Everything), none, "the partner exists");
    world.vanishes(Kind::Partner, "acme");
    assert_eq!(ends(&mut world, Everything), ["deactivate_partner"]);
    assert_eq!((ends(&mut world, FILES), ends(&mut world, Declared)), (vec![], vec![]));
    let record = world.directory_cache.partners().next().unwrap().clone();
    let old = PartnerRecord { deactivated_at: Some(world.now), ..record.clone() };
    world.directory_cache.set_partner(&record.id, Some(old));
    assert_eq!(ends(&mut world, Everything), none, "the record is deactivated already");
    world.now += world.workspace.purge.after;
    assert_eq!(ends(&mut world, Everything), ["purge_partner"]);
    assert_eq!((ends(&mut world, FILES), ends(&mut world, Declared)), (vec![], vec![]));
    world.directory_cache.set_partner(&record.id.clone(), Some(record));
    world.partner("acme", ADMIN);
    assert_eq!(ends(&mut world, Everything), none, "a new object of the name inherits the record");

    let mut world = World::shared();
    world.vanishes(Kind::Partner, "acme");
    assert_eq!(ends(&mut world, Everything), none, "its guests are live");
}

#[test]
fn only_created_records_without_a_pause_are_purged() {
    let mut world = World::shared();
    world.delete(Kind::Membership, "bob");
    world.settle();
    world.now += world.workspace.purge.after;
    let purges = |world: &mut World, scope| names(&planned(world, scope).steps);
    assert_eq!(purges(&mut world, Everything), ["purge"]);
    assert_eq!((purges(&mut world, FILES), purges(&mut world, Declared)), (vec!["purge"], vec![]));
    change_record(&mut world, "bob", |bob| bob.mark.as_mut().unwrap().origin = Origin::Adopted);
    assert_eq!(purges(&mut world, Everything), [] as [&str; 0], "an adopted user");
    change_record(&mut world, "bob", |bob| bob.mark.as_mut().unwrap().origin = Origin::Created);
    world.member("bob", "GuestUser", "");
    assert_eq!(purges(&mut world, Everything), ["purge"]);
    world.annotate(Kind::Membership, "bob", guestlist::api::PAUSED, "true");
    assert_eq!(purges(&mut world, Everything), [] as [&str; 0], "the new membership is paused");
}

// --- heirs

#[test]
fn record_passes_to_the_namesake_and_then_to_the_oldest_heir() {
    for (heirs, minutes, expected) in [
        (["zed", "amy"], 1, "zed"),
        // Of two objects of one age, the lower UID counts.
        (["zed", "amy"], 0, "zed"),
        (["amy", "bob"], 1, "bob"),
    ] {
        let mut world = World::shared();
        world.vanishes(Kind::Membership, "bob");
        for heir in heirs {
            let spec = "partnerRef: {name: acme}\nemail: bob@acme.example\ninvitedBy: alice@host.example";
            world.membership(heir, spec);
            world.now += SignedDuration::from_mins(minutes);
        }
        world.settle();
        for heir in heirs {
            let state = if heir == expected { "Active" } else { "Rejected" };
            assert_eq!(world.state(heir), state, "{heir} of {heirs:?}");
        }
        assert_eq!(world.mails(), 3, "no guest is invited again");
    }
}
