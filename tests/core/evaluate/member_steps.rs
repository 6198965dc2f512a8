//! The steps that a plan of a membership contains, and the further fields of that plan.

use guestlist::api;
use guestlist::cache::Kind;
use guestlist::directory::{Integrity, Login, MfaRecord, Origin, PartnerId};
use guestlist::domain::{MfaMethod, Reason};
use guestlist::plan::{Event, Finalizer, PruneScope, Status};
use guestlist::validation::entry;
use jiff::SignedDuration;

use super::{accept, change_record, key, member_steps, terminate};
use crate::support::in_memory::{World, email};

const ADMIN: &str = "hostAdmins: [alice@host.example]";

#[test]
fn edit_of_a_share_plans_the_smallest_change_of_its_grant() {
    let cases: [(&str, &str, &[&str]); 12] = [
        ("instagram", "guestAdminRole: Manager\nexpiresAt: '2027-06-01T00:00:00Z'", &[]),
        (
            "instagram",
            "guestAdminRole: Collaborator\nexpiresAt: '2027-06-01T00:00:00Z'",
            &["Reconciled: reduce to instagram as Collaborator until 2027-06-01T00:00:00Z"],
        ),
        (
            "instagram",
            "guestAdminRole: Manager\nexpiresAt: '2027-05-01T00:00:00Z'",
            &["Reconciled: reduce to instagram as Manager until 2027-05-01T00:00:00Z"],
        ),
        (
            "instagram",
            "guestAdminRole: Manager\nexpiresAt: '2027-06-01T00:00:00Z'\nmfa: {methods: [WebAuthn]}",
            &["Reconciled: reduce to instagram as Manager until 2027-06-01T00:00:00Z"],
        ),
        (
            "instagram",
            "guestAdminRole: Manager\nexpiresAt: '2027-07-01T00:00:00Z'",
            &["Active: grant instagram as Manager until 2027-07-01T00:00:00Z"],
        ),
        ("instagram", "guestAdminRole: Manager", &["Active: grant instagram as Manager"]),
        (
            "instagram",
            "guestAdminRole: Collaborator",
            &[
                "Reconciled: reduce to instagram as Collaborator until 2027-06-01T00:00:00Z",
                "Active: grant instagram as Collaborator",
            ],
        ),
        ("instagram", "guestAdminRole: Manager\nexpiresAt: '2020-01-01T00:00:00Z'", &["Expired: revoke instagram"]),
        ("instagram", "guestAdminRole: Manager\nsuspended: true", &["Suspended: revoke instagram"]),
        ("instagram", "exclude: [{name: carol}]", &["Reconciled: revoke instagram"]),
        ("newsletter", "guestAdminRole: Manager", &["Active: grant newsletter as Manager"]),
        (
            "newsletter",
            "expiresAt: '2027-05-01T00:00:00Z'",
            &["Reconciled: reduce to newsletter as Collaborator until 2027-05-01T00:00:00Z"],
        ),
    ];
    for (account, spec, expected) in cases {
        let mut world = World::acme();
        world.share("instagram", "guestAdminRole: Manager\nexpiresAt: '2027-06-01T00:00:00Z'");
        world.share("newsletter", "");
        world.settle();
        world.joins(&["carol"]);
        world.play(|store, now| store.enroll_mfa(&email("carol@acme.example"), MfaMethod::WebAuthn, now));
        world.settle();
        assert_eq!(world.access().len(), 2);
        world.share(account, spec);
        assert_eq!(member_steps(&world, "carol"), expected, "{account}: {spec}");
        world.settle();
        let grants = world.record("carol").unwrap().grants;
        let methods = |account: &str| grants.get(account).map(|held| held.grant.asked.len());
        assert_eq!(methods("instagram"), grants.get("instagram").map(|_| if spec.contains("methods") { 1 } else { 2 }));
    }
}

#[test]
fn record_that_differs_from_the_object_is_updated_once() {
    type Difference = fn(&mut guestlist::directory::GuestRecord);
    let differences: [(&str, Difference); 5] = [
        ("integrity", |record| record.integrity = Integrity::Outdated),
        ("mark", |record| record.mark.as_mut().unwrap().name = "robert".to_owned()),
        ("display name", |record| record.display_name = "Robert".to_owned()),
        ("partner", |record| record.partner = PartnerId("elsewhere".to_owned())),
        ("methods", |record| record.allowed = [MfaMethod::TOTP].into()),
    ];
    let mut world = World::shared();
    assert_eq!(member_steps(&world, "bob"), [""; 0]);
    let bob = world.record("bob").unwrap();
    let update = "Reconciled: update the guest: name \"bob@acme.example\", ownership mark, MFA methods";
    for (what, difference) in differences {
        let mut record = bob.clone();
        difference(&mut record);
        world.directory_cache.set_guest(&bob.address, Some(record));
        assert_eq!(member_steps(&world, "bob"), [update], "{what}");
    }
}

