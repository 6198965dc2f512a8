//! Whole namespaces are deleted at once: nothing hangs, no access remains, nothing is purged.

use crate::support::harness::{Stage, WORLD, deactivated};
use crate::support::operator::eventually;

const POLICY: &str = "{installation: test, domains: [host.example], mailInterval: 0s, \
                      tenants: [{namespace: 'team-*', hostAdmins: ['*@host.example']}]}";

/// A namespace with two Active guests.
fn settle(stage: &Stage, team: &str) {
    stage.plane.kubectl(&["create", "namespace", team]).ok();
    stage.apply(
        &WORLD.replace("namespace: partners", &format!("namespace: {team}")).replace("@acme.", &format!("@{team}.")),
    );
    for guest in ["carol", "bob"] {
        stage.operator.joins_with_mfa(&format!("{guest}@{team}.example"));
    }
    let bob = format!("bob@{team}.example");
    stage.at(team).guest("bob", &bob, "Active", &["instagram:Collaborator"]);
}

fn begin_to_delete(stage: &Stage, team: &str) {
    stage.plane.kubectl(&["delete", "namespace", team, "--wait=false"]).ok();
}

#[track_caller]
fn is_away(stage: &Stage, team: &str) {
    eventually(&format!("{team} is gone"), || {
        let seen = stage.plane.kubectl(&["get", "namespace", team, "-o", "yaml", "--ignore-not-found"]).ok();
        if seen.is_empty() { Ok(()) } else { Err(format!("{seen}\n{}", stage.operator.log())) }
    });
}

/// Waits until the namespace is deleted, and the directory has only deactivated records of it.
#[track_caller]
fn is_gone(stage: &Stage, team: &str) {
    is_away(stage, team);
    let show = stage.operator.show();
    for list in ["guests", "partners"] {
        assert!(show[list].as_array().unwrap().iter().all(|item| item["namespace"] != team), "{show:#}");
    }
    let away = deactivated(&stage.operator);
    let wanted = ["bob", "carol"].map(|guest| format!("{guest}@{team}.example"));
    assert!(wanted.iter().all(|address| away.contains(address)), "{away:?}");
}

#[test]
fn deleted_namespace_revokes_all_access_and_never_hangs() {
    let mut stage = Stage::prepare_with_controllers();
    stage.operator.policy(POLICY);
    stage.operator.start();
    for team in ["team-0", "team-1", "team-2", "team-3", "team-4"] {
        settle(&stage, team);
    }
    // Everything at once, in the order of the namespace controller. One partner is deleted first and waits for its
    // guests (Block), until the namespace deletes them.
    stage.at("team-1").begin_to_delete("lp/acme");
    stage.at("team-1").says("lp/acme", "DeletionBlocked");
    begin_to_delete(&stage, "team-0");
    begin_to_delete(&stage, "team-1");
    is_gone(&stage, "team-0");
    is_gone(&stage, "team-1");

    // While no operator runs, a partner vanishes without its finalizer, and another namespace is deleted. That
    // namespace waits only for the operator. The guests without a partner have no access, and are removed with their
    // namespace.
    stage.operator.kill();
    stage.at("team-2").patch("lp/acme", r#"{"metadata":{"finalizers":null}}"#);
    stage.at("team-2").delete("lp/acme");
    begin_to_delete(&stage, "team-3");
    stage.at("team-3").shows("gm/bob", "is leaving", |seen| seen["metadata"]["deletionTimestamp"].is_string());
    stage.operator.start();
    stage.at("team-2").says("gm/bob", "PartnerNotFound");
    stage.operator.has_access("bob@team-2.example", &[]);
    begin_to_delete(&stage, "team-2");
    is_gone(&stage, "team-3");
    is_away(&stage, "team-2");
    assert!(stage.operator.guest("bob@team-2.example").is_none());

    if stage.operator.elsewhere.is_none() {
        waits_for_a_locked_directory(&stage);
    } else {
        begin_to_delete(&stage, "team-4");
        is_gone(&stage, "team-4");
    }

    let log = stage.operator.log();
    assert!(!log.contains("failed to write an Event"), "a namespace that is being deleted takes no Events: {log}");
    assert_eq!(stage.versions().trim(), "", "nothing of ours is left");
}

/// The directory accepts no writes: no finalizer is removed, because no access can be revoked; afterwards all are.
fn waits_for_a_locked_directory(stage: &Stage) {
    let lock = rusqlite::Connection::open(stage.operator.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    begin_to_delete(stage, "team-4");
    stage.operator.logs(&["locked"]);
    let bob = stage.at("team-4").get("gm/bob");
    assert!(bob["metadata"]["deletionTimestamp"].is_string() && bob["metadata"]["finalizers"][0].is_string(), "{bob}");
    lock.execute_batch("ROLLBACK").unwrap();
    is_gone(stage, "team-4");
}
