//! The continuation of a watch after its end: an API server may return restored from a backup, at a lower version.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Request, Response};
use guestlist::api::LocalPartner;
use guestlist::engine::message::Input;
use guestlist::operator::watch::follow;
use kube::Client;
use kube::client::Body;
use serde_json::json;

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
    let following = tokio::spawn(follow::<LocalPartner>(restored(), sender));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let input = tokio::time::timeout(std::time::Duration::from_secs(60), inbox.recv()).await;
        match input.unwrap_or_else(|_| panic!("it waits where it was: {seen:?}")).unwrap() {
            Input::Listed { frontier, .. } => seen.push(frontier),
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
    let following = tokio::spawn(follow::<LocalPartner>(client, sender));
    let mut before = 0;
    loop {
        let input = tokio::time::timeout(std::time::Duration::from_secs(60), inbox.recv()).await;
        match input.unwrap_or_else(|_| panic!("no failure is told")).unwrap() {
            Input::WatchFailed { problem, .. } => {
                following.abort();
                return (problem, before);
            }
            _ => before += 1,
        }
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
