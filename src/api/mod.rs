//! The wire: the three custom resources as the API server stores them. Serde, schema and CEL only, no logic.
//!
//! Nothing here parses: times, durations, roles and addresses are strings, so that everything the server
//! accepts can be read back. They become types, or violations, in [`crate::validation`].

#[allow(clippy::duplicated_attributes, reason = "a printer column names its type, as the others do")]
mod account_share;
mod common;
mod condition_type;
#[allow(clippy::duplicated_attributes, reason = "a printer column names its type, as the others do")]
mod guest_membership;
#[allow(clippy::duplicated_attributes, reason = "a printer column names its type, as the others do")]
mod local_partner;
pub mod schema;

pub use account_share::*;
pub use common::*;
pub use condition_type::ConditionType;
pub use guest_membership::*;
pub use local_partner::*;
pub use schema::{crd_files, crds, crds_yaml};

/// The API group of all three kinds.
pub const GROUP: &str = "guestlist.dev";
/// The only version served so far.
pub const VERSION: &str = "v1alpha1";
/// The finalizer that keeps an object until its access has been revoked.
pub const FINALIZER: &str = "guestlist.dev/access";
/// The observed generation of an object that the operator has not seen. The API server shows it in the status of a new
/// object. kstatus counts an object without a status as Current, so a pipeline would not wait for the operator.
pub const NOT_OBSERVED: i64 = -1;
/// Any new value asks for a reconcile; echoed in `status.lastHandledReconcileAt`.
pub const RECONCILE_AT: &str = "guestlist.dev/reconcile-at";
/// An RFC 3339 time: MFA enrolled before it is removed.
pub const RESET_MFA: &str = "guestlist.dev/reset-mfa";
/// An RFC 3339 time: the invitation is sent again unless a younger one exists.
pub const RESEND_INVITATION: &str = "guestlist.dev/resend-invitation";
/// `"true"`: nothing is granted and nothing is purged; access is still revoked.
pub const PAUSED: &str = "guestlist.dev/paused";
/// All annotations that are read.
pub const ANNOTATIONS: [Annotation; 4] = [
    Annotation {
        name: RECONCILE_AT,
        value: "VALUE",
        kinds: "all three kinds",
        effect: "a new value causes a reconcile. The value then appears in `status.lastHandledReconcileAt`",
    },
    Annotation {
        name: PAUSED,
        value: "\"true\"",
        kinds: "all three; on a partner also for its memberships and shares",
        effect: "the operator grants, invites and purges nothing. It still revokes access",
    },
    Annotation {
        name: RESET_MFA,
        value: "TIME",
        kinds: "a membership",
        effect: "the operator deletes the factors that were enrolled before that time, and revokes the grants that need them",
    },
    Annotation {
        name: RESEND_INVITATION,
        value: "TIME",
        kinds: "a membership",
        effect: "the operator sends the invitation again, unless the last one is younger than that time",
    },
];

/// An annotation that guestlist reads, as the reference describes it.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// The key.
    pub name: &'static str,
    /// The form of its value.
    pub value: &'static str,
    /// The kinds that it works on.
    pub kinds: &'static str,
    /// The effect of the annotation.
    pub effect: &'static str,
}

/// Whether an annotation's name has guestlist's prefix, also if guestlist does not read it.
pub fn is_annotation(name: &str) -> bool {
    name.split_once('/').is_some_and(|(group, _)| group == GROUP)
}
