//! The operator's calls on a Keycloak that does not answer: none outlasts its deadline or the term of the lease.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::{DirectoryWriter as _, GuestChange, Operation, Origin};
use guestlist::domain::Reason;
use guestlist::engine::{Failure, Task, TaskSubject};
use guestlist::executor::Executor;
use guestlist::executor::lease_term::LeaseTerm;
use guestlist::executor::object_store::{EventContext, ObjectStore, PatchTarget};
use guestlist::plan::Step;
use guestlist::util::clock::Clock;
use serde_json::Value;
use tokio::time::Instant;

use super::furnish::{admit, at, ensure_partner, guest, us};
use super::representations::Fate;
use super::{Stage, clock};

/// No object is read or written.
struct Nothing;

impl ObjectStore for Nothing {
    fn get<'a>(&'a self, _key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>> {
        unreachable!()
    }
    fn patch<'a>(
        &'a self,
        _key: &'a ObjectRef,
        _part: PatchTarget,
        _patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>> {
        unreachable!()
    }
    fn delete<'a>(&'a self, _key: &'a ObjectRef, _uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        unreachable!()
    }
    fn has_members<'a>(&'a self, _partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>> {
        unreachable!()
    }
    fn publish<'a>(&'a self, _telling: EventContext<'a>) -> BoxFuture<'a, ()> {
        unreachable!()
    }
}

/// A realm with Bob, and an executor of the operator whose term lasts this many seconds.
async fn stage(seconds: u64) -> (Stage, Executor) {
    let stage = Stage::new();
    stage.directory.claim(&us()).await.unwrap();
    let epoch = stage.directory.lead().await.unwrap();
    for operation in [ensure_partner(false), admit(Origin::Created)] {
        stage.directory.execute(&operation, None, at(0), epoch).await.unwrap();
    }
    stage.wire.seen();
    let read = clock(stage.wire.began);
    let clock = Clock::new(move || read());
    let term = LeaseTerm::lasting(Duration::from_secs(seconds), clock.clone());
    let directory = Arc::new(stage.directory.clone());
    let executor = Executor { objects: Arc::new(Nothing), directory, epoch, term, clock, metrics: Arc::default() };
    (stage, executor)
}

async fn fails(executor: &Executor, operation: Operation) -> Failure {
    let step = Step { operation, reason: Reason::Suspended, message: "a test".to_owned() };
    let about = TaskSubject {
        key: ObjectRef::new(Kind::Membership, "ns", "bob").into(),
        uid: "u-bob".to_owned(),
        generation: None,
        address: None,
    };
    let task = Task::Execute { checks: vec![], steps: vec![step], basis: None, events: vec![] };
    executor.run(about, task).await.failure.expect("it fails")
}

#[tokio::test(start_paused = true)]
async fn operation_ends_with_its_deadline_or_the_term() {
    let disable = Operation::Guest { id: guest(), change: GuestChange::DisableLogin };
    let invite = Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at: at(200_000) } };
    // The directory gives up on a single call first. A term that ends sooner ends the operation.
    for (operation, term, seconds) in [(&disable, 4, 4), (&invite, 12, 12), (&disable, 60, 10), (&invite, 60, 25)] {
        let (stage, executor) = stage(term).await;
        // Each call to the realm is answered after eight seconds, and an operation has several calls.
        stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(8)));
        let began = Instant::now();
        let failure = fails(&executor, operation.clone()).await;
        assert!(matches!(failure, Failure::OperationFailed(..) | Failure::Unwritable(..)), "{failure:?}");
        // Then the executor checks whether the directory accepts any write, which adds the timeout of that check.
        let most = term.min(seconds + 10);
        let took = began.elapsed().as_secs();
        assert!((seconds..=most).contains(&took), "{operation:?} in a term of {term} s: {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_of_keycloak_after_the_term() {
    for late in [0, 1, 3600] {
        let (stage, executor) = stage(15).await;
        tokio::time::sleep(Duration::from_secs(15 + late)).await;
        for operation in [
            Operation::Guest { id: guest(), change: GuestChange::DisableLogin },
            Operation::Guest { id: guest(), change: GuestChange::Deactivate },
        ] {
            assert_eq!(fails(&executor, operation).await, Failure::NotLeading);
        }
        assert_eq!(stage.wire.seen().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn patience_of_keycloak_is_passed_on_to_the_queue() {
    let (stage, executor) = stage(60).await;
    stage.wire.rules(|asked, _| if asked.is_read() { Fate::Passes } else { Fate::Patience(429, "17") });
    let failure = fails(&executor, Operation::Guest { id: guest(), change: GuestChange::DisableLogin }).await;
    assert!(matches!(failure, Failure::RetryAfter(after, _) if after.as_secs() == 17), "{failure:?}");
}
