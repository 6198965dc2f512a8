//! guestlist's credentials for Keycloak, and the messages for refused ones. Secrets come from files or the
//! environment, never from arguments, and are never printed.

use std::fmt;
use std::path::PathBuf;

use super::super::super::Error;

/// The realm of the server's administrators, and the client through which people sign in.
pub const MASTER: &str = "master";
const ADMIN_CLIENT: &str = "admin-cli";

/// The environment variables.
pub(super) const CLIENT_ID: &str = "GUESTLIST_KEYCLOAK_CLIENT_ID";
pub(super) const CLIENT_SECRET: &str = "GUESTLIST_KEYCLOAK_CLIENT_SECRET";
pub(super) const CLIENT_SECRET_FILE: &str = "GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE";
pub(super) const ADMIN: &str = "GUESTLIST_KEYCLOAK_ADMIN";
pub(super) const ADMIN_PASSWORD: &str = "GUESTLIST_KEYCLOAK_ADMIN_PASSWORD";
pub(super) const ADMIN_PASSWORD_FILE: &str = "GUESTLIST_KEYCLOAK_ADMIN_PASSWORD_FILE";
const ADMIN_REALM: &str = "GUESTLIST_KEYCLOAK_ADMIN_REALM";
const ADMIN_CLIENT_ID: &str = "GUESTLIST_KEYCLOAK_ADMIN_CLIENT_ID";
const ADMIN_CLIENT_SECRET: &str = "GUESTLIST_KEYCLOAK_ADMIN_CLIENT_SECRET";
const ADMIN_CLIENT_SECRET_FILE: &str = "GUESTLIST_KEYCLOAK_ADMIN_CLIENT_SECRET_FILE";

/// A text that must not appear in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The plain text. Use it only to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// guestlist's credentials for Keycloak: the service account of a client, or an administrator who prepares a realm
/// for it.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client that requests the token.
    pub client_id: String,
    source: Source,
    who: Principal,
}

#[derive(Clone, Debug)]
enum Principal {
    /// The client's service account, in the realm of the directory.
    Operator,
    /// An administrator of the realm `home`: a named user, or the client's service account.
    Administrator { name: Option<String>, home: String },
}

#[derive(Clone, Debug)]
enum Source {
    Text(Secret),
    /// Read again for each token, because a mounted secret may be rotated.
    File {
        file: PathBuf,
        variable: &'static str,
    },
}

impl Source {
    /// A secret from the first variable, or from the file that the second one names. `None`: neither is set.
    fn read(
        environment: impl Fn(&str) -> Option<String>,
        text: &'static str,
        file: &'static str,
    ) -> Result<Option<Self>, Error> {
        match (environment(text), environment(file)) {
            (Some(secret), None) if !secret.is_empty() => Ok(Some(Self::Text(Secret::new(secret)))),
            (None, Some(path)) => Ok(Some(Self::File { file: PathBuf::from(path), variable: file })),
            (Some(_), Some(_)) => Err(Error::Refused { message: format!("set one of {text} and {file}, not both") }),
            (Some(_) | None, None) => Ok(None),
        }
    }
}

impl Credentials {
    /// The operator's credentials with a known secret.
    pub fn new(client_id: impl Into<String>, secret: Secret) -> Self {
        Self { client_id: client_id.into(), source: Source::Text(secret), who: Principal::Operator }
    }

    /// The operator's credentials: the service account of a client in the realm of the directory.
    pub(super) fn operator(client_id: String, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        match Source::read(&environment, CLIENT_SECRET, CLIENT_SECRET_FILE)? {
            Some(source) => Ok(Self { client_id, source, who: Principal::Operator }),
            None => refuse(format!(
                "no secret for client {client_id:?}: set {CLIENT_SECRET_FILE} (a file) or {CLIENT_SECRET}; the client's \
                 name comes from {CLIENT_ID}"
            )),
        }
    }

