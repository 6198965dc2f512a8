//! `kill -9` at any moment of the whole lifecycle, watched by an independent observer: the same end.

use std::time::Duration;

use super::observer;
use crate::support::harness::{BOB, CAROL, Place, Stage, WORLD, deactivated};
use crate::support::operator::eventually;

const OLIVIA: &str = "olivia@bolt.example";

/// A second partner that is deleted with all its objects.
const BOLT: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: bolt, namespace: partners}
spec: {hostAdmins: [dan@host.example], deletion: Cascade}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: olivia, namespace: partners}
spec: {partnerRef: {name: bolt}, email: olivia@bolt.example, role: GuestAdmin, invitedBy: dan@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: bolt}, account: tiktok, sharedBy: dan@host.example}
";

/// An edit of a person or a guest. An edit that is impossible at that moment is refused, which is fine.
enum Edit {
    Apply(&'static str),
    Directory(&'static [&'static str]),
    Patch(&'static str, &'static str),
    Annotate(&'static str, &'static str),
    Delete(&'static str),
}

use Edit::{Annotate, Apply, Delete, Directory, Patch};

const EDITS: [Edit; 32] = [
    Apply(WORLD),
    Apply(BOLT),
    Directory(&["accept", CAROL]),
    Directory(&["enroll-mfa", CAROL]),
    Directory(&["accept", OLIVIA]),
    Directory(&["enroll-mfa", OLIVIA]),
    Directory(&["accept", BOB]),
    Directory(&["enroll-mfa", BOB]),
    Patch("gm/carol", r#"{"spec":{"role":"GuestUser"}}"#),
    Directory(&["reset-mfa", BOB]),
    Patch("gm/carol", r#"{"spec":{"role":"GuestAdmin"}}"#),
    Patch("share/instagram", r#"{"spec":{"exclude":[{"name":"bob"}]}}"#),
    Directory(&["enroll-mfa", BOB]),
    Patch("share/instagram", r#"{"spec":{"exclude":null}}"#),
    Patch("gm/bob", r#"{"spec":{"suspended":true}}"#),
    Directory(&["set-owner", "instagram", "dan@host.example"]),
    Patch("gm/bob", r#"{"spec":{"suspended":null}}"#),
    Directory(&["set-owner", "instagram", "alice@host.example"]),
    Patch("share/instagram", r#"{"spec":{"expiresAt":"2020-01-01T00:00:00Z"}}"#),
    Delete("lp/bolt"),
    Patch("share/instagram", r#"{"spec":{"expiresAt":null}}"#),
    Delete("gm/bob"),
    Patch("gm/carol", r#"{"spec":{"mfa":{"methods":["WebAuthn"]}}}"#),
    Apply(WORLD),
    Patch("gm/carol", r#"{"spec":{"mfa":null}}"#),
    Annotate("gm/carol", "guestlist.dev/paused=true"),
    Directory(&["accept", BOB]),
    Patch("lp/acme", r#"{"spec":{"suspended":true}}"#),
    Annotate("gm/carol", "guestlist.dev/paused-"),
    Patch("lp/acme", r#"{"spec":{"suspended":null}}"#),
    Delete("share/instagram"),
    Apply(WORLD),
];

fn apply(edit: &Edit, partners: Place<'_>) {
    match edit {
        Apply(manifests) => {
            // A terminating object accepts no changes; it is applied again at the end.
            partners.stage.plane.kubectl_with(&["apply", "--server-side", "-f", "-"], manifests);
        }
        Directory(arguments) => drop(partners.stage.operator.directory(arguments)),
        Patch(object, patch) => drop(partners.kubectl(&["patch", object, "--type=merge", "-p", patch])),
        Annotate(object, annotation) => drop(partners.kubectl(&["annotate", object, "--overwrite", annotation])),
        Delete(object) => drop(partners.kubectl(&["delete", object, "--wait=false"])),
    }
}

#[test]
fn operator_killed_anytime_converges_without_forbidden_grants() {
    let mut stage = Stage::start();
    let observer = observer::watch(&stage.operator);
    // The number of times that an operator has become the leader.
    let mut led = 0;
    for (round, edit) in EDITS.iter().enumerate() {
        if matches!(edit, Delete("lp/bolt")) {
            // A record that no operator has seen yet needs no deactivation.
            eventually("olivia is a guest", || stage.operator.guest(OLIVIA).map(drop).ok_or(stage.operator.log()));
        }
        apply(edit, stage.partners());
        // Most of them reach their work, however long a start takes; some are killed before.
        if round % 4 != 3 {
            eventually("it leads", || {
                let log = stage.operator.log();
                if log.matches("leader of the directory").count() > led { Ok(()) } else { Err(log) }
            });
        }
        // At another moment of the work each time: during the start, between two calls, or after convergence.
        std::thread::sleep(Duration::from_millis(round as u64 * 137 % 700));
        stage.operator.kill();
        led = stage.operator.log().matches("leader of the directory").count();
        stage.operator.go();
    }
    stage.operator.kill();
    stage.operator.start();
    // An object that still had a killed operator's finalizer during the apply is applied once more.
    let partners = stage.partners();
    for gone in ["lp/bolt", "gm/olivia", "share/tiktok"] {
        partners.shows(gone, "is gone", serde_json::Value::is_null);
    }
    eventually("no object is being deleted", || {
        let path = "jsonpath={.items[*].metadata.deletionTimestamp}";
        let leaving = partners.kubectl(&["get", "lp,gm,share", "-o", path]).ok();
        if leaving.is_empty() { Ok(()) } else { Err(format!("{leaving}\n{}", stage.operator.log())) }
    });
    stage.apply(WORLD);
    stage.operator.joins_with_mfa(CAROL);
    stage.operator.joins_with_mfa(BOB);
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    partners.says("lp/acme", "Reconciled");
    partners.says("share/instagram", "Reconciled");
    partners.becomes("share/instagram", "/status/grants/summary", "2/2");
    assert_eq!(deactivated(&stage.operator), [OLIVIA], "the removed guest is deactivated, and no other");
    if let Some(elsewhere) = &stage.operator.elsewhere {
        // Bob is deactivated once and invited again, unless no operator had seen the membership before the deletion.
        let [carol, olivia, bob] = [CAROL, OLIVIA, BOB].map(|who| elsewhere.mails(who));
        assert!(carol == 1 && olivia <= 1 && (1..=2).contains(&bob), "mails: {carol}, {olivia}, {bob}");
    }
    let looks = observer.looked();
    assert!(looks > 100, "the observer looked {looks} times only");
}
