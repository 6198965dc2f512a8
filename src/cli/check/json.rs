//! Problems for programs. The shape is described in `docs/check.md` and only grows.

use serde_json::{Value, json};

use super::finding::{Code, Finding, Location, Severity};
use super::report::Report;
use crate::index::Kind;

/// The shape's version.
const VERSION: u8 = 1;

/// One JSON object.
pub fn render(report: &Report) -> String {
    let findings: Vec<Value> = report.findings.iter().map(|finding| one(report, finding)).collect();
    let objects: serde_json::Map<_, _> =
        Kind::ALL.iter().map(|kind| (kind.as_str().to_owned(), json!(report.counted(*kind)))).collect();
    let whole = json!({
        "version": VERSION,
        "summary": {
            "files": report.sources.len(),
            "objects": objects,
            "ignored": report.ignored,
            "errors": report.total(Severity::Error),
            "warnings": report.total(Severity::Warning),
        },
        "findings": findings,
    });
    format!("{whole:#}\n")
}

fn one(report: &Report, finding: &Finding) -> Value {
    let object = finding
        .object
        .as_ref()
        .map(|key| json!({ "kind": key.kind.as_str(), "namespace": key.namespace, "name": key.name }));
    json!({
        "severity": finding.severity.as_str(),
        "reason": finding.code.as_str(),
        "rule": matches!(finding.code, Code::Rule(_)),
        "message": finding.message,
        "file": report.sources.get(finding.at.source).map(|source| source.name.as_str()),
        "range": (finding.code != Code::Unreadable).then(|| range(report, &finding.at)),
        "object": object,
        "path": (!finding.path.is_empty()).then_some(finding.path.as_str()),
        "other": finding.other.as_ref().map(|other| json!({
            "file": report.sources.get(other.source).map(|source| source.name.as_str()),
            "range": range(report, other),
        })),
    })
}

fn range(report: &Report, at: &Location) -> Value {
    let place = |offset| {
        report.place(at.source, offset).map(|(_, place)| json!({ "line": place.line, "column": place.column }))
    };
    json!({ "start": place(at.start), "end": place(at.end) })
}
