//! Everything that a check found, for one of the formats to write.

use std::collections::BTreeMap;

use super::finding::{Code, Finding, Severity};
use super::source::{LineColumn, Source};
use crate::cache::Kind;

/// What was checked and found.
#[derive(Debug, Default)]
pub struct Report {
    /// The texts.
    pub sources: Vec<Source>,
    /// All problems, in the order of the texts once settled.
    pub findings: Vec<Finding>,
    /// Warnings about the workspace policy.
    pub warnings: Vec<String>,
    /// Objects of other kinds.
    pub ignored: usize,
    counts: BTreeMap<Kind, usize>,
}

impl Report {
    /// One more object of a kind.
    pub fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// How many objects of a kind there are.
    pub fn counted(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// How many files were read, or should have been.
    pub fn files(&self) -> usize {
        let skipped = self.findings.iter().filter(|finding| finding.code == Code::Skipped).count();
        self.sources.len() - skipped
    }

    /// How many problems are that bad.
    pub fn total(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Puts the problems into the order of the texts, each once: what an alias names can be wrong only once.
    pub fn settle(&mut self) {
        for finding in &mut self.findings {
            if let Some(source) = self.sources.get(finding.at.source) {
                let fit = source.fit(&(finding.at.start..finding.at.end));
                (finding.at.start, finding.at.end) = (fit.start, fit.end);
            }
        }
        self.findings.sort_by(|a, b| {
            (&a.at, a.severity, a.code, &a.path, &a.message).cmp(&(&b.at, b.severity, b.code, &b.path, &b.message))
        });
        self.findings.dedup();
    }

    /// The exit status: 2 what cannot be read or parsed, 1 a broken rule, 0 otherwise.
    pub fn status(&self) -> u8 {
        if self.findings.iter().any(|finding| finding.code.is_unreadable()) {
            super::UNREADABLE
        } else {
            u8::from(self.total(Severity::Error) > 0)
        }
    }

    /// A source's name, and where an offset of it lies. Nothing of a file that cannot be read has a place.
    pub fn place(&self, source: usize, offset: usize) -> Option<(&str, LineColumn)> {
        self.sources.get(source).map(|source| (source.name.as_str(), source.place(offset)))
    }
}
