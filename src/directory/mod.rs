//! The identity backend behind two traits: [`DirectoryReader`] and [`DirectoryWriter`]. Code that has only a reader
//! cannot write; the compiler refuses it.

pub mod apply;
pub mod cache;
mod calls;
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
pub use calls::{CallObserver, CallReport};
pub use error::Error;
pub use import::{Import, ImportFile, Imported, UserEntry};
pub use operation::{AccessChange, GuestChange, NewGuest, Operation, PartnerChange};
pub use record::*;
pub use url::DirectoryUrl;

use crate::domain::{Email, quote};

/// The part of a directory's address that is safe to show: its scheme. The rest may contain a password.
pub fn scheme(address: &str) -> String {
    let shown = address.split_once(':').map(|(scheme, _)| format!("{scheme}:…"));
    quote(shown.as_deref().unwrap_or(address))
}

/// One page of a listing. A listing is complete only after its last page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The records of the page.
    pub items: Vec<T>,
    /// The token of the next page; `None`: this is the last page.
    pub next: Option<PageToken>,
}

/// Reads all pages of a listing.
///
/// # Errors
///
/// The first error of a page. The pages before it are dropped.
pub async fn all_pages<T, E, F>(mut page: impl FnMut(Option<PageToken>) -> F) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<Page<T>, E>>,
{
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let Page { items, next } = page(token).await?;
        all.extend(items);
        match next {
            Some(next) => token = Some(next),
            None => return Ok(all),
        }
    }
}

/// The position of a listing. Only the backend interprets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(pub String);

/// The position in the backend's changes up to which they have been read. Only the backend interprets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64);

/// A part of the directory that changed.
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
    /// The number of recently purged records.
    Purged,
    /// The backend cannot name the change: read everything again.
    Everything,
}

/// The changes since a cursor. They are hints: a backend may name more than changed, never less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The position from which to read next.
    pub cursor: Cursor,
    /// The changed parts.
    pub changed: BTreeSet<Changed>,
}

/// The leader's term. A backend with fencing compares it in each write, so a leader without the Lease cannot write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The directory has had no leader, or no longer records one.
    pub const NONE: Self = Self(0);
}

/// The effect of an operation: the current state of the records that it changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The guest after the operation. `None`: the operation concerns no guest, or the record was removed (see
    /// `gone`).
    pub guest: Option<GuestRecord>,
    /// The partner after the operation.
    pub partner: Option<PartnerRecord>,
    /// The guest whose record was removed.
    pub gone: Option<GuestId>,
    /// The partner whose record was removed.
    pub partner_gone: Option<PartnerId>,
    /// The UID of the share whose record was deleted.
    pub share_gone: Option<String>,
    /// How many records were purged in the last hour. Set after an operation that purges one.
    pub purged: Option<Purged>,
}

/// Reads the directory. `Ok(None)` means that the record does not exist. A failed read is an [`Error`], never `None`.
///
/// # Examples
///
/// ```
/// use guestlist::directory::sqlite::{Inline, OpenMode, Store};
/// use guestlist::directory::{DirectoryReader, Error, all_pages};
///
/// # futures::executor::block_on(async {
/// let directory = Inline::new(Store::open(":memory:".as_ref(), OpenMode::Create)?);
/// // The position comes before the listing, so that no change is missed between them.
/// let position = directory.cursor().await?;
/// let guests = all_pages(|page| directory.guests(page)).await?;
/// assert!(guests.is_empty());
/// assert!(directory.changes(position).await?.changed.is_empty());
/// # Ok::<_, Error>(())
/// # }).unwrap();
/// ```
pub trait DirectoryReader: Send + Sync {
    /// Fails with the fix if the directory is not set up for guestlist. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: a setting is missing. Another error: the directory does not answer.
    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Problems that do not stop guestlist, as far as earlier calls found them.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether sign-in requires an allowed MFA method of guests. Never fails: a failed check is
    /// [`SignInGate::Unknown`].
    fn sign_in(&self) -> BoxFuture<'_, SignInGate> {
        Box::pin(std::future::ready(SignInGate::Enforced))
    }
    /// The number of network calls so far, by endpoint.
    fn calls(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
    /// Reports each later network call to an observer. A backend without network calls reports none.
    fn observe_calls(&self, observer: CallObserver) {
        drop(observer);
    }
    /// The endpoint of the network call that has waited longest for a response, and for how long.
    fn waiting(&self) -> Option<(&'static str, Duration)> {
        None
    }
    /// Whether each network call has its own deadline. If so, a read of many calls continues as long as responses
    /// arrive.
    fn bounds_calls(&self) -> bool {
        false
    }
    /// The installation and cluster that this directory belongs to, or `None` before the first claim.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn owner(&self) -> BoxFuture<'_, Result<Option<Owner>, Error>>;
    /// The present position in the changes. Read it *before* a listing, so that no change is missed between them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn cursor(&self) -> BoxFuture<'_, Result<Cursor, Error>>;
    /// The interval between two polls for changes.
    fn poll(&self) -> Duration {
        Duration::from_millis(500)
    }
    /// The changes since a cursor.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn changes(&self, since: Cursor) -> BoxFuture<'_, Result<Changes, Error>>;
    /// All partners with an ownership mark, including deactivated ones.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn partners(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<PartnerRecord>, Error>>;
    /// All guests with an ownership mark, including deactivated ones. Also each identity without a mark that blocks
    /// an address.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn guests(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<GuestRecord>, Error>>;
    /// All accounts, including deleted ones.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn accounts(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<AccountRecord>, Error>>;
    /// All workspace users.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn users(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<UserRecord>, Error>>;
    /// The last mail to each address, even if its record is purged. A backend may omit mails that the guest's record
    /// contains.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn mails(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<MailRecord>, Error>>;
    /// The shares that have had a grant, each as it was at its first grant.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn shares(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<ShareRecord>, Error>>;
    /// How many records were purged in the last hour.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn purged(&self) -> BoxFuture<'_, Result<Purged, Error>>;
    /// One partner.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Error>>;
    /// The guest with this address, deactivated or not.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Error>>;
    /// One account.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<AccountRecord>, Error>>;
    /// One workspace user.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Error>>;
}

