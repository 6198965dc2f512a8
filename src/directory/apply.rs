//! What an operation makes of a guest's record, as pure data: for a backend that keeps records as documents and has no
//! language of its own to change them. The gates are those of every directory; one contract holds them all to it.

use jiff::Timestamp;

use super::{Grant, GrantRecord, GuestRecord, Login, MfaRecord, Operation, Origin, Owner, SentMail};
use crate::domain::{GuestRole, Methods, ShareRole};

/// What an operation has to know besides the record.
pub struct ApplyContext<'a> {
    /// When it happens.
    pub at: Timestamp,
    /// Whose directory it is.
    pub owner: Option<&'a Owner>,
    /// The accounts among those that the operation names which exist and are not deleted.
    pub accounts: &'a [String],
    /// Whether the partner that the operation names has a live record.
    pub home: bool,
}

/// What became of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliedRecord {
    /// It was so already.
    Same,
    /// It says something else now.
    Changed,
    /// It is not ours any more: the identity stays, without mark and grants.
    Unmarked,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreconditionFailed {
    /// The facts are not those that the operation was planned on.
    Stale,
    /// The identity was adopted, and is not ours to disable, reset or deactivate.
    Adopted,
    /// The identity was made by us, and is not released.
    Created,
    /// The mark is not the owner's.
    Foreign(Owner),
}

/// Changes a record as the operation says. Operations that write or end whole records are none of its business: they leave
/// it as it is.
pub fn apply(
    record: &mut GuestRecord,
    operation: &Operation,
    around: &ApplyContext<'_>,
) -> Result<AppliedRecord, PreconditionFailed> {
    let before = record.clone();
    match operation {
        Operation::Revoke { accounts, .. } => record.grants.retain(|account, _| !accounts.contains(account)),
        Operation::Reduce { grants, .. } => lower(record, grants)?,
        Operation::Demote { .. } => {
            record.role = GuestRole::GuestUser;
            for held in record.grants.values_mut() {
                held.grant.role = ShareRole::Collaborator;
            }
        }
        Operation::Promote { .. } => {
            live(record)?;
            record.role = GuestRole::GuestAdmin;
        }
        Operation::RevokeInvitation { .. } => record.invitation = None,
        Operation::DisableLogin { .. } => {
            made(record)?;
            record.login = record.login.disabled();
        }
        Operation::EnableLogin { .. } => {
            live(record)?;
            made(record)?;
            not_disabled_by_other(record)?;
            record.login = Login::Enabled;
        }
        Operation::ResetMfa { enrolled_before, .. } => reset(record, *enrolled_before, around.at)?,
        Operation::Deactivate { .. } => {
            made(record)?;
            record.grants.clear();
            record.invitation = None;
            record.login = record.login.disabled();
            record.deactivated_at = record.deactivated_at.or(Some(around.at));
        }
        Operation::RemoveAdopted { .. } => {
            if record.mark.as_ref().is_none_or(|mark| mark.origin == Origin::Created) {
                return Err(PreconditionFailed::Created);
            }
            return Ok(unmark(record));
        }
        Operation::Unmanage { .. } => {
            live(record)?;
            return Ok(unmark(record));
        }
        Operation::UpdateGuest { mark, partner, partner_name, display_name, allowed, .. } => {
            live(record)?;
            let described = GuestRecord {
                mark: Some(mark.clone()),
                partner: partner.clone(),
                partner_name: partner_name.clone(),
                display_name: display_name.clone(),
                allowed: allowed.clone(),
                ..record.clone()
            };
            if described != *record {
                ours(around.owner, mark)?;
                // What was adopted stays adopted, and what was made stays made.
                let same = record.mark.as_ref().is_some_and(|held| held.origin == mark.origin);
                if !around.home || !same {
                    return Err(PreconditionFailed::Stale);
                }
                *record = described;
            }
        }
        Operation::ResendInvitation { expires_at, .. } => {
            live(record)?;
            not_disabled_by_other(record)?;
            if record.joined_at.is_some() {
                return Err(PreconditionFailed::Stale);
            }
            // The answer to an invitation that went out was lost: it is not sent twice.
            if record.invitation.is_none_or(|invitation| invitation.expires_at != *expires_at) {
                record.invitation = Some(super::InvitationRecord { sent_at: around.at, expires_at: *expires_at });
                record.last_mail_at = Some(around.at);
                let namespace = record.mark.as_ref().map(|mark| mark.namespace.as_str()).unwrap_or_default();
                record.recent_mails = SentMail::with(&record.recent_mails, namespace, around.at);
            }
        }
        Operation::Grant { grants, .. } => give(record, grants, around)?,
        Operation::InviteGuest { .. }
        | Operation::Purge { .. }
        | Operation::PurgePartner { .. }
        | Operation::ForgetShare { .. }
        | Operation::DeactivatePartner { .. }
        | Operation::ApplyPartner { .. } => {}
    }
    Ok(if *record == before { AppliedRecord::Same } else { AppliedRecord::Changed })
}

