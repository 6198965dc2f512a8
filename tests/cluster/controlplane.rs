//! The control plane of the other tests works as they require.

use std::path::Path;

use crate::support::controlplane::ControlPlane;

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn it_serves_a_kubernetes_api_and_leaves_nothing_running() {
    let plane = ControlPlane::start();
    let namespaces = plane.kubectl(&["get", "namespaces", "--output=name"]).ok();
    assert!(namespaces.lines().any(|name| name == "namespace/kube-system"), "{namespaces}");
    let pids: Vec<u32> = plane.pids().values().copied().collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| runs(*pid)));
    let dir = plane.dir().to_owned();

    drop(plane);

    assert!(!pids.iter().any(|pid| runs(*pid)));
    assert!(!dir.exists());
}

#[test]
fn the_api_server_goes_away_and_comes_back_with_its_data() {
    let mut plane = ControlPlane::start();
    plane.kubectl(&["create", "namespace", "kept"]).ok();

    plane.stop_api_server();
    let refused = plane.kubectl(&["get", "namespaces"]).refused();
    assert!(refused.contains("refused"), "{refused}");
    let server = plane.server().to_owned();

    plane.start_api_server();
    plane.kubectl(&["get", "namespace", "kept"]).ok();
    assert_eq!(plane.server(), server);
}

#[test]
fn service_account_may_use_only_the_verbs_of_its_roles() {
    // A controller aggregates the permissions of "view" from other roles.
    let plane = ControlPlane::start_with_controllers();
    plane.kubectl(&["create", "serviceaccount", "reader"]).ok();
    plane
        .kubectl(&["create", "clusterrolebinding", "reader", "--clusterrole=view", "--serviceaccount=default:reader"])
        .ok();
    let reader = plane.service_account("default", "reader");

    plane.kubectl_as(&reader, &["get", "configmaps"], "").ok();
    let refused = plane.kubectl_as(&reader, &["create", "configmap", "mine"], "").refused();
    assert!(refused.contains("Forbidden") || refused.contains("forbidden"), "{refused}");
}

#[test]
fn namespace_with_controllers_is_deleted_and_backup_restores_it() {
    let mut plane = ControlPlane::start_with_controllers();
    plane.kubectl(&["create", "namespace", "team"]).ok();
    plane.kubectl(&["--namespace=team", "create", "configmap", "its"]).ok();
    plane.command("snapshot before");

    plane.kubectl(&["delete", "namespace", "team", "--timeout=4m"]).ok();
    plane.kubectl(&["get", "namespace", "team"]).refused();

    plane.command("restore before");
    plane.kubectl(&["--namespace=team", "get", "configmap", "its"]).ok();
}
