//! The tasks that run, each with its key: however a task ends, its key is known, so that no key is lost with it.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

use super::engine::{Engine, Failure, Outcome, Task};
use super::perform::{About, Performer};
use crate::index::Key;

/// The running tasks.
#[derive(Default)]
pub struct Running {
    tasks: JoinSet<Outcome>,
    keys: HashMap<Id, Key>,
}

impl Running {
    /// Starts a task.
    pub fn start(&mut self, engine: &Engine, performer: &Performer, key: Key, task: Task) {
        let about = About::of(&engine.index, &key);
        let performer = performer.clone();
        let started = self.tasks.spawn(async move { performer.perform(about, task).await });
        self.keys.insert(started.id(), key);
    }

    /// The next task that ends. `None`: no task runs. Cancel safe.
    pub async fn next(&mut self) -> Option<(Key, Outcome)> {
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

    /// How many tasks run.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }
}

/// The outcome of a task that did not return.
fn ended(error: tokio::task::JoinError) -> Outcome {
    match error.try_into_panic() {
        Ok(payload) => Outcome::panicked(payload.as_ref()),
        Err(error) => {
            Outcome { failure: Some(Failure::Retry(format!("the task ended: {error}"))), ..Outcome::default() }
        }
    }
}
