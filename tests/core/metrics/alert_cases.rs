//! Each alert has cases for `promtool test rules`, which `tests/local/alerts.rs` runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::SignedDuration;
use serde_json::Value;

use super::read_by::alerts;

/// An assertion of a case: the time, and whether the alert fires.
type Assertion = (SignedDuration, bool);

/// A case with the interval of its file.
struct Case {
    evaluation: SignedDuration,
    assertions: Vec<(String, Assertion)>,
}

impl Case {
    fn of(&self, alert: &str) -> Vec<Assertion> {
        self.assertions.iter().filter(|(name, _)| name == alert).map(|(_, assertion)| *assertion).collect()
    }
}

fn duration(value: &Value) -> SignedDuration {
    value.as_str().unwrap().parse().unwrap()
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/alerts");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file: Value = serde_saphyr::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        assert_eq!(file["rule_files"], serde_json::json!(["../../../charts/guestlist/files/alerts.yaml"]));
        for case in file["tests"].as_array().unwrap() {
            let assertions = case["alert_rule_test"].as_array().unwrap().iter().map(|one| {
                let fires = !one["exp_alerts"].as_array().unwrap().is_empty();
                (one["alertname"].as_str().unwrap().to_owned(), (duration(&one["eval_time"]), fires))
            });
            all.push(Case { evaluation: duration(&file["evaluation_interval"]), assertions: assertions.collect() });
        }
    }
    all
}

#[test]
fn each_alert_has_a_case_that_fires_and_a_quiet_one() {
    let (cases, mut known) = (cases(), BTreeSet::new());
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        known.insert(name.to_owned());
        let pending = alert.get("for").map_or(SignedDuration::ZERO, duration);
        // It fires, and one evaluation earlier it does not.
        let fires = cases.iter().any(|case| {
            let assertions = case.of(name);
            assertions.iter().any(|(at, fires)| *fires && assertions.contains(&(*at - case.evaluation, false)))
        });
        assert!(fires, "{name} has no case that fires right after an evaluation that does not");
        let quiet = cases.iter().any(|case| {
            let assertions = case.of(name);
            assertions.iter().all(|(_, fires)| !fires) && assertions.iter().any(|(at, _)| *at > pending)
        });
        assert!(quiet, "{name} has no case that stays quiet for longer than {pending:#}");
    }
    let named = cases.iter().flat_map(|case| case.assertions.iter().map(|(name, _)| name.clone()));
    assert_eq!(named.collect::<BTreeSet<_>>(), known);
}
