//! A realm that others configured before guestlist: objects with guestlist's names stay unchanged, and obstacles for
//! guests are reported.

use serde_json::{Value, json};

use crate::prepared::Stage;
use crate::sign_in::application;
use crate::support::keycloak::{ADMIN, block_on};

#[test]
fn foreign_client_or_scope_named_guestlist_is_unchanged() {
    let stage = Stage::with_realm("beside-names");
    block_on(application(&stage.realm, "guestlist"));
    let before = stage.state();
    for dry in [&["--dry-run"][..], &[]] {
        let said = stage.setup(dry);
        assert!(!said.ok && said.out.is_empty(), "{}", said.out);
        for word in ["not guestlist's", "GUESTLIST_KEYCLOAK_CLIENT_ID"] {
            assert!(said.error.contains(word), "{}", said.error);
        }
    }
    // A client without any flow that serves another purpose.
    let other = json!({"clientId": "robot", "serviceAccountsEnabled": true, "publicClient": false,
                       "standardFlowEnabled": false, "directAccessGrantsEnabled": false});
    stage.admin("POST", "/clients", Some(other));
    let robot = ("GUESTLIST_KEYCLOAK_CLIENT_ID", "robot");
    let account = format!("/clients/{}/service-account-user", stage.client("robot"));
    let account = stage.admin("GET", &account, None)["id"].as_str().unwrap().to_owned();
    let roles = format!("/users/{account}/role-mappings/clients/{}", stage.client("realm-management"));
    stage.admin("POST", &roles, Some(stage.role("manage-clients")));
    let bootstrap = |client| stage.run(&["setup"], &[("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN), client]);
    let said = bootstrap(robot);
    assert!(!said.ok && said.error.contains("other roles"), "{}", said.error);
    assert_eq!(stage.admin("GET", &roles, None)[0]["name"], "manage-clients");
    // A client scope of another tool.
    let mapper = json!({"name": "party", "protocol": "openid-connect", "protocolMapper": "oidc-hardcoded-claim-mapper",
                        "config": {"claim.name": "party", "claim.value": "yes", "access.token.claim": "true"}});
    let scope = json!({"name": "guestlist", "protocol": "openid-connect", "protocolMappers": [mapper]});
    stage.admin("POST", "/client-scopes", Some(scope));
    let own = ("GUESTLIST_KEYCLOAK_CLIENT_ID", "guestlist-operator");
    let said = bootstrap(own);
    assert!(!said.ok && said.out.is_empty() && said.error.contains("rename it"), "{}", said.error);
    let scopes = stage.admin("GET", "/client-scopes", None);
    let scope = scopes.as_array().unwrap().iter().find(|scope| scope["name"] == "guestlist").unwrap();
    assert_eq!(scope["protocolMappers"].as_array().unwrap().len(), 1);
    assert_eq!(stage.admin("GET", "", None)["browserFlow"], "browser", "something was done before");

    // After that scope is renamed, setup creates everything beside the others.
    let id = scope["id"].as_str().unwrap();
    let mut renamed = scope.clone();
    renamed["name"] = json!("party");
    stage.admin("PUT", &format!("/client-scopes/{id}"), Some(renamed));
    let said = bootstrap(own);
    assert!(said.ok, "{}", said.error);
    let client = |state: &Value, id: &str| {
        state["clients"].as_array().unwrap().iter().find(|client| client["clientId"] == id).unwrap().clone()
    };
    assert_eq!(client(&stage.state(), "guestlist"), client(&before, "guestlist"));
    // Setup uses a client that an administrator created for it, for example with Terraform.
    stage.admin("DELETE", &roles, Some(stage.role("manage-clients")));
    assert!(bootstrap(robot).ok);
}

#[test]
fn realm_setting_that_blocks_guests_is_reported_and_unchanged() {
    let stage = Stage::with_realm("beside-habits");
    let realm = json!({"duplicateEmailsAllowed": true, "loginWithEmailAllowed": false, "bruteForceProtected": true,
                       "permanentLockout": true, "verifyEmail": true});
    stage.admin("PUT", "", Some(realm.clone()));
    let mut profile = stage.admin("GET", "/users/profile", None);
    let department =
        json!({"name": "department", "required": {}, "permissions": {"view": ["admin"], "edit": ["admin"]}});
    profile["attributes"].as_array_mut().unwrap().push(department.clone());
    stage.admin("PUT", "/users/profile", Some(profile));
    let parent = stage.admin("GET", "", None)["id"].clone();
    let ldap = json!({
        "name": "corporate", "providerId": "ldap", "providerType": "org.keycloak.storage.UserStorageProvider",
        "parentId": parent, "config": {
            "enabled": ["false"], "editMode": ["WRITABLE"], "syncRegistrations": ["true"], "importEnabled": ["true"],
            "vendor": ["other"], "usernameLDAPAttribute": ["uid"], "rdnLDAPAttribute": ["uid"],
            "uuidLDAPAttribute": ["entryUUID"], "userObjectClasses": ["inetOrgPerson"],
            "connectionUrl": ["ldap://127.0.0.1:1"], "usersDn": ["ou=people"], "authType": ["none"], "searchScope": ["1"]}});
    stage.admin("POST", "/components", Some(ldap));
    let said = stage.setup(&[]);
    assert!(said.ok, "{}", said.error);
    for expected in ["one address", "for good after wrong passwords", "cannot sign in by address", "\"department\""] {
        let told = said.out.lines().any(|line| line.starts_with("by hand") && line.contains(expected));
        assert!(told, "{expected}\nis not in\n{}", said.out);
    }
    assert!(said.out.contains("note         the realm verifies addresses"), "{}", said.out);
    assert!(!said.out.contains("\"corporate\""), "it is switched off: {}", said.out);
    let components = "/components?type=org.keycloak.storage.UserStorageProvider";
    let mut ldap = stage.admin("GET", components, None)[0].clone();
    ldap["config"]["enabled"] = json!(["true"]);
    stage.admin("PUT", &format!("/components/{}", ldap["id"].as_str().unwrap()), Some(ldap.clone()));
    let said = stage.setup(&[]);
    assert!(said.out.contains("by hand      the user federation \"corporate\""), "{}{}", said.out, said.error);
    let after = stage.admin("GET", "", None);
    assert!(realm.as_object().unwrap().iter().all(|(name, value)| after[name] == *value), "{after}");
    let profile = stage.admin("GET", "/users/profile", None);
    let kept = profile["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "department").unwrap();
    assert_eq!(kept["required"], department["required"]);
    assert_eq!(stage.admin("GET", components, None)[0]["config"]["syncRegistrations"], json!(["true"]));
}
