//! What comes into the engine and what goes out of it: plain data, so that both sides can be played.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::cache::{CachedAnyKind, CachedMetadata, Kind, Object, ObjectRef};
pub use crate::directory::Snapshot as Load;
use crate::directory::{
    AccountRecord, Applied, Error, GuestRecord, Operation, PartnerId, PartnerRecord, Purged, Revision, SignInGate,
    UserRecord,
};
use crate::domain::{Email, printable};
use crate::plan::{Deletion, Event, Step};
use crate::util::panic_report;
use crate::workspace_policy::WorkspacePolicy;

/// What a changed thing is now.
#[derive(Debug)]
pub enum Now {
    /// A guest.
    Guest(Email, Option<Box<GuestRecord>>),
    /// A partner.
    Partner(PartnerId, Option<Box<PartnerRecord>>),
    /// An account.
    Account(String, Option<AccountRecord>),
    /// A user.
    User(Email, Option<UserRecord>),
    /// How many records were purged lately.
    Destroyed(Purged),
}

impl Now {
    /// How often a guest had changed; `None` for one who is not there.
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Guest(_, record) => record.as_ref().map(|record| record.revision),
            Self::Partner(..) | Self::Account(..) | Self::User(..) | Self::Destroyed(_) => None,
        }
    }
}

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// A complete list of one kind.
    Listed {
        /// The kind.
        kind: Kind,
        /// All its objects.
        objects: Vec<CachedAnyKind>,
        /// The list's resourceVersion.
        frontier: u64,
    },
    /// An object was added or changed.
    Applied {
        /// The object.
        object: Box<Object>,
        /// Its resourceVersion.
        frontier: u64,
    },
    /// An object was deleted.
    Deleted {
        /// Which.
        key: ObjectRef,
        /// Its UID.
        uid: String,
        /// The event's resourceVersion.
        frontier: u64,
    },
    /// Nothing happened up to here.
    Bookmark {
        /// The kind.
        kind: Kind,
        /// Up to where.
        frontier: u64,
    },
    /// A list or watch failed; it is tried again.
    WatchFailed {
        /// The kind.
        kind: Kind,
        /// What failed, and what to do.
        problem: String,
    },
    /// A full reading of the directory begins.
    Loading,
    /// How far that reading has come, where it takes long.
    Reading(String),
    /// The directory was read in full.
    Loaded(Box<Load>),
    /// Some things in the directory are different now.
    Observed(Vec<Now>),
    /// The directory does not answer.
    DirectoryDown(Error),
    /// The policy file says something else, or cannot be read.
    Policy(Result<Box<WorkspacePolicy>, String>),
    /// A task is over.
    Done {
        /// Whose.
        key: ObjectRef,
        /// What came of it.
        outcome: Box<TaskOutcome>,
    },
}

/// What came of a task.
#[derive(Debug, Default)]
pub struct TaskOutcome {
    /// Objects as our writes returned them.
    pub objects: Vec<Object>,
    /// What operations left behind.
    pub effects: Vec<Applied>,
    /// Guests that were read again.
    pub reread: Vec<Now>,
    /// What went wrong.
    pub failure: Option<Failure>,
}

impl TaskOutcome {
    /// Of a task that panicked.
    pub fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self { failure: Some(Failure::Panicked(panic_report::message(payload))), ..Self::default() }
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.failure, Some(Failure::Panicked(_)))
    }
}

/// What happens after a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The object is gone: its deletion will be seen.
    NotFound,
    /// Our view is older than the server's: the event will come.
    Conflict,
    /// Nothing helps until the object changes.
    Permanent(String),
    /// Try again later.
    Retry(String),
    /// The directory did not take an operation: try again later, or when something else is to be done.
    OperationFailed(Box<Operation>, String),
    /// The same, while it accepts other writes: only this object is concerned.
    Unwritable(Box<Operation>, String),
    /// The same, and it says that a mail did not go out. Whoever does not stay need not wait for it.
    MailNotSent(Box<Operation>, String),
    /// The directory refused an operation, and refuses it until something changes in the directory or in the spec.
    Refused(Box<Operation>, String),
    /// The task panicked, with this message. The operations before it may have been done: try again later.
    Panicked(String),
    /// Our term is over: try again soon, for it may be renewed at any moment.
    NotLeading,
    /// Try again after a time.
    RetryAfter(SignedDuration, String),
    /// The record has been read again: plan anew.
    Replan,
    /// Stop everything.
    Stop(String),
}

