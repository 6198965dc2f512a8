//! The lifecycle of a guest, as one exhaustive match.

use jiff::Timestamp;

use crate::domain::Reason;

/// The lifecycle state of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each state is explained by `guestlist explain`")]
pub enum State {
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

/// The facts that decide the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The membership is being deleted, or its partner with Cascade.
    pub removing: bool,
    /// A rule taints the membership.
    pub violated: bool,
    /// The directory has the membership's record, and it is not deactivated.
    pub live: bool,
    /// Suspended by its own spec or its partner's.
    pub suspended: bool,
    /// An administrator or the identity provider disabled the login.
    pub disabled_by_other: bool,
    /// Joined, no method enrolled, and the deadline has passed.
    pub overdue: bool,
    /// Its own end or its partner's has passed.
    pub expired: bool,
    /// The invitation was accepted.
    pub joined: bool,
    /// When the invitation expires. `None`: there is no invitation.
    pub invitation: Option<Timestamp>,
    /// One of the guest's allowed methods is enrolled.
    pub satisfied: bool,
}

impl State {
    /// All states, in order of precedence.
    pub const ALL: [Self; 9] = [
        Self::Terminating,
        Self::Rejected,
        Self::Pending,
        Self::Suspended,
        Self::Expired,
        Self::InvitationExpired,
        Self::Invited,
        Self::Joined,
        Self::Active,
    ];

    /// The first state that applies.
    pub fn of(facts: Facts, now: Timestamp) -> Self {
        let Facts {
            removing,
            violated,
            live,
            suspended,
            disabled_by_other,
            overdue,
            expired,
            joined,
            invitation,
            satisfied,
        } = facts;
        match () {
            () if removing => Self::Terminating,
            () if violated => Self::Rejected,
            () if !live => Self::Pending,
            () if suspended || overdue => Self::Suspended,
            () if expired => Self::Expired,
            () if disabled_by_other => Self::Suspended,
            () if joined && satisfied => Self::Active,
            () if joined => Self::Joined,
            () if invitation.is_some_and(|until| now < until) => Self::Invited,
            () => Self::InvitationExpired,
        }
    }

    /// The reason that corresponds to the state.
    pub fn reason(self) -> Reason {
        match self {
            Self::Terminating => Reason::Terminating,
            Self::Rejected => Reason::Rejected,
            Self::Pending => Reason::Pending,
            Self::Suspended => Reason::Suspended,
            Self::Expired => Reason::Expired,
            Self::InvitationExpired => Reason::InvitationExpired,
            Self::Invited => Reason::Invited,
            Self::Joined => Reason::Joined,
            Self::Active => Reason::Active,
        }
    }
}
