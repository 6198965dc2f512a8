//! What a spec says, as types: the result of reading a wire object once, at the edge.
//!
//! Reading never fails. What does not read becomes a [`Violation`] and the term falls back to what gives least,
//! so that a taken-away access never waits for a correct spec.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Adoption, Deletion, DisplayName, Domain, Email, GuestRole, Methods, ShareRole};
use crate::validation::Violation;

/// The terms of an object and every rule that it breaks on its own (the rules that one object decides).
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSpec<T> {
    /// The terms, as far as they can be read.
    pub terms: T,
    /// What is wrong, in the order of the rules.
    pub violations: Vec<Violation>,
}

/// A Host Admin as a partner lists him.
#[derive(Clone, Debug, PartialEq)]
pub struct HostAdminEntry {
    /// `spec.hostAdmins[i]`: i.
    pub index: usize,
    /// His address.
    pub email: Email,
}

/// Which domains guests may come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DomainRule {
    /// Any, but host domains.
    Any,
    /// These, exactly.
    Allowed(Vec<Domain>),
    /// Any but these and their subdomains.
    Denied(Vec<Domain>),
}

/// What a `LocalPartner` says.
#[derive(Clone, Debug, PartialEq)]
pub struct PartnerTerms {
    /// `None`: it is left out or does not read, and the object's name is shown.
    pub display_name: Option<DisplayName>,
    /// Entries that read as addresses.
    pub host_admins: Vec<HostAdminEntry>,
    /// Default: all.
    pub methods: Methods,
    /// Default: 168h.
    pub enrol_within: SignedDuration,
    /// Default: 72h.
    pub invitation_lifetime: SignedDuration,
    /// Who may be a guest.
    pub domains: DomainRule,
    /// `None`: no quota.
    pub max_guests: Option<u64>,
    /// `None`: no cap.
    pub max_duration: Option<SignedDuration>,
    /// Withholds everything, reversibly. `true` also where the value does not read.
    pub suspended: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Default: Never.
    pub adoption: Adoption,
    /// Default: Block.
    pub deletion: Deletion,
}

/// What a `GuestMembership` says.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipTerms {
    /// The partner's name.
    pub partner: String,
    /// `None`: it does not read (violation `InvalidEmail`).
    pub email: Option<Email>,
    /// The name for the invitation. `None`: it is left out or does not read, and the address is shown.
    pub display_name: Option<DisplayName>,
    /// Default, and where it does not read: Guest User.
    pub role: GuestRole,
    /// `None`: it does not read.
    pub invited_by: Option<Email>,
    /// `None`: as the partner says.
    pub methods: Option<Methods>,
    /// Withholds everything, reversibly.
    pub suspended: bool,
    /// When it ends, before any cap.
    pub expires_at: Option<Timestamp>,
}

/// `spec.guestUsers[index]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestUserTerms {
    /// Its place in the list.
    pub index: usize,
    /// The membership's name.
    pub name: String,
    /// The Guest Admin's membership.
    pub propagated_by: String,
    /// The pin.
    pub email: Option<Email>,
    /// The entry breaks a rule on its own (its `role` says more than Collaborator): it gives nothing.
    pub tainted: bool,
}

/// `spec.roleOverrides[index]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OverrideTerms {
    /// Its place in the list.
    pub index: usize,
    /// The membership's name.
    pub name: String,
    /// `None`: the entry is tainted (it says Owner, or nothing that reads).
    pub role: Option<ShareRole>,
    /// The pin.
    pub email: Option<Email>,
}

/// `spec.exclude[index]`: excludes whatever its pin or taint.
#[derive(Clone, Debug, PartialEq)]
pub struct ExcludeTerms {
    /// Its place in the list.
    pub index: usize,
    /// The membership's name.
    pub name: String,
    /// The pin.
    pub email: Option<Email>,
}

/// What an `AccountShare` says.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareTerms {
    /// The partner's name.
    pub partner: String,
    /// The account's name in the directory.
    pub account: String,
    /// `None`: it does not read.
    pub shared_by: Option<Email>,
    /// Default, and where it does not read: Collaborator.
    pub guest_admin_role: ShareRole,
    /// By membership name: each name once (the API server's list type guarantees it, files are checked).
    pub guest_users: std::collections::BTreeMap<String, GuestUserTerms>,
    /// By membership name.
    pub role_overrides: std::collections::BTreeMap<String, OverrideTerms>,
    /// By membership name.
    pub exclude: std::collections::BTreeMap<String, ExcludeTerms>,
    /// `None`: as the partner says.
    pub methods: Option<Methods>,
    /// Withholds everything, reversibly.
    pub suspended: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}
