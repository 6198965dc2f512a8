//! A line to the operator's own performer: each of its calls is asked for and answered in turn, so that one thread, one clock
//! and one seed decide what comes of it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use guestlist::directory::{
    AccountRecord, Changes, Cursor, Destroyed, Effect, Epoch, Execute, Fault, GuestRecord, MailRecord, Observe,
    Operation, Owner, Page, PageToken, PartnerId, PartnerRecord, Revision, ShareRecord, UserRecord,
};
use guestlist::index::{Declared, Key};
use guestlist::operator::clock::Clock;
use guestlist::operator::engine::{Failure, Outcome, Task};
use guestlist::operator::lease::Term;
use guestlist::operator::objects::{Objects, Part, Telling};
use guestlist::operator::perform::{About, Performer};
use guestlist::rules::Email;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What the performer asks for.
pub enum Ask {
    Get(Key),
    Patch(Key, Part, Value),
    Delete(Key, String),
    HasMembers(Key),
    Execute(Box<Operation>, Option<Revision>),
    Guest(Email),
    Partner(PartnerId),
    User(Email),
    TakesWrites,
}

/// What it is told.
pub enum Answer {
    Object(Result<Declared, Failure>),
    Left(Result<Option<Declared>, Failure>),
    Members(Result<bool, Failure>),
    Effect(Box<Result<Effect, Fault>>),
    Guest(Option<Box<GuestRecord>>),
    Partner(Option<PartnerRecord>),
    User(Option<UserRecord>),
    Written(Result<(), Fault>),
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

/// A task that the performer is at.
pub struct Call {
    line: Line,
    work: Pin<Box<dyn Future<Output = Outcome>>>,
    is_over: Arc<AtomicBool>,
}

thread_local! {
    /// The deadlines of calls need a timer; no time passes while they wait for us.
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// The length of a term.
const TERM: Duration = Duration::from_secs(3600);

/// How a task goes on.
pub enum Next {
    Asks(Ask),
    Done(Outcome),
}

impl Call {
    pub fn begin(about: About, task: Task, now: Timestamp, epoch: Epoch) -> Self {
        let line = Line::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let late = SignedDuration::try_from(2 * TERM).unwrap();
        let clock = Clock::new(move || if over.load(Ordering::Relaxed) { now + late } else { now });
        let performer = Performer {
            objects: Arc::new(line.clone()),
            directory: Arc::new(line.clone()),
            epoch,
            term: Term::lasting(TERM, clock.clone()),
            clock,
            metrics: Arc::default(),
        };
        Self { line, work: Box::pin(async move { performer.perform(about, task).await }), is_over }
    }

    /// The term is over from now on.
    pub fn end_term(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Goes on with what was answered, until it asks for more or is done.
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

impl Objects for Line {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Declared, Failure>> {
        ask!(self, Ask::Get(key.clone()), Answer::Object)
    }

    fn patch<'a>(&'a self, key: &'a Key, part: Part, patch: &'a Value) -> BoxFuture<'a, Result<Declared, Failure>> {
        ask!(self, Ask::Patch(key.clone(), part, patch.clone()), Answer::Object)
    }

    fn delete<'a>(&'a self, key: &'a Key, uid: &'a str) -> BoxFuture<'a, Result<Option<Declared>, Failure>> {
        ask!(self, Ask::Delete(key.clone(), uid.to_owned()), Answer::Left)
    }

    fn has_members<'a>(&'a self, partner: &'a Key) -> BoxFuture<'a, Result<bool, Failure>> {
        ask!(self, Ask::HasMembers(partner.clone()), Answer::Members)
    }

    fn tell<'a>(&'a self, _telling: Telling<'a>) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }
}

/// What the performer never asks a directory for.
macro_rules! never {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self, $($argument: $type),*) -> BoxFuture<'a, Result<$answer, Fault>> {
            $(let _ = $argument;)*
            panic!("the performer asks for one guest or partner only")
        })*
    };
}

impl Observe for Line {
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
        destroyed() -> Destroyed;
        account(name: &'a str) -> Option<AccountRecord>;
    }

    fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Fault>> {
        async move { Ok(ask!(self, Ask::Guest(address.clone()), Answer::Guest).await.map(|guest| *guest)) }.boxed()
    }

    fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Fault>> {
        async move { Ok(ask!(self, Ask::Partner(id.clone()), Answer::Partner).await) }.boxed()
    }

    fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Fault>> {
        async move { Ok(ask!(self, Ask::User(email.clone()), Answer::User).await) }.boxed()
    }
}

impl Execute for Line {
    never! {
        claim(owner: &'a Owner) -> ();
        take_over(owner: &'a Owner) -> ();
        epoch() -> Epoch;
        lead() -> Epoch;
    }

    fn fences(&self) -> bool {
        true
    }

    fn takes_writes(&self) -> BoxFuture<'_, Result<(), Fault>> {
        ask!(self, Ask::TakesWrites, Answer::Written)
    }

    fn execute<'a>(
        &'a self,
        operation: &'a Operation,
        basis: Option<Revision>,
        _at: Timestamp,
        _epoch: Epoch,
    ) -> BoxFuture<'a, Result<Effect, Fault>> {
        async move { *ask!(self, Ask::Execute(Box::new(operation.clone()), basis), Answer::Effect).await }.boxed()
    }
}
