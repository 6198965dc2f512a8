//! The types of the conditions that a status has: one table for those who write them, read them and explain them.

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The directory reflects this spec.
    Ready,
    /// The spec breaks no rule.
    Accepted,
    /// Work goes on by itself.
    Reconciling,
    /// Somebody has to mend something.
    Stalled,
    /// The guest accepted the invitation.
    Joined,
    /// MFA that counts is on.
    MfaSatisfied,
    /// The end is near.
    ExpiringSoon,
    /// An Active Guest Admin is there.
    GuestAdminPresent,
    /// The sharer owns the account.
    Authorized,
}

impl ConditionType {
    /// All of them: those of every kind first.
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

    /// As it stands in a status.
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

    /// Reads a type as it stands in a status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|type_| type_.as_str() == text)
    }

    /// Whether it is one that every kind has, as kstatus reads them.
    pub const fn is_of_every_kind(self) -> bool {
        match self {
            Self::Ready | Self::Accepted | Self::Reconciling | Self::Stalled => true,
            Self::Joined | Self::MfaSatisfied | Self::ExpiringSoon | Self::GuestAdminPresent | Self::Authorized => {
                false
            }
        }
    }

    /// The kinds that have it.
    pub const fn kinds(self) -> &'static str {
        match self {
            Self::Ready | Self::Accepted | Self::Reconciling | Self::Stalled => "all three",
            Self::Joined | Self::MfaSatisfied | Self::ExpiringSoon => "GuestMembership",
            Self::GuestAdminPresent => "LocalPartner",
            Self::Authorized => "AccountShare",
        }
    }

    /// What each of its values means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ready => {
                "True: the directory reflects this spec. A guest who has not followed his invitation yet is Ready, so that no \
                 pipeline waits for a person. False: a rule is broken, something is waited for, or it is held. Unknown: the \
                 directory does not answer."
            }
            Self::Accepted => {
                "True: the spec breaks no rule. False: something is to be mended; entries that break no rule go on. Kept as it \
                 was while nothing can be judged."
            }
            Self::Reconciling => "True, or not there: what is missing comes by itself or is looked at again.",
            Self::Stalled => "True, or not there: nothing moves until somebody mends the spec or the directory.",
            Self::Joined => "True: the guest accepted the invitation. False: not yet.",
            Self::MfaSatisfied => {
                "True: a method is enrolled that the partner and the membership let count. False: none, or none that counts. \
                 Unknown: the guest has not joined, or the directory cannot tell."
            }
            Self::ExpiringSoon => "True: the membership ends within 14 days. False: later, never, or it has ended.",
            Self::GuestAdminPresent => {
                "True: an Active Guest Admin is there. False: nobody on the guests' side can pass accounts on."
            }
            Self::Authorized => {
                "True: the sharer owns the account in the directory. False: he does not, and the share's grants are withheld. \
                 Unknown: the account or the sharer is not known yet."
            }
        }
    }
}
