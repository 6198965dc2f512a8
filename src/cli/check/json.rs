//! JSON output. `docs/check.md` describes the format, which only grows.

use serde_json::{Value, json};

use super::finding::{Code, Finding, Location, Severity};
use super::report::Report;
use crate::cache::Kind;
use crate::domain::printable_json;

/// Version of the format.
const VERSION: u8 = 1;

/// Renders a report as one JSON object.
pub fn render(report: &Report) -> String {
    let findings: Vec<Value> = report.findings.iter().map(|finding| one(report, finding)).collect();
    let objects: serde_json::Map<_, _> =
        Kind::ALL.iter().map(|kind| (kind.as_str().to_owned(), json!(report.counted(*kind)))).collect();
    let mut whole = json!({
        "version": VERSION,
        "summary": {
            "files": report.files(),
            "objects": objects,
            "ignored": report.ignored,
            "errors": report.total(Severity::Error),
            "warnings": report.total(Severity::Warning),
        },
        "findings": findings,
    });
    if !report.warnings.is_empty() {
        whole["warnings"] = json!(report.warnings);
    }
    printable_json(&format!("{whole:#}\n"))
}

fn one(report: &Report, finding: &Finding) -> Value {
    let object = finding
        .object
        .as_ref()
        .map(|key| json!({ "kind": key.kind.as_str(), "namespace": &*key.namespace, "name": &*key.name }));
    let mut value = place(report, &finding.at, !finding.code.has_no_place());
    value["severity"] = json!(finding.severity.as_str());
    value["reason"] = json!(finding.code.as_str());
    value["rule"] = json!(matches!(finding.code, Code::Rule(_)));
    value["message"] = json!(finding.message);
    value["object"] = json!(object);
    value["path"] = json!((!finding.path.is_empty()).then_some(finding.path.as_str()));
    value["other"] = json!(finding.other.as_ref().map(|other| place(report, other, true)));
    value
}

/// A location without nesting, for simple jq expressions.
fn place(report: &Report, at: &Location, is_within: bool) -> Value {
    let mut value = json!({ "file": report.sources.get(at.source).map(|source| source.name.as_str()) });
    let places = (report.place(at.source, at.start), report.place(at.source, at.end));
    let (start, end) = match places {
        (Some((_, start)), Some((_, end))) if is_within => (Some(start), Some(end)),
        _ => (None, None),
    };
    value["line"] = json!(start.map(|place| place.line));
    value["column"] = json!(start.map(|place| place.column));
    value["endLine"] = json!(end.map(|place| place.line));
    value["endColumn"] = json!(end.map(|place| place.column));
    value
}
