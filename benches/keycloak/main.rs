//! `guestlist apply` on a real Keycloak, against a baseline: a loop of the unavoidable calls on the same server, with
//! the same concurrency, in the same run. Absolute times vary on shared machines, so the results are the ratio, and the
//! calls by endpoint.
//!
//! `GUESTLIST_BENCH_GUESTS=500 make bench`; one partner, two shared accounts. `make keycloak` builds the server.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "what goes wrong ends the benchmark"
)]

mod floor;
#[path = "../../tests/support/mail.rs"]
mod mail;
mod run;
#[path = "../../tests/support/keycloak.rs"]
mod support;

use std::time::Duration;

use serde_json::json;
use support::{Keycloak, Realm, multi};

/// Number of concurrent calls, for guestlist and for the baseline.
const CONCURRENCY: usize = 8;

/// Number of first runs, each in its own realm.
const FIRSTS: usize = 3;
/// Number of runs without changes.
const TURNS: usize = 4;

/// The times of other tools for 500 guests with a guest role and two account roles each, as multiples of the baseline
/// of four calls a guest. That baseline took 1.9 s on their machine.
const CREATING: &str = "none; keycloak-config-cli 6.5: 25, OpenTofu 1.12: 35";
const AGAIN: &str = "none; keycloak-config-cli 6.5: 21, OpenTofu 1.12: 6";

fn main() {
    let guests = std::env::var("GUESTLIST_BENCH_GUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    multi(bench(guests));
}

async fn bench(guests: usize) {
    println!("{guests} guests of one partner, two accounts; {CONCURRENCY} calls in flight");
    let server = Keycloak::start();
    let mail = mail::Mail::start();
    // Warm-up: the server compiles frequent code while it runs.
    floor::first(&realm(&server, "warm", &mail).await, guests, CONCURRENCY).await;

    let yardstick = floor::four_calls(&realm(&server, "yardstick", &mail).await, guests, CONCURRENCY).await;

    // The runs alternate in order, and the best of each counts. The server's garbage collector stops it for a second
    // now and then, and it keeps compiling.
    let mut floors = Vec::new();
    let mut runs = Vec::new();
    for turn in 0..FIRSTS {
        let bare = realm(&server, &format!("bare-{turn}"), &mail).await;
        if turn % 2 == 0 {
            floors.push(floor::first(&bare, guests, CONCURRENCY).await);
        }
        let ours = realm(&server, &format!("guestlist-{turn}"), &mail).await;
        let work = run::Work::new(&ours, guests);
        let sent = mail.total();
        let run = work.apply();
        assert_eq!(mail.total() - sent, guests, "one mail each");
        if turn % 2 == 1 {
            floors.push(floor::first(&bare, guests, CONCURRENCY).await);
        }
        runs.push((run, work, ours, bare));
    }
    println!("first runs {:.2?}, floors {floors:.2?}", runs.iter().map(|(run, ..)| run.took).collect::<Vec<_>>());
    let floor = floors.into_iter().min().unwrap();
    runs.sort_by_key(|(run, ..)| run.took);
    let (first, work, ours, bare) = runs.swap_remove(0);
    seconds("first run", first.took, floor);
    row("first run", ratio(first.took, floor), "of the floor", "1.5");
    row("first run", ratio(first.took, yardstick), "of four bare calls a guest", CREATING);
    row("calls a guest", first.calls() as f64 / guests as f64, "", "2: a user, a mail");
    row("peak memory", first.memory, "MB", "40");
    first.print();

    // The baseline's own realm has as many users and invitations, and the reads are the same. The runs alternate, and
    // the best of each counts, because the server still compiles.
    let sent = mail.total();
    let (mut reads, mut again) = (floor::reads(&ours).await, work.apply());
    for _ in 1..TURNS {
        reads = reads.min(floor::reads(&ours).await);
        let once_more = work.apply();
        again = if once_more.took < again.took { once_more } else { again };
    }
    assert_eq!(mail.total(), sent, "nobody gets a second mail");
    seconds("nothing to do", again.took, reads);
    row("nothing to do", ratio(again.took, reads), "of the bare reads", "1.3");
    row("nothing to do", ratio(again.took, yardstick), "of four bare calls a guest", AGAIN);
    row("writes", again.writes() as f64, "", "0");
    assert_eq!(again.writes(), 0, "nothing is written where nothing is to do");
    row("peak memory", again.memory, "MB", "40");
    again.print();

    floor::join_all(&ours, CONCURRENCY).await;
    floor::join_all(&bare, CONCURRENCY).await;
    let given = work.apply();
    let bare = floor::give_all(&bare, CONCURRENCY).await;
    seconds("two accounts each", given.took, bare);
    row("two accounts each", ratio(given.took, bare), "of three looks and a write a guest", "none");
    row("first run and this", ratio(first.took + given.took, yardstick), "of four bare calls a guest", CREATING);
    given.print();
    assert_eq!(floor::holders(&ours).await, guests, "everybody has both accounts");
}

async fn realm<'a>(server: &'a Keycloak, name: &str, mail: &mail::Mail) -> Realm<'a> {
    let smtp = json!({"host": "127.0.0.1", "port": mail.port.to_string(), "from": "workspace@host.example"});
    server.realm(name, json!({"smtpServer": smtp})).await
}

fn ratio(ours: Duration, floor: Duration) -> f64 {
    ours.as_secs_f64() / floor.as_secs_f64()
}

fn seconds(what: &str, ours: Duration, floor: Duration) {
    println!("\n{what}: {ours:.2?}, floor {floor:.2?}");
}

fn row(what: &str, value: f64, unit: &str, bound: &str) {
    println!("{what:<26} {value:>8.2} {unit:<34} (bound: {bound})");
}
