//! Plans a membership. It owns everything its guest has: the record, the invitation, the login, and the grants of all
//! shares of its partner.

mod status;
mod steps;

use jiff::{SignedDuration, Timestamp};

use super::access::{Access, access};
use super::behind;
use super::claims::{Claim, annotation, is_leaving, is_paused, uid};
use super::common;
use super::judge::{Gate, MemberView, PartnerView, ShareView};
use super::lifecycle::State;
use super::{Finalizer, Notice, Plan, Status, Step, World};
use crate::api;
use crate::directory::{GuestRecord, Operation, Origin, Weight};
use crate::index::{Membership, Slot};
use crate::rules::Reason;
use status::status;
use steps::{admit, is_in_order, keep_and_give, take};

/// `ExpiringSoon` comes this long before the end.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Plans the membership of a name.
pub fn plan(world: World<'_>, namespace: &str, name: &str) -> Plan {
    let slot = world.declared.membership(namespace, name);
    let Some(slot) = slot else { return Plan::nothing() };
    let Slot::Read(entry) = slot else { return unreadable(world, slot) };
    let partner = PartnerView::of(world, namespace, &entry.reading.terms.partner);
    let member = MemberView::of(world, &partner, entry);
    if !world.directory_available {
        let status = unavailable(world, entry);
        return Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() };
    }
    if is_leaving(&entry.metadata) {
        return remove(world, &member);
    }
    if world.observed.missing().contains(uid(&entry.metadata)) {
        return behind::plan(world, entry);
    }
    let shares = shares(world, &partner, &member);
    let paused = is_paused(&entry.metadata) || partner.paused;
    let mut steps = Vec::new();
    match member.claim {
        Claim::Mine(record) | Claim::Passes(record) if member.state == State::Terminating => {
            // Its partner's deletion takes it along. What its own, which follows, would take away is taken away now.
            let first = |step: &Step| step.operation.weight() == Weight::Take;
            steps.extend(end(record).into_iter().filter(first));
        }
        Claim::Mine(record) | Claim::Passes(record) => {
            take(&partner, &member, record, &shares, world, &mut steps);
            keep_and_give(world, &partner, &member, record, &shares, &mut steps);
        }
        Claim::Free | Claim::Revives(_) => admit(world, &partner, &member, &mut steps),
        Claim::Taken | Claim::Stranger => {}
    }
    steps.retain(|step| step.operation.weight() == Weight::Take || (!paused && may_give(world, &partner, step)));
    let record = member.claim.live();
    let finalizer = if record.is_some() || !steps.is_empty() { Finalizer::Hold } else { Finalizer::Leave };
    // Accepted, but the partner's record is not there yet, or says still that it is suspended: what there is to say comes with
    // it. One that would not be accepted then either (suspended, expired) says so now.
    let waits = (record.is_none() && is_in_order(&member)) || partner.is_being_lifted();
    let early = waits && steps.is_empty() && !paused && world.workspace.is_readable();
    let status = (!early).then(|| status(world, &member, &shares, paused));
    Plan {
        notices: notices(&member, &steps),
        basis: match member.claim {
            Claim::Mine(record) | Claim::Passes(record) | Claim::Revives(record) => Some(record.revision),
            Claim::Taken | Claim::Stranger | Claim::Free => None,
        },
        steps,
        finalizer,
        deletions: Vec::new(),
        status: status.map(|status| Status::Membership(Box::new(status))),
        next_look: next_look(world, &partner, &member, &shares),
        waits_for_turn: member.wait.is_some_and(|wait| wait.reason == Reason::InvitationLimit),
        closer: record.filter(|_| lacks_a_method(&member, &shares)).map(|record| record.address.clone()),
    }
}

/// Whether something is withheld only for want of a method, while another one is enrolled.
fn lacks_a_method(member: &MemberView<'_>, shares: &[Shared<'_>]) -> bool {
    let lacks = |gate: Gate| gate == Gate::Shut(Reason::MfaMethodMissing);
    lacks(member.gate) || shares.iter().any(|(_, access)| lacks(access.gate))
}

/// Whether a step may be taken though it does not take away.
fn may_give(world: World<'_>, partner: &PartnerView<'_>, step: &Step) -> bool {
    step.operation.weight() != Weight::Give || (world.workspace.is_readable() && !partner.is_being_lifted())
}

/// An object that does not read grants nothing new and takes nothing away; it can still be deleted.
fn unreadable(world: World<'_>, slot: &Slot<api::GuestMembershipStatus, crate::rules::MembershipTerms>) -> Plan {
    let meta = slot.metadata();
    let record = world.observed.live_by_uid(uid(meta));
    if !world.directory_available {
        return Plan::nothing();
    }
    if is_leaving(meta) {
        let steps = record.map(end).unwrap_or_default();
        return Plan { steps, finalizer: Finalizer::Release, ..Plan::nothing() };
    }
    let status =
        api::GuestMembershipStatus { conditions: common::unreadable(slot), ..api::GuestMembershipStatus::default() };
    Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() }
}

