//! Failures of a directory, typed by the retry that they need.

use std::time::Duration;

use super::Owner;

/// A directory's failure. A missing record is no failure, but `Ok(None)`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The directory does not respond, or not in time. Retry with back-off.
    #[error("the directory does not answer: {context}")]
    Unavailable {
        /// The call and its result, without secrets.
        context: String,
    },
    /// The guest's record is written, but the mail server refused the mail. Retry with back-off.
    #[error("{context}")]
    MailNotSent {
        /// The recipient, and the settings to check.
        context: String,
    },
    /// The directory asks for a delay before the next call.
    #[error("the directory asks to wait {}s: {context}", .after.as_secs())]
    Busy {
        /// The call.
        context: String,
        /// The delay.
        after: Duration,
    },
    /// The record changed after the plan was made. Read it again and plan again.
    #[error("the record of {what} changed in the meantime")]
    Changed {
        /// The record.
        what: String,
    },
    /// An identity that guestlist does not manage has the same address or name. Wait for a change.
    #[error("the directory holds an identity for {what} that is not ours")]
    Exists {
        /// The identity.
        what: String,
    },
    /// Another process is the leader now. Stop.
    #[error(
        "another operator or apply is the leader of this directory now; a directory has one leader at a time, so stop the other one"
    )]
    Fenced,
    /// Another file replaced the directory's file. Stop, and start again with the present file.
    #[error("{message}")]
    Replaced {
        /// The path and the fix.
        message: String,
    },
    /// The directory belongs to another installation or cluster. Stop.
    #[error("the directory belongs to installation {:?} (cluster {})", .owner.installation, .owner.cluster)]
    Foreign {
        /// The present owner.
        owner: Owner,
    },
    /// A retry cannot help: wrong file, newer schema, missing permission. Wait for a change.
    #[error("{message}")]
    Refused {
        /// The cause and the fix.
        message: String,
    },
}

/// The reaction to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Retry with increasing delays.
    BackOff,
    /// Retry after this time.
    After(Duration),
    /// Read the record again at once and plan again.
    Reread,
    /// Do nothing until something changes.
    Wait,
    /// Stop the process.
    Stop,
}

impl Error {
    /// All values of [`Error::result`].
    pub const RESULTS: [&str; 7] = ["unavailable", "unsent", "busy", "changed", "exists", "refused", "stopped"];

    /// The result of an operation with this error, in metrics.
    pub fn result(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => Self::RESULTS[0],
            Self::MailNotSent { .. } => Self::RESULTS[1],
            Self::Busy { .. } => Self::RESULTS[2],
            Self::Changed { .. } => Self::RESULTS[3],
            Self::Exists { .. } => Self::RESULTS[4],
            Self::Refused { .. } => Self::RESULTS[5],
            Self::Fenced | Self::Foreign { .. } | Self::Replaced { .. } => Self::RESULTS[6],
        }
    }

    /// The reaction that the error needs.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unavailable { .. } | Self::MailNotSent { .. } => Retry::BackOff,
            Self::Busy { after, .. } => Retry::After(*after),
            Self::Changed { .. } => Retry::Reread,
            Self::Exists { .. } | Self::Refused { .. } => Retry::Wait,
            Self::Fenced | Self::Foreign { .. } | Self::Replaced { .. } => Retry::Stop,
        }
    }
}
