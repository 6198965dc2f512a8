//! Output for code review: SARIF 2.1.0, the format that forges show beside the changed lines.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::finding::{Code, Finding, Location};
use super::report::Report;
use crate::domain::{Reason, printable_json};
use crate::validation::entry;

/// Renders a report as one SARIF log.
pub fn render(report: &Report) -> String {
    let codes: Vec<Code> =
        Code::OTHERS.into_iter().chain(Reason::ALL.iter().map(|reason| Code::Rule(*reason))).collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = report.findings.iter().map(|finding| result(report, &codes, finding)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    printable_json(&format!("{log:#}\n"))
}

fn rule(code: Code) -> Value {
    let mut rule = json!({ "id": code.as_str(), "shortDescription": { "text": code.meaning() } });
    if let Code::Rule(reason) = code {
        let entry = entry(reason);
        if !entry.why.is_empty() {
            rule["fullDescription"] = json!({ "text": format!("{} {}", entry.meaning, entry.why) });
        }
        rule["help"] = json!({ "text": entry.fix });
    }
    rule
}

fn result(report: &Report, codes: &[Code], finding: &Finding) -> Value {
    let mut location = Map::new();
    location.insert("physicalLocation".to_owned(), physical(report, &finding.at, !finding.code.has_no_place()));
    if let Some(object) = &finding.object {
        let name = if finding.path.is_empty() { object.to_string() } else { format!("{object} {}", finding.path) };
        location.insert("logicalLocations".to_owned(), json!([{ "fullyQualifiedName": name, "kind": "object" }]));
    }
    let mut result = json!({
        "ruleId": finding.code.as_str(),
        "level": finding.severity.as_str(),
        "message": { "text": finding.message },
        "locations": [location],
    });
    if let Some(index) = codes.iter().position(|code| *code == finding.code) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(other) = &finding.other {
        let message = json!({ "text": "the first one" });
        result["relatedLocations"] = json!([{ "physicalLocation": physical(report, other, true), "message": message }]);
    }
    result
}

fn physical(report: &Report, at: &Location, has_region: bool) -> Value {
    let name = report.sources.get(at.source).map_or("", |source| source.name.as_str());
    let mut physical = json!({ "artifactLocation": { "uri": uri(name) } });
    if let (true, Some((_, start)), Some((_, end))) =
        (has_region, report.place(at.source, at.start), report.place(at.source, at.end))
    {
        physical["region"] = json!({
            "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
        });
    }
    physical
}

/// A path as a relative or file URI.
fn uri(path: &str) -> String {
    if path == "-" {
        return "stdin".to_owned();
    }
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let mut uri = scheme.to_owned();
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
