//! Shows guestlist's main function on a real Keycloak with a real Kubernetes API server, both started for this demo.
//! Run it with `make demo-keycloak`. Everything is on loopback and in a temporary folder; nothing remains, and no mail
//! leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong ends the demo")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the cases that it expects")]

#[path = "../../tests/support/browser.rs"]
mod browser;
#[path = "../../tests/support/controlplane.rs"]
mod controlplane;
#[path = "../../tests/support/keycloak.rs"]
mod keycloak;
#[path = "../../tests/support/mail.rs"]
mod mail;
#[path = "../../tests/support/person.rs"]
mod person;

mod house;
mod screen;
mod story;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    screen::heed_signals();
    std::panic::set_hook(Box::new(|panic| {
        if !screen::interrupted() {
            let said = panic.payload_as_str().unwrap_or("something went wrong");
            eprintln!("demo: {said}");
        }
    }));
    let mut house = house::House::new();
    let told = catch_unwind(AssertUnwindSafe(|| keycloak::multi(story::play(&mut house))));
    if told.is_err() && !screen::interrupted() {
        eprintln!("--- the end of the operator's log\n{}", house.log());
    }
    drop(house);
    match told {
        Ok(()) => {
            screen::say("Done; everything is stopped and removed");
            ExitCode::SUCCESS
        }
        Err(_) if screen::interrupted() => ExitCode::from(130),
        Err(_) => ExitCode::FAILURE,
    }
}
