//! The rules about a membership and its partner, and the facts that a new membership waits for.

use guestlist::cache::Kind;
use guestlist::directory::{Import, Integrity, Login, PartnerId, UserRecord};
use guestlist::plan::evaluate::EvaluatedPartner;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;

use super::{change_metadata, change_record, member_steps, verdict};
use crate::support::in_memory::{SPACE, World, email};

const ADMIN: &str = "hostAdmins: [alice@host.example]";

fn verdict_about(world: &World, name: &str) -> Vec<String> {
    verdict(world.seen(), Kind::Membership, name)
}

#[test]
fn invalid_list_of_a_partner_is_no_violation_of_its_guests() {
    let cases = [
        ("mfa: {methods: [TOTP]}", "", "MfaMethodNotAllowed spec.mfa.methods"),
        ("mfa: {methods: [TOTP, WebAuthn]}", "", ""),
        ("mfa: {methods: [SMS]}", "MfaMethodNotAllowed", ""),
        ("guests: {allowedDomains: [brio.example]}", "", "DomainNotAllowed spec.email"),
        ("guests: {allowedDomains: ['*']}", "DomainListsExclusive", ""),
        ("guests: {deniedDomains: [acme.example]}", "", "DomainNotAllowed spec.email"),
        ("guests: {deniedDomains: ['*', acme.example]}", "DomainListsExclusive", ""),
    ];
    for (partner, waits, expected) in cases {
        let mut world = World::acme();
        world.settle();
        world.partner("acme", &format!("{ADMIN}\n{partner}"));
        for name in ["bob", "new"] {
            world.member(name, "GuestUser", "mfa: {methods: [WebAuthn]}");
            let waits = format!("waits: {waits}");
            let expected: Vec<&str> =
                [expected, &waits].into_iter().filter(|text| !text.is_empty() && *text != "waits: ").collect();
            assert_eq!(verdict_about(&world, name), expected, "{name}: {partner}");
        }
    }
}

#[test]
fn new_membership_waits_for_each_missing_fact() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit, &str); 8] = [
        ("nothing", |_| {}, ""),
        ("the partner", |world| world.vanishes(Kind::Partner, "acme"), "waits: PartnerNotFound"),
        ("a readable partner", |world| world.becomes_unreadable(Kind::Partner, "acme"), "waits: Unreadable"),
        ("a partner that stays", |world| world.delete(Kind::Partner, "acme"), "waits: PartnerDeleting"),
        (
            "a Host Admin",
            |world| world.partner("acme", "hostAdmins: [later@host.example]"),
            "InviterNotAllowed spec.invitedBy, waits: HostAdminNotFound",
        ),
        (
            "corporate domains",
            |world| {
                let policy = "tenants: [{namespace: partners, hostAdmins: ['*@host.example']}]";
                world.workspace = WorkspacePolicy::parse(policy).unwrap();
            },
            "waits: HostDomainsUnknown",
        ),
        (
            "the mail interval",
            |world| {
                world.settle();
                world.delete(Kind::Membership, "new");
                world.settle();
                world.member("new", "GuestUser", "");
            },
            "waits: MailInterval",
        ),
        ("a free place", |world| world.workspace.invitations_per_hour = 3, "waits: InvitationLimit"),
    ];
    for (what, edit, expected) in edits {
        let mut world = World::acme();
        world.settle();
        world.member("new", "GuestUser", "");
        edit(&mut world);
        assert_eq!(verdict_about(&world, "new").join(", "), expected, "{what}");
        if what == "a partner that stays" {
            assert_eq!(verdict_about(&world, "bob"), [""; 0], "an admitted guest stays");
        }
        let waits = world.plan(&super::key(Kind::Membership, "new")).waits_for_turn;
        assert_eq!(waits, expected.ends_with("InvitationLimit"), "{what}");
    }
}

