//! Runs the engine's tasks with the operator's own executor, on the server and the directory in memory. It injects the
//! test's faults, and checks the rules after every operation.

use std::sync::Arc;

use futures::executor::block_on;
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{
    AccessChange, Applied, DirectoryReader, DirectoryWriter, Epoch, Error, GuestChange, Operation, Revision, Snapshot,
};
use guestlist::domain::Reason;
use guestlist::engine::TaskSubject;
use guestlist::engine::queue::QueueKey;
use guestlist::engine::{Failure, Input, Task, TaskOutcome};
use guestlist::executor::object_store::PatchTarget;
use guestlist::plan::Step;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::driver::{Running, Sim, Trouble};
use super::line::{Answer, Ask, Call, Next};
use super::rules;
use super::server::Server;
use super::two_leaders::UnderWay;
use super::worlds;
use super::worlds::planted::StoreBug;
use crate::support::amended;
use crate::support::worlds::Objects;

/// The limit of calls in a task, to detect endless loops.
const MOST_CALLS: usize = 500;
/// The number of tasks that the process still starts after its term, before another process becomes the leader.
const TASKS_AFTER_TERM: usize = 3;

/// The reason why a task does not finish.
enum Broken {
    /// The process died.
    Crash,
    /// The task panicked.
    Panic,
}

