//! Where Keycloak is and who we are to it. Secrets come from files or the environment, never from arguments, and never show.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::super::super::{Fault, scheme};

/// How many calls a second are made at most, unless the environment says otherwise.
const CALLS_PER_SECOND: u32 = 1000;

/// The realm of the server's administrators, and the client that they sign in by.
pub const MASTER: &str = "master";
const ADMIN_CLIENT: &str = "admin-cli";

/// The variables of the environment.
const CLIENT_ID: &str = "GUESTLIST_KEYCLOAK_CLIENT_ID";
const CLIENT_SECRET: &str = "GUESTLIST_KEYCLOAK_CLIENT_SECRET";
const CLIENT_SECRET_FILE: &str = "GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE";
const CA_FILE: &str = "GUESTLIST_KEYCLOAK_CA_FILE";
const ADMIN: &str = "GUESTLIST_KEYCLOAK_ADMIN";
const ADMIN_PASSWORD: &str = "GUESTLIST_KEYCLOAK_ADMIN_PASSWORD";
const ADMIN_PASSWORD_FILE: &str = "GUESTLIST_KEYCLOAK_ADMIN_PASSWORD_FILE";
const RATE: &str = "GUESTLIST_KEYCLOAK_CALLS_PER_SECOND";

/// Something that nobody may read in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent and to nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// Who we are to Keycloak: the service account of a client, or an administrator of the server who prepares a realm for it.
#[derive(Clone, Debug)]
pub struct Login {
    /// The client that the token is made for.
    pub client_id: String,
    source: Source,
    /// The administrator's name. `None`: we are the client itself.
    administrator: Option<String>,
}

#[derive(Clone, Debug)]
enum Source {
    Text(Secret),
    /// Read anew for each token: a mounted secret may be rotated.
    File {
        file: PathBuf,
        variable: &'static str,
    },
}

impl Source {
    /// A secret that one variable holds and the other has the file of. `None`: neither is set.
    fn read(
        environment: impl Fn(&str) -> Option<String>,
        text: &'static str,
        file: &'static str,
    ) -> Result<Option<Self>, Fault> {
        match (environment(text), environment(file)) {
            (Some(secret), None) if !secret.is_empty() => Ok(Some(Self::Text(Secret::new(secret)))),
            (None, Some(path)) => Ok(Some(Self::File { file: PathBuf::from(path), variable: file })),
            (Some(_), Some(_)) => Err(Fault::Refused { message: format!("set one of {text} and {file}, not both") }),
            (Some(_) | None, None) => Ok(None),
        }
    }
}

impl Login {
    /// With a secret at hand.
    pub fn new(client_id: impl Into<String>, secret: Secret) -> Self {
        Self { client_id: client_id.into(), source: Source::Text(secret), administrator: None }
    }

    /// The secret as it is now.
    pub fn secret(&self) -> Result<Secret, Fault> {
        match &self.source {
            Source::Text(secret) => Ok(secret.clone()),
            Source::File { file, variable } => match std::fs::read_to_string(file) {
                Ok(text) => Ok(Secret::new(text.trim())),
                Err(error) => {
                    let message = format!("{variable}: {} cannot be read: {error}", file.display());
                    Err(Fault::Refused { message })
                }
            },
        }
    }

    /// The realm that we are known in, where we work in that one.
    pub(super) fn home<'a>(&self, realm: &'a str) -> &'a str {
        if self.administrator.is_some() { MASTER } else { realm }
    }

    /// What is sent for a token.
    pub(super) fn form<'a>(&'a self, secret: &'a Secret) -> Vec<(&'static str, &'a str)> {
        let client = ("client_id", self.client_id.as_str());
        match &self.administrator {
            None => vec![("grant_type", "client_credentials"), client, ("client_secret", secret.reveal())],
            Some(name) => {
                vec![("grant_type", "password"), client, ("username", name), ("password", secret.reveal())]
            }
        }
    }

    /// What is said where Keycloak does not take the credentials.
    pub fn refused(&self) -> Fault {
        let message = match &self.administrator {
            None => format!(
                "Keycloak does not take the credentials of client {:?}: compare {CLIENT_SECRET} or {CLIENT_SECRET_FILE} with \
                 the client's secret, and see that the client is enabled with its service account on",
                self.client_id
            ),
            Some(name) => format!(
                "Keycloak does not take the credentials of administrator {name:?}: compare {ADMIN} and {ADMIN_PASSWORD} or \
                 {ADMIN_PASSWORD_FILE} with an administrator of the realm {MASTER}; one who needs a second factor cannot be \
                 used here"
            ),
        };
        Fault::Refused { message }
    }

    /// What is said where a call is not allowed.
    pub(super) fn may_not(&self, needs: &str, realm: &str) -> String {
        match &self.administrator {
            None => format!(
                "the service account of client {:?} may not do this; give it the role {needs} of the client realm-management \
                 in realm {realm:?}, or run `guestlist directory bootstrap`",
                self.client_id
            ),
            Some(name) => format!(
                "administrator {name:?} may not do this; name one of the realm {MASTER} who manages realm {realm:?} (role \
                 admin) in {ADMIN}"
            ),
        }
    }
}

