//! An evaluated membership: its violations, the fact that it waits for, its state, and its access decision.

use jiff::{SignedDuration, Timestamp};

use super::super::Inputs;
use super::super::invitations;
use super::super::lifecycle::{Facts, State};
use super::super::ownership::{self, Ownership, is_being_deleted};
use super::admission::claim_violations;
use super::inviter::{Inviter, inviter, inviter_violation};
use super::partner::{EvaluatedPartner, Presence};
use super::workspace_user::{adopts, is_workspace_user};
use super::{Decision, PendingReason};
use crate::cache::{Kind, Membership, ObjectRef};
use crate::directory::{GuestRecord, Login, MfaRecord, Origin};
use crate::domain::{Email, Methods, Reason, all_methods};
use crate::validation::{Violation, cross_object, messages};

/// An evaluated membership.
#[derive(Clone, Debug)]
pub struct EvaluatedMembership<'a> {
    /// The declared membership.
    pub entry: &'a Membership,
    /// The relation of the membership to the directory's record.
    pub claim: Ownership<'a>,
    /// All broken rules.
    pub violations: Vec<Violation>,
    /// The fact that it waits for.
    pub wait: Option<PendingReason>,
    /// The lifecycle state of the guest.
    pub state: State,
    /// Suspended only because MFA enrolment is overdue. The login stays enabled.
    pub overdue: bool,
    /// Suspended by its own spec or by its partner's.
    pub suspended: bool,
    /// An administrator or the identity provider disabled the login; guestlist does not enable it.
    pub disabled_by_other: bool,
    /// The effective end.
    pub expires_at: Option<Timestamp>,
    /// The effective end has passed.
    pub expired: bool,
    /// The deadline for MFA enrolment.
    pub deadline: Option<Timestamp>,
    /// The MFA methods that both the membership and the partner allow.
    pub allowed: Methods,
    /// The enrolled MFA methods of a joined guest. `None`: unknown.
    pub enrolled: Option<Methods>,
    /// When unknown MFA begins to withhold access.
    pub unknown_until: Option<Timestamp>,
    /// The decision for all shares; a share can only restrict it.
    pub gate: Decision,
    /// Created or adopted; for a new membership, the origin that the record will have.
    pub origin: Origin,
}

impl<'a> EvaluatedMembership<'a> {
    /// Evaluates a membership.
    pub fn of(inputs: Inputs<'a>, partner: &EvaluatedPartner<'a>, entry: &'a Membership) -> Self {
        let claim = ownership::ownership(inputs, entry);
        let newcomer = claim.live().is_none();
        let mut violations = own_violations(inputs, partner, entry, claim, newcomer);
        let mut wait = wait(inputs, partner, entry, newcomer);
        if claim == Ownership::Unreadable {
            wait = wait.or(Some(PendingReason::on(Reason::OwnershipMarkUnreadable)));
        }
        if newcomer && violations.is_empty() && wait.is_none() {
            violations.extend(claim_violations(inputs, partner, entry, claim, is_eligible));
        } else if newcomer && matches!(claim, Ownership::OwnedByOther) {
            violations.push(messages::already_guest());
        }
        violations.sort();
        if wait.is_none() && violations.is_empty() && is_disabled_by_other(inputs, partner, entry, claim) {
            wait = Some(PendingReason::on(Reason::DisabledByAdministrator));
        }
        let record = claim.live();
        if wait.is_none()
            && let Some(until) = mail_wait(inputs, entry, claim)
            && violations.is_empty()
        {
            wait = Some(PendingReason::until(Reason::MailInterval, until));
        }
        let behind = !inputs.observed.missing().is_empty();
        if behind && wait.is_none() && violations.is_empty() && is_mail_due(inputs, entry, claim) {
            wait = Some(PendingReason::on(Reason::DirectoryBehind));
        }
        let is_due = |record: &GuestRecord| record.joined_at.is_none() && record.invitation.is_none();
        if wait.is_none() && inputs.unsent && violations.is_empty() && record.is_some_and(is_due) {
            wait = Some(PendingReason::on(Reason::MailNotSent));
        }
        if wait.is_none() && violations.is_empty() && sends(inputs, partner, entry, claim) {
            let meta = &entry.metadata;
            let key = ObjectRef::new(Kind::Membership, ownership::namespace(meta), ownership::name(meta));
            wait = invitations::due_at(inputs, &key).map(|until| PendingReason::until(Reason::InvitationLimit, until));
        }
        if record.is_some_and(|record| record.email != record.address) {
            wait = wait.or(Some(PendingReason::on(Reason::AddressChanged)));
        }
        Self::assemble(inputs, partner, entry, claim, violations, wait)
    }

