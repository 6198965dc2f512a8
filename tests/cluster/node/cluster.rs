//! A cluster of one node that runs pods, with the packaged chart, and the views of the operator in its pod.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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

/// The guests of the directory with their access, and the time of the last mail to each address.
pub(super) type Guests = (Value, BTreeMap<String, String>);

/// A cluster of one node, and a folder with the packaged chart and the values.
pub(super) struct Cluster {
    pub(super) plane: ControlPlane,
    pub(super) folder: PathBuf,
    packages: PathBuf,
}

impl Cluster {
    /// Starts the node, and waits until it is Ready.
    pub(super) fn start(packages: &Path) -> Self {
        let built = |path: &str| Path::new(ROOT).join("target").join(path);
        let images = [built("image/test/guestlist.tar"), built("node/pause/pause.tar")];
        let plane = ControlPlane::start_with_node(packages, &images);
        let folder = plane.dir().join("reader");
        Image::built().package_chart(&folder.join("target/chart"));
        fs::write(folder.join("values.yaml"), VALUES).unwrap();
        let cluster = Self { plane, folder, packages: packages.to_owned() };
        cluster.kubectl("wait node/node --for=create --timeout=4m");
        cluster.kubectl("wait node/node --for=condition=Ready --timeout=4m");
        cluster.plane.apply(&VOLUME.replace("VOLUME_FOLDER", VOLUME_FOLDER));
        cluster
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
            &["logs", "--namespace=guestlist", "deployment/guestlist", "--tail=30"],
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

    /// The name and the number of restarts of the operator's pod.
    #[track_caller]
    pub(super) fn pod(&self) -> (String, u64) {
        let pods = self.kubectl("--namespace guestlist get pods --output json");
        let pods: Value = serde_json::from_str(&pods).unwrap();
        assert_eq!(pods["items"].as_array().map(Vec::len), Some(1), "{}", self.state());
        let pod = &pods["items"][0];
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap();
        (pod["metadata"]["name"].as_str().unwrap().to_owned(), restarts)
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

    /// The answer of the operator in its pod: the status and the body.
    #[track_caller]
    fn answer(&mut self, port: u16, path: &str) -> (u64, String) {
        let address = self.kubectl("--namespace guestlist get pods --output jsonpath={.items[0].status.podIP}");
        self.plane.get(&format!("http://{address}:{port}{path}"))
    }

    /// Waits until the metrics have a line.
    #[track_caller]
    pub(super) fn measures(&mut self, line: &str) {
        eventually(&format!("the metrics have {line:?}"), || {
            let (_, metrics) = self.answer(8080, "/metrics");
            if metrics.lines().any(|found| found == line) { Ok(()) } else { Err(metrics) }
        });
    }

    /// Waits until the operator is not ready for a reason: at /readyz with these words, for its alert, and as a pod.
    #[track_caller]
    pub(super) fn is_unready(&mut self, reason: &str, words: &str) {
        eventually(&format!("/readyz says {reason} and {words:?}"), || match self.answer(8081, "/readyz") {
            (503, said) if said.lines().any(|line| line.starts_with(reason) && line.contains(words)) => Ok(()),
            (status, said) => Err(format!("{status} {said}\n{}", self.state())),
        });
        let series = format!("guestlist_readiness_problem{{reason=\"{reason}\"}}");
        assert_eq!(expression(&format!("Guestlist{reason}")), format!("max by (namespace, job) ({series}) == 1"));
        self.measures(&format!("{series} 1"));
        self.kubectl("--namespace guestlist wait pods --all --for=condition=Ready=False --timeout=4m");
    }

    /// Waits until the operator is ready: at /readyz, without a reason for an alert, and as a pod.
    #[track_caller]
    pub(super) fn is_ready(&mut self, reason: &str) {
        eventually("/readyz says ok", || match self.answer(8081, "/readyz") {
            (200, _) => Ok(()),
            (status, said) => Err(format!("{status} {said}\n{}", self.state())),
        });
        self.measures(&format!("guestlist_readiness_problem{{reason=\"{reason}\"}} 0"));
        self.kubectl("--namespace guestlist wait pods --all --for=condition=Ready --timeout=4m");
    }

    /// `kill -9` for the container of a pod.
    #[track_caller]
    pub(super) fn kill_container(&self, pod: &str) {
        let field = "{.status.containerStatuses[0].containerID}";
        let container = self.kubectl(&format!("--namespace guestlist get pod {pod} --output jsonpath={field}"));
        let container = container.strip_prefix("containerd://").unwrap();
        let mut ctr = self.plane.program_in_node(&self.packages.join("usr/bin/ctr"));
        ctr.args(["--address=/run/guestlist-node/containerd.sock", "--namespace=k8s.io"]);
        let output = ctr.args(["tasks", "kill", "--signal=SIGKILL", container]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The expression of one of the chart's alerts.
fn expression(alert: &str) -> String {
    let file: Value = serde_saphyr::from_str(&read("charts/guestlist/files/alerts.yaml")).unwrap();
    let rules = file["groups"][0]["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["alert"] == alert).unwrap()["expr"].as_str().unwrap().to_owned()
}
