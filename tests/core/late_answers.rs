//! Answers to the operator's own writes race with the watches. A late answer does not overwrite a newer watch event.

use guestlist::api::GuestMembership;
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::Owner;
use guestlist::engine::{Engine, Failure, Input, TaskOutcome};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};

fn bob() -> Object {
    let object: GuestMembership = serde_json::from_value(serde_json::json!({
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "GuestMembership",
        "metadata": {"name": "bob", "namespace": "partners", "uid": "uid-of-bob", "resourceVersion": "7"},
        "spec": {"partnerRef": {"name": "acme"}, "email": "bob@acme.example", "invitedBy": "alice@host.example"},
    }))
    .unwrap();
    Object::Membership(Box::new(object))
}

#[test]
fn task_refused_for_a_time_waits_for_that_time() {
    let owner = Owner { installation: "test".to_owned(), cluster: "cluster".to_owned() };
    let (now, key) = (Timestamp::UNIX_EPOCH, ObjectRef::new(Kind::Membership, "partners", "bob"));
    let seconds = SignedDuration::from_secs;
    let after = |failure: Failure| {
        let mut engine = Engine::new(owner.clone(), WorkspacePolicy::default(), 4);
        engine.handle(Input::Applied { object: Box::new(bob()), version: 7 }, now);
        let outcome = TaskOutcome { failure: Some(failure), ..TaskOutcome::default() };
        engine.handle(Input::Done { key: (&key).into(), outcome: Box::new(outcome) }, now);
        engine.queue().next_due().unwrap().duration_since(now)
    };
    assert_eq!(after(Failure::RetryAfter(seconds(3), "busy".to_owned())), seconds(3));
    let lease = after(Failure::NotLeading);
    assert!(lease.is_positive() && lease <= seconds(1), "{lease:?}");
    for failure in [Failure::Conflict, Failure::Retry("an error".to_owned())] {
        assert!(after(failure).is_positive());
    }
}

#[test]
fn an_object_that_was_deleted_while_we_wrote_it_stays_deleted() {
    let owner = Owner { installation: "test".to_owned(), cluster: "cluster".to_owned() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 4);
    let key = ObjectRef::new(Kind::Membership, "partners", "bob");
    let now = Timestamp::UNIX_EPOCH;
    engine.handle(Input::Applied { object: Box::new(bob()), version: 7 }, now);
    assert!(engine.objects().metadata(&key).is_some());

    engine.handle(Input::Deleted { key: key.clone(), uid: "uid-of-bob".to_owned(), version: 9 }, now);
    let partner = ObjectRef::new(Kind::Partner, "partners", "acme");
    let outcome = TaskOutcome { objects: vec![bob()], ..TaskOutcome::default() };
    engine.handle(Input::Done { key: partner.into(), outcome: Box::new(outcome) }, now);

    assert!(engine.objects().metadata(&key).is_none());
}

/// No event would ever correct it: the watch has delivered the deletion and the new object.
#[test]
fn answer_about_a_deleted_object_leaves_its_successor() {
    let owner = Owner { installation: "test".to_owned(), cluster: "cluster".to_owned() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 4);
    let (now, key) = (Timestamp::UNIX_EPOCH, ObjectRef::new(Kind::Membership, "partners", "bob"));
    let mut successor = bob();
    let Object::Membership(object) = &mut successor else { unreachable!() };
    object.metadata.uid = Some("uid-of-another".to_owned());
    object.metadata.resource_version = Some("9".to_owned());
    engine.handle(Input::Applied { object: Box::new(successor), version: 9 }, now);
    let outcome = TaskOutcome { objects: vec![bob()], ..TaskOutcome::default() };
    engine.handle(Input::Done { key: (&key).into(), outcome: Box::new(outcome) }, now);
    assert_eq!(engine.objects().metadata(&key).and_then(|held| held.uid.as_deref()), Some("uid-of-another"));
}

#[test]
fn late_deletion_of_an_earlier_object_leaves_its_successor() {
    let owner = Owner { installation: "test".to_owned(), cluster: "cluster".to_owned() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 4);
    let (now, key) = (Timestamp::UNIX_EPOCH, ObjectRef::new(Kind::Membership, "partners", "bob"));
    engine.handle(Input::Applied { object: Box::new(bob()), version: 7 }, now);
    for (uid, is_there) in [("uid-of-another", true), ("uid-of-bob", false)] {
        engine.handle(Input::Deleted { key: key.clone(), uid: uid.to_owned(), version: 9 }, now);
        assert_eq!(engine.objects().metadata(&key).is_some(), is_there, "{uid}");
    }
}
