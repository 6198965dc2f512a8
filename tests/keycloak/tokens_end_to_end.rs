//! Revocations by specs, as an application sees them: absent from the next token, and the earlier session is over. From
//! the objects in a real API server, through the operator, to the tokens of people with browsers.

use jiff::{SignedDuration, Timestamp};

use crate::environment::House;
use crate::pages::harness::{Person, accounts, holds};
use crate::support::browser::Tokens;
use crate::support::harness::{BOB, CAROL};
use crate::support::operator::eventually;

/// Carol can lose access in two ways. As Guest Admin she is Manager of one account and Collaborator of the other. As
/// Guest User she still has the account that dave, who never joins, passes on to her.
const WORLD: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example], deletion: Cascade}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dave, namespace: partners}
spec: {partnerRef: {name: acme}, email: dave@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: bob@acme.example, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: instagram
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: dave}, {name: carol, propagatedBy: dave}]
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: acme}, account: tiktok, sharedBy: alice@host.example}
";

const BOTH: &[&str] = &["instagram:Manager", "tiktok:Collaborator"];
const LEFT: &[&str] = &["instagram:Collaborator"];

impl House {
    /// Signs a person in. Returns the tokens.
    #[track_caller]
    fn signs_in(&self, person: &mut Person<'_>, expected: &[&str]) -> Tokens {
        let tokens =
            self.now(person.signs_in()).unwrap_or_else(|page| panic!("{} is not let in: {page}", person.address));
        holds(&tokens, expected);
        tokens
    }

    /// Asserts that the person cannot sign in, by pages or without.
    #[track_caller]
    fn is_kept_out(&self, person: &mut Person<'_>, what: &str) {
        let by_pages = self.now(person.signs_in());
        assert!(by_pages.is_err(), "{what}: {:?}", by_pages.map(|tokens| tokens.claims()));
        let directly = self.now(person.signs_in_directly());
        assert!(directly.is_err(), "{what}: {:?}", directly.map(|tokens| tokens.claims()));
    }
}

#[test]
fn spec_change_revokes_token_and_session_and_shows_no_secret() {
    let house = House::start("shown");
    let partners = house.stage.partners();
    house.stage.apply(WORLD);
    let (mut carol, mut bob) = (house.joins(CAROL), house.joins(BOB));
    partners.guest("carol", CAROL, "Active", BOTH);
    partners.guest("bob", BOB, "Active", LEFT);
    let bobs = house.signs_in(&mut bob, &["instagram:collaborator"]);

    is_excluded_and_demoted(&house, &mut carol);
    has_her_mfa_reset(&house, &mut carol);
    let bobs = house.now(house.realm.application.refresh(&bobs)).expect("what happened to carol did not touch bob");
    holds(&bobs, &["instagram:collaborator"]);

    is_of_a_suspended_partner(&house, &mut carol, &mut bob, &bobs);
    expires(&house, &mut carol);
    are_removed(&house, &mut carol, &mut bob);
    house.tells_no_secret(&[&carol, &bob]);
}