    fn assemble(
        inputs: Inputs<'a>,
        partner: &EvaluatedPartner<'a>,
        entry: &'a Membership,
        claim: Ownership<'a>,
        violations: Vec<Violation>,
        wait: Option<PendingReason>,
    ) -> Self {
        let terms = &entry.reading.terms;
        let meta = &entry.metadata;
        let record = claim.live();
        let partner_methods = partner.entry.map_or_else(all_methods, |entry| entry.reading.terms.methods.clone());
        let allowed = match &terms.methods {
            Some(methods) => methods.intersection(&partner_methods).copied().collect(),
            None => partner_methods,
        };
        let joined_at = record.and_then(|record| record.joined_at);
        let enrolled = match record.map(|record| &record.mfa) {
            Some(MfaRecord::Known(methods)) if joined_at.is_some() => {
                Some(methods.keys().copied().collect::<Methods>())
            }
            Some(MfaRecord::Known(_) | MfaRecord::Unknown) | None => None,
        };
        // If the directory cannot report MFA, a guest with grants counts as enrolled.
        let satisfied = match &enrolled {
            Some(enrolled) => !allowed.is_disjoint(enrolled),
            None => record.is_some_and(|record| !record.grants.is_empty()),
        };
        // The deadline applies only without any enrolled method. A guest whose method is no longer allowed has no
        // access, but is not overdue.
        let none = enrolled.as_ref().is_none_or(Methods::is_empty);
        let deadline = record.and_then(|record| deadline(partner, record)).filter(|_| !satisfied && none);
        let expires_at = expires_at(partner, entry, record);
        let expired = expires_at.is_some_and(|end| end <= inputs.now);
        let suspended = terms.suspended || partner.suspended;
        let disabled_by_other = record.is_some_and(|record| record.login == Login::DisabledByOther);
        let late = enrolled.is_some() && deadline.is_some_and(|deadline| deadline <= inputs.now);
        let overdue = late && !suspended && !disabled_by_other;
        let removing = is_being_deleted(meta) || is_deleted_by_cascade(partner, entry);
        let facts = Facts {
            removing,
            violated: !violations.is_empty(),
            live: record.is_some(),
            suspended,
            disabled_by_other,
            overdue,
            expired,
            joined: joined_at.is_some(),
            invitation: record.and_then(|record| record.invitation).map(|invitation| invitation.expires_at),
            satisfied,
        };
        let state = State::of(facts, inputs.now);
        let unknown_until = match record {
            Some(record) if joined_at.is_some() && enrolled.is_none() => Some(
                inputs.observed.mfa_unknown_since(&record.address).unwrap_or(inputs.now)
                    + inputs.workspace.mfa_unknown_max,
            ),
            Some(_) | None => None,
        };
        let mut view = Self {
            entry,
            claim,
            violations,
            wait,
            state,
            overdue,
            suspended,
            disabled_by_other,
            expires_at,
            expired,
            deadline,
            allowed,
            enrolled,
            unknown_until,
            gate: Decision::Allow,
            origin: origin(inputs, partner, terms.email.as_ref(), record),
        };
        view.gate = view.decide(inputs, partner);
        view
    }

