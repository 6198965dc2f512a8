//! The conditions of all three kinds in each situation: what they wait for, what keeps them as they are, and what changes
//! a transition time. Also the Events and the next check, which all kinds share.
use crate::support::in_memory::{SPACE, World};
use guestlist::api::{self, Condition};
use guestlist::cache::Kind::{Membership, Partner, Share};
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::domain::Reason;
use guestlist::plan::{Event, Finalizer, Inputs, Plan, Status};
use jiff::SignedDuration;

const ADMIN: &str = "hostAdmins: [alice@host.example]";
const OBJECTS: [(Kind, &str); 3] = [(Partner, "acme"), (Membership, "carol"), (Share, "instagram")];

fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, SPACE, name)
}

/// Ready, Accepted, Reconciling and Stalled, as stored.
fn stored(world: &World, kind: Kind, name: &str) -> [String; 4] {
    ["Ready", "Accepted", "Reconciling", "Stalled"].map(|condition| world.word(kind, name, condition))
}

/// The planned status without its conditions, and the conditions.
fn parts(plan: Plan) -> (Status, Vec<Condition>) {
    let mut status = plan.status.unwrap();
    let conditions = match &mut status {
        Status::Partner(status) => std::mem::take(&mut status.conditions),
        Status::Membership(status) => std::mem::take(&mut status.conditions),
        Status::Share(status) => std::mem::take(&mut status.conditions),
    };
    (status, conditions)
}

/// Ready, Accepted, Reconciling and Stalled, as planned.
fn summary(conditions: &[Condition]) -> [String; 4] {
    ["Ready", "Accepted", "Reconciling", "Stalled"].map(|type_| {
        let mut found = conditions.iter().filter(|condition| condition.type_ == type_);
        let word = found.next().map_or("none".to_owned(), |found| format!("{}/{}", found.status, found.reason));
        assert_eq!(found.next(), None, "{type_} occurs twice");
        word
    })
}

/// The conditions that only this kind has.
fn own(conditions: &[Condition]) -> Vec<&Condition> {
    let shared = ["Ready", "Accepted", "Reconciling", "Stalled"];
    conditions.iter().filter(|condition| !shared.contains(&&*condition.type_)).collect()
}

#[test]
fn waiting_object_is_accepted_and_reconciling() {
    let mut world = World::acme();
    world.partner("brio", "hostAdmins: [nobody@host.example]");
    let zoe = "partnerRef: {name: acme}\nemail: zoe@acme.example\ninvitedBy: carol@acme.example";
    world.membership("zoe", zoe);
    world.share("nowhere", "");
    world.settle();
    for (kind, name, reason) in [
        (Partner, "brio", "HostAdminNotFound"),
        (Membership, "zoe", "InviterNotActive"),
        (Share, "nowhere", "AccountNotFound"),
    ] {
        let [ready, reconciling] = ["False", "True"].map(|truth| format!("{truth}/{reason}"));
        assert_eq!(stored(&world, kind, name), [&*ready, "True/Accepted", &reconciling, "none"], "{name}");
    }
}

#[test]
fn pause_of_the_partner_pauses_all_and_that_of_a_share_itself() {
    for (kind, name, paused) in [(Partner, "acme", &OBJECTS[..]), (Share, "instagram", &OBJECTS[2..])] {
        let mut world = World::of_one_manager();
        world.annotate(kind, name, api::PAUSED, "true");
        world.settle();
        for (kind, name) in OBJECTS {
            let [ready, accepted, reconciling, stalled] = stored(&world, kind, name);
            assert_eq!(ready == "False/Paused", paused.contains(&(kind, name)), "{name}: {ready}");
            assert_eq!([&*accepted, &reconciling, &stalled], ["True/Accepted", "none", "none"], "{name}");
        }
    }
}

