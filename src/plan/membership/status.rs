//! What a membership's status says.

use super::super::World;
use super::super::common::Common;
use super::super::conditions::{self, Domain, Situation, Truth, show};
use super::super::judge::{Gate, MemberView};
use super::super::lifecycle::State;
use super::{SOON, Shared};
use crate::api;
use crate::directory::GrantRecord;
use crate::rules::{Methods, Reason};

/// How many accounts a status holds.
const LISTED_ACCOUNTS: usize = 100;

/// Which row of the table applies.
fn situation(world: World<'_>, member: &MemberView<'_>, paused: bool) -> Situation {
    if let Some(violated) = Situation::violated(&member.violations) {
        return violated;
    }
    if is_disabled_by_other(member) {
        return Situation::waits(Reason::DisabledByAdministrator);
    }
    if let Some(wait) = member.wait {
        let waits = Situation::waits(wait.reason);
        let by = member.entry.reading.terms.invited_by.as_ref().filter(|_| wait.reason == Reason::InviterNotActive);
        let named = by.map(|by| format!("The inviter {by} does not exist or is not Active."));
        return Situation { message: named.unwrap_or(waits.message), ..waits };
    }
    if paused {
        return Situation::held(Reason::Paused);
    }
    if !world.workspace.is_readable() && member.claim.live().is_none() {
        return Situation::waits(Reason::PolicyUnreadable);
    }
    match member.state {
        State::Terminating => Situation::held(Reason::Terminating),
        State::Suspended if member.overdue => Situation::fine(Reason::MfaEnrolmentOverdue),
        State::Pending if member.suspended => {
            let message = "spec.suspended is true on the membership or its partner, so no invitation is sent. Set it to false to invite the guest.";
            Situation { message: message.to_owned(), ..Situation::fine(Reason::Suspended) }
        }
        State::Pending if member.expired => {
            let end = member.expires_at.map(|end| format!(", {}", show(end))).unwrap_or_default();
            let message = format!(
                "The end of the membership or its partner{end}, has passed, so no invitation is sent. Set a later expiresAt to \
                 invite the guest."
            );
            Situation { message, ..Situation::fine(Reason::Expired) }
        }
        State::Pending => Situation::waits(Reason::Pending),
        State::Joined if has_another_method(member) => {
            let message = "The guest has joined; nothing can be used until an MFA method is enrolled that counts here.";
            Situation { message: message.to_owned(), ..Situation::fine(Reason::Joined) }
        }
        State::Rejected
        | State::Suspended
        | State::Expired
        | State::InvitationExpired
        | State::Invited
        | State::Joined
        | State::Active => Situation::fine(member.state.reason()),
    }
}

/// Whether the guest is suspended only because another party disabled the login.
fn is_disabled_by_other(member: &MemberView<'_>) -> bool {
    member.state == State::Suspended && member.disabled_by_other && !member.suspended
}

/// Whether something is enrolled, and nothing that counts.
fn has_another_method(member: &MemberView<'_>) -> bool {
    member.enrolled.as_ref().is_some_and(|enrolled| !enrolled.is_empty() && enrolled.is_disjoint(&member.allowed))
}

/// What is to be said of a membership.
pub fn status(
    world: World<'_>,
    member: &MemberView<'_>,
    shares: &[Shared<'_>],
    paused: bool,
) -> api::GuestMembershipStatus {
    let old = member.entry.status.conditions();
    let situation = situation(world, member, paused);
    let record = member.claim.live();
    let accounts = accounts(world, member, shares, paused);
    let domain = domain_conditions(world, member, &situation);
    let Common { observed_generation, last_handled_reconcile_at, conditions, violations, violation_count } =
        Common::of(&member.entry.metadata, &old, world.now, &situation, domain, &member.violations);
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

fn mfa_status(member: &MemberView<'_>) -> api::MfaStatus {
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
    world: World<'_>,
    member: &MemberView<'_>,
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
                held.is_effective(record.login, record.joined_at.is_some(), enrolled, world.now)
            });
            let reason = match access.gate {
                Gate::Shut(reason) | Gate::Keep(reason) => Some(reason),
                Gate::Open if effective => None,
                Gate::Open if held.is_some_and(GrantRecord::is_blocked) => Some(Reason::DirectoryRefused),
                Gate::Open if paused => Some(Reason::Paused),
                Gate::Open if !world.workspace.is_readable() => Some(Reason::PolicyUnreadable),
                Gate::Open => Some(Reason::Pending),
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

/// The guest has a method, and it does not count.
fn method_missing(enrolled: &Methods, allowed: &Methods) -> String {
    let names = |methods: &Methods| methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
    let (enrolled, allowed) = (names(enrolled), names(allowed));
    format!("The guest enrolled {enrolled}, which does not count. They have to enrol {allowed}.")
}

fn domain_conditions(world: World<'_>, member: &MemberView<'_>, situation: &Situation) -> Vec<Domain> {
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
        .is_some_and(|end| end > world.now && end.checked_sub(SOON).is_ok_and(|start| start <= world.now));
    vec![
        Domain {
            type_: api::ConditionType::Joined,
            status: joined.into(),
            reason: if joined { api::ConditionType::Joined.as_str() } else { word },
            message: if joined { "The guest accepted the invitation." } else { "The guest has not accepted yet." }
                .to_owned(),
        },
        Domain { type_: api::ConditionType::MfaSatisfied, status: mfa, reason: mfa_reason, message: mfa_message },
        Domain {
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
