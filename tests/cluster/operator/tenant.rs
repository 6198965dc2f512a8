//! A tenant with `edit` in a namespace outside the workspace policy tries every write that kubectl allows. No write reaches an
//! account or another tenant's secrets, and no answer reveals anything about others.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::harness::{Stage, condition};
use crate::support::operator::{POLICY, eventually};

/// Another tenant's objects, with words that nobody would guess.
const VICTIM: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: zebra, namespace: partners}
spec: {displayName: Grevy and Sons, hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: okapi, namespace: partners}
spec: {partnerRef: {name: zebra}, email: ann@zebra.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: gnu, namespace: partners}
spec: {partnerRef: {name: zebra}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager}
";
const ANN: &str = "ann@zebra.example";

/// Every object of the tenant that the server accepts: one for each attempt, with all fields that it can have.
const ATTEMPTS: [(&str, &str, &str); 13] = [
    ("lp", "zebra", "spec: {hostAdmins: [alice@host.example], deletion: Cascade, adoption: Unmarked}"),
    ("lp", "mine", "spec: {hostAdmins: [mallory@evil.example], adoption: Unmarked}"),
    ("lp", "both", "spec: {hostAdmins: [mallory@evil.example, alice@host.example, dan@host.example]}"),
    (
        "gm",
        "okapi",
        "spec: {partnerRef: {name: zebra}, email: mallory@evil.example, role: GuestAdmin, invitedBy: alice@host.example}",
    ),
    (
        "gm",
        "taken",
        "spec: {partnerRef: {name: zebra}, email: ann@zebra.example, role: GuestAdmin, invitedBy: alice@host.example}",
    ),
    (
        "gm",
        "colleague",
        "spec: {partnerRef: {name: zebra}, email: mallory2@evil.example, invitedBy: ann@zebra.example}",
    ),
    (
        "gm",
        "own",
        "spec: {partnerRef: {name: mine}, email: mallory3@evil.example, role: GuestAdmin, invitedBy: mallory@evil.example}",
    ),
    (
        "gm",
        "adopted",
        "spec: {partnerRef: {name: mine}, email: dan@host.example, role: GuestAdmin, invitedBy: mallory@evil.example}",
    ),
    ("gm", "user", "spec: {partnerRef: {name: both}, email: eve@evil.example, invitedBy: dan@host.example}"),
    (
        "share",
        "gnu",
        "spec: {partnerRef: {name: zebra}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager, guestUsers: [{name: user, propagatedBy: okapi}]}",
    ),
    (
        "share",
        "tiktok",
        "spec: {partnerRef: {name: mine}, account: tiktok, sharedBy: mallory@evil.example, guestAdminRole: Manager}",
    ),
    (
        "share",
        "dans",
        "spec: {partnerRef: {name: both}, account: tiktok, sharedBy: dan@host.example, guestUsers: [{name: user, propagatedBy: okapi, email: eve@evil.example}]}",
    ),
    (
        "share",
        "unknown",
        "spec: {partnerRef: {name: both}, account: no-such-account, sharedBy: dan@host.example, guestUsers: [{name: user, propagatedBy: okapi, email: eve@evil.example}]}",
    ),
];

fn manifest(kind: &str, name: &str, rest: &str) -> String {
    let kind = match kind {
        "lp" => "LocalPartner",
        "gm" => "GuestMembership",
        _ => "AccountShare",
    };
    // With a forged status and finalizer.
    format!(
        "apiVersion: guestlist.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  finalizers: [guestlist.dev/access]\n  \
         annotations: {{guestlist.dev/reset-mfa: '2020-01-01T00:00:00Z', guestlist.dev/resend-invitation: '2020-01-01T00:00:00Z'}}\n\
         {rest}\nstatus: {{conditions: [{{type: Ready, status: 'True', reason: Reconciled, message: x, lastTransitionTime: '2020-01-01T00:00:00Z'}}]}}\n"
    )
}

