//! Texts as people and tools write them: kubectl and the server accept each text that `guestlist check` accepts, and
//! `check` reports each that they refuse. This file lists the cases in which `check` is stricter.

use super::plane;
use crate::support::check::run;

const HEAD: &str = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\n";
const SPEC: &str = "spec: {hostAdmins: [a@host.example]}\n";

/// The expected verdict on a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// Both accept it.
    Taken,
    /// Both refuse it.
    Refused,
    /// kubectl accepts it; `check` refuses it, because its value differs from its appearance.
    Stricter,
    /// kubectl refuses it; `check` ignores it, because it contains no object of guestlist.
    Foreign,
}
use Verdict::{Foreign, Refused, Stricter, Taken};

fn spec(more: &str) -> String {
    format!("{HEAD}spec:\n  hostAdmins: [a@host.example]\n{more}")
}

fn meta(meta: &str) -> String {
    format!("{HEAD}{SPEC}").replace("{name: acme}", meta)
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn texts() -> Vec<(Verdict, &'static str, String)> {
    let json = r#"{"apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner", "metadata": {"name": "acme"}, "spec": {"hostAdmins": ["a@host.example"]}}"#;
    let share = "apiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {name: s}\nspec:\n  partnerRef: {name: acme}\n  account: a\n  sharedBy: a@host.example\n";
    let base = format!("{HEAD}{SPEC}");
    vec![
        (Taken, "the least partner", base.clone()),
        (Taken, "a byte order mark", format!("\u{feff}{base}")),
        (Taken, "Windows line ends", base.replace('\n', "\r\n")),
        (Taken, "documents without content", format!("---\n---\n# nothing\n---\n{base}---\n")),
        (Taken, "an end of document", format!("{base}...\n")),
        (Taken, "a comment behind the separator", format!("--- # one\n{base}")),
        (Taken, "yes for true", spec("  suspended: yes\n")),
        (Taken, "off for false", spec("  suspended: Off\n")),
        (Taken, "y for true", spec("  suspended: y\n")),
        (Refused, "a quoted boolean", spec("  suspended: 'true'\n")),
        (Refused, "a boolean for a text", spec("  displayName: no\n")),
        (Refused, "a number for a text", spec("  displayName: 007\n")),
        (Refused, "a date for a text reads as a text", spec("  expiresAt: 2037-01-01\n")),
        (Taken, "a time without quotes", spec("  expiresAt: 2037-01-01T00:00:00Z\n")),
        (Refused, "a time with a blank", spec("  expiresAt: 2037-01-01 00:00:00Z\n")),
        (Taken, "an octal number", spec("  guests: {maxGuests: 010}\n")),
        (Taken, "a hexadecimal number", spec("  guests: {maxGuests: 0x10}\n")),
        (Taken, "a number with underscores", spec("  guests: {maxGuests: 1_000}\n")),
        (Taken, "a whole number with a fraction", spec("  guests: {maxGuests: 3.0}\n")),
        (Taken, "a whole number with an exponent", spec("  guests: {maxGuests: 1e3}\n")),
        (Refused, "half a guest", spec("  guests: {maxGuests: 2.5}\n")),
        (Refused, "more guests than there are numbers", spec("  guests: {maxGuests: 99999999999999999999}\n")),
        (Refused, "a quoted number", spec("  guests: {maxGuests: '3'}\n")),
        (
            Refused,
            "a number in base 60 is a number of guests beyond all",
            spec("  guests: {maxGuests: 190:20:30:40:50}\n"),
        ),
        (Refused, "a field without a value", spec("  displayName:\n")),
        (Refused, "a map that is null", spec("  mfa: ~\n")),
        (Refused, "a number that is null", spec("  guests: {maxGuests: }\n")),
        (Refused, "a required field without a value", format!("{HEAD}spec:\n  hostAdmins:\n")),
        (Refused, "an entry's field without a value", format!("{share}  exclude: [{{name: bob, email: }}]\n")),
        (Taken, "a status without a value", format!("{base}status:\n")),
        (Taken, "metadata without values", meta("{name: acme, labels: , annotations: ~, creationTimestamp: null}")),
        (Refused, "items that are no list", "apiVersion: v1\nkind: List\nitems: {a: b}\n".to_owned()),
        (
            Taken,
            "a list of our kind",
            format!("apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartnerList\nitems:\n- {json}\n"),
        ),
        (
            Taken,
            "a document that begins with a byte order mark, the second one",
            format!("{base}---\n\u{feff}{}", base.replace("acme", "beta")),
        ),
        (Refused, "a line separator in quotes", spec("  displayName: \"a\u{2028}b\"\n")),
        (Refused, "a control character", spec("  displayName: \"a\u{1}b\"\n")),
        (Refused, "a key of two lines", spec("  ? displayName\n    x\n  : Acme\n")),
        (Taken, "a key behind a question mark", spec("  ? displayName\n  : Acme\n")),
        (Refused, "a list for a key", spec("  ? [a]\n  : Acme\n")),
        (Refused, "a boolean for a key", spec("  yes: Acme\n")),
        (Stricter, "old line ends", base.replace('\n', "\r")),
        (Stricter, "binary data", spec("  displayName: !!binary QUJD\n")),
        (Refused, "infinity", spec("  guests: {maxGuests: .inf}\n")),
        (Refused, "a document that ends within quotes", spec("  displayName: \"Acme\n")),
        (Refused, "indentation that does not fit", spec("   displayName: Acme\n")),
        (Refused, "a separator within a literal text", spec("  displayName: |\n    a\n    --- b\n")),
        (Refused, "nothing in a list", spec("  guests: {allowedDomains: [a.b, ~]}\n")),
        (Taken, "an anchor and an alias", spec("  displayName: &a acme\n  guests: {allowedDomains: [&b a.b]}\n")),
        (
            Taken,
            "a merge key",
            format!("{HEAD}spec:\n  <<: {{hostAdmins: [a@host.example], suspended: true}}\n  suspended: false\n"),
        ),
        (
            Taken,
            "a list of merged maps",
            format!("{HEAD}spec:\n  <<: [{{suspended: true}}, {{hostAdmins: [a@host.example]}}]\n"),
        ),
        (Refused, "an alias without its anchor", spec("  displayName: *a\n")),
        (Refused, "a tab in the indentation", format!("{HEAD}spec:\n\thostAdmins: [a@host.example]\n")),
        (Taken, "a tab between a key and its value", format!("{HEAD}spec:\n  hostAdmins:\t[a@host.example]\n")),
        (Taken, "a folded text", spec("  displayName: >-\n    Acme\n    Agency\n")),
        (Taken, "a literal text", spec("  displayName: |-\n    Acme\n")),
        (Refused, "a literal text with its line break", spec("  displayName: |\n    Acme\n")),
        (Taken, "a text over two lines", spec("  displayName: Acme\n    Agency\n")),
        (Refused, "a colon in a plain text", spec("  displayName: Acme: Agency\n")),
        (Refused, "a key without a blank behind its colon", spec("  displayName:Acme\n")),
        (Refused, "a list that is not closed", spec("  guests: {allowedDomains: [a.b}\n")),
        (Refused, "a plain text that begins with @", spec("  displayName: @acme\n")),
        (Refused, "a plain text that begins with a percent sign", spec("  displayName: %acme\n")),
        (Refused, "an unknown escape", spec("  displayName: \"a\\qb\"\n")),
        (Taken, "escapes", spec("  displayName: \"\\x41\\u00e9\\\"\"\n")),
        (Refused, "an escaped tab", spec("  displayName: \"a\\tb\"\n")),
        (Taken, "a tag for text", spec("  displayName: !!str 007\n")),
        (Refused, "a tag for a number", spec("  displayName: !!int 7\n")),
        (Refused, "an unknown field", spec("  displayname: Acme\n")),
        (Refused, "an unknown field deep inside", spec("  mfa: {method: [TOTP]}\n")),
        (Refused, "an unknown field beside the spec", format!("{base}specs: {{}}\n")),
        (Refused, "an unknown field of the metadata", meta("{name: acme, lables: {}}")),
        (Refused, "no spec", HEAD.to_owned()),
        (Refused, "an empty spec", format!("{HEAD}spec: {{}}\n")),
        (Refused, "no name", meta("{}")),
        (Refused, "a name in upper case", meta("{name: Acme}")),
        (Refused, "a name with an underscore", meta("{name: ac_me}")),
        (Refused, "a number for a name", meta("{name: 7}")),
        (Taken, "a name with dots", meta("{name: a.b-c.1}")),
        (Refused, "a name that begins with a hyphen", meta("{name: -a}")),
        (Refused, "a name of 64 characters", meta(&format!("{{name: {}}}", "n".repeat(64)))),
        (Refused, "a number for an annotation", meta("{name: acme, annotations: {a: 1}}")),
        (Refused, "a boolean for an annotation", meta("{name: acme, annotations: {guestlist.dev/paused: true}}")),
        (Taken, "an annotation", meta("{name: acme, annotations: {guestlist.dev/paused: 'true'}}")),
        (Refused, "an annotation with a blank in its name", meta("{name: acme, annotations: {'a b': x}}")),
        (Refused, "an annotation with two slashes in its name", meta("{name: acme, annotations: {a/b/c: x}}")),
        (Refused, "an annotation whose name is empty", meta("{name: acme, annotations: {'': x}}")),
        (
            Refused,
            "annotations beyond 256 KiB",
            meta(&format!("{{name: acme, annotations: {{a: {}}}}}", "x".repeat(262_200))),
        ),
        (Refused, "a label with a blank", meta("{name: acme, labels: {team: a b}}")),
        (Refused, "a label of 64 characters", meta(&format!("{{name: acme, labels: {{team: {}}}}}", "x".repeat(64)))),
        (Refused, "a label whose prefix is no domain", meta("{name: acme, labels: {Team_A/x: y}}")),
        (Taken, "labels", meta("{name: acme, labels: {app.kubernetes.io/part-of: guestlist, Team_A: '', x: a.B_c-1}}")),
        (Refused, "a finalizer that is no name", meta("{name: acme, finalizers: ['a b']}")),
        (Taken, "a finalizer without a domain", meta("{name: acme, finalizers: [mine]}")),
        (Taken, "a finalizer", meta("{name: acme, finalizers: [a.example/b]}")),
        (Refused, "a text for finalizers", meta("{name: acme, finalizers: a.example/b}")),
        (
            Refused,
            "an owner without a uid",
            meta("{name: acme, ownerReferences: [{apiVersion: v1, kind: Node, name: a}]}"),
        ),
        (Refused, "a list for labels", meta("{name: acme, labels: [a]}")),
        (Refused, "a text for the metadata", meta("acme")),
        (Refused, "a wrong version", base.replace("v1alpha1", "v1")),
        (Refused, "a wrong kind", base.replace("LocalPartner", "LocalPartners")),
        (Refused, "no kind", base.replace("kind: LocalPartner\n", "")),
        (Refused, "no version", base.replace("apiVersion: guestlist.dev/v1alpha1\n", "")),
        (
            Taken,
            "a list",
            format!("apiVersion: v1\nkind: List\nitems:\n- {json}\n- {}\n", json.replace("acme", "beta")),
        ),
        (Foreign, "an empty list", "apiVersion: v1\nkind: List\nitems: []\n".to_owned()),
        (
            Refused,
            "a broken item of a list",
            format!("apiVersion: v1\nkind: List\nitems:\n- {json}\n- {}\n", json.replace("a@host", "a host")),
        ),
        (Refused, "a list of what is no object", "apiVersion: v1\nkind: List\nitems: [a]\n".to_owned()),
        (Taken, "JSON", json.to_owned()),
        (Taken, "JSON values one after another", format!("{json}\n{}", json.replace("acme", "beta"))),
        (Refused, "an array of JSON objects", format!("[{json}]")),
        (Refused, "a second JSON value that is broken", format!("{json}\n{{\"a\": }}")),
        (Taken, "JSON with a comma too many", json.replace("\"]}}", "\"],}}")),
        (
            Taken,
            "JSON with escapes",
            json.replace("\"hostAdmins\"", "\"displayName\": \"\\u00e4 \\/ \\ud83d\\ude00\", \"hostAdmins\""),
        ),
        (Refused, "a text for a document", "acme\n".to_owned()),
        (Refused, "a list for a document", "- a\n- b\n".to_owned()),
        (Refused, "two entries of one name", format!("{share}  exclude: [{{name: bob}}, {{name: bob}}]\n")),
        (Refused, "an entry without its name", format!("{share}  exclude: [{{email: bob@acme.example}}]\n")),
        (Refused, "an empty name of an entry", format!("{share}  exclude: [{{name: ''}}]\n")),
        (Refused, "a text for an entry", format!("{share}  exclude: [bob]\n")),
        (Refused, "a map for a list", format!("{share}  exclude: {{name: bob}}\n")),
        (Refused, "more entries than fit", {
            let entries: Vec<_> = (0..1001).map(|i| format!("{{name: n{i}}}")).collect();
            format!("{share}  exclude: [{}]\n", entries.join(", "))
        }),
        (Taken, "as many entries as fit", {
            let entries: Vec<_> = (0..1000).map(|i| format!("{{name: n{i}}}")).collect();
            format!("{share}  exclude: [{}]\n", entries.join(", "))
        }),
        (Refused, "a line of two megabytes", spec(&format!("  displayName: {}\n", "x".repeat(2_000_000)))),
        (
            Stricter,
            "a key that stands twice: kubectl takes the last one",
            spec("  suspended: true\n  suspended: false\n"),
        ),
        (Stricter, "a JSON key that stands twice", json.replace("\"spec\"", "\"kind\": \"LocalPartner\", \"spec\"")),
    ]
}

#[test]
fn check_passes_only_texts_that_kubectl_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("text.yaml");
    let mut wrong = Vec::new();
    for (expected, what, text) in texts() {
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        let server = plane().kubectl(&["apply", "--server-side", "--dry-run=server", "-f", path]);
        let check = run(directory.path(), &["text.yaml"], "");
        let told = match (server.success, check.status == 0) {
            (true, true) => Taken,
            (false, false) => Refused,
            (true, false) => Stricter,
            (false, true) => Foreign,
        };
        if told != expected {
            let short = |text: &str| text.chars().take(700).collect::<String>();
            let (out, err) = (short(&check.out), short(&server.stderr));
            wrong.push(format!("{what}: {expected:?}, not {told:?}\nkubectl: {err}\ncheck: {out}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n\n{}", wrong.len(), wrong.join("\n\n"));
}
