//! Garbage collection: guests that no object declares, and records that are due to be purged.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::{GuestChange, Login, Operation, PartnerRecord};
use guestlist::plan::gc::{self, GarbageCollection};
use guestlist::plan::{PruneScope, Step};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;

/// An object vanishes without its cleanup: an administrator removed its finalizer and deleted it.
fn vanish(world: &mut World, kind: Kind, name: &str) {
    let key = ObjectRef::new(kind, SPACE, name);
    let object = world.objects.remove(&key).unwrap();
    world.index.delete(&key, object.metadata().uid.as_deref().unwrap());
}

/// Restores every object from a backup: the same specs, other UIDs, and no status.
fn restore(world: &mut World) {
    for (key, mut object) in std::mem::take(&mut world.objects) {
        world.index.delete(&key, object.metadata().uid.as_deref().unwrap());
        let meta = match &mut object {
            Object::Partner(object) => {
                object.status = None;
                &mut object.metadata
            }
            Object::Membership(object) => {
                object.status = None;
                &mut object.metadata
            }
            Object::Share(object) => {
                object.status = None;
                &mut object.metadata
            }
            Object::Unreadable { metadata, .. } => metadata,
        };
        meta.uid = meta.uid.as_ref().map(|uid| format!("restored-{uid}"));
        meta.finalizers = None;
        meta.generation = Some(1);
        world.index.apply(object.clone());
        world.objects.insert(key, object);
    }
}

fn planned(world: &World) -> GarbageCollection {
    gc::plan(world.seen())
}

fn purged(world: &World) -> usize {
    world.done.iter().filter(|done| matches!(done, Operation::Guest { change: GuestChange::Purge { .. }, .. })).count()
}

fn policy(world: &mut World, purge: &str) {
    let text = format!(
        "domains: [host.example]\ntenants: [{{namespace: partners, hostAdmins: ['*@host.example']}}]\ninvitationsPerHour: 100000\npurge: {purge}\n"
    );
    world.workspace = WorkspacePolicy::parse(&text).unwrap();
}

