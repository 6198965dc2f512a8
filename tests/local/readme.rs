//! The examples of the README and of the book work: manifests and policies pass `guestlist check`, commands and pages
//! exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use guestlist::api;
use guestlist::domain::Reason;
use serde_json::Value;

use crate::support::docs::read;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages of the book, as paths from the root.
fn pages() -> BTreeSet<String> {
    crate::support::docs::pages().into_iter().filter(|page| page.starts_with("docs/")).collect()
}

fn blocks(language: &str) -> Vec<String> {
    blocks_of("README.md", language)
}

fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let text = read(page);
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
}

pub(crate) fn guestlist(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_guestlist")).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_manifests_and_the_policy_of_the_readme_pass_check() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = blocks("yaml");
    let (manifests, mut policies): (Vec<_>, Vec<_>) = yaml.iter().partition(|block| block.contains("apiVersion"));
    assert_eq!((manifests.len(), policies.len()), (1, 1));
    let page = blocks_of("docs/policy.md", "yaml");
    policies.extend(&page);
    let (manifest, policy) = (folder.path().join("manifest.yaml"), folder.path().join("workspace.yaml"));
    fs::write(&manifest, manifests[0]).unwrap();
    for text in policies {
        fs::write(&policy, text).unwrap();
        let (clean, said) = guestlist(&["check", "--workspace", policy.to_str().unwrap(), manifest.to_str().unwrap()]);
        assert!(clean && said.contains("0 warnings"), "{said}");
    }
}

#[test]
fn the_examples_pass_check_under_their_policy() {
    let (clean, said) = guestlist(&["check", "--workspace", "examples/acme/workspace.yaml", "examples/acme"]);
    assert!(clean && said.contains("0 warnings"), "{said}");
}

#[test]
fn the_commands_that_the_readme_names_exist() {
    let text = read("README.md");
    let (_, help) = guestlist(&["--help"]);
    for command in ["run", "check", "plan", "apply", "explain", "crds", "directory", "completions"] {
        assert!(text.contains(command) && help.contains(&format!("  {command} ")), "{command}");
    }
    let make = read("Makefile");
    for target in ["demo:", "test:", "lint:", "generate:"] {
        assert!(make.contains(target), "{target}");
    }
}

#[test]
fn manifests_of_the_book_pass_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.yaml");
    let mut checked = 0;
    for page in pages() {
        let blocks = blocks_of(&page, "yaml");
        let ours = blocks.iter().filter(|block| block.contains("apiVersion: guestlist.dev/"));
        // A block inside a list is indented.
        let line = |line: &str| line.strip_prefix("   ").unwrap_or(line).to_owned() + "\n";
        let plain = |block: &String| -> String {
            let indented = block.starts_with(' ');
            if indented { block.trim_end().lines().map(line).collect() } else { block.clone() }
        };
        let ours: Vec<String> = ours.map(plain).collect();
        if ours.is_empty() {
            continue;
        }
        fs::write(&file, ours.join("---\n")).unwrap();
        let (clean, said) =
            guestlist(&["check", "--workspace", "examples/acme/workspace.yaml", file.to_str().unwrap()]);
        assert!(clean && said.contains("0 warnings"), "{page}: {said}");
        checked += ours.len();
    }
    assert!(checked >= 5, "{checked}");
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = read("docs/SUMMARY.md");
    let listed: BTreeSet<String> = summary
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|page| format!("docs/{page}"))
        .collect();
    let mut pages = pages();
    pages.remove("docs/SUMMARY.md");
    assert_eq!(listed, pages);
}

#[test]
fn links_of_the_book_and_the_readme_lead_to_files() {
    let root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "charts/guestlist/README.md"];
    for page in pages().into_iter().chain(root.map(str::to_owned)) {
        let folder = Path::new(ROOT).join(Path::new(&page).parent().unwrap());
        let text = read(&page);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            assert!(folder.join(file).exists(), "{page}: {target}");
        }
    }
}

#[test]
fn troubleshooting_has_every_reason() {
    let page = read("docs/troubleshooting.md");
    let missing: Vec<_> =
        Reason::ALL.iter().filter(|reason| !page.contains(&format!("`{}`", reason.as_str()))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_of_commands_has_every_option() {
    let page = read("docs/cli.md");
    let commands = [
        &["run"][..],
        &["check"],
        &["plan"],
        &["apply"],
        &["explain"],
        &["detach"],
        &["crds"],
        &["directory", "setup"],
        &["directory", "import"],
        &["directory", "show"],
        &["directory", "enroll-mfa"],
    ];
    for command in commands {
        let (_, help) = guestlist(&[command, &["--help"]].concat());
        let options = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let names =
            options.filter_map(|line| line.split([' ', ',', '[', '=', ':']).find(|part| part.starts_with("--")));
        for name in names.filter(|name| !["--help", "--version"].contains(name)) {
            assert!(page.contains(name), "{command:?}: {name}");
        }
    }
}

#[test]
fn pages_have_every_annotation_and_policy_field() {
    let annotations = read("docs/annotations.md");
    for annotation in api::ANNOTATIONS {
        assert!(annotations.contains(&format!("`{}: ", annotation.name)), "{}", annotation.name);
    }
    let schema: Value = serde_json::from_str(&read("charts/guestlist/values.schema.json")).unwrap();
    let policy = read("docs/policy.md");
    let fields = schema["properties"]["workspace"]["properties"].as_object().unwrap();
    for (name, field) in fields {
        let nested = [&field["properties"], &field["items"]["properties"]].map(Value::as_object);
        let names: Vec<String> = match nested {
            [Some(inner), _] => inner.keys().map(|inner| format!("{name}.{inner}")).collect(),
            [_, Some(inner)] => inner.keys().map(|inner| format!("{name}[].{inner}")).collect(),
            [None, None] => vec![name.clone()],
        };
        for name in names {
            assert!(policy.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}

#[test]
fn commands_of_the_pipeline_page_run() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("examples/acme");
    fs::create_dir_all(&manifests).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("examples/acme")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), manifests.join(entry.file_name())).unwrap();
    }
    let built = Path::new(env!("CARGO_BIN_EXE_guestlist")).parent().unwrap();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let commands = &blocks_of("docs/howto/pipeline.md", "console")[0];
    // The last command is apply; plan ends with 2, because there are operations.
    let output = Command::new("bash")
        .args(["-uc", commands.as_str()])
        .current_dir(folder.path())
        .env("PATH", path)
        .env_remove("GUESTLIST_DIRECTORY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("Done: 11 operations"), "{said}");
}
