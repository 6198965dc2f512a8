//! The chart and the image on a node that runs pods: installed, upgraded, used in ordinary trouble, and uninstalled as
//! the documentation says. Where the machine cannot run a node, the program of the image runs as a process (`image.rs`).

mod cluster;
mod trouble;

use std::fs;

use serde_json::Value;

use self::cluster::{Cluster, VALUES};
use crate::demo::running;
use crate::support::docs::read;

#[test]
fn release_on_a_node_serves_until_it_is_uninstalled() {
    let Some(mut cluster) = Cluster::start() else { return };
    cluster.install_baseline();
    cluster.rolled_out();
    import_and_converge(&cluster);
    upgrade_from_baseline(&cluster);
    edit_the_policy(&cluster);
    change_the_log_level(&cluster);
    trouble::kill_the_container(&mut cluster);
    trouble::restart_the_node(&mut cluster);
    trouble::break_the_policy(&mut cluster);
    delete_the_pod(&cluster);
    trouble::fill_the_volume(&mut cluster);
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

/// The accounts by standard input, and all guests of `examples/acme` until they are Active.
fn import_and_converge(cluster: &Cluster) {
    cluster.guestlist("directory import -", &read("examples/acme/directory.yaml"));
    let (first, later) = cluster.declare_acme();
    let guests = [first, later].concat();
    for guest in &guests {
        join(cluster, guest);
    }
    cluster.all_are_active();
    cluster.kubectl("--namespace partners wait lp,share --all --for=condition=Ready --timeout=4m");
    let (shown, mails) = cluster.guests();
    let access = |email: &str| {
        let guest = shown.as_array().unwrap().iter().find(|guest| guest["email"] == email).unwrap();
        guest["grants"].as_array().unwrap().len()
    };
    assert_eq!((shown.as_array().unwrap().len(), mails.len()), (guests.len(), guests.len()));
    assert!(access("carol@acme.example") > 0 && access("grace@acme.example") > 0, "{shown:#}");
}

/// A guest accepts the invitation and turns MFA on.
fn join(cluster: &Cluster, guest: &Value) {
    let text = |pointer: &str| guest.pointer(pointer).and_then(Value::as_str);
    let email = text("/spec/email").unwrap();
    cluster.shows(&format!("gm/{}", text("/metadata/name").unwrap()), "{.status.state}", "Invited");
    cluster.guestlist(&format!("directory accept {email}"), "");
    let method = text("/spec/mfa/methods/0").unwrap_or("TOTP");
    cluster.guestlist(&format!("directory enroll-mfa {email} --method {method}"), "");
}

/// The upgrade as its page describes it. The pod has the same volume, and no guest gets a second mail.
fn upgrade_from_baseline(cluster: &Cluster) {
    let field = "{.metadata.uid}/{.spec.volumeName}";
    let claim = format!("--namespace guestlist get pvc guestlist-directory --output jsonpath={field}");
    let (volume, guests) = (cluster.kubectl(&claim), cluster.guests());
    for start in ["kubectl --namespace guestlist exec deployment/guestlist", "helm upgrade guestlist"] {
        cluster.as_documented("docs/operations/upgrade.md", start);
    }
    cluster.all_are_active();
    assert_eq!(cluster.kubectl(&claim), volume);
    cluster.has_again(&guests);
}

/// A release with another workspace policy reaches the running pod, which does not restart.
fn edit_the_policy(cluster: &Cluster) {
    let (pod, guests) = (cluster.pod(), cluster.guests());
    let edit = |values: &str| {
        fs::write(cluster.folder.join("values.yaml"), values).unwrap();
        cluster.upgrade(&[]);
    };
    let ready = "{.status.conditions[?(@.type==\"Ready\")].status}";
    edit(&VALUES.replace("namespace: partners", "namespace: others"));
    cluster.shows("gm/carol", ready, "False");
    edit(VALUES);
    cluster.shows("gm/carol", ready, "True");
    cluster.all_are_active();
    cluster.has_again(&guests);
    assert_eq!(cluster.pod(), pod, "the pod did not restart");
}

/// A release with another log level reaches the running pod, which does not restart.
fn change_the_log_level(cluster: &Cluster) {
    let pod = cluster.pod();
    let log = cluster.kubectl("--namespace guestlist logs deployment/guestlist");
    assert!(!log.contains("\"level\":\"DEBUG\""), "{log}");
    cluster.upgrade(&["--set=logLevel=debug"]);
    cluster.logs("\"level\":\"DEBUG\"");
    cluster.upgrade(&[]);
    cluster.logs("the log level is \\\"info\\\" now");
    assert_eq!(cluster.pod(), pod, "the pod did not restart");
}

/// The next pod has the volume with the directory.
fn delete_the_pod(cluster: &Cluster) {
    let ((name, _), guests) = (cluster.pod(), cluster.guests());
    cluster.kubectl(&format!("--namespace guestlist delete pod {name} --timeout=4m"));
    cluster.rolled_out();
    assert_ne!(cluster.pod().0, name);
    cluster.has_again(&guests);
}

/// Uninstall keeps the volume, the CRDs and the objects. The next release continues with them.
fn uninstall(cluster: &Cluster) {
    let guests = cluster.guests();
    cluster.helm(&["uninstall", "guestlist", "--namespace=guestlist", "--wait", "--timeout=4m"]);
    cluster.kubectl("--namespace guestlist wait pods --all --for=delete --timeout=4m");
    let left = cluster.kubectl("--namespace guestlist get deploy,pods,sa,cm,svc,role,pvc --output name");
    let ours: Vec<_> = left.lines().filter(|name| name.contains("guestlist")).collect();
    assert_eq!(ours, ["persistentvolumeclaim/guestlist-directory"]);
    cluster.shows("gm/carol", "{.status.state}", "Active");

    cluster.as_documented("README.md", "make chart");
    cluster.rolled_out();
    cluster.has_again(&guests);
}
