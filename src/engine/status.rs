//! Status writes: only differences from the stored status, and changes of counts at a limited rate.

use std::sync::Arc;

use jiff::Timestamp;

use crate::cache::{Kind, ObjectRef};
use crate::engine::status_change;
use crate::engine::status_change::StatusChange;
use crate::engine::{Engine, Task};
use crate::plan::{self, Event};

/// The last status written for an unreadable object, so that it is written only once.
#[derive(Debug, PartialEq)]
pub(super) struct UnreadableReport {
    uid: Option<Arc<str>>,
    generation: Option<i64>,
    /// Whether the write succeeded.
    pub(super) written: bool,
}

impl Engine {
    /// The task that writes a status, if one is needed.
    pub(super) fn status_task(
        &mut self,
        key: &ObjectRef,
        status: &plan::Status,
        events: Vec<Event>,
        now: Timestamp,
    ) -> Option<Task> {
        let meta = self.objects.metadata(key)?;
        if self.objects.is_unreadable(key) {
            // The stored status cannot be compared, so it is written once.
            let report = UnreadableReport { uid: meta.uid.clone(), generation: meta.generation, written: true };
            if self.unreadable_reported.get(key) == Some(&report) {
                return None;
            }
            self.unreadable_reported.insert(key.clone(), UnreadableReport { written: false, ..report });
            return Some(Task::Status { object: key.clone(), patch: status_change::whole(meta, status), events });
        }
        match status_change::difference(&self.objects, key, status)? {
            StatusChange::None => {
                self.pending_status.remove(key);
                None
            }
            StatusChange::Counts(_) if !self.may_write_counts(key, now) => {
                self.count_later(key.clone(), now);
                None
            }
            StatusChange::Counts(patch) | StatusChange::More(patch) => {
                match key.kind {
                    Kind::Membership => self.count_again(key, now),
                    Kind::Partner | Kind::Share => {
                        self.last_status_write.insert(key.clone(), now);
                    }
                }
                Some(Task::Status { object: key.clone(), patch, events })
            }
        }
    }
}
