//! Executes each operation as one transaction. Repeating a completed operation changes no byte.

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::super::{Applied, Epoch, Error, Grant, GuestId, GuestRecord, MfaRecord, Operation, Origin, Revision};
use super::retention;
use super::rows::{self, account_stands, changed, stamp};
use super::schema::fault;
use crate::domain::{GuestRole, Methods, ShareRole};

/// The outcome of an operation inside its transaction.
pub(super) enum WriteOutcome {
    /// The operation wrote something, with this line in the log of changes.
    Wrote(i64),
    /// The directory was already in the wanted state.
    Nothing,
}

/// Executes one operation. Returns its effect, and its line in the log of changes if it wrote one.
pub fn execute(
    connection: &mut Connection,
    operation: &Operation,
    basis: Option<Revision>,
    at: Timestamp,
    epoch: Epoch,
) -> Result<(Applied, Option<i64>), Error> {
    let context = describe(operation);
    let failed = |error: rusqlite::Error| fault(&context, &error);
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let current: i64 = tx.query_row("SELECT epoch FROM meta", [], |row| row.get(0)).map_err(failed)?;
    if epoch.0 < current {
        return Err(Error::Fenced);
    }
    let done = Write { tx: &tx, at, context: &context }.run(operation, basis)?;
    let effect = effect(&tx, operation).map_err(failed)?;
    match done {
        WriteOutcome::Wrote(line) => {
            tx.commit().map_err(failed)?;
            Ok((effect, Some(line)))
        }
        WriteOutcome::Nothing => {
            tx.rollback().map_err(failed)?;
            Ok((effect, None))
        }
    }
}

/// The current state of the records that an operation concerns.
fn effect(connection: &Connection, operation: &Operation) -> rusqlite::Result<Applied> {
    let mut effect = Applied::default();
    if let Some(id) = operation.guest() {
        effect.guest = rows::one_guest(connection, "WHERE id = ?1", &id.0)?;
        effect.gone = effect.guest.is_none().then(|| id.clone());
    }
    if let Operation::ApplyPartner { partner, .. }
    | Operation::DeactivatePartner { partner }
    | Operation::PurgePartner { partner, .. } = operation
    {
        effect.partner = rows::partners(connection, "WHERE id = ?1", &[&partner.0])?.into_iter().next();
        effect.partner_gone = effect.partner.is_none().then(|| partner.clone());
    }
    if let Operation::Purge { .. } = operation {
        effect.destroyed = Some(retention::purged(connection)?);
    }
    if let Operation::ForgetShare { share_uid } = operation {
        effect.share_gone = Some(share_uid.clone());
    }
    Ok(effect)
}

/// A description of the operation for errors: the records it concerns, and nothing secret.
fn describe(operation: &Operation) -> String {
    match operation {
        Operation::Revoke { guest, accounts } => format!("revoke {} of guest {}", accounts.join(", "), guest.0),
        Operation::Reduce { guest, .. } => format!("reduce the grants of guest {}", guest.0),
        Operation::Demote { guest } => format!("demote guest {}", guest.0),
        Operation::RevokeInvitation { guest } => format!("revoke the invitation of guest {}", guest.0),
        Operation::DisableLogin { guest } => format!("turn off the login of guest {}", guest.0),
        Operation::ResetMfa { guest, .. } => format!("reset the MFA of guest {}", guest.0),
        Operation::Deactivate { guest } => format!("deactivate guest {}", guest.0),
        Operation::RemoveAdopted { guest } | Operation::Unmanage { guest } => format!("unmanage guest {}", guest.0),
        Operation::Purge { guest, .. } => format!("purge the record of guest {}", guest.0),
        Operation::DeactivatePartner { partner } => format!("deactivate partner {}", partner.0),
        Operation::PurgePartner { partner, .. } => format!("purge the record of partner {}", partner.0),
        Operation::ForgetShare { share_uid } => format!("forget share {share_uid}"),
        Operation::ApplyPartner { mark, .. } => format!("apply partner {}/{}", mark.namespace, mark.name),
        Operation::UpdateGuest { mark, .. } => format!("update guest {}/{}", mark.namespace, mark.name),
        Operation::InviteGuest { address, .. } => format!("invite {address}"),
        Operation::ResendInvitation { guest, .. } => format!("resend the invitation of guest {}", guest.0),
        Operation::EnableLogin { guest } => format!("turn on the login of guest {}", guest.0),
        Operation::Promote { guest } => format!("promote guest {}", guest.0),
        Operation::Grant { guest, .. } => format!("grant accounts to guest {}", guest.0),
    }
}

