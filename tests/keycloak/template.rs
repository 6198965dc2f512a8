//! Realms as `guestlist directory setup` leaves them. The first test sets its realm up; every other one gets a copy by
//! one request, because setup costs the server seconds.

use guestlist::directory::keycloak::Settings;
use guestlist::directory::keycloak::setup::{SetupOptions, bootstrap};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::prepared::{Stage, sorted};
use crate::support::keycloak::{ADMIN, Realm, SECRET, block_on, thrifty};

/// The name of the realm in the template.
const NAME: &str = "name-of-the-realm";

/// Creates the realm. The client's secret is [`SECRET`].
pub async fn create(realm: &Realm<'_>) {
    static TEMPLATE: OnceCell<Value> = OnceCell::const_new();
    let mut is_first = false;
    let template = TEMPLATE
        .get_or_init(|| async {
            is_first = true;
            set_up(realm).await;
            exported(realm).await
        })
        .await;
    if !is_first {
        let copy = template.to_string().replace(NAME, &realm.name);
        post(realm, serde_json::from_str(&copy).unwrap()).await;
    }
}

async fn post(realm: &Realm<'_>, body: Value) {
    let (status, answer) = realm.server.admin("POST", "", Some(body)).await;
    assert_eq!(status, 201, "{answer}");
}

/// Creates the realm, and sets it up for a client with the secret of the tests.
pub async fn set_up(realm: &Realm<'_>) {
    post(realm, thrifty(json!({"realm": realm.name, "enabled": true}))).await;
    let administrator = |name: &str| (name == "GUESTLIST_KEYCLOAK_ADMIN_PASSWORD").then(|| ADMIN.to_owned());
    let settings = Settings::administrator(&realm.address(), administrator).unwrap();
    let wanted = SetupOptions { client_id: "guestlist".to_owned(), ..SetupOptions::default() };
    bootstrap(settings, &wanted, &mut |_, _| {}).await.unwrap().expect("a secret was made");
    let id = of_client(realm).await;
    let path = format!("/clients/{id}");
    let mut client = realm.admin("GET", &path, None).await.1;
    client["secret"] = SECRET.into();
    assert_eq!(realm.admin("PUT", &path, Some(client)).await.0, 204);
}

async fn of_client(realm: &Realm<'_>) -> String {
    let found = realm.admin("GET", "/clients?clientId=guestlist", None).await.1;
    found[0]["id"].as_str().expect("the client is there").to_owned()
}

/// The realm as it can be imported under another name: without identifiers, with the secret and the service account's
/// user, which an export leaves out.
async fn exported(realm: &Realm<'_>) -> Value {
    let path = "/partial-export?exportClients=true&exportGroupsAndRoles=true";
    let (status, mut template) = realm.admin("POST", path, None).await;
    assert_eq!(status, 200, "{template}");
    let clients = template["clients"].as_array_mut().unwrap();
    let ours = clients.iter_mut().find(|client| client["clientId"] == "guestlist").unwrap();
    ours["secret"] = SECRET.into();
    let id = of_client(realm).await;
    let user = realm.admin("GET", &format!("/clients/{id}/service-account-user"), None).await.1;
    let roles = format!("/users/{}/role-mappings", user["id"].as_str().unwrap());
    let roles = realm.admin("GET", &roles, None).await.1;
    let names =
        |roles: &Value| roles.as_array().into_iter().flatten().map(|role| role["name"].clone()).collect::<Vec<_>>();
    let of_clients = roles["clientMappings"].as_object().unwrap();
    let client_roles: serde_json::Map<_, _> =
        of_clients.iter().map(|(client, held)| (client.clone(), names(&held["mappings"]).into())).collect();
    template["users"] = json!([{
        "username": user["username"], "serviceAccountClientId": "guestlist", "enabled": true,
        "realmRoles": names(&roles["realmMappings"]), "clientRoles": client_roles,
    }]);
    without(&mut template, &IDENTIFIERS);
    let text = template.to_string();
    let text = text.replace(&format!("/{}/", realm.name), &format!("/{NAME}/"));
    let text = text.replace(&format!("default-roles-{}", realm.name), &format!("default-roles-{NAME}"));
    let mut template: Value = serde_json::from_str(&text).unwrap();
    template["realm"] = NAME.into();
    template
}

const IDENTIFIERS: [&str; 2] = ["id", "containerId"];

/// Removes fields on all levels.
fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, names)),
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|field| without(field, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fields that an import adds: times, parents, secrets of unused clients, and defaults that are absent otherwise.
const ADDED: [&str; 11] = [
    "client.secret.creation.time",
    "clientOfflineSessionIdleTimeout",
    "clientOfflineSessionMaxLifespan",
    "clientSessionIdleTimeout",
    "clientSessionMaxLifespan",
    "createdTimestamp",
    "parentId",
    "post.logout.redirect.uris",
    "scimApiEnabled",
    "secret",
    "userinfo.token.claim",
];

/// Everything in the realm, without identifiers and in one order.
fn content(stage: &Stage) -> Value {
    let mut content = stage.state();
    content["users"] = block_on(exported(&stage.realm))["users"].take();
    without(&mut content, &[&IDENTIFIERS[..], &ADDED].concat());
    sorted(&mut content);
    content
}

#[test]
fn copied_realm_equals_the_realm_that_setup_made() {
    let name = "template";
    let stage = Stage::empty(name);
    block_on(set_up(&stage.realm));
    let (original, template) = (content(&stage), block_on(exported(&stage.realm)));
    stage.admin("DELETE", "", None);
    block_on(post(&stage.realm, serde_json::from_str(&template.to_string().replace(NAME, name)).unwrap()));
    let copy = content(&stage);
    for (part, held) in original.as_object().unwrap() {
        let items = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let (held, copied) = (items(held), items(&copy[part]));
        let lost: Vec<_> = held.iter().filter(|item| !copied.contains(item)).collect();
        let new: Vec<_> = copied.iter().filter(|item| !held.contains(item)).collect();
        assert!(lost.is_empty() && new.is_empty(), "{part}: {lost:#?} {new:#?}");
    }
    assert_eq!(original, copy);
}
