//! Invitations: one mail each, even if an administrator also invites, and a record that matches the mail.

use std::time::Duration;

use guestlist::directory::{
    DirectoryReader as _, DirectoryWriter as _, Error, GuestChange, GuestRecord, NewGuest, Operation, Origin,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use super::cases::State;
use super::furnish::{admit, at, bob, guest};
use super::operations::look;
use super::representations::Fate;
use crate::support::realm_in_memory::{Asked, Realm, text};

/// Keycloak's message if its mail server did not take a mail.
const NOT_SENT: &str = "Failed to send invite email";

fn invite() -> Operation {
    Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at: at(200_000) } }
}

fn is_mail(asked: &Asked) -> bool {
    asked.path.last().is_some_and(|last| last == "invite-user")
}

/// The operations that send a mail, each with the states in which it starts.
fn mailing() -> [(State, Operation); 6] {
    [
        (State::Partner, admit(Origin::Created)),
        (State::Deactivated, admit(Origin::Created)),
        (State::Workspace, admit(Origin::Adopted)),
        (State::Invited, invite()),
        (State::Revoked, invite()),
        (State::JoinedHalfWay, invite()),
    ]
}

async fn stage(state: State) -> Stage {
    let stage = Stage::on(state.realm().await);
    look(&stage).await;
    stage
}

async fn run(stage: &Stage, operation: &Operation, now: Timestamp) -> Result<Option<GuestRecord>, Error> {
    stage.directory.execute(operation, None, now, stage.epoch()).await.map(|effect| effect.guest)
}

fn mails(stage: &Stage) -> usize {
    stage.realm(|realm| realm.mails.len())
}

/// The open invitations of Bob's address.
fn rows(stage: &Stage) -> Vec<String> {
    let open = |realm: &mut Realm| {
        let rows = realm.invitations.values().filter(|row| text(row, "email") == bob().as_str());
        rows.map(|row| text(row, "id").to_owned()).collect()
    };
    stage.realm(open)
}

/// An administrator invites Bob's address by hand.
fn by_hand(realm: &mut Realm) {
    let organization = realm.organizations.keys().next().unwrap().clone();
    realm.admin("POST", &format!("organizations/{organization}/members/invite-user"), json!({"email": bob().as_str()}));
}

/// Another user of the realm has Bob's address.
fn namesake(realm: &mut Realm) {
    realm.duplicate_emails = true;
    let user = realm.stranger("namesake");
    realm.users.get_mut(&user).unwrap()["email"] = json!(bob().as_str());
}

