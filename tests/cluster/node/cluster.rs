//! A cluster of one node that runs pods, with the packaged chart, and the views of the operator in its pod.
#![allow(dead_code, reason = "each test uses what it needs")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::controlplane::{ControlPlane, Said, run};
use crate::support::docs::{blocks_of, invocations, read};
use crate::support::image::Image;
use crate::support::operator::eventually;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The values of the release: the workspace policy of `examples/acme`.
pub(super) const VALUES: &str = "workspace:
  installation: demo
  domains: [host.example]
  tenants:
  - {namespace: partners, hostAdmins: ['*@host.example']}
  mailInterval: 0s
";
/// The folder of the node that is the volume: 16 MiB.
pub(super) const VOLUME_FOLDER: &str = "/run/guestlist-node/volume";
/// The volume, which elsewhere a provisioner creates. The kubelet gives it to the group of the pod.
const VOLUME: &str = "apiVersion: v1
kind: PersistentVolume
metadata: {name: directory}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  local: {path: VOLUME_FOLDER}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node]}]
";

/// The manifests of `examples/acme`.
const ACME: [&str; 3] = ["partners", "memberships", "shares"];
/// A guest that a Host Admin invites.
pub(super) const NEWCOMER: &str = "apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: peggy, namespace: partners}
spec: {partnerRef: {name: acme}, email: peggy@acme.example, invitedBy: alice@host.example}
";

/// The time since a trouble or its end. It is printed for the reader, and never compared.
pub(super) struct Stopwatch {
    since: String,
    began: Instant,
}

impl Stopwatch {
    pub(super) fn start(since: &str) -> Self {
        Self { since: since.to_owned(), began: Instant::now() }
    }

    pub(super) fn lap(&self, seen: &str) {
        println!("{:.1} s from {} to {seen}", self.began.elapsed().as_secs_f64(), self.since);
    }
}

/// The guests of the directory with their access, and the time of the last mail to each address.
pub(super) type Guests = (Value, BTreeMap<String, String>);

/// A cluster of one node, and a folder with the packaged chart and the values.
pub(super) struct Cluster {
    pub(super) plane: ControlPlane,
    pub(super) folder: PathBuf,
    packages: PathBuf,
}

impl Cluster {
    /// Starts the node, and waits until it is Ready. `None`: the machine cannot run one, and the output says why.
    pub(super) fn start() -> Option<Self> {
        let packages = Path::new(ROOT).join("target/node/packages");
        if let Some(reason) = ControlPlane::without_node(&packages) {
            println!("No node: {reason}. Only the tests of image.rs run the program of the image.");
            return None;
        }
        let built = |path: &str| Path::new(ROOT).join("target").join(path);
        let images = [built("image/test/guestlist.tar"), built("node/pause/pause.tar")];
        let plane = ControlPlane::start_with_node(&packages, &images);
        let folder = plane.dir().join("reader");
        Image::built().package_chart(&folder.join("target/chart"));
        fs::write(folder.join("values.yaml"), VALUES).unwrap();
        let cluster = Self { plane, folder, packages };
        cluster.kubectl("wait node/node --for=create --timeout=4m");
        cluster.kubectl("wait node/node --for=condition=Ready --timeout=4m");
        cluster.plane.apply(&VOLUME.replace("VOLUME_FOLDER", VOLUME_FOLDER));
        Some(cluster)
    }

    /// Applies `examples/acme`. Returns the memberships that a Host Admin invites, and those that wait for a Guest Admin.
    pub(super) fn declare_acme(&self) -> (Vec<Value>, Vec<Value>) {
        self.kubectl("create namespace partners");
        for file in ACME {
            self.kubectl_with("apply --server-side -f -", &read(&format!("examples/acme/{file}.yaml")));
        }
        let memberships = read("examples/acme/memberships.yaml");
        let guests = memberships.split("\n---\n").map(|text| serde_saphyr::from_str(text).unwrap());
        let is_first = |guest: &Value| guest["spec"]["invitedBy"].as_str().unwrap().ends_with("@host.example");
        let (first, later): (Vec<Value>, Vec<Value>) = guests.partition(is_first);
        assert!(first.len() > 5 && later.len() > 2, "{first:?} {later:?}");
        (first, later)
    }

