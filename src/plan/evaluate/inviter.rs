//! The inviter of a new guest, and whether they may invite.

use super::super::Inputs;
use super::super::ownership::{self, is_being_deleted, namespace};
use super::partner::EvaluatedPartner;
use crate::cache::Membership;
use crate::domain::GuestRole;
use crate::validation::{Violation, cross_object, messages};

/// Whether the inviter may invite.
#[derive(Clone, Copy, Debug)]
pub enum Inviter<'a> {
    /// The inviter may invite.
    Allowed,
    /// The Guest Admin with this membership may invite while it is Active.
    GuestAdmin(&'a Membership),
    /// The inviter does not exist, or is not Active yet.
    NotActive,
    /// The workspace policy does not let the namespace name the inviter.
    NotAllowedHere,
    /// The inviter exists and may not invite.
    NotAllowed,
    /// The partner or the address is unknown, so the rule is not evaluated.
    Unjudged,
}

pub fn inviter<'a>(inputs: Inputs<'a>, partner: &EvaluatedPartner<'_>, entry: &Membership) -> Inviter<'a> {
    let terms = &entry.reading.terms;
    let (Some(email), Some(declared)) = (&terms.invited_by, partner.entry) else { return Inviter::Unjudged };
    if partner.has_admin(email) {
        return Inviter::Allowed;
    }
    let space = namespace(&entry.metadata);
    if let Some(colleague) = inviting_membership(inputs, entry) {
        let admin = colleague.reading.terms.role == GuestRole::GuestAdmin;
        let may_be = admin || !super::has_role(colleague);
        return match terms.role {
            GuestRole::GuestUser if may_be && !inputs.scope.directory => Inviter::Allowed,
            GuestRole::GuestUser if admin => Inviter::GuestAdmin(colleague),
            GuestRole::GuestUser if may_be => Inviter::NotActive,
            GuestRole::GuestUser | GuestRole::GuestAdmin => Inviter::NotAllowed,
        };
    }
    let listed = declared.reading.terms.host_admins.iter().any(|admin| admin.email == *email);
    let allowed = !inputs.scope.policy || inputs.workspace.allows_admin(space, email);
    let of_the_host = listed
        || (inputs.scope.policy && allowed)
        || cross_object::host_domain(email, inputs.workspace.corporate_domains(), &partner.admin_domains).is_some();
    match (of_the_host, allowed, listed) {
        (true, false, _) => Inviter::NotAllowedHere,
        // A Host Admin who is listed and allowed, but not found yet or a guest, counts as absent.
        (true, true, true) => Inviter::NotActive,
        (true, true, false) => Inviter::NotAllowed,
        // An unknown inviter from outside the workspace can only become a Guest Admin, and Guest Admins invite only
        // Guest Users.
        (false, _, _) => match terms.role {
            GuestRole::GuestUser if terms.email.as_ref() != Some(email) => Inviter::NotActive,
            GuestRole::GuestUser | GuestRole::GuestAdmin => Inviter::NotAllowed,
        },
    }
}

/// The membership of the same partner with the inviter's address. A live membership comes before rejected duplicates of
/// the same address.
pub fn inviting_membership<'a>(inputs: Inputs<'a>, entry: &Membership) -> Option<&'a Membership> {
    let terms = &entry.reading.terms;
    let colleagues = inputs.declared.memberships_for(terms.invited_by.as_ref()?).filter(|other| {
        namespace(&other.metadata) == namespace(&entry.metadata)
            && other.reading.terms.partner == terms.partner
            && !std::ptr::eq(*other, entry)
            && !is_being_deleted(&other.metadata)
    });
    colleagues.max_by_key(|other| ownership::ownership(inputs, other).live().is_some())
}

pub fn inviter_violation(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    entry: &Membership,
    newcomer: bool,
) -> Option<Violation> {
    let email = entry.reading.terms.invited_by.as_ref()?;
    match inviter(inputs, partner, entry) {
        Inviter::NotAllowedHere => Some(messages::host_admin_not_allowed_here(
            crate::validation::Taint::Object,
            "spec.invitedBy",
            email,
            namespace(&entry.metadata),
        )),
        Inviter::NotAllowed if newcomer => Some(messages::inviter_not_allowed(email, entry.reading.terms.role)),
        Inviter::NotAllowed | Inviter::Allowed | Inviter::GuestAdmin(_) | Inviter::NotActive | Inviter::Unjudged => {
            None
        }
    }
}
