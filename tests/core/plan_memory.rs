//! The directory's facts beyond the records, and their effect on plans: reused names, repeated mails, and shares
//! without any grant.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::Import;
use guestlist::directory::{Origin, UserRecord};
use guestlist::workspace_policy::WorkspacePolicy;

/// Gives a membership the UID that it would have from a file.
fn as_from_a_file(world: &mut World, name: &str) {
    let key = ObjectRef::new(Kind::Membership, SPACE, name);
    let mut object = world.objects.remove(&key).unwrap();
    world.index.delete(&key, object.metadata().uid.as_deref().unwrap());
    let Object::Membership(inner) = &mut object else { return };
    inner.metadata.uid = Some(format!("from-file-{name}"));
    world.index.apply(object.clone());
    world.objects.insert(key, object);
}

#[test]
fn name_reused_for_other_address_under_same_uid_gets_own_record() {
    let mut world = World::new();
    world.partner("acme", "hostAdmins: [alice@host.example]");
    world.member("bob", "GuestUser", "");
    as_from_a_file(&mut world, "bob");
    world.settle();
    world.joins(&["bob"]);
    world.settle();
    let bob = world.record("bob").unwrap();
    world.delete(Kind::Membership, "bob");
    world.settle();
    let robert = "partnerRef: {name: acme}\nemail: robert@acme.example\ninvitedBy: alice@host.example\n";
    world.membership("bob", robert);
    as_from_a_file(&mut world, "bob");
    world.settle();
    assert_eq!(world.state("bob"), "Invited");
    let record = world.record("bob").unwrap();
    assert_eq!(
        (record.address.as_str(), record.mark.map(|mark| mark.uid)),
        ("robert@acme.example", bob.mark.map(|mark| mark.uid))
    );
    assert_ne!(record.id, bob.id);
    world.joins(&["robert"]);
    world.settle();
    assert_eq!(world.state("bob"), "Active");
    // A membership deleted under that UID ends the right one of the two.
    world.delete(Kind::Membership, "bob");
    world.settle();
    assert!(world.directory_cache.guests().all(|guest| !guest.is_live()));
}

#[test]
fn live_record_is_found_among_two_of_one_uid_in_any_order() {
    let mut world = World::acme();
    world.settle();
    let bob = world.record("bob").unwrap();
    let mut robert = bob.clone();
    robert.address = email("robert@acme.example");
    robert.email = robert.address.clone();
    robert.id = guestlist::directory::GuestId("robert".to_owned());
    let gone = guestlist::directory::GuestRecord { deactivated_at: Some(world.now), ..bob.clone() };
    let uid = bob.mark.as_ref().unwrap().uid.clone();
    // A full read reports them in any order.
    world.directory_cache.set_guest(&robert.address, Some(robert.clone()));
    world.directory_cache.set_guest(&bob.address, Some(gone.clone()));
    assert_eq!(world.directory_cache.live_by_uid(&uid), Some(&robert));
    world.directory_cache.set_guest(&bob.address, None);
    assert_eq!(world.directory_cache.live_by_uid(&uid), Some(&robert));
    world.directory_cache.set_guest(&robert.address, None);
    assert_eq!(world.directory_cache.live_by_uid(&uid), None);
}

/// Bob is a workspace user that the partner may adopt.
fn with_adoption() -> World {
    let mut world = World::new();
    world.workspace = WorkspacePolicy::parse(
        "domains: [host.example]\ntenants: [{namespace: partners, hostAdmins: ['*@host.example'], adoption: true}]\n",
    )
    .unwrap();
    let bob = UserRecord { email: email("bob@acme.example"), name: "Bob".into(), enabled: true, verified: true };
    world.play(|store, _| store.import(&Import { users: vec![bob], accounts: vec![] }));
    world.partner("acme", "hostAdmins: [alice@host.example]\nadoption: Unmarked");
    world
}

