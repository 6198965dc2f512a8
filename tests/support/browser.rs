//! A browser with the features that Keycloak's pages need, and an application that people sign in to. It stores cookies
//! itself: Keycloak's are Secure, and a cookie jar does not send those to a loopback server without TLS.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, Url};
use serde_json::Value;

use super::mail::unescape;

/// The application's address. Nothing listens there: the browser stops before this redirect.
const APPLICATION: &str = "http://127.0.0.1:9/signed-in";
/// More redirects than any page makes.
const REDIRECTS: usize = 12;

/// One browser of one person.
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
    url: Url,
    pub status: u16,
    /// The page that is shown.
    pub page: String,
    /// The application's URL with its parameters, once the server redirects there.
    pub landed: Option<Url>,
}

impl Browser {
    pub fn new() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = Url::parse(APPLICATION).unwrap();
        Self { http, cookies: BTreeMap::new(), url, status: 0, page: String::new(), landed: None }
    }

    /// Opens a link.
    pub async fn open(&mut self, link: &str) {
        let url = self.url.join(link).unwrap();
        self.go(Method::GET, url, &[]).await;
    }

    /// Follows the page's link with this text.
    pub async fn follow(&mut self, words: &str) {
        let links = self.page.split("<a ").skip(1);
        let link = links
            .filter_map(|link| link.split_once('>'))
            .find(|(_, text)| text.split("</a>").next().is_some_and(|text| text.contains(words)));
        let (tag, _) = link.unwrap_or_else(|| panic!("no link {words:?} on: {}", self.words()));
        self.open(&attribute(tag, "href").unwrap()).await;
    }

    /// Fills in the page's form and submits it.
    pub async fn submit(&mut self, fields: &[(&str, &str)]) {
        let (action, mut form) = self.form();
        for (name, value) in fields {
            assert!(form.contains_key(*name), "no field {name:?} on: {}", self.words());
            form.insert((*name).to_owned(), (*value).to_owned());
        }
        let url = self.url.join(&action).unwrap();
        self.go(Method::POST, url, &form.into_iter().collect::<Vec<_>>()).await;
    }

    /// Submits the form with this button.
    pub async fn press(&mut self, button: &str) {
        let (action, mut form) = self.form_with(&format!("name=\"{button}\""));
        form.entry(button.to_owned()).or_default();
        let url = self.url.join(&action).unwrap();
        self.go(Method::POST, url, &form.into_iter().collect::<Vec<_>>()).await;
    }

    /// Fills in the form with this field, and submits it.
    pub async fn submit_form(&mut self, field: &str, fields: &[(&str, String)]) {
        let (action, mut form) = self.form_with(field);
        for (name, value) in fields {
            assert!(form.contains_key(*name), "no field {name:?} on: {}", self.words());
            form.insert((*name).to_owned(), value.clone());
        }
        let url = self.url.join(&action).unwrap();
        self.go(Method::POST, url, &form.into_iter().collect::<Vec<_>>()).await;
    }

    /// The page's address.
    pub fn origin(&self) -> &Url {
        &self.url
    }

    /// The challenge that the page gives to the browser's keys.
    pub fn challenge(&self) -> String {
        let rest = self.page.split("challenge").nth(1).unwrap_or_else(|| panic!("no challenge on: {}", self.words()));
        rest.split(['"', '\'']).nth(1).unwrap().to_owned()
    }

    /// Whether the page asks to register a security key.
    pub fn asks_for_new_key(&self) -> bool {
        self.asks("attestationObject")
    }

    /// Whether the page asks to use a security key.
    pub fn asks_for_key(&self) -> bool {
        self.asks("authenticatorData")
    }

    /// Whether the page has a form with this field.
    pub fn asks(&self, field: &str) -> bool {
        self.page.contains(&format!("name=\"{field}\""))
    }

    /// A preset value of the page's form.
    pub fn held(&self, field: &str) -> String {
        self.form().1.remove(field).unwrap_or_else(|| panic!("no field {field:?} on: {}", self.words()))
    }

    /// The text of the page.
    pub fn words(&self) -> String {
        let body = self.page.split("<body").nth(1).unwrap_or(&self.page);
        let texts =
            body.split('<').filter_map(|piece| piece.split_once('>')).filter(|(tag, _)| !tag.starts_with("script"));
        let words: Vec<_> = texts.flat_map(|(_, text)| text.split_whitespace()).collect();
        unescape(&words.join(" "))
    }

    /// The first form: its address and its preset values. Values of buttons are left out, except hidden ones.
    fn form(&self) -> (String, BTreeMap<String, String>) {
        self.form_with("")
    }

    /// The first form with a field.
    fn form_with(&self, field: &str) -> (String, BTreeMap<String, String>) {
        let mut forms = self.page.split("<form").skip(1);
        let form = forms.find(|form| form.split("</form>").next().is_some_and(|form| form.contains(field)));
        let form = form.unwrap_or_else(|| panic!("no form with {field:?} on: {}", self.words()));
        let (tag, rest) = form.split_once('>').unwrap();
        let inside = rest.split("</form>").next().unwrap();
        let fields = inside.split("<input").skip(1).filter_map(|input| {
            let tag = input.split_once('>')?.0;
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
        });
        (attribute(tag, "action").unwrap(), fields.collect())
    }

    async fn go(&mut self, mut method: Method, mut url: Url, form: &[(String, String)]) {
        self.landed = None;
        for _ in 0..REDIRECTS {
            if url.as_str().starts_with(APPLICATION) {
                self.landed = Some(url);
                return;
            }
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut request = self.http.request(method.clone(), url.clone()).header(COOKIE, cookies.join("; "));
            request = request.header("accept", "text/html").header("accept-language", "en");
            if method == Method::POST {
                request = request.form(form);
            }
            let answer = request.send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                self.keep(cookie.to_str().unwrap());
            }
            self.status = answer.status().as_u16();
            self.url = url.clone();
            match answer.headers().get(LOCATION) {
                Some(location) if answer.status().is_redirection() => {
                    url = url.join(location.to_str().unwrap()).unwrap();
                    method = Method::GET;
                }
                _ => {
                    self.page = answer.text().await.unwrap();
                    return;
                }
            }
        }
        panic!("redirected in circles at {url}");
    }

    fn keep(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        if value.is_empty() || cookie.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// An attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let spaced = format!(" {}", tag.replace(['\n', '\t'], " "));
    let value = spaced.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    Some(unescape(value))
}

