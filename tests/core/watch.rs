//! The continuation of a watch after its end: an API server may return restored from a backup, at a lower version.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Request, Response};
use futures::StreamExt;
use guestlist::api::LocalPartner;
use guestlist::engine::message::Input;
use guestlist::operator::watch::follow;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::time::Instant;

/// The first list has version 100, later ones have 50. Every watch ends at once, without an error.
fn restored() -> Client {
    let lists = Arc::new(AtomicU64::new(0));
    let service = tower::service_fn(move |request: Request<Body>| {
        let lists = lists.clone();
        async move {
            let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let body = if watches {
                Vec::new()
            } else {
                let version = if lists.fetch_add(1, Ordering::Relaxed) == 0 { "100" } else { "50" };
                let list = json!({
                    "apiVersion": "guestlist.dev/v1alpha1",
                    "kind": "LocalPartnerList",
                    "metadata": {"resourceVersion": version},
                    "items": [],
                });
                list.to_string().into_bytes()
            };
            Ok::<_, Infallible>(Response::new(Body::from(body)))
        }
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn watch_ended_early_lists_again_and_accepts_lower_version() {
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow::<LocalPartner>(restored(), None, sender));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let input = tokio::time::timeout(std::time::Duration::from_mins(1), inbox.recv()).await;
        match input.unwrap_or_else(|_| panic!("it waits where it was: {seen:?}")).unwrap() {
            Input::Listed { version, .. } => seen.push(version),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [100, 50]);
    following.abort();
}

/// Answers a list and then a watch with these bodies.
fn answering(list: serde_json::Value, watched: serde_json::Value) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let body = if watches { format!("{watched}\n") } else { list.to_string() };
        async move { Ok::<_, Infallible>(Response::new(Body::from(body.into_bytes()))) }
    });
    Client::new(service, "default")
}

fn partner(version: Option<&str>) -> serde_json::Value {
    let mut object = json!({
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner",
        "metadata": {"namespace": "partners", "name": "acme", "uid": "1"},
        "spec": {"hostAdmins": ["alice@host.example"]},
    });
    if let Some(version) = version {
        object["metadata"]["resourceVersion"] = json!(version);
    }
    object
}

fn list(version: &str, items: &[serde_json::Value]) -> serde_json::Value {
    json!({
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartnerList",
        "metadata": {"resourceVersion": version}, "items": items,
    })
}

/// The report of a failure, and the inputs before it.
async fn failure(client: Client) -> (String, usize) {
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow::<LocalPartner>(client, None, sender));
    let mut before = 0;
    loop {
        let input = tokio::time::timeout(std::time::Duration::from_mins(1), inbox.recv()).await;
        match input.unwrap_or_else(|_| panic!("no failure is reported")).unwrap() {
            Input::WatchFailed { problem, .. } => {
                following.abort();
                return (problem, before);
            }
            _ => before += 1,
        }
        assert!(before < 100, "no failure is reported");
    }
}

/// Versions that cannot be compared.
const MALFORMED: [Option<&str>; 7] =
    [None, Some(""), Some("0"), Some("007"), Some("opaque"), Some("-1"), Some("18446744073709551616")];

#[tokio::test]
async fn malformed_list_version_is_refused_and_object_named() {
    for version in MALFORMED {
        let (problem, before) = failure(answering(list("7", &[partner(version)]), json!({}))).await;
        assert!(problem.contains("partners/acme") && problem.contains("resourceVersion"), "{problem}");
        assert!(problem.contains(&format!("{:?}", version.unwrap_or_default())) || version.is_none_or(str::is_empty));
        assert_eq!(before, 0, "{version:?}: nothing is taken in");
    }
    let (problem, before) = failure(answering(list("opaque", &[]), json!({}))).await;
    assert!(problem.contains("a list of localpartners") && problem.contains("\"opaque\""), "{problem}");
    assert_eq!(before, 0);
}

#[tokio::test]
async fn malformed_event_version_is_refused_and_object_named() {
    for version in MALFORMED {
        for event in ["ADDED", "MODIFIED", "DELETED"] {
            let watched = json!({"type": event, "object": partner(version)});
            let (problem, before) = failure(answering(list("7", &[]), watched)).await;
            assert!(problem.contains("partners/acme"), "{event} {version:?}: {problem}");
            assert_eq!(before, 1, "{event} {version:?}: only the list is taken in");
        }
    }
    let bookmark = json!({"type": "BOOKMARK", "object": {
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner", "metadata": {"resourceVersion": "opaque"},
    }});
    let (problem, _) = failure(answering(list("7", &[]), bookmark)).await;
    assert!(problem.contains("a bookmark of localpartners"), "{problem}");
}

