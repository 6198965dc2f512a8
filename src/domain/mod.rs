//! Types without rules, used everywhere behind the API boundary. Each has one constructor. Pure: no client, clock,
//! randomness or async code.

mod address;
mod reason;
mod role;
pub mod text;
pub mod time;

pub(crate) use address::quote;
pub use address::*;
pub use reason::*;
pub use role::*;
pub use text::{
    DisplayName, check as check_text, is_dns_label, is_dns_name_part, printable, printable_json, printable_lines,
};
