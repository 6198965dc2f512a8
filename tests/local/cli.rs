//! The commands as processes that need no cluster and no directory.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;

fn guestlist(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("guestlist").unwrap().env_clear().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const COMMANDS: [&str; 9] = ["run", "check", "plan", "apply", "detach", "explain", "crds", "directory", "completions"];

#[test]
fn help_names_every_command_and_each_has_examples() {
    let (status, help, _) = guestlist(&["--help"]);
    assert_eq!(status, 0);
    for command in COMMANDS {
        assert!(help.contains(&format!("  {command} ")), "{command} is not in the help");
        let (status, help, _) = guestlist(&[command, "--help"]);
        assert!(status == 0 && help.contains("Example"), "{command} --help has no examples:\n{help}");
    }
}

#[test]
fn the_version_is_that_of_the_crate() {
    assert_eq!(guestlist(&["--version"]).1, format!("guestlist {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_status_two() {
    for arguments in [
        &["nonsense"][..],
        &["check"],
        &["check", "-o", "xml", "-"],
        &["run", "--workers"],
        &["run", "--namespace"],
        &["apply", "--workspace", "w"],
        &["detach"],
        &["detach", "--all", "--orphans"],
        &["detach", "--orphans"],
    ] {
        let (status, out, err) = guestlist(arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains("error"), "{arguments:?}: {err}");
    }
}

#[test]
fn wrong_namespaces_of_run_are_named() {
    for (arguments, words) in [
        (&["--namespace", ""][..], "the name of a namespace is empty"),
        (&["--namespace=a,"], "the name of a namespace is empty"),
        (&["--namespace=Team"], "\"Team\" is not the name of a namespace"),
        (&["--namespace", "team-*"], "\"team-*\" is not the name of a namespace"),
        (&["--namespace=a", "--namespace=b,a"], "the namespace \"a\" is given twice"),
    ] {
        let (status, out, err) = guestlist(&[&["run"], arguments].concat());
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.starts_with("error: --namespace: ") && err.contains(words), "{arguments:?}: {err}");
    }
    for (variable, words) in [("", "is empty"), ("a,b,a", "given twice"), ("a b", "is not the name")] {
        let output = Command::cargo_bin("guestlist")
            .unwrap()
            .env_clear()
            .env("GUESTLIST_NAMESPACE", variable)
            .arg("run")
            .output();
        let output = output.unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && err.contains(words), "{variable:?}: {err}");
    }
}

#[test]
fn wrong_usage_of_plan_exits_with_one_because_two_means_changes() {
    for arguments in [
        &["plan"][..],
        &["plan", "--workspace", "w"],
        &["plan", "--nonsense", "manifests"],
        &["plan", "--from-cluster", "--workspace", "w", "manifests"],
        &["plan", "--context", "prod", "--workspace", "w", "manifests"],
        &["plan", "--kubeconfig", "k", "--workspace", "w", "manifests"],
    ] {
        let (status, out, err) = guestlist(arguments);
        assert_eq!((status, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.contains("error"), "{arguments:?}: {err}");
    }
    assert_eq!(guestlist(&["plan", "--help"]).0, 0);
}

#[test]
fn every_word_is_explained_and_a_slip_finds_its_word() {
    let (status, list, _) = guestlist(&["explain"]);
    assert_eq!(status, 0);
    for reason in guestlist::domain::Reason::ALL {
        assert!(list.contains(reason.as_str()), "{reason} is not in the list");
        assert_eq!(guestlist(&["explain", &reason.as_str().to_lowercase()]).1, guestlist::validation::explain(*reason));
    }
    let (status, out, err) = guestlist(&["explain", "HostDoman"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("did you mean HostDomain?"), "{err}");
    assert!(!guestlist(&["explain", "Xylophone"]).2.contains("did you mean"));
}

#[test]
fn the_definitions_are_printed_and_written() {
    let (status, out, _) = guestlist(&["crds"]);
    assert_eq!((status, out.matches("\nkind: CustomResourceDefinition\n").count()), (0, 3));
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(guestlist(&["crds", "--output", &directory.path().to_string_lossy()]).0, 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[test]
fn committed_reference_matches_the_code() {
    for page in ["rules", "conditions", "fields", "metrics", "cli", "policy", "annotations"] {
        let (status, text, _) = guestlist(&["explain", "--markdown", page]);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{page}.md"));
        assert_eq!(status, 0);
        assert!(
            std::fs::read_to_string(path).unwrap() == text,
            "docs/{page}.md is not what the code says: make generate"
        );
    }
    assert_eq!(guestlist(&["explain", "--markdown"]).1, guestlist(&["explain", "--markdown", "rules"]).1);
}

#[test]
fn the_type_of_a_condition_is_explained_like_a_word() {
    let (status, text, _) = guestlist(&["explain", "GuestAdminPresent"]);
    assert!(status == 0 && text.contains("a condition of LocalPartner"), "{text}");
    // `Joined` is both a state and a condition.
    let (_, text, _) = guestlist(&["explain", "Joined"]);
    assert!(text.contains("(a state)") && text.contains("a condition of GuestMembership"), "{text}");
    let (status, _, problem) = guestlist(&["explain", "MFASatisified"]);
    assert!(status == 1 && problem.contains("did you mean MFASatisfied?"), "{problem}");
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (status, script, _) = guestlist(&["completions", shell]);
        assert!(status == 0 && script.contains("check"), "{shell}");
    }
}

#[test]
fn closed_output_pipe_is_no_error() {
    for arguments in [
        &["crds"][..],
        &["completions", "bash"],
        &["explain", "--markdown"],
        &["check", "-o", "sarif", "examples/acme"],
    ] {
        let mut child = std::process::Command::new(cargo_bin("guestlist"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The output is closed before the first write, or soon after.
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
