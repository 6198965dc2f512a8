//! A real Kubernetes API for one test. It starts the launcher of `tests/controlplane`, talks to it over its standard
//! input and output, and leaves no process running when dropped. Every failure ends the test with a sentence.

#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "what goes wrong in here ends the test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::api::{ListParams, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The address of a node in its own network, as in `tests/controlplane/node.go`.
const NODE_ADDRESS: &str = "10.1.0.1";

/// A running etcd and kube-apiserver, with a directory of their own.
pub struct ControlPlane {
    launcher: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    bin: PathBuf,
    dir: PathBuf,
    kubeconfig: PathBuf,
    server: String,
    pids: BTreeMap<String, u32>,
    reader: OnceLock<Client>,
    /// A test has stopped or restored a program.
    altered: bool,
    /// Where the audit log of the present test begins, in bytes.
    audit_from: u64,
    /// The first process in the namespaces of the control plane and its node. `None`: they are those of the tests.
    node: Option<String>,
}

/// The result of a program.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Said {
    /// Asserts success, and returns the standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.success, "failed:\n{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Asserts failure, and returns the standard error.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(!self.success, "was not refused:\n{}", self.stdout);
        self.stderr
    }
}

impl ControlPlane {
    /// kube-apiserver on etcd: custom resources, RBAC, admission, service-account tokens.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with kube-controller-manager: garbage collection, namespace deletion, aggregated roles.
    pub fn start_with_controllers() -> Self {
        Self::start_with(&["--controller-manager"])
    }

    /// For a `static`, which is never dropped: its files go with the process of the test.
    pub fn start_shared() -> Self {
        Self::start_with(&["--remove"])
    }

