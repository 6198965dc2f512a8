//! The embedded directory, and the commands that need no cluster, as processes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the cases that it expects")]

#[macro_use]
#[path = "../support"]
mod support {
    pub mod amended;
    #[macro_use]
    pub mod contract;
    pub mod docs;
    pub mod import_files;
    pub mod prometheus;
    pub mod random;
}

mod alerts;
mod apply;
mod backups;
mod chart_values;
mod cli;
mod directory_cli;
mod directory_contract;
mod documentation;
mod fuzz;
mod imports;
mod prose;
mod readme;
mod sqlite;
mod sqlite_killed;
mod torn_copies;
