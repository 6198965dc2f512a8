//! The inviters of a new guest: who may invite, who is awaited, and who breaks a rule, with all facts and with some.

use guestlist::cache::Kind;
use guestlist::directory::DirectoryCache;
use guestlist::plan::{AvailableFacts, Inputs};
use guestlist::workspace_policy::WorkspacePolicy;

use super::{terminate, verdict};
use crate::support::in_memory::World;

const POLICY: &str = "domains: [host.example, corp.example]\n\
                      tenants: [{namespace: partners, hostAdmins: ['*@host.example', ext@agency.example]}]";
const WAITS: &str = "waits: InviterNotActive";
const REFUSED: &str = "InviterNotAllowed spec.invitedBy";
const NOT_HERE: &str = "HostAdminNotAllowedHere spec.invitedBy";

/// An inviter, and the verdict about a Guest User and about a Guest Admin that they invite.
type Case = (&'static str, &'static str, &'static str);

/// The facts that differ between the stages leave these inviters alone.
const MEMBERS_AND_STRANGERS: [Case; 6] = [
    ("alice@host.example", "", ""),
    ("zoe@host.example", REFUSED, REFUSED),
    ("bob@acme.example", REFUSED, REFUSED),
    ("leaver@acme.example", WAITS, REFUSED),
    ("nobody@elsewhere.example", WAITS, REFUSED),
    ("new@acme.example", REFUSED, REFUSED),
];

/// Carol and Bob are Active, Erin is a Guest Admin who is only invited, the role of Odd is invalid, and Leaver is being
/// deleted. The policy allows the Host Admin `later`, who is no workspace user, and not the Host Admin `lee`.
fn invited() -> World {
    let mut world = World::acme();
    world.workspace = WorkspacePolicy::parse(POLICY).unwrap();
    world.partner("acme", "hostAdmins: [alice@host.example, later@host.example, lee@third.example]");
    world.member("erin", "GuestAdmin", "");
    world.member("odd", "Boss", "");
    world.member("leaver", "GuestUser", "");
    world.settle();
    world.joins(&["carol", "bob"]);
    world.settle();
    terminate(&mut world, Kind::Membership, "leaver");
    world
}

#[track_caller]
fn check(world: &mut World, cases: &[Case], inputs: impl Fn(&World) -> Inputs<'_>) {
    for (inviter, as_user, as_admin) in cases.iter().chain(&MEMBERS_AND_STRANGERS) {
        for (role, expected) in [("GuestUser", as_user), ("GuestAdmin", as_admin)] {
            let spec =
                format!("partnerRef: {{name: acme}}\nemail: new@acme.example\nrole: {role}\ninvitedBy: {inviter}");
            world.membership("new", &spec);
            let found = verdict(inputs(world), Kind::Membership, "new").join(", ");
            assert_eq!(found, *expected, "{role} invited by {inviter}");
        }
    }
}

#[test]
fn inviter_is_allowed_awaited_or_refused_by_the_known_facts() {
    let cases = [
        ("later@host.example", WAITS, WAITS),
        ("ext@agency.example", REFUSED, REFUSED),
        ("mike@corp.example", NOT_HERE, NOT_HERE),
        ("lee@third.example", NOT_HERE, NOT_HERE),
        ("carol@acme.example", "", REFUSED),
        ("erin@acme.example", WAITS, REFUSED),
        ("odd@acme.example", WAITS, REFUSED),
    ];
    check(&mut invited(), &cases, World::seen);
}

#[test]
fn inviter_is_judged_by_the_specs_without_the_directory() {
    let cases = [
        ("later@host.example", "", ""),
        ("ext@agency.example", REFUSED, REFUSED),
        ("mike@corp.example", NOT_HERE, NOT_HERE),
        ("lee@third.example", NOT_HERE, NOT_HERE),
        ("carol@acme.example", "", REFUSED),
        ("erin@acme.example", "", REFUSED),
        ("odd@acme.example", "", REFUSED),
    ];
    let empty = Box::leak(Box::new(DirectoryCache::default()));
    check(&mut invited(), &cases, |world| Inputs { observed: empty, scope: AvailableFacts::SPECS, ..world.seen() });
}

#[test]
fn inviter_is_judged_by_host_admins_domains_without_policy() {
    let cases = [
        ("later@host.example", "", ""),
        ("lee@third.example", "", ""),
        ("max@third.example", REFUSED, REFUSED),
        ("ext@agency.example", WAITS, REFUSED),
        ("mike@corp.example", WAITS, REFUSED),
        ("carol@acme.example", "", REFUSED),
    ];
    let mut world = invited();
    world.workspace = WorkspacePolicy::default();
    let empty = Box::leak(Box::new(DirectoryCache::default()));
    let scope = AvailableFacts { policy: false, ..AvailableFacts::SPECS };
    check(&mut world, &cases, |world| Inputs { observed: empty, scope, ..world.seen() });
}

#[test]
fn admitted_guest_keeps_an_inviter_who_is_no_longer_listed() {
    let mut world = invited();
    let bob = |world: &World| verdict(world.seen(), Kind::Membership, "bob");
    world.partner("acme", "hostAdmins: [zoe@host.example]");
    assert_eq!(bob(&world), [""; 0]);
    world.workspace = WorkspacePolicy::parse(&POLICY.replace("*@host.example", "zoe@host.example")).unwrap();
    assert_eq!(bob(&world), [NOT_HERE]);
}

#[test]
fn duplicates_of_the_inviting_membership_do_not_count() {
    let mut world = invited();
    for name in ["a-carol", "z-carol"] {
        let spec = "partnerRef: {name: acme}\nemail: carol@acme.example\ninvitedBy: alice@host.example";
        world.membership(name, spec);
    }
    let spec = "partnerRef: {name: acme}\nemail: new@acme.example\ninvitedBy: carol@acme.example";
    world.membership("new", spec);
    assert_eq!(verdict(world.seen(), Kind::Membership, "new"), [""; 0]);
    assert_eq!(verdict(world.seen(), Kind::Membership, "z-carol"), ["AlreadyGuest spec.email"]);
}
