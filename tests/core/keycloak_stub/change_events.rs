//! Events of the realm: each results in one change event for its subject. Own events and those of other organizations
//! result in none.

use std::collections::BTreeSet;

use guestlist::directory::import::UserChanges;
use guestlist::directory::{
    AccountRecord, Changed, Cursor, DirectoryReader as _, DirectoryWriter as _, Error, GuestChange, Import, Operation,
    UserRecord,
};
use serde_json::{Value, json};

use super::Stage;
use super::cases::State;
use super::furnish::{acme, at, bob, email, guest};
use super::operations::look;
use super::representations::Fate;
use crate::support::realm_in_memory::{Realm, text};

/// A process that has read everything, and its cursor.
async fn stage(realm: Realm) -> (Stage, Cursor) {
    let stage = Stage::on(realm);
    let cursor = stage.directory.cursor().await.unwrap();
    look(&stage).await;
    (stage, cursor)
}

fn id_of_group(realm: &Realm, path: &str) -> String {
    let found = realm.groups.values().find(|group| text(group, "path") == path);
    found.map(|group| text(group, "id").to_owned()).unwrap()
}

fn about(resource: &str, path: &str) -> Value {
    json!({"authDetails": {"userId": "admin"}, "resourceType": resource, "resourcePath": path})
}

