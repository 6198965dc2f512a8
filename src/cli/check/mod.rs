//! `guestlist check`: every rule that files alone can decide, with the place of each problem.

mod suggest;

use std::process::ExitCode;

pub(super) use suggest::nearest;

/// Checks manifests: no cluster, no directory.
#[derive(clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> ExitCode {
    ExitCode::SUCCESS
}
