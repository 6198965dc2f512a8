//! Tokens: renewed before they expire and never used after, one renewal for all callers, and the handling of tokens
//! that are refused, lost or late.

use std::time::Duration;

use futures::future::join_all;
use guestlist::directory::keycloak::Directory;
use guestlist::directory::{DirectoryReader as _, DirectoryWriter as _, Error};

use super::representations::{Fate, Seen};
use super::{BEGAN, RATE, Stage, clock, settings};
use crate::support::realm_in_memory::Realm;

/// The part of its lifetime in which a token is used.
const USED: f64 = 0.8;

fn tokens(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| seen.is_of_token()).count()
}

/// The calls with a token, and the age of the token at each.
fn ages(seen: &[Seen]) -> Vec<Duration> {
    seen.iter().filter(|seen| !seen.is_of_token()).map(|seen| seen.age.expect("a token of the realm")).collect()
}

/// A realm with the objects that a call reads.
fn furnished() -> Stage {
    let mut realm = Realm::new(BEGAN);
    realm.group("/guestlist/accounts");
    Stage::on(realm)
}

#[tokio::test(start_paused = true)]
async fn token_is_renewed_before_its_end_and_never_used_after() {
    for (lifetime, pause) in [(300, 7_000), (300, 1_013), (60, 997), (10, 333), (1, 50)] {
        let stage = furnished();
        stage.wire.tokens_last(lifetime);
        for _ in 0..1000 {
            stage.directory.account("ads").await.unwrap();
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let seen = stage.wire.seen();
        let (ages, most) = (ages(&seen), Duration::from_secs(lifetime).mul_f64(USED));
        assert!(ages.iter().all(|age| *age < most), "{lifetime}s: {:?}", ages.iter().max());
        let least = most.saturating_sub(Duration::from_millis(pause));
        assert!(ages.iter().max().unwrap() >= &least, "{lifetime}s: it is used for as long as it may be");
        let expected = 1000 * pause / 1000 * 10 / (lifetime * 8);
        let renewed = u64::try_from(tokens(&seen)).unwrap();
        assert!(renewed <= expected + expected / 4 + 1, "{lifetime}s: {renewed} tokens");
    }
}

#[tokio::test(start_paused = true)]
async fn token_lifetime_counts_from_request_and_not_from_response() {
    let stage = furnished();
    stage.wire.tokens_last(100);
    stage
        .wire
        .rules(|asked, _| if asked.path == ["token"] { Fate::Slow(Duration::from_secs(8)) } else { Fate::Passes });
    let asked = tokio::time::Instant::now();
    stage.directory.account("ads").await.unwrap();
    assert_eq!(asked.elapsed(), Duration::from_secs(8));
    for (until, renewed) in [(79_999, 1), (80_000, 2)] {
        tokio::time::sleep_until(asked + Duration::from_millis(until)).await;
        stage.directory.account("ads").await.unwrap();
        assert_eq!(stage.directory.calls()["POST token"], renewed, "after {until} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn token_that_ends_during_a_long_listing_is_renewed_on_the_way() {
    let mut realm = Realm::new(BEGAN);
    let accounts = realm.group("/guestlist/accounts");
    for n in 0..2000 {
        realm.add(&format!("groups/{accounts}/children"), serde_json::json!({"name": format!("{n:05}")}));
    }
    let stage = Stage::on(realm);
    stage.wire.rules(|asked, _| if asked.is_read() { Fate::Slow(Duration::from_secs(100)) } else { Fate::Passes });
    // This delays the search for the branch. The branch is known from then on.
    stage.wire.rules(|asked, _| match asked.value("search") {
        None if asked.is_read() => Fate::Slow(Duration::from_secs(100)),
        _ => Fate::Passes,
    });
    assert_eq!(stage.directory.accounts(None).await.unwrap().items.len(), 2000);
    let seen = stage.wire.seen();
    assert!(ages(&seen).iter().all(|age| *age < Duration::from_mins(4)));
    assert_eq!(tokens(&seen), 7, "in 2,100 s, each for at most 240 s from a page of 100 s on");
}

#[tokio::test(start_paused = true)]
async fn one_token_renewal_serves_all_concurrent_calls() {
    let stage = furnished();
    // All calls are in progress before the first answer.
    stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(3)));
    stage.directory.account("ads").await.unwrap();
    stage.wire.seen();
    let all = || async { join_all((0..50).map(|_| stage.directory.account("ads"))).await };
    tokio::time::sleep(Duration::from_secs(241)).await;
    assert!(all().await.iter().all(Result::is_ok));
    assert_eq!(tokens(&stage.wire.seen()), 1, "it was due");
    stage.wire.forgets_tokens();
    assert!(all().await.iter().all(Result::is_ok));
    let seen = stage.wire.seen();
    assert_eq!(tokens(&seen), 1, "it was refused to each of them");
    assert_eq!(seen.len(), 101, "and each asked once more");
}

#[tokio::test(start_paused = true)]
async fn write_with_a_refused_token_is_repeated_once_with_a_new_one() {
    let stage = furnished();
    stage.directory.check_writable().await.unwrap();
    stage.wire.seen();
    let mut refused = false;
    stage.wire.rules(move |asked, _| match asked.method.as_str() {
        "PUT" if !std::mem::replace(&mut refused, true) => Fate::Refused(401),
        _ => Fate::Passes,
    });
    stage.directory.check_writable().await.unwrap();
    let seen = stage.wire.seen();
    let writes: Vec<_> = seen.iter().filter(|seen| seen.writes()).collect();
    assert_eq!((writes.len(), tokens(&seen)), (2, 1));
    assert_ne!(writes[0].token, writes[1].token);
    stage.wire.rules(|asked, _| if asked.method == "PUT" { Fate::Refused(401) } else { Fate::Passes });
    let fault = stage.directory.check_writable().await.unwrap_err();
    assert!(matches!(fault, Error::Refused { .. }), "{fault}");
    let seen = stage.wire.seen();
    assert_eq!((seen.iter().filter(|seen| seen.writes()).count(), tokens(&seen)), (2, 1), "and not for ever");
}

#[tokio::test(start_paused = true)]
async fn refused_secret_is_said_and_nothing_else_is_asked() {
    let stage = furnished();
    let wrong =
        Directory::with_transport(settings("guestlist", "rotated", RATE), clock(stage.wire.began), stage.wire.clone());
    for _ in 0..3 {
        let Err(Error::Refused { message }) = wrong.account("ads").await else { panic!("it was let in") };
        assert!(message.contains("GUESTLIST_KEYCLOAK_CLIENT_SECRET") && !message.contains("rotated"), "{message}");
        let seen = stage.wire.seen();
        assert_eq!((seen.len(), tokens(&seen)), (1, 1), "once each time");
    }
}

#[tokio::test(start_paused = true)]
async fn first_token_for_many_is_asked_for_once() {
    let stage = furnished();
    stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(3)));
    assert!(join_all((0..50).map(|_| stage.directory.account("ads"))).await.iter().all(Result::is_ok));
    assert_eq!(tokens(&stage.wire.seen()), 1);
}

