//! The lifecycle of guests and shares, on plans and the embedded directory: the result of each step.
use crate::support::in_memory::{MANAGER, SPACE, World, email};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{Operation, PartnerChange};

#[test]
fn guest_gets_account_only_after_joining_and_enrolling_mfa() {
    let mut world = World::acme();
    world.share("instagram", MANAGER);
    world.settle();
    assert_eq!((world.state("bob"), world.ready("bob")), ("Invited".to_owned(), "True/Invited".to_owned()));
    assert_eq!(world.mails(), 3);
    world.play(|store, now| store.accept(&email("bob@acme.example"), now));
    world.settle();
    assert_eq!((world.state("bob"), world.access()), ("Joined".to_owned(), vec![]));
    assert_eq!(world.withheld("instagram")[0], "bob: MfaNotEnrolled");
    world.play(|store, now| store.enroll_mfa(&email("bob@acme.example"), guestlist::domain::MfaMethod::TOTP, now));
    world.settle();
    assert_eq!(world.access(), ["bob: instagram as Collaborator"]);
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "True/Reconciled");
    assert_eq!(world.mails(), 3);
}

#[test]
fn invitation_expires_at_its_instant_and_is_resent_on_request() {
    let mut world = World::acme();
    world.settle();
    let key = ObjectRef::new(Kind::Membership, SPACE, "bob");
    assert_eq!(world.plan(&key).next_check, Some(world.now + jiff::SignedDuration::from_hours(72)));
    world.later(72 * 60 - 1);
    assert_eq!(world.state("bob"), "Invited");
    world.later(1);
    assert_eq!((world.state("bob"), world.ready("bob")), ("InvitationExpired".into(), "True/InvitationExpired".into()));
    let asked = world.now.to_string();
    world.annotate(Kind::Membership, "bob", guestlist::api::RESEND_INVITATION, &asked);
    world.settle();
    assert_eq!((world.state("bob"), world.mails()), ("Invited".into(), 4));
    world.later(5);
    assert_eq!(world.mails(), 4, "the same annotation sends no second mail");
}

#[test]
fn a_mail_that_comes_too_soon_waits() {
    let mut world = World::acme();
    world.settle();
    world.later(2);
    let asked = world.now.to_string();
    world.annotate(Kind::Membership, "bob", guestlist::api::RESEND_INVITATION, &asked);
    world.settle();
    assert_eq!((world.ready("bob"), world.mails()), ("False/MailInterval".into(), 3));
    world.later(8);
    assert_eq!((world.ready("bob"), world.mails()), ("True/Invited".into(), 4));
}

#[test]
fn an_mfa_reset_takes_access_away_until_mfa_is_back_on() {
    let mut world = World::shared();
    world.resets_mfa("bob");
    assert_eq!(world.access(), ["carol: instagram as Manager"], "the directory itself withholds at once");
    world.settle();
    assert_eq!(
        (world.state("bob"), world.withheld("instagram")),
        ("Joined".into(), vec!["bob: MfaNotEnrolled".into()])
    );
    assert!(world.record("bob").unwrap().grants.is_empty());
    world.joins(&["bob"]);
    world.settle();
    assert_eq!(world.access().len(), 2);
}

#[test]
fn guest_late_with_mfa_is_suspended_and_can_log_in_to_enrol() {
    let mut world = World::acme();
    world.settle();
    world.play(|store, now| store.accept(&email("bob@acme.example"), now));
    world.later(168 * 60 - 1);
    assert_eq!(world.state("bob"), "Joined");
    world.later(1);
    assert_eq!((world.state("bob"), world.ready("bob")), ("Suspended".into(), "True/MfaEnrolmentOverdue".into()));
    assert!(world.record("bob").unwrap().login.is_enabled());
    world.joins(&["bob"]);
    world.settle();
    assert_eq!(world.state("bob"), "Active");
    world.resets_mfa("bob");
    world.settle();
    assert_eq!(world.state("bob"), "Joined", "after a reset it counts from the reset");
}

#[test]
fn narrowed_methods_revoke_access_and_make_no_guest_overdue() {
    let mut world = World::shared();
    world.later(169 * 60);
    world.partner("acme", "hostAdmins: [alice@host.example]\nmfa: {methods: [WebAuthn]}");
    world.settle();
    assert_eq!(
        (world.access(), world.state("bob"), world.ready("bob")),
        (vec![], "Joined".into(), "True/Joined".into())
    );
    assert_eq!(world.withheld("instagram")[0], "bob: MfaMethodMissing");
    world.resets_mfa("bob");
    world.settle();
    world.later(168 * 60);
    assert_eq!(world.state("bob"), "Suspended", "without a factor the deadline runs from the reset");
}

