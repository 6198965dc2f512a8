//! The prerequisites of a term: the policy, the Lease, the cluster's identity and the directory. Each missing one is
//! reported once, and the operator waits for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::sync::mpsc;

use super::error::describe;
use super::events::EventRecorder;
use super::health::Health;
use super::kubeconfig::ClusterChoice;
use super::lease::{Candidate, HeldLease};
use super::{Options, sources};
use crate::cache::WatchedNamespaces;
use crate::directory::{DirectoryUrl, DirectoryWriter, Epoch, Error, Owner};
use crate::engine;
use crate::engine::{Engine, Input};
use crate::executor::Executor;
use crate::executor::lease_term::LeaseTerm;
use crate::executor::metrics::Metrics;
use crate::operator::kubernetes::{Kubernetes, Readings};
use crate::operator::request_metrics::RequestMetrics;
use crate::workspace_policy::WorkspacePolicy;

/// Capacity of the engine's input channel.
const INBOX: usize = 1024;

/// The components of one term.
pub struct StartedTerm {
    /// Decides what to do.
    pub engine: Engine,
    /// Runs the tasks.
    pub executor: Executor,
    /// The receiver of inputs.
    pub inbox: mpsc::Receiver<Input>,
    /// The sender of inputs.
    pub sender: mpsc::Sender<Input>,
}

/// Waits until this process holds the Lease.
pub async fn wait_for_lease(options: &Options, client: &Client, health: &Health) -> HeldLease {
    let candidate = Candidate::new(client, options.lease.clone(), options.clock.clone());
    let held = candidate.wait(|outcome| match outcome {
        Ok(leader) => {
            tracing::info!(leader, "standby");
            health.set(&engine::EngineHealth { led_by: Some(leader.to_owned()), ..engine::EngineHealth::default() });
            health.metrics.lead(false);
        }
        Err(problem) => {
            tracing::error!("{problem}; tried again until it works");
            waiting(health, "Lease", problem);
            health.metrics.lead(false);
        }
    });
    let held = held.await;
    health.set(&engine::EngineHealth::default());
    health.metrics.lead(true);
    held
}

/// Opens the directory as its leader for one term.
pub async fn start(options: &Options, client: Client, term: LeaseTerm, health: &Health) -> Result<StartedTerm, String> {
    let workspace = match &options.workspace {
        Some(file) => first_policy(file, health).await,
        None => {
            tracing::warn!("no --workspace: all access is denied, so no guest is invited and nothing is granted");
            WorkspacePolicy::default()
        }
    };
    let owner = Owner { installation: workspace.installation().to_owned(), cluster: cluster(&client, health).await };
    let place = DirectoryUrl::read(&options.directory)?;
    if let Some(system) = place.network_disk() {
        tracing::warn!(
            system,
            "the directory's file lies on a network file system, where SQLite's locks do not hold; move it to a local disk"
        );
    }
    let (directory, epoch) = lead(&place, &owner, health).await?;
    let Owner { installation, cluster } = &owner;
    tracing::info!(installation, cluster, epoch = epoch.0, "leader of the directory");
    if let WatchedNamespaces::Only(only) = &options.namespaces {
        let names = only.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        tracing::info!("watching only the namespaces {names}; objects and guests of other namespaces stay as they are");
    }
    let (sender, inbox) = mpsc::channel(INBOX);
    let recorder = EventRecorder::new(client.clone(), options.lease.holder.clone());
    let (metrics, clock) = (health.metrics.clone(), options.clock.clone());
    let objects = Arc::new(Kubernetes { client, term: term.clone(), recorder, readings: Readings::default() });
    let executor = Executor { objects, directory, epoch, term, clock, metrics };
    let engine = Engine::new(owner, workspace, options.workers.max(1)).with_namespaces(options.namespaces.clone());
    Ok(StartedTerm { engine, executor, inbox, sender })
}

/// Waits for the first valid policy: without a policy, no inviter has any permission.
async fn first_policy(file: &Path, health: &Health) -> WorkspacePolicy {
    let mut said = String::new();
    loop {
        match sources::read_policy(file).await.and_then(|text| sources::parse_policy(file, &text)) {
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
    let mut condition = engine::EngineHealth::default();
    condition.problems.insert(subject, problem.to_owned());
    health.set(&condition);
}

/// Connects to the cluster, with the same configuration as kubectl.
pub async fn connect(cluster: &ClusterChoice) -> Result<Client, String> {
    Client::try_from(config(cluster).await?).map_err(|error| no_client(&error))
}

/// Like [`connect`], and counts the requests.
pub async fn connect_metered(cluster: &ClusterChoice, metrics: Arc<Metrics>) -> Result<Client, String> {
    let builder = ClientBuilder::try_from(config(cluster).await?).map_err(|error| no_client(&error))?;
    Ok(builder.with_layer(&RequestMetrics(metrics)).build())
}

fn no_client(error: &kube::Error) -> String {
    format!("failed to set up the Kubernetes client: {}", describe(error))
}

async fn config(cluster: &ClusterChoice) -> Result<Config, String> {
    let mut config = cluster.config().await?;
    // The queue schedules retries. A retry inside a call would occupy a worker for half a minute.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(config)
}

/// The cluster's identity. Waits for the API server.
async fn cluster(client: &Client, health: &Health) -> String {
    let mut said = String::new();
    loop {
        let problem = match identity(client).await {
            Ok(uid) => return uid,
            Err(problem) => problem,
        };
        if problem != said {
            tracing::error!("{problem}; tried again each second");
            waiting(health, "API server", &problem);
            said = problem;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The cluster's identity: the UID of kube-system.
pub async fn identity(client: &Client) -> Result<String, String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match tokio::time::timeout(Duration::from_secs(10), namespaces.get("kube-system")).await {
        Ok(Ok(namespace)) => namespace.metadata.uid.ok_or_else(|| "kube-system has no UID".to_owned()),
        Ok(Err(error)) => Err(format!("failed to read the namespace kube-system: {}", describe(&error))),
        Err(_) => Err("the API server does not answer".to_owned()),
    }
}

/// Opens the directory and becomes its leader. Waits while the directory is unusable, because an administrator may fix
/// it.
async fn lead(
    place: &DirectoryUrl,
    owner: &Owner,
    health: &Health,
) -> Result<(Arc<dyn DirectoryWriter>, Epoch), String> {
    let mut said = String::new();
    loop {
        let fault = match open_and_lead(place, owner, &health.metrics).await {
            Ok(leading) => return Ok(leading),
            Err(fault) => fault,
        };
        if let Error::Foreign { .. } = fault {
            return Err(format!(
                "ForeignDirectory: {fault}, not to {:?} (cluster {}); nothing was changed. Use another directory, \
                 or adopt this one: guestlist detach --adopt-directory",
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

async fn open_and_lead(
    place: &DirectoryUrl,
    owner: &Owner,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<dyn DirectoryWriter>, Epoch), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Unavailable { context: format!("failed to start: {error}") };
    let place = place.clone();
    // Opening waits for locks, and must not block other tasks.
    let opened = tokio::task::spawn_blocking(move || place.execute(true));
    let directory = opened.await.map_err(|error| failed(&error))??;
    let metrics = metrics.clone();
    directory.observe_calls(Arc::new(move |report| metrics.keycloak_request(report)));
    directory.ready().await?;
    directory.claim(owner).await?;
    let epoch = directory.lead().await?;
    Ok((directory, epoch))
}
