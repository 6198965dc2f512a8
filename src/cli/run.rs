//! `guestlist run`: reads the operator's options, sets up its log, starts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::{DirectoryFlag, UNUSABLE, output};
use crate::operator::{self, Options};
use crate::rules::time;

/// Runs the operator: watches the three kinds and keeps the directory as they say.
#[derive(clap::Args)]
#[command(
    after_help = "The cluster is found as kubectl finds it: $KUBECONFIG, ~/.kube/config, or the service account inside a pod.\n\nExamples:\n  guestlist run --workspace workspace.yaml --directory sqlite:guestlist.db\n  KUBECONFIG=operator.kubeconfig guestlist run --workspace workspace.yaml --log-level debug\n\nExit status: 0 stopped when told to; 1 stopped because it could not go on; 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The workspace policy: who may be spoken for, and from which namespace. Without it nobody is allowed anything
    #[arg(long, env = "GUESTLIST_WORKSPACE", value_name = "FILE")]
    workspace: Option<PathBuf>,
    #[command(flatten)]
    directory: DirectoryFlag,
    /// Where /healthz and /readyz are served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    health_address: SocketAddr,
    /// Where /metrics is served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    metrics_address: SocketAddr,
    /// How often the whole directory is read again, as 10m
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    resync: Duration,
    /// How many objects are reconciled at once
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// What is logged: error, warn, info, debug or trace, or a filter like guestlist=debug,kube=warn
    #[arg(long, env = "GUESTLIST_LOG", value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// How it is logged
    #[arg(long, value_name = "FORMAT", default_value = "text", value_enum)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let Arguments { workspace, directory, health_address, metrics_address, resync, workers, log_level, log_format } =
        arguments;
    if let Err(problem) = log(&log_level, log_format) {
        return output::fail(&problem, UNUSABLE);
    }
    let options = Options {
        workspace,
        directory: directory.directory,
        health_address,
        metrics_address,
        resync,
        workers: usize::from(workers),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&format!("failed to start the runtime: {error}"), 1),
    };
    match runtime.block_on(operator::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => output::fail(&problem, 1),
    }
}

/// The log goes to standard error, so that standard output stays what a command prints.
fn log(level: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        format!("--log-level {level:?} is not understood ({error}); write info, or guestlist=debug,kube=warn")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = time::duration(text)?;
    let duration = Duration::try_from(duration).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) {
        return Err("the shortest is 1s".to_owned());
    }
    Ok(duration)
}
