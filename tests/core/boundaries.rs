//! The modules and their allowed dependencies. The pure core uses no client, runtime, clock or randomness, and no
//! module uses one that is below it in the list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules, each above those that may use it.
const MODULES: [&str; 13] = [
    "util",
    "domain",
    "api",
    "validation",
    "yaml",
    "workspace_policy",
    "cache",
    "directory",
    "plan",
    "engine",
    "executor",
    "operator",
    "cli",
];
const PURE: [&str; 7] = ["domain", "validation", "yaml", "workspace_policy", "cache", "plan", "engine"];
/// The files of the command line that use the operator: they start it, or read a cluster.
const USE_THE_OPERATOR: [&str; 4] = ["run.rs", "manifests.rs", "detach.rs", "cluster_args.rs"];
/// Public types with the same name in both backends, or in a module and its settings.
const PAIRS: [&str; 2] = ["Directory", "Settings"];

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

/// The files of a module, each with its lines without comments and unit tests.
fn code(module: &str) -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module), &mut found);
    assert!(!found.is_empty(), "no module {module}");
    let lines = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned);
        (path, code.collect())
    };
    found.into_iter().filter(|path| !path.ends_with("tests.rs")).map(lines).collect()
}

/// The lines of a module that name something.
fn lines_naming(module: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, lines) in code(module) {
        for line in lines.iter().filter(|line| words.iter().any(|word| line.contains(word))) {
            found.push(format!("{}: {}", path.display(), line.trim()));
        }
    }
    found
}

#[test]
fn pure_modules_know_no_client_runtime_clock_or_randomness() {
    let words = [
        "kube::Client",
        "kube::Api",
        "tokio",
        "Timestamp::now",
        "SystemTime",
        "Instant::now",
        "rand::",
        "async fn",
        "std::fs",
        "HashMap",
    ];
    for module in PURE {
        let allowed = |line: &String| module == "engine" && line.contains("HashMap");
        let named: Vec<_> = lines_naming(module, &words).into_iter().filter(|line| !allowed(line)).collect();
        assert_eq!(named, Vec::<String>::new(), "{module}");
    }
}

#[test]
fn each_module_uses_only_those_above_it() {
    for (at, module) in MODULES.iter().enumerate() {
        let below: Vec<String> = MODULES[at + 1..].iter().map(|module| format!("crate::{module}")).collect();
        let below: Vec<&str> = below.iter().map(String::as_str).collect();
        assert_eq!(lines_naming(module, &below), Vec::<String>::new(), "{module}");
    }
}

#[test]
fn all_modules_are_listed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = fs::read_dir(src).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    for folder in folders {
        let mut found = Vec::new();
        files(&folder, &mut found);
        if found.is_empty() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(MODULES.contains(&name), "{name} has no place among the modules");
    }
}

#[test]
fn only_operator_holds_a_kubernetes_client() {
    for module in MODULES.iter().filter(|module| **module != "operator") {
        let named = lines_naming(module, &["kube::Client", "kube::api::Api", "Client::try_from"]);
        assert_eq!(named, Vec::<String>::new(), "{module}");
    }
}

#[test]
fn command_line_uses_operator_to_run_it_or_to_read_a_cluster() {
    for (path, lines) in code("cli") {
        let uses = lines.iter().any(|line| line.contains("crate::operator"));
        assert!(!uses || USE_THE_OPERATOR.iter().any(|name| path.ends_with(name)), "{}", path.display());
    }
}

#[test]
fn only_directory_calls_its_backend() {
    for module in MODULES.iter().filter(|module| **module != "directory") {
        assert_eq!(lines_naming(module, &["rusqlite"]), Vec::<String>::new(), "{module}");
    }
}

#[test]
fn operator_and_executor_take_the_time_as_an_argument() {
    for module in ["operator", "executor"] {
        assert_eq!(lines_naming(module, &["Timestamp::now", "SystemTime"]), Vec::<String>::new(), "{module}");
    }
}

#[test]
fn public_type_names_are_unique() {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in MODULES {
        for (path, lines) in code(module) {
            for line in lines {
                let line = line.trim_start();
                let Some(rest) =
                    line.strip_prefix("pub").filter(|rest| !line.starts_with("pub use") && !rest.is_empty())
                else {
                    continue;
                };
                let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
                let mut words = rest.split_whitespace();
                if !matches!(words.next(), Some("struct" | "enum" | "trait" | "type")) {
                    continue;
                }
                let name: String =
                    words.next().unwrap_or_default().chars().take_while(|c| c.is_alphanumeric()).collect();
                names.entry(name).or_default().push(path.display().to_string());
            }
        }
    }
    assert!(names.len() > 200, "{}", names.len());
    names.retain(|name, places| places.len() > 1 && !PAIRS.contains(&&**name));
    assert_eq!(names, BTreeMap::new());
}
