//! Counts of the facts that the stored statuses report, for metrics. A change of an object subtracts the facts of its old
//! status and adds those of the new one. Reading the counts therefore needs no scan.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{
    AccountShareStatus, Condition, ConditionType, GuestMembershipStatus, HasConditions, LocalPartnerStatus,
    ViolationStatus,
};
use crate::domain::Reason;

/// A fact of a status that is counted. A reason is `None` if the text in the status is not one of [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusFact {
    /// A membership in a state; `None`: it has no status yet.
    State(Option<Reason>),
    /// An object that is not Ready, by the reason of the condition; `None`: it has no status yet.
    NotReady(Option<Reason>),
    /// A broken rule. A status lists the first 50.
    Violation(Option<Reason>),
    /// A grant that the guest can use now. A status lists the first 100 grants.
    EffectiveGrant,
    /// A grant that something withholds now.
    WithheldGrant(Option<Reason>),
    /// A membership that ends within 14 days.
    ExpiringSoon,
}

/// The facts of one status, each with its number, in order. Most statuses of a kind have equal ones, so they are shared.
pub type StatusFacts = Arc<[(StatusFact, u16)]>;

/// The number of each fact of one status, while it is read.
#[derive(Debug, Default)]
pub struct FactCounter(BTreeMap<StatusFact, u16>);

impl FactCounter {
    fn add(&mut self, fact: StatusFact) {
        let count = self.0.entry(fact).or_default();
        *count = count.saturating_add(1);
    }

    /// The conditions and broken rules, which every kind has.
    fn add_common(&mut self, conditions: &[Condition], violations: &[ViolationStatus]) {
        match condition(conditions, ConditionType::Ready) {
            Some(ready) if ready.status == "True" => {}
            Some(ready) => self.add(StatusFact::NotReady(Reason::parse(&ready.reason))),
            None => self.add(StatusFact::NotReady(None)),
        }
        for violation in violations {
            self.add(StatusFact::Violation(Reason::parse(&violation.reason)));
        }
    }
}

fn condition(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// A status whose facts are counted.
pub trait CountedStatus: HasConditions + Sized {
    /// The conditions and broken rules.
    fn common(&self) -> (&[Condition], &[ViolationStatus]);

    /// Adds the facts of this kind alone; `None`: the object has no status.
    fn add_own(_status: Option<&Self>, _facts: &mut FactCounter) {}
}

impl CountedStatus for LocalPartnerStatus {
    fn common(&self) -> (&[Condition], &[ViolationStatus]) {
        (&self.conditions, &self.violations)
    }
}

impl CountedStatus for AccountShareStatus {
    fn common(&self) -> (&[Condition], &[ViolationStatus]) {
        (&self.conditions, &self.violations)
    }
}

impl CountedStatus for GuestMembershipStatus {
    fn common(&self) -> (&[Condition], &[ViolationStatus]) {
        (&self.conditions, &self.violations)
    }

    fn add_own(status: Option<&Self>, facts: &mut FactCounter) {
        let state = status.and_then(|status| status.state.as_deref());
        facts.add(StatusFact::State(state.and_then(Reason::parse)));
        let Some(status) = status else { return };
        if condition(&status.conditions, ConditionType::ExpiringSoon).is_some_and(|soon| soon.status == "True") {
            facts.add(StatusFact::ExpiringSoon);
        }
        for grant in &status.accounts {
            facts.add(if grant.effective {
                StatusFact::EffectiveGrant
            } else {
                StatusFact::WithheldGrant(grant.reason.as_deref().and_then(Reason::parse))
            });
        }
    }
}

/// The facts of a status; `None`: the object has no status.
pub fn facts<S: CountedStatus>(status: Option<&S>) -> StatusFacts {
    let mut facts = FactCounter::default();
    let (conditions, violations) = status.map(S::common).unwrap_or_default();
    facts.add_common(conditions, violations);
    S::add_own(status, &mut facts);
    facts.0.into_iter().collect()
}

/// The facts of an object that cannot be read.
pub fn unreadable<S: CountedStatus>() -> StatusFacts {
    let named = |(fact, count): &(StatusFact, u16)| {
        let is_unnamed = *fact == StatusFact::NotReady(None);
        (if is_unnamed { StatusFact::NotReady(Some(Reason::Unreadable)) } else { *fact }, *count)
    };
    facts::<S>(None).iter().map(named).collect()
}
