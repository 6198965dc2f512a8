//! Evaluates the rules that need more than one object, on declared and observed facts, with [`crate::validation`].
//! Reconcile and `check` share this code, so that all points of enforcement agree.

mod admission;
mod inviter;
pub mod membership;
pub mod partner;
pub mod share;
mod workspace_user;

pub use inviter::inviting_membership;
pub use membership::EvaluatedMembership;
pub use partner::{EvaluatedPartner, Presence};
pub use share::EvaluatedShare;

use jiff::Timestamp;

use super::Inputs;
use crate::cache::{CacheEntry, Kind, Membership, ObjectRef};
use crate::domain::Reason;
use crate::validation::Violation;

/// The reason that withholds access, and its end if time alone removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingReason {
    /// The reason.
    pub reason: Reason,
    /// When it ends without a change. `None`: only a change ends it.
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

/// Whether access is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Access is granted.
    Allow,
    /// The facts are unknown: nothing is granted and nothing is revoked.
    Retain(Reason),
    /// Access is revoked.
    Deny(Reason),
}

/// Whether a membership's role is readable. An invalid role violates only the membership's own rule; no other object is
/// reported for it.
fn has_role(entry: &Membership) -> bool {
    !entry.reading.violations.iter().any(|violation| violation.path == "spec.role")
}

/// The result of an evaluation: the violations in the order of the rules, and the fact that the object waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// All broken rules.
    pub violations: Vec<Violation>,
    /// The fact that it waits for.
    pub wait: Option<Reason>,
}

/// Evaluates one object. `None`: it is not declared, or is unreadable.
pub fn evaluate(inputs: Inputs<'_>, key: &ObjectRef) -> Option<Evaluation> {
    match key.kind {
        Kind::Partner => {
            let view = EvaluatedPartner::of(inputs, &key.namespace, &key.name);
            view.entry?;
            Some(Evaluation { wait: view.wait, violations: view.violations })
        }
        Kind::Membership => {
            let entry = inputs.declared.membership(&key.namespace, &key.name).and_then(CacheEntry::read)?;
            let partner = EvaluatedPartner::of(inputs, &key.namespace, &entry.reading.terms.partner);
            let view = EvaluatedMembership::of(inputs, &partner, entry);
            Some(Evaluation { wait: view.wait.map(|wait| wait.reason), violations: view.violations })
        }
        Kind::Share => {
            let entry = inputs.declared.share(&key.namespace, &key.name).and_then(CacheEntry::read)?;
            let partner = EvaluatedPartner::of(inputs, &key.namespace, &entry.reading.terms.partner);
            let view = EvaluatedShare::of(inputs, &partner, entry);
            let mut violations = view.violations.clone();
            violations.extend(share::entry_violations(inputs, &partner, &view));
            violations.sort();
            Some(Evaluation { wait: view.wait, violations })
        }
    }
}
