//! The conditions of each later grant, in the words of `guestlist plan`, and the obstacles that only an edit removes.

use guestlist::api;
use guestlist::cache::Kind;
use guestlist::directory::{GuestId, Import, MfaRecord, Owner, UserRecord};
use guestlist::domain::MfaMethod;
use guestlist::plan::later::{Frame, LaterGrant, later};
use jiff::SignedDuration;

use crate::support::in_memory::{SPACE, World, email};

const ADMIN: &str = "hostAdmins: [alice@host.example]";
const SHARE: &str = "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]";

fn all(world: &mut World) -> Vec<LaterGrant> {
    let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
    let frame = Frame { workspace: &world.workspace, owner: &owner, prune_scope: world.prune_scope, now: world.now };
    later(&mut world.index, &mut world.directory_cache, frame)
}

/// Each later grant, with its conditions in parentheses: `bob: instagram as Collaborator (…; …)`.
fn lines(world: &mut World) -> Vec<String> {
    let line = |later: &LaterGrant| {
        let facts: Vec<String> = later.conditions.iter().map(|condition| condition.fact.to_string()).collect();
        format!("{}: {} as {} ({})", later.member.name, later.grant.account, later.grant.role, facts.join("; "))
    };
    let records = |world: &World| world.directory_cache.guests().cloned().collect::<Vec<_>>();
    let before = records(world);
    let found = all(world);
    assert_eq!(records(world), before, "the search changes no record");
    assert_eq!(all(world), found, "the search leaves no object behind");
    found.iter().map(line).collect()
}

/// Carol and Bob are invited, and would get instagram.
fn invited() -> World {
    let mut world = World::acme();
    world.share("instagram", SHARE);
    world.settle();
    world
}

/// Carol and Bob are Active, and have instagram.
fn active() -> World {
    let mut world = invited();
    world.joins(&["carol", "bob"]);
    world.settle();
    assert_eq!(world.access().len(), 2);
    world
}

const BOB_JOINS: &str = "bob@acme.example accepts the invitation, which ends 2027-01-04T00:00:00Z";
const CAROL_JOINS: &str = "carol@acme.example accepts the invitation, which ends 2027-01-04T00:00:00Z";
const BOB_ENROLS: &str = "bob@acme.example has MFA on: TOTP or WebAuthn";
const CAROL_ENROLS: &str = "carol@acme.example has MFA on: TOTP or WebAuthn";

#[track_caller]
fn check(world: &mut World, expected: &[(&str, &[&str])]) {
    let expected: Vec<String> =
        expected.iter().map(|(grant, facts)| format!("{grant} ({})", facts.join("; "))).collect();
    assert_eq!(lines(world), expected);
}

#[test]
fn invited_guest_gets_each_account_after_joining_and_enrolling() {
    let mut world = invited();
    world.share("newsletter", "mfa: {methods: [WebAuthn]}");
    world.share("tiktok", "");
    world.settle();
    let with = |method: &'static str| [CAROL_JOINS, method];
    check(
        &mut world,
        &[
            ("bob: instagram as Collaborator", &[BOB_JOINS, BOB_ENROLS]),
            ("carol: instagram as Manager", &with(CAROL_ENROLS)),
            ("carol: newsletter as Collaborator", &with("carol@acme.example has MFA on: WebAuthn")),
            (
                "carol: tiktok as Collaborator",
                &[
                    CAROL_JOINS,
                    CAROL_ENROLS,
                    "the account tiktok exists in the directory, and alice@host.example is an Owner of it",
                ],
            ),
        ],
    );
}

#[test]
fn grants_that_are_held_are_not_later_ones() {
    let mut world = active();
    check(&mut world, &[]);
    world.share("instagram", &SHARE.replace("Manager", "Collaborator"));
    assert_eq!(all(&mut world).len(), 1, "the role that a reconcile reduces");
}

#[test]
fn enrolled_method_leaves_the_methods_that_are_missing() {
    const BOTH: &str = "mfa: {methods: [TOTP, WebAuthn]}";
    const TOTP: &str = "mfa: {methods: [TOTP]}";
    const WEBAUTHN: &str = "mfa: {methods: [WebAuthn]}";
    let has = |methods: &str| format!("carol@acme.example has MFA on: {methods}");
    // The methods of the membership and of the share, the enrolled ones, and those that are missing.
    let cases: [(&str, &str, &[MfaMethod], Option<String>); 8] = [
        (BOTH, BOTH, &[], Some(has("TOTP or WebAuthn"))),
        (BOTH, WEBAUTHN, &[], Some(has("WebAuthn"))),
        (TOTP, WEBAUTHN, &[], Some(has("TOTP, and WebAuthn"))),
        (TOTP, WEBAUTHN, &[MfaMethod::TOTP], Some(has("WebAuthn"))),
        (TOTP, WEBAUTHN, &[MfaMethod::WebAuthn], Some(has("TOTP"))),
        (BOTH, WEBAUTHN, &[MfaMethod::TOTP], Some(has("WebAuthn"))),
        (WEBAUTHN, BOTH, &[MfaMethod::TOTP], Some(has("WebAuthn"))),
        (TOTP, WEBAUTHN, &[MfaMethod::TOTP, MfaMethod::WebAuthn], Some(String::new())),
    ];
    for (member, share, enrolled, expected) in cases {
        let mut world = active();
        world.member("carol", "GuestAdmin", member);
        world.share("newsletter", share);
        // Adds the finalizer of the share.
        world.pass(&guestlist::cache::ObjectRef::new(Kind::Share, SPACE, "newsletter"));
        let mut carol = world.record("carol").unwrap();
        carol.mfa = MfaRecord::Known(enrolled.iter().map(|method| (*method, world.now)).collect());
        world.directory_cache.set_guest(&carol.address.clone(), Some(carol));
        let found = lines(&mut world);
        let line = found.iter().find(|line| line.starts_with("carol: newsletter"));
        let expected = expected.map(|facts| format!("carol: newsletter as Collaborator ({facts})"));
        assert_eq!(line, expected.as_ref(), "{member} {share} {enrolled:?}: {found:?}");
    }
}

