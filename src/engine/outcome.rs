//! The outcome of a task: its results enter the caches, and its failure decides when its key runs again.

use jiff::{SignedDuration, Timestamp};

use super::failures::Retained;
use super::queue::{Priority, QueueKey};
use super::{Engine, Failure, TaskOutcome};
use crate::cache::resource_version;

/// The delay of a key after the end of the Lease's term, in which the Lease may be renewed.
const TERM_DELAY: SignedDuration = SignedDuration::from_millis(500);

impl Engine {
    /// Processes the outcome of a task.
    pub(super) fn done(&mut self, key: &QueueKey, outcome: TaskOutcome, now: Timestamp) {
        let TaskOutcome { objects, effects, reread, failure } = outcome;
        let object_key = key.object();
        if let Some(object_key) = object_key
            && let Some(round) = self.rounds.get_mut(object_key)
        {
            round.was_read &= failure.is_none();
            let answer = objects.iter().find(|object| object.key() == *object_key).filter(|_| failure.is_none());
            round.answered =
                answer.and_then(|object| resource_version::number(object.metadata().resource_version.as_deref()));
        }
        for object in objects {
            // The operator writes only declared objects. An object that the cache lacks was deleted before the answer
            // arrived. If the cache stored it, no event would ever remove it.
            let known = self
                .objects
                .metadata(&object.key())
                .is_some_and(|known| known.uid.as_deref() == object.metadata().uid.as_deref());
            if known {
                let touched = self.objects.apply(object);
                self.touch(touched, Priority::Live, now);
            }
        }
        if !effects.is_empty() {
            self.writes_accepted();
        }
        for effect in effects {
            let touched = self.apply_effect(effect, now);
            self.touch(touched, Priority::Live, now);
        }
        for change in reread {
            let touched = self.observe(change, true, now);
            self.touch(touched, Priority::Live, now);
        }
        if let (Some(object_key), Some(failure)) = (object_key, &failure) {
            self.failed_to_send(object_key, failure);
        }
        if failure.is_none()
            && let Some(object_key) = object_key
            && let Some(report) = self.unreadable_reported.get_mut(object_key)
        {
            report.written = true;
        }
        self.reconcile_task_ended(key, failure.as_ref(), now);
        match failure {
            None | Some(Failure::Replan) => self.queue.push(key, Priority::Withhold),
            Some(Failure::NotFound) => {}
            Some(Failure::Conflict) => {
                let delay = self.queue.back_off(key, now);
                tracing::debug!(%key, delay_ms = delay.as_millis(), "the API server has a newer object; tried again later");
            }
            Some(Failure::Permanent(problem)) => {
                tracing::error!(%key, "{problem}; tried again after the next change");
            }
            Some(Failure::Retry(problem)) => {
                let delay = self.queue.back_off(key, now);
                tracing::warn!(%key, delay_ms = delay.as_millis(), "{problem}; tried again later");
            }
            Some(Failure::OperationFailed(operation, problem)) => {
                self.operation_failed(key, &operation, Retained::Everything, problem, now);
            }
            Some(Failure::Unwritable(operation, problem)) => {
                self.operation_failed(key, &operation, Retained::Object, problem, now);
            }
            Some(Failure::Refused(operation, problem)) => {
                self.operation_failed(key, &operation, Retained::Refused, problem, now);
            }
            Some(Failure::MailNotSent(operation, problem)) => {
                self.operation_failed(key, &operation, Retained::Mail, problem, now);
            }
            Some(Failure::Panicked(message)) => {
                self.unsure.extend(object_key.cloned());
                self.panicked(key, &message, now);
            }
            Some(Failure::NotLeading) => {
                tracing::debug!(%key, "the term of the Lease is over; tried again soon");
                self.queue.at(key, now + TERM_DELAY);
            }
            Some(Failure::RetryAfter(after, problem)) => {
                tracing::warn!(%key, ?after, "{problem}; tried again after this time");
                self.queue.at(key, now + after);
            }
            Some(Failure::Stop(problem)) => self.fatal = Some(problem),
        }
        self.queue.done(key);
    }
}
