//! The same core without a cluster: what `plan` and `apply` share.
//!
//! ```text
//! files ──▶ check ──▶ desk (objects in memory) ─┐
//! cluster (--from-cluster) ─────────────────────┤
//!                                               ├──▶ session (the operator's engine, to rest) ──▶ words
//! directory ──▶ its copy in memory (plan) ──────┤
//!          └──▶ itself (apply) ─────────────────┘
//! ```
//!
//! `plan` rehearses on a copy what `apply` and `run` then do: it holds the directory by a handle that can only read.

use std::process::ExitCode;

pub(super) mod compare;
pub(super) mod early;
mod escape;
mod guest_access;
pub(super) mod later;
pub(super) mod manifests;
pub(super) mod markdown;
pub mod object_store;
pub(super) mod render;
pub mod session;
pub(super) mod unmanaged;

/// A runtime for one session.
pub fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| format!("failed to start: {error}"))
}

/// Says what went wrong. What a check found in files is said as it is.
pub fn failed(problem: &str) -> ExitCode {
    if problem.contains("\n -->") {
        eprint!("{problem}");
    } else {
        super::terminal::complain(problem);
    }
    ExitCode::FAILURE
}
