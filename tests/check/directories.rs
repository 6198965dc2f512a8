//! Directories: which files of them are checked, and what kustomize or Helm renders first.

use std::path::Path;

use super::support::run;

const PARTNER: &str = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {hostAdmins: [alice@host.example]}\n";
const PATCH: &str =
    "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {displayName: Acme}\n";

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    directory
}

#[track_caller]
fn checked(directory: &Path, arguments: &[&str], status: i32, part: &str) {
    let said = run(directory, arguments, "");
    assert_eq!(said.status, status, "{}{}", said.out, said.err);
    assert!(said.out.contains(part), "{}", said.out);
}

#[test]
fn changing_kustomization_is_named_with_the_render_command() {
    let with_patch = "resources: [acme.yaml]\npatches:\n- path: patch.yaml\n";
    let files = [("o/kustomization.yaml", with_patch), ("o/acme.yaml", PARTNER), ("o/patch.yaml", PATCH)];
    let there = directory(&files);
    checked(there.path(), &["o"], 2, "kustomize build o | guestlist check -");
    checked(there.path(), &["o"], 2, "1 error,");
    checked(there.path(), &["--exclude", "o/kustomization.yaml", "o"], 0, "1 LocalPartner");
    checked(there.path(), &["--exclude", "o", "."], 0, "0 LocalPartners");
}

#[test]
fn kustomization_that_only_lists_resources_is_left_out() {
    let there = directory(&[("kustomization.yaml", "resources: [acme.yaml]\n"), ("acme.yaml", PARTNER)]);
    checked(there.path(), &["."], 0, "checked 1 LocalPartner");
}

#[test]
fn kustomization_of_other_objects_is_left_out() {
    let files = [
        ("kustomization.yaml", "namePrefix: x-\npatches: [{path: p.yaml}]\n"),
        ("p.yaml", "- op: add\n"),
        ("a/acme.yaml", "x: y\n"),
    ];
    checked(directory(&files).path(), &["."], 0, "0 errors");
}

#[test]
fn helm_chart_is_named_with_the_way_to_render_it() {
    let template = PARTNER.replace("acme", "{{ .Values.name }}");
    let files = [
        ("chart/Chart.yaml", "name: x\n"),
        ("chart/values.yaml", "name: acme\n"),
        ("chart/templates/partner.yaml", template.as_str()),
        ("acme.yaml", PARTNER),
    ];
    let there = directory(&files);
    checked(there.path(), &["."], 2, "helm template ./chart | guestlist check -");
    checked(there.path(), &["--exclude", "chart", "."], 0, "checked 1 LocalPartner");
}

#[test]
fn foreign_file_is_ignored_in_a_directory_refused_by_name() {
    let there = directory(&[("acme.yaml", PARTNER), ("playbook.yaml", "- hosts: all\n")]);
    checked(there.path(), &["."], 0, "1 object of other kinds ignored");
    checked(there.path(), &["playbook.yaml"], 1, "kubectl refuses this document");
    checked(there.path(), &["--exclude", "play*", "."], 0, "in 1 file");
}

#[test]
fn utf_16_is_read_by_its_byte_order_mark() {
    let there = directory(&[]);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    std::fs::write(there.path().join("a.yaml"), [vec![0xff, 0xfe], wide(PARTNER)].concat()).unwrap();
    checked(there.path(), &["a.yaml"], 0, "checked 1 LocalPartner");
    std::fs::write(there.path().join("a.yaml"), wide(PARTNER)).unwrap();
    checked(there.path(), &["a.yaml"], 2, "save it as UTF-8");
}
