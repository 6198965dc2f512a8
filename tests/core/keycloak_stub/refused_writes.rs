//! Guests that Keycloak refuses to write, and the group whose members' claims applications receive.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use guestlist::directory::{
    DirectoryReader as _, DirectoryWriter as _, Error, GrantRecord, GuestChange, Operation, Origin,
};
use guestlist::domain::MfaMethod;
use guestlist::domain::ShareRole::{Collaborator, Manager};
use serde_json::json;

use super::Stage;
use super::cases::State;
use super::furnish::{admit, at, bob, give, grant, guest};
use super::operations::look;
use super::representations::Fate;
use super::sessions::{describe, sessions, signed_in};
use crate::support::realm_in_memory::{Asked, Realm, text};

fn writes_a_user(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.path.len() == 2 && asked.path[0] == "users"
}

/// Whether Bob is in the group at a path.
fn is_in(realm: &Realm, path: &str) -> bool {
    let user = realm.id_of(bob().as_str());
    let is_it = |id: &String| realm.groups.get(id).is_some_and(|group| text(group, "path") == path);
    realm.in_group.iter().any(|(group, member)| *member == user && is_it(group))
}

fn places(realm: &Realm) -> (bool, bool) {
    (is_in(realm, "/guestlist/claims-enabled"), is_in(realm, "/guestlist/claims-blocked"))
}

/// Operations that revoke something of Bob's.
fn revoking() -> Vec<Operation> {
    vec![
        Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } },
        Operation::Guest {
            id: guest(),
            change: GuestChange::Reduce { grants: vec![grant("instagram", Collaborator)] },
        },
        Operation::Guest { id: guest(), change: GuestChange::Demote },
        Operation::Guest { id: guest(), change: GuestChange::ResetMfa { enrolled_before: at(50_000) } },
        Operation::Guest { id: guest(), change: GuestChange::DisableLogin },
        Operation::Guest { id: guest(), change: GuestChange::Deactivate },
    ]
}

/// Bob is hidden from applications, because a write of the user was refused.
async fn put_out(stage: &Stage) {
    look(stage).await;
    stage.wire.rules(|asked, _| if writes_a_user(asked) { Fate::Invalid("department", "x") } else { Fate::Passes });
    stage.directory.execute(&revoking()[0], None, at(1000), stage.epoch()).await.unwrap_err();
    stage.wire.rules(|_, _| Fate::Passes);
}

/// Records each later instant at which Bob is in neither group, or is visible again with a revoked claim.
fn watch(stage: &Stage) -> Arc<Mutex<Vec<String>>> {
    let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
    let found = wrong.clone();
    stage.wire.watches(move |asked, realm| {
        let (told, untold) = places(realm);
        let claims = realm.user_at(bob().as_str()).unwrap()["attributes"]["guestlist.accounts"].to_string();
        let joins = |path: &str| {
            let group = asked.path.get(3).and_then(|id| realm.groups.get(id));
            asked.method == "PUT" && group.is_some_and(|group| text(group, "path") == path)
        };
        if !told && !untold || joins("/guestlist/claims-enabled") && claims.contains("instagram") {
            found.lock().unwrap().push(format!("{} {:?}: {told} {untold} {claims}", asked.method, asked.path));
        }
    });
    wrong
}

