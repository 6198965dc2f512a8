//! Revocations that stop after any of their writes: the next process finds the rest due, and completes it.

use guestlist::directory::{
    DirectoryReader as _, DirectoryWriter as _, Epoch, GuestChange, GuestId, GuestRecord, MfaRecord, Operation,
};
use guestlist::domain::ShareRole;
use jiff::Timestamp;
use serde_json::Value;

use super::adopted::adopt;
use super::harness::{Person, Stage, on_stage};
use crate::support::browser::Tokens;
use crate::support::contract::{email, give, grant, guest};
use crate::support::keycloak::Keycloak;
use crate::support::proxy::{Fate, Proxy};

/// The limit of writes in an operation.
const MOST: usize = 30;

/// A person with access to revoke, and the person's tokens.
type Subject<'a> = (Person<'a>, Vec<Tokens>);

/// A revocation, and whether a record shows that it is due.
struct Ending {
    operation: fn(GuestId) -> Operation,
    due: fn(&GuestRecord) -> bool,
    /// The guest is no member afterwards.
    leaves: bool,
}

/// A guest with an account, signed in.
async fn signed_in<'a>(stage: &'a Stage, address: &'static str) -> Subject<'a> {
    let mut person = stage.active(address).await;
    stage.done(&give(name(address), vec![grant("instagram", ShareRole::Manager)])).await;
    let tokens = vec![person.signs_in_offline().await.unwrap(), person.signs_in().await.unwrap()];
    (person, tokens)
}

async fn invited<'a>(stage: &'a Stage, address: &'static str) -> Subject<'a> {
    (stage.invite(address).await, Vec::new())
}

/// A colleague who was adopted as a guest and has followed the link.
async fn adopted<'a>(stage: &'a Stage, address: &'static str) -> Subject<'a> {
    stage.colleague(address).await;
    stage.done(&adopt(address)).await;
    let mut person = stage.person(address);
    person.accepts().await;
    assert!(person.record().await.joined_at.is_some());
    (person, Vec::new())
}

/// The same, without having followed it.
async fn asked<'a>(stage: &'a Stage, address: &'static str) -> Subject<'a> {
    stage.colleague(address).await;
    stage.done(&adopt(address)).await;
    (stage.person(address), Vec::new())
}

fn name(address: &str) -> &str {
    address.split('@').next().unwrap()
}

/// Executes the operation on a server that fails after a number of writes. Returns whether the operation failed.
async fn is_broken_off(stage: &Stage, proxy: &Proxy, writes: usize, operation: &Operation) -> bool {
    let directory = stage.anew(&proxy.base);
    let mut seen = 0;
    proxy.rules(move |method, path| {
        seen += usize::from(method != "GET" && !path.ends_with("/token"));
        if seen > writes { Fate::Refused(500) } else { Fate::Passes }
    });
    directory.execute(operation, None, Timestamp::now(), Epoch(0)).await.is_err()
}

/// A new process has no memory, and completes the due operations.
async fn is_ended(stage: &Stage, address: &str, ending: &Ending, operation: &Operation) {
    let directory = stage.anew(&Keycloak::shared().base);
    if directory.guest(&email(address)).await.unwrap().is_some_and(|record| (ending.due)(&record)) {
        directory.execute(operation, None, Timestamp::now(), Epoch(0)).await.unwrap();
    }
    let record = directory.guest(&email(address)).await.unwrap();
    assert!(!record.as_ref().is_some_and(|record| (ending.due)(record)));
    if let Some(record) = record.filter(|record| record.is_live() && !record.login.is_enabled()) {
        // None of these operations should leave the login disabled.
        let enable = Operation::Guest { id: record.id, change: GuestChange::EnableLogin };
        directory.execute(&enable, None, Timestamp::now(), Epoch(0)).await.unwrap();
    }
}

