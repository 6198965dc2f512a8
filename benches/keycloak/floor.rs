//! The baseline: loops of the unavoidable calls, without any logic.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};

use super::support::{Realm, SECRET};

/// Page size.
const PAGE: usize = 100;

/// A client with the operator's token.
struct Bare {
    client: Client,
    base: String,
    token: String,
}

impl Bare {
    async fn new(realm: &Realm<'_>) -> Self {
        let client = Client::new();
        let url = format!("{}/realms/{}/protocol/openid-connect/token", realm.server.base, realm.name);
        let form = [("grant_type", "client_credentials"), ("client_id", "guestlist"), ("client_secret", SECRET)];
        let answer: Value = client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { client, base: format!("{}/admin/realms/{}", realm.server.base, realm.name), token }
    }

    async fn post(&self, path: &str, body: Value) -> String {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(&body);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        let location = answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
        location.rsplit('/').next().unwrap_or_default().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    async fn put(&self, path: &str, body: Value) {
        let request = self.client.put(format!("{}{path}", self.base)).bearer_auth(&self.token).json(&body);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// All pages of a listing.
    async fn pages(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.get(&format!("{path}first={}&max={PAGE}", all.len())).await;
            let page = page.as_array().unwrap().clone();
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return all;
            }
        }
    }
}

/// Creates each user, with the same amount of attributes as guestlist writes, and an invitation.
pub async fn first(realm: &Realm<'_>, guests: usize, concurrency: usize) -> Duration {
    let bare = Bare::new(realm).await;
    let began = Instant::now();
    let organization = bare.post("/organizations", json!({"name": "acme", "alias": "acme"})).await;
    let (bare, organization) = (&bare, &organization);
    let all = futures::stream::iter(0..guests).map(|n| async move {
        let address = format!("guest-{n}@acme.example");
        let body = json!({
            "username": address, "email": address, "firstName": "Guest", "lastName": n.to_string(), "enabled": true,
            "requiredActions": ["UPDATE_PASSWORD", "CONFIGURE_TOTP"],
            "attributes": {
                "guestlist.id": [format!("00000000-0000-0000-0000-{n:012}")], "guestlist.installation": ["bench"],
                "guestlist.address": [address], "guestlist.partner": ["00000000-0000-0000-0000-000000000000"],
                "guestlist.record": ["x".repeat(500)],
            },
        });
        bare.post("/users", body).await;
        let url = format!("{}/organizations/{organization}/members/invite-user", bare.base);
        let request = bare.client.post(url).bearer_auth(&bare.token).form(&[("email", &address)]);
        request.send().await.unwrap().error_for_status().unwrap();
    });
    all.buffer_unordered(concurrency).collect::<Vec<()>>().await;
    began.elapsed()
}

/// The calls of a tool that creates users without marks, invitations or mails: four calls a guest, for a guest role and
/// two account roles. Other tools were measured against this loop, so it relates their machine to this one.
pub async fn four_calls(realm: &Realm<'_>, guests: usize, concurrency: usize) -> Duration {
    let role = |name: &str| Some(json!({"name": name}));
    for (path, body) in [
        ("/roles", role("guest")),
        ("/clients", Some(json!({"clientId": "accounts", "enabled": true}))),
        ("/organizations", Some(json!({"name": "acme", "alias": "acme"}))),
    ] {
        realm.admin("POST", path, body).await;
    }
    let client = realm.admin("GET", "/clients?clientId=accounts", None).await.1[0]["id"].as_str().unwrap().to_owned();
    for name in ["one", "two"] {
        realm.admin("POST", &format!("/clients/{client}/roles"), role(name)).await;
    }
    let organization = realm.admin("GET", "/organizations", None).await.1[0]["id"].as_str().unwrap().to_owned();
    let guest = json!([realm.admin("GET", "/roles/guest", None).await.1]);
    let accounts = realm.admin("GET", &format!("/clients/{client}/roles"), None).await.1;
    assert_eq!(accounts.as_array().unwrap().len(), 2);

    let bare = Bare { token: realm.server.admin_token().await, ..Bare::new(realm).await };
    let began = Instant::now();
    let (bare, organization, client, guest, accounts) = (&bare, &organization, &client, &guest, &accounts);
    let all = futures::stream::iter(0..guests).map(|n| async move {
        let address = format!("guest-{n}@acme.example");
        let body = json!({
            "username": address, "email": address, "firstName": "Guest", "lastName": n.to_string(), "enabled": true,
            "requiredActions": ["CONFIGURE_TOTP"],
        });
        let id = bare.post("/users", body).await;
        bare.post(&format!("/organizations/{organization}/members"), json!(id)).await;
        bare.post(&format!("/users/{id}/role-mappings/realm"), guest.clone()).await;
        bare.post(&format!("/users/{id}/role-mappings/clients/{client}"), accounts.clone()).await;
    });
    all.buffer_unordered(concurrency).collect::<Vec<()>>().await;
    began.elapsed()
}

