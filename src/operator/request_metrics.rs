//! Counts and times the requests of the Kubernetes client. One layer covers all of them: reads and writes of objects,
//! lists, watches, Events and the Lease.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::http::{Method, Request, Response, StatusCode};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::client::Body;
use tower::{Layer, Service};

use crate::cache::Kind;
use crate::executor::metrics::Metrics;

/// A label for requests that guestlist does not make.
const OTHER: &str = "other";

/// The layer of a client.
pub struct RequestMetrics(pub Arc<Metrics>);

impl<S> Layer<S> for RequestMetrics {
    type Service = MeteredService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeteredService { inner, metrics: self.0.clone() }
    }
}

/// A client's service whose requests are counted.
pub struct MeteredService<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S, B> Service<Request<Body>> for MeteredService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, kind) = labels(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let metrics = self.metrics.clone();
        let mut pending = PendingRequest { metrics, verb, kind, result: "error", began: Instant::now() };
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            pending.result = answer.as_ref().map_or("error", |response| result(response.status()));
            drop(pending);
            answer
        }
        .boxed()
    }
}

/// A request without a response. Dropping it counts it, also when its caller has stopped waiting.
struct PendingRequest {
    metrics: Arc<Metrics>,
    verb: &'static str,
    kind: &'static str,
    result: &'static str,
    began: Instant,
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        self.metrics.kube_request(self.verb, self.kind, self.result, self.began.elapsed());
    }
}

fn result(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::CONFLICT => "conflict",
        status if status.is_success() => "ok",
        _ => "error",
    }
}

/// The verb and the kind of a request, by its path: `/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME/PART`.
fn labels(method: &Method, path: &str, query: &str) -> (&'static str, &'static str) {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let before = if parts.next() == Some("apis") { 2 } else { 1 };
    let parts: Vec<&str> = parts.skip(before).collect();
    let (resource, name, part) = match parts.as_slice() {
        ["namespaces", _, resource, rest @ ..] | [resource, rest @ ..] => (*resource, rest.first(), rest.get(1)),
        [] => return (OTHER, OTHER),
    };
    let kind = match resource {
        "localpartners" => Kind::Partner.as_str(),
        "guestmemberships" => Kind::Membership.as_str(),
        "accountshares" => Kind::Share.as_str(),
        "leases" => "Lease",
        "events" => "Event",
        "namespaces" => "Namespace",
        _ => OTHER,
    };
    let verb = match *method {
        Method::GET if query.split('&').any(|parameter| parameter == "watch=true") => "watch",
        Method::GET if name.is_some() => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH if part == Some(&"status") => "patch_status",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => OTHER,
    };
    (verb, kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn verb_and_kind_come_from_path_and_not_from_names() {
        let ours = "/apis/guestlist.dev/v1alpha1";
        for (method, path, query, wanted) in [
            (Method::GET, format!("{ours}/guestmemberships"), "limit=500", ("list", "GuestMembership")),
            (Method::GET, format!("{ours}/accountshares"), "a=b&watch=true", ("watch", "AccountShare")),
            (Method::GET, format!("{ours}/namespaces/leases/localpartners/events"), "", ("get", "LocalPartner")),
            (Method::GET, format!("{ours}/namespaces/ns/guestmemberships"), "limit=1", ("list", "GuestMembership")),
            (Method::PATCH, format!("{ours}/namespaces/ns/accountshares/status"), "", ("patch", "AccountShare")),
            (
                Method::PATCH,
                format!("{ours}/namespaces/ns/accountshares/a/status"),
                "",
                ("patch_status", "AccountShare"),
            ),
            (Method::DELETE, format!("{ours}/namespaces/ns/guestmemberships/a"), "", ("delete", "GuestMembership")),
            (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/a".to_owned(), "", ("update", "Lease")),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/ns/events".to_owned(), "", ("create", "Event")),
            (Method::GET, "/api/v1/namespaces/kube-system".to_owned(), "", ("get", "Namespace")),
            (Method::GET, "/version".to_owned(), "", (OTHER, OTHER)),
            (Method::GET, "/api/v1/namespaces/ns/secrets/a".to_owned(), "", ("get", OTHER)),
        ] {
            assert_eq!(labels(&method, &path, query), wanted, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn each_request_is_counted_by_its_answer_or_its_lack() {
        let metrics = Arc::new(Metrics::default());
        let statuses = std::sync::Mutex::new(vec![None, Some(409), Some(404), Some(503), Some(200)]);
        let inner = tower::service_fn(move |_: Request<Body>| {
            let status = statuses.lock().unwrap().pop().unwrap();
            async move {
                let Some(status) = status else { return std::future::pending().await };
                Ok::<_, Infallible>(Response::builder().status(status).body(Body::empty()).unwrap())
            }
        });
        let mut service = RequestMetrics(metrics.clone()).layer(inner);
        let request = || Request::get("/api/v1/namespaces/kube-system").body(Body::empty()).unwrap();
        for _ in 0..4 {
            service.call(request()).await.unwrap();
        }
        // The caller does not wait any longer.
        drop(service.call(request()));
        let text = metrics.text();
        for (result, count) in [("ok", 1), ("error", 2), ("not_found", 1), ("conflict", 1)] {
            let line = format!(
                "guestlist_kube_requests_total{{verb=\"get\",kind=\"Namespace\",result=\"{result}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(text.contains("kube_request_duration_seconds_count{verb=\"get\",kind=\"Namespace\"} 5\n"), "{text}");
    }
}