/// The requests that the server forbids.
const FORBIDDEN: [&[&str]; 14] = [
    &["get", "lp,gm,share", "-A"],
    &["get", "gm", "okapi", "-n", "partners"],
    &["patch", "gm", "okapi", "-n", "partners", "--type=merge", "-p", "{\"spec\":{\"suspended\":true}}"],
    &["annotate", "gm", "okapi", "-n", "partners", "guestlist.dev/reset-mfa=2027-01-01T00:00:00Z"],
    &["delete", "lp", "zebra", "-n", "partners"],
    &["get", "events", "-n", "partners"],
    &["get", "secrets,configmaps", "-n", "guestlist"],
    &["create", "token", "guestlist", "-n", "guestlist"],
    &["get", "lp", "-n", "partners", "--as=system:serviceaccount:guestlist:guestlist"],
    &[
        "patch",
        "crd",
        "guestmemberships.guestlist.dev",
        "--type=merge",
        "-p",
        "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}",
    ],
    &["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--serviceaccount=strangers:mallory"],
    &[
        "create",
        "rolebinding",
        "x",
        "--clusterrole=cluster-admin",
        "--serviceaccount=strangers:mallory",
        "-n",
        "strangers",
    ],
    &["label", "namespace", "strangers", "x=y"],
    &[
        "patch",
        "gm",
        "own",
        "-n",
        "strangers",
        "--subresource=status",
        "--type=merge",
        "-p",
        "{\"status\":{\"state\":\"Active\"}}",
    ],
];

/// A service account with the built-in role `edit`, as for a tenant.
fn tenant(stage: &Stage, namespace: &str) -> std::path::PathBuf {
    let plane = &stage.plane;
    plane.kubectl(&["create", "namespace", namespace]).ok();
    plane.kubectl(&["create", "serviceaccount", "mallory", "-n", namespace]).ok();
    let account = format!("--serviceaccount={namespace}:mallory");
    plane.kubectl(&["create", "rolebinding", "tenant", "--clusterrole=edit", &account, "-n", namespace]).ok();
    let kubeconfig = plane.service_account(namespace, "mallory");
    eventually("edit covers the three kinds", || {
        let said = plane.kubectl_as(&kubeconfig, &["auth", "can-i", "create", "gm", "-n", namespace], "");
        if said.stdout.trim() == "yes" { Ok(()) } else { Err(said.stdout) }
    });
    kubeconfig
}

fn apply(stage: &Stage, kubeconfig: &Path, namespace: &str, text: &str) {
    stage.plane.kubectl_as(kubeconfig, &["apply", "--server-side", "-n", namespace, "-f", "-"], text).ok();
}

/// Everything that a tenant can read about the tenant's own objects, without the tenant's own input.
fn told(stage: &Stage, kubeconfig: &Path, namespace: &str) -> String {
    let path = "jsonpath={range .items[*]}{.status}{.note}{\"\\n\"}{end}";
    let get = |what| stage.plane.kubectl_as(kubeconfig, &["get", what, "-n", namespace, "-o", path], "").ok();
    get("lp,gm,share") + &get("events.events.k8s.io")
}

#[test]
fn unlisted_tenant_accesses_nothing_and_learns_nothing() {
    let mut stage = Stage::prepare_with_controllers();
    stage
        .operator
        .policy(&POLICY.replace("tenants:", "tenants:\n- {namespace: team-b, hostAdmins: [zoe@host.example]}"));
    stage.operator.start();
    stage.operator.import(
        "{users: [{email: zoe@host.example}, {email: kim@users.example}], accounts: [{name: zoes, owners: [zoe@host.example]}, {name: far, owners: [own@owners.example]}]}",
    );
    stage.apply(VICTIM);
    stage.operator.joins_with_mfa(ANN);
    stage.partners().guest("okapi", ANN, "Active", &["instagram:Manager"]);
    stage.rests(2);
    let victims = || stage.partners().kubectl(&["get", "lp,gm,share", "-o", "json"]).ok();
    let (before, seen) = (stage.operator.show(), victims());

    let mallory = tenant(&stage, "strangers");
    for (kind, name, rest) in ATTEMPTS {
        apply(&stage, &mallory, "strangers", &manifest(kind, name, rest));
    }
    for arguments in FORBIDDEN {
        let said = stage.plane.kubectl_as(&mallory, arguments, "").refused();
        assert!(said.contains("orbidden") || said.contains("cannot"), "{arguments:?}: {said}");
    }
    let everybody = [("lp", 3), ("gm", 6), ("share", 4)];
    for (kind, count) in everybody {
        eventually("each object of the tenant has its answer", || {
            let path = "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status} {end}";
            let seen = stage.at("strangers").kubectl(&["get", kind, "-o", path]).ok();
            if seen.split_whitespace().eq(["False"].repeat(count)) { Ok(()) } else { Err(format!("{kind}: {seen}")) }
        });
    }
    // The tenant adds and removes annotations and removes finalizers, on each kind.
    for object in ["lp/zebra", "gm/okapi", "share/gnu"] {
        for annotation in ["paused=true", "paused-", "reconcile-at=1", "reset-mfa=2026-01-01T00:00:00Z"] {
            let annotation = format!("guestlist.dev/{annotation}");
            let arguments = ["annotate", object, "-n", "strangers", "--overwrite", &annotation];
            stage.plane.kubectl_as(&mallory, &arguments, "").ok();
        }
        let none = r#"{"metadata":{"finalizers":null}}"#;
        stage.plane.kubectl_as(&mallory, &["patch", object, "-n", "strangers", "--type=merge", "-p", none], "").ok();
        stage.at("strangers").becomes(object, "/status/lastHandledReconcileAt", "1");
    }
    stage.rests(2);
    assert_eq!(stage.operator.show(), before, "the directory has nothing of the tenant, and is unchanged");
    assert_eq!(victims(), seen, "nor have the others' objects");
    let words = told(&stage, &mallory, "strangers");
    for secret in ["Grevy", "instagram as", "namespace partners", "partners/", "invited by", "alice@host.example owns"]
    {
        assert!(!words.contains(secret), "{secret}: {words}");
    }
    // An account of others and a missing one get the same message.
    let status = |name: &str| stage.at("strangers").get(&format!("share/{name}"))["status"].clone();
    assert_eq!(same(&status("dans"), "tiktok"), same(&status("unknown"), "no-such-account"));

    // All of it can be deleted, in spite of the forged finalizers, and no object of others changes.
    stage.plane.kubectl_as(&mallory, &["delete", "lp,gm,share", "--all", "-n", "strangers", "--timeout=4m"], "").ok();
    assert_eq!(stage.operator.show(), before);

    listed_tenant_learns_nothing_beyond_its_own_objects(&stage);
    assert_eq!(victims(), seen);
}

