//! Preconditions that are checked in the operation's own transaction, and the operations that write ownership marks.

use rusqlite::{OptionalExtension, params};

use super::super::apply::{self, PreconditionFailed};
use super::super::{Error, GuestId, GuestRecord, NewGuest, Origin, Owner, OwnershipMark, Revision, SentMail};
use super::rows::{self, stamp};
use super::write::{Write, WriteOutcome};

impl Write<'_> {
    /// The error for a failed precondition.
    pub(super) fn refusal(&self, refusal: PreconditionFailed, record: &GuestRecord) -> Error {
        match refusal {
            PreconditionFailed::Stale => self.stale(),
            PreconditionFailed::Adopted => {
                let message =
                    format!("failed to {}: {} was adopted, not created by guestlist", self.context, record.address);
                Error::Refused { message }
            }
            PreconditionFailed::Created => {
                Error::Refused { message: format!("failed to {}: {} was not adopted", self.context, record.address) }
            }
            PreconditionFailed::Foreign(owner) => Error::Foreign { owner },
        }
    }

    /// The directory's owner.
    pub(super) fn owner(&self) -> Result<Option<Owner>, Error> {
        let sql = "SELECT installation, cluster FROM meta WHERE installation IS NOT NULL AND cluster IS NOT NULL";
        let read = |row: &rusqlite::Row<'_>| Ok(Owner { installation: row.get(0)?, cluster: row.get(1)? });
        self.tx.query_row(sql, [], read).optional().map_err(|error| self.failed(&error))
    }

    /// Checks that the ownership mark names the directory's owner. Without an owner, every mark passes.
    fn check_owner(&self, mark: &OwnershipMark) -> Result<(), Error> {
        match apply::check_owner(self.owner()?.as_ref(), mark) {
            Err(PreconditionFailed::Foreign(owner)) => Err(Error::Foreign { owner }),
            Err(_) => Err(self.stale()),
            Ok(()) => Ok(()),
        }
    }

    /// Whether the partner exists and is live.
    pub(super) fn is_live_partner(&self, partner: &str) -> Result<bool, Error> {
        let sql = "SELECT count(*) > 0 FROM partners WHERE id = ?1 AND deactivated_at IS NULL";
        self.tx.query_row(sql, [partner], |row| row.get(0)).map_err(|error| self.failed(&error))
    }

    pub(super) fn invite(
        &self,
        guest: &GuestId,
        new: &NewGuest,
        basis: Option<Revision>,
    ) -> Result<WriteOutcome, Error> {
        let NewGuest { mark, partner, address, .. } = new;
        self.check_owner(mark)?;
        let one = |tail, value| rows::one_guest(self.tx, tail, value).map_err(|error| self.failed(&error));
        let existing = one("WHERE address = ?1", address.as_str())?;
        if let Some(existing) = &existing {
            let same = existing.mark.as_ref().map(|mark| mark.uid.as_str()) == Some(mark.uid.as_str());
            if existing.is_live() {
                return if same { Ok(WriteOutcome::Nothing) } else { Err(Error::Exists { what: address.to_string() }) };
            }
            if existing.id != *guest || basis.is_some_and(|basis| basis != existing.revision) {
                return Err(self.stale());
            }
            if mark.origin == Origin::Created {
                apply::not_disabled_by_other(existing).map_err(|refused| self.refusal(refused, existing))?;
            }
        }
        let user =
            rows::users(self.tx, "WHERE email = ?1", &[&address.as_str()]).map_err(|error| self.failed(&error))?;
        match mark.origin {
            Origin::Created if !user.is_empty() => return Err(Error::Exists { what: address.to_string() }),
            // No user exists to adopt.
            Origin::Adopted if user.is_empty() => return Err(self.stale()),
            // An administrator disabled the login: no mail is sent.
            Origin::Adopted if user.iter().any(|user| !user.enabled) => return Err(self.stale()),
            Origin::Created | Origin::Adopted => {}
        }
        // A guest is never an Owner.
        let sql = "SELECT 1 FROM account_owners WHERE email = ?1";
        let owns = self.tx.query_row(sql, [address.as_str()], |_| Ok(())).optional();
        if owns.map_err(|error| self.failed(&error))?.is_some() {
            return Err(Error::Exists { what: address.to_string() });
        }
        // Another address has a record with this identifier.
        if existing.is_none() && one("WHERE id = ?1", &guest.0)?.is_some() {
            return Err(Error::Exists { what: address.to_string() });
        }
        if !self.is_live_partner(&partner.0)? {
            return Err(self.stale());
        }
        let recent = SentMail::with(&self.recent_mails(address.as_str())?, &mark.namespace, self.at);
        self.mailed(address.as_str(), &recent)?;
        rows::put_guest(self.tx, &new.record(guest, self.at)).map_err(|error| self.failed(&error))?;
        self.done("guest", address.as_str())
    }

    pub(super) fn apply_partner(
        &self,
        id: &str,
        mark: &OwnershipMark,
        display_name: &str,
        admins: &str,
        suspended: bool,
    ) -> Result<WriteOutcome, Error> {
        self.check_owner(mark)?;
        let rows = self.sql(
            "INSERT INTO partners (id, installation, cluster, namespace, name, uid, display_name, host_admins, suspended) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET installation = ?2, cluster = ?3, \
             namespace = ?4, name = ?5, uid = ?6, display_name = ?7, host_admins = ?8, suspended = ?9, deactivated_at = NULL \
             WHERE (installation, cluster, namespace, name, uid, display_name, host_admins, suspended) \
             <> (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) OR deactivated_at IS NOT NULL",
            params![
                id,
                mark.installation,
                mark.cluster,
                mark.namespace,
                mark.name,
                mark.uid,
                display_name,
                admins,
                suspended
            ],
        )?;
        self.partner_done(id, rows)
    }

    pub(super) fn deactivate_partner(&self, id: &str) -> Result<WriteOutcome, Error> {
        let live: i64 = self
            .tx
            .query_row("SELECT count(*) FROM guests WHERE partner = ?1 AND deactivated_at IS NULL", [id], |row| {
                row.get(0)
            })
            .map_err(|error| self.failed(&error))?;
        if live > 0 {
            return Err(self.stale());
        }
        let sql = "UPDATE partners SET deactivated_at = ?2, suspended = 0 WHERE id = ?1 AND deactivated_at IS NULL";
        let rows = self.sql(sql, params![id, stamp(self.at)])?;
        self.partner_done(id, rows)
    }

    fn partner_done(&self, id: &str, rows: usize) -> Result<WriteOutcome, Error> {
        if rows == 0 {
            return Ok(WriteOutcome::Nothing);
        }
        self.done("partner", id)
    }
}
