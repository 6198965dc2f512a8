//! A realm after `guestlist directory setup`, with a mail server and an application; a directory on it, and people with
//! browsers.

use std::sync::Arc;

use guestlist::directory::import::UserChanges;
use guestlist::directory::keycloak::{Directory, Settings};
use guestlist::directory::{
    AccountRecord, Applied, DirectoryReader as _, DirectoryWriter as _, Epoch, Error, GuestRecord, Import, Operation,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::authenticator::SecurityKey;
use crate::support::browser::{Application, Browser, Tokens, code};
use crate::support::contract::{admit, alice, email, ensure_partner, us, user};
use crate::support::keycloak::{Keycloak, Own, SECRET, multi};
use crate::support::mail::Mail;
use crate::template;

/// The password of all people.
pub const PASSWORD: &str = "Correct-horse-7";

pub struct Stage {
    pub realm: Own<'static>,
    pub directory: Directory,
    /// The operator's client secret from setup.
    pub secret: String,
    pub mail: Mail,
    pub application: Application,
}

/// Runs a scene in its own realm.
pub fn on_stage(name: &str, scene: impl AsyncFnOnce(&Stage)) {
    multi(async { scene(&Stage::open(name).await).await });
}

fn directory(address: &str, secret: &str, ahead: SignedDuration) -> Directory {
    let environment = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET").then(|| secret.to_owned());
    let clock = Arc::new(move || Timestamp::now() + ahead);
    Directory::new(Settings::read(address, environment).unwrap(), clock).unwrap()
}

impl Stage {
    async fn open(name: &str) -> Self {
        let stage = Self::vacant(name).await;
        stage.directory.claim(&us()).await.unwrap();
        let account = |name: &str| AccountRecord { name: name.to_owned(), owners: vec![alice()], deleted: false };
        let accounts = ["instagram", "tiktok", "youtube"].map(account).to_vec();
        let import = Import { users: vec![user(&alice())], accounts };
        stage.directory.import(&import, UserChanges::Add, false).await.unwrap();
        stage.done(&ensure_partner()).await;
        stage
    }

    /// A prepared realm with an application and a mail server, without an owner.
    pub async fn vacant(name: &str) -> Self {
        let mail = Mail::start();
        let realm = Keycloak::shared().own(name);
        template::create(&realm).await;
        let secret = SECRET.to_owned();
        let directory = directory(&realm.address(), &secret, SignedDuration::ZERO);
        let of = format!("{}/realms/{name}", realm.server.base);
        let application = Application { realm: of, client: "app".to_owned() };
        let stage = Self { realm, directory, secret, mail, application };
        stage.furnish().await;
        stage
    }

    /// A new directory without memory, through this address of the server.
    pub fn anew(&self, base: &str) -> Directory {
        directory(&format!("keycloak:{base}#{}", self.realm.name), &self.secret, SignedDuration::ZERO)
    }

    /// The same, with a clock ahead of Keycloak's by this duration.
    pub fn with_clock(&self, ahead: SignedDuration) -> Directory {
        directory(&self.realm.address(), &self.secret, ahead)
    }

    /// A mail server, and an application that people sign in to.
    async fn furnish(&self) {
        let settings = json!({
            // A code may be used twice, so that no test waits for the next half minute.
            "otpPolicyType": "totp", "otpPolicyAlgorithm": "HmacSHA1", "otpPolicyDigits": 6, "otpPolicyPeriod": 30,
            "otpPolicyLookAheadWindow": 1, "otpPolicyInitialCounter": 0, "otpPolicyCodeReusable": true,
            "smtpServer": {"host": "127.0.0.1", "port": self.mail.port.to_string(), "from": "workspace@host.example"},
        });
        self.admin("PUT", "", Some(settings)).await;
        let client = json!({
            "clientId": self.application.client, "publicClient": true, "standardFlowEnabled": true,
            "directAccessGrantsEnabled": true, "redirectUris": [Application::RETURN],
        });
        self.admin("POST", "/clients", Some(client)).await;
    }

    /// Sets the priority of a required action.
    pub async fn action_at(&self, alias: &str, priority: u32) {
        let path = format!("/authentication/required-actions/{alias}");
        let mut action = self.admin("GET", &path, None).await;
        action["priority"] = priority.into();
        self.admin("PUT", &path, Some(action)).await;
    }

    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.realm.admin(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// A user as an administrator sees it, or null if there is none.
    pub async fn user(&self, address: &str) -> Value {
        self.admin("GET", &format!("/users?exact=true&email={address}"), None).await[0].clone()
    }

    /// A user with a password who was in the realm before guestlist.
    pub async fn colleague(&self, address: &str) -> Value {
        let body = json!({
            "username": address, "email": address, "firstName": "Old", "lastName": "Hand", "enabled": true,
            "emailVerified": true, "credentials": [{"type": "password", "value": PASSWORD, "temporary": false}],
        });
        self.admin("POST", "/users", Some(body)).await;
        self.user(address).await
    }

    pub async fn organization(&self) -> Option<String> {
        let found = self.admin("GET", "/organizations?max=100", None).await;
        let ours = |one: &&Value| one["alias"].as_str().is_some_and(|alias| alias.starts_with("partners-acme-"));
        found.as_array().unwrap().iter().find(ours).map(|one| one["id"].as_str().unwrap().to_owned())
    }

    /// The identifier of a user's credential of a type.
    pub async fn credential(&self, address: &str, sort: &str) -> Option<String> {
        let id = self.user(address).await["id"].as_str().unwrap().to_owned();
        let held = self.admin("GET", &format!("/users/{id}/credentials"), None).await;
        let found = held.as_array().unwrap().iter().find(|one| one["type"] == sort)?;
        Some(found["id"].as_str().unwrap().to_owned())
    }

    pub async fn run(&self, operation: &Operation) -> Result<Applied, Error> {
        self.directory.execute(operation, None, Timestamp::now(), Epoch(0)).await
    }

    /// Executes an operation. Asserts that its answer matches the directory afterwards.
    pub async fn done(&self, operation: &Operation) {
        let effect = self.run(operation).await.unwrap_or_else(|fault| panic!("{operation:?}: {fault}"));
        if let Some(answered) = effect.guest {
            let read = self.directory.guest(&answered.address).await.unwrap().expect("the guest is there");
            assert_eq!(answered, read, "{operation:?} answered otherwise than the directory does");
        }
    }

    pub async fn record(&self, address: &str) -> GuestRecord {
        self.directory.guest(&email(address)).await.unwrap().expect("the guest is there")
    }

    /// Whether the directory has no record of the address.
    pub async fn has_no_record(&self, address: &str) -> bool {
        self.directory.guest(&email(address)).await.unwrap().is_none()
    }

    /// Admits a guest with an invitation of three days, and opens a browser.
    pub async fn invite<'a>(&'a self, address: &'static str) -> Person<'a> {
        self.done(&admit(&email(address), in_three_days())).await;
        self.person(address)
    }

    pub fn person<'a>(&'a self, address: &'static str) -> Person<'a> {
        Person { stage: self, address, browser: Browser::new(), key: None, security_key: None }
    }

    /// An Active guest with a one-time password.
    pub async fn active<'a>(&'a self, address: &'static str) -> Person<'a> {
        let mut person = self.invite(address).await;
        person.accepts().await;
        person.chooses_a_password().await;
        person.enrols().await;
        person
    }
}

pub fn in_three_days() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(72)
}

/// A person with a mailbox, a browser, and a phone that shows codes.
pub struct Person<'a> {
    pub stage: &'a Stage,
    pub address: &'static str,
    pub browser: Browser,
    pub key: Option<String>,
    pub security_key: Option<SecurityKey>,
}