async fn broken_off_anywhere<'a>(
    stage: &'a Stage,
    sets_out: impl AsyncFn(&'a Stage, &'static str) -> Subject<'a>,
    ending: Ending,
) {
    let proxy = Proxy::start(&Keycloak::shared().base).await;
    for writes in 0..MOST {
        let address: &'static str = format!("g{writes}@acme.example").leak();
        let (mut person, tokens) = sets_out(stage, address).await;
        let operation = (ending.operation)(guest(name(address)));
        let broken_off = is_broken_off(stage, &proxy, writes, &operation).await;
        is_ended(stage, address, &ending, &operation).await;

        let what = format!("broken off after {writes} writes: {operation:?}");
        let user = stage.user(address).await;
        assert_eq!(user["attributes"]["guestlist.accounts"], Value::Null, "{what}");
        for tokens in &tokens {
            assert!(!stage.application.knows(tokens).await, "{what}: the token is still good");
            stage.application.refresh(tokens).await.expect_err(&what);
        }
        if ending.leaves {
            let organization = stage.organization().await.unwrap();
            let path = format!("/organizations/{organization}/members/{}", user["id"].as_str().unwrap());
            assert_eq!(stage.realm.admin("GET", &path, None).await.0, 404, "{what}: the guest is still a member");
            let open = stage.admin("GET", &format!("/organizations/{organization}/invitations"), None).await;
            assert_eq!(open, serde_json::json!([]), "{what}");
            let link = person.link();
            person.opens(&link).await;
            assert_eq!(person.browser.status, 400, "{what}: the link can still be followed");
        }
        if !broken_off {
            assert!(writes > 1, "{what}: so few writes make no test");
            return;
        }
    }
    panic!("more than {MOST} writes");
}

fn holds_something(record: &GuestRecord) -> bool {
    !record.grants.is_empty()
}

#[test]
fn interrupted_revocation_leaves_no_session_with_revoked_grant() {
    on_stage("cut-withheld", async |stage| {
        let operation = |guest| Operation::Guest {
            id: guest,
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        };
        broken_off_anywhere(stage, signed_in, Ending { operation, due: holds_something, leaves: false }).await;
    });
}

#[test]
fn interrupted_mfa_reset_leaves_no_session_with_reset_factor() {
    on_stage("cut-reset", async |stage| {
        let operation =
            |guest| Operation::Guest { id: guest, change: GuestChange::ResetMfa { enrolled_before: Timestamp::MAX } };
        let due = |record: &GuestRecord| !matches!(&record.mfa, MfaRecord::Known(methods) if methods.is_empty());
        broken_off_anywhere(stage, signed_in, Ending { operation, due, leaves: false }).await;
    });
}

#[test]
fn interrupted_deactivation_leaves_no_member_link_or_session() {
    on_stage("cut-off", async |stage| {
        let operation = |guest| Operation::Guest { id: guest, change: GuestChange::Deactivate };
        let ending = || Ending { operation, due: GuestRecord::is_live, leaves: true };
        broken_off_anywhere(stage, signed_in, ending()).await;
    });
    on_stage("cut-invited", async |stage| {
        let operation = |guest| Operation::Guest { id: guest, change: GuestChange::Deactivate };
        broken_off_anywhere(stage, invited, Ending { operation, due: GuestRecord::is_live, leaves: true }).await;
    });
}

#[test]
fn a_revocation_that_is_broken_off_anywhere_leaves_no_link() {
    on_stage("cut-revoked", async |stage| {
        let operation = |guest| Operation::Guest { id: guest, change: GuestChange::RevokeInvitation };
        let due = |record: &GuestRecord| record.invitation.is_some();
        broken_off_anywhere(stage, invited, Ending { operation, due, leaves: true }).await;
    });
}

#[test]
fn interrupted_removal_of_adopted_user_leaves_no_member_or_link() {
    let operation = |guest| Operation::Guest { id: guest, change: GuestChange::Release };
    on_stage("cut-released", async |stage| {
        broken_off_anywhere(stage, adopted, Ending { operation, due: GuestRecord::is_live, leaves: true }).await;
    });
    on_stage("cut-asked", async |stage| {
        broken_off_anywhere(stage, asked, Ending { operation, due: GuestRecord::is_live, leaves: true }).await;
    });
}

#[test]
fn interrupted_detach_leaves_no_member_and_no_session() {
    on_stage("cut-given-back", async |stage| {
        let operation = |guest| Operation::Guest { id: guest, change: GuestChange::Detach };
        broken_off_anywhere(stage, signed_in, Ending { operation, due: GuestRecord::is_live, leaves: true }).await;
    });
}
