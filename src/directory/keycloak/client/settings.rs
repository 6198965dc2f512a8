//! The settings of the client: the server's address, the credentials, and the rate limit.

use std::time::Duration;

use reqwest::Url;

use super::super::super::{Error, scheme};
use super::credentials::{CLIENT_ID, Credentials, MASTER};

/// The default maximum of calls per second.
const CALLS_PER_SECOND: u32 = 1000;

/// The environment variables.
pub(super) const CA_FILE: &str = "GUESTLIST_KEYCLOAK_CA_FILE";
const RATE: &str = "GUESTLIST_KEYCLOAK_CALLS_PER_SECOND";

/// The settings of a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's address, with its relative path if it has one.
    pub base: Url,
    /// The realm's name.
    pub realm: String,
    /// guestlist's credentials.
    pub login: Credentials,
    /// Trusted certificate authorities besides the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// The maximum of calls per second.
    pub calls_per_second: u32,
}

impl Settings {
    /// Parses `keycloak:URL#REALM`, and reads the other settings from `environment`, for the service account.
    ///
    /// # Errors
    ///
    /// The address has another form, or a credential is missing or cannot be read.
    pub fn read(address: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let place = place(address)?;
        let login = Credentials::operator(client_id(&environment), &environment)?;
        Self::with(place, environment, login)
    }

    /// The same for an administrator, either of the server (realm `master`) or of the realm itself.
    ///
    /// # Errors
    ///
    /// The address has another form, or a credential is missing or cannot be read.
    pub fn administrator(address: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let place = place(address)?;
        let login = Credentials::administrator(&place.1, &environment)?;
        Self::with(place, environment, login)
    }

    fn with(
        (base, realm): (Url, String),
        environment: impl Fn(&str) -> Option<String>,
        login: Credentials,
    ) -> Result<Self, Error> {
        let refuse = |message: String| Err(Error::Refused { message });
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

    /// The HTTP client.
    ///
    /// # Errors
    ///
    /// The certificates cannot be read.
    pub fn http(&self) -> Result<reqwest::Client, Error> {
        // An error means that a provider is installed already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("guestlist/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &self.authorities {
            let bad =
                |why: &str| Error::Refused { message: format!("{CA_FILE}: {why}: certificates in PEM belong there") };
            let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| bad(&error.to_string()))?;
            if found.is_empty() {
                return Err(bad("no certificate is in it"));
            }
            builder = builder.tls_certs_merge(found);
        }
        builder.build().map_err(|error| Error::Refused { message: format!("failed to set up the client: {error}") })
    }

    /// The message for a missing realm.
    pub(super) fn no_realm(&self) -> String {
        format!("Keycloak has no realm {:?}: the realm stands behind # in --directory keycloak:URL#REALM", self.realm)
    }

    /// The message if the realm of the credentials is missing.
    pub(super) fn no_home(&self) -> String {
        if self.login.home(&self.realm) == MASTER {
            return format!("no Keycloak is at this URL: it has no realm {MASTER}; is a path missing, such as /auth?");
        }
        self.no_realm()
    }
}

/// The client identifier of the operator's service account.
pub fn client_id(environment: impl Fn(&str) -> Option<String>) -> String {
    environment(CLIENT_ID).filter(|id| !id.is_empty()).unwrap_or_else(|| "guestlist".to_owned())
}

/// Parses `keycloak:URL#REALM` into the server's address and the realm.
fn place(address: &str) -> Result<(Url, String), Error> {
    let refuse = |why: &str| Error::Refused {
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
    // The URL was copied from a browser, or is an issuer.
    let path: Vec<&str> = base.path_segments().into_iter().flatten().collect();
    let page = path.windows(2).any(|two| two[0] == "realms" && !two[1].is_empty())
        || path.windows(3).any(|three| three[0] == "admin" && three[2] == "console");
    if page || realm.contains('/') {
        return Err(refuse("that is a page of Keycloak's: the server's URL ends before /admin and /realms"));
    }
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
    use crate::directory::keycloak::client::credentials::{
        ADMIN, ADMIN_PASSWORD, ADMIN_PASSWORD_FILE, CLIENT_SECRET, CLIENT_SECRET_FILE,
    };

    fn secret(name: &str) -> Option<String> {
        (name == CLIENT_SECRET).then(|| "hunter2".to_owned())
    }

    #[test]
    fn an_address_names_server_and_realm() {
        let settings = Settings::read("keycloak:https://id.host.example/auth#workspace", secret).unwrap();
        assert_eq!((settings.base.as_str(), settings.realm.as_str()), ("https://id.host.example/auth", "workspace"));
        assert_eq!(settings.login.client_id, "guestlist");
        for path in ["admin", "admin/keycloak", "realms/"] {
            assert!(Settings::read(&format!("keycloak:https://id.host.example/{path}#workspace"), secret).is_ok());
        }
    }

    #[test]
    fn invalid_directory_url_is_refused_without_repeating_secrets() {
        for (address, why) in [
            ("keycloak:https://id.host.example", "no realm"),
            ("keycloak:https://id.host.example#", "no realm"),
            ("keycloak:hunter2#workspace", "does not read"),
            ("keycloak:https://admin:hunter2@id.host.example#workspace", "a user or a password"),
            ("keycloak:http://id.host.example#workspace", "in the clear"),
            ("keycloak:ftp://id.host.example#workspace", "https belongs here"),
            ("keycloak:https://id.host.example/admin/master/console/#/workspace", "ends before /admin"),
            ("keycloak:https://id.host.example/#/workspace/users", "ends before /admin"),
            ("keycloak:https://id.host.example/auth/realms/workspace#workspace", "ends before /admin and /realms"),
        ] {
            let Err(Error::Refused { message }) = Settings::read(address, secret) else { unreachable!("{address}") };
            assert!(message.contains(why) && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_secret_never_shows() {
        let settings = Settings::read("keycloak:http://127.0.0.1:8080#workspace", secret).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.login.secret().unwrap().reveal(), "hunter2");
        let Err(Error::Refused { message }) = Settings::read("keycloak:http://localhost#w", |_| None) else {
            unreachable!("without a secret")
        };
        assert!(message.contains(CLIENT_SECRET_FILE), "{message}");
    }

    #[test]
    fn secret_of_a_file_is_its_text_without_the_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let from = |name: &str| (name == CLIENT_SECRET_FILE).then(|| path.clone());
        let settings = Settings::read("keycloak:http://localhost#w", from).unwrap();
        assert_eq!(settings.login.secret().unwrap().reveal(), "hunter2");
        // After a rotation, the next token uses the new secret.
        std::fs::write(file.path(), "hunter4").unwrap();
        assert_eq!(settings.login.secret().unwrap().reveal(), "hunter4");
    }

    #[test]
    fn empty_secret_is_none() {
        let empty = |name: &str| (name == CLIENT_SECRET).then(String::new);
        let Err(Error::Refused { message }) = Settings::read("keycloak:http://localhost#w", empty) else {
            unreachable!("an empty secret")
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
        // The client's secret never serves as the administrator's password, nor the reverse.
        let Err(Error::Refused { message }) =
            Settings::administrator("keycloak:http://localhost#w", super::tests::secret)
        else {
            unreachable!("with a client's secret only")
        };
        assert!(message.contains(ADMIN_PASSWORD_FILE), "{message}");
        assert!(Settings::read("keycloak:http://localhost#w", environment).is_err());
    }
}
