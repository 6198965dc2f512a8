//! The calls without a response, so that the error of a stalled call can name it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The calls without a response, in the order of their start.
#[derive(Default)]
pub struct PendingCalls(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    made: u64,
    open: BTreeMap<u64, (&'static str, Instant)>,
}

/// A call without a response. Dropping it ends the entry.
pub struct Open<'a> {
    waiting: &'a PendingCalls,
    number: u64,
}

impl PendingCalls {
    /// Registers a call.
    pub fn begin(&self, endpoint: &'static str) -> Open<'_> {
        self.begin_at(endpoint, Instant::now())
    }

    fn begin_at(&self, endpoint: &'static str, at: Instant) -> Open<'_> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.made += 1;
        let number = calls.made;
        calls.open.insert(number, (endpoint, at));
        Open { waiting: self, number }
    }

    /// The endpoint of the call that has waited longest for a response, and for how long.
    pub fn longest(&self) -> Option<(&'static str, Duration)> {
        self.longest_at(Instant::now())
    }

    fn longest_at(&self, now: Instant) -> Option<(&'static str, Duration)> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.open.values().next().map(|(endpoint, since)| (*endpoint, now.saturating_duration_since(*since)))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_unanswered_call_is_named_until_it_ends() {
        let (waiting, began) = (PendingCalls::default(), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(waiting.longest(), None);
        let users = waiting.begin_at("GET users", began);
        let groups = waiting.begin_at("GET groups", after(5));
        assert_eq!(waiting.longest_at(after(7)), Some(("GET users", Duration::from_secs(7))));
        drop(users);
        assert_eq!(waiting.longest_at(after(7)), Some(("GET groups", Duration::from_secs(2))));
        drop(groups);
        assert_eq!(waiting.longest(), None);
    }
}
