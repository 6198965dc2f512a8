//! Each rule that takes more than one object, or the directory: one world that breaks it, and one at the edge that does
//! not.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "support/world.rs"]
mod world;

use guestlist::index::Kind;
use world::World;

const ADMINS: &str = "hostAdmins: [alice@host.example]\n";

fn acme(partner: &str) -> World {
    let mut world = World::acme();
    world.partner("acme", &format!("{ADMINS}{partner}"));
    world.settle();
    world
}

/// What the rules say of a membership, and of its twin.
#[track_caller]
fn guest(partner: &str, broken: &str, fine: &str, told: &str) {
    for (spec, told) in [(broken, vec![told.to_owned()]), (fine, vec![])] {
        let mut world = acme(partner);
        world.membership("new", &format!("partnerRef: {{name: acme}}\n{spec}"));
        world.settle();
        assert_eq!(world.violations(Kind::Membership, "new"), told, "{spec}");
        assert_eq!(world.record("new").is_some(), told.is_empty(), "{spec}");
    }
}

#[track_caller]
fn share(broken: &str, fine: &str, told: &str) {
    for (spec, told) in [(broken, vec![told.to_owned()]), (fine, vec![])] {
        let mut world = acme("");
        world.share_of("new", &format!("partnerRef: {{name: acme}}\naccount: newsletter\n{spec}"));
        world.settle();
        assert_eq!(world.violations(Kind::Share, "new"), told, "{spec}");
    }
}

fn from(address: &str) -> String {
    format!("email: {address}\ninvitedBy: alice@host.example\n")
}

#[test]
fn a_guest_comes_from_outside() {
    for inside in ["x@host.example", "x@eu.host.example"] {
        guest("", &from(inside), &from("x@ghost.example"), "HostDomain spec.email");
    }
}

#[test]
fn a_guest_comes_from_where_the_partner_says() {
    let told = "DomainNotAllowed spec.email";
    let allowed = "guests: {allowedDomains: [acme.example]}";
    guest(allowed, &from("x@eu.acme.example"), &from("x@acme.example"), told);
    let denied = "guests: {deniedDomains: [mail.example]}";
    guest(denied, &from("x@eu.mail.example"), &from("x@gmail.example"), told);
}

#[test]
fn a_membership_narrows_methods_and_never_widens_them() {
    let with = |methods: &str| format!("{}mfa: {{methods: [{methods}]}}\n", from("x@acme.example"));
    let told = "MfaMethodNotAllowed spec.mfa.methods";
    guest("mfa: {methods: [WebAuthn]}", &with("WebAuthn, TOTP"), &with("WebAuthn"), told);
}

#[test]
fn a_membership_lasts_as_long_as_the_partner_allows() {
    let until = |instant: &str| format!("{}expiresAt: {instant}\n", from("x@acme.example"));
    let (late, edge) = (until("'2027-01-02T00:00:01Z'"), until("'2027-01-02T00:00:00Z'"));
    guest("guests: {maxDuration: 24h}", &late, &edge, "ExpiryTooLong spec.expiresAt");
}

#[test]
fn an_owner_of_an_account_is_no_guest() {
    for (owner, told) in [("x@acme.example", vec!["IsWorkspaceUser spec.email".to_owned()]), ("y@acme.example", vec![])]
    {
        let mut world = acme("");
        world.owners("newsletter", &["alice@host.example", owner]);
        world.membership("new", &format!("partnerRef: {{name: acme}}\n{}", from("x@acme.example")));
        world.settle();
        assert_eq!(world.violations(Kind::Membership, "new"), told);
    }
}

#[test]
fn a_guest_admin_invites_guest_users_only() {
    let mut world = acme("");
    world.joins(&["carol"]);
    world.settle();
    let by_carol = |role: &str| {
        format!(
            "partnerRef: {{name: acme}}\nemail: x{role}@acme.example\nrole: {role}\ninvitedBy: carol@acme.example\n"
        )
    };
    world.membership("admin", &by_carol("GuestAdmin"));
    world.membership("user", &by_carol("GuestUser"));
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "admin"), ["InviterNotAllowed spec.invitedBy"]);
    assert_eq!(world.state("user"), "Invited");
    world.delete(Kind::Membership, "carol");
    world.settle();
    assert_eq!(world.state("user"), "Invited", "losing the inviter later harms nobody");
}

