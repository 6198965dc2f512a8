//! Sessions and tokens: they end when access is revoked, and only then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use guestlist::directory::{DirectoryWriter as _, Error, GuestChange, Operation, Origin};
use guestlist::domain::MfaMethod;
use guestlist::domain::ShareRole::{Collaborator, Manager};
use serde_json::json;

use super::Stage;
use super::cases::State;
use super::furnish::{acme, admit, at, bob, ensure_partner, give, grant, guest, mark};
use super::operations::look;
use super::representations::Fate;
use crate::support::realm_in_memory::{Realm, text};

/// Checks that Bob's tokens from before a disabled login are outdated when the login is enabled again.
pub struct Tokens {
    /// While the login is disabled: the last second in which Keycloak can have issued a token.
    newest: Option<i64>,
}

impl Tokens {
    /// Starts with the present state of the realm.
    pub fn of(realm: &Realm) -> Self {
        let off = realm.user_at(bob().as_str()).filter(|user| user["enabled"] == false);
        Self { newest: off.map(|user| user["notBefore"].as_i64().unwrap()) }
    }

    /// The violation after a request, if there is one.
    pub fn wrong(&mut self, realm: &Realm) -> Option<&'static str> {
        let user = realm.user_at(bob().as_str())?;
        if user["enabled"] == false {
            self.newest.get_or_insert(realm.second);
            return None;
        }
        let newest = self.newest.take()?;
        (user["notBefore"].as_i64().unwrap() <= newest).then_some("a token from before is taken again")
    }
}

pub fn describe() -> Operation {
    Operation::Guest {
        id: guest(),
        change: GuestChange::Update {
            mark: mark("robert", Origin::Created),
            partner: acme(),
            partner_name: "acme".to_owned(),
            display_name: "Robert Example".to_owned(),
            allowed: [MfaMethod::TOTP, MfaMethod::WebAuthn].into(),
        },
    }
}

/// The realm in a state, in which Bob and Alice have sessions online and offline.
pub async fn signed_in(state: State) -> Realm {
    let mut realm = state.realm().await;
    let (bob, alice) = (realm.id_of(bob().as_str()), realm.id_of("alice@host.example"));
    realm.sessions = [("online".to_owned(), bob.clone()), ("alice".to_owned(), alice.clone())].into();
    let offline = [("offline-1", &bob, "app-1"), ("offline-2", &bob, "app-2"), ("alice-offline", &alice, "app-1")];
    realm.offline = offline.map(|(id, user, app)| (id.to_owned(), (user.clone(), app.to_owned()))).into();
    realm
}

