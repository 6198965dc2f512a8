//! The stored form of a status. As API types, the statuses of 10,000 memberships take 20 MB, a third of the operator's
//! memory bound.

use std::collections::HashSet;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{Condition, Conditions};
use crate::cache::status_counts::{self, CountedStatus, StatusFact, StatusFacts};

/// A stored status.
#[derive(Clone, Debug)]
pub struct CachedStatus<S> {
    conditions: Box<[CachedCondition]>,
    /// The other fields as JSON. `None`: the object has no status.
    others: Option<Box<str>>,
    facts: StatusFacts,
    of: PhantomData<fn() -> S>,
}

/// A condition. Most conditions of one type differ only in their times, so their texts are shared.
#[derive(Clone, Debug)]
struct CachedCondition {
    text: Arc<ConditionText>,
    observed_generation: Option<i64>,
    last_transition_time: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ConditionText {
    type_: String,
    status: String,
    reason: String,
    message: String,
}

impl<S: CountedStatus + Serialize + DeserializeOwned> CachedStatus<S> {
    pub(super) fn new(status: Option<S>) -> Self {
        let mut facts = status_counts::facts(status.as_ref());
        let Some(mut status) = status else {
            return Self { conditions: Box::default(), others: None, facts, of: PhantomData };
        };
        let mut conditions: Box<[_]> =
            std::mem::take(status.conditions_mut()).into_iter().map(CachedCondition::from).collect();
        // Before a list is stored as a whole, so that its equal texts never exist at once.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        for condition in &mut conditions {
            shared.conditions.intern(&mut condition.text);
            shared.times.intern(&mut condition.last_transition_time);
        }
        shared.facts.intern(&mut facts);
        drop(shared);
        let others = serde_json::to_string(&status).ok().map(String::into_boxed_str);
        Self { conditions, others, facts, of: PhantomData }
    }

    /// The status. `None`: the object has none.
    pub fn read(&self) -> Option<S> {
        let mut status: S = serde_json::from_str(self.others.as_deref()?).ok()?;
        *status.conditions_mut() = self.conditions();
        Some(status)
    }
}

impl<S> CachedStatus<S> {
    /// The facts of the status, for the metrics.
    pub(super) fn facts(&self) -> &StatusFacts {
        &self.facts
    }

    /// The conditions; empty if there are none.
    pub fn conditions(&self) -> Conditions {
        self.conditions.iter().map(CachedCondition::read).collect()
    }
}

impl From<Condition> for CachedCondition {
    fn from(condition: Condition) -> Self {
        let Condition { type_, status, reason, message, observed_generation, last_transition_time } = condition;
        let text = Arc::new(ConditionText { type_, status, reason, message });
        Self { text, observed_generation, last_transition_time: last_transition_time.into() }
    }
}

impl CachedCondition {
    fn read(&self) -> Condition {
        let ConditionText { type_, status, reason, message } = (*self.text).clone();
        let (observed_generation, last_transition_time) =
            (self.observed_generation, self.last_transition_time.to_string());
        Condition { type_, status, observed_generation, last_transition_time, reason, message }
    }
}

/// The texts of all stored statuses of this process.
static SHARED: LazyLock<Mutex<SharedTexts>> = LazyLock::new(Mutex::default);

/// The texts and times of conditions, and the counted facts.
#[derive(Debug, Default)]
struct SharedTexts {
    conditions: Interner<ConditionText>,
    times: Interner<str>,
    facts: Interner<[(StatusFact, u16)]>,
}

/// Stores equal values once.
#[derive(Debug)]
struct Interner<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// The number of values at which unused ones are removed.
    limit: usize,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), limit: 0 }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// The smallest number of values at which unused ones are removed.
    const MIN_LIMIT: usize = 1024;

    fn intern(&mut self, value: &mut Arc<T>) {
        if let Some(known) = self.values.get(value) {
            *value = Arc::clone(known);
            return;
        }
        if self.values.len() >= self.limit {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.limit = Self::MIN_LIMIT.max(2 * self.values.len());
        }
        self.values.insert(Arc::clone(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LocalPartnerStatus;

    fn status(message: &str) -> LocalPartnerStatus {
        let condition = Condition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "Reconciled".to_owned(),
            message: message.to_owned(),
            observed_generation: Some(3),
            last_transition_time: "2027-01-01T00:00:00Z".to_owned(),
        };
        LocalPartnerStatus {
            observed_generation: Some(3),
            conditions: vec![condition],
            ..LocalPartnerStatus::default()
        }
    }

    #[test]
    fn stored_status_equals_the_original() {
        for original in [None, Some(LocalPartnerStatus::default()), Some(status("The partner is ready."))] {
            let stored = CachedStatus::new(original.clone());
            assert_eq!(stored.read(), original);
            assert_eq!(stored.conditions(), original.unwrap_or_default().conditions);
        }
    }

    #[test]
    fn equal_texts_are_stored_once() {
        let stored = [(); 2].map(|()| CachedStatus::new(Some(status("equal"))));
        assert!(Arc::ptr_eq(&stored[0].conditions[0].text, &stored[1].conditions[0].text));
    }

    #[test]
    fn unused_texts_are_removed() {
        let (mut texts, mut used) = (Interner::<str>::default(), Arc::from("used"));
        texts.intern(&mut used);
        for number in 0..3 * Interner::<str>::MIN_LIMIT {
            texts.intern(&mut Arc::from(number.to_string()));
        }
        assert!(texts.values.len() <= Interner::<str>::MIN_LIMIT + 1, "{}", texts.values.len());
        assert!(texts.values.contains(&used));
    }
}