    /// The name of the object.
    pub fn name(&self) -> &'a str {
        ownership::name(&self.entry.metadata)
    }

    /// The state for statuses and output. It is Suspended instead of Active if the directory hides the guest's accounts
    /// from applications.
    pub fn shown_state(&self) -> State {
        let blocked = self.claim.live().is_some_and(GuestRecord::is_blocked);
        if blocked && self.state == State::Active { State::Suspended } else { self.state }
    }

    fn decide(&self, inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Decision {
        if self.state == State::Terminating {
            return Decision::Deny(Reason::Terminating);
        }
        if let Some(violation) = self.violations.first() {
            return Decision::Deny(violation.reason);
        }
        // The grants of an unreadable partner are unknown. The revocations by its members' own specs and MFA are known.
        let unreadable = partner.presence == Presence::Unreadable;
        if let Some(reason) = partner.blocked.filter(|_| !unreadable) {
            return Decision::Deny(reason);
        }
        if let Some(PendingReason { reason: Reason::AddressChanged, .. }) = self.wait {
            return Decision::Deny(Reason::AddressChanged);
        }
        match self.state {
            State::Terminating
            | State::Rejected
            | State::Pending
            | State::Expired
            | State::InvitationExpired
            | State::Invited => Decision::Deny(self.wait.map_or(self.state.reason(), |wait| wait.reason)),
            State::Suspended if self.overdue => Decision::Deny(Reason::MfaEnrolmentOverdue),
            State::Suspended if !self.suspended => Decision::Deny(Reason::DisabledByAdministrator),
            State::Suspended => Decision::Deny(Reason::Suspended),
            State::Joined | State::Active => match &self.enrolled {
                None if self.unknown_until.is_some_and(|until| until <= inputs.now) => {
                    Decision::Deny(Reason::MfaUnknown)
                }
                None => Decision::Retain(Reason::MfaUnknown),
                Some(enrolled) if enrolled.is_empty() => Decision::Deny(Reason::MfaNotEnrolled),
                Some(enrolled) if enrolled.is_disjoint(&self.allowed) => Decision::Deny(Reason::MfaMethodMissing),
                Some(_) if unreadable => Decision::Retain(Reason::Unreadable),
                Some(_) => Decision::Allow,
            },
        }
    }
}

/// The rules for a membership alone, its partner, and the facts about the people it names. Conflicts with other
/// memberships are not included.
fn own_violations(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    entry: &Membership,
    claim: Ownership<'_>,
    newcomer: bool,
) -> Vec<Violation> {
    let terms = &entry.reading.terms;
    let mut found = entry.reading.violations.clone();
    if let (Some(methods), Some(theirs)) = (&terms.methods, partner.methods()) {
        found.extend(cross_object::methods_within(methods, theirs, "spec.mfa.methods"));
    }
    if let Some(email) = &terms.email {
        let corporate = inputs.workspace.corporate_domains();
        found.extend(cross_object::host_domain(email, corporate, &partner.admin_domains));
        found.extend(partner.domains().and_then(|domains| cross_object::domain_allowed(email, domains)));
        if newcomer && claim != Ownership::Unreadable && is_workspace_user(inputs, partner, email) {
            found.push(messages::is_workspace_user());
        }
        if matches!(claim, Ownership::Unmanaged) {
            found.push(messages::identity_exists());
        }
    }
    found.extend(inviter_violation(inputs, partner, entry, newcomer));
    found.extend(immutable(entry, claim));
    if let (true, Some(partner)) = (newcomer, partner.entry) {
        found.extend(cross_object::expiry_too_long(terms.expires_at, inputs.now, partner.reading.terms.max_duration));
    }
    found
}

/// The first rule that a propagator's membership breaks, conflicts with other memberships apart. If records of other guests
/// are not read, no membership counts as new, so the rules for new memberships revoke nothing.
pub fn broken_rule(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Membership) -> Option<Reason> {
    let claim = ownership::ownership(inputs, entry);
    let newcomer = inputs.scope.incumbents && claim.live().is_none();
    let violations = own_violations(inputs, partner, entry, claim, newcomer);
    violations.into_iter().min().map(|violation| violation.reason)
}

