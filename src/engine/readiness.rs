//! The causes for not being ready, as a closed list: one metric and one alert for each.

use std::collections::BTreeSet;

use crate::engine::EngineHealth;

/// A cause for not being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadinessProblem {
    /// The directory does not answer, or accepts no operation.
    DirectoryUnavailable,
    /// The directory lacks records of guests that statuses name.
    DirectoryBehind,
    /// The workspace policy cannot be read.
    PolicyUnreadable,
    /// So many guests have no membership that their removal is held.
    TooManyOrphans,
    /// A list or watch fails.
    WatchFailed,
    /// The API server does not answer.
    ApiServerUnavailable,
    /// The Lease cannot be read or written.
    LeaseUnavailable,
    /// The first full read of the directory, or the first list of a kind, has not ended.
    Starting,
}

impl ReadinessProblem {
    /// All causes.
    pub const ALL: [Self; 8] = [
        Self::DirectoryUnavailable,
        Self::DirectoryBehind,
        Self::PolicyUnreadable,
        Self::TooManyOrphans,
        Self::WatchFailed,
        Self::ApiServerUnavailable,
        Self::LeaseUnavailable,
        Self::Starting,
    ];

    /// The cause in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DirectoryUnavailable => "DirectoryUnavailable",
            Self::DirectoryBehind => "DirectoryBehind",
            Self::PolicyUnreadable => "PolicyUnreadable",
            Self::TooManyOrphans => "TooManyOrphans",
            Self::WatchFailed => "WatchFailed",
            Self::ApiServerUnavailable => "ApiServerUnavailable",
            Self::LeaseUnavailable => "LeaseUnavailable",
            Self::Starting => "Starting",
        }
    }

    /// The cause that the subject of a problem in [`EngineHealth`] stands for.
    fn of(subject: &str) -> Option<Self> {
        match subject {
            "API server" => Some(Self::ApiServerUnavailable),
            "Lease" => Some(Self::LeaseUnavailable),
            reason => Self::ALL.into_iter().find(|problem| problem.as_str() == reason),
        }
    }
}

impl EngineHealth {
    /// The causes for not being ready. Empty: ready.
    pub fn readiness_problems(&self) -> BTreeSet<ReadinessProblem> {
        if self.led_by.is_some() {
            return BTreeSet::new();
        }
        let mut found: BTreeSet<_> = self.problems.keys().filter_map(|subject| ReadinessProblem::of(subject)).collect();
        found.extend(self.write_problem.as_ref().map(|_| ReadinessProblem::DirectoryUnavailable));
        found.extend(self.watch_problems.first_key_value().map(|_| ReadinessProblem::WatchFailed));
        // A start that waits for one of the causes above is not a cause of its own.
        if found.is_empty() && !self.missing().is_empty() {
            found.insert(ReadinessProblem::Starting);
        }
        found
    }

    /// The number of guests whose removal is held because too many have no membership.
    pub fn held_removals(&self) -> usize {
        let held = self.problems.contains_key(ReadinessProblem::TooManyOrphans.as_str());
        if held { self.orphans } else { 0 }
    }
}