fn unavailable(world: World<'_>, entry: &Membership) -> api::GuestMembershipStatus {
    let mut status = entry.status.read().unwrap_or_default();
    status.conditions = common::unavailable(&entry.metadata, &status.conditions, world.now);
    status
}

/// Withhold, then deactivate what we made or let go what we adopted; then the finalizer goes.
fn remove(world: World<'_>, member: &MemberView<'_>) -> Plan {
    let record = member.claim.live();
    let steps = record.map(end).unwrap_or_default();
    let notices = if steps.is_empty() { Vec::new() } else { vec![Notice::REMOVED] };
    let status = status(world, member, &[], false);
    Plan {
        basis: record.map(|record| record.revision),
        steps,
        finalizer: Finalizer::Release,
        status: Some(Status::Membership(Box::new(status))),
        notices,
        ..Plan::nothing()
    }
}

/// The steps that end a membership.
pub fn end(record: &GuestRecord) -> Vec<Step> {
    let guest = record.id.clone();
    let mut steps = Vec::new();
    let mut push = |operation, because: &str| {
        steps.push(Step { operation, reason: Reason::Terminating, because: because.to_owned() });
    };
    if !record.grants.is_empty() {
        let accounts = record.grants.keys().cloned().collect();
        push(Operation::Withhold { guest: guest.clone(), accounts }, "the membership is being deleted");
    }
    if record.invitation.is_some() {
        push(Operation::RevokeInvitation { guest: guest.clone() }, "the membership is being deleted");
    }
    match record.mark.as_ref().map(|mark| mark.origin) {
        Some(Origin::Made) => push(Operation::Deactivate { guest }, "the membership is being deleted"),
        Some(Origin::Adopted) => {
            push(Operation::Release { guest }, "the membership is being deleted, and the user was adopted")
        }
        None => {}
    }
    steps
}

/// What the partner's shares say about this guest, by account. Of two shares of one account the one that stands counts.
type Shared<'a> = (ShareView<'a>, Access);

fn shares<'a>(world: World<'a>, partner: &PartnerView<'a>, member: &MemberView<'a>) -> Vec<Shared<'a>> {
    world
        .declared
        .shares(partner.namespace, &partner.name)
        .filter_map(|entry| {
            let share = ShareView::of(world, partner, entry);
            let access = access(world, partner, &share, member)?;
            Some((share, access))
        })
        .collect()
}

/// What people are told: refusals, and access that is taken away.
fn notices(member: &MemberView<'_>, steps: &[Step]) -> Vec<Notice> {
    let mut notices: Vec<Notice> =
        member.violations.first().map(|first| Notice::refused(first.reason)).into_iter().collect();
    let find = |wanted: fn(&Operation) -> bool| steps.iter().find(|step| wanted(&step.operation));
    let taken = find(|operation| matches!(operation, Operation::Withhold { .. } | Operation::ResetMfa { .. }));
    let shut = find(|operation| matches!(operation, Operation::DisableLogin { .. }));
    notices.extend(match (taken, shut) {
        (Some(taken), _) => Some(Notice::withheld(taken.reason)),
        (None, Some(shut)) => Some(Notice { reason: shut.reason, ..Notice::SHUT }),
        (None, None) => None,
    });
    notices
}

/// When the end of a new membership comes close enough for the partner's longest duration.
fn short_enough(partner: &PartnerView<'_>, member: &Membership) -> Option<Timestamp> {
    let longest = partner.entry?.reading.terms.max_duration?;
    member.reading.terms.expires_at?.checked_sub(longest).ok()
}

/// The earliest instant at which something changes by itself.
fn next_look(
    world: World<'_>,
    partner: &PartnerView<'_>,
    member: &MemberView<'_>,
    shares: &[Shared<'_>],
) -> Option<Timestamp> {
    let record = member.claim.live();
    let invitation = record.and_then(|record| record.invitation).map(|invitation| invitation.expires_at);
    let asked = [api::RESEND_INVITATION, api::RESET_MFA]
        .into_iter()
        .filter_map(|annotated| crate::rules::time::instant(annotation(&member.entry.metadata, annotated)?).ok());
    // A propagator whose end exceeds maxDuration passes nothing on until less time is left.
    let rejected =
        shares.iter().filter(|(_, access)| access.rejected).filter_map(|(_, access)| access.through.as_ref());
    let propagators =
        rejected.filter_map(|name| world.declared.membership(partner.namespace, name).and_then(Slot::read));
    [
        invitation,
        member.deadline,
        member.expires_at,
        member.expires_at.and_then(|end| end.checked_sub(SOON).ok()),
        member.wait.and_then(|wait| wait.until),
        member.unknown_until,
        partner.expires_at,
        record.is_none().then(|| short_enough(partner, member.entry)).flatten(),
    ]
    .into_iter()
    .flatten()
    .chain(shares.iter().filter_map(|(share, _)| share.expires_at))
    .chain(asked)
    .chain(propagators.filter_map(|propagator| short_enough(partner, propagator)))
    .filter(|instant| *instant > world.now)
    .min()
}
