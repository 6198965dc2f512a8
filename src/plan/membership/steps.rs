//! The steps for one guest: first all revocations, then updates without effect on access, then grants.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::conditions;
use super::super::evaluate::membership::mail_due;
use super::super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner};
use super::super::lifecycle::State;
use super::super::ownership::{Ownership, annotation, is_behind, is_being_deleted, name, namespace, uid};
use super::super::{Inputs, Step};
use super::Shared;
use crate::api;
use crate::cache::Membership;
use crate::directory::{
    Grant, GrantRecord, GuestChange, GuestId, GuestRecord, Integrity, Login, MfaRecord, NewGuest, Operation, Origin,
    OwnershipMark, PartnerId,
};
use crate::domain::{Email, GuestRole, Methods, Reason};
use crate::validation::{ReasonGroup, entry};

/// The namespace of identifiers that are derived from UIDs and addresses.
const GUEST_IDS: Uuid = Uuid::from_bytes(*b"guestlist-guests");

/// A grant that the specs call for.
struct Wanted {
    grant: Grant,
    /// Whether guestlist may grant or raise it. Otherwise an existing grant only stays.
    is_open: bool,
}

/// The wanted grants, by account: allowed ones, and existing ones whose decision is Retain.
fn wanted(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    member: &EvaluatedMembership<'_>,
    record: &GuestRecord,
    shares: &[Shared<'_>],
) -> BTreeMap<String, Wanted> {
    let stays = |grant| Wanted { grant, is_open: false };
    let mut wanted = BTreeMap::new();
    for (_, access) in shares {
        let held = record.grants.get(&access.grant.account).map(|held| &held.grant);
        match access.gate {
            Decision::Allow => {
                wanted.insert(access.grant.account.clone(), Wanted { grant: access.grant.clone(), is_open: true });
            }
            Decision::Retain(_) => {
                if let Some(kept) = held.and_then(|held| intersection(held, &access.grant)) {
                    wanted.entry(access.grant.account.clone()).or_insert_with(|| stays(kept));
                }
            }
            Decision::Deny(_) => {}
        }
    }
    // A grant through an unreadable share stays while the share is declared and not being deleted. Meanwhile no other
    // share of the account replaces the grant.
    for (account, held) in &record.grants {
        let share = inputs.declared.share(partner.namespace, &held.grant.share);
        let Some(share) = share.filter(|slot| !is_being_deleted(slot.metadata())) else { continue };
        let unreadable = share.read().is_none() && is_behind(inputs, share.metadata(), &held.grant);
        if unreadable && !matches!(member.gate, Decision::Deny(_)) {
            wanted.insert(account.clone(), stays(held.grant.clone()));
        }
    }
    wanted
}

/// The common part of an existing grant and another one; `None`: they have none. A share created again under the same
/// name, by a restore for example, continues the earlier one. No other share has that name, so only its present grant
/// counts.
fn intersection(held: &Grant, other: &Grant) -> Option<Grant> {
    if held.share_uid != other.share_uid && held.share != other.share {
        return None;
    }
    let allowed: Methods = held.allowed.intersection(&other.allowed).copied().collect();
    let asked: Methods = held.asked.intersection(&other.asked).copied().collect();
    let until = [held.until, other.until].into_iter().flatten().min();
    let empty = allowed.is_empty() || asked.is_empty();
    (!empty).then(|| Grant { role: held.role.min(other.role), allowed, asked, until, ..held.clone() })
}

/// Adds all steps that revoke or reduce access, in order.
pub fn add_revocations(
    partner: &EvaluatedPartner<'_>,
    member: &EvaluatedMembership<'_>,
    record: &GuestRecord,
    shares: &[Shared<'_>],
    inputs: Inputs<'_>,
    steps: &mut Vec<Step>,
) {
    let guest = &record.id;
    let terms = &member.entry.reading.terms;
    let whole = inputs.is_whole(namespace(&member.entry.metadata), &terms.partner);
    if !whole && partner.entry.is_none() {
        return;
    }
    let wanted = wanted(inputs, partner, member, record, shares);
    // If not all shares are declared here, an absent share may be declared elsewhere. A grant without a share is
    // declared nowhere.
    let elsewhere = |held: &GrantRecord| {
        !whole && !held.grant.share_uid.is_empty() && !inputs.declared.has_share_uid(&held.grant.share_uid)
    };
    let mut withhold: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    let mut lower = Vec::new();
    for (account, held) in record.grants.iter().filter(|(_, held)| !elsewhere(held)) {
        match wanted.get(account).and_then(|wanted| intersection(&held.grant, &wanted.grant)) {
            Some(less) if less == held.grant => {}
            Some(less) => lower.push(less),
            None => withhold.entry(why(account, member, shares)).or_default().push(account.clone()),
        }
    }
    for (reason, accounts) in withhold {
        let because = format!("{}: {}", accounts.join(", "), because(reason));
        steps.push(Step {
            operation: Operation::Guest { id: guest.clone(), change: GuestChange::Revoke { accounts } },
            reason,
            message: because,
        });
    }
    let mut push =
        |operation, reason, because: &str| steps.push(Step { operation, reason, message: because.to_owned() });
    if !lower.is_empty() {
        let operation = Operation::Guest { id: guest.clone(), change: GuestChange::Reduce { grants: lower } };
        push(operation, Reason::Reconciled, "the shares grant less than before");
    }
    if record.role == GuestRole::GuestAdmin && member.entry.reading.terms.role == GuestRole::GuestUser {
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::Demote },
            Reason::Reconciled,
            "spec.role says GuestUser",
        );
    }
    // A suspended guest keeps the invitation, because their login is disabled.
    if member.state == State::Rejected
        && record.invitation.is_some()
        && let Some(violation) = member.violations.first()
    {
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::RevokeInvitation },
            violation.reason,
            "the membership breaks a rule",
        );
    }
    let off = member.suspended || member.expired;
    if record.login.is_enabled() && off && member.origin == Origin::Created {
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::DisableLogin },
            member.state.reason(),
            "suspended or expired",
        );
    }
    if let Some(before) = reset_asked(inputs, member.entry, record) {
        let operation =
            Operation::Guest { id: guest.clone(), change: GuestChange::ResetMfa { enrolled_before: before } };
        push(operation, Reason::MfaNotEnrolled, "the annotation guestlist.dev/reset-mfa asks for it");
    }
}

