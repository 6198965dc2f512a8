//! A share as a whole and its entries: violations, precedence among shares of one account, and what ends its grants.

use guestlist::cache::Kind;
use guestlist::plan::{AvailableFacts, Inputs, PruneScope};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;

use super::{steps, terminate, verdict};
use crate::support::in_memory::{SPACE, World};

const DUPLICATE: &str = "DuplicateShare spec.account";

fn verdict_about(world: &World, name: &str) -> Vec<String> {
    verdict(world.seen(), Kind::Share, name)
}

#[test]
fn sharer_is_a_listed_and_allowed_host_admin_and_no_guest() {
    const NOT_HERE: &str = "HostAdminNotAllowedHere spec.sharedBy";
    const NO_ADMIN: &str = "SharerNotHostAdmin spec.sharedBy";
    let mut world = World::shared();
    let policy = "domains: [host.example]\n\
                  tenants: [{namespace: partners, hostAdmins: ['*@host.example', carol@acme.example]}]";
    world.workspace = WorkspacePolicy::parse(policy).unwrap();
    world.partner("acme", "hostAdmins: [alice@host.example, carol@acme.example, lee@third.example, late@host.example]");
    for (sharer, expected) in [
        ("alice@host.example", ""),
        ("late@host.example", "waits: HostAdminNotFound"),
        ("zoe@host.example", NO_ADMIN),
        // Neither a guest nor an unknown person is a user of the workspace.
        ("carol@acme.example", "SharerNotHostAdmin spec.sharedBy, waits: HostAdminNotFound"),
        ("lee@third.example", "HostAdminNotAllowedHere spec.sharedBy, waits: HostAdminNotFound"),
        ("mike@corp.example", NOT_HERE),
    ] {
        world.share_of("new", &format!("partnerRef: {{name: acme}}\naccount: newsletter\nsharedBy: {sharer}"));
        assert_eq!(verdict_about(&world, "new").join(", "), expected, "{sharer}");
    }
}

#[test]
fn methods_of_a_share_are_within_those_of_its_partner() {
    const BEYOND: &str = "MfaMethodNotAllowed spec.mfa.methods";
    for (partner, expected) in
        [("TOTP", BEYOND), ("WebAuthn", ""), ("TOTP, WebAuthn", ""), ("SMS", "waits: MfaMethodNotAllowed")]
    {
        let mut world = World::shared();
        world.partner("acme", &format!("hostAdmins: [alice@host.example]\nmfa: {{methods: [{partner}]}}"));
        world.share("instagram", "mfa: {methods: [WebAuthn]}");
        assert_eq!(verdict_about(&world, "instagram").join(", "), expected, "{partner}");
    }
}

#[test]
fn first_sound_share_of_an_account_takes_precedence() {
    // An earlier share, and whether it competes for the account.
    let cases = [
        ("sharedBy: alice@host.example", true),
        ("sharedBy: alice@host.example\nsuspended: true", true),
        ("sharedBy: alice@host.example\nguestUsers: [{name: bob, propagatedBy: carol, role: Owner}]", true),
        ("sharedBy: alice@host.example\nmfa: {required: false}", false),
        ("sharedBy: zoe@host.example", false),
        ("sharedBy: lee@third.example", false),
        ("sharedBy: nobody", false),
    ];
    for (spec, competes) in cases {
        let mut world = World::acme();
        world.partner("acme", "hostAdmins: [alice@host.example, lee@third.example]");
        world.settle();
        world.share_of("z-first", &format!("partnerRef: {{name: acme}}\naccount: instagram\n{spec}"));
        world.now += SignedDuration::from_secs(1);
        world.share_of("a-second", "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example");
        let expected = if competes { vec![DUPLICATE] } else { vec![] };
        assert_eq!(verdict_about(&world, "a-second"), expected, "{spec}");
        assert!(!verdict_about(&world, "z-first").contains(&DUPLICATE.to_owned()), "{spec}");
        // An invalid share is reported for its own faults alone, even after a valid one.
        world.now += SignedDuration::from_secs(1);
        world.share_of("third", &format!("partnerRef: {{name: acme}}\naccount: instagram\n{spec}"));
        assert_eq!(verdict_about(&world, "third").contains(&DUPLICATE.to_owned()), competes, "{spec}");
        terminate(&mut world, Kind::Share, "z-first");
        assert_eq!(verdict_about(&world, "a-second"), [""; 0], "the earlier share is being deleted: {spec}");
    }
}