/// How the API server answers a request.
enum Answer {
    /// A list at a version.
    List(&'static str),
    /// A failure.
    Failure,
    /// A watch with these events, a minute before each, and its end a minute later.
    Watch(Vec<serde_json::Value>),
}

/// Follows a kind on an API server with these answers: each request's query, and the time since the one before.
async fn followed(answers: Vec<Answer>) -> Vec<(String, Duration)> {
    let requests = Arc::new(Mutex::new(Vec::<(String, Instant)>::new()));
    let (expected, answers) = (answers.len(), Arc::new(Mutex::new(VecDeque::from(answers))));
    let noted = requests.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let next = answers.lock().unwrap().pop_front();
        if next.is_some() {
            noted.lock().unwrap().push((query, Instant::now()));
        }
        async move {
            let body = match next {
                Some(Answer::List(version)) => axum::body::Body::from(list(version, &[]).to_string()),
                Some(Answer::Failure) => {
                    let failed = json!({"kind": "Status", "status": "Failure", "reason": "Internal", "code": 500});
                    let body = axum::body::Body::from(failed.to_string());
                    return Ok(Response::builder().status(500).body(body).unwrap());
                }
                Some(Answer::Watch(events)) => {
                    let lines = events.into_iter().map(|event| format!("{event}\n")).chain([String::new()]);
                    let lines = futures::stream::iter(lines).then(|line| async {
                        tokio::time::sleep(Duration::from_mins(1)).await;
                        Ok::<_, Infallible>(line)
                    });
                    axum::body::Body::from_stream(lines)
                }
                None => std::future::pending().await,
            };
            Ok::<_, Infallible>(Response::new(body))
        }
    });
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow::<LocalPartner>(Client::new(service, "default"), None, sender));
    let all = async {
        while requests.lock().unwrap().len() < expected {
            tokio::select! {
                input = inbox.recv() => drop(input.unwrap()),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_hours(1), all).await.unwrap();
    following.abort();
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    let mut before = requests[0].1;
    requests.into_iter().map(|(query, at)| (query, at - std::mem::replace(&mut before, at))).collect()
}

/// The events of a watch that the server ends as asked: bookmarks up to this version.
fn bookmarks(last: u64) -> Vec<serde_json::Value> {
    let bookmark = |version: u64| {
        json!({"type": "BOOKMARK", "object": {
            "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner",
            "metadata": {"resourceVersion": version.to_string()},
        }})
    };
    (last - 3..=last).map(bookmark).collect()
}

#[tokio::test(start_paused = true)]
async fn watch_that_ran_out_goes_on_behind_its_last_bookmark() {
    let requests = followed(vec![Answer::List("7"), Answer::Watch(bookmarks(90)), Answer::Watch(Vec::new())]).await;
    assert!(requests[1].0.contains("resourceVersion=7"), "{requests:?}");
    assert!(requests[2].0.contains("watch=true") && requests[2].0.contains("resourceVersion=90"), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn watch_whose_place_the_server_forgot_lists_again() {
    let expired = json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410,
    }});
    let requests = followed(vec![Answer::List("7"), Answer::Watch(vec![expired]), Answer::List("9")]).await;
    assert!(!requests[2].0.contains("watch=true"), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn watch_that_lasted_resets_the_pause_after_failures() {
    let mut answers: Vec<Answer> = (0..4).map(|_| Answer::Failure).collect();
    answers.extend([Answer::List("7"), Answer::Watch(bookmarks(90)), Answer::Watch(Vec::new())]);
    answers.extend([Answer::Failure, Answer::List("9")]);
    let requests = followed(answers).await;
    assert!(requests[1].1 < requests[4].1, "each failure waits longer: {requests:?}");
    assert_eq!(requests[8].1, requests[1].1, "the first failure after a good watch waits as long as the first of all");
}

/// Each of these may hide events, or a server that was restored from a backup.
#[tokio::test(start_paused = true)]
async fn watch_that_fails_is_reported_and_lists_again() {
    for code in [400, 403, 500, 503] {
        let message = format!("status {code}");
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": "Other", "code": code,
        });
        let event = json!({"type": "ERROR", "object": status});
        let requests = followed(vec![Answer::List("7"), Answer::Watch(vec![event.clone()]), Answer::List("9")]).await;
        assert!(!requests[2].0.contains("watch=true"), "{code}: {requests:?}");
        let (problem, before) = failure(answering(list("7", &[]), event)).await;
        assert!(problem.contains(&message) && before == 1, "{code}: {problem}");
    }
}
