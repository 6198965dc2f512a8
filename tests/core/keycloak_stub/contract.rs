//! Runs the contract of directories on the Keycloak backend with the realm in memory. It also runs on the real server.
//! Where the two differ, the realm in memory is wrong.

use std::sync::{Arc, Mutex};

use guestlist::directory::import::UserChanges;
use guestlist::directory::keycloak::{Directory, TimeSource};
use guestlist::directory::{DirectoryReader as _, Epoch, Error, GuestRecord, Import, MfaRecord};
use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::representations::Wire;
use super::{BEGAN, RATE, SECRET, settings};
use crate::support::contract::{self, Player, Subject};
use crate::support::realm_in_memory::{Realm, text};

/// Acts as the people, with an administrator's calls and the clock of the test.
struct Played {
    realm: Arc<Mutex<Realm>>,
    desk: Directory,
    now: Arc<Mutex<Timestamp>>,
}

fn refuse<T>(message: &str) -> Result<T, Error> {
    Err(Error::Refused { message: message.to_owned() })
}

/// No call of a realm in memory waits.
fn wait<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(tokio::task::unconstrained(future))
}

impl Played {
    fn guest(&self, email: &Email) -> Result<Option<GuestRecord>, Error> {
        Ok(wait(self.desk.guest(email))?.filter(GuestRecord::is_live))
    }

    fn admin<T>(&self, work: impl FnOnce(&mut Realm, String) -> T, email: &Email) -> T {
        let mut realm = self.realm.lock().unwrap();
        let id = realm.id_of(email.as_str());
        work(&mut realm, id)
    }

    /// Adds a credential to a user, and removes the required action for it.
    fn credential(&self, email: &Email, sort: &str, action: &str, now: Timestamp) {
        let write = |realm: &mut Realm, id: String| {
            let asked = realm.users[&id]["requiredActions"].as_array().cloned().unwrap_or_default();
            let left: Vec<Value> = asked.into_iter().filter(|asked| asked != action).collect();
            let credential = json!({"type": sort, "createdDate": now.as_millisecond()});
            realm.admin("PUT", &format!("users/{id}"), json!({"requiredActions": left, "credentials": [credential]}));
        };
        self.admin(write, email);
    }
}

impl Player for Played {
    fn import(&self, import: &Import) -> Result<(), Error> {
        wait(self.desk.import(import, UserChanges::Add, false))?;
        for wanted in &import.users {
            let has_left = wait(self.desk.guest(&wanted.email))?.is_some_and(|record| !record.is_live());
            let change = |realm: &mut Realm, id: String| {
                let mut user = realm.users[&id].clone();
                let (first, last) = wanted.name.rsplit_once(' ').unwrap_or((&wanted.name, "-"));
                user["enabled"] = json!(wanted.enabled);
                user["emailVerified"] = json!(wanted.verified);
                (user["firstName"], user["lastName"]) = (json!(first), json!(last));
                if has_left {
                    user["attributes"] = json!({});
                }
                realm.admin("PUT", &format!("users/{id}"), user);
            };
            self.admin(change, &wanted.email);
        }
        Ok(())
    }

    fn accept(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        *self.now.lock().unwrap() = now;
        let Some(record) = self.guest(email)? else { return refuse("no invitation") };
        if record.joined_at.is_some() {
            return Ok(false);
        }
        let open = record.invitation.is_some_and(|invitation| now < invitation.expires_at);
        let joins = |realm: &mut Realm, id: String| {
            let partner =
                realm.organizations.values().find(|one| one["attributes"]["guestlist.id"][0] == record.partner.0);
            let organization = text(partner.unwrap(), "id").to_owned();
            let row = realm.invitations.values().find(|row| text(row, "email") == email.as_str());
            let row = row.map(|row| text(row, "id").to_owned()).filter(|_| open && record.login.is_enabled())?;
            realm.admin("POST", &format!("organizations/{organization}/members"), json!(id));
            realm.admin("DELETE", &format!("organizations/{organization}/invitations/{row}"), Value::Null);
            Some(realm.users[&id]["requiredActions"].to_string().contains("UPDATE_PASSWORD"))
        };
        match self.admin(joins, email) {
            None => return refuse("revoked, expired or suspended"),
            Some(true) => self.credential(email, "password", "UPDATE_PASSWORD", now),
            Some(false) => {}
        }
        Ok(true)
    }

    fn enroll(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Error> {
        *self.now.lock().unwrap() = now;
        let record = self.guest(email)?.filter(|record| record.joined_at.is_some() && record.login.is_enabled());
        let Some(record) = record else { return refuse("not joined, or the login is off") };
        if matches!(&record.mfa, MfaRecord::Known(methods) if methods.contains_key(&method)) {
            return Ok(false);
        }
        let (sort, action) = match method {
            MfaMethod::TOTP => ("otp", "CONFIGURE_TOTP"),
            MfaMethod::WebAuthn => ("webauthn", "webauthn-register"),
        };
        self.credential(email, sort, action, now);
        Ok(true)
    }

    fn reset(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        if self.guest(email)?.is_none() {
            return refuse("no guest");
        }
        let take = |realm: &mut Realm, id: String| {
            let held = realm.credentials.get(&id).cloned().unwrap_or_default();
            let factors: Vec<_> =
                held.into_iter().filter(|one| one["type"] == "otp" || one["type"] == "webauthn").collect();
            for one in &factors {
                realm.admin("DELETE", &format!("users/{id}/credentials/{}", text(one, "id")), Value::Null);
            }
            !factors.is_empty()
        };
        let done = self.admin(take, email);
        if done {
            *self.now.lock().unwrap() = now;
        }
        Ok(done)
    }

    fn set_login(&self, email: &Email, enabled: bool) -> Result<bool, Error> {
        let set = |realm: &mut Realm, id: String| {
            let was = realm.users[&id]["enabled"].clone();
            realm.admin("PUT", &format!("users/{id}"), json!({"enabled": enabled}));
            was != enabled
        };
        Ok(self.admin(set, email))
    }

    fn set_owner(&self, account: &str, owner: &Email) -> Result<bool, Error> {
        wait(self.desk.set_owner(account, &[owner.clone()].into()))
    }

    fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Error> {
        wait(self.desk.set_deleted(account, deleted))
    }
}

fn fresh(_page: usize) -> Subject {
    let realm = Arc::new(Mutex::new(Realm::new(BEGAN)));
    let now = Arc::new(Mutex::new(contract::at(0)));
    let told = now.clone();
    let clock: TimeSource = Arc::new(move || *told.lock().unwrap());
    let directory = |client: &str| {
        Directory::with_same_clock(settings(client, SECRET, RATE), clock.clone(), Wire::to(realm.clone()))
    };
    let player = Played { realm: realm.clone(), desk: directory("helpdesk"), now };
    Subject { directory: Arc::new(directory("guestlist")), player: Arc::new(player), epoch: Epoch(0), ground: None }
}

macro_rules! on_the_realm_in_memory {
    ($($room:ident::$case:ident),+ ; with $($maker_room:ident::$maker:ident),+ ; embedded $($rest:tt)+) => {
        $(#[tokio::test(start_paused = true)]
        async fn $case() {
            contract::$room::$case(fresh(100).furnish().await).await;
        })+
        $(#[tokio::test(start_paused = true)]
        async fn $maker() {
            contract::$maker_room::$maker(fresh).await;
        })+
    };
}

with_every_case!(on_the_realm_in_memory);
