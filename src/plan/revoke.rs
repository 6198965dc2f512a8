//! Plans the revocations that follow from the specs alone, on one guest's record, before the directory is read in full.
//! All other operations wait for the full read: grants, invitations, the removal of a record, orphans.

use super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare};
use super::ownership::{is_being_deleted, namespace};
use super::{AvailableFacts, Inputs, Plan, Step, membership};
use crate::cache::{CacheEntry, CachedMetadata, Kind, Membership, ObjectRef};
use crate::directory::{AccessChange, GuestChange, Operation};

/// The inputs, limited to the facts known before the full read.
fn known(inputs: Inputs<'_>) -> Inputs<'_> {
    Inputs { directory_available: true, scope: AvailableFacts::SPECS, ..inputs }
}

/// The steps that revoke access of a membership's guest, whose record was just read.
pub fn plan(inputs: Inputs<'_>, key: &ObjectRef) -> Plan {
    let inputs = known(inputs);
    let readable = inputs.declared.membership(&key.namespace, &key.name).and_then(CacheEntry::read);
    if key.kind != Kind::Membership || readable.is_none() {
        return Plan::nothing();
    }
    let plan = membership::plan(inputs, &key.namespace, &key.name);
    let steps = plan.steps.into_iter().filter_map(|step| revoking(inputs, step)).collect();
    Plan { steps, basis: plan.basis, events: plan.events, next_check: plan.next_check, ..Plan::nothing() }
}

/// The part of a step that revokes. Instead of deactivating a user, it disables the login.
fn revoking(inputs: Inputs<'_>, step: Step) -> Option<Step> {
    if step.operation.access_change() == AccessChange::Revoke {
        return Some(step);
    }
    let Operation::Guest { id: guest, change: GuestChange::Deactivate } = &step.operation else { return None };
    let enabled = inputs.observed.guest_by_id(guest).is_some_and(|record| record.login.is_enabled());
    enabled
        .then(|| Step { operation: Operation::Guest { id: guest.clone(), change: GuestChange::DisableLogin }, ..step })
}

/// Whether the specs may revoke access of a guest whose record is unknown. They end access, or they changed since the
/// last status.
pub fn may_revoke(inputs: Inputs<'_>, key: &ObjectRef) -> bool {
    let entry = inputs.declared.membership(&key.namespace, &key.name).and_then(CacheEntry::read);
    key.kind == Kind::Membership && (is_ended(inputs, key) || entry.is_some_and(|entry| is_changed(inputs, entry)))
}

/// Whether the specs end any access of a membership's guest.
pub fn is_ended(inputs: Inputs<'_>, key: &ObjectRef) -> bool {
    let inputs = known(inputs);
    let Some(entry) = inputs.declared.membership(&key.namespace, &key.name).and_then(CacheEntry::read) else {
        return false;
    };
    let (meta, terms) = (&entry.metadata, &entry.reading.terms);
    let partner = EvaluatedPartner::of(inputs, namespace(meta), &terms.partner);
    let member = EvaluatedMembership::of(inputs, &partner, entry);
    let excluded = |share: EvaluatedShare<'_>| {
        share.entry.reading.terms.exclude.contains_key(member.name()) || matches!(share.gate, Decision::Deny(_))
    };
    is_being_deleted(meta)
        || member.suspended
        || member.expired
        || partner.expired
        || partner.blocked.is_some()
        || partner.cascade_since().is_some()
        || !member.violations.is_empty()
        || shares_of(inputs, entry).any(|share| excluded(EvaluatedShare::of(inputs, &partner, share)))
}

/// Whether the membership, its partner or one of the partner's shares changed since the last status.
fn is_changed<'a>(inputs: Inputs<'a>, entry: &'a Membership) -> bool {
    let changed =
        |meta: &CachedMetadata, observed: Option<i64>| meta.generation.is_none() || meta.generation != observed;
    let partner =
        inputs.declared.partner(namespace(&entry.metadata), &entry.reading.terms.partner).and_then(CacheEntry::read);
    changed(&entry.metadata, entry.status.read().and_then(|status| status.observed_generation))
        || partner.is_some_and(|partner| {
            changed(&partner.metadata, partner.status.read().and_then(|status| status.observed_generation))
        })
        || shares_of(inputs, entry)
            .any(|share| changed(&share.metadata, share.status.read().and_then(|status| status.observed_generation)))
}

fn shares_of<'a>(inputs: Inputs<'a>, entry: &'a Membership) -> impl Iterator<Item = &'a crate::cache::Share> {
    inputs.declared.shares(namespace(&entry.metadata), &entry.reading.terms.partner)
}