/// The fields that must equal the record of this UID.
fn immutable(entry: &Membership, claim: Ownership<'_>) -> Vec<Violation> {
    let (Ownership::Owned(record), terms) = (claim, &entry.reading.terms) else { return Vec::new() };
    let mut found = Vec::new();
    if terms.email.as_ref().is_some_and(|email| *email != record.address) {
        found.push(messages::immutable("spec.email", record.address.as_str()));
    }
    if terms.partner != record.partner_name {
        found.push(messages::immutable("spec.partnerRef.name", &record.partner_name));
    }
    found
}

/// The fact that a membership waits for.
fn wait(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    entry: &Membership,
    newcomer: bool,
) -> Option<PendingReason> {
    match partner.presence {
        Presence::Absent => return Some(PendingReason::on(Reason::PartnerNotFound)),
        Presence::Unreadable => return Some(PendingReason::on(Reason::Unreadable)),
        Presence::Leaving { .. } if newcomer => return Some(PendingReason::on(Reason::PartnerDeleting)),
        Presence::There | Presence::Leaving { .. } => {}
    }
    if let Some(reason) = partner.blocked {
        return Some(PendingReason::on(reason));
    }
    if newcomer && inputs.scope.policy && inputs.workspace.corporate_domains().is_empty() {
        return Some(PendingReason::on(Reason::HostDomainsUnknown));
    }
    let waits = newcomer
        && match inviter(inputs, partner, entry) {
            Inviter::NotActive => true,
            Inviter::GuestAdmin(colleague) => !is_active(inputs, partner, colleague),
            Inviter::Allowed | Inviter::NotAllowedHere | Inviter::NotAllowed | Inviter::Unjudged => false,
        };
    waits.then(|| PendingReason::on(Reason::InviterNotActive))
}

/// Whether a colleague is Active now, by the directory's record. The colleague's own inviter no longer matters.
fn is_active(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, colleague: &Membership) -> bool {
    let claim = ownership::ownership(inputs, colleague);
    // Only a live membership can be Active, and its evaluation does not check its inviter. The recursion therefore
    // ends.
    claim.live().is_some_and(|record| record.joined_at.is_some())
        && EvaluatedMembership::of(inputs, partner, colleague).state == State::Active
}

/// Whether a new membership could be accepted, conflicts with other memberships apart. The checks without lookups come
/// first, because thousands of earlier invalid memberships must cost little.
fn is_eligible(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Membership) -> bool {
    if !entry.reading.violations.is_empty() || is_being_deleted(&entry.metadata) {
        return false;
    }
    let claim = ownership::ownership(inputs, entry);
    claim.live().is_none()
        && !matches!(claim, Ownership::OwnedByOther | Ownership::Unmanaged | Ownership::Unreadable)
        && wait(inputs, partner, entry, true).is_none()
        && own_violations(inputs, partner, entry, claim, true).is_empty()
}

/// Whether an administrator disabled the login of the identity that a new membership would invite.
fn is_disabled_by_other(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    entry: &Membership,
    claim: Ownership<'_>,
) -> bool {
    let user = || {
        let address = entry.reading.terms.email.as_ref()?;
        inputs.observed.user(address).filter(|_| adopts(inputs, partner))
    };
    match claim {
        Ownership::Reactivatable(record) => record.login == Login::DisabledByOther,
        Ownership::Absent => user().is_some_and(|user| !user.enabled),
        Ownership::Owned(_)
        | Ownership::Inheritable(_)
        | Ownership::OwnedByOther
        | Ownership::Unmanaged
        | Ownership::Unreadable => false,
    }
}

fn origin(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    email: Option<&Email>,
    record: Option<&GuestRecord>,
) -> Origin {
    match record.and_then(|record| record.mark.as_ref()) {
        Some(mark) => mark.origin,
        None if email.is_some_and(|email| inputs.observed.user(email).is_some()) && adopts(inputs, partner) => {
            Origin::Adopted
        }
        None => Origin::Created,
    }
}

