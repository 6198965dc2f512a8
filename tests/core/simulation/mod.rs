//! The whole engine of the operator in a simulated environment. In any order of deliveries, with faults and crashes, it
//! reaches the state of the declared objects. It never grants access that was not allowed on the way, and then it stops
//! writing.
mod churn;
mod driver;
mod edits;
mod failed_operations;
mod faults;
mod gc;
mod limit;
mod line;
mod mutants;
mod panics;
mod perform;
mod plan_matches_apply;
mod propagators;
mod rest;
mod rules;
mod server;
mod stale;
mod two_leaders;
mod unread;
mod walk;
mod worlds;
