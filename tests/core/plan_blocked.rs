//! The effect of a partner or an entry that grants nothing on other objects: they wait, and their own status reports no
//! fault.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{Import, UserRecord};

fn alice(world: &mut World, enabled: bool) {
    let email = email("alice@host.example");
    let user = UserRecord { email, name: "Alice".to_owned(), enabled, verified: true };
    world.play(|store, _| store.import(&Import { users: vec![user], accounts: Vec::new() }));
    world.settle();
}

#[test]
fn partner_without_a_known_host_admin_admits_nobody() {
    let mut world = World::acme();
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    alice(&mut world, false);
    let erin = "partnerRef: {name: acme}\nemail: erin@acme.example\nrole: GuestUser\ninvitedBy: carol@acme.example";
    world.membership("erin", erin);
    world.settle();
    assert_eq!(world.ready("erin"), "False/HostAdminNotFound");
    assert!(world.record("erin").is_none());
    alice(&mut world, true);
    assert_eq!(world.ready("erin"), "True/Invited");
}

#[test]
fn unreadable_role_of_a_share_blames_no_propagator() {
    let mut world = World::acme();
    let share = "guestAdminRole: Owner\nguestUsers: [{name: bob, propagatedBy: carol}]";
    let role = "OwnerNeverShared spec.guestAdminRole";
    world.share("instagram", share);
    world.settle();
    assert_eq!(world.violations(Kind::Share, "instagram"), [role]);
    // The exclusion is another fault, whatever the role.
    world.share("instagram", &format!("{share}\nexclude: [{{name: carol}}]"));
    world.settle();
    let excluded = "PropagationNeedsManager spec.guestUsers[0].propagatedBy";
    assert_eq!(world.violations(Kind::Share, "instagram"), [role, excluded]);
}

#[test]
fn deletion_blocked_at_the_end_waits_for_no_instant() {
    let mut world = World::acme();
    let end = world.now + jiff::SignedDuration::from_mins(10);
    world.partner("acme", &format!("hostAdmins: [alice@host.example]\nexpiresAt: {end}"));
    world.settle();
    world.delete(Kind::Partner, "acme");
    let key = ObjectRef::new(Kind::Partner, SPACE, "acme");
    assert_eq!(world.plan(&key).next_check, Some(end));
    world.now = end;
    assert_eq!(world.plan(&key).next_check, None);
}
