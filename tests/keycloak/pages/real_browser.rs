//! The pages for a security key in a real browser: skipped where Chromium and chromedriver are not installed. The software
//! key of the other tests answers the same pages everywhere.

use serde_json::json;

use super::harness::{PASSWORD, on_stage};
use crate::support::browser::Application;
use crate::support::webdriver::Chromium;

const CAROL: &str = "carol@acme.example";

#[test]
fn chromium_registers_a_key_and_signs_in_with_it() {
    on_stage("chromium", async |stage| {
        let Some(chromium) = Chromium::start().await else {
            eprintln!("skipped: chromium and chromedriver are not installed");
            return;
        };
        // A browser accepts no IP address as a relying party.
        let base = stage.realm.server.base.replace("127.0.0.1", "localhost");
        stage.admin("PUT", "", Some(json!({"attributes": {"frontendUrl": base}}))).await;
        let user = json!({
            "username": CAROL, "email": CAROL, "firstName": "Carol", "lastName": "Example", "enabled": true,
            "emailVerified": true, "credentials": [{"type": "password", "value": PASSWORD, "temporary": false}],
            "attributes": {"guestlist.id": ["g-carol"], "guestlist.methods": ["WebAuthn"]},
        });
        stage.admin("POST", "/users", Some(user)).await;
        let door = stage.application.door().replace("127.0.0.1", "localhost").replacen("localhost:9", "127.0.0.1:9", 1);
        let door = door.replace("localhost%3A9", "127.0.0.1%3A9");
        let password = async || {
            chromium.open(&door).await;
            chromium.enter("#username", CAROL).await;
            chromium.click("#kc-login").await;
            chromium.enter("#password", PASSWORD).await;
            chromium.click("#kc-login").await;
        };
        password().await;
        chromium.click("#registerWebAuthn").await;
        chromium.answer("key").await;
        chromium.arrives(Application::RETURN).await;
        assert!(stage.credential(CAROL, "webauthn").await.is_some(), "the key is registered");

        let id = stage.user(CAROL).await["id"].as_str().unwrap().to_owned();
        stage.admin("POST", &format!("/users/{id}/logout"), None).await;
        password().await;
        chromium.click("#authenticateWebAuthnButton").await;
        let landed = chromium.arrives(Application::RETURN).await;
        assert!(landed.contains("code="), "{landed}");
        chromium.quit().await;
    });
}
