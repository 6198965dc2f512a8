//! Panics of a plan or a task. One object of a tenant must not stop the reconciles of all others, nor its own for good.
//! Its key is retried with back-off, and the log names it. After several consecutive panics, readiness names it too.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;

use crate::cache::{CacheEntry, Kind, ObjectRef};
use crate::domain::Email;
use crate::engine::queue::QueueKey;
use crate::engine::{Engine, Retained};
use crate::plan::{self, Inputs, Plan};
use crate::util::panic_report;

/// Runs a planner. The error is the message of its panic. A planner only reads, so a panic leaves no partial change.
pub(super) fn catch_panic<T>(planner: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(planner)).map_err(|payload| panic_report::message(payload.as_ref()))
}

impl Engine {
    /// Removes all data about an object that no longer exists.
    pub(super) fn forget(&mut self, key: &ObjectRef) {
        self.queue.forget(key);
        self.rounds.remove(key);
        self.pending_status.remove(key);
        self.last_status_write.remove(key);
        self.unreadable_reported.remove(key);
        self.failures.remove(&key.into());
        self.unsure.remove(key);
        self.health.panicking.remove(&key.into());
    }

    /// The plan for an object. `None`: the planner panicked, and the object is planned again later.
    pub(super) fn planned(&mut self, key: &ObjectRef, kept: Retained, now: Timestamp) -> Option<Plan> {
        let inputs = self.inputs(now);
        let inputs = match kept {
            Retained::Nothing | Retained::Object | Retained::Refused => inputs,
            Retained::Mail => Inputs { unsent: true, ..inputs },
            Retained::Everything => Inputs { directory_available: false, ..inputs },
        };
        let planner = self.planner;
        let mut plan = catch_panic(|| planner(inputs, key));
        if matches!(kept, Retained::Object | Retained::Refused) {
            plan = plan.map(|plan| plan::refused(inputs, key, plan, self.cause(key)));
        }
        plan.map_err(|message| self.planner_panicked(&key.into(), &message, now)).ok()
    }

    pub(super) fn planner_panicked(&mut self, key: &QueueKey, message: &str, now: Timestamp) {
        self.planner_panics += 1;
        if let Some(object) = key.object() {
            self.rounds.remove(object);
            self.sends_nothing(object);
        }
        self.panicked(key, message, now);
    }

    /// Retries a key later, and logs the panic.
    pub(super) fn panicked(&mut self, key: &QueueKey, message: &str, now: Timestamp) {
        let panics = self.health.panicking.entry(key.clone()).or_default();
        panics.times += 1;
        message.clone_into(&mut panics.message);
        let times = panics.times;
        let delay = self.queue.back_off(key, now);
        tracing::error!(%key, times, delay_ms = delay.as_millis(), "internal error: {message}; tried again later");
    }

    /// The guest of an object whose task panicked. The record is read again before the next plan, because a part of the
    /// task may have succeeded.
    pub(super) fn address_to_read_again(&mut self, key: &ObjectRef) -> Option<Email> {
        if !self.unsure.remove(key) || key.kind != Kind::Membership || !self.health.directory {
            return None;
        }
        self.objects.membership(&key.namespace, &key.name).and_then(CacheEntry::read)?.reading.terms.email.clone()
    }
}
