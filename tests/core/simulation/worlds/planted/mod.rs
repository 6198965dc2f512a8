//! Planted bugs: planners, executors and stores with one bug each. The random environments catch every bug within a few
//! runs; a missed bug shows a gap in the checks.

mod bugs;
mod executors;
mod planners;
mod readers;
mod sweepers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use guestlist::cache::Kind;
use guestlist::directory::Operation;
use guestlist::engine::{GarbageCollector, Planner};
use serde_json::Value;

use super::run_with;
use bugs::BUGS;

/// A bug in a planner, in the reading of objects, in the executor of operations, or in a store.
#[derive(Clone, Copy)]
pub enum Bug {
    Planner(Planner),
    Sweeper(GarbageCollector),
    /// A change to the objects that the operator reads.
    Reader(fn(Kind, &mut Value)),
    /// The operation that is executed instead. `None`: none.
    Executor(fn(&Operation) -> Option<Operation>),
    Store(StoreBug),
}

#[derive(Clone, Copy, PartialEq)]
pub enum StoreBug {
    /// A new list keeps objects that were deleted.
    RelistKeepsGoneObjects,
    /// The store reports no deletions.
    DeletionsAreLost,
    /// The answer to a write is the previous version of the object.
    AnswerIsOld,
    /// The term never ends.
    TermNeverEnds,
    /// The store reports no changes in the directory.
    DirectoryChangesAreLost,
    /// The store reports objects that do not fit the types as deleted.
    UnreadableIsAbsent,
    /// The directory accepts writes of a process that is not the leader.
    NoFence,
    /// A new leader does not advance the epoch.
    EpochStays,
}

/// The number of worlds within which a bug has to be caught.
const WORLDS: u64 = 40;

/// The first world that catches a bug, and its failure. `likely`: the world to begin with.
fn caught(bug: Bug, likely: u64) -> Option<(u64, String)> {
    let others = (1..=WORLDS).filter(|seed| *seed != likely);
    std::iter::once(likely).chain(others).find_map(|seed| {
        let panic = catch_unwind(AssertUnwindSafe(|| run_with(seed, Some(bug)))).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Some((seed, text.unwrap_or_default()))
    })
}

#[test]
fn random_worlds_catch_each_planted_bug() {
    let mut missed = Vec::new();
    let only = std::env::var("GUESTLIST_BUG").unwrap_or_default();
    for (name, bug, likely) in BUGS.iter().filter(|(name, ..)| name.contains(&only)) {
        match caught(*bug, *likely) {
            Some((seed, how)) => {
                let how: String = how.chars().take(150).collect();
                println!("{name}: world {seed}, expected {likely}, {how}");
            }
            None => missed.push(name),
        }
    }
    assert_eq!(missed, [] as [&&str; 0], "bugs that no world catches");
}