/// The current code of a one-time password (RFC 6238: SHA-1, six digits, 30 seconds).
pub fn code(key: &str) -> String {
    code_at(key, u64::try_from(jiff::Timestamp::now().as_second()).unwrap())
}

fn code_at(key: &str, seconds: u64) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let tag = ring::hmac::sign(&key, &(seconds / 30).to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes[bytes.len() - 1] & 15);
    let word = u32::from_be_bytes(bytes[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

#[test]
fn codes_are_those_of_the_standard() {
    for (seconds, expected) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(code_at("12345678901234567890", seconds), expected);
    }
}

/// The application's tokens for a signed-in person.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    /// The claims of the token.
    pub fn claims(&self) -> Value {
        let payload = URL_SAFE_NO_PAD.decode(self.access.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }
}

/// An application of a realm, which people sign in to.
#[derive(Clone)]
pub struct Application {
    /// The realm's address.
    pub realm: String,
    /// The client's identifier.
    pub client: String,
}

impl Application {
    /// The client's redirect URI.
    pub const RETURN: &'static str = APPLICATION;

    /// The address of the sign-in page.
    pub fn door(&self) -> String {
        self.door_for("openid")
    }

    /// The address of the sign-in page, with these scopes.
    pub fn door_for(&self, scope: &str) -> String {
        let mut url = Url::parse(&format!("{}/protocol/openid-connect/auth", self.realm)).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client)
            .append_pair("response_type", "code")
            .append_pair("scope", scope)
            .append_pair("redirect_uri", APPLICATION);
        url.into()
    }

    /// The tokens for the code of a redirect.
    pub async fn exchange(&self, landed: &Url) -> Result<Tokens, String> {
        let code = landed.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
        let code = code.ok_or_else(|| landed.to_string())?;
        self.token(&[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", APPLICATION)]).await
    }

    /// Refreshed tokens, as long as the session lasts.
    pub async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, String> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]).await
    }

    /// Tokens for a password, and a code if there is one.
    pub async fn direct(&self, user: &str, password: &str, code: Option<&str>) -> Result<Tokens, String> {
        self.direct_for("openid", user, password, code).await
    }

    /// The same, with these scopes.
    pub async fn direct_for(
        &self,
        scope: &str,
        user: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<Tokens, String> {
        let mut fields = vec![("grant_type", "password"), ("username", user), ("password", password), ("scope", scope)];
        fields.extend(code.map(|code| ("totp", code)));
        self.token(&fields).await
    }

    /// Whether the server still accepts the token at its userinfo endpoint.
    pub async fn knows(&self, tokens: &Tokens) -> bool {
        let url = format!("{}/protocol/openid-connect/userinfo", self.realm);
        let answer = reqwest::Client::new().get(url).bearer_auth(&tokens.access).send().await.unwrap();
        answer.status() == 200
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Result<Tokens, String> {
        let url = format!("{}/protocol/openid-connect/token", self.realm);
        let mut form = vec![("client_id", self.client.as_str())];
        form.extend(fields);
        let answer = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let field = |name: &str| said[name].as_str().map(str::to_owned);
        match (field("access_token"), field("refresh_token")) {
            (Some(access), Some(refresh)) => Ok(Tokens { access, refresh }),
            _ => Err(format!("{status} {}", field("error_description").unwrap_or(text))),
        }
    }
}
