//! Judges each object by the rules that need more than the object: gathers the facts from the declared and
//! the observed world and asks [`crate::rules`]. Reconcile and `check` share this code, so that all points of enforcement agree.

mod inviter;
pub mod membership;
mod newcomer;
pub mod partner;
pub mod share;

pub use inviter::colleague;
pub use membership::MemberView;
pub use partner::{PartnerView, Presence};
pub use share::ShareView;

use jiff::Timestamp;

use super::World;
use crate::index::{Key, Kind, Membership, Slot};
use crate::rules::{Reason, Violation};

/// What withholds, and until when where time alone heals it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The reason.
    pub reason: Reason,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
}

impl Wait {
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
pub enum Gate {
    /// It does.
    Open,
    /// It cannot tell: nothing new is given and nothing taken away.
    Keep(Reason),
    /// It does not.
    Shut(Reason),
}

/// Whether a membership's role reads. Where it does not, that is its own fault: it gets least, and nobody else is blamed.
fn role_reads(entry: &Membership) -> bool {
    !entry.reading.violations.iter().any(|violation| violation.path == "spec.role")
}

/// What an object's judgement is: its violations in the order of the rules, and what it waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// All broken rules.
    pub violations: Vec<Violation>,
    /// What it waits for.
    pub wait: Option<Reason>,
}

/// Judges one object. `None`: it is not declared, or does not read.
pub fn judge(world: World<'_>, key: &Key) -> Option<Judgement> {
    match key.kind {
        Kind::Partner => {
            let view = PartnerView::of(world, &key.namespace, &key.name);
            view.entry?;
            Some(Judgement { wait: view.wait, violations: view.violations })
        }
        Kind::Membership => {
            let entry = world.declared.membership(&key.namespace, &key.name).and_then(Slot::read)?;
            let partner = PartnerView::of(world, &key.namespace, &entry.reading.terms.partner);
            let view = MemberView::of(world, &partner, entry);
            Some(Judgement { wait: view.wait.map(|wait| wait.reason), violations: view.violations })
        }
        Kind::Share => {
            let entry = world.declared.share(&key.namespace, &key.name).and_then(Slot::read)?;
            let partner = PartnerView::of(world, &key.namespace, &entry.reading.terms.partner);
            let view = ShareView::of(world, &partner, entry);
            let mut violations = view.violations.clone();
            violations.extend(share::entry_violations(world, &partner, &view));
            violations.sort();
            Some(Judgement { wait: view.wait, violations })
        }
    }
}
