//! Durations and outcomes of reconciles, for metrics. A reconcile begins when its key leaves the queue. It ends when the
//! object has converged, or when a task has failed. All its rounds count as one reconcile.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::cache::Kind;
use crate::engine::queue::QueueKey;
use crate::engine::{Engine, Failure};

/// The end of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReconcileOutcome {
    /// Nothing is left to do, or the object is gone.
    Converged,
    /// The API server has a newer object. The reconcile is repeated.
    Conflict,
    /// A task failed, or the object did not converge. The reconcile is repeated later.
    Failed,
    /// A plan or a task panicked. The reconcile is repeated later.
    Panicked,
    /// The term of the Lease ended.
    Interrupted,
}

impl ReconcileOutcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [Self::Converged, Self::Conflict, Self::Failed, Self::Panicked, Self::Interrupted];

    /// The outcome in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
        }
    }

    /// The outcome of a reconcile whose task ended like this. `None`: the reconcile continues.
    fn of(failure: Option<&Failure>) -> Option<Self> {
        match failure {
            None | Some(Failure::Replan) => None,
            Some(Failure::NotFound) => Some(Self::Converged),
            Some(Failure::Conflict) => Some(Self::Conflict),
            Some(Failure::Panicked(_)) => Some(Self::Panicked),
            Some(Failure::NotLeading) => Some(Self::Interrupted),
            Some(
                Failure::Permanent(_)
                | Failure::Retry(_)
                | Failure::OperationFailed(..)
                | Failure::Unwritable(..)
                | Failure::MailNotSent(..)
                | Failure::Refused(..)
                | Failure::RetryAfter(..)
                | Failure::Stop(_),
            ) => Some(Self::Failed),
        }
    }
}

/// A reconcile that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// The kind of the object. `None`: garbage collection.
    pub kind: Option<Kind>,
    /// The outcome.
    pub outcome: ReconcileOutcome,
    /// The time from its start to its end.
    pub took: SignedDuration,
    /// Whether the last reconcile of the key had failed.
    pub retry: bool,
}

/// A reconcile that has started.
#[derive(Clone, Copy, Debug)]
struct StartedReconcile {
    at: Timestamp,
    retry: bool,
}

/// The present reconciles, and those that ended since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Reconciles {
    started: BTreeMap<QueueKey, StartedReconcile>,
    ended: Vec<Reconcile>,
}

impl Engine {
    /// The reconciles that have ended since the last call.
    pub fn take_reconciles(&mut self) -> Vec<Reconcile> {
        std::mem::take(&mut self.reconciles.ended)
    }

    /// Records that a key left the queue: its reconcile begins or continues.
    pub(super) fn reconcile_runs(&mut self, key: &QueueKey, now: Timestamp) {
        if !self.reconciles.started.contains_key(key) {
            let retry = self.queue.is_failing(key);
            self.reconciles.started.insert(key.clone(), StartedReconcile { at: now, retry });
        }
    }

    /// Records that a key has no next task. `panics`: the number of panics of plans before.
    pub(super) fn reconcile_rests(&mut self, key: &QueueKey, panics: u64, now: Timestamp) {
        let outcome = if self.planner_panics > panics {
            ReconcileOutcome::Panicked
        } else if self.queue.is_failing(key) {
            ReconcileOutcome::Failed
        } else {
            ReconcileOutcome::Converged
        };
        self.reconcile_ends(key, outcome, now);
    }

    /// Records the end of a task. A task without a failure is followed by the next round.
    pub(super) fn reconcile_task_ended(&mut self, key: &QueueKey, failure: Option<&Failure>, now: Timestamp) {
        if let Some(outcome) = ReconcileOutcome::of(failure) {
            self.reconcile_ends(key, outcome, now);
        }
    }

    fn reconcile_ends(&mut self, key: &QueueKey, outcome: ReconcileOutcome, now: Timestamp) {
        let Some(StartedReconcile { at, retry }) = self.reconciles.started.remove(key) else { return };
        let kind = key.object().map(|object| object.kind);
        // The clock may have been set back.
        let took = now.duration_since(at).max(SignedDuration::ZERO);
        self.reconciles.ended.push(Reconcile { kind, outcome, took, retry });
    }
}
