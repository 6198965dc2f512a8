//! The realm in memory of `tests/support` answers like the real server. The test makes the same calls and compares
//! their statuses, the number of rows, and the fields that guestlist reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::held_to_the_contract::realm_with_mail;
use crate::support::keycloak::{Own, multi};
use crate::support::realm_in_memory::{Asked, Realm};

/// A call, with the names of identifiers in braces.
struct Call {
    method: &'static str,
    path: &'static str,
    body: Value,
    /// The name of the identifier that the answer's location ends with.
    creates: Option<&'static str>,
    /// The compared fields of the answer, or of each of its rows.
    fields: &'static [&'static str],
}

fn call(method: &'static str, path: &'static str, body: Value) -> Call {
    Call { method, path, body, creates: None, fields: &[] }
}

impl Call {
    fn creates(self, name: &'static str) -> Self {
        Self { creates: Some(name), ..self }
    }
}

fn get(path: &'static str, fields: &'static [&'static str]) -> Call {
    Call { fields, ..call("GET", path, Value::Null) }
}

const GROUP: &[&str] = &["name", "path", "attributes"];
const USER: &[&str] = &[
    "username",
    "email",
    "firstName",
    "lastName",
    "enabled",
    "emailVerified",
    "totp",
    "requiredActions",
    "attributes",
];
const ORGANIZATION: &[&str] = &["name", "alias", "enabled", "attributes"];

fn user(name: &str) -> Value {
    let address = format!("{name}@acme.example");
    json!({"username": address, "email": address, "firstName": "A", "lastName": "B", "enabled": true,
           "requiredActions": ["UPDATE_PASSWORD", "CONFIGURE_TOTP"],
           "attributes": {"guestlist.id": [format!("g-{name}")], "guestlist.accounts": ["ads:manager", "mail:collaborator"]}})
}

/// The calls, in order.
#[expect(clippy::too_many_lines, reason = "a list")]
fn calls() -> Vec<Call> {
    let organization = |name: &str, alias: &str, enabled: bool| json!({"name": name, "alias": alias, "enabled": enabled, "attributes": {"guestlist.id": ["p-1"]}});
    let credentials = json!({"credentials": [
        {"type": "otp", "userLabel": "test", "createdDate": 1_790_000_000_000_i64,
         "secretData": "{\"value\":\"JBSWY3DPEHPK3PXPABCD\"}",
         "credentialData": "{\"subType\":\"totp\",\"digits\":6,\"counter\":0,\"period\":30,\"algorithm\":\"HmacSHA1\"}"}]});
    let mut attributes_alone = user("bob");
    attributes_alone.as_object_mut().unwrap().retain(|name, _| name == "attributes");
    let mut calls = vec![
        call("POST", "groups", json!({"name": "guestlist"})).creates("root"),
        call("POST", "groups", json!({"name": "guestlist"})),
        call("POST", "groups/{root}/children", json!({"name": "accounts", "attributes": {"a": ["1", "2"]}}))
            .creates("accounts"),
        call("POST", "groups/{root}/children", json!({"name": "accounts"})),
        get("groups?search=guestlist&exact=true", &["name"]),
        get("groups/{root}/children?first=0&max=100&briefRepresentation=false", GROUP),
        get("groups/{root}/children?search=accounts&exact=true&briefRepresentation=false&first=0&max=2", GROUP),
        get("groups/{accounts}", GROUP),
        call("PUT", "groups/{accounts}", json!({"name": "accounts", "attributes": {"b": ["3"]}})),
        get("groups/{accounts}", GROUP),
        get("groups/none", &[]),
        call("PUT", "groups/none", json!({"name": "x"})),
        call("POST", "users", user("bob")).creates("bob"),
        call("POST", "users", user("bob")),
        call("POST", "users", json!({"username": "other", "email": "BOB@acme.example"})),
        get("users/{bob}", USER),
        get("users/none", &[]),
        get("users?email=bob@acme.example&exact=true&first=0&max=2", USER),
        get("users?username=bob@acme.example&exact=true&first=0&max=2", USER),
        get("users?q=guestlist.id:\"g-bob\"&first=0&max=100", USER),
        get("users?q=guestlist.accounts:\"mail:collaborator\"&first=0&max=100", USER),
        call("PUT", "users/{bob}", json!({"enabled": false, "emailVerified": true})),
        get("users/{bob}", USER),
        call("PUT", "users/{bob}", attributes_alone),
        get("users/{bob}", USER),
        call("PUT", "users/{bob}", user("bob")),
        call("PUT", "users/none", json!({"enabled": false})),
        call("PUT", "users/{bob}", credentials),
        get("users/{bob}", USER),
        get("users/{bob}/credentials", &["type", "createdDate"]),
        call("DELETE", "users/{bob}/credentials/none", Value::Null),
        call("POST", "users/{bob}/logout", json!({})),
        get("users/{bob}/sessions", &["id"]),
        get("users/{bob}/consents", &["clientId"]),
        call("DELETE", "sessions/none?isOffline=false", Value::Null),
        call("PUT", "users/{bob}/groups/{accounts}", json!({})),
        call("PUT", "users/{bob}/groups/{accounts}", json!({})),
        get("groups/{accounts}/members?first=0&max=10&briefRepresentation=true", &["username"]),
        call("DELETE", "users/{bob}/groups/{accounts}", Value::Null),
        call("DELETE", "users/{bob}/groups/{accounts}", Value::Null),
        get("groups/{accounts}/members?first=0&max=10", &["username"]),
        call("PUT", "users/{bob}/groups/none", json!({})),
        call("POST", "organizations", organization("Acme", "acme-1", true)).creates("acme"),
        call("POST", "organizations", organization("Acme", "acme-2", true)),
        call("POST", "organizations", organization("Other", "acme-1", true)),
        get("organizations?q=alias:\"acme-1\"&briefRepresentation=false&first=0&max=100", ORGANIZATION),
        get("organizations?q=guestlist.id:\"p-1\"&briefRepresentation=false&first=0&max=100", ORGANIZATION),
        get("organizations?q=guestlist.id:\"p-2\"&briefRepresentation=false&first=0&max=100", ORGANIZATION),
        get("organizations?first=0&max=100", &["name", "alias", "attributes"]),
        get("organizations/{acme}", ORGANIZATION),
        call("PUT", "organizations/{acme}", organization("Acme Agency", "acme-1", true)),
        get("organizations/{acme}", ORGANIZATION),
        get("organizations/none", &[]),
        call("POST", "organizations/{acme}/members/invite-user", json!({"email": "bob@acme.example"})),
        call("POST", "organizations/{acme}/members/invite-user", json!({"email": "Bob@acme.example"})),
        call("POST", "organizations/{acme}/members/invite-user", json!({"email": ""})),
        get("organizations/{acme}/invitations?email=bob@acme.example", &["email", "status"]),
        get("organizations/{acme}/invitations?email=eve@acme.example", &["email", "status"]),
        call("DELETE", "organizations/{acme}/invitations/none", Value::Null),
        get("organizations/{acme}/members/{bob}", &[]),
        call("POST", "organizations/{acme}/members", json!("{bob}")),
        call("POST", "organizations/{acme}/members", json!("{bob}")),
        call("POST", "organizations/{acme}/members/invite-user", json!({"email": "bob@acme.example"})),
        get("organizations/{acme}/members/{bob}", &["username", "membershipType"]),
        get("organizations/{acme}/members?first=0&max=10&briefRepresentation=true", &["username", "membershipType"]),
        call("DELETE", "organizations/{acme}/members/{bob}", Value::Null),
        call("DELETE", "organizations/{acme}/members/{bob}", Value::Null),
        get("users/{bob}", USER),
        call("PUT", "organizations/{acme}", organization("Acme Agency", "acme-1", false)),
        call("POST", "organizations/{acme}/members/invite-user", json!({"email": "eve@acme.example"})),
    ];
    for n in 0..12 {
        let name: &'static str = Box::leak(format!("user-{n:02}").into_boxed_str());
        calls.push(call("POST", "users", user(name)).creates(name));
        calls.push(call("POST", "groups/{accounts}/children", json!({"name": name})).creates("child"));
        calls.push(call("POST", "organizations", organization(name, name, true)).creates("last"));
        let member: &'static str = Box::leak(format!("{{{name}}}").into_boxed_str());
        calls.push(call("POST", "organizations/{acme}/members", json!(member)));
    }
    calls.extend([
        // Pages: their order, full ones, the last, one after it, and the default number of rows.
        get("users?first=0&max=5&briefRepresentation=false", &["username", "attributes"]),
        get("users?first=5&max=5", &["username"]),
        get("users?first=10&max=5", &["username"]),
        get("users?first=15&max=5", &["username"]),
        get("users", &["username"]),
        get("groups/{accounts}/children", &["name"]),
        get("groups/{accounts}/children?first=10&max=10&briefRepresentation=false&subGroupsCount=false", &["name"]),
        get("groups/{accounts}/children?first=12&max=10", &["name"]),
        get("organizations", &["name"]),
        get("organizations?first=10&max=10", &["name"]),
        get("organizations/{acme}/members", &["username"]),
        get("organizations/{acme}/members?first=10&max=10", &["username"]),
        call("DELETE", "groups/{child}", Value::Null),
        call("DELETE", "groups/{child}", Value::Null),
        get("groups/{accounts}/children?first=0&max=100", &["name"]),
        call("DELETE", "users/{user-00}", Value::Null),
        call("DELETE", "users/{user-00}", Value::Null),
        get("organizations/{acme}/members?first=0&max=100", &["username"]),
        call("DELETE", "organizations/{last}", Value::Null),
        call("DELETE", "organizations/{last}", Value::Null),
        get("users?first=0&max=100", &["username"]),
    ]);
    calls
}

/// One of the two servers.
struct Asking {
    /// The identifiers from its answers.
    ids: BTreeMap<&'static str, String>,
}

impl Asking {
    fn filled(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
    }
}

/// The compared part of an answer.
fn compared(call: &Call, status: u16, created: bool, body: &Value) -> Value {
    let fields = |one: &Value| {
        call.fields.iter().map(|field| ((*field).to_owned(), plain(field, &one[field]))).collect::<Value>()
    };
    let read = match body {
        Value::Array(rows) => rows.iter().map(fields).collect(),
        one if status < 300 => fields(one),
        // guestlist reads whether Keycloak returns a message, and a few words of some errors.
        refusal => json!(refusal["errorMessage"].is_string() || refusal["error"].is_string()),
    };
    json!({"status": status, "creates": created, "read": read})
}

/// A missing value, an empty list and an empty object are equal. Required actions have no order.
fn plain(field: &str, value: &Value) -> Value {
    match value {
        Value::Array(all) if all.is_empty() => Value::Null,
        Value::Object(fields) if fields.is_empty() => Value::Null,
        Value::Array(all) if field == "requiredActions" => {
            all.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>().into_iter().collect()
        }
        other => other.clone(),
    }
}

fn of_stub(realm: &mut Realm, asking: &mut Asking, call: &Call) -> Value {
    let filled = asking.filled(call.path);
    let (path, query) = filled.split_once('?').unwrap_or((&filled, ""));
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let asked = Asked {
        method: call.method.to_owned(),
        path: path.split('/').map(str::to_owned).collect(),
        query: query.split('&').filter_map(pair).collect(),
        body: serde_json::from_str(&asking.filled(&call.body.to_string())).unwrap(),
        author: "admin".to_owned(),
    };
    let said = realm.answer(&asked);
    asking.ids.extend(call.creates.zip(said.created.clone()));
    compared(call, said.status, said.created.is_some(), &said.body)
}

async fn of_server(own: &Own<'_>, asking: &mut Asking, call: &Call) -> Value {
    let url = format!("{}/admin/realms/{}/{}", own.server.base, own.name, asking.filled(call.path));
    let token = own.server.admin_token().await;
    let mut request = reqwest::Client::new().request(call.method.parse().unwrap(), url).bearer_auth(token);
    let body: Value = serde_json::from_str(&asking.filled(&call.body.to_string())).unwrap();
    if call.path.ends_with("invite-user") {
        request = request.form(&body);
    } else if !body.is_null() {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    let created = location.and_then(|location| location.rsplit('/').next().map(str::to_owned));
    asking.ids.extend(call.creates.zip(created.clone()));
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
    compared(call, status, created.is_some(), &body)
}

#[test]
fn realm_in_memory_answers_as_the_server() {
    multi(async {
        let people = realm_with_mail("stub-agrees");
        let mut realm = Realm::new(1_790_000_000);
        let (mut one, mut other) = (Asking { ids: BTreeMap::new() }, Asking { ids: BTreeMap::new() });
        let mut differing = Vec::new();
        for call in calls() {
            let (stub, server) =
                (of_stub(&mut realm, &mut one, &call), of_server(&people.own, &mut other, &call).await);
            if stub != server {
                differing.push(format!(
                    "{} {} {}\n  in memory {stub}\n  Keycloak  {server}",
                    call.method, call.path, call.body
                ));
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    });
}