#[test]
fn demoted_guest_admin_keeps_account_only_when_propagated() {
    let mut world = World::shared();
    world.member("erin", "GuestAdmin", "");
    world.settle();
    world.joins(&["erin"]);
    world.settle();
    assert_eq!(world.access().len(), 3);
    world.member("erin", "GuestUser", "");
    world.settle();
    assert_eq!(world.access(), ["bob: instagram as Collaborator", "carol: instagram as Manager"]);
    world.share(
        "instagram",
        "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}, {name: erin, propagatedBy: carol}]",
    );
    world.settle();
    assert_eq!(world.access().len(), 3);
    assert!(world.access().contains(&"erin: instagram as Collaborator".to_owned()));
}

#[test]
fn promoted_guest_user_gets_grants_of_guest_admins() {
    let mut world = World::shared();
    world.member("dave", "GuestAdmin", "");
    world.settle();
    assert!(world.access().contains(&"dave: instagram as Manager".to_owned()));
}

#[test]
fn propagated_grants_follow_demotion_and_return_of_propagator() {
    let mut world = World::shared();
    world.member("carol", "GuestUser", "");
    world.settle();
    assert!(world.access().is_empty());
    assert_eq!(world.violations(Kind::Share, "instagram"), ["PropagationNeedsManager spec.guestUsers[0].propagatedBy"]);
    world.member("carol", "GuestAdmin", "");
    world.settle();
    assert_eq!(world.access().len(), 2);
    world.share("instagram", "guestUsers: [{name: bob, propagatedBy: carol}]");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Collaborator"], "Carol is no longer Manager");
    world.delete(Kind::Membership, "carol");
    world.share("instagram", MANAGER);
    world.settle();
    assert!(world.access().is_empty(), "and one who left passes nothing on");
}

#[test]
fn a_propagator_need_not_be_active() {
    let mut world = World::shared();
    world.resets_mfa("carol");
    world.settle();
    assert_eq!(world.access(), ["bob: instagram as Collaborator"]);
}

#[test]
fn exclusion_beats_everything_else_and_ends_with_its_entry() {
    let mut world = World::shared();
    for (name, left) in [("carol", 0), ("bob", 1)] {
        // The name is excluded, whatever the pin.
        world.share("instagram", &format!("{MANAGER}\nexclude: [{{name: {name}, email: other@acme.example}}]"));
        world.settle();
        assert_eq!(world.access().len(), left, "{name}");
    }
    world.share("instagram", MANAGER);
    world.settle();
    assert_eq!(world.access().len(), 2);
}

#[test]
fn override_changes_one_admin_and_tainted_one_grants_nothing() {
    let mut world = World::shared();
    let with = |role: &str| format!("guestAdminRole: Manager\nroleOverrides: [{{name: carol, role: {role}}}]");
    world.share("instagram", &with("Collaborator"));
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Collaborator"]);
    world.share("instagram", &with("Owner"));
    world.settle();
    assert!(world.access().is_empty());
    assert_eq!(world.violations(Kind::Share, "instagram"), ["OwnerNeverShared spec.roleOverrides[0].role"]);
}

#[test]
fn a_guest_user_is_never_manager_whatever_an_override_says() {
    let mut world = World::shared();
    world.share("instagram", &format!("{MANAGER}\nroleOverrides: [{{name: bob, role: Manager}}]"));
    world.settle();
    assert_eq!(world.violations(Kind::Share, "instagram"), ["ManagerNeedsGuestAdmin spec.roleOverrides[0].role"]);
    assert!(!world.access().contains(&"bob: instagram as Manager".to_owned()));
}

#[test]
fn a_share_lives_as_long_as_its_sharer_owns_the_account() {
    let mut world = World::shared();
    world.owners("instagram", &["zoe@host.example"]);
    world.settle();
    assert!(world.access().is_empty());
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "False/SharerNotOwner");
    assert_eq!(world.word(Kind::Share, "instagram", "Authorized"), "False/SharerNotOwner");
    assert!(world.word(Kind::Share, "instagram", "Accepted").starts_with("True/"));
    world.owners("instagram", &["alice@host.example"]);
    world.settle();
    assert_eq!(world.access().len(), 2);
}

