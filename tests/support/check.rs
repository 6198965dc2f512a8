//! Runs `guestlist check` and reads its output.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// The result of a run.
pub struct Said {
    /// The exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `guestlist check` in a directory, with `input` on standard input.
pub fn run(directory: &Path, arguments: &[&str], input: &str) -> Said {
    let output = Command::cargo_bin("guestlist")
        .unwrap()
        .current_dir(directory)
        .env_clear()
        .arg("check")
        .args(arguments)
        .write_stdin(input)
        .output()
        .unwrap();
    Said {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Checks a text from standard input: the exit status and the report.
pub fn check(input: &str) -> (i32, Value) {
    check_with(&[], input)
}

/// The same, with more arguments.
pub fn check_with(arguments: &[&str], input: &str) -> (i32, Value) {
    let directory = tempfile::tempdir().unwrap();
    let mut all = vec!["-o", "json", "-"];
    all.extend(arguments);
    let said = run(directory.path(), &all, input);
    assert_eq!(said.err, "");
    (said.status, serde_json::from_str(&said.out).unwrap())
}

/// Findings, short: `error HostDomain 3:4 spec.email`.
pub fn short(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or("-").to_owned();
            let place = format!("{}:{}", finding["line"], finding["column"]);
            format!("{} {} {place} {}", text("severity"), text("reason"), text("path"))
        })
        .collect()
}

/// The codes of the errors.
pub fn errors(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| finding["reason"].as_str().unwrap().to_owned())
        .collect()
}
