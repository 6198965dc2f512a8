//! Revocations before a full read of the directory: the causes that end a guest's access. These plans are a part of the
//! full plan.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::plan::Plan;
use guestlist::plan::revoke::{is_ended, may_revoke, plan};

const PAST: &str = "expiresAt: 2020-01-01T00:00:00Z";
const ADMIN: &str = "hostAdmins: [alice@host.example]";
const SHARE: &str = "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]";

type Ending = fn(&mut World);

/// All guests have joined; Bob has instagram.
fn shared() -> (World, ObjectRef) {
    let mut world = World::acme();
    world.share("instagram", SHARE);
    world.settle();
    world.joins(&["carol", "bob", "dave"]);
    world.settle();
    (world, ObjectRef::new(Kind::Membership, SPACE, "bob"))
}

#[test]
fn each_condition_that_ends_access_suffices() {
    let (world, bob) = shared();
    assert!(!is_ended(world.seen(), &bob) && !may_revoke(world.seen(), &bob));
    let endings: [(&str, Ending); 9] = [
        ("it is being deleted", |world| world.delete(Kind::Membership, "bob")),
        ("it is suspended", |world| world.member("bob", "GuestUser", "suspended: true")),
        ("it expired", |world| world.member("bob", "GuestUser", PAST)),
        ("it waives MFA", |world| world.member("bob", "GuestUser", "mfa: {required: false}")),
        ("the partner expired", |world| world.partner("acme", &format!("{ADMIN}\n{PAST}"))),
        ("the partner waives MFA", |world| world.partner("acme", &format!("{ADMIN}\nmfa: {{required: false}}"))),
        ("the partner is being deleted with all", |world| {
            world.partner("acme", &format!("{ADMIN}\ndeletion: Cascade"));
            world.delete(Kind::Partner, "acme");
        }),
        ("a share excludes it", |world| world.share("instagram", &format!("{SHARE}\nexclude: [{{name: bob}}]"))),
        ("a share is suspended", |world| world.share("instagram", &format!("{SHARE}\nsuspended: true"))),
    ];
    for (ending, happens) in endings {
        let (mut world, bob) = shared();
        happens(&mut world);
        assert!(is_ended(world.seen(), &bob), "{ending}");
        assert!(may_revoke(world.seen(), &bob), "{ending}");
    }
}

#[test]
fn plan_of_revocations_has_the_basis_of_the_whole_plan() {
    let (mut world, bob) = shared();
    world.delete(Kind::Membership, "bob");
    let (whole, early) = (world.plan(&bob), plan(world.seen(), &bob));
    assert_eq!(early.basis, world.directory_cache.guest(&email("bob@acme.example")).map(|record| record.revision));
    assert_eq!((early.basis, &early.events), (whole.basis, &whole.events));
    assert!(!early.events.is_empty() && !early.steps.is_empty(), "{early:?}");
}

#[test]
fn edit_of_member_partner_or_share_may_revoke() {
    let edits: [(&str, Ending); 3] = [
        ("the membership", |world| world.member("bob", "GuestUser", "expiresAt: 2030-01-01T00:00:00Z")),
        ("the partner", |world| world.partner("acme", &format!("{ADMIN}\nexpiresAt: 2030-01-01T00:00:00Z"))),
        ("a share", |world| world.share("instagram", "guestAdminRole: Manager")),
    ];
    for (edited, happens) in edits {
        let (mut world, bob) = shared();
        happens(&mut world);
        assert!(!is_ended(world.seen(), &bob), "{edited}");
        assert!(may_revoke(world.seen(), &bob), "{edited}");
        world.settle();
        assert!(!may_revoke(world.seen(), &bob), "{edited}, after the next status");
    }
}

#[test]
fn only_a_readable_membership_is_revoked_early() {
    let (mut world, bob) = shared();
    world.share_of("bob", "partnerRef: {name: acme}\naccount: newsletter\nsharedBy: alice@host.example");
    world.delete(Kind::Membership, "bob");
    let share = ObjectRef::new(Kind::Share, SPACE, "bob");
    assert!(!plan(world.seen(), &bob).steps.is_empty());
    assert_eq!(plan(world.seen(), &share), Plan::nothing(), "a share of the same name");
    world.becomes_unreadable(Kind::Membership, "bob");
    assert_eq!(plan(world.seen(), &bob), Plan::nothing());
}
