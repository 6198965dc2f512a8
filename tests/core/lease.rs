//! How a Lease is waited for, held and released, on an API server that answers in memory and a clock that the test sets.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use guestlist::operator::lease::{Candidate, HeldLease, Settings};
use guestlist::util::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// How long a Lease lasts.
const DURATION: Duration = Duration::from_secs(15);

/// An API server with one Lease.
#[derive(Default)]
struct Server {
    lease: Option<Value>,
    writes: usize,
    now: Timestamp,
    /// How long a write takes by the clock.
    write_takes: SignedDuration,
    /// Another holder renews the Lease before each read.
    renewed_by_other: bool,
    /// How many writes succeed without an answer.
    lost_answers: usize,
}

impl Server {
    fn answer(&mut self, method: &Method, body: &[u8]) -> Option<Value> {
        if *method != Method::GET {
            self.writes += 1;
            self.now += self.write_takes;
            self.lease = serde_json::from_slice(body).ok();
            if let Some(left) = self.lost_answers.checked_sub(1) {
                self.lost_answers = left;
                return None;
            }
        } else if let Some(lease) = self.lease.as_mut().filter(|_| self.renewed_by_other) {
            let renewals = lease["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
            lease["metadata"]["resourceVersion"] = json!((renewals + 1).to_string());
        }
        self.lease.clone()
    }
}

fn candidate(server: &Arc<Mutex<Server>>) -> Candidate {
    let (api, time) = (server.clone(), server.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = api.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let answer = server.lock().unwrap().answer(&parts.method, &body);
            let absent = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            let status = if answer.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            let text = answer.unwrap_or(absent).to_string().into_bytes();
            Ok::<_, Infallible>(Response::builder().status(status).body(Body::from(text)).unwrap())
        }
    });
    let name = "guestlist".to_owned();
    let settings = Settings { namespace: None, name, holder: "a".to_owned(), duration: DURATION };
    let clock = Clock::new(move || time.lock().unwrap().now);
    Candidate::new(&Client::new(service, "guestlist"), settings, clock)
}

async fn held(server: &Arc<Mutex<Server>>) -> HeldLease {
    tokio::time::timeout(Duration::from_mins(1), candidate(server).wait(|_| {})).await.unwrap()
}

/// The server may have counted the new term from any instant after the call began.
#[tokio::test(start_paused = true)]
async fn lease_term_counts_from_the_begin_of_each_renewal() {
    let server = Arc::new(Mutex::new(Server::default()));
    let mut lease = held(&server).await;
    let term = lease.term.clone();
    server.lock().unwrap().write_takes = SignedDuration::from_secs(4);
    drop(tokio::time::timeout(DURATION / 4, lease.hold()).await);
    assert_eq!(server.lock().unwrap().writes, 2, "created, and renewed once");
    assert!(term.left() <= Duration::from_secs(11), "{:?} is left", term.left());
}

#[tokio::test(start_paused = true)]
async fn lease_term_counts_from_the_begin_of_the_first_write() {
    for lease in [None, Some(lease_of("")), Some(lease_of("a"))] {
        let write_takes = SignedDuration::from_secs(4);
        let server = Arc::new(Mutex::new(Server { lease, write_takes, ..Server::default() }));
        let left = held(&server).await.term.left();
        assert!(left <= Duration::from_secs(11), "{left:?} is left");
    }
}

#[tokio::test(start_paused = true)]
async fn renewals_without_an_answer_do_not_lose_the_lease() {
    let server = Arc::new(Mutex::new(Server::default()));
    let mut lease = held(&server).await;
    let transitions =
        |server: &Mutex<Server>| server.lock().unwrap().lease.as_ref().unwrap()["spec"]["leaseTransitions"].clone();
    let before = transitions(&server);
    server.lock().unwrap().lost_answers = 2;
    let ended = tokio::time::timeout(DURATION * 3, lease.hold()).await;
    assert!(ended.is_err(), "{ended:?}");
    assert!(server.lock().unwrap().writes > 5 && server.lock().unwrap().lost_answers == 0);
    assert_eq!(transitions(&server), before, "a renewal is no transition");
}

fn lease_of(holder: &str) -> Value {
    let metadata = json!({"name": "guestlist", "namespace": "guestlist", "resourceVersion": "1"});
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 15});
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
}

#[tokio::test(start_paused = true)]
async fn lease_that_another_holder_renews_is_never_taken() {
    let lease = Some(lease_of("b"));
    let server = Arc::new(Mutex::new(Server { lease, renewed_by_other: true, ..Server::default() }));
    let waited = tokio::time::timeout(DURATION * 20, candidate(&server).wait(|_| {})).await;
    assert!(waited.is_err() && server.lock().unwrap().writes == 0, "it is taken from a holder that renews it");
    server.lock().unwrap().renewed_by_other = false;
    assert!(held(&server).await.term.left() > Duration::ZERO, "it is taken from a holder that is gone");
}

#[tokio::test(start_paused = true)]
async fn expired_lease_is_not_released_over_its_new_holder() {
    for (passed, writes) in [(SignedDuration::from_secs(14), 2), (SignedDuration::from_secs(15), 1)] {
        let server = Arc::new(Mutex::new(Server::default()));
        let lease = held(&server).await;
        server.lock().unwrap().now += passed;
        lease.release().await;
        assert_eq!(server.lock().unwrap().writes, writes, "released after {passed:#}");
    }
}

/// The holder may be an operator with other settings.
#[tokio::test(start_paused = true)]
async fn lease_of_another_is_taken_after_the_duration_it_states() {
    for seconds in [5, 15, 60] {
        let mut lease = lease_of("b");
        lease["spec"]["leaseDurationSeconds"] = json!(seconds);
        let server = Arc::new(Mutex::new(Server { lease: Some(lease), ..Server::default() }));
        let began = tokio::time::Instant::now();
        tokio::time::timeout(Duration::from_mins(5), candidate(&server).wait(|_| {})).await.unwrap();
        let waited = began.elapsed().as_secs();
        assert!((seconds..=seconds + 3).contains(&waited), "{seconds} s: taken after {waited} s");
    }
}
