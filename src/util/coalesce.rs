//! A read that serves all requests made before it began. Concurrent operations share one live read, and no request gets
//! a result older than itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// A live read that requests share.
pub struct CoalescedRead<T> {
    asked: AtomicU64,
    /// The result of the last read, and the number of requests when it began.
    last: Mutex<(u64, Option<Arc<T>>)>,
}

impl<T> Default for CoalescedRead<T> {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), last: Mutex::new((0, None)) }
    }
}

impl<T> CoalescedRead<T> {
    /// The result of a read that began after this call: of `read`, or of a later request's read.
    ///
    /// # Errors
    ///
    /// The error of `read`.
    pub async fn get<E>(&self, read: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if let (began_after, Some(value)) = &*last
            && *began_after >= mine
        {
            return Ok(Arc::clone(value));
        }
        let began_after = self.asked.load(Ordering::SeqCst);
        let value = Arc::new(read.await?);
        *last = (began_after, Some(Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use futures::future::join_all;
    use futures::{pin_mut, poll};

    use super::*;

    /// Counts its calls, each of which yields once.
    async fn read(count: &AtomicU64) -> Result<u64, ()> {
        let mine = count.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        Ok(mine)
    }

    #[tokio::test]
    async fn coalesced_read_requested_during_a_read_shares_the_next_one() {
        let (fresh, count) = (CoalescedRead::default(), AtomicU64::new(0));
        let first = fresh.get(read(&count));
        pin_mut!(first);
        assert!(poll!(&mut first).is_pending(), "it reads");
        let others = join_all((0..10).map(|_| fresh.get(read(&count))));
        pin_mut!(others);
        assert!(poll!(&mut others).is_pending(), "they ask meanwhile");
        let (first, others) = futures::join!(first, others);
        assert_eq!(*first.unwrap(), 1);
        assert_eq!(others.into_iter().map(|other| *other.unwrap()).collect::<Vec<_>>(), [2; 10]);
        assert_eq!(*fresh.get(read(&count)).await.unwrap(), 3, "no caller gets a value that was read before the call");
    }

    #[tokio::test]
    async fn a_reading_that_failed_is_nobody_elses() {
        let (fresh, count) = (CoalescedRead::default(), AtomicU64::new(0));
        let failing = fresh.get(std::future::ready(Err(())));
        assert!(failing.await.is_err());
        assert_eq!(*fresh.get(read(&count)).await.unwrap(), 1);
    }
}
