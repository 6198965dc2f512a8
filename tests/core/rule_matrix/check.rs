//! Enforcement on files: `guestlist check` as a process.

use guestlist::domain::Reason;
use guestlist::validation::entry;
use guestlist::workspace_policy::WorkspacePolicy;
use serde_json::{Value, json};

use super::pairs::{Asked, PAIRS, POLICY, Pair, WORLD};
use crate::support::check::{check_with, errors};

fn policy(directory: &tempfile::TempDir) -> String {
    let path = directory.path().join("workspace.yaml");
    std::fs::write(&path, POLICY).unwrap();
    path.to_string_lossy().into_owned()
}

/// Whether the report contains the pair's rule for the pair's object and field.
fn says(report: &Value, pair: &Pair) -> bool {
    let (kind, name, path) = pair.place();
    let severity = if pair.waits() { "warning" } else { "error" };
    report["findings"].as_array().unwrap().iter().any(|finding| {
        finding["reason"] == pair.reason.as_str()
            && finding["severity"] == severity
            && finding["object"]["kind"] == kind.as_str()
            && finding["object"]["name"] == name
            && finding["path"] == path
    })
}

#[test]
fn the_world_of_the_pairs_breaks_no_rule() {
    let directory = tempfile::tempdir().unwrap();
    let (status, report) = check_with(&["--workspace", &policy(&directory)], WORLD);
    assert_eq!((status, report["findings"].as_array().unwrap().len()), (0, 0), "{report:#}");
}

#[test]
fn each_check_rule_refuses_its_case_and_accepts_the_nearest() {
    let directory = tempfile::tempdir().unwrap();
    let file = policy(&directory);
    for pair in PAIRS.iter().filter(|pair| pair.asked != Asked::Changed) {
        let (status, report) = check_with(&["--workspace", &file], &pair.world(pair.refused));
        assert_eq!(status, i32::from(!pair.waits()), "{pair:?}: {report:#}");
        assert!(says(&report, pair), "{pair:?} is let through: {report:#}");
        if pair.asked == Asked::Alone {
            let (_, name, _) = pair.place();
            let blamed = report["findings"].as_array().unwrap().iter().any(|finding| finding["object"]["name"] != name);
            assert!(!blamed, "{pair:?}: others are blamed for what {name} says: {report:#}");
        }
        let (status, report) = check_with(&["--workspace", &file], &pair.world(pair.passes));
        assert!(status == 0 && !says(&report, pair), "{pair:?} is refused at its edge: {report:#}");
    }
}

#[test]
fn invalid_role_is_reported_once_and_not_for_each_propagator() {
    let override_of_carol = "  roleOverrides:\n  - {name: carol, role: Manager}\n";
    let world = WORLD.replace(override_of_carol, "");
    assert_eq!(errors(&check_with(&[], &world).1), [""; 0]);
    for (role, word) in [("Owner", "OwnerNeverShared"), ("manager", "InvalidValue")] {
        let wrong = world.replace("guestAdminRole: Manager", &format!("guestAdminRole: {role}"));
        assert_eq!(errors(&check_with(&[], &wrong).1), [word]);
        let by_bob = wrong.replace("propagatedBy: carol", "propagatedBy: bob");
        assert_eq!(errors(&check_with(&[], &by_bob).1), [word, "PropagationNeedsManager"]);
    }
}

#[test]
fn without_a_policy_its_rules_are_not_judged() {
    let elsewhere = WORLD.replace("namespace: partners", "namespace: elsewhere");
    assert_eq!(check_with(&[], &elsewhere).0, 0);
    let directory = tempfile::tempdir().unwrap();
    let (status, report) = check_with(&["--workspace", &policy(&directory)], &elsewhere);
    assert_eq!(status, 1);
    assert!(errors(&report).contains(&"HostAdminNotAllowedHere".to_owned()), "{report:#}");
}

/// The specs with only the required fields.
const LEAST: [(&str, &str); 3] = [
    ("LocalPartner", r#"{"hostAdmins": ["alice@host.example"]}"#),
    (
        "GuestMembership",
        r#"{"partnerRef": {"name": "acme"}, "email": "bob@acme.example", "invitedBy": "alice@host.example"}"#,
    ),
    ("AccountShare", r#"{"partnerRef": {"name": "acme"}, "account": "a", "sharedBy": "alice@host.example"}"#),
];

#[test]
fn every_example_of_a_fix_is_let_through() {
    for reason in Reason::ALL {
        for example in entry(*reason).example.split("\n---\n").filter(|example| !example.is_empty()) {
            if ["kubectl ", "guestlist "].iter().any(|command| example.starts_with(command)) {
                continue;
            }
            let mut object: Value = serde_saphyr::from_str(example).unwrap();
            let Some(kind) = object["kind"].as_str() else {
                // An example is a part of a policy, and each policy lists its tenants.
                let tenants = if object["tenants"].is_null() { "tenants: []\n" } else { "" };
                let policy = format!("{tenants}{example}");
                assert!(WorkspacePolicy::parse(&policy).is_ok(), "{reason}: {example}");
                continue;
            };
            let (_, least) = LEAST.iter().find(|(known, _)| *known == kind).unwrap();
            let mut spec: Value = serde_json::from_str(least).unwrap();
            spec.as_object_mut().unwrap().extend(object["spec"].as_object().unwrap().clone());
            object["spec"] = spec;
            object["apiVersion"] = "guestlist.dev/v1alpha1".into();
            object["metadata"] = json!({ "name": "example" });
            let (status, report) = check_with(&[], &object.to_string());
            assert_eq!(status, 0, "{reason}: {report:#}");
        }
    }
}
