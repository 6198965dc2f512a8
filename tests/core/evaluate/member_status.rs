//! The status that a plan of a membership contains, at each stage and for each obstacle.

use guestlist::api::{self, GuestMembershipStatus};
use guestlist::cache::Kind;
use guestlist::directory::MfaRecord;
use guestlist::domain::MfaMethod;
use guestlist::plan::Status;
use jiff::SignedDuration;

use super::{accept, change_record, key, terminate};
use crate::support::in_memory::World;

const ADMIN: &str = "hostAdmins: [alice@host.example]";

/// The planned status of a membership. `None`: the status does not change yet.
fn planned(world: &World, name: &str) -> Option<GuestMembershipStatus> {
    match world.plan(&key(Kind::Membership, name)).status {
        Some(Status::Membership(status)) => Some(*status),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

fn status(world: &World, name: &str) -> GuestMembershipStatus {
    planned(world, name).unwrap_or_else(|| panic!("the status of {name} does not change"))
}

/// A condition as `True/Joined: The guest accepted the invitation.`
fn condition(status: &GuestMembershipStatus, type_: &str) -> String {
    let found = status.conditions.iter().find(|condition| condition.type_ == type_);
    found.map_or_else(String::new, |it| format!("{}/{}: {}", it.status, it.reason, it.message))
}

fn enrolled(world: &mut World, methods: &[MfaMethod]) {
    let now = world.now;
    change_record(world, "bob", |record| {
        record.mfa = MfaRecord::Known(methods.iter().map(|method| (*method, now)).collect());
    });
}

#[test]
fn status_shows_the_methods_of_each_stage() {
    type Stage = fn(&mut World);
    // The stage, the words of `status.mfa`, and the conditions.
    let stages: [(&str, Stage, &str, &str, &str); 7] = [
        (
            "invited",
            |_| {},
            "Unknown [] none",
            "False/Invited: The guest has not accepted yet.",
            "Unknown/Invited: Known once the guest has joined.",
        ),
        (
            "invited again with a method that is still enrolled",
            |world| enrolled(world, &[MfaMethod::TOTP]),
            "Unknown [] none",
            "False/Invited: The guest has not accepted yet.",
            "Unknown/Invited: Known once the guest has joined.",
        ),
        (
            "joined",
            |world| accept(world, "bob"),
            "NotEnrolled [] 2027-01-08T00:00:00Z",
            "True/Joined: The guest accepted the invitation.",
            "False/MfaNotEnrolled: No MFA method is enrolled.",
        ),
        (
            "joined with another method",
            |world| {
                accept(world, "bob");
                enrolled(world, &[MfaMethod::TOTP]);
            },
            "Enrolled [TOTP] none",
            "True/Joined: The guest accepted the invitation.",
            "False/MfaMethodMissing: The guest enrolled TOTP, which does not count. They have to enrol WebAuthn.",
        ),
        (
            "joined with the method",
            |world| {
                accept(world, "bob");
                enrolled(world, &[MfaMethod::WebAuthn]);
            },
            "Enrolled [WebAuthn] none",
            "True/Joined: The guest accepted the invitation.",
            "True/MFASatisfied: A method that counts is enrolled.",
        ),
        (
            "joined with both methods",
            |world| {
                accept(world, "bob");
                enrolled(world, &[MfaMethod::TOTP, MfaMethod::WebAuthn]);
            },
            "Enrolled [TOTP, WebAuthn] none",
            "True/Joined: The guest accepted the invitation.",
            "True/MFASatisfied: A method that counts is enrolled.",
        ),
        (
            "joined with unknown methods",
            |world| {
                accept(world, "bob");
                change_record(world, "bob", |record| record.mfa = MfaRecord::Unknown);
            },
            "Unknown [] 2027-01-08T00:00:00Z",
            "True/Joined: The guest accepted the invitation.",
            "Unknown/MfaUnknown: The directory cannot tell whether MFA is on.",
        ),
    ];
    for (what, stage, mfa, joined, satisfied) in stages {
        let mut world = World::acme();
        world.partner("acme", &format!("{ADMIN}\nmfa: {{methods: [WebAuthn]}}"));
        world.settle();
        stage(&mut world);
        let status = status(&world, "bob");
        let found = status.mfa.clone().unwrap();
        let deadline = found.deadline.unwrap_or_else(|| "none".to_owned());
        let found = format!("{} [{}] {deadline}", found.enrolled.unwrap(), found.methods.join(", "));
        assert_eq!(found, mfa, "{what}");
        assert_eq!(condition(&status, "Joined"), joined, "{what}");
        assert_eq!(condition(&status, "MFASatisfied"), satisfied, "{what}");
    }
}

#[test]
fn ready_condition_names_the_first_obstacle_of_a_guest() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit, &str); 17] = [
        ("bob", |_| {}, "True/Invited: The invitation is out"),
        ("bob", |world| world.workspace.set_readable(false), "True/Invited: "),
        ("bob", |world| world.annotate(Kind::Membership, "bob", api::PAUSED, "true"), "False/Paused: "),
        ("bob", |world| world.annotate(Kind::Partner, "acme", api::PAUSED, "true"), "False/Paused: "),
        (
            "bob",
            |world| world.member("bob", "GuestUser", "suspended: true"),
            "True/Suspended: The spec or its partner's",
        ),
        ("bob", |world| world.member("bob", "GuestUser", PAST), "True/Expired: The end has passed"),
        (
            "bob",
            |world| world.member("bob", "GuestUser", "mfa: {required: false}"),
            "False/MfaCannotBeWaived: spec.mfa",
        ),
        ("bob", |world| terminate(world, Kind::Membership, "bob"), "False/Terminating: "),
        (
            "bob",
            |world| {
                accept(world, "bob");
                world.now += SignedDuration::from_hours(168);
            },
            "True/MfaEnrolmentOverdue: MFA was not turned on in time",
        ),
        (
            "bob",
            |world| {
                accept(world, "bob");
                world.partner("acme", &format!("{ADMIN}\nmfa: {{methods: [WebAuthn]}}"));
                enrolled(world, &[MfaMethod::TOTP]);
            },
            "True/Joined: The guest has joined; nothing can be used until an MFA method is enrolled that counts here.",
        ),
        ("bob", |world| accept(world, "bob"), "True/Joined: The guest has joined; no grant is effective"),
        (
            "new",
            |world| world.member("new", "GuestUser", "suspended: true"),
            "True/Suspended: spec.suspended is true on the membership or its partner, so no invitation is sent.",
        ),
        (
            "new",
            |world| world.member("new", "GuestUser", PAST),
            "True/Expired: The end of the membership or its partner, 2020-01-01T00:00:00Z, has passed, so no invitation is sent.",
        ),
        (
            "new",
            |world| {
                world.workspace.set_readable(false);
                world.member("new", "GuestUser", "suspended: true");
            },
            "False/PolicyUnreadable: The workspace policy cannot be read",
        ),
        (
            "new",
            |world| {
                world.member("new", "GuestUser", "");
                world.annotate(Kind::Membership, "new", api::PAUSED, "true");
            },
            "False/Paused: ",
        ),
        (
            "new",
            |world| {
                let spec = "partnerRef: {name: brio}\nemail: new@acme.example\ninvitedBy: carol@acme.example";
                world.membership("new", spec);
            },
            "False/PartnerNotFound: The partner does not exist yet",
        ),
        (
            "new",
            |world| {
                let spec = "partnerRef: {name: acme}\nemail: new@acme.example\ninvitedBy: carol@acme.example";
                world.membership("new", spec);
            },
            "False/InviterNotActive: The inviter carol@acme.example does not exist or is not Active.",
        ),
    ];
    for (place, (name, edit, expected)) in edits.iter().enumerate() {
        let mut world = World::acme();
        world.settle();
        edit(&mut world);
        let ready = condition(&status(&world, name), "Ready");
        assert!(ready.starts_with(expected), "edit {place}: {ready}");
    }
}