    /// The credentials of an administrator who prepares a realm: of the server or of that realm, a person or a
    /// service account.
    pub(super) fn administrator(realm: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| environment(name).filter(|text| !text.is_empty());
        let home = set(ADMIN_REALM).unwrap_or_else(|| MASTER.to_owned());
        if home != MASTER && home != realm {
            return refuse(format!(
                "{ADMIN_REALM}: an administrator of the realm {home:?} manages that one alone; write {MASTER}, or {realm:?} as \
                 in --directory"
            ));
        }
        let password = Source::read(&environment, ADMIN_PASSWORD, ADMIN_PASSWORD_FILE)?;
        let secret = Source::read(&environment, ADMIN_CLIENT_SECRET, ADMIN_CLIENT_SECRET_FILE)?;
        match (password, secret, set(ADMIN_CLIENT_ID)) {
            (Some(_), Some(_), _) => {
                refuse("set the password of an administrator or the secret of a client, not both".to_owned())
            }
            (None, Some(source), Some(client_id)) => {
                Ok(Self { client_id, source, who: Principal::Administrator { name: None, home } })
            }
            (None, Some(_), None) => {
                refuse(format!("{ADMIN_CLIENT_ID} is not set: which client is the secret of an administrator for?"))
            }
            (Some(source), None, client_id) => {
                let name = Some(set(ADMIN).unwrap_or_else(|| "admin".to_owned()));
                let client_id = client_id.unwrap_or_else(|| ADMIN_CLIENT.to_owned());
                Ok(Self { client_id, source, who: Principal::Administrator { name, home } })
            }
            (None, None, Some(client_id)) => refuse(format!(
                "no secret for client {client_id:?}: set {ADMIN_CLIENT_SECRET_FILE} (a file) or {ADMIN_CLIENT_SECRET}"
            )),
            (None, None, None) => refuse(format!(
                "no password for administrator {:?}: set {ADMIN_PASSWORD_FILE} (a file) or {ADMIN_PASSWORD}; the \
                 administrator's name comes from {ADMIN}, the realm of the administrator from {ADMIN_REALM}",
                set(ADMIN).unwrap_or_else(|| "admin".to_owned())
            )),
        }
    }

    /// The present secret.
    ///
    /// # Errors
    ///
    /// The file of the secret cannot be read, or is empty.
    pub fn secret(&self) -> Result<Secret, Error> {
        match &self.source {
            Source::Text(secret) => Ok(secret.clone()),
            Source::File { file, variable } => match std::fs::read_to_string(file) {
                Ok(text) => Ok(Secret::new(text.trim())),
                Err(error) => {
                    let message = format!("{variable}: {} cannot be read: {error}", file.display());
                    Err(Error::Refused { message })
                }
            },
        }
    }

    /// The realm that issues the token, if the directory is in `realm`.
    pub(super) fn home<'a>(&'a self, realm: &'a str) -> &'a str {
        match &self.who {
            Principal::Operator => realm,
            Principal::Administrator { home, .. } => home,
        }
    }

    /// The form fields of a token request.
    pub(super) fn form<'a>(&'a self, secret: &'a Secret) -> Vec<(&'static str, &'a str)> {
        let client = ("client_id", self.client_id.as_str());
        match &self.who {
            Principal::Operator | Principal::Administrator { name: None, .. } => {
                vec![("grant_type", "client_credentials"), client, ("client_secret", secret.reveal())]
            }
            Principal::Administrator { name: Some(name), .. } => {
                vec![("grant_type", "password"), client, ("username", name), ("password", secret.reveal())]
            }
        }
    }

    /// The error for refused credentials.
    pub fn refused(&self) -> Error {
        let client = &self.client_id;
        let message = match &self.who {
            Principal::Operator => format!(
                "Keycloak does not take the credentials of client {client:?}: compare {CLIENT_SECRET} or {CLIENT_SECRET_FILE} \
                 with the client's secret, and see that the client is enabled with its service account on; a realm that \
                 was never prepared has no such client: run `guestlist directory setup`"
            ),
            Principal::Administrator { name: None, home } => format!(
                "Keycloak does not take the credentials of client {client:?} in the realm {home}: compare \
                 {ADMIN_CLIENT_SECRET} or {ADMIN_CLIENT_SECRET_FILE} with the client's secret and {ADMIN_REALM} with its \
                 realm, and see that the client is enabled with its service account on"
            ),
            Principal::Administrator { name: Some(name), home } => format!(
                "Keycloak does not take the credentials of administrator {name:?}: compare {ADMIN} and {ADMIN_PASSWORD} or \
                 {ADMIN_PASSWORD_FILE} with an administrator of the realm {home}; one of another realm needs {ADMIN_REALM}; \
                 one who needs a second factor, or whose realm does not let people sign in by {client}, cannot be used here: \
                 name a client with a service account, {ADMIN_CLIENT_ID} and {ADMIN_CLIENT_SECRET_FILE}"
            ),
        };
        Error::Refused { message }
    }

    /// The message for a call that the credentials do not allow.
    pub(super) fn may_not(&self, needs: &str, realm: &str) -> String {
        let client = &self.client_id;
        let (who, home) = match &self.who {
            Principal::Operator => {
                return format!(
                    "the service account of client {client:?} may not do this; give it the role {needs} of the client \
                     realm-management in realm {realm:?}, or run `guestlist directory setup`"
                );
            }
            Principal::Administrator { name: Some(name), home } => (format!("administrator {name:?}"), home),
            Principal::Administrator { name: None, home } => {
                (format!("the service account of client {client:?}"), home)
            }
        };
        if home == MASTER {
            return format!(
                "{who} may not do this; name one of the realm {MASTER} who manages realm {realm:?} (role admin), or one of \
                 that realm itself, with {ADMIN_REALM}"
            );
        }
        format!(
            "{who} may not do this; it takes the role realm-admin of the client realm-management in realm {realm:?}"
        )
    }
}

fn refuse<T>(message: String) -> Result<T, Error> {
    Err(Error::Refused { message })
}
