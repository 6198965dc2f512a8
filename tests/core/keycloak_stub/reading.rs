//! Users read as guests: the listing and the read of one guest agree for each state of Keycloak.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use guestlist::directory::{
    Changed, DirectoryReader as _, DirectoryWriter as _, Error, GuestChange, GuestId, GuestRecord, Integrity,
    MfaRecord, Operation, Origin, Revision,
};
use guestlist::domain::MfaMethod;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Stage;
use super::cases::State;
use super::furnish::{admit, at, bob, email, guest, other_guest};
use super::operations::look;
use super::representations::Fate;
use crate::support::realm_in_memory::Realm;

fn credential(sort: &str, since: i64) -> Value {
    json!({"id": format!("{sort}-{since}"), "type": sort, "createdDate": at(since).as_millisecond()})
}

/// Bob's user in a realm.
fn user(realm: &mut Realm) -> &mut Value {
    let id = realm.id_of(bob().as_str());
    realm.users.get_mut(&id).unwrap()
}

fn holds(realm: &mut Realm, credentials: &[Value]) {
    let id = realm.id_of(bob().as_str());
    realm.credentials.insert(id, credentials.to_vec());
}

/// Bob's record from the listing and from a single read, each by a process without memory.
async fn both(stage: &Stage) -> [GuestRecord; 2] {
    let [one, other] = [stage.restarted(), stage.restarted()];
    one.directory.owner().await.unwrap();
    other.directory.owner().await.unwrap();
    let listed = one.guests().await.unwrap().into_iter().find(|guest| guest.address == bob()).unwrap();
    let read = other.directory.guest(&bob()).await.unwrap().unwrap();
    [listed, read].map(|guest| GuestRecord { revision: Revision(0), ..guest })
}

fn known(record: &GuestRecord) -> BTreeMap<MfaMethod, Timestamp> {
    let MfaRecord::Known(methods) = &record.mfa else { panic!("unknown: {record:?}") };
    methods.iter().map(|(method, since)| (*method, *since)).collect()
}

