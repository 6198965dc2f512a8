//! The whole engine of the operator in a simulated environment. In any order of deliveries, with faults and crashes, it
//! reaches the state of the declared objects. It never grants access that was not allowed on the way, and then it stops
//! writing.

mod churn;
mod conflicts;
mod counts;
pub mod driver;
mod edits;
pub mod failed_operations;
mod faults;
mod full_read;
mod gc;
mod limit;
mod line;
mod live_checks;
mod logs;
mod missing_guests;
mod mutants;
mod obstacles;
mod panics;
mod perform;
mod plan_matches_apply;
mod policy;
mod propagators;
mod rest;
mod rules;
mod server;
mod stale;
mod tampered;
mod two_leaders;
mod unread;
pub mod walk;
mod worlds;
