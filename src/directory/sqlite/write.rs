//! Executes each operation as one transaction. Repeating a completed operation changes no byte.

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::super::apply::{AppliedRecord, ApplyContext, apply};
use super::super::{
    AccessChange, Applied, Epoch, Error, Grant, GrantRecord, GuestChange, GuestId, GuestRecord, MfaRecord, Operation,
    PartnerChange, Revision,
};
use super::rows::{self, changed};
use super::schema::fault;

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
    if let Operation::Partner {
        id: partner,
        change: PartnerChange::Apply { .. } | PartnerChange::Deactivate | PartnerChange::Purge { .. },
    } = operation
    {
        effect.partner = rows::partners(connection, "WHERE id = ?1", &[&partner.0])?.into_iter().next();
        effect.partner_gone = effect.partner.is_none().then(|| partner.clone());
    }
    if let Operation::Guest { change: GuestChange::Purge { .. }, .. } = operation {
        effect.purged = Some(rows::purged(connection)?);
    }
    if let Operation::ForgetShare { share_uid } = operation {
        effect.share_gone = Some(share_uid.clone());
    }
    Ok(effect)
}

/// A description of the operation for errors: the record it concerns, and nothing secret.
fn describe(operation: &Operation) -> String {
    match operation {
        Operation::Guest { id, .. } => format!("{} (guest {})", operation.describe(), id.0),
        Operation::Partner { id, .. } => format!("{} (partner {})", operation.describe(), id.0),
        Operation::ForgetShare { share_uid } => format!("{} {share_uid}", operation.describe()),
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
            Operation::Guest { id, change: GuestChange::Invite(new) } => self.invite(id, new, basis),
            Operation::Guest { id, change } => self.change_guest(id, change, basis),
            Operation::Partner { id, change: PartnerChange::Apply { mark, display_name, host_admins, suspended } } => {
                let admins: Vec<_> = host_admins.iter().map(ToString::to_string).collect();
                self.apply_partner(&id.0, mark, display_name, &admins.join(" "), *suspended)
            }
            Operation::Partner { id, change: PartnerChange::Deactivate } => self.deactivate_partner(&id.0),
            Operation::Partner { id, change: PartnerChange::Purge { since } } => self.purge_partner(&id.0, *since),
            Operation::ForgetShare { share_uid } => self.forget_share(share_uid),
        }
    }

    fn change_guest(&self, id: &GuestId, change: &GuestChange, basis: Option<Revision>) -> Result<WriteOutcome, Error> {
        let record = rows::one_guest(self.tx, "WHERE id = ?1", &id.0).map_err(|error| self.failed(&error))?;
        let Some(record) = record else {
            // A guest without a record has no access to revoke.
            return match change.access_change() {
                AccessChange::Revoke | AccessChange::Remove => Ok(WriteOutcome::Nothing),
                AccessChange::None | AccessChange::Grant => Err(self.stale()),
            };
        };
        if basis.is_some_and(|basis| basis != record.revision) {
            return Err(self.stale());
        }
        if let GuestChange::Purge { since, at_most } = change {
            return self.purge(&record, *since, *at_most);
        }
        let owner = self.owner()?;
        let accounts = self.live_accounts(change)?;
        let partner_is_live =
            if let GuestChange::Update { partner, .. } = change { self.is_live_partner(&partner.0)? } else { true };
        let context = ApplyContext { at: self.at, owner: owner.as_ref(), accounts: &accounts, partner_is_live };
        let mut after = record.clone();
        match apply(&mut after, change, &context).map_err(|refused| self.refusal(refused, &record))? {
            AppliedRecord::Same => Ok(WriteOutcome::Nothing),
            AppliedRecord::Changed => {
                if let GuestChange::Grant { grants } = change {
                    for grant in grants {
                        self.remember_share(&record, grant)?;
                    }
                }
                self.store(&record, &after)?;
                self.done("guest", record.address.as_str())
            }
            AppliedRecord::Unmarked => {
                self.unmark(&record)?;
                self.done("gone", record.address.as_str())
            }
        }
    }

    /// The accounts that an operation grants, that exist and are not deleted.
    fn live_accounts(&self, change: &GuestChange) -> Result<Vec<String>, Error> {
        let GuestChange::Grant { grants } = change else { return Ok(Vec::new()) };
        let mut live = Vec::new();
        for Grant { account, .. } in grants {
            let known = rows::accounts(self.tx, "WHERE name = ?1", &[account]).map_err(|error| self.failed(&error))?;
            live.extend(known.into_iter().filter(|account| !account.deleted).map(|account| account.name));
        }
        Ok(live)
    }

    pub(super) fn done(&self, kind: &str, key: &str) -> Result<WriteOutcome, Error> {
        changed(self.tx, kind, key).map(WriteOutcome::Wrote).map_err(|error| self.failed(&error))
    }

    pub(super) fn sql(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, Error> {
        let run = || self.tx.prepare_cached(sql)?.execute(values);
        run().map_err(|error| self.failed(&error))
    }

    /// Writes the difference between two states of a guest's record. Grants are revoked and reduced before the record
    /// changes, and added afterwards, so that no statement breaks a constraint.
    fn store(&self, before: &GuestRecord, after: &GuestRecord) -> Result<(), Error> {
        let id = after.id.0.as_str();
        for account in before.grants.keys().filter(|account| !after.grants.contains_key(*account)) {
            self.sql("DELETE FROM grants WHERE guest = ?1 AND account = ?2", params![id, account])?;
        }
        let (held, new): (Vec<_>, Vec<_>) = (after.grants.iter())
            .filter(|(account, grant)| before.grants.get(*account) != Some(grant))
            .partition(|(account, _)| before.grants.contains_key(*account));
        for (_, GrantRecord { grant, since }) in held {
            self.put_grant(after, grant, *since)?;
        }
        if let (MfaRecord::Known(before), MfaRecord::Known(after_mfa)) = (&before.mfa, &after.mfa) {
            for method in before.keys().filter(|method| !after_mfa.contains_key(*method)) {
                let sql = "DELETE FROM mfa WHERE address = ?1 AND method = ?2";
                self.sql(sql, params![after.address.as_str(), method.as_str()])?;
            }
        }
        if before.last_mail_at != after.last_mail_at {
            self.mailed(after.address.as_str(), &after.recent_mails)?;
        }
        rows::update_guest(self.tx, before, after).map_err(|error| self.failed(&error))?;
        for (_, GrantRecord { grant, since }) in new {
            self.put_grant(after, grant, *since)?;
        }
        Ok(())
    }

    fn put_grant(&self, record: &GuestRecord, grant: &Grant, since: Timestamp) -> Result<usize, Error> {
        rows::put_grant(self.tx, &record.id, grant, since).map_err(|error| self.failed(&error))
    }
}
