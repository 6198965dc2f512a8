//! `guestlist crds`: the custom resource definitions, for `kubectl apply` and for `crds/`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::output;
use crate::api;

/// Prints the custom resource definitions as YAML.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  guestlist crds | kubectl apply --server-side -f -\n  guestlist crds --output-dir crds"
)]
pub(super) struct Arguments {
    /// Write one file a kind into this directory instead
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.output_dir {
        None => match api::crds_yaml() {
            Ok(text) => output::print(&text, 0),
            Err(error) => output::fail(&format!("failed to write the CRDs: {error}"), 1),
        },
        Some(directory) => match write(directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => output::fail(&problem, 1),
        },
    }
}

fn write(directory: &Path) -> Result<(), String> {
    let files = api::crd_files().map_err(|error| format!("failed to write the CRDs: {error}"))?;
    for (name, content) in files {
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(|error| format!("failed to write {}: {error}", path.display()))?;
    }
    Ok(())
}
