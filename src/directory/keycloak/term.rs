//! Who leads, where nothing refuses the writes of whoever led before: each looks whether he still does, and whoever takes the
//! lead begins once all others have looked.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::{Epoch, Fault};
use super::{Inner, realm};

/// For how long a look holds.
const HOLDS: Duration = Duration::from_millis(200);
/// For how long whoever takes the lead waits: until no look of another's holds any more, and the operation that began on it
/// has written.
const OTHERS_STOP: Duration = Duration::from_millis(300);

/// When a look began, and who led then.
#[derive(Default)]
pub struct Term(Mutex<Option<(Instant, Epoch)>>);

impl Inner {
    /// Takes the lead from whoever had it.
    pub(super) async fn lead(&self) -> Result<Epoch, Fault> {
        let (before, epoch) = realm::lead(&self.client, &self.tree, self.now()).await?;
        if before.is_some() {
            tokio::time::sleep(OTHERS_STOP).await;
        }
        Ok(Epoch(epoch))
    }

    pub(super) async fn epoch(&self) -> Result<Epoch, Fault> {
        Ok(Epoch(realm::epoch(&self.client, &self.tree).await?))
    }

    /// Fails where somebody else leads, or has led for less than a look holds.
    pub(super) async fn leads(&self, epoch: Epoch) -> Result<(), Fault> {
        // Held meanwhile: one look serves all who ask.
        let mut last = self.term.0.lock().await;
        let holds = |(at, led): &(Instant, Epoch)| *led == epoch && at.elapsed() < HOLDS;
        if last.as_ref().is_some_and(holds) {
            return Ok(());
        }
        let began = Instant::now();
        let now = self.epoch().await?;
        *last = Some((began, now));
        if now == epoch { Ok(()) } else { Err(Fault::Fenced) }
    }

    /// Fails where somebody else leads now. What was written before this was asked is seen by whoever leads next.
    pub(super) async fn leads_now(&self, epoch: Epoch) -> Result<(), Fault> {
        if self.epoch().await? == epoch { Ok(()) } else { Err(Fault::Fenced) }
    }
}