/// The grants that are left after the steps that revoke access.
fn left(record: &GuestRecord, steps: &[Step]) -> Vec<Grant> {
    let mut left: Vec<Grant> = record.grants.values().map(|held| held.grant.clone()).collect();
    for step in steps {
        match &step.operation {
            Operation::Guest { change: GuestChange::Revoke { accounts }, .. } => {
                left.retain(|held| !accounts.contains(&held.account));
            }
            Operation::Guest { change: GuestChange::Reduce { grants }, .. } => {
                left.retain(|held| grants.iter().all(|less| less.account != held.account));
                left.extend(grants.iter().cloned());
            }
            Operation::Guest { .. } | Operation::Partner { .. } | Operation::ForgetShare { .. } => {}
        }
    }
    left
}

/// The reason for revoking an account.
fn why(account: &str, member: &EvaluatedMembership<'_>, shares: &[Shared<'_>]) -> Reason {
    let said = shares.iter().find(|(_, access)| access.grant.account == account).map(|(_, access)| access.gate);
    match (said, member.gate) {
        (Some(Decision::Deny(reason)), _) | (_, Decision::Deny(reason)) => reason,
        // An unknown decision revokes nothing, so the share no longer includes this account.
        (_, Decision::Allow | Decision::Retain(_)) => Reason::Reconciled,
    }
}

/// A reason's meaning, as the message of a revocation.
fn because(reason: Reason) -> &'static str {
    if reason == Reason::Reconciled {
        return "no share grants it";
    }
    let known = entry(reason);
    if known.sort == ReasonGroup::Rule { known.meaning } else { conditions::sentence(reason) }
}

/// The instant before which enrolled MFA methods are to be deleted. `None`: no annotation asks for it, or no method is
/// that old.
fn reset_asked(inputs: Inputs<'_>, entry: &Membership, record: &GuestRecord) -> Option<Timestamp> {
    let before = crate::domain::time::instant(annotation(&entry.metadata, api::RESET_MFA)?).ok()?;
    let MfaRecord::Known(methods) = &record.mfa else { return None };
    let made = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    (made && record.joined_at.is_some() && before <= inputs.now && methods.values().any(|since| *since < before))
        .then_some(before)
}

