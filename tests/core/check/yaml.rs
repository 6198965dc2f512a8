//! YAML and JSON as people and tools write them.

use crate::support::check::{check, errors, short};

const HEAD: &str = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\n";

fn spec(spec: &str) -> (i32, Vec<String>) {
    let (status, report) = check(&format!("{HEAD}spec:\n{spec}"));
    (status, short(&report))
}

#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    let (status, found) = spec("  hostAdmins: [a@host.example]\n  suspended: Yes\n  guests: {maxGuests: 010}\n");
    assert_eq!(found, ["warning yaml-scalar 6:14 spec.suspended", "warning yaml-scalar 7:23 spec.guests.maxGuests"]);
    assert_eq!(status, 0);
    // Quoted, it is a string, not a boolean.
    let (status, found) = spec("  hostAdmins: [a@host.example]\n  suspended: \"yes\"\n");
    assert_eq!((status, found), (1, vec!["error schema 6:14 spec.suspended".to_owned()]));
    // Unquoted, `no` is not a string.
    let (status, found) = spec("  hostAdmins: [a@host.example]\n  displayName: no\n");
    assert_eq!((status, found), (1, vec!["error schema 6:16 spec.displayName".to_owned()]));
    // A time without quotes is still a string.
    assert_eq!(spec("  hostAdmins: [a@host.example]\n  expiresAt: 2037-01-01T00:00:00Z\n").0, 0);
}

#[test]
fn field_without_value_is_refused_as_by_server_side_apply() {
    let (status, found) = spec("  hostAdmins: [a@host.example]\n  displayName:\n  mfa: ~\n");
    assert_eq!(found, ["error schema 6:3 spec.displayName", "error schema 7:3 spec.mfa"]);
    assert_eq!(status, 1);
    assert_eq!(spec("  hostAdmins:\n").1, ["error schema 5:3 spec.hostAdmins"]);
    let (status, report) = check(&format!("{HEAD}spec:\n"));
    assert_eq!((status, short(&report)), (1, vec!["error schema 4:1 spec".to_owned()]));
}

#[test]
fn a_list_of_objects_is_no_document() {
    let item = r#"{"apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner", "metadata": {"name": "acme"}}"#;
    let (status, report) = check(&format!("[{item}]\n"));
    assert_eq!((status, errors(&report)), (1, vec!["schema".to_owned()]));
    let (status, report) = check("- hosts: all\n- name: x\n");
    assert_eq!((status, errors(&report)), (1, vec!["schema".to_owned()]), "kubectl refuses it");
    let (status, report) = check("apiVersion: v1\nkind: List\nitems: {a: b}\n");
    assert_eq!((status, short(&report)), (1, vec!["error schema 3:1 items".to_owned()]));
}

#[test]
fn an_annotation_that_does_nothing_is_refused() {
    let object = |kind: &str, annotations: &str| {
        let spec = match kind {
            "LocalPartner" => "{hostAdmins: [a@host.example]}",
            _ => "{partnerRef: {name: acme}, email: b@acme.example, invitedBy: a@host.example}",
        };
        format!(
            "apiVersion: guestlist.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: x\n  annotations: {{{annotations}}}\nspec: {spec}\n"
        )
    };
    for (kind, refused, passes) in [
        ("LocalPartner", "guestlist.dev/paused: 'True'", "guestlist.dev/paused: 'false'"),
        ("GuestMembership", "guestlist.dev/reset-mfa: 'now'", "guestlist.dev/reset-mfa: '2026-01-01T00:00:00Z'"),
        (
            "GuestMembership",
            "guestlist.dev/resend-invitation: '2026-01-01'",
            "guestlist.dev/resend-invitation: 2026-01-01T00:00:00+01:00",
        ),
        ("LocalPartner", "guestlist.dev/reset-mfa: '2026-01-01T00:00:00Z'", "guestlist.dev/reconcile-at: now"),
        ("LocalPartner", "guestlist.dev/pause: 'true'", "example.dev/pause: 'true'"),
    ] {
        let (status, report) = check(&object(kind, refused));
        assert_eq!((status, errors(&report)), (1, vec!["annotation".to_owned()]), "{refused}: {report:#}");
        assert_eq!(check(&object(kind, passes)).0, 0, "{passes}");
    }
    let (status, report) = check(&object("GuestMembership", "guestlist.dev/reset-mfa: '2126-01-01T00:00:00Z'"));
    let found =
        &report["findings"].as_array().unwrap().iter().find(|it| it["reason"] == "annotation").unwrap()["severity"];
    assert_eq!((status, found.as_str()), (0, Some("warning")), "{report:#}");
}

