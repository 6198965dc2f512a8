//! Plans of shares: the grants that a share itself revokes, what its deletion waits for, and the accounts that its status
//! and those of its guests report.
use crate::support::in_memory::{MANAGER, SPACE, World, email};
use guestlist::api;
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{GuestChange, GuestId, GuestRecord, Operation};
use guestlist::plan::{Event, Finalizer, Plan, Status};
use guestlist::util::small_map::SmallMap;

const WITH_DAVE: &str =
    "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}, {name: dave, propagatedBy: carol}]";

fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, SPACE, name)
}

fn planned(world: &World, share: &str) -> Plan {
    world.plan(&key(Kind::Share, share))
}

/// The guests that lose access by a plan.
fn revoked(plan: &Plan) -> Vec<&GuestId> {
    let revoked = plan.steps.iter().filter_map(|step| match &step.operation {
        Operation::Guest { id, change: GuestChange::Revoke { .. } } => Some(id),
        _ => None,
    });
    revoked.collect()
}

#[test]
fn share_revokes_only_where_the_membership_cannot() {
    for (edit, ends) in [("", false), ("exclude: [{name: bob}]", true), ("suspended: true", true)] {
        for is_readable in [true, false] {
            let mut world = World::shared();
            let bob = world.record("bob").unwrap().id;
            if !is_readable {
                world.becomes_unreadable(Kind::Membership, "bob");
            }
            world.share("instagram", &format!("{MANAGER}\n{edit}"));
            let plan = planned(&world, "instagram");
            let expected: &[&GuestId] = if ends && !is_readable { &[&bob] } else { &[] };
            assert_eq!(revoked(&plan), expected, "{edit:?}, readable: {is_readable}");
            assert_eq!(plan.steps.len(), expected.len());
        }
    }
}

#[test]
fn share_revokes_from_a_second_record_of_one_membership() {
    let mut world = World::shared();
    let bob = world.record("bob").unwrap();
    let address = email("robert@acme.example");
    let second = GuestRecord {
        id: GuestId("robert".to_owned()),
        address: address.clone(),
        email: address.clone(),
        ..bob.clone()
    };
    world.directory_cache.set_guest(&address, Some(second.clone()));
    world.share("instagram", &format!("{MANAGER}\nsuspended: true"));
    let processed = world.directory_cache.live_by_uid(&bob.mark.unwrap().uid).unwrap().id.clone();
    let other = if processed == bob.id { second.id } else { bob.id };
    assert_eq!(revoked(&planned(&world, "instagram")), [&other]);
}

// --- deletion

#[test]
fn deleted_share_waits_for_grants_but_revokes_if_unreadable() {
    for is_readable in [true, false] {
        let mut world = World::shared();
        let holders = ["bob", "carol"].map(|name| world.record(name).unwrap());
        if !is_readable {
            world.becomes_unreadable(Kind::Share, "instagram");
        }
        world.delete(Kind::Share, "instagram");
        let plan = planned(&world, "instagram");
        assert_eq!(plan.finalizer, Finalizer::Leave);
        if is_readable {
            assert_eq!(plan, Plan::nothing(), "the memberships revoke");
        } else {
            assert_eq!(revoked(&plan), holders.each_ref().map(|holder| &holder.id));
            assert_eq!(plan.events, [Event::REMOVED]);
        }
        for mut holder in holders {
            holder.grants = SmallMap::default();
            world.directory_cache.set_guest(&holder.address.clone(), Some(holder));
        }
        let plan = planned(&world, "instagram");
        let operations: Vec<_> = plan.steps.iter().map(|step| step.operation.name()).collect();
        assert_eq!((operations, plan.finalizer), (vec!["forget_share"], Finalizer::Release));
    }
}

#[test]
fn unreadable_share_revokes_nothing_in_other_namespaces() {
    let mut world = World::shared();
    let bob = world.record("bob").unwrap();
    let mut carol = world.record("carol").unwrap();
    carol.mark.as_mut().unwrap().namespace = "elsewhere".to_owned();
    world.directory_cache.set_guest(&carol.address.clone(), Some(carol));
    world.becomes_unreadable(Kind::Share, "instagram");
    world.delete(Kind::Share, "instagram");
    assert_eq!(revoked(&planned(&world, "instagram")), [&bob.id]);
}

#[test]
fn deleted_share_waits_for_its_own_grants_only() {
    for (share, uid, waits) in [
        ("instagram", "own", true),
        ("instagram", "before-the-restore", true),
        ("newsletter", "before-the-restore", false),
        ("instagram", "other", false),
    ] {
        let mut world = World::acme();
        world.share("instagram", "");
        world.share("newsletter", "exclude: [{name: carol}]");
        world.settle();
        world.joins(&["carol"]);
        world.settle();
        let uid_of = |name| world.objects[&key(Kind::Share, name)].metadata().uid.clone().unwrap();
        let share_uid = match uid {
            "own" => uid_of("instagram"),
            "other" => uid_of("newsletter"),
            _ => uid.to_owned(),
        };
        let mut carol = world.record("carol").unwrap();
        for held in carol.grants.values_mut() {
            (held.grant.share, held.grant.share_uid) = (share.to_owned(), share_uid.clone());
        }
        world.directory_cache.set_guest(&carol.address.clone(), Some(carol));
        world.delete(Kind::Share, "instagram");
        let plan = planned(&world, "instagram");
        assert_eq!(plan.finalizer == Finalizer::Leave, waits, "a grant of {share} with the UID {uid}: {plan:?}");
        assert_eq!(revoked(&plan), [] as [&GuestId; 0]);
    }
}

