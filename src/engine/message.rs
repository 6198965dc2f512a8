//! Inputs and outputs of the engine: plain data, so that both sides can be simulated.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::cache::{AnyCachedObject, CachedMetadata, Collection, Kind, Object, ObjectCache, ObjectRef};
use crate::directory::{
    AccountRecord, Applied, Error, GuestRecord, Operation, PartnerId, PartnerRecord, Purged, Revision, SignInGate,
    Snapshot, UserRecord,
};
use crate::domain::{Email, printable};
use crate::engine::queue::QueueKey;
use crate::plan::{Deletion, Event, Step};
use crate::util::panic_report;
use crate::workspace_policy::WorkspacePolicy;

/// The present record of a changed entity; `None`: it does not exist.
#[derive(Debug)]
pub enum Observed {
    /// A guest.
    Guest(Email, Option<Box<GuestRecord>>),
    /// A partner.
    Partner(PartnerId, Option<Box<PartnerRecord>>),
    /// An account.
    Account(String, Option<AccountRecord>),
    /// A user.
    User(Email, Option<UserRecord>),
    /// The number of records purged lately.
    Purged(Purged),
}

impl Observed {
    /// The revision of a guest's record. `None`: it does not exist, or is not a guest.
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Guest(_, record) => record.as_ref().map(|record| record.revision),
            Self::Partner(..) | Self::Account(..) | Self::User(..) | Self::Purged(_) => None,
        }
    }
}

/// The inputs of the engine.
#[derive(Debug)]
pub enum Input {
    /// A complete list of a collection.
    Listed {
        /// The collection.
        collection: Collection,
        /// All its objects.
        objects: Vec<AnyCachedObject>,
        /// The list's resourceVersion.
        version: u64,
    },
    /// An object was added or changed.
    Applied {
        /// The object.
        object: Box<Object>,
        /// Its resourceVersion.
        version: u64,
    },
    /// An object was deleted.
    Deleted {
        /// The object.
        key: ObjectRef,
        /// Its UID.
        uid: String,
        /// The event's resourceVersion.
        version: u64,
    },
    /// The watch has no events up to a resourceVersion.
    Bookmark {
        /// The collection that it watches.
        collection: Collection,
        /// That resourceVersion.
        version: u64,
    },
    /// A list or watch failed; it is retried.
    WatchFailed {
        /// The collection.
        collection: Collection,
        /// The cause, and the fix.
        problem: String,
    },
    /// A full read of the directory begins.
    Loading,
    /// The progress of a long full read.
    Reading(String),
    /// The directory was read in full.
    Loaded(Box<Snapshot>),
    /// Records of the directory changed.
    Observed(Vec<Observed>),
    /// The directory is unavailable.
    DirectoryDown(Error),
    /// The policy file changed, or is unreadable.
    Policy(Result<Box<WorkspacePolicy>, String>),
    /// A task has ended.
    Done {
        /// The key of the task.
        key: QueueKey,
        /// The outcome.
        outcome: Box<TaskOutcome>,
    },
}

/// The outcome of a task.
#[derive(Debug, Default)]
pub struct TaskOutcome {
    /// Objects that the server returned for our writes.
    pub objects: Vec<Object>,
    /// The results of operations.
    pub effects: Vec<Applied>,
    /// Guests that were read again.
    pub reread: Vec<Observed>,
    /// The failure, if there is one.
    pub failure: Option<Failure>,
}

impl TaskOutcome {
    /// The outcome of a task that panicked.
    pub fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self { failure: Some(Failure::Panicked(panic_report::message(payload))), ..Self::default() }
    }
}

/// The failure of a task, by the reaction to it.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The object no longer exists; its deletion event follows.
    NotFound,
    /// The object cache is behind the server; the event follows.
    Conflict,
    /// No retry before the object changes.
    Permanent(String),
    /// Retry with back-off.
    Retry(String),
    /// The directory did not accept an operation. Retry later, or when the next operation differs.
    OperationFailed(Box<Operation>, String),
    /// Like `OperationFailed`, while the directory accepts other writes. Only this object is concerned.
    Unwritable(Box<Operation>, String),
    /// Like `OperationFailed`, because a mail was not sent. A revocation does not wait for it.
    MailNotSent(Box<Operation>, String),
    /// The directory refused an operation, and refuses it until the directory or the spec changes.
    Refused(Box<Operation>, String),
    /// The task panicked, with this message. Its earlier operations may have succeeded. Retry later.
    Panicked(String),
    /// This process is no longer the leader. Retry soon, because it may become leader again at any moment.
    NotLeading,
    /// Retry after this duration.
    RetryAfter(SignedDuration, String),
    /// The record was read again. Plan again.
    Replan,
    /// Stop the process.
    Stop(String),
}

impl Failure {
    /// The cause, for messages.
    pub fn cause(&self) -> String {
        match self {
            Self::Permanent(why)
            | Self::Retry(why)
            | Self::OperationFailed(_, why)
            | Self::Unwritable(_, why)
            | Self::Refused(_, why)
            | Self::MailNotSent(_, why)
            | Self::RetryAfter(_, why)
            | Self::Stop(why) => why.clone(),
            Self::Panicked(message) => format!("internal error: {message}"),
            Self::NotFound => "the object does not exist in the cluster".to_owned(),
            Self::Conflict => "the object changed in the meantime".to_owned(),
            Self::NotLeading => "this process is no longer the leader".to_owned(),
            Self::Replan => "the record in the directory changed in the meantime".to_owned(),
        }
    }
}