#[test]
fn unknown_fields_are_errors_with_a_suggestion() {
    let (status, report) =
        check(&format!("{HEAD}spec:\n  hostAdmins: [a@host.example]\n  displayname: x\n  mfa: {{method: [TOTP]}}\n"));
    assert_eq!(status, 1);
    let messages: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| f["message"].as_str().unwrap()).collect();
    assert!(messages[0].ends_with("did you mean displayName?"), "{messages:?}");
    assert!(messages[1].ends_with("did you mean methods?"), "{messages:?}");
    let (_, report) = check(&HEAD.replace("{name: acme}", "{name: acme, lables: {}}"));
    assert!(errors(&report).contains(&"schema".to_owned()));
}

#[test]
fn a_key_stands_once() {
    let (status, report) =
        check(&format!("{HEAD}spec:\n  hostAdmins: [a@host.example]\n  suspended: true\n  suspended: false\n"));
    assert_eq!((status, short(&report)), (1, vec!["error duplicate-key 7:3 -".to_owned()]));
    assert_eq!(report["findings"][0]["other"]["line"], 6);
}

/// Like kubectl's reader, which refuses large documents that consist mostly of aliases.
#[test]
fn large_document_is_read_unless_aliases_make_it() {
    let zeros = |count: usize| vec!["0"; count].join(", ");
    let aliases = |count: usize| vec!["*a"; count].join(", ");
    let read = |own: usize, anchored: usize, copies: usize| {
        let text = format!("own: [{}]\na: &a [{}]\nb: [{}]\n", zeros(own), zeros(anchored), aliases(copies));
        guestlist::yaml::read(&text).1.len()
    };
    assert_eq!(read(1100, 3, 60), 0);
    assert_eq!(read(1, 9, 9), 0);
    assert_eq!(read(1, 200, 300), 1);
}

#[test]
fn anchors_aliases_and_merge_keys_are_followed() {
    let text = "  hostAdmins: &all [a@host.example]\n  mfa: &mfa {methods: [TOTP], enrolWithin: 900h}\n";
    assert_eq!(spec(text).1, ["error MfaDeadlineTooLong 6:44 spec.mfa.enrolWithin"]);
    let (status, report) = check(&format!(
        "base: &base {{hostAdmins: [a@host.example], suspended: true}}\n{HEAD}spec:\n  <<: *base\n  suspended: false\n"
    ));
    assert_eq!((status, short(&report)), (1, vec!["error schema 1:1 base".to_owned()]));
}

#[test]
fn after_a_syntax_error_it_goes_on_at_the_next_document() {
    let text = format!("{HEAD}spec: [\n---\n{HEAD}spec: {{hostAdmins: []}}\n---\n- a\nb: c\n---\n'open\n");
    let (status, report) = check(&text);
    assert_eq!(errors(&report), ["syntax", "HostAdminRequired", "syntax", "syntax"]);
    assert_eq!(status, 2);
}

#[test]
fn json_is_read_too_one_value_after_another() {
    let one = r#"{"apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner",
	"metadata": {"name": "NAME"}, "spec": {"hostAdmins": ["a@host.example"], "displayName": "\u00e4 \/ \ud83d\ude00"}}"#;
    let text = format!("{}\n{}", one.replace("NAME", "a"), one.replace("NAME", "b").replace("a@host", "a host"));
    let (status, report) = check(&text);
    assert_eq!((status, short(&report)), (1, vec!["error InvalidEmail 4:53 spec.hostAdmins[0]".to_owned()]));
    assert_eq!(report["summary"]["objects"]["LocalPartner"], 2);
}

