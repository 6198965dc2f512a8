//! The access that a share gives each guest, and the reason that withholds it. Exclusion comes first, then the Guest
//! Admin's role, then propagation.

use super::Inputs;
use super::evaluate::share::{Propagation, fits, manager_by_spec};
use super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare};
use crate::directory::Grant;
use crate::domain::{GuestRole, Reason, ShareRole};

/// The entry of a share that gives a guest the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantSource {
    /// Every Guest Admin of the partner.
    GuestAdmin,
    /// `spec.roleOverrides`.
    Override,
    /// A Guest Admin passed it on.
    Propagated,
}

impl GrantSource {
    /// The spelling in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GuestAdmin => "GuestAdmin",
            Self::Override => "Override",
            Self::Propagated => "Propagated",
        }
    }
}

/// The access of one guest through one share.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The entry that gives the access.
    pub via: GrantSource,
    /// The Guest Admin who passed the account on.
    pub through: Option<String>,
    /// The grant, whether or not something withholds it now.
    pub grant: Grant,
    /// Whether the grant is effective now.
    pub gate: Decision,
    /// The guest's entry breaks a rule, so the access is rejected and not only withheld.
    pub rejected: bool,
}

/// Evaluates the access of a guest through a share. `None`: the share does not include the guest.
pub fn access(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    share: &EvaluatedShare<'_>,
    member: &EvaluatedMembership<'_>,
) -> Option<Access> {
    let said = access_by_spec(inputs, partner, share, member)?;
    let terms = &share.entry.reading.terms;
    let grant = Grant {
        account: terms.account.clone(),
        role: said.role,
        share: share.name().to_owned(),
        share_uid: super::ownership::uid(&share.entry.metadata).to_owned(),
        allowed: member.allowed.clone(),
        asked: share.asked.clone(),
        until: [share.expires_at, member.expires_at].into_iter().flatten().min(),
    };
    let entry = said.tainted.map_or(Decision::Allow, AccessBySpec::gate);
    let lacks_method = member.enrolled.as_ref().is_some_and(|enrolled| enrolled.is_disjoint(&share.asked));
    let gate = match (entry, share.gate, member.gate) {
        (Decision::Deny(reason), _, _) | (_, Decision::Deny(reason), _) | (_, _, Decision::Deny(reason)) => {
            Decision::Deny(reason)
        }
        _ if lacks_method => Decision::Deny(Reason::MfaMethodMissing),
        (Decision::Retain(reason), _, _) | (_, Decision::Retain(reason), _) | (_, _, Decision::Retain(reason)) => {
            Decision::Retain(reason)
        }
        (Decision::Allow, Decision::Allow, Decision::Allow) => Decision::Allow,
    };
    Some(Access { via: said.via, through: said.through, grant, gate, rejected: said.rejected })
}

/// The access by spec, before anything withholds it.
struct AccessBySpec {
    via: GrantSource,
    through: Option<String>,
    role: ShareRole,
    tainted: Option<Reason>,
    rejected: bool,
}

impl AccessBySpec {
    /// An unreadable membership of a propagator revokes nothing.
    fn gate(reason: Reason) -> Decision {
        if reason == Reason::Unreadable { Decision::Retain(reason) } else { Decision::Deny(reason) }
    }
}

fn access_by_spec(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    share: &EvaluatedShare<'_>,
    member: &EvaluatedMembership<'_>,
) -> Option<AccessBySpec> {
    let terms = &share.entry.reading.terms;
    let name = member.name();
    if terms.exclude.contains_key(name) {
        return None;
    }
    match member.entry.reading.terms.role {
        GuestRole::GuestAdmin => {
            let by_override = terms.role_overrides.get(name);
            let role = manager_by_spec(share.entry, partner, member.entry);
            let tainted = by_override.filter(|_| role.is_none()).map(|item| {
                if fits(partner, member.entry, item.email.as_ref()) {
                    Reason::OwnerNeverShared
                } else {
                    Reason::NotAGuestOfPartner
                }
            });
            let via = if by_override.is_some() { GrantSource::Override } else { GrantSource::GuestAdmin };
            let role = role.unwrap_or(ShareRole::Collaborator);
            Some(AccessBySpec { via, through: None, role, rejected: tainted.is_some(), tainted })
        }
        GuestRole::GuestUser => {
            let item = terms.guest_users.get(name)?;
            let tainted = if !fits(partner, member.entry, item.email.as_ref()) {
                Some(Reason::NotAGuestOfPartner)
            } else if item.tainted {
                Some(Reason::ManagerNeedsGuestAdmin)
            } else {
                match share.propagation(inputs, partner, &item.propagated_by) {
                    Propagation::Valid => None,
                    Propagation::NotThere => Some(Reason::MembershipNotFound),
                    Propagation::Unreadable => Some(Reason::Unreadable),
                    Propagation::Invalid { .. } => Some(Reason::PropagationNeedsManager),
                }
            };
            let waits = matches!(tainted, Some(Reason::MembershipNotFound | Reason::Unreadable));
            Some(AccessBySpec {
                via: GrantSource::Propagated,
                through: Some(item.propagated_by.clone()),
                role: ShareRole::Collaborator,
                rejected: tainted.is_some() && !waits,
                tainted,
            })
        }
    }
}
