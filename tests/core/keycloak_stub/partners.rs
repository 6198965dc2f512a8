//! Partners and their organizations, and users that exist before their invitation.

use guestlist::directory::{
    DirectoryReader as _, DirectoryWriter as _, Error, GuestChange, Integrity, Login, Operation, Origin, Owner,
    PartnerChange, Revision,
};
use serde_json::{Value, json};

use super::Stage;
use super::cases::State;
use super::furnish::{acme, admit, at, bob, ensure_partner, guest};
use super::operations::look;
use super::representations::Fate;
use crate::support::realm_in_memory::{Realm, text};

async fn stage(realm: Realm) -> Stage {
    let stage = Stage::on(realm);
    look(&stage).await;
    stage
}

async fn run(stage: &Stage, operation: &Operation) -> Result<(), Error> {
    stage.directory.execute(operation, None, at(1000), stage.epoch()).await.map(drop)
}

/// The only organization of a realm.
fn only(realm: &Realm) -> &Value {
    assert_eq!(realm.organizations.len(), 1);
    realm.organizations.values().next().unwrap()
}

fn only_id(realm: &Realm) -> String {
    text(only(realm), "id").to_owned()
}

fn joins(realm: &mut Realm, name: &str, managed: bool) {
    let (organization, user) = (only_id(realm), realm.stranger(name));
    realm.members.insert((organization, user), managed);
}

#[tokio::test(start_paused = true)]
async fn partner_whose_name_is_taken_gets_another() {
    let mut realm = State::Ours.realm().await;
    realm.add("organizations", json!({"name": "Acme Agency", "alias": "other", "enabled": true}));
    let stage = stage(realm).await;
    run(&stage, &ensure_partner(false)).await.unwrap();
    let read = stage.restarted().directory.partner(&acme()).await.unwrap().unwrap();
    assert_eq!(read.display_name, "Acme Agency");
    stage.wire.seen();
    run(&stage, &ensure_partner(false)).await.unwrap();
    assert!(stage.wire.seen().iter().all(|seen| !seen.writes()), "it is as it shall be");
}

/// An organization with an unreadable mark stays as it is, and no other one is created.
async fn is_left_to_a_person(realm: Realm, case: &str) {
    let before = realm.organizations.clone();
    let stage = stage(realm).await;
    let done = run(&stage, &ensure_partner(false)).await;
    match &done {
        Err(Error::Refused { message }) => assert!(message.contains("OwnershipMarkUnreadable"), "{case}: {message}"),
        other => assert!(matches!(other, Err(Error::Changed { .. })), "{case}: {other:?}"),
    }
    run(&stage, &Operation::Partner { id: acme(), change: PartnerChange::Deactivate }).await.ok();
    assert_eq!(stage.realm(|realm| realm.organizations.clone()), before, "{case}");
    let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!((read.joined_at, read.mark.is_some()), (None, true), "{case}: no member of a readable organization");
}

#[tokio::test(start_paused = true)]
async fn organization_with_edited_mark_is_left_to_a_person() {
    for name in ["id", "installation", "cluster", "namespace", "name", "uid", "every"] {
        let mut realm = State::Given.realm().await;
        let id = only_id(&realm);
        let attributes = realm.organizations.get_mut(&id).unwrap()["attributes"].as_object_mut().unwrap();
        attributes.retain(|known, _| name != "every" && *known != format!("guestlist.{name}"));
        let stage = Stage::on(realm.clone());
        let listed = stage.directory.partners(None).await.unwrap().items;
        assert_eq!(listed.len(), usize::from(name != "every"), "{name}");
        assert!(listed.iter().all(|one| one.integrity == Integrity::Unreadable && !one.is_live()), "{name}");
        is_left_to_a_person(realm, name).await;
    }
}

