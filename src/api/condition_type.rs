//! The types of the conditions in a status: one table for the code that writes, reads and explains them.

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The directory reflects this spec.
    Ready,
    /// The spec breaks no rule.
    Accepted,
    /// The operator is still working on the object.
    Reconciling,
    /// The spec or the directory has to be fixed.
    Stalled,
    /// The guest accepted the invitation.
    Joined,
    /// An allowed MFA method is enrolled.
    MfaSatisfied,
    /// The membership ends soon.
    ExpiringSoon,
    /// The partner has an Active Guest Admin.
    GuestAdminPresent,
    /// The sharer owns the account.
    Authorized,
}

impl ConditionType {
    /// All types. Those that every kind has come first.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::Accepted,
        Self::Reconciling,
        Self::Stalled,
        Self::Joined,
        Self::MfaSatisfied,
        Self::ExpiringSoon,
        Self::GuestAdminPresent,
        Self::Authorized,
    ];

    /// The type as text in a status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Accepted => "Accepted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Joined => "Joined",
            Self::MfaSatisfied => "MFASatisfied",
            Self::ExpiringSoon => "ExpiringSoon",
            Self::GuestAdminPresent => "GuestAdminPresent",
            Self::Authorized => "Authorized",
        }
    }

    /// Parses a type from a status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|type_| type_.as_str() == text)
    }

    /// Whether every kind has this condition, as kstatus defines them.
    pub const fn is_of_every_kind(self) -> bool {
        match self {
            Self::Ready | Self::Accepted | Self::Reconciling | Self::Stalled => true,
            Self::Joined | Self::MfaSatisfied | Self::ExpiringSoon | Self::GuestAdminPresent | Self::Authorized => {
                false
            }
        }
    }

    /// The kinds that have this condition.
    pub const fn kinds(self) -> &'static str {
        match self {
            Self::Ready | Self::Accepted | Self::Reconciling | Self::Stalled => "all three",
            Self::Joined | Self::MfaSatisfied | Self::ExpiringSoon => "GuestMembership",
            Self::GuestAdminPresent => "LocalPartner",
            Self::Authorized => "AccountShare",
        }
    }

    /// The meaning of each of its values.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ready => {
                "True: the directory reflects this spec. A guest who has not accepted the invitation yet is Ready, so that no \
                 pipeline waits for a person. False: a rule is broken, a fact is missing, or the object is paused. Unknown: the \
                 directory does not answer."
            }
            Self::Accepted => {
                "True: the spec breaks no rule. False: the spec has to be fixed; entries that break no rule stay in effect. \
                 Unchanged while the rules cannot be checked."
            }
            Self::Reconciling => "True, or absent: the operator waits for a missing fact, or checks it again.",
            Self::Stalled => "True, or absent: no progress until the spec or the directory is fixed.",
            Self::Joined => "True: the guest accepted the invitation. False: not yet.",
            Self::MfaSatisfied => {
                "True: a method is enrolled that the partner and the membership let count. False: none, or none that counts. \
                 Unknown: the guest has not joined, or the directory cannot tell."
            }
            Self::ExpiringSoon => "True: the membership ends within 14 days. False: later, never, or it has ended.",
            Self::GuestAdminPresent => {
                "True: the partner has an Active Guest Admin. False: no guest can pass accounts on."
            }
            Self::Authorized => {
                "True: the sharer owns the account in the directory. False: the sharer does not, and the share's grants are withheld. \
                 Unknown: the account or the sharer is not known yet."
            }
        }
    }
}
