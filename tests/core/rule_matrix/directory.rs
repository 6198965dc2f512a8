//! Rules that need the directory: existing users, Owners, and earlier objects. Each has an environment that breaks the
//! rule, and one at its limit that does not. Further tests: the access that is withheld, and the access that a breach
//! leaves unchanged.

use guestlist::cache::Kind;
use guestlist::directory::Import;
use guestlist::directory::{GuestId, GuestRecord, UserRecord};
use guestlist::domain::{MfaMethod, Reason};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;

use crate::support::in_memory::{World, email};

const ADMINS: &str = "hostAdmins: [alice@host.example]\n";

/// Two variants of an environment in which acme's carol, bob and dave are Active, and instagram is shared with them.
pub struct Scenario {
    pub reason: Reason,
    /// The object and the field at fault. Without a field the object waits: `Ready` has the reason.
    at: &'static str,
    refused: fn(&mut World),
    passes: fn(&mut World),
}

const fn scenario(reason: Reason, at: &'static str, refused: fn(&mut World), passes: fn(&mut World)) -> Scenario {
    Scenario { reason, at, refused, passes }
}

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        Reason::Unreadable,
        "gm new",
        |world| {
            world.becomes_unreadable(Kind::Partner, "acme");
            world.member("new", "GuestUser", "");
        },
        |world| world.member("new", "GuestUser", ""),
    ),
    scenario(
        Reason::HostAdminNotAllowedHere,
        "lp acme spec.hostAdmins[0]",
        |world| policy(world, "tenants: [{namespace: partners, hostAdmins: [zoe@host.example]}]"),
        |world| policy(world, "tenants: [{namespace: \"part*\", hostAdmins: [alice@host.example]}]"),
    ),
    scenario(
        Reason::HostAdminNotFound,
        "lp acme",
        |world| world.partner("acme", "hostAdmins: [later@host.example]"),
        |world| world.partner("acme", "hostAdmins: [zoe@host.example]"),
    ),
    scenario(Reason::HostAdminNotFound, "lp acme", |world| alice(world, false, true), |world| alice(world, true, true)),
    scenario(Reason::HostAdminNotFound, "lp acme", |world| alice(world, true, false), |world| alice(world, true, true)),
    scenario(Reason::HostAdminIsGuest, "lp globex spec.hostAdmins[1]", carol_runs_globex, |world| {
        world.delete(Kind::Membership, "carol");
        world.settle();
        carol_runs_globex(world);
    }),
    scenario(
        Reason::DomainNotAllowed,
        "gm bob spec.email",
        |world| world.partner("acme", &format!("{ADMINS}guests: {{deniedDomains: [acme.example]}}")),
        |world| world.partner("acme", &format!("{ADMINS}guests: {{deniedDomains: [eu.acme.example]}}")),
    ),
    scenario(
        Reason::IsWorkspaceUser,
        "gm new spec.email",
        |world| {
            world.owners("newsletter", &["alice@host.example", "new@acme.example"]);
            world.member("new", "GuestUser", "");
        },
        |world| {
            world.owners("newsletter", &["alice@host.example", "new+1@acme.example"]);
            world.member("new", "GuestUser", "");
        },
    ),
    scenario(Reason::IsWorkspaceUser, "gm new spec.email", |world| new_is_a_user(world, "Never", true), adopted),
    scenario(Reason::IsWorkspaceUser, "gm new spec.email", |world| new_is_a_user(world, "Unmarked", false), adopted),
    scenario(
        Reason::IdentityExists,
        "gm new spec.email",
        |world| {
            world.member("new", "GuestUser", "");
            stranger(world, "new@acme.example");
        },
        |world| {
            world.member("new", "GuestUser", "");
            stranger(world, "new+1@acme.example");
        },
    ),
    scenario(Reason::AlreadyGuest, "gm elder spec.email", elder, |world| {
        world.delete(Kind::Membership, "bob");
        world.settle();
        elder(world);
    }),
    scenario(Reason::QuotaExceeded, "gm elder spec.partnerRef.name", |world| room(world, 3), |world| room(world, 4)),
    scenario(
        Reason::InviterNotAllowed,
        "gm new spec.invitedBy",
        |world| invited(world, "GuestUser", "bob@acme.example"),
        |world| invited(world, "GuestUser", "carol@acme.example"),
    ),
    scenario(
        Reason::InviterNotAllowed,
        "gm new spec.invitedBy",
        |world| invited(world, "GuestAdmin", "carol@acme.example"),
        |world| invited(world, "GuestAdmin", "alice@host.example"),
    ),
    scenario(
        Reason::ExpiryTooLong,
        "gm new spec.expiresAt",
        |world| {
            world.partner("acme", &format!("{ADMINS}guests: {{maxDuration: 24h}}"));
            world.member("new", "GuestUser", "expiresAt: '2027-02-01T00:00:00Z'");
        },
        // An existing guest gets an earlier end, and is not refused.
        |world| {
            world.member("new", "GuestUser", "expiresAt: '2027-02-01T00:00:00Z'");
            world.settle();
            world.partner("acme", &format!("{ADMINS}guests: {{maxDuration: 24h}}"));
        },
    ),
    scenario(
        Reason::SharerNotOwner,
        "share instagram",
        |world| world.owners("instagram", &["zoe@host.example"]),
        |world| world.owners("instagram", &["zoe@host.example", "alice@host.example"]),
    ),
    scenario(
        Reason::AccountNotFound,
        "share other",
        |world| share_of(world, "no-such-account"),
        |world| share_of(world, "newsletter"),
    ),
    scenario(
        Reason::AccountNotFound,
        "share other",
        |world| {
            world.owners("newsletter", &["eve@elsewhere.example"]);
            share_of(world, "newsletter");
        },
        |world| {
            world.owners("newsletter", &["eve@elsewhere.example", "alice@host.example"]);
            share_of(world, "newsletter");
        },
    ),
    scenario(
        Reason::PropagationNeedsManager,
        "share instagram spec.guestUsers[0].propagatedBy",
        |world| world.delete(Kind::Membership, "carol"),
        |world| world.member("carol", "GuestAdmin", "suspended: true"),
    ),
    scenario(
        Reason::PartnerNotFound,
        "gm bob",
        |world| {
            world.partner("acme", &format!("{ADMINS}deletion: Block"));
            world.vanishes(Kind::Partner, "acme");
        },
        |world| world.partner("acme", &format!("{ADMINS}deletion: Cascade")),
    ),
];

