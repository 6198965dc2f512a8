//! Plans a membership. It owns all the guest's data in the directory: the record, the invitation, the login, and the
//! grants of all shares of its partner.

mod status;
mod steps;

use jiff::{SignedDuration, Timestamp};

use super::access::{Access, access};
use super::common;
use super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare};
use super::lifecycle::State;
use super::missing_guests;
use super::ownership::{Ownership, annotation, is_being_deleted, is_paused, live_by_uid, uid};
use super::{Event, Finalizer, Inputs, Plan, Status, Step};
use crate::api;
use crate::cache::{CacheEntry, Membership};
use crate::directory::{AccessChange, GuestChange, GuestRecord, Operation, Origin};
use crate::domain::Reason;
use status::status;
use steps::{add_revocations, add_updates_and_grants, admit, is_in_order};

/// `ExpiringSoon` comes this long before the end.
const EXPIRING_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Plans the membership of a name.
pub fn plan(inputs: Inputs<'_>, namespace: &str, name: &str) -> Plan {
    let slot = inputs.declared.membership(namespace, name);
    let Some(slot) = slot else { return Plan::nothing() };
    let CacheEntry::Read(entry) = slot else { return unreadable(inputs, slot) };
    let partner = EvaluatedPartner::of(inputs, namespace, &entry.reading.terms.partner);
    let member = EvaluatedMembership::of(inputs, &partner, entry);
    if !inputs.directory_available {
        let status = unavailable(inputs, entry);
        return Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() };
    }
    if is_being_deleted(&entry.metadata) {
        return remove(inputs, &member);
    }
    if inputs.observed.missing().contains(uid(&entry.metadata)) {
        return missing_guests::plan(inputs, entry);
    }
    let shares = shares(inputs, &partner, &member);
    let paused = is_paused(&entry.metadata) || partner.paused;
    let mut steps = Vec::new();
    match member.claim {
        Ownership::Owned(record) | Ownership::Inheritable(record) if member.state == State::Terminating => {
            // The partner's deletion includes this membership. The revocations of its own later deletion run now.
            let first = |step: &Step| step.operation.access_change() == AccessChange::Revoke;
            steps.extend(end(record).into_iter().filter(first));
        }
        Ownership::Owned(record) | Ownership::Inheritable(record) => {
            add_revocations(&partner, &member, record, &shares, inputs, &mut steps);
            add_updates_and_grants(inputs, &partner, &member, record, &shares, &mut steps);
        }
        Ownership::Absent | Ownership::Reactivatable(_) => admit(inputs, &partner, &member, &mut steps),
        Ownership::OwnedByOther | Ownership::Unmanaged | Ownership::Unreadable => {}
    }
    steps.retain(|step| {
        step.operation.access_change() == AccessChange::Revoke || (!paused && may_run(inputs, &partner, step))
    });
    let record = member.claim.live();
    let finalizer = if record.is_some() || !steps.is_empty() { Finalizer::Hold } else { Finalizer::Leave };
    // The membership is accepted, but the partner's record is missing or still suspended. The status then waits for the
    // record. A membership that would not be accepted (suspended, expired) reports so now.
    let waits = (record.is_none() && is_in_order(&member)) || partner.is_suspension_ending();
    let early = waits && steps.is_empty() && !paused && inputs.workspace.is_readable();
    let status = (!early).then(|| status(inputs, &member, &shares, paused));
    Plan {
        events: events(&member, &steps),
        basis: match member.claim {
            Ownership::Owned(record) | Ownership::Inheritable(record) | Ownership::Reactivatable(record) => {
                Some(record.revision)
            }
            Ownership::OwnedByOther | Ownership::Unmanaged | Ownership::Unreadable | Ownership::Absent => None,
        },
        steps,
        finalizer,
        deletions: Vec::new(),
        status: status.map(|status| Status::Membership(Box::new(status))),
        next_check: next_check(inputs, &partner, &member, &shares),
        waits_for_turn: member.wait.is_some_and(|wait| wait.reason == Reason::InvitationLimit),
        recheck: record.filter(|_| lacks_a_method(&member, &shares)).map(|record| record.address.clone()),
    }
}

/// Whether access is withheld only because of a missing MFA method, while another one is enrolled.
fn lacks_a_method(member: &EvaluatedMembership<'_>, shares: &[Shared<'_>]) -> bool {
    let lacks = |gate: Decision| gate == Decision::Deny(Reason::MfaMethodMissing);
    lacks(member.gate) || shares.iter().any(|(_, access)| lacks(access.gate))
}

/// Whether a step may run although it revokes nothing.
fn may_run(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, step: &Step) -> bool {
    step.operation.access_change() != AccessChange::Grant
        || (inputs.workspace.is_readable() && !partner.is_suspension_ending())
}

/// Plans an unreadable object: nothing is granted and nothing is revoked, but its deletion is possible.
fn unreadable(
    inputs: Inputs<'_>,
    slot: &CacheEntry<api::GuestMembershipStatus, crate::validation::MembershipTerms>,
) -> Plan {
    let meta = slot.metadata();
    let record = live_by_uid(inputs, uid(meta));
    if !inputs.directory_available {
        return Plan::nothing();
    }
    if is_being_deleted(meta) {
        let steps = record.map(end).unwrap_or_default();
        return Plan { steps, finalizer: Finalizer::Release, ..Plan::nothing() };
    }
    let status =
        api::GuestMembershipStatus { conditions: common::unreadable(slot), ..api::GuestMembershipStatus::default() };
    Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() }
}

