//! `AccountShare`: one account shared with one partner.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Conditions, Mfa, PartnerRef, ViolationStatus};

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
    category = "guestlist"
)]
#[serde(rename_all = "camelCase")]
pub struct AccountShareSpec {
    /// The partner the account is shared with. Immutable.
    pub partner_ref: PartnerRef,
    /// The account's name in the directory. Immutable.
    pub account: String,
    /// The Host Admin who owns the account and shares it.
    pub shared_by: String,
    /// What every Guest Admin of the partner gets: `Manager` or `Collaborator` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_admin_role: Option<String>,
    /// The Guest Users to whom a Guest Admin passes the account on, always as Collaborator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_users: Option<Vec<GuestUserEntry>>,
    /// Guest Admins whose role differs from `guestAdminRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_overrides: Option<Vec<RoleOverrideEntry>>,
    /// Guests who get nothing from this share, whatever else it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Vec<ExcludeEntry>>,
    /// Narrows what the partner allows: guests need one of these methods enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Mfa>,
    /// Withholds every grant of this share, reversibly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// When the share ends (RFC 3339). Extending it revives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A Guest User who gets the account through a Guest Admin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestUserEntry {
    /// The name of a membership of the same partner.
    pub name: String,
    /// The name of the Guest Admin's membership who passes the account on; he has to be Manager here.
    pub propagated_by: String,
    /// Pins the entry to a person: it holds only while the membership has this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// May only say `Collaborator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A Guest Admin whose role differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleOverrideEntry {
    /// The name of a membership of the same partner.
    pub name: String,
    /// `Manager` or `Collaborator`.
    pub role: String,
    /// Pins the entry to a person: it holds only while the membership has this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A guest who gets nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExcludeEntry {
    /// The name of a membership of the same partner.
    pub name: String,
    /// The address the author had in mind; the name is excluded whatever it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// What the operator observed of a share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountShareStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `guestlist.dev/reconcile-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// When the share ends: the earlier of its own and its partner's (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Who shares the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<String>,
    /// What Guest Admins get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `Accepted`, `Ready`, `Authorized`; `Reconciling` and `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Conditions,
    /// The first 50 broken rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<ViolationStatus>,
    /// How many rules are broken in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation_count: Option<i64>,
    /// What the share gives, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<GrantCounts>,
    /// The first 50 guests who do not get what the share says, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WithheldStatus>,
}

/// Grants counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantCounts {
    /// Guests who can use the account now.
    pub effective: i64,
    /// Guests who will, once what withholds it has passed.
    pub withheld: i64,
    /// Entries that break a rule.
    pub rejected: i64,
    /// `effective/all`, for `kubectl get`.
    pub summary: String,
}

/// A guest who does not get what the share says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WithheldStatus {
    /// The membership's name.
    pub name: String,
    /// Why.
    pub reason: String,
}
