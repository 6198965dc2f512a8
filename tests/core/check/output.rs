//! The output for people and programs. The snapshots are the contract: a change to them is a change for users.

use serde_json::Value;

use crate::support::check::{check_with, run};

const MANIFESTS: &str = "\
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec:
  hostAdmins: [alice@host.example]
  mfa: {required: no}
  displayname: Acme
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec:
  partnerRef: {name: acme}
  email: Bob <bob@acme.example>
  invitedBy: alice@host.example
---
broken: [
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec:
  partnerRef: {name: nobody}
  email: bob@acme.example
  invitedBy: alice@host.example
---
apiVersion: v1
kind: ConfigMap
";

fn said(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("acme.yaml"), MANIFESTS).unwrap();
    let said = run(directory.path(), arguments, "");
    assert_eq!((said.status, said.err.as_str()), (2, ""));
    said.out.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn run_in_folder(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("acme.yaml"), MANIFESTS).unwrap();
    run(directory.path(), arguments, MANIFESTS).out
}

#[test]
fn people_are_shown_the_line_and_where_to_read_more() {
    insta::assert_snapshot!(said(&["acme.yaml"]));
}

#[test]
fn programs_are_given_every_place() {
    insta::assert_snapshot!(said(&["-o", "json", "acme.yaml"]));
}

#[test]
fn forges_are_given_sarif() {
    let log: Value = serde_json::from_str(&said(&["-o", "sarif", "acme.yaml"])).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(run["tool"]["driver"]["name"], "guestlist");
    let ids: std::collections::BTreeSet<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "an id stands twice");
    for rule in rules {
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty(), "{rule}");
    }
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "acme.yaml");
        let region = |name: &str| place["region"][name].as_u64().unwrap();
        assert!(region("startLine") >= 1 && region("startColumn") >= 1);
        assert!((region("endLine"), region("endColumn")) >= (region("startLine"), region("startColumn")));
    }
    insta::assert_snapshot!(format!("{:#}", run["results"]));
}

/// All texts below a key that ends in `uri`, in any case.
fn uris(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Some(uri)) = (name.to_ascii_lowercase().ends_with("uri"), value.as_str()) {
                    found.push(uri.to_owned());
                }
                uris(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| uris(value, found)),
        _ => {}
    }
}

#[test]
fn sarif_fits_its_schema() {
    for files in [&["acme.yaml"][..], &["acme.yaml", "missing.yaml"], &["-"]] {
        let text = run_in_folder(&[&["-o", "sarif"], files].concat());
        let log: serde_sarif::sarif::Sarif = serde_json::from_str(&text).unwrap();
        // The types of the schema leave nothing out and add nothing.
        let log = serde_json::to_value(log).unwrap();
        assert_eq!(log, serde_json::from_str::<Value>(&text).unwrap());
        let mut found = Vec::new();
        uris(&log, &mut found);
        assert!(!found.is_empty());
        for uri in found {
            let base = "file:///folder/";
            let full = if uri.contains("://") { uri.clone() } else { format!("{base}{uri}") };
            assert!(!uri.is_empty() && reqwest::Url::parse(&full).is_ok(), "{uri:?} is no URI");
        }
    }
}

#[test]
fn sarif_escapes_spaces_in_uri_and_missing_file_has_no_region() {
    let directory = tempfile::tempdir().unwrap();
    let said = run(directory.path(), &["-o", "sarif", "a b.yaml"], "");
    let log: Value = serde_json::from_str(&said.out).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!((&place["artifactLocation"]["uri"], &place["region"]), (&Value::from("a%20b.yaml"), &Value::Null));
}

#[test]
fn control_characters_of_a_file_never_reach_the_terminal() {
    let text = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {hostAdmins: [\"\\e[2J\u{202e}x\"]}\n";
    let directory = tempfile::tempdir().unwrap();
    let said = run(directory.path(), &["-"], text);
    assert_eq!(said.status, 1);
    assert!(!said.out.contains('\x1b') && !said.out.contains('\u{202e}'), "{:?}", said.out);
}

#[test]
fn a_long_line_is_cut_around_the_problem() {
    let padding = "x".repeat(3_000);
    let text = format!(
        "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {{name: acme, annotations: {{a: {padding}}}, lables: {{}}}}\nspec: {{hostAdmins: [a@host.example]}}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let said = run(directory.path(), &["-"], &text);
    assert!(said.out.lines().all(|line| line.chars().count() < 200), "{}", said.out);
    assert!(said.out.contains("lables") && said.out.contains("^^^^^^"), "{}", said.out);
}

#[test]
fn message_stays_short_for_a_value_of_any_length() {
    let long = "ü".repeat(400);
    for (place, wrong) in [
        ("a@host.example", format!("{long}@host.example")),
        ("LocalPartner", format!("LocalPartner{long}")),
        ("v1alpha1", long.clone()),
        ("acme", long.clone()),
        ("metadata: {", format!("metadata: {{{long}: a, ")),
        ("metadata: {", format!("metadata: {{labels: {{{long}: {long}}}, ")),
        (
            "metadata: {",
            format!("metadata: {{annotations: {{guestlist.dev/{long}: a, guestlist.dev/paused: {long}}}, "),
        ),
        ("metadata: {", format!("metadata: {{creationTimestamp: {long}, namespace: {long}, ")),
        ("spec: {", format!("spec: {{{long}: a, expiresAt: {long}, adoption: {long}, {long}: b, ")),
        ("spec: {", format!("spec: {{mfa: {{methods: [{long}], enrolWithin: {long}}}, ")),
    ] {
        let text = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {hostAdmins: [a@host.example]}\n";
        assert_eq!(text.matches(place).count(), 1, "{place}");
        let (status, report) = check_with(&[], &text.replace(place, &wrong));
        assert_eq!(status, 1);
        for finding in report["findings"].as_array().unwrap() {
            let message = finding["message"].as_str().unwrap();
            assert!(message.chars().count() < 320, "{message}");
        }
    }
}

#[test]
fn the_places_are_those_of_the_characters_not_of_the_bytes() {
    let text = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {displayName: \"ääää\", hostAdmins: [x]}\n";
    let (_, report) = check_with(&[], text);
    assert_eq!(report["findings"][0]["column"], 42);
}

#[test]
fn wildcard_that_covers_a_longer_name_is_listed_for_programs() {
    let directory = tempfile::tempdir().unwrap();
    let policy = "domains: [host.example]\ntenants:\n- {namespace: 'oil-*', hostAdmins: ['*@host.example']}\n\
                  - {namespace: 'oil-gas-*', hostAdmins: [alice@host.example]}\n";
    std::fs::write(directory.path().join("workspace.yaml"), policy).unwrap();
    std::fs::write(directory.path().join("none.yaml"), "apiVersion: v1\nkind: ConfigMap\n").unwrap();
    let said = run(directory.path(), &["-o", "json", "--workspace", "workspace.yaml", "none.yaml"], "");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().contains("oil-*"), "{report:#}");
    assert!(said.err.contains(warnings[0].as_str().unwrap()), "{}", said.err);
}
