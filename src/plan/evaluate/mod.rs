//! Judges each object by the rules that need more than the object: gathers the facts from the declared and
//! the observed world and asks [`crate::validation`]. Reconcile and `check` share this code, so that all points of enforcement agree.

mod admission;
mod inviter;
pub mod membership;
pub mod partner;
pub mod share;

pub use inviter::colleague;
pub use membership::EvaluatedMembership;
pub use partner::{EvaluatedPartner, Presence};
pub use share::EvaluatedShare;

use jiff::Timestamp;

use super::Inputs;
use crate::cache::{CacheEntry, Kind, Membership, ObjectRef};
use crate::domain::Reason;
use crate::validation::Violation;

/// What withholds, and until when where time alone heals it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingReason {
    /// The reason.
    pub reason: Reason,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
}

impl PendingReason {
    /// A wait for a change.
    pub fn on(reason: Reason) -> Self {
        Self { reason, until: None }
    }

    /// A wait for an instant.
    pub fn until(reason: Reason, until: Timestamp) -> Self {
        Self { reason, until: Some(until) }
    }
}

/// Whether something lets access through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It does.
    Allow,
    /// It cannot tell: nothing new is given and nothing taken away.
    Retain(Reason),
    /// It does not.
    Deny(Reason),
}

/// Whether a membership's role reads. Where it does not, that is its own fault: it gets least, and nobody else is blamed.
fn role_reads(entry: &Membership) -> bool {
    !entry.reading.violations.iter().any(|violation| violation.path == "spec.role")
}

/// What an object's judgement is: its violations in the order of the rules, and what it waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// All broken rules.
    pub violations: Vec<Violation>,
    /// What it waits for.
    pub wait: Option<Reason>,
}

/// Judges one object. `None`: it is not declared, or does not read.
pub fn judge(world: Inputs<'_>, key: &ObjectRef) -> Option<Evaluation> {
    match key.kind {
        Kind::Partner => {
            let view = EvaluatedPartner::of(world, &key.namespace, &key.name);
            view.entry?;
            Some(Evaluation { wait: view.wait, violations: view.violations })
        }
        Kind::Membership => {
            let entry = world.declared.membership(&key.namespace, &key.name).and_then(CacheEntry::read)?;
            let partner = EvaluatedPartner::of(world, &key.namespace, &entry.reading.terms.partner);
            let view = EvaluatedMembership::of(world, &partner, entry);
            Some(Evaluation { wait: view.wait.map(|wait| wait.reason), violations: view.violations })
        }
        Kind::Share => {
            let entry = world.declared.share(&key.namespace, &key.name).and_then(CacheEntry::read)?;
            let partner = EvaluatedPartner::of(world, &key.namespace, &entry.reading.terms.partner);
            let view = EvaluatedShare::of(world, &partner, entry);
            let mut violations = view.violations.clone();
            violations.extend(share::entry_violations(world, &partner, &view));
            violations.sort();
            Some(Evaluation { wait: view.wait, violations })
        }
    }
}
