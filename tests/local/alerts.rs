//! The cases of the alerts in `tests/prometheus/alerts`, by promtool. `tests/core/metrics/alert_cases.rs` checks that no
//! alert lacks a case.

use std::fs;
use std::path::Path;

use crate::support::prometheus::{program, without_prometheus};

#[test]
fn alerts_fire_and_stay_quiet_as_their_cases_say() {
    if let Some(reason) = without_prometheus() {
        println!("No promtool: {reason}. The cases of the alerts are not run.");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/alerts");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let said = program("promtool").args(["test", "rules"]).args(&files).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{}{}", text(&said.stdout), text(&said.stderr));
    assert_eq!(text(&said.stdout).matches("SUCCESS").count(), files.len());
}
