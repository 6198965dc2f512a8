//! Failed calls: Keycloak's two forms of errors, responses of other servers, and missing responses.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::super::super::Error;
use super::settings::CA_FILE;
use super::{Endpoint, Settings, Unanswered};
use crate::domain::printable;

/// The delay if the server asks for one without a number of seconds.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);
/// The maximum delay, whatever the server asks for, because revocations must not wait longer.
const LONGEST: Duration = Duration::from_mins(1);
/// Keycloak's message about a missing attribute that the realm's user profile requires.
const REQUIRED: &str = "error-user-attribute-required";
/// Keycloak's message about an attribute that the realm's user profile lets no administrator change.
const READ_ONLY: &str = "error-user-attribute-read-only";
/// Keycloak's message about a path that does not exist.
const NO_PATH: &str = "Unable to find matching target resource method";
/// The maximum length of a server's message that is passed on.
const MOST_SAID: usize = 200;
/// The text for an empty message.
const NO_WORDS: &str = "(no reason given)";

/// An attribute of a user that the realm's user profile refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The attribute's name.
    pub attribute: String,
    /// The reason.
    pub why: Refusal,
}

/// The reason why the realm's user profile refuses an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is missing.
    Required,
    /// Administrators may not change it.
    ReadOnly,
    /// A validator refuses its value.
    Value,
}

impl Refusal {
    /// The fix in the realm.
    fn fix(self) -> &'static str {
        match self {
            Self::Required => "In the realm's user profile, require it of users only",
            Self::ReadOnly => "In the realm's user profile, let administrators edit it (Permission)",
            Self::Value => "Correct it for the user, or relax its Validations in the realm's user profile",
        }
    }
}

/// A failed call.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientError {
    /// The server refused the call.
    Status {
        /// The call.
        endpoint: &'static str,
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
        /// The attributes of a user that the realm's user profile refused.
        invalid: Vec<Invalid>,
        /// The delay before a retry, if the server asks for one.
        after: Duration,
    },
    /// The server did not answer within this time.
    Late {
        /// The call.
        endpoint: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The request was not sent, or its response was not usable.
    Fault(Error),
}

impl ClientError {
    /// The attributes of a user that the realm's user profile refused.
    pub fn invalid(&self) -> &[Invalid] {
        match self {
            Self::Status { status: 400, invalid, .. } => invalid,
            Self::Status { .. } | Self::Late { .. } | Self::Fault(_) => &[],
        }
    }

    /// Adds the name of the user that the request writes. The server's refusal does not name the user.
    #[must_use]
    pub fn about(self, user: &str) -> Self {
        match self {
            Self::Status { endpoint, status: 400, said, invalid, after } => {
                let said = format!("user {}: {said}", printable(user));
                Self::Status { endpoint, status: 400, said, invalid, after }
            }
            other @ (Self::Status { .. } | Self::Late { .. } | Self::Fault(_)) => other,
        }
    }

    /// Whether the server answered with this status.
    pub fn is(&self, expected: u16) -> bool {
        matches!(self, Self::Status { status, .. } if *status == expected)
    }
}

impl From<ClientError> for Error {
    fn from(failed: ClientError) -> Self {
        match failed {
            ClientError::Fault(fault) => fault,
            ClientError::Late { endpoint, after } => {
                Self::Unavailable { context: format!("{endpoint}: no answer in {}s", after.as_secs_f64()) }
            }
            ClientError::Status { endpoint, status, said, invalid, after } => {
                let mut context = format!("{endpoint}: Keycloak answered {status}: {said}");
                if let Some(first) = invalid.first() {
                    context = format!("{context}. {}", first.why.fix());
                } else if said.ends_with(NO_WORDS) {
                    context = format!("{context}. See the log of Keycloak");
                }
                match status {
                    // Another process was faster, or the object no longer exists: read it again.
                    404 | 409 => Self::Changed { what: context },
                    429 | 503 => Self::Busy { context, after },
                    500.. => Self::Unavailable { context },
                    _ => Self::Refused { message: context },
                }
            }
        }
    }
}

