//! Facts that keep an invitation back: the invitations of the last hour, and a status that names a guest that the
//! directory lacks.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::api::GuestMembershipStatus;
use guestlist::cache::{CacheEntry, Kind, Object, ObjectRef};
use guestlist::directory::{GuestRecord, MailRecord, SentMail};
use guestlist::plan::missing_guests::{missing, named};
use jiff::SignedDuration;

fn bob() -> ObjectRef {
    ObjectRef::new(Kind::Membership, SPACE, "bob")
}

#[test]
fn invitation_counts_if_sent_less_than_an_hour_from_now() {
    for (seconds_ago, waits_for) in [(3600, None), (3599, Some(1)), (0, Some(3600)), (-3599, Some(3600)), (-3600, None)]
    {
        let mut world = World::new();
        world.workspace.invitations_per_hour = 1;
        world.partner("acme", "hostAdmins: [alice@host.example]");
        world.settle();
        let at = world.now - SignedDuration::from_secs(seconds_ago);
        let recent = vec![SentMail { at, namespace: SPACE.to_owned() }];
        world.directory_cache.set_mail(&MailRecord { address: email("erin@acme.example"), at, recent });
        world.member("bob", "GuestUser", "");
        let plan = world.plan(&bob());
        assert_eq!(plan.waits_for_turn, waits_for.is_some(), "sent {seconds_ago} s ago");
        assert_eq!(plan.steps.is_empty(), waits_for.is_some(), "sent {seconds_ago} s ago");
        if let Some(seconds) = waits_for {
            assert_eq!(
                plan.next_check,
                Some(world.now + SignedDuration::from_secs(seconds)),
                "sent {seconds_ago} s ago"
            );
        }
    }
}

/// The names of the memberships whose guests the directory lacks.
fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> = missing(&world.index, &world.directory_cache).map(named).collect();
    names.sort();
    names
}

/// Stores a status that the operator did not write.
fn set_status(world: &mut World, status: GuestMembershipStatus) {
    let mut object = world.objects.remove(&bob()).unwrap();
    world.index.delete(&bob(), object.metadata().uid.as_deref().unwrap());
    let Object::Membership(membership) = &mut object else { panic!("no membership") };
    membership.status = Some(status);
    world.index.apply(object.clone());
    world.objects.insert(bob(), object);
}

#[test]
fn status_with_a_record_or_an_admitted_state_names_a_guest() {
    for (directory_id, state, is_missing) in [
        (None, "Pending", false),
        (None, "Rejected", false),
        (None, "Suspended", false),
        (None, "Terminating", false),
        (None, "Invited", true),
        (None, "InvitationExpired", true),
        (None, "Joined", true),
        (None, "Active", true),
        (Some("bob-1"), "Suspended", true),
        (Some("bob-1"), "Pending", true),
    ] {
        let mut world = World::acme();
        let (directory_id, state) = (directory_id.map(str::to_owned), Some(state.to_owned()));
        set_status(&mut world, GuestMembershipStatus { directory_id, state, ..GuestMembershipStatus::default() });
        let status = world.membership_status("bob");
        let expected = is_missing.then_some("partners/bob (bob@acme.example)");
        assert_eq!(names(&world), Vec::from_iter(expected), "{:?}, {:?}", status.directory_id, status.state);
    }
    assert_eq!(names(&World::acme()), [] as [String; 0], "without a status, no guest is missing");
}

#[test]
fn guest_with_a_record_of_its_address_or_uid_is_not_missing() {
    let mut world = World::acme();
    world.settle();
    let record = world.record("bob").unwrap();
    assert_eq!(names(&world), [] as [String; 0]);
    world.directory_cache.set_guest(&record.address, None);
    assert_eq!(names(&world), ["partners/bob (bob@acme.example)"]);
    let robert = email("robert@acme.example");
    let renamed = GuestRecord { address: robert.clone(), ..record.clone() };
    world.directory_cache.set_guest(&robert, Some(renamed));
    assert_eq!(names(&world), [] as [String; 0], "the record has the UID");
    world.directory_cache.set_guest(&robert, None);
    let unmarked = GuestRecord { mark: None, ..record.clone() };
    world.directory_cache.set_guest(&record.address, Some(unmarked));
    assert_eq!(names(&world), [] as [String; 0], "the record has the address");
    world.directory_cache.set_guest(&record.address, None);
    world.delete(Kind::Membership, "bob");
    assert!(world.index.membership(SPACE, "bob").and_then(CacheEntry::read).is_some());
    assert_eq!(names(&world), [] as [String; 0], "a membership that is being deleted needs no guest");
}
