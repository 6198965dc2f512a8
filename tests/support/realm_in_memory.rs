//! A realm in memory that answers as Keycloak 26.7 does, as far as guestlist asks. `tests/keycloak/stub_agrees.rs` makes the
//! same calls to this realm and to the real server, and compares the answers.
#![allow(dead_code, reason = "each test crate uses what it needs")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A call below the realm's admin API.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    /// JSON, or the fields of a form as an object.
    pub body: Value,
    /// Keycloak's identifier of the user that makes the call.
    pub author: String,
}

impl Asked {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.value(name)?.parse().ok()
    }

    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub status: u16,
    /// The identifier of what was created.
    pub created: Option<String>,
    pub body: Value,
}

fn said(status: u16, body: Value) -> Said {
    Said { status, created: None, body }
}

fn created(id: &str, body: Value) -> Said {
    Said { status: 201, created: Some(id.to_owned()), body }
}

fn done() -> Said {
    said(204, Value::Null)
}

pub fn refused(status: u16, why: &str) -> Said {
    said(status, json!({"errorMessage": why}))
}

fn not_found(what: &str) -> Said {
    said(404, json!({"error": format!("{what} not found")}))
}

/// Everything that the realm holds, each by its identifier.
#[derive(Clone)]
pub struct Realm {
    /// Seconds since 1970.
    pub second: i64,
    pub users: BTreeMap<String, Value>,
    pub credentials: BTreeMap<String, Vec<Value>>,
    pub groups: BTreeMap<String, Value>,
    /// A group and a user.
    pub in_group: BTreeSet<(String, String)>,
    pub organizations: BTreeMap<String, Value>,
    /// An organization and a user, and whether the organization manages the user.
    pub members: BTreeMap<(String, String), bool>,
    pub invitations: BTreeMap<String, Value>,
    /// A session and its user.
    pub sessions: BTreeMap<String, String>,
    pub profile: Value,
    pub admin_events: Vec<Value>,
    pub events: Vec<Value>,
    /// The addresses to which a mail went.
    pub mails: Vec<String>,
    made: u64,
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// One page of a listing, in order.
fn page<'a>(
    asked: &Asked,
    rows: impl Iterator<Item = &'a Value>,
    order: &str,
    most: usize,
    show: impl FnMut(&Value) -> Value,
) -> Said {
    let mut rows: Vec<&Value> = rows.collect();
    rows.sort_by_cached_key(|row| (text(row, order).to_lowercase(), text(row, "id").to_owned()));
    let (first, max) = (asked.number("first").unwrap_or(0), asked.number("max").unwrap_or(most));
    said(200, rows.into_iter().skip(first).take(max).map(show).collect())
}

/// Whether an object has an attribute with the value of a question `name:"value"`.
fn has(object: &Value, question: Option<&str>) -> bool {
    let Some((name, value)) = question.and_then(|question| question.split_once(':')) else { return question.is_none() };
    let value = value.trim_matches('"');
    let holds = |held: &Value| held.as_array().is_some_and(|held| held.iter().any(|one| one == value));
    (name == "alias" && text(object, "alias") == value) || holds(&object["attributes"][name])
}

impl Realm {
    /// A realm that guestlist may use, at a time.
    pub fn new(second: i64) -> Self {
        let own = ["id", "installation", "address", "partner", "record", "grants", "accounts", "methods"];
        let declared = own.map(|name| {
            let many = ["grants", "accounts"].contains(&name);
            json!({"name": format!("guestlist.{name}"), "permissions": {"view": ["admin"], "edit": ["admin"]}, "multivalued": many})
        });
        Self {
            second,
            users: BTreeMap::new(),
            credentials: BTreeMap::new(),
            groups: BTreeMap::new(),
            in_group: BTreeSet::new(),
            organizations: BTreeMap::new(),
            members: BTreeMap::new(),
            invitations: BTreeMap::new(),
            sessions: BTreeMap::new(),
            profile: json!({"attributes": declared}),
            admin_events: Vec::new(),
            events: Vec::new(),
            mails: Vec::new(),
            made: 0,
        }
    }