/// A live check before an operation grants or removes access.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// The object is unchanged since it was planned.
    Unchanged {
        /// The object.
        key: ObjectRef,
        /// Its UID.
        uid: String,
        /// Its generation.
        generation: Option<i64>,
        /// Whether it was being deleted.
        leaving: bool,
        /// Whether it was paused. An annotation changes no generation.
        paused: bool,
    },
    /// The object with this UID still exists, also while it is being deleted.
    Present {
        /// The object.
        key: ObjectRef,
        /// Its UID.
        uid: String,
    },
    /// No object has this name.
    Absent {
        /// The name.
        key: ObjectRef,
    },
    /// No membership names this partner.
    NoMembers {
        /// The partner.
        partner: ObjectRef,
    },
}

impl Check {
    /// The check that an object is unchanged.
    pub fn unchanged(key: ObjectRef, known: &CachedMetadata) -> Self {
        Self::Unchanged {
            key,
            uid: known.uid.as_deref().unwrap_or_default().to_owned(),
            generation: known.generation,
            leaving: known.deletion_timestamp.is_some(),
            paused: crate::plan::is_paused(known),
        }
    }
}

/// The subject of a task, in the version that the engine planned with.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSubject {
    /// The key.
    pub key: QueueKey,
    /// The object's UID.
    pub uid: String,
    /// The object's generation.
    pub generation: Option<i64>,
    /// The guest's address, for reading the record again after a conflict.
    pub address: Option<Email>,
}

impl TaskSubject {
    /// Builds the subject from the declared objects.
    pub fn of(objects: &ObjectCache, key: QueueKey) -> Self {
        let object = key.object();
        let meta = object.and_then(|object| objects.metadata(object));
        let member = object.filter(|object| object.kind == Kind::Membership);
        let member = member.and_then(|object| objects.membership(&object.namespace, &object.name)?.read());
        Self {
            uid: meta.and_then(|meta| meta.uid.as_deref()).unwrap_or_default().to_owned(),
            generation: meta.and_then(|meta| meta.generation),
            address: member.and_then(|member| member.reading.terms.email.clone()),
            key,
        }
    }
}

/// Work for the executor.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Add or remove guestlist's finalizer.
    Finalizer {
        /// The object.
        object: ObjectRef,
        /// The finalizers to write.
        finalizers: Vec<String>,
        /// The resourceVersion that they were read at.
        version: String,
    },
    /// Run operations in order, after the checks.
    Execute {
        /// The checks.
        checks: Vec<Check>,
        /// The steps to run.
        steps: Vec<Step>,
        /// The revision of the guest's record that they were planned on.
        basis: Option<Revision>,
        /// The Events to publish afterwards.
        events: Vec<Event>,
    },
    /// Read one guest.
    Read(Email),
    /// Delete objects.
    Delete(Vec<Deletion>),
    /// Patch the status.
    Status {
        /// The object.
        object: ObjectRef,
        /// The merge patch.
        patch: serde_json::Value,
        /// The Events to publish afterwards.
        events: Vec<Event>,
    },
}

/// The panics of one object since it last converged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panics {
    /// The number of consecutive panics.
    pub times: u32,
    /// The message of the last one, without quoted text.
    pub message: String,
}

/// The data for readiness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineHealth {
    /// The watched collections that have not been listed in full yet.
    pub unlisted: BTreeSet<Collection>,
    /// The collections whose list or watch fails, with the cause and the fix.
    pub watch_problems: BTreeMap<Collection, String>,
    /// Whether the directory has been read in full and is available.
    pub directory: bool,
    /// The progress of a long full read.
    pub reading: Option<String>,
    /// The problems that make the operator unready, by subject.
    pub problems: BTreeMap<&'static str, String>,
    /// The last problem of a directory that is readable but accepts no operation.
    pub write_problem: Option<String>,
    /// Problems of the directory that do not stop any operation.
    pub warnings: Vec<String>,
    /// Objects whose last reconciles panicked.
    pub panicking: BTreeMap<QueueKey, Panics>,
    /// The number of orphans.
    pub orphans: usize,
    /// The number of memberships whose status reports an admission, but that have no record in the directory.
    pub missing_guests: usize,
    /// Whether sign-in to the directory enforces MFA. It does not affect readiness, because being unready would not fix
    /// it.
    pub sign_in: SignInGate,
    /// The leader, if it is another process. This process is then a standby, and ready.
    pub led_by: Option<String>,
}

/// The number of consecutive panics of an object after which readiness names it.
const PERSISTENT: u32 = 3;

impl EngineHealth {
    /// The notes of an operator that is ready. One object of a tenant never makes it unready.
    pub fn notes(&self) -> Vec<String> {
        let lasting = self.panicking.iter().filter(|(_, panics)| panics.times >= PERSISTENT);
        let note = |(key, panics): (&QueueKey, &Panics)| {
            format!(
                "{key}: its reconcile ended in an internal error {} times in a row; the log has the message",
                panics.times
            )
        };
        lasting.map(note).collect()
    }

    /// The causes for not being ready. Empty: ready.
    pub fn missing(&self) -> Vec<String> {
        if self.led_by.is_some() {
            return Vec::new();
        }
        // Problems come before steps that have not happened yet.
        let mut missing: Vec<String> =
            self.problems.iter().map(|(subject, problem)| format!("{subject}: {problem}")).collect();
        missing.extend(self.watch_problems.iter().map(|(collection, problem)| format!("{collection}: {problem}")));
        missing.extend(self.write_problem.iter().map(|problem| format!("DirectoryUnavailable: {problem}")));
        if !self.directory && !self.problems.contains_key("DirectoryUnavailable") {
            let progress = self.reading.as_ref().map(|progress| format!(": {progress}")).unwrap_or_default();
            missing.push(format!("the directory has not been read yet{progress}"));
        }
        missing.extend(self.unlisted.iter().map(|collection| format!("no full list of {collection} yet")));
        missing.iter().map(|problem| printable(problem).into_owned()).collect()
    }
}
