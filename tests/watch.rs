//! How a watch goes on after it ended, whatever the reason: an API server may come back restored, at a lower version.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what goes wrong ends the test")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Request, Response};
use guestlist::api::LocalPartner;
use guestlist::operator::exchange::Input;
use guestlist::operator::watch::follow;
use kube::Client;
use kube::client::Body;
use serde_json::json;

/// Lists at version 100 first and at 50 from then on; every watch ends at once, without an error.
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
async fn a_watch_that_ends_before_its_time_lists_again_and_believes_a_lower_version() {
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