#[test]
fn shares_of_other_partners_or_accounts_are_no_duplicates() {
    let mut world = World::shared();
    world.partner("brio", "hostAdmins: [alice@host.example]");
    world.settle();
    for (name, partner, account) in [("brio", "brio", "instagram"), ("news", "acme", "newsletter")] {
        world.now += SignedDuration::from_secs(1);
        let spec = format!("partnerRef: {{name: {partner}}}\naccount: {account}\nsharedBy: alice@host.example");
        world.share_of(name, &spec);
        assert_eq!((verdict_about(&world, name), verdict_about(&world, "instagram")), (vec![], vec![]), "{name}");
    }
}

#[test]
fn restored_share_with_grants_precedes_older_shares() {
    let mut world = World::shared();
    world.now += SignedDuration::from_secs(1);
    world.share_of("second", "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example");
    assert_eq!(verdict_about(&world, "second"), [DUPLICATE]);
    world.vanishes(Kind::Share, "instagram");
    assert_eq!(verdict_about(&world, "second"), [""; 0]);
    world.now += SignedDuration::from_secs(1);
    world.share("instagram", "guestAdminRole: Manager");
    assert_eq!((verdict_about(&world, "instagram"), verdict_about(&world, "second")), (vec![], vec![DUPLICATE.into()]));
    // Without grants, the older share has precedence.
    for name in ["bob", "carol"] {
        super::change_record(&mut world, name, |record| record.grants = [].into());
    }
    world.directory_cache.set_shares(Vec::new());
    assert_eq!((verdict_about(&world, "second"), verdict_about(&world, "instagram")), (vec![], vec![DUPLICATE.into()]));
}

#[test]
fn recorded_account_and_partner_of_a_share_are_immutable() {
    let mut world = World::shared();
    world.partner("brio", "hostAdmins: [alice@host.example]");
    for (partner, account, expected) in [
        ("acme", "instagram", vec![]),
        ("acme", "newsletter", vec!["Immutable spec.account"]),
        ("brio", "instagram", vec!["Immutable spec.partnerRef.name"]),
        ("brio", "newsletter", vec!["Immutable spec.account", "Immutable spec.partnerRef.name"]),
    ] {
        let spec = format!("partnerRef: {{name: {partner}}}\naccount: {account}\nsharedBy: alice@host.example");
        world.share_of("instagram", &spec);
        assert_eq!(verdict_about(&world, "instagram"), expected, "{partner} {account}");
    }
}

#[test]
fn entry_names_a_guest_of_the_partner_at_the_pinned_address() {
    let mut world = World::shared();
    world.partner("brio", "hostAdmins: [alice@host.example]");
    world.membership("eve", "partnerRef: {name: brio}\nemail: eve@brio.example\ninvitedBy: alice@host.example");
    world.member("odd", "Boss", "");
    world.settle();
    let cases = [
        ("guestUsers: [{name: bob, propagatedBy: carol, email: BOB@acme.example}]", ""),
        ("guestUsers: [{name: nobody, propagatedBy: carol}]", ""),
        ("guestUsers: [{name: bob, propagatedBy: nobody}]", ""),
        (
            "guestUsers: [{name: bob, propagatedBy: carol, email: b@acme.example}]",
            "NotAGuestOfPartner spec.guestUsers[0].email",
        ),
        ("guestUsers: [{name: eve, propagatedBy: carol}]", "NotAGuestOfPartner spec.guestUsers[0].name"),
        ("guestUsers: [{name: bob, propagatedBy: eve}]", "PropagationNeedsManager spec.guestUsers[0].propagatedBy"),
        ("guestUsers: [{name: bob, propagatedBy: dave}]", "PropagationNeedsManager spec.guestUsers[0].propagatedBy"),
        (
            "guestUsers: [{name: bob, propagatedBy: carol}]\nexclude: [{name: carol}]",
            "PropagationNeedsManager spec.guestUsers[0].propagatedBy",
        ),
        (
            "guestUsers: [{name: bob, propagatedBy: carol}]\nroleOverrides: [{name: carol, role: Collaborator}]",
            "PropagationNeedsManager spec.guestUsers[0].propagatedBy",
        ),
        // The entry of a Guest Admin is inactive, and an invalid role is the violation of its own object alone.
        ("guestUsers: [{name: carol, propagatedBy: dave}]", ""),
        ("guestUsers: [{name: bob, propagatedBy: odd}]", ""),
        ("roleOverrides: [{name: carol, role: Collaborator}]", ""),
        ("roleOverrides: [{name: bob, role: Manager}]", "ManagerNeedsGuestAdmin spec.roleOverrides[0].role"),
        ("roleOverrides: [{name: bob, role: Collaborator}]", ""),
        ("roleOverrides: [{name: odd, role: Manager}]", ""),
        (
            "roleOverrides: [{name: carol, role: Manager, email: c@acme.example}]",
            "NotAGuestOfPartner spec.roleOverrides[0].email",
        ),
        ("exclude: [{name: eve}]", "NotAGuestOfPartner spec.exclude[0].name"),
        ("exclude: [{name: bob, email: b@acme.example}]", "NotAGuestOfPartner spec.exclude[0].email"),
        ("exclude: [{name: nobody, email: b@acme.example}]", ""),
    ];
    for (entries, expected) in cases {
        world.share("instagram", &format!("guestAdminRole: Manager\n{entries}"));
        assert_eq!(verdict_about(&world, "instagram").join(", "), expected, "{entries}");
    }
}

