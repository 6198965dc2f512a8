//! Pieces that more than one kind uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The partner an object belongs to, in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartnerRef {
    /// The name of a `LocalPartner` in the same namespace.
    pub name: String,
}

/// What is asked of a guest's multi-factor authentication. It can be narrowed, never waived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mfa {
    /// Whether MFA is required. Only `true` is accepted; it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// The methods that count: `TOTP`, `WebAuthn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
}

/// One broken rule, with the path of the field that breaks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolationStatus {
    /// The rule's identifier; `guestlist explain REASON` tells more.
    #[serde(default)]
    pub reason: String,
    /// The field, as a path: `spec.guestUsers[2].propagatedBy`.
    #[serde(default)]
    pub path: String,
    /// What is wrong and how to mend it.
    #[serde(default)]
    pub message: String,
}

/// A `metav1.Condition`. Its time is a string here, so that whatever is stored can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// The condition's type, in CamelCase.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation of the spec that this condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed (RFC 3339).
    pub last_transition_time: String,
    /// One word of the closed list; `guestlist explain REASON` tells more.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// Conditions, keyed by type.
pub type Conditions = Vec<Condition>;
