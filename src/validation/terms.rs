//! The terms of a spec as types: the result of reading an object once, at the API boundary.
//!
//! Reading never fails. An invalid value becomes a [`Violation`], and its term falls back to the value with the least
//! access. Revoking access therefore never waits for a valid spec.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Adoption, Deletion, DisplayName, Domain, Email, GuestRole, Methods, ShareRole};
use crate::validation::Violation;

/// The terms of an object, and the violations of the rules about one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSpec<T> {
    /// The terms, as far as they are readable.
    pub terms: T,
    /// The violations, in the order of the rules.
    pub violations: Vec<Violation>,
}

/// A Host Admin in `spec.hostAdmins`.
#[derive(Clone, Debug, PartialEq)]
pub struct HostAdminEntry {
    /// The index in `spec.hostAdmins`.
    pub index: usize,
    /// The address of the Host Admin.
    pub email: Email,
}

/// The domains that guests may come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DomainRule {
    /// Any domain, except host domains.
    Any,
    /// Exactly these domains.
    Allowed(Vec<Domain>),
    /// Any domain, except these and their subdomains.
    Denied(Vec<Domain>),
}

/// The terms of a `LocalPartner`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartnerTerms {
    /// `None`: it is absent or invalid, and the object's name is shown instead.
    pub display_name: Option<DisplayName>,
    /// The entries with a valid address.
    pub host_admins: Vec<HostAdminEntry>,
    /// The allowed MFA methods. Default: all.
    pub methods: Methods,
    /// The time for MFA enrolment. Default: 168h.
    pub enrol_within: SignedDuration,
    /// The lifetime of an invitation. Default: 72h.
    pub invitation_lifetime: SignedDuration,
    /// The domains that guests may come from.
    pub domains: DomainRule,
    /// `None`: no quota.
    pub max_guests: Option<u64>,
    /// `None`: no maximum duration.
    pub max_duration: Option<SignedDuration>,
    /// Withholds all access, reversibly. An invalid value counts as `true`.
    pub suspended: bool,
    /// The end of the partner's access.
    pub expires_at: Option<Timestamp>,
    /// Whether existing users may be adopted. Default: Never.
    pub adoption: Adoption,
    /// The effect of a deletion on memberships and shares. Default: Block.
    pub deletion: Deletion,
}

/// The terms of a `GuestMembership`.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipTerms {
    /// The partner's name.
    pub partner: String,
    /// `None`: it is invalid (violation `InvalidEmail`).
    pub email: Option<Email>,
    /// The name in the invitation. `None`: it is absent or invalid, and the address is shown instead.
    pub display_name: Option<DisplayName>,
    /// Default, also for an invalid value: Guest User.
    pub role: GuestRole,
    /// `None`: it is invalid.
    pub invited_by: Option<Email>,
    /// `None`: the partner's methods apply.
    pub methods: Option<Methods>,
    /// Withholds all access, reversibly.
    pub suspended: bool,
    /// The end, before the partner's maximum duration applies.
    pub expires_at: Option<Timestamp>,
}

/// `spec.guestUsers[index]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestUserTerms {
    /// The index in `spec.guestUsers`.
    pub index: usize,
    /// The membership's name.
    pub name: String,
    /// The membership of the Guest Admin who passes the account on.
    pub propagated_by: String,
    /// The address that the membership must have.
    pub email: Option<Email>,
    /// The entry breaks a rule about one object (its `role` is not Collaborator), so it grants nothing.
    pub tainted: bool,
}

/// `spec.roleOverrides[index]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OverrideTerms {
    /// The index in `spec.roleOverrides`.
    pub index: usize,
    /// The membership's name.
    pub name: String,
    /// `None`: the entry is tainted, because the role is Owner or invalid.
    pub role: Option<ShareRole>,
    /// The address that the membership must have.
    pub email: Option<Email>,
}

/// `spec.exclude[index]`. It excludes the membership even if the address differs or the entry is tainted.
#[derive(Clone, Debug, PartialEq)]
pub struct ExcludeTerms {
    /// The index in `spec.exclude`.
    pub index: usize,
    /// The membership's name.
    pub name: String,
    /// The address that the membership must have.
    pub email: Option<Email>,
}

/// The terms of an `AccountShare`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareTerms {
    /// The partner's name.
    pub partner: String,
    /// The account's name in the directory.
    pub account: String,
    /// `None`: it is invalid.
    pub shared_by: Option<Email>,
    /// Default, also for an invalid value: Collaborator.
    pub guest_admin_role: ShareRole,
    /// By membership name. Each name is unique: the list type of the API server guarantees it, and files are checked.
    pub guest_users: std::collections::BTreeMap<String, GuestUserTerms>,
    /// By membership name.
    pub role_overrides: std::collections::BTreeMap<String, OverrideTerms>,
    /// By membership name.
    pub exclude: std::collections::BTreeMap<String, ExcludeTerms>,
    /// `None`: the partner's methods apply.
    pub methods: Option<Methods>,
    /// Withholds all access, reversibly.
    pub suspended: bool,
    /// The end of the share.
    pub expires_at: Option<Timestamp>,
}