#[test]
fn invalid_role_of_a_share_blames_only_other_obstacles() {
    let mut world = World::shared();
    let own = "OwnerNeverShared spec.guestAdminRole";
    let other = "PropagationNeedsManager spec.guestUsers[0].propagatedBy";
    for (propagator, more, expected) in [
        ("carol", "", vec![own]),
        ("carol", "roleOverrides: [{name: carol, role: Manager}]", vec![own]),
        ("carol", "roleOverrides: [{name: carol, role: Collaborator}]", vec![own, other]),
        ("carol", "exclude: [{name: carol}]", vec![own, other]),
        ("dave", "", vec![own, other]),
    ] {
        let spec = format!("guestAdminRole: Owner\nguestUsers: [{{name: bob, propagatedBy: {propagator}}}]\n{more}");
        world.share("instagram", &spec);
        assert_eq!(verdict_about(&world, "instagram"), expected, "{propagator} {more}");
    }
}

#[test]
fn message_names_at_most_three_guests_who_may_pass_on() {
    let mut world = World::shared();
    for name in ["erin", "frank", "grace"] {
        world.member(name, "GuestAdmin", "");
    }
    world.settle();
    let overrides = |managers: &[&str], others: &[&str]| {
        let entry = |role: &'static str| move |name: &&str| format!("{{name: {name}, role: {role}}}");
        let (managers, others) = (managers.iter().map(entry("Manager")), others.iter().map(entry("Collaborator")));
        format!("roleOverrides: [{}]", managers.chain(others).collect::<Vec<_>>().join(", "))
    };
    let role = |role: &str| format!("guestAdminRole: {role}");
    let cases = [
        (role("Manager"), "use one of: carol, erin, frank"),
        (format!("{}\n{}", role("Manager"), overrides(&[], &["carol", "erin"])), "use one of: frank, grace"),
        (role("Collaborator"), "no Guest Admin can now: make one Manager of this share"),
        (format!("{}\n{}", role("Collaborator"), overrides(&["erin"], &["carol"])), "use one of: erin"),
        (
            format!("{}\n{}", role("Collaborator"), overrides(&["grace", "dave"], &["carol", "erin"])),
            "use one of: grace",
        ),
    ];
    for (spec, expected) in cases {
        world.share("instagram", &format!("guestUsers: [{{name: bob, propagatedBy: dave}}]\n{spec}"));
        let key = super::key(Kind::Share, "instagram");
        let evaluation = guestlist::plan::evaluate::evaluate(world.seen(), &key).unwrap();
        let messages: Vec<_> = evaluation.violations.iter().map(|violation| violation.message.as_str()).collect();
        assert!(messages.iter().any(|message| message.ends_with(&format!("Manager here; {expected}"))), "{messages:?}");
    }
}

