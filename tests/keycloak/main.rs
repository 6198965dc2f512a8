//! Keycloak, the real thing: one server for all of these tests, a realm for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong ends the test")]

#[path = "../support/authenticator.rs"]
mod authenticator;
#[path = "../support/browser.rs"]
mod browser;
#[macro_use]
#[path = "../contract/mod.rs"]
mod contract;
#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/import_files.rs"]
mod import_files;
#[path = "../support/mail.rs"]
mod mail;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/keycloak.rs"]
mod support;
#[path = "../support/webdriver.rs"]
mod webdriver;

#[path = "../support/controlplane.rs"]
mod controlplane;
#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/looking.rs"]
mod looking;
#[path = "../support/operator.rs"]
mod operator;
#[path = "../operator/stage.rs"]
#[allow(dead_code, reason = "what the embedded directory's tests need besides")]
mod stage;

mod administrator;
mod adopted;
mod applied;
mod beside;
mod bootstrap;
mod built;
mod copied;
mod demo;
mod edited_by_hand;
mod faults;
mod gate_missing;
mod held_to_the_contract;
mod hints;
mod house;
mod imported;
mod killed;
mod listings;
mod lost;
mod observer;
mod operated;
mod pages;
mod partner_by_hand;
mod plan_matches_apply;
mod prepared;
mod raced;
mod realm_settings;
mod refused;
mod restarted;
mod same;
mod secrets;
mod setup_states;
mod shown;
mod sign_in;
mod switched;
mod taken_out;
mod tls;
mod told;
mod turns;
mod unread;

use operated::furnish;

/// The port of a mail server on loopback, for those who never read what it takes.
fn mail() -> u16 {
    static MAIL: std::sync::OnceLock<mail::Mail> = std::sync::OnceLock::new();
    MAIL.get_or_init(mail::Mail::start).port
}
