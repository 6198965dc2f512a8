//! The embedded directory: one SQLite file. [`Store`] is all of it, synchronous; [`Directory`] runs a store on a thread
//! of its own, so that no file access blocks the operator; [`Inline`] runs it in the caller, for simulation.

pub mod play;
mod rows;
mod schema;
mod write;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::{
    AccountRecord, Changed, Changes, Cursor, Effect, Epoch, Execute, Fault, GuestRecord, Observe, Operation, Owner,
    Page, PageToken, PartnerId, PartnerRecord, Revision, UserRecord,
};
use crate::rules::Email;
pub use schema::Access;
use schema::fault;

/// How many records a page holds.
const PAGE: usize = 500;
/// How many requests may wait for the thread.
const WAITING: usize = 256;

/// The directory on one connection, synchronous. Each call is one transaction; none stays open.
pub struct Store {
    connection: Connection,
    page: usize,
    /// The epoch under which we write; changes of our own are not told to ourselves.
    writer: Option<i64>,
    /// `PRAGMA data_version` when the changes were last read: it moves only when another connection commits.
    seen: Option<(i64, Cursor)>,
}

impl Store {
    /// Opens a file, or `:memory:`.
    pub fn open(path: &Path, access: Access) -> Result<Self, Fault> {
        Ok(Self { connection: schema::open(path, access)?, page: PAGE, writer: None, seen: None })
    }

    /// The same with small pages, for tests of paging.
    #[must_use]
    pub fn with_page(mut self, page: usize) -> Self {
        self.page = page.max(1);
        self
    }