/// Changes the directory. Every operation is idempotent, and one transaction if the backend has transactions.
///
/// # Examples
///
/// A directory has one owner. Only the newest leader of the owner may write:
///
/// ```
/// use guestlist::directory::sqlite::{Inline, OpenMode, Store};
/// use guestlist::directory::{DirectoryWriter, Error, Owner};
///
/// # futures::executor::block_on(async {
/// let directory = Inline::new(Store::open(":memory:".as_ref(), OpenMode::Create)?);
/// let owner = Owner { installation: "prod-eu".into(), cluster: "files".into() };
/// directory.claim(&owner).await?;
/// let (first, second) = (directory.lead().await?, directory.lead().await?);
/// assert!(first < second && directory.epoch().await? == second);
///
/// let other = Owner { installation: "prod-us".into(), ..owner };
/// assert!(matches!(directory.claim(&other).await, Err(Error::Foreign { .. })));
/// # Ok::<_, Error>(())
/// # }).unwrap();
/// ```
pub trait DirectoryWriter: DirectoryReader {
    /// Claims the directory for this installation and cluster; no change if they own it already. Another owner:
    /// [`Error::Foreign`].
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`]: the directory has another owner. Another error: the claim may not be written.
    fn claim<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>>;
    /// Transfers the directory and every ownership mark in it to this installation and cluster. The writes and the
    /// next claim of the former owner are refused.
    ///
    /// # Errors
    ///
    /// The directory does not answer or accepts no write. The former owner may remain; the call can be repeated.
    fn take_over<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>>;
    /// The epoch of the present leader. Commands use it to write without becoming the leader.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Busy`]: the directory does not answer. [`Error::Refused`]: it refuses the read.
    fn epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>>;
    /// Becomes the leader: increments the directory's epoch and returns it. From then on, writes of older epochs are
    /// refused.
    ///
    /// # Errors
    ///
    /// The directory does not answer or accepts no write. The epoch may be incremented nevertheless; the call can be repeated.
    fn lead(&self) -> BoxFuture<'_, Result<Epoch, Error>>;
    /// Whether the directory itself refuses each write of an older epoch. If it only checks at intervals, a leader
    /// must stop writing when its term ends.
    fn fences(&self) -> bool;
    /// Fails if the directory accepts no writes at all. It rewrites one of guestlist's own values unchanged. The
    /// result tells an unwritable record from an unwritable directory.
    ///
    /// # Errors
    ///
    /// The error of the write.
    fn check_writable(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// Executes one operation. `basis` is the revision of the guest that the operation was planned on. If the record
    /// has another revision, nothing changes and the result is [`Error::Changed`].
    ///
    /// # Errors
    ///
    /// [`Error::Changed`]: the record has another revision. [`Error::Exists`]: the identity is not managed by guestlist.
    /// [`Error::Fenced`]: a newer leader exists. [`Error::MailNotSent`]: the record is written, the mail is not sent. After
    /// [`Error::Unavailable`], the operation may have succeeded; it can be repeated.
    fn execute<'a>(
        &'a self,
        operation: &'a Operation,
        basis: Option<Revision>,
        at: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Applied, Error>>;
}
