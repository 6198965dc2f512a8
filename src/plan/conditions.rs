//! Conditions for kstatus and `kubectl wait`. A transition time changes only with its status.

use jiff::Timestamp;

use crate::api::{Condition, ConditionType, ViolationStatus};
use crate::domain::{Reason, printable};
use crate::validation::Violation;

/// Maximum number of violations and withheld entries in a status.
pub const LISTED: usize = 50;
/// Maximum length of a message, in characters.
const LONGEST: usize = 200;

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The condition is true.
    True,
    /// The condition is false.
    False,
    /// The operator cannot determine the status.
    Unknown,
}

impl Truth {
    fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// The content of `Accepted` and `Ready`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// `None`: `Accepted` does not change.
    pub accepted: Option<bool>,
    /// The status of `Ready`.
    pub ready: Truth,
    /// The reason of both.
    pub reason: Reason,
    /// The message of both.
    pub message: String,
    /// The operator continues without a change of the spec.
    pub reconciling: bool,
    /// The spec or the directory needs a fix.
    pub stalled: bool,
}

impl Summary {
    /// The directory is unavailable.
    pub fn unavailable() -> Self {
        Self {
            accepted: None,
            ready: Truth::Unknown,
            reason: Reason::DirectoryUnavailable,
            message: sentence(Reason::DirectoryUnavailable).to_owned(),
            reconciling: true,
            stalled: false,
        }
    }

    /// The directory is available, but refuses this object's operation. `cause`: a cause that only a person can remove.
    /// `None`: the refusal may be temporary.
    pub fn refused(cause: Option<&str>) -> Self {
        let held = Self::held(Reason::DirectoryRefused);
        let message = cause.map_or(held.message.clone(), str::to_owned);
        Self { message, reconciling: cause.is_none(), stalled: cause.is_some(), ..held }
    }

    /// No problem is known.
    pub fn fine(reason: Reason) -> Self {
        Self {
            accepted: Some(true),
            ready: Truth::True,
            reason,
            message: sentence(reason).to_owned(),
            reconciling: false,
            stalled: false,
        }
    }

    /// Broken rules: the first one determines the reason.
    pub fn violated(violations: &[Violation]) -> Option<Self> {
        let first = violations.first()?;
        let more = match violations.len() {
            1 => String::new(),
            n => format!(" (and {} more, see status.violations)", n - 1),
        };
        Some(Self {
            accepted: Some(false),
            ready: Truth::False,
            reason: first.reason,
            message: format!("{}: {}{more}", first.path, first.message),
            reconciling: false,
            stalled: true,
        })
    }

    /// A fact that the object needs is missing.
    pub fn waits(reason: Reason) -> Self {
        Self { accepted: Some(true), ready: Truth::False, reconciling: true, ..Self::held(reason) }
    }

    /// The object does not change, but is not stalled.
    pub fn held(reason: Reason) -> Self {
        Self {
            accepted: None,
            ready: Truth::False,
            reason,
            message: sentence(reason).to_owned(),
            reconciling: false,
            stalled: false,
        }
    }
}

/// A condition that only one kind has.
pub struct KindCondition {
    /// The type of the condition.
    pub type_: ConditionType,
    /// The status of the condition.
    pub status: Truth,
    /// The reason: that of the summary, or the type itself without a problem.
    pub reason: &'static str,
    /// The message of the condition.
    pub message: String,
}

/// Writes the conditions. Only transition times, and `Accepted` where it does not change, come from `old`.
pub fn write(
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    situation: &Summary,
    domain: Vec<KindCondition>,
) -> Vec<Condition> {
    let find = |type_: &str| old.iter().find(|condition| condition.type_ == type_);
    let make = |type_: ConditionType, status: Truth, reason: &str, message: &str| {
        let type_ = type_.as_str();
        let since = find(type_).filter(|old| old.status == status.as_str()).map(|old| old.last_transition_time.clone());
        Condition {
            type_: type_.to_owned(),
            status: status.as_str().to_owned(),
            observed_generation: generation,
            last_transition_time: since.filter(|time| !time.is_empty()).unwrap_or_else(|| show(now)),
            reason: reason.to_owned(),
            message: shorten(message),
        }
    };
    let word = situation.reason.as_str();
    let mut conditions = vec![make(ConditionType::Ready, situation.ready, word, &situation.message)];
    match situation.accepted {
        Some(true) => {
            let word = ConditionType::Accepted.as_str();
            conditions.push(make(ConditionType::Accepted, Truth::True, word, "The spec breaks no rule."));
        }
        Some(false) => conditions.push(make(ConditionType::Accepted, Truth::False, word, &situation.message)),
        None => conditions.extend(find(ConditionType::Accepted.as_str()).cloned()),
    }
    for KindCondition { type_, status, reason, message } in domain {
        conditions.push(make(type_, status, reason, &message));
    }
    if situation.reconciling {
        conditions.push(make(ConditionType::Reconciling, Truth::True, word, &situation.message));
    }
    if situation.stalled {
        conditions.push(make(ConditionType::Stalled, Truth::True, word, &situation.message));
    }
    conditions
}

/// The first violations, in the form of a status.
pub fn violations(found: &[Violation]) -> Vec<ViolationStatus> {
    found
        .iter()
        .take(LISTED)
        .map(|violation| ViolationStatus {
            reason: violation.reason.as_str().to_owned(),
            path: violation.path.clone(),
            message: shorten(&violation.message),
        })
        .collect()
}

