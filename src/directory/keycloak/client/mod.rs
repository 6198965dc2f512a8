//! Calls to Keycloak's REST API: one client, one token, a rate limit, a deadline for each call, and one error type.
//! It has no knowledge of guests.

mod credentials;
mod error;
mod pending_calls;
mod rate_limit;
mod settings;
mod token;
mod transport;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

pub use credentials::{Credentials, MASTER, Secret};
pub use error::{ClientError, Invalid, Refusal, optional};
pub use settings::{Settings, client_id};
pub use token::ClockReading;
pub use transport::{Body, Request, Response, Transport, Unanswered};

use super::super::{CallObserver, CallReport, Error};
use error::not_keycloak;
use pending_calls::PendingCalls;
use rate_limit::RateLimit;
use token::Tokens;

/// The deadline of an ordinary call.
const DEADLINE: Duration = Duration::from_secs(9);
/// The deadline of a search. The first one after a start of the server is slow.
const SEARCH_DEADLINE: Duration = Duration::from_secs(28);
/// The deadline of one page of a listing in a slow realm. A listing as a whole has no deadline, and continues while
/// pages arrive.
const LISTING_DEADLINE: Duration = Duration::from_mins(2);
/// The deadline of a call that processes a whole realm.
const REALM_DEADLINE: Duration = Duration::from_mins(2);
/// The deadline of a call that sends a mail.
const MAIL_DEADLINE: Duration = Duration::from_secs(15);
/// A kind of call: its name in the metrics, and the role that the service account needs for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Method and path, with braces for the variable parts.
    pub name: &'static str,
    /// The role of the client `realm-management` that allows the call.
    pub needs: &'static str,
}

impl Endpoint {
    /// Whether the call concerns all organizations. If that path is missing, organizations are not enabled.
    fn is_whole(self) -> bool {
        self.name.ends_with(" organizations")
    }

    /// Whether the call writes a user, so that the realm's user profile validates it.
    fn writes_a_user(self) -> bool {
        ["POST users", "PUT users/{id}"].contains(&self.name)
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    endpoint: Endpoint,
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Body,
    deadline: Duration,
    /// A late page is followed by a smaller one.
    listing: bool,
    /// The path is relative to the server's admin API.
    on_server: bool,
}

impl<'a> Call<'a> {
    fn new(endpoint: Endpoint, method: Method, path: &[&'a str]) -> Self {
        let path = path.to_vec();
        let (query, body) = (Vec::new(), Body::None);
        Self { endpoint, method, path, query, body, deadline: DEADLINE, listing: false, on_server: false }
    }

    /// A call that reads. The path is relative to the realm's admin API.
    pub fn get(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::GET, path)
    }

    /// A call that creates an object or runs an action. The path is relative to the realm's admin API.
    pub fn post(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::POST, path)
    }

    /// A call that replaces an object. The path is relative to the realm's admin API.
    pub fn put(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::PUT, path)
    }

    /// A call that deletes an object. The path is relative to the realm's admin API.
    pub fn delete(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::DELETE, path)
    }

    /// Makes the path relative to the server's admin API instead of the realm's.
    pub fn on_server(self) -> Self {
        Self { on_server: true, ..self }
    }

    /// Adds a query parameter.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// A page of a search, with a longer deadline.
    pub fn page(self, first: usize, max: usize) -> Self {
        Self { deadline: SEARCH_DEADLINE, ..self }.with("first", first).with("max", max)
    }

    /// One page of a listing, with the longest deadline. A late page is not requested again; the listing continues
    /// with smaller pages.
    pub fn listing(self, first: usize, max: usize) -> Self {
        Self { deadline: LISTING_DEADLINE, listing: true, ..self }.with("first", first).with("max", max)
    }

    /// Sets the deadline of a call that sends a mail: Keycloak waits ten seconds for its mail server.
    pub fn mails(self) -> Self {
        Self { deadline: MAIL_DEADLINE, ..self }
    }

    /// Sets the deadline of a slow call for which an administrator waits.
    pub fn slow(self) -> Self {
        Self { deadline: REALM_DEADLINE, ..self }
    }

    /// Sets a JSON body.
    pub fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    /// Sets a form as the body.
    pub fn form(self, fields: Vec<(String, String)>) -> Self {
        Self { body: Body::Form(fields), ..self }
    }
}

/// A successful response.
#[derive(Debug)]
pub struct Answer {
    /// The identifier of the created object: the last part of its location.
    pub created: Option<String>,
    body: Vec<u8>,
    endpoint: Endpoint,
}

impl Answer {
    /// Parses the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The position only: the error's own text quotes the content.
            let (line, column) = (error.line(), error.column());
            let name = self.endpoint.name;
            let context = format!("{name}: the answer does not read as expected at line {line}, column {column}");
            ClientError::Fault(Error::Unavailable { context })
        })
    }
}

/// The client of one realm.
pub struct Client {
    transport: Arc<dyn Transport>,
    settings: Settings,
    tokens: Tokens,
    bucket: RateLimit,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    /// The server's time in the latest token.
    clock: Mutex<Option<ClockReading>>,
    waiting: PendingCalls,
    observer: OnceLock<CallObserver>,
}

