//! The operator's account: a client with a service account, which has exactly the needed roles.

use serde_json::{Value, json};

use super::super::super::Error;
use super::super::client::{Call, Secret};
use super::super::endpoints::VIEW_REALM;
use super::SetupOptions;
use super::admin::{Admin, endpoint, text};

/// The client that owns the roles of a realm's management.
const MANAGEMENT: &str = "realm-management";
/// The roles of the operator.
const ROLES: [&str; 4] = ["manage-organizations", "manage-users", "view-events", VIEW_REALM];

/// The text in the description that identifies a client made by setup.
const CREATED_BY: &str = "created by guestlist directory setup";
/// The prefix of the roles that every user of a realm has.
const DEFAULTS: &str = "default-roles-";

/// Fails if the client was not created by guestlist: people sign in through it, or its service account has other
/// roles. Setup would turn it into the operator's client and break its present use.
pub async fn is_ours(admin: &Admin<'_>, name: &str) -> Result<(), Error> {
    let Some(client) = admin.client(name).await? else { return Ok(()) };
    if text(&client, "description").contains(CREATED_BY) {
        return Ok(());
    }
    let refuse = |why: &str| {
        let message = format!(
            "the realm has a client {name:?} that {why}: it is not guestlist's and stays as it is; name another one for the \
             operator in GUESTLIST_KEYCLOAK_CLIENT_ID; nothing was changed"
        );
        Err(Error::Refused { message })
    };
    let settings = settings();
    if settings.as_object().into_iter().flatten().any(|(key, value)| client[key] != *value) {
        return refuse("is not a confidential one with a service account and no flow");
    }
    let path = ["clients", text(&client, "id"), "service-account-user"];
    let user = admin.get("GET clients/{id}/service-account-user", &path).await?;
    let has = admin.get("GET users/{id}/role-mappings", &["users", text(&user, "id"), "role-mappings"]).await?;
    let realm = has["realmMappings"].as_array().into_iter().flatten();
    let of = |mapping: &Value| mapping["mappings"].as_array().cloned().unwrap_or_default();
    let mut others = has["clientMappings"].as_object().into_iter().flatten().flat_map(|(client, mapping)| {
        let ours = client == MANAGEMENT;
        of(mapping).into_iter().filter(move |role| !(ours && ROLES.contains(&text(role, "name"))))
    });
    if realm.map(|role| text(role, "name")).any(|role| !role.starts_with(DEFAULTS)) || others.next().is_some() {
        return refuse("has other roles than the operator needs");
    }
    Ok(())
}

/// Fails if the existing secret is not the client's, before any change.
pub async fn check_known_secret(admin: &Admin<'_>, wanted: &SetupOptions) -> Result<(), Error> {
    let Some(known) = &wanted.known_secret else { return Ok(()) };
    let secret = match admin.client(&wanted.client_id).await? {
        Some(client) => admin.secret(text(&client, "id")).await?,
        None => None,
    };
    if secret.as_ref() == Some(known) {
        return Ok(());
    }
    Err(Error::Refused {
        message: format!(
            "the file of --secret-file holds something else than the secret of client {:?} and is not overwritten; name \
             another file, or move this one away; nothing was changed",
            wanted.client_id
        ),
    })
}

/// Sets up the client and its roles. Returns its secret.
pub async fn service_account(admin: &mut Admin<'_>, wanted: &SetupOptions) -> Result<Option<Secret>, Error> {
    let name = &wanted.client_id;
    let id = client(admin, name).await?;
    roles(admin, name, id.as_deref()).await?;
    match id {
        Some(id) => admin.secret(&id).await,
        None => Ok(None),
    }
}

/// A client without sign-in, but with a service account.
fn settings() -> Value {
    json!({
        "enabled": true,
        "protocol": "openid-connect",
        "clientAuthenticatorType": "client-secret",
        "publicClient": false,
        "bearerOnly": false,
        "serviceAccountsEnabled": true,
        "standardFlowEnabled": false,
        "implicitFlowEnabled": false,
        "directAccessGrantsEnabled": false,
    })
}

async fn client(admin: &mut Admin<'_>, name: &str) -> Result<Option<String>, Error> {
    let known = admin.client(name).await?;
    let before = admin.writes();
    let id = match known {
        None => {
            let mut body = settings();
            body["clientId"] = name.into();
            body["name"] = "guestlist".into();
            body["description"] = format!("The operator that reconciles guests; {CREATED_BY}").into();
            admin.write(Call::post(endpoint("POST clients"), &["clients"]).json(body)).await?
        }
        Some(mut client) => {
            let settings = settings();
            let mut wrong = settings.as_object().into_iter().flatten().filter(|(key, value)| client[*key] != **value);
            let id = text(&client, "id").to_owned();
            if wrong.next().is_some() {
                for (key, value) in settings.as_object().into_iter().flatten() {
                    client[key] = value.clone();
                }
                admin.write(Call::put(endpoint("PUT clients/{id}"), &["clients", &id]).json(client)).await?;
            }
            Some(id)
        }
    };
    admin.done_since(before, &format!("client {name:?} is confidential, has a service account, and no flow is on"));
    Ok(id)
}

/// Assigns exactly guestlist's roles: adds missing ones and removes others.
async fn roles(admin: &mut Admin<'_>, name: &str, id: Option<&str>) -> Result<(), Error> {
    let what = format!("the service account of client {name:?} has the roles {}, and no other", ROLES.join(", "));
    let (Some(id), Some(management)) = (id, admin.client(MANAGEMENT).await?) else {
        admin.done(false, &what);
        return Ok(());
    };
    let management = text(&management, "id");
    let path = ["clients", id, "service-account-user"];
    let user = admin.get("GET clients/{id}/service-account-user", &path).await?;
    let user = text(&user, "id");
    let has = admin.get("GET users/{id}/role-mappings", &["users", user, "role-mappings"]).await?;
    let before = admin.writes();
    let mut held = Vec::new();
    for mapping in has["clientMappings"].as_object().into_iter().flat_map(|mappings| mappings.values()) {
        let of = text(mapping, "id");
        let roles = mapping["mappings"].as_array().cloned().unwrap_or_default();
        let (ours, others): (Vec<_>, Vec<_>) =
            roles.into_iter().partition(|role| of == management && ROLES.contains(&text(role, "name")));
        held.extend(ours.iter().map(|role| text(role, "name").to_owned()));
        remove_roles(admin, &["users", user, "role-mappings", "clients", of], others).await?;
    }
    let others = has["realmMappings"].as_array().cloned().unwrap_or_default();
    remove_roles(admin, &["users", user, "role-mappings", "realm"], others).await?;
    let mut missing = Vec::new();
    for role in ROLES.iter().filter(|role| !held.iter().any(|held| held == *role)) {
        missing.push(admin.get("GET clients/{id}/roles/{role}", &["clients", management, "roles", role]).await?);
    }
    if !missing.is_empty() {
        let path = ["users", user, "role-mappings", "clients", management];
        let call = Call::post(endpoint("POST users/{id}/role-mappings/clients/{id}"), &path);
        admin.write(call.json(missing.into())).await?;
    }
    admin.done_since(before, &what);
    Ok(())
}

async fn remove_roles(admin: &mut Admin<'_>, path: &[&str], roles: Vec<Value>) -> Result<(), Error> {
    if roles.is_empty() {
        return Ok(());
    }
    admin.write(Call::delete(endpoint("DELETE users/{id}/role-mappings"), path).json(roles.into())).await?;
    Ok(())
}
