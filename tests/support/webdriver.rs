//! A real Chromium with a virtual authenticator, driven by chromedriver; only where both are installed.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::keycloak::{free_port, leashed};

/// Timeout for a page.
const PAGE_TIMEOUT: Duration = Duration::from_mins(4);
/// The name of an element's identifier in the `WebDriver` protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a security key.
pub struct Chromium {
    http: reqwest::Client,
    session: String,
    profile: tempfile::TempDir,
    driver: Child,
}

fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

impl Chromium {
    /// Starts a browser. `None`: it is not installed.
    pub async fn start() -> Option<Self> {
        let browser = installed(&["chromium", "chromium-browser", "google-chrome"])?;
        let driver = installed(&["chromedriver"])?;
        Some(Self::start_with(&browser, &driver).await)
    }

    async fn start_with(browser: &Path, driver: &Path) -> Self {
        let port = free_port();
        let mut command = leashed(driver);
        command.args([format!("--port={port}"), "--allowed-ips=127.0.0.1".to_owned(), "--silent".to_owned()]);
        let driver = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let http = reqwest::Client::new();
        let base = format!("http://127.0.0.1:{port}");
        let began = Instant::now();
        while http.get(format!("{base}/status")).send().await.is_err() {
            assert!(began.elapsed() < PAGE_TIMEOUT, "chromedriver did not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let profile = tempfile::tempdir().unwrap();
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "webauthn:virtualAuthenticators": true,
            "goog:chromeOptions": {"args": args, "binary": browser},
        }}});
        let answer: Value =
            http.post(format!("{base}/session")).json(&wanted).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        let chromium = Self { session: format!("{base}/session/{id}"), http, profile, driver };
        let key = json!({"protocol": "ctap2", "transport": "usb", "hasResidentKey": false, "hasUserVerification": true,
                         "isUserConsenting": true, "isUserVerified": true});
        chromium.post("/webauthn/authenticator", key).await.unwrap();
        chromium
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        let answer = self.http.post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        self.value(answer).await
    }

    async fn value(&self, answer: reqwest::Response) -> Result<Value, String> {
        let ok = answer.status().is_success();
        let answer: Value = answer.json().await.unwrap();
        if ok { Ok(answer["value"].clone()) } else { Err(answer["value"]["message"].to_string()) }
    }

    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await.unwrap();
    }

    /// The current address.
    pub async fn url(&self) -> String {
        let answer = self.http.get(format!("{}/url", self.session)).send().await.unwrap();
        self.value(answer).await.unwrap_or_default().as_str().unwrap_or_default().to_owned()
    }

    /// Acts on an element as soon as it exists, because the page may still change.
    async fn with_element(&self, css: &str, action: &str, body: Value) {
        let began = Instant::now();
        loop {
            let done = async {
                let found = self.post("/element", json!({"using": "css selector", "value": css})).await?;
                let id = found[ELEMENT].as_str().unwrap_or_default();
                self.post(&format!("/element/{id}/{action}"), body.clone()).await
            };
            let Err(why) = done.await else { return };
            assert!(began.elapsed() < PAGE_TIMEOUT, "{css} {action} at {}: {why}", self.url().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn enter(&self, css: &str, text: &str) {
        self.with_element(css, "value", json!({"text": text})).await;
    }

    pub async fn click(&self, css: &str) {
        self.with_element(css, "click", json!({})).await;
    }

    /// Answers the page's prompt.
    pub async fn answer(&self, text: &str) {
        let began = Instant::now();
        while self.post("/alert/text", json!({"text": text})).await.is_err() {
            assert!(began.elapsed() < PAGE_TIMEOUT, "nothing is asked at {}", self.url().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.post("/alert/accept", json!({})).await.unwrap();
    }

    /// Waits until the browser is redirected to an address with this prefix.
    pub async fn arrives(&self, start: &str) -> String {
        let began = Instant::now();
        loop {
            let url = self.url().await;
            if url.starts_with(start) {
                return url;
            }
            assert!(began.elapsed() < PAGE_TIMEOUT, "it is at {url}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends the browser, then its driver.
    pub async fn quit(mut self) {
        drop(self.http.delete(&self.session).send().await);
        drop(self.driver.stdin.take());
        drop(self.driver.wait());
        drop(self.profile);
    }
}