#[test]
fn disabled_adopted_user_is_granted_nothing_until_enabled() {
    let mut world = with_adoption();
    world.member("bob", "GuestAdmin", "");
    world.share("instagram", "guestAdminRole: Manager");
    world.settle();
    let switched = |world: &mut World, enabled| {
        let bob = UserRecord { email: email("bob@acme.example"), name: "Bob".into(), enabled, verified: true };
        world.play(|store, _| store.import(&Import { users: vec![bob], accounts: vec![] }));
    };
    world.joins(&["bob"]);
    switched(&mut world, false);
    world.settle();
    assert_eq!(world.access(), [] as [String; 0]);
    let gave = |done: &guestlist::directory::Operation| {
        matches!(
            done,
            guestlist::directory::Operation::Guest { change: guestlist::directory::GuestChange::Grant { .. }, .. }
        )
    };
    assert!(!world.done.iter().any(gave), "it would only be refused, again and again");
    switched(&mut world, true);
    world.settle();
    assert_eq!(world.access(), ["bob: instagram as Manager"]);
}

#[test]
fn membership_recreated_in_a_loop_sends_no_additional_mails() {
    let mut world = with_adoption();
    for round in 0..6 {
        world.member("bob", "GuestUser", "");
        world.settle();
        assert_eq!(world.mails(), 1 + round / 5, "round {round}");
        let waits = if round == 0 || round == 5 { "True/Invited" } else { "False/MailInterval" };
        assert_eq!(world.ready("bob"), waits, "round {round}");
        let origin = world.record("bob").and_then(|record| record.mark).map(|mark| mark.origin);
        assert!(origin.is_none_or(|origin| origin == Origin::Adopted));
        world.delete(Kind::Membership, "bob");
        world.later(2);
        // A new process knows only the directory's facts.
        world.play(|_, _| Ok(()));
    }
}

#[test]
fn membership_waiting_for_mail_interval_is_checked_at_its_end() {
    let mut world = with_adoption();
    world.member("bob", "GuestUser", "");
    world.settle();
    let sent = world.now;
    world.delete(Kind::Membership, "bob");
    world.later(1);
    world.member("bob", "GuestUser", "");
    world.settle();
    let next = world.plan(&ObjectRef::new(Kind::Membership, SPACE, "bob")).next_check;
    assert_eq!(next, Some(sent + jiff::SignedDuration::from_mins(10)));
    world.later(9);
    assert_eq!((world.ready("bob"), world.mails()), ("True/Invited".into(), 2));
}

#[test]
fn share_without_grants_keeps_its_partner_and_account() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager");
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    world.resets_mfa("carol");
    world.settle();
    assert!(world.record("carol").unwrap().grants.is_empty());
    world.play(|_, _| Ok(()));
    // Stored without validation: the CRD would refuse it.
    let spec = |account: &str| {
        format!("partnerRef: {{name: acme}}\naccount: {account}\nsharedBy: alice@host.example\nguestAdminRole: Manager")
    };
    world.share_of("instagram", &spec("newsletter"));
    world.joins(&["carol"]);
    world.settle();
    assert_eq!(world.violations(Kind::Share, "instagram"), ["Immutable spec.account"]);
    assert!(world.access().is_empty());
    world.share_of("instagram", &spec("instagram"));
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    // A new share of the same name is a different share.
    world.delete(Kind::Share, "instagram");
    world.settle();
    assert_eq!(world.directory_cache.shares().count(), 0);
    world.share_of("instagram", &spec("newsletter"));
    world.settle();
    assert_eq!(world.access(), ["carol: newsletter as Manager"]);
}

#[test]
fn share_that_granted_account_keeps_precedence_without_grants() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager");
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    world.resets_mfa("carol");
    world.settle();
    // A rival that claims to be older.
    let spec = "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example";
    let now = world.now;
    world.now -= jiff::SignedDuration::from_hours(1);
    world.share_of("rival", spec);
    world.now = now;
    world.settle();
    assert_eq!(world.violations(Kind::Share, "rival"), ["DuplicateShare spec.account"]);
    assert!(world.violations(Kind::Share, "instagram").is_empty());
}