fn policy(world: &mut World, tenants: &str) {
    world.workspace = WorkspacePolicy::parse(&format!("domains: [host.example]\n{tenants}\nmailInterval: 0s")).unwrap();
}

fn user(world: &mut World, address: &str, enabled: bool, verified: bool) {
    let user = UserRecord { email: email(address), name: address.to_owned(), enabled, verified };
    world.play(|store, _| store.import(&Import { users: vec![user], accounts: vec![] }));
}

fn alice(world: &mut World, enabled: bool, verified: bool) {
    user(world, "alice@host.example", enabled, verified);
}

fn carol_runs_globex(world: &mut World) {
    policy(world, "tenants: [{namespace: partners, hostAdmins: [\"*\"]}]");
    world.partner("globex", "hostAdmins: [alice@host.example, carol@acme.example]");
}

/// A workspace user of an outside domain is invited.
fn new_is_a_user(world: &mut World, spec: &str, by_policy: bool) {
    user(world, "new@acme.example", true, true);
    policy(world, &format!("tenants: [{{namespace: partners, hostAdmins: [\"*\"], adoption: {by_policy}}}]"));
    world.partner("acme", &format!("{ADMINS}adoption: {spec}"));
    world.member("new", "GuestUser", "");
}

fn adopted(world: &mut World) {
    new_is_a_user(world, "Unmarked", true);
}

