//! The client scope whose mapper adds a guest's accounts to their tokens.

use serde_json::{Value, json};

use super::super::super::Error;
use super::super::client::Call;
use super::super::grants::ACCOUNTS;
use super::admin::{Admin, endpoint, text};
use super::claims_scope::claims_group;

/// The client scope's name.
const SCOPE: &str = "guestlist";
/// The mapper's name.
const MAPPER: &str = "guestlist accounts";
const PROTOCOL: &str = "openid-connect";
const ATTRIBUTE_MAPPER: &str = "oidc-usermodel-attribute-mapper";

/// An application that needs the claim with a guest's accounts.
pub struct Application {
    id: String,
    name: String,
}

/// The named applications. Fails if one does not exist, before any change.
pub async fn applications(admin: &Admin<'_>, names: &[String]) -> Result<Vec<Application>, Error> {
    let mut found = Vec::new();
    for name in names {
        let Some(client) = admin.client(name).await? else {
            let message = format!("--application {name:?}: the realm has no client with this ID; nothing was changed");
            return Err(Error::Refused { message });
        };
        found.push(Application { id: text(&client, "id").to_owned(), name: name.clone() });
    }
    Ok(found)
}

/// Fails if the client scope was not created by guestlist. Setup would otherwise add its mapper to the scope, and make the
/// scope a default one of every application.
pub async fn is_ours(admin: &Admin<'_>) -> Result<(), Error> {
    let scopes = admin.list("GET client-scopes", &["client-scopes"]).await?;
    let Some(known) = scopes.into_iter().find(|scope| scope["name"] == SCOPE) else { return Ok(()) };
    let mappers = known["protocolMappers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_ours = mappers.iter().any(|mapper| mapper["name"] == MAPPER);
    if known["protocol"] == PROTOCOL && (mappers.is_empty() || has_ours) {
        return Ok(());
    }
    let message = format!(
        "the realm has a client scope {SCOPE:?} that puts something else into tokens: it is not guestlist's and stays as it is; \
         rename it (Client scopes), guestlist needs one of this name for the claim {ACCOUNTS}; nothing was changed"
    );
    Err(Error::Refused { message })
}

fn mapper() -> Value {
    json!({
        "name": MAPPER,
        "protocol": PROTOCOL,
        "protocolMapper": ATTRIBUTE_MAPPER,
        "config": {
            "user.attribute": ACCOUNTS,
            "claim.name": ACCOUNTS,
            "jsonType.label": "String",
            "multivalued": "true",
            "aggregate.attrs": "false",
            "access.token.claim": "true",
            "id.token.claim": "true",
            "userinfo.token.claim": "true",
            "introspection.token.claim": "true",
        },
    })
}

/// Sets up the scope and its mapper, and adds the scope to applications.
pub async fn scope(admin: &mut Admin<'_>, applications: &[Application]) -> Result<(), Error> {
    let before = admin.writes();
    let scopes = admin.list("GET client-scopes", &["client-scopes"]).await?;
    let known = scopes.into_iter().find(|scope| scope["name"] == SCOPE);
    let id = match &known {
        Some(scope) => Some(text(scope, "id").to_owned()),
        None => {
            let body = json!({
                "name": SCOPE,
                "description": "The accounts that a guest may use, and as what",
                "protocol": PROTOCOL,
                "attributes": {"include.in.token.scope": "false", "display.on.consent.screen": "false"},
            });
            admin.write(Call::post(endpoint("POST client-scopes"), &["client-scopes"]).json(body)).await?
        }
    };
    // The scope is missing only in a rehearsal.
    let id = id.unwrap_or_default();
    mapped(admin, &id, known.as_ref()).await?;
    admin.done_since(before, &format!("the client scope {SCOPE} puts a guest's accounts into the claim {ACCOUNTS}"));
    let done = claims_group(admin, &id).await;
    admin.step_result("the guests in the claim of applications", done);
    let what = format!("applications that are made from now on have the client scope {SCOPE}");
    let done = make_default(admin, &[], &id, &what).await;
    admin.step_result(&what, done);
    for application in applications {
        let what = format!("application {:?} has the client scope {SCOPE}", application.name);
        let done = make_default(admin, &["clients", &application.id], &id, &what).await;
        admin.step_result(&what, done);
    }
    if applications.is_empty() {
        admin.note("applications that were made earlier do not have it: name each with --application CLIENT_ID");
    }
    Ok(())
}

/// Makes the scope a default scope of the realm or of an application. An optional scope is in a token only on
/// request. Keycloak does not turn an optional scope into a default one: it leaves it, or returns 409.
async fn make_default(admin: &mut Admin<'_>, of: &[&str], scope: &str, what: &str) -> Result<(), Error> {
    let (default, optional) = if of.is_empty() {
        ("default-default-client-scopes", "default-optional-client-scopes")
    } else {
        ("default-client-scopes", "optional-client-scopes")
    };
    let lists = |kind: &'static str| [of, &[kind]].concat();
    let has = |scopes: &[Value]| scopes.iter().any(|scope| scope["name"] == SCOPE);
    let is_default = has(&admin.list("GET default client scopes", &lists(default)).await?);
    if !is_default {
        if has(&admin.list("GET optional client scopes", &lists(optional)).await?) {
            let path = [of, &[optional, scope]].concat();
            admin.write(Call::delete(endpoint("DELETE optional client scopes/{id}"), &path)).await?;
        }
        let path = [of, &[default, scope]].concat();
        admin.write(Call::put(endpoint("PUT default client scopes/{id}"), &path)).await?;
    }
    admin.done(is_default, what);
    Ok(())
}

/// Creates or corrects the scope's mapper.
async fn mapped(admin: &mut Admin<'_>, scope: &str, known: Option<&Value>) -> Result<(), Error> {
    let wanted = mapper();
    let mappers = known.and_then(|scope| scope["protocolMappers"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let path = ["client-scopes", scope, "protocol-mappers", "models"];
    match mappers.iter().find(|mapper| mapper["name"] == MAPPER) {
        None => {
            let call = Call::post(endpoint("POST client-scopes/{id}/protocol-mappers/models"), &path);
            admin.write(call.json(wanted)).await?;
        }
        Some(mapper) if is_so(mapper, &wanted) => {}
        Some(mapper) => {
            let id = text(mapper, "id");
            let mut body = wanted;
            body["id"] = id.into();
            let path = [path[0], path[1], path[2], path[3], id];
            let call = Call::put(endpoint("PUT client-scopes/{id}/protocol-mappers/models/{id}"), &path);
            admin.write(call.json(body)).await?;
        }
    }
    Ok(())
}

/// Whether all wanted fields have their values. Fields that Keycloak added are ignored.
fn is_so(known: &Value, wanted: &Value) -> bool {
    match wanted.as_object() {
        Some(fields) => fields.iter().all(|(name, wanted)| known.get(name).is_some_and(|known| is_so(known, wanted))),
        None => known == wanted,
    }
}