/// Everything that a client needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's address, with its relative path if it has one.
    pub base: Url,
    /// The realm's name.
    pub realm: String,
    /// Who we are.
    pub login: Login,
    /// Certificates of authorities that are trusted besides the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// How many calls a second are made at most.
    pub calls_per_second: u32,
}

impl Settings {
    /// Reads `keycloak:URL#REALM`, and the rest from the environment as it is told: for the service account.
    pub fn read(address: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let place = place(address)?;
        let client_id = client_id(&environment);
        let Some(source) = Source::read(&environment, CLIENT_SECRET, CLIENT_SECRET_FILE)? else {
            return Err(Fault::Refused {
                message: format!(
                    "no secret for client {client_id:?}: set {CLIENT_SECRET_FILE} (a file) or {CLIENT_SECRET}; the client's \
                     name comes from {CLIENT_ID}"
                ),
            });
        };
        Self::with(place, environment, Login { client_id, source, administrator: None })
    }

    /// The same for an administrator of the server.
    pub fn administrator(address: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let place = place(address)?;
        let name = environment(ADMIN).filter(|name| !name.is_empty()).unwrap_or_else(|| "admin".to_owned());
        let Some(source) = Source::read(&environment, ADMIN_PASSWORD, ADMIN_PASSWORD_FILE)? else {
            return Err(Fault::Refused {
                message: format!(
                    "no password for administrator {name:?}: set {ADMIN_PASSWORD_FILE} (a file) or {ADMIN_PASSWORD}; the \
                     administrator's name comes from {ADMIN}"
                ),
            });
        };
        let login = Login { client_id: ADMIN_CLIENT.to_owned(), source, administrator: Some(name) };
        Self::with(place, environment, login)
    }

    fn with(
        (base, realm): (Url, String),
        environment: impl Fn(&str) -> Option<String>,
        login: Login,
    ) -> Result<Self, Fault> {
        let refuse = |message: String| Err(Fault::Refused { message });
        let authorities = match environment(CA_FILE) {
            None => None,
            Some(file) => match std::fs::read(&file) {
                Ok(pem) => Some(pem),
                Err(error) => return refuse(format!("{CA_FILE}: {file} cannot be read: {error}")),
            },
        };
        let calls_per_second = match environment(RATE).map(|text| text.parse()) {
            None => CALLS_PER_SECOND,
            Some(Ok(rate)) if rate > 0 => rate,
            Some(_) => return refuse(format!("{RATE}: a whole number above 0 belongs here, as in {CALLS_PER_SECOND}")),
        };
        Ok(Self { base, realm, login, authorities, calls_per_second })
    }

    /// The client below.
    pub(super) fn http(&self) -> Result<reqwest::Client, Fault> {
        // An error means that it is installed already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("guestlist/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &self.authorities {
            let bad =
                |error: reqwest::Error| Fault::Refused { message: format!("{CA_FILE}: not PEM certificates: {error}") };
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(bad)?);
        }
        builder.build().map_err(|error| Fault::Refused { message: format!("failed to set up the client: {error}") })
    }

    /// What is said where the realm is not there.
    pub(super) fn no_realm(&self) -> String {
        if self.login.home(&self.realm) != self.realm {
            return format!("no Keycloak is at this URL: it has no realm {MASTER}; is a path missing, such as /auth?");
        }
        format!("Keycloak has no realm {:?}: the realm stands behind # in --directory keycloak:URL#REALM", self.realm)
    }
}

