//! The chart and the image on a node that runs pods: installed as the README says, used, upgraded and uninstalled.
//! Where the machine cannot run a node, the program of the image runs as a process (`image.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::demo::running;
use crate::support::controlplane::ControlPlane;
use crate::support::docs::{blocks_of, invocations, read};
use crate::support::image::Image;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ACME: [&str; 3] = ["partners", "memberships", "shares"];
/// The values of the release: the workspace policy of `examples/acme`.
const VALUES: &str = "workspace:
  installation: demo
  domains: [host.example]
  tenants:
  - {namespace: partners, hostAdmins: ['*@host.example']}
  mailInterval: 0s
";
/// The volume, which elsewhere a provisioner creates. The kubelet gives it to the group of the pod.
const VOLUME: &str = "apiVersion: v1
kind: PersistentVolume
metadata: {name: directory}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  local: {path: /run/guestlist-node/volume}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node]}]
";

/// A cluster of one node, and a folder with the packaged chart and the values.
struct Cluster {
    plane: ControlPlane,
    folder: PathBuf,
}

impl Cluster {
    fn start(packages: &Path) -> Self {
        let built = |path: &str| Path::new(ROOT).join("target").join(path);
        let images = [built("image/test/guestlist.tar"), built("node/pause/pause.tar")];
        let plane = ControlPlane::start_with_node(packages, &images);
        let folder = plane.dir().join("reader");
        Image::built().package_chart(&folder.join("target/chart"));
        fs::write(folder.join("values.yaml"), VALUES).unwrap();
        Self { plane, folder }
    }

    #[track_caller]
    fn kubectl(&self, arguments: &str) -> String {
        self.kubectl_with(arguments, "")
    }

    #[track_caller]
    fn kubectl_with(&self, arguments: &str, input: &str) -> String {
        let words: Vec<&str> = arguments.split(' ').collect();
        let said = self.plane.kubectl_with(&words, input);
        assert!(said.success, "kubectl {arguments}: {}{}\n{}", said.stdout, said.stderr, self.state());
        said.stdout
    }

    /// The explanation of a failure: the pods, their events and the operator's log.
    fn state(&self) -> String {
        let shown = [
            &["get", "pods,pvc,nodes", "--all-namespaces", "--output=wide"][..],
            &["get", "events", "--namespace=guestlist"],
            &["logs", "--namespace=guestlist", "deployment/guestlist", "--tail=30"],
            &["get", "lp,gm,share", "--namespace=partners"],
        ];
        shown.map(|words| self.plane.kubectl(words)).map(|said| said.stdout + &said.stderr).concat()
    }

    /// The commands of the README's block that begins so, as a reader types them. `crane` has no registry here: the
    /// node has the image already.
    #[track_caller]
    fn readme(&self, start: &str) {
        let block = blocks_of("README.md").into_iter().find(|block| block.text.starts_with(start)).unwrap();
        let helm: Vec<_> = invocations(&block).into_iter().filter(|command| command.words[0] == "helm").collect();
        assert_eq!(helm.len(), 1, "{block:?}");
        self.helm(&helm[0].words[1..]);
    }

