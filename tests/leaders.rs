//! Two operators, one Lease: who was frozen and wakes up after another took over writes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test file")]

#[path = "support/controlplane.rs"]
mod controlplane;
#[path = "support/operator.rs"]
mod operator;

use controlplane::ControlPlane;
use operator::{Operator, becomes, eventually, status};

const WORLD: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example}
";
const CAROL: &str = "carol@acme.example";
const NEWCOMER: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dave, namespace: partners}
spec: {partnerRef: {name: acme}, email: dave@acme.example, invitedBy: alice@host.example}
";

/// Waits until its readiness says this.
#[track_caller]
fn says(operator: &Operator, wanted: &str) {
    eventually(wanted, || match operator.probe("/readyz") {
        Ok(text) if text.ends_with(wanted) => Ok(()),
        Ok(text) | Err(text) => Err(format!("{text}\n{}", operator.log())),
    });
}

fn holder(plane: &ControlPlane) -> String {
    plane.kubectl(&["get", "-n=guestlist", "lease/guestlist", "-o=jsonpath={.spec.holderIdentity}"]).ok()
}

#[test]
fn a_leader_that_was_frozen_while_another_took_over_writes_nothing_when_it_wakes() {
    let plane = ControlPlane::start();
    let mut first = Operator::prepare(&plane);
    first.name = "first";
    first.arguments = vec!["--lease-duration=3s"];
    first.start();
    plane.apply(WORLD);
    first.joins_with_mfa(CAROL);
    first.has_access(CAROL, &["instagram:Collaborator"]);

    // The second stands by, and takes over once the first is silent.
    let mut second = first.beside("second");
    second.arguments = vec!["--lease-duration=1h"];
    second.start();
    says(&second, "ok: standing by for first\n");
    first.signal("-STOP");
    eventually("the second leads", || if holder(&plane) == "second" { Ok(()) } else { Err(second.log()) });
    plane
        .kubectl(&["patch", "-n=partners", "share/instagram", "--type=merge", r#"-p={"spec":{"suspended":true}}"#])
        .ok();
    second.has_access(CAROL, &[]);
    becomes(&plane, &second, "gm/carol", "{.status.accounts[0].effective}", "false");

    // It dies; there is work to do, and nobody may do it until its Lease has run out.
    second.kill();
    plane
        .kubectl(&["patch", "-n=partners", "share/instagram", "--type=merge", r#"-p={"spec":{"suspended":false}}"#])
        .ok();
    plane.apply(NEWCOMER);
    let versions =
        || plane.kubectl(&["get", "lp,gm,share", "-A", "-o=jsonpath={.items[*].metadata.resourceVersion}"]).ok();
    let before = (versions(), first.show());
    first.signal("-CONT");
    says(&first, "ok: standing by for second\n");
    assert!(first.log().contains("no longer leading"), "{}", first.log());
    assert_eq!((versions(), first.show()), before);

    // Somebody who knows that the second is dead deletes its Lease: the first goes on, and gives it back when it ends.
    plane.kubectl(&["delete", "-n=guestlist", "lease/guestlist"]).ok();
    first.has_access(CAROL, &["instagram:Collaborator"]);
    becomes(&plane, &first, "gm/dave", "{.status.state}", "Invited");
    assert_eq!(first.terminate(), Some(0), "{}", first.log());
    assert_eq!(holder(&plane), "");
    assert_eq!(status(&plane, "gm/dave", "{.status.state}"), "Invited");
}
