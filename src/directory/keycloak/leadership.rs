//! The leader's term in a realm that cannot refuse writes of a former leader. Each leader checks that it still leads.
//! A new leader starts once the checks of all others have expired.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::{Epoch, Error};
use super::{Inner, groups};

/// How long a check is valid.
const VALID_FOR: Duration = Duration::from_millis(150);
/// The age at which a check is renewed. One task renews it while the others continue.
const DUE: Duration = Duration::from_millis(75);
/// How long a new leader waits: until every other process's check has expired and the operation that began under it
/// has written.
const OTHERS_STOP: Duration = Duration::from_millis(200);
/// The range in nanoseconds of a random part of each epoch. Two processes that become the leader at once then get
/// different epochs, whatever their clocks show.
const EPOCH_RANGE: u64 = 1 << 20;

/// The latest check, and the lock for the next one.
#[derive(Default)]
pub struct Leadership {
    /// The start of the check, and the leader's epoch.
    last: SyncMutex<Option<(Instant, Epoch)>>,
    looking: Mutex<()>,
}

impl Leadership {
    fn set(&self, last: Option<(Instant, Epoch)>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// The start of the latest check that confirmed this epoch.
    fn seen(&self, epoch: Epoch) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, led)| *led == epoch).map(|(at, _)| at)
    }
}

impl Inner {
    /// Becomes the leader.
    pub(super) async fn lead(&self) -> Result<Epoch, Error> {
        let random = i64::try_from(RandomState::new().hash_one(()) % EPOCH_RANGE).unwrap_or(0);
        let now = i64::try_from(self.now().as_nanosecond()).unwrap_or(0);
        let after = |before: Option<i64>| now.max(before.unwrap_or(0)).saturating_add(1).saturating_add(random);
        let (first, epoch) = self.groups().lead(after).await?;
        // The earlier check is no longer valid for this process either.
        self.term.set(None);
        if !first {
            tokio::time::sleep(OTHERS_STOP).await;
        }
        Ok(Epoch(epoch))
    }

    /// The leader's epoch.
    pub(super) async fn epoch(&self) -> Result<Epoch, Error> {
        Ok(self.groups().epoch().await?.map_or(Epoch::NONE, Epoch))
    }

    /// Fails if another process leads. The answer may be as old as a check is valid.
    pub(super) async fn leads(&self, epoch: Epoch) -> Result<(), Error> {
        let asked = Instant::now();
        let _looking = match self.term.seen(epoch) {
            Some(at) if at.elapsed() < DUE => return Ok(()),
            Some(at) if at.elapsed() < VALID_FOR => match self.term.looking.try_lock() {
                Ok(looking) => looking,
                Err(_) => return Ok(()),
            },
            Some(_) | None => self.term.looking.lock().await,
        };
        // A check is valid for all tasks that asked before it began, however long it took.
        if self.term.seen(epoch).is_some_and(|at| at >= asked || at.elapsed() < DUE) {
            return Ok(());
        }
        let began = Instant::now();
        let looked = self.leads_now(epoch).await;
        self.term.set(looked.is_ok().then_some((began, epoch)));
        looked
    }

    /// Fails if another process leads now. The next leader sees everything that was written before this call.
    pub(super) async fn leads_now(&self, epoch: Epoch) -> Result<(), Error> {
        match self.groups().epoch().await? {
            Some(now) if now != epoch.0 => Err(Error::Fenced),
            None if epoch != Epoch::NONE => Err(groups::owner_lost()),
            Some(_) | None => Ok(()),
        }
    }
}