/// An operation with its object and its reason. A grant has one line for each account: two new shares get their
/// finalizers one after the other, so their grants come in one operation or in two.
pub fn lines(key: &QueueKey, step: &Step) -> Vec<String> {
    if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = &step.operation {
        return grants.iter().map(|grant| format!("{key}: give {grant:?}")).collect();
    }
    // A cascade deletes a newly created object without a finalizer at once. Then the partner ends its guest, instead of
    // the membership.
    if step.reason == Reason::Terminating && step.operation.guest().is_some() {
        return vec![format!("{:?}: {}", step.operation, step.message)];
    }
    vec![format!("{key}: {:?}: {} {}", step.operation, step.reason.as_str(), step.message)]
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn told(running: &Running, operation: &Operation) -> Vec<String> {
    let Task::Execute { steps, .. } = &running.task else { return Vec::new() };
    let step = steps.iter().find(|step| step.operation == *operation);
    step.map(|step| lines(&running.about.key, step)).unwrap_or_default()
}

impl Sim {
    /// Runs a task immediately, without random choices.
    pub fn perform_now(&mut self, about: TaskSubject, task: Task) {
        self.perform(Running { about, task, seen: 0, outside: 0, known: Objects::new() });
    }

    pub fn perform(&mut self, running: Running) {
        let rest = self.begin_calls(running, MOST_CALLS);
        assert!(rest.is_none(), "a task that never ends: {:#?}", self.last_calls());
    }

    /// Starts a task and makes this number of its calls. `None`: the task is over.
    pub fn begin_calls(&mut self, running: Running, calls: usize) -> Option<UnderWay> {
        let mut call = Call::begin(running.about.clone(), running.task.clone(), self.now, self.epoch);
        let next = self.next(&mut call, None);
        self.make_calls(running, call, next, calls)
    }

    /// Completes the call in progress, which was sent within the term, and makes the following calls.
    pub fn go_on(&mut self, running: Running, mut call: Call, ask: Ask) {
        let lapsed = std::mem::take(&mut self.lapsed);
        let answer = self.answer(&running, ask);
        self.lapsed |= lapsed;
        let rest = match answer {
            Ok(told) => {
                let next = self.next(&mut call, Some(told));
                self.make_calls(running, call, next, MOST_CALLS)
            }
            Err(broken) => {
                self.breaks(&running, broken);
                None
            }
        };
        assert!(rest.is_none(), "a task that never ends: {:#?}", self.last_calls());
    }

    fn next(&self, call: &mut Call, answer: Option<Answer>) -> Next {
        if self.lapsed && self.store_bug != Some(StoreBug::TermNeverEnds) {
            call.end_term();
        }
        call.go_on(answer)
    }

    fn make_calls(&mut self, running: Running, mut call: Call, mut next: Next, calls: usize) -> Option<UnderWay> {
        let mut asked = 0;
        loop {
            match next {
                Next::Done(outcome) => {
                    self.ends(&running, outcome);
                    return None;
                }
                Next::Asks(ask) if asked == calls => return Some(UnderWay { running, call, ask }),
                Next::Asks(ask) => match self.answer(&running, ask) {
                    Ok(told) => next = self.next(&mut call, Some(told)),
                    Err(broken) => {
                        self.breaks(&running, broken);
                        return None;
                    }
                },
            }
            asked += 1;
        }
    }

    fn breaks(&mut self, running: &Running, broken: Broken) {
        match broken {
            Broken::Crash => self.restart(),
            Broken::Panic => self.ends(running, TaskOutcome::panicked(&"injected")),
        }
    }

    fn ends(&mut self, running: &Running, outcome: TaskOutcome) {
        self.engine.handle(Input::Done { key: running.about.key.clone(), outcome: Box::new(outcome) }, self.now);
        match &mut self.successor {
            Some(0) => self.restart(),
            Some(left) => *left -= 1,
            None => {}
        }
    }

    fn answer(&mut self, running: &Running, ask: Ask) -> Result<Answer, Broken> {
        if let Ask::Get(key) | Ask::Patch(key, ..) | Ask::Delete(key, ..) | Ask::HasMembers(key) = &ask {
            assert!(self.namespaces.contains(&key.namespace), "the operator has no rights in the namespace of {key}");
        }
        Ok(match ask {
            Ask::Get(key) => {
                let object = self.call(format!("get {key}"), |server, _| server.object(&key).cloned().ok_or(404))?;
                Answer::Object(object.map(|object| self.read(key.kind, &object)))
            }
            // As in the operator's own object store.
            Ask::Patch(..) if self.lapsed => Answer::Object(Err(Failure::NotLeading)),
            Ask::Delete(..) if self.lapsed => Answer::Left(Err(Failure::NotLeading)),
            Ask::Patch(key, part, patch) => {
                self.is_about_what_it_says(&key, part, &patch);
                let what = if part == PatchTarget::Status { "status" } else { "finalizer" };
                let old = self.server.object(&key).cloned();
                let is_ours = old.as_ref().is_some_and(|old| self.own.contains(&version(old)));
                let mut object =
                    self.call(format!("{what} {key}"), |server, now| server.patch(&key, part, &patch, now))?;
                let injected = self.trouble.is_some_and(|(at, _)| at + 1 == self.calls.len());
                let conflict = matches!(object, Err(Failure::Conflict)) && !injected;
                assert!(!(is_ours && conflict), "{what} {key}: the process does not know its own write");
                if let Some(object) = object.as_ref().ok().filter(|_| !injected) {
                    self.own.insert(version(object));
                }
                if let Some(old) = old.filter(|_| object.is_ok() && self.store_bug == Some(StoreBug::AnswerIsOld)) {
                    object = Ok(old);
                }
                Answer::Object(object.map(|object| self.read(key.kind, &object)))
            }
            Ask::Delete(key, uid) => {
                let left =
                    self.call(format!("delete {key}"), |server, now| server.delete(&key, Some(uid.as_str()), now))?;
                Answer::Left(left.map(|left| left.map(|object| self.read(key.kind, &object))))
            }
            Ask::HasMembers(partner) => {
                let names = |(key, object): (&ObjectRef, &Arc<Value>)| {
                    key.kind == Kind::Membership
                        && key.namespace == partner.namespace
                        && object["spec"]["partnerRef"]["name"] == *partner.name
                };
                Answer::Members(
                    self.call(format!("list members of {partner}"), |server, _| {
                        Ok(server.objects().iter().any(names))
                    })?,
                )
            }
            Ask::Execute(operation, basis) => Answer::Effect(Box::new(self.execute(running, &operation, basis)?)),
            Ask::Guest(address) if self.unanswered.contains(&address) => {
                Answer::Guest(Err(Error::Unavailable { context: "no answer".to_owned() }))
            }
            Ask::Guest(address) => Answer::Guest(Ok(self.guest(&address).map(Box::new))),
            Ask::Partner(id) => Answer::Partner(block_on(self.directory.partner(&id)).unwrap()),
            Ask::TakesWrites if self.takes_nothing => {
                Answer::Written(Err(Error::Unavailable { context: "an error".to_owned() }))
            }
            Ask::TakesWrites => Answer::Written(block_on(self.directory.check_writable())),
            Ask::User(email) => Answer::User(block_on(self.directory.user(&email)).unwrap()),
        })
    }

    /// Asserts that a write names the version that it was planned with, and a status the generation of that version.
    fn is_about_what_it_says(&self, key: &ObjectRef, part: PatchTarget, patch: &Value) {
        let version = patch.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let version = version.unwrap_or_else(|| panic!("{key} is written without a version: {patch}"));
        let Some(observed) = patch.pointer("/status/observedGeneration").filter(|_| part == PatchTarget::Status) else {
            return;
        };
        let mut entries =
            self.server.history.iter().filter(|entry| entry.key == *key && entry.version.to_string() == version);
        let object = entries.next().and_then(|entry| entry.object.as_ref());
        let generation = object.map(|object| &object["metadata"]["generation"]);
        assert_eq!(Some(observed), generation, "{key} is said to have been seen in another generation");
    }

    /// The fault of the present call.
    fn trouble(&mut self, what: String) -> Option<Trouble> {
        let number = self.calls.len();
        self.calls.push(what);
        let trouble = self.trouble.filter(|(at, _)| *at == number).map(|(_, trouble)| trouble);
        if trouble == Some(Trouble::TermEnds) {
            self.lapsed = true;
            self.successor = Some(TASKS_AFTER_TERM);
        }
        trouble
    }

    fn call<T>(
        &mut self,
        what: String,
        act: impl FnOnce(&mut Server, Timestamp) -> Result<T, u16>,
    ) -> Result<Result<T, Failure>, Broken> {
        let trouble = self.trouble(what);
        match trouble {
            Some(Trouble::CrashBefore) => return Err(Broken::Crash),
            Some(Trouble::Conflict) => return Ok(Err(Failure::Conflict)),
            Some(Trouble::Busy) => {
                return Ok(Err(Failure::RetryAfter(SignedDuration::from_secs(3), "busy".to_owned())));
            }
            Some(Trouble::Error) => return Ok(Err(Failure::Retry("an error".to_owned()))),
            Some(Trouble::CrashAfter | Trouble::AnswerLost | Trouble::Panic | Trouble::TermEnds) | None => {}
        }
        let answer = act(&mut self.server, self.now);
        match trouble {
            Some(Trouble::CrashAfter) => Err(Broken::Crash),
            Some(Trouble::Panic) => Err(Broken::Panic),
            Some(Trouble::AnswerLost) => Ok(Err(Failure::Retry("no answer".to_owned()))),
            _ => Ok(answer.map_err(|code| match code {
                404 => Failure::NotFound,
                409 => Failure::Conflict,
                code => Failure::Permanent(format!("refused: {code}")),
            })),
        }
    }

    fn execute(
        &mut self,
        running: &Running,
        operation: &Operation,
        basis: Option<Revision>,
    ) -> Result<Result<Applied, Error>, Broken> {
        let takes = operation.access_change() == AccessChange::Revoke;
        assert!(takes || !self.lapsed, "{operation:?} though the term is over");
        if let Task::Execute { basis: planned, .. } = &running.task {
            assert_eq!(basis.is_some(), planned.is_some(), "{operation:?} may change a record that is not as planned");
        }
        let name = operation.name().to_owned();
        let trouble = self.trouble(format!("{name} for {}", running.about.key));
        let unavailable = || Err(Error::Unavailable { context: "an error".to_owned() });
        Ok(match trouble {
            Some(Trouble::CrashBefore) => return Err(Broken::Crash),
            Some(Trouble::Conflict) => Err(Error::Changed { what: running.about.key.to_string() }),
            Some(Trouble::Busy) => Err(Error::Busy { context: name, after: std::time::Duration::from_secs(3) }),
            Some(Trouble::Error) => unavailable(),
            _ if running.about.address.as_ref().is_some_and(|address| self.cursed.contains(address))
                && (!self.only_gives || operation.access_change() == AccessChange::Grant) =>
            {
                match self.refuses.clone() {
                    Some(message) => Err(Error::Refused { message }),
                    None => unavailable(),
                }
            }
            _ if matches!(operation, Operation::Guest { change: GuestChange::ResendInvitation { .. }, .. })
                && running.about.address.as_ref().is_some_and(|address| self.mailless.contains(address)) =>
            {
                Err(Error::MailNotSent { context: "no mail server".to_owned() })
            }
            Some(Trouble::CrashAfter | Trouble::AnswerLost | Trouble::Panic | Trouble::TermEnds) | None => {
                let before = self.everything();
                if self.watch.is_some() {
                    worlds::is_tried(self, operation, &before);
                }
                let done = self.take(running, operation, basis);
                assert!(!self.is_former || done.is_err(), "the directory takes {operation:?} of the former leader");
                if self.watch.is_some() && done.is_err() {
                    assert_eq!(self.everything(), before, "{operation:?} failed and has changed the directory");
                } else {
                    self.look(running, operation, &before);
                }
                match &done {
                    Ok(_) => self.done.extend(told(running, operation)),
                    Err(fault) => self.refused.push(format!("{operation:?}: {fault}")),
                }
                match trouble {
                    Some(Trouble::CrashAfter) => return Err(Broken::Crash),
                    Some(Trouble::Panic) => return Err(Broken::Panic),
                    Some(Trouble::AnswerLost) => unavailable(),
                    _ => done,
                }
            }
        })
    }

    /// The directory executes an operation, or refuses it.
    fn take(&self, running: &Running, operation: &Operation, basis: Option<Revision>) -> Result<Applied, Error> {
        if basis.is_some() && self.watch.as_ref().is_some_and(|watch| watch.is_stale(running)) {
            return Err(Error::Changed { what: running.about.key.to_string() });
        }
        let expected = block_on(amended::expected(&self.directory, operation, basis, self.now));
        let executed = self.executor.map_or_else(|| Some(operation.clone()), |executor| executor(operation));
        let mut done = match &executed {
            Some(executed) => block_on(self.directory.execute(executed, basis, self.now, self.fence())),
            None => Ok(Applied::default()),
        };
        if let Some(expected) = expected {
            block_on(amended::agrees(&self.directory, expected, &done, operation));
        }
        if let Ok(effect) = &mut done {
            effect.guest.iter_mut().for_each(|guest| self.hide_mfa(guest));
        }
        done
    }

    fn note_purge(&mut self, operation: &Operation) {
        if let (Operation::Guest { change: GuestChange::Purge { .. }, .. }, Some(watch)) = (operation, &mut self.watch)
        {
            watch.purged.push(self.now);
        }
    }

    /// The epoch that the directory compares.
    fn fence(&self) -> Epoch {
        if self.store_bug == Some(StoreBug::NoFence) { Epoch(i64::MAX) } else { self.epoch }
    }

    /// Checks the invariants after every operation.
    fn look(&mut self, running: &Running, operation: &Operation, before: &Snapshot) {
        let after = self.everything();
        rules::holds_always(&after);
        rules::mails_are_apart(before, &after, self.engine.workspace().mail_interval);
        self.creations += rules::came_alive(before, &after);
        let mails = rules::mails(before, &after);
        self.mails += mails;
        self.sent.extend(std::iter::repeat_n(self.now, mails));
        rules::no_hour_has_more_mails(&self.sent, self.engine.workspace().invitations_per_hour);
        self.deactivations += rules::came_alive(&after, before);
        self.destructions += rules::purged(before, &after);
        if worlds::watches_a_part(self) {
            return self.note_purge(operation);
        }
        if self.watch.is_some() {
            worlds::look(self, running, operation, before, &after);
            return self.note_purge(operation);
        }
        let had = rules::effective(before, self.now);
        let oldest = if self.strict { self.server.version } else { running.seen };
        for (gained, role) in rules::effective(&after, self.now) {
            if had.get(&gained).is_some_and(|had| *had >= role) {
                continue;
            }
            let allowed = (oldest..=self.server.version)
                .any(|version| rules::allowed(&self.server.at(version)).get(&gained).is_some_and(|most| *most >= role));
            assert!(allowed, "{gained:?} as {role} by {operation:?}, on what was older than {oldest}");
        }
    }
}
