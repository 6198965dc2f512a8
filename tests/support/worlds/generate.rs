//! Generates environments from a seed, and the edits of people in them: every field of the specs, in two namespaces and
//! three partners.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{GuestChange, GuestRecord, Operation};
use guestlist::domain::MfaMethod;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Edit, Objects, PAUSED, Playable, RESEND_INVITATION, RESET_MFA, specs};
pub use crate::support::dice::Dice;

pub const HOSTS: [&str; 3] = ["alice@host.example", "dan@host.example", "zoe@host.example"];
pub const ACCOUNTS: [&str; 3] = ["instagram", "newsletter", "tiktok"];
pub const NAMES: [&str; 6] = ["ada", "ben", "cleo", "dora", "emil", "fay"];
pub const NAMESPACES: [&str; 2] = ["partners", "team-a"];
const PARTNERS: [(&str, &str); 3] = [("partners", "acme"), ("partners", "brio"), ("team-a", "acme")];
const SHARES: [&str; 3] = ["one", "two", "three"];
const METHODS: [&[&str]; 3] = [&["TOTP"], &["WebAuthn"], &["TOTP", "WebAuthn"]];
/// The address of an entry that fits no membership.
const OTHER: &str = "other@acme.example";

pub fn policy(dice: &mut Dice, playable: Playable) -> Value {
    let adoption = dice.one_in(2);
    let admins = if dice.one_in(4) { "alice@host.example" } else { "*@host.example" };
    let tenants = json!([
        {"namespace": "partners", "hostAdmins": ["dan@host.example"]},
        {"namespace": "part*", "hostAdmins": ["*@host.example"], "adoption": adoption},
        {"namespace": "team-*", "hostAdmins": [admins], "adoption": adoption != dice.one_in(4)},
    ]);
    let purge = json!({"after": dice.of(&["1h", "24h"]), "perHour": dice.of(&["10%", "25%", "50%"])});
    let mut policy = json!({"domains": ["host.example"], "tenants": tenants, "purge": purge,
        "mfaUnknownMax": dice.of(&["0s", "2h", "24h", "24h"]), "mailInterval": "10m", "invitationsPerHour": 1000});
    if !playable.time {
        policy["installation"] = json!("test");
        policy["mailInterval"] = json!("0s");
    }
    policy
}

fn address(name: &str, namespace: &str) -> String {
    format!("{name}@{}.example", if namespace == "partners" { "acme" } else { "brio" })
}

/// All addresses that a guest may have.
pub fn addresses() -> Vec<String> {
    NAMES.iter().flat_map(|name| NAMESPACES.map(|space| address(name, space))).collect()
}

/// The users of the workspace: Host Admins, and people who may be adopted.
pub fn users(dice: &mut Dice) -> Vec<String> {
    let adoptable = addresses().into_iter().filter(|_| dice.one_in(6));
    HOSTS.iter().map(|host| (*host).to_owned()).chain(adoptable.collect::<Vec<_>>()).collect()
}

/// The Owners of every account at the beginning.
pub fn owners() -> Vec<String> {
    HOSTS[..2].iter().map(|host| (*host).to_owned()).collect()
}

fn soon(dice: &mut Dice, now: Timestamp) -> Value {
    let hours = dice.of(&[2, 5, 30, 100, 900]);
    specs::expires_at(Some(now + SignedDuration::from_hours(hours)))
}

fn narrowed(dice: &mut Dice) -> Value {
    specs::methods(Some(dice.of(&METHODS)))
}

/// Adds a change to a spec with a probability of one in `sides`.
fn sometimes(dice: &mut Dice, sides: usize, spec: &mut Value, patch: impl FnOnce(&mut Dice) -> Value) {
    if dice.one_in(sides) {
        specs::merge(spec, &patch(dice));
    }
}

fn partner(dice: &mut Dice, now: Timestamp) -> Value {
    let count = if dice.one_in(2) { 3 } else { 1 + dice.roll(3) };
    let mut spec = specs::with(specs::partner(&HOSTS[..count]), [specs::deletion(dice.one_in(2))]);
    sometimes(dice, 2, &mut spec, |_| specs::adoption(true));
    sometimes(dice, 8, &mut spec, narrowed);
    sometimes(dice, 5, &mut spec, |dice| json!({"guests": {"maxGuests": 1 + dice.roll(4)}}));
    sometimes(dice, 14, &mut spec, |dice| json!({"guests": {"maxDuration": dice.of(&["48h", "720h"])}}));
    sometimes(dice, 14, &mut spec, |_| json!({"guests": {"allowedDomains": ["acme.example"]}}));
    sometimes(dice, 14, &mut spec, |_| json!({"guests": {"deniedDomains": ["brio.example"]}}));
    sometimes(dice, 16, &mut spec, |dice| soon(dice, now));
    sometimes(dice, 20, &mut spec, |_| specs::suspended(true));
    spec
}

