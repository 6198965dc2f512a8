//! The operator as a process with the chart's rights, its embedded directory, and people to import.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use guestlist::directory::sqlite::{OpenMode, Store};
use guestlist::directory::{Snapshot, keycloak};
use jiff::Timestamp;
use serde_json::Value;

use super::controlplane::ControlPlane;

pub const POLICY: &str = "
installation: test
domains: [host.example]
tenants:
- {namespace: partners, hostAdmins: ['*@host.example']}
mailInterval: 0s
invitationsPerHour: 100000
";

pub const PEOPLE: &str = "
users:
- {email: alice@host.example, name: Alice}
- {email: dan@host.example, name: Dan}
accounts:
- {name: instagram, owners: [alice@host.example]}
- {name: tiktok, owners: [alice@host.example, dan@host.example]}
";

/// How long a test waits for what has to come. It only bounds a failure, so a machine that is busy with other work must
/// not reach it.
const TIMEOUT: Duration = Duration::from_mins(4);

/// Polls until `look` succeeds. After the timeout, fails with the last error.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) => assert!(began.elapsed() < TIMEOUT, "{what}: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The program of the operator: the one that was built with the tests, or another one to measure.
pub fn program() -> OsString {
    std::env::var_os("GUESTLIST_BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_guestlist").into())
}

/// Runs `guestlist`.
pub fn guestlist(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_guestlist")).args(args).output().unwrap()
}

/// A directory other than the embedded one: its address, its environment, and the actions of its guests.
pub trait Elsewhere: Send + Sync {
    /// The value for `--directory`.
    fn address(&self) -> String;
    /// The environment of the commands.
    fn environment(&self) -> Vec<(&'static str, String)>;
    /// Performs `accept`, `enroll-mfa` and `reset-mfa`. `None`: a command does it.
    fn play(&self, args: &[&str]) -> Option<Output>;
    /// A value that changes with each write of the operator.
    fn written(&self) -> Vec<u8>;
    /// The same, without writes of the leader election.
    fn held(&self) -> String;
    /// The number of mails to an address.
    fn mails(&self, email: &str) -> usize;
}

pub struct Operator {
    /// The directory, if it is not the embedded one.
    pub elsewhere: Option<Box<dyn Elsewhere>>,
    process: Option<Child>,
    pub kubeconfig: PathBuf,
    pub folder: PathBuf,
    pub health: String,
    /// The holder's name in the Lease.
    pub name: &'static str,
    /// Further arguments of `guestlist run`.
    pub arguments: Vec<&'static str>,
    pub resync: &'static str,
    pub log_level: &'static str,
    starts: usize,
}

impl Operator {
    /// Installs the chart's CRDs and RBAC, imports people, and creates namespaces. Does not start the process.
    pub fn prepare(plane: &ControlPlane) -> Self {
        Self::prepare_with(plane, &["partners"], &Self::template(plane, "rbac"))
    }

    /// The same with these namespaces of tenants and this RBAC.
    pub fn prepare_with(plane: &ControlPlane, namespaces: &[&str], rbac: &str) -> Self {
        let namespace = |name: &&str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
        let namespaces: String = ["guestlist"].iter().chain(namespaces).map(namespace).collect();
        // In a single call, because each kubectl is a process.
        plane.apply(&[&namespaces, rbac, "\n---\n", &Self::template(plane, "crds")].concat());
        Self::established(plane);
        Self::outside(plane)
    }

    /// Waits until the API server serves the kinds.
    #[track_caller]
    pub fn established(plane: &ControlPlane) {
        eventually("the kinds are served", || {
            let found = plane.read("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").unwrap_or_default();
            let is_established = |kind: &Value| {
                let conditions = kind["status"]["conditions"].as_array().into_iter().flatten();
                conditions.into_iter().any(|held| held["type"] == "Established" && held["status"] == "True")
            };
            match found["items"].as_array() {
                Some(kinds) if kinds.len() >= 3 && kinds.iter().all(is_established) => Ok(()),
                _ => Err(found.to_string()),
            }
        });
    }

    /// Prepares everything outside the cluster.
    pub fn outside(plane: &ControlPlane) -> Self {
        let folder = plane.dir().join("operator");
        std::fs::create_dir_all(&folder).unwrap();
        let kubeconfig = plane.service_account("guestlist", "guestlist");
        std::fs::write(folder.join("workspace.yaml"), POLICY).unwrap();
        std::fs::write(folder.join("people.yaml"), PEOPLE).unwrap();
        let operator = Self::in_folder(kubeconfig, folder, "operator");
        operator.directory_ok(&["import", "--users", operator.folder.join("people.yaml").to_str().unwrap()]);
        operator
    }

    fn in_folder(kubeconfig: PathBuf, folder: PathBuf, name: &'static str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let health = listener.local_addr().unwrap().to_string();
        Self {
            elsewhere: None,
            process: None,
            kubeconfig,
            folder,
            health,
            name,
            arguments: Vec::new(),
            resync: "2s",
            log_level: "info",
            starts: 0,
        }
    }

