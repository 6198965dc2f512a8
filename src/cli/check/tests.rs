//! For any file content, a check ends, and every place it reports lies in the file.

use proptest::prelude::*;

use super::report::Report;
use super::source::Source;
use super::{check, json, sarif, text};

fn checked(content: &str) -> Report {
    check(vec![Ok(Source::new("file.yaml", content))], None, None, "2026-01-01T00:00:00Z".parse().unwrap())
}

/// Renders in every format and checks every place.
fn holds(content: &str) {
    let report = checked(content);
    let lines = content.split('\n').count();
    for finding in &report.findings {
        assert!(finding.at.start <= finding.at.end && finding.at.end <= content.len(), "{finding:?}");
        assert!(content.is_char_boundary(finding.at.start) && content.is_char_boundary(finding.at.end), "{finding:?}");
        let place = report.sources[0].place(finding.at.start);
        assert!(place.line >= 1 && place.line <= lines && place.column >= 1, "{place:?}");
        assert!(place.column <= report.sources[0].line(place.line).chars().count() + 2, "{place:?}");
    }
    assert!(text::render(&report, true).ends_with('\n'));
    for log in [json::render(&report), sarif::render(&report)] {
        serde_json::from_str::<serde_json::Value>(&log).unwrap();
    }
}

/// Pieces of manifests, which get further into the code than noise does.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("apiVersion: guestlist.dev/v1alpha1\n".to_owned()),
        Just("kind: GuestMembership\n".to_owned()),
        Just("kind: AccountShare\n".to_owned()),
        Just("kind: LocalPartner\n".to_owned()),
        Just("metadata: {name: a}\n".to_owned()),
        Just("metadata:\n  name: ü\n".to_owned()),
        Just("spec:\n".to_owned()),
        Just("  partnerRef: &a {name: b}\n".to_owned()),
        Just("  hostAdmins: [a@b.example, *a]\n".to_owned()),
        Just("  guestUsers:\n  - name: a\n    <<: {propagatedBy: b}\n".to_owned()),
        Just("  email: |\n    text\n".to_owned()),
        Just("  suspended: yes\n".to_owned()),
        Just("---\n".to_owned()),
        Just("...\r\n".to_owned()),
        Just("{\"a\": [1, {\"b\": \"\\u00e9\"}]}".to_owned()),
        "[ -~\n\t:{}&*|>'\"äß\u{1F600}\u{7}-]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_text_is_checked_to_its_end(content in "\\PC{0,60}") {
        holds(&content);
    }

    #[test]
    fn any_bytes_that_are_text_are_checked_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        holds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces_of_manifests_are_checked_to_their_end(pieces in proptest::collection::vec(piece(), 0..14)) {
        holds(&pieces.concat());
    }
}

#[test]
fn values_that_lie_deep_are_refused_before_the_stack_ends() {
    for content in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(50_000)] {
        assert_eq!(checked(&content).status(), 2);
    }
    let nested: String = (1..200).fold("- &a0 [x]\n".to_owned(), |text, i| {
        format!("{text}- &a{i} {}*a{}{}\n", "[".repeat(100), i - 1, "]".repeat(100))
    });
    assert_eq!(checked(&nested).status(), 2);
}

#[test]
fn aliases_do_not_blow_up() {
    let mut content = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..20 {
        let alias = format!("*a{}", i - 1);
        content = format!("{content}a{i}: &a{i} [{}]\n", [alias.as_str(); 9].join(", "));
    }
    let report = checked(&content);
    assert_eq!(report.status(), 2);
    assert!(report.findings[0].message.contains("aliases make more than"), "{:?}", report.findings);
}

#[test]
fn an_alias_within_its_own_value_is_refused() {
    assert_eq!(checked("a: &a [*a]\n").status(), 2);
}
