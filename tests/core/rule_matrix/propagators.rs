//! A membership that breaks a rule passes no account on, and no message recommends it as a propagator.

use guestlist::cache::Kind;

use crate::support::in_memory::{SPACE, World};

#[test]
fn propagator_that_breaks_a_rule_passes_nothing_on() {
    let mut world = World::shared();
    let refused = ["PropagationNeedsManager spec.guestUsers[0].propagatedBy"];
    for broken in ["mfa: {required: false}", "mfa: {methods: [SMS]}", "expiresAt: soon"] {
        world.member("carol", "GuestAdmin", broken);
        world.settle();
        assert_eq!(
            (world.access(), world.violations(Kind::Share, "instagram").as_slice()),
            (vec![], refused.map(str::to_owned).as_slice()),
            "{broken}"
        );
        world.member("carol", "GuestAdmin", "");
        world.settle();
        assert_eq!(world.access().len(), 2, "after {broken}");
    }
    world.member("carol", "GuestAdmin", "suspended: true");
    world.settle();
    assert_eq!(
        (world.access(), world.violations(Kind::Share, "instagram").len()),
        (vec!["bob: instagram as Collaborator".to_owned()], 0)
    );
}

#[test]
fn propagator_that_was_never_admitted_is_not_recommended() {
    let mut world = World::shared();
    let eve = "partnerRef: {name: acme}\nemail: zoe@host.example\nrole: GuestAdmin\ninvitedBy: alice@host.example";
    world.membership("eve", eve);
    world.share(
        "instagram",
        "guestAdminRole: Manager\nguestUsers: [{name: bob, propagatedBy: eve}, {name: dave, propagatedBy: bob}]",
    );
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    let violations = world.index.share(SPACE, "instagram").unwrap().read().unwrap().status.read().unwrap().violations;
    let messages: Vec<&str> = violations.iter().map(|violation| violation.message.as_str()).collect();
    assert!(messages[0].contains("the membership eve breaks a rule"), "{messages:?}");
    assert!(messages.iter().all(|message| message.ends_with("use one of: carol")), "{messages:?}");
}
