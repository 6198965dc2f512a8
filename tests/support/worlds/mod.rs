//! One description of the worlds that the searches play in, and one list of the edits that people, guests and administrators
//! make. Random worlds of the simulation, the exploration, and the tests on a real API server with both directories use it.
//! The rules of access are stated a second time in `reference`.
#![allow(dead_code, reason = "each test uses a part")]

pub mod generate;
pub mod reference;
pub mod specs;

use std::collections::BTreeMap;
use std::sync::Arc;

use guestlist::cache::ObjectRef;
use guestlist::directory::Operation;
use guestlist::domain::MfaMethod;
use jiff::SignedDuration;
use serde_json::Value;

/// The stored objects.
pub type Objects = BTreeMap<ObjectRef, Arc<Value>>;

/// The annotations that edits set.
pub const PAUSED: &str = "guestlist.dev/paused";
pub const RESET_MFA: &str = "guestlist.dev/reset-mfa";
pub const RESEND_INVITATION: &str = "guestlist.dev/resend-invitation";

/// An action of people, guests or administrators, or an event of the environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    Create(ObjectRef, Value),
    /// A merge patch of the spec.
    Spec(ObjectRef, Value),
    /// Sets or removes an annotation.
    Annotate(ObjectRef, &'static str, Option<String>),
    Delete(ObjectRef),
    /// An object goes in spite of its finalizer.
    Vanish(ObjectRef),
    Accept(String),
    Enrol(String, MfaMethod),
    LoseMfa(String),
    /// The directory can tell whether a guest's MFA is on, or cannot.
    TellMfa(String, bool),
    SetLogin(String, bool),
    /// A workspace user with this address is enabled or disabled. One who does not exist is made.
    SetUser(String, bool),
    /// An administrator changes the record of a guest.
    Tamper(Box<Operation>),
    SetOwners(String, Vec<String>),
    SetDeleted(String, bool),
    Policy(Value),
    /// The operator restarts.
    Restart,
    /// Another process leads. `true`: the former leader does not know it yet.
    Handover(bool),
    /// The watches break: an object vanishes unseen, and all kinds are listed again.
    Relist(Option<ObjectRef>),
    Wait(SignedDuration),
}

/// What the worlds of a test contain. A backend that cannot play an edit has worlds without it.
#[derive(Clone, Copy, Debug)]
pub struct Playable {
    /// Time moves as the test says.
    pub time: bool,
    /// The watches of the operator break, and another process leads.
    pub watches: bool,
    /// The operator restarts.
    pub restarts: bool,
    /// Objects that do not fit the types.
    pub unreadable: bool,
    /// MFA that the directory cannot tell.
    pub unknown_mfa: bool,
    /// An administrator switches the logins of guests, and of users of the workspace.
    pub logins: bool,
}

/// The simulation: the whole environment is the test's own.
pub const SIMULATED: Playable =
    Playable { time: true, watches: true, restarts: true, unreadable: true, unknown_mfa: true, logins: true };
/// A real API server, which refuses objects that do not fit, and real time.
pub const REAL: Playable =
    Playable { time: false, watches: false, restarts: true, unreadable: false, unknown_mfa: false, logins: false };
