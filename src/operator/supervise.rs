//! Restarts the sources of the engine's inputs. A source that panics is counted, reported in readiness, and restarted.
//! Each starts with a full read, so no unsent input is lost.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use tokio::sync::mpsc;

use super::sources;
use super::watch;
use crate::cache::Collection;
use crate::directory::{DirectoryWriter, Error};
use crate::engine::Input;
use crate::executor::metrics::Metrics;
use crate::executor::object_store::Watched;
use crate::util::panic_report;

/// The pause before the first restart of a source, and the longest pause.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// Runs the sources.
#[derive(Clone)]
pub struct Supervisor {
    /// The engine's input channel.
    pub inbox: mpsc::Sender<Input>,
    /// The counter of panics.
    pub metrics: Arc<Metrics>,
}

impl Supervisor {
    /// Lists and watches a kind, in one namespace or in all.
    pub async fn watch<K>(self, client: Client, namespace: Option<Arc<str>>)
    where
        K: Watched + Resource<Scope = NamespaceResourceScope>,
    {
        let problem = |said: String| {
            let collection = Collection { kind: K::KIND, namespace: namespace.clone() };
            Input::WatchFailed { collection, problem: format!("the watch ended: {said}") }
        };
        let source = || watch::follow::<K>(client.clone(), namespace.clone(), self.inbox.clone());
        self.run("watch", problem, source).await;
    }

    /// Reads the directory and follows its changes.
    pub async fn directory(self, directory: Arc<dyn DirectoryWriter>, resync: Duration) {
        let problem = |said: String| {
            Input::DirectoryDown(Error::Unavailable { context: format!("the reading of the directory ended: {said}") })
        };
        self.run("directory", problem, || sources::follow_directory(directory.clone(), resync, self.inbox.clone()))
            .await;
    }

    /// Reads the policy file and follows its changes.
    pub async fn policy(self, file: PathBuf) {
        let problem = |said: String| Input::Policy(Err(format!("the reading of the policy file ended: {said}")));
        self.run("policy", problem, || sources::follow_policy(file.clone(), self.inbox.clone())).await;
    }

    /// Runs a source until it returns, which it does once its receiver is gone.
    async fn run<F: Future<Output = ()>>(
        &self,
        task: &'static str,
        problem: impl Fn(String) -> Input,
        source: impl Fn() -> F,
    ) {
        let mut pause = PAUSES[0];
        loop {
            let began = tokio::time::Instant::now();
            let Err(payload) = AssertUnwindSafe(source()).catch_unwind().await else { return };
            let said = format!("internal error: {}", panic_report::message(payload.as_ref()));
            self.metrics.panicked(task, 1);
            tracing::error!(task, "{said}; started again");
            if self.inbox.send(problem(said)).await.is_err() {
                return;
            }
            // A source that ran for long restarts after the short pause.
            if began.elapsed() > PAUSES[1] {
                pause = PAUSES[0];
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn source_that_panics_is_reported_counted_and_started_again() {
        let (inbox, mut received) = mpsc::channel(8);
        let supervisor = Supervisor { inbox, metrics: Arc::default() };
        let runs = AtomicU32::new(0);
        let problem = |said| Input::Policy(Err(said));
        // Panics the first time, and returns the second time.
        let source = || async {
            assert!(runs.fetch_add(1, Ordering::Relaxed) > 0, "injected with \"hunter2\"");
        };
        supervisor.run("policy", problem, source).await;
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        let Some(Input::Policy(Err(said))) = received.recv().await else { panic!("no problem is reported") };
        assert_eq!(said, "internal error: injected with \"…\"");
        let metrics = supervisor.metrics.text();
        assert!(metrics.contains("guestlist_task_panics_total{task=\"policy\"} 1"), "{metrics}");
    }

    #[tokio::test(start_paused = true)]
    async fn source_that_panics_again_waits_longer_until_it_lasts() {
        let (inbox, mut received) = mpsc::channel(16);
        let supervisor = Supervisor { inbox, metrics: Arc::default() };
        let runs = std::sync::Mutex::new(Vec::new());
        // The fourth run lasts, and the sixth is the last.
        let source = || async {
            let began = tokio::time::Instant::now();
            let run = runs.lock().unwrap().len() + 1;
            if run == 4 {
                tokio::time::sleep(PAUSES[1] * 2).await;
            }
            runs.lock().unwrap().push((began, tokio::time::Instant::now()));
            assert!(run == 6, "injected");
        };
        supervisor.run("policy", |said| Input::Policy(Err(said)), source).await;
        let runs = runs.into_inner().unwrap();
        let pauses: Vec<_> = runs.windows(2).map(|pair| pair[1].0 - pair[0].1).collect();
        assert_eq!(pauses, [1, 2, 4, 1, 2].map(|times| PAUSES[0] * times));
        received.close();
    }
}