/// A mark that is written is the owner's own.
pub fn ours(owner: Option<&Owner>, mark: &super::OwnershipMark) -> Result<(), PreconditionFailed> {
    match owner {
        Some(owner) if owner.installation != mark.installation || owner.cluster != mark.cluster => {
            Err(PreconditionFailed::Foreign(owner.clone()))
        }
        Some(_) | None => Ok(()),
    }
}

fn unmark(record: &mut GuestRecord) -> AppliedRecord {
    record.grants.clear();
    record.invitation = None;
    record.mark = None;
    AppliedRecord::Unmarked
}

fn live(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    if record.deactivated_at.is_some() { Err(PreconditionFailed::Stale) } else { Ok(()) }
}

/// Enabling the login, or a mail, would undo the decision of an administrator.
fn not_disabled_by_other(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    if record.login == Login::DisabledByOther { Err(PreconditionFailed::Stale) } else { Ok(()) }
}

fn made(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    let made = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    if made { Ok(()) } else { Err(PreconditionFailed::Adopted) }
}

fn lower(record: &mut GuestRecord, grants: &[Grant]) -> Result<(), PreconditionFailed> {
    for grant in grants {
        // What is not held is not lowered.
        let Some(held) = record.grants.get_mut(&grant.account) else { continue };
        let later = held.grant.until.is_some_and(|end| grant.until.is_none_or(|until| until > end));
        let raises = grant.role > held.grant.role
            || later
            || !grant.allowed.is_subset(&held.grant.allowed)
            || !grant.asked.is_subset(&held.grant.asked);
        if raises {
            return Err(PreconditionFailed::Stale);
        }
        held.grant = grant.clone();
    }
    Ok(())
}

/// The last gate: whatever was planned, nobody gets an account without having joined, MFA and an open login.
fn give(record: &mut GuestRecord, grants: &[Grant], around: &ApplyContext<'_>) -> Result<(), PreconditionFailed> {
    live(record)?;
    let MfaRecord::Known(enrolled) = &record.mfa else { return Err(PreconditionFailed::Stale) };
    let enrolled: Methods = enrolled.keys().copied().collect();
    for grant in grants {
        let since = record.grants.get(&grant.account).map_or(around.at, |held| held.since);
        let held = GrantRecord { grant: grant.clone(), since };
        let fits = grant.role == ShareRole::Collaborator || record.role == GuestRole::GuestAdmin;
        let effective = held.is_effective(record.login, record.joined_at.is_some(), &enrolled, around.at);
        if !around.accounts.contains(&grant.account) || !fits || !effective {
            return Err(PreconditionFailed::Stale);
        }
        record.grants.insert(grant.account.clone(), held);
    }
    Ok(())
}

/// Also revokes the grants that the methods that are left do not suffice for.
fn reset(record: &mut GuestRecord, before: Timestamp, at: Timestamp) -> Result<(), PreconditionFailed> {
    made(record)?;
    let MfaRecord::Known(methods) = &mut record.mfa else { return Ok(()) };
    let held = methods.len();
    methods.retain(|_, since| *since >= before);
    if methods.len() == held {
        return Ok(());
    }
    if methods.is_empty() {
        record.mfa_lost_at = Some(at);
    }
    let enrolled: Methods = methods.keys().copied().collect();
    let (login, joined) = (record.login, record.joined_at.is_some());
    record.grants.retain(|_, held| held.is_effective(login, joined, &enrolled, at));
    Ok(())
}
