//! Conflicts among new memberships: for an address, and for the partner's `maxGuests`.

use super::super::Inputs;
use super::super::ownership::{Order, Ownership, namespace, order};
use super::partner::EvaluatedPartner;
use crate::cache::Membership;
use crate::validation::{Violation, messages};

/// Whether a new membership could be accepted, conflicts with other memberships apart. Only such a membership competes
/// for an address or a place in the quota.
pub type IsEligible = fn(Inputs<'_>, &EvaluatedPartner<'_>, &Membership) -> bool;

/// The violations of a new membership that loses its address or the quota to another one. Admitted guests come first,
/// then the order of precedence.
pub fn claim_violations(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    entry: &Membership,
    claim: Ownership<'_>,
    is_eligible: IsEligible,
) -> Vec<Violation> {
    let mut found = Vec::new();
    let mine = order(&entry.metadata);
    let taken = matches!(claim, Ownership::OwnedByOther);
    let earlier = entry.reading.terms.email.as_ref().is_some_and(|email| {
        inputs.declared.memberships_for(email).any(|other| {
            order(&other.metadata) < mine && {
                let partner = EvaluatedPartner::of(inputs, namespace(&other.metadata), &other.reading.terms.partner);
                is_eligible(inputs, &partner, other)
            }
        })
    });
    if taken || earlier {
        found.push(messages::already_guest());
        // A membership whose address is taken does not count towards the quota.
        return found;
    }
    if let Some(max) = partner.entry.and_then(|partner| partner.reading.terms.max_guests)
        && is_full(inputs, partner, mine, max, is_eligible)
    {
        found.push(messages::quota_exceeded(max));
    }
    found
}

fn is_full(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    mine: Order<'_>,
    max: u64,
    is_eligible: IsEligible,
) -> bool {
    let live = partner
        .record
        .map_or(0, |record| inputs.observed.guests_of(&record.id).filter(|guest| guest.is_live()).count() as u64);
    if live >= max {
        return true;
    }
    // An evaluation of each earlier membership is expensive. None is needed while all memberships fit the quota, and
    // the iteration ends once the quota is full.
    if live + inputs.declared.member_count(partner.namespace, &partner.name) as u64 <= max {
        return false;
    }
    let mut ahead = inputs
        .declared
        .members(partner.namespace, &partner.name)
        .filter(|other| order(&other.metadata) < mine && is_eligible(inputs, partner, other));
    usize::try_from(max - live - 1).is_ok_and(|last| ahead.nth(last).is_some())
}
