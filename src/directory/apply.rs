//! Applies an operation to a guest's record, as pure data. Backends that store records as documents use it. It has
//! the same preconditions as every other backend; one contract test holds them all to it.

use jiff::Timestamp;

use super::{Grant, GrantRecord, GuestRecord, Login, MfaRecord, Operation, Origin, Owner, SentMail};
use crate::domain::{GuestRole, Methods, ShareRole};

/// The facts besides the record that [`apply`] needs.
pub struct ApplyContext<'a> {
    /// The time of the operation.
    pub at: Timestamp,
    /// The installation and cluster that own the directory.
    pub owner: Option<&'a Owner>,
    /// The accounts that the operation names, that exist and are not deleted.
    pub accounts: &'a [String],
    /// Whether the partner that the operation names has a live record.
    pub home: bool,
}

/// The effect of an operation on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliedRecord {
    /// The record was already in the wanted state.
    Same,
    /// The record was changed.
    Changed,
    /// The ownership mark and the grants were removed; the identity stays.
    Unmarked,
}

/// The reason why an operation was refused. The record is unchanged then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreconditionFailed {
    /// The record differs from the state that the operation was planned on.
    Stale,
    /// guestlist adopted the identity, so it must not disable, reset or deactivate it.
    Adopted,
    /// guestlist created the identity, so it must not be unmanaged as an adopted one.
    Created,
    /// The ownership mark names another installation or cluster than the directory's owner.
    Foreign(Owner),
}

/// Applies the operation to the record. Operations that create or remove whole records leave it unchanged.
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
                // An update never changes the origin (created or adopted).
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
            // An invitation with the same end is already recorded: the earlier attempt sent it, and only its response
            // was lost.
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

/// Checks that the ownership mark names the directory's owner. Without an owner, every mark passes.
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

/// Enabling the login or sending a mail would undo an administrator's decision.
fn not_disabled_by_other(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    if record.login == Login::DisabledByOther { Err(PreconditionFailed::Stale) } else { Ok(()) }
}

fn made(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    let made = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    if made { Ok(()) } else { Err(PreconditionFailed::Adopted) }
}

fn lower(record: &mut GuestRecord, grants: &[Grant]) -> Result<(), PreconditionFailed> {
    for grant in grants {
        // A grant that the guest does not have is skipped.
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

/// The backend's own precondition, whatever was planned: a grant needs a joined guest, MFA and an enabled login.
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

/// Also revokes the grants for which the remaining methods do not suffice.
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
