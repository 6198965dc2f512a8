//! A real API server accepts what the chart renders, in strict mode and under restricted pod security. Helm installs it,
//! changes its shape, and removes it.

use serde_json::{Value, json};

use super::{CHART, SHAPES, deployment, rendered, values};
use crate::support::controlplane::ControlPlane;
use crate::support::operator::{Operator, eventually};

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\n\
    metadata: {name: guestlist, labels: {pod-security.kubernetes.io/enforce: restricted}}\n";
const MONITORING: &str = include_str!("monitoring-crds.yaml");
const DRY_RUN: [&str; 6] = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];

#[track_caller]
fn helm(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = plane.program("helm").args(arguments).output().expect("helm runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The pod that the Deployment would create. Pod security warns of a Deployment, and refuses only a Pod.
fn pod(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    json!({
        "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": {"name": "guestlist", "namespace": "guestlist", "labels": template["metadata"]["labels"]},
    })
}

#[test]
fn server_accepts_each_shape_strictly_and_restricted() {
    let plane = ControlPlane::start();
    plane.apply(NAMESPACE);
    for watched in ["partners", "team-a"] {
        plane.kubectl(&["create", "namespace", watched]).ok();
    }
    plane.apply(MONITORING);
    plane.apply(&Operator::template(&plane, "crds"));
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=4m"]).ok();
    for (name, _) in SHAPES {
        let text = rendered(name);
        let said = plane.kubectl_with(&DRY_RUN, &text);
        assert!(said.success && !said.stderr.contains("Warning"), "{name}: {}", said.stderr);
        let said = plane.kubectl_with(&DRY_RUN, &pod(&deployment(&text)).to_string());
        assert!(said.success && !said.stderr.contains("Warning"), "{name}: {}", said.stderr);
    }

    // The same requests are refused if something is wrong.
    let mut privileged = pod(&deployment(&rendered("default")));
    privileged["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let said = plane.kubectl_with(&DRY_RUN, &privileged.to_string()).refused();
    assert!(said.contains("violates PodSecurity"), "{said}");
    let misspelt = rendered("monitoring").replace("endpoints:\n  - port:", "endpoints:\n  - porl:");
    let said = plane.kubectl_with(&DRY_RUN, &misspelt).refused();
    assert!(said.contains("porl"), "{said}");
}

#[test]
fn helm_installs_upgrades_between_shapes_and_uninstalls() {
    let plane = ControlPlane::start_with_controllers();
    // Without --reset-values, a file without values keeps those of the last release.
    let upgrade = ["upgrade", "--install", "--reset-values", "guestlist", CHART, "--namespace=guestlist"];
    let release = |shape: &str| helm(&plane, &[&upgrade[..], &[&format!("--values={}", values(shape))]].concat());
    let deployed = || plane.read("/apis/apps/v1/namespaces/guestlist/deployments/guestlist").unwrap();
    plane.apply(NAMESPACE);

    let notes = release("monitoring");
    assert!(notes.contains("ServiceMonitor and the PrometheusRule are skipped"), "{notes}");
    assert_eq!(deployed()["spec"]["strategy"], json!({"type": "Recreate"}));

    plane.apply(MONITORING);
    // Helm asks for the list of APIs, which the server renews a moment after a CRD is established.
    eventually("the API of the Prometheus operator is listed", || {
        let said = plane.kubectl(&["api-versions"]);
        said.stdout.contains("monitoring.coreos.com/v1").then_some(()).ok_or(said.stdout)
    });
    let notes = release("monitoring");
    assert!(!notes.contains("skipped"), "{notes}");
    plane.kubectl(&["get", "--namespace=guestlist", "servicemonitor/guestlist", "prometheusrule/guestlist"]).ok();

    release("keycloak");
    assert_eq!(deployed()["spec"]["strategy"]["type"], "RollingUpdate");
    plane.kubectl(&["get", "--namespace=guestlist", "poddisruptionbudget/guestlist"]).ok();
    // The API server refuses Recreate with the settings of a rolling update.
    let notes = release("default");
    insta::assert_snapshot!(notes.split_once("NOTES:\n").unwrap().1.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    assert_eq!(deployed()["spec"]["strategy"], json!({"type": "Recreate"}));
    assert_eq!(deployed()["spec"]["replicas"], 1);

    helm(&plane, &["uninstall", "guestlist", "--namespace=guestlist"]);
    let left = plane.kubectl(&["get", "--namespace=guestlist", "deploy,sa,cm,svc,role,pdb,pvc", "-o=name"]).ok();
    let ours: Vec<_> = left.lines().filter(|name| name.contains("guestlist")).collect();
    assert_eq!(ours, ["persistentvolumeclaim/guestlist-directory"]);
    plane.kubectl(&["get", "crd/guestmemberships.guestlist.dev"]).ok();
}
