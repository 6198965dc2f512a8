//! Runs the contract of directories on Keycloak. An administrator's calls act as the guests, with the clock of the
//! test; `pages` has browsers with real pages.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use guestlist::directory::import::UserChanges as Imports;
use guestlist::directory::keycloak::{Directory, Settings};
use guestlist::directory::{DirectoryReader, Epoch, Error, Import, MfaRecord, UserRecord};
use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::contract::{self, Player, Subject};
use crate::support::keycloak::{Keycloak, Own, SECRET, multi};

/// The client of another tool in the realm: its changes are not guestlist's.
const HELPDESK: &str = "helpdesk";

/// The directory's present time.
type Now = Arc<Mutex<Timestamp>>;

pub struct People {
    pub realm: String,
    pub own: Own<'static>,
    desk: Directory,
    now: Now,
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

fn refuse<T>(message: &str) -> Result<T, Error> {
    Err(Error::Refused { message: message.to_owned() })
}

/// A new directory of a realm, without memory.
pub fn reads_anew(people: &People) -> Directory {
    directory(&people.own, "guestlist", people.now.clone())
}

fn directory(realm: &Own<'_>, client: &str, now: Now) -> Directory {
    let environment = |name: &str| match name {
        "GUESTLIST_KEYCLOAK_CLIENT_ID" => Some(client.to_owned()),
        "GUESTLIST_KEYCLOAK_CLIENT_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    let settings = Settings::read(&realm.address(), environment).unwrap();
    let transport = Arc::new(settings.http().unwrap());
    Directory::with_same_clock(settings, Arc::new(move || *now.lock().unwrap()), transport)
}

impl People {
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.own.admin(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    pub async fn user(&self, email: &Email) -> Value {
        let found = self.admin("GET", &format!("/users?exact=true&email={email}"), None).await;
        found[0].clone()
    }

    /// Adds a credential of an instant to a user, and removes the required action for it.
    async fn credential(&self, user: &Value, sort: &str, action: &str, now: Timestamp) {
        let data = match sort {
            "password" => json!({"hashIterations": 1, "algorithm": "pbkdf2-sha512"}),
            "otp" => json!({"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"}),
            _ => json!({"aaguid": "00000000-0000-0000-0000-000000000000", "credentialId": "AA", "counter": 0,
                        "credentialPublicKey": "AA", "attestationStatementFormat": "none", "transports": []}),
        };
        let secret = match sort {
            "password" => json!({"value": "JBSWY3DPEHPK3PXPABCD", "salt": "AAAA"}),
            "otp" => json!({"value": "JBSWY3DPEHPK3PXPABCD"}),
            _ => json!({}),
        };
        let actions: Vec<_> =
            user["requiredActions"].as_array().into_iter().flatten().filter(|held| **held != action).collect();
        let body = json!({
            "requiredActions": actions,
            "credentials": [{"type": sort, "userLabel": "test", "createdDate": now.as_millisecond(),
                             "secretData": secret.to_string(), "credentialData": data.to_string()}],
        });
        let id = user["id"].as_str().unwrap();
        self.admin("PUT", &format!("/users/{id}"), Some(body)).await;
    }

    /// Changes an existing user like an administrator; a former guest then counts as a workspace user.
    async fn change(&self, wanted: &UserRecord) {
        let mut user = self.user(&wanted.email).await;
        user["enabled"] = json!(wanted.enabled);
        user["emailVerified"] = json!(wanted.verified);
        let (first, last) = wanted.name.rsplit_once(' ').unwrap_or((&wanted.name, "-"));
        user["firstName"] = json!(first);
        user["lastName"] = json!(last);
        let record = self.desk.guest(&wanted.email).await.unwrap();
        let has_left = record.is_some_and(|record| !record.is_live());
        if let Some(attributes) = user["attributes"].as_object_mut().filter(|_| has_left) {
            attributes.retain(|name, _| !name.starts_with("guestlist."));
        }
        let path = format!("/users/{}", user["id"].as_str().unwrap());
        self.admin("PUT", &path, Some(user)).await;
    }

    async fn join(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        let Some(record) = self.desk.guest(email).await?.filter(guestlist::directory::GuestRecord::is_live) else {
            return refuse("no invitation");
        };
        if record.joined_at.is_some() {
            return Ok(false);
        }
        let user = self.user(email).await;
        let organizations = self.admin("GET", "/organizations?briefRepresentation=false&max=100", None).await;
        let of_partner = |organization: &&Value| organization["attributes"]["guestlist.id"][0] == record.partner.0;
        let organization = organizations.as_array().unwrap().iter().find(of_partner).unwrap();
        let organization = organization["id"].as_str().unwrap();
        let rows = self.admin("GET", &format!("/organizations/{organization}/invitations?email={email}"), None).await;
        let open = record.invitation.is_some_and(|invitation| now < invitation.expires_at);
        let Some(row) = rows[0]["id"].as_str().filter(|_| open && record.login.is_enabled()) else {
            return refuse("revoked, expired or suspended");
        };
        // Keycloak does both at once; in this order there is no moment without either an invitation or a membership.
        self.admin("POST", &format!("/organizations/{organization}/members"), Some(user["id"].clone())).await;
        self.admin("DELETE", &format!("/organizations/{organization}/invitations/{row}"), None).await;
        let asked =
            user["requiredActions"].as_array().is_some_and(|all| all.iter().any(|one| one == "UPDATE_PASSWORD"));
        if asked {
            self.credential(&user, "password", "UPDATE_PASSWORD", now).await;
        }
        Ok(true)
    }

    async fn turn_on(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Error> {
        let record = self.desk.guest(email).await?.filter(guestlist::directory::GuestRecord::is_live);
        let Some(record) = record.filter(|record| record.joined_at.is_some() && record.login.is_enabled()) else {
            return refuse("not joined, or the login is off");
        };
        if matches!(&record.mfa, MfaRecord::Known(methods) if methods.contains_key(&method)) {
            return Ok(false);
        }
        let (sort, action) = match method {
            MfaMethod::TOTP => ("otp", "CONFIGURE_TOTP"),
            MfaMethod::WebAuthn => ("webauthn", "webauthn-register"),
        };
        self.credential(&self.user(email).await, sort, action, now).await;
        Ok(true)
    }

    async fn take(&self, email: &Email) -> Result<bool, Error> {
        if self.desk.guest(email).await?.is_none_or(|guest| !guest.is_live()) {
            return refuse("no guest");
        }
        let user = self.user(email).await;
        let id = user["id"].as_str().unwrap();
        let held = self.admin("GET", &format!("/users/{id}/credentials"), None).await;
        let mut any = false;
        for one in held.as_array().unwrap() {
            if one["type"] == "otp" || one["type"] == "webauthn" {
                any = true;
                let credential = one["id"].as_str().unwrap();
                self.admin("DELETE", &format!("/users/{id}/credentials/{credential}"), None).await;
            }
        }
        Ok(any)
    }
}

impl Player for People {
    fn import(&self, import: &Import) -> Result<(), Error> {
        wait(async {
            self.desk.import(import, Imports::Add, false).await?;
            for user in &import.users {
                self.change(user).await;
            }
            Ok(())
        })
    }
    fn accept(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        *self.now.lock().unwrap() = now;
        wait(self.join(email, now))
    }
    fn enroll(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Error> {
        *self.now.lock().unwrap() = now;
        wait(self.turn_on(email, method, now))
    }
    fn reset(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        let done = wait(self.take(email));
        if done == Ok(true) {
            *self.now.lock().unwrap() = now;
        }
        done
    }
    fn set_login(&self, email: &Email, enabled: bool) -> Result<bool, Error> {
        wait(async {
            let user = self.user(email).await;
            let path = format!("/users/{}", user["id"].as_str().unwrap());
            self.admin("PUT", &path, Some(json!({"enabled": enabled}))).await;
            Ok(user["enabled"] != enabled)
        })
    }
    fn set_owner(&self, account: &str, owner: &Email) -> Result<bool, Error> {
        wait(self.desk.set_owner(account, &[owner.clone()].into()))
    }
    fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Error> {
        wait(self.desk.set_deleted(account, deleted))
    }
}

/// A realm without mail delivery, with a player of its people.
pub fn realm_with_mail(name: &str) -> People {
    realm_with(name, crate::mail())
}

/// The same with this mail server.
pub fn realm_with(name: &str, mail: u16) -> People {
    realm_on(Keycloak::shared(), name, mail)
}

/// The same on this server.
pub fn realm_on(server: &'static Keycloak, name: &str, mail: u16) -> People {
    let client = |id: &str| {
        json!({"clientId": id, "secret": SECRET, "serviceAccountsEnabled": true, "publicClient": false,
               "standardFlowEnabled": false, "directAccessGrantsEnabled": false})
    };
    let account = |id: &str| {
        json!({"username": format!("service-account-{id}"), "serviceAccountClientId": id, "enabled": true,
               "clientRoles": {"realm-management": ["manage-organizations", "manage-users", "view-events"]}})
    };
    let extra = json!({
        "clients": [client("guestlist"), client(HELPDESK)],
        "users": [account("guestlist"), account(HELPDESK)],
        "smtpServer": {"host": "127.0.0.1", "port": mail.to_string(), "from": "workspace@host.example"},
    });
    let own = server.own(name);
    wait(server.realm(name, extra));
    let now: Now = Arc::new(Mutex::new(contract::at(0)));
    People { realm: name.to_owned(), desk: directory(&own, HELPDESK, now.clone()), own, now }
}

fn fresh(_page: usize) -> Subject {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    subject(&format!("contract-{}", NUMBER.fetch_add(1, Ordering::Relaxed))).0
}

/// A new directory in a realm of this name, with the player of its people.
pub fn subject(name: &str) -> (Subject, Arc<People>) {
    let people = Arc::new(realm_with_mail(name));
    let directory = Arc::new(reads_anew(&people));
    (Subject { directory, player: people.clone(), epoch: Epoch(0), ground: None }, people)
}

macro_rules! on_keycloak {
    ($($room:ident::$case:ident),+ ; with $($maker_room:ident::$maker:ident),+ ; embedded $($rest:tt)+) => {
        $(#[test]
        fn $case() {
            multi(async { contract::$room::$case(fresh(100).furnish().await).await });
        })+
        $(#[test]
        fn $maker() {
            multi(contract::$maker_room::$maker(fresh));
        })+
    };
}

with_every_case!(on_keycloak);
