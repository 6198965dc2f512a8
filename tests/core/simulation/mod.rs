//! The operator's engine, whole, in a world in memory: whatever order things come in, wherever a call goes wrong or the
//! process dies, it ends where the declared world says, without access that was not allowed on the way, and then rests.
mod churn;
mod driver;
mod faults;
mod foretold;
mod law;
mod limit;
mod line;
mod mutants;
mod not_taken;
mod panics;
mod perform;
mod play;
mod propagators;
mod rest;
mod server;
mod stale;
mod sweep;
mod two_leaders;
mod unread;
mod walk;
mod worlds;