#[tokio::test(start_paused = true)]
async fn none_of_two_organizations_of_one_partner_is_used() {
    for name in ["Aaa", "Zzz"] {
        for id in ["0", "z"] {
            let mut realm = State::Given.realm().await;
            let mut copy = only(&realm).clone();
            (copy["id"], copy["name"], copy["alias"]) = (json!(id), json!(name), json!("copy"));
            realm.organizations.insert(id.to_owned(), copy);
            let listed = Stage::on(realm.clone()).directory.partners(None).await.unwrap().items;
            let named: Vec<_> = listed.iter().map(|one| (one.mark.name.as_str(), one.integrity)).collect();
            assert_eq!(named, [("acme", Integrity::Unreadable); 2], "{name}, {id}");
            is_left_to_a_person(realm, &format!("{name}, {id}")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn suspended_partner_stays_on_for_members_of_others() {
    for (state, stranger, enabled) in
        [(State::Given, false, false), (State::Given, true, true), (State::AdoptedGiven, false, true)]
    {
        let mut realm = state.realm().await;
        if stranger {
            joins(&mut realm, "zoe", false);
        }
        let stage = stage(realm).await;
        run(&stage, &ensure_partner(true)).await.unwrap();
        assert_eq!(stage.realm(|realm| only(realm)["enabled"] == true), enabled, "{state:?}, {stranger}");
        let read = stage.restarted().directory.partner(&acme()).await.unwrap().unwrap();
        assert_eq!(read.integrity, Integrity::Intact, "{state:?}, {stranger}: nothing to write again");
        // A new owner of the realm changes nothing about that.
        let owner = Owner { installation: "prod".to_owned(), cluster: "c-2".to_owned() };
        stage.directory.take_over(&owner).await.unwrap();
        assert_eq!(stage.realm(|realm| only(realm)["enabled"] == true), enabled, "{state:?}, {stranger}: taken over");
        let read = stage.restarted().directory.partner(&acme()).await.unwrap().unwrap();
        assert_eq!((read.mark.cluster.as_str(), read.suspended), ("c-2", true), "{state:?}, {stranger}");
        let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
        assert_eq!(read.mark.unwrap().cluster, "c-2", "{state:?}, {stranger}");
    }
}

#[tokio::test(start_paused = true)]
async fn organization_is_not_switched_off_under_members_of_others() {
    for (before, meanwhile) in [(false, false), (true, false), (false, true)] {
        let mut realm = State::Partner.realm().await;
        if before {
            joins(&mut realm, "zoe", true);
        }
        let stage = stage(realm).await;
        let mut first = true;
        stage.wire.rules(move |asked, realm| {
            if meanwhile
                && asked.method == "PUT"
                && asked.path[0] == "organizations"
                && std::mem::replace(&mut first, false)
            {
                joins(realm, "zoe", true);
            }
            Fate::Passes
        });
        run(&stage, &Operation::Partner { id: acme(), change: PartnerChange::Deactivate }).await.unwrap();
        assert_eq!(stage.realm(|realm| only(realm)["enabled"] == true), before || meanwhile, "{before}, {meanwhile}");
        let read = stage.restarted().directory.partner(&acme()).await.unwrap().unwrap();
        assert!(read.deactivated_at.is_some(), "{before}, {meanwhile}");
    }
}

#[tokio::test(start_paused = true)]
async fn destroyed_partner_takes_no_user_along() {
    for (before, meanwhile, enabled) in
        [(false, false, false), (false, false, true), (true, false, true), (true, false, false), (false, true, true)]
    {
        let mut realm = State::PartnerGone.realm().await;
        let id = only_id(&realm);
        realm.organizations.get_mut(&id).unwrap()["enabled"] = json!(enabled);
        if before {
            joins(&mut realm, "zoe", true);
        }
        let stage = stage(realm).await;
        let mut first = true;
        // A user registers with an invitation of another party while the organization is enabled.
        stage.wire.rules(move |asked, realm| {
            let is_off = realm.organizations.get(&id).is_none_or(|one| one["enabled"] == false);
            let writes = !asked.is_read() && asked.path[0] == "organizations";
            if meanwhile && writes && !is_off && std::mem::replace(&mut first, false) {
                joins(realm, "zoe", true);
            }
            Fate::Passes
        });
        let users = stage.realm(|realm| realm.users.len()) + usize::from(meanwhile);
        run(&stage, &Operation::Partner { id: acme(), change: PartnerChange::Purge { since: at(0) } }).await.unwrap();
        let case = format!("{before}, {meanwhile}, {enabled}");
        assert_eq!(stage.realm(|realm| realm.users.len()), users, "{case}");
        let stays = before || meanwhile;
        assert_eq!(stage.realm(|realm| realm.organizations.len()), usize::from(stays), "{case}");
        if stays {
            let left = stage.realm(|realm| only(realm).clone());
            assert_eq!((&left["enabled"], left.to_string().contains("guestlist.")), (&json!(enabled), false), "{case}");
        }
        for stage in [&stage, &stage.restarted()] {
            stage.directory.owner().await.unwrap();
            assert_eq!(stage.directory.partner(&acme()).await, Ok(None), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn user_whom_the_organization_manages_is_never_deleted() {
    for (state, operation, done) in [
        (State::Given, Operation::Guest { id: guest(), change: GuestChange::Deactivate }, true),
        (State::Given, Operation::Guest { id: guest(), change: GuestChange::Detach }, true),
        (State::AdoptedGiven, Operation::Guest { id: guest(), change: GuestChange::Release }, true),
        (State::Deactivated, admit(Origin::Created), false),
        (State::Workspace, admit(Origin::Adopted), false),
    ] {
        let mut realm = state.realm().await;
        let place = (only_id(&realm), realm.id_of(bob().as_str()));
        realm.members.insert(place.clone(), true);
        let stage = stage(realm).await;
        let result = run(&stage, &operation).await;
        assert!(
            if done { result.is_ok() } else { matches!(result, Err(Error::Exists { .. })) },
            "{state:?}: {result:?}"
        );
        assert!(
            stage.realm(|realm| realm.users.contains_key(&place.1) && realm.members.contains_key(&place)),
            "{state:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn revived_guest_starts_as_a_new_one() {
    let mut realm = State::Deactivated.realm().await;
    let id = realm.id_of(bob().as_str());
    realm.credentials.insert(id.clone(), vec![json!({"id": "1", "type": "password"})]);
    let user = realm.users.get_mut(&id).unwrap();
    (user["email"], user["emailVerified"], user["lastName"]) = (json!("bob@home.example"), json!(true), json!("Else"));
    let stage = stage(realm).await;
    run(&stage, &admit(Origin::Created)).await.unwrap();
    let user = stage.realm(|realm| realm.users[&id].clone());
    assert_eq!(
        (text(&user, "email"), &user["emailVerified"], &user["enabled"]),
        (bob().as_str(), &json!(false), &json!(true))
    );
    assert_eq!((text(&user, "firstName"), text(&user, "lastName")), ("Bob", "Example"));
    assert!(user["requiredActions"].to_string().contains("CONFIGURE_TOTP"), "{user}");
    assert_eq!(stage.realm(|realm| realm.mails.last().cloned()).as_deref(), Some(bob().as_str()));
}

#[tokio::test(start_paused = true)]
async fn new_guest_proves_the_address_and_sets_up_password_and_factor() {
    let stage = stage(State::Partner.realm().await).await;
    run(&stage, &admit(Origin::Created)).await.unwrap();
    let user = stage.realm(|realm| realm.user_at(bob().as_str()).cloned().unwrap());
    assert_eq!(
        (&user["emailVerified"], &user["requiredActions"]),
        (&json!(false), &json!(["UPDATE_PASSWORD", "CONFIGURE_TOTP"]))
    );
    // After joining, the guest owns the address.
    stage.realm(|realm| realm.joins(bob().as_str(), Some("otp")));
    let verified = |stage: &Stage| stage.realm(|realm| realm.user_at(bob().as_str()).unwrap()["emailVerified"].clone());
    stage.directory.guest(&bob()).await.unwrap();
    run(&stage, &Operation::Guest { id: guest(), change: GuestChange::Demote }).await.unwrap();
    assert_eq!(verified(&stage), true);
    run(&stage, &Operation::Guest { id: guest(), change: GuestChange::Detach }).await.unwrap();
    assert_eq!(verified(&stage), false, "guestlist no longer vouches for it");
}

#[tokio::test(start_paused = true)]
async fn address_that_another_user_took_meanwhile_exists() {
    let mut realm = State::Deactivated.realm().await;
    let (id, other) = (realm.id_of(bob().as_str()), realm.stranger("other"));
    realm.users.get_mut(&id).unwrap()["email"] = json!("bob@home.example");
    realm.users.get_mut(&other).unwrap()["email"] = json!(bob().as_str());
    let stage = stage(realm).await;
    let mails = stage.realm(|realm| realm.mails.len());
    let fault = run(&stage, &admit(Origin::Created)).await.unwrap_err();
    assert!(matches!(fault, Error::Exists { .. }), "{fault}");
    assert_eq!(stage.realm(|realm| realm.mails.len()), mails);
}

#[tokio::test(start_paused = true)]
async fn guest_whose_address_is_a_username_gets_another_name() {
    let mut realm = State::Partner.realm().await;
    let other = realm.stranger("other");
    realm.users.get_mut(&other).unwrap()["username"] = json!(bob().as_str());
    let stage = stage(realm).await;
    run(&stage, &admit(Origin::Created)).await.unwrap();
    let user = stage.realm(|realm| realm.user_at(bob().as_str()).cloned().unwrap());
    assert_eq!((text(&user, "username"), stage.realm(|realm| realm.mails.len())), ("guest-g-bob", 1));
}

#[tokio::test(start_paused = true)]
async fn guest_who_changed_since_the_plan_is_not_revived() {
    let stage = stage(State::Deactivated.realm().await).await;
    let record = stage.directory.guest(&bob()).await.unwrap().unwrap();
    let old = Some(Revision(record.revision.0 + 1));
    stage.wire.seen();
    let fault = stage.directory.execute(&admit(Origin::Created), old, at(1000), stage.epoch()).await.unwrap_err();
    assert!(matches!(fault, Error::Changed { .. }), "{fault}");
    assert!(stage.wire.seen().iter().all(|seen| !seen.writes()));
}

#[tokio::test(start_paused = true)]
async fn revived_guest_owes_no_sessions_from_before() {
    let stage = stage(State::Given.realm().await).await;
    stage.wire.rules(|asked, _| {
        if asked.path.last().is_some_and(|last| last == "logout") { Fate::Refused(500) } else { Fate::Passes }
    });
    run(&stage, &Operation::Guest { id: guest(), change: GuestChange::Deactivate }).await.unwrap_err();
    stage.wire.rules(|_, _| Fate::Passes);
    let stage = stage.restarted();
    look(&stage).await;
    run(&stage, &admit(Origin::Created)).await.unwrap();
    let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!((read.grants.len(), read.login), (0, Login::Enabled), "{read:?}");
    assert!(stage.realm(|realm| realm.sessions.is_empty() && realm.offline.is_empty()));
}

/// Keycloak refuses another alias.
#[tokio::test(start_paused = true)]
async fn organization_keeps_its_alias_when_the_mark_changes() {
    let stage = stage(State::Given.realm().await).await;
    let before = stage.realm(|realm| only(realm)["alias"].clone());
    let mut restored = ensure_partner(true);
    let Operation::Partner { change: PartnerChange::Apply { mark, .. }, .. } = &mut restored else { unreachable!() };
    "beta".clone_into(&mut mark.name);
    "another".clone_into(&mut mark.uid);
    for operation in [restored, ensure_partner(false)] {
        run(&stage, &operation).await.unwrap();
        assert_eq!(stage.realm(|realm| only(realm)["alias"].clone()), before, "{operation:?}");
    }
}
