//! The operator: the only place with a Kubernetes client. [`engine`] decides without I/O; the rest is a thin shell that
//! brings inputs to it and does its tasks.

pub mod engine;
mod events;
pub mod exchange;
mod feed;
mod health;
mod perform;
pub mod queue;
pub mod status;
pub mod watch;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::{Client, Config};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api;
use crate::directory::fault::Next;
use crate::directory::sqlite::{self, Access, Store};
use crate::directory::{Epoch, Execute, Fault, Owner, scheme};
use crate::index::{Key, Kind, Slot};
use crate::workspace::Workspace;
use engine::{Engine, Input, Outcome, Task};
use events::Teller;
use health::Health;
use perform::{About, Performer};

/// How many inputs may wait for the engine.
const INBOX: usize = 1024;
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
}

/// Runs until it is told to stop. The error is a sentence for people.
pub async fn run(options: Options) -> Result<(), String> {
    let health = Health::default();
    serve(&health, &options).await?;
    let mut stop = std::pin::pin!(stopped());
    let begun = tokio::select! {
        biased;
        () = &mut stop => return Ok(()),
        begun = begin(&options, &health) => begun?,
    };
    let Begun { engine, performer, inbox, sender } = begun;
    let mut watches = JoinSet::new();
    let client = performer.client.clone();
    watches.spawn(watch::follow::<api::LocalPartner>(client.clone(), sender.clone()));
    watches.spawn(watch::follow::<api::GuestMembership>(client.clone(), sender.clone()));
    watches.spawn(watch::follow::<api::AccountShare>(client, sender.clone()));
    watches.spawn(feed::follow_directory(performer.directory.clone(), options.resync, sender.clone()));
    if let Some(file) = options.workspace.clone() {
        let last = feed::read_policy(&file).await;
        let news = last.clone().and_then(|text| feed::parse_policy(&file, &text)).map(Box::new);
        // What changed since the engine was made is told at once.
        if sender.send(Input::Policy(news)).await.is_ok() {
            watches.spawn(feed::follow_policy(file, last, sender));
        }
    }
    let result = drive(engine, performer, inbox, &health, stop).await;
    watches.abort_all();
    result
}

async fn serve(health: &Health, options: &Options) -> Result<(), String> {
    if options.health_address == options.metrics_address {
        return health.clone().serve(options.health_address, true, true).await;
    }
    health.clone().serve(options.health_address, true, false).await?;
    health.clone().serve(options.metrics_address, false, true).await
}

struct Begun {
    engine: Engine,
    performer: Performer,
    inbox: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
}

/// Everything that has to be there before the first list: the policy, the cluster's identity, the directory.
async fn begin(options: &Options, health: &Health) -> Result<Begun, String> {
    let path = file(&options.directory)?;
    let workspace = match &options.workspace {
        Some(file) => first_policy(file, health).await,
        None => {
            tracing::warn!("no --workspace: nobody is allowed anything, so nobody is invited and nothing is given");
            Workspace::default()
        }
    };
    let client = connect().await?;
    let owner = Owner { installation: workspace.installation().to_owned(), cluster: cluster(&client, health).await };
    let (directory, epoch) = lead(path, &owner, health).await?;
    tracing::info!(
        installation = owner.installation,
        cluster = owner.cluster,
        epoch = epoch.0,
        "leading the directory"
    );
    let (sender, inbox) = mpsc::channel(INBOX);
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| "guestlist".to_owned());
    let teller = Teller::new(client.clone(), instance);
    let performer = Performer { client, directory, epoch, teller, metrics: health.metrics.clone() };
    Ok(Begun { engine: Engine::new(owner, workspace, options.workers.max(1)), performer, inbox, sender })
}

