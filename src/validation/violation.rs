//! A broken rule: the reason, the field and the fix.

use std::cmp::Ordering;
use std::fmt;

use crate::domain::{Reason, printable};

/// Maximum length of a violation's message, in characters.
pub const MESSAGE_MAX: usize = 200;

/// The scope of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taint {
    /// The whole object grants nothing.
    Object,
    /// Only the entry with the violation grants nothing.
    Entry,
}

/// One broken rule. The order is that of the rules, then of the path, with list indexes as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The rule.
    pub reason: Reason,
    /// The field that breaks it: `spec.guestUsers[2].propagatedBy`.
    pub path: String,
    /// The problem and its fix, at most 200 characters when shown.
    pub message: String,
    /// The scope.
    pub taint: Taint,
}

impl Violation {
    /// A violation with a scope.
    pub fn new(taint: Taint, reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, path: path.into(), message: clip(&printable(&message.into()), MESSAGE_MAX), taint }
    }

    /// A violation that taints the whole object.
    pub fn object(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Taint::Object, reason, path, message)
    }

    /// A violation that taints one entry only.
    pub fn entry(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Taint::Entry, reason, path, message)
    }
}

impl Ord for Violation {
    fn cmp(&self, other: &Self) -> Ordering {
        self.reason
            .cmp(&other.reason)
            .then_with(|| pieces(&self.path).cmp(pieces(&other.path)))
            .then_with(|| self.path.cmp(&other.path))
            .then_with(|| self.message.cmp(&other.message))
            .then_with(|| self.taint.cmp(&other.taint))
    }
}

impl PartialOrd for Violation {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The parts of a path for comparison: names as text, list indexes as numbers.
fn pieces(path: &str) -> impl Iterator<Item = (Option<u64>, &str)> {
    path.split(['[', ']']).map(|piece| (piece.parse().ok(), piece))
}

/// Text of limited length, in characters. An ellipsis marks a cut.
fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.reason, self.message, self.path)
    }
}