/// A number of joined guests of acme.
fn crowd(count: usize) -> World {
    let mut world = World::new();
    world.partner("acme", "hostAdmins: [alice@host.example]");
    world.share("instagram", "");
    for n in 0..count {
        world.member(&format!("g{n:02}"), "GuestAdmin", "");
    }
    world.settle();
    let names: Vec<_> = (0..count).map(|n| format!("g{n:02}")).collect();
    world.joins(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.settle();
    world
}

fn leave(world: &mut World, range: std::ops::Range<usize>) {
    for n in range {
        world.delete(Kind::Membership, &format!("g{n:02}"));
    }
    world.settle();
}

// --- logins that were enabled without the operator

#[test]
fn login_of_removed_guest_enabled_by_hand_is_disabled_again() {
    let mut world = World::shared();
    world.delete(Kind::Membership, "bob");
    world.settle();
    assert_eq!(planned(&world).steps, []);
    let mut record = world.directory_cache.guest(&email("bob@acme.example")).unwrap().clone();
    record.login = Login::Enabled;
    world.directory_cache.set_guest(&record.address.clone(), Some(record.clone()));
    let steps: Vec<_> = planned(&world).steps.into_iter().map(|step| step.operation).collect();
    assert_eq!(steps, [Operation::Guest { id: record.id.clone(), change: GuestChange::DisableLogin }]);
    // An adopted user is not disabled.
    record.mark.as_mut().unwrap().origin = guestlist::directory::Origin::Adopted;
    world.directory_cache.set_guest(&record.address.clone(), Some(record));
    assert_eq!(planned(&world).steps, []);
}

// --- orphans

#[test]
fn orphans_of_vanished_partner_are_named_and_lose_only_access() {
    let mut world = World::shared();
    world.member("erin", "GuestUser", "");
    world.settle();
    for name in ["bob", "erin"] {
        vanish(&mut world, Kind::Membership, name);
    }
    vanish(&mut world, Kind::Partner, "acme");
    let orphans: Vec<_> = planned(&world).orphans.into_iter().map(|orphan| orphan.address).collect();
    assert_eq!(orphans, ["bob@acme.example", "erin@acme.example"]);
    world.settle();
    let bob = world.record("bob").unwrap();
    assert!(bob.grants.is_empty() && bob.login.is_enabled() && bob.joined_at.is_some());
    assert_eq!(world.record("erin").unwrap().invitation, None, "an undeclared guest has no invitation");
    world.later(60 * 24 * 30);
    assert_eq!(purged(&world), 0, "an orphan is never purged");
    assert_eq!(planned(&world).orphans.len(), 2);
}

#[test]
fn orphans_are_revoked_up_to_three_or_a_quarter_and_not_beyond() {
    for (all, gone, withheld) in [(4, 3, true), (4, 4, false), (16, 4, true), (16, 5, false)] {
        let mut world = crowd(all);
        for n in 0..gone {
            vanish(&mut world, Kind::Membership, &format!("g{n:02}"));
        }
        let sweep = planned(&world);
        assert_eq!(
            (sweep.guests, sweep.orphans.len(), sweep.too_many_orphans),
            (all, gone, !withheld),
            "{gone} of {all}"
        );
        world.settle();
        let left = if withheld { all - gone } else { all };
        assert_eq!(world.access().len(), left, "{gone} of {all}");
        if withheld {
            continue;
        }
        // One is declared again: the others are few enough, and so are all that stayed unchanged.
        world.member("g00", "GuestAdmin", "");
        world.settle();
        assert_eq!(
            (planned(&world).too_many_orphans, world.access().len()),
            (false, all - gone + 1),
            "{gone} of {all}"
        );
    }
}

#[test]
fn deactivated_guests_do_not_raise_the_orphan_bound() {
    let mut world = crowd(40);
    policy(&mut world, "{after: 720h}");
    leave(&mut world, 20..40);
    for n in 0..6 {
        vanish(&mut world, Kind::Membership, &format!("g{n:02}"));
    }
    let sweep = planned(&world);
    // 6 is more than a quarter of the 20 live guests, but less than a quarter of all 40 records.
    assert!(sweep.too_many_orphans, "{} orphans of {} guests", sweep.orphans.len(), sweep.guests);
    assert_eq!(sweep.revocations, []);
}

/// Eight guests of two partners. The files omit four: two of each.
fn pruned_from_two_partners() -> World {
    let mut world = World::new();
    for partner in ["acme", "brio"] {
        world.partner(partner, "hostAdmins: [alice@host.example]");
        for n in 0..4 {
            let spec = format!(
                "partnerRef: {{name: {partner}}}\nemail: {partner}{n}@{partner}.example\nrole: GuestAdmin\ninvitedBy: alice@host.example"
            );
            world.membership(&format!("{partner}{n}"), &spec);
        }
    }
    world.settle();
    for name in ["acme0", "acme1", "brio0", "brio1"] {
        vanish(&mut world, Kind::Membership, name);
    }
    world
}

#[test]
fn prune_bound_counts_the_removals_of_all_partners() {
    for (at_most, held) in [(None, true), (Some(3), true), (Some(4), false)] {
        let mut world = pruned_from_two_partners();
        world.prune_scope = PruneScope::DeclaredPartners { at_most };
        let sweep = planned(&world);
        assert_eq!((sweep.orphans.len(), sweep.guests), (4, 8), "{at_most:?}");
        assert_eq!((sweep.too_many_orphans, sweep.revocations.len()), (held, if held { 0 } else { 4 }), "{at_most:?}");
    }
}

#[test]
fn guests_pruned_lately_count_towards_the_bound_and_all_guests() {
    let mut world = crowd(17);
    world.prune_scope = PruneScope::DeclaredPartners { at_most: None };
    leave(&mut world, 0..3);
    world.settle();
    let sweep = planned(&world);
    assert_eq!((sweep.pruned, sweep.guests, sweep.too_many_orphans), (3, 17, false));
    // Four of 17 are fewer than a quarter; five are more.
    for (name, orphans, too_many) in [("g03", 1, false), ("g04", 2, true)] {
        vanish(&mut world, Kind::Membership, name);
        let sweep = planned(&world);
        assert_eq!((sweep.orphans.len(), sweep.guests, sweep.too_many_orphans), (orphans, 17, too_many));
    }
}

#[test]
fn guests_of_undeclared_partner_are_never_pruned() {
    let mut world = pruned_from_two_partners();
    for (kind, name) in [(Kind::Membership, "brio2"), (Kind::Membership, "brio3"), (Kind::Partner, "brio")] {
        vanish(&mut world, kind, name);
    }
    let mut orphans = |prune_scope| {
        world.prune_scope = prune_scope;
        let sweep = planned(&world);
        assert_eq!(sweep.revocations.len(), sweep.orphans.len(), "{prune_scope:?}");
        sweep.orphans.into_iter().map(|orphan| orphan.name).collect::<Vec<_>>()
    };
    for at_most in [None, Some(8)] {
        assert_eq!(orphans(PruneScope::DeclaredPartners { at_most }), ["acme0", "acme1"]);
    }
    assert_eq!(orphans(PruneScope::Declared), [] as [String; 0]);
}

#[test]
fn orphan_is_not_covered_by_reused_name_or_address_elsewhere() {
    let mut world = World::shared();
    vanish(&mut world, Kind::Membership, "bob");
    let robert = "partnerRef: {name: acme}\nemail: robert@acme.example\ninvitedBy: alice@host.example\n";
    world.membership("bob", robert);
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    let other = "partnerRef: {name: elsewhere}\nemail: carol@acme.example\ninvitedBy: alice@host.example\n";
    vanish(&mut world, Kind::Membership, "carol");
    world.membership("not-carol", other);
    world.settle();
    assert!(world.access().is_empty(), "{:?}", world.access());
    assert_eq!(world.violations(Kind::Membership, "not-carol"), ["AlreadyGuest spec.email"]);
}

#[test]
fn orphans_are_detached_only_on_request_and_then_lose_access() {
    let mut world = crowd(5);
    for n in 0..5 {
        vanish(&mut world, Kind::Membership, &format!("g{n:02}"));
    }
    world.settle();
    assert_eq!(world.access().len(), 5);
    for step in gc::detach_orphans(world.seen()) {
        world.execute(&step.operation);
    }
    assert!(world.access().is_empty() && world.directory_cache.guests().next().is_none());
    assert_eq!(planned(&world), GarbageCollection::default());
    // They are workspace users now: nobody may make them guests without permission.
    world.play(|_, _| Ok(()));
    let user = world.directory_cache.user(&email("g00@acme.example")).unwrap();
    assert!(user.enabled && !user.verified);
    world.member("g00", "GuestUser", "");
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "g00"), ["IsWorkspaceUser spec.email"]);
}

