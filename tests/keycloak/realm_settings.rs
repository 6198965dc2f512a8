//! Every combination of the realm settings that affect writes of users, and every kind of write in each.

use guestlist::directory::{Error, GuestChange, Login, NewGuest, Operation, Origin};
use guestlist::domain::{Email, MfaMethod, ShareRole};
use serde_json::{Value, json};

use crate::held_to_the_contract::{People, subject};
use crate::support::contract::{Player as _, Subject};
use crate::support::contract::{acme, admit, at, email, grant, mark, seen, user};
use crate::support::keycloak::multi;

/// The realm's settings, each with its tested values.
fn settings() -> Vec<Value> {
    let mut all = Vec::new();
    for bits in 0..16_u8 {
        let on = |bit: u8| bits & (1 << bit) != 0;
        let (edit, by_address, login, several) = (on(0), on(1), on(2), on(3));
        // Keycloak allows several users with one address only if nobody can sign in with it.
        if several && login {
            continue;
        }
        all.push(json!({"editUsernameAllowed": edit, "registrationEmailAsUsername": by_address,
                        "loginWithEmailAllowed": login, "duplicateEmailsAllowed": several,
                        "userManagedAccessAllowed": edit, "verifyEmail": by_address}));
    }
    all
}

/// The declarations of the attributes that Keycloak stores itself. The realm accepts guests with each of these.
fn declarations() -> Vec<(&'static str, Value)> {
    let everybody = json!(["admin", "user"]);
    let closed = json!({"view": everybody, "edit": []});
    vec![
        ("username", json!({"required": {}})),
        ("email", json!({"required": {}})),
        ("email", json!({"required": {"roles": ["admin"]}, "validations": {"email": {}, "length": {"max": 255}}})),
        ("firstName", json!({"required": {"roles": ["admin", "user"]}, "validations": {"length": {"max": 255}}})),
        ("lastName", json!({"required": {}, "validations": {"person-name-prohibited-characters": {}}})),
        ("username", json!({"permissions": closed})),
        ("firstName", json!({"permissions": closed})),
        ("lastName", json!({"permissions": {"view": ["user"], "edit": ["user"]}})),
    ]
}

/// The realm's user profile, with another declaration of one attribute.
fn declared(profile: &Value, name: &str, change: &Value) -> Value {
    let mut profile = profile.clone();
    let attributes = profile["attributes"].as_array_mut().unwrap();
    let attribute = attributes.iter_mut().find(|attribute| attribute["name"] == name).unwrap();
    for (field, value) in change.as_object().unwrap() {
        attribute[field] = value.clone();
    }
    profile
}

struct Realm {
    subject: Subject,
    people: std::sync::Arc<People>,
    profile: Value,
    guests: usize,
}

impl Realm {
    async fn open(name: &str) -> Self {
        let (subject, people) = subject(name);
        let subject = subject.furnish().await;
        let profile = people.admin("GET", "/users/profile", None).await;
        Self { subject, people, profile, guests: 0 }
    }

    async fn set(&self, settings: &Value) {
        self.people.admin("PUT", "", Some(settings.clone())).await;
    }

    async fn declare(&self, profile: Value) {
        self.people.admin("PUT", "/users/profile", Some(profile)).await;
    }

    async fn done(&self, operation: &Operation, seconds: i64, case: &str) {
        let done = self.subject.run(operation, seconds).await;
        assert!(done.is_ok(), "{case}: {operation:?}: {}", done.unwrap_err());
    }

    async fn user(&self, address: &Email) -> Value {
        self.people.user(address).await
    }

    /// A guest is invited, granted access, revoked, suspended, resumed and removed; a colleague is adopted and becomes
    /// unmanaged.
    async fn takes_guests(&self, case: &str) {
        let name = format!("g{}", self.guests);
        let address = email(&format!("{name}@acme.example"));
        let id = crate::support::contract::guest(&name);
        let give = || Operation::Guest {
            id: id.clone(),
            change: GuestChange::Grant {
                grants: vec![grant("instagram", ShareRole::Manager), grant("tiktok", ShareRole::Collaborator)],
            },
        };
        self.done(&admit(&address, at(10_000)), 10, case).await;
        assert!(self.people.accept(&address, seen(20)).unwrap(), "{case}");
        assert!(self.people.enroll(&address, MfaMethod::TOTP, seen(30)).unwrap(), "{case}");
        self.done(&give(), 40, case).await;
        self.done(
            &Operation::Guest { id: id.clone(), change: GuestChange::Revoke { accounts: vec!["tiktok".to_owned()] } },
            50,
            case,
        )
        .await;
        assert_eq!(
            self.user(&address).await["attributes"]["guestlist.accounts"],
            json!(["instagram:manager"]),
            "{case}"
        );
        self.done(&Self::described(&name, "Bob Example"), 56, case).await;
        self.done(&Operation::Guest { id: id.clone(), change: GuestChange::DisableLogin }, 60, case).await;
        assert_eq!(self.user(&address).await["enabled"], false, "{case}");
        self.done(&Operation::Guest { id: id.clone(), change: GuestChange::EnableLogin }, 70, case).await;
        assert_eq!(self.user(&address).await["enabled"], true, "{case}");
        self.done(&Operation::Guest { id: id.clone(), change: GuestChange::Deactivate }, 80, case).await;
        let left = self.user(&address).await;
        assert_eq!(
            (&left["enabled"], &left["attributes"]["guestlist.accounts"]),
            (&json!(false), &Value::Null),
            "{case}"
        );
        self.done(&admit(&address, at(20_000)), 90, case).await;
        let back = self.subject.record(&address).await;
        assert_eq!((back.login, back.joined_at), (Login::Enabled, None), "{case}");
        self.adopts_a_colleague(case).await;
    }