    #[track_caller]
    pub(super) fn kubectl(&self, arguments: &str) -> String {
        self.kubectl_with(arguments, "")
    }

    #[track_caller]
    pub(super) fn kubectl_with(&self, arguments: &str, input: &str) -> String {
        let words: Vec<&str> = arguments.split(' ').collect();
        let said = self.plane.kubectl_with(&words, input);
        assert!(said.success, "kubectl {arguments}: {}{}\n{}", said.stdout, said.stderr, self.state());
        said.stdout
    }

    /// The explanation of a failure: the pods, their events and the operator's log.
    pub(super) fn state(&self) -> String {
        let shown = [
            &["get", "pods,pvc,nodes", "--all-namespaces", "--output=wide"][..],
            &["get", "events", "--namespace=guestlist"],
            &["logs", "--namespace=guestlist", "--selector=app.kubernetes.io/name=guestlist", "--prefix", "--tail=30"],
            &["get", "lp,gm,share", "--namespace=partners"],
        ];
        shown.map(|words| self.plane.kubectl(words)).map(|said| said.stdout + &said.stderr).concat()
    }

    /// The commands of helm and kubectl in the block of a page that begins so, as a reader types them. Others would need
    /// a registry.
    #[track_caller]
    pub(super) fn as_documented(&self, page: &str, start: &str) {
        let block = blocks_of(page).into_iter().find(|block| block.text.starts_with(start)).unwrap();
        let ours = |program: &str| ["helm", "kubectl"].contains(&program);
        let commands: Vec<_> = invocations(&block).into_iter().filter(|command| ours(&command.words[0])).collect();
        assert!(!commands.is_empty(), "{block:?}");
        for command in commands {
            self.program(&command.words[0], &command.words[1..]);
        }
    }

    #[track_caller]
    pub(super) fn helm<S: AsRef<str>>(&self, arguments: &[S]) {
        self.program("helm", arguments);
    }

    #[track_caller]
    fn program<S: AsRef<str>>(&self, name: &str, arguments: &[S]) {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let said = run(self.plane.program(name).args(&arguments).current_dir(&self.folder), "");
        assert!(said.success, "{name} {arguments:?}: {}\n{}", said.stderr, self.state());
    }

    /// The chart of the last release, with today's image: the node has no other.
    #[track_caller]
    pub(super) fn install_baseline(&self) {
        let chart = format!("{ROOT}/tests/cluster/chart_baseline");
        let digest = format!("--set=image.digest={}", Image::built().digest());
        let words = ["--namespace=guestlist", "--create-namespace", "--values=values.yaml", &digest];
        self.helm(&[&["install", "guestlist", &chart], &words[..]].concat());
    }

    /// The packaged chart with the values in `values.yaml`, and further arguments.
    #[track_caller]
    pub(super) fn upgrade(&self, arguments: &[&str]) {
        let said = self.try_upgrade(arguments);
        assert!(said.success, "{arguments:?}: {}\n{}", said.stderr, self.state());
    }

    /// The same upgrade, which may fail.
    pub(super) fn try_upgrade(&self, arguments: &[&str]) -> Said {
        let chart = format!("target/chart/guestlist-{}.tgz", env!("CARGO_PKG_VERSION"));
        let words = ["upgrade", "guestlist", &chart, "--namespace=guestlist", "--values=values.yaml"];
        run(self.plane.program("helm").args(words).args(arguments).current_dir(&self.folder), "")
    }

    /// Waits until the operator is ready.
    #[track_caller]
    pub(super) fn rolled_out(&self) {
        self.kubectl("--namespace guestlist rollout status deployment/guestlist --timeout=4m");
    }

    /// `guestlist`, as `kubectl exec` runs it in the pod.
    #[track_caller]
    pub(super) fn guestlist(&self, arguments: &str, input: &str) -> String {
        let exec = "--namespace guestlist exec -i deployment/guestlist -- guestlist";
        self.kubectl_with(&format!("{exec} {arguments}"), input)
    }

    /// Waits until a field of an object has a value.
    #[track_caller]
    pub(super) fn shows(&self, object: &str, field: &str, value: &str) {
        self.kubectl(&format!("--namespace partners wait {object} --for=jsonpath={field}={value} --timeout=4m"));
    }

