//! A record that has changed since the plan, according to the directory.

use guestlist::cache::Kind::Membership;
use guestlist::directory::{Epoch, Error, GuestChange, GuestRecord, Operation, Revision};
use guestlist::domain::Reason;
use guestlist::engine::{Task, TaskSubject};
use guestlist::plan::Step;

use super::driver::{Sim, email, key};
use super::line::{Answer, Ask, Call, Next};
use super::walk;

/// A new plan for an unchanged record would be the same, and conflict again without an end.
#[test]
fn conflict_on_an_unchanged_record_is_a_failed_write() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let bob = sim.guest(&email("bob@acme.example")).unwrap();
    for (read, is_failed_write) in [(7, true), (8, false)] {
        let operation = Operation::Guest { id: bob.id.clone(), change: GuestChange::DisableLogin };
        let steps = vec![Step { operation, reason: Reason::Suspended, message: String::new() }];
        let task = Task::Execute { checks: Vec::new(), steps, basis: Some(Revision(7)), events: Vec::new() };
        let subject = TaskSubject {
            key: key(Membership, "bob").into(),
            uid: "uid-1".to_owned(),
            generation: Some(1),
            address: Some(bob.address.clone()),
        };
        let mut call = Call::begin(subject, task, sim.now, Epoch::default());
        assert!(matches!(call.go_on(None), Next::Asks(Ask::Execute(..))));
        let conflict = Err(Error::Changed { what: "bob@acme.example".to_owned() });
        let next = call.go_on(Some(Answer::Effect(Box::new(conflict))));
        assert!(matches!(next, Next::Asks(Ask::Guest(_))), "the record is read again");
        let record = GuestRecord { revision: Revision(read), ..bob.clone() };
        let next = call.go_on(Some(Answer::Guest(Ok(Some(Box::new(record))))));
        // Another write shows whether the directory accepts any.
        assert_eq!(matches!(next, Next::Asks(Ask::TakesWrites)), is_failed_write, "revision {read}");
    }
}