    /// The connection, for what is neither observing nor executing.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn owner(&self) -> Result<Option<Owner>, Fault> {
        let read = self.connection.query_row("SELECT installation, cluster FROM meta", [], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        });
        let (installation, cluster) = read.map_err(|error| fault("read whose directory it is", &error))?;
        Ok(installation.zip(cluster).map(|(installation, cluster)| Owner { installation, cluster }))
    }

    fn claim(&mut self, owner: &Owner) -> Result<(), Fault> {
        let failed = |error: rusqlite::Error| fault("claim the directory", &error);
        if let Some(current) = self.owner()? {
            return if current == *owner { Ok(()) } else { Err(Fault::Foreign { owner: current }) };
        }
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let sql = "UPDATE meta SET installation = ?1, cluster = ?2 WHERE installation IS NULL";
        tx.execute(sql, params![owner.installation, owner.cluster]).map_err(failed)?;
        tx.commit().map_err(failed)?;
        // Somebody else may have been faster.
        match self.owner()? {
            Some(current) if current != *owner => Err(Fault::Foreign { owner: current }),
            Some(_) | None => Ok(()),
        }
    }

    fn lead(&mut self) -> Result<Epoch, Fault> {
        let sql = "UPDATE meta SET epoch = epoch + 1 RETURNING epoch";
        let epoch =
            self.connection.query_row(sql, [], |row| row.get(0)).map_err(|error| fault("take the lead", &error))?;
        self.writer = Some(epoch);
        Ok(Epoch(epoch))
    }

    fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))
    }

    fn cursor(&self) -> Result<Cursor, Fault> {
        let sql = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
        let read = self.connection.query_row(sql, [], |row| row.get(0));
        read.map(Cursor).map_err(|error| fault("read the changes", &error))
    }

    fn changes(&mut self, since: Cursor) -> Result<Changes, Fault> {
        let failed = |error: rusqlite::Error| fault("read the changes", &error);
        let version = self.data_version().map_err(failed)?;
        if self.seen == Some((version, since)) {
            return Ok(Changes { cursor: since, changed: std::collections::BTreeSet::new() });
        }
        let cursor = self.cursor()?;
        let sql = "SELECT ifnull(min(seq), 0) FROM changes";
        let oldest: i64 = self.connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        let mut changed = std::collections::BTreeSet::new();
        if since > cursor || (since.0 + 1 < oldest) {
            changed.insert(Changed::Everything);
        } else {
            let sql = "SELECT DISTINCT kind, key FROM changes WHERE seq > ?1 AND writer IS NOT ?2";
            let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
            let rows = statement
                .query_map(params![since.0, self.writer], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(failed)?;
            for row in rows {
                let (kind, key): (String, String) = row.map_err(failed)?;
                changed.insert(hint(&kind, key));
            }
        }
        self.seen = Some((version, cursor));
        Ok(Changes { cursor, changed })
    }

    /// One page of a listing by key; one more row than a page tells whether another follows.
    fn page<T>(
        &self,
        after: Option<PageToken>,
        column: &str,
        read: impl Fn(&Connection, &str, &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<T>>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Fault> {
        let after = after.map(|token| token.0).unwrap_or_default();
        let limit = i64::try_from(self.page + 1).unwrap_or(i64::MAX);
        let tail = format!("WHERE {column} > ?1 ORDER BY {column} LIMIT ?2");
        let mut items =
            read(&self.connection, &tail, &[&after, &limit]).map_err(|error| fault("list the directory", &error))?;
        let more = items.len() > self.page;
        items.truncate(self.page);
        let next = items.last().filter(|_| more).map(|item| PageToken(key(item)));
        Ok(Page { items, next })
    }

    fn partners(&self, page: Option<PageToken>) -> Result<Page<PartnerRecord>, Fault> {
        self.page(page, "id", rows::partners, |partner| partner.id.0.clone())
    }

    fn guests(&self, page: Option<PageToken>) -> Result<Page<GuestRecord>, Fault> {
        self.page(page, "id", rows::guests, |guest| guest.id.0.clone())
    }

    fn accounts(&self, page: Option<PageToken>) -> Result<Page<AccountRecord>, Fault> {
        self.page(page, "name", rows::accounts, |account| account.name.clone())
    }

    fn users(&self, page: Option<PageToken>) -> Result<Page<UserRecord>, Fault> {
        self.page(page, "email", rows::users, |user| user.email.to_string())
    }

    fn partner(&self, id: &PartnerId) -> Result<Option<PartnerRecord>, Fault> {
        let read = rows::partners(&self.connection, "WHERE id = ?1", &[&id.0]);
        Ok(read.map_err(|error| fault("read a partner", &error))?.into_iter().next())
    }

    fn guest(&self, address: &Email) -> Result<Option<GuestRecord>, Fault> {
        rows::one_guest(&self.connection, "WHERE address = ?1", address.as_str())
            .map_err(|error| fault("read a guest", &error))
    }

    fn account(&self, name: &str) -> Result<Option<AccountRecord>, Fault> {
        let read = rows::accounts(&self.connection, "WHERE name = ?1", &[&name]);
        Ok(read.map_err(|error| fault("read an account", &error))?.into_iter().next())
    }

    fn user(&self, email: &Email) -> Result<Option<UserRecord>, Fault> {
        let read = rows::users(&self.connection, "WHERE email = ?1", &[&email.as_str()]);
        Ok(read.map_err(|error| fault("read a user", &error))?.into_iter().next())
    }

    fn execute(
        &mut self,
        operation: &Operation,
        basis: Option<Revision>,
        at: Timestamp,
        epoch: Epoch,
    ) -> Result<Effect, Fault> {
        write::execute(&mut self.connection, operation, basis, at, epoch)
    }
}

/// A row of the changes, as a hint.
fn hint(kind: &str, key: String) -> Changed {
    match kind {
        "guest" => Email::parse(&key).map_or(Changed::Everything, Changed::Guest),
        "user" => Email::parse(&key).map_or(Changed::Everything, Changed::User),
        "partner" => Changed::Partner(PartnerId(key)),
        "account" => Changed::Account(key),
        _ => Changed::Everything,
    }
}

/// Something that runs a closure on the store.
trait Run: Send + Sync {
    fn run<'a, T: Send + 'static>(
        &'a self,
        work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, Fault>>;
}

type Work = Box<dyn FnOnce(&mut Store) + Send>;

/// A store on a thread of its own. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct Directory {
    work: mpsc::Sender<Work>,
}

impl Directory {
    /// Starts the thread.
    pub fn start(mut store: Store) -> std::io::Result<Self> {
        let (work, mut inbox) = mpsc::channel::<Work>(WAITING);
        std::thread::Builder::new().name("directory".to_owned()).spawn(move || {
            while let Some(work) = inbox.blocking_recv() {
                work(&mut store);
            }
        })?;
        Ok(Self { work })
    }
}

impl Run for Directory {
    fn run<'a, T: Send + 'static>(
        &'a self,
        work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        async move {
            let gone = || Fault::Unavailable { context: "its thread has ended".to_owned() };
            let (reply, answer) = oneshot::channel();
            let work: Work = Box::new(move |store| {
                // Whoever asked may have given up in the meantime; what was done is done.
                drop(reply.send(work(store)));
            });
            self.work.send(work).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        }
        .boxed()
    }
}

/// A store in the caller.
pub struct Inline(pub Mutex<Store>);

impl Inline {
    /// Wraps a store.
    pub fn new(store: Store) -> Self {
        Self(Mutex::new(store))
    }
}

impl Run for Inline {
    fn run<'a, T: Send + 'static>(
        &'a self,
        work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        let result = work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        futures::future::ready(result).boxed()
    }
}

macro_rules! shell {
    ($shell:ty) => {
        impl Observe for $shell {
            fn owner(&self) -> BoxFuture<'_, Result<Option<Owner>, Fault>> {
                self.run(|store| store.owner())
            }
            fn cursor(&self) -> BoxFuture<'_, Result<Cursor, Fault>> {
                self.run(|store| store.cursor())
            }
            fn changes(&self, since: Cursor) -> BoxFuture<'_, Result<Changes, Fault>> {
                self.run(move |store| store.changes(since))
            }
            fn partners(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<PartnerRecord>, Fault>> {
                self.run(move |store| store.partners(page))
            }
            fn guests(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<GuestRecord>, Fault>> {
                self.run(move |store| store.guests(page))
            }
            fn accounts(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<AccountRecord>, Fault>> {
                self.run(move |store| store.accounts(page))
            }
            fn users(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<UserRecord>, Fault>> {
                self.run(move |store| store.users(page))
            }
            fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Fault>> {
                let id = id.clone();
                self.run(move |store| store.partner(&id))
            }
            fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Fault>> {
                let address = address.clone();
                self.run(move |store| store.guest(&address))
            }
            fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<AccountRecord>, Fault>> {
                let name = name.to_owned();
                self.run(move |store| store.account(&name))
            }
            fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Fault>> {
                let email = email.clone();
                self.run(move |store| store.user(&email))
            }
        }

        impl Execute for $shell {
            fn claim<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Fault>> {
                let owner = owner.clone();
                self.run(move |store| store.claim(&owner))
            }
            fn lead(&self) -> BoxFuture<'_, Result<Epoch, Fault>> {
                self.run(|store| store.lead())
            }
            fn execute<'a>(
                &'a self,
                operation: &'a Operation,
                basis: Option<Revision>,
                at: Timestamp,
                epoch: Epoch,
            ) -> BoxFuture<'a, Result<Effect, Fault>> {
                let operation = operation.clone();
                self.run(move |store| store.execute(&operation, basis, at, epoch))
            }
        }
    };
}

shell!(Directory);
shell!(Inline);
