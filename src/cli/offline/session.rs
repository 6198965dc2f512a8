//! Runs the operator's engine on objects in memory until it converges. It uses the same cache, rules, plan and executor
//! as in a cluster, and waits neither for people nor for deadlines.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::SignedDuration;

use super::guest_access::{GuestAccess, guest_access};
use super::object_store::InMemoryObjects;
use super::unmanaged::{UnmanagedGuest, unmanaged_guests};
use crate::cache::{Kind, ObjectRef};
use crate::directory::{DirectoryWriter, Epoch, Error, GuestChange, Operation, Owner};
use crate::domain::Email;
use crate::engine::{Engine, Failure, Input, Load, Task, TaskOutcome};
use crate::executor::lease_term::LeaseTerm;
use crate::executor::{Executor, TaskSubject};
use crate::plan::later::{Frame, LaterGrant, later};
use crate::plan::{PruneScope, Step};
use crate::util::clock::Clock;
use crate::workspace_policy::WorkspacePolicy;

/// How long a failed operation is retried.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Waits for a duration. In a rehearsal the duration passes at once.
pub type Sleep = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// The inputs of a session.
pub struct ApplySession {
    /// The owner in the ownership marks.
    pub owner: Owner,
    /// The policy.
    pub workspace: WorkspacePolicy,
    /// The objects.
    pub desk: Arc<InMemoryObjects>,
    /// The content of the directory.
    pub load: Load,
    /// The directory that receives the operations.
    pub directory: Arc<dyn DirectoryWriter>,
    /// The epoch of this session. It begins before the directory is read, so that a concurrent change is noticed and
    /// refused.
    pub epoch: Epoch,
    /// The source of the current time.
    pub clock: Clock,
    /// The partners whose undeclared guests may be deactivated.
    pub extent: PruneScope,
    /// Number of objects that are reconciled at once.
    pub workers: usize,
    /// Waits for a duration.
    pub wait: Sleep,
}

/// A completed operation, with its object.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletedStep {
    /// The object.
    pub key: ObjectRef,
    /// The operation and its reason.
    pub step: Step,
}

/// The final state of a session.
#[derive(Default)]
pub struct Rest {
    /// The problems that belong to no object.
    pub problems: Vec<String>,
    /// The failed operations, each with its cause.
    pub failed: Vec<String>,
    /// The unmanaged guests and grants: no file declares them, and they are not pruned.
    pub left_alone: Vec<UnmanagedGuest>,
    /// The guests without access for lack of a known MFA method. On a copy, their records are not read individually.
    pub closer: BTreeSet<Email>,
    /// The grants that follow, and their conditions.
    pub later: Vec<LaterGrant>,
    /// The guests and their access.
    pub guests: Vec<GuestAccess>,
}

/// The running tasks with their steps.
type Running = FuturesUnordered<BoxFuture<'static, (ObjectRef, Vec<Step>, TaskOutcome)>>;

impl ApplySession {
    /// Runs until it converges. Reports each operation once it is done. The error names the obstacle.
    pub async fn run(self, mut tell: impl FnMut(&CompletedStep)) -> Result<Rest, String> {
        let Self { owner, workspace, desk, load, directory, epoch, clock, extent, workers, wait } = self;
        let performer = Executor {
            objects: desk.clone(),
            directory,
            epoch,
            term: LeaseTerm::endless(clock.clone()),
            clock: clock.clone(),
            metrics: Arc::default(),
        };
        let mut engine = Engine::new(owner, workspace, workers).with_extent(extent);
        begin(&mut engine, &desk, load, &clock);
        let mut running = Running::new();
        let mut words = Words::default();
        let mut since = clock.now();
        let mut swept = false;
        loop {
            for (key, task) in engine.tasks(clock.now()) {
                running.push(start(&engine, &performer, key, task));
            }
            if let Some(problem) = engine.stopped() {
                // Running tasks finish, so that the next leader finds nothing half done.
                while let Some((key, steps, outcome)) = running.next().await {
                    for step in steps.into_iter().take(outcome.effects.len()) {
                        tell(&CompletedStep { key: key.clone(), step });
                    }
                }
                return Err(problem.to_owned());
            }
            let Some((key, steps, outcome)) = running.next().await else {
                let now = clock.now();
                let next = engine.next_check();
                let next = next.filter(|_| words.is_waiting(&engine) && now.duration_since(since) < PATIENCE);
                let Some(next) = next else {
                    if swept {
                        break;
                    }
                    // In a cluster, garbage collection starts some time after the last change.
                    engine.gc_now();
                    swept = true;
                    continue;
                };
                let pause = Duration::try_from(next.duration_since(now)).unwrap_or_default();
                wait(pause.min(Duration::from_secs(5))).await;
                continue;
            };
            for step in steps.into_iter().take(outcome.effects.len()) {
                since = clock.now();
                swept = false;
                if matches!(
                    step.operation,
                    Operation::Guest { change: GuestChange::Invite(_) | GuestChange::ResendInvitation { .. }, .. }
                ) {
                    words.unsent.remove(&key);
                }
                words.refused.remove(&key);
                tell(&CompletedStep { key: key.clone(), step });
            }
            words.hear(&key, outcome.failure.as_ref());
            engine.handle(Input::Done { key, outcome: Box::new(outcome) }, clock.now());
            for (key, uid) in desk.take_gone() {
                engine.handle(Input::Deleted { key, uid, frontier: desk.version() }, clock.now());
            }
        }
        let frame = Frame { workspace: &engine.workspace, owner: &engine.owner, extent, now: clock.now() };
        let guests = guest_access(&engine.index, &engine.directory_cache, frame);
        let left_alone = unmanaged_guests(frame.inputs(&engine.index, &engine.directory_cache));
        let later = later(&mut engine.index, &mut engine.directory_cache, frame);
        let left = engine.health.problems.iter().map(|(word, problem)| format!("{word}: {problem}")).collect();
        Ok(Rest {
            problems: left,
            failed: words.failing(&engine),
            closer: engine.closer().clone(),
            left_alone,
            later,
            guests,
        })
    }
}

