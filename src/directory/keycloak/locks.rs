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
