//! A wire between guestlist and the realm in memory. It issues tokens, applies the fate that a test sets for each
//! request, and records all requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use guestlist::directory::keycloak::{Body, Request, Response, Transport, Unanswered};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::realm_in_memory::{Asked, Realm, Said, refused};

/// The path of a request for a token.
pub const TOKEN: &str = "token";
/// The limit of requests in a test, to detect endless loops.
const MOST_REQUESTS: usize = 20_000;

/// The fate of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The realm answers.
    Passes,
    /// The request does not reach the realm. The answer has this status.
    Refused(u16),
    /// The same, with a `Retry-After`.
    Patience(u16, &'static str),
    /// The same after this duration, with this body.
    Says(Duration, u16, &'static str),
    /// The realm's user profile refuses this attribute, with this message.
    Invalid(&'static str, &'static str),
    /// The connection closes before the request reaches the realm.
    Unreached,
    /// The realm executes the request, and the connection closes before the answer.
    Lost,
    /// The realm executes the request, and the answer is truncated.
    BreaksOff,
    /// The realm executes the request, and no answer comes.
    Silent,
    /// The realm executes the request, and the answer takes this long.
    Slow(Duration),
    /// The realm executes the request twice, because a proxy repeated it. The answer is the second one.
    Twice,
    /// The realm answers as if the URL did not have this parameter.
    Without(&'static str),
    /// This many rows of the answer are dropped, from its middle on.
    Drops(usize),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The time since the creation of the wire.
    pub at: Duration,
    pub asked: Asked,
    /// The token of the request.
    pub token: Option<String>,
    /// The age of the token at that time, since its holder received it.
    pub age: Option<Duration>,
    /// Whether the request reached the realm.
    pub arrived: bool,
}

impl Seen {
    /// Whether the request is for a token.
    pub fn is_of_token(&self) -> bool {
        self.asked.path == [TOKEN]
    }

    pub fn writes(&self) -> bool {
        !self.asked.is_read() && !self.is_of_token()
    }
}

type Rule = Box<dyn FnMut(&Asked, &mut Realm) -> Fate + Send>;
type Watch = Box<dyn FnMut(&Asked, &Realm) + Send>;

/// A token: its holder, its issue and its expiry.
type Token = (String, Instant, Instant);

pub struct Wire {
    pub realm: Arc<Mutex<Realm>>,
    pub began: Instant,
    /// The realm's clock at the creation of the wire.
    second: i64,
    rule: Mutex<Rule>,
    watch: Mutex<Watch>,
    seen: Mutex<Vec<Seen>>,
    requests: AtomicUsize,
    tokens: Mutex<BTreeMap<String, Token>>,
    /// The lifetime of a token, in seconds.
    lifetime: Mutex<u64>,
}

impl Wire {
    pub fn to(realm: Arc<Mutex<Realm>>) -> Arc<Self> {
        let second = realm.lock().unwrap().second;
        Arc::new(Self {
            realm,
            began: Instant::now(),
            second,
            rule: Mutex::new(Box::new(|_, _| Fate::Passes)),
            watch: Mutex::new(Box::new(|_, _| ())),
            seen: Mutex::default(),
            requests: AtomicUsize::new(0),
            tokens: Mutex::default(),
            lifetime: Mutex::new(300),
        })
    }

    /// Sets the rule that decides about each request before it reaches the realm.
    pub fn rules(&self, rule: impl FnMut(&Asked, &mut Realm) -> Fate + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Sets a check of the realm after each request that reached it.
    pub fn watches(&self, watch: impl FnMut(&Asked, &Realm) + Send + 'static) {
        *self.watch.lock().unwrap() = Box::new(watch);
    }

    /// Sets the lifetime of new tokens, in seconds.
    pub fn tokens_last(&self, seconds: u64) {
        *self.lifetime.lock().unwrap() = seconds;
    }

    /// Invalidates all existing tokens.
    pub fn forgets_tokens(&self) {
        self.tokens.lock().unwrap().clear();
    }

    /// The requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn hand_out(&self, asked: &Asked) -> Said {
        let client = asked.body["client_id"].as_str().unwrap_or_default();
        if asked.body["client_secret"] != super::SECRET {
            let why = json!({"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"});
            return Said { status: 401, created: None, body: why };
        }
        let subject = format!("service-account-{client}");
        let lifetime = *self.lifetime.lock().unwrap();
        let mut tokens = self.tokens.lock().unwrap();
        let issued = self.second + i64::try_from(self.began.elapsed().as_secs()).unwrap();
        let claims = URL_SAFE_NO_PAD.encode(json!({"sub": subject, "iat": issued}).to_string());
        let token = format!("{}.{claims}.x", tokens.len());
        tokens.insert(token.clone(), (subject, Instant::now(), Instant::now() + Duration::from_secs(lifetime)));
        Said { status: 200, created: None, body: json!({"access_token": token, "expires_in": lifetime}) }
    }

    /// Passes a request to the realm.
    fn arrives(&self, asked: &Asked, token: Option<&str>) -> Said {
        if asked.path == [TOKEN] {
            return self.hand_out(asked);
        }
        let held = token.and_then(|token| self.tokens.lock().unwrap().get(token).cloned());
        let Some((author, ..)) = held.filter(|(.., until)| Instant::now() < *until) else {
            return Said { status: 401, created: None, body: json!({"error": "HTTP 401 Unauthorized"}) };
        };
        let mut realm = self.realm.lock().unwrap();
        realm.second = realm.second.max(self.second + i64::try_from(self.began.elapsed().as_secs()).unwrap());
        let said = realm.answer(&Asked { author, ..asked.clone() });
        (self.watch.lock().unwrap())(asked, &realm);
        said
    }

    async fn exchange(&self, request: Request) -> Result<Response, Unanswered> {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed);
        assert!(requests < MOST_REQUESTS, "an endless loop: {} {}", request.method, request.url.path());
        let broken = || Unanswered::Broken { why: "connection closed".to_owned() };
        let token = request.token.as_ref().map(|token| token.reveal().to_owned());
        let asked = asked(request);
        let fate = (self.rule.lock().unwrap())(&asked, &mut self.realm.lock().unwrap());
        let arrived = !matches!(
            fate,
            Fate::Refused(_) | Fate::Patience(..) | Fate::Says(..) | Fate::Invalid(..) | Fate::Unreached
        );
        let age = token.as_ref().and_then(|token| Some(self.tokens.lock().unwrap().get(token)?.1.elapsed()));
        let (at, noted) = (self.began.elapsed(), asked.clone());
        self.seen.lock().unwrap().push(Seen { at, asked: noted, token: token.clone(), age, arrived });
        let arrive = || self.arrives(&asked, token.as_deref());
        match fate {
            Fate::Passes => Ok(response(arrive(), None)),
            Fate::Refused(status) => Ok(response(refused(status, "refused by the test"), None)),
            Fate::Patience(status, after) => Ok(response(refused(status, "too many"), Some(after))),
            Fate::Says(long, status, why) => {
                tokio::time::sleep(long).await;
                Ok(response(refused(status, why), None))
            }
            Fate::Invalid(attribute, why) => {
                let body = json!({"field": attribute, "errorMessage": why, "params": [attribute]});
                Ok(response(Said { status: 400, created: None, body }, None))
            }
            Fate::Unreached => Err(broken()),
            Fate::Lost => {
                arrive();
                Err(broken())
            }
            Fate::BreaksOff => {
                let whole = response(arrive(), None);
                Ok(Response { body: async move { Err(broken()) }.boxed(), ..whole })
            }
            Fate::Silent => {
                arrive();
                std::future::pending().await
            }
            Fate::Slow(long) => {
                let said = arrive();
                tokio::time::sleep(long).await;
                Ok(response(said, None))
            }
            Fate::Twice => {
                arrive();
                Ok(response(arrive(), None))
            }
            Fate::Without(parameter) => {
                let mut without = asked.clone();
                without.query.retain(|(name, _)| name != parameter);
                Ok(response(self.arrives(&without, token.as_deref()), None))
            }
            Fate::Drops(rows) => {
                let mut said = arrive();
                if let Some(page) = said.body.as_array_mut() {
                    let middle = page.len() / 2;
                    page.drain(middle..(middle + rows).min(page.len()));
                }
                Ok(response(said, None))
            }
        }
    }
}

impl Transport for Wire {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Unanswered>> {
        self.exchange(request).boxed()
    }
}

/// A request in the realm's form.
fn asked(request: Request) -> Asked {
    let path: Vec<String> = request.url.path_segments().unwrap().map(decoded).collect();
    let path = match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["realms", .., "token"] => vec![TOKEN.to_owned()],
        ["admin", "realms", _, ..] => path[3..].to_vec(),
        other => panic!("{other:?} is no path of Keycloak's"),
    };
    let body = match request.body {
        Body::None => Value::Null,
        Body::Json(body) => body,
        Body::Form(fields) => fields.into_iter().map(|(name, value)| (name, json!(value))).collect(),
    };
    let query = request.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Asked { method: request.method.to_string(), path, query, body, author: String::new() }
}

fn decoded(part: &str) -> String {
    let pair = format!("x={}", part.replace('+', "%2B"));
    let url = reqwest::Url::parse(&format!("http://x/?{pair}")).unwrap();
    url.query_pairs().next().map(|(_, value)| value.into_owned()).unwrap()
}

fn response(said: Said, patience: Option<&'static str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(id) = &said.created {
        headers.insert(LOCATION, format!("http://realm/{id}").parse().unwrap());
    }
    headers.extend(patience.map(|after| (RETRY_AFTER, HeaderValue::from_static(after))));
    let body = if said.body.is_null() { Vec::new() } else { said.body.to_string().into_bytes() };
    let status = StatusCode::from_u16(said.status).unwrap();
    Response { status, headers, body: async move { Ok(body) }.boxed() }
}
