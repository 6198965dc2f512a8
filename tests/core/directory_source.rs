//! How the operator reads the directory in full and follows its changes.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{
    AccountRecord, Applied, Changes, Cursor, DirectoryReader, DirectoryWriter, Epoch, Error, GuestRecord, Import,
    MailRecord, Operation, Owner, Page, PageToken, PartnerId, PartnerRecord, Purged, Revision, ShareRecord, UserRecord,
};
use guestlist::domain::Email;
use guestlist::engine::{Input, Observed};
use guestlist::operator::sources::follow_directory;
use jiff::Timestamp;
use tokio::time::Instant;

type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// The embedded directory, which changes once while it is read, and fails at some readings.
struct Troubled {
    inner: Inline,
    /// When each full reading began.
    readings: Mutex<Vec<Instant>>,
    fails: fn(usize) -> bool,
    /// How many accounts are still added, each right after the accounts are listed.
    additions: AtomicU32,
}

impl Troubled {
    fn new(fails: fn(usize) -> bool, additions: u32) -> Arc<Self> {
        let inner = Inline::new(Store::open(Path::new(":memory:"), OpenMode::Create).unwrap());
        Arc::new(Self { inner, readings: Mutex::default(), fails, additions: additions.into() })
    }

    fn add_account(&self) {
        let account = AccountRecord { name: "instagram".to_owned(), owners: Vec::new(), deleted: false };
        let import = Import { users: Vec::new(), accounts: vec![account] };
        self.inner.0.lock().unwrap().import(&import).unwrap();
    }
}

impl DirectoryReader for Troubled {
    fn owner(&self) -> Answer<'_, Option<Owner>> {
        self.inner.owner()
    }
    fn cursor(&self) -> Answer<'_, Cursor> {
        let mut readings = self.readings.lock().unwrap();
        readings.push(Instant::now());
        if (self.fails)(readings.len()) {
            return Box::pin(async { Err(Error::Unavailable { context: "injected".to_owned() }) });
        }
        self.inner.cursor()
    }
    fn changes(&self, since: Cursor) -> Answer<'_, Changes> {
        self.inner.changes(since)
    }
    fn partners(&self, page: Option<PageToken>) -> Answer<'_, Page<PartnerRecord>> {
        self.inner.partners(page)
    }
    fn guests(&self, page: Option<PageToken>) -> Answer<'_, Page<GuestRecord>> {
        self.inner.guests(page)
    }
    fn accounts(&self, page: Option<PageToken>) -> Answer<'_, Page<AccountRecord>> {
        Box::pin(async {
            let listed = self.inner.accounts(page).await;
            let left = |left: u32| left.checked_sub(1);
            if self.additions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
                self.add_account();
            }
            listed
        })
    }
    fn users(&self, page: Option<PageToken>) -> Answer<'_, Page<UserRecord>> {
        self.inner.users(page)
    }
    fn mails(&self, page: Option<PageToken>) -> Answer<'_, Page<MailRecord>> {
        self.inner.mails(page)
    }
    fn shares(&self, page: Option<PageToken>) -> Answer<'_, Page<ShareRecord>> {
        self.inner.shares(page)
    }
    fn purged(&self) -> Answer<'_, Purged> {
        self.inner.purged()
    }
    fn partner<'a>(&'a self, id: &'a PartnerId) -> Answer<'a, Option<PartnerRecord>> {
        self.inner.partner(id)
    }
    fn guest<'a>(&'a self, address: &'a Email) -> Answer<'a, Option<GuestRecord>> {
        self.inner.guest(address)
    }
    fn account<'a>(&'a self, name: &'a str) -> Answer<'a, Option<AccountRecord>> {
        self.inner.account(name)
    }
    fn user<'a>(&'a self, email: &'a Email) -> Answer<'a, Option<UserRecord>> {
        self.inner.user(email)
    }
}

impl DirectoryWriter for Troubled {
    fn claim<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()> {
        self.inner.claim(owner)
    }
    fn take_over<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()> {
        self.inner.take_over(owner)
    }
    fn epoch(&self) -> Answer<'_, Epoch> {
        self.inner.epoch()
    }
    fn lead(&self) -> Answer<'_, Epoch> {
        self.inner.lead()
    }
    fn fences(&self) -> bool {
        self.inner.fences()
    }
    fn check_writable(&self) -> Answer<'_, ()> {
        self.inner.check_writable()
    }
    fn execute<'a>(
        &'a self,
        operation: &'a Operation,
        basis: Option<Revision>,
        at: Timestamp,
        epoch: Epoch,
    ) -> Answer<'a, Applied> {
        self.inner.execute(operation, basis, at, epoch)
    }
}

#[tokio::test(start_paused = true)]
async fn change_during_a_full_reading_is_observed_after_it() {
    let directory = Troubled::new(|_| false, 1);
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow_directory(directory, Duration::from_hours(1), sender));
    let mut loaded = false;
    loop {
        let input = tokio::time::timeout(Duration::from_mins(1), inbox.recv()).await;
        match input.unwrap_or_else(|_| panic!("the account is never observed")).unwrap() {
            Input::Loaded(snapshot) => loaded = snapshot.accounts.is_empty(),
            Input::Observed(changes) => {
                assert!(loaded && matches!(&changes[..], [Observed::Account(name, Some(_))] if name == "instagram"));
                break;
            }
            _ => {}
        }
    }
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn directory_that_answered_again_is_retried_soon() {
    let directory = Troubled::new(|reading| reading != 7, 0);
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow_directory(directory.clone(), Duration::from_secs(1), sender));
    while directory.readings.lock().unwrap().len() < 9 {
        inbox.recv().await.unwrap();
    }
    following.abort();
    let readings = directory.readings.lock().unwrap();
    let pauses: Vec<_> = readings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[..6].windows(2).all(|pair| pair[0] < pair[1]), "each failure waits longer: {pauses:?}");
    assert_eq!(pauses[7], pauses[0], "the first failure after an answer waits as long as the first of all: {pauses:?}");
}
