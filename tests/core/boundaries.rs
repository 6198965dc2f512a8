//! The boundaries of the modules: the core knows no client, no runtime, no clock and no randomness; only the operator
//! holds a Kubernetes client, only the directory speaks to its backend.

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a room that name something, without comments and tests.
fn lines_naming(room: &str, words: &[&str]) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let folder = src.join(room);
    if folder.is_dir() {
        files(&folder, &mut found);
    }
    let file = src.join(format!("{room}.rs"));
    found.extend(file.exists().then_some(file));
    assert!(!found.is_empty(), "no room {room}");
    let mut lines = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            if words.iter().any(|word| line.contains(word)) {
                lines.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    lines
}

#[test]
fn the_core_knows_no_client_no_runtime_no_clock_and_no_randomness() {
    for room in ["rules", "plan", "index", "wording", "workspace", "yaml"] {
        let named = lines_naming(
            room,
            &[
                "kube::Client",
                "tokio",
                "Timestamp::now",
                "SystemTime",
                "Instant::now",
                "rand::",
                "async fn",
                "std::fs",
                "HashMap",
            ],
        );
        assert_eq!(named, Vec::<String>::new(), "{room}");
    }
}

#[test]
fn only_the_operator_holds_a_kubernetes_client() {
    for room in ["api", "rules", "plan", "index", "workspace", "directory", "cli"] {
        assert_eq!(
            lines_naming(room, &["kube::Client", "kube::api::Api", "Client::try_from"]),
            Vec::<String>::new(),
            "{room}"
        );
    }
}

#[test]
fn only_the_directory_speaks_to_its_backend() {
    for room in ["api", "rules", "plan", "index", "workspace", "operator", "cli"] {
        assert_eq!(lines_naming(room, &["rusqlite"]), Vec::<String>::new(), "{room}");
    }
}

#[test]
fn the_operator_is_told_the_time() {
    assert_eq!(lines_naming("operator", &["Timestamp::now", "SystemTime"]), Vec::<String>::new());
}

#[test]
fn the_core_does_not_know_the_shells() {
    for room in ["api", "rules", "plan", "index", "wording", "workspace", "yaml", "directory"] {
        assert_eq!(lines_naming(room, &["crate::operator", "crate::cli"]), Vec::<String>::new(), "{room}");
    }
    assert_eq!(lines_naming("rules", &["crate::plan", "crate::index", "crate::directory"]), Vec::<String>::new());
}
