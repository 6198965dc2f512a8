//! Settings of the realm that prevent the work of guests or of guestlist. An administrator made them, so setup only
//! reports the fix.

use serde_json::Value;

use super::super::super::Error;
use super::super::client::Call;
use super::admin::{Admin, endpoint, text};
use crate::directory::keycloak::users::profile;

/// The provider type of a user federation.
const STORAGE: &str = "org.keycloak.storage.UserStorageProvider";
/// The attributes of a user that are in every write.
const WRITTEN: [&str; 4] = ["username", "email", "firstName", "lastName"];

/// Reports each problem.
pub async fn claims_enabled(admin: &mut Admin<'_>) -> Result<(), Error> {
    let realm = admin.get("GET realm", &[]).await?;
    for said in of_the_realm(&realm) {
        admin.by_hand(said);
    }
    if realm["verifyEmail"] == true {
        admin.note(
            "the realm verifies addresses: Keycloak sends each guest a second mail for that, besides the invitation",
        );
    }
    let declared = admin.get("GET users/profile", &["users", "profile"]).await?;
    for why in profile::closed(&declared) {
        admin.by_hand(&format!("the user profile {why}"));
    }
    for (name, validator) in validators(&declared) {
        admin.note(&format!(
            "the user profile checks the attribute {name:?} with the validator {validator:?}: a guest whose value it refuses \
             cannot be invited, and loses that name where access is revoked"
        ));
    }
    for name in required(&declared) {
        admin.by_hand(&format!(
            "the user profile requires the attribute {name:?} of users that administrators write: no guest can be invited \
             without it; require it of users only (Realm settings, User profile, {name}, Required for)"
        ));
    }
    let call = Call::get(endpoint("GET components"), &["components"]).with("type", STORAGE);
    for storage in admin.read(call).await?.as_array().into_iter().flatten() {
        if set(&storage["config"], "syncRegistrations") && !off(&storage["config"], "enabled") {
            admin.by_hand(&format!(
                "the user federation {:?} takes in users who are made in the realm (Sync Registrations): guests would be \
                 written into it; switch that off",
                text(storage, "name")
            ));
        }
    }
    Ok(())
}

fn set(config: &Value, name: &str) -> bool {
    config[name][0] == "true"
}

fn off(config: &Value, name: &str) -> bool {
    config[name][0] == "false"
}

fn of_the_realm(realm: &Value) -> Vec<&'static str> {
    let is = |name: &str| realm[name] == true;
    let mut said = Vec::new();
    if is("duplicateEmailsAllowed") {
        said.push(
            "several users may have one address: guestlist treats an address as one person, and Keycloak sends no mail to an \
             address of two users; switch it off (Realm settings, Login, Duplicate emails)",
        );
    }
    if is("bruteForceProtected") && is("permanentLockout") {
        said.push(
            "Keycloak disables users for good after wrong passwords, so anybody can lock a guest out, and an administrator \
             has to enable the user again; use a temporary lockout instead (Realm settings, Security defenses)",
        );
    }
    if realm["loginWithEmailAllowed"] == false && !is("registrationEmailAsUsername") {
        said.push(
            "users cannot sign in by address. The username of a guest is the address, unless it has characters that \
             Keycloak refuses in usernames; switch it on (Realm settings, Login, Login with email)",
        );
    }
    said
}

/// The attributes that Keycloak requires when an administrator writes a user, besides those that are in every write.
fn required(profile: &Value) -> Vec<&str> {
    let attributes = profile["attributes"].as_array().into_iter().flatten();
    let required = attributes.filter(|attribute| {
        let Some(required) = attribute["required"].as_object() else { return false };
        let listed = |name: &str| required.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
        let of_administrators = listed("roles").is_some_and(|roles| roles.iter().any(|role| role == "admin"));
        let of_everybody = listed("roles").is_none() && listed("scopes").is_none();
        (of_administrators || of_everybody) && attribute["defaultValue"].is_null()
    });
    required.map(|attribute| text(attribute, "name")).filter(|name| !WRITTEN.contains(name)).collect()
}

/// Validators of Keycloak's default user profile on the attributes that are in every write. guestlist's values pass
/// them.
const OWN_VALIDATORS: [&str; 5] = [
    "length",
    "email",
    "username-prohibited-characters",
    "up-username-not-idn-homograph",
    "person-name-prohibited-characters",
];

/// The validators that may refuse a guest's value, on the attributes that are in every write.
fn validators(profile: &Value) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for attribute in profile["attributes"].as_array().into_iter().flatten() {
        let of = text(attribute, "name");
        let strict = |(name, config): &(&String, &Value)| is_strict(of, name, config);
        let all = attribute["validations"].as_object().into_iter().flatten();
        found.extend(all.filter(|_| WRITTEN.contains(&of)).filter(strict).map(|(name, _)| (of, name.as_str())));
    }
    found
}

fn is_strict(attribute: &str, name: &str, config: &Value) -> bool {
    // guestlist's usernames have at least three characters, and its names at least one.
    let shortest = if attribute == "username" { 3 } else { 1 };
    let number = |field: &str| {
        let value = &config[field];
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    match name {
        "length" => number("min").is_some_and(|min| min > shortest) || number("max").is_some_and(|max| max < 255),
        name => !OWN_VALIDATORS.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attribute_required_of_administrators_is_an_obstacle() {
        let attribute = |required: Value| json!({"attributes": [{"name": "department", "required": required}]});
        for (profile, stands) in [
            (attribute(json!({})), true),
            (attribute(json!({"roles": ["admin", "user"]})), true),
            (attribute(json!({"roles": ["admin"]})), true),
            (attribute(json!({"roles": ["user"]})), false),
            (attribute(json!({"scopes": ["profile"]})), false),
            (json!({"attributes": [{"name": "department"}]}), false),
            (json!({"attributes": [{"name": "department", "required": {}, "defaultValue": "none"}]}), false),
            (json!({"attributes": [{"name": "email", "required": {}}]}), false),
            (Value::Null, false),
        ] {
            assert_eq!(!required(&profile).is_empty(), stands, "{profile}");
        }
    }

    #[test]
    fn validators_that_may_refuse_a_guest_are_named() {
        let profile =
            |name: &str, validations: Value| json!({"attributes": [{"name": name, "validations": validations}]});
        let own = json!({"length": {"min": 3, "max": 255}, "username-prohibited-characters": {},
                         "up-username-not-idn-homograph": {}});
        assert!(validators(&profile("username", own)).is_empty());
        assert!(validators(&profile("firstName", json!({"length": {"max": "255"}}))).is_empty());
        assert!(validators(&profile("department", json!({"pattern": {"pattern": "x"}}))).is_empty());
        let pattern = profile("username", json!({"pattern": {"pattern": "^[a-z]+$"}}));
        assert_eq!(validators(&pattern), [("username", "pattern")]);
        for bound in [json!({"max": "12"}), json!({"min": 4, "max": 255})] {
            assert_eq!(validators(&profile("lastName", json!({"length": bound}))), [("lastName", "length")]);
        }
        assert!(validators(&Value::Null).is_empty());
    }

    #[test]
    fn new_realm_defaults_raise_no_obstacle() {
        assert!(of_the_realm(&json!({"loginWithEmailAllowed": true, "duplicateEmailsAllowed": false})).is_empty());
        assert!(of_the_realm(&Value::Null).is_empty());
    }
}
