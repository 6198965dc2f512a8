//! The counts, conditions and messages of statuses.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::domain::MfaMethod;
use guestlist::engine::status_change::{self, StatusChange};
use guestlist::plan::{Event, Status};

const ADMIN: &str = "hostAdmins: [alice@host.example]";

/// The message of a membership's Ready condition.
fn message(world: &World, name: &str) -> String {
    let conditions = world.membership_status(name).conditions;
    conditions.into_iter().find(|condition| condition.type_ == "Ready").map(|ready| ready.message).unwrap_or_default()
}

/// The status of Ready, Reconciling and Stalled.
fn kstatus(world: &World, kind: Kind, name: &str) -> [String; 3] {
    ["Ready", "Reconciling", "Stalled"].map(|condition| world.word(kind, name, condition))
}

#[test]
fn partner_counts_its_memberships_by_state() {
    let mut world = World::new();
    world.partner("acme", ADMIN);
    let names = ["a1", "a2", "a3", "i1", "i2", "j1", "j2", "s1", "s2", "s3", "r1", "r2"];
    for name in names {
        world.member(name, "GuestUser", "");
    }
    world.settle();
    world.joins(&["a1", "a2", "a3"]);
    for name in ["j1", "j2"] {
        world.play(|store, now| store.accept(&email(&format!("{name}@acme.example")), now));
    }
    for name in ["s1", "s2", "s3"] {
        world.member(name, "GuestUser", "suspended: true");
    }
    for name in ["r1", "r2"] {
        world.member(name, "GuestUser", "mfa: {required: false}");
    }
    world.settle();
    let Object::Partner(partner) = &world.objects[&ObjectRef::new(Kind::Partner, SPACE, "acme")] else { panic!() };
    let counts = partner.status.as_ref().and_then(|status| status.guests.clone()).unwrap();
    let by_state = [counts.active, counts.invited, counts.joined, counts.suspended, counts.rejected, counts.all];
    let states: Vec<String> = names.iter().map(|name| world.state(name)).collect();
    assert_eq!((by_state, counts.summary.as_str()), ([3, 2, 2, 3, 2, 12], "3/12"), "{states:?}");
}

#[test]
fn share_counts_effective_withheld_and_rejected_grants() {
    let mut world = World::acme();
    world.member("erin", "GuestAdmin", "");
    let entries = "guestUsers: [{name: bob, propagatedBy: carol}, {name: dave, propagatedBy: bob}]";
    world.share("instagram", &format!("guestAdminRole: Manager\n{entries}"));
    world.settle();
    world.joins(&["carol", "erin"]);
    world.settle();
    let status = world.share_status("instagram");
    let counts = status.grants.clone().unwrap();
    assert_eq!((counts.effective, counts.withheld, counts.rejected), (2, 1, 1), "{status:?}");
}

#[test]
fn share_of_a_former_owner_is_stalled_with_an_event() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager");
    world.settle();
    let key = ObjectRef::new(Kind::Share, SPACE, "instagram");
    assert_eq!(kstatus(&world, Kind::Share, "instagram"), ["True/Reconciled", "none", "none"]);
    assert_eq!(world.plan(&key).events, []);
    world.owners("instagram", &["erin@host.example"]);
    assert_eq!(world.plan(&key).events, [Event::gives_nothing(guestlist::domain::Reason::SharerNotOwner)]);
    world.settle();
    let [ready, reconciling, stalled] = kstatus(&world, Kind::Share, "instagram");
    assert_eq!((ready.as_str(), reconciling.as_str()), ("False/SharerNotOwner", "none"));
    assert!(stalled.starts_with("True/"), "{stalled}");
}

#[test]
fn events_of_a_share_stop_while_its_partner_is_being_removed() {
    let mut world = World::acme();
    world.partner("acme", &format!("{ADMIN}\ndeletion: Cascade"));
    world.share("instagram", "guestAdminRole: Manager");
    world.settle();
    world.delete(Kind::Partner, "acme");
    world.owners("instagram", &["erin@host.example"]);
    let key = ObjectRef::new(Kind::Share, SPACE, "instagram");
    assert_eq!(world.plan(&key).events, []);
}

#[test]
fn waiting_membership_names_its_inviter() {
    let mut world = World::acme();
    let more = "partnerRef: {name: acme}\nemail: zoe@acme.example\nrole: GuestUser\ninvitedBy: carol@acme.example";
    world.membership("zoe", more);
    world.settle();
    assert_eq!(world.ready("zoe"), "False/InviterNotActive");
    assert_eq!(message(&world, "zoe"), "The inviter carol@acme.example does not exist or is not Active.");
    world.joins(&["carol"]);
    world.settle();
    world.later(2);
    assert_eq!(world.state("zoe"), "Invited");
}

