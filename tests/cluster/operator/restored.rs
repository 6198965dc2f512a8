//! Backups: of the cluster with its old UIDs and resourceVersions, and of the manifests, whose objects get new ones.

use crate::support::harness::{BOB, CAROL, Stage, WORLD, deactivated};

#[test]
fn restored_cluster_is_trusted_and_removed_guest_is_reinvited() {
    let mut stage = Stage::start();
    stage.settle();
    stage.rests(2);
    stage.plane.command("snapshot before");
    stage.partners().delete("gm/bob");
    stage.partners().nobody(BOB);
    stage.partners().patch("gm/carol", r#"{"spec":{"role":"GuestUser"}}"#);
    stage.partners().guest("carol", CAROL, "Active", &[]);
    stage.apply(
        &WORLD
            .replace("bob", "ned")
            .split("---")
            .nth(1)
            .unwrap()
            .replace("carol@", "alice@")
            .replace("alice@acme", "alice@host"),
    );
    stage.partners().guest("ned", "ned@acme.example", "Invited", &[]);
    stage.plane.command("restore before");
    stage.operator.is_ready();
    let partners = stage.partners();
    // The server's state counts, although its resourceVersions are lower than those seen before.
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    // Bob's membership is back under its UID, but the guest was removed: a new invitation, and no access before its
    // acceptance.
    partners.guest("bob", BOB, "Invited", &[]);
    stage.operator.joins(BOB);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    // A guest without a declaration keeps the record, without access.
    assert_eq!(stage.operator.access("ned@acme.example"), Vec::<String>::new());
    partners.patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    partners.guest("bob", BOB, "Suspended", &[]);
    stage.rests(3);
}

#[test]
fn recreated_objects_reclaim_guests_of_their_names_as_active() {
    let mut stage = Stage::start();
    stage.settle();
    let partners = stage.partners();
    let uid = partners.get("gm/bob")["metadata"]["uid"].clone();
    let joined = partners.get("gm/bob")["status"]["joinedAt"].clone();
    stage.operator.kill();
    for object in ["share/instagram", "gm/bob", "gm/carol", "lp/acme"] {
        stage.partners().patch(object, r#"{"metadata":{"finalizers":null}}"#);
        stage.partners().delete(object);
    }
    stage.apply(WORLD);
    stage.operator.start();
    let partners = stage.partners();
    partners.guest("carol", CAROL, "Active", &["instagram:Manager"]);
    partners.guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    let bob = partners.get("gm/bob");
    assert_ne!(bob["metadata"]["uid"], uid);
    assert_eq!(bob["status"]["joinedAt"], joined, "the record of the first joining is kept");
    assert_eq!(deactivated(&stage.operator), Vec::<String>::new());
    stage.rests(3);
    // The ownership marks were inherited: a deletion revokes the access.
    stage.partners().delete("gm/bob");
    stage.partners().nobody(BOB);
}

#[test]
fn membership_gone_without_finalizer_leaves_no_access() {
    let mut stage = Stage::start();
    stage.settle();
    stage.operator.kill();
    stage.partners().patch("gm/bob", r#"{"metadata":{"finalizers":null}}"#);
    stage.partners().delete("gm/bob");
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"], "nobody was there to take it away");
    stage.operator.start();
    stage.operator.has_access(BOB, &[]);
    assert_eq!(stage.operator.access(CAROL), ["instagram:Manager"]);
    assert_eq!(deactivated(&stage.operator), Vec::<String>::new(), "an orphan's record is left alone");
}