    /// With further arguments of `controlplane serve`, such as `--apiserver-arg=…`.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(fresh_directory(), arguments)
    }

    /// Keeps its files in a directory that does not exist yet.
    pub fn start_in(dir: PathBuf, arguments: &[&str]) -> Self {
        let bin = programs();
        let mut launcher = Command::new(bin.join("controlplane"))
            .arg("serve")
            .arg("--dir")
            .arg(&dir)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the launcher of the control plane starts");
        let commands = launcher.stdin.take();
        let mut answers = BufReader::new(launcher.stdout.take().expect("its standard output is a pipe"));
        let ready = read_answer(&mut answers);
        let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
        Self {
            kubeconfig: PathBuf::from(text("kubeconfig")),
            server: text("server"),
            pids: pids(&ready),
            launcher,
            commands,
            answers,
            bin,
            node: fs::read_to_string(dir.join("node.pid")).ok(),
            dir,
            reader: OnceLock::new(),
            altered: false,
            audit_from: 0,
        }
    }

    /// With a node that runs pods, in a network of its own. The archives of images are all that it can run. Only
    /// programs of [`Self::program`] reach the API server.
    pub fn start_with_node(packages: &Path, images: &[PathBuf]) -> Self {
        let images = images.iter().map(|image| format!("--image={}", image.display()));
        let arguments: Vec<String> = [format!("--node={}", packages.display())].into_iter().chain(images).collect();
        Self::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Why this machine cannot run a node with these packages.
    pub fn without_node(packages: &Path) -> Option<String> {
        let said = run(Command::new(programs().join("controlplane")).arg("check-node").arg(packages), "");
        (!said.success).then(|| said.stderr.trim().to_owned())
    }

    /// The kubeconfig of a cluster administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The directory for this test's files. It also has logs and keys.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The processes by name.
    pub fn pids(&self) -> &BTreeMap<String, u32> {
        &self.pids
    }

    /// A program from the same build: `helm` or `kubectl`.
    pub fn program(&self, name: &str) -> Command {
        let mut command = match &self.node {
            Some(pid) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/proc/{pid}/ns/net")).arg("--").arg(self.bin.join(name));
                command
            }
            None => Command::new(self.bin.join(name)),
        };
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.dir)
            .env("HELM_CACHE_HOME", self.dir.join("helm"));
        command
    }

    /// A path of the node's file systems, as the test reaches it.
    #[track_caller]
    pub fn path_in_node(&self, path: &str) -> PathBuf {
        format!("/proc/{}/root{path}", self.node.as_ref().expect("there is a node")).into()
    }

    /// A program with the node's file systems, such as `ctr`.
    #[track_caller]
    pub fn program_in_node(&self, program: &Path) -> Command {
        let pid = self.node.as_ref().expect("there is a node");
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{pid}/ns/mnt")).arg("--").arg(program);
        command
    }

    /// A listener in the network of the node, at the address that its pods reach the node by. The machine's own network
    /// has nothing of it.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub fn listen_in_node(&self) -> TcpListener {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd as _;
        let pid = self.node.as_ref().expect("there is a node");
        let network = fs::File::open(format!("/proc/{pid}/ns/net")).expect("the network of the node is there");
        // The namespace is that of a thread. A listener keeps the one in which it was made.
        let listening = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter the network of the node");
            TcpListener::bind((NODE_ADDRESS, 0)).expect("the node has its address")
        });
        listening.join().expect("the listener was made")
    }

    /// Only Linux has nodes.
    #[cfg(not(target_os = "linux"))]
    pub fn listen_in_node(&self) -> TcpListener {
        panic!("there is no node")
    }

    /// kubectl as cluster administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_with(arguments, "")
    }

    /// The audit log of this test: write requests, and all requests of the operator.
    pub fn audit_log(&self) -> String {
        let log = fs::read(self.dir.join("audit.log")).expect("the API server writes an audit log");
        let from = usize::try_from(self.audit_from).expect("the log fits into memory");
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    /// The server's object under a path. `None`: there is no object or no server. For polling: a kubectl process costs
    /// a tenth of a second of processor time.
    pub fn read(&self, path: &str) -> Option<Value> {
        let request = Request::new(path).list(&ListParams::default()).expect("the path is one");
        self.send(request).ok()
    }

    /// Sends a request as cluster administrator, and returns the answer.
    pub(super) fn send(&self, request: axum::http::Request<Vec<u8>>) -> Result<Value, kube::Error> {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        assert!(self.node.is_none(), "only programs reach the network of a node");
        let new = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = RUNTIME.get_or_init(|| new().expect("a runtime can be made"));
        runtime.block_on(async {
            let client = self.reader.get_or_init(|| {
                drop(rustls::crypto::ring::default_provider().install_default());
                let config = Kubeconfig::read_from(&self.kubeconfig).expect("the kubeconfig can be read");
                let config =
                    futures::executor::block_on(Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()));
                Client::try_from(config.expect("the kubeconfig is whole")).expect("a client can be made")
            });
            client.request(request).await
        })
    }

    /// kubectl with a standard input, for `-f -`.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Said {
        run(self.program("kubectl").args(arguments), input)
    }

    /// kubectl with another kubeconfig, such as one of [`Self::service_account`].
    pub fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str], input: &str) -> Said {
        run(self.program("kubectl").env("KUBECONFIG", kubeconfig).args(arguments), input)
    }

    /// Runs `kubectl apply --server-side -f -`, and asserts success.
    #[track_caller]
    pub fn apply(&self, manifests: &str) {
        self.kubectl_with(&["apply", "--server-side", "-f", "-"], manifests).ok();
    }

    /// The kubeconfig of an existing service account, with the token that its pods would get.
    #[track_caller]
    pub fn service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let token = self.kubectl(&["--namespace", namespace, "create", "token", name, "--duration=24h"]).ok();
        let path = self.dir.join(format!("{namespace}-{name}.kubeconfig"));
        let config = Kubeconfig::read_from(&self.kubeconfig).expect("the kubeconfig can be read");
        let mut config = serde_json::to_value(config).expect("JSON");
        config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
        fs::write(&path, config.to_string()).expect("the kubeconfig can be written");
        path
    }

    /// Keeps the files of a failed test, which `--remove` would remove. Never panics: a second panic ends all tests.
    pub(super) fn keep_files(&mut self) {
        drop(self.commands.as_mut().map(|pipe| writeln!(pipe, "keep")));
    }

    /// Whether a test has stopped or restored a program.
    pub(super) fn is_altered(&self) -> bool {
        self.altered
    }

    /// The audit log of the next test begins here.
    pub(super) fn begin_audit_log(&mut self) {
        self.audit_from = fs::metadata(self.dir.join("audit.log")).map_or(0, |file| file.len());
    }

    /// Stops the API server: connections are refused.
    pub fn stop_api_server(&mut self) {
        self.command("stop kube-apiserver");
    }

    /// Starts the API server again, on the same port with the same data. Returns when it is ready.
    pub fn start_api_server(&mut self) {
        self.command("start kube-apiserver");
    }

    /// One command of the launcher: `stop NAME`, `start NAME`, `snapshot LABEL`, `restore LABEL`.
    #[track_caller]
    pub fn command(&mut self, command: &str) {
        self.altered = true;
        self.pids = pids(&self.ask(command));
    }

    /// Reads a URL from inside the network of a node: the status, and the body. The status is 0 if nothing answers.
    #[track_caller]
    pub fn get(&mut self, url: &str) -> (u64, String) {
        let answer = self.ask(&format!("get {url}"));
        let status = answer["status"].as_u64().expect("the launcher answers with the status");
        (status, answer["body"].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn ask(&mut self, command: &str) -> Value {
        let pipe = self.commands.as_mut().expect("the launcher listens until it is dropped");
        writeln!(pipe, "{command}").expect("the launcher takes commands");
        read_answer(&mut self.answers)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The launcher stops everything when its standard input closes.
        drop(self.commands.take());
        let ended = self.launcher.wait();
        if std::thread::panicking() {
            eprintln!("the control plane's logs are in {}", self.dir.display());
            return;
        }
        assert!(ended.is_ok_and(|status| status.success()), "the control plane ended well");
        // A successful test leaves no files. The launcher may have removed them.
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).expect("the control plane's directory can be removed");
        }
    }
}

