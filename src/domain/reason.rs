//! The closed list of reasons: one for each rule, and one for each other content of a condition.
//!
//! The variants have the order of the rules. If an object breaks several rules, the first one determines the condition.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// The reason of a condition. The rules come first, in their order; then all other reasons.
#[derive(
    Clone, Copy, Debug, Display, EnumString, Eq, Hash, IntoStaticStr, Ord, PartialEq, PartialOrd, VariantArray,
)]
#[strum(ascii_case_insensitive)]
#[allow(missing_docs, reason = "the catalog explains each reason")]
pub enum Reason {
    Unreadable,
    InvalidValue,
    HostAdminRequired,
    HostAdminNotAllowedHere,
    HostAdminNotFound,
    HostAdminIsGuest,
    MfaCannotBeWaived,
    MfaMethodNotAllowed,
    MfaDeadlineTooLong,
    InvalidEmail,
    HostDomain,
    DomainListsExclusive,
    DomainNotAllowed,
    IsWorkspaceUser,
    IdentityExists,
    AlreadyGuest,
    QuotaExceeded,
    InviterNotAllowed,
    Immutable,
    ExpiryTooLong,
    OwnerNeverShared,
    ManagerNeedsGuestAdmin,
    SharerNotHostAdmin,
    SharerNotOwner,
    NotAGuestOfPartner,
    PropagationNeedsManager,
    DuplicateShare,
    AccountNotFound,
    PartnerNotFound,
    // Reasons that are not rules.
    Reconciled,
    MembershipNotFound,
    HostDomainsUnknown,
    InviterNotActive,
    MailInterval,
    MailNotSent,
    InvitationLimit,
    PartnerDeleting,
    DeletionBlocked,
    MfaNotEnrolled,
    MfaMethodMissing,
    MfaUnknown,
    MfaEnrolmentOverdue,
    DirectoryUnavailable,
    DirectoryRefused,
    OwnershipMarkUnreadable,
    Paused,
    AddressChanged,
    DisabledByAdministrator,
    Orphaned,
    TooManyOrphans,
    ForeignDirectory,
    DirectoryBehind,
    PolicyUnreadable,
    // The states.
    Terminating,
    Rejected,
    Pending,
    Suspended,
    Expired,
    InvitationExpired,
    Invited,
    Joined,
    Active,
}

impl Reason {
    /// All reasons, in order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason in its one spelling.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Parses a reason, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