/// An identity without an ownership mark, as a backend with its own people would return it.
fn stranger(world: &mut World, address: &str) {
    let bob = world.record("bob").unwrap();
    let address = email(address);
    let stranger = GuestRecord {
        id: GuestId("theirs".to_owned()),
        mark: None,
        email: address.clone(),
        address: address.clone(),
        ..bob
    };
    world.directory_cache.set_guest(&address, Some(stranger));
}

/// Acts at a time before that of all existing objects.
fn before_all(world: &mut World, act: impl FnOnce(&mut World)) {
    let now = world.now;
    world.now -= SignedDuration::from_hours(24);
    act(world);
    world.now = now;
}

fn elder(world: &mut World) {
    let spec = format!("partnerRef: {{name: acme}}\n{}", from("Bob@acme.example"));
    before_all(world, |world| world.membership("elder", &spec));
}

fn room(world: &mut World, guests: usize) {
    world.partner("acme", &format!("{ADMINS}guests: {{maxGuests: {guests}}}"));
    before_all(world, |world| world.member("elder", "GuestUser", ""));
}

fn invited(world: &mut World, role: &str, by: &str) {
    let spec = format!("partnerRef: {{name: acme}}\nemail: new@acme.example\nrole: {role}\ninvitedBy: {by}\n");
    world.membership("new", &spec);
}

fn share_of(world: &mut World, account: &str) {
    let spec = format!("partnerRef: {{name: acme}}\naccount: {account}\nsharedBy: alice@host.example\n");
    world.share_of("other", &spec);
}

fn from(address: &str) -> String {
    format!("email: {address}\ninvitedBy: alice@host.example\n")
}

/// All guests are Active, and instagram is shared.
fn shared() -> World {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]");
    world.settle();
    world.joins(&["carol", "bob", "dave"]);
    world.settle();
    world
}

/// Nobody has joined yet.
fn acme() -> World {
    let mut world = World::acme();
    world.settle();
    world
}

fn is_said(world: &World, Scenario { reason, at, .. }: &Scenario) -> bool {
    let mut words = at.split(' ');
    let kind = match words.next().unwrap() {
        "lp" => Kind::Partner,
        "gm" => Kind::Membership,
        _ => Kind::Share,
    };
    let name = words.next().unwrap();
    match words.next() {
        Some(path) => world.violations(kind, name).contains(&format!("{reason} {path}")),
        None => world.word(kind, name, "Ready") == format!("False/{reason}"),
    }
}

#[test]
fn each_directory_rule_refuses_its_case_and_accepts_the_nearest() {
    for (place, scenario) in SCENARIOS.iter().enumerate() {
        let what = format!("{} {} (scenario {place})", scenario.reason, scenario.at);
        let mut world = shared();
        let before = world.effective();
        (scenario.refused)(&mut world);
        world.settle();
        assert!(is_said(&world, scenario), "{what} is let through: {:?}", world.objects.keys());
        for (access, role) in world.effective() {
            assert!(before.get(&access).is_some_and(|had| role <= *had), "{what} gives {access:?} as {role}");
        }
        let mut world = shared();
        (scenario.passes)(&mut world);
        world.settle();
        assert!(!is_said(&world, scenario), "{what} is refused at its edge");
    }
}

#[test]
fn a_stranger_of_the_directory_is_left_alone() {
    let mut world = shared();
    world.member("new", "GuestUser", "");
    stranger(&mut world, "new@acme.example");
    let done = world.done.len();
    world.settle();
    assert_eq!(world.state("new"), "Rejected");
    assert!(!world.done[done..].iter().any(|done| done.guest() == Some(&GuestId("theirs".to_owned()))));
}

#[test]
fn guest_among_host_admins_taints_only_that_entry() {
    let mut world = shared();
    carol_runs_globex(&mut world);
    world.membership("gil", "partnerRef: {name: globex}\nemail: gil@globex.example\ninvitedBy: alice@host.example\n");
    let by_carol =
        "partnerRef: {name: globex}\nemail: x@globex.example\nrole: GuestAdmin\ninvitedBy: carol@acme.example\n";
    world.membership("by-carol", by_carol);
    world.settle();
    assert_eq!((world.state("gil"), world.record("by-carol")), ("Invited".to_owned(), None));
}

