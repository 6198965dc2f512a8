//! The roles of the chart and its admission policies work as documented, and it carries the committed CRDs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{CHART, rendered};
use crate::support::controlplane::ControlPlane;
use crate::support::operator::Operator;

fn install(plane: &ControlPlane) {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: guestlist, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}\n";
    plane.apply(namespace);
    plane.apply(&Operator::template(plane, "crds"));
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=4m"]).ok();
    let said = plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &rendered("default"));
    assert!(!said.stderr.contains("Warning"), "{}", said.stderr);
    said.ok();
}

const ACME: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: empty, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: bob@acme.example, invitedBy: alice@host.example}
";

/// The policy takes effect in the API server a moment after it was stored.
fn eventually_refused(plane: &ControlPlane, arguments: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let said = plane.kubectl(arguments);
        if !said.success {
            return said.stderr;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "was never refused: {}", said.stdout);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn eventually_passes(plane: &ControlPlane, arguments: &[&str]) {
    let began = Instant::now();
    loop {
        let said = plane.kubectl(arguments);
        if said.success {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "is still refused: {}", said.stderr);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn chart_carries_the_committed_crds() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let names = |dir: &Path| -> Vec<_> {
        let mut names: Vec<_> =
            fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let charts = Path::new(CHART).join("files/crds");
    assert_eq!(names(&ours), names(&charts));
    for name in names(&ours) {
        let read = |dir: &Path| fs::read_to_string(dir.join(&name)).expect("a file");
        assert_eq!(read(&ours), read(&charts), "{} differs; run make generate", name.display());
    }
}

#[test]
fn roles_and_admission_policies_of_the_chart_hold() {
    let plane = ControlPlane::start_with_controllers();
    install(&plane);
    plane.kubectl(&["create", "namespace", "partners"]).ok();
    plane.apply(ACME);

    // The operator has the permissions that it needs, and cannot declare guests itself.
    let can = |who: &str, what: &[&str]| {
        let mut arguments = vec!["auth", "can-i", "--namespace=partners", "--as", who];
        arguments.extend(what);
        plane.kubectl(&arguments).stdout.trim() == "yes"
    };
    let operator = "system:serviceaccount:guestlist:guestlist";
    assert!(can(operator, &["patch", "guestmemberships.guestlist.dev", "--subresource=status"]));
    assert!(can(operator, &["watch", "localpartners.guestlist.dev"]));
    assert!(can(operator, &["get", "namespace/kube-system"]));
    for forbidden in [
        ["create", "guestmemberships.guestlist.dev"],
        ["delete", "localpartners.guestlist.dev"],
        ["get", "secrets"],
        ["get", "namespace/partners"],
    ] {
        assert!(!can(operator, &forbidden), "{forbidden:?}");
    }

    // The built-in roles cover the kinds, and only the operator writes the status.
    plane.kubectl(&["create", "rolebinding", "eve", "-n=partners", "--clusterrole=edit", "--user=eve"]).ok();
    plane.kubectl(&["create", "rolebinding", "vic", "-n=partners", "--clusterrole=view", "--user=vic"]).ok();
    let began = Instant::now();
    while !can("eve", &["create", "accountshares.guestlist.dev"]) {
        assert!(began.elapsed() < Duration::from_secs(30), "edit never covered the kinds");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(can("vic", &["list", "localpartners.guestlist.dev"]));
    assert!(!can("vic", &["create", "accountshares.guestlist.dev"]));
    assert!(!can("eve", &["patch", "guestmemberships.guestlist.dev", "--subresource=status"]));

    // A person's deletion of a partner with guests is refused; deleting one without guests, or a namespace, is not.
    let refused = eventually_refused(&plane, &["delete", "localpartner", "acme", "-n=partners", "--dry-run=server"]);
    assert!(refused.contains("DeletionBlocked") && refused.contains("bob"), "{refused}");
    let delete = ["delete", "localpartner", "acme", "-n=partners", "--dry-run=server", "--as"];
    let refused = plane.kubectl(&[&delete[..], &["eve"]].concat()).refused();
    assert!(refused.contains("DeletionBlocked"), "{refused}");
    // A tool of the cluster may delete the partner before its guests.
    plane
        .kubectl(&[
            "create",
            "rolebinding",
            "tool",
            "-n=partners",
            "--clusterrole=edit",
            "--serviceaccount=gitops:tool",
        ])
        .ok();
    plane.kubectl(&[&delete[..], &["system:serviceaccount:gitops:tool"]].concat()).ok();
    plane.kubectl(&["delete", "localpartner", "empty", "-n=partners"]).ok();
    // A terminating guest blocks nothing: one command can delete everything.
    let held = r#"{"metadata":{"finalizers":["guestlist.dev/test"]}}"#;
    let bob = ["gm/bob", "-n=partners", "--type=merge", "-p"];
    plane.kubectl(&[&["patch"], &bob[..], &[held]].concat()).ok();
    plane.kubectl(&["delete", "gm/bob", "-n=partners", "--wait=false"]).ok();
    eventually_passes(&plane, &["delete", "localpartner", "acme", "-n=partners", "--dry-run=server"]);
    plane.kubectl(&[&["patch"], &bob[..], &[r#"{"metadata":{"finalizers":null}}"#]].concat()).ok();
    let cascade = r#"{"spec":{"deletion":"Cascade"}}"#;
    plane
        .kubectl(&["patch", "localpartner", "acme", "-n=partners", "--type=merge", "--dry-run=server", "-p", cascade])
        .ok();
    plane.kubectl(&["delete", "namespace", "partners", "--timeout=4m"]).ok();

    // Deleting a definition needs an explicit confirmation, so that a single command does not delete everything.
    let definition = "guestmemberships.guestlist.dev";
    let refused = eventually_refused(&plane, &["delete", "crd", definition, "--dry-run=server"]);
    assert!(refused.contains("loses access") && refused.contains("guestlist.dev/allow-deletion=true"), "{refused}");
    plane.kubectl(&["annotate", "crd", definition, "guestlist.dev/allow-deletion=true"]).ok();
    plane.kubectl(&["delete", "crd", definition, "--dry-run=server"]).ok();
}
