//! Directories: the files that are checked, and those that kustomize or Helm renders first.

use std::path::Path;

use crate::support::check::run;

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
    checked(there.path(), &["--exclude", "o", "."], 2, "--exclude leaves no .yaml, .yml or .json file to read");
}

#[test]
fn exclude_that_matches_nothing_is_warned_of() {
    let there = directory(&[("a/acme.yaml", PARTNER), ("a/values.yaml", "x: y\n")]);
    let said =
        run(there.path(), &["--exclude", "overlay/**", "--exclude", "val*", "--exclude", "values.yaml", "a"], "");
    assert_eq!((said.status, said.err.lines().count()), (0, 1), "{}{}", said.out, said.err);
    assert!(said.err.contains("--exclude \"overlay/**\" matches nothing in \"a\""), "{}", said.err);
    for exclude in ["a", "*.yaml", "a/**"] {
        checked(there.path(), &["--exclude", exclude, "a"], 2, "--exclude leaves no .yaml");
    }
    checked(there.path(), &["--exclude", "acme.yaml", "a/acme.yaml"], 2, "--exclude leaves no .yaml");
}

#[test]
fn kustomization_that_only_lists_resources_is_left_out() {
    let there = directory(&[("kustomization.yaml", "resources: [acme.yaml]\n"), ("acme.yaml", PARTNER)]);
    checked(there.path(), &["."], 0, "checked 1 LocalPartner");
}

#[test]
fn kustomization_that_renders_other_objects_is_unrendered() {
    let remote = "resources: [acme.yaml, 'https://git.example/base?ref=v1']\n";
    for (kustomization, part) in [
        ("resources: []\n", "resources do not name \"acme.yaml\""),
        ("kind: Kustomization\n", "resources do not name \"acme.yaml\""),
        ("resources: [acme.yaml]\n", "resources do not name \"sub/more.yaml\""),
        ("resources: [acme.yaml, sub/more.yaml, ../common/beta.yaml]\n", "../common/beta.yaml\", which is not in the"),
        ("resources: [acme.yaml, sub/more.yaml, ../common]\n", "\"../common\", which is not in the folder"),
        ("resources: [acme.yaml, sub/more.yaml, .]\n", "\".\", which is not in the folder"),
        ("resources: [acme.yaml, sub/more.yaml, gone.yaml]\n", "\"gone.yaml\", which is not in the folder"),
        ("resources: [acme.yaml, sub/more.yaml, acme.yaml]\n", "resources name \"acme.yaml\" twice"),
        ("resources: [acme.yaml, sub/more.yaml, notes.txt]\n", "\"notes.txt\", which is no visible .yaml"),
        ("resources: [acme.yaml, sub]\n", "\"sub\", a folder without a kustomization"),
        ("resources: acme.yaml\n", "resources is not a list"),
        ("resources: [{path: acme.yaml}]\n", "resources is not a list of paths"),
        (remote, "https://git.example/base?ref=v1\", which is not in the folder"),
        ("bases: [../common]\n", "the field \"bases\" changes"),
        ("components: [../common]\n", "the field \"components\" changes"),
        ("resources: [acme.yaml, sub/more.yaml]\nnamespace: \"\"\n", "the field \"namespace\" changes"),
        ("resources: [acme.yaml, sub/more.yaml]\ncommonLabels: {a: b}\n", "the field \"commonLabels\" changes"),
        ("commonAnnotations: {guestlist.dev/paused: 'true'}\n", "the field \"commonAnnotations\" changes"),
        ("labels: [{pairs: {a: b}}]\n", "the field \"labels\" changes"),
        ("namePrefix: x-\n", "the field \"namePrefix\" changes"),
        ("kind: Component\nresources: [acme.yaml, sub/more.yaml]\n", "kind is not Kustomization"),
        ("", "not one map"),
        ("a: [\n", "not one map"),
    ] {
        let files = [
            ("o/kustomization.yaml", kustomization),
            ("o/acme.yaml", PARTNER),
            ("o/sub/more.yaml", "x: y\n"),
            ("o/notes.txt", "x\n"),
            ("common/kustomization.yaml", "resources: [beta.yaml]\n"),
            ("common/beta.yaml", PARTNER),
        ];
        let there = directory(&files);
        checked(there.path(), &["o"], 2, part);
        checked(there.path(), &["o"], 2, "kustomize build o | guestlist check -");
        checked(there.path(), &["--exclude", "o", "."], 0, "checked 1 LocalPartner");
    }
}

#[test]
fn kustomization_of_objects_elsewhere_is_unrendered() {
    let local =
        PARTNER.replace("{name: acme}", "{name: acme, annotations: {config.kubernetes.io/local-config: 'true'}}");
    let through = ("base/kustomization.yaml", "resources: [../common/acme.yaml]\n");
    for (files, part) in [
        (vec![("o/kustomization.yaml", "resources: [../common/acme.yaml]\n")], "not in the folder"),
        (vec![("o/kustomization.yaml", "resources: [../base]\n"), through], "not in the folder"),
        (vec![("o/kustomization.yaml", "resources: ['git@git.example:base']\n")], "not in the folder"),
        (vec![("o/kustomization.yaml", "helmCharts: [{name: partners}]\n")], "helmCharts"),
        (
            vec![("o/kustomization.yaml", "{}\n"), ("o/Kustomization", "{}\n"), ("o/a.yaml", PARTNER)],
            "refuses a folder",
        ),
        (vec![("o/kustomization.yaml", "resources: [a.yaml]\n"), ("o/a.yaml", &local)], "drops objects"),
    ] {
        let there = directory(&[files, vec![("common/acme.yaml", PARTNER)]].concat());
        checked(there.path(), &["o"], 2, part);
    }
}

#[test]
fn kustomization_of_exactly_its_files_is_read() {
    let nested = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: x}\nresources: [./acme.yaml, sub/, deep/gamma.yaml]\n";
    let (beta, gamma) = (PARTNER.replace("acme", "beta"), PARTNER.replace("acme", "gamma"));
    let files = [
        ("o/kustomization.yaml", nested),
        ("o/acme.yaml", PARTNER),
        ("o/sub/kustomization.yml", "resources: [beta.yaml]\n"),
        ("o/sub/beta.yaml", &beta),
        ("o/deep/gamma.yaml", &gamma),
        ("o/README.md", "text\n"),
        ("o/.hidden.yaml", "text\n"),
    ];
    let there = directory(&files);
    checked(there.path(), &["o"], 0, "checked 3 LocalPartners");
    // A nested kustomization that renders other manifests is reported once.
    std::fs::write(there.path().join("o/sub/kustomization.yml"), "namePrefix: x-\nresources: [beta.yaml]\n").unwrap();
    checked(there.path(), &["o"], 2, "1 error,");
    checked(there.path(), &["o"], 2, "kustomize build o/sub |");
    // An excluded file counts neither as listed nor as present.
    checked(there.path(), &["--exclude", "sub", "o"], 0, "checked 2 LocalPartners");
    std::fs::write(there.path().join("o/extra.yaml"), "x: y\n").unwrap();
    checked(there.path(), &["--exclude", "sub", "o"], 2, "resources do not name \"extra.yaml\"");
    checked(there.path(), &["--exclude", "sub", "--exclude", "extra.yaml", "o"], 0, "checked 2 LocalPartners");
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
