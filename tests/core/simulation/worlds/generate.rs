//! Worlds from a seed and the edits of people in them: every field of the specs, in two namespaces and three partners.

use std::collections::BTreeMap;

use guestlist::index::{Key, Kind};
use guestlist::rules::MfaMethod;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use crate::support::dice::Dice;

/// An action of people, guests or administrators.
#[derive(Clone, Debug)]
pub enum Edit {
    Create(Key, Value),
    /// A merge patch of the spec.
    Spec(Key, Value),
    /// Sets or removes an annotation.
    Annotate(Key, &'static str, Option<String>),
    Delete(Key),
    Accept(String),
    Enrol(String, MfaMethod),
    LoseMfa(String),
    SetLogin(String, bool),
    SetOwners(&'static str, Vec<&'static str>),
    SetDeleted(&'static str, bool),
    Policy(Value),
    /// The operator restarts.
    Restart,
    /// The watches break: a share is deleted unseen, and all kinds are listed again.
    Relist(Option<Key>),
    Wait(SignedDuration),
}

pub const HOSTS: [&str; 3] = ["alice@host.example", "dan@host.example", "zoe@host.example"];
pub const ACCOUNTS: [&str; 3] = ["instagram", "newsletter", "tiktok"];
pub const NAMES: [&str; 6] = ["ada", "ben", "cleo", "dora", "emil", "fay"];
const PARTNERS: [(&str, &str); 3] = [("partners", "acme"), ("partners", "brio"), ("team-a", "acme")];
const SHARES: [&str; 3] = ["one", "two", "three"];
const METHODS: [&[&str]; 3] = [&["TOTP"], &["WebAuthn"], &["TOTP", "WebAuthn"]];

pub fn policy(dice: &mut Dice) -> Value {
    let mut tenants = vec![json!({"namespace": "partners", "hostAdmins": ["*@host.example"]})];
    match dice.roll(4) {
        0 => tenants.push(json!({"namespace": "team-*", "hostAdmins": ["alice@host.example"]})),
        _ => tenants.push(json!({"namespace": "team-*", "hostAdmins": ["*@host.example"]})),
    }
    json!({"domains": ["host.example"], "tenants": tenants, "mailInterval": "10m", "invitationsPerHour": 1000,
        "destroy": {"after": dice.of(&["1h", "24h"]), "perHour": "50%"}})
}

fn address(name: &str, namespace: &str) -> String {
    format!("{name}@{}.example", if namespace == "partners" { "acme" } else { "brio" })
}

/// All addresses that a guest may have.
pub fn addresses() -> Vec<String> {
    NAMES.iter().flat_map(|name| ["partners", "team-a"].map(|space| address(name, space))).collect()
}

fn soon(dice: &mut Dice, now: Timestamp) -> Value {
    let hours = dice.of(&[2, 5, 30, 100, 900]);
    json!((now + SignedDuration::from_hours(hours)).to_string())
}

fn methods(dice: &mut Dice, spec: &mut Value, sides: usize) {
    if dice.one_in(sides) {
        spec["mfa"] = json!({"methods": dice.of(&METHODS)});
    }
}

fn partner(dice: &mut Dice, now: Timestamp) -> Value {
    let count = 1 + dice.roll(3);
    let count = if dice.one_in(2) { 3 } else { count };
    let mut spec = json!({"hostAdmins": HOSTS[..count], "deletion": dice.of(&["Block", "Cascade"])});
    methods(dice, &mut spec, 8);
    match dice.roll(20) {
        0 => spec["guests"] = json!({"maxGuests": 1 + dice.roll(4)}),
        1 => spec["guests"] = json!({"maxDuration": dice.of(&["48h", "720h"])}),
        2 => spec["guests"] = json!({"allowedDomains": ["acme.example"]}),
        3 => spec["guests"] = json!({"deniedDomains": ["brio.example"]}),
        4 => spec["expiresAt"] = soon(dice, now),
        5 => spec["suspended"] = json!(true),
        _ => {}
    }
    spec
}

fn membership(dice: &mut Dice, key: &Key, partner: &str, now: Timestamp) -> Value {
    let admin = NAMES[..2].contains(&&*key.name) != dice.one_in(8);
    let named =
        if dice.one_in(12) { dice.of(&NAMES) } else { NAMES.into_iter().find(|name| *name == &*key.name).unwrap() };
    let space = if dice.one_in(12) { dice.of(&["partners", "team-a"]) } else { &*key.namespace };
    let by = match dice.roll(8) {
        0 if !admin => address(dice.of(&NAMES[..2]), &key.namespace),
        1 if dice.one_in(3) => "yan@host.example".to_owned(),
        _ => dice.of(&HOSTS).to_owned(),
    };
    let role = if admin { "GuestAdmin" } else { "GuestUser" };
    let mut spec =
        json!({"partnerRef": {"name": partner}, "email": address(named, space), "role": role, "invitedBy": by});
    methods(dice, &mut spec, 10);
    match dice.roll(16) {
        0 => spec["suspended"] = json!(true),
        1 | 2 => spec["expiresAt"] = soon(dice, now),
        3 => spec["displayName"] = json!("Guest Example"),
        _ => {}
    }
    spec
}

fn users(dice: &mut Dice, namespace: &str) -> Value {
    let mut users = Vec::new();
    for name in NAMES {
        if dice.one_in(2) {
            let mut entry = json!({"name": name, "propagatedBy": dice.of(&["ada", "ada", "ben", "ben", "cleo"])});
            pin(dice, &mut entry, name, namespace);
            users.push(entry);
        }
    }
    json!(users)
}

fn pin(dice: &mut Dice, entry: &mut Value, name: &str, namespace: &str) {
    match dice.roll(8) {
        0 => entry["email"] = json!(address(name, namespace)),
        1 if dice.one_in(2) => entry["email"] = json!("other@acme.example"),
        _ => {}
    }
}

fn overrides(dice: &mut Dice, namespace: &str) -> Value {
    let name = dice.of(&NAMES[..3]);
    let mut entry = json!({"name": name, "role": dice.of(&["Manager", "Collaborator"])});
    pin(dice, &mut entry, name, namespace);
    json!([entry])
}

fn share(dice: &mut Dice, key: &Key, partner: &str, now: Timestamp) -> Value {
    let mut spec = json!({
        "partnerRef": {"name": partner},
        "account": dice.of(&ACCOUNTS),
        "sharedBy": dice.of(&["alice@host.example", "alice@host.example", "dan@host.example"]),
        "guestAdminRole": dice.of(&["Manager", "Manager", "Collaborator"]),
        "guestUsers": users(dice, &key.namespace),
    });
    methods(dice, &mut spec, 8);
    match dice.roll(16) {
        0 => spec["suspended"] = json!(true),
        1 | 2 => spec["expiresAt"] = soon(dice, now),
        3 => spec["exclude"] = json!([{"name": dice.of(&NAMES)}]),
        4 | 5 => spec["roleOverrides"] = overrides(dice, &key.namespace),
        _ => {}
    }
    spec
}

/// The key of an object that may exist.
fn any_key(dice: &mut Dice) -> (Key, &'static str) {
    let (space, partner) = dice.of(&PARTNERS);
    match dice.roll(8) {
        0 => (Key::new(Kind::Partner, space, partner), partner),
        1..5 => (Key::new(Kind::Membership, space, dice.of(&NAMES)), partner),
        _ => (Key::new(Kind::Share, space, dice.of(&SHARES)), partner),
    }
}

fn spec(dice: &mut Dice, key: &Key, partner_name: &str, now: Timestamp) -> Value {
    match key.kind {
        Kind::Partner => partner(dice, now),
        Kind::Membership => membership(dice, key, partner_name, now),
        Kind::Share => share(dice, key, partner_name, now),
    }
}

/// The initial objects, in random order.
pub fn objects(dice: &mut Dice, now: Timestamp) -> Vec<Edit> {
    let mut keys: Vec<(Key, &str)> = Vec::new();
    for (space, partner) in PARTNERS {
        keys.push((Key::new(Kind::Partner, space, partner), partner));
    }
    for (at, name) in NAMES.into_iter().enumerate() {
        let home = if at % 3 == 2 { "brio" } else { "acme" };
        keys.push((Key::new(Kind::Membership, "partners", name), home));
        keys.push((Key::new(Kind::Membership, "team-a", name), "acme"));
    }
    for name in SHARES {
        keys.push((Key::new(Kind::Share, "partners", name), if name == "three" { "brio" } else { "acme" }));
    }
    keys.push((Key::new(Kind::Share, "team-a", "one"), "acme"));
    let mut edits = Vec::new();
    while !keys.is_empty() {
        let at = dice.roll(keys.len());
        let (key, partner) = keys.swap_remove(at);
        if key.kind == Kind::Partner || !dice.one_in(5) {
            let spec = spec(dice, &key, partner, now);
            edits.push(Edit::Create(key, spec));
        }
    }
    edits
}

/// A change to an existing object.
fn change(dice: &mut Dice, key: &Key, now: Timestamp) -> Value {
    let on = dice.one_in(2);
    let narrowed = || METHODS;
    match key.kind {
        Kind::Partner => match dice.roll(9) {
            0 | 1 => json!({"suspended": on}),
            2 => json!({"expiresAt": if on { soon(dice, now) } else { Value::Null }}),
            3 | 4 => json!({"mfa": if on { json!({"methods": dice.of(&narrowed())}) } else { Value::Null }}),
            5 => json!({"hostAdmins": HOSTS[..=dice.roll(3)]}),
            6 => json!({"guests": if on { json!({"maxDuration": "48h"}) } else { Value::Null }}),
            7 => json!({"guests": if on { json!({"deniedDomains": ["brio.example"]}) } else { Value::Null }}),
            _ => json!({"deletion": dice.of(&["Block", "Cascade"])}),
        },
        Kind::Membership => match dice.roll(6) {
            0 | 1 => json!({"role": dice.of(&["GuestAdmin", "GuestUser"])}),
            2 => json!({"suspended": on}),
            3 => json!({"expiresAt": if on { soon(dice, now) } else { Value::Null }}),
            4 => json!({"mfa": if on { json!({"methods": dice.of(&narrowed())}) } else { Value::Null }}),
            _ => json!({"displayName": dice.of(&["Guest Example", "Other Example"])}),
        },
        Kind::Share => match dice.roll(8) {
            0 => json!({"suspended": on}),
            1 => json!({"expiresAt": if on { soon(dice, now) } else { Value::Null }}),
            2 => json!({"mfa": if on { json!({"methods": dice.of(&narrowed())}) } else { Value::Null }}),
            3 => json!({"guestAdminRole": dice.of(&["Manager", "Collaborator"])}),
            4 => json!({"guestUsers": users(dice, &key.namespace)}),
            5 => json!({"roleOverrides": if on { overrides(dice, &key.namespace) } else { Value::Null }}),
            6 => json!({"sharedBy": dice.of(&HOSTS)}),
            _ => json!({"exclude": if on { json!([{"name": dice.of(&NAMES)}]) } else { Value::Null }}),
        },
    }
}

/// The next edit.
pub fn edit(dice: &mut Dice, objects: &BTreeMap<Key, Value>, now: Timestamp) -> Edit {
    let is_there = |key: &Key| objects.contains_key(key);
    let guest = |dice: &mut Dice| dice.of(&addresses());
    match dice.roll(36) {
        30.. if !objects.is_empty() => {
            let key = objects.keys().nth(dice.roll(objects.len())).unwrap().clone();
            let patch = change(dice, &key, now);
            Edit::Spec(key, patch)
        }
        0..9 if !objects.is_empty() => {
            let kind = dice.of(&[Kind::Partner, Kind::Membership, Kind::Share, Kind::Share]);
            let keys: Vec<_> = objects.keys().filter(|key| key.kind == kind).cloned().collect();
            if keys.is_empty() {
                return Edit::Restart;
            }
            let key = dice.of(&keys);
            let patch = change(dice, &key, now);
            Edit::Spec(key, patch)
        }
        0..12 => {
            let (key, partner) = any_key(dice);
            if !is_there(&key) {
                let spec = spec(dice, &key, partner, now);
                return Edit::Create(key, spec);
            }
            if dice.one_in(7) { Edit::Delete(key) } else { Edit::Spec(key.clone(), change(dice, &key, now)) }
        }
        12..15 => Edit::Accept(guest(dice)),
        15..19 => Edit::Enrol(guest(dice), dice.of(MfaMethod::ALL)),
        19 | 20 => Edit::LoseMfa(guest(dice)),
        21 => Edit::SetLogin(guest(dice), dice.one_in(2)),
        22 => {
            let owners = dice.of(&[&HOSTS[..1], &HOSTS[..2], &HOSTS[2..]]).to_vec();
            Edit::SetOwners(dice.of(&ACCOUNTS), owners)
        }
        23 => Edit::SetDeleted(dice.of(&ACCOUNTS), dice.one_in(2)),
        24 => Edit::Policy(policy(dice)),
        25 if dice.one_in(2) => Edit::Restart,
        25 => {
            let share = Key::new(Kind::Share, "partners", dice.of(&SHARES));
            Edit::Relist(is_there(&share).then_some(share))
        }
        26 | 27 => {
            let (key, _) = any_key(dice);
            let value = dice.one_in(2).then(|| "true".to_owned());
            if is_there(&key) { Edit::Annotate(key, "guestlist.dev/paused", value) } else { Edit::Restart }
        }
        28 => {
            let members: Vec<_> = objects.keys().filter(|key| key.kind == Kind::Membership).cloned().collect();
            if members.is_empty() {
                return Edit::Restart;
            }
            let asked =
                dice.of(&["guestlist.dev/reset-mfa", "guestlist.dev/reset-mfa", "guestlist.dev/resend-invitation"]);
            let at = now - SignedDuration::from_hours(dice.of(&[0, 1, 26, 60]));
            Edit::Annotate(dice.of(&members), asked, Some(at.to_string()))
        }
        _ => Edit::Wait(SignedDuration::from_mins(dice.of(&[11, 90, 60 * 26, 60 * 80]))),
    }
}
