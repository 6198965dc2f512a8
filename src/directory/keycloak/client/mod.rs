//! Calls to Keycloak's REST API: one client, one token, a bounded rate, a deadline a call, and both of its shapes of errors
//! as one type. Knows nothing of guests.

mod bucket;
mod login;
mod settings;
mod token;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use login::{Login, MASTER, Secret};
pub use settings::{Settings, client_id};

use super::super::Fault;
use bucket::Bucket;
use token::Tokens;

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(9);
/// How long a page of a listing may take: the first one after a start of the server is slow.
const PATIENCE: Duration = Duration::from_secs(28);
/// How long a call may take that works on a whole realm.
const MINUTES: Duration = Duration::from_secs(120);
/// How long a call may take that sends a mail.
const MAIL: Duration = Duration::from_secs(15);
/// How long is waited where the server asks for patience and does not say for how long.
const AWHILE: Duration = Duration::from_secs(5);
/// What it says of an attribute that the realm's user profile requires and that is missing.
const REQUIRED: &str = "error-user-attribute-required";
/// How much of what the server says is passed on.
const MOST_SAID: usize = 200;

/// A kind of call: how it is counted, and what the service account needs for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Method and path, with braces for what varies.
    pub name: &'static str,
    /// The role of the client `realm-management` that allows it.
    pub needs: &'static str,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    endpoint: Endpoint,
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Body,
    deadline: Duration,
    /// The path is below the server's admin API instead.
    above: bool,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

impl<'a> Call<'a> {
    fn new(endpoint: Endpoint, method: Method, path: &[&'a str]) -> Self {
        let path = path.to_vec();
        Self { endpoint, method, path, query: Vec::new(), body: Body::None, deadline: DEADLINE, above: false }
    }

    /// Reads. The path is that below the realm's admin API.
    pub fn get(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::GET, path)
    }

    /// Creates, or does.
    pub fn post(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::POST, path)
    }

    /// Replaces.
    pub fn put(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::PUT, path)
    }

    /// Deletes.
    pub fn delete(endpoint: Endpoint, path: &[&'a str]) -> Self {
        Self::new(endpoint, Method::DELETE, path)
    }

    /// About the server, not the realm: the path is that below the server's admin API.
    pub fn above(self) -> Self {
        Self { above: true, ..self }
    }

    /// With a parameter.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// One page of a listing, which may take longer.
    pub fn page(self, first: usize, max: usize) -> Self {
        Self { deadline: PATIENCE, ..self }.with("first", first).with("max", max)
    }

    /// A call that sends a mail: Keycloak waits ten seconds for a mail server that does not answer.
    pub fn mails(self) -> Self {
        Self { deadline: MAIL, ..self }
    }

    /// A call that may take long, which somebody waits for.
    pub fn patient(self) -> Self {
        Self { deadline: MINUTES, ..self }
    }

    /// With a body of JSON.
    pub fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    /// With the fields of a form.
    pub fn form(self, fields: Vec<(&'static str, String)>) -> Self {
        Self { body: Body::Form(fields), ..self }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The identifier of what was created: the end of its location.
    pub created: Option<String>,
    body: Vec<u8>,
    endpoint: Endpoint,
}

impl Answer {
    /// The body as what it should be.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failed::Fault(Fault::Unavailable {
                context: format!("{}: the answer does not read as expected: {error}", self.endpoint.name),
            })
        })
    }
}

/// A call that did not do what it should.
#[derive(Clone, Debug, PartialEq)]
pub enum Failed {
    /// The server refused it.
    Status {
        /// Which call.
        endpoint: &'static str,
        /// With which status.
        status: u16,
        /// In its own words.
        said: String,
    },
    /// It did not get as far as that.
    Fault(Fault),
}

impl Failed {
    /// The attributes of a user that the realm's profile requires and that were missing.
    pub fn missing(&self) -> Vec<&str> {
        let Self::Status { status: 400, said, .. } = self else { return Vec::new() };
        said.split("; ").filter_map(|one| one.strip_suffix(REQUIRED)?.strip_suffix(": ")).collect()
    }

    /// Whether the server answered with this status.
    pub fn is(&self, expected: u16) -> bool {
        matches!(self, Self::Status { status, .. } if *status == expected)
    }
}

impl From<Failed> for Fault {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Fault(fault) => fault,
            Failed::Status { endpoint, status, said } => {
                let mut context = format!("{endpoint}: Keycloak answered {status}: {said}");
                if said.contains(REQUIRED) {
                    context += ": the realm's user profile requires it whoever writes a user; require it of users only";
                }
                match status {
                    // Somebody was quicker, or it is not there any more: look again.
                    404 | 409 => Self::Changed { what: context },
                    500.. => Self::Unavailable { context },
                    _ => Self::Refused { message: context },
                }
            }
        }
    }
}