#[test]
fn invitation_that_is_not_sent_waits_for_no_turn() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit); 7] = [
        ("suspended", |world| world.member("new", "GuestUser", "suspended: true")),
        ("partner suspended", |world| world.partner("acme", &format!("{ADMIN}\nsuspended: true"))),
        ("expired", |world| world.member("new", "GuestUser", "expiresAt: '2027-01-01T00:00:00Z'")),
        ("paused", |world| world.annotate(Kind::Membership, "new", guestlist::api::PAUSED, "true")),
        ("partner paused", |world| world.annotate(Kind::Partner, "acme", guestlist::api::PAUSED, "true")),
        ("being deleted", |world| super::terminate(world, Kind::Membership, "new")),
        ("policy unreadable", |world| world.workspace.set_readable(false)),
    ];
    for (what, edit) in edits {
        let mut world = World::acme();
        world.settle();
        world.workspace.invitations_per_hour = 1;
        world.member("new", "GuestUser", "");
        assert_eq!(verdict_about(&world, "new"), ["waits: InvitationLimit"]);
        edit(&mut world);
        assert_eq!(verdict_about(&world, "new"), [""; 0], "{what}");
    }
    // A guest with an open invitation or with a disabled login gets no mail either.
    let mut world = World::acme();
    world.settle();
    world.workspace.invitations_per_hour = 1;
    assert_eq!(verdict_about(&world, "bob"), [""; 0]);
    world.now += SignedDuration::from_mins(30);
    change_record(&mut world, "bob", |record| record.invitation = None);
    assert_eq!(verdict_about(&world, "bob"), ["waits: InvitationLimit"]);
    change_record(&mut world, "bob", |record| record.login = Login::DisabledByOther);
    assert_eq!(verdict_about(&world, "bob"), [""; 0]);
}

#[test]
fn mail_interval_ends_at_its_instant() {
    let mut world = World::acme();
    world.settle();
    let sent = world.now;
    change_record(&mut world, "bob", |record| record.invitation = None);
    for (seconds, expected) in [(0, "waits: MailInterval"), (599, "waits: MailInterval"), (600, "")] {
        world.now = sent + SignedDuration::from_secs(seconds);
        assert_eq!(verdict_about(&world, "bob").join(", "), expected, "{seconds} s");
    }
}

#[test]
fn address_of_the_workspace_belongs_to_no_new_guest() {
    const REFUSED: &str = "IsWorkspaceUser spec.email";
    let user =
        |enabled| UserRecord { email: email("new@acme.example"), name: "New".to_owned(), enabled, verified: true };
    // The adoption by the spec and by the policy, whether the user is enabled, and the verdict.
    let cases = [
        ("Never", false, true, REFUSED),
        ("Never", true, true, REFUSED),
        ("Unmarked", false, true, REFUSED),
        ("Unmarked", true, true, ""),
        ("Unmarked", true, false, "waits: DisabledByAdministrator"),
    ];
    for (spec, by_policy, enabled, expected) in cases {
        let mut world = World::acme();
        let tenants = format!("[{{namespace: partners, hostAdmins: ['*@host.example'], adoption: {by_policy}}}]");
        world.workspace = WorkspacePolicy::parse(&format!("domains: [host.example]\ntenants: {tenants}")).unwrap();
        world.partner("acme", &format!("{ADMIN}\nadoption: {spec}"));
        world.settle();
        world.member("new", "GuestUser", "");
        assert_eq!(verdict_about(&world, "new"), [""; 0], "no user has the address");
        let import = Import { users: vec![user(enabled)], accounts: vec![] };
        world.play(|store, _| store.import(&import));
        assert_eq!(verdict_about(&world, "new").join(", "), expected, "{spec}, {by_policy}, {enabled}");
    }
    // A Host Admin counts only where the policy lets their namespace name them.
    for (admins, expected) in [("['*']", REFUSED), ("['*@host.example']", "")] {
        let mut world = World::acme();
        let tenants = format!("[{{namespace: partners, hostAdmins: {admins}}}]");
        world.workspace = WorkspacePolicy::parse(&format!("domains: [host.example]\ntenants: {tenants}")).unwrap();
        world.partner("brio", "hostAdmins: [alice@host.example, new@other.example]");
        world.settle();
        let spec = "partnerRef: {name: acme}\nemail: new@other.example\ninvitedBy: alice@host.example";
        world.membership("new", spec);
        assert_eq!(verdict_about(&world, "new").join(", "), expected, "{admins}");
    }
    // The Owner of an account is no guest.
    let mut world = World::shared();
    world.owners("newsletter", &["alice@host.example", "new@acme.example"]);
    world.member("new", "GuestUser", "");
    assert_eq!(verdict_about(&world, "new"), [REFUSED]);
}

#[test]
fn fields_of_an_admitted_guest_are_immutable() {
    let mut world = World::shared();
    let bob = |email: &str, partner: &str| {
        format!("partnerRef: {{name: {partner}}}\nemail: {email}\nrole: GuestUser\ninvitedBy: alice@host.example")
    };
    world.partner("brio", ADMIN);
    world.settle();
    for (address, partner, expected) in [
        ("bob@acme.example", "acme", vec![]),
        ("BOB@acme.example", "acme", vec![]),
        ("robert@acme.example", "acme", vec!["Immutable spec.email"]),
        ("bob@acme.example", "brio", vec!["Immutable spec.partnerRef.name"]),
        ("robert@acme.example", "brio", vec!["Immutable spec.email", "Immutable spec.partnerRef.name"]),
    ] {
        world.membership("bob", &bob(address, partner));
        assert_eq!(verdict_about(&world, "bob"), expected, "{address} {partner}");
    }
}

