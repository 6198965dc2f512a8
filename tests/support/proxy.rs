//! What stands between a client and a server and passes everything on, until it is told to do otherwise: to hold the answer
//! to some call back for ever, or to answer itself.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use tokio::sync::Notify;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on.
    Passes,
    /// It is passed on, and the answer never comes back.
    Unanswered,
    /// It is passed on, and the answer takes a while.
    Late(Duration),
    /// It is not passed on; this is the answer, in Keycloak's shape.
    Refused(u16),
    /// It is not passed on; this is the answer, with a page of somebody else's.
    Page(u16),
    /// It is passed on; this is the answer, with a page of somebody else's, whatever the server says.
    Lost(u16),
    /// The same, before the server has said anything.
    Hasty(u16),
    /// It is not passed on: too many, again after so many seconds.
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
    /// In front of a server.
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

    /// From now on it does as this says.
    pub fn rules(&self, rule: impl FnMut(&Method, &str) -> Fate + Send + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }

    /// From now on this becomes of each page of a listing of all users. Searches are no listings.
    pub fn listings(&self, fate: Option<Fate>) {
        *self.inner.listings.lock().unwrap() = fate;
    }

    /// Until a call was passed on whose answer is held back.
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

/// What a proxy in between says.
fn page(status: u16) -> Response {
    (StatusCode::from_u16(status).unwrap(), Html("<html><body>somebody in between</body></html>")).into_response()
}
