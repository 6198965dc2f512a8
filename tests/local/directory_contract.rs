//! Runs the contract of directories on each embedded backend: on a file with its own thread, and in the caller's memory
//! as in simulations.
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::contract::{Factory, Player, Subject, random};
use futures::executor::block_on;
use guestlist::directory::Import;
use guestlist::directory::sqlite::{Directory, Inline, OpenMode, Store};
use guestlist::directory::{Epoch, Error};
use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Acts on a second connection to the file, as `guestlist directory …` does while the operator runs.
struct Beside {
    store: Mutex<Store>,
}

/// Acts on the directory's own store.
struct Within {
    inline: Arc<Inline>,
}

macro_rules! plays {
    ($player:ty, $($store:tt).+) => {
        impl Player for $player {
            fn import(&self, import: &Import) -> Result<(), Error> {
                self.$($store).+.lock().unwrap().import(import).map(|_| ())
            }
            fn accept(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
                self.$($store).+.lock().unwrap().accept(email, now)
            }
            fn enroll(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Error> {
                self.$($store).+.lock().unwrap().enroll_mfa(email, method, now)
            }
            fn reset(&self, email: &Email, now: Timestamp) -> Result<bool, Error> {
                self.$($store).+.lock().unwrap().reset_mfa(email, now)
            }
            fn set_login(&self, email: &Email, enabled: bool) -> Result<bool, Error> {
                self.$($store).+.lock().unwrap().set_login(email, enabled)
            }
            fn set_owner(&self, account: &str, owner: &Email) -> Result<bool, Error> {
                self.$($store).+.lock().unwrap().set_owner(account, &[owner.clone()].into())
            }
            fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Error> {
                self.$($store).+.lock().unwrap().set_deleted(account, deleted)
            }
        }
    };
}

plays!(Beside, store);
plays!(Within, inline.0);

fn threaded(page: usize) -> Subject {
    let ground = tempfile::tempdir().unwrap();
    let file = ground.path().join("directory.db");
    let store = Store::open(&file, OpenMode::Create).unwrap().with_page(page);
    let beside = Beside { store: Mutex::new(Store::open(&file, OpenMode::Write).unwrap()) };
    Subject {
        directory: Arc::new(Directory::start(store).unwrap()),
        player: Arc::new(beside),
        epoch: Epoch(0),
        ground: Some(ground),
    }
}

fn inline(page: usize) -> Subject {
    let store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap().with_page(page);
    let inline = Arc::new(Inline::new(store));
    let directory = Arc::clone(&inline);
    Subject { directory, player: Arc::new(Within { inline }), epoch: Epoch(0), ground: None }
}

/// One test for each case and backend. Cases after `with` furnish their own directories.
macro_rules! every_backend {
    ($($cases:tt)+) => {
        mod on_a_file_with_a_thread {
            use super::*;
            const MAKE: Factory = threaded;
            cases!($($cases)+);
        }
        mod in_the_callers_memory {
            use super::*;
            const MAKE: Factory = inline;
            cases!($($cases)+);
        }
    };
}

macro_rules! cases {
    ($($room:ident::$case:ident),+ ; with $($maker_room:ident::$maker:ident),+ ; embedded $($ours:ident::$our:ident),+ ;
     embedded_with $($our_room:ident::$our_maker:ident),+) => {
        $(#[test]
        fn $case() {
            block_on(async { crate::support::contract::$room::$case(MAKE(500).furnish().await).await });
        })+
        $(#[test]
        fn $maker() {
            block_on(crate::support::contract::$maker_room::$maker(MAKE));
        })+
        $(#[test]
        fn $our() {
            block_on(async { crate::support::contract::$ours::$our(MAKE(500).furnish().await).await });
        })+
        $(#[test]
        fn $our_maker() {
            block_on(crate::support::contract::$our_room::$our_maker(MAKE));
        })+
    };
}

with_every_case!(every_backend);

fn agree_in_random_runs(make: Factory, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = |actions| {
        block_on(async { random::agree(make(500).furnish().await, actions).await });
        Ok(())
    };
    TestRunner::new(config).run(&random::actions(), run).unwrap();
}

#[test]
fn random_runs_in_memory_match_the_model_and_keep_all_rules() {
    agree_in_random_runs(inline, 200);
}

#[test]
fn random_runs_on_a_file_match_the_model_and_keep_all_rules() {
    agree_in_random_runs(threaded, 12);
}
