//! The README's examples work: its manifests and its policy pass `guestlist check`, and its commands exist.

use std::fs;
use std::process::Command;

fn blocks(language: &str) -> Vec<String> {
    blocks_of("README.md", language)
}

fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
}

fn guestlist(args: &[&str]) -> (bool, String) {
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
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, help) = guestlist(&["--help"]);
    for command in ["run", "check", "plan", "apply", "explain", "crds", "directory", "completions"] {
        assert!(text.contains(command) && help.contains(&format!("  {command} ")), "{command}");
    }
    let make = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Makefile")).unwrap();
    for target in ["demo:", "test:", "lint:", "generate:"] {
        assert!(make.contains(target), "{target}");
    }
}