fn membership(dice: &mut Dice, key: &ObjectRef, partner: &str, now: Timestamp) -> Value {
    let admin = NAMES[..2].contains(&&*key.name) != dice.one_in(8);
    let named =
        if dice.one_in(12) { dice.of(&NAMES) } else { NAMES.into_iter().find(|name| *name == &*key.name).unwrap() };
    let space = if dice.one_in(12) { dice.of(&NAMESPACES) } else { &*key.namespace };
    let by = match dice.roll(8) {
        0 if !admin => address(dice.of(&NAMES[..2]), &key.namespace),
        1 if dice.one_in(3) => "yan@host.example".to_owned(),
        _ => dice.of(&HOSTS).to_owned(),
    };
    let mut spec = specs::membership(partner, &address(named, space), admin, &by);
    sometimes(dice, 10, &mut spec, narrowed);
    sometimes(dice, 16, &mut spec, |_| specs::suspended(true));
    sometimes(dice, 8, &mut spec, |dice| soon(dice, now));
    sometimes(dice, 16, &mut spec, |_| json!({"displayName": "Guest Example"}));
    spec
}

fn guest_users(dice: &mut Dice, namespace: &str) -> Value {
    let mut entries = Vec::new();
    for name in NAMES {
        if dice.one_in(2) {
            let by = dice.of(&["ada", "ada", "ben", "ben", "cleo"]);
            entries.push(pin(dice, specs::propagated(name, by), name, namespace));
        }
    }
    specs::guest_users(entries)
}

/// Pins an entry to the address of its membership, or to another one, or not at all.
fn pin(dice: &mut Dice, entry: Value, name: &str, namespace: &str) -> Value {
    match dice.roll(8) {
        0 => specs::pinned(entry, &address(name, namespace)),
        1 if dice.one_in(2) => specs::pinned(entry, OTHER),
        _ => entry,
    }
}

fn overrides(dice: &mut Dice, namespace: &str) -> Value {
    let name = dice.of(&NAMES[..3]);
    let entry = specs::override_of(name, dice.one_in(2));
    specs::overrides(Some(pin(dice, entry, name, namespace)))
}

fn excludes(dice: &mut Dice, namespace: &str) -> Value {
    let name = dice.of(&NAMES);
    json!({"exclude": [pin(dice, json!({"name": name}), name, namespace)]})
}

fn share(dice: &mut Dice, key: &ObjectRef, partner: &str, now: Timestamp) -> Value {
    let sharer = dice.of(&["alice@host.example", "alice@host.example", "dan@host.example"]);
    let mut spec = specs::share(partner, dice.of(&ACCOUNTS), sharer);
    specs::merge(&mut spec, &guest_users(dice, &key.namespace));
    sometimes(dice, 3, &mut spec, |_| specs::guest_admin_role(false));
    sometimes(dice, 8, &mut spec, narrowed);
    sometimes(dice, 16, &mut spec, |_| specs::suspended(true));
    sometimes(dice, 8, &mut spec, |dice| soon(dice, now));
    sometimes(dice, 12, &mut spec, |dice| excludes(dice, &key.namespace));
    sometimes(dice, 6, &mut spec, |dice| overrides(dice, &key.namespace));
    spec
}

/// The key of an object that may exist.
fn any_key(dice: &mut Dice) -> (ObjectRef, &'static str) {
    let (space, partner) = dice.of(&PARTNERS);
    match dice.roll(8) {
        0 => (ObjectRef::new(Kind::Partner, space, partner), partner),
        1..5 => (ObjectRef::new(Kind::Membership, space, dice.of(&NAMES)), partner),
        _ => (ObjectRef::new(Kind::Share, space, dice.of(&SHARES)), partner),
    }
}

fn spec(dice: &mut Dice, key: &ObjectRef, partner_name: &str, now: Timestamp) -> Value {
    match key.kind {
        Kind::Partner => partner(dice, now),
        Kind::Membership => membership(dice, key, partner_name, now),
        Kind::Share => share(dice, key, partner_name, now),
    }
}