#[test]
fn reset_annotation_removes_methods_enrolled_before_it_once() {
    type Change = fn(&mut guestlist::directory::GuestRecord);
    // Minutes from the enrolment to the time in the annotation, and whether a reset is planned an hour after it.
    let cases: [(&str, i64, bool, Change); 9] = [
        ("before the enrolment", -1, false, |_| {}),
        ("at the enrolment", 0, false, |_| {}),
        ("after the enrolment", 1, true, |_| {}),
        ("now", 60, true, |_| {}),
        ("in the future", 61, false, |_| {}),
        ("another method enrolled later", 1, true, |record| {
            let MfaRecord::Known(methods) = &record.mfa else { panic!("unknown") };
            let since = *methods.values().next().unwrap();
            let later = since + SignedDuration::from_hours(2);
            let both = [(MfaMethod::TOTP, since), (MfaMethod::WebAuthn, later)];
            record.mfa = MfaRecord::Known(both.into_iter().collect());
        }),
        ("adopted", 1, false, |record| record.mark.as_mut().unwrap().origin = Origin::Adopted),
        ("not joined", 1, false, |record| record.joined_at = None),
        ("unknown methods", 1, false, |record| record.mfa = MfaRecord::Unknown),
    ];
    for (what, minutes, resets, change) in cases {
        let mut world = World::shared();
        let enrolled = world.now;
        world.now += SignedDuration::from_hours(1);
        let asked = enrolled + SignedDuration::from_mins(minutes);
        world.annotate(Kind::Membership, "bob", api::RESET_MFA, &asked.to_string());
        change_record(&mut world, "bob", change);
        let expected = format!("MfaNotEnrolled: remove MFA enrolled before {asked} and end sessions");
        let found: Vec<_> = member_steps(&world, "bob").into_iter().filter(|step| step.contains("MFA enrol")).collect();
        assert_eq!(found, if resets { vec![expected] } else { vec![] }, "{what}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn invited_guest_gets_the_steps_of_each_edit() {
    const REVOKE: &str = "revoke the invitation";
    const DISABLE: &str = "disable the login and end sessions";
    const PROMOTE: &str = "Reconciled: record the role GuestAdmin";
    const UPDATE: &str = "Reconciled: update the guest: name \"Bobby\", ownership mark, MFA methods";
    type Edit = fn(&mut World);
    let edits: [(&str, Edit, &[String]); 17] = [
        ("none", |_| {}, &[]),
        ("suspended", |world| world.member("bob", "GuestUser", "suspended: true"), &[format!("Suspended: {DISABLE}")]),
        (
            "expired",
            |world| world.member("bob", "GuestUser", "expiresAt: '2020-01-01T00:00:00Z'"),
            &[format!("Expired: {DISABLE}")],
        ),
        (
            "partner suspended",
            |world| world.partner("acme", &format!("{ADMIN}\nsuspended: true")),
            &[format!("Suspended: {DISABLE}")],
        ),
        (
            "rejected",
            |world| world.member("bob", "GuestUser", "mfa: {required: false}"),
            &[format!("MfaCannotBeWaived: {REVOKE}")],
        ),
        (
            "partner deleted with Cascade",
            |world| {
                world.partner("acme", &format!("{ADMIN}\ndeletion: Cascade"));
                world.delete(Kind::Partner, "acme");
            },
            &[format!("Terminating: {REVOKE}")],
        ),
        (
            "deleted",
            |world| world.delete(Kind::Membership, "bob"),
            &[
                format!("Terminating: {REVOKE}"),
                "Terminating: deactivate the guest: disable the login, keep the record until the purge".to_owned(),
            ],
        ),
        ("promoted", |world| world.member("bob", "GuestAdmin", ""), &[PROMOTE.to_owned()]),
        ("renamed", |world| world.member("bob", "GuestUser", "displayName: Bobby"), &[UPDATE.to_owned()]),
        (
            "promoted without a known Host Admin",
            |world| {
                world.partner("acme", "hostAdmins: [later@host.example]");
                world.member("bob", "GuestAdmin", "displayName: Bobby");
            },
            &[UPDATE.to_owned()],
        ),
        (
            "promoted and paused",
            |world| {
                world.annotate(Kind::Membership, "bob", api::PAUSED, "true");
                world.member("bob", "GuestAdmin", "displayName: Bobby");
            },
            &[],
        ),
        (
            "promoted, with the partner paused",
            |world| {
                world.annotate(Kind::Partner, "acme", api::PAUSED, "true");
                world.member("bob", "GuestAdmin", "displayName: Bobby");
            },
            &[],
        ),
        (
            "suspended and paused",
            |world| {
                world.annotate(Kind::Membership, "bob", api::PAUSED, "true");
                world.member("bob", "GuestUser", "suspended: true");
            },
            &[format!("Suspended: {DISABLE}")],
        ),
        (
            "promoted without a readable policy",
            |world| {
                world.workspace.set_readable(false);
                world.member("bob", "GuestAdmin", "displayName: Bobby");
            },
            &[UPDATE.to_owned()],
        ),
        (
            "promoted while the record of the partner is suspended",
            |world| {
                let partner = world.directory_cache.partners().next().unwrap().clone();
                let suspended = guestlist::directory::PartnerRecord { suspended: true, ..partner };
                world.directory_cache.set_partner(&suspended.id.clone(), Some(suspended));
                world.member("bob", "GuestAdmin", "displayName: Bobby");
            },
            &[UPDATE.to_owned()],
        ),
        (
            "no longer suspended",
            |world| {
                world.member("bob", "GuestUser", "suspended: true");
                world.settle();
                world.member("bob", "GuestUser", "");
            },
            &["Invited: enable the login".to_owned()],
        ),
        (
            "the invitation is gone",
            |world| change_record(world, "bob", |record| record.invitation = None),
            &["Invited: resend the invitation; it ends 2027-01-04T01:00:00Z".to_owned()],
        ),
    ];
    for (what, edit, expected) in edits {
        let mut world = World::acme();
        world.settle();
        world.now += SignedDuration::from_hours(1);
        edit(&mut world);
        assert_eq!(member_steps(&world, "bob"), expected, "{what}");
    }
}

#[test]
fn demoted_guest_admin_loses_the_role_before_any_grant() {
    let mut world = World::shared();
    world.member("carol", "GuestUser", "displayName: Carol");
    let expected = [
        "Reconciled: revoke instagram",
        "Reconciled: record the role GuestUser",
        "Reconciled: update the guest: name \"Carol\", ownership mark, MFA methods",
    ];
    assert_eq!(member_steps(&world, "carol"), expected);
}

#[test]
fn login_of_an_adopted_user_is_neither_disabled_nor_enabled() {
    let mut world = World::shared();
    change_record(&mut world, "bob", |record| record.mark.as_mut().unwrap().origin = Origin::Adopted);
    world.member("bob", "GuestUser", "suspended: true");
    assert_eq!(member_steps(&world, "bob"), ["Suspended: revoke instagram"]);
    world.delete(Kind::Membership, "bob");
    let steps = member_steps(&world, "bob");
    assert_eq!(steps[0], "Terminating: revoke instagram");
    assert!(steps.len() == 2 && steps[1].starts_with("Terminating: release"), "{steps:?}");
}

#[test]
fn revocation_names_the_reason_of_its_own_account() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager");
    world.share("newsletter", "");
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    let message = |world: &World| world.plan(&key(Kind::Membership, "carol")).steps[0].message.clone();
    world.share("newsletter", "suspended: true");
    assert_eq!(member_steps(&world, "carol"), ["Suspended: revoke newsletter"]);
    world.share("newsletter", "");
    // A rule is explained by its meaning, another reason as in the condition.
    world.member("carol", "GuestAdmin", "mfa: {required: false}");
    assert_eq!(member_steps(&world, "carol"), ["MfaCannotBeWaived: revoke instagram, newsletter"]);
    assert_eq!(message(&world), format!("instagram, newsletter: {}", entry(Reason::MfaCannotBeWaived).meaning));
    world.member("carol", "GuestAdmin", "suspended: true");
    let Some(Status::Membership(status)) = world.plan(&key(Kind::Membership, "carol")).status else { panic!("none") };
    assert_eq!(message(&world), format!("instagram, newsletter: {}", status.conditions[0].message));
}

#[test]
fn plan_of_a_deletion_has_basis_status_event_and_release() {
    let mut world = World::shared();
    world.member("new", "GuestUser", "suspended: true");
    for name in ["bob", "new"] {
        let record = world.record(name);
        terminate(&mut world, Kind::Membership, name);
        let plan = world.plan(&key(Kind::Membership, name));
        assert_eq!(plan.basis, record.as_ref().map(|record| record.revision), "{name}");
        assert_eq!(plan.finalizer, Finalizer::Release, "{name}");
        assert_eq!(plan.events, record.map(|_| Event::REMOVED).into_iter().collect::<Vec<_>>(), "{name}");
        let Some(Status::Membership(status)) = plan.status else { panic!("no status of {name}") };
        assert_eq!((status.state.as_deref(), status.accounts.len()), (Some("Terminating"), 0), "{name}");
    }
}

#[test]
fn unreadable_membership_is_removed_by_its_deletion_alone() {
    let mut world = World::shared();
    world.becomes_unreadable(Kind::Membership, "bob");
    let plan = world.plan(&key(Kind::Membership, "bob"));
    let Some(Status::Membership(status)) = plan.status else { panic!("no status") };
    assert_eq!((plan.steps, plan.finalizer), (vec![], Finalizer::Leave));
    assert_eq!((&*status.conditions[0].reason, &*status.conditions[0].status), ("Unreadable", "False"));
    terminate(&mut world, Kind::Membership, "bob");
    let plan = world.plan(&key(Kind::Membership, "bob"));
    assert_eq!((plan.steps.len(), plan.finalizer, plan.status), (2, Finalizer::Release, None));
}

#[test]
fn plan_publishes_events_of_its_violation_and_revocation() {
    type Edit = fn(&mut World);
    let shut = |reason| Event { reason, ..Event::SHUT };
    let edits: [(&str, Edit, Vec<Event>); 5] = [
        ("dave", |_| {}, vec![]),
        ("dave", |world| world.member("dave", "GuestUser", "suspended: true"), vec![shut(Reason::Suspended)]),
        (
            "dave",
            |world| world.member("dave", "GuestUser", "expiresAt: '2020-01-01T00:00:00Z'"),
            vec![shut(Reason::Expired)],
        ),
        ("bob", |world| world.member("bob", "GuestUser", "suspended: true"), vec![Event::withheld(Reason::Suspended)]),
        (
            "bob",
            |world| world.member("bob", "GuestUser", "mfa: {required: false}"),
            vec![Event::refused(Reason::MfaCannotBeWaived), Event::withheld(Reason::MfaCannotBeWaived)],
        ),
    ];
    for (name, edit, expected) in edits {
        let mut world = World::shared();
        edit(&mut world);
        assert_eq!(world.plan(&key(Kind::Membership, name)).events, expected, "{name}");
    }
    let mut world = World::shared();
    world.now += SignedDuration::from_hours(1);
    world.annotate(Kind::Membership, "dave", api::RESET_MFA, &world.now.to_string());
    assert_eq!(world.plan(&key(Kind::Membership, "dave")).events, [Event::withheld(Reason::MfaNotEnrolled)]);
}

#[test]
fn finalizer_is_held_as_soon_as_there_is_a_record_or_a_step() {
    let mut world = World::acme();
    let finalizer = |world: &World, name: &str| world.plan(&key(Kind::Membership, name)).finalizer;
    world.pass(&key(Kind::Partner, "acme"));
    world.pass(&key(Kind::Partner, "acme"));
    assert_eq!(finalizer(&world, "bob"), Finalizer::Hold, "the invitation is planned");
    world.member("bob", "GuestUser", "suspended: true");
    assert_eq!(finalizer(&world, "bob"), Finalizer::Leave, "nothing is planned");
    world.member("bob", "GuestUser", "");
    world.settle();
    assert_eq!((member_steps(&world, "bob"), finalizer(&world, "bob")), (vec![], Finalizer::Hold));
}

#[test]
fn guest_without_the_required_method_is_read_again() {
    let carol = email("carol@acme.example");
    let mut world = World::shared();
    let recheck = |world: &World| world.plan(&key(Kind::Membership, "carol")).recheck;
    assert_eq!(recheck(&world), None);
    world.share("instagram", "guestAdminRole: Manager\nmfa: {methods: [WebAuthn]}");
    assert_eq!(recheck(&world), Some(carol.clone()), "one share requires another method");
    world.share("instagram", "guestAdminRole: Manager");
    world.member("carol", "GuestAdmin", "mfa: {methods: [WebAuthn]}");
    assert_eq!(recheck(&world), Some(carol), "the membership requires another method");
    world.member("carol", "GuestAdmin", "");
    world.resets_mfa("carol");
    assert_eq!(recheck(&world), None, "no method is enrolled");
}

#[test]
fn next_check_is_the_first_instant_that_changes_the_plan() {
    type Edit = fn(&mut World);
    // Hours from the time of the plan. The grace before an end is 336 hours.
    let cases: [(&str, &str, Edit, Option<i64>); 14] = [
        ("nothing", "bob", |_| {}, None),
        ("end", "bob", |world| world.member("bob", "GuestUser", &ends(world, 400)), Some(64)),
        ("end within the grace", "bob", |world| world.member("bob", "GuestUser", &ends(world, 336)), Some(336)),
        ("end in the past", "bob", |world| world.member("bob", "GuestUser", &ends(world, 0)), None),
        (
            "end of the partner",
            "bob",
            |world| world.partner("acme", &format!("{ADMIN}\n{}", ends(world, 100))),
            Some(100),
        ),
        (
            "end of a share",
            "carol",
            |world| world.share("instagram", &format!("guestAdminRole: Manager\n{}", ends(world, 7))),
            Some(7),
        ),
        ("reset", "bob", |world| annotate(world, api::RESET_MFA, 5), Some(5)),
        ("resend", "bob", |world| annotate(world, api::RESEND_INVITATION, 6), Some(6)),
        ("reset in the past", "bob", |world| annotate(world, api::RESET_MFA, 0), None),
        (
            "deadline",
            "bob",
            |world| {
                change_record(world, "bob", |record| record.mfa = MfaRecord::Known([].into()));
            },
            Some(168),
        ),
        (
            "unknown methods",
            "bob",
            |world| {
                change_record(world, "bob", |record| record.mfa = MfaRecord::Unknown);
                let bob = email("bob@acme.example");
                world.directory_cache.set_mfa_unknown_since(&bob, Some(world.now - SignedDuration::from_hours(4)));
            },
            Some(20),
        ),
        ("invitation", "new", |world| newcomer(world, ""), Some(72)),
        (
            "new membership too long",
            "new",
            |world| {
                world.partner("acme", &format!("{ADMIN}\nguests: {{maxDuration: 500h}}"));
                let end = ends(world, 501);
                world.member("new", "GuestUser", &end);
            },
            Some(1),
        ),
        (
            "new propagator too long",
            "bob",
            |world| {
                world.partner("acme", &format!("{ADMIN}\nguests: {{maxDuration: 500h}}"));
                let end = ends(world, 502);
                world.member("new", "GuestAdmin", &end);
                world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: new}]");
            },
            Some(2),
        ),
    ];
    for (what, name, edit, hours) in cases {
        let mut world = World::shared();
        edit(&mut world);
        let next = world.plan(&key(Kind::Membership, name)).next_check;
        assert_eq!(next, hours.map(|hours| world.now + SignedDuration::from_hours(hours)), "{what}");
    }
}