    /// Another operator with the same policy and directory.
    pub fn beside(&self, name: &'static str) -> Self {
        Self::in_folder(self.kubeconfig.clone(), self.folder.clone(), name)
    }

    /// Applies one template of the chart.
    pub fn install(plane: &ControlPlane, template: &str) {
        plane.apply(&Self::template(plane, template));
    }

    /// One template of the chart, rendered.
    pub fn template(plane: &ControlPlane, template: &str) -> String {
        static RENDERED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
        let mut rendered = RENDERED.lock().unwrap_or_else(PoisonError::into_inner);
        rendered.entry(template.to_owned()).or_insert_with(|| Self::render(plane, template, &[])).clone()
    }

    /// The chart's RBAC for an operator that watches these namespaces.
    pub fn rbac_of(plane: &ControlPlane, namespaces: &[&str]) -> String {
        Self::render(plane, "rbac", &[&format!("--set=watchNamespaces={{{}}}", namespaces.join(","))])
    }

    fn render(plane: &ControlPlane, template: &str, values: &[&str]) -> String {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/guestlist");
        let rendered = plane
            .program("helm")
            .args(["template", "guestlist", chart, "--namespace=guestlist"])
            .arg(format!("--show-only=templates/{template}.yaml"))
            .args(values)
            .output()
            .unwrap();
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        String::from_utf8_lossy(&rendered.stdout).into_owned()
    }

    /// Writes the workspace policy; a running operator reads it.
    pub fn policy(&self, text: &str) {
        std::fs::write(self.folder.join("workspace.yaml"), text).unwrap();
    }

    /// Imports more people and accounts.
    pub fn import(&self, text: &str) {
        let file = self.folder.join("more.yaml");
        std::fs::write(&file, text).unwrap();
        self.directory_ok(&["import", "--users", file.to_str().unwrap()]);
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self) {
        self.go();
        self.is_ready();
    }

    /// Waits until the operator is ready.
    #[track_caller]
    pub fn is_ready(&self) {
        eventually("the operator is ready", || match self.probe("/readyz") {
            Ok(text) if text.contains("200 OK") => Ok(()),
            Ok(text) | Err(text) => Err(format!("{text}\n{}", self.log())),
        });
    }

    /// Waits until the operator reports that it is not ready, with these words.
    #[track_caller]
    pub fn is_unready(&self, words: &[&str]) {
        eventually(&format!("/readyz says {words:?}"), || match self.probe("/readyz") {
            Ok(text) if text.contains("503") && words.iter().all(|word| text.contains(word)) => Ok(()),
            Ok(text) | Err(text) => Err(format!("{text}\n{}", self.log())),
        });
    }

    /// Starts the process.
    pub fn go(&mut self) {
        self.starts += 1;
        let log = File::create(self.log_file(self.starts)).unwrap();
        let child = Command::new(program())
            .args(["run", "--resync", self.resync, "--log-level", self.log_level])
            .args(["--health-address", &self.health, "--metrics-address", &self.health])
            .args(["--workspace", self.folder.join("workspace.yaml").to_str().unwrap(), "--directory", &self.address()])
            .env("KUBECONFIG", &self.kubeconfig)
            // As in a pod: a new process takes over the Lease of a killed one.
            .args(&self.arguments)
            .env("POD_NAME", self.name)
            .env("POD_NAMESPACE", "guestlist")
            .envs(self.elsewhere.iter().flat_map(|elsewhere| elsewhere.environment()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// Sends a request over plain HTTP, and returns the whole response.
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

    /// Sends SIGTERM, and returns the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.process.take()?.wait().unwrap().code()
    }

    /// Sends a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    /// Stops the process, at a moment when it does not hold the write lock of its database: no other process could write
    /// as long as it is stopped.
    pub fn freeze(&self) {
        eventually("the process stops between two writes", || {
            self.signal("-STOP");
            eventually("all threads stop", || if self.is_stopped() { Ok(()) } else { Err(String::new()) });
            self.takes_writes().map_err(|error| {
                self.signal("-CONT");
                error.to_string()
            })
        });
    }

    /// Whether all threads of the process are stopped.
    fn is_stopped(&self) -> bool {
        let threads = format!("/proc/{}/task", self.process.as_ref().unwrap().id());
        std::fs::read_dir(threads).unwrap().all(|thread| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default();
            // The state follows the name of the thread, which is in parentheses.
            stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
        })
    }

    /// Whether another process can begin to write to the embedded directory.
    fn takes_writes(&self) -> rusqlite::Result<()> {
        let mut connection = rusqlite::Connection::open(self.database())?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?.rollback()
    }

    /// Resident memory, in MB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.as_ref().unwrap().id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.as_ref().unwrap().id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        // Fields after the name: utime and stime are the 12th and 13th, in ticks of 10 ms.
        Duration::from_millis(ticks * 10)
    }

