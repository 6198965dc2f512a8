//! Deadlines, retries, waits, the limit of calls a second, and writes that do not happen after another process becomes
//! the leader.

use std::time::Duration;

use futures::future::join_all;
use guestlist::directory::error::Retry;
use guestlist::directory::{DirectoryReader as _, DirectoryWriter as _, Error, GuestChange, Operation};
use tokio::time::Instant;

use super::furnish::{admit, at, bob, email, ensure_partner, guest, us};
use super::representations::Fate;
use super::{BEGAN, Stage};
use crate::support::realm_in_memory::{Asked, Realm};

/// Longer than any call may take: a call that is later has no deadline.
const HOURS: Duration = Duration::from_hours(3);

/// A realm with Bob, whose record the directory knows.
async fn stage() -> Stage {
    let stage = Stage::new();
    stage.directory.claim(&us()).await.unwrap();
    let epoch = stage.directory.lead().await.unwrap();
    for operation in [ensure_partner(false), admit(guestlist::directory::Origin::Created)] {
        stage.directory.execute(&operation, None, at(0), epoch).await.unwrap();
    }
    stage.directory.accounts(None).await.unwrap();
    stage.directory.guests(None).await.unwrap();
    stage.wire.seen();
    stage
}

/// Sets the fate of the first request that matches.
fn first(stage: &Stage, fate: Fate, is: impl Fn(&Asked) -> bool + Send + 'static) {
    let mut done = false;
    stage.wire.rules(move |asked, _| {
        let now = !done && is(asked);
        done |= now;
        if now { fate } else { Fate::Passes }
    });
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_with_its_own_deadline() {
    let ends = |asked: &Asked, last: &str| asked.path.last().is_some_and(|part| part == last);
    // A late read is repeated once; a page of a listing is requested in smaller pages: 100, 25, 10.
    for (what, seconds) in [("profile", 2 * 9), ("search", 2 * 28), ("listing", 3 * 120), ("write", 9), ("mail", 15)] {
        let stage = stage().await;
        stage.wire.rules(move |asked, _| {
            let is = match what {
                "profile" => ends(asked, "profile"),
                "search" => asked.value("search").is_some(),
                "listing" => ends(asked, "users") && asked.value("q").is_none(),
                "write" => asked.method == "PUT",
                _ => ends(asked, "invite-user"),
            };
            if is { Fate::Silent } else { Fate::Passes }
        });
        let began = Instant::now();
        let again = Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at: at(200_000) } };
        let epoch = stage.directory.epoch().await.unwrap();
        let call = async {
            match what {
                "profile" => stage.directory.ready().await,
                "search" => stage.directory.account("ads").await.map(drop),
                "listing" => stage.guests().await.map(drop),
                "write" => stage.directory.check_writable().await,
                _ => stage.directory.execute(&again, None, at(900), epoch).await.map(drop),
            }
        };
        let done = tokio::time::timeout(HOURS, call).await.unwrap_or_else(|_| panic!("{what}: no deadline"));
        // Keycloak stores an invitation only for a mail that was sent: the mail counts, although the answer was lost.
        assert_eq!(done.is_ok(), what == "mail", "{what}: {done:?}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{what}");
        assert_eq!(stage.directory.waiting(), None, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn answer_in_time_counts_and_one_after_the_deadline_does_not() {
    for (millis, taken) in [(8_999, true), (9_001, false)] {
        let stage = stage().await;
        let is_put = |asked: &Asked| asked.method == "PUT";
        first(&stage, Fate::Slow(Duration::from_millis(millis)), is_put);
        assert_eq!(stage.directory.check_writable().await.is_ok(), taken, "{millis} ms");
        assert_eq!(stage.wire.seen().iter().filter(|seen| seen.writes()).count(), 1, "written once");
    }
}

#[tokio::test(start_paused = true)]
async fn oldest_call_without_an_answer_is_named_while_it_waits() {
    let stage = stage().await;
    stage.wire.rules(|_, _| Fate::Slow(Duration::from_secs(8)));
    let waiting = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stage.directory.waiting()
    };
    let (read, waiting) = futures::join!(stage.directory.ready(), waiting);
    read.unwrap();
    assert_eq!(waiting, Some(("GET users/profile", Duration::from_secs(5))));
}

#[tokio::test(start_paused = true)]
async fn read_is_retried_once_after_failed_connection_and_write_never() {
    for fate in [Fate::Unreached, Fate::Lost, Fate::BreaksOff, Fate::Silent] {
        let stage = stage().await;
        stage.wire.rules(move |_, _| fate);
        let began = Instant::now();
        assert!(matches!(stage.directory.ready().await, Err(Error::Unavailable { .. })));
        let twice = if fate == Fate::Silent { 18 } else { 0 };
        assert_eq!((stage.wire.seen().len(), began.elapsed().as_secs()), (2, twice), "{fate:?}");
        stage.wire.rules(move |asked, _| if asked.is_read() { Fate::Passes } else { fate });
        assert!(matches!(stage.directory.check_writable().await, Err(Error::Unavailable { .. })));
        assert_eq!(stage.wire.seen().iter().filter(|seen| seen.writes()).count(), 1, "{fate:?}");
    }
    for status in [500, 502, 403, 409] {
        let stage = stage().await;
        stage.wire.rules(move |_, _| Fate::Refused(status));
        assert!(stage.directory.ready().await.is_err());
        assert_eq!(stage.wire.seen().len(), 1, "{status} is an answer");
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_asks_for_patience_is_given_as_much_as_it_says() {
    for (status, said, seconds) in [
        (429, "7", 7),
        (503, "7", 7),
        (429, "0", 0),
        (503, "86400", 60),
        // A date comes from another clock.
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", 5),
        (503, "soon", 5),
    ] {
        let stage = stage().await;
        let writes = |asked: &Asked| asked.path.len() == 2 && asked.path[0] == "users" && !asked.is_read();
        first(&stage, Fate::Patience(status, said), writes);
        let disable = Operation::Guest { id: guest(), change: GuestChange::DisableLogin };
        let epoch = stage.directory.epoch().await.unwrap();
        let fault = stage.directory.execute(&disable, None, at(1), epoch).await.unwrap_err();
        assert_eq!(fault.retry(), Retry::After(Duration::from_secs(seconds)), "{status} {said}: {fault}");
        let seen = stage.wire.seen();
        assert!(!seen.last().unwrap().arrived, "nothing is asked after it: {:?}", seen.last());
        assert_eq!(seen.iter().filter(|seen| seen.writes()).count(), 1, "{status} {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_made_than_the_rate_allows() {
    for rate in [1, 8, 100] {
        let mut realm = Realm::new(BEGAN);
        realm.group("/guestlist/accounts");
        let stage = Stage::with(realm, rate);
        let most = (f64::from(rate) * 0.25).max(1.0);
        let apart = Duration::from_secs_f64(1.0 / f64::from(rate));
        for burst in 0..2 {
            let began = stage.wire.began.elapsed();
            join_all((0..20).map(|_| stage.directory.ready())).await;
            let times: Vec<Duration> = stage.wire.seen().iter().map(|seen| seen.at.saturating_sub(began)).collect();
            for (n, at) in (1_u32..).zip(&times) {
                let turn = apart.mul_f64((f64::from(n) - most).max(0.0));
                // tokio's timer counts in milliseconds.
                assert!(*at + Duration::from_millis(1) >= turn, "rate {rate}, burst {burst}, call {n}: {at:?}");
                assert!(*at <= turn + apart + Duration::from_millis(2), "rate {rate}, burst {burst}, call {n}: {at:?}");
            }
            // Unused calls accumulate to at most one burst.
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_once_another_one_leads() {
    let operations = [
        Operation::Guest { id: guest(), change: GuestChange::DisableLogin },
        Operation::Guest { id: guest(), change: GuestChange::Deactivate },
        Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at: at(200_000) } },
        ensure_partner(true),
    ];
    for operation in &operations {
        // The other process starts between two checks, when a check is due, and when no check is valid any longer.
        for since_look in [0, 60, 80, 140, 149, 150, 151, 300] {
            let stage = stage().await;
            let epoch = stage.directory.lead().await.unwrap();
            let nothing = Operation::Guest { id: super::furnish::other_guest(), change: GuestChange::RevokeInvitation };
            stage.directory.execute(&nothing, None, at(0), epoch).await.unwrap();
            tokio::time::sleep(Duration::from_millis(since_look)).await;
            let other = stage.restarted();
            other.directory.partners(None).await.unwrap();
            let theirs = other.directory.lead().await.unwrap();
            stage.wire.seen();
            let fault = stage.directory.execute(operation, None, at(900), epoch).await.unwrap_err();
            assert_eq!(fault, Error::Fenced, "{operation:?} {since_look} ms after a look");
            assert_eq!(fault.retry(), Retry::Stop);
            assert!(stage.wire.seen().iter().all(|seen| !seen.writes()), "{operation:?}");
            other.directory.execute(operation, None, at(900), theirs).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn new_leader_waits_until_leadership_check_of_other_expires() {
    // The other process becomes the leader right after a check: the leader writes while that check is valid, and no
    // longer.
    for after in [0, 50, 100, 140, 160, 190, 210, 260] {
        let stage = stage().await;
        let epoch = stage.directory.lead().await.unwrap();
        let disable = Operation::Guest { id: guest(), change: GuestChange::DisableLogin };
        let nothing = Operation::Guest { id: super::furnish::other_guest(), change: GuestChange::RevokeInvitation };
        stage.directory.execute(&nothing, None, at(0), epoch).await.unwrap();
        let other = stage.restarted();
        let (led, written) = futures::join!(
            async {
                other.directory.lead().await.unwrap();
                Instant::now()
            },
            async {
                tokio::time::sleep(Duration::from_millis(after)).await;
                let done = stage.directory.execute(&disable, None, at(1), epoch).await;
                done.is_ok().then(Instant::now)
            }
        );
        assert!(written.is_none_or(|at| at <= led), "{after} ms: written after the other one led");
    }
}

#[tokio::test(start_paused = true)]
async fn mail_is_not_sent_where_another_one_began_to_lead_meanwhile() {
    let stage = stage().await;
    let epoch = stage.directory.lead().await.unwrap();
    let again = Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at: at(200_000) } };
    let other = stage.restarted();
    let leads = other.directory.clone();
    let (mails, taken) = (stage.realm(|realm| realm.mails.len()), std::sync::Arc::new(std::sync::Mutex::new(None)));
    let lead = taken.clone();
    // Immediately after the record of the mail is written.
    stage.wire.watches(move |asked, _| {
        if asked.method == "PUT" && asked.path[0] == "users" && lead.lock().unwrap().is_none() {
            let leads = leads.clone();
            *lead.lock().unwrap() = Some(tokio::spawn(async move { leads.lead().await.unwrap() }));
        }
    });
    stage.wire.rules(|asked, _| match (asked.method.as_str(), asked.path[0].as_str()) {
        ("PUT", "users") => Fate::Slow(Duration::from_millis(500)),
        _ => Fate::Passes,
    });
    let fault = stage.directory.execute(&again, None, at(900), epoch).await.unwrap_err();
    assert_eq!(fault, Error::Fenced);
    assert_eq!(stage.realm(|realm| realm.mails.len()), mails);
    let bob = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
    assert_eq!(bob.address, email("bob@acme.example"));
    // The earlier invitation is open, and its record is unchanged.
    let invitation = bob.invitation.map(|invitation| (invitation.sent_at, invitation.expires_at));
    assert_eq!((invitation, bob.last_mail_at), (Some((at(0), at(100_000))), Some(at(0))));
}