    fn described(name: &str, display_name: &str) -> Operation {
        Operation::Guest {
            id: crate::support::contract::guest(name),
            change: GuestChange::Update {
                mark: mark(name, &format!("u-{name}")),
                partner: acme(),
                partner_name: "acme".to_owned(),
                display_name: display_name.to_owned(),
                allowed: guestlist::domain::all_methods(),
            },
        }
    }

    /// Creates the colleague of the next case while the realm lets administrators write names.
    fn creates_a_colleague(&mut self) {
        self.guests += 1;
        let address = email(&format!("c{}@acme.example", self.guests));
        let import = guestlist::directory::Import { users: vec![user(&address)], accounts: vec![] };
        self.people.import(&import).unwrap();
    }

    async fn adopts_a_colleague(&self, case: &str) {
        let name = format!("c{}", self.guests);
        let address = email(&format!("{name}@acme.example"));
        let mut adopt = admit(&address, at(10_000));
        if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut adopt {
            mark.origin = Origin::Adopted;
        }
        self.done(&adopt, 110, case).await;
        self.done(
            &Operation::Guest { id: crate::support::contract::guest(&name), change: GuestChange::Release },
            120,
            case,
        )
        .await;
        assert_eq!(self.user(&address).await["attributes"], Value::Null, "{case}");
    }
}

#[test]
fn guests_are_written_under_every_combination_of_realm_settings() {
    multi(async {
        let mut realm = Realm::open("settings").await;
        for settings in settings() {
            realm.set(&settings).await;
            realm.creates_a_colleague();
            realm.takes_guests(&settings.to_string()).await;
        }
        // The declarations matter most when Keycloak validates every write as a whole.
        realm
            .set(&json!({"editUsernameAllowed": true, "registrationEmailAsUsername": false, "verifyEmail": false,
                          "loginWithEmailAllowed": true, "duplicateEmailsAllowed": false}))
            .await;
        for (name, change) in declarations() {
            realm.declare(realm.profile.clone()).await;
            realm.creates_a_colleague();
            realm.declare(declared(&realm.profile, name, &change)).await;
            realm.takes_guests(&format!("{name}: {change}")).await;
        }
        for policy in ["ENABLED", "ADMIN_VIEW", "ADMIN_EDIT"] {
            let mut profile = realm.profile.clone();
            profile["unmanagedAttributePolicy"] = policy.into();
            realm.declare(profile).await;
            realm.creates_a_colleague();
            realm.takes_guests(policy).await;
        }
    });
}

#[test]
fn address_that_administrators_cannot_write_is_named() {
    multi(async {
        let realm = Realm::open("closed").await;
        let hidden = json!({"permissions": {"view": ["user"], "edit": ["user"]}});
        let closed = json!({"permissions": {"view": ["admin", "user"], "edit": []}});
        for (name, change) in [("email", &closed), ("email", &hidden), ("username", &hidden)] {
            realm.declare(declared(&realm.profile, name, change)).await;
            let Err(Error::Refused { message }) = realm.subject.directory.ready().await else { panic!("{name}") };
            assert!(
                message.contains(&format!("the attribute {name:?}")) && message.contains("Permission"),
                "{message}"
            );
        }
    });
}

#[test]
fn access_is_revoked_though_a_validator_refuses_the_name() {
    multi(async {
        let realm = Realm::open("validated").await;
        let bob = crate::support::contract::bob();
        let id = || crate::support::contract::guest("bob");
        realm.done(&admit(&bob, at(10_000)), 10, "").await;
        realm.people.accept(&bob, seen(20)).unwrap();
        realm.people.enroll(&bob, MfaMethod::TOTP, seen(30)).unwrap();
        let give = Operation::Guest {
            id: id(),
            change: GuestChange::Grant { grants: vec![grant("instagram", ShareRole::Manager)] },
        };
        realm.done(&give, 40, "").await;
        let strict = json!({"validations": {"length": {"min": 4, "max": 255}}, "required": {"roles": ["admin"]}});
        let lettered = json!({"validations": {"pattern": {"pattern": "^[A-Z].*$", "error-message": "a capital first"}},
                              "required": null});
        let profile = declared(&declared(&realm.profile, "firstName", &strict), "lastName", &lettered);
        realm.declare(profile).await;
        let more = Operation::Guest {
            id: id(),
            change: GuestChange::Grant { grants: vec![grant("tiktok", ShareRole::Manager)] },
        };
        let Err(Error::Refused { message }) = realm.subject.run(&more, 45).await else { panic!("it is taken") };
        assert!(message.contains("firstName") && message.contains("Validations"), "{message}");
        realm.done(&Operation::Guest { id: id(), change: GuestChange::DisableLogin }, 50, "").await;
        let user = realm.user(&bob).await;
        assert_eq!((&user["enabled"], &user["attributes"]["guestlist.accounts"]), (&json!(false), &Value::Null));
        realm.done(&Operation::Guest { id: id(), change: GuestChange::EnableLogin }, 60, "").await;
        realm.done(&Operation::Guest { id: id(), change: GuestChange::Deactivate }, 70, "").await;
        assert_eq!(realm.user(&bob).await["enabled"], false);
    });
}
