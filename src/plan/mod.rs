//! Pure: (declared, observed, now) → [`Plan`]: what to do, what to report, when to look again.
//!
//! A plan is made for one object at a time and executed in rounds: do its operations, take their effects into the
//! mirror, plan again. The plan after executing a plan has no operations, and only such a plan's status is written.

mod access;
pub mod annotations;
pub mod behind;
mod common;
mod conditions;
pub mod evaluate;
pub mod gc;
pub mod invitations;
pub mod later;
mod lifecycle;
mod membership;
mod ownership;
mod partner;
pub mod revoke;
mod share;

pub use invitations::{InvitationQueue, NO_INVITATIONS};
pub use lifecycle::State;
pub use ownership::{is_orphan, is_paused};

use jiff::Timestamp;

use crate::api;
use crate::cache::{CacheEntry, Kind, ObjectCache, ObjectRef};
use crate::directory::{DirectoryCache, Operation, Owner, Revision};
use crate::domain::{Email, Reason};
use crate::workspace_policy::WorkspacePolicy;

/// Everything a plan is made from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What is declared.
    pub declared: &'a ObjectCache,
    /// What the directory holds.
    pub observed: &'a DirectoryCache,
    /// Who may speak for whom.
    pub workspace: &'a WorkspacePolicy,
    /// Which installation and cluster we are: goes into every mark.
    pub owner: &'a Owner,
    /// Whether the directory answers. Where it does not, what was true is kept and nothing is done.
    pub directory_available: bool,
    /// Whether the mail that is due to the guest who is planned did not go out, and is not tried again yet.
    pub unsent: bool,
    /// Invitations that are being sent, and those that wait for their turn.
    pub invitations: &'a InvitationQueue,
    /// Which facts there are to judge by.
    pub scope: AvailableFacts,
    /// How far what is declared is all there is.
    pub extent: PruneScope,
    /// Now.
    pub now: Timestamp,
}

/// Which facts there are to judge by. A rule whose facts are not there is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailableFacts {
    /// The directory's: users, accounts, guests.
    pub directory: bool,
    /// The workspace policy's.
    pub policy: bool,
    /// Of competing objects, the one whose claim the directory recorded.
    pub incumbents: bool,
}

impl AvailableFacts {
    /// A reconcile judges by everything.
    pub const ALL: Self = Self { directory: true, policy: true, incumbents: true };
    /// The specs, the policy and single guests: the directory is not read in full.
    pub const SPECS: Self = Self { directory: false, policy: true, incumbents: false };
}

/// How far what is declared is all there is: what lies beyond may be declared elsewhere, and is not taken back for being
/// absent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneScope {
    /// All of it: a cluster, listed in full.
    Everything,
    /// The partners that are declared, each with all that is its: `apply --prune`.
    DeclaredPartners {
        /// How many guests may go for being declared no more, where somebody said it.
        at_most: Option<usize>,
    },
    /// Only what is declared: `apply`.
    Declared,
}

impl Inputs<'_> {
    /// Whether all that a partner has is declared here.
    pub fn is_whole(&self, namespace: &str, partner: &str) -> bool {
        match self.extent {
            PruneScope::Everything => true,
            PruneScope::DeclaredPartners { .. } => self.declared.partner(namespace, partner).is_some(),
            PruneScope::Declared => false,
        }
    }
}

/// One operation and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What.
    pub operation: Operation,
    /// Why: the word that a person will look up.
    pub reason: Reason,
    /// Why, as a sentence.
    pub message: String,
}

/// What happens to the object's finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// It has to be on the object before the first operation.
    Hold,
    /// It is taken off once the plan has no operations left.
    Release,
    /// It is left as it is.
    Leave,
}

/// An object to be deleted (`Cascade`), with its UID as precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Which.
    pub key: ObjectRef,
    /// Its UID.
    pub uid: String,
}

