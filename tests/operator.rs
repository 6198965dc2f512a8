//! The operator as a process against a real API server, with the chart's rights: the lifecycle as kubectl sees it, quiet
//! at rest, `kill -9` at any moment under the eyes of an independent observer, and a tenant whom nobody listed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test file")]

#[path = "support/controlplane.rs"]
mod controlplane;
#[path = "support/operator.rs"]
mod operator;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use controlplane::ControlPlane;
use operator::{Operator, READY, becomes, eventually, status};

const WORLD: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: instagram
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: carol}]
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: bob@acme.example, invitedBy: carol@acme.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example, dan@host.example]}
";

const CAROL: &str = "carol@acme.example";
const BOB: &str = "bob@acme.example";

fn patch(plane: &ControlPlane, object: &str, patch: &str) {
    plane.kubectl(&["patch", "-n", "partners", object, "--type=merge", "-p", patch]).ok();
}

fn annotate(plane: &ControlPlane, object: &str, annotation: &str) {
    plane.kubectl(&["annotate", "-n", "partners", object, "--overwrite", annotation]).ok();
}

/// Applies the world and brings both guests to Active.
fn settled(plane: &ControlPlane, operator: &Operator) {
    plane.apply(WORLD);
    operator.joins_with_mfa(CAROL);
    operator.joins_with_mfa(BOB);
    operator.has_access(CAROL, &["instagram:Manager"]);
    operator.has_access(BOB, &["instagram:Collaborator"]);
}

/// The resourceVersions of everything of ours.
fn versions(plane: &ControlPlane) -> String {
    let path = "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {end}";
    plane.kubectl(&["get", "lp,gm,share", "-A", "-o", path]).ok()
}

/// Waits until nothing is written for several resyncs (of 2 s).
fn rests(plane: &ControlPlane, operator: &Operator) {
    let mut last = (String::new(), Vec::new());
    let mut quiet = 0;
    eventually("everything is at rest", || {
        let now = (versions(plane), operator.bytes());
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
        std::thread::sleep(Duration::from_millis(500));
        if quiet >= 20 { Ok(()) } else { Err(format!("{}\n{}", last.0, operator.log())) }
    });
}

