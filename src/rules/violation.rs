//! A broken rule: which, where, and how to mend it.

use std::fmt;

use super::Reason;

/// How far a violation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taint {
    /// The whole object gives nothing.
    Object,
    /// Only the entry that breaks the rule gives nothing; the others go on.
    Entry,
}

/// One broken rule. Ordered as the law orders rules, then by path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Violation {
    /// The rule.
    pub reason: Reason,
    /// The field that breaks it: `spec.guestUsers[2].propagatedBy`.
    pub path: String,
    /// What is wrong and how to mend it, at most 200 characters when shown.
    pub message: String,
    /// How far it reaches.
    pub taint: Taint,
}

impl Violation {
    /// A violation that taints the whole object.
    pub fn object(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, path: path.into(), message: message.into(), taint: Taint::Object }
    }

    /// A violation that taints one entry only.
    pub fn entry(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, path: path.into(), message: message.into(), taint: Taint::Entry }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.reason, self.message, self.path)
    }
}
