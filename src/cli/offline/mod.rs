//! The operator's engine without a cluster, for `plan` and `apply`.
//!
//! ```text
//! files ──▶ check ──▶ InMemoryObjects ──────────┐
//! cluster (--from-cluster) ─────────────────────┤
//!                                               ├──▶ session (the operator's engine, until it converges) ──▶ render
//! directory ──▶ its copy in memory (plan) ──────┤
//!          └──▶ itself (apply) ─────────────────┘
//! ```
//!
//! `plan` rehearses the operations of `apply` and `run` on a copy: it opens the directory read-only.

use std::process::ExitCode;

pub(super) mod compare;
pub(super) mod early_revocation;
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
///
/// # Errors
///
/// The system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| format!("failed to start: {error}"))
}

/// Reports a problem. The report of a check is printed unchanged.
pub fn failed(problem: &str) -> ExitCode {
    if problem.contains("\n -->") {
        eprint!("{problem}");
    } else {
        super::terminal::print_error(problem);
    }
    ExitCode::FAILURE
}
