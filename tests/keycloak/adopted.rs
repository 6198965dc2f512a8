//! A colleague who was in the realm before guestlist, adopted by policy and spec together. The colleague's own data
//! stays the same, whatever happens to the membership.

use serde_json::{Value, json};

use crate::environment::House;
use crate::pages::adopted::own;
use crate::pages::harness::{Person, accounts, holds};
use crate::sign_in::SEED;
use crate::support::operator::POLICY;

const ERIN: &str = "erin@acme.example";
const PARTNER: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example], deletion: Cascade}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: acme}, account: tiktok, sharedBy: alice@host.example}
";
const MEMBERSHIP: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: erin, namespace: partners}
spec: {partnerRef: {name: acme}, email: erin@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
";
const GIVEN: &[&str] = &["tiktok:Collaborator"];

/// The policy of a platform team that lets this namespace adopt.
fn adopting() -> String {
    POLICY.replace("hostAdmins: ['*@host.example']", "hostAdmins: ['*@host.example'], adoption: true")
}

/// The colleague's own data.
fn hers(user: &Value) -> Value {
    json!([own(user), user["lastName"], user["emailVerified"], user["attributes"]["department"]])
}

/// Whether the user has any of guestlist's attributes.
fn marked(user: &Value) -> bool {
    user["attributes"].as_object().is_some_and(|all| all.keys().any(|name| name.starts_with("guestlist.")))
}

impl House {
    fn erin(&self) -> Value {
        self.now(self.realm.user(ERIN))
    }

    /// A user with a name, a password, an authenticator and an attribute.
    fn colleague(&self) -> Person<'_> {
        self.now(async {
            let mut profile = self.realm.admin("GET", "/users/profile", None).await;
            let department = json!({"name": "department", "permissions": {"view": ["admin"], "edit": ["admin"]}});
            profile["attributes"].as_array_mut().unwrap().push(department);
            self.realm.admin("PUT", "/users/profile", Some(profile)).await;
            let mut user = self.realm.colleague(ERIN).await;
            let data = json!({"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"});
            user["attributes"] = json!({"department": ["sales"]});
            user["credentials"] = json!([{"type": "otp", "userLabel": "old", "credentialData": data.to_string(),
                                          "secretData": json!({"value": SEED}).to_string()}]);
            let path = format!("/users/{}", user["id"].as_str().unwrap());
            self.realm.admin("PUT", &path, Some(user)).await;
        });
        let mut erin = self.realm.person(ERIN);
        erin.key = Some(SEED.to_owned());
        erin
    }

    /// The colleague signs in with the original credentials. Returns the tokens.
    #[track_caller]
    fn lets_her_in(&self, erin: &mut Person<'_>, expected: &[&str]) -> crate::support::browser::Tokens {
        let tokens = self.now(erin.signs_in()).unwrap_or_else(|page| panic!("her login is hers: {page}"));
        holds(&tokens, expected);
        tokens
    }
}

#[test]
fn user_is_adopted_if_policy_and_spec_allow_and_keeps_own_data() {
    let mut house = House::prepare("adopted-by-spec");
    house.colleague();
    let before = house.erin();
    // The policy alone, or the spec alone, does not suffice.
    house.stage.operator.policy(&adopting());
    house.stage.operator.start();
    house.stage.apply(&[PARTNER, "---", MEMBERSHIP].concat());
    house.stage.partners().says("gm/erin", "IsWorkspaceUser");
    house.stage.operator.kill();
    house.stage.operator.policy(POLICY);
    house.stage.operator.start();
    house.stage.partners().patch("lp/acme", r#"{"spec":{"adoption":"Unmarked"}}"#);
    house.looks_at("lp/acme");
    house.looks_at("gm/erin");
    house.stage.partners().says("gm/erin", "IsWorkspaceUser");
    assert_eq!((house.erin(), house.realm.mail.count(ERIN)), (before.clone(), 0), "she was not to be touched");

    // Both suffice. Before the colleague accepts, guestlist only sends the mail.
    house.stage.operator.policy(&adopting());
    house.stage.partners().guest("erin", ERIN, "Invited", &[]);
    let mut erin = house.invited(ERIN);
    erin.key = Some(SEED.to_owned());
    let tokens = house.lets_her_in(&mut erin, &[]);
    assert_eq!(accounts(&tokens), None);
    is_hers(&house, &before, "asked");

    // The colleague follows the mail; the existing authenticator counts from then on.
    house.now(erin.accepts());
    house.stage.partners().guest("erin", ERIN, "Active", GIVEN);
    let tokens = house.lets_her_in(&mut erin, &["tiktok:collaborator"]);
    is_hers(&house, &before, "a member");
    her_factor_and_her_login_stay(&house, &before, &mut erin, &tokens);
    goes_and_is_asked_again(&house, &before, &mut erin);
    house.tells_no_secret(&[&erin]);
}

#[track_caller]
fn is_hers(house: &House, before: &Value, what: &str) {
    assert_eq!(hers(&house.erin()), hers(before), "{what}");
}

fn her_factor_and_her_login_stay(
    house: &House,
    before: &Value,
    erin: &mut Person<'_>,
    tokens: &crate::support::browser::Tokens,
) {
    let partners = house.stage.partners();
    let factor = house.now(house.realm.credential(ERIN, "otp"));
    partners.annotate("gm/erin", &format!("guestlist.dev/reset-mfa={}", jiff::Timestamp::now()));
    house.looks_at("gm/erin");
    assert_eq!(house.now(house.realm.credential(ERIN, "otp")), factor, "her factor is not ours to take");
    house.now(house.realm.application.refresh(tokens)).expect("nor her session");

    partners.patch("gm/erin", r#"{"spec":{"suspended":true}}"#);
    partners.becomes("gm/erin", "/status/state", "Suspended");
    house.stage.operator.has_access(ERIN, &[]);
    house.now(erin.is_out(tokens, "suspended"));
    assert_eq!(accounts(&house.lets_her_in(erin, &[])), None, "without what she was given");
    is_hers(house, before, "suspended");
    partners.patch("gm/erin", r#"{"spec":{"suspended":null}}"#);
    partners.guest("erin", ERIN, "Active", GIVEN);
}

fn goes_and_is_asked_again(house: &House, before: &Value, erin: &mut Person<'_>) {
    let partners = house.stage.partners();
    let tokens = house.lets_her_in(erin, &["tiktok:collaborator"]);
    partners.delete("gm/erin");
    house.now(erin.is_out(&tokens, "the membership is deleted"));
    let user = house.erin();
    assert!(!marked(&user), "she is nobody's guest: {user}");
    is_hers(house, before, "unmanaged");
    assert_eq!(accounts(&house.lets_her_in(erin, &[])), None);

    // A new membership needs a new acceptance.
    house.stage.apply(MEMBERSHIP);
    partners.guest("erin", ERIN, "Invited", &[]);
    assert_eq!(house.realm.mail.count(ERIN), 2);
    assert_eq!(accounts(&house.lets_her_in(erin, &[])), None, "she has not answered yet");
    house.now(erin.accepts());
    partners.guest("erin", ERIN, "Active", GIVEN);
    let tokens = house.lets_her_in(erin, &["tiktok:collaborator"]);
    is_hers(house, before, "again a member");

    // The partner is deleted with everything of its own. The colleague's user is not.
    partners.delete("lp/acme");
    house.now(erin.is_out(&tokens, "the partner is deleted"));
    let user = house.erin();
    assert!(!marked(&user), "{user}");
    is_hers(house, before, "the partner is gone");
    assert_eq!(accounts(&house.lets_her_in(erin, &[])), None);
}
