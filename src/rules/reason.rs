//! The closed list of words: every rule has one, and so has everything else that a condition may say.
//!
//! The order of the variants is the order of the law: where several rules are broken, the first names the condition.

/// A word of the closed list. The rules come first, in their order; then the words that are not rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each word is explained by `Reason::entry`")]
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
    // Words that are not rules.
    Reconciled,
    MembershipNotFound,
    HostDomainsUnknown,
    InviterNotActive,
    MailInterval,
    PartnerDeleting,
    DeletionBlocked,
    MfaNotEnrolled,
    MfaMethodMissing,
    MfaUnknown,
    MfaEnrolmentOverdue,
    DirectoryUnavailable,
    Paused,
    AddressChanged,
    Orphaned,
    TooManyOrphans,
    ForeignDirectory,
    PolicyUnreadable,
    // The states.
    Removing,
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
    /// The word as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        unimplemented!()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
