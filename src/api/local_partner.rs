//! `LocalPartner`: an outside company as a subgroup of the workspace.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Conditions, ViolationStatus};

/// An outside company whose people are guests of this workspace.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "guestlist.dev",
    version = "v1alpha1",
    kind = "LocalPartner",
    namespaced,
    status = "LocalPartnerStatus",
    derive = "Default",
    derive = "PartialEq",
    plural = "localpartners",
    singular = "localpartner",
    shortname = "lp",
    category = "guestlist"
)]
#[serde(rename_all = "camelCase")]
pub struct LocalPartnerSpec {
    /// The name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The workspace users who run this partner: 1 to 32 addresses, each once.
    pub host_admins: Vec<String>,
    /// What is asked of the guests' MFA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<PartnerMfa>,
    /// How invitations behave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitations: Option<Invitations>,
    /// Who may be a guest, how many and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<GuestLimits>,
    /// Withholds every grant of every guest and turns their logins off, reversibly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// When the partnership ends (RFC 3339). Extending it revives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether identities that exist already may become guests: `Never` (default) or `Unmarked`, which
    /// works only where the workspace policy allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<String>,
    /// What deleting does while memberships or shares exist: `Block` (default) or `Cascade`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<String>,
}

/// A partner's terms for MFA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartnerMfa {
    /// Whether MFA is required. Only `true` is accepted; it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// The methods that count: `TOTP`, `WebAuthn`. Default: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// How long a guest who joined may take to turn MFA on, as `168h` (the default; at most `720h`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrol_within: Option<String>,
}

/// How invitations behave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitations {
    /// How long an invitation can be followed, as `72h` (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<String>,
}

/// Who may be a guest, how many and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestLimits {
    /// Domains that guests' addresses must be on, exactly. Not together with `deniedDomains`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
    /// Domains that guests' addresses must not be on, subdomains included. Not together with `allowedDomains`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_domains: Option<Vec<String>>,
    /// How many live memberships the partner may have. Left out: no quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_guests: Option<i64>,
    /// How long a membership may last from its creation, as `4320h`. Left out: no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<String>,
}

/// What the operator observed of a partner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalPartnerStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `guestlist.dev/reconcile-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The name shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The partner's identifier in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<String>,
    /// When the partnership ends (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// `Accepted`, `Ready`, `GuestAdminPresent`; `Reconciling` and `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Conditions,
    /// The first 50 broken rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<ViolationStatus>,
    /// How many rules are broken in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation_count: Option<i64>,
    /// Its memberships, counted by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<GuestCounts>,
    /// How many shares name this partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<i64>,
}

/// Memberships counted by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GuestCounts {
    /// Guests who joined and turned MFA on.
    pub active: i64,
    /// All memberships that name this partner.
    pub all: i64,
    /// `active/all`, for `kubectl get`.
    pub summary: String,
    /// Guests whose invitation is open.
    pub invited: i64,
    /// Guests who joined and have no MFA yet.
    pub joined: i64,
    /// Guests who are suspended.
    pub suspended: i64,
    /// Memberships that break a rule.
    pub rejected: i64,
}