impl Person<'_> {
    pub fn link(&self) -> String {
        self.stage.mail.link_for(self.address)
    }

    /// Opens the link of the newest mail and continues to the next page.
    pub async fn accepts(&mut self) {
        self.opens(&self.link()).await;
        self.browser.follow("proceed").await;
    }

    pub async fn opens(&mut self, link: &str) {
        self.browser = Browser::new();
        self.browser.open(link).await;
    }

    pub async fn chooses_a_password(&mut self) {
        self.browser.submit(&[("password-new", PASSWORD), ("password-confirm", PASSWORD)]).await;
    }

    /// Sets up a one-time password on the page that asks for it.
    pub async fn enrols(&mut self) {
        let key = self.browser.held("totpSecret");
        self.browser.submit(&[("totp", &code(&key)), ("userLabel", "telephone")]).await;
        self.key = Some(key);
    }

    /// Registers a new security key on the page that asks for it.
    pub async fn registers_a_key(&mut self) {
        let key = SecurityKey::new();
        key.registers(&mut self.browser).await;
        self.security_key = Some(key);
    }

    /// Uses the security key on the page that asks for it.
    pub async fn shows_the_key(&mut self) {
        let mut key = self.security_key.take().expect("they have a key");
        key.signs(&mut self.browser).await;
        self.security_key = Some(key);
    }

    /// Signs in with no required action left.
    pub async fn signs_in_without_actions(&mut self, stage: &Stage) -> Result<Tokens, String> {
        let id = stage.user(self.address).await["id"].as_str().unwrap().to_owned();
        stage.admin("PUT", &format!("/users/{id}"), Some(json!({"requiredActions": []}))).await;
        self.signs_in().await
    }

    /// Signs in to the application with a new browser. `Err`: the text of the page that stops the sign-in.
    pub async fn signs_in(&mut self) -> Result<Tokens, String> {
        self.signs_in_at(&self.stage.application.door()).await
    }

    /// The same, with offline tokens, which outlive the browser's session.
    pub async fn signs_in_offline(&mut self) -> Result<Tokens, String> {
        self.signs_in_at(&self.stage.application.door_for("openid offline_access")).await
    }

    /// Signs in at this address of Keycloak.
    pub async fn signs_in_at(&mut self, door: &str) -> Result<Tokens, String> {
        self.browser = Browser::new();
        self.browser.open(door).await;
        self.browser.submit(&[("username", self.address)]).await;
        if self.browser.asks("password") {
            let mut fields = vec![("password", PASSWORD)];
            fields.extend(self.browser.asks("username").then_some(("username", self.address)));
            self.browser.submit(&fields).await;
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.browser.asks("otp")) {
            self.browser.submit(&[("otp", &code(key))]).await;
        }
        if self.security_key.is_some() && self.browser.asks_for_key() {
            self.shows_the_key().await;
        }
        self.is_in().await
    }

    /// The tokens, if the sign-in reached the application.
    pub async fn is_in(&self) -> Result<Tokens, String> {
        match &self.browser.landed {
            Some(landed) => self.stage.application.exchange(landed).await,
            None => Err(self.browser.words()),
        }
    }

    /// Asserts that the session is over and its tokens no longer work.
    pub async fn is_out(&mut self, tokens: &Tokens, what: &str) {
        let application = &self.stage.application;
        assert!(!application.knows(tokens).await, "{what}: the token is still good");
        let refreshed = application.refresh(tokens).await;
        assert!(refreshed.is_err(), "{what}: the session goes on: {:?}", refreshed.map(|tokens| tokens.claims()));
        let mut browser = std::mem::replace(&mut self.browser, Browser::new());
        browser.open(&application.door()).await;
        assert!(browser.landed.is_none() && browser.asks("username"), "{what}: {}", browser.words());
    }

    /// Signs in without pages.
    pub async fn signs_in_directly(&self) -> Result<Tokens, String> {
        let code = self.key.as_deref().map(code);
        self.stage.application.direct(self.address, PASSWORD, code.as_deref()).await
    }

    pub async fn record(&self) -> GuestRecord {
        self.stage.record(self.address).await
    }
}

/// The accounts in a token, in order. `None`: no claim about accounts.
pub fn accounts(tokens: &Tokens) -> Option<Vec<String>> {
    let claims = tokens.claims();
    let told = claims["guestlist"]["accounts"].as_array()?;
    let mut told: Vec<_> = told.iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    told.sort();
    Some(told)
}

/// Asserts that a token holds exactly these accounts.
#[track_caller]
pub fn holds(tokens: &Tokens, expected: &[&str]) {
    let told = accounts(tokens).unwrap_or_default();
    assert_eq!(told, expected, "in the token");
}
