//! A broken rule: which, where, and how to fix it.

use std::cmp::Ordering;
use std::fmt;

use crate::domain::{Reason, printable};

/// The most characters a violation's message has.
pub const MESSAGE_MAX: usize = 200;

/// How far a violation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taint {
    /// The whole object gives nothing.
    Object,
    /// Only the entry that breaks the rule gives nothing; the others go on.
    Entry,
}

/// One broken rule. Ordered as the rules are, then by path, the second entry of a list before the tenth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The rule.
    pub reason: Reason,
    /// The field that breaks it: `spec.guestUsers[2].propagatedBy`.
    pub path: String,
    /// The problem and its fix, at most 200 characters when shown.
    pub message: String,
    /// How far it reaches.
    pub taint: Taint,
}

impl Violation {
    /// A violation and how far it reaches.
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

/// A path in pieces that compare as people read them: names as texts, places in lists as numbers.
fn pieces(path: &str) -> impl Iterator<Item = (Option<u64>, &str)> {
    path.split(['[', ']']).map(|piece| (piece.parse().ok(), piece))
}

/// At most so many characters of a text, and a sign that some are missing.
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
