//! Removing guestlist from a realm by hand, in the order of docs/keycloak/remove.md: no step gives anybody more access.

use serde_json::{Value, json};

use crate::prepared::Stage;
use crate::sign_in::{application, code, direct, person};
use crate::support::keycloak::block_on;

const BARE: &str = "bare@acme.example";
const GUARDED: &str = "guarded@acme.example";

/// A user's accounts according to the claims that an application receives. `None`: the sign-in fails.
fn holds(stage: &Stage, email: &str, otp: Option<&str>) -> Option<Value> {
    let (status, claims) = block_on(direct(&stage.realm, "portal", email, otp));
    (status == 200).then(|| claims["guestlist"]["accounts"].clone())
}

fn found(stage: &Stage, path: &str, key: &str, begins: &str) -> Vec<Value> {
    let all = stage.admin("GET", path, None);
    let ours = |one: &&Value| one[key].as_str().unwrap().starts_with(begins);
    all.as_array().unwrap().iter().filter(ours).cloned().collect()
}

fn delete(stage: &Stage, path: &str, id: &Value) {
    stage.admin("DELETE", &format!("{path}/{}", id.as_str().unwrap()), None);
}

#[test]
fn uninstall_in_documented_order_never_adds_access() {
    let stage = Stage::with_realm("taken-out");
    let before = stage.state();
    let said = stage.setup(&["--secret-file", "secret"]);
    assert!(said.ok, "{}", said.error);
    assert!(stage.operator(&["show"]).ok, "the groups are made");
    block_on(application(&stage.realm, "portal"));
    let of = |id: &str| json!({"guestlist.id": [id], "guestlist.accounts": ["instagram:manager"], "guestlist.installation": ["prod"]});
    block_on(person(&stage.realm, BARE, false, of("g-1")));
    block_on(person(&stage.realm, GUARDED, true, of("g-2")));
    let none = |what: &str| assert!(holds(&stage, BARE, None).is_none_or(|held| held.is_null()), "{what}");
    assert_eq!(holds(&stage, GUARDED, Some(&code())), Some(json!(["instagram:manager"])));
    none("before");

    delete(&stage, "/clients", &json!(stage.client("guestlist")));
    none("the client is gone");
    // The claim ends for all users at once.
    delete(&stage, "/client-scopes", &found(&stage, "/client-scopes", "name", "guestlist")[0]["id"]);
    none("the client scope is gone");
    stage.admin("DELETE", "/roles/guestlist-claims", None);
    none("the role that the client scope asked for is gone");
    assert_eq!(holds(&stage, GUARDED, None), None, "sign-in requires the factor as before");
    let flows = json!({"browserFlow": "browser", "directGrantFlow": "direct grant", "resetCredentialsFlow": "reset credentials"});
    stage.admin("PUT", "", Some(flows));
    none("the flows are as before");
    for flow in found(&stage, "/authentication/flows", "alias", "guestlist ") {
        delete(&stage, "/authentication/flows", &flow["id"]);
    }
    let users = stage.admin("GET", "/users?briefRepresentation=false&q=guestlist.installation:prod", None);
    assert_eq!(users.as_array().unwrap().len(), 2);
    for user in users.as_array().unwrap() {
        let mut without = user.clone();
        without["attributes"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("guestlist."));
        stage.admin("PUT", &format!("/users/{}", user["id"].as_str().unwrap()), Some(without));
        none("a guest is nobody's");
    }
    delete(&stage, "/groups", &found(&stage, "/groups", "name", "guestlist")[0]["id"]);
    let mut profile = stage.admin("GET", "/users/profile", None);
    let ours = |one: &Value| one["name"].as_str().unwrap().starts_with("guestlist.");
    profile["attributes"].as_array_mut().unwrap().retain(|one| !ours(one));
    stage.admin("PUT", "/users/profile", Some(profile));
    none("all is gone");
    assert_eq!(holds(&stage, BARE, None), Some(Value::Null), "the user has no requirement");

    let portal = stage.client("portal");
    stage.admin("DELETE", &format!("/clients/{portal}"), None);
    let after = stage.state();
    let roles = |state: &Value| state["roles"]["realm"].as_array().unwrap().len();
    assert_eq!(roles(&after), roles(&before));
    for part in [
        "clients",
        "clientScopes",
        "groups",
        "authenticationFlows",
        "authenticatorConfig",
        "browserFlow",
        "directGrantFlow",
        "resetCredentialsFlow",
        "profile",
        "defaultDefaultClientScopes",
    ] {
        assert_eq!(after[part], before[part], "{part}");
    }
}
