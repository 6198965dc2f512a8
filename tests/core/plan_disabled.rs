//! A login that an administrator disabled is never enabled by a plan, whatever the spec says before and after. A guest whose
//! record the directory refused to write is shown without access, until the directory writes the record again.
use crate::support::in_memory::{SPACE, World, email};
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{BLOCKED, GuestChange, Import, Login, Operation, UserRecord};
use guestlist::plan::Status;
use guestlist::workspace_policy::WorkspacePolicy;

const DISABLED: &str = "False/DisabledByAdministrator";
const ADMINS: &str = "guestAdminRole: Manager";

/// Carol is Guest Admin and Manager of instagram.
fn active() -> World {
    let mut world = World::acme();
    world.share("instagram", ADMINS);
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
    world
}

fn switch(world: &mut World, name: &str, enabled: bool) {
    let address = email(&format!("{name}@acme.example"));
    assert!(world.play(|store, _| store.set_login(&address, enabled)));
    world.settle();
}

fn says(world: &World, name: &str) -> (String, String) {
    (world.state(name), world.ready(name))
}

fn pair(state: &str, ready: &str) -> (String, String) {
    (state.to_owned(), ready.to_owned())
}

#[test]
fn disabled_active_guest_loses_grants_until_enabled() {
    let mut world = active();
    let mails = world.mails();
    switch(&mut world, "carol", false);
    assert_eq!(says(&world, "carol"), pair("Suspended", DISABLED));
    assert!(world.record("carol").unwrap().grants.is_empty());
    assert_eq!(world.withheld("instagram"), ["carol: DisabledByAdministrator"]);
    world.later(24 * 60);
    assert_eq!(world.record("carol").unwrap().login, Login::DisabledByOther);
    switch(&mut world, "carol", true);
    assert_eq!(says(&world, "carol"), pair("Active", "True/Active"));
    assert_eq!((world.access(), world.mails()), (vec!["carol: instagram as Manager".to_owned()], mails));
}

#[test]
fn disabled_guest_stays_disabled_through_a_suspension() {
    for suspended_first in [false, true] {
        let mut world = active();
        for suspend in [suspended_first, !suspended_first] {
            if suspend {
                world.member("carol", "GuestAdmin", "suspended: true");
                world.settle();
            } else {
                switch(&mut world, "carol", false);
            }
        }
        assert_eq!(says(&world, "carol"), pair("Suspended", "True/Suspended"));
        world.member("carol", "GuestAdmin", "");
        world.settle();
        assert_eq!(says(&world, "carol"), pair("Suspended", DISABLED), "suspended first: {suspended_first}");
        assert_eq!((world.access(), world.record("carol").unwrap().login), (vec![], Login::DisabledByOther));
        switch(&mut world, "carol", true);
        assert_eq!(world.access(), ["carol: instagram as Manager"]);
    }
}

#[test]
fn login_enabled_during_a_suspension_is_disabled_again() {
    let mut world = active();
    world.member("carol", "GuestAdmin", "suspended: true");
    world.settle();
    switch(&mut world, "carol", true);
    assert_eq!(world.record("carol").unwrap().login, Login::DisabledByGuestlist);
    world.member("carol", "GuestAdmin", "");
    world.settle();
    assert_eq!(says(&world, "carol"), pair("Active", "True/Active"));
}

#[test]
fn disabled_invited_guest_gets_no_mail_until_enabled() {
    let mut world = World::acme();
    world.settle();
    switch(&mut world, "bob", false);
    assert_eq!(says(&world, "bob"), pair("Suspended", DISABLED));
    world.later(4 * 24 * 60);
    let asked = world.now.to_string();
    world.annotate(Kind::Membership, "bob", guestlist::api::RESEND_INVITATION, &asked);
    world.settle();
    assert_eq!((says(&world, "bob"), world.mails()), (pair("Suspended", DISABLED), 3));
    switch(&mut world, "bob", true);
    assert_eq!((world.state("bob"), world.mails()), ("Invited".to_owned(), 4));
}

#[test]
fn removed_disabled_guest_is_not_invited_again() {
    let mut world = active();
    switch(&mut world, "carol", false);
    world.delete(Kind::Membership, "carol");
    world.settle();
    world.later(60);
    let mails = world.mails();
    world.member("carol", "GuestAdmin", "");
    world.settle();
    assert_eq!((says(&world, "carol"), world.mails()), (pair("Pending", DISABLED), mails));
    assert!(world.record("carol").is_none());
    switch(&mut world, "carol", true);
    assert_eq!((world.state("carol"), world.mails()), ("Invited".to_owned(), mails + 1));
    assert_eq!(world.record("carol").unwrap().login, Login::Enabled);
}