fn listed_tenant_learns_nothing_beyond_its_own_objects(stage: &Stage) {
    let mallory = tenant(stage, "team-b");
    let team = stage.at("team-b");
    let share = |name: &str, account: &str| {
        let spec = format!(
            "spec: {{partnerRef: {{name: mine}}, account: {account}, sharedBy: zoe@host.example, guestAdminRole: Manager}}"
        );
        apply(stage, &mallory, "team-b", &manifest("share", name, &spec));
    };
    apply(
        stage,
        &mallory,
        "team-b",
        &manifest("lp", "mine", "spec: {hostAdmins: [zoe@host.example, alice@host.example]}"),
    );
    share("foreign", "instagram");
    share("unknown", "no-such-account");
    share("zoes", "zoes");
    team.says("lp/mine", "HostAdminNotAllowedHere");
    for name in ["foreign", "unknown"] {
        team.says(&format!("share/{name}"), "AccountNotFound");
    }
    team.says("share/zoes", "Reconciled");
    let status = |object: &str| team.get(object)["status"].clone();
    assert_eq!(same(&status("share/foreign"), "instagram"), same(&status("share/unknown"), "no-such-account"));

    // A user, an Owner and a Host Admin of others get the same answer. So does a guest of others, without a name.
    let invite = |name: &str, email: &str, by: &str| {
        let spec = format!("spec: {{partnerRef: {{name: mine}}, email: {email}, invitedBy: {by}}}");
        apply(stage, &mallory, "team-b", &manifest("gm", name, &spec));
    };
    invite("kim", "kim@users.example", "zoe@host.example");
    invite("own", "own@owners.example", "zoe@host.example");
    invite("by-ann", "mallory@evil.example", ANN);
    invite("by-nobody", "mallory2@evil.example", "nobody@zebra.example");
    team.says("gm/kim", "IsWorkspaceUser");
    team.says("gm/own", "IsWorkspaceUser");
    assert_eq!(same(&status("gm/kim"), "kim@users.example"), same(&status("gm/own"), "own@owners.example"));
    team.says("gm/by-ann", "InviterNotActive");
    team.says("gm/by-nobody", "InviterNotActive");
    assert_eq!(same(&status("gm/by-ann"), ANN), same(&status("gm/by-nobody"), "nobody@zebra.example"));
    invite("ann", ANN, "zoe@host.example");
    team.says("gm/ann", "AlreadyGuest");
    let words = told(stage, &mallory, "team-b");
    for secret in ["Grevy", "okapi", "gnu", "zebra\"", "partners", "strangers"] {
        assert!(!words.contains(secret), "{secret}: {words}");
    }
    let ann = status("gm/ann");
    assert!(condition(&json!({ "status": ann }), "Ready")["message"].as_str().unwrap().contains("already"), "{ann}");
}

/// A status without the one value in which two may differ, and without times.
fn same(status: &Value, word: &str) -> String {
    let mut status = status.clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"] = Value::Null;
    }
    status.to_string().replace(word, "WORD")
}
