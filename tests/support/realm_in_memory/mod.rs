//! A realm in memory that answers guestlist's calls as Keycloak 26.7 does. `tests/keycloak/stub_agrees.rs` sends the
//! same calls to this realm and to the real server, and compares the answers.
#![allow(dead_code, reason = "each test crate uses what it needs")]

mod groups;
mod organizations;
mod users;

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
    /// The identifier of the created object.
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

/// The content of the realm, by identifier.
#[derive(Clone)]
pub struct Realm {
    /// Seconds since 1970.
    pub second: i64,
    pub users: BTreeMap<String, Value>,
    pub credentials: BTreeMap<String, Vec<Value>>,
    pub groups: BTreeMap<String, Value>,
    /// Pairs of a group and a user.
    pub in_group: BTreeSet<(String, String)>,
    pub organizations: BTreeMap<String, Value>,
    /// Pairs of an organization and a user, and whether the organization manages the user.
    pub members: BTreeMap<(String, String), bool>,
    pub invitations: BTreeMap<String, Value>,
    /// The user of each session.
    pub sessions: BTreeMap<String, String>,
    /// The user and the client of each offline session. A logout keeps it.
    pub offline: BTreeMap<String, (String, String)>,
    /// Sessions that survive a logout: no listing shows them, and each lasts until it is deleted.
    pub unlisted: BTreeSet<String>,
    /// The lifetime of an invitation, in seconds.
    pub invitations_last: i64,
    /// Whether several users may have the same address.
    pub duplicate_emails: bool,
    pub profile: Value,
    pub events_config: Value,
    pub admin_events: Vec<Value>,
    pub events: Vec<Value>,
    /// The recipients of all mails.
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

/// Whether an object has the attribute of a query `name:"value"`.
fn has(object: &Value, question: Option<&str>) -> bool {
    let Some((name, value)) = question.and_then(|question| question.split_once(':')) else { return question.is_none() };
    let value = value.trim_matches('"');
    let holds = |held: &Value| held.as_array().is_some_and(|held| held.iter().any(|one| one == value));
    (name == "alias" && text(object, "alias") == value) || holds(&object["attributes"][name])
}

impl Realm {
    /// A realm that guestlist may use, with its clock at `second`.
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
            offline: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            // Ten years, as in the realms of `tests/keycloak`.
            invitations_last: 315_360_000,
            duplicate_emails: false,
            profile: json!({"attributes": declared}),
            events_config: json!({"eventsEnabled": true, "adminEventsEnabled": true}),
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

    /// Adds an event of an administrator, or of a user's own action.
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
            ["sessions", session] => {
                let found = if asked.value("isOffline") == Some("true") {
                    self.offline.remove(*session).is_some()
                } else {
                    self.unlisted.remove(*session) | self.sessions.remove(*session).is_some()
                };
                if found { done() } else { not_found("Session") }
            }
            ["organizations", rest @ ..] => self.about_organizations(asked, rest),
            ["groups", rest @ ..] => self.about_groups(asked, rest),
            ["events", "config"] => said(200, self.events_config.clone()),
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
            let operation = match asked.method.as_str() {
                "POST" if answer.created.is_some() => "CREATE",
                "POST" => "ACTION",
                "PUT" => "UPDATE",
                _ => "DELETE",
            };
            let event = json!({"authDetails": {"userId": asked.author}, "operationType": operation, "resourceType": kind,
                               "resourcePath": resource.join("/")});
            self.tell(false, event);
        }
        answer
    }
}

fn without_attributes(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("attributes");
    object
}

/// Overwrites the fields that the body contains. Attributes without a value are removed.
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
