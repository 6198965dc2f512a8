//! `make demo-keycloak` shows its scenes, prints no secret, and leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The example from the same cargo build as these tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples/keycloak");
    assert!(built.exists(), "{} is missing: run `cargo build --bins --example keycloak`", built.display());
    built
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(example());
    // All its processes inherit this, and are found by it.
    command.env("TMPDIR", folder).stdin(Stdio::null());
    command
}

/// Processes that were started with this folder for their files.
fn running(folder: &Path) -> Vec<String> {
    let mark = format!("TMPDIR={}", folder.display());
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| {
            let bytes = std::fs::read(process.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', "\n")
        };
        if read("environ").lines().any(|line| line == mark) {
            found.push(read("cmdline").replace('\n', " "));
        }
    }
    found
}

#[track_caller]
fn nothing_is_left(folder: &Path) {
    assert_eq!(running(folder), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "files are left: {left:?}");
}

#[test]
fn demo_covers_mail_to_token_without_secrets_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{error}");
    let mut rest = said.as_str();
    for words in [
        "would change organizations are on",
        "9 created, 0 configured, 0 unchanged, 0 skipped",
        "Subject: Invitation to join the Acme Agency organization",
        "Joined   NotEnrolled",
        "the page that she sees: Mobile Authenticator Setup",
        "Active   Enrolled",
        r#""guestlist": {"accounts":["instagram-main:manager","newsletter:collaborator"]}"#,
        r#""guestlist": {"accounts":["instagram-main:collaborator"]}"#,
        "Joined   NotEnrolled",
        "Keycloak to the application: 400 Bad Request",
        "MfaNotEnrolled",
        r#""guestlist": {"accounts":["instagram-main:manager"]}"#,
        "MfaCannotBeWaived",
        "DomainNotAllowed",
        "bob@acme.example: enabled false, accounts none. Signing in: We are sorry...: Account is disabled",
        "Done; everything is stopped and removed",
    ] {
        let place = rest.find(words).unwrap_or_else(|| panic!("{words:?} is not said, or not in its turn:\n{said}"));
        rest = &rest[place + words.len()..];
    }
    for secret in ["action-token", "eyJ", "Correct-horse", "session_state", "totpSecret"] {
        let told = said.split_whitespace().chain(error.split_whitespace());
        let told: Vec<_> = told.filter(|word| word.contains(secret)).collect();
        assert!(told.is_empty(), "{secret:?} is said: {told:?}");
    }
    nothing_is_left(folder.path());
}
