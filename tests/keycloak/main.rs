//! Tests with a real Keycloak: one server for all tests, a realm for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong ends the test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the cases that it expects")]

#[macro_use]
#[path = "../support"]
mod support {
    pub mod amended;
    pub mod authenticator;
    pub mod browser;
    pub mod certificates;
    #[macro_use]
    pub mod contract;
    pub mod controlplane;
    pub mod dice;
    pub mod docs;
    #[cfg(feature = "keycloak-whole")]
    pub mod gitops;
    #[allow(dead_code, reason = "what the embedded directory's tests need besides")]
    pub mod harness;
    pub mod image;
    pub mod import_files;
    pub mod keycloak;
    pub mod looking;
    pub mod mail;
    pub mod operator;
    pub mod person;
    #[cfg(feature = "keycloak-whole")]
    pub mod prometheus;
    pub mod proxy;
    pub mod realm_in_memory;
    pub mod reused_planes;
    pub mod webdriver;
    pub mod worlds;
}

mod administrator;
mod adopted;
mod applied;
mod beside;
mod built;
mod change_events;
mod claims_gate;
mod concurrency;
mod copied;
mod demo;
mod edited_by_hand;
mod environment;
mod faults;
mod gate_missing;
mod held_to_the_contract;
mod imported;
mod killed;
mod listings;
mod lost_responses;
mod node;
mod observer;
mod operated;
mod pages;
mod partner_by_hand;
mod plan_matches_apply;
mod prepared;
mod realm_settings;
mod refused;
mod restarted;
mod same;
mod secrets;
mod setup;
mod setup_states;
mod sign_in;
mod stub_agrees;
mod suspended_partner;
mod template;
mod tls;
mod tokens_end_to_end;
mod turns;
mod uninstall;
mod unread;

use operated::furnish;

/// The port of a mail server on loopback whose mails no test reads.
fn mail() -> u16 {
    static MAIL: std::sync::OnceLock<support::mail::Mail> = std::sync::OnceLock::new();
    MAIL.get_or_init(support::mail::Mail::start).port
}