/// Adds all steps that update the record or grant access, in order.
pub fn add_updates_and_grants(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    member: &EvaluatedMembership<'_>,
    record: &GuestRecord,
    shares: &[Shared<'_>],
    steps: &mut Vec<Step>,
) {
    if !member.violations.is_empty() {
        return;
    }
    let terms = &member.entry.reading.terms;
    let guest = &record.id;
    let left = left(record, steps);
    let mut push = |operation, reason, because: String| steps.push(Step { operation, reason, message: because });
    let mark = mark(inputs, member);
    let described = described(member);
    let home = partner.record.map_or_else(|| record.partner.clone(), |record| record.id.clone());
    // Without the partner, the guest's allowed methods are unknown.
    let allowed = if partner.entry.is_some() { member.allowed.clone() } else { record.allowed.clone() };
    if record.integrity != Integrity::Intact
        || record.mark.as_ref() != Some(&mark)
        || record.display_name != described
        || record.partner != home
        || record.partner_name != terms.partner
        || record.allowed != allowed
    {
        let operation = Operation::Guest {
            id: guest.clone(),
            change: GuestChange::Update {
                mark,
                partner: home,
                partner_name: terms.partner.clone(),
                display_name: described,
                allowed,
            },
        };
        push(operation, Reason::Reconciled, "the record follows the object".to_owned());
    }
    if partner.blocked.is_some() {
        return;
    }
    let off = member.suspended || member.expired;
    if record.login == Login::DisabledByGuestlist && !off && member.origin == Origin::Created {
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::EnableLogin },
            member.state.reason(),
            "no longer suspended or expired".to_owned(),
        );
    }
    // Before that, the guest may be a member of the partner's organization.
    let is_home = partner.record.is_some_and(|home| home.id == record.partner);
    if is_home && !off && !member.disabled_by_other && member.wait.is_none() && mail_due(inputs, member.entry, record) {
        let expires_at = invitation_end(inputs, partner);
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::ResendInvitation { expires_at } },
            Reason::Invited,
            "the invitation is due again".to_owned(),
        );
    }
    if record.role == GuestRole::GuestUser && terms.role == GuestRole::GuestAdmin {
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::Promote },
            Reason::Reconciled,
            "spec.role says GuestAdmin".to_owned(),
        );
    }
    let give: Vec<Grant> = wanted(inputs, partner, member, record, shares)
        .into_values()
        .filter(|wanted| wanted.is_open)
        .map(|wanted| wanted.grant)
        .filter(|grant| !left.contains(grant))
        .collect();
    if !give.is_empty() {
        let names: Vec<_> = give.iter().map(|grant| format!("{} as {}", grant.account, grant.role)).collect();
        let because = format!("shared and MFA is on: {}", names.join(", "));
        push(
            Operation::Guest { id: guest.clone(), change: GuestChange::Grant { grants: give } },
            Reason::Active,
            because,
        );
    }
}

/// Whether a first acceptance has no obstacle, except that the partner's record may be missing.
pub fn is_in_order(member: &EvaluatedMembership<'_>) -> bool {
    member.violations.is_empty() && member.wait.is_none() && !member.suspended && !member.expired
}

/// Plans the first acceptance: the record and the first mail.
pub fn admit(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    member: &EvaluatedMembership<'_>,
    steps: &mut Vec<Step>,
) {
    let terms = &member.entry.reading.terms;
    let home = partner.record.filter(|record| record.is_live());
    let (true, Some(home), Some(address)) = (is_in_order(member), home, &terms.email) else { return };
    let operation = Operation::Guest {
        id: match member.claim {
            Ownership::Reactivatable(record) => record.id.clone(),
            Ownership::Owned(_)
            | Ownership::Inheritable(_)
            | Ownership::OwnedByOther
            | Ownership::Unmanaged
            | Ownership::Unreadable
            | Ownership::Absent => guest_id(member.entry, address),
        },
        change: GuestChange::Invite(NewGuest {
            mark: mark(inputs, member),
            partner: PartnerId(home.id.0.clone()),
            partner_name: terms.partner.clone(),
            address: address.clone(),
            display_name: described(member),
            role: terms.role,
            allowed: member.allowed.clone(),
            expires_at: invitation_end(inputs, partner),
        }),
    };
    let by = terms.invited_by.as_ref().map(ToString::to_string).unwrap_or_default();
    steps.push(Step { operation, reason: Reason::Invited, message: format!("invited by {by}") });
}

/// A guest's identifier, derived from the object's UID and the address, so that creation needs no memory. The UID alone
/// is not enough. For files it is derived from the name, and another person may get the same name later.
fn guest_id(entry: &Membership, address: &Email) -> GuestId {
    let who = format!("{} {address}", uid(&entry.metadata));
    GuestId(Uuid::new_v5(&GUEST_IDS, who.as_bytes()).to_string())
}

fn invitation_end(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Timestamp {
    let lifetime =
        partner.entry.map_or(SignedDuration::from_hours(72), |entry| entry.reading.terms.invitation_lifetime);
    inputs.now.checked_add(lifetime).unwrap_or(Timestamp::MAX)
}

fn described(member: &EvaluatedMembership<'_>) -> String {
    let terms = &member.entry.reading.terms;
    let name = terms.display_name.as_ref().map(ToString::to_string);
    name.or_else(|| terms.email.as_ref().map(ToString::to_string)).unwrap_or_default()
}

fn mark(inputs: Inputs<'_>, member: &EvaluatedMembership<'_>) -> OwnershipMark {
    let meta = &member.entry.metadata;
    OwnershipMark {
        installation: inputs.owner.installation.clone(),
        cluster: inputs.owner.cluster.clone(),
        namespace: namespace(meta).to_owned(),
        name: name(meta).to_owned(),
        uid: uid(meta).to_owned(),
        origin: member.origin,
    }
}