// --- inherited ownership marks

#[test]
fn a_restored_backup_takes_everything_up_as_it_is() {
    let mut world = World::shared();
    world.member("erin", "GuestUser", "");
    world.settle();
    let (mails, access, ids) =
        (world.mails(), world.access(), ["bob", "erin"].map(|name| world.record(name).unwrap().id));
    restore(&mut world);
    world.settle();
    assert_eq!((world.mails(), world.access()), (mails, access), "nobody is invited again, nobody loses anything");
    let states = ["carol", "bob", "dave", "erin"].map(|name| world.state(name));
    assert_eq!(states, ["Active", "Active", "Active", "Invited"]);
    assert_eq!(ids, ["bob", "erin"].map(|name| world.record(name).unwrap().id));
    let uids = world.directory_cache.guests().filter_map(|guest| guest.mark.as_ref());
    assert!(
        uids.chain(world.directory_cache.partners().map(|p| &p.mark)).all(|mark| mark.uid.starts_with("restored-"))
    );
    let shares: Vec<_> = world.directory_cache.shares().map(|share| share.uid.clone()).collect();
    assert!(shares.len() == 1 && shares[0].starts_with("restored-"), "{shares:?}");
    assert_eq!(planned(&world).orphans, []);
}

/// Deletes an object that still has the finalizer that came with its backup.
fn delete_restored(world: &mut World, kind: Kind, name: &str) {
    let key = ObjectRef::new(kind, SPACE, name);
    let mut object = world.objects[&key].clone();
    let meta = match &mut object {
        Object::Partner(object) => &mut object.metadata,
        Object::Membership(object) => &mut object.metadata,
        Object::Share(object) => &mut object.metadata,
        Object::Unreadable { metadata, .. } => metadata,
    };
    meta.finalizers = Some(vec![guestlist::api::FINALIZER.to_owned()]);
    meta.resource_version = None;
    world.index.delete(&key, object.metadata().uid.as_deref().unwrap());
    world.index.apply(object.clone());
    world.objects.insert(key, object);
    world.delete(kind, name);
}

