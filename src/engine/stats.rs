//! The data for metrics. Every number is maintained with the facts, so that reading it needs no scan of the objects.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cache::{Kind, StatusFact};
use crate::engine::Engine;

/// The data for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// The number of declared objects of each kind.
    pub objects: BTreeMap<Kind, usize>,
    /// How often the statuses of each kind report a fact.
    pub status_counts: BTreeMap<(Kind, StatusFact), usize>,
    /// The number of queued keys.
    pub queued: usize,
    /// Since when the oldest queued key has been queued. `None`: no key is queued.
    pub queued_since: Option<Timestamp>,
    /// The number of keys whose last reconcile failed.
    pub failing: usize,
    /// The number of live guests in the directory.
    pub live_guests: usize,
    /// The number of live guests who lost their last MFA method and may log in.
    pub mfa_lost: usize,
    /// When the first of them lost it.
    pub mfa_lost_since: Option<Timestamp>,
    /// When the directory was last read in full.
    pub directory_read_at: Option<Timestamp>,
    /// The number of plans that have panicked.
    pub planner_panics: u64,
}

impl Engine {
    /// The data for metrics.
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            objects: Kind::ALL.map(|kind| (kind, self.objects.count_of(kind))).into(),
            status_counts: self.objects.status_counts().clone(),
            queued: self.queue.depth(),
            queued_since: self.queue.oldest(),
            failing: self.queue.failing_count(),
            live_guests: self.directory.live_count(),
            mfa_lost: self.directory.mfa_lost().values().sum(),
            mfa_lost_since: self.directory.mfa_lost().first_key_value().map(|(lost, _)| *lost),
            directory_read_at: self.directory_read_at,
            planner_panics: self.planner_panics,
        }
    }
}
