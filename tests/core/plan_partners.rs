//! A partner's record in the directory: the changes of the object that it follows, its suspension, and its removal.
use crate::support::in_memory::{SPACE, World};
use guestlist::api;
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::{GuestRecord, Login, Origin, PartnerRecord};
use guestlist::domain::Reason;
use guestlist::plan::{Event, Finalizer, Plan};
use jiff::SignedDuration;

const ADMIN: &str = "hostAdmins: [alice@host.example]";
const RENAMED: &str = "hostAdmins: [alice@host.example]\ndisplayName: Acme Ltd";

type Edit = fn(&mut World);

fn acme() -> ObjectRef {
    ObjectRef::new(Kind::Partner, SPACE, "acme")
}

fn planned(world: &World) -> Plan {
    world.plan(&acme())
}

fn operations(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.operation.name()).collect()
}

fn record(world: &World) -> PartnerRecord {
    world.directory_cache.partners().next().unwrap().clone()
}

fn settled() -> World {
    let mut world = World::acme();
    world.settle();
    world
}

#[test]
fn record_follows_each_field_of_its_partner() {
    let edits: [(&str, Edit); 3] = [
        ("the display name", |world| world.partner("acme", RENAMED)),
        ("the Host Admins", |world| world.partner("acme", "hostAdmins: [alice@host.example, zoe@host.example]")),
        ("the UID, after a restore", |world| {
            let mut record = record(world);
            record.mark.uid = "before-the-restore".to_owned();
            world.directory_cache.set_partner(&record.id.clone(), Some(record));
        }),
    ];
    for (field, edit) in edits {
        let mut world = settled();
        assert_eq!(operations(&planned(&world)), [] as [&str; 0], "before {field} changes");
        edit(&mut world);
        assert_eq!(operations(&planned(&world)), ["apply_partner"], "{field}");
    }
}

#[test]
fn partner_without_display_name_is_shown_by_its_name() {
    let mut world = settled();
    let shown = |world: &World| {
        let Object::Partner(partner) = &world.objects[&acme()] else { panic!("no partner") };
        (record(world).display_name, partner.status.clone().and_then(|status| status.display_name).unwrap_or_default())
    };
    assert_eq!(shown(&world), ("acme".to_owned(), "acme".to_owned()));
    world.partner("acme", RENAMED);
    world.settle();
    assert_eq!(shown(&world), ("Acme Ltd".to_owned(), "Acme Ltd".to_owned()));
}

#[test]
fn pause_fault_and_unreadable_policy_keep_the_record() {
    let obstacles: [(&str, Edit, [&str; 2]); 3] = [
        (
            "paused",
            |world| world.annotate(Kind::Partner, "acme", api::PAUSED, "true"),
            ["False/Paused", "False/Paused"],
        ),
        (
            "a fault in the spec",
            |world| world.partner("acme", &format!("{RENAMED}\nmfa: {{required: false}}")),
            ["False/MfaCannotBeWaived", "False/MfaCannotBeWaived"],
        ),
        (
            "an unreadable policy",
            |world| world.workspace.set_readable(false),
            ["False/PolicyUnreadable", "True/Reconciled"],
        ),
    ];
    for (obstacle, begins, [new, known]) in obstacles {
        let mut world = World::acme();
        begins(&mut world);
        let plan = planned(&world);
        assert_eq!((operations(&plan), plan.finalizer), (vec![], Finalizer::Leave), "{obstacle}: a new partner");
        world.settle();
        assert_eq!(world.word(Kind::Partner, "acme", "Ready"), new, "{obstacle}: a new partner");

        let mut world = settled();
        world.partner("acme", RENAMED);
        begins(&mut world);
        assert_eq!(operations(&planned(&world)), [] as [&str; 0], "{obstacle}: a known partner");
        world.settle();
        assert_eq!(world.word(Kind::Partner, "acme", "Ready"), known, "{obstacle}: a known partner");
    }
}

#[test]
fn partner_without_known_host_admin_gets_no_record() {
    let mut world = World::new();
    world.partner("acme", "hostAdmins: [nobody@host.example]");
    let plan = planned(&world);
    assert_eq!((operations(&plan), plan.finalizer), (vec![], Finalizer::Leave));
    world.settle();
    assert_eq!(world.word(Kind::Partner, "acme", "Ready"), "False/HostAdminNotFound");
}

