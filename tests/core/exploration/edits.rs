//! The edits of people, guests and administrators that lead from one state to the next.

use guestlist::directory::{GuestChange, Operation};
use guestlist::domain::MfaMethod;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::inflate::{ACCOUNT, address, grant, guest_id, now, owner};
use super::objects::{Item, created, objects};
use super::setup::Setup;
use super::state::{Declared, GUESTS, Guest, Mfa, Presence, State};
use crate::support::worlds::{Edit, Objects, PAUSED, specs};

/// The edits of an event.
pub fn between(setup: &Setup, before: &State, after: &State) -> Vec<Edit> {
    let mut edits = Vec::new();
    for item in Item::all() {
        edits.extend(of_object(setup, item, &before.declared, &after.declared));
    }
    for who in 0..GUESTS {
        edits.extend(of_guest(who, &before.directory.guests[who], &after.directory.guests[who]));
    }
    for (what, account) in ACCOUNT.iter().enumerate() {
        let owned = after.directory.owned[what];
        if before.directory.owned[what] != owned {
            edits.push(Edit::SetOwners((*account).to_owned(), vec![owner(owned).to_owned()]));
        }
    }
    if after.late && !before.late {
        edits.push(Edit::Wait(SignedDuration::from_hours(24)));
    }
    edits
}

fn of_object(setup: &Setup, item: Item, before: &Declared, after: &Declared) -> Vec<Edit> {
    let (old, new, key) = (item.head(before), item.head(after), item.key());
    match (old.presence, new.presence) {
        (Presence::Absent, Presence::Absent) => return Vec::new(),
        (Presence::Absent, _) => return vec![Edit::Create(key, item.spec(setup, after))],
        (_, Presence::Absent) if old.held => return vec![Edit::Vanish(key)],
        (_, Presence::Absent) => return vec![Edit::Delete(key)],
        _ => {}
    }
    let mut edits = Vec::new();
    let patches = item.patches(setup, before).into_iter().zip(item.patches(setup, after));
    let changed: Vec<Value> = patches.filter(|(old, new)| old != new).map(|(_, new)| new).collect();
    // Patches are not merged with each other: the removal of a field would be lost.
    edits.extend(changed.into_iter().map(|patch| Edit::Spec(key.clone(), patch)));
    if old.paused != new.paused {
        edits.push(Edit::Annotate(key.clone(), PAUSED, new.paused.then(|| "true".to_owned())));
    }
    if old.presence != new.presence {
        edits.push(Edit::Delete(key));
    }
    edits
}

fn of_guest(who: usize, old: &Guest, new: &Guest) -> Vec<Edit> {
    let address = || address(who).to_string();
    let guest = || guest_id(who);
    let mut edits = Vec::new();
    if new.joined && !old.joined {
        edits.push(Edit::Accept(address()));
    }
    let known = |mfa| !matches!(mfa, Mfa::Unknown | Mfa::UnknownLong);
    match (old.mfa, new.mfa) {
        (old, new) if old == new => {}
        (_, Mfa::Unknown) => edits.push(Edit::TellMfa(address(), false)),
        (_, Mfa::UnknownLong) => edits.push(Edit::Wait(SignedDuration::from_hours(24))),
        (old, Mfa::Off) => {
            edits.push(Edit::LoseMfa(address()));
            edits.extend((!known(old)).then(|| Edit::TellMfa(address(), true)));
        }
        (old, new) => {
            edits.extend((!known(old)).then(|| Edit::TellMfa(address(), true)));
            let method = if new == Mfa::Both { MfaMethod::WebAuthn } else { MfaMethod::TOTP };
            edits.push(Edit::Enrol(address(), method));
        }
    }
    if old.login != new.login {
        edits.push(Edit::SetLogin(address(), new.login));
    }
    // An administrator of Keycloak can also change the role alone. The embedded directory then revokes the grants of Guest Admins.
    if old.admin != new.admin {
        let guest = guest();
        let operation = if new.admin {
            Operation::Guest { id: guest, change: GuestChange::Promote }
        } else {
            Operation::Guest { id: guest, change: GuestChange::Demote }
        };
        edits.push(Edit::Tamper(Box::new(operation)));
    }
    for (what, account) in ACCOUNT.iter().enumerate() {
        let operation = match (old.grants[what], new.grants[what]) {
            (None, Some(held)) => {
                Operation::Guest { id: guest(), change: GuestChange::Grant { grants: vec![grant(what, held)] } }
            }
            (Some(_), None) => {
                Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts: vec![(*account).to_owned()] } }
            }
            _ => continue,
        };
        edits.push(Edit::Tamper(Box::new(operation)));
    }
    edits
}

/// Plays the edits of objects.
fn play(objects: &mut Objects, edit: &Edit) {
    let patch = |objects: &mut Objects, key, patch: &Value| {
        let object = objects.get_mut(key).unwrap();
        specs::merge(std::sync::Arc::make_mut(object), patch);
    };
    match edit {
        Edit::Create(key, spec) => {
            objects.insert(key.clone(), created(key, spec.clone()).into());
        }
        Edit::Spec(key, spec) => patch(objects, key, &json!({"spec": spec})),
        Edit::Annotate(key, name, value) => {
            patch(objects, key, &json!({"metadata": {"annotations": {*name: value}}}));
        }
        Edit::Delete(key) if objects[key]["metadata"]["finalizers"] != json!([]) => {
            patch(objects, key, &json!({"metadata": {"deletionTimestamp": now().to_string()}}));
        }
        Edit::Delete(key) | Edit::Vanish(key) => {
            objects.remove(key);
        }
        _ => {}
    }
}

/// Whether the edits of an event lead to the objects of the state after it.
pub fn agree(setup: &Setup, before: &State, after: &State) -> Result<(), String> {
    let edits = between(setup, before, after);
    let mut played = objects(setup, &before.declared);
    for edit in &edits {
        play(&mut played, edit);
    }
    let expected = objects(setup, &after.declared);
    if edits.is_empty() || played != expected {
        return Err(format!("the edits {edits:?} lead to {played:#?}\nand not to {expected:#?}"));
    }
    Ok(())
}
