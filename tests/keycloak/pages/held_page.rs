//! A page of Keycloak that a person holds open after the MFA step, while the guest's factor is reset or their login ends.
//! These tests show the limit that docs/keycloak/sessions.md describes. If one fails, Keycloak has changed: correct the docs.

use std::time::{Duration, Instant};

use guestlist::directory::{GuestChange, Operation};
use guestlist::domain::ShareRole;
use jiff::Timestamp;
use serde_json::json;

use super::harness::{PASSWORD, Person, Stage, holds, in_three_days, on_stage};
use crate::support::browser::{Application, Browser, code};
use crate::support::contract::{admit, email, give, grant, guest};

const BOB: &str = "bob@acme.example";

/// A page that follows the MFA step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Page {
    Password,
    Authenticator,
    Consent,
}

const PAGES: [Page; 3] = [Page::Password, Page::Authenticator, Page::Consent];

/// A page that a person holds open in a browser of their own.
struct HeldPage {
    page: Page,
    browser: Browser,
    application: Application,
}

impl HeldPage {
    /// Signs in with the factor of a person, and stops at the page.
    async fn open(person: &mut Person<'_>, page: Page) -> Self {
        let mut application = person.stage.application.clone();
        let door = match page {
            Page::Password => format!("{}&kc_action=UPDATE_PASSWORD", application.door()),
            Page::Authenticator => format!("{}&kc_action=CONFIGURE_TOTP", application.door()),
            Page::Consent => {
                CONSENT.clone_into(&mut application.client);
                application.door()
            }
        };
        person.signs_in_at(&door).await.expect_err("a page comes first");
        let held = Self { page, browser: std::mem::replace(&mut person.browser, Browser::new()), application };
        assert!(held.is_shown(), "{page:?}: {}", held.browser.words());
        held
    }

    fn is_shown(&self) -> bool {
        self.browser.asks(match self.page {
            Page::Password => "password-new",
            Page::Authenticator => "totpSecret",
            Page::Consent => "accept",
        })
    }

    async fn submit(&mut self) {
        match self.page {
            Page::Password => {
                self.browser.submit(&[("password-new", PASSWORD), ("password-confirm", PASSWORD)]).await;
            }
            Page::Authenticator => {
                let key = self.browser.held("totpSecret");
                self.browser.submit(&[("totp", &code(&key)), ("userLabel", "another")]).await;
            }
            Page::Consent => self.browser.press("accept").await,
        }
    }

    /// Whether submitting the page signs the person in with the guest's accounts.
    async fn signs_in(&mut self) -> bool {
        self.submit().await;
        let Some(landed) = &self.browser.landed else { return false };
        holds(&self.application.exchange(landed).await.unwrap(), &["instagram:manager"]);
        true
    }
}

/// A client that asks each person for consent.
const CONSENT: &str = "consent";

async fn prepare(stage: &Stage) -> Person<'_> {
    let client = json!({
        "clientId": CONSENT, "publicClient": true, "standardFlowEnabled": true, "consentRequired": true,
        "redirectUris": [Application::RETURN],
    });
    stage.admin("POST", "/clients", Some(client)).await;
    let bob = stage.active(BOB).await;
    regrant(stage).await;
    bob
}

async fn regrant(stage: &Stage) {
    stage.done(&give("bob", vec![grant("instagram", ShareRole::Manager)])).await;
}

async fn withhold(stage: &Stage) {
    stage
        .done(&Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        })
        .await;
}