#[test]
fn refused_operation_is_reported_beside_the_evaluated_status() {
    let world = World::of_one_manager();
    for (kind, name) in OBJECTS {
        let planned = Plan { next_check: Some(world.now), ..world.plan(&key(kind, name)) };
        let (status, judged) = parts(planned.clone());
        for (cause, reconciling, stalled) in
            [(None, "True/DirectoryRefused", "none"), (Some("the realm is full"), "none", "True/DirectoryRefused")]
        {
            let refused = guestlist::plan::refused(world.seen(), &key(kind, name), planned.clone(), cause);
            assert_eq!((refused.steps.len(), refused.next_check), (0, planned.next_check), "{name}");
            let (same, conditions) = parts(refused);
            assert_eq!((same, own(&conditions)), (status.clone(), own(&judged)), "{name}");
            let expected = ["False/DirectoryRefused", "True/Accepted", reconciling, stalled];
            assert_eq!(summary(&conditions), expected, "{name}, {cause:?}");
            let message = &conditions[0].message;
            assert_eq!(message == "the realm is full", cause.is_some(), "{name}: {message}");
            assert!(cause.is_some() || message.contains("The operator tries again"), "{name}: {message}");
        }
    }
}

#[test]
fn unavailable_directory_changes_only_ready_and_reconciling() {
    let world = World::of_one_manager();
    let away = Inputs { directory_available: false, ..world.seen() };
    for (kind, name) in OBJECTS {
        let (known, unknown) = (world.plan(&key(kind, name)), guestlist::plan::plan(away, &key(kind, name)));
        assert_eq!((unknown.steps.len(), unknown.finalizer), (0, Finalizer::Leave), "{name}");
        let ((status, before), (same, now)) = (parts(known), parts(unknown));
        assert_eq!((same, own(&now)), (status, own(&before)), "{name}");
        let expected = ["Unknown/DirectoryUnavailable", "True/Accepted", "True/DirectoryUnavailable", "none"];
        assert_eq!(summary(&now), expected, "{name}");
    }
}

#[test]
fn guest_missing_in_the_directory_is_stalled_and_not_invited() {
    let mut world = World::of_one_manager();
    let carol = key(Membership, "carol");
    let uid = world.objects[&carol].metadata().uid.clone().unwrap();
    let (status, before) = parts(world.plan(&carol));
    let address = world.record("carol").unwrap().address;
    world.directory_cache.set_guest(&address, None);
    world.directory_cache.set_missing([uid].into());
    let plan = world.plan(&carol);
    assert_eq!((plan.steps.len(), plan.finalizer), (0, Finalizer::Leave));
    let (same, now) = parts(plan);
    assert_eq!((same, own(&now)), (status, own(&before)));
    let expected = ["False/DirectoryBehind", "True/Accepted", "none", "True/DirectoryBehind"];
    assert_eq!(summary(&now), expected);
}

#[test]
fn unreadable_object_reports_the_mismatch_and_does_nothing() {
    for (kind, name) in OBJECTS {
        let mut world = World::of_one_manager();
        world.becomes_unreadable(kind, name);
        let plan = world.plan(&key(kind, name));
        assert_eq!((plan.steps.len(), plan.events.len(), plan.finalizer), (0, 0, Finalizer::Leave), "{name}");
        let (_, conditions) = parts(plan.clone());
        assert_eq!(summary(&conditions), ["False/Unreadable", "none", "none", "none"], "{name}");
        assert!(conditions[0].message.ends_with("What does not fit: it does not fit"), "{conditions:?}");
        let away = Inputs { directory_available: false, ..world.seen() };
        assert_eq!(guestlist::plan::plan(away, &key(kind, name)), Plan::nothing(), "{name}");
        world.now += SignedDuration::from_hours(1);
        assert_eq!(world.plan(&key(kind, name)), plan, "{name}: a repeated report is the same");
    }
}

#[test]
fn transition_time_changes_only_with_the_status() {
    let mut world = World::acme();
    world.settle();
    let since = |world: &World, type_: &str| {
        let conditions = world.membership_status("bob").conditions;
        let found = conditions.into_iter().find(|condition| condition.type_ == type_).unwrap();
        (found.status, found.last_transition_time)
    };
    let text = |text: &str, time: &str| (text.to_owned(), time.to_owned());
    let (invited, joined) = ("2027-01-01T00:00:00Z", "2027-01-01T01:00:00Z");
    assert_eq!((since(&world, "Ready"), since(&world, "Joined")), (text("True", invited), text("False", invited)));
    world.now += SignedDuration::from_hours(1);
    world.joins(&["bob"]);
    world.settle();
    assert_eq!(world.ready("bob"), "True/Active");
    assert_eq!((since(&world, "Ready"), since(&world, "Joined")), (text("True", invited), text("True", joined)));
    // A status edited by hand has no time.
    let bob = key(Membership, "bob");
    let mut object = world.objects.remove(&bob).unwrap();
    world.index.delete(&bob, object.metadata().uid.as_deref().unwrap());
    let Object::Membership(membership) = &mut object else { panic!("no membership") };
    membership.status.as_mut().unwrap().conditions[0].last_transition_time.clear();
    world.index.apply(object.clone());
    world.objects.insert(bob, object);
    world.now += SignedDuration::from_hours(1);
    world.settle();
    assert_eq!(since(&world, "Ready"), text("True", "2027-01-01T02:00:00Z"));
}

