//! The rules of specs. Pure: no client, no clock, no randomness, nothing asynchronous.
//!
//! [`spec`] has the rules that one object decides, and [`cross_object`] those that an object and its partner decide.
//! [`crate::plan::evaluate`] has those that need other objects or the directory. [`messages`] has the sentence of each rule, and
//! the catalog the meaning and the fix of each [`Reason`](crate::domain::Reason).

mod catalog;
mod terms;
mod violation;

pub mod cross_object;
pub mod messages;
pub mod spec;

pub use catalog::{ReasonEntry, ReasonGroup, entry, explain, markdown};
pub use terms::*;
pub use violation::*;