/// The client whose service account the operator is.
pub fn client_id(environment: impl Fn(&str) -> Option<String>) -> String {
    environment(CLIENT_ID).filter(|id| !id.is_empty()).unwrap_or_else(|| "guestlist".to_owned())
}

/// The server's address and the realm in `keycloak:URL#REALM`.
fn place(address: &str) -> Result<(Url, String), Fault> {
    let refuse = |why: &str| Fault::Refused {
        message: format!(
            "--directory {}: {why}; write keycloak:URL#REALM, as in keycloak:https://id.host.example#workspace",
            scheme(address)
        ),
    };
    let rest = address.strip_prefix("keycloak:").ok_or_else(|| refuse("not an address of Keycloak"))?;
    let (url, realm) = rest.split_once('#').ok_or_else(|| refuse("no realm"))?;
    if realm.is_empty() {
        return Err(refuse("no realm"));
    }
    let base = Url::parse(url).map_err(|error| refuse(&format!("the URL does not read: {error}")))?;
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse(
            "a URL with a user or a password is not taken: secrets come from the environment or from files",
        ));
    }
    let loopback = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match base.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(refuse("http is taken for this very machine only: a secret would travel in the clear")),
        _ => return Err(refuse("https belongs here")),
    }
    Ok((base, realm.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn secret(name: &str) -> Option<String> {
        (name == CLIENT_SECRET).then(|| "hunter2".to_owned())
    }

    #[test]
    fn an_address_names_server_and_realm() {
        let settings = Settings::read("keycloak:https://id.host.example/auth#workspace", secret).unwrap();
        assert_eq!((settings.base.as_str(), settings.realm.as_str()), ("https://id.host.example/auth", "workspace"));
        assert_eq!(settings.login.client_id, "guestlist");
    }

    #[test]
    fn what_does_not_read_is_refused_without_a_word_of_what_could_be_a_secret() {
        for (address, why) in [
            ("keycloak:https://id.host.example", "no realm"),
            ("keycloak:https://id.host.example#", "no realm"),
            ("keycloak:hunter2#workspace", "does not read"),
            ("keycloak:https://admin:hunter2@id.host.example#workspace", "a user or a password"),
            ("keycloak:http://id.host.example#workspace", "in the clear"),
            ("keycloak:ftp://id.host.example#workspace", "https belongs here"),
        ] {
            let Err(Fault::Refused { message }) = Settings::read(address, secret) else { unreachable!("{address}") };
            assert!(message.contains(why) && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_secret_never_shows() {
        let settings = Settings::read("keycloak:http://127.0.0.1:8080#workspace", secret).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.login.secret().unwrap().reveal(), "hunter2");
        let Err(Fault::Refused { message }) = Settings::read("keycloak:http://localhost#w", |_| None) else {
            unreachable!("without a secret")
        };
        assert!(message.contains(CLIENT_SECRET_FILE), "{message}");
    }

    #[test]
    fn an_administrator_is_another_login_than_the_service_account() {
        let environment = |name: &str| match name {
            ADMIN => Some("root".to_owned()),
            ADMIN_PASSWORD => Some("hunter2".to_owned()),
            _ => None,
        };
        let settings = Settings::administrator("keycloak:http://localhost#w", environment).unwrap();
        assert_eq!((settings.realm.as_str(), settings.login.home("w")), ("w", "master"));
        let secret = settings.login.secret().unwrap();
        let sent = settings.login.form(&secret);
        assert!(sent.contains(&("username", "root")) && sent.contains(&("password", "hunter2")), "{sent:?}");
        assert!(!format!("{settings:?}").contains("hunter2"));
        // The client's secret is not the administrator's password, and the other way round.
        let Err(Fault::Refused { message }) =
            Settings::administrator("keycloak:http://localhost#w", super::tests::secret)
        else {
            unreachable!("with a client's secret only")
        };
        assert!(message.contains(ADMIN_PASSWORD_FILE), "{message}");
        assert!(Settings::read("keycloak:http://localhost#w", environment).is_err());
    }
}
