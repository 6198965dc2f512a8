//! The metrics: their counters, their page, and the rules and the dashboard that read them.

mod alert_cases;
pub mod counts;
mod page;
mod read_by;
mod reconciles;