fn ends(world: &World, hours: i64) -> String {
    format!("expiresAt: '{}'", world.now + SignedDuration::from_hours(hours))
}

fn annotate(world: &mut World, name: &str, hours: i64) {
    let at = world.now + SignedDuration::from_hours(hours);
    world.annotate(Kind::Membership, "bob", name, &at.to_string());
}

fn newcomer(world: &mut World, more: &str) {
    world.member("new", "GuestUser", more);
    world.settle();
}

#[test]
fn accepted_invitation_is_never_due_again() {
    let mut world = World::acme();
    world.settle();
    accept(&mut world, "bob");
    world.settle();
    world.now += SignedDuration::from_hours(1);
    world.annotate(Kind::Membership, "bob", api::RESEND_INVITATION, &world.now.to_string());
    assert_eq!(member_steps(&world, "bob"), [""; 0]);
    // The invitation that was sent at the time of the annotation is the one that it asks for.
    for (minutes, due) in [(-1, false), (0, false), (30, true), (60, true), (61, false)] {
        let mut world = World::acme();
        world.settle();
        let asked = world.now + SignedDuration::from_mins(minutes);
        world.now += SignedDuration::from_hours(1);
        world.annotate(Kind::Membership, "bob", api::RESEND_INVITATION, &asked.to_string());
        assert_eq!(member_steps(&world, "bob").len(), usize::from(due), "{minutes} minutes after the invitation");
    }
}