fn is_excluded_and_demoted(house: &House, carol: &mut Person<'_>) {
    let partners = house.stage.partners();
    let tokens = house.signs_in(carol, &["instagram:manager", "tiktok:collaborator"]);
    partners.patch("share/tiktok", r#"{"spec":{"exclude":[{"name":"carol"}]}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    house.now(carol.is_out(&tokens, "excluded"));
    let tokens = house.signs_in(carol, &["instagram:manager"]);

    partners.patch("share/tiktok", r#"{"spec":{"exclude":null}}"#);
    partners.guest("carol", CAROL, "Active", BOTH);
    let tokens = house.now(house.realm.application.refresh(&tokens)).expect("she was given something");
    holds(&tokens, &["instagram:manager", "tiktok:collaborator"]);
    partners.patch("gm/carol", r#"{"spec":{"role":"GuestUser"}}"#);
    partners.guest("carol", CAROL, "Active", LEFT);
    house.now(carol.is_out(&tokens, "demoted"));
}

fn has_her_mfa_reset(house: &House, carol: &mut Person<'_>) {
    let partners = house.stage.partners();
    let tokens = house.signs_in(carol, &["instagram:collaborator"]);
    partners.annotate("gm/carol", &format!("guestlist.dev/reset-mfa={}", Timestamp::now()));
    partners.guest("carol", CAROL, "Joined", &[]);
    house.now(carol.is_out(&tokens, "reset"));
    house.is_kept_out(carol, "reset");
    house.now(carol.signs_in()).expect_err("the guest has to enrol first");
    assert!(carol.browser.asks("totpSecret"), "{}", carol.browser.words());
    house.now(carol.enrols());
    let tokens = house.now(carol.is_in()).expect("the guest signs in with the new factor");
    partners.guest("carol", CAROL, "Active", LEFT);
    holds(&house.now(house.realm.application.refresh(&tokens)).unwrap(), &["instagram:collaborator"]);
}

fn is_of_a_suspended_partner<'a>(house: &House, carol: &mut Person<'a>, bob: &mut Person<'a>, bobs: &Tokens) {
    let partners = house.stage.partners();
    let carols = house.signs_in(carol, &["instagram:collaborator"]);
    partners.patch("lp/acme", r#"{"spec":{"suspended":true}}"#);
    partners.guest("carol", CAROL, "Suspended", &[]);
    partners.guest("bob", BOB, "Suspended", &[]);
    for (person, tokens) in [(&mut *carol, &carols), (&mut *bob, bobs)] {
        house.now(person.is_out(tokens, "the partner is suspended"));
        house.is_kept_out(person, "the partner is suspended");
    }
    partners.patch("lp/acme", r#"{"spec":{"suspended":null}}"#);
    partners.guest("carol", CAROL, "Active", LEFT);
    partners.guest("bob", BOB, "Active", LEFT);
    house.now(house.realm.application.refresh(&carols)).expect_err("an old session is not revived");
}

fn expires(house: &House, carol: &mut Person<'_>) {
    let partners = house.stage.partners();
    let tokens = house.signs_in(carol, &["instagram:collaborator"]);
    let end = (Timestamp::now() + SignedDuration::from_secs(2)).strftime("%Y-%m-%dT%H:%M:%SZ");
    partners.patch("gm/carol", &format!(r#"{{"spec":{{"expiresAt":"{end}"}}}}"#));
    partners.guest("carol", CAROL, "Expired", &[]);
    house.now(carol.is_out(&tokens, "expired"));
    house.is_kept_out(carol, "expired");
    partners.patch("gm/carol", r#"{"spec":{"expiresAt":null}}"#);
    partners.guest("carol", CAROL, "Active", LEFT);
}

fn are_removed(house: &House, carol: &mut Person<'_>, bob: &mut Person<'_>) {
    let partners = house.stage.partners();
    let carols = house.signs_in(carol, &["instagram:collaborator"]);
    partners.delete("gm/carol");
    house.now(carol.is_out(&carols, "the membership is deleted"));
    house.is_kept_out(carol, "the membership is deleted");

    let bobs = house.signs_in(bob, &["instagram:collaborator"]);
    partners.delete("share/instagram");
    house.now(bob.is_out(&bobs, "the share is deleted"));
    let bobs = house.signs_in(bob, &[]);
    partners.delete("lp/acme");
    house.now(bob.is_out(&bobs, "the partner is deleted"));
    house.is_kept_out(bob, "the partner is deleted");
}

/// The realm is as setup leaves it. docs/keycloak/limits.md describes the remaining window.
#[test]
fn deleted_factor_keeps_session_until_seen_and_blocks_new_ones() {
    let mut house = House::prepare("window");
    // No resync happens in between: the operator depends on events.
    house.stage.operator.resync = "1h";
    house.stage.operator.start();
    let partners = house.stage.partners();
    house.stage.apply(WORLD);
    let mut bob = house.joins(BOB);
    partners.guest("bob", BOB, "Active", LEFT);
    let tokens = house.signs_in(&mut bob, &["instagram:collaborator"]);

    // The operator is stopped, so nothing reads the realm, however long this takes.
    house.stage.operator.signal("-STOP");
    let tokens = house.now(async {
        let factor = house.realm.credential(BOB, "otp").await.unwrap();
        let id = house.realm.user(BOB).await["id"].as_str().unwrap().to_owned();
        house.realm.admin("DELETE", &format!("/users/{id}/credentials/{factor}"), None).await;
        house.realm.application.refresh(&tokens).await.expect("the session goes on until then")
    });
    holds(&tokens, &["instagram:collaborator"]);
    // The flows of setup admit no guest without a factor, even while no operator runs.
    let signed_in = std::mem::replace(&mut bob.browser, crate::support::browser::Browser::new());
    house.is_kept_out(&mut bob, "before the look");
    house.now(bob.signs_in()).expect_err("the guest has to enrol first");
    assert!(bob.browser.asks("totpSecret"), "{}", bob.browser.words());

    bob.browser = signed_in;
    house.stage.operator.signal("-CONT");
    partners.guest("bob", BOB, "Joined", &[]);
    house.now(bob.is_out(&tokens, "after the look"));
    house.is_kept_out(&mut bob, "after the look");
    // The guest returns with a new factor: signed in at once, with the access that was granted again.
    house.now(bob.signs_in()).expect_err("the guest has to enrol first");
    house.now(bob.enrols());
    let tokens = house.now(bob.is_in()).expect("the guest is signed in");
    assert_eq!(accounts(&tokens), None, "nothing was given to who had no factor");
    partners.guest("bob", BOB, "Active", LEFT);
    eventually("the next token has the grants", || {
        let told = accounts(&house.now(house.realm.application.refresh(&tokens)).unwrap()).unwrap_or_default();
        if told == ["instagram:collaborator"] { Ok(()) } else { Err(format!("{told:?}")) }
    });
    house.tells_no_secret(&[&bob]);
}
