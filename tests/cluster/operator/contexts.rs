//! The cluster of a command: `--kubeconfig`, `--context`, and several files in `KUBECONFIG`, as for kubectl.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::harness::Stage;

/// Two kubeconfigs: `dead` is current and names a server that does not answer, `live` is the operator's own.
fn kubeconfigs(stage: &Stage) -> (PathBuf, PathBuf) {
    let write = |name: &str, config: &Value| {
        let path = stage.operator.folder.join(name);
        std::fs::write(&path, config.to_string()).unwrap();
        path
    };
    let context = |name: &str| json!([{"name": name, "context": {"cluster": name, "user": name}}]);
    let mut live: Value = serde_json::from_slice(&std::fs::read(&stage.operator.kubeconfig).unwrap()).unwrap();
    for list in ["clusters", "users"] {
        live[list][0]["name"] = json!("live");
    }
    live["contexts"] = context("live");
    live["current-context"] = json!("live");
    let dead = json!({
        "clusters": [{"name": "dead", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": context("dead"), "current-context": "dead",
    });
    (write("dead", &dead), write("live", &live))
}

#[track_caller]
fn said(stage: &Stage, kubeconfig: &Path, arguments: &[&str], code: i32) -> String {
    let output = stage.operator.guestlist(kubeconfig, arguments);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

#[test]
fn commands_use_cluster_of_kubeconfig_and_context() {
    let mut stage = Stage::prepare();
    let (dead, live) = kubeconfigs(&stage);
    let missing = stage.operator.folder.join("missing");
    let both = PathBuf::from(std::env::join_paths([&missing, &dead, &live]).unwrap());
    let file = format!("--kubeconfig={}", live.display());
    for command in [&["plan", "--from-cluster"][..], &["detach", "--all", "--yes"], &["detach", "--orphans", "--yes"]] {
        let run = |kubeconfig: &Path, more: &[&str], code| said(&stage, kubeconfig, &[command, more].concat(), code);
        assert!(run(&both, &[], 1).contains("no answer from the API server"), "the current context of the first file");
        run(&both, &["--context=live"], 0);
        run(&dead, &[&file], 0);
        let unknown = run(&both, &["--context=prod"], 1);
        assert!(unknown.contains("no context \"prod\"; it has: dead, live"), "{unknown}");
        let missing = format!("--kubeconfig={}", missing.display());
        assert!(run(&live, &[&missing], 1).contains("No such file"), "a named file has to exist");
    }
    stage.operator.kubeconfig = both;
    stage.operator.arguments = vec!["--context", "live"];
    stage.operator.start();
}