/// Converts a count. No stored list exceeds `i64::MAX`.
pub fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// An instant in the format of Kubernetes: RFC 3339 in UTC, whole seconds.
pub fn show(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn shorten(message: &str) -> String {
    let message = printable(message);
    if message.chars().count() <= LONGEST {
        return message.into_owned();
    }
    message.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The message of a condition with this reason, unless a violation provides one.
pub fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Reconciled => "The directory reflects this spec.",
        Reason::Active => "The guest has joined and turned MFA on; the grants are effective.",
        Reason::Joined => "The guest has joined; no grant is effective until MFA is on.",
        Reason::Invited => "The invitation is out and has not been accepted yet.",
        Reason::InvitationExpired => {
            "The invitation was not accepted in time; set the annotation guestlist.dev/resend-invitation to the current time."
        }
        Reason::Suspended => {
            "The spec or its partner's spec suspends it; all grants are withheld and the login is off."
        }
        Reason::Expired => "The end has passed; all grants are withheld. A later expiresAt restores them.",
        Reason::MfaEnrolmentOverdue => {
            "MFA was not turned on in time; all grants are withheld until it is. The login stays enabled."
        }
        Reason::Terminating => "The object is being deleted; its access is withheld already.",
        Reason::Pending => "Nothing has been sent yet.",
        Reason::PartnerNotFound => "The partner does not exist yet; it is checked again when it does.",
        Reason::AccountNotFound => "The directory has no such account that this namespace may share yet.",
        Reason::HostAdminNotFound => {
            "A Host Admin is not an enabled workspace user with a verified address; they count as absent."
        }
        Reason::HostDomainsUnknown => "The workspace policy lists no corporate domains, so no guest is invited.",
        Reason::InviterNotActive => "The inviter (spec.invitedBy) does not exist or is not Active.",
        Reason::MailInterval => {
            "The last mail to this address is too recent; the next one goes out when the policy's mailInterval has passed."
        }
        Reason::MailNotSent => {
            "The directory could not send the invitation; it is tried again later, and the operator's log says why."
        }
        Reason::InvitationLimit => {
            "The namespace has sent as many invitations as invitationsPerHour in the workspace policy allows. This one waits for its turn."
        }
        Reason::PartnerDeleting => "The partner is being deleted; no new guest is accepted.",
        Reason::DirectoryUnavailable => {
            "The directory does not answer. Access stays as it is; the operator's log names the cause."
        }
        Reason::DirectoryRefused => {
            "The directory refuses to write this object's record. The operator tries again; its log names the cause."
        }
        Reason::OwnershipMarkUnreadable => {
            "The ownership mark in the directory was edited or copied: all grants are withheld. Restore or remove the attributes; the log names the user or organization."
        }
        Reason::DirectoryBehind => {
            "The directory has no record of some guests that statuses name, so no invitation goes out. See the operator's log and readiness."
        }
        Reason::Paused => "Paused by annotation: nothing is granted; access is still revoked.",
        Reason::AddressChanged => {
            "The guest's address in the directory is no longer the invited one; all grants are withheld."
        }
        Reason::DisabledByAdministrator => {
            "An administrator disabled the guest's login; all grants are withheld. guestlist does not enable it: enable the login in the directory."
        }
        Reason::Unreadable => {
            "The stored object does not fit its schema; nothing new is granted and nothing is revoked."
        }
        Reason::SharerNotOwner => {
            "The sharer is not an Owner of the account in the directory; its grants are withheld. Set spec.sharedBy to an Owner, or restore the ownership."
        }
        Reason::DeletionBlocked => {
            "Memberships or shares still name this partner; delete them, or set spec.deletion to Cascade."
        }
        Reason::MfaNotEnrolled => "No MFA method is enrolled.",
        Reason::MfaMethodMissing => "None of the MFA methods that are asked for is enrolled.",
        Reason::MfaUnknown => "The directory cannot tell whether MFA is on.",
        Reason::PolicyUnreadable => "The workspace policy cannot be read; nothing new is granted.",
        Reason::MembershipNotFound => "The membership does not exist yet.",
        Reason::InvalidValue
        | Reason::HostAdminRequired
        | Reason::HostAdminNotAllowedHere
        | Reason::HostAdminIsGuest
        | Reason::MfaCannotBeWaived
        | Reason::MfaMethodNotAllowed
        | Reason::MfaDeadlineTooLong
        | Reason::InvalidEmail
        | Reason::HostDomain
        | Reason::DomainListsExclusive
        | Reason::DomainNotAllowed
        | Reason::IsWorkspaceUser
        | Reason::IdentityExists
        | Reason::AlreadyGuest
        | Reason::QuotaExceeded
        | Reason::InviterNotAllowed
        | Reason::Immutable
        | Reason::ExpiryTooLong
        | Reason::OwnerNeverShared
        | Reason::ManagerNeedsGuestAdmin
        | Reason::SharerNotHostAdmin
        | Reason::NotAGuestOfPartner
        | Reason::PropagationNeedsManager
        | Reason::DuplicateShare => "The partner breaks this rule and grants nothing until it is fixed.",
        Reason::Orphaned | Reason::TooManyOrphans | Reason::ForeignDirectory | Reason::Rejected => {
            "See the operator's log and readiness."
        }
    }
}