fn unavailable(inputs: Inputs<'_>, entry: &Membership) -> api::GuestMembershipStatus {
    let mut status = entry.status.read().unwrap_or_default();
    status.conditions = common::unavailable(&entry.metadata, &status.conditions, inputs.now);
    status
}

/// Plans the deletion: revoke, then deactivate a created user or release an adopted one, then release the finalizer.
fn remove(inputs: Inputs<'_>, member: &EvaluatedMembership<'_>) -> Plan {
    let record = member.claim.live();
    let steps = record.map(end).unwrap_or_default();
    let events = if steps.is_empty() { Vec::new() } else { vec![Event::REMOVED] };
    let status = status(inputs, member, &[], false);
    Plan {
        basis: record.map(|record| record.revision),
        steps,
        finalizer: Finalizer::Release,
        status: Some(Status::Membership(Box::new(status))),
        events,
        ..Plan::nothing()
    }
}

/// The steps that end a membership.
pub fn end(record: &GuestRecord) -> Vec<Step> {
    let guest = record.id.clone();
    let mut steps = Vec::new();
    let mut push = |operation, because: &str| {
        steps.push(Step { operation, reason: Reason::Terminating, message: because.to_owned() });
    };
    if !record.grants.is_empty() {
        let accounts = record.grants.keys().cloned().collect();
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::Revoke { accounts } },
            "the membership is being deleted",
        );
    }
    if record.invitation.is_some() {
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::RevokeInvitation },
            "the membership is being deleted",
        );
    }
    match record.mark.as_ref().map(|mark| mark.origin) {
        Some(Origin::Created) => {
            push(Operation::Guest { id: guest, change: GuestChange::Deactivate }, "the membership is being deleted");
        }
        Some(Origin::Adopted) => {
            push(
                Operation::Guest { id: guest, change: GuestChange::Release },
                "the membership is being deleted, and the user was adopted",
            );
        }
        None => {}
    }
    steps
}

/// The access of this guest through the partner's shares, by account. Of two shares of one account, the valid one
/// counts.
type Shared<'a> = (EvaluatedShare<'a>, Access);

fn shares<'a>(inputs: Inputs<'a>, partner: &EvaluatedPartner<'a>, member: &EvaluatedMembership<'a>) -> Vec<Shared<'a>> {
    inputs
        .declared
        .shares(partner.namespace, &partner.name)
        .filter_map(|entry| {
            let share = EvaluatedShare::of(inputs, partner, entry);
            let access = access(inputs, partner, &share, member)?;
            Some((share, access))
        })
        .collect()
}

/// The Events: violations, and access that is revoked.
fn events(member: &EvaluatedMembership<'_>, steps: &[Step]) -> Vec<Event> {
    let mut events: Vec<Event> =
        member.violations.first().map(|first| Event::refused(first.reason)).into_iter().collect();
    let find = |wanted: fn(&Operation) -> bool| steps.iter().find(|step| wanted(&step.operation));
    let taken = find(|operation| {
        matches!(operation, Operation::Guest { change: GuestChange::Revoke { .. } | GuestChange::ResetMfa { .. }, .. })
    });
    let shut = find(|operation| matches!(operation, Operation::Guest { change: GuestChange::DisableLogin, .. }));
    events.extend(match (taken, shut) {
        (Some(taken), _) => Some(Event::withheld(taken.reason)),
        (None, Some(shut)) => Some(Event { reason: shut.reason, ..Event::SHUT }),
        (None, None) => None,
    });
    events
}

/// When the remaining time of a new membership first fits the partner's maximum duration.
fn fits_max_duration_at(partner: &EvaluatedPartner<'_>, member: &Membership) -> Option<Timestamp> {
    let longest = partner.entry?.reading.terms.max_duration?;
    member.reading.terms.expires_at?.checked_sub(longest).ok()
}

/// The earliest instant at which the result changes without an event.
fn next_check(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    member: &EvaluatedMembership<'_>,
    shares: &[Shared<'_>],
) -> Option<Timestamp> {
    let record = member.claim.live();
    let invitation = record.and_then(|record| record.invitation).map(|invitation| invitation.expires_at);
    let asked = [api::RESEND_INVITATION, api::RESET_MFA]
        .into_iter()
        .filter_map(|annotated| crate::domain::time::instant(annotation(&member.entry.metadata, annotated)?).ok());
    // A propagator whose end exceeds maxDuration passes nothing on until less time is left.
    let rejected =
        shares.iter().filter(|(_, access)| access.rejected).filter_map(|(_, access)| access.through.as_ref());
    let propagators =
        rejected.filter_map(|name| inputs.declared.membership(partner.namespace, name).and_then(CacheEntry::read));
    [
        invitation,
        member.deadline,
        member.expires_at,
        member.expires_at.and_then(|end| end.checked_sub(EXPIRING_SOON).ok()),
        member.wait.and_then(|wait| wait.until),
        member.unknown_until,
        partner.expires_at,
        record.is_none().then(|| fits_max_duration_at(partner, member.entry)).flatten(),
    ]
    .into_iter()
    .flatten()
    .chain(shares.iter().filter_map(|(share, _)| share.expires_at))
    .chain(asked)
    .chain(propagators.filter_map(|propagator| fits_max_duration_at(partner, propagator)))
    .filter(|instant| *instant > inputs.now)
    .min()
}