#[test]
fn object_restored_and_deleted_unseen_is_removed() {
    let mut world = World::shared();
    restore(&mut world);
    delete_restored(&mut world, Kind::Membership, "bob");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    let bob = world.directory_cache.guest(&email("bob@acme.example")).unwrap();
    assert!(bob.deactivated_at.is_some() && !bob.login.is_enabled(), "not an orphan: the membership was deleted");
    assert!(!world.objects.contains_key(&ObjectRef::new(Kind::Membership, SPACE, "bob")));

    let mut world = World::shared();
    world.partner("acme", "hostAdmins: [alice@host.example]\ndeletion: Cascade");
    world.settle();
    restore(&mut world);
    delete_restored(&mut world, Kind::Partner, "acme");
    world.settle();
    assert!(world.objects.is_empty() && world.access().is_empty());
    assert!(world.directory_cache.guests().all(|guest| !guest.is_live()));
    assert!(world.directory_cache.partners().all(|partner| partner.deactivated_at.is_some()));
}

#[test]
fn mark_passes_to_remaining_object_while_namesake_terminates() {
    let mut world = World::shared();
    restore(&mut world);
    world.membership("robert", "partnerRef: {name: acme}\nemail: bob@acme.example\ninvitedBy: alice@host.example\n");
    delete_restored(&mut world, Kind::Membership, "bob");
    world.settle();
    assert_eq!((world.state("robert"), world.mails()), ("Active".into(), 3));
}

#[test]
fn live_mark_passes_to_other_name_of_the_same_partner_only() {
    for (partner, passes) in [("acme", true), ("other", false)] {
        let mut world = World::shared();
        world.partner("other", "hostAdmins: [alice@host.example]");
        world.settle();
        vanish(&mut world, Kind::Membership, "bob");
        let spec = format!("partnerRef: {{name: {partner}}}\nemail: bob@acme.example\ninvitedBy: alice@host.example\n");
        world.membership("robert", &spec);
        world.settle();
        let state = if passes { "Active" } else { "Rejected" };
        assert_eq!(world.state("robert"), state, "{partner}");
        assert_eq!(world.mails(), 3);
    }
}

#[test]
fn mark_passes_to_no_object_of_another_namespace() {
    let mut world = World::shared();
    world.workspace = guestlist::workspace_policy::WorkspacePolicy::parse(
        "domains: [host.example]
tenants:
- {namespace: partners, hostAdmins: ['*@host.example']}
- {namespace: others, hostAdmins: ['*@host.example']}
",
    )
    .unwrap();
    let moved = [(Kind::Partner, "acme"), (Kind::Membership, "bob")].map(|(kind, name)| {
        let key = ObjectRef::new(kind, SPACE, name);
        let mut object = world.objects[&key].clone();
        let meta = match &mut object {
            Object::Partner(object) => &mut object.metadata,
            Object::Membership(object) => &mut object.metadata,
            other => panic!("{other:?}"),
        };
        meta.namespace = Some("others".to_owned());
        meta.uid = meta.uid.as_ref().map(|uid| format!("others-{uid}"));
        meta.finalizers = None;
        (ObjectRef::new(kind, "others", name), object)
    });
    for (key, object) in moved {
        world.index.apply(object.clone());
        world.objects.insert(key, object);
    }
    vanish(&mut world, Kind::Membership, "bob");
    let others = ObjectRef::new(Kind::Membership, "others", "bob");
    assert_eq!(world.plan(&others).steps, [], "the guest is not taken over");
    let orphans: Vec<_> = planned(&world).orphans.into_iter().map(|orphan| orphan.address).collect();
    assert_eq!(orphans, ["bob@acme.example"]);
}

#[test]
fn a_deactivated_mark_passes_to_nobody_not_even_to_its_own_uid() {
    let mut world = World::shared();
    let key = ObjectRef::new(Kind::Membership, SPACE, "bob");
    let before = world.objects[&key].clone();
    world.delete(Kind::Membership, "bob");
    world.later(10);
    world.index.apply(before.clone());
    world.objects.insert(key, before);
    world.settle();
    assert_eq!((world.state("bob"), world.mails()), ("Invited".into(), 4));
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
}

