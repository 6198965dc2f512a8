//! Facts that outlive the records: the last mail to each address, the shares at their first grant, and the purges of
//! the last hour.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::super::{Error, Grant, GuestRecord, MAILS_KEPT, PURGES_KEPT, SentMail};
use super::rows::{self, stamp};
use super::write::{Write, WriteOutcome};

fn before(at: Timestamp, age: SignedDuration) -> Timestamp {
    at.checked_sub(age).unwrap_or(Timestamp::MIN)
}

impl Write<'_> {
    /// The last mails to an address.
    pub(super) fn recent_mails(&self, address: &str) -> Result<Vec<SentMail>, Error> {
        let known = rows::mails(self.tx, "WHERE address = ?1", &[&address]).map_err(|error| self.failed(&error))?;
        Ok(known.into_iter().flat_map(|mail| mail.recent).collect())
    }

    /// Records a mail sent now, with the recent ones. Old mails to addresses without a record are deleted.
    pub(super) fn mailed(&self, address: &str, recent: &[SentMail]) -> Result<usize, Error> {
        let sql = "DELETE FROM mails WHERE mailed_at < ?1 AND NOT EXISTS \
                   (SELECT 1 FROM guests WHERE guests.address = mails.address)";
        self.sql(sql, [stamp(before(self.at, MAILS_KEPT))])?;
        let sql = "INSERT INTO mails (address, mailed_at, recent) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (address) DO UPDATE SET mailed_at = ?2, recent = ?3";
        self.sql(sql, params![address, stamp(self.at), rows::recent_text(recent)])
    }

    /// Records the partner and account of a share at its first grant. They never change afterwards.
    pub(super) fn remember_share(&self, record: &GuestRecord, grant: &Grant) -> Result<(), Error> {
        let sql = "INSERT OR IGNORE INTO shares (uid, partner_name, account) VALUES (?1, ?2, ?3)";
        self.sql(sql, params![grant.share_uid, record.partner_name, grant.account])?;
        let sql = "SELECT (partner_name, account) = (?2, ?3) FROM shares WHERE uid = ?1";
        let values = params![grant.share_uid, record.partner_name, grant.account];
        let same: bool = self.tx.query_row(sql, values, |row| row.get(0)).map_err(|error| self.failed(&error))?;
        if same { Ok(()) } else { Err(self.stale()) }
    }

    pub(super) fn forget_share(&self, uid: &str) -> Result<WriteOutcome, Error> {
        let sql = "SELECT 1 FROM grants WHERE share_uid = ?1";
        let held = self.tx.query_row(sql, [uid], |_| Ok(())).optional().map_err(|error| self.failed(&error))?;
        if held.is_some() {
            return Err(self.stale());
        }
        match self.sql("DELETE FROM shares WHERE uid = ?1", [uid])? {
            0 => Ok(WriteOutcome::Nothing),
            _ => self.done("share", uid),
        }
    }

    /// Counts a purged record. Fails once the hourly limit is reached.
    pub(super) fn count_purged(&self, at_most: u32) -> Result<(), Error> {
        let known = rows::purged(self.tx).map_err(|error| self.failed(&error))?;
        if super::super::purged_lately(&known, self.at) >= at_most {
            return Err(self.stale());
        }
        self.sql("DELETE FROM purged WHERE minute <= ?1", [stamp(before(self.at, PURGES_KEPT))])?;
        let sql = "INSERT INTO purged (minute, records) VALUES (?1, 1) \
                   ON CONFLICT (minute) DO UPDATE SET records = records + 1";
        self.sql(sql, [stamp(super::super::minute_of(self.at))])?;
        Ok(())
    }
}
