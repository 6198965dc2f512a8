//! The alerts and the dashboard name only what exists: metrics, labels, values of labels, and pages for people.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use guestlist::directory::{Error, Operation, SignInGate};
use guestlist::domain::Reason;
use guestlist::engine::{ReadinessProblem, ReconcileOutcome};
use guestlist::executor::metrics::{METRICS, Metric, MetricKind};
use guestlist::plan::State;
use serde_json::Value;

/// Labels that a scrape or a query adds.
const ADDED: [&str; 3] = ["namespace", "job", "le"];

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

pub fn alerts() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("charts/guestlist/files/alerts.yaml")).unwrap();
    file["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The panels of the dashboard, also those in rows.
fn panels() -> Vec<Value> {
    let file: Value = serde_json::from_str(&read("charts/guestlist/files/dashboard.json")).unwrap();
    file["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").cloned().collect()
}

fn expressions() -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<String> = alerts().iter().map(|alert| text(&alert["expr"])).collect();
    let targets = panels().into_iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    all.extend(targets.map(|target| text(&target["expr"])));
    all
}

/// The words of an expression outside quoted texts, and the quoted text behind each, if there is one.
fn words(expression: &str) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for (place, part) in expression.split('"').enumerate() {
        if place % 2 == 1 {
            found.last_mut().unwrap().1 = Some(part.to_owned());
            continue;
        }
        let words = part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$');
        found.extend(words.filter(|word| !word.is_empty()).map(|word| (word.to_owned(), None)));
    }
    found
}

/// The metric of a name in an expression.
fn metric(name: &str) -> Option<&'static Metric> {
    let suffixes = |metric: &Metric| match metric.kind {
        MetricKind::Histogram => vec!["_bucket", "_count", "_sum"],
        MetricKind::Counter | MetricKind::Gauge => vec![""],
    };
    METRICS.iter().find(|metric| suffixes(metric).iter().any(|suffix| metric.full_name() + suffix == name))
}

/// The closed set of a label's values, where the code has it as a list.
fn values(label: &str) -> Option<BTreeSet<&'static str>> {
    match label {
        "reason" => {
            let problems = ReadinessProblem::ALL.iter().map(|problem| problem.as_str());
            Some(Reason::ALL.iter().map(|reason| reason.as_str()).chain(problems).collect())
        }
        "state" => {
            let states = State::ALL.iter().map(|state| state.reason().as_str());
            Some(states.chain(SignInGate::STATES).collect())
        }
        "operation" => Some(Operation::NAMES.into()),
        "outcome" => Some(ReconcileOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
        "result" => Some(["ok"].into_iter().chain(Error::RESULTS).collect()),
        _ => None,
    }
}

#[test]
fn metrics_labels_and_values_in_expressions_exist() {
    let all = expressions();
    assert!(all.len() > 50, "{}", all.len());
    for expression in &all {
        let words = words(expression);
        let named: Vec<&Metric> = words
            .iter()
            .filter(|(word, _)| word.starts_with("guestlist_"))
            .map(|(word, _)| metric(word).unwrap_or_else(|| panic!("no metric {word}: {expression}")))
            .collect();
        assert!(!named.is_empty(), "{expression}");
        let labels: BTreeSet<&str> = named.iter().flat_map(|metric| metric.labels).copied().chain(ADDED).collect();
        // The labels in `by (…)`.
        for list in expression.split("by (").skip(1) {
            for label in list.split(')').next().unwrap().split(", ") {
                assert!(labels.contains(label), "no label {label}: {expression}");
            }
        }
        for (label, text) in words.iter().filter_map(|(word, text)| Some((word, text.as_deref()?))) {
            assert!(labels.contains(label.as_str()), "no label {label}: {expression}");
            let Some(known) = values(label) else { continue };
            for value in text.split('|') {
                assert!(known.contains(value), "no {label} {value:?}: {expression}");
            }
        }
    }
}

#[test]
fn each_problem_of_readiness_has_an_alert() {
    for problem in ReadinessProblem::ALL {
        let selector = format!("guestlist_readiness_problem{{reason=\"{}\"}}", problem.as_str());
        let found = alerts().iter().any(|alert| alert["expr"].as_str().unwrap().contains(&selector));
        assert!(found, "no alert has {selector}");
    }
}

#[test]
fn each_alert_has_a_section_for_people() {
    let page = read("docs/operations/alerts.md");
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        let notes = &alert["annotations"];
        for note in ["summary", "description"] {
            let text = notes[note].as_str().unwrap();
            assert!(text.ends_with('.') && text.split(". ").all(|one| one.split(' ').count() <= 25), "{name}: {text}");
        }
        let link = format!("docs/operations/alerts.md#{}", name.to_ascii_lowercase());
        assert_eq!(notes["runbook_url"], link.as_str());
        let section = page.split(&format!("\n## {name}\n")).nth(1).unwrap_or_else(|| panic!("no section {name}"));
        let section = section.split("\n## ").next().unwrap();
        for part in ["Meaning", "Impact", "Diagnosis", "Fix"] {
            assert!(section.contains(&format!("**{part}**")), "{name} has no {part}");
        }
    }
    let sections = page.lines().filter_map(|line| line.strip_prefix("## Guestlist"));
    for section in sections {
        assert!(names.contains(&format!("Guestlist{section}")), "no alert Guestlist{section}");
    }
}

#[test]
fn every_panel_is_described_and_placed_without_overlap() {
    let (mut titles, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(titles.insert(title.to_owned()), "{title} is there twice");
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(x < 24 && places.insert((x, y)), "{title} lies on another panel");
            }
        }
    }
}
