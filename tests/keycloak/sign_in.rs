//! Sign-in to the realm: by direct grant, and by the pages of a browser up to the page that stops the guest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::keycloak::Realm;

/// The password of all people.
pub const PASSWORD: &str = "Pa55word!x";
/// The seed of all authenticators.
pub const SEED: &str = "JBSWY3DPEHPK3PXPABCD";
/// The redirect URI of applications. Nothing listens there.
const BACK: &str = "http://127.0.0.1:1/back";

/// A public application that people sign in to.
pub async fn application(realm: &Realm<'_>, client_id: &str) {
    let body = json!({"clientId": client_id, "publicClient": true, "directAccessGrantsEnabled": true,
                      "standardFlowEnabled": true, "redirectUris": [BACK]});
    let (status, answer) = realm.admin("POST", "/clients", Some(body)).await;
    assert_eq!(status, 201, "{answer}");
}

/// A user with a password, attributes, and an authenticator if requested.
pub async fn person(realm: &Realm<'_>, email: &str, authenticator: bool, attributes: Value) {
    let mut credentials = vec![json!({"type": "password", "value": PASSWORD, "temporary": false})];
    if authenticator {
        let data = json!({"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"});
        credentials.push(json!({"type": "otp", "userLabel": "test", "credentialData": data.to_string(),
                                "secretData": json!({"value": SEED}).to_string()}));
    }
    // Applications receive the claims of users with grants.
    let groups =
        if attributes["guestlist.accounts"].is_array() { vec!["/guestlist/claims-enabled"] } else { Vec::new() };
    let body = json!({"username": email, "email": email, "enabled": true, "emailVerified": true, "firstName": "A",
                      "lastName": "B", "credentials": credentials, "attributes": attributes, "groups": groups});
    let (status, answer) = realm.admin("POST", "/users", Some(body)).await;
    assert_eq!(status, 201, "{answer}");
}

/// The current one-time password.
pub fn code() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SEED.as_bytes());
    let tag = ring::hmac::sign(&key, &(now / 30).to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Requests a token by direct grant. Returns the status, and the token's claims or the error.
pub async fn direct(realm: &Realm<'_>, client_id: &str, email: &str, otp: Option<&str>) -> (u16, Value) {
    let url = format!("{}/realms/{}/protocol/openid-connect/token", realm.server.base, realm.name);
    let mut form = vec![("grant_type", "password"), ("client_id", client_id), ("scope", "openid")];
    form.extend([("username", email), ("password", PASSWORD)]);
    form.extend(otp.map(|otp| ("totp", otp)));
    let answer = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
    match body["access_token"].as_str() {
        Some(token) => {
            let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            (status, serde_json::from_slice(&payload).unwrap())
        }
        None => (status, body),
    }
}

/// The last page of a sign-in by browser.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Redirected to the application, with a code for a token.
    SignedIn,
    /// Keycloak asks for the one-time password.
    Asked,
    /// Keycloak asks to set up an authenticator first.
    SetsUp,
    /// Another page.
    Elsewhere(String),
}

/// Signs in by browser with name and password only.
pub async fn browser(realm: &Realm<'_>, client_id: &str, email: &str) -> End {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = format!("{}/realms/{}/protocol/openid-connect/auth", realm.server.base, realm.name);
    let query = [("client_id", client_id), ("response_type", "code"), ("scope", "openid"), ("redirect_uri", BACK)];
    let mut cookies = std::collections::BTreeMap::new();
    let mut request = http.get(url).query(&query);
    // The name and the password may be asked for on two pages.
    for _ in 0..6 {
        let jar = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = request.header("cookie", jar).send().await.unwrap();
        // The cookies are Secure; browsers accept them for localhost without HTTPS.
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some(location) = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()) {
            if location.starts_with(BACK) {
                return if location.contains("code=") { End::SignedIn } else { End::Elsewhere(location) };
            }
            request = http.get(location);
            continue;
        }
        let page = answer.text().await.unwrap();
        if page.contains("name=\"totpSecret\"") {
            return End::SetsUp;
        }
        if page.contains("name=\"otp\"") {
            return End::Asked;
        }
        let action = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
        let Some(action) = action.filter(|_| page.contains("name=\"username\"") || page.contains("name=\"password\""))
        else {
            return End::Elsewhere(page);
        };
        let form = [("username", email), ("password", PASSWORD)];
        request = http.post(action.replace("&amp;", "&")).form(&form);
    }
    End::Elsewhere("asked again and again".to_owned())
}