#[test]
fn unreadable_object_grants_nothing_new_and_revokes_nothing() {
    for (kind, name) in
        [(Kind::Partner, "acme"), (Kind::Share, "instagram"), (Kind::Membership, "bob"), (Kind::Membership, "carol")]
    {
        let mut world = shared();
        let before = world.access();
        world.becomes_unreadable(kind, name);
        world.settle();
        assert_eq!(world.access(), before, "{name}");
        world.resets_mfa("carol");
        world.settle();
        assert!(!world.access().iter().any(|access| access.starts_with("carol")), "{name}");
    }
}

#[test]
fn unreadable_partner_does_not_prevent_revocation() {
    const SHARE: &str = "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]\n";
    type Edit = fn(&mut World);
    let edits: [(&str, Edit); 8] = [
        ("excluded", |world| world.share("instagram", &format!("{SHARE}exclude: [{{name: carol}}]"))),
        ("share suspended", |world| world.share("instagram", &format!("{SHARE}suspended: true"))),
        ("share ended", |world| world.share("instagram", &format!("{SHARE}expiresAt: '2020-01-01T00:00:00Z'"))),
        ("share asks for WebAuthn", |world| world.share("instagram", &format!("{SHARE}mfa: {{methods: [WebAuthn]}}"))),
        ("other owner", |world| world.owners("instagram", &["zoe@host.example"])),
        ("MFA reset", |world| world.resets_mfa("carol")),
        ("suspended", |world| world.member("carol", "GuestAdmin", "suspended: true")),
        ("ended", |world| world.member("carol", "GuestAdmin", "expiresAt: '2020-01-01T00:00:00Z'")),
    ];
    for (what, edit) in edits {
        let mut world = shared();
        world.becomes_unreadable(Kind::Partner, "acme");
        world.settle();
        assert!(!world.record("carol").unwrap().grants.is_empty(), "{what}");
        edit(&mut world);
        world.settle();
        assert!(world.record("carol").unwrap().grants.is_empty(), "{what}: {:?}", world.record("carol"));
    }
    let mut world = shared();
    world.becomes_unreadable(Kind::Partner, "acme");
    world.share("instagram", "guestAdminRole: Collaborator\nguestUsers: [{name: bob, propagatedBy: carol}]");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Collaborator"]);
}

#[test]
fn unreadable_share_keeps_its_grants_from_a_second_share() {
    let mut world = shared();
    world.share_of("again", "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example");
    world.settle();
    world.becomes_unreadable(Kind::Share, "instagram");
    world.settle();
    let record = world.record("bob").unwrap();
    assert_eq!(record.grants.get("instagram").unwrap().grant.share, "instagram");
    let record = world.record("carol").unwrap();
    assert_eq!(record.grants.get("instagram").unwrap().grant.share, "instagram");
}

#[test]
fn membership_with_a_taken_address_asks_for_no_place() {
    let mut world = shared();
    world.partner("acme", &format!("{ADMINS}guests: {{maxGuests: 3}}"));
    world.membership("again", "partnerRef: {name: acme}\nemail: bob@acme.example\ninvitedBy: alice@host.example\n");
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "again"), ["AlreadyGuest spec.email"]);
}

#[test]
fn paused_share_revokes_access_without_the_method_it_asks_for() {
    let mut world = shared();
    let carol = email("carol@acme.example");
    world.play(|store, now| store.enroll_mfa(&carol, MfaMethod::WebAuthn, now));
    world.share("instagram", "guestAdminRole: Manager\nmfa: {methods: [WebAuthn]}");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    world.annotate(Kind::Share, "instagram", "guestlist.dev/paused", "true");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    world.resets_mfa("carol");
    world.play(|store, now| store.enroll_mfa(&carol, MfaMethod::TOTP, now));
    world.settle();
    assert!(world.record("carol").unwrap().grants.is_empty(), "{:?}", world.record("carol"));
}

