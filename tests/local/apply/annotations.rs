//! `plan` and `apply` show the findings of `check` for the files that they read: errors stop them, warnings do not.

use serde_json::Value;

use super::folder::{Folder, manifests};

const LATER: &str = "guestlist.dev/resend-invitation: '2126-01-31T00:00:00Z'";

/// The manifests, with an annotation of bob.
fn annotated(annotation: &str) -> String {
    manifests().replace("metadata: {name: bob,", &format!("metadata: {{annotations: {{{annotation}}}, name: bob,"))
}

fn warnings((_, value): (i32, Value)) -> String {
    value["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned() + "\n").collect()
}

#[test]
fn annotation_without_effect_stops_plan_and_apply() {
    let folder = Folder::new();
    let before = folder.content();
    for (annotation, words) in [
        ("guestlist.dev/reset-mfa: soon", "the annotation has no effect: \"soon\" is no time"),
        ("guestlist.dev/paused: 'True'", "\"True\" has no effect"),
        ("guestlist.dev/pausd: 'true'", "did you mean guestlist.dev/paused?"),
    ] {
        folder.declare(&annotated(annotation));
        for args in [&["plan", "manifests"][..], &["apply", "manifests", "--yes"], &["plan", "manifests", "-o", "json"]]
        {
            let (code, text) = folder.says(args);
            assert_eq!(code, 1, "{args:?}: {text}");
            assert!(text.contains("error[annotation]") && text.contains(words), "{words}: {text}");
            assert!(text.contains("manifests/all.yaml:"), "its place: {text}");
        }
    }
    assert_eq!(folder.content(), before, "nothing is done");
}

#[test]
fn name_that_is_too_long_stops_plan_and_apply() {
    let folder = Folder::new();
    folder.declare(&manifests().replace("name: bob,", &format!("name: {},", "b".repeat(64))));
    for args in [&["plan", "manifests"][..], &["apply", "manifests", "--yes"]] {
        let (code, text) = folder.says(args);
        assert!(code == 1 && text.contains("at most 63 characters"), "{args:?}: {code} {text}");
    }
}

#[test]
fn warning_of_check_is_a_warning_of_plan_and_apply() {
    let folder = Folder::new();
    let manifests = annotated(LATER)
        .replace("invitedBy: alice@host.example}", "invitedBy: alice@host.example, suspended: no}")
        .replace("role: GuestAdmin,", "role: GuestAdmin, expiresAt: '2025-01-01T00:00:00Z',")
        .replace("guestAdminRole", "exclude: [{name: nobody}]\n  guestAdminRole");
    folder.declare(&manifests);
    let said = |text: &str| {
        for words in [
            "GuestMembership partners/bob: metadata.annotations.guestlist.dev/resend-invitation: ",
            "\"2126-01-31T00:00:00Z\" is in the future",
            "At that time the operator sends the invitation again",
            "spec.suspended: ",
            "spec.expiresAt: this instant has passed",
            "spec.exclude[0].name: there is no membership nobody in these files",
            "manifests/all.yaml:",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    };
    let (code, text) = folder.plan();
    assert_eq!(code, 2, "{text}");
    said(&text);
    let (_, markdown) = folder.says(&["plan", "manifests", "-o", "markdown"]);
    assert!(markdown.contains("### Warnings") && markdown.contains("this instant has passed"), "{markdown}");
    said(&warnings(folder.json(&["plan", "manifests"])));
    said(&warnings(folder.json(&["apply", "manifests", "--yes"])));
    said(&folder.apply());
}

#[test]
fn every_finding_of_check_is_shown_by_plan() {
    let folder = Folder::new();
    folder.declare(&annotated(LATER).replace("name: acme}, email: bob", "name: acmee}, email: bob"));
    let (_, checked) = folder.json(&["check", "manifests"]);
    let (_, planned) = folder.says(&["plan", "manifests"]);
    let findings = checked["findings"].as_array().unwrap();
    assert!(findings.len() >= 2, "{checked:#}");
    for finding in findings {
        let (message, reason) = (finding["message"].as_str().unwrap(), finding["reason"].as_str().unwrap());
        assert!(planned.contains(message) || planned.contains(&format!("[{reason}]")), "{finding:#}: {planned}");
    }
}