#[test]
fn condition_message_has_at_most_200_characters() {
    let world = World::of_one_manager();
    let written = |length: usize| {
        let carol = key(Membership, "carol");
        let cause = "ü".repeat(length);
        let refused = guestlist::plan::refused(world.seen(), &carol, world.plan(&carol), Some(&cause));
        parts(refused).1.swap_remove(0).message
    };
    assert_eq!(written(200), "ü".repeat(200));
    assert_eq!(written(201), format!("{}…", "ü".repeat(199)));
}

#[test]
fn object_with_an_end_is_planned_again_at_its_end() {
    let mut world = World::of_one_manager();
    let end = world.now + SignedDuration::from_hours(1);
    world.partner("acme", &format!("{ADMIN}\nexpiresAt: {end}"));
    world.share("instagram", &format!("guestAdminRole: Manager\nexpiresAt: {end}"));
    world.settle();
    for (kind, name) in OBJECTS {
        assert_eq!(world.plan(&key(kind, name)).next_check, Some(end), "{name}");
    }
    world.now = end;
    for (kind, name) in OBJECTS {
        assert_eq!(world.plan(&key(kind, name)).next_check, None, "{name}");
    }
}

#[test]
fn broken_rule_and_revocation_are_reported_by_an_event() {
    let edits: [fn(&mut World); 3] = [
        |world| world.partner("acme", &format!("{ADMIN}\nmfa: {{required: false}}")),
        |world| world.member("carol", "GuestAdmin", "mfa: {required: false}"),
        |world| world.share("instagram", "mfa: {required: false}"),
    ];
    for ((kind, name), edit) in OBJECTS.into_iter().zip(edits) {
        let mut world = World::of_one_manager();
        assert_eq!(world.plan(&key(kind, name)).events, [], "{name}");
        edit(&mut world);
        let events = world.plan(&key(kind, name)).events;
        assert_eq!(events.first(), Some(&Event::refused(Reason::MfaCannotBeWaived)), "{name}");
    }
    for (reason, is_requested) in [
        (Reason::Suspended, true),
        (Reason::Expired, true),
        (Reason::Terminating, true),
        (Reason::Reconciled, true),
        (Reason::MfaUnknown, false),
        (Reason::SharerNotOwner, false),
    ] {
        assert_eq!(Event::withheld(reason).warning, !is_requested, "{reason:?}");
    }
}

#[test]
fn pause_hides_no_obstacle() {
    type Obstacle = fn(&mut World);
    let obstacles: [(&str, Obstacle); 3] = [
        ("none", |_| {}),
        ("the sharer is no Owner", |world| world.owners("instagram", &["zoe@host.example"])),
        ("a Host Admin is missing", |world| world.partner("acme", "hostAdmins: [later@host.example]")),
    ];
    for (what, obstacle) in obstacles {
        let mut world = World::of_one_manager();
        obstacle(&mut world);
        world.settle();
        let before = OBJECTS.map(|(kind, name)| stored(&world, kind, name));
        for (kind, name) in OBJECTS {
            world.annotate(kind, name, api::PAUSED, "true");
        }
        world.settle();
        let mut kept = 0;
        for ((kind, name), before) in OBJECTS.into_iter().zip(before) {
            let is_hindered = before[0].starts_with("False/");
            kept += usize::from(is_hindered);
            let expected = if is_hindered { before[0].as_str() } else { "False/Paused" };
            assert_eq!(stored(&world, kind, name)[0], expected, "{what}: {name}");
        }
        assert_eq!(kept > 0, what != "none", "{what}");
    }
}
