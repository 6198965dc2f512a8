//! The operator: the only place with a Kubernetes client. [`engine`] decides without I/O, the rest is a thin shell.

pub mod engine;
pub mod queue;
pub mod status;
pub mod watch;
