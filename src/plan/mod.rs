//! Pure planning: (declared, observed, now) → [`Plan`]: operations, status and next check.
//!
//! A plan covers one object and is executed in rounds: run its operations, apply their results to the directory cache,
//! plan again. The plan after an executed plan has no operations. Only such a plan's status is written.

mod access;
pub mod annotations;
mod common;
mod conditions;
pub mod evaluate;
pub mod gc;
pub mod invitations;
pub mod later;
mod lifecycle;
mod membership;
pub mod missing_guests;
mod ownership;
mod partner;
pub mod revoke;
mod share;

pub use invitations::{InvitationQueue, NO_INVITATIONS};
pub use lifecycle::State;
pub use ownership::{is_orphan, is_paused};

use jiff::Timestamp;

use crate::api;
use crate::cache::{CacheEntry, Kind, ObjectCache, ObjectRef, WatchedNamespaces};
use crate::directory::{DirectoryCache, GuestRecord, Operation, Owner, Revision};
use crate::domain::{Email, Reason};
use crate::workspace_policy::WorkspacePolicy;

/// The inputs of a plan.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The declared objects.
    pub declared: &'a ObjectCache,
    /// The directory's records.
    pub observed: &'a DirectoryCache,
    /// The workspace policy.
    pub workspace: &'a WorkspacePolicy,
    /// The installation and cluster, which every ownership mark contains.
    pub owner: &'a Owner,
    /// Whether the directory is available. If not, the plan has no operations and keeps known facts.
    pub directory_available: bool,
    /// Whether the mail that is due to the planned guest was not sent, and its retry is not due yet.
    pub unsent: bool,
    /// Invitations that are being sent, and those that wait for their turn.
    pub invitations: &'a InvitationQueue,
    /// The available facts.
    pub scope: AvailableFacts,
    /// How far the declared objects are complete.
    pub prune_scope: PruneScope,
    /// The namespaces whose objects are declared here.
    pub namespaces: &'a WatchedNamespaces,
    /// Now.
    pub now: Timestamp,
}

/// The available facts. A rule without its facts is not evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailableFacts {
    /// Facts of the directory: users, accounts, guests.
    pub directory: bool,
    /// The workspace policy.
    pub policy: bool,
    /// Which of several competing objects the directory has recorded.
    pub incumbents: bool,
}

impl AvailableFacts {
    /// All facts, as in a reconcile.
    pub const ALL: Self = Self { directory: true, policy: true, incumbents: true };
    /// The specs, the policy and single guests. The directory has not been read in full.
    pub const SPECS: Self = Self { directory: false, policy: true, incumbents: false };
}

/// How far the declared objects are complete. Objects beyond that scope may be declared elsewhere, so their absence
/// here revokes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneScope {
    /// All objects of the watched namespaces: a cluster, listed in full.
    Everything,
    /// The declared partners, each with all its memberships and shares: `apply --prune`.
    DeclaredPartners {
        /// The number of guests that may be removed as undeclared, if an option sets it.
        at_most: Option<usize>,
    },
    /// Only the declared objects: `apply`.
    Declared,
}

impl Inputs<'_> {
    /// Whether the objects of a namespace are declared here. A record whose ownership mark names another namespace
    /// belongs to an object that is unknown here. No plan changes such a record, and none counts it.
    pub fn is_watched(&self, namespace: &str) -> bool {
        self.namespaces.contains(namespace)
    }

    /// Whether a guest may change here: the ownership mark names a watched namespace. A record without a readable mark
    /// belongs to no namespace.
    pub fn is_in_scope(&self, guest: &GuestRecord) -> bool {
        guest.mark.as_ref().is_none_or(|mark| self.is_watched(&mark.namespace))
    }

    /// Whether all memberships and shares of a partner are declared here.
    pub fn is_whole(&self, namespace: &str, partner: &str) -> bool {
        self.is_watched(namespace)
            && match self.prune_scope {
                PruneScope::Everything => true,
                PruneScope::DeclaredPartners { .. } => self.declared.partner(namespace, partner).is_some(),
                PruneScope::Declared => false,
            }
    }

    /// Whether all objects are declared here, of whatever namespace.
    pub fn is_whole_cluster(&self) -> bool {
        self.prune_scope == PruneScope::Everything && *self.namespaces == WatchedNamespaces::All
    }
}

/// One operation with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The operation.
    pub operation: Operation,
    /// The reason.
    pub reason: Reason,
    /// The cause, as a sentence.
    pub message: String,
}

/// The action on the object's finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// The finalizer must be on the object before the first operation.
    Hold,
    /// The finalizer is removed once the plan has no operations left.
    Release,
    /// The finalizer does not change.
    Leave,
}

/// An object to delete (`Cascade`), with its UID as precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The object.
    pub key: ObjectRef,
    /// The UID.
    pub uid: String,
}

/// A Kubernetes Event. Its note is a constant sentence for each reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Warning` or `Normal`.
    pub warning: bool,
    /// The reason of the Event.
    pub reason: Reason,
    /// The action of the Event: `Refuse`, `Revoke` or `Remove`.
    pub action: &'static str,
    /// The note of the Event.
    pub note: &'static str,
}

