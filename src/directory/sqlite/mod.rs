//! The embedded directory: one SQLite file. [`Store`] is the synchronous implementation. [`Directory`] runs a store
//! on its own thread, so that file access never blocks the operator. [`Inline`] runs a store in the caller, for
//! simulation.

mod backup;
mod change_feed;
mod checkpoint;
mod copy;
mod digest;
mod file_identity;
mod integrity;
mod mark;
mod network_disk;
mod purge;
mod retention;
mod rows;
mod schema;
pub mod simulated_guest;
mod tables;
mod worker;
mod write;

use std::path::Path;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{
    AccountRecord, Applied, Changes, Cursor, Epoch, Error, GuestRecord, MailRecord, Operation, Owner, Page, PageToken,
    PartnerId, PartnerRecord, Purged, Revision, ShareRecord, UserRecord,
};
use crate::domain::Email;
pub use backup::{Contents, backup};
use change_feed::ChangeFeed;
use checkpoint::Log;
pub use digest::register as register_digest;
use file_identity::Opened;
pub use network_disk::network_disk;
pub use schema::OpenMode;
use schema::fault;
pub use worker::{Directory, Inline, ReadOnly};

/// The maximum number of records on a page.
const PAGE: usize = 500;

/// The directory on one connection, synchronous. Each call is one transaction; none stays open.
pub struct Store {
    connection: Connection,
    page: usize,
    follow: ChangeFeed,
    place: Opened,
    copied: copy::CopiedFacts,
    log: Log,
}

impl Drop for Store {
    /// Empties the log, so that the file alone is the whole directory after a command or a shutdown.
    fn drop(&mut self) {
        if self.place.check().is_ok() {
            return self.checkpoint();
        }
        // Closing would delete the log at this path, which may belong to another directory by now.
        let keeps_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(keeps_log, true) {
            tracing::debug!(%error, "failed to leave the write-ahead log alone");
        }
    }
}

impl Store {
    /// Opens a file, or `:memory:`.
    ///
    /// # Errors
    ///
    /// The file is missing, damaged, or was written by a newer guestlist. It is not changed.
    pub fn open(path: &Path, access: OpenMode) -> Result<Self, Error> {
        let (connection, log) = schema::open(path, access)?;
        Ok(Self {
            connection,
            page: PAGE,
            follow: ChangeFeed::default(),
            place: Opened::of(path),
            log,
            copied: copy::CopiedFacts::default(),
        })
    }

    /// Sets the page size, for tests of paging.
    #[must_use]
    pub fn with_page(mut self, page: usize) -> Self {
        self.page = page.max(1);
        self
    }

    /// Whether the log needs no checkpoint by this store.
    fn is_at_rest(&self) -> bool {
        !self.log.waits_for_rest()
    }

    /// Empties the log into the file, unless another file has replaced it.
    fn checkpoint(&self) {
        if self.place.check().is_ok() {
            self.log.checkpoint(&self.connection, schema::BUSY_TIMEOUT);
        }
    }

