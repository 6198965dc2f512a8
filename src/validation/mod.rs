//! The rules of specs. Pure: no client, clock, randomness or async code.
//!
//! [`spec`] contains the rules about one object, and [`cross_object`] those about an object and its partner.
//! [`crate::plan::evaluate`] contains those that need other objects or the directory. [`messages`] contains the message
//! of each rule. The catalog contains the meaning and the fix of each [`Reason`](crate::domain::Reason).

mod catalog;
mod terms;
mod violation;

pub mod cross_object;
pub mod messages;
pub mod spec;

pub use catalog::{ReasonEntry, ReasonGroup, entry, explain, markdown};
pub use terms::*;
pub use violation::*;