/// The one-time passwords of the guest.
async fn authenticators(stage: &Stage) -> Vec<String> {
    let path = format!("/users/{}/credentials", stage.user(BOB).await["id"].as_str().unwrap());
    let held = stage.admin("GET", &path, None).await;
    let otp = held.as_array().unwrap().iter().filter(|one| one["type"] == "otp");
    otp.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Holds each page, runs `ends` and `restores`, and submits the pages.
async fn outlives(
    bob: &mut Person<'_>,
    what: &str,
    ends: impl AsyncFnOnce(),
    restores: impl AsyncFnOnce(&mut Person<'_>),
) {
    let stage = bob.stage;
    let mut pages = Vec::new();
    for page in PAGES {
        pages.push(HeldPage::open(bob, page).await);
    }
    ends().await;
    restores(bob).await;
    regrant(stage).await;
    let before = authenticators(stage).await;
    assert_eq!(before.len(), 1, "{what}");
    for held in &mut pages {
        assert!(held.signs_in().await, "{what}, {:?}: {}", held.page, held.browser.words());
    }
    let after = authenticators(stage).await;
    let added: Vec<_> = after.iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(added.len(), 1, "{what}: the page adds a factor");
    let user = format!("/users/{}", stage.user(BOB).await["id"].as_str().unwrap());
    stage.admin("DELETE", &format!("{user}/credentials/{}", added[0]), None).await;
    stage.admin("DELETE", &format!("{user}/consents/{CONSENT}"), None).await;
}

#[test]
fn held_page_outlives_reset_suspension_and_removal() {
    on_stage("held-page", async |stage| {
        let mut bob = prepare(stage).await;
        let reset = async || {
            let enrolled_before = Timestamp::now();
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before } }).await;
        };
        outlives(&mut bob, "reset", reset, async |bob| {
            bob.signs_in().await.expect_err("the factor is gone");
            bob.enrols().await;
            bob.is_in().await.expect("a new factor");
        })
        .await;

        let suspended = async || {
            withhold(stage).await;
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }).await;
        };
        outlives(&mut bob, "suspended", suspended, async |_| {
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
        })
        .await;

        let removed = async || {
            withhold(stage).await;
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        };
        outlives(&mut bob, "removed", removed, async |bob| {
            stage.done(&admit(&email(BOB), in_three_days())).await;
            bob.accepts().await;
        })
        .await;
    });
}

#[test]
fn held_page_adds_factor_while_login_is_disabled() {
    on_stage("held-disabled", async |stage| {
        let mut bob = prepare(stage).await;
        let mut held = HeldPage::open(&mut bob, Page::Authenticator).await;
        withhold(stage).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }).await;
        let link = held.browser.origin().to_string();
        held.submit().await;
        assert!(held.browser.landed.is_none(), "nobody signs in while the login is disabled");
        assert_eq!(authenticators(stage).await.len(), 2);
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
        held.browser.open(&link).await;
        assert!(held.browser.landed.is_none() && !held.is_shown(), "{}", held.browser.words());
    });
}

/// The *Login action timeout* in seconds, in a realm whose page expires in the test.
const TIMEOUT: u64 = 5;

#[test]
fn wrong_submit_renews_held_page_while_login_is_disabled() {
    on_stage("held-renewed", async |stage| {
        let mut bob = prepare(stage).await;
        stage.admin("PUT", "", Some(json!({"accessCodeLifespanUserAction": 300}))).await;
        let mut held = HeldPage::open(&mut bob, Page::Password).await;
        withhold(stage).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }).await;
        let wrong = [("password-new", "one"), ("password-confirm", "another")];
        loop {
            // The page is older than the timeout, except for the submit that follows.
            tokio::time::sleep(Duration::from_secs(TIMEOUT + 1)).await;
            let renewed = Instant::now();
            held.browser.submit(&wrong).await;
            stage.admin("PUT", "", Some(json!({"accessCodeLifespanUserAction": TIMEOUT}))).await;
            held.browser.submit(&wrong).await;
            // Keycloak counts whole seconds. A slower run shows nothing: the page may have ended by the timeout.
            if renewed.elapsed() < Duration::from_secs(TIMEOUT - 1) {
                break;
            }
            stage.admin("PUT", "", Some(json!({"accessCodeLifespanUserAction": 300}))).await;
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }).await;
            held = HeldPage::open(&mut bob, Page::Password).await;
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }).await;
        }
        assert!(held.is_shown(), "{}", held.browser.words());
        tokio::time::sleep(Duration::from_secs(TIMEOUT + 1)).await;
        held.submit().await;
        assert!(!held.is_shown() && held.browser.asks("username"), "{}", held.browser.words());
    });
}

#[test]
fn held_page_ends_with_the_user() {
    on_stage("held-purged", async |stage| {
        let mut bob = prepare(stage).await;
        let mut pages = Vec::new();
        for page in PAGES {
            pages.push(HeldPage::open(&mut bob, page).await);
        }
        withhold(stage).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        let since = stage.record(BOB).await.deactivated_at.unwrap();
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Purge { since, at_most: 9 } }).await;
        stage.active(BOB).await;
        regrant(stage).await;
        for held in &mut pages {
            assert!(!held.signs_in().await, "{:?}", held.page);
        }
        assert_eq!(authenticators(stage).await.len(), 1);
    });
}
