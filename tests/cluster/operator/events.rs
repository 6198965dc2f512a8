//! The operator's messages: Events for refusals and revocations, none for the normal lifecycle; and machine-readable
//! logs.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::harness::{BOB, Stage};
use crate::support::operator::eventually;

/// The Events as `object type reason action`, sorted, with duplicates.
pub fn events(stage: &Stage) -> Vec<String> {
    let path =
        "jsonpath={range .items[*]}{.regarding.kind}/{.regarding.name} {.type} {.reason} {.action}{\"\\n\"}{end}";
    let printed = stage.partners().kubectl(&["get", "events.events.k8s.io", "-o", path]).ok();
    let mut seen: Vec<String> = printed.lines().map(str::to_owned).collect();
    seen.sort();
    seen
}

#[track_caller]
fn are_told(stage: &Stage, wanted: &[&str]) {
    eventually(&format!("the Events are {wanted:?}"), || {
        let seen = events(stage);
        if seen == wanted { Ok(()) } else { Err(format!("{seen:?}\n{}", stage.operator.log())) }
    });
}

#[test]
fn events_report_only_refusals_and_revoked_access_and_only_once() {
    let mut stage = Stage::prepare();
    stage.operator.resync = "1s";
    stage.operator.start();
    stage.settle();
    stage.rests(2);
    are_told(&stage, &[]);
    stage.operator.directory_ok(&["reset-mfa", BOB]);
    stage.partners().guest("bob", BOB, "Joined", &[]);
    are_told(&stage, &["GuestMembership/bob Warning MfaNotEnrolled Revoke"]);
    stage.operator.directory_ok(&["enroll-mfa", BOB]);
    stage.partners().patch("share/instagram", r#"{"spec":{"roleOverrides":[{"name":"bob","role":"Manager"}]}}"#);
    let two = [
        "AccountShare/instagram Warning ManagerNeedsGuestAdmin Refuse",
        "GuestMembership/bob Warning MfaNotEnrolled Revoke",
    ];
    are_told(&stage, &two);
    // The note is a constant sentence: the place and the details are in the status.
    let notes = stage.partners().kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].note}"]).ok();
    assert!(!notes.contains("bob") && notes.contains("status.violations"), "{notes}");
    // A resync or a restart does not repeat them.
    stage.operator.kill();
    stage.operator.start();
    stage.rests(4);
    are_told(&stage, &two);
}

#[test]
fn requested_change_is_normal_event_naming_only_revoked_access() {
    let stage = Stage::start();
    stage.settle();
    stage.partners().patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    are_told(&stage, &["GuestMembership/bob Normal Suspended Revoke"]);
    stage.operator.directory_ok(&["set-owner", "instagram", "dan@host.example"]);
    let unowned = [
        "AccountShare/instagram Warning SharerNotOwner Revoke",
        "GuestMembership/bob Normal Suspended Revoke",
        "GuestMembership/carol Warning SharerNotOwner Revoke",
    ];
    are_told(&stage, &unowned);
    // The guest has no access left to revoke.
    stage.partners().patch("gm/carol", r#"{"spec":{"suspended":true}}"#);
    let all = [&unowned[..2], &["GuestMembership/carol Normal Suspended Revoke"], &unowned[2..]].concat();
    are_told(&stage, &all);
    let notes = |name: &str| {
        let path = format!("jsonpath={{range .items[?(@.regarding.name=='{name}')]}}{{.reason}}: {{.note}}\n{{end}}");
        stage.partners().kubectl(&["get", "events.events.k8s.io", "-o", &path]).ok()
    };
    assert!(notes("bob").contains("Suspended: Access was revoked"), "{}", notes("bob"));
    assert!(notes("carol").contains("SharerNotOwner: Access was revoked"), "{}", notes("carol"));
    assert!(notes("carol").contains("Suspended: The login was turned off"), "{}", notes("carol"));
    assert!(notes("instagram").contains("This share grants nothing"), "{}", notes("instagram"));
}

#[test]
fn metrics_have_closed_labels_and_json_log_is_json_to_the_end() {
    let stage = Stage::start();
    stage.settle();
    stage.rests(2);
    let metrics = stage.operator.probe("/metrics").unwrap();
    for line in [
        "guestlist_objects{kind=\"GuestMembership\"} 2",
        "guestlist_live_guests 2",
        "guestlist_ready 1",
        "guestlist_directory_operations_total{operation=\"grant\",result=\"ok\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    for name in ["bob", "carol", "acme", "partners\""] {
        assert!(!metrics.contains(name), "no names in labels: {metrics}");
    }
    // A second operator that cannot open its ports: its log is machine-readable up to its end.
    let taken = ["--health-address", &stage.operator.health, "--metrics-address", &stage.operator.health];
    let output = Command::new(env!("CARGO_BIN_EXE_guestlist"))
        .args(["run", "--log-format=json", "--directory=sqlite:never.db"])
        .args(taken)
        .env("KUBECONFIG", &stage.operator.kubeconfig)
        .current_dir(&stage.operator.folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR", "{said}");
    assert!(last["fields"]["message"].as_str().unwrap().contains("--health-address"), "{said}");
}