#[test]
fn tightened_domains_revoke_access_and_deactivate_no_guest() {
    let mut world = shared();
    world.member("new", "GuestUser", "");
    world.settle();
    world.partner("acme", &format!("{ADMINS}guests: {{allowedDomains: [elsewhere.example]}}"));
    world.settle();
    assert_eq!(world.access(), [""; 0]);
    assert!(world.record("new").unwrap().invitation.is_none());
    assert!(["carol", "bob", "new"].iter().all(|name| world.record(name).is_some()));
}

#[test]
fn a_guest_admin_invites_guest_users_only() {
    let mut world = acme();
    world.joins(&["carol"]);
    world.settle();
    let by_carol = |role: &str| {
        format!(
            "partnerRef: {{name: acme}}\nemail: x{role}@acme.example\nrole: {role}\ninvitedBy: carol@acme.example\n"
        )
    };
    world.membership("admin", &by_carol("GuestAdmin"));
    world.membership("user", &by_carol("GuestUser"));
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "admin"), ["InviterNotAllowed spec.invitedBy"]);
    assert_eq!(world.state("user"), "Invited");
    world.delete(Kind::Membership, "carol");
    world.settle();
    assert_eq!(world.state("user"), "Invited", "losing the inviter later harms nobody");
}

#[test]
fn guest_admin_of_another_partner_invites_nobody() {
    let mut world = acme();
    world.joins(&["carol"]);
    world.settle();
    assert_eq!(world.state("carol"), "Active");
    world.partner("brio", "hostAdmins: [alice@host.example]");
    world.membership("eve", "partnerRef: {name: brio}\nemail: eve@brio.example\ninvitedBy: carol@acme.example\n");
    world.settle();
    assert_eq!((world.state("eve"), world.ready("eve")), ("Pending".into(), "False/InviterNotActive".into()));
}

#[test]
fn guest_user_waits_for_the_inviting_guest_admin() {
    let mut world = acme();
    world.membership("user", "partnerRef: {name: acme}\nemail: x@acme.example\ninvitedBy: carol@acme.example\n");
    world.settle();
    assert_eq!((world.state("user"), world.ready("user")), ("Pending".into(), "False/InviterNotActive".into()));
    world.joins(&["carol"]);
    world.settle();
    assert_eq!(world.state("user"), "Invited");
}

#[test]
fn duplicate_share_of_account_leaves_it_to_the_granting_share() {
    let mut world = acme();
    world.share("instagram", "");
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    let second =
        "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example\nguestAdminRole: Manager\n";
    world.share_of("a-second", second);
    world.settle();
    assert_eq!(world.violations(Kind::Share, "a-second"), ["DuplicateShare spec.account"]);
    assert_eq!(world.access(), ["carol: instagram as Collaborator"]);
    world.delete(Kind::Share, "instagram");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
}

#[test]
fn objects_may_come_in_any_order() {
    let mut world = World::new();
    world.member("carol", "GuestAdmin", "");
    world.share("instagram", "");
    world.settle();
    assert_eq!(world.ready("carol"), "False/PartnerNotFound");
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "False/PartnerNotFound");
    world.partner("acme", ADMINS);
    world.settle();
    assert_eq!(world.state("carol"), "Invited");
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "True/Reconciled");
}

#[test]
fn missing_host_admin_counts_as_absent() {
    let mut world = World::acme();
    world.partner("acme", "hostAdmins: [later@host.example]");
    world.settle();
    assert_eq!(world.word(Kind::Partner, "acme", "Ready"), "False/HostAdminNotFound");
    world.partner("acme", "hostAdmins: [later@host.example, alice@host.example]");
    world.settle();
    assert_eq!(world.state("bob"), "Invited");
}
