//! Does the engine's tasks as the operator's shell does, on the server and the directory in memory, with the trouble that
//! a test asked for, and looks at the law after every operation.

use futures::executor::block_on;
use guestlist::directory::fault::Next;
use guestlist::directory::sqlite::play::Everything;
use guestlist::directory::{Effect, Execute, Fault, Observe, Operation, Revision};
use guestlist::index::{Declared, Key, Kind};
use guestlist::operator::engine::{Check, Failure, Input, Now, Outcome, Task};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::driver::{Running, Sim, Trouble};
use super::law;
use super::server::{Part, Server, read};

enum Stop {
    Crash,
    Failed(Failure),
}

impl Sim {
    /// Does a task that was not left to chance.
    pub fn perform_now(&mut self, key: Key, task: Task) {
        self.perform(Running { key, task, address: None, seen: 0 });
    }

    pub fn perform(&mut self, running: Running) {
        let mut outcome = Outcome::default();
        let result = match &running.task {
            Task::Finalizer { finalizers, version } => {
                let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
                self.write(&running.key, Part::Object, &patch, &mut outcome)
            }
            Task::Status { patch, .. } => self.write(&running.key, Part::Status, patch, &mut outcome),
            Task::Delete(deletions) => deletions
                .iter()
                .try_for_each(|deletion| {
                    let (key, uid) = (deletion.key.clone(), deletion.uid.clone());
                    let deleted = self
                        .call(format!("delete {key}"), |server, now| server.delete(&key, Some(uid.as_str()), now))
                        .map(|object| outcome.objects.extend(object.map(|object| read(key.kind, &object))));
                    match deleted {
                        Err(Stop::Failed(Failure::Gone | Failure::Behind)) => Ok(()),
                        other => other,
                    }
                })
                .and(Err(Stop::Failed(Failure::Gone))),
            Task::Execute { checks, steps, basis, .. } => {
                let mut basis = *basis;
                checks.iter().try_for_each(|check| self.check(check)).and_then(|()| {
                    steps.iter().try_for_each(|step| {
                        let effect = self.execute(&running, &step.operation, basis, &mut outcome)?;
                        if let Some(guest) = effect.guest.as_ref().filter(|_| basis.is_some()) {
                            basis = Some(guest.revision);
                        }
                        outcome.effects.push(effect);
                        Ok(())
                    })
                })
            }
        };
        match result {
            Err(Stop::Crash) => return self.restart(),
            Err(Stop::Failed(failure)) => outcome.failure = Some(failure),
            Ok(()) => {}
        }
        self.engine.handle(Input::Done { key: running.key, outcome: Box::new(outcome) }, self.now);
    }

    fn write(&mut self, key: &Key, part: Part, patch: &Value, outcome: &mut Outcome) -> Result<(), Stop> {
        let what = if part == Part::Status { "status" } else { "finalizer" };
        let object = self.call(format!("{what} {key}"), |server, now| server.patch(key, part, patch, now))?;
        if self.server.object(key).is_none() {
            return Err(Stop::Failed(Failure::Gone));
        }
        outcome.objects.push(read(key.kind, &object));
        Ok(())
    }

    fn check(&mut self, check: &Check) -> Result<(), Stop> {
        let same = match check {
            Check::Unchanged { key, uid, generation } => {
                let object = self.call(format!("get {key}"), |server, _| server.object(key).cloned().ok_or(404))?;
                let object: Declared = read(key.kind, &object);
                let meta = object.metadata();
                meta.uid.as_ref() == Some(uid) && meta.generation == *generation && meta.deletion_timestamp.is_none()
            }
            Check::Present { key, uid } => self.call(format!("get {key}"), |server, _| {
                Ok(server.object(key).is_some_and(|object| object["metadata"]["uid"] == uid.as_str()))
            })?,
            Check::Absent { key } => self.call(format!("get {key}"), |server, _| Ok(server.object(key).is_none()))?,
            Check::NoMembers { partner } => self.call(format!("list members of {partner}"), |server, _| {
                let names = |(key, object): (&Key, &Value)| {
                    key.kind == Kind::Membership && object["spec"]["partnerRef"]["name"] == partner.name.as_str()
                };
                Ok(!server.objects().iter().any(names))
            })?,
        };
        if same { Ok(()) } else { Err(Stop::Failed(Failure::Behind)) }
    }

