//! The period in which this process is certainly the leader.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::util::clock::Clock;

/// The period in which this process is certainly the leader, from the last renewal of the Lease.
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

    /// A term without an end, for commands without a Lease.
    pub fn endless(clock: Clock) -> Self {
        Self::lasting(Duration::MAX, clock)
    }

    /// The remaining time, by the clock that runs faster: one of them may stand still while the machine sleeps.
    pub fn left(&self) -> Duration {
        if self.duration == Duration::MAX {
            return self.duration;
        }
        let (instant, wall) = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let by_wall = Duration::try_from(self.clock.now().duration_since(wall)).unwrap_or_default();
        self.duration.saturating_sub(instant.elapsed().max(by_wall))
    }

    /// The timeout of a call: its own deadline or the remaining term, whichever is shorter. `None`: the term is over.
    pub fn within(&self, deadline: Duration) -> Option<Duration> {
        Some(self.left().min(deadline)).filter(|left| !left.is_zero())
    }

    /// Extends the term from the start of the call that renewed the Lease.
    pub(crate) fn renew(&self, began: (Instant, Timestamp)) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }
}
