//! The operator's engine, whole, in a world in memory: whatever order things come in, wherever a call goes wrong or the
//! process dies, it ends where the declared world says, without access that was not allowed on the way, and then rests.
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