    /// What goes wrong with the call that is made now.
    fn trouble(&mut self, what: String) -> Option<Trouble> {
        let number = self.calls.len();
        self.calls.push(what);
        self.trouble.filter(|(at, _)| *at == number).map(|(_, trouble)| trouble)
    }

    fn call<T>(&mut self, what: String, act: impl FnOnce(&mut Server, Timestamp) -> Result<T, u16>) -> Result<T, Stop> {
        let failed = |failure| Err(Stop::Failed(failure));
        let trouble = self.trouble(what);
        match trouble {
            Some(Trouble::CrashBefore) => return Err(Stop::Crash),
            Some(Trouble::Conflict) => return failed(Failure::Behind),
            Some(Trouble::Busy) => {
                return failed(Failure::RetryAfter(SignedDuration::from_secs(3), "busy".to_owned()));
            }
            Some(Trouble::Error) => return failed(Failure::Retry("an error".to_owned())),
            Some(Trouble::CrashAfter | Trouble::AnswerLost) | None => {}
        }
        let answer = act(&mut self.server, self.now);
        match trouble {
            Some(Trouble::CrashAfter) => Err(Stop::Crash),
            Some(Trouble::AnswerLost) => failed(Failure::Retry("no answer".to_owned())),
            _ => answer.map_err(|code| {
                Stop::Failed(match code {
                    404 => Failure::Gone,
                    409 => Failure::Behind,
                    code => Failure::Wait(format!("refused: {code}")),
                })
            }),
        }
    }

    fn execute(
        &mut self,
        running: &Running,
        operation: &Operation,
        basis: Option<Revision>,
        outcome: &mut Outcome,
    ) -> Result<Effect, Stop> {
        let text = format!("{operation:?}");
        let name = text.split([' ', '{']).next().unwrap_or_default().to_owned();
        let trouble = self.trouble(format!("{name} for {}", running.key));
        let unavailable = || Fault::Unavailable { context: "an error".to_owned() };
        let result = match trouble {
            Some(Trouble::CrashBefore) => return Err(Stop::Crash),
            Some(Trouble::Conflict) => Err(Fault::Changed { what: running.key.to_string() }),
            Some(Trouble::Busy) => Err(Fault::Busy { context: name, after: std::time::Duration::from_secs(3) }),
            Some(Trouble::Error) => Err(unavailable()),
            _ if self.cursed.is_some() && self.cursed == running.address => Err(unavailable()),
            Some(Trouble::CrashAfter | Trouble::AnswerLost) | None => {
                let before = self.everything();
                let done = block_on(self.directory.execute(operation, basis, self.now, self.epoch));
                self.look(running, operation, &before);
                match trouble {
                    Some(Trouble::CrashAfter) => return Err(Stop::Crash),
                    Some(Trouble::AnswerLost) => Err(unavailable()),
                    _ => done,
                }
            }
        };
        result.map_err(|fault| Stop::Failed(self.after(running, &fault, outcome)))
    }

    fn after(&self, running: &Running, fault: &Fault, outcome: &mut Outcome) -> Failure {
        match (fault.next(), &running.address) {
            (Next::Reread, Some(address)) => {
                let record = block_on(self.directory.guest(address)).unwrap();
                outcome.reread.push(Now::Guest(address.clone(), record.map(Box::new)));
                Failure::Replan
            }
            (Next::After(after), _) => Failure::RetryAfter(SignedDuration::try_from(after).unwrap(), fault.to_string()),
            (Next::Stop, _) => Failure::Stop(fault.to_string()),
            (Next::BackOff | Next::Reread | Next::Wait, _) => Failure::Retry(fault.to_string()),
        }
    }

    /// What must be true after every operation.
    fn look(&mut self, running: &Running, operation: &Operation, before: &Everything) {
        let after = self.everything();
        law::holds_always(&after);
        law::mails_are_apart(before, &after, self.engine.workspace.mail_interval);
        self.creations += law::came_alive(before, &after);
        self.mails += law::mails(before, &after);
        self.destructions += law::destroyed(before, &after);
        let had = law::effective(before, self.now);
        let oldest = if self.strict { self.server.version } else { running.seen };
        for (gained, role) in law::effective(&after, self.now) {
            if had.get(&gained).is_some_and(|had| *had >= role) {
                continue;
            }
            let allowed = (oldest..=self.server.version)
                .any(|version| law::allowed(&self.server.at(version)).get(&gained).is_some_and(|most| *most >= role));
            assert!(allowed, "{gained:?} as {role} by {operation:?}, on what was older than {oldest}");
        }
    }
}
