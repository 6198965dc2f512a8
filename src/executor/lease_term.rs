//! The time for which this process leads for sure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::util::clock::Clock;

/// How long we lead for sure.
#[derive(Clone, Debug)]
pub struct LeaseTerm {
    renewed: Arc<Mutex<(Instant, Timestamp)>>,
    duration: Duration,
    clock: Clock,
}

impl LeaseTerm {
    /// A term that begins now.
    pub fn lasting(duration: Duration, clock: Clock) -> Self {
        Self { renewed: Arc::new(Mutex::new((Instant::now(), clock.now()))), duration, clock }
    }

    /// A term that does not end, where nobody else could lead.
    pub fn endless(clock: Clock) -> Self {
        Self::lasting(Duration::MAX, clock)
    }

    /// What is left of the term, by the clock that runs faster: one of them may stand still while the machine sleeps.
    pub fn left(&self) -> Duration {
        if self.duration == Duration::MAX {
            return self.duration;
        }
        let (instant, wall) = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let by_wall = Duration::try_from(self.clock.now().duration_since(wall)).unwrap_or_default();
        self.duration.saturating_sub(instant.elapsed().max(by_wall))
    }

    /// How long a call may take: its own deadline, or what is left of the term. `None`: the term is over.
    pub fn within(&self, deadline: Duration) -> Option<Duration> {
        Some(self.left().min(deadline)).filter(|left| !left.is_zero())
    }

    /// Renewed by a call that began then.
    pub(crate) fn renew(&self, began: (Instant, Timestamp)) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }
}