/// Something that people are told by a Kubernetes Event. The note is a constant sentence a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Warning` or `Normal`.
    pub warning: bool,
    /// The reason.
    pub reason: Reason,
    /// `Refuse`, `Revoke`, `Remove`: the Event's action.
    pub action: &'static str,
    /// The sentence.
    pub note: &'static str,
}

impl Event {
    /// A membership, share or partner is gone, and its access with it.
    pub const REMOVED: Self = Self {
        warning: false,
        reason: Reason::Terminating,
        action: "Remove",
        note: "Access was revoked because the object is being deleted.",
    };

    /// The directory was changed by something else than guestlist.
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

    /// Access was revoked: as the spec says, or because something is wrong.
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

    /// The login was turned off: there may have been no access to revoke.
    pub const SHUT: Self = Self {
        warning: false,
        reason: Reason::Suspended,
        action: "Revoke",
        note: "The login was turned off; see status for why.",
    };
}

/// An object's status, as it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Of a partner.
    Partner(Box<api::LocalPartnerStatus>),
    /// Of a membership.
    Membership(Box<api::GuestMembershipStatus>),
    /// Of a share.
    Share(Box<api::AccountShareStatus>),
}

/// What must be done for one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In order; every prefix is safe.
    pub steps: Vec<Step>,
    /// The revision of the guest's record that the steps were planned on.
    pub basis: Option<Revision>,
    /// The object's finalizer.
    pub finalizer: Finalizer,
    /// Objects to delete.
    pub deletions: Vec<Deletion>,
    /// The status to be written where it differs, once there are no steps left. `None`: leave it.
    pub status: Option<Status>,
    /// What people are told, once, when the status is written.
    pub events: Vec<Event>,
    /// When to look again though nothing happens.
    pub next_check: Option<Timestamp>,
    /// Whose MFA is to be looked up by itself: he is withheld for want of a method, and a listing need not tell each that
    /// somebody has.
    pub closer: Option<Email>,
    /// It waits for its turn to send an invitation.
    pub waits_for_turn: bool,
}

impl Plan {
    /// Nothing to do, nothing to say.
    pub fn nothing() -> Self {
        Self {
            steps: Vec::new(),
            basis: None,
            finalizer: Finalizer::Leave,
            deletions: Vec::new(),
            status: None,
            events: Vec::new(),
            next_check: None,
            closer: None,
            waits_for_turn: false,
        }
    }
}

/// Plans nothing for an object whose operation the directory refuses. The status shows the refusal and the access in the
/// directory. `cause`: only a person can remove it. `None`: the refusal may pass.
pub fn refused(world: Inputs<'_>, key: &ObjectRef, planned: Plan, cause: Option<&str>) -> Plan {
    let mut status = planned.status;
    let conditions = match &mut status {
        Some(Status::Partner(status)) => Some(&mut status.conditions),
        Some(Status::Membership(status)) => Some(&mut status.conditions),
        Some(Status::Share(status)) => Some(&mut status.conditions),
        None => None,
    };
    let (declared, ObjectRef { namespace, name, .. }) = (world.declared, key);
    let stored = match key.kind {
        Kind::Partner => declared.partner(namespace, name).and_then(CacheEntry::read).map(|it| it.status.conditions()),
        Kind::Membership => {
            declared.membership(namespace, name).and_then(CacheEntry::read).map(|it| it.status.conditions())
        }
        Kind::Share => declared.share(namespace, name).and_then(CacheEntry::read).map(|it| it.status.conditions()),
    };
    if let Some(((conditions, old), meta)) = conditions.zip(stored).zip(declared.metadata(key)) {
        let judged = std::mem::take(conditions);
        *conditions = common::refused(meta, &old, judged, world.now, cause);
    }
    Plan { status, next_check: planned.next_check, ..Plan::nothing() }
}

/// Plans one object. An object that is not declared (any more) gives [`Plan::nothing`].
pub fn plan(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    match key.kind {
        Kind::Partner => partner::plan(world, &key.namespace, &key.name),
        Kind::Membership => membership::plan(world, &key.namespace, &key.name),
        Kind::Share => share::plan(world, &key.namespace, &key.name),
    }
}
