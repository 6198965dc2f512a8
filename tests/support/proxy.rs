//! A proxy that forwards all calls, until a test sets other rules: for example to withhold the answer to a call, or to
//! answer by itself.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use tokio::sync::Notify;

/// The fate of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Forwards the call.
    Passes,
    /// Forwards the call, and withholds the answer.
    Unanswered,
    /// Forwards the call, and delays the answer.
    Late(Duration),
    /// Does not forward the call. Answers with this status in Keycloak's format.
    Refused(u16),
    /// Does not forward the call. Answers with this status and a page of another server.
    Page(u16),
    /// Forwards the call. Answers with this status and a page of another server, instead of the server's answer.
    Lost(u16),
    /// The same, before the server has answered.
    Hasty(u16),
    /// Does not forward the call. Answers with too many requests, to be retried after this many seconds.
    Patience(u64),
}

/// Decides by a call's method and path.
pub type Rule = Box<dyn FnMut(&Method, &str) -> Fate + Send>;

/// A running proxy. It ends with the runtime that it was started in.
#[derive(Clone)]
pub struct Proxy {
    /// Its address.
    pub base: String,
    inner: Arc<Inner>,
}

struct Inner {
    server: String,
    client: reqwest::Client,
    rule: Mutex<Rule>,
    listings: Mutex<Option<Fate>>,
    held: Notify,
}

impl Proxy {
    /// Starts a proxy in front of a server.
    pub async fn start(server: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            server: server.to_owned(),
            client: reqwest::Client::new(),
            rule: Mutex::new(Box::new(|_, _| Fate::Passes)),
            listings: Mutex::new(None),
            held: Notify::new(),
        });
        let router = Router::new().fallback(pass).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, inner }
    }

    /// Sets the rule for all calls from now on.
    pub fn rules(&self, rule: impl FnMut(&Method, &str) -> Fate + Send + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }

    /// Sets the fate of each page of a listing of all users. Searches are not listings.
    pub fn listings(&self, fate: Option<Fate>) {
        *self.inner.listings.lock().unwrap() = fate;
    }

    /// Waits until a call was forwarded whose answer is withheld.
    pub async fn holds_one(&self) {
        self.inner.held.notified().await;
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let searches = query.split('&').any(|part| part.starts_with("q=") || part.starts_with("email="));
    let lists = parts.method == Method::GET && parts.uri.path().ends_with("/users") && !searches;
    let listed = inner.listings.lock().unwrap().filter(|_| lists);
    let fate = listed.unwrap_or_else(|| (inner.rule.lock().unwrap())(&parts.method, parts.uri.path()));
    match fate {
        Fate::Refused(status) => {
            return (StatusCode::from_u16(status).unwrap(), "{\"error\":\"refused by the test\"}").into_response();
        }
        Fate::Page(status) => return page(status),
        Fate::Patience(seconds) => {
            return (StatusCode::TOO_MANY_REQUESTS, [("Retry-After", seconds.to_string())]).into_response();
        }
        Fate::Passes | Fate::Unanswered | Fate::Late(_) | Fate::Lost(_) | Fate::Hasty(_) => {}
    }
    let url = format!("{}{}", inner.server, parts.uri.path_and_query().unwrap());
    let mut headers = parts.headers;
    headers.remove("host");
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let sent = inner.client.request(parts.method, url).headers(headers).body(body).send();
    if let Fate::Hasty(status) = fate {
        tokio::spawn(sent);
        return page(status);
    }
    let sent = sent.await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    match fate {
        Fate::Unanswered => {
            inner.held.notify_one();
            std::future::pending::<()>().await;
        }
        Fate::Late(while_) => tokio::time::sleep(while_).await,
        Fate::Lost(status) => return page(status),
        Fate::Passes | Fate::Refused(_) | Fate::Page(_) | Fate::Hasty(_) | Fate::Patience(_) => {}
    }
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    let mut passed = Response::new(Body::from(answer.bytes().await.unwrap_or_default()));
    (*passed.status_mut(), *passed.headers_mut()) = (status, headers);
    passed
}

/// The page of an intermediate proxy.
fn page(status: u16) -> Response {
    (StatusCode::from_u16(status).unwrap(), Html("<html><body>a proxy</body></html>")).into_response()
}
