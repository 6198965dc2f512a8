//! One change at a time for each guest and each partner. Keycloak has no compare-and-set, so no other task may write
//! between a read and its write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Locks by name. An unused lock takes no memory.
#[derive(Default)]
pub struct Locks(Mutex<HashMap<String, Arc<AsyncMutex<()>>>>);

impl Locks {
    /// Waits for the lock of this name.
    pub async fn hold(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if held.len() > 1024 {
                held.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(held.entry(name.to_owned()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn lock_is_held_by_one_task_whatever_others_are_held() {
        let locks = Locks::default();
        let held = locks.hold("bob").now_or_never();
        assert!(held.is_some());
        for number in 0..3000 {
            assert!(locks.hold(&format!("guest-{number}")).now_or_never().is_some(), "{number} is free");
            assert!(locks.hold("bob").now_or_never().is_none(), "bob is held, after {number} others");
        }
        drop(held);
        assert!(locks.hold("bob").now_or_never().is_some());
        let known = locks.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!(known < 1100, "{known} locks are kept");
    }
}