#[tokio::test(start_paused = true)]
async fn listing_and_single_read_agree_in_each_state() {
    let realm = State::Invited.realm().await;
    let (totp, key) = (MfaMethod::TOTP, MfaMethod::WebAuthn);
    let sorts = [("otp", totp), ("webauthn", key), ("webauthn-passwordless", key)];
    for factors in 0..8 {
        for (asked, password, place, methods) in
            (0..2 * 2 * 4 * 3).map(|n| (n % 2 == 1, n / 2 % 2 == 1, n / 4 % 4, n / 16))
        {
            let mut realm = realm.clone();
            let held = sorts.iter().enumerate().filter(|(n, _)| factors >> n & 1 == 1).map(|(_, one)| *one);
            let mut credentials: Vec<Value> = held.clone().map(|(sort, _)| credential(sort, 10)).collect();
            credentials.extend(password.then(|| credential("password", 5)));
            holds(&mut realm, &credentials);
            user(&mut realm)["requiredActions"] = if asked { json!(["UPDATE_PASSWORD"]) } else { json!([]) };
            user(&mut realm)["attributes"]["guestlist.methods"] =
                vec![["TOTP,WebAuthn", "TOTP", "WebAuthn"][methods]].into();
            let (id, organization) = (realm.id_of(bob().as_str()), realm.organizations.keys().next().unwrap().clone());
            match place {
                0 => drop(realm.members.insert((organization, id), false)),
                1 => realm.invitations.clear(),
                2 => realm.invitations.values_mut().for_each(|row| row["email"] = json!("Bob@Acme.example")),
                _ => {}
            }
            let stage = Stage::on(realm);
            tokio::time::sleep(Duration::from_secs(100)).await;
            let [listed, read] = both(&stage).await;
            let case = format!("{credentials:?}, asked: {asked}, place {place}, methods {methods}");
            assert_eq!(listed, read, "{case}");
            let joined = place == 0 && (!asked || password);
            assert_eq!(read.joined_at.is_some(), joined, "{case}");
            assert_eq!(read.invitation.is_some(), place >= 2 || (place == 0 && !joined), "{case}");
            if joined {
                assert_eq!(read.joined_at, Some(if password { at(5) } else { read.joined_at.unwrap() }), "{case}");
                assert_eq!(known(&read), held.map(|(_, method)| (method, at(10))).collect(), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn method_counts_since_its_first_credential() {
    let mut realm = State::Joined.realm().await;
    holds(
        &mut realm,
        &[
            credential("otp", 30),
            credential("otp", 20),
            credential("webauthn", 25),
            credential("webauthn-passwordless", 24),
        ],
    );
    let stage = Stage::on(realm);
    tokio::time::sleep(Duration::from_secs(100)).await;
    for record in both(&stage).await {
        assert_eq!(known(&record), [(MfaMethod::TOTP, at(20)), (MfaMethod::WebAuthn, at(24))].into());
    }
}

#[tokio::test(start_paused = true)]
async fn listing_finds_the_passkey_that_a_guest_needs() {
    let mut realm = State::Given.realm().await;
    holds(&mut realm, &[credential("otp", 0), credential("webauthn", 10)]);
    user(&mut realm)["attributes"]["guestlist.methods"] = json!(["WebAuthn"]);
    let stage = Stage::on(realm);
    tokio::time::sleep(Duration::from_secs(100)).await;
    for record in both(&stage).await {
        assert_eq!(known(&record), [(MfaMethod::TOTP, at(0)), (MfaMethod::WebAuthn, at(10))].into());
    }
}

#[tokio::test(start_paused = true)]
async fn time_to_come_reads_as_what_was_known_or_now() {
    let stage = Stage::on(State::Given.realm().await);
    let future = [credential("otp", 90_000), credential("webauthn", 90_000)];
    stage.realm(|realm| holds(realm, &future));
    tokio::time::sleep(Duration::from_secs(100)).await;
    let [listed, read] = both(&stage).await;
    // A page of users does not show a passkey, and a listing does not read credentials if a one-time password suffices.
    assert_eq!(known(&listed), [(MfaMethod::TOTP, at(0))].into());
    assert_eq!(known(&read), [(MfaMethod::TOTP, at(0)), (MfaMethod::WebAuthn, at(100))].into());
    // The clocks differ by a few seconds, so no time may lie in the future.
    stage.realm(|realm| holds(realm, &[credential("otp", 104)]));
    let [listed, read] = both(&stage).await;
    assert_eq!((known(&read), listed.mfa_lost_at), ([(MfaMethod::TOTP, at(104))].into(), None));
}

#[tokio::test(start_paused = true)]
async fn times_of_a_clock_far_away_are_converted_with_a_warning() {
    for (ahead, warned) in [(0, false), (100, true), (-100, true)] {
        let mut realm = State::Given.realm().await;
        realm.second += ahead;
        let stage = Stage::on(realm);
        tokio::time::sleep(Duration::from_secs(100)).await;
        stage.realm(|realm| holds(realm, &[credential("otp", 20 + ahead)]));
        let [_, read] = both(&stage).await;
        let since = known(&read)[&MfaMethod::TOTP];
        // Tokens have whole seconds.
        assert!(since.duration_since(at(20)).abs().as_secs() < 1, "{ahead}: {since}");
        stage.guests().await.unwrap();
        assert_eq!(!stage.directory.warnings().is_empty(), warned, "{:?}", stage.directory.warnings());
    }
}

#[tokio::test(start_paused = true)]
async fn credential_to_come_is_reset_as_old_as_its_record() {
    for (before, left) in [(at(50), 0), (at(0), 1)] {
        let stage = Stage::on(State::Given.realm().await);
        stage.realm(|realm| holds(realm, &[credential("otp", 90_000)]));
        tokio::time::sleep(Duration::from_secs(100)).await;
        look(&stage).await;
        let reset = Operation::Guest { id: guest(), change: GuestChange::ResetMfa { enrolled_before: before } };
        stage.directory.execute(&reset, None, at(100), stage.epoch()).await.unwrap();
        assert_eq!(stage.realm(|realm| realm.credentials[&realm.id_of(bob().as_str())].len()), left, "{before}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_may_not_be_read_make_mfa_unknown() {
    let stage = Stage::on(State::Given.realm().await);
    stage.wire.rules(|asked, _| {
        if asked.path.last().is_some_and(|last| last == "credentials") { Fate::Refused(403) } else { Fate::Passes }
    });
    let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!((&read.mfa, read.grants.len()), (&MfaRecord::Unknown, 2));
    // The recorded methods survive a write.
    let promote = Operation::Guest { id: guest(), change: GuestChange::Promote };
    let demote = Operation::Guest { id: guest(), change: GuestChange::Demote };
    look(&stage).await;
    for operation in [demote, promote] {
        stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap();
    }
    stage.wire.rules(|_, _| Fate::Passes);
    stage.realm(|realm| holds(realm, &[]));
    for record in both(&stage).await {
        assert!(record.mfa_lost_at.is_some(), "the methods from before are known: {record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_factor_is_seen_once_and_forgotten_with_the_next() {
    for factor in ["otp", "webauthn"] {
        let stage = Stage::on(State::Invited.realm().await);
        stage.realm(|realm| realm.joins(bob().as_str(), Some(factor)));
        look(&stage).await;
        let again = Operation::Guest { id: guest(), change: GuestChange::Promote };
        let demote = Operation::Guest { id: guest(), change: GuestChange::Demote };
        for operation in [demote, again] {
            stage.directory.execute(&operation, None, at(1), stage.epoch()).await.unwrap();
        }
        for restarts in [false, true] {
            let stage = if restarts {
                stage.restarted()
            } else {
                Stage { wire: stage.wire.clone(), directory: stage.directory.clone() }
            };
            if restarts {
                look(&stage).await;
            }
            stage.realm(|realm| holds(realm, &[credential("password", 0)]));
            let lost = (stage.wire.began.elapsed().as_secs()).cast_signed();
            for passed in [0, 50, 50] {
                tokio::time::sleep(Duration::from_secs(passed)).await;
                let record = stage.guests().await.unwrap().remove(0);
                let since = record.mfa_lost_at.map(|at| at.as_second() - super::BEGAN);
                assert_eq!((known(&record).len(), since), (0, Some(lost)), "{factor}, {restarts}, {passed}");
            }
            stage.realm(|realm| holds(realm, &[credential("password", 0), credential(factor, lost + 10)]));
            tokio::time::sleep(Duration::from_secs(20)).await;
            for record in
                [stage.guests().await.unwrap().remove(0), stage.directory.guest(&bob()).await.unwrap().unwrap()]
            {
                assert_eq!((known(&record).len(), record.mfa_lost_at), (1, None), "{factor}, {restarts}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn guest_who_accepts_while_they_are_read_is_a_member() {
    for listing in [false, true] {
        let stage = Stage::on(State::Invited.realm().await);
        look(&stage).await;
        // Immediately after the request for members.
        let mut first = true;
        stage.wire.rules(move |asked, realm| {
            if asked.path.last().is_some_and(|last| last == "invitations") && std::mem::replace(&mut first, false) {
                realm.joins(bob().as_str(), Some("otp"));
            }
            Fate::Passes
        });
        let read =
            if listing { stage.guests().await.unwrap().pop() } else { stage.directory.guest(&bob()).await.unwrap() };
        assert!(read.as_ref().is_some_and(|read| read.joined_at.is_some()), "{listing}: {read:?}");
    }
}

/// A tool copied Bob's user with all attributes, under another address.
fn copied(realm: &mut Realm, name: &str) -> String {
    let mut copy = user(realm).clone();
    (copy["username"], copy["email"]) = (json!(name), json!(format!("{name}@host.example")));
    realm.put_user(copy)
}

/// The users whose accounts are revoked, by Keycloak's identifier, and the addresses that nobody is invited at.
fn unreadable(listed: &[GuestRecord]) -> (BTreeSet<String>, BTreeSet<String>) {
    let all = listed.iter().filter(|one| one.mark.is_none());
    let (claims, blocked): (Vec<_>, Vec<_>) = all.partition(|one| !one.grants.is_empty());
    assert!(claims.iter().all(|one| one.grants.values().all(|held| held.grant.share_uid.is_empty())));
    assert!(listed.iter().all(|one| one.mark.is_some() || one.integrity == Integrity::Unreadable));
    (
        claims.iter().map(|one| one.id.0.replacen("keycloak-", "", 1)).collect(),
        blocked.iter().map(|one| one.address.to_string()).collect(),
    )
}

#[tokio::test(start_paused = true)]
async fn copy_of_a_guest_is_not_the_guest() {
    for name in ["a", "z"] {
        let mut realm = State::Given.realm().await;
        let copy = copied(&mut realm, name);
        let stage = Stage::on(realm);
        let fresh = stage.restarted();
        fresh.directory.owner().await.unwrap();
        let listed = fresh.guests().await.unwrap();
        let bobs: Vec<_> = listed.iter().filter(|one| one.id == guest() || one.address == bob()).collect();
        assert!(bobs.len() == 1 && bobs[0].mark.is_some() && bobs[0].grants.len() == 2, "{name}: {listed:?}");
        let address = format!("{name}@host.example");
        assert_eq!(unreadable(&listed), ([copy.clone()].into(), [address.clone()].into()), "{name}");
        let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
        assert_eq!((&read.id, &read.grants), (&bobs[0].id, &bobs[0].grants), "{name}");
        let read = stage.restarted().directory.guest(&email(&address)).await.unwrap().unwrap();
        assert_eq!((read.mark, read.integrity), (None, Integrity::Unreadable), "{name}");
        // An operation on the guest changes no other user.
        let stage = stage.restarted();
        let untouched = stage.realm(|realm| realm.users[&copy].clone());
        let demote = Operation::Guest { id: guest(), change: GuestChange::Demote };
        stage.directory.execute(&demote, None, at(1000), stage.epoch()).await.unwrap();
        assert_eq!(stage.realm(|realm| realm.users[&copy].clone()), untouched, "{name}");
        assert!(!stage.realm(|realm| user(realm).to_string()).contains("instagram:manager"), "{name}");
        loses_only_its_claims(&stage, &copy).await;
    }
}

/// A user without a readable mark accepts a revocation, and no other operation.
async fn loses_only_its_claims(stage: &Stage, user: &str) {
    let id = GuestId(format!("keycloak-{user}"));
    let others =
        |realm: &mut Realm| realm.users.iter().filter(|(id, _)| *id != user).map(|one| one.1.clone()).collect();
    let (before, rest): (Value, Vec<Value>) = stage.realm(|realm| (realm.users[user].clone(), others(realm)));
    for change in [GuestChange::DisableLogin, GuestChange::Deactivate, GuestChange::Detach, GuestChange::EnableLogin] {
        let refused = Operation::Guest { id: id.clone(), change };
        let done = stage.directory.execute(&refused, None, at(1000), stage.epoch()).await;
        assert!(matches!(done, Err(Error::Changed { .. })), "{refused:?}: {done:?}");
    }
    assert_eq!(stage.realm(|realm| realm.users[user].clone()), before);
    stage.realm(|realm| drop(realm.sessions.insert("of the user".to_owned(), user.to_owned())));
    let accounts = vec!["instagram".to_owned(), "newsletter".to_owned()];
    let revoke = Operation::Guest { id, change: GuestChange::Revoke { accounts } };
    let left = stage.directory.execute(&revoke, None, at(1000), stage.epoch()).await.unwrap().guest.unwrap();
    assert_eq!((left.grants.len(), left.integrity), (0, Integrity::Unreadable));
    let mut wanted = before;
    for name in ["guestlist.accounts", "guestlist.grants"] {
        wanted["attributes"].as_object_mut().unwrap().remove(name);
    }
    let now = stage.realm(|realm| realm.users[user].clone());
    wanted["notBefore"] = now["notBefore"].clone();
    assert_eq!(now, wanted);
    assert_eq!(stage.realm(others), rest);
    assert!(stage.realm(|realm| realm.sessions.values().all(|of| of != user)), "its sessions have ended");
}

#[tokio::test(start_paused = true)]
async fn mark_of_two_users_without_its_address_is_of_neither() {
    let mut realm = State::Given.realm().await;
    let copy = copied(&mut realm, "a");
    let own = realm.id_of(bob().as_str());
    realm.users.get_mut(&own).unwrap()["email"] = json!("bob@home.example");
    let stage = Stage::on(realm);
    look(&stage).await;
    let listed = stage.guests().await.unwrap();
    let addresses = ["a@host.example", "bob@acme.example", "bob@home.example"].map(str::to_owned);
    assert_eq!(unreadable(&listed), ([copy.clone(), own.clone()].into(), addresses.into()));
    assert!(listed.iter().all(|one| one.mark.is_none()), "{listed:?}");
    for stage in [&stage, &stage.restarted()] {
        let read = stage.directory.guest(&bob()).await.unwrap().unwrap();
        assert_eq!((read.mark, read.integrity, read.grants.len()), (None, Integrity::Unreadable, 0));
    }
    let deactivate = Operation::Guest { id: guest(), change: GuestChange::Deactivate };
    let done = stage.directory.execute(&deactivate, None, at(1000), stage.epoch()).await;
    assert!(matches!(done, Err(Error::Changed { .. })), "{done:?}");
    assert!(stage.realm(|realm| realm.users[&own]["enabled"] == true));
    // A person removes the attributes of the copy: the guest is the guest again, with another address.
    stage.realm(|realm| realm.users.get_mut(&copy).unwrap()["attributes"] = json!({}));
    let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!((read.id, read.email.as_str()), (guest(), "bob@home.example"));
    let listed = stage.guests().await.unwrap();
    assert!(listed.len() == 1 && listed[0].mark.is_some(), "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn mark_edited_by_hand_is_reported_and_blocks_the_address() {
    for name in ["guestlist.id", "guestlist.installation", "guestlist.address", "guestlist.partner", "guestlist.record"]
    {
        for value in [json!(null), json!(["other"])] {
            let stage = Stage::on(State::Given.realm().await);
            look(&stage).await;
            let own = stage.realm(|realm| {
                user(realm)["attributes"][name] = value.clone();
                user(realm)["attributes"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
                realm.id_of(bob().as_str())
            });
            let cursor = stage.directory.cursor().await.unwrap();
            let read = stage.directory.guest(&bob()).await.unwrap().unwrap();
            assert_eq!((read.mark, read.integrity, read.grants.len()), (None, Integrity::Unreadable, 0), "{name}");
            // The next poll names the record that has the claims.
            let changes = stage.directory.changes(cursor).await.unwrap().changed;
            let Some(Changed::Guest(substitute)) = changes.first() else { panic!("{name}: {changes:?}") };
            let record = stage.directory.guest(substitute).await.unwrap().unwrap();
            assert_eq!((record.id.0, record.grants.len()), (format!("keycloak-{own}"), 2), "{name}");
            let listed = stage.guests().await.unwrap();
            assert_eq!(unreadable(&listed), ([own.clone()].into(), [bob().to_string()].into()), "{name} {value}");
            let user = stage.directory.user(&bob()).await.unwrap();
            assert!(user.is_some(), "the user counts as one of the workspace");
            loses_only_its_claims(&stage, &own).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mark_goes_from_a_copy_with_the_guest() {
    for operation in [
        Operation::Guest { id: guest(), change: GuestChange::Detach },
        Operation::Guest { id: guest(), change: GuestChange::Purge { since: at(0), at_most: 9 } },
    ] {
        let state = if matches!(operation, Operation::Guest { change: GuestChange::Detach, .. }) {
            State::Given
        } else {
            State::Deactivated
        };
        let mut realm = state.realm().await;
        let copy = copied(&mut realm, "a");
        realm.sessions = [("of the copy".to_owned(), copy.clone())].into();
        let stage = Stage::on(realm);
        look(&stage).await;
        stage.directory.execute(&operation, None, at(1000), stage.epoch()).await.unwrap();
        let left = stage.realm(|realm| realm.users[&copy]["attributes"].to_string());
        assert!(!left.contains("guestlist."), "{operation:?}: {left}");
        assert!(stage.realm(|realm| realm.sessions.is_empty()), "{operation:?}");
        assert_eq!(stage.restarted().directory.guest(&bob()).await.unwrap(), None, "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn guest_whose_user_was_made_anew_is_found() {
    let stage = Stage::on(State::Given.realm().await);
    look(&stage).await;
    let (old, new) = stage.realm(|realm| {
        let (old, mut anew) = (realm.id_of(bob().as_str()), user(realm).clone());
        let kept = realm.users.get_mut(&old).unwrap();
        (kept["username"], kept["email"], kept["attributes"]) = (json!("old"), json!("old@host.example"), json!({}));
        anew["username"] = json!("anew");
        (old, realm.put_user(anew))
    });
    assert!(stage.directory.guest(&bob()).await.unwrap().is_some());
    stage
        .directory
        .execute(&Operation::Guest { id: guest(), change: GuestChange::Demote }, None, at(1000), stage.epoch())
        .await
        .unwrap();
    let [old, new] = stage.realm(|realm| [realm.users[&old].to_string(), realm.users[&new].to_string()]);
    assert!(!old.contains("guestlist.") && !new.contains("instagram:manager"), "{old} {new}");
}

#[tokio::test(start_paused = true)]
async fn search_that_the_server_ignores_finds_nobody_else() {
    let stage = Stage::on(State::Given.realm().await);
    look(&stage).await;
    let eve = email("eve@acme.example");
    stage.wire.rules(|_, _| Fate::Without("q"));
    assert_eq!(stage.directory.guest(&eve).await, Ok(None));
    stage.realm(|realm| {
        let zoe = realm.stranger("a-zoe");
        realm.users.get_mut(&zoe).unwrap()["username"] = json!("a-zoe@other.example");
    });
    for parameter in ["username", "email"] {
        stage.wire.rules(move |_, _| Fate::Without(parameter));
        assert_eq!(stage.directory.guest(&eve).await, Ok(None), "{parameter}");
        assert_eq!(stage.directory.user(&eve).await, Ok(None), "{parameter}");
    }
    stage.wire.rules(|_, _| Fate::Without("q"));
    let nobody = Operation::Guest { id: other_guest(), change: GuestChange::Deactivate };
    stage.directory.execute(&nobody, None, at(1), stage.epoch()).await.unwrap();
    assert!(stage.realm(|realm| realm.users.values().all(|user| user["enabled"] == true)));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_adopted_where_two_have_the_address() {
    let mut realm = State::Workspace.realm().await;
    let namesake = realm.stranger("namesake");
    realm.users.get_mut(&namesake).unwrap()["email"] = json!(bob().as_str());
    let stage = Stage::on(realm);
    look(&stage).await;
    stage.wire.seen();
    let done = stage.directory.execute(&admit(Origin::Adopted), None, at(1), stage.epoch()).await;
    assert!(matches!(&done, Err(Error::Refused { message }) if message.contains("several users")), "{done:?}");
    assert!(stage.wire.seen().iter().all(|seen| !seen.writes()));
}

#[tokio::test(start_paused = true)]
async fn guest_of_a_deleted_organization_is_read() {
    let stage = Stage::on(State::Given.realm().await);
    look(&stage).await;
    stage.realm(|realm| {
        realm.organizations.clear();
        realm.members.clear();
    });
    let read = stage.directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!((read.joined_at, read.invitation), (None, None));
    let cursor = stage.directory.cursor().await.unwrap();
    let changes = stage.directory.changes(cursor).await.unwrap();
    assert!(changes.changed.contains(&guestlist::directory::Changed::Everything), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn stranger_at_the_username_does_not_hide_a_guest() {
    let mut realm = State::Given.realm().await;
    user(&mut realm)["username"] = json!("guest-g-bob");
    let stranger = realm.stranger("zoe");
    realm.users.get_mut(&stranger).unwrap()["username"] = json!(bob().as_str());
    let stage = Stage::on(realm);
    look(&stage).await;
    let listed = stage.guests().await.unwrap();
    assert!(listed.len() == 1 && listed[0].mark.is_some(), "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn listing_of_users_is_read_from_its_beginning() {
    let mut realm = State::Given.realm().await;
    (0..1300).for_each(|n| drop(realm.stranger(&format!("{n:05}"))));
    let stage = Stage::on(realm);
    look(&stage).await;
    let (first, mut read) = (stage.directory.guests(None).await.unwrap(), Vec::new());
    let second = stage.directory.guests(first.next.clone()).await.unwrap();
    assert!(second.next.is_some(), "more pages follow");
    read.extend(stage.directory.users(None).await.unwrap().items);
    assert_eq!(read.len(), stage.realm(|realm| realm.users.len() - 1), "all users, though a listing was under way");
    stage.directory.guests(None).await.unwrap();
    let stale = stage.directory.guests(second.next).await;
    assert!(matches!(stale, Err(Error::Unavailable { .. })), "another listing began: {stale:?}");
}

#[tokio::test(start_paused = true)]
async fn end_of_an_invitation_is_converted_from_a_clock_far_away() {
    for ahead in [0, 1_000, -1_000] {
        let mut realm = State::Partner.realm().await;
        realm.second += ahead;
        realm.invitations_last = 3_600;
        let stage = Stage::on(realm);
        look(&stage).await;
        stage.directory.execute(&admit(Origin::Created), None, at(0), stage.epoch()).await.unwrap();
        let stage = stage.restarted();
        look(&stage).await;
        for record in both(&stage).await {
            let ends = record.invitation.unwrap().expires_at;
            assert!(ends.duration_since(at(3_600)).abs().as_secs() < 5, "{ahead}: {ends}");
        }
    }
}
