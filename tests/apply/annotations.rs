//! Annotations that do nothing: `plan` and `apply` say so in each format, and go on.

use serde_json::Value;

use super::folder::{Folder, manifests};

const SOON: &str = "guestlist.dev/reset-mfa: soon";
const LATER: &str = "guestlist.dev/resend-invitation: '2126-01-31T00:00:00Z'";

#[test]
fn annotation_without_effect_is_a_warning_of_plan_and_apply() {
    let folder = Folder::new();
    let annotated = format!("metadata: {{annotations: {{{SOON}, {LATER}}}, name: bob,");
    folder.declare(&manifests().replace("metadata: {name: bob,", &annotated));
    let said = |text: &str| {
        for words in [
            "GuestMembership partners/bob: the annotation \"guestlist.dev/reset-mfa\": nothing happens: \"soon\" is no time",
            "\"guestlist.dev/resend-invitation\": \"2126-01-31T00:00:00Z\" is in the future",
            "At that time the operator sends the invitation again",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    };
    let (code, text) = folder.plan();
    assert_eq!(code, 2, "{text}");
    said(&text);
    assert!(text.contains(".yaml:"), "its place: {text}");
    let (_, markdown) = folder.says(&["plan", "manifests", "-o", "markdown"]);
    assert!(markdown.contains("### Warnings") && markdown.contains("is no time"), "{markdown}");
    let warnings = |(_, value): (i32, Value)| {
        value["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect::<String>()
    };
    said(&warnings(folder.json(&["plan", "manifests"])));
    said(&warnings(folder.json(&["apply", "manifests", "--yes"])));
    said(&folder.apply());
}
