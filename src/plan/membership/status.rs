//! The status of a membership.

use super::super::Inputs;
use super::super::common::Common;
use super::super::conditions::{self, KindCondition, Summary, Truth, show};
use super::super::evaluate::{Decision, EvaluatedMembership};
use super::super::lifecycle::State;
use super::{EXPIRING_SOON, Shared};
use crate::api;
use crate::directory::GrantRecord;
use crate::domain::{Methods, Reason};

/// Maximum number of accounts in a status.
const LISTED_ACCOUNTS: usize = 100;

/// The summary that applies.
fn situation(inputs: Inputs<'_>, member: &EvaluatedMembership<'_>, paused: bool) -> Summary {
    if let Some(violated) = Summary::violated(&member.violations) {
        return violated;
    }
    if is_disabled_by_other(member) {
        return Summary::waits(Reason::DisabledByAdministrator);
    }
    if let Some(wait) = member.wait {
        let waits = Summary::waits(wait.reason);
        let by = member.entry.reading.terms.invited_by.as_ref().filter(|_| wait.reason == Reason::InviterNotActive);
        let named = by.map(|by| format!("The inviter {by} does not exist or is not Active."));
        return Summary { message: named.unwrap_or(waits.message), ..waits };
    }
    if paused {
        return Summary::held(Reason::Paused);
    }
    if !inputs.workspace.is_readable() && member.claim.live().is_none() {
        return Summary::waits(Reason::PolicyUnreadable);
    }
    match member.state {
        State::Terminating => Summary::held(Reason::Terminating),
        State::Suspended if member.overdue => Summary::fine(Reason::MfaEnrolmentOverdue),
        State::Pending if member.suspended => {
            let message = "spec.suspended is true on the membership or its partner, so no invitation is sent. Set it to false to invite the guest.";
            Summary { message: message.to_owned(), ..Summary::fine(Reason::Suspended) }
        }
        State::Pending if member.expired => {
            let end = member.expires_at.map(|end| format!(", {}", show(end))).unwrap_or_default();
            let message = format!(
                "The end of the membership or its partner{end}, has passed, so no invitation is sent. Set a later expiresAt to \
                 invite the guest."
            );
            Summary { message, ..Summary::fine(Reason::Expired) }
        }
        State::Pending => Summary::waits(Reason::Pending),
        State::Joined if has_another_method(member) => {
            let message = "The guest has joined; nothing can be used until an MFA method is enrolled that counts here.";
            Summary { message: message.to_owned(), ..Summary::fine(Reason::Joined) }
        }
        State::Rejected
        | State::Suspended
        | State::Expired
        | State::InvitationExpired
        | State::Invited
        | State::Joined
        | State::Active => Summary::fine(member.state.reason()),
    }
}

/// Whether the guest is suspended only because another party disabled the login.
fn is_disabled_by_other(member: &EvaluatedMembership<'_>) -> bool {
    member.state == State::Suspended && member.disabled_by_other && !member.suspended
}

/// Whether MFA methods are enrolled, but none that is allowed.
fn has_another_method(member: &EvaluatedMembership<'_>) -> bool {
    member.enrolled.as_ref().is_some_and(|enrolled| !enrolled.is_empty() && enrolled.is_disjoint(&member.allowed))
}