impl Event {
    /// A membership, share or partner was deleted, and its access was revoked.
    pub const REMOVED: Self = Self {
        warning: false,
        reason: Reason::Terminating,
        action: "Remove",
        note: "Access was revoked because the object is being deleted.",
    };

    /// Another party than guestlist changed the directory.
    pub const CORRECTED: Self = Self {
        warning: true,
        reason: Reason::Reconciled,
        action: "Correct",
        note: "The directory was changed from outside; the operator restores the state of the spec.",
    };

    /// A spec breaks a rule.
    pub fn refused(reason: Reason) -> Self {
        Self {
            warning: true,
            reason,
            action: "Refuse",
            note: "The spec breaks this rule; see status.violations for the fields and the fix.",
        }
    }

    /// Access was revoked, because of the spec or because of a problem.
    pub fn withheld(reason: Reason) -> Self {
        let asked = [Reason::Reconciled, Reason::Suspended, Reason::Expired, Reason::Terminating].contains(&reason);
        let note = "Access was revoked; see status for the grants and the reasons.";
        Self { warning: !asked, reason, action: "Revoke", note }
    }

    /// A share grants nothing, whether it granted something before or not.
    pub fn gives_nothing(reason: Reason) -> Self {
        let note = "This share grants nothing; see status for the reason.";
        Self { warning: true, reason, action: "Revoke", note }
    }

    /// The login was disabled. There may have been no access to revoke.
    pub const SHUT: Self = Self {
        warning: false,
        reason: Reason::Suspended,
        action: "Revoke",
        note: "The login was turned off; see status for why.",
    };
}

/// The wanted status of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Of a partner.
    Partner(Box<api::LocalPartnerStatus>),
    /// Of a membership.
    Membership(Box<api::GuestMembershipStatus>),
    /// Of a share.
    Share(Box<api::AccountShareStatus>),
}

/// The plan for one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps in order; every prefix is safe.
    pub steps: Vec<Step>,
    /// The revision of the guest's record that the steps were planned on.
    pub basis: Option<Revision>,
    /// The action on the finalizer.
    pub finalizer: Finalizer,
    /// The objects to delete.
    pub deletions: Vec<Deletion>,
    /// The status to write if it differs, once there are no steps left. `None`: the status does not change.
    pub status: Option<Status>,
    /// The Events to publish once, when the status is written.
    pub events: Vec<Event>,
    /// When the next reconcile is due without an event.
    pub next_check: Option<Timestamp>,
    /// The guest whose MFA must be read individually. A method is missing, and a listing may omit some of a guest's
    /// methods.
    pub recheck: Option<Email>,
    /// The membership waits for its turn to send an invitation.
    pub waits_for_turn: bool,
}

impl Plan {
    /// A plan without steps and without a status.
    pub fn nothing() -> Self {
        Self {
            steps: Vec::new(),
            basis: None,
            finalizer: Finalizer::Leave,
            deletions: Vec::new(),
            status: None,
            events: Vec::new(),
            next_check: None,
            recheck: None,
            waits_for_turn: false,
        }
    }
}

/// Plans nothing for an object whose operation the directory refuses. The status shows the refusal and the access in the
/// directory. `cause`: only a person can remove it. `None`: the refusal may pass.
pub fn refused(inputs: Inputs<'_>, key: &ObjectRef, planned: Plan, cause: Option<&str>) -> Plan {
    let mut status = planned.status;
    let conditions = match &mut status {
        Some(Status::Partner(status)) => Some(&mut status.conditions),
        Some(Status::Membership(status)) => Some(&mut status.conditions),
        Some(Status::Share(status)) => Some(&mut status.conditions),
        None => None,
    };
    let (declared, ObjectRef { namespace, name, .. }) = (inputs.declared, key);
    let stored = match key.kind {
        Kind::Partner => declared.partner(namespace, name).and_then(CacheEntry::read).map(|it| it.status.conditions()),
        Kind::Membership => {
            declared.membership(namespace, name).and_then(CacheEntry::read).map(|it| it.status.conditions())
        }
        Kind::Share => declared.share(namespace, name).and_then(CacheEntry::read).map(|it| it.status.conditions()),
    };
    if let Some(((conditions, old), meta)) = conditions.zip(stored).zip(declared.metadata(key)) {
        let judged = std::mem::take(conditions);
        *conditions = common::refused(meta, &old, judged, inputs.now, cause);
    }
    Plan { status, next_check: planned.next_check, ..Plan::nothing() }
}

/// Plans one object. The plan for an object that is not declared is [`Plan::nothing`].
pub fn plan(inputs: Inputs<'_>, key: &ObjectRef) -> Plan {
    match key.kind {
        Kind::Partner => partner::plan(inputs, &key.namespace, &key.name),
        Kind::Membership => membership::plan(inputs, &key.namespace, &key.name),
        Kind::Share => share::plan(inputs, &key.namespace, &key.name),
    }
}
