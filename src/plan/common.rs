//! The fields that the statuses of all three kinds share.

use jiff::Timestamp;

use super::conditions::{self, KindCondition, Summary};
use super::ownership::annotation;
use crate::api::{self, Condition, ConditionType, Conditions, ViolationStatus};
use crate::cache::{CacheEntry, CachedMetadata};
use crate::domain::Reason;
use crate::validation::Violation;

/// The fields that every status has.
pub struct Common {
    /// The generation that was evaluated.
    pub observed_generation: Option<i64>,
    /// The last value of `reconcile-at` that was handled.
    pub last_handled_reconcile_at: Option<String>,
    /// The conditions.
    pub conditions: Conditions,
    /// The first violations; [`violation_count`](Self::violation_count) counts all.
    pub violations: Vec<ViolationStatus>,
    /// The number of all violations.
    pub violation_count: Option<i64>,
}

impl Common {
    /// The fields for an object. `old`: the stored conditions.
    pub fn of(
        meta: &CachedMetadata,
        old: &[Condition],
        now: Timestamp,
        situation: &Summary,
        domain: Vec<KindCondition>,
        violations: &[Violation],
    ) -> Self {
        Self {
            observed_generation: meta.generation,
            last_handled_reconcile_at: annotation(meta, api::RECONCILE_AT).map(str::to_owned),
            conditions: conditions::write(old, meta.generation, now, situation, domain),
            violations: conditions::violations(violations),
            violation_count: (!violations.is_empty()).then(|| conditions::count(violations.len())),
        }
    }
}

/// The conditions of an object whose spec and status cannot be read. They are the same bytes each time, so a repeated
/// write changes nothing.
pub fn unreadable<S, T>(slot: &CacheEntry<S, T>) -> Conditions {
    let meta = slot.metadata();
    let created = meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let mut situation = Summary::held(Reason::Unreadable);
    if let CacheEntry::Unreadable { error, .. } = slot {
        situation.message = format!("{} What does not fit: {error}", situation.message);
    }
    conditions::write(&[], meta.generation, created, &situation, Vec::new())
}

/// The conditions while the directory is unavailable. A kind's own conditions do not change.
pub fn unavailable(meta: &CachedMetadata, old: &[Condition], now: Timestamp) -> Conditions {
    keeping_own_conditions(meta, old, now, &Summary::unavailable())
}

/// The conditions while the directory lacks the record. A kind's own conditions do not change.
pub fn behind(meta: &CachedMetadata, old: &[Condition], now: Timestamp) -> Conditions {
    let situation = Summary { stalled: true, ..Summary::held(Reason::DirectoryBehind) };
    keeping_own_conditions(meta, old, now, &situation)
}

/// The conditions of an object whose operation the directory refuses: `judged` with another `Ready`.
pub fn refused(
    meta: &CachedMetadata,
    old: &[Condition],
    judged: Conditions,
    now: Timestamp,
    cause: Option<&str>,
) -> Conditions {
    let mut written = conditions::write(old, meta.generation, now, &Summary::refused(cause), Vec::new());
    written.retain(|condition| condition.type_ != ConditionType::Accepted.as_str());
    let replaced =
        [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled].map(ConditionType::as_str);
    written.extend(judged.into_iter().filter(|condition| !replaced.contains(&condition.type_.as_str())));
    written
}

fn keeping_own_conditions(meta: &CachedMetadata, old: &[Condition], now: Timestamp, situation: &Summary) -> Conditions {
    let mut written = conditions::write(old, meta.generation, now, situation, Vec::new());
    let own =
        |condition: &&Condition| ConditionType::parse(&condition.type_).is_none_or(|type_| !type_.is_of_every_kind());
    written.extend(old.iter().filter(own).cloned());
    written
}