#[test]
fn joined_guest_sees_if_no_or_another_method_is_enrolled() {
    let mut world = World::acme();
    world.partner("acme", &format!("{ADMIN}\nmfa: {{methods: [WebAuthn]}}"));
    world.settle();
    world.play(|store, now| store.accept(&email("bob@acme.example"), now));
    world.settle();
    let none = message(&world, "bob");
    world.play(|store, now| store.enroll_mfa(&email("bob@acme.example"), MfaMethod::TOTP, now));
    world.settle();
    let another = message(&world, "bob");
    assert_eq!(world.state("bob"), "Joined");
    assert_ne!(none, another);
}

#[test]
fn revocation_says_why_the_account_is_revoked() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]");
    world.settle();
    world.joins(&["carol", "bob"]);
    world.settle();
    let bob = ObjectRef::new(Kind::Membership, SPACE, "bob");
    let said = |world: &World| world.plan(&bob).steps.first().map(|step| step.message.clone()).unwrap_or_default();
    world.share("instagram", "guestAdminRole: Manager");
    assert_eq!(said(&world), "instagram: no share grants it");
    world
        .share("instagram", "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: carol}]\nsuspended: true");
    let suspended = said(&world);
    assert!(suspended.starts_with("instagram: ") && suspended != "instagram: no share grants it", "{suspended}");
}

#[test]
fn only_counts_of_a_stored_share_or_partner_are_written_late() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager");
    let difference = |world: &World, kind, name: &str, status: &Status| {
        status_change::difference(&world.index, &ObjectRef::new(kind, SPACE, name), status)
    };
    let planned = |world: &World, kind, name: &str| world.plan(&ObjectRef::new(kind, SPACE, name)).status;
    // A status is missing: not only the counts differ.
    let first = Status::Share(Box::new(guestlist::api::AccountShareStatus {
        grants: Some(guestlist::api::GrantCounts { effective: 1, ..Default::default() }),
        ..Default::default()
    }));
    assert!(matches!(difference(&world, Kind::Share, "instagram", &first), Some(StatusChange::More(_))));
    world.settle();
    let mut share = world.share_status("instagram");
    share.grants.as_mut().unwrap().effective += 1;
    let counts = Status::Share(Box::new(share.clone()));
    assert!(matches!(difference(&world, Kind::Share, "instagram", &counts), Some(StatusChange::Counts(_))));
    share.conditions.clear();
    let more = Status::Share(Box::new(share));
    assert!(matches!(difference(&world, Kind::Share, "instagram", &more), Some(StatusChange::More(_))));
    let same = planned(&world, Kind::Membership, "bob").unwrap();
    assert_eq!(difference(&world, Kind::Membership, "bob", &same), Some(StatusChange::None));
    assert_eq!(difference(&world, Kind::Membership, "nobody", &same), None);
    let mut member = world.membership_status("bob");
    member.state = Some("Active".to_owned());
    let member = Status::Membership(Box::new(member));
    assert!(matches!(difference(&world, Kind::Membership, "bob", &member), Some(StatusChange::More(_))));
}

#[test]
fn changed_record_requeues_only_partners_that_are_being_deleted() {
    let mut world = World::acme();
    world.settle();
    let acme = ObjectRef::new(Kind::Partner, SPACE, "acme");
    let dependents = |world: &World| world.index.dependents_of_guest(&email("bob@acme.example"));
    let live = dependents(&world);
    assert!(!live.keys.contains(&acme) && live.counts.contains(&acme), "{live:?}");
    world.delete(Kind::Partner, "acme");
    assert!(dependents(&world).keys.contains(&acme));
}

#[test]
fn host_admin_of_any_partner_counts_if_the_policy_is_unknown() {
    let mut world = World::acme();
    world.workspace = guestlist::workspace_policy::WorkspacePolicy::default();
    world.partner("zeta", "hostAdmins: [bob@acme.example]");
    let bob = ObjectRef::new(Kind::Membership, SPACE, "bob");
    let violations = |policy: bool| {
        let mut inputs = world.seen();
        inputs.scope.policy = policy;
        let Some(Status::Membership(status)) = guestlist::plan::plan(inputs, &bob).status else { panic!() };
        status.violations.into_iter().map(|violation| violation.reason).collect::<Vec<_>>()
    };
    let known = violations(true);
    let unknown = violations(false);
    assert!(!known.contains(&"IsWorkspaceUser".to_owned()), "{known:?}");
    assert!(unknown.contains(&"IsWorkspaceUser".to_owned()), "{unknown:?}");
}
