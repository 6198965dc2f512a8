//! `guestlist check` as a process: what it reads, what it says of each rule, and how it writes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong in a helper ends the test")]

mod differential;
mod directories;
mod messages;
mod objects;
mod output;
#[path = "../support/check.rs"]
mod support;
mod together;
mod yaml;
