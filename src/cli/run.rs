//! `guestlist run`: the operator as a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::log_level::{LogLevel, Reload};
use super::terminal::{LogLines, print_error};
use crate::cache::WatchedNamespaces;
use crate::domain::time;
use crate::operator::kubeconfig::ClusterChoice;
use crate::operator::{self, Options, lease};
use crate::util::clock::Clock;

/// The cluster of a command, by kubectl's names: `run`, `detach` and `plan --from-cluster` have it.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterArgs {
    /// The kubeconfig, instead of the files of KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; default: its current context
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArgs {
    /// The choice that the options express.
    pub(super) fn choice(&self) -> ClusterChoice {
        ClusterChoice { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

/// Arguments of `guestlist run`.
#[derive(Debug, Args)]
#[command(
    after_help = "The cluster is found as kubectl finds it: by --kubeconfig, KUBECONFIG or ~/.kube/config, or by the service account of the pod.

Examples:
  guestlist run --workspace workspace.yaml
  guestlist run --workspace /etc/guestlist/workspace.yaml --directory sqlite:/var/lib/guestlist/directory.db --log-format json"
)]
pub struct RunArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace to watch; repeatable, or names separated by commas. Default: all namespaces. Objects and guests of
    /// other namespaces stay as they are
    #[arg(long = "namespace", value_name = "NAMESPACE", env = "GUESTLIST_NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Workspace policy file. Without it, all access is denied
    #[arg(long, value_name = "FILE", env = "GUESTLIST_WORKSPACE")]
    workspace: Option<PathBuf>,
    /// The directory: sqlite:PATH, or keycloak:URL#REALM with its credentials in the environment
    #[arg(long, value_name = "ADDRESS", env = "GUESTLIST_DIRECTORY", default_value = "sqlite:guestlist.db")]
    directory: String,
    /// Address of /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    health_address: SocketAddr,
    /// Address of /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    metrics_address: SocketAddr,
    /// Interval between full readings of the directory
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    resync: Duration,
    /// Number of objects that are reconciled at the same time
    #[arg(long, value_name = "N", default_value_t = 16)]
    workers: usize,
    /// The Lease of the leader election between several operators
    #[arg(long, value_name = "NAME", default_value = "guestlist")]
    lease_name: String,
    /// Namespace of the Lease; default: the namespace of the pod, or of the kubeconfig
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Time that the Lease lasts without renewal; a standby waits as long before it becomes the leader
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// Log level: error, warn, info, debug, or a filter of the crate tracing
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "GUESTLIST_LOG")]
    log_level: String,
    /// File with the log level, instead of --log-level. It is read again when it changes
    #[arg(long, value_name = "FILE")]
    log_level_file: Option<PathBuf>,
    /// Log format
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = time::duration(text)?;
    Duration::try_from(read).ok().filter(|read| *read >= Duration::from_secs(1)).ok_or_else(|| "at least 1s".to_owned())
}

/// The holder of the Lease: the pod's name, because a pod has one operator, or an identifier of this process.
fn holder() -> String {
    std::env::var("POD_NAME").unwrap_or_else(|_| {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "guestlist".to_owned());
        format!("{host}_{}_{}", std::process::id(), Timestamp::now().as_second())
    })
}

/// Starts the log. Returns the means to change its filter.
fn start_log(level: &LogLevel, format: LogFormat) -> Result<Reload, String> {
    let json = matches!(format, LogFormat::Json);
    let lines = LogLines { to: std::io::stderr, json };
    let (filter, problem) = level.filter()?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    // The types of the two formats differ.
    let reload: Reload = match format {
        LogFormat::Text => {
            let log = log.with_ansi(false).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()))
        }
        LogFormat::Json => {
            let log = log.json().with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()))
        }
    };
    if let Some(problem) = problem {
        tracing::error!("{problem}");
    }
    Ok(reload)
}

/// Runs the operator until a signal stops it.
pub fn run(args: RunArgs) -> ExitCode {
    let level = LogLevel::read(args.log_level, args.log_level_file);
    let namespaces = WatchedNamespaces::named(args.namespaces.iter().map(String::as_str))
        .map_err(|problem| format!("--namespace: {problem}"));
    let started = namespaces.and_then(|namespaces| Ok((namespaces, start_log(&level, args.log_format)?)));
    let (namespaces, reload) = match started {
        Ok(started) => started,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    let options = Options {
        cluster: args.cluster.choice(),
        namespaces,
        workspace: args.workspace,
        directory: args.directory,
        health_address: args.health_address,
        metrics_address: args.metrics_address,
        resync: args.resync,
        workers: args.workers,
        lease: lease::Settings {
            namespace: args.lease_namespace,
            name: args.lease_name,
            holder: holder(),
            duration: args.lease_duration,
        },
        clock: Clock::new(Timestamp::now),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("failed to start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.spawn(level.follow(reload));
    match runtime.block_on(operator::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // The error is logged once and in the log's format, because programs read it there.
            tracing::error!("{problem}");
            if !tracing::enabled!(tracing::Level::ERROR) {
                print_error(&problem);
            }
            ExitCode::FAILURE
        }
    }
}