/// Reads everything that is needed to detect that nothing is to do: users, organizations, invitations, accounts.
pub async fn reads(realm: &Realm<'_>) -> Duration {
    let began = Instant::now();
    let bare = Bare::new(realm).await;
    bare.pages("/users?briefRepresentation=false&").await;
    for organization in bare.pages("/organizations?briefRepresentation=false&").await {
        let id = organization["id"].as_str().unwrap();
        bare.pages(&format!("/organizations/{id}/members?")).await;
        bare.pages(&format!("/organizations/{id}/invitations?")).await;
    }
    let root = bare.get("/groups?search=guestlist&exact=true&briefRepresentation=false").await;
    for group in
        bare.pages(&format!("/groups/{}/children?subGroupsCount=false&", root[0]["id"].as_str().unwrap())).await
    {
        bare.pages(&format!(
            "/groups/{}/children?briefRepresentation=false&subGroupsCount=false&",
            group["id"].as_str().unwrap()
        ))
        .await;
    }
    began.elapsed()
}

/// All guests accept, choose a password and enrol a one-time password.
pub async fn join_all(realm: &Realm<'_>, concurrency: usize) {
    let bare = Bare::new(realm).await;
    let organization = bare.get("/organizations").await[0]["id"].as_str().unwrap().to_owned();
    let users = bare.pages("/users?briefRepresentation=false&").await;
    let guests = users.iter().filter(|user| user["attributes"]["guestlist.id"].is_array());
    let (bare, organization) = (&bare, &organization);
    let all = futures::stream::iter(guests).map(|user| async move {
        bare.post(&format!("/organizations/{organization}/members"), user["id"].clone()).await;
        let credential = |sort: &str, secret: Value, data: Value| {
            json!({"type": sort, "userLabel": "bench", "createdDate": 1_700_000_000_000_u64,
                   "secretData": secret.to_string(), "credentialData": data.to_string()})
        };
        let password = credential(
            "password",
            json!({"value": "JBSWY3DPEHPK3PXPABCD", "salt": "AAAA"}),
            json!({"hashIterations": 1, "algorithm": "pbkdf2-sha512"}),
        );
        let otp = credential(
            "otp",
            json!({"value": "JBSWY3DPEHPK3PXPABCD"}),
            json!({"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"}),
        );
        let path = format!("/users/{}", user["id"].as_str().unwrap());
        bare.put(&path, json!({"requiredActions": [], "credentials": [password, otp]})).await;
    });
    all.buffer_unordered(concurrency).collect::<Vec<()>>().await;
}

/// The minimum of a grant: a live read of each guest, their membership and their credentials, and one write.
pub async fn give_all(realm: &Realm<'_>, concurrency: usize) -> Duration {
    let bare = Bare::new(realm).await;
    let organization = bare.get("/organizations").await[0]["id"].as_str().unwrap().to_owned();
    let users = bare.pages("/users?briefRepresentation=false&").await;
    let guests = users.iter().filter(|user| user["attributes"]["guestlist.id"].is_array());
    let (bare, organization) = (&bare, &organization);
    let began = Instant::now();
    let all = futures::stream::iter(guests).map(|user| async move {
        let id = user["id"].as_str().unwrap();
        let user = bare.get(&format!("/users/{id}")).await;
        bare.get(&format!("/organizations/{organization}/members/{id}")).await;
        bare.get(&format!("/users/{id}/credentials")).await;
        let mut attributes = user["attributes"].clone();
        attributes["guestlist.grants"] = json!(["x".repeat(200), "y".repeat(200)]);
        attributes["guestlist.accounts"] = json!(["one:collaborator", "two:collaborator"]);
        let body = json!({"attributes": attributes, "email": user["email"], "firstName": user["firstName"],
                          "lastName": user["lastName"]});
        bare.put(&format!("/users/{id}"), body).await;
    });
    all.buffer_unordered(concurrency).collect::<Vec<()>>().await;
    began.elapsed()
}

/// The number of guests that hold both accounts.
pub async fn holders(realm: &Realm<'_>) -> usize {
    let users = Bare::new(realm).await.pages("/users?briefRepresentation=false&").await;
    let both = |user: &&Value| user["attributes"]["guestlist.accounts"].as_array().is_some_and(|held| held.len() == 2);
    users.iter().filter(both).count()
}