    /// The log of all runs.
    pub fn log(&self) -> String {
        (1..=self.starts).map(|n| std::fs::read_to_string(self.log_file(n)).unwrap_or_default()).collect()
    }

    /// Waits for a line of the log with all these words, and returns it.
    #[track_caller]
    pub fn logs(&self, words: &[&str]) -> String {
        eventually(&format!("a line of the log says {words:?}"), || {
            let log = self.log();
            let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned).ok_or(log)
        })
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.folder.join(format!("{}-{start}.log", self.name))
    }

    /// The directory's file.
    pub fn database(&self) -> PathBuf {
        self.folder.join("directory.db")
    }

    fn address(&self) -> String {
        self.elsewhere.as_ref().map_or_else(|| address(&self.database()), |elsewhere| elsewhere.address())
    }

    /// The bytes of the directory's files. For another directory: a value that changes with each write.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        if let Some(elsewhere) = &self.elsewhere {
            return vec![elsewhere.written()];
        }
        let read = |name: &str| std::fs::read(self.folder.join(name)).unwrap_or_default();
        vec![read("directory.db"), read("directory.db-wal")]
    }

    /// Runs `guestlist` with the addresses of the cluster, the directory and the policy.
    pub fn guestlist(&self, kubeconfig: &Path, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_guestlist"))
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .env("GUESTLIST_DIRECTORY", self.address())
            .env("GUESTLIST_WORKSPACE", self.folder.join("workspace.yaml"))
            .envs(self.elsewhere.iter().flat_map(|elsewhere| elsewhere.environment()))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs `guestlist directory …`.
    pub fn directory(&self, args: &[&str]) -> Output {
        let Some(elsewhere) = &self.elsewhere else { return directory(&self.database(), args) };
        elsewhere.play(args).unwrap_or_else(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_guestlist"));
            command.args(["directory", "--directory", &elsewhere.address()]).args(args);
            command.envs(elsewhere.environment()).output().unwrap()
        })
    }

    #[track_caller]
    pub fn directory_ok(&self, args: &[&str]) -> String {
        let output = self.directory(args);
        assert!(output.status.success(), "directory {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The content of the directory, by `directory show`.
    pub fn show(&self) -> Value {
        serde_json::from_str(&self.directory_ok(&["show", "-o", "json"])).unwrap()
    }

    /// The content of the directory, as its backend reads it.
    pub fn everything(&self) -> Snapshot {
        if self.elsewhere.is_none() {
            return Store::open(&self.database(), OpenMode::Read).unwrap().everything().unwrap();
        }
        let environment: BTreeMap<_, _> = self.elsewhere.iter().flat_map(|it| it.environment()).collect();
        let settings = keycloak::Settings::read(&self.address(), |name| environment.get(name).cloned()).unwrap();
        let realm = keycloak::Directory::new(settings, Arc::new(Timestamp::now)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(realm.everything()).unwrap()
    }

    /// A guest joins after the invitation.
    #[track_caller]
    pub fn joins(&self, email: &str) {
        eventually(&format!("{email} is invited"), || {
            let output = self.directory(&["accept", email]);
            let said = || format!("{}\n{}", String::from_utf8_lossy(&output.stderr), self.log());
            if output.status.success() { Ok(()) } else { Err(said()) }
        });
    }

    /// A guest joins and enrols TOTP.
    #[track_caller]
    pub fn joins_with_mfa(&self, email: &str) {
        self.joins(email);
        self.directory_ok(&["enroll-mfa", email]);
    }

    /// A live guest in the output of `show`.
    pub fn guest(&self, email: &str) -> Option<Value> {
        let show = self.show();
        show["guests"].as_array().unwrap().iter().find(|guest| guest["email"] == email).cloned()
    }

    /// The effective accounts of a guest, as `account:role`, sorted.
    pub fn access(&self, email: &str) -> Vec<String> {
        self.guest(email).as_ref().map(usable).unwrap_or_default()
    }

    /// Waits until a guest has exactly this access.
    #[track_caller]
    pub fn has_access(&self, email: &str, wanted: &[&str]) {
        eventually(&format!("{email} has {wanted:?}"), || {
            let seen = self.access(email);
            if seen == wanted { Ok(()) } else { Err(format!("{seen:?}\n{}", self.log())) }
        });
    }
}

/// The effective accounts of a guest in the output of `show`, as `account:role`, sorted.
pub fn usable(guest: &Value) -> Vec<String> {
    let effective = guest["grants"].as_array().unwrap().iter().filter(|grant| grant["effective"] == true);
    effective.map(|g| format!("{}:{}", g["account"].as_str().unwrap(), g["role"].as_str().unwrap())).collect()
}

fn address(database: &Path) -> String {
    format!("sqlite:{}", database.display())
}

/// Runs `guestlist directory …` on a file.
pub fn directory(database: &Path, args: &[&str]) -> Output {
    let address = address(database);
    guestlist(&[&["directory", "--directory", &address], args].concat())
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}