    /// Waits until the Ready condition of an object has a reason.
    #[track_caller]
    pub(super) fn says(&self, object: &str, reason: &str) {
        self.shows(object, "{.status.conditions[?(@.type==\"Ready\")].reason}", reason);
    }

    /// Waits until all guests are Active.
    #[track_caller]
    pub(super) fn all_are_active(&self) {
        self.shows("gm --all", "{.status.state}", "Active");
    }

    /// Waits until a line of the operator's log has these words.
    #[track_caller]
    pub(super) fn logs(&self, words: &str) {
        eventually(&format!("the log says {words:?}"), || {
            let log = self.kubectl("--namespace guestlist logs deployment/guestlist");
            if log.contains(words) { Ok(()) } else { Err(log) }
        });
    }

    /// The name and the number of restarts of the operator's only pod.
    #[track_caller]
    pub(super) fn pod(&self) -> (String, u64) {
        let mut pods = self.pods();
        assert_eq!(pods.len(), 1, "{}", self.state());
        pods.pop_first().unwrap()
    }

    /// The names of the operator's pods, and the number of restarts of each.
    #[track_caller]
    pub(super) fn pods(&self) -> BTreeMap<String, u64> {
        let pods = self.kubectl("--namespace guestlist get pods --output json");
        let pods: Value = serde_json::from_str(&pods).unwrap();
        let pod = |pod: &Value| {
            let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap();
            (pod["metadata"]["name"].as_str().unwrap().to_owned(), restarts)
        };
        pods["items"].as_array().unwrap().iter().map(pod).collect()
    }

    /// The pod that holds the Lease.
    #[track_caller]
    pub(super) fn leader(&self) -> String {
        eventually("an operator leads", || {
            let field = "{.spec.holderIdentity}";
            let holder = self.kubectl(&format!("--namespace guestlist get lease guestlist --output jsonpath={field}"));
            if holder.is_empty() { Err(self.state()) } else { Ok(holder) }
        })
    }

    /// The versions of all partners, memberships and shares.
    #[track_caller]
    pub(super) fn versions(&self) -> String {
        let columns = "custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion";
        self.kubectl(&format!("--namespace partners get lp,gm,share --output {columns}"))
    }