/// Waits for the first good policy: without any, nothing could be said about who may speak for whom.
async fn first_policy(file: &Path, health: &Health) -> Workspace {
    let mut said = String::new();
    loop {
        match feed::read_policy(file).await.and_then(|text| feed::parse_policy(file, &text)) {
            Ok(workspace) => return workspace,
            Err(problem) => {
                if problem != said {
                    tracing::error!("PolicyUnreadable: {problem}; nothing is done until it can be read");
                    waiting(health, "PolicyUnreadable", &problem);
                    said = problem;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn waiting(health: &Health, subject: &'static str, problem: &str) {
    let mut condition = engine::Condition::default();
    condition.problems.insert(subject, problem.to_owned());
    health.set(&condition);
}

async fn connect() -> Result<Client, String> {
    let mut config = Config::infer().await.map_err(|error| {
        format!("failed to find a cluster: {}; set KUBECONFIG, or run in a cluster", words::no_cluster(&error))
    })?;
    // The queue decides when something is tried again; a call that repeats itself would hold a worker for half a minute.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config)
        .map_err(|error| format!("failed to set up the Kubernetes client: {}", words::words(&error)))
}

/// The cluster's identity: the UID of kube-system. Waits for the API server.
async fn cluster(client: &Client, health: &Health) -> String {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut said = String::new();
    loop {
        let problem = match tokio::time::timeout(Duration::from_secs(10), namespaces.get("kube-system")).await {
            Ok(Ok(namespace)) => match namespace.metadata.uid {
                Some(uid) => return uid,
                None => "kube-system has no UID".to_owned(),
            },
            Ok(Err(error)) => format!("failed to read the namespace kube-system: {}", words::words(&error)),
            Err(_) => "the API server does not answer".to_owned(),
        };
        if problem != said {
            tracing::error!("{problem}; tried again each second");
            waiting(health, "API server", &problem);
            said = problem;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The embedded directory's file. A wrong argument is said before anything is waited for.
fn file(directory: &str) -> Result<&Path, String> {
    let path = directory.strip_prefix("sqlite:").filter(|path| !path.is_empty()).map(Path::new);
    path.ok_or_else(|| format!("--directory {} is not understood; this release knows sqlite:PATH", scheme(directory)))
}

/// Opens the directory and takes the lead. Waits for a directory that cannot be used (yet): somebody mends it.
async fn lead(path: &Path, owner: &Owner, health: &Health) -> Result<(Arc<dyn Execute>, Epoch), String> {
    let mut said = String::new();
    loop {
        let fault = match open_and_lead(path, owner).await {
            Ok(leading) => return Ok(leading),
            Err(fault) => fault,
        };
        if fault.next() == Next::Stop {
            return Err(format!(
                "ForeignDirectory: {fault}, not to {:?} (cluster {}); nothing was touched. Use a directory of its own.",
                owner.installation, owner.cluster
            ));
        }
        let problem = fault.to_string();
        if problem != said {
            tracing::error!("DirectoryUnavailable: {problem}; tried again each second");
            waiting(health, "DirectoryUnavailable", &problem);
            said = problem;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn open_and_lead(path: &Path, owner: &Owner) -> Result<(Arc<dyn Execute>, Epoch), Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::Unavailable { context: format!("failed to start: {error}") };
    let path = path.to_owned();
    // Opening waits for locks; nobody else shall wait for that.
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, Access::Create));
    let store = opened.await.map_err(|error| failed(&error))??;
    let directory = sqlite::Directory::start(store).map_err(|error| failed(&error))?;
    directory.claim(owner).await?;
    let epoch = directory.lead().await?;
    Ok((Arc::new(directory), epoch))
}

/// Brings inputs to the engine and does its tasks, until told to stop.
async fn drive(
    mut engine: Engine,
    performer: Performer,
    mut inbox: mpsc::Receiver<Input>,
    health: &Health,
    mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> Result<(), String> {
    let mut running: JoinSet<(Key, Outcome)> = JoinSet::new();
    let mut report = tokio::time::interval(Duration::from_secs(1));
    report.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        for (key, task) in engine.tasks(Timestamp::now()) {
            start(&engine, &performer, &mut running, key, task);
        }
        if let Some(problem) = engine.stopped() {
            return Err(problem.to_owned());
        }
        health.set(&engine.condition);
        let sleep = engine.next_look().map_or(LONGEST_SLEEP, |next| {
            let left = next.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
        });
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(done) = running.join_next() => finish(&mut engine, done),
            Some(input) = inbox.recv() => {
                engine.handle(input, Timestamp::now());
                // A burst is taken in as a whole before anything is planned on the half of it.
                while let Ok(input) = inbox.try_recv() {
                    engine.handle(input, Timestamp::now());
                }
            }
            _ = report.tick() => measure(&engine, health),
            () = tokio::time::sleep(sleep) => {}
        }
    }
    tracing::info!("stopping: {} tasks are finished first", running.len());
    let finished = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("some tasks did not finish in 10s; the next start goes on where they were");
    }
    Ok(())
}

fn start(engine: &Engine, performer: &Performer, running: &mut JoinSet<(Key, Outcome)>, key: Key, task: Task) {
    let meta = engine.index.metadata(&key);
    let about = About {
        uid: meta.and_then(|meta| meta.uid.clone()).unwrap_or_default(),
        generation: meta.and_then(|meta| meta.generation),
        address: engine
            .index
            .membership(&key.namespace, &key.name)
            .filter(|_| key.kind == Kind::Membership)
            .and_then(Slot::read)
            .and_then(|entry| entry.reading.terms.email.clone()),
        key: key.clone(),
    };
    let performer = performer.clone();
    running.spawn(async move { (key, performer.perform(about, task).await) });
}

fn finish(engine: &mut Engine, done: Result<(Key, Outcome), tokio::task::JoinError>) {
    match done {
        Ok((key, outcome)) => {
            engine.handle(Input::Done { key, outcome: Box::new(outcome) }, Timestamp::now());
        }
        Err(error) => tracing::error!(%error, "a task ended unexpectedly"),
    }
}

fn measure(engine: &Engine, health: &Health) {
    let objects: Vec<_> = Kind::ALL.iter().map(|kind| (*kind, engine.index.keys(*kind).count())).collect();
    let guests = engine.mirror.guests().filter(|guest| guest.is_live()).count();
    health.metrics.world(&objects, engine.queue.depth(), guests, engine.condition.missing().is_empty());
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
