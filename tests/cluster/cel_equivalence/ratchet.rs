//! A stricter rule does not lock an object that was stored before it. The object can be suspended, annotated and
//! deleted, get a status, and lose its finalizer. A wrong value can be fixed, but not replaced by another wrong one.

use std::time::{Duration, Instant};

use guestlist::api::crds;
use serde_json::Value;

use super::install;
use crate::support::controlplane::ControlPlane;

/// Each field that a rule checks is wrong.
const STORED: &str = r#"
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: wrong, finalizers: [guestlist.dev/access]}
spec:
  displayName: DISPLAY
  hostAdmins: [alice, ALICE, alice@host.example]
  mfa: {required: false, methods: [SMS, SMS], enrolWithin: 999h}
  invitations: {expireAfter: 7d}
  guests: {allowedDomains: [], deniedDomains: [Acme], maxGuests: -1, maxDuration: for ever}
  expiresAt: tomorrow
  adoption: Always
  deletion: Maybe
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: wrong, finalizers: [guestlist.dev/access]}
spec:
  partnerRef: {name: wrong}
  email: Bob <bob@acme.example>
  displayName: DISPLAY
  role: Owner
  invitedBy: alice
  mfa: {required: false, methods: []}
  expiresAt: 2027-02-29T00:00:00Z
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: wrong, finalizers: [guestlist.dev/access]}
spec:
  partnerRef: {name: wrong}
  account: " "
  sharedBy: alice
  guestAdminRole: Owner
  guestUsers:
  - {name: bob, propagatedBy: carol, role: Manager, email: bob}
  - {name: dave, propagatedBy: carol}
  roleOverrides: [{name: dave, role: Owner, email: dave}]
  exclude: [{name: erin, email: erin}]
  mfa: {required: false, methods: [SMS]}
  expiresAt: soon
"#;
const KINDS: [&str; 3] = ["localpartner", "guestmembership", "accountshare"];

/// The definitions of a possible earlier, less strict release.
fn looser() -> String {
    let definitions: Vec<String> = crds()
        .iter()
        .map(|crd| {
            let mut crd = serde_json::to_value(crd).unwrap();
            loosen(&mut crd);
            crd.to_string()
        })
        .collect();
    definitions.join("\n---\n")
}

