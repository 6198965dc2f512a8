//! Members that Keycloak would delete with their membership or their organization: users who registered with an
//! invitation that an administrator sent from the console.

use guestlist::directory::{DirectoryReader as _, GuestChange, GuestId, Integrity, Operation, PartnerChange};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::{PASSWORD, Stage, accounts, on_stage};
use crate::support::browser::Browser;
use crate::support::contract::{acme, guest};

const BOB: &str = "bob@acme.example";
const ERIN: &str = "erin@acme.example";

/// An administrator invites a person by hand.
async fn invites_by_hand(stage: &Stage, address: &str) {
    let organization = stage.organization().await.unwrap();
    let (server, realm) = (stage.realm.server, &stage.realm.name);
    let url = format!("{}/admin/realms/{realm}/organizations/{organization}/members/invite-user", server.base);
    let call = reqwest::Client::new().request(Method::POST, url).bearer_auth(server.admin_token().await);
    let answer = call.form(&[("email", address)]).send().await.unwrap();
    assert_eq!(answer.status(), 204);
}

/// The registration page of such an invitation.
async fn opens(stage: &Stage, address: &str) -> Browser {
    let mut browser = Browser::new();
    browser.open(&stage.mail.link_for(address)).await;
    browser
}

async fn registers(browser: &mut Browser, address: &str) {
    let mut fields = vec![("firstName", "Erin"), ("lastName", "Example"), ("email", address)];
    fields.extend([("password", PASSWORD), ("password-confirm", PASSWORD)]);
    fields.extend(browser.asks("username").then_some(("username", address)));
    fields.retain(|(name, _)| browser.asks(name));
    browser.submit(&fields).await;
}

/// The kind of a user's membership in the partner's organization, or null without one.
async fn membership(stage: &Stage, organization: &str, address: &str) -> Value {
    let path = format!("/organizations/{organization}/members?search={address}&exact=true");
    stage.admin("GET", &path, None).await[0]["membershipType"].clone()
}

#[test]
fn user_registered_by_foreign_invitation_outlives_partner() {
    on_stage("managed", async |stage| {
        let bob = stage.active(BOB).await;
        let organization = stage.organization().await.unwrap();
        invites_by_hand(stage, ERIN).await;
        registers(&mut opens(stage, ERIN).await, ERIN).await;
        assert_eq!(membership(stage, &organization, ERIN).await, "MANAGED");

        // An administrator edits the attributes by hand: they show only that the user belongs to acme.
        let mut erin = stage.user(ERIN).await;
        let id = erin["id"].as_str().unwrap().to_owned();
        erin["attributes"] = json!({"guestlist.partner": [acme().0], "guestlist.accounts": ["instagram:manager"]});
        stage.admin("PUT", &format!("/users/{id}"), Some(erin)).await;
        assert_eq!(stage.record(ERIN).await.integrity, Integrity::Unreadable);
        let revoke = GuestChange::Revoke { accounts: vec!["instagram".to_owned()] };
        stage.done(&Operation::Guest { id: GuestId(format!("keycloak-{id}")), change: revoke }).await;
        assert_eq!(membership(stage, &organization, ERIN).await, "MANAGED", "she is where she was");
        let tokens = stage.application.direct(ERIN, PASSWORD, None).await.expect("she is who she was");
        assert_eq!(accounts(&tokens), None);

        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        let since = bob.record().await.deactivated_at.unwrap();
        stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Deactivate }).await;
        stage.application.direct(ERIN, PASSWORD, None).await.expect("in an organization that is on");
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Purge { since, at_most: 100 } }).await;
        let since = stage.directory.partner(&acme()).await.unwrap().unwrap().deactivated_at.unwrap();
        stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Purge { since } }).await;
        assert_eq!(stage.directory.partner(&acme()).await.unwrap(), None, "the organization is nobody's");
        assert_eq!(stage.user(BOB).await, Value::Null, "the created user is gone");
        assert_eq!(membership(stage, &organization, ERIN).await, "MANAGED");
        stage.application.direct(ERIN, PASSWORD, None).await.expect("she is who she was");
    });
}

#[test]
fn deactivated_partner_registers_no_user_and_purges_none() {
    on_stage("put-away", async |stage| {
        let organization = stage.organization().await.unwrap();
        let late = "late@acme.example";
        for address in [ERIN, late] {
            invites_by_hand(stage, address).await;
        }
        let mut open_before = opens(stage, ERIN).await;
        assert!(open_before.asks("firstName"), "{}", open_before.words());
        stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Deactivate }).await;
        registers(&mut open_before, ERIN).await;
        let page = opens(stage, late).await;
        assert!(!page.asks("firstName"), "{}", page.words());
        for address in [ERIN, late] {
            assert_eq!(membership(stage, &organization, address).await, Value::Null, "{}", open_before.words());
        }
        let erin = stage.user(ERIN).await;
        let since = stage.directory.partner(&acme()).await.unwrap().unwrap().deactivated_at.unwrap();
        stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Purge { since } }).await;
        assert_eq!(stage.organization().await, None);
        assert_eq!(stage.user(ERIN).await, erin);
    });
}
