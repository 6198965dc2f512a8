//! The realm stops while the operator follows its changes.

use std::sync::Arc;
use std::time::Duration;

use guestlist::directory::{DirectoryReader as _, DirectoryWriter as _, Error};
use guestlist::engine::Input;
use guestlist::operator::sources::follow_directory;
use tokio::time::Instant;

use super::Stage;
use super::furnish::us;
use super::representations::Fate;
use crate::support::realm_in_memory::Asked;

/// Outages begin in steps of this time, over the pause between two polls.
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 20;

async fn stage() -> Stage {
    let stage = Stage::new();
    stage.directory.claim(&us()).await.unwrap();
    stage.directory.lead().await.unwrap();
    stage
}

/// The longest time from the start of an outage between two polls until the operator knows it. `fate`: that of each
/// request in the outage.
pub async fn shows_after(fate: Fate) -> Duration {
    let mut longest = Duration::ZERO;
    for step in 0..STEPS {
        let Stage { wire, directory } = stage().await;
        let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
        let following = tokio::spawn(follow_directory(Arc::new(directory), Duration::from_hours(1), sender));
        while !matches!(inbox.recv().await.unwrap(), Input::Loaded(_)) {}
        tokio::time::sleep(STEP * (STEPS + step)).await;
        let began = Instant::now();
        wire.rules(move |_, _| fate);
        while !matches!(inbox.recv().await.unwrap(), Input::DirectoryDown(_)) {}
        longest = longest.max(began.elapsed());
        following.abort();
    }
    longest
}

#[tokio::test(start_paused = true)]
async fn poll_of_a_silent_realm_fails_after_two_calls() {
    let is_search = |asked: &Asked| asked.path.last().is_some_and(|part| part == "admin-events");
    // A late read is repeated once.
    for (searches, seconds) in [(false, 2 * 9), (true, 2 * 28)] {
        let stage = stage().await;
        let cursor = stage.directory.cursor().await.unwrap();
        stage.directory.owner().await.unwrap();
        stage.wire.rules(move |asked, _| if is_search(asked) == searches { Fate::Silent } else { Fate::Passes });
        let began = Instant::now();
        let fault = stage.directory.changes(cursor).await.unwrap_err();
        assert!(matches!(fault, Error::Unavailable { .. }), "{fault}");
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}
