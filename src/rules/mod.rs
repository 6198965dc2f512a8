//! The law. Pure: no client, no clock, no randomness, nothing asynchronous.
//!
//! Wire values become types here ([`Email`], [`Domain`], roles, terms) or violations. Each rule is a small function
//! that returns its violations; nothing is decided anywhere else.

mod address;
mod reason;
mod role;
mod terms;
mod violation;

pub mod read;
pub mod time;

pub use address::*;
pub use reason::*;
pub use role::*;
pub use terms::*;
pub use violation::*;
