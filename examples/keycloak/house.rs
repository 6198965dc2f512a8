//! The services and files of the demo, and their removal at its end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::browser::Application;
use crate::controlplane::ControlPlane;
use crate::keycloak::{ADMIN, Keycloak, leashed};
use crate::mail::Mail;
use crate::person::{PORTAL, workspace};
use crate::screen::{Shown, program, until};

/// The realm.
const REALM: &str = "workspace";
const POLICY: &str = "examples/acme/workspace.yaml";
/// The number of lines of the operator's log in an error report.
const LOG_LINES: usize = 20;

pub struct House {
    folder: TempDir,
    pub mail: Mail,
    keycloak: Option<Keycloak>,
    plane: Option<ControlPlane>,
    operator: Option<Child>,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("guestlist-demo.").tempdir().unwrap();
        Self { folder, mail: Mail::start(), keycloak: None, plane: None, operator: None }
    }

    pub fn start_keycloak(&mut self) -> String {
        let keycloak = Keycloak::start();
        let base = keycloak.base.clone();
        self.keycloak = Some(keycloak);
        base
    }

    pub fn start_plane(&mut self) {
        let plane = ControlPlane::start_in(self.file("plane"), &["--controller-manager"]);
        self.plane = Some(plane);
    }

    fn keycloak(&self) -> &Keycloak {
        self.keycloak.as_ref().expect("Keycloak runs by now")
    }

    fn plane(&self) -> &ControlPlane {
        self.plane.as_ref().expect("the API server runs by now")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// The value for `--directory`.
    pub fn directory(&self) -> String {
        format!("keycloak:{}#{REALM}", self.keycloak().base)
    }

    pub fn portal(&self) -> Application {
        Application { realm: format!("{}/realms/{REALM}", self.keycloak().base), client: PORTAL.to_owned() }
    }

    /// The workspace of a company before guestlist: a realm with a mail server and an application.
    pub async fn make_realm(&self) {
        let (status, answer) = self.keycloak().admin("POST", "", Some(workspace(REALM, self.mail.port))).await;
        assert_eq!(status, 201, "the realm is made: {answer}");
    }

    /// Makes the calls of the administration console.
    pub async fn console(&self, method: &str, path: &str) -> Value {
        let (status, answer) = self.keycloak().admin(method, &format!("/{REALM}{path}"), None).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// A user as the console shows it.
    pub async fn user(&self, address: &str) -> Value {
        self.console("GET", &format!("/users?exact=true&briefRepresentation=false&email={address}")).await[0].clone()
    }

    /// Runs `guestlist` as the operator: with the realm, and its secret in a file.
    pub fn guestlist(&self, arguments: &[&str]) -> Shown {
        let built = program("guestlist", guestlist()).args(arguments).env("GUESTLIST_DIRECTORY", self.directory());
        built.env("GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE", self.file("secret"))
    }

    /// Runs `guestlist` with an administrator's password.
    pub fn as_administrator(&self, arguments: &[&str]) -> Shown {
        self.guestlist(arguments).env("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN)
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Shown {
        let built = self.plane().program("kubectl");
        let mut shown = program("kubectl", PathBuf::from(built.get_program())).args(arguments);
        shown.command.envs(built.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shown
    }

    /// Runs kubectl in the namespace of the guests.
    pub fn partners(&self, arguments: &[&str]) -> Shown {
        self.kubectl(&[&["--namespace", "partners"], arguments].concat())
    }

    /// Installs the chart's objects without the Deployment, because this cluster runs no pods.
    pub fn install_chart(&self) {
        self.kubectl(&["create", "namespace", "guestlist"]).quietly().unwrap();
        for (name, waits) in [("crds", true), ("rbac", false)] {
            let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/guestlist");
            let rendered = self
                .plane()
                .program("helm")
                .args(["template", "guestlist", chart, "--namespace=guestlist"])
                .arg(format!("--show-only=templates/{name}.yaml"))
                .output()
                .unwrap();
            assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
            let file = self.path(&format!("{name}.yaml"));
            std::fs::write(&file, rendered.stdout).unwrap();
            println!("{}", self.kubectl(&["apply", "--server-side", "--filename", &file]).quietly().unwrap());
            if waits {
                let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
                self.kubectl(&wait).quietly().unwrap();
            }
        }
    }

    /// Starts the operator with the rights of its service account, and waits until it is ready.
    pub async fn start_operator(&mut self) {
        let kubeconfig = self.plane().service_account("guestlist", "guestlist");
        let health = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let directory = self.directory();
        let arguments = ["run", "--workspace", POLICY, "--directory", &directory, "--health-address", &health];
        let arguments = [&arguments[..], &["--metrics-address", &health]].concat();
        self.guestlist(&arguments).announce();
        let child = leashed(&guestlist())
            .args(&arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAMESPACE", "guestlist")
            .env("GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE", self.file("secret"))
            .stdout(Stdio::null())
            .stderr(File::create(self.file("operator.log")).unwrap())
            .spawn()
            .unwrap();
        self.operator = Some(child);
        until("the operator is ready", async || {
            let answer = reqwest::get(format!("http://{health}/readyz")).await.map_err(|error| error.to_string())?;
            let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
            if status == 200 { Ok(()) } else { Err(text) }
        })
        .await;
    }

    /// The last lines of the operator's log.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.file("operator.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut operator) = self.operator.take() {
            drop(operator.stdin.take());
            drop(operator.wait());
        }
        // The API server and Keycloak end when dropped, before the folder is deleted.
        drop(self.plane.take());
        drop(self.keycloak.take());
    }
}

/// The binary from the same build as this example.
fn guestlist() -> PathBuf {
    let example = std::env::current_exe().unwrap();
    let built = example.ancestors().nth(2).unwrap_or(Path::new(".")).join("guestlist");
    assert!(built.exists(), "{} is missing: run `cargo build`, or `make demo-keycloak`", built.display());
    built
}
