//! `guestlist directory import` into a realm in use: it adds people only with `--users`, and leaves existing ones
//! unchanged.

use guestlist::directory::import::{EntryOutcome, UserChanges};
use guestlist::directory::keycloak::{Directory, Settings};
use guestlist::directory::{AccountRecord, DirectoryReader, Import, UserRecord};
use guestlist::domain::Email;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::held_to_the_contract::{People as Realm, realm_with_mail};
use crate::support::import_files::Numbers;
use crate::support::keycloak::{SECRET, multi};

async fn users(realm: &Realm) -> Vec<Value> {
    let found = realm.admin("GET", "/users?briefRepresentation=false&max=1000", None).await;
    found.as_array().unwrap().clone()
}

async fn accounts(directory: &Directory) -> Vec<AccountRecord> {
    directory.accounts(None).await.unwrap().items
}

#[test]
fn realm_import_changes_no_user_and_matches_its_dry_run() {
    multi(async {
        let realm = realm_with_mail("imported");
        let environment = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET").then(|| SECRET.to_owned());
        let settings = Settings::read(&realm.own.address(), environment).unwrap();
        let directory = Directory::new(settings, std::sync::Arc::new(Timestamp::now)).unwrap();
        // A colleague with their own name, state and attribute.
        let colleague = json!({"username": "bennie", "email": "ben0@host.example", "firstName": "Benjamin", "lastName": "Host",
                               "enabled": true, "emailVerified": false});
        realm.admin("POST", "/users", Some(colleague)).await;
        for seed in 0..12 {
            let mut numbers = Numbers(seed);
            let file: Import = numbers.file(&(seed / 3).to_string());
            let people = if numbers.below(2) == 0 { UserChanges::Add } else { UserChanges::LeaveOut };
            let (before, held) = (users(&realm).await, accounts(&directory).await);
            let said = directory.import(&file, people, true).await.unwrap();
            assert_eq!(
                (users(&realm).await, accounts(&directory).await),
                (before.clone(), held.clone()),
                "a rehearsal wrote"
            );
            assert_eq!(directory.import(&file, people, false).await.unwrap(), said, "seed {seed}");
            let (after, now) = (users(&realm).await, accounts(&directory).await);
            for user in &before {
                assert!(after.contains(user), "seed {seed}: {user} was changed");
            }
            let made = said
                .lines
                .iter()
                .filter(|(outcome, what)| *outcome == EntryOutcome::Created && what.starts_with("user"))
                .count();
            assert_eq!(after.len(), before.len() + made, "seed {seed}: {said:?}");
            assert_eq!(said.left_out, if people == UserChanges::LeaveOut { file.users.len() } else { 0 });
            assert!(people == UserChanges::Add || made == 0);
            for account in held {
                let declared = file.accounts.iter().any(|wanted| wanted.name == account.name);
                assert!(declared || now.contains(&account), "seed {seed}: {account:?} was changed");
            }
            for wanted in &file.accounts {
                assert!(
                    now.iter().any(|held| held.name == wanted.name && held.owners == wanted.owners),
                    "seed {seed}: {wanted:?}"
                );
            }
            let again = directory.import(&file, people, false).await.unwrap();
            assert_eq!(
                again.count(EntryOutcome::Created) + again.count(EntryOutcome::Configured),
                0,
                "seed {seed}: {again:?}"
            );
            assert_eq!((users(&realm).await, accounts(&directory).await), (after, now), "seed {seed}");
        }
    });
}

#[test]
fn entry_refused_by_keycloak_is_named_and_others_are_imported() {
    multi(async {
        let realm = realm_with_mail("imported-refused");
        let environment = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET").then(|| SECRET.to_owned());
        let settings = Settings::read(&realm.own.address(), environment).unwrap();
        let directory = Directory::new(settings, std::sync::Arc::new(Timestamp::now)).unwrap();
        let other = json!({"username": "zoe@host.example", "email": "other@host.example", "enabled": true});
        realm.admin("POST", "/users", Some(other)).await;
        let user = |address: &str, name: &str| UserRecord {
            email: Email::parse(address).unwrap(),
            name: name.to_owned(),
            enabled: true,
            verified: true,
        };
        // The second entry of an address: Keycloak then has the user already.
        let named = ["zoe@host.example", "fred@host.example", "fred@host.example", "new@host.example"];
        let file = Import { users: named.map(|address| user(address, "Some One")).to_vec(), accounts: vec![] };
        let outcomes = |said: &guestlist::directory::Imported| said.lines.iter().map(|line| line.0).collect::<Vec<_>>();
        let said = directory.import(&file, UserChanges::Add, true).await.unwrap();
        assert_eq!(
            outcomes(&said),
            [EntryOutcome::Skipped, EntryOutcome::Created, EntryOutcome::Created, EntryOutcome::Created],
            "{said:?}"
        );
        let said = directory.import(&file, UserChanges::Add, false).await.unwrap();
        assert_eq!(
            outcomes(&said),
            [EntryOutcome::Skipped, EntryOutcome::Created, EntryOutcome::Failed, EntryOutcome::Created],
            "{said:?}"
        );
        assert!(said.lines[2].1.contains("user fred@host.example: Keycloak refuses the user"), "{said:?}");
        assert!(users(&realm).await.iter().any(|user| user["email"] == "new@host.example"));
    });
}
