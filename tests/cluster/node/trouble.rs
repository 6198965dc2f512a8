//! Ordinary trouble of a node: a killed container, a node that restarts, a broken policy and a full volume. Each one is
//! visible where an engineer looks, changes nobody's access, and ends without a new pod.

use std::fs::File;
use std::io::{ErrorKind, Write};

use super::cluster::{Cluster, NEWCOMER, Stopwatch, VOLUME_FOLDER};

/// The container is killed, as by the kernel when memory is short. The kubelet starts it again in the same pod.
pub(super) fn kill_the_container(cluster: &mut Cluster) {
    let ((pod, restarts), guests) = (cluster.pod(), cluster.guests());
    let watch = Stopwatch::start("the killed container");
    cluster.signal_container(&pod, "SIGKILL");
    let count = format!("{{.status.containerStatuses[0].restartCount}}={}", restarts + 1);
    cluster.kubectl(&format!("--namespace guestlist wait pod/{pod} --for=jsonpath={count} --timeout=4m"));
    let code = "{.status.containerStatuses[0].lastState.terminated.exitCode}=137";
    cluster.kubectl(&format!("--namespace guestlist wait pod/{pod} --for=jsonpath={code} --timeout=4m"));
    watch.lap("the status of the pod");
    cluster.rolled_out();
    watch.lap("the Ready pod");
    // The new process continues with the Lease of its pod.
    cluster.measures("guestlist_leader 1");
    cluster.has_again(&guests);
    assert_eq!(cluster.pod(), (pod, restarts + 1));
}

/// The kubelet and containerd end, and start again. The cluster takes the pod for unready, but it runs on and works.
pub(super) fn restart_the_node(cluster: &mut Cluster) {
    let (pod, guests) = (cluster.pod(), cluster.guests());
    let watch = Stopwatch::start("the stopped kubelet");
    for program in ["kubelet", "containerd"] {
        cluster.plane.command(&format!("stop {program}"));
    }
    cluster.kubectl("wait node/node --for=condition=Ready=Unknown --timeout=4m");
    watch.lap("the status of the node");
    cluster.kubectl(&format!("--namespace guestlist wait pod/{} --for=condition=Ready=False --timeout=4m", pod.0));
    watch.lap("the pod that is not Ready");
    cluster.measures("guestlist_leader 1");
    suspend_and_resume(cluster);
    let watch = Stopwatch::start("the start of the kubelet");
    for program in ["containerd", "kubelet"] {
        cluster.plane.command(&format!("start {program}"));
    }
    cluster.kubectl("wait node/node --for=condition=Ready --timeout=4m");
    cluster.rolled_out();
    watch.lap("the Ready pod");
    cluster.has_again(&guests);
    assert_eq!(cluster.pod(), pod);
}

/// The ConfigMap of the policy is edited by hand. The last valid policy stays in force, and a new guest waits.
pub(super) fn break_the_policy(cluster: &mut Cluster) {
    let (pod, guests) = (cluster.pod(), cluster.guests());
    let patch = r#"--type merge --patch {"data":{"workspace.yaml":"tenants:\n-["}}"#;
    let watch = Stopwatch::start("the broken policy");
    cluster.kubectl(&format!("--namespace guestlist patch configmap guestlist-workspace {patch}"));
    cluster.is_unready("PolicyUnreadable", "workspace.yaml", &watch);
    let watch = Stopwatch::start("a new guest");
    cluster.plane.apply(NEWCOMER);
    cluster.says("gm/peggy", "PolicyUnreadable");
    watch.lap("PolicyUnreadable in the status");
    cluster.has_again(&guests);

    // Helm overwrites the edit of another program only on request.
    let said = cluster.try_upgrade(&[]).refused();
    assert!(said.contains("conflict occurred while applying object") && said.contains("kubectl-patch"), "{said}");
    let watch = Stopwatch::start("the corrected policy");
    cluster.upgrade(&["--force-conflicts"]);
    cluster.is_ready("PolicyUnreadable", &watch);
    cluster.shows("gm/peggy", "{.status.state}", "Invited");
    assert_eq!(cluster.pod(), pod);
    cluster.kubectl("--namespace partners delete gm peggy --timeout=4m");
}

/// The volume of the directory is full. A suspension waits, and its guest keeps access, until there is space again.
pub(super) fn fill_the_volume(cluster: &mut Cluster) {
    let (pod, guests) = (cluster.pod(), cluster.guests());
    let filler = cluster.plane.path_in_node(&format!("{VOLUME_FOLDER}/filler"));
    let mut file = File::create(&filler).unwrap();
    let full = std::iter::repeat_with(|| file.write_all(&[0; 4096])).find_map(Result::err).unwrap();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    drop(file);

    let watch = Stopwatch::start("a change on a full volume");
    cluster.suspend("gm/bob", true);
    cluster.is_unready("DirectoryUnavailable", "is there room left", &watch);
    for object in ["gm/bob", "share/instagram", "lp/acme"] {
        cluster.says(object, "DirectoryUnavailable");
    }
    watch.lap("DirectoryUnavailable in the statuses");

    let watch = Stopwatch::start("space on the volume");
    std::fs::remove_file(&filler).unwrap();
    cluster.shows("gm/bob", "{.status.state}", "Suspended");
    watch.lap("the suspension");
    cluster.is_ready("DirectoryUnavailable", &watch);
    cluster.suspend("gm/bob", false);
    cluster.all_are_active();
    cluster.has_again(&guests);
    assert_eq!(cluster.pod(), pod);
}

fn suspend_and_resume(cluster: &Cluster) {
    cluster.suspend("gm/bob", true);
    cluster.shows("gm/bob", "{.status.state}", "Suspended");
    cluster.suspend("gm/bob", false);
    cluster.all_are_active();
}
