//! Pieces that more than one kind uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::field;

/// The partner an object belongs to, in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartnerRef {
    /// The name of a `LocalPartner` in the same namespace.
    #[schemars(schema_with = "field::partner_name")]
    pub name: String,
}

/// The multi-factor authentication that a guest needs. It can be narrowed, never waived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mfa {
    /// Whether MFA is required. Only `true` is accepted; it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::mfa_required")]
    pub required: Option<bool>,
    /// The methods that count: `TOTP`, `WebAuthn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::methods")]
    pub methods: Option<Vec<String>>,
}

/// One broken rule, with the path of the field that breaks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolationStatus {
    /// The rule's identifier; `guestlist explain REASON` tells more.
    #[serde(default)]
    #[schemars(schema_with = "field::observed_word")]
    pub reason: String,
    /// The field, as a path: `spec.guestUsers[2].propagatedBy`.
    #[serde(default)]
    #[schemars(schema_with = "field::observed_text")]
    pub path: String,
    /// The problem and its fix.
    #[serde(default)]
    #[schemars(schema_with = "field::observed_text")]
    pub message: String,
}

/// A `metav1.Condition`. Its time is a string here, so that whatever is stored can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["type", "status", "lastTransitionTime", "reason", "message"]))]
pub struct Condition {
    /// The condition's type, in CamelCase.
    #[serde(rename = "type")]
    #[schemars(schema_with = "field::observed_word")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(schema_with = "field::observed_word")]
    pub status: String,
    /// The generation of the spec that this condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::count")]
    pub observed_generation: Option<i64>,
    /// When the status last changed (RFC 3339).
    #[schemars(schema_with = "field::observed_word")]
    pub last_transition_time: String,
    /// A reason of docs/rules.md: `guestlist explain REASON`.
    #[schemars(schema_with = "field::observed_word")]
    pub reason: String,
    /// A sentence for people.
    #[schemars(schema_with = "field::observed_message")]
    pub message: String,
}

/// Conditions, keyed by type.
pub type Conditions = Vec<Condition>;

/// A status with conditions.
///
/// # Examples
///
/// ```
/// use guestlist::api::{HasConditions, LocalPartnerStatus};
///
/// fn forget(status: &mut impl HasConditions, type_: &str) {
///     status.conditions_mut().retain(|condition| condition.type_ != type_);
/// }
///
/// let mut status = LocalPartnerStatus::default();
/// forget(&mut status, "Stalled");
/// assert!(status.conditions.is_empty());
/// ```
pub trait HasConditions {
    /// The conditions, to change or take them.
    fn conditions_mut(&mut self) -> &mut Conditions;
}
