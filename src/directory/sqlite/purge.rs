//! Deletes records for good: purge of deactivated guests, and detachment of orphans.

use rusqlite::params;

use super::super::{Error, GuestRecord, Origin, apply};
use super::rows;
use super::write::{Write, WriteOutcome};
use jiff::Timestamp;

impl Write<'_> {
    /// Deletes the deactivated record.
    pub(super) fn purge(&self, record: &GuestRecord, since: Timestamp, at_most: u32) -> Result<WriteOutcome, Error> {
        apply::purge(record, since).map_err(|refused| self.refusal(refused, record))?;
        self.count_purged(at_most)?;
        let address = record.address.as_str();
        // A person who has become a workspace user keeps the enrolled methods.
        let sql = "DELETE FROM mfa WHERE address = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE email = ?1)";
        self.sql(sql, [address])?;
        self.sql("DELETE FROM guests WHERE id = ?1", [&record.id.0])?;
        self.done("purged", address)
    }

    pub(super) fn purge_partner(&self, id: &str, since: Timestamp) -> Result<WriteOutcome, Error> {
        let known = rows::partners(self.tx, "WHERE id = ?1", &[&id]).map_err(|error| self.failed(&error))?;
        let Some(known) = known.first() else { return Ok(WriteOutcome::Nothing) };
        let sql = "SELECT count(*) FROM guests WHERE partner = ?1";
        let guests: i64 = self.tx.query_row(sql, [id], |row| row.get(0)).map_err(|error| self.failed(&error))?;
        if known.deactivated_at != Some(since) || guests > 0 {
            return Err(self.stale());
        }
        self.sql("DELETE FROM partners WHERE id = ?1", [id])?;
        self.done("partner", id)
    }

    /// Removes the record; the user stays as a workspace user. The address of a user that guestlist created becomes
    /// unverified, because no other party has confirmed it.
    pub(super) fn unmark(&self, record: &GuestRecord) -> Result<(), Error> {
        let created = record.mark.as_ref().is_none_or(|mark| mark.origin == Origin::Created);
        if created {
            let sql = "INSERT OR IGNORE INTO users (email, name, enabled, verified) VALUES (?1, ?2, ?3, 0)";
            self.sql(sql, params![record.address.as_str(), record.display_name, record.login.is_enabled()])?;
            self.done("user", record.address.as_str())?;
        }
        self.sql("DELETE FROM grants WHERE guest = ?1", [&record.id.0])?;
        self.sql("DELETE FROM guests WHERE id = ?1", [&record.id.0])?;
        Ok(())
    }
}