#[test]
fn invitation_is_resent_only_while_nothing_withholds_it() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit, bool); 8] = [
        ("nothing", |_| {}, true),
        ("suspended", |world| world.member("bob", "GuestUser", "suspended: true"), false),
        ("expired", |world| world.member("bob", "GuestUser", "expiresAt: '2020-01-01T00:00:00Z'"), false),
        ("joined", |world| change_record(world, "bob", |record| record.joined_at = Some(world_start())), false),
        (
            "disabled by an administrator",
            |world| change_record(world, "bob", |record| record.login = Login::DisabledByOther),
            false,
        ),
        (
            "still in another organization",
            |world| change_record(world, "bob", |record| record.partner = PartnerId("elsewhere".to_owned())),
            false,
        ),
        ("too early after the last mail", |world| world.now = world_start(), false),
        (
            "address changed",
            |world| change_record(world, "bob", |record| record.email = email("b@acme.example")),
            false,
        ),
    ];
    for (what, edit, resends) in edits {
        let mut world = World::acme();
        world.settle();
        world.now += SignedDuration::from_hours(1);
        change_record(&mut world, "bob", |record| record.invitation = None);
        edit(&mut world);
        let steps = member_steps(&world, "bob");
        assert_eq!(steps.iter().any(|step| step.contains("resend")), resends, "{what}: {steps:?}");
    }
}

