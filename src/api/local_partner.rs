//! `LocalPartner`: an outside company as a subgroup of the workspace.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{field, validation};
use super::{Conditions, HasConditions, ViolationStatus};

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
    category = "guestlist",
    doc = "An outside company whose people are guests of this workspace.",
    printcolumn(
        name = "Display Name",
        type_ = "string",
        json_path = ".status.displayName",
        description = "The name shown to people"
    ),
    printcolumn(
        name = "Guests",
        type_ = "string",
        json_path = ".status.guests.summary",
        description = "Active guests of all memberships"
    ),
    printcolumn(
        name = "Shares",
        type_ = "integer",
        json_path = ".status.shares",
        description = "How many accounts are shared with the partner"
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
#[schemars(extend("x-kubernetes-validations" = [validation::host_admins_given()]))]
pub struct LocalPartnerSpec {
    /// The name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::person")]
    pub display_name: Option<String>,
    /// The workspace users who run this partner: 1 to 32 addresses, each once.
    #[serde(default)]
    #[schemars(schema_with = "field::host_admins")]
    pub host_admins: Vec<String>,
    /// The MFA that the guests need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<PartnerMfa>,
    /// How invitations behave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitations: Option<InvitationSettings>,
    /// Limits on guests: their domains, their number and their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<GuestLimits>,
    /// Withholds every grant of every guest and disables their logins, reversibly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::flag")]
    pub suspended: Option<bool>,
    /// When the partnership ends (RFC 3339). Extending it revives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::instant")]
    pub expires_at: Option<String>,
    /// Whether identities that exist already may become guests: `Never` (default) or `Unmarked`, which
    /// works only where the workspace policy allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::adoption")]
    pub adoption: Option<String>,
    /// The effect of a deletion while memberships or shares exist: `Block` (default) or `Cascade`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::deletion")]
    pub deletion: Option<String>,
}

/// A partner's terms for MFA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartnerMfa {
    /// Whether MFA is required. Only `true` is accepted; it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::mfa_required")]
    pub required: Option<bool>,
    /// The methods that count: `TOTP`, `WebAuthn`. Default: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::methods")]
    pub methods: Option<Vec<String>>,
    /// How long a guest who joined may take to turn MFA on, as `168h` (the default; at most `720h`).
    /// `check`, `plan` and `apply` warn below `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::enrolment_deadline")]
    pub enrol_within: Option<String>,
}

/// How invitations behave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationSettings {
    /// How long an invitation can be followed, as `72h` (the default; at most `8760h`).
    /// `check`, `plan` and `apply` warn below `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::invitation_lifetime")]
    pub expire_after: Option<String>,
}

/// Limits on guests: their domains, their number and their time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::one_domain_list()]))]
pub struct GuestLimits {
    /// Domains that guests' addresses must be on, exactly. Not together with `deniedDomains`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::domains")]
    pub allowed_domains: Option<Vec<String>>,
    /// Domains that guests' addresses must not be on, subdomains included. Not together with `allowedDomains`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::domains")]
    pub denied_domains: Option<Vec<String>>,
    /// How many live memberships the partner may have. Left out: no quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::max_guests")]
    pub max_guests: Option<i64>,
    /// How long a membership may last from its admission, as `4320h`. Left out: no cap.
    /// `check`, `plan` and `apply` warn below `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::longest_stay")]
    pub max_duration: Option<String>,
}

/// The observed state of a partner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalPartnerStatus {
    /// The generation of the spec that this status speaks of. `-1`: the operator has not seen the object yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_generation")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `guestlist.dev/reconcile-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::annotation_echo")]
    pub last_handled_reconcile_at: Option<String>,
    /// The name shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_text")]
    pub display_name: Option<String>,
    /// The partner's identifier in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_text")]
    pub directory_id: Option<String>,
    /// When the partnership ends (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::observed_word")]
    pub expires_at: Option<String>,
    /// `Accepted`, `Ready`, `GuestAdminPresent`; `Reconciling` and `Stalled` only while true.
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
    /// Its memberships, counted by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<GuestCounts>,
    /// How many shares name this partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::count")]
    pub shares: Option<i64>,
}

/// Memberships counted by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GuestCounts {
    /// Guests who joined and turned MFA on.
    #[schemars(schema_with = "field::count")]
    pub active: i64,
    /// All memberships that name this partner.
    #[schemars(schema_with = "field::count")]
    pub all: i64,
    /// `active/all`, for `kubectl get`.
    #[schemars(schema_with = "field::observed_word")]
    pub summary: String,
    /// Guests whose invitation is open.
    #[schemars(schema_with = "field::count")]
    pub invited: i64,
    /// Guests who joined and have no MFA yet.
    #[schemars(schema_with = "field::count")]
    pub joined: i64,
    /// Guests who are suspended.
    #[schemars(schema_with = "field::count")]
    pub suspended: i64,
    /// Memberships that break a rule.
    #[schemars(schema_with = "field::count")]
    pub rejected: i64,
}

impl HasConditions for LocalPartnerStatus {
    fn conditions_mut(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
}