#[test]
fn deleted_account_grants_nothing_and_restored_one_follows_spec() {
    let mut world = World::shared();
    world.play(|store, _| store.set_deleted("instagram", true));
    world.settle();
    assert!(world.access().is_empty());
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "False/AccountNotFound");
    world.share("instagram", "guestAdminRole: Manager");
    world.settle();
    world.play(|store, _| store.set_deleted("instagram", false));
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
}

#[test]
fn foreign_account_and_missing_account_get_the_same_reason() {
    let mut world = World::acme();
    world.owners("newsletter", &["eve@elsewhere.example"]);
    world.share("newsletter", "");
    world.share("nowhere", "");
    world.settle();
    let words = ["newsletter", "nowhere"].map(|name| world.word(Kind::Share, name, "Ready"));
    assert_eq!(words, ["False/AccountNotFound", "False/AccountNotFound"]);
}

#[test]
fn suspending_guest_partner_or_share_revokes_and_restores() {
    let mut world = World::shared();
    let suspended = "suspended: true\n";
    world.member("bob", "GuestUser", suspended);
    world.settle();
    assert_eq!((world.state("bob"), world.access()), ("Suspended".into(), vec!["carol: instagram as Manager".into()]));
    assert!(!world.record("bob").unwrap().login.is_enabled());
    world.member("bob", "GuestUser", "");
    world.share("instagram", &format!("{MANAGER}\n{suspended}"));
    world.settle();
    assert_eq!((world.state("bob"), world.access()), ("Active".into(), vec![]));
    world.share("instagram", MANAGER);
    world.partner("acme", &format!("hostAdmins: [alice@host.example]\n{suspended}"));
    world.settle();
    assert_eq!((world.state("carol"), world.access()), ("Suspended".into(), vec![]));
    world.partner("acme", "hostAdmins: [alice@host.example]");
    world.settle();
    assert_eq!(world.access().len(), 2);
}

#[test]
fn a_suspended_partner_is_switched_off_last_and_on_again_first() {
    for backwards in [false, true] {
        let mut world = World::shared();
        let order = |keys: &mut Vec<ObjectRef>| keys.sort_by_key(|key| (key.kind == Kind::Partner) == backwards);
        let mut edit = |more: &str| {
            world.partner("acme", &format!("hostAdmins: [alice@host.example]\n{more}"));
            world.done.clear();
            world.settle_in(order);
            let switch =
                |done: &Operation| matches!(done, Operation::Partner { change: PartnerChange::Apply { .. }, .. });
            (
                world.done.iter().position(switch),
                world.done.iter().filter(|done| switch(done)).count(),
                world.done.len(),
            )
        };
        let (place, times, all) = edit("suspended: true");
        assert_eq!((place, times), (Some(all - 1), 1), "last of {all}");
        assert!(all > 3, "everybody lost something");
        let (place, times, all) = edit("");
        assert_eq!((place, times), (Some(0), 1), "first of {all}");
        assert_eq!(world.access().len(), 2);
    }
}

#[test]
fn expired_access_is_revoked_on_time_and_restored_by_extension() {
    let mut world = World::shared();
    let end =
        |hours: i64, world: &World| format!("expiresAt: '{}'\n", world.now + jiff::SignedDuration::from_hours(hours));
    let soon = end(1, &world);
    world.member("bob", "GuestUser", &soon);
    world.settle();
    assert_eq!(world.word(Kind::Membership, "bob", "ExpiringSoon"), "True/ExpiringSoon");
    world.now += jiff::SignedDuration::from_hours(1);
    assert_eq!(world.access(), ["carol: instagram as Manager"], "the grant ends by itself");
    world.settle();
    assert_eq!((world.state("bob"), world.ready("bob")), ("Expired".into(), "True/Expired".into()));
    let later = end(1, &world);
    world.member("bob", "GuestUser", &later);
    world.settle();
    assert_eq!((world.state("bob"), world.access().len()), ("Active".into(), 2));
    world.share("instagram", &format!("{MANAGER}\n{}", end(0, &world)));
    world.settle();
    assert!(world.access().is_empty());
}

