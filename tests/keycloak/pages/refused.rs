//! A realm whose user profile no longer accepts writes of some guests: due access is revoked nevertheless.

use guestlist::directory::{DirectoryReader as _, Error, GrantRecord, GuestChange, Operation};
use guestlist::domain::ShareRole;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::adopted::adopt;
use super::harness::{Person, Stage, accounts, holds, on_stage};
use crate::support::contract::{email, give, grant, guest};

const BOB: &str = "bob@acme.example";
const CAROL: &str = "carol@acme.example";

/// Makes existing users unwritable. Sign-in asks the user for nothing.
pub async fn tighten(stage: &Stage) -> Value {
    let profile = stage.admin("GET", "/users/profile", None).await;
    let mut tight = profile.clone();
    tight["attributes"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "floor", "required": {}, "validations": {"options": {"options": ["1", "2"]}},
               "permissions": {"view": ["admin"], "edit": ["admin"]}}));
    stage.admin("PUT", "/users/profile", Some(tight)).await;
    profile
}

async fn is_refused(stage: &Stage, operation: &Operation) {
    let refused = stage.run(operation).await;
    let Err(Error::Refused { message }) = refused else { panic!("{operation:?}: {refused:?}") };
    assert!(message.contains("floor"), "{message}");
}

/// The due revocations that a new directory finds.
async fn still_held(stage: &Stage) -> Vec<String> {
    let directory = stage.anew(&stage.realm.server.base);
    let listed = directory.guests(None).await.unwrap().items;
    let bob = listed.into_iter().find(|guest| guest.address == email(BOB)).expect("the guest is listed");
    assert_eq!(directory.guest(&email(BOB)).await.unwrap(), Some(bob.clone()), "a page and a look say the same");
    let blocked = |held: &GrantRecord| if held.is_blocked() { ", shut out" } else { "" };
    let one = |held: &GrantRecord| format!("{} of {:?}{}", held.grant.account, held.grant.share, blocked(held));
    bob.grants.values().map(one).collect()
}

async fn holder(stage: &Stage) -> (Person<'_>, crate::support::browser::Tokens) {
    let mut bob = stage.active(BOB).await;
    let both = vec![grant("instagram", ShareRole::Manager), grant("tiktok", ShareRole::Collaborator)];
    stage.done(&give("bob", both)).await;
    let tokens = bob.signs_in().await.unwrap();
    holds(&tokens, &["instagram:manager", "tiktok:collaborator"]);
    (bob, tokens)
}

#[test]
fn unwritable_claims_are_blocked_and_regranted_once_writable() {
    on_stage("tightened", async |stage| {
        let (mut bob, tokens) = holder(stage).await;
        let profile = tighten(stage).await;
        let withhold = |account: &str| Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: vec![account.to_owned()] },
        };
        is_refused(stage, &withhold("tiktok")).await;
        stage.application.refresh(&tokens).await.expect_err("the guest stays signed in");
        assert_eq!(accounts(&bob.signs_in().await.expect("the guest may sign in")), None);
        // The new directory finds all of them still due, and blocked.
        assert_eq!(still_held(stage).await, ["instagram of \"share\", shut out", "tiktok of \"share\", shut out"]);
        let all = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: vec!["instagram".into(), "tiktok".into()] },
        };
        is_refused(stage, &all).await;

        stage.admin("PUT", "/users/profile", Some(profile)).await;
        assert_eq!(accounts(&bob.signs_in().await.unwrap()), None, "nobody gave it again");
        stage.done(&all).await;
        assert_eq!(still_held(stage).await, Vec::<String>::new());
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Manager)])).await;
        holds(&bob.signs_in().await.unwrap(), &["instagram:manager"]);
        assert_eq!(still_held(stage).await, ["instagram of \"share\""]);
    });
}

#[test]
fn steps_without_user_write_succeed_despite_refused_profile() {
    on_stage("tight-rest", async |stage| {
        let (mut bob, tokens) = holder(stage).await;
        tighten(stage).await;
        is_refused(
            stage,
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before: Timestamp::MAX } },
        )
        .await;
        assert_eq!(stage.credential(BOB, "otp").await, None, "the factor is gone");
        stage.application.refresh(&tokens).await.expect_err("the guest stays signed in");
        bob.signs_in().await.expect_err("the guest has to enrol first");

        is_refused(stage, &Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        let organization = stage.organization().await.unwrap();
        let members = stage.admin("GET", &format!("/organizations/{organization}/members"), None).await;
        assert_eq!(members, json!([]), "the guest is no longer a member");
    });
}

#[test]
fn no_value_is_invented_for_adopted_users_or_own_attributes() {
    on_stage("made-up", async |stage| {
        stage.colleague(BOB).await;
        stage.done(&adopt(BOB)).await;
        let profile = stage.admin("GET", "/users/profile", None).await;
        let mut asks = profile.clone();
        let attribute = json!({"name": "department", "required": {},
                               "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}});
        asks["attributes"].as_array_mut().unwrap().push(attribute);
        stage.admin("PUT", "/users/profile", Some(asks)).await;
        let refused = stage.run(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
        assert_eq!(stage.user(BOB).await["attributes"]["department"], Value::Null);
        stage.admin("PUT", "/users/profile", Some(profile.clone())).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }).await;

        let mut carol = stage.active(CAROL).await;
        stage.done(&give("carol", vec![grant("instagram", ShareRole::Collaborator)])).await;
        let mut asks = profile;
        for one in asks["attributes"].as_array_mut().unwrap() {
            if one["name"] == "guestlist.accounts" {
                one["required"] = json!({});
            }
        }
        stage.admin("PUT", "/users/profile", Some(asks)).await;
        let withhold = Operation::Guest {
            id: guest("carol"),
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        };
        let refused = stage.run(&withhold).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
        assert_eq!(stage.user(CAROL).await["attributes"]["guestlist.accounts"], json!(["instagram:collaborator"]));
        assert_eq!(accounts(&carol.signs_in().await.unwrap()), None, "and the claims are there all the same");
        let said = stage.directory.ready().await.unwrap_err().to_string();
        assert!(said.contains("guestlist.accounts") && said.contains("could not be revoked"), "{said}");
    });
}