/// The folder of the programs: a contributor's own folder, or the result of `make controlplane`.
pub fn programs() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/controlplane/bin");
    let bin = std::env::var_os("GUESTLIST_CONTROLPLANE").map_or(built, PathBuf::from);
    assert!(
        bin.join("controlplane").exists(),
        "no control plane in {}; build it once: make controlplane (needs Go, about 12 minutes)",
        bin.display()
    );
    // Resolved once: a rebuild may move the link while a test runs.
    bin.canonicalize().expect("the directory of the control plane's programs can be read")
}

fn fresh_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("controlplane-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    // Cargo sets this folder for tests only, not for examples.
    let dir = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from).join(name);
    // Process ids repeat: an aborted earlier test may have left its directory.
    if dir.exists() {
        fs::remove_dir_all(&dir).expect("an old directory can be removed");
    }
    dir
}

/// Runs a program of the build that needs no cluster, such as `helm template`.
#[track_caller]
pub fn run_built(name: &str, arguments: &[&str], input: &str) -> Said {
    let home = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    run(Command::new(programs().join(name)).env("HOME", home).args(arguments), input)
}

/// Runs a program to its end, with a standard input.
pub fn run(command: &mut Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
    let mut pipe = child.stdin.take().expect("its standard input is a pipe");
    let input = input.to_owned();
    // A separate thread writes: a program may fill its output before it has read all of its input, or never read it.
    let writer = std::thread::spawn(move || {
        let _ = pipe.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("its output can be read");
    writer.join().expect("the input was written");
    Said {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn read_answer(answers: &mut impl BufRead) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the launcher's output can be read");
    assert!(!line.is_empty(), "the control plane ended; the reason stands above");
    let answer: Value = serde_json::from_str(&line).expect("the launcher answers in JSON");
    assert!(answer.get("error").is_none(), "the control plane refused: {}", answer["error"]);
    answer
}

fn pids(answer: &Value) -> BTreeMap<String, u32> {
    serde_json::from_value(answer["pids"].clone()).expect("the launcher names its processes")
}