#[test]
fn a_quota_refuses_newcomers_only_and_lowering_it_evicts_nobody() {
    let mut world = World::acme();
    let quota = |count: u64| format!("hostAdmins: [alice@host.example]\nguests: {{maxGuests: {count}}}");
    world.partner("acme", &quota(2));
    world.settle();
    let states: Vec<_> = ["carol", "bob", "dave"].iter().map(|name| world.state(name)).collect();
    assert_eq!(states, ["Invited", "Invited", "Rejected"], "the first come hold their places");
    assert_eq!(world.violations(Kind::Membership, "dave"), ["QuotaExceeded spec.partnerRef.name"]);
    world.partner("acme", &quota(0));
    world.settle();
    assert_eq!((world.state("carol"), world.state("dave")), ("Invited".into(), "Rejected".into()));
    world.delete(Kind::Membership, "bob");
    world.partner("acme", &quota(2));
    world.settle();
    assert_eq!(world.state("dave"), "Invited", "a freed place goes to who waits");
}

#[test]
fn one_address_is_a_guest_once_and_the_incumbent_keeps_it() {
    let mut world = World::shared();
    world.membership("abob", "partnerRef: {name: acme}\nemail: BOB@acme.example\ninvitedBy: alice@host.example\n");
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "abob"), ["AlreadyGuest spec.email"]);
    assert_eq!((world.state("bob"), world.access().len()), ("Active".into(), 2));
    world.delete(Kind::Membership, "bob");
    world.later(10);
    assert_eq!(world.state("abob"), "Invited");
}

#[test]
fn reused_name_inherits_nothing_from_a_pinned_entry() {
    let mut world = World::shared();
    let pinned = "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol, email: bob@acme.example}]";
    world.share("instagram", pinned);
    world.settle();
    assert_eq!(world.access().len(), 2);
    world.delete(Kind::Membership, "bob");
    world.settle();
    let robert = "partnerRef: {name: acme}\nemail: robert@acme.example\ninvitedBy: alice@host.example\n";
    world.membership("bob", robert);
    world.settle();
    world.joins(&["robert"]);
    world.settle();
    assert_eq!((world.state("bob"), world.access()), ("Active".into(), vec!["carol: instagram as Manager".into()]));
    assert_eq!(world.violations(Kind::Share, "instagram"), ["NotAGuestOfPartner spec.guestUsers[0].email"]);
}

#[test]
fn recreated_membership_of_same_address_starts_at_invited() {
    let mut world = World::shared();
    world.delete(Kind::Membership, "bob");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    assert!(world.directory_cache.guest(&email("bob@acme.example")).unwrap().deactivated_at.is_some());
    world.later(10);
    world.member("bob", "GuestUser", "");
    world.settle();
    assert_eq!((world.state("bob"), world.access().len()), ("Invited".into(), 1));
    world.play(|store, now| store.accept(&email("bob@acme.example"), now));
    world.settle();
    assert_eq!((world.state("bob"), world.access().len()), ("Active".into(), 2), "the MFA is still on");
}

#[test]
fn partner_deletion_keeps_guests_if_blocked_and_none_if_cascade() {
    let mut world = World::shared();
    world.delete(Kind::Partner, "acme");
    world.settle();
    assert_eq!(world.word(Kind::Partner, "acme", "Ready"), "False/DeletionBlocked");
    assert_eq!(world.access().len(), 2);
    world.resets_mfa("bob");
    world.settle();
    world.joins(&["bob"]);
    world.settle();
    assert_eq!(world.access().len(), 2, "live ones go on in both directions");
    world.member("late", "GuestUser", "");
    world.settle();
    assert_eq!(world.ready("late"), "False/PartnerDeleting");
    world.partner("acme", "hostAdmins: [alice@host.example]\ndeletion: Cascade");
    world.settle();
    assert!(world.access().is_empty());
    assert!(!world.objects.keys().any(|key| ["bob", "instagram"].contains(&&*key.name)));
}

#[test]
fn a_partner_that_is_gone_withholds_and_deactivates_nobody() {
    let mut world = World::shared();
    world.delete(Kind::Partner, "acme");
    // An administrator removed the finalizer by hand.
    let key = ObjectRef::new(Kind::Partner, SPACE, "acme");
    let uid = world.objects[&key].metadata().uid.clone().unwrap();
    world.objects.remove(&key);
    world.index.delete(&key, &uid);
    world.settle();
    assert_eq!((world.ready("bob"), world.access()), ("False/PartnerNotFound".into(), vec![]));
    assert!(world.record("bob").is_some_and(|guest| guest.joined_at.is_some()));
    world.partner("acme", "hostAdmins: [alice@host.example]");
    world.settle();
    assert_eq!((world.state("bob"), world.access().len()), ("Active".into(), 2));
}

