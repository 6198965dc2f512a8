//! An unreadable stored object delays no other object, revokes nothing, and does not stop the start. An older server, a
//! backup or another version of the CRD may have stored it.

use serde_json::{Value, json};

use crate::support::harness::{BOB, CAROL, Place, Stage};
use crate::support::operator::eventually;

const DAVE: &str = "dave@acme.example";

/// Makes the server accept anything for `spec.suspended`, stores it in some objects, and restores the schema.
fn plant(partners: Place<'_>, crd: &str, objects: &[&str]) {
    let crd = format!("crd/{crd}.guestlist.dev");
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/suspended";
    let plane = &partners.stage.plane;
    let stored: Value = serde_json::from_str(&plane.kubectl(&["get", &crd, "-o", "json"]).ok()).unwrap();
    let replace = |value: &Value| {
        let patch = json!([{"op": "replace", "path": path, "value": value}]).to_string();
        plane.kubectl(&["patch", &crd, "--type=json", "-p", &patch]).ok();
    };
    replace(&json!({"x-kubernetes-preserve-unknown-fields": true}));
    for object in objects {
        eventually("the server takes anything", || {
            let said =
                partners.kubectl(&["patch", object, "--type=merge", "-p", r#"{"spec":{"suspended":"perhaps"}}"#]);
            if said.success { Ok(()) } else { Err(said.stderr) }
        });
    }
    replace(stored.pointer(path).unwrap());
    eventually("the server is strict again", || {
        let strange = r#"{"spec":{"suspended":"sometimes"}}"#;
        let said = partners.kubectl(&["patch", objects[0], "--type=merge", "--dry-run=server", "-p", strange]);
        if said.success { Err(said.stdout) } else { Ok(()) }
    });
}

/// Another guest's access changes at once, in both directions.
#[track_caller]
fn carol_is_not_delayed(partners: Place<'_>) {
    partners.patch("gm/carol", r#"{"spec":{"suspended":true}}"#);
    partners.guest("carol", CAROL, "Suspended", &[]);
    partners.patch("gm/carol", r#"{"spec":{"suspended":false}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
}

#[test]
fn unreadable_membership_keeps_access_until_fixed_or_deleted() {
    let mut stage = Stage::start();
    stage.settle();
    stage.apply(
        "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dave, namespace: partners}
spec: {partnerRef: {name: acme}, email: dave@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
",
    );
    stage.operator.joins_with_mfa(DAVE);
    stage.partners().guest("dave", DAVE, "Active", &["instagram:Manager"]);
    plant(stage.partners(), "guestmemberships", &["gm/bob", "gm/dave"]);
    stage.partners().says("gm/bob", "Unreadable");
    let ready = crate::support::harness::condition(&stage.partners().get("gm/bob"), "Ready");
    let message = ready["message"].as_str().unwrap();
    assert!(
        ["What does not fit", "string \"perhaps\"", "boolean"].iter().all(|part| message.contains(part)),
        "{message}"
    );
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"], "the access is kept");
    assert_eq!(stage.operator.access(DAVE), ["instagram:Manager"]);
    carol_is_not_delayed(stage.partners());

    // The directory's own check applies to this guest, too.
    stage.operator.directory_ok(&["reset-mfa", DAVE]);
    assert!(stage.operator.access(DAVE).is_empty());

    // An unreadable object does not stop the start, and is not reported a second time.
    stage.operator.kill();
    let stored = stage.partners().get("gm/bob")["metadata"]["resourceVersion"].clone();
    stage.operator.start();
    carol_is_not_delayed(stage.partners());
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"]);
    assert_eq!(stage.partners().get("gm/bob")["metadata"]["resourceVersion"], stored, "nothing is written to it");

    // A share that excludes the guest, or grants nothing, still revokes the access.
    let partners = stage.partners();
    partners.patch("share/instagram", r#"{"spec":{"exclude":[{"name":"bob"}]}}"#);
    stage.operator.has_access(BOB, &[]);
    partners.patch("share/instagram", r#"{"spec":{"exclude":null}}"#);
    // A fixed object works as before; a deleted one is removed.
    partners.patch("gm/bob", r#"{"spec":{"suspended":false}}"#);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.says("gm/bob", "Active");
    partners.delete("gm/dave");
    partners.nobody(DAVE);
}

#[test]
fn unreadable_share_or_partner_keeps_grants_until_deleted() {
    let stage = Stage::start();
    stage.settle();
    let partners = stage.partners();
    plant(partners, "accountshares", &["share/instagram"]);
    partners.says("share/instagram", "Unreadable");
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"]);
    // The guest's own acts and losses count.
    partners.patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    stage.operator.has_access(BOB, &[]);
    assert_eq!(stage.operator.access(CAROL), ["instagram:Manager"]);

    plant(partners, "localpartners", &["lp/acme"]);
    partners.says("lp/acme", "Unreadable");
    assert_eq!(stage.operator.access(CAROL), ["instagram:Manager"]);
    partners.patch("gm/carol", r#"{"spec":{"suspended":true}}"#);
    stage.operator.has_access(CAROL, &[]);
    partners.patch("lp/acme", r#"{"spec":{"suspended":null}}"#);
    partners.says("lp/acme", "Reconciled");

    // An unreadable object is deleted: its access is revoked, and the deletion completes.
    partners.patch("share/instagram", r#"{"spec":{"suspended":null}}"#);
    partners.patch("gm/carol", r#"{"spec":{"suspended":null}}"#);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    plant(partners, "accountshares", &["share/instagram"]);
    partners.delete("share/instagram");
    stage.operator.has_access(CAROL, &[]);
}
