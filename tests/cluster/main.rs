//! What needs a Kubernetes API server: the CRDs and their CEL, the chart, the demo, and the operator as a process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]

#[path = "../support"]
mod support {
    pub mod check;
    pub mod controlplane;
    pub mod dice;
    pub mod looking;
    pub mod operator;
    pub mod stage;
    pub mod worlds;
}
#[path = "../core/law/pairs.rs"]
#[allow(dead_code, reason = "other stages use the rest")]
mod pairs;

mod agree;
mod chart;
mod controlplane;
mod crds_on_server;
mod demo;
mod law;
mod operator;

/// Which directory the operator gets: here the embedded one, as it comes.
fn furnish(operator: support::operator::Operator) -> support::operator::Operator {
    operator
}