const PAST: &str = "expiresAt: '2020-01-01T00:00:00Z'";

#[test]
fn status_waits_for_the_record_that_the_next_step_writes() {
    let mut world = World::acme();
    assert_eq!(planned(&world, "bob"), None, "the partner has no record yet");
    world.workspace.set_readable(false);
    assert!(condition(&status(&world, "bob"), "Ready").starts_with("False/PolicyUnreadable"));
    world.workspace.set_readable(true);
    world.annotate(Kind::Membership, "bob", api::PAUSED, "true");
    assert!(condition(&status(&world, "bob"), "Ready").starts_with("False/Paused"));
    world.member("carol", "GuestAdmin", "suspended: true");
    assert!(condition(&status(&world, "carol"), "Ready").starts_with("True/Suspended"));
    // A guest of a partner whose suspension ends waits for the record of the partner.
    let mut world = World::shared();
    world.partner("acme", &format!("{ADMIN}\nsuspended: true"));
    world.settle();
    world.partner("acme", ADMIN);
    assert_eq!(planned(&world, "dave"), None);
    world.settle();
    assert_eq!(status(&world, "dave").state.as_deref(), Some("Active"));
}

#[test]
fn status_explains_each_account_without_access() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit, &str); 6] = [
        ("not granted yet", |_| {}, "Pending"),
        ("paused", |world| world.annotate(Kind::Membership, "carol", api::PAUSED, "true"), "Paused"),
        ("partner paused", |world| world.annotate(Kind::Partner, "acme", api::PAUSED, "true"), "Paused"),
        ("policy unreadable", |world| world.workspace.set_readable(false), "PolicyUnreadable"),
        ("share paused", |world| world.annotate(Kind::Share, "newsletter", api::PAUSED, "true"), "Paused"),
        ("share suspended", |world| world.share("newsletter", "suspended: true"), "Suspended"),
    ];
    for (what, edit, expected) in edits {
        let mut world = World::shared();
        world.share("newsletter", "");
        // Adds the finalizer of the share.
        world.pass(&key(Kind::Share, "newsletter"));
        edit(&mut world);
        let status = status(&world, "carol");
        let account = |name: &str| status.accounts.iter().find(|account| account.account == name).unwrap();
        let (held, new) = (account("instagram"), account("newsletter"));
        assert_eq!((held.effective, held.reason.as_deref()), (true, None), "{what}");
        assert_eq!(held.since.as_deref(), Some("2027-01-01T00:00:00Z"), "{what}");
        assert_eq!(
            (new.effective, new.reason.as_deref(), new.since.as_deref()),
            (false, Some(expected), None),
            "{what}"
        );
    }
    // The grant of another share of the account is not the grant of this one.
    let mut world = World::shared();
    world.share_of("second", "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example");
    let status = status(&world, "carol");
    let said: Vec<_> = status.accounts.iter().map(|it| (&*it.share, it.effective, it.reason.as_deref())).collect();
    assert_eq!(said, [("instagram", true, None), ("second", false, Some("DuplicateShare"))]);
}

#[test]
fn end_is_announced_in_the_last_fourteen_days() {
    let mut world = World::shared();
    let end = world.now + SignedDuration::from_hours(1000);
    assert_eq!(condition(&status(&world, "bob"), "ExpiringSoon"), "False/ExpiringSoon: The membership has no end.");
    world.member("bob", "GuestUser", &format!("expiresAt: '{end}'"));
    let second = SignedDuration::from_secs(1);
    let begin = end - SignedDuration::from_hours(14 * 24);
    for (now, expected) in
        [(begin - second, "False"), (begin, "True"), (end - second, "True"), (end, "False"), (end + second, "False")]
    {
        world.now = now;
        let expected = format!("{expected}/ExpiringSoon: The membership ends at {end}.");
        assert_eq!(condition(&status(&world, "bob"), "ExpiringSoon"), expected, "{now}");
    }
}
