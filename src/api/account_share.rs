//! `AccountShare`: one account shared with one partner.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::field;
use super::{Conditions, HasConditions, Mfa, PartnerRef, ViolationStatus};

/// One account of a Host Admin, shared with one local partner.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "guestlist.dev",
    version = "v1alpha1",
    kind = "AccountShare",
    namespaced,
    status = "AccountShareStatus",
    derive = "Default",
    derive = "PartialEq",
    plural = "accountshares",
    singular = "accountshare",
    shortname = "share",
    category = "guestlist",
    doc = "One account of a Host Admin, shared with one local partner.",
    selectable = ".spec.partnerRef.name",
    selectable = ".spec.account",
    printcolumn(
        name = "Partner",
        type_ = "string",
        json_path = ".spec.partnerRef.name",
        description = "The partner the account is shared with"
    ),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".spec.account",
        description = "The account's name in the directory"
    ),
    printcolumn(
        name = "Shared By",
        type_ = "string",
        json_path = ".spec.sharedBy",
        description = "The Host Admin who shares it"
    ),
    printcolumn(name = "Role", type_ = "string", json_path = ".status.role", description = "What Guest Admins get"),
    printcolumn(
        name = "Grants",
        type_ = "string",
        json_path = ".status.grants.summary",
        description = "Effective grants of all"
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
pub struct AccountShareSpec {
    /// The partner the account is shared with. Immutable.
    pub partner_ref: PartnerRef,
    /// The account's name in the directory. Immutable.
    #[schemars(schema_with = "field::account")]
    pub account: String,
    /// The Host Admin who owns the account and shares it.
    #[schemars(schema_with = "field::address")]
    pub shared_by: String,
    /// The role of every Guest Admin of the partner: `Manager` or `Collaborator` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::share_role")]
    pub guest_admin_role: Option<String>,
    /// The Guest Users that a Guest Admin passes the account on to, always as Collaborator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::entries::<GuestUserEntry>")]
    pub guest_users: Option<Vec<GuestUserEntry>>,
    /// Guest Admins whose role differs from `guestAdminRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::entries::<RoleOverrideEntry>")]
    pub role_overrides: Option<Vec<RoleOverrideEntry>>,
    /// Guests who get nothing from this share, whatever else it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::entries::<ExcludeEntry>")]
    pub exclude: Option<Vec<ExcludeEntry>>,
    /// Narrows what the partner allows: guests need one of these methods enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Mfa>,
    /// Withholds every grant of this share, reversibly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::flag")]
    pub suspended: Option<bool>,
    /// When the share ends (RFC 3339). Extending it revives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::instant")]
    pub expires_at: Option<String>,
}

/// A Guest User who gets the account through a Guest Admin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestUserEntry {
    /// The name of a membership of the same partner.
    #[schemars(schema_with = "field::member_name")]
    pub name: String,
    /// The membership of the Guest Admin who passes the account on; they must be Manager in this share.
    #[schemars(schema_with = "field::member_name")]
    pub propagated_by: String,
    /// Pins the entry to a person: it holds only while the membership has this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::address")]
    pub email: Option<String>,
    /// May only say `Collaborator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::propagated_role")]
    pub role: Option<String>,
}

/// A Guest Admin whose role differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleOverrideEntry {
    /// The name of a membership of the same partner.
    #[schemars(schema_with = "field::member_name")]
    pub name: String,
    /// `Manager` or `Collaborator`.
    #[schemars(schema_with = "field::share_role")]
    pub role: String,
    /// Pins the entry to a person: it holds only while the membership has this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::address")]
    pub email: Option<String>,
}

/// A guest who gets nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExcludeEntry {
    /// The name of a membership of the same partner.
    #[schemars(schema_with = "field::member_name")]
    pub name: String,
    /// The address the author had in mind; the name is excluded whatever it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::address")]
    pub email: Option<String>,
}

/// The observed state of a share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountShareStatus {
    /// The generation of the spec that this status speaks of. `-1`: the operator has not seen the object yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_generation")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `guestlist.dev/reconcile-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::annotation_echo")]
    pub last_handled_reconcile_at: Option<String>,
    /// When the share ends: the earlier of its own and its partner's (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub expires_at: Option<String>,
    /// The Owner who shares the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_text")]
    pub shared_by: Option<String>,
    /// The role of Guest Admins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub role: Option<String>,
    /// `Accepted`, `Ready`, `Authorized`; `Reconciling` and `Stalled` only while true.
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
    /// The number of grants of the share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<GrantCounts>,
    /// The first 50 guests who do not get what the share says, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "field::first_50::<WithheldStatus>")]
    pub withheld: Vec<WithheldStatus>,
}

/// Grants counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantCounts {
    /// Guests who can use the account now.
    #[schemars(schema_with = "field::count")]
    pub effective: i64,
    /// Guests who will, once what withholds it has passed.
    #[schemars(schema_with = "field::count")]
    pub withheld: i64,
    /// Entries that break a rule.
    #[schemars(schema_with = "field::count")]
    pub rejected: i64,
    /// `effective/all`, for `kubectl get`.
    #[schemars(schema_with = "field::observed_word")]
    pub summary: String,
}

/// A guest who does not get what the share says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WithheldStatus {
    /// The membership's name.
    #[schemars(schema_with = "field::observed_text")]
    pub name: String,
    /// Why.
    #[schemars(schema_with = "field::observed_word")]
    pub reason: String,
}

impl HasConditions for AccountShareStatus {
    fn conditions_mut(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
}