/// The complete status of a membership.
pub fn status(
    inputs: Inputs<'_>,
    member: &EvaluatedMembership<'_>,
    shares: &[Shared<'_>],
    paused: bool,
) -> api::GuestMembershipStatus {
    let old = member.entry.status.conditions();
    let situation = situation(inputs, member, paused);
    let record = member.claim.live();
    let accounts = accounts(inputs, member, shares, paused);
    let domain = domain_conditions(inputs, member, &situation);
    let Common { observed_generation, last_handled_reconcile_at, conditions, violations, violation_count } =
        Common::of(&member.entry.metadata, &old, inputs.now, &situation, domain, &member.violations);
    api::GuestMembershipStatus {
        observed_generation,
        last_handled_reconcile_at,
        directory_id: record.map(|record| record.id.0.clone()),
        expires_at: member.expires_at.map(show),
        conditions,
        violations,
        violation_count,
        state: Some(member.shown_state().reason().as_str().to_owned()),
        role: Some(member.entry.reading.terms.role.as_str().to_owned()),
        invitation: record.and_then(|record| record.invitation).map(|invitation| api::InvitationStatus {
            sent_at: Some(show(invitation.sent_at)),
            expires_at: Some(show(invitation.expires_at)),
        }),
        joined_at: record.and_then(|record| record.joined_at).map(show),
        mfa: Some(mfa_status(member)),
        account_count: Some(conditions::count(accounts.len())),
        accounts: accounts.into_iter().take(LISTED_ACCOUNTS).collect(),
    }
}

fn mfa_status(member: &EvaluatedMembership<'_>) -> api::MfaStatus {
    let enrolled = match &member.enrolled {
        None => "Unknown",
        Some(methods) if methods.is_empty() => "NotEnrolled",
        Some(_) => "Enrolled",
    };
    api::MfaStatus {
        enrolled: Some(enrolled.to_owned()),
        methods: member.enrolled.iter().flatten().map(|method| method.as_str().to_owned()).collect(),
        deadline: member.deadline.map(show),
    }
}

fn accounts(
    inputs: Inputs<'_>,
    member: &EvaluatedMembership<'_>,
    shares: &[Shared<'_>],
    paused: bool,
) -> Vec<api::AccountGrantStatus> {
    let record = member.claim.live();
    shares
        .iter()
        .map(|(share, access)| {
            let held = record
                .and_then(|record| record.grants.get(&access.grant.account))
                .filter(|held| held.grant.share_uid == access.grant.share_uid);
            let effective = record.zip(held).zip(member.enrolled.as_ref()).is_some_and(|((record, held), enrolled)| {
                held.is_effective(record.login, record.joined_at.is_some(), enrolled, inputs.now)
            });
            let reason = match access.gate {
                Decision::Deny(reason) | Decision::Retain(reason) => Some(reason),
                Decision::Allow if effective => None,
                Decision::Allow if held.is_some_and(GrantRecord::is_blocked) => Some(Reason::DirectoryRefused),
                Decision::Allow if paused => Some(Reason::Paused),
                Decision::Allow if !inputs.workspace.is_readable() => Some(Reason::PolicyUnreadable),
                Decision::Allow => Some(Reason::Pending),
            };
            api::AccountGrantStatus {
                account: access.grant.account.clone(),
                share: share.name().to_owned(),
                role: access.grant.role.as_str().to_owned(),
                via: access.via.as_str().to_owned(),
                through: access.through.clone(),
                since: held.map(|held| show(held.since)),
                until: access.grant.until.map(show),
                effective,
                reason: reason.filter(|_| !effective).map(|reason| reason.as_str().to_owned()),
            }
        })
        .collect()
}

/// The message for a guest whose enrolled methods are not allowed.
fn method_missing(enrolled: &Methods, allowed: &Methods) -> String {
    let names = |methods: &Methods| methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
    let (enrolled, allowed) = (names(enrolled), names(allowed));
    format!("The guest enrolled {enrolled}, which does not count. They have to enrol {allowed}.")
}

fn domain_conditions(inputs: Inputs<'_>, member: &EvaluatedMembership<'_>, situation: &Summary) -> Vec<KindCondition> {
    let joined = member.claim.live().is_some_and(|record| record.joined_at.is_some());
    let word = situation.reason.as_str();
    let (mfa, mfa_reason, mfa_message) = match &member.enrolled {
        None if joined => {
            (Truth::Unknown, Reason::MfaUnknown.as_str(), conditions::sentence(Reason::MfaUnknown).to_owned())
        }
        None => (Truth::Unknown, word, "Known once the guest has joined.".to_owned()),
        Some(enrolled) if enrolled.is_empty() => {
            (Truth::False, Reason::MfaNotEnrolled.as_str(), conditions::sentence(Reason::MfaNotEnrolled).to_owned())
        }
        Some(enrolled) if enrolled.is_disjoint(&member.allowed) => {
            (Truth::False, Reason::MfaMethodMissing.as_str(), method_missing(enrolled, &member.allowed))
        }
        Some(_) => {
            (Truth::True, api::ConditionType::MfaSatisfied.as_str(), "A method that counts is enrolled.".to_owned())
        }
    };
    let soon = member
        .expires_at
        .is_some_and(|end| end > inputs.now && end.checked_sub(EXPIRING_SOON).is_ok_and(|start| start <= inputs.now));
    vec![
        KindCondition {
            type_: api::ConditionType::Joined,
            status: joined.into(),
            reason: if joined { api::ConditionType::Joined.as_str() } else { word },
            message: if joined { "The guest accepted the invitation." } else { "The guest has not accepted yet." }
                .to_owned(),
        },
        KindCondition {
            type_: api::ConditionType::MfaSatisfied,
            status: mfa,
            reason: mfa_reason,
            message: mfa_message,
        },
        KindCondition {
            type_: api::ConditionType::ExpiringSoon,
            status: soon.into(),
            reason: api::ConditionType::ExpiringSoon.as_str(),
            message: match member.expires_at {
                Some(end) => format!("The membership ends at {}.", show(end)),
                None => "The membership has no end.".to_owned(),
            },
        },
    ]
}
