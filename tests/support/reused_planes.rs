//! Control planes that one test after the other uses, because kube-apiserver needs seconds of processor time to start.
//! A test that fails, or that stops a program, does not give its control plane to another test.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Request};
use serde_json::{Value, json};

use super::controlplane::ControlPlane;
use super::operator::eventually;

/// The control planes that no test uses at present.
static FREE: Mutex<Vec<PoolEntry>> = Mutex::new(Vec::new());
/// The plural names of our kinds.
const KINDS: [&str; 3] = ["accountshares", "guestmemberships", "localpartners"];
/// The path of our API group.
pub const GROUP: &str = "/apis/guestlist.dev/v1alpha1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Everything else in a namespace that a test or the operator creates.
const NAMESPACED: [&str; 13] = [
    "/apis/events.k8s.io/v1 events",
    "/apis/coordination.k8s.io/v1 leases",
    "/apis/rbac.authorization.k8s.io/v1 rolebindings",
    "/apis/rbac.authorization.k8s.io/v1 roles",
    "/apis/apps/v1 deployments",
    "/apis/policy/v1 poddisruptionbudgets",
    "/apis/networking.k8s.io/v1 networkpolicies",
    "/api/v1 pods",
    "/api/v1 configmaps",
    "/api/v1 secrets",
    "/api/v1 serviceaccounts",
    "/api/v1 persistentvolumeclaims",
    "/api/v1 resourcequotas",
];

/// A control plane, and what decides whether another test can use it.
struct PoolEntry {
    plane: ControlPlane,
    arguments: Vec<&'static str>,
    /// The files of the control plane itself.
    files: BTreeSet<PathBuf>,
    /// No other test uses it.
    alone: bool,
}

/// A control plane of one test. It is free again when dropped.
pub struct Reused(Option<PoolEntry>);

impl Reused {
    /// A control plane without objects other than the chart's CRDs, which may be there.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with kube-controller-manager.
    pub fn start_with_controllers() -> Self {
        Self::start_with(&["--controller-manager"])
    }

    /// A new control plane without CRDs.
    pub fn alone() -> Self {
        Self(Some(PoolEntry { alone: true, ..PoolEntry::start(&[]) }))
    }

    fn start_with(arguments: &[&'static str]) -> Self {
        while let Some(mut free) = take(arguments) {
            // One with changed CRDs is dropped, and ends.
            if free.is_reusable() {
                free.empty();
                return Self(Some(free));
            }
        }
        Self(Some(PoolEntry::start(arguments)))
    }
}

fn take(arguments: &[&str]) -> Option<PoolEntry> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let at = free.iter().position(|free| free.arguments == arguments)?;
    Some(free.swap_remove(at))
}

impl Deref for Reused {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.0.as_ref().unwrap().plane
    }
}

impl DerefMut for Reused {
    fn deref_mut(&mut self) -> &mut ControlPlane {
        &mut self.0.as_mut().unwrap().plane
    }
}

impl Drop for Reused {
    fn drop(&mut self) {
        let Some(mut used) = self.0.take() else { return };
        if std::thread::panicking() {
            used.plane.keep_files();
        } else if !used.alone && !used.plane.is_altered() {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(used);
        }
    }
}

fn files(plane: &ControlPlane) -> BTreeSet<PathBuf> {
    std::fs::read_dir(plane.dir()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

impl PoolEntry {
    fn start(arguments: &[&'static str]) -> Self {
        let plane = ControlPlane::start_with(&[&["--remove"], arguments].concat());
        let files = files(&plane);
        Self { plane, arguments: arguments.to_vec(), files, alone: false }
    }

    /// Whether the CRDs are the chart's, as they were installed: a new CRD of an old name is served late.
    fn is_reusable(&self) -> bool {
        let held = self.list(DEFINITIONS);
        held.len() == KINDS.len() && held.iter().all(|kind| kind["metadata"]["generation"] == 1)
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let listed = self.plane.read(path).unwrap_or_else(|| panic!("{path} is listed"));
        listed["items"].as_array().unwrap().clone()
    }

    /// Deletes everything that a test has created.
    fn empty(&mut self) {
        // Policies come first: they refuse deletions.
        for kinds in ["validatingadmissionpolicybindings", "validatingadmissionpolicies"] {
            self.delete_all(&format!("{ADMISSION}/{kinds}"), "");
        }
        for kinds in ["clusterrolebindings", "clusterroles"] {
            self.delete_all(&format!("{RBAC}/{kinds}"), "kubernetes.io/bootstrapping!=rbac-defaults");
        }
        for kinds in KINDS {
            self.remove_objects(&format!("{GROUP}/{kinds}"));
        }
        self.delete_all("/apis/events.k8s.io/v1/namespaces/default/events", "");
        for namespace in self.list("/api/v1/namespaces") {
            let name = namespace["metadata"]["name"].as_str().unwrap();
            if name != "default" && !name.starts_with("kube-") {
                self.remove_namespace(name);
            }
        }
        for file in files(&self.plane).difference(&self.files) {
            let removed = if file.is_dir() { std::fs::remove_dir_all(file) } else { std::fs::remove_file(file) };
            removed.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        self.plane.begin_audit_log();
    }

    fn delete_all(&self, path: &str, labels: &str) {
        let (deleted, listed) = (DeleteParams::default(), ListParams::default().labels(labels));
        self.plane.send(Request::new(path).delete_collection(&deleted, &listed).unwrap()).unwrap();
    }

    /// Removes all objects of a kind of ours, with their finalizers.
    fn remove_objects(&self, path: &str) {
        eventually(&format!("{path} is empty"), || {
            let held = self.list(path);
            for object in &held {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
                let kinds = path.rsplit('/').next().unwrap();
                let request = Request::new(format!("{GROUP}/namespaces/{}/{kinds}", text("namespace")));
                let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                // A deleted admission policy stays in force for a moment, so this is tried again.
                drop(self.plane.send(request.patch(&text("name"), &PatchParams::default(), &none).unwrap()));
                drop(self.plane.send(request.delete(&text("name"), &DeleteParams::default()).unwrap()));
            }
            if held.is_empty() { Ok(()) } else { Err(format!("{held:?}")) }
        });
    }

    /// Removes a namespace with everything in it. Without its finalizer, the API server removes it at once.
    fn remove_namespace(&self, name: &str) {
        for kinds in NAMESPACED {
            let (group, kinds) = kinds.split_once(' ').unwrap();
            self.delete_all(&format!("{group}/namespaces/{name}/{kinds}"), "");
        }
        let namespaces = Request::new("/api/v1/namespaces");
        drop(self.plane.send(namespaces.delete(name, &DeleteParams::default()).unwrap()));
        let last =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
        let last = serde_json::to_vec(&last).unwrap();
        drop(self.plane.send(namespaces.replace_subresource("finalize", name, &PostParams::default(), last).unwrap()));
        eventually(&format!("namespace {name} is gone"), || {
            self.plane.read(&format!("/api/v1/namespaces/{name}")).map_or(Ok(()), |held| Err(held.to_string()))
        });
    }
}
