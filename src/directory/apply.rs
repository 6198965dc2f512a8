//! Decides, for every backend, what an operation changes in a guest's record, and refuses it if a precondition does
//! not hold. Pure data: a backend reads the record, calls [`apply`] and writes the difference.
//!
//! No grant without joining, MFA and an enabled login: `grant` in this file checks it.

use jiff::Timestamp;

use super::{
    Grant, GrantRecord, GuestChange, GuestId, GuestRecord, Integrity, InvitationRecord, Login, MfaRecord, NewGuest,
    Origin, Owner, Revision, SentMail,
};
use crate::domain::{GuestRole, Methods, ShareRole};
use crate::util::small_map::SmallMap;

/// The facts besides the record that [`apply`] needs.
pub struct ApplyContext<'a> {
    /// The time of the operation.
    pub at: Timestamp,
    /// The installation and cluster that own the directory.
    pub owner: Option<&'a Owner>,
    /// The accounts that the operation names, that exist and are not deleted.
    pub accounts: &'a [String],
    /// Whether the partner that the operation names has a live record.
    pub partner_is_live: bool,
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

impl NewGuest {
    /// The new record, with the first invitation.
    pub fn record(&self, id: &GuestId, at: Timestamp) -> GuestRecord {
        let Self { mark, partner, partner_name, address, display_name, role, allowed, expires_at } = self.clone();
        GuestRecord {
            id: id.clone(),
            revision: Revision(0),
            recent_mails: SentMail::with(&[], &mark.namespace, at),
            mark: Some(mark),
            email: address.clone(),
            address,
            partner,
            partner_name,
            display_name,
            role,
            invitation: Some(InvitationRecord { sent_at: at, expires_at }),
            admitted_at: at,
            last_mail_at: Some(at),
            joined_at: None,
            login: Login::Enabled,
            mfa: MfaRecord::Known(SmallMap::default()),
            mfa_lost_at: None,
            allowed,
            grants: SmallMap::default(),
            deactivated_at: None,
            integrity: Integrity::Intact,
        }
    }
}

/// Applies the change to the record. A change that creates or removes a whole record leaves it unchanged.
///
/// # Errors
///
/// The operation does not fit the record. Nothing changes.
pub fn apply(
    record: &mut GuestRecord,
    change: &GuestChange,
    context: &ApplyContext<'_>,
) -> Result<AppliedRecord, PreconditionFailed> {
    let before = record.clone();
    match change {
        GuestChange::Revoke { accounts } => record.grants.retain(|account, _| !accounts.contains(account)),
        GuestChange::Reduce { grants } => reduce(record, grants)?,
        GuestChange::Demote => {
            record.role = GuestRole::GuestUser;
            for held in record.grants.values_mut() {
                held.grant.role = ShareRole::Collaborator;
            }
        }
        GuestChange::Promote => {
            live(record)?;
            record.role = GuestRole::GuestAdmin;
        }
        GuestChange::RevokeInvitation => record.invitation = None,
        GuestChange::DisableLogin => {
            created(record)?;
            record.login = record.login.disabled();
        }
        GuestChange::EnableLogin => {
            live(record)?;
            created(record)?;
            not_disabled_by_other(record)?;
            record.login = Login::Enabled;
        }
        GuestChange::ResetMfa { enrolled_before } => reset_mfa(record, *enrolled_before, context.at)?,
        GuestChange::Deactivate => {
            created(record)?;
            record.grants.clear();
            record.invitation = None;
            record.login = record.login.disabled();
            record.deactivated_at = record.deactivated_at.or(Some(context.at));
        }
        GuestChange::Release => {
            if record.mark.as_ref().is_none_or(|mark| mark.origin == Origin::Created) {
                return Err(PreconditionFailed::Created);
            }
            return Ok(unmark(record));
        }
        GuestChange::Detach => {
            live(record)?;
            return Ok(unmark(record));
        }
        GuestChange::Update { mark, partner, partner_name, display_name, allowed, .. } => {
            live(record)?;
            let described = GuestRecord {
                mark: Some(mark.clone()),
                partner: partner.clone(),
                partner_name: partner_name.clone(),
                display_name: display_name.clone(),
                allowed: allowed.clone(),
                integrity: Integrity::Intact,
                ..record.clone()
            };
            if described != *record {
                check_owner(context.owner, mark)?;
                // An update never changes the origin (created or adopted).
                let same = record.mark.as_ref().is_some_and(|held| held.origin == mark.origin);
                if !context.partner_is_live || !same {
                    return Err(PreconditionFailed::Stale);
                }
                *record = described;
            }
        }
        GuestChange::ResendInvitation { expires_at } => {
            live(record)?;
            not_disabled_by_other(record)?;
            if record.joined_at.is_some() {
                return Err(PreconditionFailed::Stale);
            }
            // An invitation with the same end is already recorded: the earlier attempt sent it, and only its response
            // was lost.
            if record.invitation.is_none_or(|invitation| invitation.expires_at != *expires_at) {
                record.invitation = Some(InvitationRecord { sent_at: context.at, expires_at: *expires_at });
                record.last_mail_at = Some(context.at);
                let namespace = record.mark.as_ref().map(|mark| mark.namespace.as_str()).unwrap_or_default();
                record.recent_mails = SentMail::with(&record.recent_mails, namespace, context.at);
            }
        }
        GuestChange::Grant { grants } => grant(record, grants, context)?,
        GuestChange::Invite(_) | GuestChange::Purge { .. } => {}
    }
    Ok(if *record == before { AppliedRecord::Same } else { AppliedRecord::Changed })
}

