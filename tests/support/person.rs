//! A guest with a mailbox, a browser, and a phone that shows codes, and the realm of a workspace that they sign in to.
#![allow(dead_code, reason = "each test file uses what it needs")]

use serde_json::{Value, json};

use super::browser::{Application, Browser, Tokens, code};
use super::mail::{Mail, unescape};

/// The application that people sign in to.
pub const PORTAL: &str = "portal";

/// The password of every guest. The realm ends with the demo.
const PASSWORD: &str = "Correct-horse-7";

/// The realm of a company before guestlist, with a mail server on loopback and the application.
pub fn workspace(realm: &str, mail: u16) -> Value {
    json!({
        "realm": realm, "enabled": true,
        "smtpServer": {"host": "127.0.0.1", "port": mail.to_string(), "from": "workspace@host.example"},
        // A code may be used twice, so that nobody waits for the next half minute.
        "otpPolicyType": "totp", "otpPolicyAlgorithm": "HmacSHA1", "otpPolicyDigits": 6, "otpPolicyPeriod": 30,
        "otpPolicyLookAheadWindow": 1, "otpPolicyInitialCounter": 0, "otpPolicyCodeReusable": true,
        "clients": [{"clientId": PORTAL, "publicClient": true, "standardFlowEnabled": true,
                     "redirectUris": [Application::RETURN]}],
    })
}

pub struct Person<'a> {
    pub address: &'static str,
    mail: &'a Mail,
    application: &'a Application,
    browser: Browser,
    key: Option<String>,
}

impl<'a> Person<'a> {
    pub fn new(address: &'static str, mail: &'a Mail, application: &'a Application) -> Self {
        Self { address, mail, application, browser: Browser::new(), key: None }
    }

    /// The content of the guest's newest mail, without its link.
    pub fn mail(&self) -> [String; 3] {
        let mail = self.mail.newest(self.address);
        let header = |name: &str| {
            let line = mail.lines().find(|line| line.starts_with(name));
            line.unwrap_or_else(|| panic!("a mail without {name}")).to_owned()
        };
        let text = unescape(&self.mail.text_for(self.address));
        let line = text.lines().find(|line| line.contains("invited")).expect("an invitation");
        let sentence = line.split(". ").next().unwrap().split("http").next().unwrap();
        [header("To: "), header("Subject: "), format!("{}.", sentence.trim().trim_end_matches('.'))]
    }

    /// Follows the link of the guest's newest mail, and chooses a password.
    pub async fn joins(&mut self) {
        let link = self.mail.link_for(self.address);
        self.browser = Browser::new();
        self.browser.open(&link).await;
        self.browser.follow("proceed").await;
        self.browser.submit(&[("password-new", PASSWORD), ("password-confirm", PASSWORD)]).await;
    }

    /// Sets up a one-time password on the page that asks for it.
    pub async fn enrols(&mut self) {
        let key = self.browser.held("totpSecret");
        self.browser.submit(&[("totp", &code(&key)), ("userLabel", "telephone")]).await;
        self.key = Some(key);
    }

    /// Signs in to the application with a new browser. `Err`: the page that refuses the sign-in.
    pub async fn signs_in(&mut self) -> Result<Tokens, String> {
        self.browser = Browser::new();
        self.browser.open(&self.application.door()).await;
        self.browser.submit(&[("username", self.address)]).await;
        if self.browser.asks("password") {
            let mut fields = vec![("password", PASSWORD)];
            fields.extend(self.browser.asks("username").then_some(("username", self.address)));
            self.browser.submit(&fields).await;
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.browser.asks("otp")) {
            self.browser.submit(&[("otp", &code(key))]).await;
        }
        match &self.browser.landed {
            Some(landed) => self.application.exchange(landed).await,
            None => Err(self.page()),
        }
    }

    /// Refreshed tokens of the current session.
    pub async fn stays(&self, tokens: &Tokens) -> Result<Tokens, String> {
        self.application.refresh(tokens).await
    }

    /// The title and the message of the current page.
    fn page(&self) -> String {
        let title = text(&self.browser.page, "id=\"kc-page-title\"", "</h1>");
        let told = text(&self.browser.page, "kc-feedback-text\"", "</span>")
            .or_else(|| text(&self.browser.page, "id=\"kc-error-message\"", "</p>"));
        let texts: Vec<_> = [title, told].into_iter().flatten().collect();
        if texts.is_empty() { self.browser.words() } else { texts.join(": ") }
    }
}

/// The text of the element that contains a mark.
fn text(page: &str, mark: &str, end: &str) -> Option<String> {
    let inside = page.split_once(mark)?.1.split_once('>')?.1.split(end).next()?;
    let texts = inside.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let words: Vec<_> = texts.flat_map(str::split_whitespace).collect();
    (!words.is_empty()).then(|| unescape(&words.join(" ")))
}

/// The accounts in a token: the claim `guestlist.accounts`, in order.
pub fn accounts(tokens: &Tokens) -> Vec<String> {
    let claims = tokens.claims();
    let told = claims["guestlist"]["accounts"].as_array().cloned().unwrap_or_default();
    let mut told: Vec<_> = told.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    told.sort();
    told
}
