//! The result of a check, independent of the output format.

use std::collections::BTreeMap;

use super::finding::{Code, Finding, Severity};
use super::source::{LineColumn, Source};
use crate::cache::Kind;

/// The checked texts and the findings.
#[derive(Debug, Default)]
pub struct Report {
    /// The checked texts.
    pub sources: Vec<Source>,
    /// All findings, in the order of the texts after [`Report::settle`].
    pub findings: Vec<Finding>,
    /// Warnings about the workspace policy.
    pub warnings: Vec<String>,
    /// The number of objects of other kinds.
    pub ignored: usize,
    counts: BTreeMap<Kind, usize>,
}

impl Report {
    /// Counts an object of a kind.
    pub fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// The number of objects of a kind.
    pub fn counted(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// The number of files, including unreadable ones.
    pub fn files(&self) -> usize {
        let skipped = self.findings.iter().filter(|finding| finding.code == Code::Skipped).count();
        self.sources.len() - skipped
    }

    /// The number of findings of a severity.
    pub fn total(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Sorts the findings by their place and removes duplicates: an alias repeats the findings of its anchor.
    pub fn sort_and_deduplicate(&mut self) {
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

    /// The exit status: 2 for unreadable or invalid input, 1 for a broken rule, 0 otherwise.
    pub fn status(&self) -> u8 {
        if self.findings.iter().any(|finding| finding.code.is_unreadable()) {
            super::UNREADABLE
        } else {
            u8::from(self.total(Severity::Error) > 0)
        }
    }

    /// The name of a source, and the place of an offset. `None` for a file that cannot be read.
    pub fn place(&self, source: usize, offset: usize) -> Option<(&str, LineColumn)> {
        self.sources.get(source).map(|source| (source.name.as_str(), source.place(offset)))
    }
}