#[test]
fn each_missing_fact_is_the_condition_of_the_grant() {
    type Edit = fn(&mut World);
    /// A later grant with its conditions.
    type Later = (&'static str, &'static [&'static str]);
    const BOB: &str = "bob: instagram as Collaborator";
    const CAROL: &str = "carol: instagram as Manager";
    let cases: [(&str, Edit, &[Later]); 9] = [
        (
            "the sharer is no Owner",
            |world| world.owners("instagram", &["zoe@host.example"]),
            &[
                (BOB, &["the sharer alice@host.example is an Owner of instagram"]),
                (CAROL, &["the sharer alice@host.example is an Owner of instagram"]),
            ],
        ),
        (
            "the account is gone",
            |world| {
                world.play(|store, _| store.set_deleted("instagram", true));
            },
            &[
                (BOB, &["the account instagram exists in the directory, and alice@host.example is an Owner of it"]),
                (CAROL, &["the account instagram exists in the directory, and alice@host.example is an Owner of it"]),
            ],
        ),
        (
            "the Host Admin is disabled",
            |world| alice(world, false),
            &[
                (BOB, &["the Host Admin alice@host.example is an enabled workspace user with a verified address"]),
                (CAROL, &["the Host Admin alice@host.example is an enabled workspace user with a verified address"]),
            ],
        ),
        (
            "one of two Host Admins has to exist",
            |world| world.partner("acme", "hostAdmins: [late@host.example, alice@host.example]"),
            &[],
        ),
        (
            "the login is disabled",
            |world| {
                assert!(world.play(|store, _| store.set_login(&email("carol@acme.example"), false)));
            },
            &[(CAROL, &["an administrator of the directory enables the login of carol@acme.example"])],
        ),
        ("the methods are reset", |world| world.resets_mfa("carol"), &[(CAROL, &[CAROL_ENROLS])]),
        (
            "the enrolment is overdue",
            |world| {
                world.resets_mfa("carol");
                world.settle();
                world.now += SignedDuration::from_hours(200);
            },
            &[(CAROL, &[CAROL_ENROLS])],
        ),
        (
            "the propagator is not declared",
            |world| world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: yan}]"),
            &[(BOB, &["GuestMembership partners/yan is declared, as a Guest Admin of acme"])],
        ),
        (
            "the partner is not declared",
            |world| world.vanishes(Kind::Partner, "acme"),
            &[(BOB, &["LocalPartner partners/acme is declared"]), (CAROL, &["LocalPartner partners/acme is declared"])],
        ),
    ];
    for (what, edit, expected) in cases {
        let mut world = active();
        edit(&mut world);
        world.settle();
        let found = lines(&mut world);
        let expected: Vec<String> =
            expected.iter().map(|(grant, facts)| format!("{grant} ({})", facts.join("; "))).collect();
        assert_eq!(found, expected, "{what}");
    }
}

fn alice(world: &mut World, enabled: bool) {
    let email = email("alice@host.example");
    let user = UserRecord { email, name: "Alice".to_owned(), enabled, verified: true };
    world.play(|store, _| store.import(&Import { users: vec![user], accounts: Vec::new() }));
}

