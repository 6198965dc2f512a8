//! Keycloak's representations, as far as guestlist reads them. Other fields are ignored, and missing ones have a
//! default.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Attributes: each name has several values, in order.
pub type Attributes = BTreeMap<String, Vec<String>>;

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    pub id: String,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub enabled: bool,
    pub email_verified: bool,
    /// Whether a one-time password is set up.
    pub totp: bool,
    /// When the user was created, in milliseconds since 1970.
    pub created_timestamp: Option<i64>,
    /// Tokens issued before this time are invalid, in seconds since 1970.
    pub not_before: i64,
    pub required_actions: Vec<String>,
    pub attributes: Attributes,
}

/// A session of a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserSession {
    pub id: String,
}

/// The consents of a user to a client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Consent {
    pub additional_grants: Vec<AdditionalGrant>,
}

/// A grant to a client beside its scopes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AdditionalGrant {
    /// Keycloak's identifier of the client.
    pub client: String,
}

impl Consent {
    /// The clients that have an offline session.
    pub fn offline_clients(&self) -> impl Iterator<Item = &str> {
        self.additional_grants.iter().map(|grant| grant.client.as_str()).filter(|client| !client.is_empty())
    }
}

/// A credential of a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credential {
    pub id: String,
    #[serde(rename = "type")]
    pub sort: String,
    /// Milliseconds since 1970.
    pub created_date: Option<i64>,
}

impl Credential {
    /// When the credential was created; the Unix epoch if it is unknown.
    pub fn created(&self) -> Timestamp {
        self.created_date.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// An organization. A write without a field erases it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Organization {
    #[serde(skip_serializing)]
    pub id: String,
    pub name: String,
    pub alias: String,
    pub enabled: bool,
    pub description: Option<String>,
    pub redirect_url: Option<String>,
    pub domains: Vec<serde_json::Value>,
    pub attributes: Attributes,
}

/// A member of an organization, as in a brief listing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Member {
    pub id: String,
    /// `MANAGED`: Keycloak deletes the user together with the membership.
    pub membership_type: String,
}

/// An invitation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Invitation {
    pub id: String,
    pub email: String,
    /// Seconds since 1970.
    pub sent_date: i64,
    /// Seconds since 1970.
    pub expires_at: i64,
    pub status: String,
}

/// A group of the realm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Group {
    pub id: String,
    pub name: String,
    /// From the root, with slashes; empty if the response has none.
    pub path: String,
    pub parent_id: Option<String>,
    pub attributes: Attributes,
}

/// The first value of an attribute.
pub fn first<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name)?.first().map(String::as_str)
}