/// Whether a mail is due: the first invitation, or a repeated one.
fn is_mail_due(inputs: Inputs<'_>, entry: &Membership, claim: Ownership<'_>) -> bool {
    match claim {
        // The state of an earlier record of the address does not matter.
        Ownership::Reactivatable(_) | Ownership::Absent => true,
        Ownership::Owned(record) | Ownership::Inheritable(record) => mail_due(inputs, entry, record),
        Ownership::OwnedByOther | Ownership::Unmanaged | Ownership::Unreadable => false,
    }
}

/// Whether a membership that breaks no rule and waits for nothing else would send an invitation now.
fn sends(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Membership, claim: Ownership<'_>) -> bool {
    let terms = &entry.reading.terms;
    let end = expires_at(partner, entry, claim.live());
    let off = terms.suspended || partner.suspended || end.is_some_and(|end| end <= inputs.now);
    let held = partner.paused || ownership::is_paused(&entry.metadata) || is_being_deleted(&entry.metadata);
    let disabled = claim.live().is_some_and(|record| record.login == Login::DisabledByOther);
    is_mail_due(inputs, entry, claim) && !off && !disabled && !held && inputs.workspace.is_readable()
}

/// When the next mail may be sent, if one is due and the mail interval has not passed.
fn mail_wait(inputs: Inputs<'_>, entry: &Membership, claim: Ownership<'_>) -> Option<Timestamp> {
    let address = entry.reading.terms.email.as_ref().filter(|_| is_mail_due(inputs, entry, claim))?;
    let next = inputs.observed.last_mail(address)?.checked_add(inputs.workspace.mail_interval).ok()?;
    (inputs.now < next).then_some(next)
}

/// Whether an accepted guest needs another mail: the invitation was revoked and no obstacle is left, or an annotation
/// asks for it.
pub fn mail_due(inputs: Inputs<'_>, entry: &Membership, record: &GuestRecord) -> bool {
    if record.joined_at.is_some() {
        return false;
    }
    let asked = ownership::annotation(&entry.metadata, crate::api::RESEND_INVITATION)
        .and_then(|text| crate::domain::time::instant(text).ok())
        .filter(|asked| *asked <= inputs.now);
    match record.invitation {
        None => true,
        Some(invitation) => asked.is_some_and(|asked| invitation.sent_at < asked),
    }
}

/// The earliest of the membership's own end, its partner's end, and the maximum duration. The maximum duration counts
/// from the recorded admission. A creation time does not serve, because a file can contain any and a restore sets a new
/// one.
fn expires_at(partner: &EvaluatedPartner<'_>, entry: &Membership, record: Option<&GuestRecord>) -> Option<Timestamp> {
    let longest = partner.entry.and_then(|partner| partner.reading.terms.max_duration);
    let cap = record.zip(longest).and_then(|(record, longest)| record.admitted_at.checked_add(longest).ok());
    [entry.reading.terms.expires_at, partner.expires_at, cap].into_iter().flatten().min()
}

/// The deadline for MFA enrolment. It counts from joining, or from the first observation of a reset.
fn deadline(partner: &EvaluatedPartner<'_>, record: &GuestRecord) -> Option<Timestamp> {
    let within = partner.entry.map_or(SignedDuration::from_hours(168), |entry| entry.reading.terms.enrol_within);
    let from = record.mfa_lost_at.into_iter().chain(record.joined_at).max()?;
    record.joined_at.and_then(|_| from.checked_add(within).ok())
}

/// Whether a cascading deletion of the partner deletes this membership.
fn is_deleted_by_cascade(partner: &EvaluatedPartner<'_>, entry: &Membership) -> bool {
    partner
        .cascade_since()
        .is_some_and(|since| entry.metadata.creation_timestamp.as_ref().is_none_or(|created| created.0 <= since))
}
