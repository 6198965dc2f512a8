//! Code that belongs to no domain.

pub mod clock;
pub mod coalesce;
pub mod panic_report;
pub mod small_map;
pub mod suggest;
