//! Reports of network calls to a backend, for metrics.

use std::sync::Arc;
use std::time::Duration;

/// A network call to a backend that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// The kind of call.
    pub endpoint: &'static str,
    /// `ok`, `refused` (by the backend's answer) or `error`.
    pub result: &'static str,
    /// Its duration.
    pub took: Duration,
}

/// Receives the reports.
pub type CallObserver = Arc<dyn Fn(CallReport) + Send + Sync>;
