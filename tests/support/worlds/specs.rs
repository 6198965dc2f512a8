//! Specs as people write them, and the changes to them as merge patches.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A partner that these Host Admins run.
pub fn partner(admins: &[&str]) -> Value {
    json!({"hostAdmins": admins})
}

/// A guest of a partner.
pub fn membership(partner: &str, address: &str, admin: bool, invited_by: &str) -> Value {
    json!({"partnerRef": {"name": partner}, "email": address, "role": role_name(admin), "invitedBy": invited_by})
}

/// An account shared with a partner. Every Guest Admin is Manager.
pub fn share(partner: &str, account: &str, shared_by: &str) -> Value {
    json!({"partnerRef": {"name": partner}, "account": account, "sharedBy": shared_by, "guestAdminRole": "Manager"})
}

/// Moves a guest or a share to another partner.
pub fn partner_ref(partner: &str) -> Value {
    json!({"partnerRef": {"name": partner}})
}

fn role_name(admin: bool) -> &'static str {
    if admin { "GuestAdmin" } else { "GuestUser" }
}

/// The entry of a Guest User.
pub fn propagated(name: &str, by: &str) -> Value {
    json!({"name": name, "propagatedBy": by})
}

pub fn suspended(on: bool) -> Value {
    json!({"suspended": on})
}

pub fn expires_at(end: Option<Timestamp>) -> Value {
    json!({"expiresAt": end.map(|end| end.to_string())})
}

/// Narrows the methods. `None`: all methods that the partner allows.
pub fn methods(methods: Option<&[&str]>) -> Value {
    match methods {
        Some(methods) => json!({"mfa": {"methods": methods}}),
        None => json!({"mfa": null}),
    }
}

/// Breaks the rule that MFA cannot be waived.
pub fn waives_mfa() -> Value {
    json!({"mfa": {"required": false}})
}

/// Does not fit the types: the object is unreadable until `methods` are set.
pub fn unreadable() -> Value {
    json!({"mfa": "on"})
}

pub fn role(admin: bool) -> Value {
    json!({"role": role_name(admin)})
}

pub fn deletion(cascade: bool) -> Value {
    json!({"deletion": if cascade { "Cascade" } else { "Block" }})
}

pub fn adoption(on: bool) -> Value {
    json!({"adoption": if on { "Unmarked" } else { "Never" }})
}

pub fn guest_admin_role(manager: bool) -> Value {
    json!({"guestAdminRole": share_role(manager)})
}

fn share_role(manager: bool) -> &'static str {
    if manager { "Manager" } else { "Collaborator" }
}

pub fn excludes(names: &[&str]) -> Value {
    let entries: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    json!({"exclude": entries})
}

/// Replaces the list of Guest Users.
pub fn guest_users(entries: Vec<Value>) -> Value {
    json!({"guestUsers": entries})
}

/// Another role for one Guest Admin. `None`: no override.
pub fn overrides(entry: Option<Value>) -> Value {
    json!({"roleOverrides": entry.into_iter().collect::<Vec<_>>()})
}

/// The entry of an override.
pub fn override_of(name: &str, manager: bool) -> Value {
    json!({"name": name, "role": share_role(manager)})
}

/// Pins an entry to an address.
pub fn pinned(mut entry: Value, address: &str) -> Value {
    entry["email"] = json!(address);
    entry
}

/// Applies a merge patch (RFC 7396).
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in fields {
        let target = target.as_object_mut().unwrap();
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A spec with changes.
pub fn with(mut spec: Value, patches: impl IntoIterator<Item = Value>) -> Value {
    for patch in patches {
        merge(&mut spec, &patch);
    }
    spec
}