    /// Waits until nothing was written during some looks. The operator may delay the counts of a status by 5 s.
    #[track_caller]
    pub(super) fn rests(&self) {
        let (mut last, mut quiet) = (String::new(), 0);
        eventually("nothing is written", || {
            let now = self.versions();
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
            if quiet >= 15 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(400));
            Err(last.clone())
        });
    }

    /// Suspends a guest, or ends the suspension.
    #[track_caller]
    pub(super) fn suspend(&self, object: &str, suspended: bool) {
        let patch = format!(r#"{{"spec":{{"suspended":{suspended}}}}}"#);
        self.kubectl(&format!("--namespace partners patch {object} --type merge --patch {patch}"));
    }

    #[track_caller]
    pub(super) fn guests(&self) -> Guests {
        let shown: Value = serde_json::from_str(&self.guestlist("directory show --output json", "")).unwrap();
        let mails = eventually("the mails can be read", || self.mails().map_err(|error| error.to_string()));
        (shown["guests"].clone(), mails)
    }

    /// Waits until the directory has these guests with this access. Fails if one of them got another mail.
    #[track_caller]
    pub(super) fn has_again(&self, guests: &Guests) {
        eventually("the guests are as before", || {
            let (shown, mails) = self.guests();
            assert_eq!(mails, guests.1, "a guest got another mail");
            if shown == guests.0 { Ok(()) } else { Err(format!("{shown:#}\n{}", self.state())) }
        });
    }

    /// Read from a copy, because a read may change the file. A copy that is made during a write may be inconsistent.
    fn mails(&self) -> rusqlite::Result<BTreeMap<String, String>> {
        let copy = self.folder.join("directory.db");
        for end in ["", "-wal", "-shm"] {
            let (from, to) = (format!("{VOLUME_FOLDER}/directory.db{end}"), format!("{}{end}", copy.display()));
            drop(fs::remove_file(&to));
            if end != "-shm" {
                drop(fs::copy(self.plane.path_in_node(&from), &to));
            }
        }
        let connection = Connection::open(&copy)?;
        let mut statement = connection.prepare("SELECT address, mailed_at FROM mails")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// The answer of the operator in a pod: the status and the body.
    #[track_caller]
    fn answer(&mut self, pod: &str, port: u16, path: &str) -> (u64, String) {
        let field = "{.status.podIP}";
        let address = self.kubectl(&format!("--namespace guestlist get pod {pod} --output jsonpath={field}"));
        self.plane.get(&format!("http://{address}:{port}{path}"))
    }

    /// The status and the text of the readiness of a pod.
    #[track_caller]
    pub(super) fn readiness(&mut self, pod: &str) -> (u64, String) {
        self.answer(pod, 8081, "/readyz")
    }

    /// The metrics of a pod.
    #[track_caller]
    pub(super) fn metrics(&mut self, pod: &str) -> String {
        self.answer(pod, 8080, "/metrics").1
    }

    /// Waits until the metrics of the leader have a line.
    #[track_caller]
    pub(super) fn measures(&mut self, line: &str) {
        let leader = self.leader();
        eventually(&format!("the metrics have {line:?}"), || {
            let metrics = self.metrics(&leader);
            if metrics.lines().any(|found| found == line) { Ok(()) } else { Err(metrics) }
        });
    }

    /// Waits until the leader is not ready for a reason: at /readyz with these words, for its alert, and as a pod.
    #[track_caller]
    pub(super) fn is_unready(&mut self, reason: &str, words: &str, watch: &Stopwatch) {
        let leader = self.leader();
        eventually(&format!("/readyz says {reason} and {words:?}"), || match self.readiness(&leader) {
            (503, said) if said.lines().any(|line| line.starts_with(reason) && line.contains(words)) => Ok(()),
            (status, said) => Err(format!("{status} {said}\n{}", self.state())),
        });
        watch.lap("/readyz");
        let series = format!("guestlist_readiness_problem{{reason=\"{reason}\"}}");
        assert_eq!(expression(&format!("Guestlist{reason}")), format!("max by (namespace, job) ({series}) == 1"));
        self.measures(&format!("{series} 1"));
        watch.lap("the metric of the alert");
        self.kubectl(&format!("--namespace guestlist wait pod/{leader} --for=condition=Ready=False --timeout=4m"));
        watch.lap("the pod that is not Ready");
    }

    /// Waits until the operator is ready: at /readyz, without a reason for an alert, and as pods.
    #[track_caller]
    pub(super) fn is_ready(&mut self, reason: &str, watch: &Stopwatch) {
        let leader = self.leader();
        eventually("/readyz says ok", || match self.readiness(&leader) {
            (200, _) => Ok(()),
            (status, said) => Err(format!("{status} {said}\n{}", self.state())),
        });
        watch.lap("/readyz");
        self.measures(&format!("guestlist_readiness_problem{{reason=\"{reason}\"}} 0"));
        self.kubectl("--namespace guestlist wait pods --all --for=condition=Ready --timeout=4m");
        watch.lap("the Ready pod");
    }

    /// Sends a signal to the container of a pod.
    #[track_caller]
    pub(super) fn signal_container(&self, pod: &str, signal: &str) {
        let field = "{.status.containerStatuses[0].containerID}";
        let container = self.kubectl(&format!("--namespace guestlist get pod {pod} --output jsonpath={field}"));
        let container = container.strip_prefix("containerd://").unwrap();
        let mut ctr = self.plane.program_in_node(&self.packages.join("usr/bin/ctr"));
        ctr.args(["--address=/run/guestlist-node/containerd.sock", "--namespace=k8s.io"]);
        let output = ctr.args(["tasks", "kill", "--signal", signal, container]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The expression of one of the chart's alerts.
fn expression(alert: &str) -> String {
    let file: Value = serde_saphyr::from_str(&read("charts/guestlist/files/alerts.yaml")).unwrap();
    let rules = file["groups"][0]["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["alert"] == alert).unwrap()["expr"].as_str().unwrap().to_owned()
}