#[test]
fn every_way_to_write_a_document_is_read() {
    let body = format!("{HEAD}spec: {{hostAdmins: [a@host.example]}}\n");
    let again = body.replace("acme", "beta");
    for text in [
        format!("\u{feff}{body}"),
        body.replace('\n', "\r\n"),
        format!("---\n{body}...\n"),
        format!("{body}---# next\n{again}"),
        format!("{body}---\n\u{feff}{again}"),
        format!("# nothing\n---\n---\n{body}---\n"),
        format!("{body}...\n---\n{again}"),
        format!("--- # named\n{body}---\n{{}}\n").replace("{}\n", "null\n"),
        body.replace("[a@host.example]", ">-\n  x").replace(": >-\n  x", ": ['a@host.example', \"b@host.example\"]"),
    ] {
        let (status, report) = check(&text);
        assert_eq!((status, short(&report)), (0, vec![]), "{text}");
    }
}

#[test]
fn mistyped_api_version_or_kind_is_not_taken_for_foreign() {
    for (text, place) in [
        (HEAD.replace("v1alpha1", "v1"), "error schema 1:13 apiVersion"),
        (HEAD.replace("LocalPartner", "LocalPartners"), "error schema 2:7 kind"),
        (HEAD.replace("guestlist.dev", "guestlist.de"), "error schema 1:13 apiVersion"),
        ("kind: LocalPartner\n".to_owned(), "error schema 1:1 apiVersion"),
        ("apiVersion: guestlist.dev/v1alpha1\n".to_owned(), "error schema 1:1 kind"),
    ] {
        let (status, report) = check(&text);
        assert_eq!((status, short(&report)), (1, vec![place.to_owned()]), "{text}");
    }
    // A mistake in the group is more likely than another operator with a kind of this name.
    assert_eq!(check("apiVersion: crm.example/v1\nkind: LocalPartner\n").0, 1);
}

#[test]
fn every_problem_of_a_broken_object_is_said_once() {
    let text = "apiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {name: s}\nspec:\n  partnerRef: acme\n  account: 7\n  \
                sharedBy: alice\n  guestUsers:\n  - bob\n  - {name: carol}\n  - name: [x]\n    propagatedBy: z\n";
    assert_eq!(
        short(&check(text).1),
        [
            "error schema 5:15 spec.partnerRef",
            "error schema 6:12 spec.account",
            "error InvalidEmail 7:13 spec.sharedBy",
            "error schema 9:5 spec.guestUsers[0]",
            "error schema 10:6 spec.guestUsers[1].propagatedBy",
            "error schema 11:5 spec.guestUsers[2].name",
        ]
    );
}

#[test]
fn bounds_of_the_schema_hold() {
    let long = "x".repeat(257);
    let (_, found) = spec(&format!("  hostAdmins: [a@host.example]\n  displayName: {long}\n"));
    assert_eq!(found, ["error schema 6:16 spec.displayName", "error InvalidValue 6:16 spec.displayName"]);
    let name = format!("metadata: {{name: {}}}", "n".repeat(64));
    let text = format!("{HEAD}spec: {{hostAdmins: [a@host.example]}}\n").replace("metadata: {name: acme}", &name);
    assert_eq!(short(&check(&text).1), ["error InvalidValue 3:18 metadata.name"]);
}

const MEMBERSHIP: &str = "apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {name: bob}\nspec:\n  \
                          partnerRef: {name: acme}\n  invitedBy: alice@host.example\n";

fn membership(rest: &str) -> String {
    format!("{MEMBERSHIP}  email: bob@acme.example\n{rest}")
}

fn first_error(report: &serde_json::Value) -> &serde_json::Value {
    report["findings"].as_array().unwrap().iter().find(|finding| finding["severity"] == "error").unwrap()
}

