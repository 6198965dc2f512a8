//! A realm before or after `guestlist directory setup`: runs commands on it, and reads its state.

use std::sync::Arc;

use assert_cmd::Command;
use guestlist::directory::keycloak::{Directory, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::keycloak::{ADMIN, Keycloak, Own, SECRET, block_on, thrifty};
use crate::template;

/// The realm, and a folder for files.
pub struct Stage {
    pub realm: Own<'static>,
    pub folder: tempfile::TempDir,
}

/// The result of a command.
pub struct Said {
    pub ok: bool,
    pub status: Option<i32>,
    pub out: String,
    pub error: String,
}

impl Said {
    /// The number of lines that start with a word.
    pub fn count(&self, word: &str) -> usize {
        self.out.lines().filter(|line| line.starts_with(&format!("{word} "))).count()
    }
}

impl Stage {
    /// A name without a realm.
    pub fn empty(name: &str) -> Self {
        Self { realm: Keycloak::shared().own(name), folder: tempfile::tempdir().unwrap() }
    }

    /// A realm with Keycloak's defaults, except for its keys.
    pub fn with_realm(name: &str) -> Self {
        let stage = Self::empty(name);
        let (status, answer) =
            block_on(stage.realm.server.admin("POST", "", Some(thrifty(json!({"realm": name, "enabled": true})))));
        assert_eq!(status, 201, "{answer}");
        stage
    }

    /// A prepared realm; the operator's secret is in the file `secret`.
    pub fn prepared(name: &str) -> Self {
        let stage = Self::empty(name);
        block_on(template::create(&stage.realm));
        std::fs::write(stage.folder.path().join("secret"), SECRET).unwrap();
        stage
    }

    pub fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = Command::cargo_bin("guestlist")
            .unwrap()
            .current_dir(self.folder.path())
            .env("GUESTLIST_DIRECTORY", self.realm.address())
            .envs(environment.iter().copied())
            .arg("directory")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            ok: output.status.success(),
            status: output.status.code(),
            out: text(output.stdout),
            error: text(output.stderr),
        }
    }

    pub fn setup(&self, args: &[&str]) -> Said {
        let args = [&["setup"], args].concat();
        self.run(&args, &[("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN)])
    }

    /// Runs a command with the operator's credentials.
    pub fn operator(&self, args: &[&str]) -> Said {
        self.run(args, &[("GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE", "secret")])
    }

    /// The operator's directory.
    pub fn directory(&self) -> Directory {
        let file = self.folder.path().join("secret").display().to_string();
        let environment = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE").then(|| file.clone());
        let settings = Settings::read(&self.realm.address(), environment).unwrap();
        Directory::new(settings, Arc::new(Timestamp::now)).unwrap()
    }

    pub fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = block_on(self.realm.admin(method, path, body));
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// All settings of the realm, sorted.
    pub fn state(&self) -> Value {
        let mut state = self.admin("POST", "/partial-export?exportClients=true&exportGroupsAndRoles=true", None);
        state["requiredActions"] = self.admin("GET", "/authentication/required-actions", None);
        state["profile"] = self.admin("GET", "/users/profile", None);
        sorted(&mut state);
        state
    }

    pub fn client(&self, client_id: &str) -> String {
        let found = self.admin("GET", &format!("/clients?clientId={client_id}"), None);
        found[0]["id"].as_str().unwrap_or_else(|| panic!("no client {client_id}")).to_owned()
    }

    /// The path of the service account's roles.
    pub fn roles(&self) -> String {
        let user = self.admin("GET", &format!("/clients/{}/service-account-user", self.client("guestlist")), None);
        let user = user["id"].as_str().unwrap();
        format!("/users/{user}/role-mappings/clients/{}", self.client("realm-management"))
    }

    pub fn role(&self, name: &str) -> Value {
        json!([self.admin("GET", &format!("/clients/{}/roles/{name}", self.client("realm-management")), None)])
    }
}

/// Sorts all arrays.
pub fn sorted(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sorted);
            items.sort_by_key(ToString::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sorted),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
