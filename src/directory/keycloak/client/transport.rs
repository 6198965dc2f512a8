//! What carries requests to Keycloak and answers back: HTTP, or in tests a realm in memory, where the time can stand still.

use std::error::Error;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::login::Secret;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its URL with the query.
    pub url: Url,
    /// The token that it is made with. `None`: it asks for one.
    pub token: Option<Secret>,
    /// Its body.
    pub body: Body,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Body {
    /// None.
    None,
    /// JSON.
    Json(Value),
    /// The fields of a form.
    Form(Vec<(String, String)>),
}

/// An answer whose body is still on its way.
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The rest of it.
    pub body: BoxFuture<'static, Result<Vec<u8>, Unanswered>>,
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It did not come in time.
    Late,
    /// The connection failed.
    Broken {
        /// How, without the address: that could hold what somebody wrote by mistake.
        why: String,
    },
}

/// Carries requests. How long an answer may take is the caller's business.
pub trait Transport: Send + Sync {
    /// Sends a request. Where the result is dropped before it is there, nobody waits for the answer any more.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Unanswered>>;
}

impl Transport for reqwest::Client {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Unanswered>> {
        let Request { method, url, token, body } = request;
        let mut built = self.request(method, url);
        if let Some(token) = &token {
            built = built.bearer_auth(token.reveal());
        }
        built = match &body {
            Body::None => built,
            Body::Json(body) => built.json(body),
            Body::Form(fields) => built.form(fields),
        };
        async {
            let answer = built.send().await.map_err(|error| unanswered(&error))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = async { answer.bytes().await.map(Into::into).map_err(|error| unanswered(&error)) }.boxed();
            Ok(Response { status, headers, body })
        }
        .boxed()
    }
}

fn unanswered(error: &reqwest::Error) -> Unanswered {
    if error.is_timeout() {
        return Unanswered::Late;
    }
    let mut source: &dyn Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    let why = if std::ptr::addr_eq(source, error) { "the call failed".to_owned() } else { source.to_string() };
    Unanswered::Broken { why }
}
