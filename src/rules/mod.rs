//! The validation rules. Pure: no client, no clock, no randomness, nothing asynchronous.
//!
//! Wire values become types here ([`Email`], [`Domain`], roles, terms) or violations. [`read`] has the rules that one object
//! decides, [`cross`] those that its and its partner's text decide, [`crate::plan::judge`] those that need other objects or the
//! directory; [`say`] has the sentence of each, [`Reason`] the table of words.

mod address;
mod reason;
mod role;
mod table;
mod terms;
pub mod text;
mod violation;

pub mod cross;
pub mod read;
pub mod say;
pub mod time;

pub(crate) use address::quote;
pub use address::*;
pub use reason::*;
pub use role::*;
pub use table::{ReasonEntry, ReasonGroup, entry, explain, markdown};
pub use terms::*;
pub use text::{DisplayName, check as check_text, printable, printable_json, printable_lines};
pub use violation::*;
