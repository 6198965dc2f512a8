//! Each guest and their access at the end of a session: one side of a comparison.

use std::collections::BTreeSet;

use crate::cache::{CacheEntry, Kind, ObjectCache, ObjectRef};
use crate::directory::{DirectoryCache, Grant, GuestId, GuestRecord};
use crate::domain::{Email, GuestRole};
use crate::plan::State;
use crate::plan::evaluate::{EvaluatedMembership, EvaluatedPartner};
use crate::plan::later::Frame;

/// A guest.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestAccess {
    /// The membership.
    pub member: ObjectRef,
    /// The partner.
    pub partner: String,
    /// The address.
    pub guest: Email,
    /// The role in the partner.
    pub role: GuestRole,
    /// The state. `None`: no object declares the guest.
    pub state: Option<State>,
    /// The grants that the directory holds.
    pub grants: Vec<Grant>,
}

/// All guests that an object declares or the directory contains, without memberships that were rejected from the start.
pub fn guest_access(index: &ObjectCache, directory_cache: &DirectoryCache, frame: Frame<'_>) -> Vec<GuestAccess> {
    let inputs = frame.inputs(index, directory_cache);
    let mut seen: BTreeSet<GuestId> = BTreeSet::new();
    let mut all = Vec::new();
    for member in index.keys(Kind::Membership) {
        let Some(entry) = index.membership(&member.namespace, &member.name).and_then(CacheEntry::read) else {
            continue;
        };
        let partner = EvaluatedPartner::of(inputs, &member.namespace, &entry.reading.terms.partner);
        let view = EvaluatedMembership::of(inputs, &partner, entry);
        let record = view.claim.live();
        // The address and the partner of a guest never change, even if the membership names others now.
        let recorded = record.map(|record| (record.address.clone(), record.partner_name.clone()));
        let declared = || Some((entry.reading.terms.email.clone()?, partner.name.clone()));
        let Some((guest, home)) =
            recorded.or_else(declared).filter(|_| record.is_some() || view.state != State::Rejected)
        else {
            continue;
        };
        seen.extend(record.map(|record| record.id.clone()));
        let role = record.map_or(entry.reading.terms.role, |record| record.role);
        let grants = record.map(grants).unwrap_or_default();
        all.push(GuestAccess { partner: home, guest, role, state: Some(view.state), grants, member: member.clone() });
    }
    all.extend(
        directory_cache.guests().filter(|guest| guest.is_live() && !seen.contains(&guest.id)).filter_map(undeclared),
    );
    all
}

fn undeclared(record: &GuestRecord) -> Option<GuestAccess> {
    let mark = record.mark.as_ref()?;
    Some(GuestAccess {
        member: ObjectRef::new(Kind::Membership, mark.namespace.as_str(), mark.name.as_str()),
        partner: record.partner_name.clone(),
        guest: record.address.clone(),
        role: record.role,
        state: None,
        grants: grants(record),
    })
}

fn grants(record: &GuestRecord) -> Vec<Grant> {
    record.grants.values().map(|held| held.grant.clone()).collect()
}
