//! A connection to the operator's own executor: the test answers each of its calls in turn, so that one thread, one
//! clock and one seed decide the result.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use guestlist::cache::{Object, ObjectRef};
use guestlist::directory::{
    AccountRecord, Applied, Changes, Cursor, DirectoryReader, DirectoryWriter, Epoch, Error, GuestRecord, MailRecord,
    Operation, Owner, Page, PageToken, PartnerId, PartnerRecord, Purged, Revision, ShareRecord, UserRecord,
};
use guestlist::domain::Email;
use guestlist::engine::{Failure, Task, TaskOutcome, TaskSubject};
use guestlist::executor::Executor;
use guestlist::executor::lease_term::LeaseTerm;
use guestlist::executor::object_store::{EventContext, ObjectStore, PatchTarget};
use guestlist::util::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A call of the executor.
pub enum Ask {
    Get(ObjectRef),
    Patch(ObjectRef, PatchTarget, Value),
    Delete(ObjectRef, String),
    HasMembers(ObjectRef),
    Execute(Box<Operation>, Option<Revision>),
    Guest(Email),
    Partner(PartnerId),
    User(Email),
    TakesWrites,
}

/// The answer to a call.
pub enum Answer {
    Object(Result<Object, Failure>),
    Left(Result<Option<Object>, Failure>),
    Members(Result<bool, Failure>),
    Effect(Box<Result<Applied, Error>>),
    Guest(Result<Option<Box<GuestRecord>>, Error>),
    Partner(Option<PartnerRecord>),
    User(Option<UserRecord>),
    Written(Result<(), Error>),
}

#[derive(Default)]
struct Slots {
    ask: Option<Ask>,
    answer: Option<Answer>,
}

#[derive(Clone, Default)]
struct Line(Arc<Mutex<Slots>>);

impl Line {
    async fn ask(&self, ask: Ask) -> Answer {
        self.0.lock().unwrap().ask = Some(ask);
        poll_fn(|_| self.0.lock().unwrap().answer.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

/// A task in progress.
pub struct Call {
    line: Line,
    work: Pin<Box<dyn Future<Output = TaskOutcome>>>,
    is_over: Arc<AtomicBool>,
}

thread_local! {
    /// The deadlines of calls need a timer; no time passes while a call waits for its answer.
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// The length of a term.
const TERM: Duration = Duration::from_hours(1);

/// The next state of a task.
pub enum Next {
    Asks(Ask),
    Done(TaskOutcome),
}

impl Call {
    pub fn begin(about: TaskSubject, task: Task, now: Timestamp, epoch: Epoch) -> Self {
        let line = Line::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let late = SignedDuration::try_from(2 * TERM).unwrap();
        let clock = Clock::new(move || if over.load(Ordering::Relaxed) { now + late } else { now });
        let executor = Executor {
            objects: Arc::new(line.clone()),
            directory: Arc::new(line.clone()),
            epoch,
            term: LeaseTerm::lasting(TERM, clock.clone()),
            clock,
            metrics: Arc::default(),
        };
        Self { line, work: Box::pin(async move { executor.run(about, task).await }), is_over }
    }

    /// Ends the term.
    pub fn end_term(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Continues with an answer, until the next call or the end of the task.
    pub fn go_on(&mut self, answer: Option<Answer>) -> Next {
        self.line.0.lock().unwrap().answer = answer;
        RUNTIME.with(|runtime| {
            let _entered = runtime.enter();
            match self.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Next::Done(outcome),
                Poll::Pending => Next::Asks(self.line.0.lock().unwrap().ask.take().expect("it waits for us only")),
            }
        })
    }
}

macro_rules! ask {
    ($self:ident, $ask:expr, $answer:path) => {
        async move {
            match $self.ask($ask).await {
                $answer(answer) => answer,
                _ => panic!("that was not asked"),
            }
        }
        .boxed()
    };
}

impl ObjectStore for Line {
    fn get<'a>(&'a self, key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>> {
        ask!(self, Ask::Get(key.clone()), Answer::Object)
    }

    fn patch<'a>(
        &'a self,
        key: &'a ObjectRef,
        part: PatchTarget,
        patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>> {
        ask!(self, Ask::Patch(key.clone(), part, patch.clone()), Answer::Object)
    }

    fn delete<'a>(&'a self, key: &'a ObjectRef, uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        ask!(self, Ask::Delete(key.clone(), uid.to_owned()), Answer::Left)
    }

    fn has_members<'a>(&'a self, partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>> {
        ask!(self, Ask::HasMembers(partner.clone()), Answer::Members)
    }

    fn publish<'a>(&'a self, _telling: EventContext<'a>) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }
}

/// The methods of a directory that the executor never calls.
macro_rules! never {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(#[allow(clippy::elidable_lifetime_names, reason = "the types of some arguments name it")]
        fn $name<'a>(&'a self, $($argument: $type),*) -> BoxFuture<'a, Result<$answer, Error>> {
            $(let _ = $argument;)*
            panic!("the executor asks for one guest or partner only")
        })*
    };
}

impl DirectoryReader for Line {
    never! {
        owner() -> Option<Owner>;
        cursor() -> Cursor;
        changes(since: Cursor) -> Changes;
        partners(page: Option<PageToken>) -> Page<PartnerRecord>;
        guests(page: Option<PageToken>) -> Page<GuestRecord>;
        accounts(page: Option<PageToken>) -> Page<AccountRecord>;
        users(page: Option<PageToken>) -> Page<UserRecord>;
        mails(page: Option<PageToken>) -> Page<MailRecord>;
        shares(page: Option<PageToken>) -> Page<ShareRecord>;
        purged() -> Purged;
        account(name: &'a str) -> Option<AccountRecord>;
    }

    fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Error>> {
        async move { Ok(ask!(self, Ask::Guest(address.clone()), Answer::Guest).await?.map(|guest| *guest)) }.boxed()
    }

    fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Error>> {
        async move { Ok(ask!(self, Ask::Partner(id.clone()), Answer::Partner).await) }.boxed()
    }

    fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Error>> {
        async move { Ok(ask!(self, Ask::User(email.clone()), Answer::User).await) }.boxed()
    }
}

impl DirectoryWriter for Line {
    never! {
        claim(owner: &'a Owner) -> ();
        take_over(owner: &'a Owner) -> ();
        epoch() -> Epoch;
        lead() -> Epoch;
    }

    fn fences(&self) -> bool {
        true
    }

    fn check_writable(&self) -> BoxFuture<'_, Result<(), Error>> {
        ask!(self, Ask::TakesWrites, Answer::Written)
    }

    fn execute<'a>(
        &'a self,
        operation: &'a Operation,
        basis: Option<Revision>,
        _at: Timestamp,
        _epoch: Epoch,
    ) -> BoxFuture<'a, Result<Applied, Error>> {
        async move { *ask!(self, Ask::Execute(Box::new(operation.clone()), basis), Answer::Effect).await }.boxed()
    }
}