/// `Ok(None)` where the server says that it is not there.
pub fn optional<T>(result: Result<T, Failed>) -> Result<Option<T>, Failed> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failed) if failed.is(404) => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// The client of one realm.
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    tokens: Tokens,
    bucket: Bucket,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Client {
    /// Sets the client up; no call is made yet.
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        let http = settings.http()?;
        let bucket = Bucket::new(settings.calls_per_second);
        Ok(Self { http, settings, tokens: Tokens::default(), bucket, calls: Mutex::default() })
    }

    /// The user that we are to Keycloak: its events name him.
    pub async fn subject(&self) -> Result<Option<String>, Failed> {
        self.tokens.current(self).await?;
        Ok(self.tokens.subject().await)
    }

    /// How many calls of each kind were made.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a call to the realm's admin API. What is only read is asked for once more where the connection failed; a
    /// token that is not taken any more is renewed once.
    pub async fn call(&self, call: Call<'_>) -> Result<Answer, Failed> {
        let mut url = self.settings.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("admin");
            if !call.above {
                segments.extend(["realms", &self.settings.realm]);
            }
            segments.extend(&call.path);
        }
        let mut again = call.method == Method::GET;
        let mut renewed = false;
        loop {
            let token = self.tokens.current(self).await?;
            match self.send(&call, url.clone(), &token).await {
                Ok(Sent::Done(answer)) => return Ok(answer),
                Ok(Sent::Unauthorized) if !renewed => {
                    renewed = true;
                    self.tokens.forget(&token).await;
                }
                Ok(Sent::Unauthorized) => return Err(Failed::Fault(self.settings.login.refused())),
                Err(Failed::Fault(Fault::Unavailable { .. })) if again => again = false,
                Err(failed) => return Err(failed),
            }
        }
    }

    async fn send(&self, call: &Call<'_>, url: Url, token: &Secret) -> Result<Sent, Failed> {
        let mut request = self.http.request(call.method.clone(), url).bearer_auth(token.reveal()).query(&call.query);
        request = match &call.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::Form(fields) => request.form(fields),
        };
        let response = self.exchange(call.endpoint, request.timeout(call.deadline)).await?;
        let created = response
            .headers()
            .get(reqwest::header::LOCATION)
            .and_then(|location| location.to_str().ok()?.rsplit('/').next().map(str::to_owned));
        let status = response.status();
        if status.is_success() {
            let body = response.bytes().await.map_err(|error| unreachable(call.endpoint.name, &error))?;
            return Ok(Sent::Done(Answer { created, body: body.to_vec(), endpoint: call.endpoint }));
        }
        if status == StatusCode::UNAUTHORIZED {
            return Ok(Sent::Unauthorized);
        }
        Err(self.refused(call.endpoint, response).await)
    }

    /// Sends a request at the bounded rate, and counts it.
    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, Failed> {
        self.bucket.take().await;
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(endpoint.name).or_default() += 1;
        request.send().await.map_err(|error| unreachable(endpoint.name, &error))
    }

    /// What an answer that is no success means.
    async fn refused(&self, endpoint: Endpoint, response: reqwest::Response) -> Failed {
        let status = response.status();
        let after = response.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| text.parse().ok()).map_or(AWHILE, Duration::from_secs);
        let said = said(&response.bytes().await.unwrap_or_default());
        let realm = &self.settings.realm;
        let fault = match status.as_u16() {
            429 | 503 => Fault::Busy { context: format!("{}: Keycloak answered {status}", endpoint.name), after },
            403 => Fault::Refused {
                message: format!(
                    "{}: Keycloak answered 403: {}",
                    endpoint.name,
                    self.settings.login.may_not(endpoint.needs, realm)
                ),
            },
            404 if said.contains("Realm not found") => Fault::Refused { message: self.settings.no_realm() },
            404 if said.contains("Organizations not enabled") => Fault::Refused {
                message: format!(
                    "organizations are switched off in realm {realm:?}: turn them on in its settings, or run `guestlist \
                     directory bootstrap`"
                ),
            },
            status => return Failed::Status { endpoint: endpoint.name, status, said },
        };
        Failed::Fault(fault)
    }
}

enum Sent {
    Done(Answer),
    Unauthorized,
}

/// Why a request got no answer, without its address: that could hold what somebody wrote by mistake.
fn unreachable(endpoint: &str, error: &reqwest::Error) -> Failed {
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        let mut source: &dyn std::error::Error = error;
        while let Some(inner) = source.source() {
            source = inner;
        }
        if std::ptr::addr_eq(source, error) { "the call failed".to_owned() } else { source.to_string() }
    };
    Failed::Fault(Fault::Unavailable { context: format!("{endpoint}: {why}") })
}

/// What the server said, in whichever shape.
fn said(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return "(no words)".to_owned() };
    let field = |name| value.get(name).and_then(Value::as_str);
    // About a field of a form: one, or several at once.
    let about = |one: &Value| {
        let said = one.get("errorMessage")?.as_str()?;
        Some(one.get("field").and_then(Value::as_str).map_or(said.to_owned(), |field| format!("{field}: {said}")))
    };
    let several = || value.get("errors")?.as_array()?.iter().map(about).collect::<Option<Vec<_>>>();
    let several = several().map(|all| all.join("; "));
    let one = field("error_description").or(field("error")).map(str::to_owned);
    about(&value).or(one).or(several).unwrap_or_else(|| "(no words)".to_owned()).chars().take(MOST_SAID).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_is_read() {
        for (body, words) in [
            (r#"{"errorMessage":"Organization not found."}"#, "Organization not found."),
            (r#"{"error":"conflict","error_description":"Duplicate resource error"}"#, "Duplicate resource error"),
            (r#"{"error":"HTTP 404 Not Found"}"#, "HTTP 404 Not Found"),
            (
                r#"{"field":"email","errorMessage":"error-invalid-email","params":["email"]}"#,
                "email: error-invalid-email",
            ),
            (r#"{"errors":[{"errorMessage":"Invalid length"}]}"#, "Invalid length"),
            (r#"{"errors":[{"field":"a","errorMessage":"x"},{"field":"b","errorMessage":"y"}]}"#, "a: x; b: y"),
            ("<html>", "(no words)"),
            ("", "(no words)"),
        ] {
            assert_eq!(said(body.as_bytes()), words);
        }
    }
}
