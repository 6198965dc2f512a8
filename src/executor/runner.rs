//! Starts the engine's tasks, and returns their outcomes to it: in the operator, and for files.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};

use crate::engine::queue::QueueKey;
use crate::engine::{Engine, Failure, Input, Task, TaskOutcome};
use crate::executor::Executor;
use crate::plan::Step;

/// An engine and its running tasks.
pub struct Runner {
    engine: Engine,
    executor: Executor,
    tasks: JoinSet<TaskOutcome>,
    /// The key and the steps of each task. They outlive a task that panics.
    running: HashMap<Id, (QueueKey, Vec<Step>)>,
}

/// A task that has ended.
#[derive(Debug)]
pub struct EndedTask {
    /// The key.
    pub key: QueueKey,
    /// The completed steps.
    pub completed: Vec<Step>,
    /// The failure, if there is one.
    pub failure: Option<Failure>,
}

impl Runner {
    /// A runner without running tasks.
    pub fn new(engine: Engine, executor: Executor) -> Self {
        Self { engine, executor, tasks: JoinSet::new(), running: HashMap::new() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to change it between two tasks.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The engine, without the running tasks.
    pub fn into_engine(self) -> Engine {
        self.engine
    }

    /// The number of running tasks.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Passes an input to the engine.
    pub fn handle(&mut self, input: Input) {
        self.engine.handle(input, self.executor.clock.now());
    }

    /// Starts the tasks that can start now. The error is the cause, if the engine has stopped for good.
    ///
    /// # Errors
    ///
    /// The cause that stopped the engine.
    pub fn start(&mut self) -> Result<(), String> {
        let tasks = self.engine.tasks(self.executor.clock.now());
        for reconcile in self.engine.take_reconciles() {
            self.executor.metrics.reconciled(reconcile);
        }
        for (subject, task) in tasks {
            let steps = match &task {
                Task::Execute { steps, .. } => steps.clone(),
                Task::Finalizer { .. } | Task::Read(_) | Task::Delete(_) | Task::Status { .. } => Vec::new(),
            };
            let (executor, key) = (self.executor.clone(), subject.key.clone());
            let started = self.tasks.spawn(async move { executor.run(subject, task).await });
            self.running.insert(started.id(), (key, steps));
        }
        self.engine.fatal_error().map_or(Ok(()), |problem| Err(problem.to_owned()))
    }

    /// Waits until a task ends, and passes its outcome to the engine. `None`: no task runs. Cancel safe.
    pub async fn ended(&mut self) -> Option<EndedTask> {
        loop {
            let (id, outcome) = match self.tasks.join_next_with_id().await? {
                Ok((id, outcome)) => (id, outcome),
                Err(error) => (error.id(), lost(error)),
            };
            let Some((key, mut completed)) = self.running.remove(&id) else { continue };
            completed.truncate(outcome.effects.len());
            let failure = outcome.failure.clone();
            self.handle(Input::Done { key: key.clone(), outcome: Box::new(outcome) });
            return Some(EndedTask { key, completed, failure });
        }
    }
}

/// The outcome of a task that did not return.
fn lost(error: JoinError) -> TaskOutcome {
    match error.try_into_panic() {
        Ok(payload) => TaskOutcome::panicked(payload.as_ref()),
        Err(error) => {
            TaskOutcome { failure: Some(Failure::Retry(format!("the task ended: {error}"))), ..TaskOutcome::default() }
        }
    }
}
