//! The errors for an unusable realm: the problem and its fix.

use serde_json::json;

use crate::prepared::{Said, Stage};

const SECRET_FILE: (&str, &str) = ("GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE", "secret");

fn is_told(what: &str, said: &Said, words: &str) {
    assert!(!said.ok && said.error.contains(words), "{what}: {}{}", said.out, said.error);
    assert_eq!(said.error.trim().lines().count(), 1, "{what}: one sentence: {}", said.error);
    assert!(!said.error.contains("in the meantime"), "{what}: {}", said.error);
}

#[test]
fn every_realm_problem_is_reported_with_its_fix() {
    let stage = Stage::prepared("told");
    let base = &stage.realm.server.base;
    let elsewhere = |path: &str, realm: &str| {
        let address = format!("--directory=keycloak:{base}{path}#{realm}");
        stage.run(&["show", &address], &[SECRET_FILE])
    };
    is_told(
        "realm",
        &elsewhere("", "nowhere"),
        "Keycloak has no realm \"nowhere\": the realm stands behind # in --directory",
    );
    is_told(
        "path",
        &elsewhere("/auth", "told"),
        "Keycloak has nothing at this URL: see that its path is right in --directory",
    );
    is_told(
        "secret",
        &stage.run(&["show"], &[("GUESTLIST_KEYCLOAK_CLIENT_SECRET", "another secret")]),
        "Keycloak does not take the credentials of client \"guestlist\": compare GUESTLIST_KEYCLOAK_CLIENT_SECRET",
    );
    for (what, off, on, words) in [
        (
            "organizations",
            json!({"organizationsEnabled": false}),
            json!({"organizationsEnabled": true}),
            "organizations are switched off in realm \"told\": turn them on in its settings, or run `guestlist directory \
             setup`",
        ),
        ("enabled", json!({"enabled": false}), json!({"enabled": true}), "realm \"told\" is switched off in Keycloak"),
    ] {
        stage.admin("PUT", "", Some(off));
        is_told(what, &stage.operator(&["show"]), words);
        stage.admin("PUT", "", Some(on));
    }
    for role in ["manage-organizations", "manage-users"] {
        stage.admin("DELETE", &stage.roles(), Some(stage.role(role)));
        let words = format!(
            "the service account of client \"guestlist\" may not do this; give it the role {role} of the client \
             realm-management in realm \"told\", or run `guestlist directory setup`"
        );
        is_told(role, &stage.operator(&["show"]), &words);
        stage.admin("POST", &stage.roles(), Some(stage.role(role)));
    }
    assert!(stage.operator(&["show"]).ok, "as it was");
}