pub fn sessions(realm: &Realm) -> Vec<String> {
    realm.sessions.keys().chain(realm.offline.keys()).chain(&realm.unlisted).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn sessions_end_exactly_where_access_is_revoked() {
    let (all, others) = (["alice", "online", "alice-offline", "offline-1", "offline-2"], ["alice", "alice-offline"]);
    let withhold = |account: &str| Operation::Guest {
        id: guest(),
        change: GuestChange::Revoke { accounts: vec![account.to_owned()] },
    };
    let reset = Operation::Guest { id: guest(), change: GuestChange::ResetMfa { enrolled_before: at(50_000) } };
    for (state, operation, ends) in [
        (State::Given, withhold("instagram"), true),
        (State::Given, withhold("youtube"), false),
        (
            State::Given,
            Operation::Guest {
                id: guest(),
                change: GuestChange::Reduce { grants: vec![grant("instagram", Collaborator)] },
            },
            true,
        ),
        (State::Given, Operation::Guest { id: guest(), change: GuestChange::Demote }, true),
        (State::Given, reset.clone(), true),
        (State::Joined, reset, true),
        (State::Joined, Operation::Guest { id: guest(), change: GuestChange::DisableLogin }, true),
        (State::Joined, Operation::Guest { id: guest(), change: GuestChange::Deactivate }, true),
        (State::Given, Operation::Guest { id: guest(), change: GuestChange::Deactivate }, true),
        (State::Given, Operation::Guest { id: guest(), change: GuestChange::Detach }, true),
        (State::AdoptedGiven, Operation::Guest { id: guest(), change: GuestChange::Release }, true),
        (State::Disabled, Operation::Guest { id: guest(), change: GuestChange::EnableLogin }, true),
        (State::Deactivated, admit(Origin::Created), true),
        (State::Given, give(&[("tiktok", Manager)]), false),
        (State::Joined, give(&[("tiktok", Manager)]), false),
        (State::Joined, Operation::Guest { id: guest(), change: GuestChange::Promote }, false),
        (State::Given, describe(), false),
        (State::Given, ensure_partner(true), false),
    ] {
        let stage = Stage::on(signed_in(state).await);
        look(&stage).await;
        stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap();
        let left = stage.realm(|realm| sessions(realm));
        assert_eq!(left, if ends { &others[..] } else { &all[..] }, "{state:?}, {operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn grant_after_new_factors_ends_older_sessions() {
    for (held, ends) in [
        (vec![("otp", 0)], false),
        (vec![("otp", 500)], true),
        (vec![("otp", 0), ("webauthn", 500)], false),
        (vec![("otp", 500), ("webauthn", 500)], true),
    ] {
        let mut realm = signed_in(State::Given).await;
        let user = realm.id_of(bob().as_str());
        let credential = |(sort, since): &(&str, i64)| json!({"id": *sort, "type": *sort, "createdDate": at(*since).as_millisecond()});
        realm
            .credentials
            .insert(user, held.iter().map(credential).chain([json!({"id": "1", "type": "password"})]).collect());
        let stage = Stage::on(realm);
        tokio::time::sleep(Duration::from_secs(1000)).await;
        look(&stage).await;
        stage.directory.execute(&give(&[("tiktok", Manager)]), None, at(1000), stage.epoch()).await.unwrap();
        let goes_on = stage.realm(|realm| sessions(realm).contains(&"online".to_owned()));
        assert_eq!(goes_on, !ends, "{held:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn session_that_comes_back_is_deleted_until_it_is_gone() {
    for (comes_back, ends) in [(0, true), (1, true), (3, true), (usize::MAX, false)] {
        let stage = Stage::on(signed_in(State::Given).await);
        look(&stage).await;
        let (realm, times) = (stage.wire.realm.clone(), Arc::new(Mutex::new(0)));
        // A refresh at the same moment: the session survives the logout, and is written again after its deletion.
        stage.wire.rules(|asked, realm| {
            if asked.path.last().is_some_and(|last| last == "logout") {
                realm.unlisted.insert("online".to_owned());
            }
            Fate::Passes
        });
        stage.wire.watches(move |asked, _| {
            let mut times = times.lock().unwrap();
            if asked.path == ["sessions", "online"] && *times < comes_back {
                *times += 1;
                let realm = realm.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    realm.lock().unwrap().unlisted.insert("online".to_owned());
                });
            }
        });
        let disable = Operation::Guest { id: guest(), change: GuestChange::DisableLogin };
        let done = stage.directory.execute(&disable, None, at(1000), stage.epoch()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if ends {
            done.unwrap();
            assert_eq!(stage.realm(|realm| sessions(realm)), ["alice", "alice-offline"], "{comes_back}");
        } else {
            assert!(matches!(done, Err(Error::Unavailable { .. })), "{done:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn enabled_login_takes_no_token_from_before() {
    for (state, operation) in [
        (State::Given, Operation::Guest { id: guest(), change: GuestChange::ResetMfa { enrolled_before: at(50_000) } }),
        (State::Disabled, Operation::Guest { id: guest(), change: GuestChange::EnableLogin }),
        (State::Deactivated, admit(Origin::Created)),
    ] {
        let realm = signed_in(state).await;
        let (mut tokens, wrong) = (Tokens::of(&realm), Arc::new(Mutex::new(None)));
        let stage = Stage::on(realm);
        look(&stage).await;
        let found = wrong.clone();
        stage.wire.watches(move |_, realm| {
            let mut found = found.lock().unwrap();
            *found = found.or(tokens.wrong(realm));
        });
        stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap();
        assert_eq!(*wrong.lock().unwrap(), None, "{state:?}, {operation:?}");
        assert!(stage.realm(|realm| realm.user_at(bob().as_str()).is_some_and(|user| user["enabled"] == true)));
    }
}

#[tokio::test(start_paused = true)]
async fn reset_deletes_factors_from_before_its_instant_and_no_others() {
    let stage = Stage::on(signed_in(State::Joined).await);
    let held = [("otp", 0), ("otp", 99), ("webauthn", 100), ("webauthn-passwordless", 101), ("password", 0)];
    stage.realm(|realm| {
        let user = realm.id_of(bob().as_str());
        let held = held.map(|(sort, since)| json!({"id": format!("{sort}-{since}"), "type": sort, "createdDate": at(since).as_millisecond()}));
        realm.credentials.insert(user, held.to_vec());
    });
    look(&stage).await;
    let reset = Operation::Guest { id: guest(), change: GuestChange::ResetMfa { enrolled_before: at(100) } };
    tokio::time::sleep(Duration::from_secs(1000)).await;
    stage.directory.execute(&reset, None, at(1000), stage.epoch()).await.unwrap();
    let left = stage.realm(|realm| {
        let held = &realm.credentials[&realm.id_of(bob().as_str())];
        held.iter().map(|one| text(one, "id").to_owned()).collect::<Vec<_>>()
    });
    assert_eq!(left, ["webauthn-100", "webauthn-passwordless-101", "password-0"]);
}
