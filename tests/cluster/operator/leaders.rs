//! Two operators, one Lease: a frozen operator that wakes up after another became the leader writes nothing.

use crate::support::controlplane::ControlPlane;
use crate::support::harness::{CAROL, Stage, WORLD};
use crate::support::operator::{Operator, eventually};

const NEWCOMER: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dave, namespace: partners}
spec: {partnerRef: {name: acme}, email: dave@acme.example, invitedBy: alice@host.example}
";

/// Waits until the readiness probe reports this.
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
fn leader_frozen_during_takeover_writes_nothing_on_resume() {
    let mut stage = Stage::prepare();
    stage.operator.name = "first";
    stage.operator.arguments = vec!["--lease-duration=3s"];
    stage.operator.start();
    let (plane, first, partners) = (&stage.plane, &stage.operator, stage.partners());
    plane.apply(WORLD);
    first.joins_with_mfa(CAROL);
    first.has_access(CAROL, &["instagram:Manager"]);

    // The second is the standby, and becomes the leader once the first stops renewing.
    let mut second = first.beside("second");
    second.arguments = vec!["--lease-duration=1h"];
    second.start();
    says(&second, "ok: standby for first\n");
    first.freeze();
    eventually("the second leads", || if holder(plane) == "second" { Ok(()) } else { Err(second.log()) });
    partners.patch("share/instagram", r#"{"spec":{"suspended":true}}"#);
    second.has_access(CAROL, &[]);
    partners.becomes("gm/carol", "/status/accounts/0/effective", "false");

    // The second is killed with pending work, which waits until its Lease has expired.
    second.kill();
    partners.patch("share/instagram", r#"{"spec":{"suspended":false}}"#);
    plane.apply(NEWCOMER);
    let before = (stage.versions(), first.show());
    first.signal("-CONT");
    says(first, "ok: standby for second\n");
    assert!(first.log().contains("no longer the leader"), "{}", first.log());
    assert_eq!((stage.versions(), first.show()), before);

    // An administrator who knows that the second is dead deletes its Lease: the first becomes the leader, and releases
    // the Lease at its end.
    plane.kubectl(&["delete", "-n=guestlist", "lease/guestlist"]).ok();
    first.has_access(CAROL, &["instagram:Manager"]);
    partners.becomes("gm/dave", "/status/state", "Invited");
    assert_eq!(stage.operator.terminate(), Some(0), "{}", stage.operator.log());
    assert_eq!(holder(&stage.plane), "");
}
