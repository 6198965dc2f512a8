//! Generates environments.

use guestlist::directory::{AccountRecord, UserRecord};
use serde_json::{Value, json};

use super::environment::{Environment, email, object};
pub use crate::support::dice::Dice;

pub const NAMES: [&str; 5] = ["ada", "ben", "cleo", "dora", "emil"];
const ADMINS: [&str; 2] = ["ada", "ben"];
pub const HOSTS: [&str; 2] = ["alice@host.example", "dan@host.example"];
const METHODS: [&[&str]; 3] = [&["TOTP"], &["WebAuthn"], &["TOTP", "WebAuthn"]];

fn partner(dice: &mut Dice) -> Value {
    let admins = if dice.one_in(3) { vec![dice.of(&HOSTS)] } else { HOSTS.to_vec() };
    let mut spec = json!({"hostAdmins": admins});
    if dice.one_in(4) {
        spec["mfa"] = json!({"methods": dice.of(&METHODS)});
    }
    if dice.one_in(4) {
        spec["guests"] = json!({"maxGuests": 1 + dice.roll(4)});
    }
    if dice.one_in(8) {
        spec["guests"] = json!({"maxDuration": "720h"});
    }
    if spec["guests"].is_null() && dice.one_in(3) {
        spec["guests"] = json!({"allowedDomains": ["acme.example"]});
    }
    if dice.one_in(12) {
        spec["suspended"] = json!(true);
    }
    object("LocalPartner", "acme", spec)
}

fn membership(dice: &mut Dice, name: &str) -> Value {
    let admin = ADMINS.contains(&name) != dice.one_in(8);
    let by = match dice.roll(8) {
        0..4 => dice.of(&HOSTS).to_owned(),
        4..7 if !admin => format!("{}@acme.example", dice.of(&ADMINS)),
        7 if !admin => "zed@acme.example".to_owned(),
        _ if dice.one_in(8) => format!("{}@acme.example", dice.of(&NAMES)),
        _ => dice.of(&HOSTS).to_owned(),
    };
    let role = if admin { "GuestAdmin" } else { "GuestUser" };
    let address = if dice.one_in(15) { dice.of(&NAMES) } else { name };
    let mut spec = json!({"partnerRef": {"name": "acme"}, "email": format!("{address}@acme.example"), "role": role, "invitedBy": by});
    match dice.roll(10) {
        0 => spec["suspended"] = json!(true),
        1 => spec["expiresAt"] = json!("2020-01-01T00:00:00Z"),
        2 => spec["mfa"] = json!({"methods": dice.of(&METHODS)}),
        _ => {}
    }
    let mut object = object("GuestMembership", name, spec);
    if dice.one_in(12) {
        object["metadata"]["annotations"] = json!({"guestlist.dev/paused": "true"});
    }
    object
}

fn share(dice: &mut Dice, name: &str) -> Value {
    let mut users: Vec<Value> = Vec::new();
    for user in NAMES {
        if dice.one_in(2) {
            let by = dice.of(&["ada", "ben", "ada", "ben", "yan", "cleo"]);
            users.push(json!({"name": user, "propagatedBy": by}));
        }
    }
    let mut spec = json!({
        "partnerRef": {"name": "acme"},
        "account": dice.of(&["instagram", "tiktok", "newsletter"]),
        "sharedBy": dice.of(&HOSTS),
        "guestAdminRole": dice.of(&["Manager", "Manager", "Collaborator"]),
        "guestUsers": users,
    });
    if dice.one_in(4) {
        spec["exclude"] = json!([{"name": dice.of(&NAMES)}]);
    }
    if dice.one_in(4) {
        spec["roleOverrides"] = json!([{"name": dice.of(&NAMES), "role": dice.of(&["Manager", "Collaborator"])}]);
    }
    match dice.roll(8) {
        0 => spec["mfa"] = json!({"methods": dice.of(&METHODS)}),
        1 => spec["suspended"] = json!(true),
        2 => spec["expiresAt"] = json!("2020-01-01T00:00:00Z"),
        _ => {}
    }
    let mut object = object("AccountShare", name, spec);
    if dice.one_in(12) {
        object["metadata"]["annotations"] = json!({"guestlist.dev/paused": "true"});
    }
    object
}

/// A partner, a Guest Admin who passes an account on to a Guest User, and both Active.
pub fn settled() -> Environment {
    let member = |name: &str, role: &str| {
        let spec = json!({"partnerRef": {"name": "acme"}, "email": format!("{name}@acme.example"), "role": role, "invitedBy": HOSTS[0]});
        object("GuestMembership", name, spec)
    };
    let share = json!({
        "partnerRef": {"name": "acme"}, "account": "instagram", "sharedBy": HOSTS[0], "guestAdminRole": "Manager",
        "guestUsers": [{"name": "bob", "propagatedBy": "carol"}],
    });
    let objects = vec![
        object("LocalPartner", "acme", json!({"hostAdmins": HOSTS})),
        member("carol", "GuestAdmin"),
        member("bob", "GuestUser"),
        object("AccountShare", "one", share),
    ];
    let user = |host: &&str| UserRecord { email: email(host), name: (*host).to_owned(), enabled: true, verified: true };
    let account = AccountRecord { name: "instagram".to_owned(), owners: vec![email(HOSTS[0])], deleted: false };
    let mut environment = Environment::new(objects, HOSTS.iter().map(user).collect(), vec![account]);
    environment.apply();
    for name in ["carol", "bob"] {
        let address = email(&format!("{name}@acme.example"));
        environment.accepts(&address);
        environment.enrols(&address, guestlist::domain::MfaMethod::TOTP);
    }
    environment.apply();
    environment
}

/// Some objects, people and accounts, after several events.
pub fn world(dice: &mut Dice) -> Environment {
    let mut objects = Vec::new();
    if !dice.one_in(10) {
        objects.push(partner(dice));
    }
    for name in NAMES {
        if !dice.one_in(6) {
            objects.push(membership(dice, name));
        }
    }
    for name in ["one", "two", "three"] {
        if !dice.one_in(4) {
            objects.push(share(dice, name));
        }
    }
    let mut users = Vec::new();
    for host in HOSTS {
        if !dice.one_in(4) {
            let enabled = !dice.one_in(6);
            users.push(UserRecord { email: email(host), name: host.to_owned(), enabled, verified: true });
        }
    }
    let mut accounts = Vec::new();
    for name in ["instagram", "tiktok", "newsletter"] {
        if !dice.one_in(4) {
            let owner = dice.of(&["alice@host.example", "alice@host.example", "dan@host.example", "zoe@host.example"]);
            let deleted = dice.one_in(8);
            accounts.push(AccountRecord { name: name.to_owned(), owners: vec![email(owner)], deleted });
        }
    }
    let mut environment = Environment::new(objects, users, accounts);
    for _ in 0..dice.roll(3) {
        environment.apply();
        for name in NAMES {
            let address = email(&format!("{name}@acme.example"));
            match dice.roll(5) {
                0 => environment.accepts(&address),
                1 => {
                    environment.accepts(&address);
                    environment.enrols(&address, dice.of(guestlist::domain::MfaMethod::ALL));
                }
                2 => {
                    environment.accepts(&address);
                    environment.enrols(&address, dice.of(guestlist::domain::MfaMethod::ALL));
                    environment.resets(&address);
                }
                _ => {}
            }
        }
    }
    environment
}
