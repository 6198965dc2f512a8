//! `GuestMembership`: one person of a partner.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::field;
use super::{Conditions, HasConditions, Mfa, PartnerRef, ViolationStatus};

/// One guest of a local partner.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "guestlist.dev",
    version = "v1alpha1",
    kind = "GuestMembership",
    namespaced,
    status = "GuestMembershipStatus",
    derive = "Default",
    derive = "PartialEq",
    plural = "guestmemberships",
    singular = "guestmembership",
    shortname = "gm",
    category = "guestlist",
    doc = "One guest of a local partner.",
    selectable = ".spec.partnerRef.name",
    selectable = ".spec.email",
    selectable = ".spec.role",
    printcolumn(
        name = "Partner",
        type_ = "string",
        json_path = ".spec.partnerRef.name",
        description = "The partner the guest belongs to"
    ),
    printcolumn(name = "Email", type_ = "string", json_path = ".spec.email", description = "The guest's address"),
    printcolumn(
        name = "Role",
        type_ = "string",
        json_path = ".status.role",
        description = "What the guest may do in the partner"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", description = "Where the guest stands"),
    printcolumn(
        name = "MFA",
        type_ = "string",
        json_path = ".status.mfa.enrolled",
        description = "What the directory says of the guest's MFA"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the directory reflects the spec"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "The reason of the condition Ready: guestlist explain REASON"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "How old the object is"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct GuestMembershipSpec {
    /// The partner this guest belongs to. Immutable.
    pub partner_ref: PartnerRef,
    /// The guest's address: one mailbox, `local@domain`. Immutable.
    #[schemars(schema_with = "field::immutable_address")]
    pub email: String,
    /// The name for the invitation and the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::person")]
    pub display_name: Option<String>,
    /// `GuestAdmin` or `GuestUser` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::guest_role")]
    pub role: Option<String>,
    /// The inviter: a Host Admin of the partner or, for a Guest User, a Guest Admin of it.
    #[schemars(schema_with = "field::address")]
    pub invited_by: String,
    /// Narrows what the partner allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Mfa>,
    /// Withholds every grant and disables the login, reversibly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::flag")]
    pub suspended: Option<bool>,
    /// When the membership ends (RFC 3339). Extending it revives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::instant")]
    pub expires_at: Option<String>,
}

/// The observed state of a guest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestMembershipStatus {
    /// The generation of the spec that this status speaks of. `-1`: the operator has not seen the object yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_generation")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `guestlist.dev/reconcile-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::annotation_echo")]
    pub last_handled_reconcile_at: Option<String>,
    /// The guest's identifier in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_text")]
    pub directory_id: Option<String>,
    /// When the membership ends: the earliest of its own, its partner's and the cap (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub expires_at: Option<String>,
    /// `Accepted`, `Ready`, `Joined`, `MFASatisfied`, `ExpiringSoon`; `Reconciling` and `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "field::conditions")]
    pub conditions: Conditions,
    /// The first 50 broken rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "field::first_50::<ViolationStatus>")]
    pub violations: Vec<ViolationStatus>,
    /// How many rules are broken in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::count")]
    pub violation_count: Option<i64>,
    /// Where the guest stands: `Pending`, `Invited`, `InvitationExpired`, `Joined`,
    /// `Active`, `Suspended`, `Expired`, `Rejected` or `Terminating`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub state: Option<String>,
    /// The guest's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub role: Option<String>,
    /// The last invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationStatus>,
    /// When the guest accepted the invitation (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub joined_at: Option<String>,
    /// The guest's MFA in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<MfaStatus>,
    /// The first 100 accounts shared with this guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "field::first_100::<AccountGrantStatus>")]
    pub accounts: Vec<AccountGrantStatus>,
    /// How many accounts are shared with this guest in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::count")]
    pub account_count: Option<i64>,
}

/// The last invitation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationStatus {
    /// When it was sent (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub sent_at: Option<String>,
    /// Until when it can be followed (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub expires_at: Option<String>,
}

/// The guest's MFA in the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaStatus {
    /// `Enrolled`, `NotEnrolled` or `Unknown` (also until the guest has joined).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub enrolled: Option<String>,
    /// The enrolled methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "field::observed_words")]
    pub methods: Vec<String>,
    /// Until when MFA has to be on before the guest is suspended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub deadline: Option<String>,
}

/// One account shared with a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountGrantStatus {
    /// The account's name in the directory.
    #[schemars(schema_with = "field::observed_text")]
    pub account: String,
    /// The `AccountShare` it comes from.
    #[schemars(schema_with = "field::observed_text")]
    pub share: String,
    /// `Manager` or `Collaborator`.
    #[schemars(schema_with = "field::observed_word")]
    pub role: String,
    /// `GuestAdmin`, `Override` or `Propagated`.
    #[schemars(schema_with = "field::observed_word")]
    pub via: String,
    /// The Guest Admin who propagated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_text")]
    pub through: Option<String>,
    /// Since when the directory holds it (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub since: Option<String>,
    /// When it ends (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub until: Option<String>,
    /// Whether the guest can use the account now.
    #[schemars(schema_with = "field::flag")]
    pub effective: bool,
    /// Why not, where it is not effective.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub reason: Option<String>,
}

impl HasConditions for GuestMembershipStatus {
    fn conditions_mut(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
}
