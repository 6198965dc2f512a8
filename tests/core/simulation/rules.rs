//! A second implementation of the access rules, on the stored objects as JSON. It contains only the rules that the
//! walks need, and shares no code with the planner.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::Snapshot;
use guestlist::domain::{GuestRole, ShareRole};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::worlds::Objects;

/// (membership, account) → role.
pub type Access = BTreeMap<(String, String), ShareRole>;

/// The effective access, by the directory's own check.
pub fn effective(all: &Snapshot, now: Timestamp) -> Access {
    let mut found = Access::new();
    for guest in &all.guests {
        let Some(mark) = &guest.mark else { continue };
        for (account, held) in guest.grants.iter().filter(|(account, _)| all.is_effective(guest, account, now)) {
            found.insert((mark.name.clone(), account.clone()), held.grant.role);
        }
    }
    found
}

/// The allowed access, for guests that have joined and enrolled MFA.
pub fn allowed(objects: &Objects) -> Access {
    let mut found = Access::new();
    let of = |kind| objects.iter().filter(move |(key, _)| key.kind == kind);
    for (share_key, share) in of(Kind::Share) {
        for (key, member) in of(Kind::Membership) {
            let spec = &share["spec"];
            let partner = spec["partnerRef"]["name"].as_str().unwrap();
            let stands = objects
                .get(&ObjectRef::new(Kind::Partner, &*key.namespace, partner))
                .is_some_and(|partner| is_on(partner))
                && is_on(share)
                && is_on(member)
                && share_key.namespace == key.namespace
                && member["spec"]["partnerRef"]["name"] == partner;
            if let Some(role) = role(objects, key, member, spec).filter(|_| stands) {
                found.insert((key.name.to_string(), spec["account"].as_str().unwrap().to_owned()), role);
            }
        }
    }
    found
}

fn role(objects: &Objects, key: &ObjectRef, member: &Value, share: &Value) -> Option<ShareRole> {
    if names(&share["exclude"], &key.name).is_some() {
        return None;
    }
    if member["spec"]["role"] == "GuestAdmin" {
        return Some(admin_role(share, &key.name));
    }
    let through = names(&share["guestUsers"], &key.name)?["propagatedBy"].as_str().unwrap();
    let propagator = objects.get(&ObjectRef::new(Kind::Membership, &*key.namespace, through))?;
    let valid = propagator["spec"]["role"] == "GuestAdmin"
        && propagator["spec"]["partnerRef"] == member["spec"]["partnerRef"]
        && propagator.pointer("/metadata/deletionTimestamp").is_none()
        && names(&share["exclude"], through).is_none()
        && admin_role(share, through) == ShareRole::Manager;
    valid.then_some(ShareRole::Collaborator)
}

fn admin_role(share: &Value, name: &str) -> ShareRole {
    let said = names(&share["roleOverrides"], name).map_or(&share["guestAdminRole"], |entry| &entry["role"]);
    if said == "Manager" { ShareRole::Manager } else { ShareRole::Collaborator }
}

fn names<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry["name"] == name)
}

fn is_on(object: &Value) -> bool {
    let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    // A partner deleted with Block stays effective until it is empty.
    let blocks = object["kind"] == "LocalPartner" && object["spec"]["deletion"] != "Cascade";
    (!deleted || blocks) && object["spec"]["suspended"] != true
}

/// Invariants that do not depend on the declared objects: one live guest for each address, and no Guest User above
/// Collaborator.
pub fn holds_always(all: &Snapshot) {
    let mut addresses = BTreeSet::new();
    for guest in all.guests.iter().filter(|guest| guest.is_live()) {
        assert!(addresses.insert(&guest.address), "two live guests: {}", guest.address);
        for held in guest.grants.values() {
            let above = guest.role == GuestRole::GuestUser && held.grant.role == ShareRole::Manager;
            assert!(!above, "a Guest User is Manager: {guest:?}");
        }
    }
}

/// The number of created or revived records.
pub fn came_alive(before: &Snapshot, after: &Snapshot) -> usize {
    let live = |all: &Snapshot| -> BTreeSet<String> {
        let guests = all.guests.iter().filter(|guest| guest.is_live()).map(|guest| guest.id.0.clone());
        let partners = all.partners.iter().filter(|partner| partner.deactivated_at.is_none());
        guests.chain(partners.map(|partner| partner.id.0.clone())).collect()
    };
    live(after).difference(&live(before)).count()
}

/// Two mails to one address are at least this far apart, regardless of objects and records.
pub fn mails_are_apart(before: &Snapshot, after: &Snapshot, least: SignedDuration) {
    for mail in &after.mails {
        let last = before.mails.iter().find(|last| last.address == mail.address && last.at != mail.at);
        let soon = last.filter(|last| mail.at.duration_since(last.at) < least);
        assert_eq!(soon, None, "the next came at {}", mail.at);
    }
}

/// A namespace sends at most this many mails in any hour.
pub fn no_hour_has_more_mails(sent: &[Timestamp], most: usize) {
    let apart = |mails: &[Timestamp]| mails[most].duration_since(mails[0]) >= SignedDuration::from_hours(1);
    assert!(sent.windows(most + 1).all(apart), "more than {most} mails in an hour: {sent:?}");
}

/// The number of purged records.
pub fn purged(before: &Snapshot, after: &Snapshot) -> usize {
    let there = |all: &Snapshot| -> BTreeSet<String> {
        let guests = all.guests.iter().map(|guest| guest.id.0.clone());
        guests.chain(all.partners.iter().map(|partner| partner.id.0.clone())).collect()
    };
    there(before).difference(&there(after)).count()
}

/// The number of sent mails.
pub fn mails(before: &Snapshot, after: &Snapshot) -> usize {
    let sent = |all: &Snapshot| -> BTreeMap<String, Option<Timestamp>> {
        all.guests.iter().map(|guest| (guest.address.to_string(), guest.last_mail_at)).collect()
    };
    let before = sent(before);
    sent(after).iter().filter(|(address, at)| at.is_some() && before.get(*address) != Some(at)).count()
}

/// The final state: everything stored on both sides, without instants and counters.
pub fn end(objects: &Objects, all: &Snapshot, now: Timestamp) -> Vec<String> {
    let mut lines: Vec<String> = objects
        .iter()
        .map(|(key, object)| {
            let mut object = Value::clone(object);
            object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            timeless(&mut object);
            format!("{key} {object}")
        })
        .collect();
    for guest in &all.guests {
        let grants: Vec<_> = guest.grants.iter().map(|(account, held)| (account, held.grant.role)).collect();
        lines.push(format!(
            "{} {:?} live={} login={} invited={} joined={} {:?} {grants:?}",
            guest.address,
            // The record of a former guest keeps the last role, which has no effect.
            guest.is_live().then_some(guest.role),
            guest.is_live(),
            guest.login.is_enabled(),
            guest.invitation.is_some(),
            guest.joined_at.is_some(),
            guest.mark.as_ref().map(|mark| (&mark.name, &mark.uid)),
        ));
    }
    for partner in &all.partners {
        lines.push(format!("{} live={}", partner.mark.name, partner.deactivated_at.is_none()));
    }
    lines.push(format!("{:?}", effective(all, now)));
    lines
}

/// Removes instants, which differ between delayed runs. Nothing else may differ.
fn timeless(value: &mut Value) {
    match value {
        Value::String(text) if text.parse::<Timestamp>().is_ok() => *value = Value::from("an instant"),
        Value::Array(items) => items.iter_mut().for_each(timeless),
        Value::Object(fields) => fields.values_mut().for_each(timeless),
        _ => {}
    }
}
