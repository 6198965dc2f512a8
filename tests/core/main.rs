//! The pure core, with searches and simulations, and the output of `guestlist check`: without a server or waits.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the cases that it expects")]

#[macro_use]
#[path = "../support"]
mod support {
    pub mod amended;
    pub mod check;
    #[macro_use]
    pub mod contract;
    pub mod dice;
    pub mod in_memory;
    pub mod random;
    pub mod realm_in_memory;
    pub mod worlds;
}

mod addresses;
mod boundaries;
mod check;
mod crds;
mod crds_compatibility;
mod cycles;
mod delays;
mod directory_cache;
mod directory_source;
mod engine;
mod evaluate;
mod exploration;
mod keycloak_stub;
mod late_answers;
mod later;
mod lease;
mod metrics;
mod plan;
mod plan_blocked;
mod plan_conditions;
mod plan_disabled;
mod plan_early;
mod plan_gc;
mod plan_gc_scope;
mod plan_invitations;
mod plan_memory;
mod plan_partners;
mod plan_properties;
mod plan_scoped;
mod plan_shares;
mod plan_status;
mod plan_unreadable;
mod policy_file;
mod policy_wildcards;
mod rule_matrix;
mod rules;
mod simulation;
mod statuses;
mod times;
mod unknown_mfa;
mod watch;
mod watched_namespaces;
