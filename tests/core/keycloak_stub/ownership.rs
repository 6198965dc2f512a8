//! The owner and the leader of a realm, the records in groups, and a realm that hides the attributes of guestlist.

use std::time::Duration;

use guestlist::directory::import::UserChanges;
use guestlist::directory::{
    AccountRecord, DirectoryReader as _, DirectoryWriter as _, Epoch, Error, GuestChange, GuestId, Import, Operation,
    Owner, PartnerChange,
};
use guestlist::domain::ShareRole::{Collaborator, Manager};
use serde_json::{Value, json};

use super::Stage;
use super::cases::{Action, State, all};
use super::furnish::{acme, at, bob, email, give, guest, us};
use super::operations::look;
use super::representations::{Fate, Seen};
use crate::support::realm_in_memory::{Asked, Realm, text};

async fn stage(state: State) -> Stage {
    let stage = Stage::on(state.realm().await);
    look(&stage).await;
    stage
}

fn group<'a>(realm: &'a mut Realm, path: &str) -> Option<&'a mut Value> {
    realm.groups.values_mut().find(|group| text(group, "path") == path)
}

/// An operation without effect. It still checks the leadership.
fn nothing() -> Operation {
    Operation::Guest { id: super::furnish::other_guest(), change: GuestChange::RevokeInvitation }
}

#[tokio::test(start_paused = true)]
async fn operation_fails_where_the_realm_hides_attributes() {
    let mut tried = 0;
    for (state, action) in all() {
        let Action::Do(operation) = &action else { continue };
        let mut realm = state.realm().await;
        if realm.user_at(bob().as_str()).is_none_or(|user| user["attributes"]["guestlist.id"].is_null()) {
            continue;
        }
        let known = Stage::on(realm.clone());
        look(&known).await;
        realm.profile = json!({"attributes": []});
        realm.users.values_mut().for_each(|user| user["attributes"] = json!({}));
        let fresh = Stage::on(realm.clone());
        fresh.directory.owner().await.unwrap();
        fresh.directory.partners(None).await.unwrap();
        known.realm(|known| *known = realm.clone());
        for stage in [&known, &fresh] {
            stage.wire.seen();
            let is_of_guests = !matches!(
                **operation,
                Operation::Partner { change: PartnerChange::Apply { suspended: false, .. }, .. }
            );
            let done = stage.directory.execute(operation, None, at(1000), stage.epoch()).await;
            if is_of_guests {
                tried += 1;
                assert!(done.is_err(), "{state:?}, {operation:?}: {done:?}");
                let writes: Vec<Asked> =
                    stage.wire.seen().into_iter().filter(Seen::writes).map(|seen| seen.asked).collect();
                // A user is created only where none exists: Keycloak refuses the request.
                let is_try = |asked: &Asked| asked.method == "POST" && asked.path == ["users"];
                assert!(writes.iter().all(is_try), "{state:?}, {operation:?}: {writes:?}");
            }
            assert!(
                matches!(stage.guests().await, Err(Error::Refused { .. })),
                "{state:?}: a listing without guests is an error"
            );
        }
        assert!(known.directory.guest(&bob()).await.is_err(), "{state:?}: it was there");
    }
    assert!(tried > 30, "{tried}");
}

