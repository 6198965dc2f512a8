//! What can go wrong with a directory, typed by what happens next.

use std::time::Duration;

use super::Owner;

/// A directory's failure. Never absence: what is not there is `Ok(None)`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// It does not answer, or not in time. Retry with back-off.
    #[error("the directory does not answer: {context}")]
    Unavailable {
        /// What was tried and what came back, without any secret.
        context: String,
    },
    /// It has a record of a guest whose mail did not go out: nobody takes it. Retry with back-off.
    #[error("{context}")]
    Unsent {
        /// To whom, and what to look at.
        context: String,
    },
    /// It asks for patience.
    #[error("the directory asks to wait {}s: {context}", .after.as_secs())]
    Busy {
        /// What was tried.
        context: String,
        /// For how long.
        after: Duration,
    },
    /// The record moved on since the plan was made. Read it again and plan anew.
    #[error("the record of {what} changed in the meantime")]
    Changed {
        /// Which.
        what: String,
    },
    /// An identity is in the way that is not ours. Wait for a change.
    #[error("the directory holds an identity for {what} that is not ours")]
    Exists {
        /// Which.
        what: String,
    },
    /// Somebody else leads now. Stop.
    #[error(
        "another operator or apply is the leader of this directory now; a directory has one leader at a time, so stop the other one"
    )]
    Fenced,
    /// Another directory lies where this one was. Stop, and begin anew with what is there.
    #[error("{message}")]
    Replaced {
        /// Where, and what to do.
        message: String,
    },
    /// The directory belongs to somebody else. Stop.
    #[error("the directory belongs to installation {:?} (cluster {})", .owner.installation, .owner.cluster)]
    Foreign {
        /// To whom.
        owner: Owner,
    },
    /// It refuses for good: wrong file, newer schema, missing permission. Wait for a change.
    #[error("{message}")]
    Refused {
        /// What, and how to fix it.
        message: String,
    },
}

/// What happens after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try again, later each time.
    BackOff,
    /// Try again after this time.
    After(Duration),
    /// Read the record again and plan anew, at once.
    Reread,
    /// Nothing, until something changes.
    Wait,
    /// Stop everything.
    Stop,
}

impl Error {
    /// What happens next.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unavailable { .. } | Self::Unsent { .. } => Retry::BackOff,
            Self::Busy { after, .. } => Retry::After(*after),
            Self::Changed { .. } => Retry::Reread,
            Self::Exists { .. } | Self::Refused { .. } => Retry::Wait,
            Self::Fenced | Self::Foreign { .. } | Self::Replaced { .. } => Retry::Stop,
        }
    }
}