// --- purging

/// The partner was deleted with its three guests. Records are purged after 24 hours, without a pace.
fn removed_partner() -> World {
    let mut world = World::shared();
    policy(&mut world, "{after: 24h, perHour: 100%}");
    world.partner("acme", "hostAdmins: [alice@host.example]\ndeletion: Cascade");
    world.settle();
    world.delete(Kind::Partner, "acme");
    world.settle();
    world
}

#[test]
fn deactivated_record_is_purged_in_time_and_then_its_partner() {
    let mut world = removed_partner();
    assert_eq!(
        (world.objects.len(), world.directory_cache.guests().count(), world.directory_cache.partners().count()),
        (0, 3, 1)
    );
    assert_eq!(planned(&world).next_check, Some(world.now + SignedDuration::from_hours(24)));
    world.later(24 * 60 - 1);
    assert_eq!(world.directory_cache.guests().count(), 3);
    world.later(1);
    assert_eq!((world.directory_cache.guests().count(), world.directory_cache.partners().count()), (0, 0));
    assert_eq!(world.directory_cache.shares().count(), 0);
    let all = world.directory.0.lock().unwrap().everything().unwrap();
    assert!(all.guests.is_empty() && all.partners.is_empty());
    assert_eq!(planned(&world).next_check, None);
}

#[test]
fn partner_with_records_of_guests_is_not_purged() {
    let mut world = removed_partner();
    world.now += SignedDuration::from_hours(24);
    let is_partner = |step: &Step| matches!(step.operation, Operation::Partner { .. });
    let due = planned(&world).steps;
    assert_eq!((due.len(), due.iter().filter(|step| is_partner(step)).count()), (3, 0), "{due:?}");
    world.settle();
    assert_eq!(world.directory_cache.partners().count(), 0);
}

/// An administrator changed the name in the ownership mark, or the time of the deactivation.
#[test]
fn record_of_a_declared_partner_is_kept_despite_edits_by_hand() {
    let mut world = World::new();
    policy(&mut world, "{after: 24h, perHour: 100%}");
    world.partner("acme", "hostAdmins: [alice@host.example]");
    world.settle();
    let record = world.directory_cache.partners().next().unwrap().clone();
    let mut renamed = record.clone();
    renamed.mark.name = "other".to_owned();
    let deactivated_at = Some(world.now - SignedDuration::from_hours(48));
    for edited in [renamed, PartnerRecord { deactivated_at, ..record }] {
        world.directory_cache.set_partner(&edited.id.clone(), Some(edited));
        assert_eq!((planned(&world).revocations, planned(&world).steps), (Vec::new(), Vec::new()));
    }
}

#[test]
fn partial_files_keep_grants_of_shares_that_they_do_not_have() {
    let mut world = World::shared();
    assert_eq!(world.access(), ["bob: instagram as Collaborator", "carol: instagram as Manager"]);
    let bob = ObjectRef::new(Kind::Membership, SPACE, "bob");
    world.prune_scope = PruneScope::Declared;
    vanish(&mut world, Kind::Share, "instagram");
    assert_eq!(world.plan(&bob).steps, [], "the share may be declared elsewhere");
    let mut record = world.record("bob").unwrap();
    for held in record.grants.values_mut() {
        held.grant.share_uid.clear();
    }
    world.directory_cache.set_guest(&email("bob@acme.example"), Some(record));
    let steps = world.plan(&bob).steps;
    let revokes = |step: &Step| matches!(&step.operation, Operation::Guest { change: GuestChange::Revoke { .. }, .. });
    assert!(steps.len() == 1 && revokes(&steps[0]), "a grant without a share is declared nowhere: {steps:?}");
}

#[test]
fn hourly_purges_stay_within_policy_percentage_rounded_up() {
    let mut world = crowd(10);
    policy(&mut world, "{after: 1h, perHour: 25%}");
    leave(&mut world, 0..8);
    world.later(60);
    let mut counts = vec![purged(&world)];
    for _ in 0..3 {
        // Reconciles often, with a process that knows only the directory.
        for _ in 0..6 {
            world.play(|_, _| Ok(()));
            world.later(10);
        }
        counts.push(purged(&world));
    }
    world.later(24 * 60);
    // A quarter of 10, of 7, of 5, rounded up; two stay.
    assert_eq!((counts, purged(&world)), (vec![3, 3, 5, 7], 8));
    assert_eq!(world.directory_cache.guests().count(), 2);
}

