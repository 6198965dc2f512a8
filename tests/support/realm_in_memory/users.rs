//! Users, with their credentials and sessions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Asked, Realm, Said, created, done, has, not_found, page, refused, said, same, take_in, text};

impl Realm {
    pub(super) fn shown(&self, user: &Value) -> Value {
        let mut user = user.clone();
        let held = self.credentials.get(text(&user, "id")).map(Vec::as_slice).unwrap_or_default();
        user["totp"] = json!(held.iter().any(|credential| credential["type"] == "otp"));
        user
    }

    pub fn user_at(&self, email: &str) -> Option<&Value> {
        self.users.values().find(|user| same(text(user, "email"), email))
    }

    pub(super) fn about_users(&mut self, asked: &Asked, path: &[&str]) -> Said {
        if let [id, ..] = path
            && *id != "profile"
            && !self.users.contains_key(*id)
        {
            return not_found("User");
        }
        match (asked.method.as_str(), path) {
            ("GET", []) => {
                let is = |user: &Value, name: &str| asked.value(name).is_none_or(|value| same(text(user, name), value));
                let found = self
                    .users
                    .values()
                    .filter(|user| is(user, "email") && is(user, "username") && has(user, asked.value("q")));
                page(asked, found, "username", 100, |user| self.shown(user))
            }
            ("POST", []) => self.add_user(&asked.body),
            ("GET", ["profile"]) => said(200, self.profile.clone()),
            ("GET", [id]) => said(200, self.shown(&self.users[*id])),
            ("PUT", [id]) => self.change_user(id, &asked.body),
            ("DELETE", [id]) => {
                self.remove_user(id);
                done()
            }
            ("POST", [id, "logout"]) => {
                self.sessions.retain(|_, user| user != id);
                let second = self.second;
                self.users.get_mut(*id).unwrap()["notBefore"] = json!(second);
                done()
            }
            ("GET", [id, "sessions"]) => {
                let held = self.sessions.iter().filter(|(_, user)| user == id);
                said(200, held.map(|(session, _)| json!({"id": session})).collect())
            }
            ("GET", [id, "consents"]) => {
                let held: BTreeSet<&String> =
                    self.offline.values().filter(|(user, _)| user == id).map(|(_, client)| client).collect();
                let consent = |client| json!({"clientId": client, "additionalGrants": [{"client": client, "key": "Offline Token"}]});
                said(200, held.into_iter().map(consent).collect())
            }
            ("GET", [id, "offline-sessions", client]) => {
                let held = self.offline.iter().filter(|(_, (user, of))| user == id && of == client);
                said(200, held.map(|(session, _)| json!({"id": session})).collect())
            }
            ("GET", [id, "credentials"]) => said(200, json!(self.credentials.get(*id).cloned().unwrap_or_default())),
            ("DELETE", [id, "credentials", credential]) => {
                let held = self.credentials.entry((*id).to_owned()).or_default();
                let before = held.len();
                held.retain(|one| one["id"] != **credential);
                if held.len() < before { done() } else { not_found("Credential") }
            }
            (method @ ("PUT" | "DELETE"), [id, "groups", group]) => {
                if !self.groups.contains_key(*group) {
                    return not_found("Group");
                }
                let place = ((*group).to_owned(), (*id).to_owned());
                if method == "PUT" {
                    self.in_group.insert(place)
                } else {
                    self.in_group.remove(&place)
                };
                done()
            }
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    /// The conflict with another user, if there is one.
    pub(super) fn clash(&self, id: &str, user: &Value) -> Option<Said> {
        let of = |name: &str| {
            let mut others = self.users.iter().filter(|(other, _)| *other != id);
            others.any(|(_, other)| !text(user, name).is_empty() && same(text(other, name), text(user, name)))
        };
        ["username", "email"]
            .into_iter()
            .filter(|name| *name == "username" || !self.duplicate_emails)
            .find(|name| of(name))
            .map(|name| refused(409, &format!("User exists with same {name}")))
    }

    pub(super) fn add_user(&mut self, body: &Value) -> Said {
        if text(body, "username").is_empty() {
            return refused(400, "User name is missing");
        }
        let id = self.id();
        let mut user = json!({
            "enabled": false, "emailVerified": false, "requiredActions": [], "notBefore": 0,
            "createdTimestamp": self.second * 1000,
        });
        take_in(&mut user, body);
        user["id"] = json!(id);
        if let Some(clash) = self.clash(&id, &user) {
            return clash;
        }
        for path in body["groups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let group = self.groups.iter().find(|(_, group)| text(group, "path") == path).map(|(id, _)| id.clone());
            self.in_group.extend(group.map(|group| (group, id.clone())));
        }
        self.keep(&id, user, body);
        created(&id, Value::Null)
    }

    /// Adds a user without checking for conflicts.
    pub fn put_user(&mut self, mut user: Value) -> String {
        let id = self.id();
        user["id"] = json!(id);
        self.users.insert(id.clone(), user);
        id
    }

    pub(super) fn change_user(&mut self, id: &str, body: &Value) -> Said {
        let mut user = self.users[id].clone();
        if body["attributes"].is_object() {
            // A write of attributes erases omitted attributes that have a field.
            for name in ["email", "firstName", "lastName"] {
                user.as_object_mut().unwrap().remove(name);
            }
        }
        take_in(&mut user, body);
        if let Some(clash) = self.clash(id, &user) {
            return clash;
        }
        self.keep(id, user, body);
        done()
    }

    pub(super) fn keep(&mut self, id: &str, user: Value, body: &Value) {
        self.users.insert(id.to_owned(), user);
        for credential in body["credentials"].as_array().into_iter().flatten() {
            let mut credential = credential.clone();
            credential["id"] = json!(self.id());
            let at = self.second * 1000;
            let dated = credential.as_object_mut().unwrap();
            dated.entry("createdDate").or_insert(json!(at));
            dated.retain(|name, _| !["secretData", "value"].contains(&name.as_str()));
            self.credentials.entry(id.to_owned()).or_default().push(credential);
        }
    }

    pub(super) fn remove_user(&mut self, id: &str) {
        self.users.remove(id);
        self.credentials.remove(id);
        self.in_group.retain(|(_, user)| user != id);
        self.members.retain(|(_, user), _| user != id);
        self.sessions.retain(|_, user| user != id);
        self.offline.retain(|_, (user, _)| user != id);
    }
}