fn world_start() -> jiff::Timestamp {
    World::new().now
}

#[test]
fn grant_without_share_is_revoked_where_all_shares_are_known() {
    let everything = PruneScope::Everything;
    let partners = PruneScope::DeclaredPartners { at_most: None };
    for (scope, has_share, expected) in [
        (everything, true, vec!["Reconciled: revoke instagram"]),
        (partners, true, vec!["Reconciled: revoke instagram"]),
        (PruneScope::Declared, true, vec![]),
        (PruneScope::Declared, false, vec!["Reconciled: revoke instagram"]),
    ] {
        let mut world = World::shared();
        world.vanishes(Kind::Share, "instagram");
        world.prune_scope = scope;
        if !has_share {
            change_record(&mut world, "carol", |record| {
                let mut held = record.grants.get("instagram").unwrap().clone();
                held.grant.share_uid = String::new();
                record.grants = [("instagram".to_owned(), held)].into();
            });
        }
        assert_eq!(member_steps(&world, "carol"), expected, "{scope:?}, of a share: {has_share}");
        // Without the partner, the files decide nothing about its guests.
        world.vanishes(Kind::Partner, "acme");
        let is_decided = scope == everything;
        assert_eq!(member_steps(&world, "carol").is_empty(), !is_decided, "{scope:?}");
    }
}

