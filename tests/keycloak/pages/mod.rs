//! People with real pages: a guest's path from the invitation to an application, and the claims of the guest's tokens
//! after each operation.

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