impl Failure {
    /// The cause, for people.
    pub fn words(&self) -> String {
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
            Self::NotFound | Self::Conflict | Self::NotLeading | Self::Replan => {
                "it changed in the meantime".to_owned()
            }
        }
    }
}

/// What is to be made sure of, live, before something is given or ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// The object is still as it was planned on.
    Unchanged {
        /// Which.
        key: ObjectRef,
        /// Its UID.
        uid: String,
        /// Its generation.
        generation: Option<i64>,
        /// Whether it was on its way out.
        leaving: bool,
        /// Whether it was paused. An annotation changes no generation.
        paused: bool,
    },
    /// The object with this UID is still there, on its way out or not.
    Present {
        /// Which.
        key: ObjectRef,
        /// Its UID.
        uid: String,
    },
    /// Nothing has this name.
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
    /// That an object is as it is known.
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

/// Work for the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Put our finalizer on, or take it off.
    Finalizer {
        /// The finalizers as they shall be.
        finalizers: Vec<String>,
        /// The resourceVersion they were read at.
        version: String,
    },
    /// Operations, in order, after what has to be made sure of.
    Execute {
        /// What to make sure of.
        checks: Vec<Check>,
        /// What to do.
        steps: Vec<Step>,
        /// The revision they were planned on.
        basis: Option<Revision>,
        /// What people are told when it is done.
        notices: Vec<Event>,
    },
    /// Look a guest up by himself.
    Look(Email),
    /// Delete objects.
    Delete(Vec<Deletion>),
    /// Patch the status.
    Status {
        /// The merge patch.
        patch: serde_json::Value,
        /// What people are told when it is done.
        notices: Vec<Event>,
    },
}

/// The panics of one object since it last came to rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panics {
    /// How many in a row.
    pub times: u32,
    /// The message of the last one, without quoted text.
    pub message: String,
}

/// What the operator tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineHealth {
    /// Which kinds have been listed in full.
    pub listed: BTreeSet<&'static str>,
    /// The directory has been read in full and answers.
    pub directory: bool,
    /// How far the full reading has come, where it takes long.
    pub reading: Option<String>,
    /// What keeps it from working as it should, by subject.
    pub problems: BTreeMap<&'static str, String>,
    /// What the directory said when it last took no operation, though it can be read.
    pub not_taken: Option<String>,
    /// Problems of the directory that stop nothing.
    pub warnings: Vec<String>,
    /// Objects whose last reconciles panicked.
    pub panicking: BTreeMap<ObjectRef, Panics>,
    /// How many marked guests nothing declares any more.
    pub orphans: usize,
    /// How many memberships were admitted, by their status, and have no record in the directory.
    pub missing_guests: usize,
    /// Whether sign-in to the directory enforces MFA. Not being ready would not change it.
    pub sign_in: SignInGate,
    /// The leader, if that is another process: this one is a standby, and nothing is missing.
    pub led_by: Option<String>,
}

/// How many panics in a row an object has before readiness names it.
const PERSISTENT: u32 = 3;

impl EngineHealth {
    /// The notes of an operator that is ready. One object of a tenant never makes it unready.
    pub fn notes(&self) -> Vec<String> {
        let lasting = self.panicking.iter().filter(|(_, panics)| panics.times >= PERSISTENT);
        let note = |(key, panics): (&ObjectRef, &Panics)| {
            format!(
                "{key}: its reconcile ended in an internal error {} times in a row; the log has the message",
                panics.times
            )
        };
        lasting.map(note).collect()
    }

    /// What is missing for being ready; empty: ready.
    pub fn missing(&self) -> Vec<String> {
        if self.led_by.is_some() {
            return Vec::new();
        }
        // What is wrong comes before what merely has not happened yet.
        let mut missing: Vec<String> =
            self.problems.iter().map(|(subject, problem)| format!("{subject}: {problem}")).collect();
        missing.extend(self.not_taken.iter().map(|problem| format!("DirectoryUnavailable: {problem}")));
        if !self.directory && !self.problems.contains_key("DirectoryUnavailable") {
            let progress = self.reading.as_ref().map(|progress| format!(": {progress}")).unwrap_or_default();
            missing.push(format!("the directory has not been read yet{progress}"));
        }
        let unlisted = Kind::ALL.iter().filter(|kind| !self.listed.contains(kind.as_str()));
        missing.extend(unlisted.map(|kind| format!("no full list of {} yet", kind.as_str())));
        missing.iter().map(|problem| printable(problem).into_owned()).collect()
    }
}
