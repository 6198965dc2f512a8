//! Two ways to run a store. One uses its own thread, so that file access never blocks the operator. The other runs in
//! the caller, for simulation under paused time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::change_feed::Answered;
use super::checkpoint::IDLE;
use super::{
    AccountRecord, Applied, Changes, Cursor, Epoch, Error, GuestRecord, MailRecord, Operation, Owner, Page, PageToken,
    PartnerId, PartnerRecord, Purged, Revision, ShareRecord, Store, UserRecord,
};
use crate::directory::{DirectoryReader, DirectoryWriter};
use crate::domain::Email;

/// The maximum number of queued requests.
const WAITING: usize = 256;

/// Runs a closure on the store.
trait Run: Send + Sync {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Error>>;
}

type Work = Box<dyn FnOnce(&mut Store) + Send>;

/// A store on its own thread. The thread ends when the last handle is dropped. The last handle waits for it, so the
/// file is complete by then.
#[derive(Clone)]
pub struct Directory(Arc<Worker>);

struct Worker {
    /// `None` tells the thread to end.
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    answered: Arc<Mutex<Answered>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.work.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// A read-only store on its own thread. It implements [`DirectoryReader`] alone.
#[derive(Clone)]
pub struct ReadOnly(Directory);

impl ReadOnly {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(store: Store) -> std::io::Result<Self> {
        Directory::start(store).map(Self)
    }
}

impl Run for ReadOnly {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Error>> {
        self.0.run(work)
    }
}

impl Directory {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(store: Store) -> std::io::Result<Self> {
        let (work, inbox) = mpsc::channel::<Work>(WAITING);
        let answered = store.follow.answered();
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let serve = move || clock.block_on(serve(store, inbox));
        let thread = std::thread::Builder::new().name("directory".to_owned()).spawn(serve)?;
        Ok(Self(Arc::new(Worker { work: Some(work), thread: Some(thread), answered })))
    }
}

/// Serves requests until the last handle is dropped. While no request waits, it empties the log into the file.
async fn serve(mut store: Store, mut inbox: mpsc::Receiver<Work>) {
    loop {
        let work = if store.is_at_rest() {
            inbox.recv().await
        } else {
            match tokio::time::timeout(IDLE, inbox.recv()).await {
                Ok(work) => work,
                Err(_) => {
                    store.checkpoint();
                    continue;
                }
            }
        };
        match work {
            Some(work) => work(&mut store),
            None => return,
        }
    }
}

impl Run for Directory {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Error>> {
        async move {
            let gone = || Error::Unavailable { context: "its thread has ended".to_owned() };
            let (reply, answer) = oneshot::channel();
            let work: Work = Box::new(move |store| {
                // The caller's deadline has passed, and perhaps its Lease with it.
                if reply.is_closed() {
                    return;
                }
                // A panic leaves no transaction open, because dropping one rolls it back. The read position of the
                // changes may be wrong, so it is reset. The thread continues with other requests.
                let done = catch_unwind(AssertUnwindSafe(|| store.place.check().and_then(|()| work(store))));
                if done.is_err() {
                    store.follow.start_over();
                }
                // The caller may also give up during the work. The result is committed then, and the change feed
                // reports it.
                drop(reply.send(done));
            });
            let inbox = self.0.work.as_ref().ok_or_else(gone)?;
            inbox.send(work).await.map_err(|_| gone())?;
            // The caller's task knows the object, so the panic continues there.
            answer.await.map_err(|_| gone())?.unwrap_or_else(|payload| resume_unwind(payload))
        }
        .boxed()
    }
}

impl Directory {
    fn answered(&self) -> Arc<Mutex<Answered>> {
        Arc::clone(&self.0.answered)
    }
}

/// A store that runs in the caller.
pub struct Inline(pub Mutex<Store>);

impl Inline {
    /// Wraps a store.
    pub fn new(store: Store) -> Self {
        Self(Mutex::new(store))
    }

    fn answered(&self) -> Arc<Mutex<Answered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).follow.answered()
    }
}