pub(super) struct Write<'a> {
    pub(super) tx: &'a Connection,
    pub(super) at: Timestamp,
    pub(super) context: &'a str,
}

impl Write<'_> {
    pub(super) fn failed(&self, error: &rusqlite::Error) -> Error {
        fault(self.context, error)
    }

    pub(super) fn stale(&self) -> Error {
        Error::Changed { what: self.context.to_owned() }
    }

    fn run(&self, operation: &Operation, basis: Option<Revision>) -> Result<WriteOutcome, Error> {
        match operation {
            Operation::ApplyPartner { partner, mark, display_name, host_admins, suspended } => {
                let admins: Vec<_> = host_admins.iter().map(ToString::to_string).collect();
                self.ensure_partner(&partner.0, mark, display_name, &admins.join(" "), *suspended)
            }
            Operation::DeactivatePartner { partner } => self.deactivate_partner(&partner.0),
            Operation::PurgePartner { partner, since } => self.purge_partner(&partner.0, *since),
            Operation::ForgetShare { share_uid } => self.forget_share(share_uid),
            Operation::InviteGuest { .. } => self.admit(operation, basis),
            Operation::Revoke { guest, .. }
            | Operation::Reduce { guest, .. }
            | Operation::Demote { guest }
            | Operation::RevokeInvitation { guest }
            | Operation::DisableLogin { guest }
            | Operation::ResetMfa { guest, .. }
            | Operation::Deactivate { guest }
            | Operation::RemoveAdopted { guest }
            | Operation::Unmanage { guest }
            | Operation::Purge { guest, .. }
            | Operation::UpdateGuest { guest, .. }
            | Operation::ResendInvitation { guest, .. }
            | Operation::EnableLogin { guest }
            | Operation::Promote { guest }
            | Operation::Grant { guest, .. } => self.about_guest(guest, operation, basis),
        }
    }

    fn about_guest(&self, id: &GuestId, operation: &Operation, basis: Option<Revision>) -> Result<WriteOutcome, Error> {
        let record = rows::one_guest(self.tx, "WHERE id = ?1", &id.0).map_err(|error| self.failed(&error))?;
        let Some(record) = record else {
            // A guest without a record has no access to revoke.
            return match operation.access_change() {
                super::super::AccessChange::Revoke | super::super::AccessChange::Remove => Ok(WriteOutcome::Nothing),
                super::super::AccessChange::None | super::super::AccessChange::Grant => Err(self.stale()),
            };
        };
        if basis.is_some_and(|basis| basis != record.revision) {
            return Err(self.stale());
        }
        if let Operation::Purge { since, at_most, .. } = operation {
            return self.purge(&record, *since, *at_most);
        }
        let rows = self.change(&record, operation)?;
        if rows == 0 {
            return Ok(WriteOutcome::Nothing);
        }
        let kind = match operation {
            Operation::RemoveAdopted { .. } | Operation::Unmanage { .. } => "gone",
            _ => "guest",
        };
        self.done(kind, record.address.as_str())
    }

    pub(super) fn done(&self, kind: &str, key: &str) -> Result<WriteOutcome, Error> {
        changed(self.tx, kind, key).map(WriteOutcome::Wrote).map_err(|error| self.failed(&error))
    }

    pub(super) fn sql(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, Error> {
        let run = || self.tx.prepare_cached(sql)?.execute(values);
        run().map_err(|error| self.failed(&error))
    }

    /// Changes a guest's rows. Returns the number of changed rows.
    fn change(&self, record: &GuestRecord, operation: &Operation) -> Result<usize, Error> {
        let id = record.id.0.as_str();
        match operation {
            Operation::Revoke { accounts, .. } => accounts.iter().try_fold(0, |rows, account| {
                Ok(rows + self.sql("DELETE FROM grants WHERE guest = ?1 AND account = ?2", params![id, account])?)
            }),
            Operation::Reduce { grants, .. } => self.lower(record, grants),
            Operation::Demote { .. } => {
                // A Guest User is never a Manager, even for a moment, so the remaining grants become Collaborator.
                let sql = "UPDATE grants SET role = 'Collaborator' WHERE guest = ?1 AND role = 'Manager'";
                let lowered = self.sql(sql, [id])?;
                let sql = "UPDATE guests SET role = 'GuestUser' WHERE id = ?1 AND role <> 'GuestUser'";
                Ok(lowered + self.sql(sql, [id])?)
            }
            Operation::Promote { .. } => {
                self.live(record)?;
                self.sql("UPDATE guests SET role = 'GuestAdmin' WHERE id = ?1 AND role <> 'GuestAdmin'", [id])
            }
            Operation::RevokeInvitation { .. } => self.revoke(id),
            Operation::DisableLogin { .. } => {
                self.made(record)?;
                let sql = "UPDATE guests SET login = 0 WHERE id = ?1 AND login <> 0 AND NOT disabled_by_other";
                self.sql(sql, [id])
            }
            Operation::EnableLogin { .. } => {
                self.live(record)?;
                self.made(record)?;
                self.not_disabled_by_other(record)?;
                self.sql("UPDATE guests SET login = 1 WHERE id = ?1 AND login <> 1", [id])
            }
            Operation::ResetMfa { enrolled_before, .. } => self.reset_mfa(record, *enrolled_before),
            Operation::Deactivate { .. } => self.deactivate(record),
            Operation::RemoveAdopted { .. } => self.release(record),
            Operation::Unmanage { .. } => self.unmanage(record),
            Operation::UpdateGuest { mark, partner, partner_name, display_name, allowed, .. } => {
                self.live(record)?;
                self.describe(record, mark, &partner.0, partner_name, display_name, allowed)
            }
            Operation::ResendInvitation { expires_at, .. } => self.invite(record, *expires_at),
            Operation::Grant { grants, .. } => self.give(record, grants),
            Operation::InviteGuest { .. }
            | Operation::Purge { .. }
            | Operation::ApplyPartner { .. }
            | Operation::DeactivatePartner { .. }
            | Operation::PurgePartner { .. }
            | Operation::ForgetShare { .. } => Ok(0),
        }
    }

    pub(super) fn revoke(&self, id: &str) -> Result<usize, Error> {
        let sql = "UPDATE guests SET sent_at = NULL, invitation_ends = NULL WHERE id = ?1 AND sent_at IS NOT NULL";
        self.sql(sql, [id])
    }

    fn lower(&self, record: &GuestRecord, grants: &[Grant]) -> Result<usize, Error> {
        let mut rows = 0;
        for grant in grants {
            // A grant that the guest does not have is skipped; a raise is refused.
            let Some(held) = record.grants.get(&grant.account).map(|held| &held.grant) else { continue };
            let later = held.until.is_some_and(|end| grant.until.is_none_or(|until| until > end));
            let raises = grant.role > held.role
                || later
                || !grant.allowed.is_subset(&held.allowed)
                || !grant.asked.is_subset(&held.asked);
            if raises {
                return Err(self.stale());
            }
            if grant != held {
                rows += self.put_grant(record, grant)?;
            }
        }
        Ok(rows)
    }

    /// The backend's own precondition, whatever was planned: a grant needs a joined guest, MFA and an enabled login.
    fn give(&self, record: &GuestRecord, grants: &[Grant]) -> Result<usize, Error> {
        self.live(record)?;
        let MfaRecord::Known(enrolled) = &record.mfa else { return Err(self.stale()) };
        let enrolled: Methods = enrolled.keys().copied().collect();
        let mut rows = 0;
        for grant in grants {
            let stands = account_stands(self.tx, &grant.account).map_err(|error| self.failed(&error))?;
            let held = super::super::GrantRecord { grant: grant.clone(), since: self.at };
            let fits = grant.role == ShareRole::Collaborator || record.role == GuestRole::GuestAdmin;
            if !stands || !fits || !held.is_effective(record.login, record.joined_at.is_some(), &enrolled, self.at) {
                return Err(self.stale());
            }
            if record.grants.get(&grant.account).map(|held| &held.grant) != Some(grant) {
                self.remember_share(record, grant)?;
                rows += self.put_grant(record, grant)?;
            }
        }
        Ok(rows)
    }

    fn put_grant(&self, record: &GuestRecord, grant: &Grant) -> Result<usize, Error> {
        let since = record.grants.get(&grant.account).map_or(self.at, |held| held.since);
        rows::put_grant(self.tx, &record.id, grant, since).map_err(|error| self.failed(&error))
    }

    fn reset_mfa(&self, record: &GuestRecord, before: Timestamp) -> Result<usize, Error> {
        self.made(record)?;
        let address = record.address.as_str();
        let sql = "DELETE FROM mfa WHERE address = ?1 AND enrolled_at < ?2";
        let rows = self.sql(sql, params![address, stamp(before)])?;
        if rows > 0 {
            let sql = "UPDATE guests SET mfa_lost_at = ?2 WHERE id = ?1 \
                       AND NOT EXISTS (SELECT 1 FROM mfa WHERE address = ?3)";
            self.sql(sql, params![record.id.0, stamp(self.at), address])?;
            self.revoke_unusable(record, before)?;
        }
        Ok(rows)
    }

    /// Revokes the grants for which the methods enrolled since `before` do not suffice.
    fn revoke_unusable(&self, record: &GuestRecord, before: Timestamp) -> Result<(), Error> {
        let MfaRecord::Known(methods) = &record.mfa else { return Ok(()) };
        let left: Methods = methods.iter().filter(|(_, since)| **since >= before).map(|(method, _)| *method).collect();
        for (account, held) in record.grants.iter() {
            if !held.is_effective(record.login, record.joined_at.is_some(), &left, self.at) {
                self.sql("DELETE FROM grants WHERE guest = ?1 AND account = ?2", params![record.id.0, account])?;
            }
        }
        Ok(())
    }

    fn deactivate(&self, record: &GuestRecord) -> Result<usize, Error> {
        self.made(record)?;
        let id = record.id.0.as_str();
        let mut rows = self.sql("DELETE FROM grants WHERE guest = ?1", [id])? + self.revoke(id)?;
        rows += self.sql("UPDATE guests SET login = 0 WHERE id = ?1 AND login <> 0", [id])?;
        let sql = "UPDATE guests SET deactivated_at = ?2 WHERE id = ?1 AND deactivated_at IS NULL";
        Ok(rows + self.sql(sql, params![id, stamp(self.at)])?)
    }

    fn release(&self, record: &GuestRecord) -> Result<usize, Error> {
        if record.mark.as_ref().is_none_or(|mark| mark.origin == Origin::Created) {
            return Err(Error::Refused { message: format!("failed to {}: it was not adopted", self.context) });
        }
        self.drop_record(record)
    }

    fn invite(&self, record: &GuestRecord, expires_at: Timestamp) -> Result<usize, Error> {
        self.live(record)?;
        self.not_disabled_by_other(record)?;
        if record.joined_at.is_some() {
            return Err(self.stale());
        }
        // An invitation with the same end is already recorded: the earlier attempt sent it, and only its response was
        // lost.
        if record.invitation.is_some_and(|invitation| invitation.expires_at == expires_at) {
            return Ok(0);
        }
        let namespace = record.mark.as_ref().map(|mark| mark.namespace.as_str()).unwrap_or_default();
        self.mailed(record.address.as_str(), namespace)?;
        let sql = "UPDATE guests SET sent_at = ?2, invitation_ends = ?3 WHERE id = ?1";
        self.sql(sql, params![record.id.0, stamp(self.at), stamp(expires_at)])
    }
}