#[tokio::test(start_paused = true)]
async fn partner_is_not_removed_where_the_realm_hides_its_guests() {
    for state in [State::Given, State::Deactivated] {
        let stage = stage(state).await;
        stage.realm(|realm| {
            realm.profile = json!({"attributes": []});
            realm.users.values_mut().for_each(|user| user["attributes"] = json!({}));
        });
        for operation in [
            Operation::Partner { id: acme(), change: PartnerChange::Deactivate },
            Operation::ForgetShare { share_uid: "u-instagram".to_owned() },
        ] {
            let done = stage.directory.execute(&operation, None, at(1000), stage.epoch()).await;
            assert!(matches!(done, Err(Error::Refused { .. })), "{state:?}, {operation:?}: {done:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn realm_claimed_by_another_at_the_same_moment_is_theirs() {
    let stage = Stage::new();
    stage.wire.rules(|asked, realm| {
        if asked.method == "POST" && asked.body["name"] == "owner" && group(realm, "/guestlist/owner").is_none() {
            let id = realm.group("/guestlist/owner");
            realm.groups.get_mut(&id).unwrap()["attributes"] = json!({"installation": ["other"], "cluster": ["c-2"]});
        }
        Fate::Passes
    });
    let done = stage.directory.claim(&us()).await;
    assert!(matches!(&done, Err(Error::Foreign { owner }) if owner.installation == "other"), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn group_that_another_makes_at_the_same_moment_is_used() {
    for (state, action) in all() {
        let realm = state.realm().await;
        let made = |asked: &Asked| asked.method == "POST" && asked.path[0] == "groups";
        let plain = Stage::on(realm.clone());
        look(&plain).await;
        plain.wire.seen();
        action.run(&plain, at(1000)).await.unwrap();
        if !plain.wire.seen().iter().any(|seen| made(&seen.asked)) {
            continue;
        }
        let stage = Stage::on(realm);
        look(&stage).await;
        stage.wire.rules(move |asked, realm| {
            if made(asked) {
                realm.answer(asked);
            }
            Fate::Passes
        });
        let done = action.run(&stage, at(1000)).await;
        assert!(done.is_ok(), "{state:?}, {action:?}: {done:?}");
        let paths =
            |realm: &mut Realm| realm.groups.values().map(|group| text(group, "path").to_owned()).collect::<Vec<_>>();
        let (mut one, mut other) = (plain.realm(paths), stage.realm(paths));
        one.sort();
        other.sort();
        assert_eq!(one, other, "{state:?}, {action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lead_is_later_than_any_before() {
    for values in [
        json!(["5"]),
        json!(["9000000000000000000"]),
        json!(["5", "9000000000000000000"]),
        json!(["9000000000000000000", "5"]),
        json!(["x"]),
    ] {
        let stage = stage(State::Ours).await;
        stage.realm(|realm| group(realm, "/guestlist/leader").unwrap()["attributes"]["epoch"] = values.clone());
        let most = values.as_array().unwrap().iter().filter_map(|text| text.as_str()?.parse::<i64>().ok()).max();
        if let Some(most) = most {
            assert_eq!(stage.directory.epoch().await, Ok(Epoch(most)), "{values}");
        }
        let mut refused = 2;
        // Keycloak's answer to concurrent writes.
        stage.wire.rules(move |asked, _| {
            if asked.method == "PUT" && refused > 0 {
                refused -= 1;
                return Fate::Refused(500);
            }
            Fate::Passes
        });
        let epoch = stage.directory.lead().await.unwrap();
        assert!(most.is_none_or(|most| epoch.0 > most), "{values}: {epoch:?}");
        assert_eq!(stage.restarted().directory.epoch().await, Ok(epoch), "{values}");
    }
}

#[tokio::test(start_paused = true)]
async fn first_lead_of_two_at_once_is_one() {
    let stage = Stage::new();
    stage.directory.claim(&us()).await.unwrap();
    stage.wire.rules(|asked, realm| {
        if asked.method == "POST" && asked.body["name"] == "leader" && group(realm, "/guestlist/leader").is_none() {
            let id = realm.group("/guestlist/leader");
            realm.groups.get_mut(&id).unwrap()["attributes"] = json!({"epoch": ["9000000000000000000"]});
        }
        Fate::Passes
    });
    let began = tokio::time::Instant::now();
    let epoch = stage.directory.lead().await.unwrap();
    assert!(epoch.0 > 9_000_000_000_000_000_000 && began.elapsed() >= Duration::from_millis(200), "{epoch:?}");
}

#[tokio::test(start_paused = true)]
async fn former_leader_is_refused_each_time() {
    let stage = stage(State::Joined).await;
    let epoch = stage.epoch();
    stage.directory.execute(&nothing(), None, at(0), epoch).await.unwrap();
    // A new term of the same process does not extend the old one.
    let mine = stage.directory.lead().await.unwrap();
    for _ in 0..3 {
        assert_eq!(stage.directory.execute(&nothing(), None, at(0), epoch).await.map(drop), Err(Error::Fenced));
    }
    stage.directory.execute(&nothing(), None, at(0), mine).await.unwrap();
    let late = stage.directory.execute(&nothing(), None, at(0), epoch).await;
    assert_eq!(late.map(drop), Err(Error::Fenced), "the check of the new term does not count for the old one");
    // A slow read is as old as its request.
    let other = || {
        stage.realm(|realm| {
            group(realm, "/guestlist/leader").unwrap()["attributes"]["epoch"] = json!(["9000000000000000000"]);
        });
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.wire.rules(
        |asked, _| if asked.path[0] == "groups" { Fate::Slow(Duration::from_millis(145)) } else { Fate::Passes },
    );
    stage.directory.execute(&nothing(), None, at(0), mine).await.unwrap();
    other();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(stage.directory.execute(&nothing(), None, at(0), mine).await.map(drop), Err(Error::Fenced));
}

#[tokio::test(start_paused = true)]
async fn leader_of_a_realm_made_anew_writes_nothing() {
    for path in ["/guestlist/leader", "/guestlist"] {
        let stage = stage(State::Joined).await;
        let epoch = stage.epoch();
        stage.realm(|realm| realm.groups.retain(|_, group| !text(group, "path").starts_with(path)));
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.wire.seen();
        let done = stage
            .directory
            .execute(&Operation::Guest { id: guest(), change: GuestChange::DisableLogin }, None, at(0), epoch)
            .await;
        assert!(
            matches!(&done, Err(Error::Refused { message }) if message.contains("guestlist/leader")),
            "{path}: {done:?}"
        );
        assert!(stage.wire.seen().iter().all(|seen| !seen.writes()), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn groups_made_anew_or_renamed_are_looked_for_again() {
    let stage = stage(State::Ours).await;
    assert_eq!(stage.directory.accounts(None).await.unwrap().items.len(), 2);
    let (old, name) = stage.realm(|realm| {
        let old = text(group(realm, "/guestlist/accounts").unwrap(), "id").to_owned();
        realm.groups.retain(|_, group| !text(group, "path").starts_with("/guestlist/accounts"));
        let id = realm.group("/guestlist/accounts/youtube");
        (old, text(&realm.groups[&id], "name").to_owned())
    });
    assert!(!old.is_empty() && stage.directory.owner().await.unwrap().is_some());
    let read = stage.directory.accounts(None).await.unwrap().items;
    assert_eq!(read.iter().map(|account| account.name.clone()).collect::<Vec<_>>(), [name]);
    stage.realm(|realm| {
        for group in realm.groups.values_mut() {
            group["path"] = json!(text(group, "path").replacen("/guestlist", "/kept", 1));
            if group["name"] == "guestlist" {
                group["name"] = json!("kept");
            }
        }
    });
    assert_eq!(stage.directory.owner().await, Ok(None), "a renamed root is not ours");
    let stage = super::ownership::stage(State::Ours).await;
    stage.realm(|realm| realm.groups.retain(|_, group| !text(group, "path").starts_with("/guestlist/accounts")));
    stage.directory.owner().await.unwrap();
    assert_eq!(stage.directory.accounts(None).await.map(|page| page.items), Ok(vec![]));
    stage.realm(|realm| realm.groups.clear());
    stage.directory.check_writable().await.unwrap();
    assert!(stage.realm(|realm| group(realm, "/guestlist").is_some()), "it is made again");
}

#[tokio::test(start_paused = true)]
async fn root_that_goes_while_it_is_read_is_nobodys() {
    let stage = Stage::on(State::Ours.realm().await);
    stage.wire.rules(|asked, _| {
        if asked.path.last().is_some_and(|last| last == "children") { Fate::Refused(404) } else { Fate::Passes }
    });
    assert_eq!(stage.directory.owner().await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn accounts_keep_all_owners() {
    let stage = stage(State::Ours).await;
    let owners = ["alice@host.example", "carla@host.example"].map(email);
    let account = AccountRecord { name: "youtube".to_owned(), owners: owners.to_vec(), deleted: false };
    let import = Import { users: Vec::new(), accounts: vec![account.clone()] };
    stage.directory.import(&import, UserChanges::LeaveOut, false).await.unwrap();
    assert_eq!(stage.restarted().directory.account("youtube").await, Ok(Some(account)));
}

#[tokio::test(start_paused = true)]
async fn share_is_remembered_anew_after_it_was_forgotten_or_damaged() {
    let stage = stage(State::Withheld).await;
    stage.directory.shares(None).await.unwrap();
    let forget = Operation::ForgetShare { share_uid: "u-instagram".to_owned() };
    stage.directory.execute(&forget, None, at(1), stage.epoch()).await.unwrap();
    let shares = |stage: &Stage| {
        stage.realm(|realm| group(realm, "/guestlist/shares/u-instagram").map(|group| group["attributes"].clone()))
    };
    assert_eq!(shares(&stage), None);
    stage.directory.execute(&give(&[("instagram", Collaborator)]), None, at(2), stage.epoch()).await.unwrap();
    let whole = json!({"account": ["instagram"], "partner": ["acme"]});
    assert_eq!(shares(&stage), Some(whole.clone()));
    stage.realm(|realm| group(realm, "/guestlist/shares/u-instagram").unwrap()["attributes"] = json!({}));
    let stage = stage.restarted();
    look(&stage).await;
    stage.directory.execute(&give(&[("instagram", Manager)]), None, at(3), stage.epoch()).await.unwrap();
    assert_eq!(shares(&stage), Some(whole));
    // An administrator deletes it, and a full read shows that.
    stage.realm(|realm| realm.groups.retain(|_, group| text(group, "path") != "/guestlist/shares/u-instagram"));
    stage.directory.shares(None).await.unwrap();
    let withhold =
        Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    stage.directory.execute(&withhold, None, at(4), stage.epoch()).await.unwrap();
    stage.directory.execute(&give(&[("instagram", Manager)]), None, at(5), stage.epoch()).await.unwrap();
    assert!(shares(&stage).is_some(), "the record of a share exists as long as it grants anything");
}

/// A second guest whose record has ended.
fn another(realm: &mut Realm) {
    let user = realm.users[&realm.id_of(bob().as_str())].to_string();
    let user = user.replace("bob@acme.example", "eve@acme.example").replace("g-bob", "g-eve");
    realm.put_user(serde_json::from_str(&user).unwrap());
}

#[tokio::test(start_paused = true)]
async fn no_more_are_destroyed_at_once_than_the_pace_allows() {
    let mut realm = State::Deactivated.realm().await;
    another(&mut realm);
    let stage = Stage::on(realm);
    look(&stage).await;
    stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(1)));
    let destroy = |id: &str| Operation::Guest {
        id: GuestId(id.to_owned()),
        change: GuestChange::Purge { since: at(0), at_most: 1 },
    };
    let (one, other) = (destroy("g-bob"), destroy("g-eve"));
    let (directory, epoch) = (&stage.directory, stage.epoch());
    let (one, other) = futures::join!(
        directory.execute(&one, None, at(1000), epoch),
        directory.execute(&other, None, at(1000), epoch)
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let root = stage.realm(|realm| group(realm, "/guestlist").unwrap().clone());
    assert_eq!(root["attributes"]["guestlist.claims-enabled"], json!(["true"]), "what else is there stays");
}

#[tokio::test(start_paused = true)]
async fn mail_of_a_destroyed_guest_is_known_before_the_guest_is_gone() {
    let stage = stage(State::Deactivated).await;
    stage.wire.watches(|_, realm| {
        let remembered = realm.groups.values().any(|group| text(group, "path") == "/guestlist/mails/bob@acme.example");
        assert!(remembered || realm.user_at(bob().as_str()).is_some(), "the last mail to the address is forgotten");
    });
    let destroy = Operation::Guest { id: guest(), change: GuestChange::Purge { since: at(0), at_most: 9 } };
    stage.directory.execute(&destroy, None, at(1000), stage.epoch()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_operations_on_a_guest_at_once_are_both_done() {
    let stage = stage(State::Given).await;
    stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(1)));
    let withhold =
        Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    let given = give(&[("tiktok", Manager)]);
    let (directory, epoch) = (&stage.directory, stage.epoch());
    let (one, other) = futures::join!(
        directory.execute(&withhold, None, at(10), epoch),
        directory.execute(&given, None, at(10), epoch)
    );
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    let read = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!(
        read.grants.iter().map(|(account, held)| (account.as_str(), held.grant.role)).collect::<Vec<_>>(),
        [("tiktok", Manager)]
    );
}

#[tokio::test(start_paused = true)]
async fn operation_goes_on_when_its_caller_gives_up() {
    let stage = stage(State::Given).await;
    stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(1)));
    let withhold =
        Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    let call = stage.directory.execute(&withhold, None, at(10), stage.epoch());
    assert!(tokio::time::timeout(Duration::from_millis(2_500), call).await.is_err(), "it was cut");
    tokio::time::sleep(Duration::from_mins(1)).await;
    let user = stage.realm(|realm| realm.user_at(bob().as_str()).unwrap().to_string());
    assert!(!user.contains("instagram:manager") && stage.realm(|realm| realm.sessions.is_empty()), "{user}");
}

#[tokio::test(start_paused = true)]
async fn owner_of_another_cluster_takes_every_mark_over() {
    let stage = stage(State::Given).await;
    let (epoch, owner) = (stage.epoch(), Owner { cluster: "c-2".to_owned(), ..us() });
    stage.directory.take_over(&owner).await.unwrap();
    assert_ne!(stage.epoch(), epoch, "and the lead");
    assert_eq!(stage.restarted().directory.owner().await, Ok(Some(owner)));
}
