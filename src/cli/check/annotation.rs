//! The annotations that guestlist reads, and their places.

use super::finding::{Code, Finding, Location, Severity};
use super::schema::Checker;
use crate::cache::Kind;
use crate::plan::annotations::ineffective;
use crate::yaml::node::{MapEntry, field_mark};

/// Reports an annotation of guestlist that does nothing.
pub fn check(entry: &MapEntry, kind: Kind, path: &str, checker: &mut Checker<'_>) {
    let Some(text) = entry.value.text() else { return };
    let Some(problem) = ineffective(kind, &entry.key, text, checker.now) else { return };
    let at = Location::new(checker.source, &field_mark(entry));
    let severity = if problem.is_early { Severity::Warning } else { Severity::Error };
    let finding = Finding::error(Code::Annotation, at, problem.message);
    checker.add(Finding { path: path.to_owned(), severity, ..finding });
}