#[test]
fn a_namespace_that_the_policy_drops_gives_nothing() {
    let mut world = World::shared();
    world.workspace =
        guestlist::workspace_policy::WorkspacePolicy::parse("domains: [host.example]\ntenants: []").unwrap();
    world.settle();
    assert!(world.access().is_empty());
    assert_eq!(world.violations(Kind::Partner, "acme"), ["HostAdminNotAllowedHere spec.hostAdmins[0]"]);
}

#[test]
fn corrected_spec_restores_access_and_clears_violations() {
    let mut world = World::shared();
    world.share("instagram", &format!("{MANAGER}\nmfa: {{required: false}}"));
    world.settle();
    assert_eq!((world.access(), world.violations(Kind::Share, "instagram").len()), (vec![], 1));
    world.share("instagram", MANAGER);
    world.settle();
    assert_eq!((world.access().len(), world.violations(Kind::Share, "instagram").len()), (2, 0));
}

#[test]
fn a_paused_guest_is_given_nothing_and_can_lose_everything() {
    let mut world = World::shared();
    world.annotate(Kind::Membership, "dave", guestlist::api::PAUSED, "true");
    world.annotate(Kind::Membership, "bob", guestlist::api::PAUSED, "true");
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: dave, propagatedBy: carol}]");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    assert_eq!(world.ready("dave"), "False/Paused");
}

/// A membership vanishes without its cleanup: an administrator removed its finalizer and deleted it.
fn vanish(world: &mut World, name: &str) {
    let key = ObjectRef::new(Kind::Membership, SPACE, name);
    let object = world.objects.remove(&key).unwrap();
    world.index.delete(&key, object.metadata().uid.as_deref().unwrap());
}

#[test]
fn guest_of_vanished_membership_loses_access_and_keeps_record() {
    let mut world = World::shared();
    vanish(&mut world, "bob");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    assert!(world.record("bob").is_some(), "an orphan is never purged, nor deactivated");
}

#[test]
fn many_memberships_vanishing_at_once_revoke_nothing() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Collaborator");
    for name in ["erin", "frank", "grace", "heidi"] {
        world.member(name, "GuestAdmin", "");
    }
    world.settle();
    world.joins(&["erin", "frank", "grace", "heidi"]);
    world.settle();
    let before = world.access();
    assert_eq!(before.len(), 4, "{before:?}");
    for name in ["erin", "frank", "grace", "heidi"] {
        vanish(&mut world, name);
    }
    world.settle();
    assert_eq!(world.access(), before);
}

#[test]
fn returning_membership_reclaims_record_of_vanished_one() {
    let mut world = World::shared();
    vanish(&mut world, "bob");
    world.settle();
    world.member("bob", "GuestUser", "");
    world.settle();
    assert_eq!(world.access(), ["bob: instagram as Collaborator", "carol: instagram as Manager"]);
    assert_eq!(world.mails(), 3, "nobody is invited again");
}

#[test]
fn guest_with_unknown_mfa_keeps_access_for_one_day_only() {
    let mut world = World::shared();
    let key = ObjectRef::new(Kind::Membership, SPACE, "bob");
    let mut record = world.record("bob").unwrap();
    record.mfa = guestlist::directory::MfaRecord::Unknown;
    let (address, since) = (record.address.clone(), world.now);
    world.directory_cache.set_guest(&address, Some(record));
    world.directory_cache.set_mfa_unknown_since(&address, Some(since));
    assert_eq!(world.plan(&key).steps, []);
    world.now = since + jiff::SignedDuration::from_hours(24);
    let steps = world.plan(&key).steps;
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0].reason, guestlist::domain::Reason::MfaUnknown);
}

#[test]
fn share_of_missing_partner_waits_without_blaming_its_guests() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]");
    world.settle();
    world.joins(&["carol", "bob"]);
    world.settle();
    world.delete(Kind::Membership, "carol");
    world.settle();
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "False/PropagationNeedsManager");
    world.vanishes(Kind::Partner, "acme");
    world.settle();
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "False/PartnerNotFound");
    assert_eq!(world.access(), Vec::<String>::new());
}

#[test]
fn a_partner_names_the_host_admins_that_it_waits_for() {
    let mut world = World::acme();
    world.partner("acme", "hostAdmins: [alice@host.example, alcie@host.example]");
    world.settle();
    let status =
        world.index.partner(crate::support::in_memory::SPACE, "acme").unwrap().read().unwrap().status.read().unwrap();
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert!(ready.message.contains("alcie@host.example") && !ready.message.contains("alice@"), "{}", ready.message);
}
