//! The access token. One caller fetches it while the others wait, and renews it before it ends.

use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::super::Error;
use super::{Body, Client, ClientError, Endpoint, Request, Response, Secret};

const TOKEN: Endpoint = Endpoint { name: "POST token", needs: "" };
/// The share of its lifetime after which a token is renewed, in percent.
const USED: u64 = 80;

/// The token, once it is fetched.
#[derive(Default)]
pub struct Tokens(Mutex<Option<Token>>);

struct Token {
    secret: Secret,
    subject: Option<String>,
    renew_at: Instant,
}

/// A reading of the server's clock.
#[derive(Clone, Copy, Debug)]
pub struct ClockReading {
    /// The time of the request.
    pub asked: Instant,
    /// The time of the response.
    pub answered: Instant,
    /// The server's time, in seconds since 1970.
    pub second: i64,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    /// The time of issue by the server's clock, in seconds since 1970.
    iat: Option<i64>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    /// The present token, or a new one.
    pub async fn current(&self, client: &Client) -> Result<Secret, ClientError> {
        // Locked during the fetch, so that other callers wait for this token.
        let mut held = self.0.lock().await;
        if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.secret.clone());
        }
        let token = fetch(client).await?;
        let secret = token.secret.clone();
        *held = Some(token);
        Ok(secret)
    }

    /// The user that the token was issued to.
    pub async fn subject(&self) -> Option<String> {
        self.0.lock().await.as_ref().and_then(|token| token.subject.clone())
    }

    /// Drops the token that the server refused.
    pub async fn forget(&self, refused: &Secret) {
        let mut held = self.0.lock().await;
        if held.as_ref().is_some_and(|token| token.secret == *refused) {
            *held = None;
        }
    }
}

fn address(client: &Client) -> Url {
    let mut url = client.settings.base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        let realm = client.settings.login.home(&client.settings.realm);
        segments.pop_if_empty().extend(["realms", realm, "protocol", "openid-connect", "token"]);
    }
    url
}

async fn fetch(client: &Client) -> Result<Token, ClientError> {
    let login = &client.settings.login;
    let secret = login.secret().map_err(ClientError::Fault)?;
    let began = Instant::now();
    let form = login.form(&secret).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let request = Request { method: Method::POST, url: address(client), token: None, body: Body::Form(form) };
    let answered = client.exchange(TOKEN, request, super::DEADLINE, async |response| granted(client, response).await);
    let granted = answered.await?;
    let claims = claims(&granted.access_token);
    if let Some(second) = claims.as_ref().and_then(|claims| claims.iat) {
        let reading = ClockReading { asked: began, answered: Instant::now(), second };
        *client.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }
    let subject = claims.and_then(|claims| claims.sub);
    Ok(Token { secret: Secret::new(granted.access_token), subject, renew_at: renewal(began, granted.expires_in) })
}

/// Reads the response to a request for a token.
async fn granted(client: &Client, response: Response) -> Result<Granted, ClientError> {
    let login = &client.settings.login;
    let Response { status, headers, body } = response;
    match status.as_u16() {
        200 => {}
        400 | 401 => return Err(ClientError::Fault(login.refused())),
        403 => {
            let realm = login.home(&client.settings.realm);
            let said = body.await.unwrap_or_default().to_ascii_lowercase();
            let message = if said.windows(5).any(|five| five == b"https") {
                format!(
                    "realm {realm:?} takes calls by https only (its setting \"Require SSL\"): the address begins with http"
                )
            } else {
                format!("realm {realm:?} is switched off in Keycloak")
            };
            return Err(ClientError::Fault(Error::Refused { message }));
        }
        404 => {
            return Err(match client.refused(TOKEN, status, &headers, body.await) {
                ClientError::Status { .. } => ClientError::Fault(Error::Refused { message: client.settings.no_home() }),
                // Another failure than a missing realm.
                failed @ (ClientError::Late { .. } | ClientError::Fault(_)) => failed,
            });
        }
        _ => return Err(client.refused(TOKEN, status, &headers, body.await)),
    }
    let bad = || Error::Unavailable { context: format!("{}: the answer does not read as a token", TOKEN.name) };
    let read = body.await.ok().and_then(|body| serde_json::from_slice(&body).ok());
    read.ok_or_else(|| ClientError::Fault(bad()))
}

/// The time of renewal of a token with this time of request and lifetime in seconds.
fn renewal(began: Instant, seconds: u64) -> Instant {
    let used = Duration::from_millis(seconds.saturating_mul(10 * USED));
    began + used
}

/// The claims of a token, without a check of its signature. They tell guestlist's own events from those of others,
/// and the server's time.
fn claims(token: &str) -> Option<Claims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let now = Instant::now();
        assert_eq!(renewal(now, 300), now + Duration::from_mins(4));
        assert_eq!(renewal(now, 0), now);
    }
}