#[test]
fn cascade_includes_memberships_created_before_it() {
    let mut world = World::shared();
    let begin = world.now + SignedDuration::from_hours(1);
    world.partner("acme", &format!("{ADMIN}\ndeletion: Cascade"));
    world.now = begin;
    world.delete(Kind::Partner, "acme");
    let second = SignedDuration::from_secs(1);
    let created = |at: Option<jiff::Timestamp>| at.map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time);
    for (at, ends) in [(Some(begin - second), true), (Some(begin), true), (None, true), (Some(begin + second), false)] {
        change_metadata(&mut world, Kind::Membership, "dave", |metadata| metadata.creation_timestamp = created(at));
        let status = world.plan(&super::key(Kind::Membership, "dave")).status;
        let Some(guestlist::plan::Status::Membership(status)) = status else { panic!("no status") };
        assert_eq!(status.state.as_deref(), Some(if ends { "Terminating" } else { "Active" }), "{at:?}");
    }
    assert_eq!(member_steps(&world, "bob"), ["Terminating: revoke instagram"]);
}

#[test]
fn mail_that_was_not_sent_is_awaited_only_without_an_invitation() {
    type Change = fn(&mut guestlist::directory::GuestRecord);
    let changes: [(&str, Change, &str); 3] = [
        ("invited", |_| {}, ""),
        ("not invited", |record| record.invitation = None, "waits: MailNotSent"),
        ("joined", |record| (record.invitation, record.joined_at) = (None, Some(record.admitted_at)), ""),
    ];
    for (what, change, expected) in changes {
        let mut world = World::acme();
        world.settle();
        world.now += SignedDuration::from_hours(1);
        change_record(&mut world, "bob", change);
        let inputs = guestlist::plan::Inputs { unsent: true, ..world.seen() };
        assert_eq!(verdict(inputs, Kind::Membership, "bob").join(", "), expected, "{what}");
    }
}

#[test]
fn partner_has_its_own_record_or_a_live_one_without_an_object() {
    type Record = (&'static str, &'static str, bool, Integrity);
    const OWN: &str = "own";
    let live = |id, uid| (id, uid, true, Integrity::Intact);
    let removed = |id, uid| (id, uid, false, Integrity::Intact);
    let unreadable = |id, uid| (id, uid, true, Integrity::Unreadable);
    let cases: [(Vec<Record>, Option<&str>); 11] = [
        (vec![], None),
        (vec![live("a", OWN), live("z", "left")], Some("a")),
        (vec![live("a", "left"), live("z", OWN)], Some("z")),
        (vec![removed("a", OWN), live("z", "left")], Some("a")),
        (vec![live("a", "left")], Some("a")),
        (vec![live("a", "of brio")], None),
        (vec![removed("a", "left")], None),
        (vec![removed("a", "of brio")], None),
        (vec![live("a", "left"), unreadable("z", "")], Some("z")),
        (vec![unreadable("a", ""), live("z", "left")], Some("a")),
        (vec![unreadable("a", ""), live("z", OWN)], Some("z")),
    ];
    for (records, expected) in cases {
        let mut world = World::acme();
        world.partner("brio", ADMIN);
        world.settle();
        let uid =
            |world: &World, name: &str| world.objects[&super::key(Kind::Partner, name)].metadata().uid.clone().unwrap();
        let (own, of_brio) = (uid(&world, "acme"), uid(&world, "brio"));
        let mut model = None;
        for record in world.directory_cache.partners().cloned().collect::<Vec<_>>() {
            world.directory_cache.set_partner(&record.id, None);
            model = model.or((record.mark.name == "acme").then_some(record));
        }
        for (id, uid, is_live, integrity) in &records {
            let mut record = model.clone().unwrap();
            record.id = PartnerId((*id).to_owned());
            record.mark.uid = match *uid {
                OWN => own.clone(),
                "of brio" => of_brio.clone(),
                uid => uid.to_owned(),
            };
            record.deactivated_at = (!is_live).then_some(world.now);
            record.integrity = *integrity;
            world.directory_cache.set_partner(&record.id.clone(), Some(record));
        }
        let found = EvaluatedPartner::of(world.seen(), SPACE, "acme").record.map(|record| &*record.id.0);
        assert_eq!(found, expected, "{records:?}");
    }
}
