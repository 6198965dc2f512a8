//! Who gets what from a share: exclusion first, then the Guest Admin's role, then propagation; and what withholds it now.

use super::Inputs;
use super::evaluate::share::{Propagation, fits, manager_by_spec};
use super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare};
use crate::directory::Grant;
use crate::domain::{GuestRole, Reason, ShareRole};

/// By which way a guest gets an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// As every Guest Admin.
    GuestAdmin,
    /// By an override.
    Override,
    /// Passed on by a Guest Admin.
    Propagated,
}

impl Via {
    /// As it is written in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GuestAdmin => "GuestAdmin",
            Self::Override => "Override",
            Self::Propagated => "Propagated",
        }
    }
}

/// What a share says about a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// By which way.
    pub via: Via,
    /// Through whom, where it was passed on.
    pub through: Option<String>,
    /// The grant as it would be.
    pub grant: Grant,
    /// Whether it holds now.
    pub gate: Decision,
    /// His entry breaks a rule: rejected rather than withheld.
    pub rejected: bool,
}

/// What a share says about a guest. `None`: nothing.
pub fn access(
    world: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    share: &EvaluatedShare<'_>,
    member: &EvaluatedMembership<'_>,
) -> Option<Access> {
    let said = said(world, partner, share, member)?;
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
    let entry = said.tainted.map_or(Decision::Allow, Said::gate);
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

/// What the spec says, before anything withholds it.
struct Said {
    via: Via,
    through: Option<String>,
    role: ShareRole,
    tainted: Option<Reason>,
    rejected: bool,
}

impl Said {
    /// A propagator that does not read is no reason to take anything away.
    fn gate(reason: Reason) -> Decision {
        if reason == Reason::Unreadable { Decision::Retain(reason) } else { Decision::Deny(reason) }
    }
}

fn said(
    world: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    share: &EvaluatedShare<'_>,
    member: &EvaluatedMembership<'_>,
) -> Option<Said> {
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
            let via = if by_override.is_some() { Via::Override } else { Via::GuestAdmin };
            let role = role.unwrap_or(ShareRole::Collaborator);
            Some(Said { via, through: None, role, rejected: tainted.is_some(), tainted })
        }
        GuestRole::GuestUser => {
            let item = terms.guest_users.get(name)?;
            let tainted = if !fits(partner, member.entry, item.email.as_ref()) {
                Some(Reason::NotAGuestOfPartner)
            } else if item.tainted {
                Some(Reason::ManagerNeedsGuestAdmin)
            } else {
                match share.propagation(world, partner, &item.propagated_by) {
                    Propagation::Valid => None,
                    Propagation::NotThere => Some(Reason::MembershipNotFound),
                    Propagation::Unreadable => Some(Reason::Unreadable),
                    Propagation::Invalid { .. } => Some(Reason::PropagationNeedsManager),
                }
            };
            let waits = matches!(tainted, Some(Reason::MembershipNotFound | Reason::Unreadable));
            Some(Said {
                via: Via::Propagated,
                through: Some(item.propagated_by.clone()),
                role: ShareRole::Collaborator,
                rejected: tainted.is_some() && !waits,
                tainted,
            })
        }
    }
}
