//! The operator as a process against a real API server, with the chart's rights. One file a promise; one binary, so that
//! the tests share the machine instead of queueing for it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/controlplane.rs"]
mod controlplane;
#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/looking.rs"]
mod looking;
#[path = "../support/operator.rs"]
mod operator;
mod stage;

/// Which directory the operator gets: here the embedded one, as it comes.
fn furnish(operator: operator::Operator) -> operator::Operator {
    operator
}

mod backups;
mod directory_fails;
mod drift;
mod invitations;
mod killed;
mod kstatus;
mod leaders;
mod lifecycle;
mod marks;
mod namespaces;
mod observer;
mod order;
mod outages;
mod policy;
mod release;
mod rest;
mod restored;
mod roles;
mod secrets;
mod suspension;
mod tenant;
mod told;
mod unreadable;