impl Client {
    /// Creates a client over HTTP, without a call.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let transport = Arc::new(settings.http()?);
        Ok(Self::with_transport(settings, transport))
    }

    /// Creates a client over another transport.
    pub fn with_transport(settings: Settings, transport: Arc<dyn Transport>) -> Self {
        let bucket = RateLimit::new(settings.calls_per_second);
        Self {
            transport,
            settings,
            tokens: Tokens::default(),
            bucket,
            calls: Mutex::default(),
            clock: Mutex::default(),
            waiting: PendingCalls::default(),
            observer: OnceLock::new(),
        }
    }

    /// Keycloak's identifier of guestlist's own user. Keycloak's events name it as the author.
    pub async fn subject(&self) -> Result<Option<String>, ClientError> {
        self.tokens.current(self).await?;
        Ok(self.tokens.subject().await)
    }

    /// The server's time in the latest token.
    pub fn clock_reading(&self) -> Option<ClockReading> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of calls, by endpoint.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reports each later call. The first observer stays.
    pub fn observe_calls(&self, observer: CallObserver) {
        drop(self.observer.set(observer));
    }

    /// The endpoint of the call that has waited longest for a response, and for how long.
    pub fn waiting(&self) -> Option<(&'static str, Duration)> {
        self.waiting.longest()
    }

    /// Calls the realm's admin API. A read is repeated once if the connection failed. A refused token is renewed
    /// once.
    pub async fn call(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let mut url = self.settings.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("admin");
            if !call.on_server {
                segments.extend(["realms", &self.settings.realm]);
            }
            segments.extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut again = call.method == Method::GET;
        let mut renewed = false;
        loop {
            let token = self.tokens.current(self).await?;
            match self.send(&call, url.clone(), &token).await {
                Ok(CallAttempt::Done(answer)) => return Ok(answer),
                Ok(CallAttempt::Unauthorized) if !renewed => {
                    renewed = true;
                    self.tokens.forget(&token).await;
                }
                Ok(CallAttempt::Unauthorized) => return Err(ClientError::Fault(self.settings.login.refused())),
                Err(ClientError::Fault(Error::Unavailable { .. })) if again => again = false,
                Err(ClientError::Late { .. }) if again && !call.listing => again = false,
                Err(failed) => return Err(failed),
            }
        }
    }

    async fn send(&self, call: &Call<'_>, url: Url, token: &Secret) -> Result<CallAttempt, ClientError> {
        let request = Request { method: call.method.clone(), url, token: Some(token.clone()), body: call.body.clone() };
        let _waiting = self.waiting.begin(call.endpoint.name);
        let answered = self.exchange(call.endpoint, request, call.deadline, async |response| {
            let Response { status, headers, body } = response;
            if status == StatusCode::UNAUTHORIZED {
                return Ok(CallAttempt::Unauthorized);
            }
            if !status.is_success() {
                return Err(self.refused(call.endpoint, status, &headers, body.await));
            }
            // Keycloak's admin API never returns HTML. A proxy answered, and Keycloak did nothing.
            let html = |kind: &HeaderValue| kind.to_str().is_ok_and(|kind| kind.starts_with("text/html"));
            if headers.get(CONTENT_TYPE).is_some_and(html) {
                return Err(not_keycloak(call.endpoint, status));
            }
            let body = body.await.map_err(|unanswered| error::unanswered(call.endpoint, unanswered, call.deadline))?;
            let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let created = location.and_then(|location| location.rsplit('/').next().map(str::to_owned));
            Ok(CallAttempt::Done(Answer { created, body, endpoint: call.endpoint }))
        });
        answered.await
    }

    /// Sends a request within the rate limit, counts it and reads its response. The deadline starts after the wait for the rate
    /// limit.
    async fn exchange<T>(
        &self,
        endpoint: Endpoint,
        request: Request,
        deadline: Duration,
        read: impl AsyncFnOnce(Response) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.bucket.take().await;
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(endpoint.name).or_default() += 1;
        let (began, mut status) = (Instant::now(), None);
        let exchanged = async {
            let sent = self.transport.send(request).await;
            let sent = sent.map_err(|unanswered| error::unanswered(endpoint, unanswered, deadline))?;
            status = Some(sent.status);
            read(sent).await
        };
        let answered = match tokio::time::timeout(deadline, exchanged).await {
            Ok(answered) => answered,
            Err(_) => Err(error::unanswered(endpoint, Unanswered::Late, deadline)),
        };
        if let Some(observer) = self.observer.get() {
            let result = match status {
                Some(status) if status.is_client_error() => "refused",
                Some(_) if answered.is_ok() => "ok",
                Some(_) | None => "error",
            };
            observer(CallReport { endpoint: endpoint.name, result, took: began.elapsed() });
        }
        answered
    }

    /// The error of a response without success. If its body is incomplete, the status alone decides.
    fn refused(
        &self,
        endpoint: Endpoint,
        status: StatusCode,
        headers: &HeaderMap,
        body: Result<Vec<u8>, Unanswered>,
    ) -> ClientError {
        error::refused(&self.settings, endpoint, status, headers, &body.unwrap_or_default())
    }
}

enum CallAttempt {
    Done(Answer),
    Unauthorized,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