#[tokio::test(start_paused = true)]
async fn event_results_in_a_hint_about_its_subject() {
    let mut realm = State::Given.realm().await;
    let (user, alice) = (realm.id_of(bob().as_str()), realm.id_of("alice@host.example"));
    let ours = realm.organizations.keys().next().unwrap().clone();
    let foreign = realm.add("organizations", json!({"name": "Other", "alias": "other", "enabled": true}));
    let [account, accounts, told] =
        ["/guestlist/accounts/instagram", "/guestlist/accounts", "/guestlist/claims-enabled"]
            .map(|path| id_of_group(&realm, path));
    let zoe = realm.stranger("zoe");
    realm.users.get_mut(&zoe).unwrap()["username"] = json!("eve@acme.example");
    let copy = {
        let mut copy = realm.users[&user].clone();
        (copy["username"], copy["email"]) = (json!("copy"), json!("copy@host.example"));
        let mark = ["id", "address", "partner", "record"].map(|name| format!("guestlist.{name}"));
        copy["attributes"].as_object_mut().unwrap().retain(|name, _| mark.contains(name));
        realm.put_user(copy)
    };
    let everything = || vec![Changed::Everything];
    let guests = |address: &str| vec![Changed::Guest(email(address))];
    let users = |address: &str| vec![Changed::User(email(address))];
    let partner = || vec![Changed::Partner(acme())];
    let of_user = |kind: &str, user: &str| json!({"type": kind, "userId": user});
    let cases = [
        (about("USER", &format!("users/{user}")), guests(bob().as_str())),
        (about("REALM_ROLE_MAPPING", &format!("users/{user}/role-mappings")), guests(bob().as_str())),
        (about("USER", &format!("users/{alice}")), users("alice@host.example")),
        (about("USER", &format!("users/{zoe}")), [guests("eve@acme.example"), users("zoe@host.example")].concat()),
        (about("USER", "users/gone"), everything()),
        (about("USER", "users/profile"), vec![]),
        (about("ORGANIZATION_MEMBERSHIP", &format!("organizations/{ours}/members/{user}")), guests(bob().as_str())),
        (about("ORGANIZATION_MEMBERSHIP", &format!("organizations/{ours}/members")), everything()),
        (about("ORGANIZATION_MEMBERSHIP", &format!("organizations/{foreign}/members")), vec![]),
        (about("ORGANIZATION_INVITATION", &format!("organizations/{ours}/invitations/1")), everything()),
        (about("ORGANIZATION", &format!("organizations/{ours}/members/invite-user")), vec![]),
        (about("ORGANIZATION", &format!("organizations/{ours}")), partner()),
        (about("ORGANIZATION", &format!("organizations/{foreign}")), vec![]),
        (about("GROUP", &format!("groups/{account}")), vec![Changed::Account("instagram".to_owned())]),
        (about("GROUP", &format!("groups/{accounts}")), everything()),
        (about("GROUP", &format!("groups/{told}")), vec![]),
        (about("GROUP", "groups/gone"), everything()),
        (about("CLIENT", "clients/1"), vec![]),
        (of_user("UPDATE_TOTP", &user), guests(bob().as_str())),
        (of_user("UPDATE_EMAIL", &alice), users("alice@host.example")),
        (of_user("LOGIN", &user), vec![]),
        // A guest with the same mark may be readable now.
        (of_user("UPDATE_TOTP", &copy), everything()),
        (
            json!({"type": "LOGIN", "userId": user, "details": {"identity_provider": "corporate"}}),
            guests(bob().as_str()),
        ),
        // An own event, and one of an administrator without a name.
        (
            json!({"authDetails": {"userId": "service-account-guestlist"}, "resourceType": "USER", "resourcePath": format!("users/{user}")}),
            vec![],
        ),
        (json!({"resourceType": "USER", "resourcePath": format!("users/{user}")}), guests(bob().as_str())),
    ];
    for (event, expected) in cases {
        let (stage, cursor) = stage(realm.clone()).await;
        stage.realm(|realm| realm.tell(event["type"].is_string(), event.clone()));
        let changes = stage.directory.changes(cursor).await.unwrap();
        assert_eq!(changes.changed, expected.into_iter().collect::<BTreeSet<_>>(), "{event}");
        let again = stage.directory.changes(changes.cursor).await.unwrap();
        assert_eq!((again.changed, again.cursor), (BTreeSet::new(), changes.cursor), "{event}: hinted once");
        // Another process that continues at that cursor gets no change event for earlier events.
        let fresh = stage.restarted();
        look(&fresh).await;
        assert_eq!(fresh.directory.changes(changes.cursor).await.unwrap().changed, BTreeSet::new(), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn event_that_shows_late_is_hinted() {
    for of_user in [false, true] {
        for late in [1, 1_500, 2_900] {
            let mut realm = State::Given.realm().await;
            // Long after the changes of the test itself.
            realm.second += 100;
            let (user, alice) = (realm.id_of(bob().as_str()), realm.id_of("alice@host.example"));
            let event = |user: &str| {
                if of_user {
                    json!({"type": "UPDATE_EMAIL", "userId": user})
                } else {
                    about("USER", &format!("users/{user}"))
                }
            };
            realm.tell(of_user, event(&alice));
            let (stage, cursor) = stage(realm).await;
            stage.realm(|realm| {
                realm.tell(of_user, event(&user));
                let all = if of_user { &mut realm.events } else { &mut realm.admin_events };
                // This event's time is before that of the other, but it appears later.
                let mut one = all.pop().unwrap();
                one["time"] = json!(cursor.0 - late);
                all.insert(all.len() - 1, one);
            });
            let changes = stage.directory.changes(cursor).await.unwrap();
            assert_eq!(changes.changed, [Changed::Guest(bob())].into(), "{of_user}, {late}");
            assert_eq!(changes.cursor, cursor, "{of_user}, {late}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cursor_is_at_the_newest_event_of_both_kinds() {
    for of_user in [false, true] {
        let mut realm = State::Given.realm().await;
        realm.second += 100;
        let user = realm.id_of(bob().as_str());
        realm.tell(of_user, json!({"type": "UPDATE_EMAIL", "userId": user, "resourcePath": format!("users/{user}")}));
        let newest = realm.admin_events.iter().chain(&realm.events).filter_map(|event| event["time"].as_i64()).max();
        let (stage, cursor) = stage(realm).await;
        assert_eq!(Some(cursor.0), newest, "{of_user}");
        stage.realm(|realm| {
            let path = format!("users/{user}");
            realm.tell(of_user, json!({"type": "UPDATE_EMAIL", "userId": user, "resourcePath": path}));
        });
        let changes = stage.directory.changes(cursor).await.unwrap();
        assert!(changes.cursor > cursor, "{of_user}");
    }
}

#[tokio::test(start_paused = true)]
async fn realm_without_events_gives_no_hints() {
    let config =
        |users: bool, administrators: bool| json!({"eventsEnabled": users, "adminEventsEnabled": administrators});
    for (kept, refused, tells) in [
        (config(true, true), false, true),
        (config(true, false), false, false),
        (config(false, true), false, false),
        (config(true, true), true, false),
    ] {
        let mut realm = State::Given.realm().await;
        realm.events_config = kept.clone();
        let stage = Stage::on(realm);
        stage.wire.rules(move |asked, _| match asked.path.last().map(String::as_str) {
            Some("config") if refused => Fate::Refused(403),
            _ => Fate::Passes,
        });
        let cursor = stage.directory.cursor().await.unwrap();
        assert_eq!(cursor.0 > 0, tells, "{kept}");
        let user = stage.realm(|realm| realm.id_of(bob().as_str()));
        stage.realm(|realm| realm.tell(false, about("USER", &format!("users/{user}"))));
        let changed = stage.directory.changes(cursor).await.unwrap().changed;
        assert_eq!(!changed.is_empty(), tells, "{kept}");
        // Each full read checks again.
        stage.wire.rules(|_, _| Fate::Passes);
        stage.realm(|realm| realm.events_config = config(true, true));
        assert!(stage.directory.cursor().await.unwrap().0 > 0, "{kept}");
    }
}

#[tokio::test(start_paused = true)]
async fn own_change_results_in_no_hint() {
    let (stage, cursor) = stage(State::Given.realm().await).await;
    let demote = Operation::Guest { id: guest(), change: GuestChange::Demote };
    stage.directory.execute(&demote, None, at(1000), stage.epoch()).await.unwrap();
    assert_eq!(stage.directory.changes(cursor).await.unwrap().changed, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn command_with_the_service_account_of_the_operator_is_noticed() {
    let (stage, mut cursor) = stage(State::Given.realm().await).await;
    let command = stage.restarted();
    let mut changed = async || {
        let changes = stage.directory.changes(cursor).await.unwrap();
        cursor = changes.cursor;
        changes.changed
    };
    let zoe = UserRecord { email: email("zoe@host.example"), name: "Zoe".to_owned(), enabled: true, verified: true };
    let billing = AccountRecord { name: "billing".to_owned(), owners: vec![zoe.email.clone()], deleted: false };
    let import = Import { users: vec![zoe.clone()], accounts: vec![billing] };
    for (rehearsal, noticed) in [(true, vec![]), (false, vec![Changed::Everything, Changed::User(zoe.email.clone())])] {
        command.directory.import(&import, UserChanges::Add, rehearsal).await.unwrap();
        assert_eq!(changed().await, noticed.into_iter().collect(), "rehearsal: {rehearsal}");
        assert_eq!(changed().await, BTreeSet::new(), "it is noticed once");
    }
    let account = || BTreeSet::from([Changed::Account("billing".to_owned())]);
    assert!(command.directory.set_owner("billing", &[email("alice@host.example")].into()).await.unwrap());
    assert_eq!(changed().await, account());
    assert!(command.directory.set_deleted("billing", true).await.unwrap());
    assert_eq!(changed().await, account());
}

#[tokio::test(start_paused = true)]
async fn realm_of_another_owner_or_of_none_is_a_fault() {
    for taken in [true, false] {
        let (stage, cursor) = stage(State::Given.realm().await).await;
        stage.realm(|realm| {
            let owner = id_of_group(realm, "/guestlist/owner");
            if taken {
                realm.groups.get_mut(&owner).unwrap()["attributes"]["installation"] = json!(["other"]);
            } else {
                realm.groups.remove(&owner);
            }
        });
        let faults = [stage.directory.changes(cursor).await.map(drop), stage.directory.partners(None).await.map(drop)];
        for fault in faults {
            match fault {
                Err(Error::Foreign { owner }) if taken => assert_eq!(owner.installation, "other"),
                Err(Error::Refused { message }) if !taken => assert!(message.contains("guestlist/owner"), "{message}"),
                other => panic!("{taken}: {other:?}"),
            }
        }
    }
}

/// An event in the overlap of two polls is read twice, and hinted once. If Keycloak's clock was ahead before, all
/// events since then are in the overlap.
#[tokio::test(start_paused = true)]
async fn event_in_the_overlap_of_polls_is_hinted_once() {
    let cases = [(false, 0), (true, 0), (false, 1_500), (true, 3_000), (false, 3_000)];
    for ((of_user, late), ahead) in cases.into_iter().flat_map(|case| [(case, 0), (case, 100)]) {
        let mut realm = State::Given.realm().await;
        realm.second += ahead;
        let (user, alice) = (realm.id_of(bob().as_str()), realm.id_of("alice@host.example"));
        realm.tell(of_user, json!({"type": "UPDATE_EMAIL", "userId": alice}));
        let (stage, mut cursor) = stage(realm).await;
        stage.realm(|realm| {
            realm.tell(of_user, json!({"type": "UPDATE_EMAIL", "userId": user}));
            let all = if of_user { &mut realm.events } else { &mut realm.admin_events };
            let mut one = all.pop().unwrap();
            one["time"] = json!(cursor.0 - late);
            all.insert(all.len() - 1, one);
        });
        let mut hints = Vec::new();
        for _ in 0..4 {
            let changes = stage.directory.changes(cursor).await.unwrap();
            hints.extend(changes.changed);
            cursor = changes.cursor;
        }
        assert_eq!(hints, [Changed::Guest(bob())], "{of_user}, {late}, {ahead}");
    }
}

/// Removes the events so far; the next ones are later.
fn begin_anew(realm: &mut Realm) {
    realm.second += 100;
    realm.admin_events.clear();
    realm.events.clear();
}

#[tokio::test(start_paused = true)]
async fn many_events_are_read_in_pages_up_to_a_limit() {
    let both = || BTreeSet::from([Changed::Guest(bob()), Changed::User(email("alice@host.example"))]);
    let everything = || BTreeSet::from([Changed::Everything]);
    // The events of administrators and of users, events of daily use, and the pages of both kinds that are read.
    for (of_administrators, of_users, traffic, expected, pages) in [
        (99, 0, 0, both(), 2),
        (100, 0, 0, both(), 3),
        (101, 250, 0, both(), 2 + 3),
        (999, 1_000, 0, both(), 10 + 11),
        (1_000, 1_000, 0, everything(), 11 + 11),
        (1_999, 0, 0, both(), 20 + 1),
        (2_000, 0, 0, everything(), 20 + 1),
        (4_000, 0, 0, everything(), 20 + 1),
        (1, 0, 3_000, both(), 1 + 31),
    ] {
        let (stage, cursor) = stage(State::Given.realm().await).await;
        stage.realm(|realm| {
            begin_anew(realm);
            let (user, alice) = (realm.id_of(bob().as_str()), realm.id_of("alice@host.example"));
            for number in 0..of_administrators {
                let whose = if number == 0 && of_administrators > 1 { &alice } else { &user };
                realm.tell(false, about("USER", &format!("users/{whose}")));
            }
            for number in 0..of_users + traffic {
                let kind = if number < traffic { "LOGIN" } else { "UPDATE_EMAIL" };
                realm.tell(true, json!({"type": kind, "userId": alice}));
            }
            if of_administrators == 1 {
                let one = realm.events.last_mut().unwrap();
                one["type"] = json!("UPDATE_EMAIL");
            }
        });
        stage.wire.seen();
        let changes = stage.directory.changes(cursor).await.unwrap();
        assert_eq!(changes.changed, expected, "{of_administrators}, {of_users}, {traffic}");
        let newest = stage.realm(|realm| {
            realm.admin_events.iter().chain(&realm.events).filter_map(|event| event["time"].as_i64()).max()
        });
        assert!(Some(changes.cursor.0) == newest || of_administrators == 4_000, "{of_administrators}, {of_users}");
        let is_page = |path: &[String]| matches!(path.last().map(String::as_str), Some("events" | "admin-events"));
        let read = stage.wire.seen().into_iter().filter(|seen| is_page(&seen.asked.path)).count();
        assert_eq!(read, pages, "{of_administrators}, {of_users}, {traffic}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_whose_pages_are_all_the_same_are_a_fault() {
    for count in [99, 100, 250] {
        let (stage, cursor) = stage(State::Given.realm().await).await;
        stage.realm(|realm| {
            begin_anew(realm);
            let user = realm.id_of(bob().as_str());
            (0..count).for_each(|_| realm.tell(false, about("USER", &format!("users/{user}"))));
        });
        stage.wire.rules(|asked, _| match asked.path.last().map(String::as_str) {
            Some("admin-events") => Fate::Without("first"),
            _ => Fate::Passes,
        });
        let read = stage.directory.changes(cursor).await;
        let is_fault = matches!(&read, Err(Error::Unavailable { context }) if context.contains("all pages"));
        assert_eq!(is_fault, count >= 100, "{count}: {read:?}");
    }
}

/// A poll that fails is repeated with the same cursor. Its hints come then, whatever request failed.
#[tokio::test(start_paused = true)]
async fn hint_outlives_a_poll_that_fails() {
    for of_a_read in [false, true] {
        for request in 0.. {
            let (stage, cursor) = stage(State::Given.realm().await).await;
            let expected = if of_a_read {
                // A read finds that the organization is gone.
                stage.realm(|realm| {
                    realm.organizations.clear();
                    realm.members.clear();
                });
                stage.directory.guest(&bob()).await.unwrap();
                BTreeSet::from([Changed::Everything])
            } else {
                stage.realm(|realm| {
                    let (user, alice) = (realm.id_of(bob().as_str()), realm.id_of("alice@host.example"));
                    realm.tell(false, about("USER", &format!("users/{user}")));
                    realm.tell(true, json!({"type": "UPDATE_EMAIL", "userId": alice}));
                });
                BTreeSet::from([Changed::Guest(bob()), Changed::User(email("alice@host.example"))])
            };
            let mut requests = 0;
            stage.wire.rules(move |_, _| {
                requests += 1;
                if requests == request + 1 { Fate::Refused(500) } else { Fate::Passes }
            });
            stage.wire.seen();
            let failed = stage.directory.changes(cursor).await;
            if failed.is_ok() {
                assert!(request > 0 && stage.wire.seen().len() <= request, "no request failed");
                break;
            }
            let changes = stage.directory.changes(cursor).await.unwrap();
            assert_eq!(changes.changed, expected, "{of_a_read}, request {request}");
            let again = stage.directory.changes(changes.cursor).await.unwrap().changed;
            assert!(of_a_read || again.is_empty(), "{again:?}");
        }
    }
}