    /// The connection, for work outside `DirectoryReader` and `DirectoryWriter`.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn owner(&self) -> Result<Option<Owner>, Error> {
        let read = self.connection.query_row("SELECT installation, cluster FROM meta", [], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        });
        let (installation, cluster) = read.map_err(|error| fault("read whose directory it is", &error))?;
        Ok(installation.zip(cluster).map(|(installation, cluster)| Owner { installation, cluster }))
    }

    fn claim(&mut self, owner: &Owner) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| fault("claim the directory", &error);
        if let Some(current) = self.owner()? {
            return if current == *owner { Ok(()) } else { Err(Error::Foreign { owner: current }) };
        }
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let sql = "UPDATE meta SET installation = ?1, cluster = ?2 WHERE installation IS NULL";
        tx.execute(sql, params![owner.installation, owner.cluster]).map_err(failed)?;
        tx.commit().map_err(failed)?;
        // Another process may have claimed it first.
        match self.owner()? {
            Some(current) if current != *owner => Err(Error::Foreign { owner: current }),
            Some(_) | None => Ok(()),
        }
    }

    fn take_over(&mut self, owner: &Owner) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| fault("take the directory over", &error);
        if self.owner()?.as_ref() == Some(owner) {
            return Ok(());
        }
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let values = params![owner.installation, owner.cluster];
        // The epoch fences the former leader.
        tx.execute("UPDATE meta SET installation = ?1, cluster = ?2, epoch = epoch + 1", values).map_err(failed)?;
        tx.execute("UPDATE partners SET installation = ?1, cluster = ?2", values).map_err(failed)?;
        tx.execute("UPDATE guests SET installation = ?1, cluster = ?2", values).map_err(failed)?;
        let line = rows::changed(&tx, "everything", "").map_err(failed)?;
        tx.execute("UPDATE guests SET revision = ?1", [line]).map_err(failed)?;
        tx.commit().map_err(failed)?;
        // Every ownership mark changed, so this connection's follower reads them again too.
        self.follow.wrote(Some(line));
        Ok(())
    }

    fn epoch(&self) -> Result<Epoch, Error> {
        let read = self.connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0));
        read.map(Epoch).map_err(|error| fault("read the leader", &error))
    }

    fn lead(&mut self) -> Result<Epoch, Error> {
        let sql = "UPDATE meta SET epoch = epoch + 1 RETURNING epoch";
        let taken = self.connection.query_row(sql, [], |row| row.get(0));
        taken.map(Epoch).map_err(|error| fault("become the leader", &error))
    }

    fn check_writable(&mut self) -> Result<(), Error> {
        self.place.check_room()?;
        let written = self.connection.execute("UPDATE meta SET epoch = epoch", []);
        written.map(drop).map_err(|error| fault("write to the directory", &error))
    }

    fn cursor(&self) -> Result<Cursor, Error> {
        change_feed::head(&self.connection).map_err(|error| fault("read the changes", &error))
    }

    fn changes(&mut self, since: Cursor) -> Result<Changes, Error> {
        self.follow.changes(&self.connection, since).map_err(|error| fault("read the changes", &error))
    }

    /// Reads in one snapshot, so that a record never mixes two states of the file.
    fn read<T>(&self, context: &str, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let snapshot = || {
            let tx = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)?;
            work(&tx)
        };
        snapshot().map_err(|error| fault(context, &error))
    }

    /// One page of a listing by key. It reads one more row than a page, which tells whether another page follows.
    fn page<T>(
        &self,
        after: Option<PageToken>,
        column: &str,
        read: impl Fn(&Connection, &str, &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<T>>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Error> {
        let after = after.map(|token| token.0).unwrap_or_default();
        let limit = i64::try_from(self.page + 1).unwrap_or(i64::MAX);
        let tail = format!("WHERE {column} > ?1 ORDER BY {column} LIMIT ?2");
        let mut items = self.read("list the directory", |tx| read(tx, &tail, &[&after, &limit]))?;
        let more = items.len() > self.page;
        items.truncate(self.page);
        let next = items.last().filter(|_| more).map(|item| PageToken(key(item)));
        Ok(Page { items, next })
    }

    fn partners(&self, page: Option<PageToken>) -> Result<Page<PartnerRecord>, Error> {
        let mut page = self.page(page, "id", rows::partners, |partner| partner.id.0.clone())?;
        page.items.iter_mut().for_each(|partner| self.copied.complete_partner(partner));
        Ok(page)
    }

    fn guests(&self, page: Option<PageToken>) -> Result<Page<GuestRecord>, Error> {
        let mut page = self.page(page, "id", rows::guests, |guest| guest.id.0.clone())?;
        page.items.iter_mut().for_each(|guest| self.copied.complete(guest));
        Ok(page)
    }

    fn accounts(&self, page: Option<PageToken>) -> Result<Page<AccountRecord>, Error> {
        self.page(page, "name", rows::accounts, |account| account.name.clone())
    }

    fn users(&self, page: Option<PageToken>) -> Result<Page<UserRecord>, Error> {
        self.page(page, "email", rows::users, |user| user.email.to_string())
    }

    fn mails(&self, page: Option<PageToken>) -> Result<Page<MailRecord>, Error> {
        self.page(page, "address", rows::mails, |mail| mail.address.to_string())
    }

    fn shares(&self, page: Option<PageToken>) -> Result<Page<ShareRecord>, Error> {
        self.page(page, "uid", rows::shares, |share| share.uid.clone())
    }

    fn purged(&self) -> Result<Purged, Error> {
        self.read("read how many records were purged", rows::purged)
    }

    fn partner(&self, id: &PartnerId) -> Result<Option<PartnerRecord>, Error> {
        let read = self.read("read a partner", |tx| rows::partners(tx, "WHERE id = ?1", &[&id.0]))?;
        Ok(read.into_iter().next().map(|mut partner| {
            self.copied.complete_partner(&mut partner);
            partner
        }))
    }

    fn guest(&self, address: &Email) -> Result<Option<GuestRecord>, Error> {
        let mut read = self.read("read a guest", |tx| rows::one_guest(tx, "WHERE address = ?1", address.as_str()))?;
        if let Some(guest) = &mut read {
            self.copied.complete(guest);
        }
        Ok(read)
    }

    fn account(&self, name: &str) -> Result<Option<AccountRecord>, Error> {
        let read = self.read("read an account", |tx| rows::accounts(tx, "WHERE name = ?1", &[&name]))?;
        Ok(read.into_iter().next())
    }

    fn user(&self, email: &Email) -> Result<Option<UserRecord>, Error> {
        let read = self.read("read a user", |tx| rows::users(tx, "WHERE email = ?1", &[&email.as_str()]))?;
        Ok(read.into_iter().next())
    }

    /// Executes an operation. Also returns its line in the log of changes, if it wrote one.
    fn execute(
        &mut self,
        operation: &Operation,
        basis: Option<Revision>,
        at: Timestamp,
        epoch: Epoch,
    ) -> Result<(Applied, Option<i64>), Error> {
        let (mut effect, line) = write::execute(&mut self.connection, operation, basis, at, epoch)?;
        self.copied.apply(operation);
        if let Some(guest) = &mut effect.guest {
            self.copied.complete(guest);
        }
        self.follow.wrote(line);
        Ok((effect, line))
    }
}