#[test]
fn text_that_kubectl_reads_otherwise_than_it_looks_is_refused() {
    let guest = membership("");
    let anchors = "a: &a {role: GuestAdmin, suspended: false}\nb: &b {role: GuestUser}\n";
    let spec = |rest: &str| format!("{anchors}{}", membership(rest));
    for (text, place, plain) in [
        (spec("  role: GuestUser\n  <<: *a\n"), "11:3", "write `<<` first"),
        (spec("  <<: *a\n  <<: *b\n"), "11:3", "<<: [*first, *second]"),
        (format!("{guest}...\n{guest}"), "9:1", "write `---` instead of `...`"),
        (format!("{guest}\u{feff}{guest}"), "8:1", "byte order mark"),
        (membership("  role: !Ref GuestUser\n"), "8:14", "leave it out"),
        (membership("  # a\u{2028}  role: GuestAdmin\n"), "8:6", "U+2028"),
        (guest.replace('\n', "\r"), "1:35", "line feed"),
        (membership("  on: x\n"), "8:3", "in quotes"),
        (membership("\u{a0} role: GuestUser\n"), "8:1", "U+00A0 (no-break space)"),
        (membership("  role:\u{a0}GuestUser\n"), "8:8", "U+00A0 (no-break space)"),
        (membership("  role\u{a0}: GuestUser\n"), "8:7", "write a space"),
        (membership("  role: GuestUser\u{202f}# c\n"), "8:18", "U+202F"),
        ("{apiVersion: v1, kind: ConfigMap}\nspec: x\n".to_owned(), "2:1", "`---`"),
        ("{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\"}\nspec: x\n".to_owned(), "2:1", "`---`"),
    ] {
        let (status, report) = check(&text);
        let finding = first_error(&report);
        let found = format!("{}:{}", finding["line"], finding["column"]);
        assert_eq!((status, finding["reason"].as_str(), found.as_str()), (2, Some("ambiguous-yaml"), place), "{text}");
        assert!(finding["message"].as_str().unwrap().contains(plain), "{text}: {finding}");
    }
}

#[test]
fn text_that_kubectl_refuses_is_refused() {
    let guest = membership("");
    for (text, reason, place) in [
        (membership("  \"<<\": {role: GuestAdmin}\n"), "schema", "8:3"),
        (format!("%YAML 1.1\n---\n{guest}"), "syntax", "1:1"),
        (format!("---# guests\n{guest}"), "syntax", "1:1"),
        (format!("{guest}--- {{}}\n"), "syntax", "8:1"),
        (membership("  # c\n").replace("partnerRef:", "x:\n  -\ta: b\n  partnerRef:"), "syntax", "6:4"),
        (membership("<<<<<<< HEAD\n  role: GuestUser\n=======\n"), "syntax", "8:1"),
        (format!("{guest}=======\n{guest}>>>>>>> main\n"), "syntax", "8:1"),
        (guest.replace("bob@acme.example", "\"bob\\/@acme.example\""), "syntax", "7:14"),
        (format!("{guest}---\ntext\n"), "schema", "9:1"),
        ("apiVersion: v1\nkind: List\n".to_owned(), "schema", "1:1"),
        (format!("{MEMBERSHIP}  email: |\n    bob@acme.example"), "InvalidEmail", "7:10"),
    ] {
        let (status, report) = check(&text);
        let finding = first_error(&report);
        let found = format!("{}:{}", finding["line"], finding["column"]);
        assert_ne!(status, 0, "{text}");
        assert_eq!((finding["reason"].as_str(), found.as_str()), (Some(reason), place), "{text}: {finding}");
    }
}

#[test]
fn text_out_of_the_range_of_numbers_is_text() {
    let text = membership("").replace("{name: bob}", "{name: bob, labels: {build: 7e12345, commit: 5e93842}}");
    assert_eq!(errors(&check(&text).1), Vec::<String>::new());
}

#[test]
fn template_is_recognized_with_the_way_on() {
    for text in ["email: {{ .Values.email }}\n", "{{- if .Values.x }}\nemail: x\n{{- end }}\n"] {
        let (status, report) = check(&membership(text));
        let message = first_error(&report)["message"].as_str().unwrap();
        assert_eq!(status, 2);
        assert!(message.contains("helm template CHART | guestlist check -"), "{message}");
    }
}

#[test]
fn conflict_of_git_is_called_that() {
    for text in ["<<<<<<< HEAD\n", "=======\n", ">>>>>>> main\n", "||||||| base\r\n"] {
        let (status, report) = check(&membership(text));
        let finding = first_error(&report);
        assert_eq!((status, finding["line"].as_u64(), finding["endColumn"].as_u64().unwrap() > 7), (2, Some(8), true));
        assert!(finding["message"].as_str().unwrap().contains("conflict marker of git"), "{finding}");
    }
}