#[test]
fn grant_passes_to_the_recreated_share_and_to_no_other() {
    const MANAGER: &str = "guestAdminRole: Manager";
    type Edit = fn(&mut World);
    let edits: [(&str, &str, Edit, &[&str]); 3] = [
        ("recreated", "instagram", |world| world.share("instagram", MANAGER), &["Active: grant instagram as Manager"]),
        (
            "another share of the account",
            "second",
            |world| {
                let spec = "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example";
                world.share_of("second", &format!("{spec}\n{MANAGER}"));
            },
            &["Reconciled: revoke instagram", "Active: grant instagram as Manager"],
        ),
        (
            "recreated with less",
            "instagram",
            |world| world.share("instagram", ""),
            &["Reconciled: reduce to instagram as Collaborator", "Active: grant instagram as Collaborator"],
        ),
    ];
    for (what, share, edit, expected) in edits {
        let mut world = World::shared();
        world.vanishes(Kind::Share, "instagram");
        edit(&mut world);
        // Adds the finalizer of the share.
        world.pass(&key(Kind::Share, share));
        assert_eq!(member_steps(&world, "carol"), expected, "{what}");
    }
    // No enrolled method of the earlier grant counts for the later one.
    let mut world = World::shared();
    world.share("instagram", "guestAdminRole: Manager\nmfa: {methods: [TOTP]}");
    world.settle();
    world.play(|store, now| store.enroll_mfa(&email("carol@acme.example"), MfaMethod::WebAuthn, now));
    world.share("instagram", "guestAdminRole: Manager\nmfa: {methods: [WebAuthn]}");
    assert_eq!(member_steps(&world, "carol"), ["Reconciled: revoke instagram", "Active: grant instagram as Manager"]);
}