#[tokio::test(start_paused = true)]
async fn guest_who_cannot_be_written_is_shown_to_no_application() {
    for operation in revoking() {
        let stage = Stage::on(signed_in(State::Given).await);
        look(&stage).await;
        let wrong = watch(&stage);
        stage.wire.rules(|asked, _| if writes_a_user(asked) { Fate::Invalid("department", "x") } else { Fate::Passes });
        let fault = stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap_err();
        let Error::Refused { message } = &fault else { panic!("{operation:?}: {fault}") };
        assert!(message.contains(bob().as_str()), "{message}");
        assert_eq!(stage.realm(|realm| places(realm)), (false, true), "{operation:?}");
        assert_eq!(stage.realm(|realm| sessions(realm)), ["alice", "alice-offline"], "{operation:?}");
        let factors = stage.realm(|realm| realm.credentials[&realm.id_of(bob().as_str())].len());
        assert_eq!(
            factors,
            if matches!(operation, Operation::Guest { change: GuestChange::ResetMfa { .. }, .. }) { 1 } else { 2 },
            "{operation:?}"
        );
        for stage in [&stage, &stage.restarted()] {
            let listed = stage.guests().await.unwrap().remove(0);
            let read = stage.directory.guest(&bob()).await.unwrap().unwrap();
            assert!(listed.grants.len() == 2 && listed.grants.values().all(GrantRecord::is_blocked), "{listed:?}");
            assert!(read.grants.values().all(GrantRecord::is_blocked), "{read:?}");
        }
        assert_eq!(*wrong.lock().unwrap(), [] as [String; 0], "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn guest_who_cannot_be_given_more_keeps_what_they_have() {
    for operation in [give(&[("tiktok", Manager)]), describe()] {
        let stage = Stage::on(signed_in(State::Given).await);
        look(&stage).await;
        stage.wire.rules(|asked, _| if writes_a_user(asked) { Fate::Invalid("department", "x") } else { Fate::Passes });
        stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap_err();
        assert_eq!(stage.realm(|realm| places(realm)), (true, false), "{operation:?}");
        assert!(stage.realm(|realm| sessions(realm).contains(&"online".to_owned())), "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_to_hide_a_guest_is_the_fault_of_the_operation() {
    let stage = Stage::on(signed_in(State::Given).await);
    look(&stage).await;
    stage.wire.rules(|asked, _| match asked.path.get(2).map(String::as_str) {
        _ if writes_a_user(asked) => Fate::Invalid("department", "x"),
        Some("groups") => Fate::Refused(500),
        _ => Fate::Passes,
    });
    let fault = stage.directory.execute(&revoking()[0], None, at(1000), stage.epoch()).await.unwrap_err();
    assert!(matches!(fault, Error::Unavailable { .. }), "it is tried again: {fault}");
    assert_eq!(stage.realm(|realm| sessions(realm)), ["alice", "alice-offline"]);
}

#[tokio::test(start_paused = true)]
async fn hidden_guest_is_shown_again_with_new_grants_only() {
    for restarts in [false, true] {
        let stage = Stage::on(signed_in(State::Given).await);
        put_out(&stage).await;
        let stage = if restarts { stage.restarted() } else { stage };
        look(&stage).await;
        let user = stage.realm(|realm| realm.id_of(bob().as_str()));
        stage.realm(|realm| realm.sessions.insert("later".to_owned(), user));
        let wrong = watch(&stage);
        let given = give(&[("tiktok", Collaborator)]);
        let done = stage.directory.execute(&given, None, at(2000), stage.epoch()).await.unwrap().guest.unwrap();
        assert!(!done.grants["tiktok"].is_blocked(), "{done:?}");
        assert_eq!(stage.realm(|realm| (places(realm), sessions(realm).len())), ((true, false), 2), "{restarts}");
        assert_eq!(*wrong.lock().unwrap(), [] as [String; 0], "{restarts}");
        for stage in [&stage, &stage.restarted()] {
            let listed = stage.guests().await.unwrap().remove(0);
            assert!(listed.grants.get("tiktok").is_some_and(|held| !held.is_blocked()), "{listed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn guest_who_is_given_back_is_in_no_group() {
    for hidden in [false, true] {
        let stage = Stage::on(signed_in(State::Given).await);
        if hidden {
            put_out(&stage).await;
        }
        look(&stage).await;
        stage
            .directory
            .execute(&Operation::Guest { id: guest(), change: GuestChange::Detach }, None, at(2000), stage.epoch())
            .await
            .unwrap();
        assert_eq!(stage.realm(|realm| places(realm)), (false, false), "{hidden}");
    }
}

#[tokio::test(start_paused = true)]
async fn guests_are_in_the_group_before_they_are_given_anything() {
    for (state, operation) in
        [(State::Partner, admit(Origin::Created)), (State::AdoptedJoined, give(&[("tiktok", Collaborator)]))]
    {
        let stage = Stage::on(state.realm().await);
        look(&stage).await;
        stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap();
        assert!(stage.realm(|realm| is_in(realm, "/guestlist/claims-enabled")), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn missing_group_is_said_where_the_realm_had_one() {
    let realm = State::AdoptedJoined.realm().await;
    for ours in [true, false] {
        let mut realm = realm.clone();
        realm.groups.retain(|_, group| text(group, "path") != "/guestlist/claims-enabled");
        let root = realm.group("/guestlist");
        if !ours {
            realm.groups.get_mut(&root).unwrap()["attributes"] = json!({});
        }
        let stage = Stage::on(realm);
        stage.directory.owner().await.unwrap();
        stage.directory.partners(None).await.unwrap();
        let listed = stage.guests().await.map(drop);
        let given = stage.directory.execute(&give(&[("tiktok", Collaborator)]), None, at(1000), stage.epoch()).await;
        for done in [listed, given.map(drop)] {
            match done {
                Err(Error::Refused { message }) if ours => {
                    assert!(message.contains("guestlist directory setup"), "{message}");
                }
                other => assert!(!ours && other.is_ok(), "{ours}: {other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn write_sets_names_and_asks_for_the_factor_that_is_due() {
    let stage = Stage::on(State::Given.realm().await);
    look(&stage).await;
    let mut described = describe();
    let Operation::Guest { change: GuestChange::Update { allowed, .. }, .. } = &mut described else { unreachable!() };
    *allowed = [MfaMethod::WebAuthn].into();
    stage.directory.execute(&described, None, at(1000), stage.epoch()).await.unwrap();
    let user = stage.realm(|realm| realm.user_at(bob().as_str()).cloned().unwrap());
    assert_eq!((text(&user, "firstName"), text(&user, "lastName")), ("Robert", "Example"));
    assert_eq!(user["requiredActions"], json!(["webauthn-register"]));
}

#[tokio::test(start_paused = true)]
async fn user_who_goes_before_the_write_is_not_written() {
    for operation in [give(&[("tiktok", Manager)]), describe(), revoking().remove(0)] {
        let stage = Stage::on(State::Given.realm().await);
        look(&stage).await;
        stage.wire.rules(|asked, realm| {
            if writes_a_user(asked) {
                realm.users.remove(&asked.path[1]);
            }
            Fate::Passes
        });
        let done = stage.directory.execute(&operation, None, at(1000), stage.epoch()).await;
        assert!(matches!(done, Err(Error::Changed { .. })), "{operation:?}: {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn name_that_administrators_may_not_change_stays() {
    let stage = Stage::on(State::Given.realm().await);
    look(&stage).await;
    stage.wire.rules(|asked, _| {
        let changed = writes_a_user(asked) && asked.body["firstName"] != "Bob";
        if changed { Fate::Invalid("firstName", "error-user-attribute-read-only") } else { Fate::Passes }
    });
    let done = stage.directory.execute(&describe(), None, at(1000), stage.epoch()).await.unwrap().guest.unwrap();
    let user = stage.realm(|realm| realm.user_at(bob().as_str()).cloned().unwrap());
    assert_eq!((text(&user, "firstName"), text(&user, "lastName")), ("Bob", "Example"));
    assert_eq!(done.mark.unwrap().name, "robert");
}

#[tokio::test(start_paused = true)]
async fn hidden_names_are_left_out_of_a_write() {
    for state in [State::Given, State::AdoptedGiven] {
        let mut realm = state.realm().await;
        let user = realm.id_of(bob().as_str());
        realm.users.get_mut(&user).unwrap()["firstName"] = json!("");
        let stage = Stage::on(realm);
        look(&stage).await;
        stage.wire.rules(|asked, _| {
            let named = writes_a_user(asked) && asked.body["firstName"].is_string();
            if named { Fate::Invalid("firstName", "error-user-attribute-read-only") } else { Fate::Passes }
        });
        stage.directory.execute(&revoking()[0], None, at(1000), stage.epoch()).await.unwrap();
        assert!(!stage.realm(|realm| realm.users[&user].to_string().contains("instagram:")), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn guest_adopted_again_is_in_the_group() {
    let stage = Stage::on(State::AdoptedGiven.realm().await);
    look(&stage).await;
    let given = give(&[("tiktok", Collaborator)]);
    stage.directory.execute(&given, None, at(1000), stage.epoch()).await.unwrap();
    for now in [2000, 3000] {
        let release = Operation::Guest { id: guest(), change: GuestChange::Release };
        stage.directory.execute(&release, None, at(now), stage.epoch()).await.unwrap();
        assert_eq!(stage.realm(|realm| places(realm)), (false, false));
        stage.directory.execute(&admit(Origin::Adopted), None, at(now + 1), stage.epoch()).await.unwrap();
        stage.realm(|realm| realm.joins(bob().as_str(), Some("otp")));
        stage.directory.guest(&bob()).await.unwrap();
        stage.directory.execute(&given, None, at(now + 2), stage.epoch()).await.unwrap();
        assert_eq!(stage.realm(|realm| places(realm)), (true, false), "applications see the grants, at {now}");
    }
}

/// The listing has read the group before, and its answer is late.
#[tokio::test(start_paused = true)]
async fn change_of_the_groups_during_a_listing_counts() {
    for hidden in [false, true] {
        let mut realm = signed_in(State::Given).await;
        realm.group("/guestlist/claims-blocked");
        let stage = Stage::on(realm);
        if hidden {
            put_out(&stage).await;
        }
        look(&stage).await;
        stage.wire.rules(move |asked, _| match asked.path.last().map(String::as_str) {
            Some("members") if asked.path[0] == "groups" => Fate::Slow(Duration::from_secs(5)),
            _ if !hidden && writes_a_user(asked) => Fate::Invalid("department", "x"),
            _ => Fate::Passes,
        });
        let change = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let operation = if hidden { give(&[("tiktok", Collaborator)]) } else { revoking().remove(0) };
            let done = stage.directory.execute(&operation, None, at(2000), stage.epoch()).await;
            assert_eq!(done.is_ok(), hidden, "{done:?}");
        };
        let (listed, ()) = futures::join!(stage.guests(), change);
        let read = stage.directory.guest(&bob()).await.unwrap().unwrap();
        for record in [&listed.unwrap()[0], &read] {
            let blocked = record.grants.values().any(GrantRecord::is_blocked);
            assert_eq!(blocked, !hidden, "{record:?}");
        }
        assert_eq!(stage.realm(|realm| places(realm)), (hidden, !hidden));
    }
}
