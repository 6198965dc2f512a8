//! The leader, where nothing refuses the writes of whoever led before: each looks whether he still does, and whoever takes the
//! lead begins once all others have looked.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::{Epoch, Error};
use super::{Inner, groups};

/// For how long a look holds.
const HOLDS: Duration = Duration::from_millis(150);
/// When the next one is due: one looks meanwhile, and all others go on.
const DUE: Duration = Duration::from_millis(75);
/// For how long whoever takes the lead waits: until no look of another's holds any more, and the operation that began on it
/// has written.
const OTHERS_STOP: Duration = Duration::from_millis(200);
/// By so many nanoseconds an epoch is moved at random: two who take the lead at once take two of them, whatever their clocks say.
const APART: u64 = 1 << 20;

/// What was seen last, and the right to look.
#[derive(Default)]
pub struct Leadership {
    /// When the look began, and who led then.
    last: SyncMutex<Option<(Instant, Epoch)>>,
    looking: Mutex<()>,
}

impl Leadership {
    fn set(&self, last: Option<(Instant, Epoch)>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// When the last look began that saw this one lead.
    fn seen(&self, epoch: Epoch) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, led)| *led == epoch).map(|(at, _)| at)
    }
}

impl Inner {
    /// Takes the lead from whoever had it.
    pub(super) async fn lead(&self) -> Result<Epoch, Error> {
        let random = i64::try_from(RandomState::new().hash_one(()) % APART).unwrap_or(0);
        let now = i64::try_from(self.now().as_nanosecond()).unwrap_or(0);
        let after = |before: Option<i64>| now.max(before.unwrap_or(0)).saturating_add(1).saturating_add(random);
        let (first, epoch) = groups::lead(&self.client, &self.tree, after).await?;
        // What was seen until now does not hold any more for us either.
        self.term.set(None);
        if !first {
            tokio::time::sleep(OTHERS_STOP).await;
        }
        Ok(Epoch(epoch))
    }

    /// Who leads.
    pub(super) async fn epoch(&self) -> Result<Epoch, Error> {
        Ok(groups::epoch(&self.client, &self.tree).await?.map_or(Epoch::NONE, Epoch))
    }

    /// Fails where somebody else leads, or has led for less than a look holds.
    pub(super) async fn leads(&self, epoch: Epoch) -> Result<(), Error> {
        let asked = Instant::now();
        let _looking = match self.term.seen(epoch) {
            Some(at) if at.elapsed() < DUE => return Ok(()),
            Some(at) if at.elapsed() < HOLDS => match self.term.looking.try_lock() {
                Ok(looking) => looking,
                Err(_) => return Ok(()),
            },
            Some(_) | None => self.term.looking.lock().await,
        };
        // However long it took, a look serves all who asked before it began.
        if self.term.seen(epoch).is_some_and(|at| at >= asked || at.elapsed() < DUE) {
            return Ok(());
        }
        let began = Instant::now();
        let looked = self.leads_now(epoch).await;
        self.term.set(looked.is_ok().then_some((began, epoch)));
        looked
    }

    /// Fails where somebody else leads now. What was written before this was asked is seen by whoever leads next.
    pub(super) async fn leads_now(&self, epoch: Epoch) -> Result<(), Error> {
        match groups::epoch(&self.client, &self.tree).await? {
            Some(now) if now != epoch.0 => Err(Error::Fenced),
            None if epoch != Epoch::NONE => Err(groups::nobodys()),
            Some(_) | None => Ok(()),
        }
    }
}
