//! The next task of an object: the finalizer, operations, deletions, and the status, in this order.

use jiff::Timestamp;

use super::failures::Retained;
use super::queue::QueueKey;
use super::{Engine, MOST_ROUNDS, Task};
use crate::cache::{ObjectRef, has_finalizer};
use crate::plan::{Event, Finalizer, Plan};

impl Engine {
    /// The next task of a running object. `None`: it has converged.
    pub(super) fn advance_object(&mut self, key: &ObjectRef, now: Timestamp) -> Option<Task> {
        if self.objects.metadata(key).is_none() {
            self.sends_nothing(key);
            self.forget(key);
            return None;
        }
        let round = self.rounds.entry(key.clone()).or_default();
        round.number += 1;
        if round.number > MOST_ROUNDS {
            self.rounds.remove(key);
            let delay = self.queue.back_off(key, now);
            tracing::warn!(%key, delay_ms = delay.as_millis(), "did not converge; backing off");
            return None;
        }
        if self.revokes_early(now)
            && let Some(task) = self.advance_early(key, now)
        {
            return Some(task);
        }
        if !self.is_complete() {
            self.rounds.remove(key);
            return None;
        }
        if let Some(address) = self.address_to_read_again(key) {
            return Some(Task::Read(address));
        }
        self.report_annotations(key, now);
        let mut plan = self.planned(key, Retained::Nothing, now)?;
        let waits = self.waits_for_the_directory(key, &plan, now);
        if let Some((_, kept)) = waits {
            plan = self.planned(key, kept, now)?;
        }
        // While the outcome of its operation is unknown, the membership keeps its turn.
        if !matches!(waits, Some((_, Retained::Everything | Retained::Object | Retained::Refused))) {
            self.record_invitation(key, &plan);
        }
        let meta = self.objects.metadata(key)?;
        let version = meta.resource_version.clone().unwrap_or_default();
        let finalizers: Vec<String> = meta.finalizers.clone();
        let ours = has_finalizer(&meta.finalizers);
        let leaving = meta.deletion_timestamp.is_some();
        if let Some(next) = plan.next_check {
            self.queue.at(key, next);
        }
        if plan.finalizer == Finalizer::Hold && !ours && !leaving {
            let finalizers = finalizers.into_iter().chain([crate::api::FINALIZER.to_owned()]).collect();
            return Some(Task::Finalizer { object: key.clone(), finalizers, version });
        }
        let drifted = meta.uid.as_ref().is_some_and(|uid| self.drifted.remove(&**uid));
        if !plan.steps.is_empty() {
            let checks = self.checks(key, &plan);
            let Plan { steps, basis, mut events, .. } = plan;
            events.extend(drifted.then_some(Event::CORRECTED));
            return Some(Task::Execute { checks, steps, basis, events });
        }
        if let Some(address) = plan.recheck.take().filter(|address| self.rechecked.insert(address.clone())) {
            return Some(Task::Read(address));
        }
        if !plan.deletions.is_empty() {
            return Some(Task::Delete(plan.deletions));
        }
        if plan.finalizer == Finalizer::Release && ours {
            let finalizers = finalizers.into_iter().filter(|finalizer| finalizer != crate::api::FINALIZER).collect();
            return Some(Task::Finalizer { object: key.clone(), finalizers, version });
        }
        if waits.is_none() && self.is_behind(key) {
            plan = self.planned(key, Retained::Everything, now)?;
        }
        if let Some(task) = plan.status.and_then(|status| self.status_task(key, &status, plan.events, now)) {
            return Some(task);
        }
        self.rounds.remove(key);
        match waits {
            Some((again, _)) => self.queue.at(key, again),
            None => {
                self.queue.reset_backoff(key);
                let key = QueueKey::from(key);
                self.health.panicking.remove(&key);
                self.clear_failure(&key, now);
            }
        }
        None
    }
}
