//! Sends requests to Keycloak: by HTTP or, in tests, to a realm in memory on paused time.

use std::error::Error;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::credentials::Secret;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL with the query.
    pub url: Url,
    /// The access token. `None` for the request for a token.
    pub token: Option<Secret>,
    /// The body.
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

/// A response whose body is still being received.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: BoxFuture<'static, Result<Vec<u8>, Unanswered>>,
}

/// The cause of a missing or incomplete response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It did not arrive before the deadline.
    Late,
    /// The connection failed.
    Broken {
        /// The cause without the URL, because a URL may contain a secret that was put there by mistake.
        why: String,
    },
}

/// Sends requests. The caller sets the deadline.
///
/// # Examples
///
/// A transport that loses every request, for a test:
///
/// ```
/// use futures::future::BoxFuture;
/// use guestlist::directory::keycloak::{Request, Response, Transport, Unanswered};
///
/// struct Unplugged;
///
/// impl Transport for Unplugged {
///     fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, Unanswered>> {
///         Box::pin(async { Err(Unanswered::Broken { why: "no network".into() }) })
///     }
/// }
/// ```
pub trait Transport: Send + Sync {
    /// Sends a request. If the future is dropped, the response is discarded; Keycloak may still process the request.
    ///
    /// # Errors
    ///
    /// No response arrived. Keycloak may have processed the request nevertheless.
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