/// `Ok(None)` if Keycloak reports that the object does not exist. Responses of other servers never count as that: see
/// [`refused`].
pub fn optional<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failed) if failed.is(404) => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// The error for a response without success.
pub(super) fn refused(
    settings: &Settings,
    endpoint: Endpoint,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> ClientError {
    let words = error_message(body);
    let said = words.clone().unwrap_or_else(|| NO_WORDS.to_owned());
    let (name, realm) = (endpoint.name, &settings.realm);
    let message = match status.as_u16() {
        403 => {
            format!("{name}: Keycloak answered 403: {}", settings.login.may_not(endpoint.needs, realm))
        }
        404 if words.is_none() => return not_keycloak(endpoint, status),
        404 if said.contains("Realm not found") => settings.no_realm(),
        404 if said.contains("Organizations not enabled") => format!(
            "organizations are switched off in realm {realm:?}: turn them on in its settings, or run `guestlist directory \
             setup`"
        ),
        // A missing path does not mean a missing object.
        404 if said.contains(NO_PATH) => format!(
            "{name}: Keycloak has nothing at this URL: see that its path is right in --directory, such as /auth or none"
        ),
        404 if endpoint.is_whole() => format!(
            "{name}: Keycloak answered 404: {said}: it takes Keycloak 26.6 or newer, with its feature organization on"
        ),
        status => {
            let invalid = if endpoint.writes_a_user() { invalid(body) } else { Vec::new() };
            return ClientError::Status { endpoint: name, status, said, invalid, after: retry_after(headers) };
        }
    };
    ClientError::Fault(Error::Refused { message })
}

/// The error for a response that is not Keycloak's. Its content is not trusted.
pub(super) fn not_keycloak(endpoint: Endpoint, status: StatusCode) -> ClientError {
    let context = format!(
        "{}: something else than Keycloak answered {}: see that what stands before it at this URL passes /realms and /admin \
         on, and that no path is missing, such as /auth",
        endpoint.name,
        status.as_u16()
    );
    ClientError::Fault(Error::Unavailable { context })
}

/// The delay that the server asks for. A date is ignored, because clocks differ.
fn retry_after(headers: &HeaderMap) -> Duration {
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.trim().parse().ok()).map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).min(LONGEST)
}

/// The error of a request without a complete response before its deadline.
pub(super) fn unanswered(endpoint: Endpoint, unanswered: Unanswered, deadline: Duration) -> ClientError {
    let endpoint = endpoint.name;
    let why = match unanswered {
        Unanswered::Late => return ClientError::Late { endpoint, after: deadline },
        Unanswered::Broken { why } => why,
    };
    // The authority is unknown, or another one with the same name: it was created again.
    let hint = if why.contains("UnknownIssuer") || why.contains("BadSignature") {
        format!(": no trusted authority signed the server's certificate; set {CA_FILE} to a file with the authority")
    } else if why.contains("corrupt message") {
        ": does the server speak http where the address says https?".to_owned()
    } else {
        String::new()
    };
    ClientError::Fault(Error::Unavailable { context: format!("{endpoint}: {why}{hint}") })
}

/// The server's message, in either form. `None`: the response is not Keycloak's.
fn error_message(body: &[u8]) -> Option<String> {
    let value = serde_json::from_slice::<Value>(body).ok()?;
    let field = |name| value.get(name).and_then(Value::as_str);
    // The message about one field of a form, or about several.
    let about = |one: &Value| {
        let said = one.get("errorMessage")?.as_str()?;
        Some(one.get("field").and_then(Value::as_str).map_or(said.to_owned(), |field| format!("{field}: {said}")))
    };
    let several = || value.get("errors")?.as_array()?.iter().map(about).collect::<Option<Vec<_>>>();
    let several = several().map(|all| all.join("; "));
    let one = field("error_description").or(field("error")).map(str::to_owned);
    let said: String = about(&value).or(one).or(several)?.chars().take(MOST_SAID).collect();
    Some(printable(&said).into_owned())
}

