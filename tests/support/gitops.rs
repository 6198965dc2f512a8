//! Flux by its own libraries, and Argo CD's Lua engine and order of deletions (`tests/gitops`).
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::controlplane::{Said, run};

/// The folder that has the scripts for Argo CD.
pub const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/argocd/resource_customizations");

/// Runs a command of Flux as the user of a kubeconfig.
pub fn flux(kubeconfig: &Path, command: &str, objects: &[Value]) -> Said {
    run(program("flux").env("KUBECONFIG", kubeconfig).arg(command), &stream(objects))
}

/// kstatus of objects, by Flux's library.
#[track_caller]
pub fn kstatus(objects: &[Value]) -> Vec<String> {
    let printed = run(program("flux").arg("kstatus"), &stream(objects)).ok();
    statuses(&printed, objects.len())
}

/// Runs a command of Argo CD with the project's scripts.
pub fn argocd(command: &[&str], objects: &[Value]) -> Said {
    run(program("argocd").arg(command[0]).arg(SCRIPTS).args(&command[1..]), &stream(objects))
}

/// Argo CD's health of objects.
#[track_caller]
pub fn health(objects: &[Value]) -> Vec<String> {
    statuses(&argocd(&["health"], objects).ok(), objects.len())
}

/// The objects of manifests.
pub fn objects(manifests: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(manifests).expect("the manifests can be read")
}

fn stream(objects: &[Value]) -> String {
    objects.iter().flat_map(|object| [object.to_string(), "\n".to_owned()]).collect()
}

fn statuses(printed: &str, count: usize) -> Vec<String> {
    let status = |line: &str| {
        let result: Value = serde_json::from_str(line).expect("a line is JSON");
        result["status"].as_str().expect("a line has a status").to_owned()
    };
    let statuses: Vec<_> = printed.lines().map(status).collect();
    assert_eq!(statuses.len(), count, "{printed}");
    statuses
}

fn program(name: &str) -> Command {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gitops").join(name);
    assert!(path.exists(), "there is no {}; build it once: make gitops (needs Go)", path.display());
    Command::new(path)
}