#[test]
fn share_revokes_from_undeclared_guests_only_on_known_facts() {
    type Edit = fn(&mut World);
    let edits: [(&str, PruneScope, Edit, bool); 6] = [
        ("nothing", PruneScope::Declared, |_| {}, false),
        ("a partner of other files", PruneScope::Declared, |world| world.vanishes(Kind::Partner, "acme"), false),
        ("a partner that is gone", PruneScope::Everything, |world| world.vanishes(Kind::Partner, "acme"), true),
        (
            "an unreadable partner",
            PruneScope::Everything,
            |world| world.becomes_unreadable(Kind::Partner, "acme"),
            false,
        ),
        (
            "a suspended share of a partner of other files",
            PruneScope::Declared,
            |world| {
                world.vanishes(Kind::Partner, "acme");
                world.share("instagram", "guestAdminRole: Manager\nsuspended: true");
            },
            true,
        ),
        (
            "a share of an unreadable partner that excludes the guest",
            PruneScope::Everything,
            |world| {
                world.becomes_unreadable(Kind::Partner, "acme");
                world.share("instagram", "guestAdminRole: Manager\nexclude: [{name: bob}]");
            },
            true,
        ),
    ];
    for (what, scope, edit, revokes) in edits {
        let mut world = World::shared();
        world.vanishes(Kind::Membership, "bob");
        world.prune_scope = scope;
        edit(&mut world);
        let expected = if revokes { vec!["Terminating: revoke instagram"] } else { vec![] };
        assert_eq!(steps(&world, Kind::Share, "instagram"), expected, "{what}");
    }
}

#[test]
fn end_of_a_share_is_the_earlier_of_its_own_and_the_partners() {
    for (share, partner, expected) in [
        (None, None, None),
        (Some("2027-05-01T00:00:00Z"), None, Some("2027-05-01T00:00:00Z")),
        (None, Some("2027-06-01T00:00:00Z"), Some("2027-06-01T00:00:00Z")),
        (Some("2027-07-01T00:00:00Z"), Some("2027-06-01T00:00:00Z"), Some("2027-06-01T00:00:00Z")),
        (Some("2027-05-01T00:00:00Z"), Some("2027-06-01T00:00:00Z"), Some("2027-05-01T00:00:00Z")),
    ] {
        let end = |end: Option<&str>| end.map(|end| format!("\nexpiresAt: '{end}'")).unwrap_or_default();
        let mut world = World::shared();
        world.partner("acme", &format!("hostAdmins: [alice@host.example]{}", end(partner)));
        world.share("instagram", &format!("guestAdminRole: Manager{}", end(share)));
        world.settle();
        assert_eq!(world.share_status("instagram").expires_at.as_deref(), expected);
        let record = world.record("carol").unwrap();
        let until = record.grants.get("instagram").unwrap().grant.until;
        assert_eq!(until.map(|until| until.to_string()).as_deref(), expected);
        assert!(world.index.share(SPACE, "instagram").is_some());
    }
}

#[test]
fn account_counts_only_if_live_and_owned_by_the_namespace() {
    const ABSENT: &str = "waits: AccountNotFound";
    type Edit = fn(&mut World);
    let edits: [(&str, Edit, &str); 6] = [
        ("nothing", |_| {}, ""),
        (
            "deleted",
            |world| {
                world.play(|store, _| store.set_deleted("instagram", true));
            },
            ABSENT,
        ),
        ("of others", |world| world.owners("instagram", &["eve@elsewhere.example"]), ABSENT),
        ("unknown", |world| world.directory_cache.set_account("instagram", None), ABSENT),
        ("without the sharer", |world| world.owners("instagram", &["zoe@host.example"]), ""),
        ("without the partner", |world| world.vanishes(Kind::Partner, "acme"), "waits: PartnerNotFound"),
    ];
    for (what, edit, expected) in edits {
        let mut world = World::shared();
        edit(&mut world);
        assert_eq!(verdict_about(&world, "instagram").join(", "), expected, "{what}");
        let loses = steps(&world, Kind::Membership, "carol");
        assert_eq!(loses.is_empty(), what == "nothing", "{what}: {loses:?}");
    }
}

#[test]
fn admitted_propagator_is_judged_by_the_rules_for_guests() {
    let mut world = World::shared();
    world.member("carol", "GuestAdmin", "expiresAt: '2027-06-01T00:00:00Z'");
    world.partner("acme", "hostAdmins: [alice@host.example]\nguests: {maxDuration: 24h}");
    assert_eq!(verdict_about(&world, "instagram"), [""; 0], "only a new membership is too long");
    world.member("new", "GuestAdmin", "expiresAt: '2027-06-01T00:00:00Z'");
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: new}]");
    let refused = "PropagationNeedsManager spec.guestUsers[0].propagatedBy";
    assert_eq!(verdict_about(&world, "instagram"), [refused]);
    // As long as the records of other guests are unknown, no membership counts as new.
    let inputs = Inputs { scope: AvailableFacts::SPECS, ..world.seen() };
    assert_eq!(verdict(inputs, Kind::Share, "instagram"), [""; 0]);
}
