//! The accounts that can run setup: an administrator of the server, one of that realm alone, and a client. Also changes
//! by others while guestlist runs, and faults of Keycloak during setup.

use axum::http::Method;
use guestlist::directory::DirectoryReader;
use serde_json::{Value, json};

use crate::prepared::Stage;
use crate::sign_in::{PASSWORD, application, direct, person};
use crate::support::keycloak::{ADMIN, block_on};
use crate::support::proxy::{Fate, Proxy};

const NAME: (&str, &str) = ("GUESTLIST_KEYCLOAK_ADMIN", "root@host.example");
const HIS_PASSWORD: (&str, &str) = ("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", PASSWORD);
const REALM: &str = "GUESTLIST_KEYCLOAK_ADMIN_REALM";

/// Gives a user of the realm a role of its management.
fn manages(stage: &Stage, user: &str, role: &str) {
    let path = format!("/users/{user}/role-mappings/clients/{}", stage.client("realm-management"));
    stage.admin("POST", &path, Some(stage.role(role)));
}

#[test]
fn realm_administrator_sets_up_realm_and_missing_role_is_named() {
    let stage = Stage::with_realm("own-administrator");
    block_on(person(&stage.realm, NAME.1, false, json!({})));
    let found = stage.admin("GET", "/users?exact=true&username=root@host.example", None);
    let root = found[0]["id"].as_str().unwrap();
    let at_home = [NAME, HIS_PASSWORD, (REALM, "own-administrator")];

    let said = stage.run(&["setup"], &[NAME, HIS_PASSWORD]);
    assert!(!said.ok && said.error.contains(REALM), "nobody of that name is in master: {}", said.error);
    let before = stage.state();
    manages(&stage, root, "manage-users");
    let said = stage.run(&["setup"], &at_home);
    let lacks = "it takes the role realm-admin of the client realm-management in realm \"own-administrator\"";
    assert!(!said.ok && said.error.contains(lacks), "{}", said.error);
    assert_eq!(stage.state(), before, "an unauthorized caller changed something");

    manages(&stage, root, "realm-admin");
    let first = stage.run(&["setup", "--secret-file", "secret"], &at_home);
    assert!(first.ok && first.count("changed") > 10, "{}{}", first.out, first.error);
    assert!(!first.out.contains(PASSWORD));
    let before = stage.state();
    // A second run as an administrator of the server changes nothing.
    let again = stage.setup(&["--secret-file", "secret"]);
    assert_eq!(again.count("changed"), 0, "{}", again.out);
    assert_eq!(stage.state(), before);
    assert!(stage.operator(&["show"]).ok);
}

