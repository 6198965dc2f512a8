//! The metrics: their counters and their page.

pub mod counts;
mod page;
mod reconciles;
