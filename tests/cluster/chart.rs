//! The Helm chart renders, a real API server accepts all of it, and its roles and its admission policy work as
//! documented.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::controlplane::ControlPlane;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/guestlist");

fn rendered(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = plane
        .program("helm")
        .args(["template", "guestlist", CHART, "--namespace=guestlist"])
        .args(arguments)
        .output()
        .expect("helm runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn install(plane: &ControlPlane) {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: guestlist, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}\n";
    plane.apply(namespace);
    let crds = rendered(plane, &["--show-only=templates/crds.yaml"]);
    plane.apply(&crds);
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).ok();
    let said = plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &rendered(plane, &[]));
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
fn the_chart_carries_the_committed_crds() {
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
fn chart_installs_on_api_server_and_its_roles_and_policy_hold() {
    let plane = ControlPlane::start_with_controllers();
    let lint = plane.program("helm").args(["lint", "--strict", CHART]).output().expect("helm runs");
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
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

    // Deleting a partner with guests is refused; deleting one without guests, or a namespace, is not.
    let refused = eventually_refused(&plane, &["delete", "localpartner", "acme", "-n=partners", "--dry-run=server"]);
    assert!(refused.contains("DeletionBlocked") && refused.contains("bob"), "{refused}");
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
    plane.kubectl(&["delete", "namespace", "partners", "--timeout=60s"]).ok();

    // Deleting a definition needs an explicit confirmation, so that a single command does not delete everything.
    let definition = "guestmemberships.guestlist.dev";
    let refused = eventually_refused(&plane, &["delete", "crd", definition, "--dry-run=server"]);
    assert!(refused.contains("loses access") && refused.contains("guestlist.dev/allow-deletion=true"), "{refused}");
    plane.kubectl(&["annotate", "crd", definition, "guestlist.dev/allow-deletion=true"]).ok();
    plane.kubectl(&["delete", "crd", definition, "--dry-run=server"]).ok();
}

#[test]
fn a_realm_of_keycloak_is_the_directory_where_the_values_say_so() {
    let plane = ControlPlane::start();
    let render = |values: &[&str]| {
        let output =
            plane.program("helm").args(["template", "guestlist", CHART]).args(values).output().expect("helm runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let realm = "--set=directory=keycloak:https://id.host.example#workspace";
    let (rendered, said) = render(&[realm, "--set=keycloak.existingSecret=guestlist", "--set=keycloak.trustCa=true"]);
    assert!(rendered, "{said}");
    for part in [
        "--directory=keycloak:https://id.host.example#workspace",
        "value: /run/secrets/keycloak/client-secret",
        "value: /run/secrets/keycloak/ca.crt",
        "secretName: guestlist",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("PersistentVolumeClaim") && !said.contains("/var/lib/guestlist"), "{said}");
    plane.kubectl_with(&["apply", "--dry-run=client", "-f", "-"], &said).ok();
    let (rendered, said) = render(&[realm]);
    assert!(!rendered && said.contains("keycloak.existingSecret must name a Secret"), "{said}");
    let (rendered, said) = render(&["--set=directory=keycloak:https://id.host.example"]);
    assert!(!rendered && said.contains("directory"), "{said}");
}

#[test]
fn values_that_are_misspelt_are_refused() {
    let plane = ControlPlane::start();
    let output = plane
        .program("helm")
        .args(["template", "guestlist", CHART, "--set=workspace.tenant=x"])
        .output()
        .expect("helm runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("tenant"), "{said}");
}
