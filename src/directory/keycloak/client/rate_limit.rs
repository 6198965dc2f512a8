//! A limit on the calls per second: a burst, then a steady rate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The burst, as a fraction of the calls per second.
const BURST: f64 = 0.25;

/// A token bucket.
pub struct RateLimit {
    per_second: f64,
    state: Mutex<State>,
}

struct State {
    /// Negative while callers wait, because they have reserved their tokens.
    tokens: f64,
    at: Instant,
}

impl RateLimit {
    /// Creates a full bucket.
    pub fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        let tokens = (per_second * BURST).max(1.0);
        Self { per_second, state: Mutex::new(State { tokens, at: Instant::now() }) }
    }

    /// Waits for a token.
    pub async fn take(&self) {
        let wait = self.reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn reserve(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        let most = (self.per_second * BURST).max(1.0);
        state.tokens = (state.tokens + passed * self.per_second).min(most) - 1.0;
        state.at = now;
        if state.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-state.tokens / self.per_second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_free_and_later_calls_wait() {
        let bucket = RateLimit::new(8);
        let now = Instant::now();
        let waits: Vec<_> = (0..4).map(|_| bucket.reserve(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 125, 250]);
        // A pause gives a whole burst, and no more.
        let later = now + Duration::from_secs(10);
        let waits: Vec<_> = (0..4).map(|_| bucket.reserve(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 125, 250]);
        let slow = RateLimit::new(1);
        assert_eq!([slow.reserve(now), slow.reserve(now)].map(|wait| wait.as_millis()), [0, 1000]);
    }
}
