//! The environments of the randomized tests, and the edits of people, guests and administrators. The simulation, the
//! exploration and the tests on a real API server with both directories use them. `reference` contains a second
//! implementation of the access rules.
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
    /// An object is deleted in spite of its finalizer.
    Vanish(ObjectRef),
    Accept(String),
    Enrol(String, MfaMethod),
    LoseMfa(String),
    /// Sets whether the directory can tell the state of a guest's MFA.
    TellMfa(String, bool),
    SetLogin(String, bool),
    /// Enables or disables a workspace user with this address. A missing user is created.
    SetUser(String, bool),
    /// An administrator changes the record of a guest.
    Tamper(Box<Operation>),
    SetOwners(String, Vec<String>),
    SetDeleted(String, bool),
    Policy(Value),
    /// The operator restarts.
    Restart,
    /// Another process becomes the leader. `true`: the former leader does not know it yet.
    Handover(bool),
    /// The watches break: an object vanishes unseen, and all kinds are listed again.
    Relist(Option<ObjectRef>),
    Wait(SignedDuration),
}

/// The edits that an environment supports. A backend that cannot play an edit uses environments without it.
#[derive(Clone, Copy, Debug)]
pub struct Playable {
    /// The test controls the time.
    pub time: bool,
    /// The operator's watches break, and another process becomes the leader.
    pub watches: bool,
    /// The operator restarts.
    pub restarts: bool,
    /// Objects that do not fit the types.
    pub unreadable: bool,
    /// The directory cannot tell the state of MFA.
    pub unknown_mfa: bool,
    /// An administrator enables and disables logins of guests and workspace users.
    pub logins: bool,
}

/// The simulation: the test controls the whole environment.
pub const SIMULATED: Playable =
    Playable { time: true, watches: true, restarts: true, unreadable: true, unknown_mfa: true, logins: true };
/// A real API server, which refuses objects that do not fit, in real time.
pub const REAL: Playable =
    Playable { time: false, watches: false, restarts: true, unreadable: false, unknown_mfa: false, logins: false };
