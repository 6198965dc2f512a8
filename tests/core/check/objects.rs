//! Objects that resemble guestlist's but are not, and files that are not read.

use crate::support::check::{check, run};

const PARTNER: &str = "{metadata: {name: acme}, spec: {hostAdmins: [alice@host.example]}, ";

#[test]
fn kind_of_guestlist_in_another_group_or_version_is_refused() {
    for (head, path, words) in [
        ("apiVersion: v1alpha1, kind: LocalPartner", "apiVersion", "did you mean guestlist.dev/v1alpha1?"),
        ("apiVersion: v1, kind: LocalPartner", "apiVersion", "did you mean guestlist.dev/v1alpha1?"),
        ("apiVersion: apps/v1, kind: AccountShare", "apiVersion", "did you mean guestlist.dev/v1alpha1?"),
        (
            "apiVersion: dev.guestlist/v1alpha1, kind: LocalPartner",
            "apiVersion",
            "did you mean guestlist.dev/v1alpha1?",
        ),
        ("apiVersion: guestlist/v1alpha1, kind: GuestMembership", "apiVersion", "did you mean guestlist.dev/v1alpha1?"),
        ("apiVersion: v1, kind: guestmembership", "apiVersion", "did you mean guestlist.dev/v1alpha1?"),
        ("apiVersion: v1, kind: GuestMembershipList", "apiVersion", "did you mean guestlist.dev/v1alpha1?"),
        ("apiversion: guestlist.dev/v1alpha1, kind: LocalPartner", "apiversion", "write apiVersion"),
        ("apiVersion: guestlist.dev/v1alpha1, Kind: LocalPartner", "Kind", "write kind"),
        ("apiversion: guestlist.dev/v1alpha1, Kind: LocalPartner", "apiversion", "write apiVersion"),
        ("Kind: LocalPartner", "Kind", "write kind"),
    ] {
        let text = format!("{PARTNER}{head}}}");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.yaml"), &text).unwrap();
        // In a directory too, where other files may be anything.
        for said in
            [run(directory.path(), &["-o", "json", "."], ""), run(directory.path(), &["-o", "json", "-"], &text)]
        {
            let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            let found = &report["findings"][0];
            assert_eq!(
                (said.status, found["reason"].as_str(), found["path"].as_str()),
                (1, Some("schema"), Some(path)),
                "{head}: {report:#}"
            );
            assert!(found["message"].as_str().unwrap().contains(words), "{head}: {found:#}");
        }
    }
    for foreign in ["apiVersion: v1, kind: ConfigMap", "apiVersion: example.com/v1, kind: Share"] {
        assert_eq!(check(&format!("{{metadata: {{name: a}}, {foreign}}}")).0, 0, "{foreign}");
    }
}

#[test]
fn file_whose_ending_has_capital_letters_is_not_read_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{PARTNER}apiVersion: guestlist.dev/v1alpha1, kind: LocalPartner}}");
    for name in ["a.yaml", "b.YAML", "C.Yml"] {
        std::fs::write(directory.path().join(name), text.replace("acme", &name.to_lowercase())).unwrap();
    }
    let said = run(directory.path(), &["-o", "json", "."], "");
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let skipped: Vec<_> = findings
        .iter()
        .map(|it| (it["severity"].as_str().unwrap(), it["reason"].as_str().unwrap(), it["file"].as_str().unwrap()))
        .collect();
    assert_eq!(
        (said.status, &report["summary"]["objects"]["LocalPartner"], &report["summary"]["files"]),
        (0, &1.into(), &1.into())
    );
    assert_eq!(skipped, [("warning", "skipped-file", "./C.Yml"), ("warning", "skipped-file", "./b.YAML")]);
    let said = run(directory.path(), &["--exclude", "*.YAML", "--exclude", "*.Yml", "."], "");
    assert!(!said.out.contains("skipped-file"), "{}", said.out);
    std::fs::remove_file(directory.path().join("a.yaml")).unwrap();
    let said = run(directory.path(), &["."], "");
    assert!(said.status == 2 && said.out.contains("b.YAML"), "{}: {}", said.status, said.out);
}
