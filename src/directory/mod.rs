//! The identity backend behind two traits: [`DirectoryReader`] reads, [`DirectoryWriter`] does. Whoever holds only an
//! observer cannot write: it does not compile.

pub mod apply;
pub mod cache;
pub mod error;
pub mod import;
pub mod keycloak;
pub mod operation;
pub mod record;
pub mod sqlite;
pub mod url;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

pub use cache::DirectoryCache;
pub use error::Error;
pub use import::{Import, ImportFile, Imported, UserEntry};
pub use operation::{AccessChange, Operation};
pub use record::*;
pub use url::DirectoryUrl;

use crate::domain::{Email, quote};

/// What may be shown of a directory's address: its kind. Behind that somebody may have written a password.
pub fn scheme(address: &str) -> String {
    let shown = address.split_once(':').map(|(scheme, _)| format!("{scheme}:…"));
    quote(shown.as_deref().unwrap_or(address))
}

/// One page of a listing. A listing is the truth only when its last page has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What the page holds.
    pub items: Vec<T>,
    /// How to ask for the next page; `None`: this was the last.
    pub next: Option<PageToken>,
}

/// Where a listing goes on. Opaque to everybody but the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(pub String);

/// How far the backend's changes have been read. Opaque to everybody but the backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64);

/// Something that changed in the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// The guest with this address.
    Guest(Email),
    /// A partner.
    Partner(PartnerId),
    /// An account.
    Account(String),
    /// A workspace user.
    User(Email),
    /// How many records were purged lately.
    Destroyed,
    /// The backend cannot say what: everything has to be read again.
    Everything,
}

/// What changed since a cursor. Hints: a backend may name more than did change, never less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Where to go on.
    pub cursor: Cursor,
    /// What changed.
    pub changed: BTreeSet<Changed>,
}

/// The leader's term: a directory that can compares it in each write, so that a leader who lost the lease cannot write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

impl Epoch {
    /// Nobody ever led, or the directory does not say any more.
    pub const NONE: Self = Self(0);
}

/// What an operation left behind: the records it touched, as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The guest as he is now. `None` where the operation was not about one, or his record is gone (see `gone`).
    pub guest: Option<GuestRecord>,
    /// The partner as it is now.
    pub partner: Option<PartnerRecord>,
    /// The guest whose record is gone.
    pub gone: Option<GuestId>,
    /// The partner whose record is gone.
    pub partner_gone: Option<PartnerId>,
    /// The share that is not remembered any more.
    pub share_gone: Option<String>,
    /// How many records were purged in the last hour, after an operation that purges one.
    pub destroyed: Option<Purged>,
}

/// Reading the directory. `Ok(None)` means *not there*; every failure to tell is a [`Error`], never absence.
pub trait DirectoryReader: Send + Sync {
    /// Fails where it is not set up for us, with what to do. Nothing is written.
    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Problems that stop nothing, as far as earlier calls found them.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether it keeps a guest without an allowed MFA method from signing in. Never fails: what cannot be checked is unknown.
    fn sign_in(&self) -> BoxFuture<'_, SignInGate> {
        Box::pin(std::future::ready(SignInGate::Enforced))
    }
    /// How many calls over a network were made so far, by endpoint.
    fn calls(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
    /// The call over a network that has been without an answer for longest, and for how long.
    fn waiting(&self) -> Option<(&'static str, Duration)> {
        None
    }
    /// Whether each of its calls has a deadline of its own. A reading of many calls then goes on while answers come.
    fn bounds_calls(&self) -> bool {
        false
    }
    /// The installation and cluster that this directory belongs to, once it was claimed.
    fn owner(&self) -> BoxFuture<'_, Result<Option<Owner>, Error>>;
    /// Where the stream of changes stands now. Read it *before* a listing, so that nothing falls between.
    fn cursor(&self) -> BoxFuture<'_, Result<Cursor, Error>>;
    /// How often it is asked what changed.
    fn poll(&self) -> Duration {
        Duration::from_millis(500)
    }
    /// What changed since.
    fn changes(&self, since: Cursor) -> BoxFuture<'_, Result<Changes, Error>>;
    /// All marked partners, deactivated ones too.
    fn partners(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<PartnerRecord>, Error>>;
    /// All marked guests, deactivated ones too, and each identity without a mark that stands in the way of an address.
    fn guests(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<GuestRecord>, Error>>;
    /// All accounts, deleted ones too.
    fn accounts(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<AccountRecord>, Error>>;
    /// All workspace users.
    fn users(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<UserRecord>, Error>>;
    /// The last mail to each address, whether its record is still there or not; a backend may leave out whose record says it.
    fn mails(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<MailRecord>, Error>>;
    /// The shares through which something was given, as they were then.
    fn shares(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<ShareRecord>, Error>>;
    /// How many records were purged in the last hour.
    fn destroyed(&self) -> BoxFuture<'_, Result<Purged, Error>>;
    /// One partner.
    fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Error>>;
    /// The guest with this address, deactivated or not.
    fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Error>>;
    /// One account.
    fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<AccountRecord>, Error>>;
    /// One workspace user.
    fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Error>>;
}

/// Changing the directory. Every operation is idempotent, and one transaction where the backend has them.
pub trait DirectoryWriter: DirectoryReader {
    /// Claims the directory for this installation and cluster, or finds it claimed by them already. Another owner: [`Error::Foreign`].
    fn claim<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>>;
    /// Makes the directory this installation's and cluster's, with every mark in it. Whoever led it before writes nothing
    /// any more, and is refused when he claims it again.
    fn take_over<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>>;
    /// The epoch of whoever leads now: for what a person does beside him.
    fn epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>>;
    /// Takes the lead: advances the directory's epoch and returns it. Writes of older epochs are refused from now on.
    fn lead(&self) -> BoxFuture<'_, Result<Epoch, Error>>;
    /// Whether it refuses each write of an older epoch itself. One that only looks now and then leaves a leader nothing to do
    /// once his term is over.
    fn fences(&self) -> bool;
    /// Fails where the directory takes no writes at all: writes something of ours as it is. It tells a record that cannot be
    /// written from a directory that cannot.
    fn takes_writes(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// Does one operation. `basis` is the revision of the guest that it was planned on: where the record has moved on,
    /// nothing is done and the answer is [`Error::Changed`].
    fn execute<'a>(
        &'a self,
        operation: &'a Operation,
        basis: Option<Revision>,
        at: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Applied, Error>>;
}
