//! The operator: the only place with a Kubernetes client. [`engine`] decides without I/O; the rest is a thin shell that
//! brings inputs to it and does its tasks.

pub mod cluster;
mod error;
mod events;
pub mod health;
pub mod kubernetes;
pub mod lease;
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
use crate::cache::Kind;
use crate::engine::{Engine, Input};
use crate::executor::Executor;
use crate::executor::lease_term::LeaseTerm;
use crate::executor::running::Running;
use crate::util::clock::Clock;
use health::Health;

/// How long running tasks have to finish when the operator stops.
const GRACE: Duration = Duration::from_secs(10);
/// Sleeps are capped, so that a jump of the clock is seen.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What the operator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The workspace policy's file.
    pub workspace: Option<PathBuf>,
    /// `sqlite:PATH`.
    pub directory: String,
    /// Where `/healthz` and `/readyz` are served.
    pub health_address: SocketAddr,
    /// Where `/metrics` is served.
    pub metrics_address: SocketAddr,
    /// How often everything in the directory is read again.
    pub resync: Duration,
    /// How many objects are reconciled at once.
    pub workers: usize,
    /// Who leads.
    pub lease: lease::Settings,
    /// What time it is.
    pub clock: Clock,
}

/// Why a term ended.
enum End {
    /// We were told to stop.
    Stopped,
    /// Somebody else leads, or nobody.
    Lost(String),
    /// Nothing that a restart would fix by itself.
    Failed(String),
}

/// Runs until it is told to stop: stands for the Lease, leads for as long as it holds it, and stands again with empty
/// memory. The error is a sentence for people.
pub async fn run(options: Options) -> Result<(), String> {
    // A wrong argument is said before anything is waited for.
    crate::directory::DirectoryUrl::read(&options.directory)?;
    let health = Health::default();
    serve(&health, &options).await?;
    let client = term::connect().await?;
    let mut stop = std::pin::pin!(stopped());
    loop {
        let mut held = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            held = term::stand(&options, &client, &health) => held,
        };
        let term = held.term.clone();
        let end = tokio::select! {
            biased;
            // What is running is dropped with the term.
            why = held.hold() => End::Lost(why),
            end = lead(&options, client.clone(), term.clone(), &health, stop.as_mut()) => end,
        };
        match end {
            End::Failed(_) if term.left().is_zero() => tracing::warn!("the Lease expired; no longer the leader"),
            End::Lost(why) => tracing::warn!("the Lease is lost: {why}; no longer the leader"),
            End::Failed(problem) => {
                held.release().await;
                return Err(problem);
            }
            End::Stopped => {
                held.release().await;
                return Ok(());
            }
        }
    }
}

/// One term.
async fn lead(
    options: &Options,
    client: Client,
    term: LeaseTerm,
    health: &Health,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> End {
    let begun = tokio::select! {
        biased;
        () = &mut stop => return End::Stopped,
        begun = term::begin(options, client.clone(), term, health) => begun,
    };
    let term::Begun { engine, performer, inbox, sender } = match begun {
        Ok(begun) => begun,
        Err(problem) => return End::Failed(problem),
    };
    // They end with this function.
    let mut sources = JoinSet::new();
    let supervisor = supervise::Supervisor { inbox: sender, metrics: health.metrics.clone() };
    sources.spawn(supervisor.clone().watch::<api::LocalPartner>(client.clone()));
    sources.spawn(supervisor.clone().watch::<api::GuestMembership>(client.clone()));
    sources.spawn(supervisor.clone().watch::<api::AccountShare>(client));
    sources.spawn(supervisor.clone().directory(performer.directory.clone(), options.resync));
    if let Some(file) = options.workspace.clone() {
        sources.spawn(supervisor.policy(file));
    }
    match drive(engine, performer, inbox, health, stop).await {
        Ok(()) => End::Stopped,
        Err(problem) => End::Failed(problem),
    }
}

async fn serve(health: &Health, options: &Options) -> Result<(), String> {
    if options.health_address == options.metrics_address {
        return health.clone().serve(options.health_address, true, true).await;
    }
    health.clone().serve(options.health_address, true, false).await?;
    health.clone().serve(options.metrics_address, false, true).await
}

/// Brings inputs to the engine and does its tasks, until told to stop.
async fn drive(
    mut engine: Engine,
    performer: Executor,
    mut inbox: mpsc::Receiver<Input>,
    health: &Health,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), String> {
    let clock = performer.clock.clone();
    let mut running = Running::default();
    let mut planner_panics = 0;
    let mut report = tokio::time::interval(Duration::from_secs(1));
    report.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        for (key, task) in engine.tasks(clock.now()) {
            running.start(&engine, &performer, key, task);
        }
        health.metrics.panicked("plan", engine.planner_panics() - planner_panics);
        planner_panics = engine.planner_panics();
        if let Some(problem) = engine.stopped() {
            return Err(problem.to_owned());
        }
        engine.health.warnings = performer.directory.warnings();
        health.set(&engine.health);
        let sleep = engine.next_check().map_or(LONGEST_SLEEP, |next| {
            let left = next.duration_since(clock.now());
            Duration::try_from(left).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
        });
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some((key, outcome)) = running.next() => {
                health.metrics.panicked("perform", u64::from(outcome.is_panic()));
                engine.handle(Input::Done { key, outcome: Box::new(outcome) }, clock.now());
            }
            Some(input) = inbox.recv() => {
                engine.handle(input, clock.now());
                // A burst is taken in as a whole before anything is planned on the half of it.
                while let Ok(input) = inbox.try_recv() {
                    engine.handle(input, clock.now());
                }
            }
            _ = report.tick() => measure(&engine, health),
            () = tokio::time::sleep(sleep) => {}
        }
    }
    tracing::info!("stopping: {} tasks are finished first", running.len());
    let finished = async { while running.next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("some tasks did not finish in 10s; the next start goes on where they were");
    }
    Ok(())
}

fn measure(engine: &Engine, health: &Health) {
    let objects: Vec<_> = Kind::ALL.iter().map(|kind| (*kind, engine.index.keys(*kind).count())).collect();
    let guests = engine.mirror.guests().filter(|guest| guest.is_live()).count();
    let guests = (guests, engine.health.orphans);
    health.metrics.missing(engine.health.missing_guests);
    health.metrics.world(&objects, engine.queue.depth(), guests, engine.health.missing().is_empty());
    if engine.health.directory {
        health.metrics.sign_in(&engine.health.sign_in);
    }
}

/// Resolves when the process is told to stop.
async fn stopped() {
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
