//! Readers that change the stored objects.

use guestlist::cache::Kind;
use serde_json::Value;

fn without(object: &mut Value, field: &str) {
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove(field);
    }
}

fn is_never_paused(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("annotations");
    }
}

/// The entries of a list in a spec.
fn entries<'v>(object: &'v mut Value, list: &str) -> impl Iterator<Item = &'v mut Value> {
    object["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

fn without_pins(object: &mut Value, list: &str) {
    for entry in entries(object, list).filter_map(Value::as_object_mut) {
        entry.remove("email");
    }
}

macro_rules! reads {
    ($($name:ident: $kind:ident, $change:expr;)+) => {
        $(pub fn $name(kind: Kind, object: &mut Value) {
            let change: fn(&mut Value) = $change;
            if kind == Kind::$kind {
                change(object);
            }
        })+
    };
}

reads! {
    ignores_the_pause_of_partners: Partner, is_never_paused;
    ignores_the_pause_of_memberships: Membership, is_never_paused;
    ignores_the_pause_of_shares: Share, is_never_paused;
    ignores_pins_of_guest_users: Share, |object| without_pins(object, "guestUsers");
    ignores_pins_of_overrides: Share, |object| without_pins(object, "roleOverrides");
    ignores_exclusions: Share, |object| without(object, "exclude");
    ignores_pinned_exclusions: Share, |object| {
        if let Some(list) = object["spec"].get_mut("exclude").and_then(Value::as_array_mut) {
            list.retain(|entry| entry["email"].is_null());
        }
    };
    ignores_the_end_of_partners: Partner, |object| without(object, "expiresAt");
    ignores_the_end_of_shares: Share, |object| without(object, "expiresAt");
    ignores_the_longest_duration: Partner, |object| {
        if let Some(guests) = object["spec"].get_mut("guests").and_then(Value::as_object_mut) {
            guests.remove("maxDuration");
        }
    };
    ignores_the_methods_of_partners: Partner, |object| without(object, "mfa");
}

/// Accepts the readable half of an unreadable object.
pub fn takes_unreadable_objects_for_plain_ones(_: Kind, object: &mut Value) {
    if object["spec"]["mfa"].is_string() {
        without(object, "mfa");
    }
}