/// The initial objects, in random order.
pub fn objects(dice: &mut Dice, now: Timestamp) -> Vec<Edit> {
    let mut keys: Vec<(ObjectRef, &str)> = Vec::new();
    for (space, partner) in PARTNERS {
        keys.push((ObjectRef::new(Kind::Partner, space, partner), partner));
    }
    for (at, name) in NAMES.into_iter().enumerate() {
        let home = if at % 3 == 2 { "brio" } else { "acme" };
        keys.push((ObjectRef::new(Kind::Membership, "partners", name), home));
        keys.push((ObjectRef::new(Kind::Membership, "team-a", name), "acme"));
    }
    for name in SHARES {
        keys.push((ObjectRef::new(Kind::Share, "partners", name), if name == "three" { "brio" } else { "acme" }));
    }
    keys.push((ObjectRef::new(Kind::Share, "team-a", "one"), "acme"));
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

/// The edits of guests who join and turn MFA on.
pub fn joining(dice: &mut Dice) -> Vec<Edit> {
    let mut edits = Vec::new();
    for address in addresses() {
        if dice.one_in(6) {
            continue;
        }
        edits.push(Edit::Accept(address.clone()));
        for method in MfaMethod::ALL {
            if !dice.one_in(3) {
                edits.push(Edit::Enrol(address.clone(), *method));
            }
        }
    }
    edits
}

/// A change to an existing object.
fn change(dice: &mut Dice, key: &ObjectRef, now: Timestamp) -> Value {
    let on = dice.one_in(2);
    let end = |dice: &mut Dice| if on { soon(dice, now) } else { specs::expires_at(None) };
    let mfa = |dice: &mut Dice| if on { narrowed(dice) } else { specs::methods(None) };
    match key.kind {
        Kind::Partner => match dice.roll(12) {
            0 | 1 => specs::suspended(on),
            2 => end(dice),
            3 | 4 => mfa(dice),
            5 => json!({"hostAdmins": HOSTS[..=dice.roll(3)]}),
            6 => json!({"guests": {"maxDuration": on.then_some("48h")}}),
            7 => json!({"guests": {"deniedDomains": on.then_some(["brio.example"])}}),
            8 | 9 => json!({"guests": {"maxGuests": on.then(|| 1 + dice.roll(5))}}),
            10 => specs::adoption(on),
            _ => specs::deletion(on),
        },
        Kind::Membership => match dice.roll(6) {
            0 | 1 => specs::role(on),
            2 => specs::suspended(on),
            3 => end(dice),
            4 => mfa(dice),
            _ => json!({"displayName": dice.of(&["Guest Example", "Other Example"])}),
        },
        Kind::Share => match dice.roll(8) {
            0 => specs::suspended(on),
            1 => end(dice),
            2 => mfa(dice),
            3 => specs::guest_admin_role(on),
            4 => guest_users(dice, &key.namespace),
            5 => {
                if on {
                    overrides(dice, &key.namespace)
                } else {
                    specs::overrides(None)
                }
            }
            6 => json!({"sharedBy": dice.of(&HOSTS)}),
            _ => {
                if on {
                    excludes(dice, &key.namespace)
                } else {
                    specs::excludes(&[])
                }
            }
        },
    }
}

/// The present objects of some kinds.
fn present(objects: &Objects, kinds: &[Kind]) -> Vec<ObjectRef> {
    objects.keys().filter(|key| kinds.contains(&key.kind)).cloned().collect()
}

/// The next edits. Empty if the drawn edit is impossible in this environment.
pub fn edits(
    dice: &mut Dice,
    playable: Playable,
    objects: &Objects,
    guests: &[GuestRecord],
    now: Timestamp,
) -> Vec<Edit> {
    let unreadable: Vec<_> = objects.iter().filter(|(_, object)| super::reference::is_unreadable(object)).collect();
    if !unreadable.is_empty() && dice.one_in(8) {
        let (key, _) = dice.of(&unreadable);
        return vec![Edit::Spec(key.clone(), specs::methods(None))];
    }
    edit_of(dice, playable, objects, guests, now).unwrap_or_default()
}

fn edit_of(
    dice: &mut Dice,
    playable: Playable,
    objects: &Objects,
    guests: &[GuestRecord],
    now: Timestamp,
) -> Option<Vec<Edit>> {
    let pick = |dice: &mut Dice, kinds: &[Kind]| {
        let keys = present(objects, kinds);
        (!keys.is_empty()).then(|| dice.of(&keys))
    };
    let guest = |dice: &mut Dice| dice.of(&addresses());
    let one = match dice.roll(55) {
        0..9 => {
            let kind = dice.of(&[Kind::Partner, Kind::Membership, Kind::Share, Kind::Share]);
            let key = pick(dice, &[kind])?;
            let patch = change(dice, &key, now);
            Edit::Spec(key, patch)
        }
        9..15 => {
            let key = pick(dice, &Kind::ALL)?;
            let patch = change(dice, &key, now);
            Edit::Spec(key, patch)
        }
        15..19 => {
            let (key, partner) = any_key(dice);
            if objects.contains_key(&key) {
                let patch = change(dice, &key, now);
                return Some(vec![Edit::Spec(key, patch)]);
            }
            let spec = spec(dice, &key, partner, now);
            Edit::Create(key, spec)
        }
        19 => Edit::Delete(pick(dice, &Kind::ALL)?),
        20 => Edit::Delete(pick(dice, &[Kind::Membership])?),
        21..24 => Edit::Accept(guest(dice)),
        24..28 => Edit::Enrol(guest(dice), dice.of(MfaMethod::ALL)),
        28 | 29 => Edit::LoseMfa(guest(dice)),
        30 if playable.logins => Edit::SetLogin(guest(dice), dice.one_in(2)),
        31 if playable.logins => {
            let user = if dice.one_in(3) { dice.of(&HOSTS).to_owned() } else { guest(dice) };
            Edit::SetUser(user, !dice.one_in(3))
        }
        32 => {
            let owners = dice.of(&[&HOSTS[..1], &HOSTS[..2], &HOSTS[2..]]);
            Edit::SetOwners(dice.of(&ACCOUNTS).to_owned(), owners.iter().map(|it| (*it).to_owned()).collect())
        }
        33 => Edit::SetDeleted(dice.of(&ACCOUNTS).to_owned(), dice.one_in(2)),
        34 => Edit::Policy(policy(dice, playable)),
        35 if playable.restarts => Edit::Restart,
        36 if playable.watches => {
            let gone = pick(dice, &[Kind::Membership, Kind::Share])?;
            Edit::Relist(dice.one_in(2).then_some(gone))
        }
        37 | 38 if playable.watches => {
            let key = pick(dice, &Kind::ALL)?;
            let patch = change(dice, &key, now);
            return Some(vec![Edit::Spec(key, patch), Edit::Handover(dice.one_in(2))]);
        }
        39 | 40 => {
            let key = pick(dice, &Kind::ALL)?;
            Edit::Annotate(key, PAUSED, dice.one_in(2).then(|| "true".to_owned()))
        }
        41 => {
            let asked = dice.of(&[RESET_MFA, RESET_MFA, RESEND_INVITATION]);
            // Some are for a time to come.
            let at = now - SignedDuration::from_hours(dice.of(&[0, 1, 26, -3]));
            Edit::Annotate(pick(dice, &[Kind::Membership])?, asked, Some(at.to_string()))
        }
        42 => Edit::Vanish(pick(dice, &Kind::ALL)?),
        43 => {
            let key = pick(dice, &Kind::ALL)?;
            return vanish(dice, &key, objects);
        }
        44 | 45 if playable.unreadable => {
            let kind = dice.of(&Kind::ALL);
            Edit::Spec(pick(dice, &[kind])?, specs::unreadable())
        }
        46 | 47 if playable.unknown_mfa => Edit::TellMfa(guest(dice), dice.one_in(2)),
        48 if playable.logins => Edit::Tamper(Box::new(tampering(dice, guests)?)),
        49.. if playable.time => Edit::Wait(SignedDuration::from_mins(dice.of(&[11, 90, 60 * 26, 60 * 80]))),
        _ => return None,
    };
    Some(vec![one])
}

/// A change of a guest's record.
fn tampering(dice: &mut Dice, guests: &[GuestRecord]) -> Option<Operation> {
    let live: Vec<_> = guests.iter().filter(|guest| guest.is_live()).collect();
    let record = (!live.is_empty()).then(|| dice.of(&live))?;
    let guest = record.id.clone();
    Some(match dice.roll(3) {
        0 => Operation::Guest { id: guest, change: GuestChange::Promote },
        1 => Operation::Guest { id: guest, change: GuestChange::Demote },
        _ => Operation::Guest {
            id: guest,
            change: GuestChange::Revoke { accounts: record.grants.keys().cloned().collect() },
        },
    })
}

/// One object vanishes and is created again, or all memberships of a namespace vanish.
fn vanish(dice: &mut Dice, key: &ObjectRef, objects: &Objects) -> Option<Vec<Edit>> {
    if dice.one_in(3) {
        let members = present(objects, &[Kind::Membership]).into_iter().filter(|it| it.namespace == key.namespace);
        let all: Vec<_> = members.map(Edit::Vanish).collect();
        return (!all.is_empty()).then_some(all);
    }
    let spec = objects.get(key)?["spec"].clone();
    Some(vec![Edit::Vanish(key.clone()), Edit::Create(key.clone(), spec)])
}