/// The attributes that the realm's user profile refused, one or several.
fn invalid(body: &[u8]) -> Vec<Invalid> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let one = |one: &Value| {
        let attribute = one.get("field")?.as_str()?.to_owned();
        let why = match one.get("errorMessage")?.as_str()? {
            REQUIRED => Refusal::Required,
            READ_ONLY => Refusal::ReadOnly,
            _ => Refusal::Value,
        };
        Some(Invalid { attribute, why })
    };
    let several = value.get("errors").and_then(Value::as_array);
    several.map_or_else(|| one(&value).into_iter().collect(), |several| several.iter().filter_map(one).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn error_body_of_every_shape_is_read_and_foreign_body_is_not() {
        for (body, words) in [
            (r#"{"errorMessage":"Organization not found."}"#, Some("Organization not found.")),
            (
                r#"{"error":"conflict","error_description":"Duplicate resource error"}"#,
                Some("Duplicate resource error"),
            ),
            (r#"{"error":"HTTP 404 Not Found"}"#, Some("HTTP 404 Not Found")),
            (
                r#"{"field":"email","errorMessage":"error-invalid-email","params":["email"]}"#,
                Some("email: error-invalid-email"),
            ),
            (r#"{"errors":[{"errorMessage":"Invalid length"}]}"#, Some("Invalid length")),
            (r#"{"errors":[{"field":"a","errorMessage":"x"},{"field":"b","errorMessage":"y"}]}"#, Some("a: x; b: y")),
            ("<html>", None),
            ("404 page not found", None),
            (r#"{"message":"no Route matched with those values"}"#, None),
            ("", None),
        ] {
            assert_eq!(error_message(body.as_bytes()).as_deref(), words);
        }
    }

    const GET_USER: Endpoint = Endpoint { name: "GET users/{id}", needs: "manage-users" };
    const PUT_USER: Endpoint = Endpoint { name: "PUT users/{id}", needs: "manage-users" };

    fn answered(endpoint: Endpoint, status: u16, body: &str) -> ClientError {
        let secret = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET").then(|| "hunter2".to_owned());
        let settings = Settings::read("keycloak:http://localhost#workspace", secret).unwrap();
        refused(&settings, endpoint, StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn status_decides_what_a_refusal_means() {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a status never means another fault")]
        let kind = |status| match Error::from(answered(GET_USER, status, r#"{"errorMessage":"no"}"#)) {
            Error::Changed { .. } => "changed",
            Error::Busy { .. } => "busy",
            Error::Unavailable { .. } => "unavailable",
            Error::Refused { .. } => "refused",
            _ => "another fault",
        };
        for (said, statuses) in [
            ("refused", &[302, 400, 403, 405, 415, 422][..]),
            ("changed", &[404, 409]),
            ("busy", &[429, 503]),
            ("unavailable", &[500, 501, 502, 504, 599]),
        ] {
            for status in statuses {
                assert_eq!(kind(*status), said, "{status}");
            }
        }
    }

    #[test]
    fn refusal_without_words_points_to_the_log() {
        for (body, points) in [("{}", true), ("", true), (r#"{"error":"unknown_error"}"#, false)] {
            let said = Error::from(answered(GET_USER, 500, body)).to_string();
            assert_eq!(said.contains("See the log of Keycloak"), points, "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn only_a_write_of_a_user_has_refused_attributes() {
        let body = r#"{"field":"lastName","errorMessage":"error-user-attribute-required"}"#;
        let count = |endpoint, status| answered(endpoint, status, body).invalid().len();
        assert_eq!([count(PUT_USER, 400), count(PUT_USER, 409), count(GET_USER, 400)], [1, 0, 0]);
        let said = Error::from(answered(PUT_USER, 400, body).about("bob@acme.example")).to_string();
        assert!(said.contains("bob@acme.example") && said.contains("require it of users only"), "{said}");
    }

    #[test]
    fn refused_attributes_are_distinguished_by_cause() {
        let body = r#"{"errors":[{"field":"a","errorMessage":"error-user-attribute-required"},
            {"field":"b","errorMessage":"error-user-attribute-read-only"},{"field":"c","errorMessage":"letters only"},
            {"errorMessage":"no field"}]}"#;
        let read: Vec<_> = invalid(body.as_bytes()).into_iter().map(|one| (one.attribute, one.why)).collect();
        let expected = [("a", Refusal::Required), ("b", Refusal::ReadOnly), ("c", Refusal::Value)];
        assert_eq!(read, expected.map(|(attribute, why)| (attribute.to_owned(), why)));
        let one = r#"{"field":"username","errorMessage":"error-invalid-length","params":["username",3,10]}"#;
        assert_eq!(invalid(one.as_bytes()), [Invalid { attribute: "username".to_owned(), why: Refusal::Value }]);
        assert!(invalid(br#"{"errorMessage":"User name is missing"}"#).is_empty() && invalid(b"<html>").is_empty());
    }

    #[test]
    fn patience_is_in_seconds_and_has_an_end() {
        let asked =
            |text: &'static str| retry_after(&[(RETRY_AFTER, text.parse().unwrap())].into_iter().collect()).as_secs();
        assert_eq!((asked("7"), asked("0"), asked("86400")), (7, 0, 60));
        assert_eq!((asked("Wed, 21 Oct 2026 07:28:00 GMT"), asked("-3"), asked("soon")), (5, 5, 5));
        assert_eq!(retry_after(&HeaderMap::new()), DEFAULT_RETRY_AFTER);
    }
}
