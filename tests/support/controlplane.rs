//! A real etcd, kube-apiserver and kube-controller-manager on loopback for as long as the value lives. The launcher ends
//! them when its standard input closes, so nothing is left even if the test process is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Mutex;

use serde_json::Value;

pub struct ControlPlane {
    launcher: Child,
    stdin: Option<ChildStdin>,
    stdout: Mutex<BufReader<ChildStdout>>,
    pub kubeconfig: PathBuf,
    pub server: String,
    pub ca: PathBuf,
    pub dir: tempfile::TempDir,
}

/// Where the programs are: `make controlplane` builds them once.
pub fn programs() -> PathBuf {
    let folder = std::env::var_os("GUESTLIST_CONTROLPLANE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/controlplane/bin"),
        PathBuf::from,
    );
    assert!(
        folder.join("controlplane").exists(),
        "{} has no control plane; build it once with `make controlplane` (needs Go)",
        folder.display()
    );
    folder
}

impl ControlPlane {
    /// Starts one, with controller manager, and installs the CRDs.
    pub fn start() -> Self {
        let plane = Self::bare();
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        plane.kubectl_ok(&["apply", "--server-side", "-f", crds.to_str().unwrap()]);
        plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
        plane
    }

    /// Starts one without CRDs.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut launcher = Command::new(programs().join("controlplane"))
            .args(["serve", "--controller-manager", "--dir"])
            .arg(dir.path().join("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = launcher.stdin.take();
        let mut stdout = BufReader::new(launcher.stdout.take().unwrap());
        let ready = line(&mut stdout);
        assert_eq!(ready["ready"], true, "the control plane did not start: {ready}");
        let text = |field: &str| ready[field].as_str().unwrap().to_owned();
        Self {
            launcher,
            stdin,
            stdout: Mutex::new(stdout),
            kubeconfig: text("kubeconfig").into(),
            server: text("server"),
            ca: text("ca").into(),
            dir,
        }
    }

    /// Runs kubectl as cluster-admin.
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with(&self.kubeconfig, args, "")
    }

    /// Runs kubectl as somebody.
    pub fn kubectl_with(&self, kubeconfig: &Path, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(programs().join("kubectl"))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs kubectl and returns what it printed.
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        done(&self.kubectl(args), args)
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        done(&self.kubectl_with(&self.kubeconfig, &args, manifests), &args);
    }

    /// Applies manifests that are refused; what the server said.
    pub fn refused(&self, manifests: &str) -> String {
        let output = self.kubectl_with(&self.kubeconfig, &["apply", "--server-side", "-f", "-"], manifests);
        assert!(!output.status.success(), "accepted: {manifests}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// An object as JSON; `None`: it is not there.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let args = ["get", kind, "-n", namespace, name, "-o", "json", "--ignore-not-found"];
        let text = self.kubectl_ok(&args);
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    /// All objects of a kind as JSON.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let text = self.kubectl_ok(&["get", kind, "-A", "-o", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["items"].as_array().unwrap().clone()
    }

    /// Tells the launcher something: `stop kube-apiserver`, `snapshot LABEL`.
    pub fn tell(&self, command: &str) {
        writeln!(self.stdin.as_ref().unwrap(), "{command}").unwrap();
        let answer = line(&mut self.stdout.lock().unwrap());
        assert!(answer.get("done").is_some(), "{command}: {answer}");
    }
}

fn line(stdout: &mut BufReader<ChildStdout>) -> Value {
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("the control plane said {text:?}: {error}"))
}

fn done(output: &Output, args: &[&str]) -> String {
    assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.stdin.take());
        self.launcher.wait().unwrap();
    }
}
