//! The running tasks by key: however a task ends, its key is known, so that no key is lost with it.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

use crate::cache::ObjectRef;
use crate::engine::{Engine, Failure, Task, TaskOutcome};
use crate::executor::{Executor, TaskSubject};

/// The running tasks.
#[derive(Default)]
pub struct Running {
    tasks: JoinSet<TaskOutcome>,
    keys: HashMap<Id, ObjectRef>,
}

impl Running {
    /// Starts a task.
    pub fn start(&mut self, engine: &Engine, performer: &Executor, key: ObjectRef, task: Task) {
        let about = TaskSubject::of(&engine.index, &key);
        let performer = performer.clone();
        let started = self.tasks.spawn(async move { performer.run(about, task).await });
        self.keys.insert(started.id(), key);
    }

    /// The next task that ends. `None`: no task runs. Cancel safe.
    pub async fn next(&mut self) -> Option<(ObjectRef, TaskOutcome)> {
        loop {
            let (id, outcome) = match self.tasks.join_next_with_id().await? {
                Ok((id, outcome)) => (id, outcome),
                Err(error) => (error.id(), ended(error)),
            };
            if let Some(key) = self.keys.remove(&id) {
                return Some((key, outcome));
            }
        }
    }

    /// The number of running tasks.
    pub fn count(&self) -> usize {
        self.tasks.len()
    }
}

/// The outcome of a task that did not return.
fn ended(error: tokio::task::JoinError) -> TaskOutcome {
    match error.try_into_panic() {
        Ok(payload) => TaskOutcome::panicked(payload.as_ref()),
        Err(error) => {
            TaskOutcome { failure: Some(Failure::Retry(format!("the task ended: {error}"))), ..TaskOutcome::default() }
        }
    }
}