/// Changes the record of Bob, the only guest.
fn with_bob(change: impl Fn(&mut GuestRecord)) -> World {
    let mut world = World::new();
    world.partner("acme", ADMIN);
    world.member("bob", "GuestUser", "");
    world.settle();
    let mut bob = world.record("bob").unwrap();
    change(&mut bob);
    world.directory_cache.set_guest(&bob.address.clone(), Some(bob));
    world.partner("acme", &format!("{ADMIN}\nsuspended: true"));
    world
}

#[test]
fn suspension_is_recorded_once_no_created_guest_can_log_in() {
    for (origin, login, is_recorded) in [
        (Origin::Created, Login::Enabled, false),
        (Origin::Created, Login::DisabledByGuestlist, true),
        (Origin::Created, Login::DisabledByOther, true),
        (Origin::Adopted, Login::Enabled, true),
    ] {
        let world = with_bob(|bob| {
            bob.mark.as_mut().unwrap().origin = origin;
            bob.login = login;
        });
        assert_eq!(planned(&world).steps.len(), usize::from(is_recorded), "{origin:?} {login:?}");
    }
    let removed = with_bob(|bob| bob.deactivated_at = Some(bob.admitted_at));
    assert_eq!(operations(&planned(&removed)), ["apply_partner"], "a removed guest does not count");
}

#[test]
fn partner_names_the_state_of_its_foremost_guest_admin() {
    let mut world = World::new();
    world.partner("acme", ADMIN);
    world.member("bob", "GuestUser", "");
    let mut said = |change: &dyn Fn(&mut World)| {
        change(&mut world);
        world.settle();
        world.word(Kind::Partner, "acme", "GuestAdminPresent")
    };
    assert_eq!(said(&|world| world.joins(&[])), "False/MembershipNotFound");
    assert_eq!(said(&|world| world.joins(&["bob"])), "False/MembershipNotFound", "a Guest User is Active");
    assert_eq!(said(&|world| world.member("carol", "GuestAdmin", "")), "False/Invited");
    assert_eq!(said(&|world| world.joins(&["carol"])), "True/GuestAdminPresent");
    assert_eq!(said(&|world| world.member("erin", "GuestAdmin", "")), "True/GuestAdminPresent");
    assert_eq!(said(&|world| world.member("carol", "GuestAdmin", "suspended: true")), "False/Invited");
}

// --- deletion

#[test]
fn deleted_partner_waits_for_its_memberships_and_shares() {
    for (members, shares) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)] {
        for is_readable in [true, false] {
            let mut world = World::new();
            world.partner("acme", ADMIN);
            ["bob", "carol"].iter().take(members).for_each(|name| world.member(name, "GuestUser", ""));
            ["instagram"].iter().take(shares).for_each(|account| world.share(account, ""));
            world.settle();
            world.delete(Kind::Partner, "acme");
            if !is_readable {
                world.becomes_unreadable(Kind::Partner, "acme");
            }
            let left = members + shares;
            let case = format!("{members} memberships, {shares} shares, readable: {is_readable}");
            let plan = planned(&world);
            assert_eq!(plan.finalizer == Finalizer::Release, left == 0, "{case}");
            if is_readable {
                let ended: &[Event] = if left == 0 { &[Event::REMOVED] } else { &[] };
                assert_eq!(plan.events, ended, "{case}");
                world.settle();
                assert_eq!(world.objects.contains_key(&acme()), left > 0, "{case}");
            }
            if is_readable && left > 0 {
                let Object::Partner(partner) = &world.objects[&acme()] else { panic!("no partner") };
                let ready = partner.status.clone().unwrap().conditions.swap_remove(0);
                let counts = format!("{members} memberships and {shares} shares still name this partner");
                assert!(ready.reason == "DeletionBlocked" && ready.message.starts_with(&counts), "{ready:?}");
            }
        }
    }
}

/// The partner is being deleted before the operator saw it, and another controller's finalizer holds it.
fn deleted_unseen() -> World {
    let mut world = World::acme();
    let mut object = world.objects.remove(&acme()).unwrap();
    world.index.delete(&acme(), object.metadata().uid.as_deref().unwrap());
    if let Object::Partner(partner) = &mut object {
        partner.metadata.finalizers = Some(vec!["example.com/archive".to_owned()]);
    }
    world.index.apply(object.clone());
    world.objects.insert(acme(), object);
    world.delete(Kind::Partner, "acme");
    world
}