/// Checks that the record may be purged: guestlist created the user, no other party disabled the login, and the
/// deactivation is the planned one. A guest who was admitted again since is not purged.
///
/// # Errors
///
/// The record may not be purged yet.
pub fn purge(record: &GuestRecord, since: Timestamp) -> Result<(), PreconditionFailed> {
    created(record)?;
    not_disabled_by_other(record)?;
    if record.deactivated_at == Some(since) { Ok(()) } else { Err(PreconditionFailed::Stale) }
}

/// Checks that the ownership mark names the directory's owner. Without an owner, every mark passes.
///
/// # Errors
///
/// The record is not managed by this installation.
pub fn check_owner(owner: Option<&Owner>, mark: &super::OwnershipMark) -> Result<(), PreconditionFailed> {
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

/// Enabling the login, sending a mail or purging the record would undo an administrator's decision.
///
/// # Errors
///
/// Another party disabled the login.
pub fn not_disabled_by_other(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    if record.login == Login::DisabledByOther { Err(PreconditionFailed::Stale) } else { Ok(()) }
}

fn created(record: &GuestRecord) -> Result<(), PreconditionFailed> {
    let created = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    if created { Ok(()) } else { Err(PreconditionFailed::Adopted) }
}

fn reduce(record: &mut GuestRecord, grants: &[Grant]) -> Result<(), PreconditionFailed> {
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
fn grant(record: &mut GuestRecord, grants: &[Grant], context: &ApplyContext<'_>) -> Result<(), PreconditionFailed> {
    live(record)?;
    let MfaRecord::Known(enrolled) = &record.mfa else { return Err(PreconditionFailed::Stale) };
    let enrolled: Methods = enrolled.keys().copied().collect();
    for grant in grants {
        let since = record.grants.get(&grant.account).map_or(context.at, |held| held.since);
        let held = GrantRecord { grant: grant.clone(), since };
        let fits = grant.role == ShareRole::Collaborator || record.role == GuestRole::GuestAdmin;
        let effective = held.is_effective(record.login, record.joined_at.is_some(), &enrolled, context.at);
        if !context.accounts.contains(&grant.account) || !fits || !effective {
            return Err(PreconditionFailed::Stale);
        }
        record.grants.insert(grant.account.clone(), held);
    }
    Ok(())
}

/// Also revokes the grants for which the remaining methods do not suffice.
fn reset_mfa(record: &mut GuestRecord, before: Timestamp, at: Timestamp) -> Result<(), PreconditionFailed> {
    created(record)?;
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
