//! The operator as a process with the chart's service account, and the embedded directory beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::controlplane::{ControlPlane, programs};
use super::eventually;

pub const POLICY: &str = "
installation: test
domains: [host.example]
tenants:
- {namespace: partners, hostAdmins: ['*@host.example']}
- {namespace: others, hostAdmins: [zoe@host.example]}
mailInterval: 0s
";

pub const PEOPLE: &str = "
users:
- {email: alice@host.example, name: Alice}
- {email: dan@host.example, name: Dan}
- {email: zoe@host.example, name: Zoe}
accounts:
- {name: instagram, owners: [alice@host.example]}
- {name: tiktok, owners: [alice@host.example, dan@host.example]}
- {name: newsletter, owners: [dan@host.example]}
- {name: zoes, owners: [zoe@host.example]}
";

pub struct Operator {
    process: Option<Child>,
    kubeconfig: PathBuf,
    pub folder: PathBuf,
    pub health: String,
    starts: usize,
}

impl Operator {
    /// Installs the chart's rights, imports people, and starts the operator.
    pub fn start(plane: &ControlPlane) -> Self {
        let mut operator = Self::prepare(plane);
        operator.go();
        operator.ready();
        operator
    }

    /// Everything but the process.
    pub fn prepare(plane: &ControlPlane) -> Self {
        let folder = plane.dir.path().join("operator");
        std::fs::create_dir_all(&folder).unwrap();
        install_rights(plane);
        let kubeconfig = service_account(plane, &folder);
        for namespace in ["partners", "others", "strangers"] {
            plane.kubectl_ok(&["create", "namespace", namespace]);
        }
        std::fs::write(folder.join("workspace.yaml"), POLICY).unwrap();
        std::fs::write(folder.join("people.yaml"), PEOPLE).unwrap();
        let operator = Self { process: None, kubeconfig, folder, health: free_address(), starts: 0 };
        operator.directory_ok(&["import", operator.folder.join("people.yaml").to_str().unwrap()]);
        operator
    }

    /// Starts the process.
    pub fn go(&mut self) {
        self.starts += 1;
        let log = File::create(self.folder.join(format!("operator-{}.log", self.starts))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_guestlist"))
            .args(["run", "--resync", "2s", "--health-address", &self.health, "--metrics-address", &self.health])
            .args(["--workspace", self.folder.join("workspace.yaml").to_str().unwrap(), "--directory", &self.address()])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// Waits until it is ready.
    pub fn ready(&self) {
        eventually("the operator is ready", || match self.probe("/readyz") {
            Ok(text) if text.contains("200 OK") => Ok(()),
            Ok(text) => Err(format!("{text}\n{}", self.log())),
            Err(error) => Err(format!("{error}\n{}", self.log())),
        });
    }

    /// Asks a probe over plain HTTP; the whole answer.
    pub fn probe(&self, path: &str) -> Result<String, String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&self.health).map_err(|error| error.to_string())?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n").map_err(|e| e.to_string())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// SIGTERM; its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let mut process = self.process.take()?;
        let status = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert!(status.success());
        process.wait().unwrap().code()
    }

    /// Everything that all its runs logged.
    pub fn log(&self) -> String {
        (1..=self.starts)
            .map(|n| std::fs::read_to_string(self.folder.join(format!("operator-{n}.log"))).unwrap_or_default())
            .collect()
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("directory.db")
    }

    fn address(&self) -> String {
        format!("sqlite:{}", self.database().display())
    }

    /// Runs `guestlist directory …`.
    pub fn directory(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_guestlist"))
            .args(["directory", "--directory", &self.address()])
            .args(args)
            .output()
            .unwrap()
    }

    pub fn directory_ok(&self, args: &[&str]) -> String {
        let output = self.directory(args);
        assert!(output.status.success(), "directory {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Everything in the directory.
    pub fn show(&self) -> Value {
        serde_json::from_str(&self.directory_ok(&["show", "-o", "json"])).unwrap()
    }

    /// A guest joins and turns TOTP on.
    pub fn joins_with_mfa(&self, email: &str) {
        self.directory_ok(&["accept", email]);
        self.directory_ok(&["enroll-mfa", email]);
    }

    /// What a guest can use now, as `account:role`, sorted.
    pub fn access(&self, email: &str) -> Vec<String> {
        let show = self.show();
        let guest = show["guests"].as_array().unwrap().iter().find(|guest| guest["email"] == email);
        let grants = guest.map(|guest| guest["grants"].as_array().unwrap().clone()).unwrap_or_default();
        grants
            .iter()
            .filter(|grant| grant["effective"] == true)
            .map(|grant| format!("{}:{}", grant["account"].as_str().unwrap(), grant["role"].as_str().unwrap()))
            .collect()
    }

    /// Waits until a guest can use exactly this.
    pub fn has_access(&self, email: &str, wanted: &[&str]) {
        eventually(&format!("{email} has {wanted:?}"), || {
            let seen = self.access(email);
            if seen == wanted { Ok(()) } else { Err(format!("{seen:?}\n{}", self.log())) }
        });
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The chart's rights, as `helm template` renders them.
fn install_rights(plane: &ControlPlane) {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/guestlist");
    let rendered = Command::new(programs().join("helm"))
        .args(["template", "guestlist", chart.to_str().unwrap(), "--namespace", "guestlist"])
        .args(["--show-only", "templates/rbac.yaml", "--show-only", "templates/serviceaccount.yaml"])
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    plane.kubectl_ok(&["create", "namespace", "guestlist"]);
    plane.apply(&String::from_utf8_lossy(&rendered.stdout));
}

/// A kubeconfig with the token of the chart's service account.
fn service_account(plane: &ControlPlane, folder: &Path) -> PathBuf {
    let token = plane.kubectl_ok(&["create", "token", "guestlist", "-n", "guestlist", "--duration=2h"]);
    let path = folder.join("kubeconfig");
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
         users: [{{name: u, user: {{token: {}}}}}]\n",
        plane.server,
        plane.ca.display(),
        token.trim()
    );
    std::fs::write(&path, config).unwrap();
    path
}