#[test]
fn disabled_guest_of_a_suspended_partner_stays_disabled() {
    let mut world = active();
    switch(&mut world, "carol", false);
    for spec in ["hostAdmins: [alice@host.example]\nsuspended: true", "hostAdmins: [alice@host.example]"] {
        world.partner("acme", spec);
        world.settle();
    }
    assert_eq!(says(&world, "carol"), pair("Suspended", DISABLED));
    assert_eq!(world.record("bob").unwrap().login, Login::Enabled);
}

#[test]
fn disabled_colleague_is_not_adopted_and_loses_grants() {
    let mut world = World::new();
    let policy =
        "domains: [host.example]\ntenants: [{namespace: partners, hostAdmins: ['*@host.example'], adoption: true}]";
    world.workspace = WorkspacePolicy::parse(policy).unwrap_or_else(|problem| panic!("{problem}"));
    let colleague =
        |enabled| UserRecord { email: email("carol@acme.example"), name: "Carol".to_owned(), enabled, verified: true };
    let import = |world: &mut World, enabled| {
        let import = Import { users: vec![colleague(enabled)], accounts: vec![] };
        world.play(|store, _| store.import(&import));
        world.settle();
    };
    world.partner("acme", "hostAdmins: [alice@host.example]\nadoption: Unmarked");
    world.member("carol", "GuestAdmin", "");
    import(&mut world, false);
    assert_eq!((says(&world, "carol"), world.mails()), (pair("Pending", DISABLED), 0));
    import(&mut world, true);
    assert_eq!((world.state("carol"), world.mails()), ("Invited".to_owned(), 1));
    world.share("instagram", ADMINS);
    world.joins(&["carol"]);
    world.settle();
    import(&mut world, false);
    assert_eq!((says(&world, "carol"), world.access()), (pair("Suspended", DISABLED), vec![]));
    import(&mut world, true);
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
}

#[test]
fn blocked_guest_is_shown_so_until_granted_anew() {
    let mut world = active();
    let record = world.record("carol").unwrap();
    let mut grant = record.grants.get("instagram").unwrap().grant.clone();
    grant.until = Some(BLOCKED);
    world.execute(&Operation::Guest { id: record.id, change: GuestChange::Reduce { grants: vec![grant] } });
    let key = |kind, name| ObjectRef::new(kind, SPACE, name);
    let operations: Vec<Operation> =
        world.plan(&key(Kind::Membership, "carol")).steps.into_iter().map(|step| step.operation).collect();
    assert!(matches!(&operations[..], [Operation::Guest { change: GuestChange::Grant { .. }, .. }]), "{operations:?}");
    // While the directory refuses the write, the statuses show the access in the directory.
    let planned = world.plan(&key(Kind::Membership, "carol"));
    let said = guestlist::plan::refused(world.seen(), &key(Kind::Membership, "carol"), planned, Some("who and why"));
    assert_eq!(said.steps, []);
    let Some(Status::Membership(status)) = said.status else { panic!("no status") };
    let words: Vec<(&str, &str, &str)> =
        status.conditions.iter().map(|it| (&*it.type_, &*it.status, &*it.reason)).collect();
    assert!(words.contains(&("Ready", "False", "DirectoryRefused")), "{words:?}");
    assert!(words.contains(&("Stalled", "True", "DirectoryRefused")), "{words:?}");
    assert!(words.contains(&("Accepted", "True", "Accepted")), "{words:?}");
    assert_eq!(status.conditions[0].message, "who and why");
    let account = &status.accounts[0];
    assert_eq!((account.effective, account.reason.as_deref()), (false, Some("DirectoryRefused")));
    assert_eq!(status.state.as_deref(), Some("Suspended"));
    assert!(world.pass(&key(Kind::Share, "instagram")) || world.pass(&key(Kind::Partner, "acme")));
    assert_eq!(world.withheld("instagram"), ["carol: DirectoryRefused"]);
    let Some(Status::Partner(partner)) = world.plan(&key(Kind::Partner, "acme")).status else { panic!("no status") };
    let counts = partner.guests.unwrap();
    assert_eq!((counts.active, counts.suspended), (0, 1), "{counts:?}");
    world.settle();
    assert_eq!(says(&world, "carol"), pair("Active", "True/Active"));
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
}