#[test]
fn longest_stay_counts_from_the_recorded_admission() {
    let hours = jiff::SignedDuration::from_hours;
    for (number, created) in [
        "1970-01-01T00:00:00Z",
        "2026-12-31T00:00:00Z",
        "2027-01-01T05:00:00Z",
        "2099-01-01T00:00:00Z",
        "9998-12-31T00:00:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        let mut world = World::acme();
        world.partner("acme", "hostAdmins: [alice@host.example]\nguests: {maxDuration: 48h}");
        let claims = |world: &mut World| {
            let key = ObjectRef::new(Kind::Membership, SPACE, "bob");
            let Some(Object::Membership(mut object)) = world.objects.get(&key).cloned() else { panic!("no bob") };
            let time = created.parse::<jiff::Timestamp>().unwrap();
            object.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
            world.index.apply(Object::Membership(object.clone()));
            world.objects.insert(key, Object::Membership(object));
        };
        claims(&mut world);
        world.settle();
        let admitted = world.record("bob").unwrap().admitted_at;
        let ends =
            |world: &World| world.membership_status("bob").expires_at.unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(ends(&world), admitted + hours(48), "{created}");
        world.joins(&["bob"]);
        world.later(1);
        // Restored from a backup: another object with a later creation time.
        world.vanishes(Kind::Membership, "bob");
        world.now += hours(10);
        world.member("bob", "GuestUser", "");
        if number % 2 == 0 {
            claims(&mut world);
        }
        world.settle();
        assert_eq!(
            (world.record("bob").unwrap().admitted_at, ends(&world)),
            (admitted, admitted + hours(48)),
            "{created}"
        );
        world.now = admitted + hours(48);
        world.settle();
        assert_eq!(world.state("bob"), "Expired", "{created}");
    }
}

#[test]
fn distant_end_is_checked_again_once_near_enough() {
    let mut world = World::acme();
    world.partner("acme", "hostAdmins: [alice@host.example]\nguests: {maxDuration: 48h}");
    world.member("eve", "GuestUser", "expiresAt: '2027-01-04T00:00:00Z'");
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "eve"), ["ExpiryTooLong spec.expiresAt"]);
    let next = world.plan(&ObjectRef::new(Kind::Membership, SPACE, "eve")).next_check;
    assert_eq!(next, Some("2027-01-02T00:00:00Z".parse().unwrap()));
    world.later(24 * 60);
    assert_eq!(world.state("eve"), "Invited");
}

#[test]
fn namespace_sends_at_most_the_allowed_invitations_an_hour() {
    let mut world = with_adoption();
    world.workspace.invitations_per_hour = 1;
    world.workspace.mail_interval = jiff::SignedDuration::ZERO;
    world.member("carol", "GuestUser", "");
    world.settle();
    let (sent, before) = (world.now, world.mails());
    world.later(20);
    world.member("dave", "GuestUser", "");
    world.settle();
    assert_eq!((world.mails(), world.ready("dave").as_str()), (before, "False/InvitationLimit"));
    let next = world.plan(&ObjectRef::new(Kind::Membership, SPACE, "dave")).next_check;
    assert_eq!(next, Some(sent + jiff::SignedDuration::from_hours(1)));
    // A suspended or paused membership sends nothing, and reports that.
    world.annotate(Kind::Membership, "dave", "guestlist.dev/paused", "true");
    world.settle();
    assert_eq!(world.ready("dave"), "False/Paused");
    world.annotate(Kind::Membership, "dave", "guestlist.dev/paused", "false");
    world.later(39);
    assert_eq!(world.mails(), before);
    world.later(1);
    assert_eq!((world.mails(), world.ready("dave").as_str()), (before + 1, "True/Invited"));
}

#[test]
fn mails_are_remembered_longer_than_any_mail_interval() {
    let parse = |interval: &str| WorkspacePolicy::parse(&format!("tenants: []\nmailInterval: {interval}"));
    assert!(guestlist::directory::MAILS_KEPT > parse("720h").unwrap().mail_interval);
    assert!(parse("721h").is_err());
}