impl Run for Inline {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Error>> {
        async move { work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)) }.boxed()
    }
}

macro_rules! observe {
    ($shell:ty) => {
        impl DirectoryReader for $shell {
            fn owner(&self) -> BoxFuture<'_, Result<Option<Owner>, Error>> {
                self.run(|store| store.owner())
            }
            fn cursor(&self) -> BoxFuture<'_, Result<Cursor, Error>> {
                self.run(|store| store.cursor())
            }
            fn changes(&self, since: Cursor) -> BoxFuture<'_, Result<Changes, Error>> {
                self.run(move |store| store.changes(since))
            }
            fn partners(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<PartnerRecord>, Error>> {
                self.run(move |store| store.partners(page))
            }
            fn guests(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<GuestRecord>, Error>> {
                self.run(move |store| store.guests(page))
            }
            fn accounts(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<AccountRecord>, Error>> {
                self.run(move |store| store.accounts(page))
            }
            fn users(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<UserRecord>, Error>> {
                self.run(move |store| store.users(page))
            }
            fn mails(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<MailRecord>, Error>> {
                self.run(move |store| store.mails(page))
            }
            fn shares(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<ShareRecord>, Error>> {
                self.run(move |store| store.shares(page))
            }
            fn purged(&self) -> BoxFuture<'_, Result<Purged, Error>> {
                self.run(|store| store.purged())
            }
            fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Error>> {
                let id = id.clone();
                self.run(move |store| store.partner(&id))
            }
            fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Error>> {
                let address = address.clone();
                self.run(move |store| store.guest(&address))
            }
            fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<AccountRecord>, Error>> {
                let name = name.to_owned();
                self.run(move |store| store.account(&name))
            }
            fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Error>> {
                let email = email.clone();
                self.run(move |store| store.user(&email))
            }
        }
    };
}

macro_rules! execute {
    ($shell:ty) => {
        impl DirectoryWriter for $shell {
            fn claim<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>> {
                let owner = owner.clone();
                self.run(move |store| store.claim(&owner))
            }
            fn take_over<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>> {
                let owner = owner.clone();
                self.run(move |store| store.take_over(&owner))
            }
            fn fences(&self) -> bool {
                true
            }
            fn epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
                self.run(|store| store.epoch())
            }
            fn lead(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
                self.run(|store| store.lead())
            }
            fn check_writable(&self) -> BoxFuture<'_, Result<(), Error>> {
                self.run(|store| store.check_writable())
            }
            fn execute<'a>(
                &'a self,
                operation: &'a Operation,
                basis: Option<Revision>,
                at: Timestamp,
                epoch: Epoch,
            ) -> BoxFuture<'a, Result<Applied, Error>> {
                let operation = operation.clone();
                let done = self.run(move |store| store.execute(&operation, basis, at, epoch));
                async move {
                    let (effect, line) = done.await?;
                    // The caller has received the effect.
                    self.answered().lock().unwrap_or_else(PoisonError::into_inner).add(line);
                    Ok(effect)
                }
                .boxed()
            }
        }
    };
}

observe!(Directory);
observe!(Inline);
observe!(ReadOnly);
execute!(Directory);
execute!(Inline);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::path::Path;

    use super::super::OpenMode;
    use super::*;

    #[tokio::test]
    async fn worker_panic_reaches_caller_and_directory_stays_usable() {
        let store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
        let directory = Directory::start(store).unwrap();
        let epoch = directory.lead().await.unwrap();
        let work = directory.run(|store| -> Result<(), Error> {
            let transaction = store.connection.transaction().unwrap();
            transaction.execute("UPDATE meta SET epoch = epoch + 100", []).unwrap();
            panic!("injected");
        });
        let payload = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
        assert_eq!(crate::util::panic_report::message(payload.as_ref()), "injected");
        assert_eq!(directory.epoch().await.unwrap(), epoch, "the transaction is rolled back");
        assert_eq!(directory.lead().await.unwrap(), Epoch(epoch.0 + 1));
    }
}