    fn id(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012}", self.made)
    }

    /// Adds an event: of an administrator, or of a user about itself.
    pub fn tell(&mut self, of_user: bool, mut event: Value) {
        let last = |events: &[Value]| events.last().and_then(|event| event["time"].as_i64()).unwrap_or(0);
        let newest = last(&self.admin_events).max(last(&self.events));
        event["time"] = json!((newest + 1).max(self.second * 1000));
        event["id"] = json!(self.id());
        if of_user { &mut self.events } else { &mut self.admin_events }.push(event);
    }

    /// Answers a call.
    pub fn answer(&mut self, asked: &Asked) -> Said {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let answer = match path.as_slice() {
            ["users", rest @ ..] => self.about_users(asked, rest),
            ["sessions", session] => match self.sessions.remove(*session) {
                Some(_) => done(),
                None => not_found("Session"),
            },
            ["organizations", rest @ ..] => self.about_organizations(asked, rest),
            ["groups", rest @ ..] => self.about_groups(asked, rest),
            ["events", "config"] => said(200, json!({"eventsEnabled": true, "adminEventsEnabled": true})),
            ["events"] => events(asked, &self.events),
            ["admin-events"] => events(asked, &self.admin_events),
            _ => said(404, json!({"error": "Unable to find matching target resource method"})),
        };
        if !asked.is_read() && answer.status < 300 {
            let mut resource = asked.path.clone();
            resource.extend(answer.created.clone());
            let kind = match path[0] {
                "groups" => "GROUP",
                "organizations" => "ORGANIZATION",
                _ => "USER",
            };
            let event = json!({"authDetails": {"userId": asked.author}, "resourceType": kind, "resourcePath": resource.join("/")});
            self.tell(false, event);
        }
        answer
    }

    // Users.

    fn shown(&self, user: &Value) -> Value {
        let mut user = user.clone();
        let held = self.credentials.get(text(&user, "id")).map(Vec::as_slice).unwrap_or_default();
        user["totp"] = json!(held.iter().any(|credential| credential["type"] == "otp"));
        user
    }

    pub fn user_at(&self, email: &str) -> Option<&Value> {
        self.users.values().find(|user| same(text(user, "email"), email))
    }

    fn about_users(&mut self, asked: &Asked, path: &[&str]) -> Said {
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
            ("GET", [_, "consents"] | [_, "offline-sessions", _]) => said(200, json!([])),
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

    /// Why a user may not be written so.
    fn clash(&self, id: &str, user: &Value) -> Option<Said> {
        let of = |name: &str| {
            let mut others = self.users.iter().filter(|(other, _)| *other != id);
            others.any(|(_, other)| !text(user, name).is_empty() && same(text(other, name), text(user, name)))
        };
        ["username", "email"]
            .into_iter()
            .find(|name| of(name))
            .map(|name| refused(409, &format!("User exists with same {name}")))
    }

    fn add_user(&mut self, body: &Value) -> Said {
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

    /// Puts a user in, whatever others are there.
    pub fn put_user(&mut self, mut user: Value) -> String {
        let id = self.id();
        user["id"] = json!(id);
        self.users.insert(id.clone(), user);
        id
    }

    fn change_user(&mut self, id: &str, body: &Value) -> Said {
        let mut user = self.users[id].clone();
        if body["attributes"].is_object() {
            // A write of attributes erases those that have a field and are left out.
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

    fn keep(&mut self, id: &str, user: Value, body: &Value) {
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

    fn remove_user(&mut self, id: &str) {
        self.users.remove(id);
        self.credentials.remove(id);
        self.in_group.retain(|(_, user)| user != id);
        self.members.retain(|(_, user), _| user != id);
        self.sessions.retain(|_, user| user != id);
    }

    // Groups.

    fn about_groups(&mut self, asked: &Asked, path: &[&str]) -> Said {
        if let [id, ..] = path
            && !self.groups.contains_key(*id)
        {
            return not_found("Group");
        }
        let in_full = asked.value("briefRepresentation") != Some("true");
        match (asked.method.as_str(), path) {
            ("GET", [] | [_, "children"]) => {
                let parent = path.first().copied().unwrap_or_default();
                let named = |group: &Value| asked.value("search").is_none_or(|name| text(group, "name") == name);
                let found = self.groups.values().filter(|group| text(group, "parentId") == parent && named(group));
                let most = if path.is_empty() { usize::MAX } else { 10 };
                page(
                    asked,
                    found,
                    "name",
                    most,
                    |group| if in_full { group.clone() } else { without_attributes(group) },
                )
            }
            ("POST", [] | [_, "children"]) => self.add_group(path.first().copied(), &asked.body),
            ("GET", [id]) => said(200, self.groups[*id].clone()),
            ("PUT", [id]) => {
                let group = self.groups.get_mut(*id).unwrap();
                take_in(group, &asked.body);
                done()
            }
            ("DELETE", [id]) => {
                self.groups.retain(|known, group| known != id && text(group, "parentId") != *id);
                self.in_group.retain(|(group, _)| group != id);
                done()
            }
            ("GET", [id, "members"]) => {
                let found = self.in_group.iter().filter(|(group, _)| group == id);
                page(asked, found.map(|(_, user)| &self.users[user]), "username", 100, |user| self.shown(user))
            }
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    fn add_group(&mut self, parent: Option<&str>, body: &Value) -> Said {
        let above = parent.unwrap_or_default();
        let name = text(body, "name");
        if self.groups.values().any(|group| text(group, "parentId") == above && text(group, "name") == name) {
            let what = if parent.is_some() { "Sibling group named" } else { "Top level group named" };
            return refused(409, &format!("{what} '{name}' already exists."));
        }
        let id = self.id();
        let path = parent.map_or("", |parent| text(&self.groups[parent], "path"));
        let mut group = json!({"id": id, "name": name, "path": format!("{path}/{name}"), "attributes": {}});
        if let Some(parent) = parent {
            group["parentId"] = json!(parent);
        }
        take_in(&mut group, body);
        self.groups.insert(id.clone(), group.clone());
        created(&id, if parent.is_some() { group } else { Value::Null })
    }

    // Organizations.

    fn about_organizations(&mut self, asked: &Asked, path: &[&str]) -> Said {
        if let [id, ..] = path
            && !self.organizations.contains_key(*id)
        {
            return refused(404, "Organization not found.");
        }
        match (asked.method.as_str(), path) {
            ("GET", []) => {
                let found = self.organizations.values().filter(|one| has(one, asked.value("q")));
                let in_full = asked.value("briefRepresentation") == Some("false");
                page(asked, found, "name", 10, |one| if in_full { one.clone() } else { without_attributes(one) })
            }
            ("POST", []) => {
                let id = self.id();
                self.write_organization(&id, &asked.body).unwrap_or_else(|| created(&id, Value::Null))
            }
            ("GET", [id]) => said(200, self.organizations[*id].clone()),
            ("PUT", [id]) => self.write_organization(id, &asked.body).unwrap_or_else(done),
            ("DELETE", [id]) => {
                let members =
                    self.members.iter().filter(|((organization, _), managed)| organization == id && **managed);
                for user in members.map(|((_, user), _)| user.clone()).collect::<Vec<_>>() {
                    self.remove_user(&user);
                }
                self.members.retain(|(organization, _), _| organization != id);
                self.invitations.retain(|_, row| row["organizationId"] != **id);
                self.organizations.remove(*id);
                done()
            }
            (_, [id, "members", rest @ ..]) => self.about_members(asked, id, rest),
            ("GET", [id, "invitations"]) => {
                let of = |row: &&Value| {
                    row["organizationId"] == **id
                        && asked.value("email").is_none_or(|email| same(text(row, "email"), email))
                };
                said(200, self.invitations.values().filter(of).cloned().collect())
            }
            ("DELETE", [_, "invitations", row]) => match self.invitations.remove(*row) {
                Some(_) => done(),
                None => refused(404, "Invitation not found"),
            },
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    /// Writes an organization in full. The refusal, if there is one.
    fn write_organization(&mut self, id: &str, body: &Value) -> Option<Said> {
        let clashes = |name: &str| {
            let mut others = self.organizations.iter().filter(|(other, _)| *other != id);
            others.any(|(_, other)| text(other, name) == text(body, name))
        };
        for name in ["name", "alias"] {
            if clashes(name) {
                return Some(refused(409, &format!("A organization with the same {name} already exists.")));
            }
        }
        let kept = self.organizations.get(id).map(|known| known["attributes"].clone());
        let mut written = json!({"attributes": kept.unwrap_or_else(|| json!({}))});
        take_in(&mut written, body);
        written["id"] = json!(id);
        self.organizations.insert(id.to_owned(), written);
        None
    }

    fn about_members(&mut self, asked: &Asked, id: &str, path: &[&str]) -> Said {
        let place = |user: &str| (id.to_owned(), user.to_owned());
        let shown = |user: &Value| {
            let managed = self.members[&place(text(user, "id"))];
            let mut user = self.shown(user);
            user["membershipType"] = json!(if managed { "MANAGED" } else { "UNMANAGED" });
            user
        };
        match (asked.method.as_str(), path) {
            ("GET", []) => {
                let found = self.members.iter().filter(|((organization, _), _)| organization == id);
                page(asked, found.map(|((_, user), _)| &self.users[user]), "username", 10, shown)
            }
            ("POST", []) => {
                let user = asked.body.as_str().unwrap_or_default();
                if !self.users.contains_key(user) {
                    return said(400, json!({"errorMessage": "User does not exist"}));
                }
                match self.members.insert(place(user), false) {
                    None => created(user, Value::Null),
                    Some(_) => refused(409, "User is already a member of the organization."),
                }
            }
            ("POST", ["invite-user"]) => self.invite(id, text(&asked.body, "email")),
            ("GET", [user]) => match self.members.get(&place(user)) {
                Some(_) => said(200, shown(&self.users[*user])),
                None => said(404, json!({"error": "HTTP 404 Not Found"})),
            },
            ("DELETE", [user]) => match self.members.remove(&place(user)) {
                Some(managed) => {
                    if managed {
                        self.remove_user(user);
                    }
                    done()
                }
                None => said(404, json!({"error": "HTTP 404 Not Found"})),
            },
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    fn invite(&mut self, id: &str, email: &str) -> Said {
        if email.is_empty() {
            return refused(400, "Email is required to invite a member");
        }
        if self.organizations[id]["enabled"] != true {
            return refused(400, "Organization is disabled");
        }
        if self.invitations.values().any(|row| row["organizationId"] == id && same(text(row, "email"), email)) {
            return refused(409, "User already has a pending invitation");
        }
        let user = self.user_at(email).map(|user| text(user, "id").to_owned());
        if user.is_some_and(|user| self.members.contains_key(&(id.to_owned(), user))) {
            return refused(409, "User already a member of the organization");
        }
        self.mails.push(email.to_owned());
        let row = self.id();
        // Ten years, as the realms of `tests/keycloak` have it.
        let (sent, ends) = (self.second, self.second + 315_360_000);
        self.invitations.insert(
            row.clone(),
            json!({"id": row, "organizationId": id, "email": email, "sentDate": sent, "expiresAt": ends, "status": "PENDING"}),
        );
        done()
    }
}

fn without_attributes(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("attributes");
    object
}

/// Writes the fields of a body over those that are there. Attributes without a value go.
fn take_in(object: &mut Value, body: &Value) {
    let kept = ["id", "parentId", "path", "credentials", "groups"];
    let written = |(name, value): &(&String, &Value)| !kept.contains(&name.as_str()) && !value.is_null();
    for (name, value) in body.as_object().into_iter().flatten().filter(written) {
        object[name] = match value {
            Value::Object(attributes) if name == "attributes" => {
                let valued =
                    attributes.iter().filter(|(_, values)| values.as_array().is_some_and(|all| !all.is_empty()));
                Value::Object(valued.map(|(name, values)| (name.clone(), values.clone())).collect::<Map<_, _>>())
            }
            Value::String(text) if ["email", "username"].contains(&name.as_str()) => json!(text.to_lowercase()),
            value => value.clone(),
        };
    }
}

fn events(asked: &Asked, all: &[Value]) -> Said {
    let from = asked.value("dateFrom").and_then(|from| from.parse::<i64>().ok()).unwrap_or(0);
    let mut found: Vec<Value> =
        all.iter().filter(|event| event["time"].as_i64().unwrap_or(0) >= from).cloned().collect();
    if asked.value("direction") != Some("asc") {
        found.reverse();
    }
    let (first, max) = (asked.number("first").unwrap_or(0), asked.number("max").unwrap_or(100));
    said(200, found.into_iter().skip(first).take(max).collect())
}