#[tokio::test(start_paused = true)]
async fn call_after_a_lost_token_asks_for_another() {
    for (fate, seconds) in [(Fate::Lost, 0), (Fate::Unreached, 0), (Fate::BreaksOff, 0), (Fate::Silent, 9)] {
        let stage = furnished();
        let mut first = true;
        stage.wire.rules(move |asked, _| {
            if asked.path == ["token"] && std::mem::replace(&mut first, false) { fate } else { Fate::Passes }
        });
        let began = tokio::time::Instant::now();
        assert!(matches!(stage.directory.account("ads").await, Err(Error::Unavailable { .. })), "{fate:?}");
        assert_eq!((stage.wire.seen().len(), began.elapsed().as_secs()), (1, seconds), "{fate:?}");
        stage.directory.account("ads").await.unwrap();
        assert_eq!(tokens(&stage.wire.seen()), 1, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_without_a_token() {
    for fate in
        [Fate::Lost, Fate::Unreached, Fate::Silent, Fate::Refused(500), Fate::Patience(503, "3"), Fate::BreaksOff]
    {
        let stage = furnished();
        stage.directory.check_writable().await.unwrap();
        stage.wire.forgets_tokens();
        stage.wire.seen();
        stage.wire.rules(move |asked, _| if asked.path == ["token"] { fate } else { Fate::Passes });
        let fault = stage.directory.check_writable().await.unwrap_err();
        assert!(matches!(fault, Error::Unavailable { .. } | Error::Busy { .. }), "{fate:?}: {fault}");
        assert!(stage.wire.seen().iter().all(|seen| !seen.writes()), "{fate:?}");
        stage.wire.rules(|_, _| Fate::Passes);
        stage.directory.check_writable().await.unwrap();
    }
}
