//! The law. Pure: no client, no clock, no randomness, nothing asynchronous.
//!
//! Wire values become types here ([`Email`], [`Domain`], roles, terms) or violations. Each rule is a small function
//! that returns its violations; nothing is decided anywhere else. [`read`] has the rules that one object decides,
//! [`cross`] those that need facts beyond it, [`say`] the sentence of each, [`Reason`] the table of words.

mod address;
mod reason;
mod role;
mod table;
mod terms;
mod violation;

pub mod cross;
pub mod read;
pub mod say;
pub mod time;

pub(crate) use address::quote;
pub use address::*;
pub use reason::*;
pub use role::*;
pub use table::{Entry, Sort, entry, explain, markdown};
pub use terms::*;
pub use violation::*;
