//! Runs the operator's engine on objects in memory until it converges. It uses the same cache, rules, plan and executor
//! as in a cluster, and waits neither for people nor for deadlines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::SignedDuration;

use super::guest_access::{GuestAccess, guest_access};
use super::object_store::InMemoryObjects;
use super::unmanaged::{UnmanagedGuest, unmanaged_guests};
use crate::cache::Kind;
use crate::directory::{DirectoryWriter, Epoch, Error, Operation, Owner, Snapshot};
use crate::domain::Email;
use crate::engine::queue::QueueKey;
use crate::engine::{Engine, Failure, Input};
use crate::executor::Executor;
use crate::executor::lease_term::LeaseTerm;
use crate::executor::runner::{EndedTask, Runner};
use crate::plan::later::{Frame, LaterGrant, later};
use crate::plan::{PruneScope, Step};
use crate::util::clock::Clock;
use crate::workspace_policy::WorkspacePolicy;

/// How long a failed operation is retried.
const RETRY_FOR: SignedDuration = SignedDuration::from_secs(60);

/// Waits for a duration. In a rehearsal the duration passes at once.
pub type Sleep = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// The inputs of a session.
pub struct OfflineSession {
    /// The owner in the ownership marks.
    pub owner: Owner,
    /// The policy.
    pub workspace: WorkspacePolicy,
    /// The objects.
    pub objects: Arc<InMemoryObjects>,
    /// The content of the directory, read in full.
    pub snapshot: Snapshot,
    /// The directory that receives the operations.
    pub directory: Arc<dyn DirectoryWriter>,
    /// The epoch of this session. It begins before the directory is read, so that a concurrent change is noticed and
    /// refused.
    pub epoch: Epoch,
    /// The source of the current time.
    pub clock: Clock,
    /// The partners whose undeclared guests may be deactivated.
    pub prune_scope: PruneScope,
    /// Number of objects that are reconciled at once.
    pub workers: usize,
    /// Waits for a duration.
    pub wait: Sleep,
}

/// A completed operation, with its object.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletedStep {
    /// The object, or garbage collection.
    pub key: QueueKey,
    /// The operation and its reason.
    pub step: Step,
}

/// The final state of a session.
#[derive(Default)]
pub struct SessionOutcome {
    /// The problems that belong to no object.
    pub problems: Vec<String>,
    /// The failed operations, each with its cause.
    pub failed: Vec<String>,
    /// The unmanaged guests and grants: no file declares them, and they are not pruned.
    pub unmanaged: Vec<UnmanagedGuest>,
    /// The guests without access for lack of a known MFA method. On a copy, their records are not read individually.
    pub to_recheck: BTreeSet<Email>,
    /// The grants that follow, and their conditions.
    pub later: Vec<LaterGrant>,
    /// The guests and their access.
    pub guests: Vec<GuestAccess>,
}

impl OfflineSession {
    /// Runs until it converges. Reports each completed operation. The error is the cause of an early stop.
    ///
    /// # Errors
    ///
    /// The cause that stopped the engine.
    pub async fn run(self, mut report: impl FnMut(&CompletedStep)) -> Result<SessionOutcome, String> {
        let Self { owner, workspace, objects, snapshot, directory, epoch, clock, prune_scope, workers, wait } = self;
        let executor = Executor {
            objects: objects.clone(),
            directory,
            epoch,
            term: LeaseTerm::endless(clock.clone()),
            clock: clock.clone(),
            metrics: Arc::default(),
        };
        let mut runner = Runner::new(Engine::new(owner, workspace, workers).with_prune_scope(prune_scope), executor);
        begin(&mut runner, &objects, snapshot);
        let mut failures = Failures::default();
        let mut last_change = clock.now();
        let mut collected_garbage = false;
        loop {
            let stopped = runner.start().err();
            let Some(EndedTask { key, completed, failure }) = runner.ended().await else {
                if let Some(problem) = stopped {
                    // All running tasks have ended, so that the next leader finds no partial operation.
                    return Err(problem);
                }
                let now = clock.now();
                let next = runner.engine().next_check();
                let waits = failures.is_waiting(runner.engine()) && now.duration_since(last_change) < RETRY_FOR;
                let Some(next) = next.filter(|_| waits) else {
                    if collected_garbage {
                        break;
                    }
                    // In a cluster, garbage collection starts some time after the last change.
                    runner.engine_mut().gc_now();
                    collected_garbage = true;
                    continue;
                };
                let pause = Duration::try_from(next.duration_since(now)).unwrap_or_default();
                wait(pause.min(Duration::from_secs(5))).await;
                continue;
            };
            for step in completed {
                last_change = clock.now();
                collected_garbage = false;
                failures.completed(&key, &step);
                report(&CompletedStep { key: key.clone(), step });
            }
            failures.ended(&key, failure.as_ref());
            for (key, uid) in objects.take_gone() {
                runner.handle(Input::Deleted { key, uid, version: objects.version() });
            }
        }
        let engine = runner.into_engine();
        let problems = engine.health().problems.iter().map(|(subject, problem)| format!("{subject}: {problem}"));
        let (problems, failed) = (problems.collect(), failures.unfinished(&engine));
        let (to_recheck, workspace, owner) =
            (engine.rechecked().clone(), engine.workspace().clone(), engine.owner().clone());
        let (mut objects, mut directory) = engine.into_facts();
        let frame = Frame { workspace: &workspace, owner: &owner, prune_scope, now: clock.now() };
        let guests = guest_access(&objects, &directory, frame);
        let unmanaged = unmanaged_guests(frame.inputs(&objects, &directory));
        let later = later(&mut objects, &mut directory, frame);
        Ok(SessionOutcome { problems, failed, unmanaged, to_recheck, later, guests })
    }
}