#[test]
fn new_membership_is_invited_once_its_facts_are_there() {
    // Each fact comes before the invitation. The methods of an earlier membership of the address still count.
    const JOINS: &str = "zed@acme.example accepts the invitation, which ends ";
    const ENROLS: &str = "zed@acme.example has MFA on: TOTP or WebAuthn";
    type Edit = fn(&mut World);
    let cases: [(&str, &str, Edit, &[&str]); 6] = [
        ("nothing", "alice@host.example", |world| world.settle(), &[JOINS, ENROLS]),
        (
            "a Host Admin",
            "later@host.example",
            |world| world.partner("acme", "hostAdmins: [alice@host.example, later@host.example]"),
            &["the Host Admin later@host.example is an enabled workspace user with a verified address", JOINS, ENROLS],
        ),
        (
            "any Host Admin",
            "alice@host.example",
            |world| {
                alice(world, false);
                world.partner("acme", "hostAdmins: [alice@host.example, later@host.example]");
            },
            &["the Host Admin alice@host.example is an enabled workspace user with a verified address", JOINS, ENROLS],
        ),
        (
            "an inviter",
            "dave@acme.example",
            |world| world.member("dave", "GuestAdmin", ""),
            &["the inviter dave@acme.example is an Active Guest Admin of acme", JOINS, ENROLS],
        ),
        (
            "an inviter who is not declared",
            "yan@acme.example",
            |_| {},
            &["the inviter yan@acme.example is an Active Guest Admin of acme", JOINS, ENROLS],
        ),
        (
            "a turn",
            "alice@host.example",
            |world| world.workspace.invitations_per_hour = 3,
            &[
                "the policy's invitationsPerHour allows the invitation of zed@acme.example, at 2027-01-01T01:00:00Z or later",
                JOINS,
                ENROLS,
            ],
        ),
    ];
    for (what, inviter, edit, expected) in cases {
        let mut world = active();
        world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: zed, propagatedBy: carol}]");
        world.settle();
        let spec = format!("partnerRef: {{name: acme}}\nemail: zed@acme.example\ninvitedBy: {inviter}");
        world.membership("zed", &spec);
        edit(&mut world);
        let found = all(&mut world);
        let zed =
            found.iter().find(|later| &*later.member.name == "zed").unwrap_or_else(|| panic!("{what}: {found:?}"));
        let facts: Vec<String> = zed.conditions.iter().map(|condition| condition.fact.to_string()).collect();
        assert_eq!(facts.len(), expected.len(), "{what}: {facts:?}");
        for (fact, expected) in facts.iter().zip(expected) {
            assert!(fact.starts_with(expected), "{what}: {fact} is not {expected}");
        }
    }
    let mut world = active();
    world.delete(Kind::Membership, "bob");
    world.settle();
    world.now += SignedDuration::from_mins(1);
    world.member("bob", "GuestUser", "");
    check(
        &mut world,
        &[(
            "bob: instagram as Collaborator",
            &[
                "the policy's mailInterval since the last mail to bob@acme.example has passed, at 2027-01-01T00:10:00Z",
                "bob@acme.example accepts the invitation, which ends 2027-01-04T00:10:00Z",
            ],
        )],
    );
}

#[test]
fn obstacle_that_only_an_edit_removes_ends_the_search() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit); 10] = [
        ("suspended", |world| world.member("carol", "GuestAdmin", "suspended: true")),
        ("expired", |world| world.member("carol", "GuestAdmin", "expiresAt: '2020-01-01T00:00:00Z'")),
        ("invalid", |world| world.member("carol", "GuestAdmin", "mfa: {required: false}")),
        ("paused", |world| world.annotate(Kind::Membership, "carol", api::PAUSED, "true")),
        ("partner paused", |world| world.annotate(Kind::Partner, "acme", api::PAUSED, "true")),
        ("being deleted", |world| world.delete(Kind::Membership, "carol")),
        ("share paused", |world| world.annotate(Kind::Share, "instagram", api::PAUSED, "true")),
        ("share suspended", |world| world.share("instagram", "suspended: true")),
        ("excluded", |world| world.share("instagram", "exclude: [{name: carol}]")),
        ("partner suspended", |world| world.partner("acme", &format!("{ADMIN}\nsuspended: true"))),
    ];
    for (what, edit) in edits {
        let mut world = invited();
        edit(&mut world);
        let found = all(&mut world);
        assert!(found.iter().all(|later| &*later.member.name != "carol"), "{what}: {found:?}");
    }
    // An invitation that ended needs a request for another one.
    let mut world = invited();
    world.now += SignedDuration::from_hours(100);
    check(&mut world, &[]);
}

#[test]
fn supposed_propagator_has_an_address_that_is_free_and_admitted() {
    const BOB: &str =
        "bob: instagram as Collaborator (GuestMembership partners/gil is declared, as a Guest Admin of acme)";
    let mut world = active();
    let taken = "partnerRef: {name: acme}\nemail: propagator@guest.invalid\ninvitedBy: alice@host.example";
    world.membership("taken", taken);
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: gil}]");
    world.settle();
    let mut foreign = world.record("dave").unwrap();
    (foreign.id, foreign.address, foreign.mark) =
        (GuestId("foreign".to_owned()), email("propagator-@guest.invalid"), None);
    world.directory_cache.set_guest(&foreign.address.clone(), Some(foreign));
    assert_eq!(lines(&mut world), [BOB]);
    for domains in ["[acme.example]", "[host.example, acme.example]"] {
        let mut world = active();
        world.partner("acme", &format!("{ADMIN}\nguests: {{allowedDomains: {domains}}}"));
        world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: gil}]");
        world.settle();
        assert_eq!(lines(&mut world), [BOB], "{domains}");
    }
}