#[test]
fn a_pace_of_all_lets_everybody_go_also_one_after_the_other() {
    let mut world = crowd(3);
    policy(&mut world, "{after: 0s, perHour: 100%}");
    for n in 0..3 {
        leave(&mut world, n..n + 1);
        world.later(1);
        assert_eq!(purged(&world), n + 1, "who has gone already slows nobody down");
    }
}

#[test]
fn one_percent_of_few_is_one_and_the_next_is_due_an_hour_later() {
    let mut world = crowd(4);
    policy(&mut world, "{after: 0s, perHour: 1%}");
    leave(&mut world, 0..4);
    assert_eq!(purged(&world), 1);
    world.later(59);
    assert_eq!(purged(&world), 1);
    let next = planned(&world).next_check.unwrap();
    world.now = next;
    world.settle();
    assert_eq!(purged(&world), 2);
    assert_eq!(
        planned(&world).next_check,
        Some(next + SignedDuration::from_mins(61)),
        "when the second no longer counts"
    );
}

#[test]
fn guest_returning_before_purge_is_reactivated_and_later_is_new() {
    let mut world = World::shared();
    policy(&mut world, "{after: 24h, perHour: 100%}");
    let id = world.record("bob").unwrap().id;
    world.delete(Kind::Membership, "bob");
    world.later(24 * 60 - 1);
    world.member("bob", "GuestUser", "");
    world.settle();
    world.later(60 * 24);
    assert_eq!((world.state("bob"), world.record("bob").unwrap().id), ("Invited".into(), id.clone()));
    world.delete(Kind::Membership, "bob");
    world.settle();
    world.later(24 * 60);
    assert_eq!(world.directory_cache.guest(&email("bob@acme.example")), None);
    world.member("bob", "GuestUser", "");
    world.settle();
    assert_eq!(world.state("bob"), "Invited");
    assert_ne!(world.record("bob").unwrap().id, id);
    world.play(|store, now| store.accept(&email("bob@acme.example"), now));
    world.settle();
    assert_eq!(world.state("bob"), "Joined", "the MFA went with the record");
}

#[test]
fn removed_guest_with_disabled_login_is_never_purged() {
    let mut world = World::shared();
    policy(&mut world, "{after: 0s, perHour: 100%}");
    let [bob, dave] = ["bob@acme.example", "dave@acme.example"].map(email);
    for (name, address) in [("bob", &bob), ("dave", &dave)] {
        assert!(world.play(|store, _| store.set_login(address, false)));
        world.settle();
        world.delete(Kind::Membership, name);
    }
    world.settle();
    world.later(60 * 24 * 30);
    assert_eq!((purged(&world), planned(&world).next_check), (0, None));
    let mails = world.mails();
    world.member("bob", "GuestUser", "");
    world.settle();
    let record = world.directory_cache.guest(&bob).unwrap();
    assert_eq!((record.login, record.is_live(), world.mails()), (Login::DisabledByOther, false, mails));
    // Once the administrator enables the login, the record is purged like any other.
    assert!(world.play(|store, _| store.set_login(&dave, true)));
    world.settle();
    assert_eq!((purged(&world), world.directory_cache.guest(&dave)), (1, None));
}

#[test]
fn nothing_is_purged_while_paused_without_policy_or_directory() {
    let mut world = World::shared();
    world.delete(Kind::Membership, "bob");
    world.settle();
    world.annotate(Kind::Partner, "acme", guestlist::api::PAUSED, "true");
    world.later(25 * 60);
    assert_eq!(purged(&world), 0);
    world.annotate(Kind::Partner, "acme", guestlist::api::PAUSED, "false");
    world.workspace.set_readable(false);
    world.settle();
    assert_eq!(purged(&world), 0);
    world.workspace.set_readable(true);
    let away = guestlist::plan::Inputs { directory_available: false, ..world.seen() };
    assert_eq!(gc::plan(away), GarbageCollection::default());
    world.settle();
    assert_eq!(purged(&world), 1);
}