fn loosen(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("x-kubernetes-validations");
            if map.get("maxLength").is_some_and(Value::is_number) {
                map.insert("maxLength".to_owned(), Value::from(5_000));
            }
            map.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An object that was stored under the less strict definitions, with today's in force.
fn stored(manifests: &str) -> ControlPlane {
    let plane = ControlPlane::start();
    plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &looser()).ok();
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=4m", "crd", "--all"]).ok();
    plane.apply(manifests);
    install(&plane);
    // The server needs a moment to apply the new definitions.
    let wrong = STORED.replace("DISPLAY", "x").replace("name: wrong", "name: another");
    let until = Instant::now() + Duration::from_mins(1);
    for kind in KINDS {
        let text = wrong.split("\n---\n").find(|text| text.to_lowercase().contains(&format!("kind: {kind}"))).unwrap();
        while plane.kubectl_with(&["create", "--dry-run=server", "-f", "-"], text).success {
            assert!(Instant::now() < until, "the definitions of {kind} never came into force");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    plane
}

fn patch(plane: &ControlPlane, kind: &str, patch: &str) -> crate::support::controlplane::Said {
    plane.kubectl(&["patch", kind, "wrong", "--type=merge", "--patch", patch])
}

#[test]
fn object_stored_before_a_rule_is_not_locked_by_it() {
    let plane = stored(&STORED.replace("DISPLAY", &"x".repeat(300)));
    for kind in KINDS {
        patch(&plane, kind, r#"{"spec": {"suspended": true}}"#).ok();
        plane.kubectl(&["annotate", kind, "wrong", "guestlist.dev/paused=true"]).ok();
        plane.kubectl(&["label", kind, "wrong", "team=a"]).ok();
        let status = r#"{"status": {"observedGeneration": 2, "violationCount": 3}}"#;
        plane.kubectl(&["patch", kind, "wrong", "--subresource=status", "--type=merge", "--patch", status]).ok();
        let apply = "guestlist.dev/v1alpha1";
        let manifest = format!("{{apiVersion: {apply}, kind: KIND, metadata: {{name: wrong, labels: {{team: b}}}}}}");
        let kind_name = ["LocalPartner", "GuestMembership", "AccountShare"]
            .into_iter()
            .find(|name| name.eq_ignore_ascii_case(kind))
            .unwrap();
        let arguments =
            ["apply", "--server-side", "--force-conflicts", "--field-manager=labels", "--validate=false", "-f", "-"];
        plane.kubectl_with(&arguments, &manifest.replace("KIND", kind_name)).ok();
    }
    recovers(&plane);
    for kind in KINDS {
        plane.kubectl(&["delete", kind, "wrong", "--wait=false"]).ok();
        patch(&plane, kind, r#"{"spec": {"suspended": false}}"#).ok();
        patch(&plane, kind, r#"{"metadata": {"finalizers": null}}"#).ok();
        let gone = plane.kubectl(&["get", kind, "wrong"]).refused();
        assert!(gone.contains("not found"), "{gone}");
    }
}

/// One wrong field can be fixed while the others stay, and cannot get another wrong value; a list keeps its other
/// entries.
fn recovers(plane: &ControlPlane) {
    for (kind, wrong, right) in [
        (KINDS[0], r#"{"spec": {"expiresAt": "never"}}"#, r#"{"spec": {"expiresAt": "2037-01-01T00:00:00Z"}}"#),
        (
            KINDS[0],
            r#"{"spec": {"hostAdmins": ["alice", "bob"]}}"#,
            r#"{"spec": {"hostAdmins": ["alice@host.example"]}}"#,
        ),
        (KINDS[1], r#"{"spec": {"invitedBy": "bob"}}"#, r#"{"spec": {"invitedBy": "alice@host.example"}}"#),
        (KINDS[2], r#"{"spec": {"mfa": {"methods": ["totp"]}}}"#, r#"{"spec": {"mfa": {"methods": ["TOTP"]}}}"#),
    ] {
        patch(plane, kind, wrong).refused();
        patch(plane, kind, right).ok();
    }
    let entry = r"{apiVersion: guestlist.dev/v1alpha1, kind: AccountShare, metadata: {name: wrong}, spec: {guestUsers: [{name: frank, propagatedBy: carol}]}}";
    let apply = ["apply", "--server-side", "--field-manager=other", "--validate=false", "-f", "-"];
    plane.kubectl_with(&apply, entry).ok();
    let names = plane.kubectl(&["get", KINDS[2], "wrong", "-o", "jsonpath={.spec.guestUsers[*].name}"]).ok();
    assert_eq!(names, "bob dave frank");
}

#[test]
fn partner_without_host_admins_must_name_one_or_be_deleted() {
    // The only rule above the fields, part of the first release: a missing value has no field.
    let plane = stored(
        "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: wrong, finalizers: [guestlist.dev/access]}\nspec: {}\n",
    );
    plane.kubectl(&["annotate", KINDS[0], "wrong", "guestlist.dev/paused=true"]).ok();
    let told = patch(&plane, KINDS[0], r#"{"spec": {"suspended": true}}"#).refused();
    assert!(told.contains("HostAdminRequired"), "{told}");
    patch(&plane, KINDS[0], r#"{"spec": {"suspended": true, "hostAdmins": ["alice@host.example"]}}"#).ok();
    patch(&plane, KINDS[0], r#"{"spec": {"hostAdmins": null}}"#).refused();
    plane.kubectl(&["delete", KINDS[0], "wrong", "--wait=false"]).ok();
    patch(&plane, KINDS[0], r#"{"metadata": {"finalizers": null}}"#).ok();
}
