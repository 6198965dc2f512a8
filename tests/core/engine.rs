//! The failures of tasks, and the data for readiness.

use guestlist::cache::{Kind, Object, ObjectCache, ObjectRef};
use guestlist::directory::{Changed, GuestChange, GuestId, Operation, Owner};
use guestlist::engine::queue::{Priority, Queue, QueueKey};
use guestlist::engine::{Engine, Failure, wanted};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

#[test]
fn cause_of_each_failure_is_its_text_or_one_of_its_own() {
    let why = || "failed to revoke: no answer".to_owned();
    let id = GuestId("1".to_owned());
    let operation = || Box::new(Operation::Guest { id: id.clone(), change: GuestChange::DisableLogin });
    for failure in [
        Failure::Permanent(why()),
        Failure::Retry(why()),
        Failure::OperationFailed(operation(), why()),
        Failure::Unwritable(operation(), why()),
        Failure::Refused(operation(), why()),
        Failure::MailNotSent(operation(), why()),
        Failure::RetryAfter(SignedDuration::from_secs(3), why()),
        Failure::Stop(why()),
    ] {
        assert_eq!(failure.cause(), why(), "{failure:?}");
    }
    assert_eq!(Failure::Panicked("no guest".to_owned()).cause(), "internal error: no guest");
    let others = [Failure::NotFound, Failure::Conflict, Failure::NotLeading, Failure::Replan];
    let mut causes: Vec<_> = others.iter().map(Failure::cause).collect();
    causes.sort_unstable();
    causes.dedup();
    assert!(causes.len() == others.len() && causes.iter().all(|cause| cause.len() > 10), "{causes:?}");
}

#[test]
fn warnings_of_the_directory_are_replaced_and_cause_no_problem() {
    let owner = Owner { installation: "test".to_owned(), cluster: "cluster".to_owned() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 4);
    let problems = engine.health().missing();
    for warning in ["the realm sends no mail", "the realm has no events"] {
        engine.set_warnings(vec![warning.to_owned()]);
        assert_eq!(engine.health().warnings, [warning]);
        assert_eq!(engine.health().missing(), problems);
    }
}

/// Access that ends at an instant does not wait for a check of all objects.
#[test]
fn due_timer_precedes_a_check_of_all_objects() {
    let (mut queue, now) = (Queue::default(), Timestamp::UNIX_EPOCH);
    let key = |name: &str| QueueKey::from(ObjectRef::new(Kind::Membership, "partners", name));
    queue.at(key("bob"), now);
    queue.push(key("carol"), Priority::Resync);
    queue.tick(now);
    queue.push(key("dave"), Priority::Withhold);
    assert_eq!([queue.pop(), queue.pop(), queue.pop()], ["dave", "bob", "carol"].map(|name| Some(key(name))));
}

#[test]
fn change_of_everything_needs_a_full_read_beside_any_other() {
    let other = Changed::Account("instagram".to_owned());
    for (changed, read) in [
        (vec![], Some(0)),
        (vec![other.clone()], Some(1)),
        (vec![Changed::Purged, other.clone()], Some(2)),
        (vec![Changed::Everything], None),
        (vec![Changed::Everything, other], None),
    ] {
        assert_eq!(wanted(&changed.iter().cloned().collect()).map(|read| read.len()), read, "{changed:?}");
    }
}

#[test]
fn back_off_stays_short_after_the_clock_was_set_back() {
    let key = QueueKey::from(ObjectRef::new(Kind::Membership, "partners", "bob"));
    for hours in [1, 24, 24 * 365] {
        let (mut queue, now) = (Queue::default(), Timestamp::UNIX_EPOCH);
        let first = queue.back_off(&key, now);
        let earlier = now - SignedDuration::from_hours(hours);
        let second = queue.back_off(&key, earlier);
        assert!(first.is_positive() && second <= SignedDuration::from_mins(2), "{hours} hours: {second:?}");
        assert_eq!(queue.next_due(), Some(earlier + second));
    }
}

/// An entry for a guest of another partner breaks a rule of the share.
#[test]
fn membership_elsewhere_affects_each_share_that_names_it() {
    fn read(kind: &str, name: &str, version: u64, spec: &Value) -> Object {
        let object = json!({
            "apiVersion": "guestlist.dev/v1alpha1", "kind": kind, "spec": spec,
            "metadata": {"namespace": "partners", "name": name, "uid": name, "resourceVersion": version.to_string()},
        });
        match kind {
            "AccountShare" => Object::Share(serde_json::from_value(object).unwrap()),
            _ => Object::Membership(serde_json::from_value(object).unwrap()),
        }
    }
    for list in ["guestUsers", "roleOverrides", "exclude"] {
        let entry = json!([{"name": "bob", "role": "Collaborator", "propagatedBy": "carol"}]);
        let mut spec = json!({
            "partnerRef": {"name": "acme"}, "account": "instagram", "sharedBy": "alice@host.example",
        });
        spec[list] = entry;
        let member = |partner: &str| {
            json!({
                "partnerRef": {"name": partner}, "email": "bob@acme.example", "invitedBy": "alice@host.example",
            })
        };
        let mut objects = ObjectCache::default();
        let share = ObjectRef::new(Kind::Share, "partners", "instagram");
        objects.apply(read("AccountShare", "instagram", 1, &spec));
        for (version, partner) in [(2, "brio"), (3, "acme"), (4, "brio")] {
            let touched = objects.apply(read("GuestMembership", "bob", version, &member(partner)));
            assert!(touched.keys.contains(&share) || partner == "acme", "{list}: {partner} {version}");
        }
        let gone = objects.delete(&ObjectRef::new(Kind::Membership, "partners", "bob"), "bob");
        assert!(gone.keys.contains(&share), "{list}");
    }
}