#[tokio::test(start_paused = true)]
async fn second_mail_waits_while_the_first_may_be_on_its_way() {
    for (passed, seconds) in [(-9_000, 5), (0, 5), (1, 5), (1_000, 4), (4_000, 1), (4_999, 1), (5_000, 0), (60_000, 0)]
    {
        let stage = stage(State::Invited).await;
        // Keycloak lists no invitation for the mail that was requested at 0.
        stage.realm(|realm| realm.invitations.clear());
        let before = mails(&stage);
        stage.wire.seen();
        let done = run(&stage, &invite(), at(0) + SignedDuration::from_millis(passed)).await;
        if seconds == 0 {
            assert!(done.unwrap().unwrap().invitation.is_some(), "{passed} ms");
            assert_eq!(mails(&stage), before + 1, "{passed} ms");
            continue;
        }
        let Err(Error::Busy { after, .. }) = done else { panic!("{passed} ms: {done:?}") };
        assert_eq!((after.as_secs(), mails(&stage)), (seconds, before), "{passed} ms");
        assert!(stage.wire.seen().iter().all(|seen| !seen.writes()), "{passed} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn mail_whose_invitation_shows_is_followed_by_another_at_once() {
    let stage = stage(State::Invited).await;
    let old = rows(&stage);
    run(&stage, &invite(), at(1)).await.unwrap();
    assert_eq!(mails(&stage), 2);
    let new = rows(&stage);
    assert!(new.len() == 1 && new != old, "the first link is dead: {new:?}");
}

#[tokio::test(start_paused = true)]
async fn invitation_by_hand_is_replaced_by_one_of_ours() {
    for (state, operation) in mailing() {
        for meanwhile in [false, true] {
            if state == State::JoinedHalfWay && !meanwhile {
                // Keycloak does not invite members.
                continue;
            }
            let stage = stage(state).await;
            let mut first = true;
            if meanwhile {
                // Immediately before guestlist's request.
                stage.wire.rules(move |asked, realm| {
                    if is_mail(asked) && std::mem::replace(&mut first, false) {
                        realm.invitations.clear();
                        by_hand(realm);
                    }
                    Fate::Passes
                });
            } else {
                stage.realm(|realm| realm.invitations.clear());
                stage.realm(by_hand);
            }
            let (before, old) = (mails(&stage), rows(&stage));
            let done = run(&stage, &operation, at(1000)).await.unwrap().unwrap();
            assert!(done.invitation.is_some() && done.last_mail_at == Some(at(1000)), "{state:?}: {done:?}");
            assert_eq!(mails(&stage), before + 1 + usize::from(meanwhile), "{state:?}");
            let new = rows(&stage);
            assert!(new.len() == 1 && new != old, "{state:?}, {meanwhile}: one link works, and it is ours: {new:?}");
            let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
            assert_eq!((read.invitation, read.last_mail_at), (done.invitation, done.last_mail_at), "{state:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invitation_by_hand_stays_where_two_have_the_address() {
    for (state, operation) in mailing() {
        let stage = stage(state).await;
        let mut first = true;
        stage.wire.rules(move |asked, realm| {
            if is_mail(asked) && std::mem::replace(&mut first, false) {
                realm.invitations.clear();
                by_hand(realm);
                namesake(realm);
            }
            Fate::Passes
        });
        let before = mails(&stage);
        let Err(Error::Refused { message }) = run(&stage, &operation, at(1000)).await else { panic!("{state:?}") };
        assert!(message.contains("several users"), "{message}");
        assert_eq!((mails(&stage), rows(&stage).len()), (before + 1, 1), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_mail_is_noted_where_two_have_the_address() {
    for state in [State::Invited, State::Revoked, State::JoinedHalfWay] {
        let stage = stage(state).await;
        stage.realm(namesake);
        stage.wire.seen();
        assert!(matches!(run(&stage, &invite(), at(1000)).await, Err(Error::Refused { .. })), "{state:?}");
        assert!(stage.wire.seen().iter().all(|seen| !seen.writes()), "{state:?}");
    }
}

/// The mails in a record.
fn mailed(record: Option<&GuestRecord>) -> (Option<Timestamp>, Vec<String>) {
    let recent = |record: &GuestRecord| record.recent_mails.iter().map(ToString::to_string).collect();
    (record.and_then(|record| record.last_mail_at), record.map(recent).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn mail_that_did_not_go_out_is_due_as_before() {
    let soon = Duration::from_secs(1);
    let almost = Duration::from_millis(8_900);
    for (state, operation) in mailing() {
        for fate in [
            Fate::Refused(400),
            Fate::Refused(403),
            Fate::Refused(409),
            Fate::Says(soon, 500, NOT_SENT),
            Fate::Says(almost, 500, NOT_SENT),
        ] {
            let stage = stage(state).await;
            let before = stage.directory.guest(&bob()).await.unwrap();
            stage.wire.rules(move |asked, _| if is_mail(asked) { fate } else { Fate::Passes });
            let fault = run(&stage, &operation, at(1000)).await.unwrap_err();
            assert!(!matches!(fault, Error::Busy { .. }), "{fault}");
            for read in [&stage, &stage.restarted()] {
                let record = read.directory.guest(&bob()).await.unwrap().unwrap();
                assert_eq!(mailed(Some(&record)), mailed(before.as_ref()), "{state:?}, {fate:?}");
                assert!(record.invitation.is_none() && record.is_live(), "{state:?}, {fate:?}");
            }
            stage.wire.rules(|_, _| Fate::Passes);
            let sent = mails(&stage);
            assert!(
                run(&stage, &invite(), at(1001)).await.unwrap().unwrap().invitation.is_some(),
                "{state:?}, {fate:?}"
            );
            assert_eq!(mails(&stage), sent + 1, "{state:?}, {fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mail_that_may_have_gone_out_counts_as_sent() {
    let long = Duration::from_millis(9_100);
    for (state, operation) in mailing() {
        for fate in [
            Fate::Refused(408),
            Fate::Refused(500),
            Fate::Refused(502),
            Fate::Patience(503, "1"),
            Fate::Unreached,
            Fate::Says(long, 500, NOT_SENT),
            Fate::Says(Duration::from_hours(1), 204, ""),
        ] {
            let stage = stage(state).await;
            let before = mails(&stage);
            stage.wire.rules(move |asked, _| if is_mail(asked) { fate } else { Fate::Passes });
            let fault = run(&stage, &operation, at(1000)).await.unwrap_err();
            assert!(matches!(fault, Error::MailNotSent { .. }), "{state:?}, {fate:?}: {fault}");
            assert_eq!(stage.wire.seen().iter().filter(|seen| is_mail(&seen.asked)).count(), 1, "asked for once");
            let record = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
            assert_eq!((record.last_mail_at, mails(&stage)), (Some(at(1000)), before), "{state:?}, {fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mail_whose_answer_is_lost_is_sent_where_its_invitation_shows() {
    for (state, operation) in mailing() {
        for fate in [Fate::Lost, Fate::BreaksOff, Fate::Silent, Fate::Slow(Duration::from_secs(16))] {
            let stage = stage(state).await;
            let before = mails(&stage);
            stage.wire.rules(move |asked, _| if is_mail(asked) { fate } else { Fate::Passes });
            let done = run(&stage, &operation, at(1000)).await.unwrap().unwrap();
            assert!(done.invitation.is_some(), "{state:?}, {fate:?}");
            assert_eq!(mails(&stage), before + 1, "{state:?}, {fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn record_written_by_another_is_not_put_back() {
    let stage = stage(State::Revoked).await;
    stage.wire.rules(|asked, realm| {
        if !is_mail(asked) {
            return Fate::Passes;
        }
        let user = realm.id_of(bob().as_str());
        realm.users.get_mut(&user).unwrap()["attributes"]["guestlist.accounts"] = json!(["ads:manager"]);
        Fate::Refused(400)
    });
    run(&stage, &invite(), at(1000)).await.unwrap_err();
    let record = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!(record.last_mail_at, Some(at(1000)), "the record is as the other one saw it");
}

#[tokio::test(start_paused = true)]
async fn invitation_ends_with_the_shorter_of_two_lifetimes() {
    for (state, operation) in mailing() {
        let stage = stage(state).await;
        for (lifetime, ends) in [(3600, true), (7200, true), (315_360_000, false)] {
            stage.realm(|realm| realm.invitations_last = lifetime);
            // A full read checks again.
            stage.directory.cursor().await.unwrap();
            let (operation, wanted) = match &operation {
                Operation::Guest { change: GuestChange::Invite(NewGuest { expires_at, .. }), .. }
                    if lifetime == 3600 =>
                {
                    (operation.clone(), *expires_at)
                }
                _ => (
                    Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at: at(400_000) } },
                    at(400_000),
                ),
            };
            let now = stage.realm(|realm| realm.second) - super::BEGAN;
            let done = run(&stage, &operation, at(now + 20)).await.unwrap().unwrap();
            let until = done.invitation.unwrap().expires_at;
            let near = until.duration_since(at(now + lifetime)).abs() < SignedDuration::from_secs(60);
            assert!(if ends { near } else { until == wanted }, "{state:?}, {lifetime}: {until}");
            let read = stage.directory.guest(&bob()).await.unwrap().unwrap().invitation.unwrap();
            assert!(read.expires_at.duration_since(until).abs() < SignedDuration::from_secs(60), "{state:?}: {read:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn revoked_invitations_are_gone_despite_concurrent_deletion() {
    for (state, operation) in [
        (State::Invited, Operation::Guest { id: guest(), change: GuestChange::RevokeInvitation }),
        (State::Invited, Operation::Guest { id: guest(), change: GuestChange::Deactivate }),
        (State::Invited, invite()),
    ] {
        for another_deletes in [false, true] {
            let stage = stage(state).await;
            stage.realm(|realm| {
                // Another invitation, from a version in which two could be open.
                let mut row = realm.invitations.values().next().unwrap().clone();
                row["id"] = json!("another");
                realm.invitations.insert("another".to_owned(), row);
            });
            let old = rows(&stage);
            stage.wire.rules(move |asked, realm| {
                if another_deletes && asked.method == "DELETE" && asked.path.iter().any(|part| part == "invitations") {
                    realm.invitations.clear();
                }
                Fate::Passes
            });
            run(&stage, &operation, at(1000)).await.unwrap();
            assert!(rows(&stage).iter().all(|row| !old.contains(row)), "{operation:?}, {another_deletes}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invitation_at_the_old_address_ends_with_the_guest() {
    for operation in [
        Operation::Guest { id: guest(), change: GuestChange::RevokeInvitation },
        Operation::Guest { id: guest(), change: GuestChange::Deactivate },
    ] {
        let stage = stage(State::Invited).await;
        stage.realm(|realm| {
            let user = realm.id_of(bob().as_str());
            let (organization, home) = (realm.organizations.keys().next().unwrap().clone(), "bob@home.example");
            realm.users.get_mut(&user).unwrap()["email"] = json!(home);
            realm.admin("POST", &format!("organizations/{organization}/members/invite-user"), json!({"email": home}));
        });
        stage.directory.guest(&bob()).await.unwrap();
        run(&stage, &operation, at(1000)).await.unwrap();
        assert_eq!(stage.realm(|realm| realm.invitations.values().cloned().collect::<Vec<Value>>()), [] as [Value; 0]);
    }
}

/// The removal waits until the result of the mail is known.
#[tokio::test(start_paused = true)]
async fn removal_during_an_invitation_ends_it() {
    for (state, operation) in mailing() {
        for fate in [Fate::Passes, Fate::Refused(400)] {
            let stage = stage(state).await;
            stage.wire.rules(move |asked, _| match fate {
                Fate::Refused(_) if is_mail(asked) => fate,
                _ => Fate::Slow(Duration::from_secs(1)),
            });
            let change = if state == State::Workspace { GuestChange::Release } else { GuestChange::Deactivate };
            let remove = Operation::Guest { id: guest(), change };
            let removal = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                run(&stage, &remove, at(1010)).await
            };
            let (invited, removed) = futures::join!(run(&stage, &operation, at(1000)), removal);
            assert_eq!(invited.is_ok(), fate == Fate::Passes, "{state:?}, {fate:?}: {invited:?}");
            removed.unwrap();
            stage.wire.rules(|_, _| Fate::Passes);
            let read = stage.restarted().directory.guest(&bob()).await.unwrap();
            assert!(read.is_none_or(|record| !record.is_live()), "{state:?}, {fate:?}");
            assert_eq!(rows(&stage), [] as [String; 0], "{state:?}, {fate:?}");
        }
    }
}