/// The last error of each object.
#[derive(Default)]
struct Failures {
    last: BTreeMap<QueueKey, String>,
    /// Objects that are retried after a time.
    waiting: BTreeSet<QueueKey>,
    /// Objects whose failure is permanent until something changes, which does not happen in a session.
    stuck: BTreeSet<QueueKey>,
    /// Objects whose mail was not sent. The session does not wait for a mail server.
    mail_not_sent: BTreeSet<QueueKey>,
    /// Objects with an operation that the directory refuses. The session does not retry it.
    refused: BTreeSet<QueueKey>,
}

impl Failures {
    /// Records a completed operation.
    fn completed(&mut self, key: &QueueKey, step: &Step) {
        if matches!(&step.operation, Operation::Guest { change, .. } if change.sends_mail()) {
            self.mail_not_sent.remove(key);
        }
        self.refused.remove(key);
    }

    /// Records the outcome of a task. After a failed operation the engine writes the object's status, which succeeds.
    /// So a success does not erase the last error.
    fn ended(&mut self, key: &QueueKey, failure: Option<&Failure>) {
        self.waiting.remove(key);
        self.stuck.remove(key);
        let why = match failure {
            Some(Failure::Retry(why) | Failure::OperationFailed(_, why) | Failure::Unwritable(_, why)) => why,
            Some(Failure::MailNotSent(_, why)) => {
                self.mail_not_sent.insert(key.clone());
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
        let panicked = |key: &QueueKey| engine.health().panicking.contains_key(key);
        let sets = [&self.mail_not_sent, &self.stuck, &self.refused];
        let later = |key: &QueueKey| !panicked(key) && !sets.iter().any(|set| set.contains(key));
        !self.waiting.is_empty() || engine.queue().failing().any(later)
    }

    /// The unfinished objects, each with its error.
    fn unfinished(&self, engine: &Engine) -> Vec<String> {
        let keys = engine.queue().failing().chain(&self.waiting).chain(&self.stuck).chain(&self.mail_not_sent);
        let keys: BTreeSet<&QueueKey> = keys.collect();
        let why = |key: &QueueKey| match engine.health().panicking.get(key) {
            Some(panics) => format!("internal error: {}; report it", panics.message),
            None => self.last.get(key).map_or("the object changed during each attempt", String::as_str).to_owned(),
        };
        keys.into_iter().map(|key| format!("{key}: {}", why(key))).collect()
    }
}

fn begin(runner: &mut Runner, objects: &InMemoryObjects, snapshot: Snapshot) {
    runner.handle(Input::Loading);
    runner.handle(Input::Loaded(Box::new(snapshot)));
    for kind in Kind::ALL {
        let listed = objects.list(kind).into_iter().map(Into::into).collect();
        runner.handle(Input::Listed { collection: kind.into(), objects: listed, version: objects.version() });
    }
    // In memory nothing else changes the objects, so each list stays complete.
    for kind in Kind::ALL {
        runner.handle(Input::Bookmark { collection: kind.into(), version: u64::MAX });
    }
}

/// Reads the directory in full.
///
/// # Errors
///
/// The directory cannot be read.
pub async fn load(directory: &(impl crate::directory::DirectoryReader + ?Sized)) -> Result<Snapshot, String> {
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