#[test]
fn deletion_writes_the_record_only_if_it_is_blocked_and_live() {
    for (deletion, operation) in [("Block", Some("apply_partner")), ("Cascade", None)] {
        let mut world = settled();
        world.delete(Kind::Partner, "acme");
        world.partner("acme", &format!("{RENAMED}\ndeletion: {deletion}"));
        assert_eq!(operations(&planned(&world)), operation.into_iter().collect::<Vec<_>>(), "{deletion}");
    }
    assert_eq!(operations(&planned(&deleted_unseen())), [] as [&str; 0], "a partner without a record gets none");
}

#[test]
fn cascade_deletes_the_objects_that_existed_at_its_start() {
    let mut world = World::acme();
    world.share("instagram", "");
    world.partner("acme", &format!("{ADMIN}\ndeletion: Cascade"));
    world.settle();
    let deletions = |world: &World| {
        let uid = |key: &ObjectRef| world.objects[key].metadata().uid.clone().unwrap();
        let mut names = Vec::new();
        for deletion in planned(world).deletions {
            assert_eq!(deletion.uid, uid(&deletion.key));
            names.push(deletion.key.name.to_string());
        }
        names.sort();
        names
    };
    assert_eq!(deletions(&world), [] as [String; 0]);
    world.delete(Kind::Partner, "acme");
    world.now += jiff::SignedDuration::from_mins(1);
    world.member("late", "GuestUser", "");
    assert_eq!(deletions(&world), ["bob", "carol", "dave", "instagram"]);
    world.delete(Kind::Membership, "bob");
    assert_eq!(deletions(&world), ["carol", "dave", "instagram"], "one is being deleted already");
    world.settle();
    let left: Vec<&str> = world.objects.keys().map(|key| &*key.name).collect();
    assert_eq!((left, world.ready("late").as_str()), (vec!["late"], "False/PartnerNotFound"));
}

#[test]
fn membership_is_terminating_once_its_partner_deletes_all() {
    let mut world = World::acme();
    world.share("instagram", "guestAdminRole: Manager");
    world.partner("acme", &format!("{ADMIN}\ndeletion: Cascade"));
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    world.delete(Kind::Partner, "acme");
    let plan = world.plan(&ObjectRef::new(Kind::Membership, SPACE, "carol"));
    assert_eq!(operations(&plan), ["revoke"], "before its own deletion it only revokes");
    assert!(plan.steps.iter().all(|step| step.reason == Reason::Terminating), "{:?}", plan.steps);
    let Some(guestlist::plan::Status::Membership(status)) = plan.status else { panic!("no status") };
    let ready = status.conditions.first().map(|ready| ready.reason.as_str());
    assert_eq!((status.state.as_deref(), ready), (Some("Terminating"), Some("Terminating")));
}

#[test]
fn deleted_partner_removes_the_guests_that_nothing_declares() {
    let mut world = World::new();
    world.partner("acme", ADMIN);
    world.member("bob", "GuestUser", "");
    world.member("dave", "GuestUser", "");
    world.settle();
    let bob = world.record("bob").unwrap().id;
    world.vanishes(Kind::Membership, "bob");
    // An unreadable membership names no partner, and its own deletion removes the guest.
    world.becomes_unreadable(Kind::Membership, "dave");
    world.delete(Kind::Partner, "acme");
    let plan = planned(&world);
    assert_eq!(operations(&plan), ["revoke_invitation", "deactivate", "deactivate_partner"]);
    for step in &plan.steps {
        assert!(step.operation.guest().is_none_or(|guest| *guest == bob), "{step:?}");
    }
}

#[test]
fn record_is_suspended_at_the_instant_of_its_partners_end() {
    let mut world = settled();
    let end = world.now + SignedDuration::from_hours(1);
    world.partner("acme", &format!("{ADMIN}\nexpiresAt: '{end}'"));
    for (before, suspended) in [(1, false), (0, true)] {
        world.now = end - SignedDuration::from_secs(before);
        world.settle();
        assert_eq!(record(&world).suspended, suspended, "{before} seconds before the end");
    }
}
