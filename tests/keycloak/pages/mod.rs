//! Real people with real pages: what a guest reads, clicks and types from his invitation to an application, and what its
//! tokens say of him after each thing that is done to him.

pub mod adopted;
mod clocks;
pub mod harness;
mod held_page;
mod interrupted;
mod joining;
mod lifetimes;
mod locked_out;
mod mails;
mod managed;
mod mfa_methods;
mod partial_enrolment;
mod real_browser;
mod realm_settings;
mod refused;
mod revocation;
mod sessions;
mod usernames;
