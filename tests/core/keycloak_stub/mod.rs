//! The Keycloak backend with a realm in memory, on paused time. Covers listings at the edges of their pages, tokens
//! near their end, answers that are lost, late or duplicated, and a fault at each request of each operation.
//! `tests/keycloak` uses the real server.

mod cases;
mod change_events;
mod contract;
mod furnish;
mod listings;
mod mails;
mod operations;
pub mod outage;
mod ownership;
mod partners;
mod reading;
mod refused_writes;
pub mod representations;
mod sessions;
mod terms;
mod timers;
mod tokens;

use std::sync::{Arc, Mutex};

use guestlist::directory::keycloak::{Credentials, Directory, Secret, Settings};
use guestlist::directory::{DirectoryReader as _, Error, GuestRecord};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::support::realm_in_memory::Realm;
use representations::Wire;

const SECRET: &str = "a secret of the tests";
/// The start of the tests, by the clocks of the realm and of guestlist.
const BEGAN: i64 = 1_790_000_000;

/// The limit of calls a second, for tests of other subjects.
const RATE: u32 = 1_000_000;

fn settings(client: &str, secret: &str, calls_per_second: u32) -> Settings {
    let base = "http://127.0.0.1:8080".parse().unwrap();
    let login = Credentials::new(client, Secret::new(secret));
    Settings { base, realm: "w".to_owned(), login, authorities: None, calls_per_second }
}

/// A clock that follows the time of the runtime.
fn clock(began: Instant) -> guestlist::directory::keycloak::TimeSource {
    Arc::new(move || {
        let passed = SignedDuration::try_from(began.elapsed()).unwrap();
        Timestamp::from_second(BEGAN).unwrap() + passed
    })
}

/// A realm, and a directory with its own connection to it.
struct Stage {
    wire: Arc<Wire>,
    directory: Directory,
}

impl Stage {
    /// With an empty realm.
    fn new() -> Self {
        Self::on(Realm::new(BEGAN))
    }

    /// With this realm.
    fn on(realm: Realm) -> Self {
        Self::with(realm, RATE)
    }

    fn with(realm: Realm, rate: u32) -> Self {
        let wire = Wire::to(Arc::new(Mutex::new(realm)));
        let directory = Directory::with_transport(settings("guestlist", SECRET, rate), clock(wire.began), wire.clone());
        Self { wire, directory }
    }

    /// A new directory without memory, in the same realm.
    fn restarted(&self) -> Self {
        let directory =
            Directory::with_transport(settings("guestlist", SECRET, RATE), clock(self.wire.began), self.wire.clone());
        Self { wire: self.wire.clone(), directory }
    }

    /// All guests, page by page.
    async fn guests(&self) -> Result<Vec<GuestRecord>, Error> {
        let mut all = Vec::new();
        let mut page = None;
        loop {
            let read = self.directory.guests(page).await?;
            all.extend(read.items);
            page = read.next;
            if page.is_none() {
                return Ok(all);
            }
        }
    }

    fn realm<T>(&self, work: impl FnOnce(&mut Realm) -> T) -> T {
        work(&mut self.wire.realm.lock().unwrap())
    }
}