#[test]
fn client_service_account_sets_up_a_realm() {
    let stage = Stage::with_realm("client-administrator");
    let client = json!({"clientId": "platform", "secret": "a planted secret", "serviceAccountsEnabled": true,
                        "publicClient": false, "standardFlowEnabled": false});
    stage.admin("POST", "/clients", Some(client));
    let account = format!("/clients/{}/service-account-user", stage.client("platform"));
    let account = stage.admin("GET", &account, None);
    let id = ("GUESTLIST_KEYCLOAK_ADMIN_CLIENT_ID", "platform");
    let secret = ("GUESTLIST_KEYCLOAK_ADMIN_CLIENT_SECRET", "a planted secret");
    let home = (REALM, "client-administrator");

    let said = stage.run(&["setup"], &[id, secret, home]);
    assert!(!said.ok && said.error.contains("the service account of client \"platform\" may not"), "{}", said.error);
    manages(&stage, account["id"].as_str().unwrap(), "realm-admin");
    let said = stage.run(&["setup", "--secret-file", "secret"], &[id, secret, home]);
    assert!(said.ok && said.count("changed") > 10, "{}{}", said.out, said.error);
    assert!(stage.operator(&["show"]).ok);

    for (environment, expected) in [
        (vec![secret, home], "GUESTLIST_KEYCLOAK_ADMIN_CLIENT_ID is not set"),
        (vec![id, home], "no secret for client \"platform\""),
        (vec![id, secret, ("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN)], "not both"),
        (vec![id, secret], "in the realm master"),
        (vec![id, secret, (REALM, "elsewhere")], "manages that one alone"),
    ] {
        let said = stage.run(&["setup"], &environment);
        assert!(!said.ok && said.error.contains(expected), "{expected}: {}", said.error);
        assert!(said.out.is_empty() && !said.error.contains(secret.1), "{}", said.error);
    }
}

#[test]
fn realm_hiding_our_attributes_is_not_read_as_without_guests() {
    let stage = Stage::prepared("profile-undone");
    let directory = stage.directory();
    assert!(block_on(directory.guests(None)).unwrap().items.is_empty());
    let mut profile = stage.admin("GET", "/users/profile", None);
    let whole = profile.clone();
    let ours = |one: &Value| one["name"].as_str().unwrap().starts_with("guestlist.");
    profile["attributes"].as_array_mut().unwrap().retain(|one| !ours(one));
    stage.admin("PUT", "/users/profile", Some(profile));
    let fault = block_on(directory.guests(None)).unwrap_err().to_string();
    assert!(fault.contains("user profile does not know") && fault.contains("directory setup"), "{fault}");
    let said = stage.setup(&["--secret-file", "secret"]);
    assert_eq!(said.count("changed"), 1, "{}", said.out);
    assert_eq!(stage.admin("GET", "/users/profile", None)["attributes"], whole["attributes"]);
    block_on(directory.guests(None)).unwrap();
}

#[test]
fn setup_retries_failed_calls_and_the_next_run_continues() {
    let stage = Stage::with_realm("setup-fails");
    // The proxy serves as long as its threads live.
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let proxy = threads.block_on(Proxy::start(&stage.realm.server.base));
    let address = format!("keycloak:{}#{}", proxy.base, stage.realm.name);
    let run = || {
        let environment = [("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN), ("GUESTLIST_DIRECTORY", address.as_str())];
        stage.run(&["setup", "--secret-file", "secret"], &environment)
    };
    let is_write = |method: &Method, path: &str| method != "GET" && !path.ends_with("/token");
    // Each run fails at its seventeenth write and all writes after it.
    let mut runs = 0;
    loop {
        let mut writes = 0;
        proxy.rules(move |method, path| {
            writes += usize::from(is_write(method, path));
            if is_write(method, path) && writes > 16 { Fate::Refused(500) } else { Fate::Passes }
        });
        let said = run();
        if said.ok {
            break;
        }
        assert!(said.error.contains("Keycloak answered 500"), "{}", said.error);
        let realm = stage.admin("GET", "", None);
        let clients = stage.admin("GET", "/clients?clientId=guestlist", None);
        let guarded = ["browserFlow", "directGrantFlow", "resetCredentialsFlow"]
            .iter()
            .all(|flow| realm[flow].as_str().unwrap().starts_with("guestlist "));
        assert!(guarded || clients == json!([]), "the operator was let in before anything guards");
        runs += 1;
        assert!(runs < 40, "it does not come to an end: {}{}", said.out, said.error);
    }
    assert!(runs > 5, "so few writes make no test: {runs}");
    proxy.rules(|_, _| Fate::Passes);
    assert_eq!(run().count("changed"), 0);
    assert!(stage.operator(&["show"]).ok);
    block_on(application(&stage.realm, "portal"));
    block_on(person(&stage.realm, "bare@acme.example", false, json!({"guestlist.id": ["g-1"]})));
    assert_eq!(block_on(direct(&stage.realm, "portal", "bare@acme.example", None)).0, 401);

    // Every second call fails once, without a visible effect.
    let done = stage.state();
    stage.admin("PUT", "", Some(json!({"browserFlow": "browser", "organizationsEnabled": false})));
    let mut calls = 0;
    proxy.rules(move |_, path| {
        calls += usize::from(!path.ends_with("/token"));
        if calls % 2 == 0 && !path.ends_with("/token") { Fate::Refused(500) } else { Fate::Passes }
    });
    let said = run();
    // Setup also adds the guest that this test created to the group whose claims applications receive.
    assert_eq!((said.ok, said.count("changed")), (true, 3), "{}{}", said.out, said.error);
    assert_eq!(stage.state(), done);
}