// --- statuses

#[test]
fn allowed_grant_that_is_missing_has_a_reason_in_both_statuses() {
    type Edit<'a> = &'a dyn Fn(&mut World);
    let pause = |world: &mut World, kind, name| world.annotate(kind, name, api::PAUSED, "true");
    let causes: [(&str, Edit<'_>); 5] = [
        ("Pending", &|_| {}),
        ("Paused", &|world| pause(world, Kind::Membership, "dave")),
        ("Paused", &|world| pause(world, Kind::Partner, "acme")),
        ("PolicyUnreadable", &|world| world.workspace.set_readable(false)),
        ("Paused", &|world| {
            pause(world, Kind::Partner, "acme");
            world.workspace.set_readable(false);
        }),
    ];
    for (reason, begins) in causes {
        let mut world = World::shared();
        world.share("instagram", WITH_DAVE);
        begins(&mut world);
        let Some(Status::Share(share)) = planned(&world, "instagram").status else { panic!("no status") };
        let withheld: Vec<_> = share.withheld.iter().map(|item| (item.name.as_str(), item.reason.as_str())).collect();
        assert_eq!(withheld, [("dave", reason)]);
        let counts = share.grants.unwrap();
        assert_eq!((counts.effective, counts.withheld, counts.rejected), (2, 1, 0), "{reason}");
        let Some(Status::Membership(dave)) = world.plan(&key(Kind::Membership, "dave")).status else {
            panic!("no status")
        };
        let accounts: Vec<_> = dave.accounts.iter().map(|it| (it.effective, it.reason.as_deref())).collect();
        assert_eq!(accounts, [(false, Some(reason))]);
    }
}

#[test]
fn account_in_a_status_names_the_entry_that_gives_it() {
    let mut world = World::acme();
    world.member("erin", "GuestAdmin", "");
    world.share("instagram", &format!("{MANAGER}\nroleOverrides: [{{name: erin, role: Collaborator}}]"));
    world.settle();
    for (name, via, through) in
        [("carol", "GuestAdmin", None), ("erin", "Override", None), ("bob", "Propagated", Some("carol"))]
    {
        let account = world.membership_status(name).accounts.swap_remove(0);
        assert_eq!((account.via.as_str(), account.through.as_deref()), (via, through), "{name}");
    }
    assert_eq!(world.membership_status("dave").accounts, []);
}

#[test]
fn names_without_a_usable_membership_are_counted_once() {
    let mut world = World::shared();
    world.partner("brio", "hostAdmins: [alice@host.example]");
    world.membership("erin", "partnerRef: {name: brio}\nemail: erin@brio.example\ninvitedBy: alice@host.example");
    world.member("frank", "GuestUser", "");
    world.becomes_unreadable(Kind::Membership, "frank");
    let entry = |name: &str| format!("{{name: {name}, propagatedBy: carol}}");
    let users = ["bob", "erin", "frank", "ghost", "gone"].map(entry).join(", ");
    let overrides = "roleOverrides: [{name: ghost, role: Collaborator}]\nexclude: [{name: gone}]";
    world.share("instagram", &format!("guestAdminRole: Manager\nguestUsers: [{users}]\n{overrides}"));
    world.settle();
    let mut withheld = world.withheld("instagram");
    withheld.sort();
    assert_eq!(withheld, ["erin: NotAGuestOfPartner", "frank: Unreadable", "ghost: MembershipNotFound"]);
    let counts = world.share_status("instagram").grants.unwrap();
    assert_eq!((counts.effective, counts.withheld, counts.rejected), (2, 2, 1));
    assert_eq!(counts.summary, "2/5");
}

#[test]
fn unreadable_propagator_keeps_grants_and_allows_no_new_ones() {
    let mut world = World::shared();
    world.becomes_unreadable(Kind::Membership, "carol");
    world.share("instagram", WITH_DAVE);
    world.settle();
    assert_eq!(world.access(), ["bob: instagram as Collaborator", "carol: instagram as Manager"]);
    assert_eq!(world.withheld("instagram"), ["dave: Unreadable"]);
    let counts = world.share_status("instagram").grants.unwrap();
    assert_eq!((counts.effective, counts.withheld, counts.rejected), (1, 1, 0));
}

#[test]
fn grant_of_unknown_propagator_is_withheld_but_not_rejected() {
    let mut world = World::shared();
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: ghost}]");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    assert_eq!(world.withheld("instagram"), ["bob: MembershipNotFound"]);
    let counts = world.share_status("instagram").grants.unwrap();
    assert_eq!((counts.effective, counts.withheld, counts.rejected), (1, 1, 0));
}