    #[track_caller]
    fn helm<S: AsRef<str>>(&self, arguments: &[S]) {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let output = self.plane.program("helm").args(&arguments).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The same chart with the values in `values.yaml`, and further arguments.
    #[track_caller]
    fn upgrade(&self, arguments: &[&str]) {
        let chart = format!("target/chart/guestlist-{}.tgz", env!("CARGO_PKG_VERSION"));
        let words = ["upgrade", "guestlist", &chart, "--namespace=guestlist", "--values=values.yaml"];
        self.helm(&[&words[..], arguments].concat());
    }

    /// Waits until the operator is ready.
    #[track_caller]
    fn rolled_out(&self) {
        self.kubectl("--namespace guestlist rollout status deployment/guestlist --timeout=4m");
    }

    /// `guestlist`, as `kubectl exec` runs it in the pod.
    #[track_caller]
    fn guestlist(&self, arguments: &str, input: &str) -> String {
        self.kubectl_with(
            &format!("--namespace guestlist exec -i deployment/guestlist -- guestlist {arguments}"),
            input,
        )
    }

    /// Waits until a field of an object has a value.
    #[track_caller]
    fn shows(&self, object: &str, field: &str, value: &str) {
        self.kubectl(&format!("--namespace partners wait {object} --for=jsonpath={field}={value} --timeout=4m"));
    }

    /// The name and the number of restarts of the operator's pod.
    #[track_caller]
    fn pod(&self) -> (String, u64) {
        let pods = self.kubectl("--namespace guestlist get pods --output json");
        let pods: Value = serde_json::from_str(&pods).unwrap();
        assert_eq!(pods["items"].as_array().map(Vec::len), Some(1), "{}", self.state());
        let pod = &pods["items"][0];
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap();
        (pod["metadata"]["name"].as_str().unwrap().to_owned(), restarts)
    }
}

#[test]
fn release_on_a_node_serves_until_it_is_uninstalled() {
    let packages = Path::new(ROOT).join("target/node/packages");
    if let Some(reason) = ControlPlane::without_node(&packages) {
        println!("No node: {reason}. Only the tests of image.rs run the program of the image.");
        return;
    }
    let cluster = Cluster::start(&packages);
    cluster.kubectl("wait node/node --for=create --timeout=4m");
    cluster.kubectl("wait node/node --for=condition=Ready --timeout=4m");
    cluster.plane.apply(VOLUME);

    cluster.readme("make chart");
    cluster.rolled_out();
    import_and_converge(&cluster);
    edit_the_policy(&cluster);
    delete_the_pod(&cluster);

    cluster.upgrade(&["--set=logLevel=debug"]);
    cluster.rolled_out();
    cluster.shows("gm/carol", "{.status.state}", "Active");
    uninstall(&cluster);

    let folder = cluster.plane.dir().to_owned();
    drop(cluster);
    assert_eq!(running(&folder), Vec::<String>::new());
    let name = folder.file_name().unwrap();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(!hierarchy.path().join(name).exists(), "a control group is left in {}", hierarchy.path().display());
    }
    assert!(!fs::read_to_string("/proc/mounts").unwrap().contains("guestlist-node"), "a mount is left");
}

/// The accounts by standard input, and the guests of `examples/acme` until one is Active.
fn import_and_converge(cluster: &Cluster) {
    cluster.guestlist("directory import -", &read("examples/acme/directory.yaml"));
    cluster.kubectl("create namespace partners");
    for file in ACME {
        cluster.kubectl_with("apply --server-side -f -", &read(&format!("examples/acme/{file}.yaml")));
    }
    cluster.shows("gm/carol", "{.status.state}", "Invited");
    cluster.guestlist("directory accept carol@acme.example", "");
    cluster.guestlist("directory enroll-mfa carol@acme.example", "");
    cluster.shows("gm/carol", "{.status.state}", "Active");
    cluster.kubectl("--namespace partners wait lp --all --for=condition=Ready --timeout=4m");
    let shown = cluster.guestlist("directory show", "");
    assert!(shown.contains("carol@acme.example"), "{shown}");
}

/// A release with another workspace policy reaches the running pod, which does not restart.
fn edit_the_policy(cluster: &Cluster) {
    let pod = cluster.pod();
    let edit = |values: &str| {
        fs::write(cluster.folder.join("values.yaml"), values).unwrap();
        cluster.upgrade(&[]);
    };
    let ready = "{.status.conditions[?(@.type==\"Ready\")].status}";
    edit(&VALUES.replace("namespace: partners", "namespace: others"));
    cluster.shows("gm/carol", ready, "False");
    edit(VALUES);
    cluster.shows("gm/carol", ready, "True");
    cluster.shows("gm/carol", "{.status.state}", "Active");
    assert_eq!(cluster.pod(), pod, "the pod did not restart");
}

/// The next pod has the volume with the directory.
fn delete_the_pod(cluster: &Cluster) {
    let (name, _) = cluster.pod();
    cluster.kubectl(&format!("--namespace guestlist delete pod {name} --timeout=4m"));
    cluster.rolled_out();
    assert_ne!(cluster.pod().0, name);
    let shown = cluster.guestlist("directory show", "");
    assert!(shown.lines().any(|line| line.contains("carol@acme.example") && line.contains("Active")), "{shown}");
}

/// Uninstall keeps the volume, the CRDs and the objects. The next release continues with them.
fn uninstall(cluster: &Cluster) {
    cluster.helm(&["uninstall", "guestlist", "--namespace=guestlist", "--wait", "--timeout=4m"]);
    cluster.kubectl("--namespace guestlist wait pods --all --for=delete --timeout=4m");
    let left = cluster.kubectl("--namespace guestlist get deploy,pods,sa,cm,svc,role,pvc --output name");
    let ours: Vec<_> = left.lines().filter(|name| name.contains("guestlist")).collect();
    assert_eq!(ours, ["persistentvolumeclaim/guestlist-directory"]);
    cluster.shows("gm/carol", "{.status.state}", "Active");

    cluster.readme("make chart");
    cluster.rolled_out();
    let shown = cluster.guestlist("directory show", "");
    assert!(shown.lines().any(|line| line.contains("carol@acme.example") && line.contains("Active")), "{shown}");
}
