//! Tests that need a Kubernetes API server: the CRDs and their CEL, the chart, the demo, and the operator as a process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the cases that it expects")]

#[path = "../support"]
mod support {
    pub mod check;
    pub mod controlplane;
    pub mod dice;
    pub mod docs;
    pub mod gitops;
    pub mod harness;
    pub mod image;
    pub mod looking;
    pub mod operator;
    pub mod prometheus;
    pub mod reused_planes;
    pub mod worlds;
}
#[path = "../core/rule_matrix/pairs.rs"]
#[allow(dead_code, reason = "other stages use the rest")]
mod pairs;

mod cel_equivalence;
mod cel_rules;
mod chart;
mod controlplane;
mod crds_on_server;
mod demo;
mod documentation;
mod gitops;
mod howto;
mod image;
mod node;
mod operator;

/// Sets the directory of the operator: here the embedded one, unchanged.
fn furnish(operator: support::operator::Operator) -> support::operator::Operator {
    operator
}