#[test]
fn a_guest_user_waits_for_the_guest_admin_who_invites_him() {
    let mut world = acme("");
    world.membership("user", "partnerRef: {name: acme}\nemail: x@acme.example\ninvitedBy: carol@acme.example\n");
    world.settle();
    assert_eq!((world.state("user"), world.ready("user")), ("Pending".into(), "False/InviterNotActive".into()));
    world.joins(&["carol"]);
    world.settle();
    assert_eq!(world.state("user"), "Invited");
}

#[test]
fn an_address_never_changes_on_a_membership_even_past_the_api_server() {
    let mut world = acme("");
    world.membership("bob", &format!("partnerRef: {{name: acme}}\n{}", from("robert@acme.example")));
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "bob"), ["Immutable spec.email"]);
    world.membership("bob", &format!("partnerRef: {{name: acme}}\n{}", from("BOB@acme.example")));
    world.settle();
    assert_eq!(world.violations(Kind::Membership, "bob"), [""; 0]);
    assert_eq!(world.ready("bob"), "False/MailInterval", "the revoked invitation is followed by another, not at once");
    world.later(10);
    assert_eq!(world.state("bob"), "Invited");
}

#[test]
fn who_shares_runs_the_partner_and_the_namespace_may_speak_for_him() {
    let alice = "sharedBy: alice@host.example";
    share("sharedBy: zoe@host.example", alice, "SharerNotHostAdmin spec.sharedBy");
    share("sharedBy: eve@elsewhere.example", alice, "HostAdminNotAllowedHere spec.sharedBy");
}

#[test]
fn an_entry_names_a_guest_of_the_shares_own_partner_and_one_not_there_yet_is_no_fault() {
    let mut world = acme("");
    world.partner("globex", ADMINS);
    world.membership("gil", &format!("partnerRef: {{name: globex}}\n{}", from("gil@globex.example")));
    world.share("instagram", "exclude: [{name: gil}, {name: nobody}]");
    world.settle();
    assert_eq!(world.violations(Kind::Share, "instagram"), ["NotAGuestOfPartner spec.exclude[0].name"]);
}

#[test]
fn a_partner_has_an_account_through_one_share_and_the_one_that_gives_it_keeps_doing_so() {
    let mut world = acme("");
    world.share("instagram", "");
    world.settle();
    world.joins(&["carol"]);
    world.settle();
    let second =
        "partnerRef: {name: acme}\naccount: instagram\nsharedBy: alice@host.example\nguestAdminRole: Manager\n";
    world.share_of("a-second", second);
    world.settle();
    assert_eq!(world.violations(Kind::Share, "a-second"), ["DuplicateShare spec.account"]);
    assert_eq!(world.access(), ["carol: instagram as Collaborator"]);
    world.delete(Kind::Share, "instagram");
    world.settle();
    assert_eq!(world.access(), ["carol: instagram as Manager"]);
}

#[test]
fn objects_may_come_in_any_order() {
    let mut world = World::new();
    world.member("carol", "GuestAdmin", "");
    world.share("instagram", "");
    world.settle();
    assert_eq!(world.ready("carol"), "False/PartnerNotFound");
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "False/PartnerNotFound");
    world.partner("acme", ADMINS);
    world.settle();
    assert_eq!(world.state("carol"), "Invited");
    assert_eq!(world.word(Kind::Share, "instagram", "Ready"), "True/Reconciled");
}

#[test]
fn a_host_admin_who_is_not_there_yet_counts_as_absent() {
    let mut world = World::acme();
    world.partner("acme", "hostAdmins: [later@host.example]");
    world.settle();
    assert_eq!(world.word(Kind::Partner, "acme", "Ready"), "False/HostAdminNotFound");
    world.partner("acme", "hostAdmins: [later@host.example, alice@host.example]");
    world.settle();
    assert_eq!(world.state("bob"), "Invited");
}
