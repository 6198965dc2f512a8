//! The operator: the only module with a Kubernetes client. [`crate::engine`] decides without I/O. This module passes
//! inputs to it and runs its tasks.

pub mod cluster;
mod error;
mod events;
pub mod health;
pub mod kubeconfig;
pub mod kubernetes;
pub mod lease;
pub mod request_metrics;
pub mod sources;
pub mod supervise;
mod term;
pub mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api;
use crate::cache::{Collection, Kind, WatchedNamespaces};
use crate::engine::{Engine, Failure, Input};
use crate::executor::Executor;
use crate::executor::lease_term::LeaseTerm;
use crate::executor::runner::Runner;
use crate::util::clock::Clock;
use health::Health;
use kubeconfig::ClusterChoice;

/// Time for running tasks to finish when the operator stops.
const GRACE: Duration = Duration::from_secs(10);
/// Longest sleep, so that the operator notices a jump of the clock.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The settings of the operator.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespaces that the operator watches.
    pub namespaces: WatchedNamespaces,
    /// The workspace policy's file.
    pub workspace: Option<PathBuf>,
    /// The directory's URL, such as `sqlite:PATH`.
    pub directory: String,
    /// The address of `/healthz` and `/readyz`.
    pub health_address: SocketAddr,
    /// The address of `/metrics`.
    pub metrics_address: SocketAddr,
    /// Interval between two full reads of the directory.
    pub resync: Duration,
    /// Maximum number of objects that are reconciled at once.
    pub workers: usize,
    /// The settings of the leader election.
    pub lease: lease::Settings,
    /// The source of the current time.
    pub clock: Clock,
}

/// The reason for the end of a term.
enum TermEnd {
    /// The process received a signal to stop.
    Stopped,
    /// This process lost the Lease.
    Lost(String),
    /// A failure that a restart does not fix.
    Failed(String),
}

/// Runs until a signal stops it: waits for the Lease, leads while it holds it, and then starts over with empty caches.
/// The error is a sentence for people.
///
/// # Errors
///
/// A cause that a retry cannot fix, such as a directory of another cluster.
pub async fn run(options: Options) -> Result<(), String> {
    // A wrong argument is reported before any wait.
    crate::directory::DirectoryUrl::read(&options.directory)?;
    let health = Health::default();
    serve(&health, &options).await?;
    let client = term::connect_metered(&options.cluster, health.metrics.clone()).await?;
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        let mut held = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            held = term::wait_for_lease(&options, &client, &health) => held,
        };
        let term = held.term.clone();
        let end = tokio::select! {
            biased;
            // The end of the term drops the running tasks.
            why = held.hold() => TermEnd::Lost(why),
            end = lead(&options, client.clone(), term.clone(), &health, stop.as_mut()) => end,
        };
        match end {
            TermEnd::Failed(_) if term.left().is_zero() => tracing::warn!("the Lease expired; no longer the leader"),
            TermEnd::Lost(why) => tracing::warn!("the Lease is lost: {why}; no longer the leader"),
            TermEnd::Failed(problem) => {
                held.release().await;
                return Err(problem);
            }
            TermEnd::Stopped => {
                held.release().await;
                return Ok(());
            }
        }
    }
}

/// Runs one term as the leader.
async fn lead(
    options: &Options,
    client: Client,
    term: LeaseTerm,
    health: &Health,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> TermEnd {
    let begun = tokio::select! {
        biased;
        () = &mut stop => return TermEnd::Stopped,
        begun = term::start(options, client.clone(), term, health) => begun,
    };
    let term::StartedTerm { engine, executor, inbox, sender } = match begun {
        Ok(begun) => begun,
        Err(problem) => return TermEnd::Failed(problem),
    };
    // The sources end with this function.
    let mut sources = JoinSet::new();
    let supervisor = supervise::Supervisor { inbox: sender, metrics: health.metrics.clone() };
    for Collection { kind, namespace } in options.namespaces.collections() {
        let (supervisor, client) = (supervisor.clone(), client.clone());
        match kind {
            Kind::Partner => sources.spawn(supervisor.watch::<api::LocalPartner>(client, namespace)),
            Kind::Membership => sources.spawn(supervisor.watch::<api::GuestMembership>(client, namespace)),
            Kind::Share => sources.spawn(supervisor.watch::<api::AccountShare>(client, namespace)),
        };
    }
    sources.spawn(supervisor.clone().directory(executor.directory.clone(), options.resync));
    if let Some(file) = options.workspace.clone() {
        sources.spawn(supervisor.policy(file));
    }
    match drive(engine, executor, inbox, health, stop).await {
        Ok(()) => TermEnd::Stopped,
        Err(problem) => TermEnd::Failed(problem),
    }
}

async fn serve(health: &Health, options: &Options) -> Result<(), String> {
    if options.health_address == options.metrics_address {
        return health.clone().serve(options.health_address, true, true).await;
    }
    health.clone().serve(options.health_address, true, false).await?;
    health.clone().serve(options.metrics_address, false, true).await
}

/// Passes inputs to the engine and runs its tasks until a signal stops it.
async fn drive(
    engine: Engine,
    executor: Executor,
    mut inbox: mpsc::Receiver<Input>,
    health: &Health,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), String> {
    let (clock, directory) = (executor.clock.clone(), executor.directory.clone());
    let mut runner = Runner::new(engine, executor);
    let mut planner_panics = 0;
    let mut report = tokio::time::interval(Duration::from_secs(1));
    report.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        runner.start()?;
        runner.engine_mut().set_warnings(directory.warnings());
        health.set(runner.engine().health());
        let sleep = runner.engine().next_check().map_or(LONGEST_SLEEP, |next| {
            let left = next.duration_since(clock.now());
            Duration::try_from(left).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
        });
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = runner.ended() => {
                let panicked = matches!(ended.failure, Some(Failure::Panicked(_)));
                health.metrics.panicked("execute", u64::from(panicked));
            }
            Some(input) = inbox.recv() => {
                runner.handle(input);
                // The engine takes in all waiting inputs first, so that it does not plan with half of a burst.
                while let Ok(input) = inbox.try_recv() {
                    runner.handle(input);
                }
            }
            _ = report.tick() => {
                let stats = runner.engine().stats();
                health.metrics.panicked("plan", stats.planner_panics - planner_panics);
                planner_panics = stats.planner_panics;
                health.metrics.measure(stats);
            }
            () = tokio::time::sleep(sleep) => {}
        }
    }
    tracing::info!("stopping: {} tasks are finished first", runner.running());
    let finished = async { while runner.ended().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("some tasks did not finish in 10s; the next start continues them");
    }
    Ok(())
}

/// Resolves when the process receives a signal to stop.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be received; stop the process with SIGKILL");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