/// The last error of each object.
#[derive(Default)]
struct Words {
    last: BTreeMap<ObjectRef, String>,
    /// Objects that are retried after a time.
    waiting: BTreeSet<ObjectRef>,
    /// Objects whose failure is permanent until something changes, which does not happen in a session.
    stuck: BTreeSet<ObjectRef>,
    /// Objects whose mail was not sent. The session does not wait for a mail server.
    unsent: BTreeSet<ObjectRef>,
    /// Objects with an operation that the directory refuses. The session does not retry it.
    refused: BTreeSet<ObjectRef>,
}

impl Words {
    /// Records the outcome of a task. After a failed operation the engine writes the object's status, which succeeds.
    /// So a success does not erase the last error.
    fn hear(&mut self, key: &ObjectRef, failure: Option<&Failure>) {
        self.waiting.remove(key);
        self.stuck.remove(key);
        let why = match failure {
            Some(Failure::Retry(why) | Failure::OperationFailed(_, why) | Failure::Unwritable(_, why)) => why,
            Some(Failure::MailNotSent(_, why)) => {
                self.unsent.insert(key.clone());
                why
            }
            Some(Failure::Refused(_, why)) => {
                self.refused.insert(key.clone());
                why
            }
            Some(Failure::RetryAfter(_, why)) => {
                self.waiting.insert(key.clone());
                why
            }
            Some(Failure::Permanent(why) | Failure::Panicked(why)) => {
                self.stuck.insert(key.clone());
                why
            }
            Some(Failure::NotFound | Failure::Conflict | Failure::Replan | Failure::NotLeading | Failure::Stop(_))
            | None => {
                return;
            }
        };
        self.last.insert(key.clone(), why.clone());
    }

    /// Whether a retry may still succeed.
    fn is_waiting(&self, engine: &Engine) -> bool {
        let panicked = |key: &ObjectRef| engine.health.panicking.contains_key(key);
        let sets = [&self.unsent, &self.stuck, &self.refused];
        let later = |key: &ObjectRef| !panicked(key) && !sets.iter().any(|set| set.contains(key));
        !self.waiting.is_empty() || engine.failing().any(later)
    }

    /// The unfinished objects, each with its error.
    fn failing(&self, engine: &Engine) -> Vec<String> {
        let keys = engine.failing().chain(&self.waiting).chain(&self.stuck).chain(&self.unsent);
        let keys: BTreeSet<&ObjectRef> = keys.collect();
        let why = |key: &ObjectRef| match engine.health.panicking.get(key) {
            Some(panics) => format!("internal error: {}; report it", panics.message),
            None => self.last.get(key).map_or("it changed each time that it was tried", String::as_str).to_owned(),
        };
        keys.into_iter().map(|key| format!("{key}: {}", why(key))).collect()
    }
}

fn begin(engine: &mut Engine, desk: &InMemoryObjects, load: Load, clock: &Clock) {
    let now = clock.now();
    engine.handle(Input::Loading, now);
    engine.handle(Input::Loaded(Box::new(load)), now);
    for kind in Kind::ALL {
        engine.handle(
            Input::Listed {
                kind,
                objects: desk.list(kind).into_iter().map(Into::into).collect(),
                frontier: desk.version(),
            },
            now,
        );
    }
    // In memory nothing else changes the objects, so each list stays complete.
    for kind in Kind::ALL {
        engine.handle(Input::Bookmark { kind, frontier: u64::MAX }, now);
    }
}

fn start(
    engine: &Engine,
    performer: &Executor,
    key: ObjectRef,
    task: Task,
) -> BoxFuture<'static, (ObjectRef, Vec<Step>, TaskOutcome)> {
    let about = TaskSubject::of(&engine.index, &key);
    let steps = match &task {
        Task::Execute { steps, .. } => steps.clone(),
        Task::Finalizer { .. } | Task::Read(_) | Task::Delete(_) | Task::Status { .. } => Vec::new(),
    };
    let performer = performer.clone();
    Box::pin(async move {
        // An object that panics must not end the session of the others.
        let outcome = AssertUnwindSafe(performer.run(about, task)).catch_unwind().await;
        let panicked = |payload: Box<dyn Any + Send>| TaskOutcome::panicked(payload.as_ref());
        (key, steps, outcome.unwrap_or_else(panicked))
    })
}

/// Reads the directory in full.
pub async fn load(directory: &(impl crate::directory::DirectoryReader + ?Sized)) -> Result<Load, String> {
    let read = crate::executor::load::reported(
        crate::executor::load::load(directory),
        crate::executor::load::REPORT,
        |elapsed| {
            eprintln!("{}", crate::executor::load::progress(directory, elapsed));
        },
    );
    read.await.map_err(|fault: Option<Error>| {
        fault.map_or_else(|| "the directory was not read".to_owned(), |fault| fault.to_string())
    })
}
