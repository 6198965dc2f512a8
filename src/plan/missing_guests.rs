//! A directory that lacks the records of some guests that the statuses name. It is new, or it was restored from an old
//! or incomplete copy. A status never grants anything; only here does a status withhold something.

use std::collections::BTreeSet;

use super::Inputs;
use super::common;
use super::lifecycle::State;
use super::ownership::{is_being_deleted, name, namespace, uid};
use super::{Plan, Status};
use crate::cache::{CacheEntry, Kind, Membership, ObjectCache};
use crate::directory::DirectoryCache;

/// States of a guest whose first mail was sent.
const ADMITTED: [State; 4] = [State::Invited, State::InvitationExpired, State::Joined, State::Active];

/// The memberships whose status reports an admitted guest, although the directory has no record of the address.
pub fn missing<'a>(declared: &'a ObjectCache, observed: &'a DirectoryCache) -> impl Iterator<Item = &'a Membership> {
    let entry =
        |key: crate::cache::ObjectRef| declared.membership(&key.namespace, &key.name).and_then(CacheEntry::read);
    declared.keys(Kind::Membership).filter_map(entry).filter(|entry| is_missing(entry, observed))
}

/// Whether [`missing`] includes a membership.
pub fn is_missing(entry: &Membership, observed: &DirectoryCache) -> bool {
    let Some(address) = &entry.reading.terms.email else { return false };
    let known = observed.guest(address).is_some() || observed.live_by_uid(uid(&entry.metadata)).is_some();
    !known && !is_being_deleted(&entry.metadata) && was_admitted(entry)
}

fn was_admitted(entry: &Membership) -> bool {
    entry.status.read().is_some_and(|status| {
        let state = status.state.unwrap_or_default();
        status.directory_id.is_some() || ADMITTED.iter().any(|admitted| admitted.reason().as_str() == state)
    })
}

/// The UIDs of memberships.
pub fn uids<'a>(entries: impl Iterator<Item = &'a Membership>) -> BTreeSet<String> {
    entries.map(|entry| uid(&entry.metadata).to_owned()).collect()
}

/// Plans a membership whose record is missing: only the conditions of its status change.
pub(super) fn plan(inputs: Inputs<'_>, entry: &Membership) -> Plan {
    let mut status = entry.status.read().unwrap_or_default();
    status.conditions = common::behind(&entry.metadata, &status.conditions, inputs.now);
    Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() }
}

/// The name of a membership in the log.
pub fn named(entry: &Membership) -> String {
    let meta = &entry.metadata;
    let address = entry.reading.terms.email.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{}/{} ({address})", namespace(meta), name(meta))
}
