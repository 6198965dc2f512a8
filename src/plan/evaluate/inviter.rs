//! Who invites a newcomer, and whether he may.

use super::super::Inputs;
use super::super::lifecycle::State;
use super::super::ownership::{self, is_being_deleted, namespace};
use super::membership::EvaluatedMembership;
use super::partner::EvaluatedPartner;
use crate::cache::Membership;
use crate::domain::GuestRole;
use crate::validation::{Violation, cross_object, messages};

/// Who invites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inviter {
    /// He may.
    Allowed,
    /// Not there, or not Active yet.
    NotActive,
    /// The namespace may not speak for him.
    NotAllowedHere,
    /// Somebody who may not invite.
    NotAllowed,
    /// The partner or the address is not known: not judged.
    Unjudged,
}

pub fn inviter(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Membership) -> Inviter {
    let terms = &entry.reading.terms;
    let (Some(email), Some(declared)) = (&terms.invited_by, partner.entry) else { return Inviter::Unjudged };
    if partner.has_admin(email) {
        return Inviter::Allowed;
    }
    let space = namespace(&entry.metadata);
    if let Some(colleague) = colleague(world, entry) {
        let admin = colleague.reading.terms.role == GuestRole::GuestAdmin;
        let may_be = admin || !super::role_reads(colleague);
        return match terms.role {
            GuestRole::GuestUser if may_be && !world.scope.directory => Inviter::Allowed,
            GuestRole::GuestUser if admin && is_active(world, partner, colleague) => Inviter::Allowed,
            GuestRole::GuestUser if may_be => Inviter::NotActive,
            GuestRole::GuestUser | GuestRole::GuestAdmin => Inviter::NotAllowed,
        };
    }
    let listed = declared.reading.terms.host_admins.iter().any(|admin| admin.email == *email);
    let allowed = !world.scope.policy || world.workspace.speaks_for(space, email);
    let of_the_host = listed
        || (world.scope.policy && allowed)
        || cross_object::host_domain(email, world.workspace.corporate_domains(), &partner.admin_domains).is_some();
    match (of_the_host, allowed, listed) {
        (true, false, _) => Inviter::NotAllowedHere,
        // Listed and allowed, but not found yet (or a guest): he counts as absent.
        (true, true, true) => Inviter::NotActive,
        (true, true, false) => Inviter::NotAllowed,
        // An outsider who is not there yet can only be a Guest Admin to come, and he invites Guest Users only.
        (false, _, _) => match terms.role {
            GuestRole::GuestUser if terms.email.as_ref() != Some(email) => Inviter::NotActive,
            GuestRole::GuestUser | GuestRole::GuestAdmin => Inviter::NotAllowed,
        },
    }
}

/// The membership of the same partner whose address invites. Of several for one address the live one is the person; a
/// rejected duplicate changes nothing.
pub fn colleague<'a>(world: Inputs<'a>, entry: &Membership) -> Option<&'a Membership> {
    let terms = &entry.reading.terms;
    let colleagues = world.declared.memberships_for(terms.invited_by.as_ref()?).filter(|other| {
        namespace(&other.metadata) == namespace(&entry.metadata)
            && other.reading.terms.partner == terms.partner
            && !std::ptr::eq(*other, entry)
            && !is_being_deleted(&other.metadata)
    });
    colleagues.max_by_key(|other| ownership::ownership(world, other).live().is_some())
}

pub fn inviter_violation(
    world: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    entry: &Membership,
    newcomer: bool,
) -> Option<Violation> {
    let email = entry.reading.terms.invited_by.as_ref()?;
    match inviter(world, partner, entry) {
        Inviter::NotAllowedHere => Some(messages::host_admin_not_allowed_here(
            crate::validation::Taint::Object,
            "spec.invitedBy",
            email,
            namespace(&entry.metadata),
        )),
        Inviter::NotAllowed if newcomer => Some(messages::inviter_not_allowed(email, entry.reading.terms.role)),
        Inviter::NotAllowed | Inviter::Allowed | Inviter::NotActive | Inviter::Unjudged => None,
    }
}

/// Whether a colleague is Active now, by what the directory says. His own inviter does not matter any more.
fn is_active(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, colleague: &Membership) -> bool {
    let claim = ownership::ownership(world, colleague);
    // Only a live one can be Active, and judging a live one asks nothing of his inviter: no circle.
    claim.live().is_some_and(|record| record.joined_at.is_some())
        && EvaluatedMembership::of(world, partner, colleague).state == State::Active
}