#[test]
fn a_guest_goes_through_the_lifecycle_as_kubectl_sees_it() {
    let plane = ControlPlane::start_with_controllers();
    let mut operator = Operator::prepare(&plane);
    operator.start();
    plane.apply(WORLD);
    // Applied in the wrong order: bob waits for carol, and she has nothing before MFA.
    becomes(&plane, &operator, "gm/bob", READY, "InviterNotActive");
    becomes(&plane, &operator, "gm/carol", "{.status.state}", "Invited");
    operator.directory_ok(&["accept", CAROL]);
    becomes(&plane, &operator, "gm/carol", "{.status.state}", "Joined");
    assert!(operator.access(CAROL).is_empty());
    operator.directory_ok(&["enroll-mfa", CAROL]);
    becomes(&plane, &operator, "gm/carol", "{.status.state}", "Active");
    operator.joins_with_mfa(BOB);
    operator.has_access(BOB, &["instagram:Collaborator"]);
    becomes(&plane, &operator, "share/instagram", "{.status.grants.summary}", "2/2");

    // An MFA reset takes access away at once, in the directory itself.
    operator.directory_ok(&["reset-mfa", BOB]);
    assert!(operator.access(BOB).is_empty());
    becomes(&plane, &operator, "gm/bob", "{.status.state}", "Joined");
    operator.directory_ok(&["enroll-mfa", BOB, "--method", "WebAuthn"]);
    operator.has_access(BOB, &["instagram:Collaborator"]);

    // Exclusion, demotion of the propagator, and back.
    patch(&plane, "share/instagram", r#"{"spec":{"exclude":[{"name":"bob"}]}}"#);
    operator.has_access(BOB, &[]);
    patch(&plane, "share/instagram", r#"{"spec":{"exclude":null}}"#);
    operator.has_access(BOB, &["instagram:Collaborator"]);
    patch(&plane, "gm/carol", r#"{"spec":{"role":"GuestUser"}}"#);
    operator.has_access(CAROL, &[]);
    operator.has_access(BOB, &[]);
    becomes(&plane, &operator, "share/instagram", READY, "PropagationNeedsManager");
    patch(&plane, "gm/carol", r#"{"spec":{"role":"GuestAdmin"}}"#);
    operator.has_access(CAROL, &["instagram:Manager"]);
    operator.has_access(BOB, &["instagram:Collaborator"]);

    // The owner changes behind our back; the account goes and comes back.
    operator.directory_ok(&["set-owner", "instagram", "dan@host.example"]);
    operator.has_access(BOB, &[]);
    becomes(&plane, &operator, "share/instagram", READY, "SharerNotOwner");
    operator.directory_ok(&["set-owner", "instagram", "alice@host.example"]);
    operator.has_access(BOB, &["instagram:Collaborator"]);
    operator.directory_ok(&["delete-account", "instagram"]);
    becomes(&plane, &operator, "share/instagram", READY, "AccountNotFound");
    operator.directory_ok(&["restore-account", "instagram"]);
    operator.has_access(BOB, &["instagram:Collaborator"]);

    // Suspension and expiry withhold, and both come back.
    patch(&plane, "lp/acme", r#"{"spec":{"suspended":true}}"#);
    operator.has_access(CAROL, &[]);
    becomes(&plane, &operator, "gm/carol", "{.status.state}", "Suspended");
    patch(&plane, "lp/acme", r#"{"spec":{"suspended":false}}"#);
    operator.has_access(CAROL, &["instagram:Manager"]);
    patch(&plane, "gm/bob", r#"{"spec":{"expiresAt":"2020-01-01T00:00:00Z"}}"#);
    operator.has_access(BOB, &[]);
    becomes(&plane, &operator, "gm/bob", "{.status.state}", "Expired");
    patch(&plane, "gm/bob", r#"{"spec":{"expiresAt":null}}"#);
    operator.has_access(BOB, &["instagram:Collaborator"]);

    // A pause gives nothing, and does not stand in the way of taking away.
    annotate(&plane, "gm/bob", "guestlist.dev/paused=true");
    patch(&plane, "share/instagram", r#"{"spec":{"suspended":true}}"#);
    operator.has_access(BOB, &[]);
    patch(&plane, "share/instagram", r#"{"spec":{"suspended":false}}"#);
    operator.has_access(CAROL, &["instagram:Manager"]);
    becomes(&plane, &operator, "gm/bob", READY, "Paused");
    assert!(operator.access(BOB).is_empty());
    annotate(&plane, "gm/bob", "guestlist.dev/paused-");
    operator.has_access(BOB, &["instagram:Collaborator"]);

    // Block takes nobody along; Cascade does, and leaves deactivated records.
    plane.kubectl(&["delete", "-n", "partners", "lp/acme", "--wait=false"]).ok();
    becomes(&plane, &operator, "lp/acme", READY, "DeletionBlocked");
    assert_eq!(operator.access(BOB), ["instagram:Collaborator"]);
    patch(&plane, "lp/acme", r#"{"spec":{"deletion":"Cascade"}}"#);
    eventually("the partner and all that is its are gone", || {
        let left = plane.kubectl(&["get", "lp,gm,share", "-A", "-o", "name"]).ok();
        if left.trim().is_empty() { Ok(()) } else { Err(format!("{left}\n{}", operator.log())) }
    });
    let show = operator.show();
    assert_eq!(show["guests"].as_array().unwrap().len(), 0, "{show}");
    assert_eq!(show["deactivated"].as_array().unwrap().len(), 2, "{show}");
    assert_eq!(operator.terminate(), Some(0), "{}", operator.log());
}

#[test]
fn at_rest_nothing_is_written_not_even_after_a_restart_or_an_outage() {
    let mut plane = ControlPlane::start();
    let mut operator = Operator::prepare(&plane);
    operator.start();
    settled(&plane, &operator);
    rests(&plane, &operator);
    let before = versions(&plane);
    operator.kill();
    operator.start();
    rests(&plane, &operator);
    assert_eq!(versions(&plane), before, "a restart writes nothing");
    plane.stop_api_server();
    plane.start_api_server();
    patch(&plane, "share/instagram", r#"{"spec":{"suspended":true}}"#);
    operator.has_access(BOB, &[]);
}

#[test]
fn a_membership_that_vanished_without_its_finalizer_leaves_no_access_behind() {
    let plane = ControlPlane::start();
    let mut operator = Operator::prepare(&plane);
    operator.start();
    settled(&plane, &operator);
    operator.kill();
    patch(&plane, "gm/bob", r#"{"metadata":{"finalizers":null}}"#);
    plane.kubectl(&["delete", "-n", "partners", "gm/bob"]).ok();
    assert_eq!(operator.access(BOB), ["instagram:Collaborator"], "nobody was there to take it away");
    operator.start();
    operator.has_access(BOB, &[]);
    assert_eq!(operator.access(CAROL), ["instagram:Manager"]);
    assert_eq!(operator.show()["deactivated"].as_array().unwrap().len(), 0, "an orphan's record is left alone");
}

#[test]
fn whoever_is_not_listed_gets_nothing_whatever_is_written() {
    let plane = ControlPlane::start();
    let mut operator = Operator::prepare(&plane);
    operator.start();
    plane.apply(&WORLD.replace("namespace: partners", "namespace: strangers"));
    eventually("the stranger's partner is refused", || {
        let seen = plane.kubectl(&["get", "-n", "strangers", "lp/acme", "-o", &format!("jsonpath={READY}")]).stdout;
        if seen == "HostAdminNotAllowedHere" { Ok(()) } else { Err(format!("{seen}\n{}", operator.log())) }
    });
    eventually("the stranger's share is refused", || {
        let seen =
            plane.kubectl(&["get", "-n", "strangers", "share/instagram", "-o", &format!("jsonpath={READY}")]).stdout;
        if seen == "HostAdminNotAllowedHere" { Ok(()) } else { Err(format!("{seen}\n{}", operator.log())) }
    });
    rests(&plane, &operator);
    let show = operator.show();
    assert_eq!(show["guests"].as_array().unwrap().len() + show["partners"].as_array().unwrap().len(), 0, "{show}");
    // A policy that lists the namespace heals it without any other step; one that drops it withholds.
    let listed = operator::POLICY.replace("namespace: partners", "namespace: strangers");
    std::fs::write(operator.folder.join("workspace.yaml"), listed).unwrap();
    operator.joins_with_mfa(CAROL);
    operator.has_access(CAROL, &["instagram:Manager"]);
    std::fs::write(operator.folder.join("workspace.yaml"), operator::POLICY).unwrap();
    operator.has_access(CAROL, &[]);
}

#[test]
fn killed_at_any_moment_it_ends_the_same_and_no_forbidden_grant_was_ever_there() {
    let plane = ControlPlane::start();
    let mut operator = Operator::prepare(&plane);
    operator.start();
    let stop = Arc::new(AtomicBool::new(false));
    let observer = observe(operator.folder.join("directory.db"), stop.clone());
    plane.apply(WORLD);
    let edits: [&dyn Fn(); 10] = [
        &|| drop(operator_directory(&plane, &["accept", CAROL])),
        &|| drop(operator_directory(&plane, &["enroll-mfa", CAROL])),
        &|| drop(operator_directory(&plane, &["accept", BOB])),
        &|| drop(operator_directory(&plane, &["enroll-mfa", BOB])),
        &|| patch(&plane, "gm/carol", r#"{"spec":{"role":"GuestUser"}}"#),
        &|| drop(operator_directory(&plane, &["reset-mfa", BOB])),
        &|| patch(&plane, "gm/carol", r#"{"spec":{"role":"GuestAdmin"}}"#),
        &|| patch(&plane, "share/instagram", r#"{"spec":{"exclude":[{"name":"bob"}]}}"#),
        &|| drop(operator_directory(&plane, &["enroll-mfa", BOB])),
        &|| patch(&plane, "share/instagram", r#"{"spec":{"exclude":null}}"#),
    ];
    for round in 0..20_u64 {
        edits[usize::try_from(round).unwrap() % edits.len()]();
        // At another moment of the work each time: during the start, between two calls, at rest.
        std::thread::sleep(Duration::from_millis(round * 37 % 400));
        operator.kill();
        operator.go();
    }
    operator.kill();
    operator.start();
    operator.joins_with_mfa(CAROL);
    operator.joins_with_mfa(BOB);
    operator.has_access(CAROL, &["instagram:Manager"]);
    operator.has_access(BOB, &["instagram:Collaborator"]);
    rests(&plane, &operator);
    stop.store(true, Ordering::Relaxed);
    let looks = observer.join().unwrap();
    assert!(looks > 20, "the observer looked {looks} times only");
    assert_eq!(status(&plane, "gm/bob", "{.status.state}"), "Active");
}

fn operator_directory(plane: &ControlPlane, args: &[&str]) -> std::process::Output {
    let database = plane.dir().join("operator/directory.db");
    std::process::Command::new(env!("CARGO_BIN_EXE_guestlist"))
        .args(["directory", "--directory", &format!("sqlite:{}", database.display())])
        .args(args)
        .output()
        .unwrap()
}

/// What must never be there, whoever runs and whenever one looks: a Guest User as Manager, a grant of somebody who is
/// deactivated or has not joined, and a grant that was *given* while no method that counts was enrolled. (One that was
/// given before MFA was lost may stand for a moment: the directory does not let it be used.)
const FORBIDDEN: &str = "SELECT count(*) FROM grants JOIN guests ON guests.id = grants.guest
    WHERE (grants.role = 'Manager' AND guests.role = 'GuestUser')
       OR guests.deactivated_at IS NOT NULL
       OR guests.joined_at IS NULL
       OR (NOT EXISTS (SELECT 1 FROM mfa WHERE mfa.address = guests.address)
           AND (guests.mfa_lost_at IS NULL OR grants.since > guests.mfa_lost_at))";

fn forbidden(connection: &rusqlite::Connection) -> i64 {
    connection.query_row(FORBIDDEN, [], |row| row.get(0)).unwrap()
}

/// Looks at the file itself, again and again.
fn observe(database: std::path::PathBuf, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let connection = rusqlite::Connection::open(database).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        let mut looks = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(forbidden(&connection), 0, "a forbidden grant after {looks} looks");
            looks += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        looks
    })
}

#[test]
fn the_observer_notices_what_is_forbidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    drop(guestlist::directory::sqlite::Store::open(&path, guestlist::directory::sqlite::Access::Create).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "INSERT INTO accounts (name) VALUES ('a');
             INSERT INTO partners (id, installation, cluster, namespace, name, uid, display_name, host_admins)
                VALUES ('p', 'i', 'c', 'n', 'p', 'u', 'P', '');
             INSERT INTO guests (id, revision, address, installation, cluster, namespace, name, uid, origin, partner,
                partner_name, display_name, role, joined_at, login)
                VALUES ('g', 1, 'bob@acme.example', 'i', 'c', 'n', 'bob', 'u1', 'Made', 'p', 'p', 'Bob', 'GuestUser',
                '2027-01-01T00:00:00.000000000Z', 1);
             INSERT INTO mfa (address, method, enrolled_at)
                VALUES ('bob@acme.example', 'TOTP', '2027-01-01T00:01:00.000000000Z');
             INSERT INTO grants (guest, account, role, share, share_uid, allowed, asked, since)
                VALUES ('g', 'a', 'Collaborator', 's', 'us', 'TOTP', 'TOTP', '2027-01-01T00:02:00.000000000Z');",
        )
        .unwrap();
    let after = |change: &str| {
        connection.execute_batch(&format!("SAVEPOINT s; {change}")).unwrap();
        let seen = forbidden(&connection);
        connection.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
        seen
    };
    assert_eq!(after(""), 0);
    assert_eq!(after("DELETE FROM mfa"), 1, "given though MFA never was there");
    let lost =
        |at: &str| format!("DELETE FROM mfa; UPDATE guests SET mfa_lost_at = '2027-01-01T00:{at}:00.000000000Z'");
    assert_eq!(after(&lost("03")), 0, "given before MFA was lost");
    assert_eq!(after(&lost("01")), 1, "given after MFA was lost");
    assert_eq!(after("UPDATE guests SET joined_at = NULL"), 1);
    // The file itself refuses these two; without its triggers the observer would be the one to notice.
    let deactivated = "UPDATE guests SET login = 0, deactivated_at = '2027-01-01T00:03:00.000000000Z'";
    let manager = "UPDATE grants SET role = 'Manager'";
    for change in [deactivated, manager] {
        assert!(connection.execute_batch(change).is_err(), "{change}");
    }
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
    let triggers: Vec<String> =
        connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    assert_eq!((after(deactivated), after(manager)), (1, 1));
}
