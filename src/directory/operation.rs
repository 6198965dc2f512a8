//! Changes of the directory, as data: the pure core plans them, a backend executes them.

use jiff::Timestamp;

use super::{Grant, GuestId, OwnershipMark, PartnerId};
use crate::domain::{Email, GuestRole, Methods};

/// One change of the directory. Executing it twice has the same effect as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Revokes these accounts.
    Revoke {
        /// The guest.
        guest: GuestId,
        /// The accounts' names.
        accounts: Vec<String>,
    },
    /// Replaces grants by smaller ones (a lower role, fewer methods, an earlier end). Never adds a grant.
    Reduce {
        /// The guest.
        guest: GuestId,
        /// The grants after the operation.
        grants: Vec<Grant>,
    },
    /// Changes the role to Guest User.
    Demote {
        /// The guest.
        guest: GuestId,
    },
    /// Revokes the open invitation: its link stops working.
    RevokeInvitation {
        /// The guest.
        guest: GuestId,
    },
    /// Disables the login and ends the sessions. Only for users that guestlist created.
    DisableLogin {
        /// The guest.
        guest: GuestId,
    },
    /// Removes the MFA methods that were enrolled before an instant, and ends the sessions.
    ResetMfa {
        /// The guest.
        guest: GuestId,
        /// Methods enrolled before this instant are removed.
        enrolled_before: Timestamp,
    },
    /// Removes grants, invitation and sessions, and disables the login. The record and its ownership mark stay. Only
    /// for users that guestlist created.
    Deactivate {
        /// The guest.
        guest: GuestId,
    },
    /// Removes grants, invitation, membership and ownership mark; the user stays. Only for adopted users.
    RemoveAdopted {
        /// The guest.
        guest: GuestId,
    },
    /// Removes grants, invitation and ownership mark of an orphan; the user stays.
    Unmanage {
        /// The guest.
        guest: GuestId,
    },
    /// Deletes the deactivated record of a user that guestlist created. It applies only to the deactivation at
    /// `since`, and at most `at_most` times an hour.
    Purge {
        /// The guest.
        guest: GuestId,
        /// The time of the deactivation.
        since: Timestamp,
        /// The maximum number of purges an hour.
        at_most: u32,
    },
    /// Deletes the deactivated record of a partner without guests.
    PurgePartner {
        /// The partner.
        partner: PartnerId,
        /// The time of the deactivation.
        since: Timestamp,
    },
    /// Deletes the record of a share that no longer exists.
    ForgetShare {
        /// The share's UID.
        share_uid: String,
    },
    /// Deactivates a partner without live guests; its record and ownership mark stay.
    DeactivatePartner {
        /// The partner.
        partner: PartnerId,
    },
    /// Creates or reactivates the partner, or updates its ownership mark, name, Host Admins and suspension.
    ApplyPartner {
        /// The partner's identifier.
        partner: PartnerId,
        /// The ownership mark.
        mark: OwnershipMark,
        /// The name shown to people.
        display_name: String,
        /// The Host Admins, sorted.
        host_admins: Vec<Email>,
        /// Whether the partner is suspended. It is set after all grants of its guests are revoked, and cleared before
        /// any grant.
        suspended: bool,
    },
    /// Updates the guest's name, ownership mark and allowed MFA methods. The address in the mark never changes.
    UpdateGuest {
        /// The guest.
        guest: GuestId,
        /// The ownership mark.
        mark: OwnershipMark,
        /// The partner's record.
        partner: PartnerId,
        /// The partner's name.
        partner_name: String,
        /// The guest's name.
        display_name: String,
        /// The MFA methods allowed to the guest.
        allowed: Methods,
    },
    /// First acceptance: writes the record and the ownership mark, and sends the first mail. A deactivated record is
    /// reactivated as Invited.
    InviteGuest {
        /// The guest's identifier: the deactivated record's, or a new one derived from the object's UID and the address.
        guest: GuestId,
        /// The ownership mark.
        mark: OwnershipMark,
        /// The partner's record.
        partner: PartnerId,
        /// The partner's name.
        partner_name: String,
        /// The address to invite.
        address: Email,
        /// The guest's name.
        display_name: String,
        /// The guest's role.
        role: GuestRole,
        /// The MFA methods allowed to the guest.
        allowed: Methods,
        /// The end of the invitation.
        expires_at: Timestamp,
    },
    /// Sends the invitation again; the previous link stops working.
    ResendInvitation {
        /// The guest.
        guest: GuestId,
        /// The new end of the invitation.
        expires_at: Timestamp,
    },
    /// Enables the login.
    EnableLogin {
        /// The guest.
        guest: GuestId,
    },
    /// Changes the role to Guest Admin.
    Promote {
        /// The guest.
        guest: GuestId,
    },
    /// Adds grants, or raises them.
    Grant {
        /// The guest.
        guest: GuestId,
        /// The grants after the operation.
        grants: Vec<Grant>,
    },
}

/// The effect of an operation on access. The order is that of a plan's operations: every prefix of a plan is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessChange {
    /// Revokes access.
    Revoke,
    /// Changes no access.
    None,
    /// Grants access, or prepares a grant. A pause blocks it.
    Grant,
    /// Removes the record of a guest or partner. The live state is read first. A pause blocks it, except during
    /// deletion.
    Remove,
}

impl Operation {
    /// The operation without the times that change with each plan, so that equal plans compare as equal.
    #[must_use]
    pub fn timeless(&self) -> Self {
        let mut same = self.clone();
        match &mut same {
            Self::InviteGuest { expires_at: time, .. }
            | Self::ResendInvitation { expires_at: time, .. }
            | Self::Purge { since: time, .. }
            | Self::PurgePartner { since: time, .. } => *time = Timestamp::MIN,
            _ => {}
        }
        same
    }

    /// The operation's effect on access.
    pub fn access_change(&self) -> AccessChange {
        match self {
            Self::Revoke { .. }
            | Self::Reduce { .. }
            | Self::Demote { .. }
            | Self::RevokeInvitation { .. }
            | Self::DisableLogin { .. }
            | Self::ResetMfa { .. } => AccessChange::Revoke,
            Self::ApplyPartner { .. } | Self::UpdateGuest { .. } | Self::ForgetShare { .. } => AccessChange::None,
            Self::InviteGuest { .. }
            | Self::ResendInvitation { .. }
            | Self::EnableLogin { .. }
            | Self::Promote { .. }
            | Self::Grant { .. } => AccessChange::Grant,
            Self::Deactivate { .. }
            | Self::RemoveAdopted { .. }
            | Self::Unmanage { .. }
            | Self::Purge { .. }
            | Self::DeactivatePartner { .. }
            | Self::PurgePartner { .. } => AccessChange::Remove,
        }
    }

    /// The guest that the operation concerns, if it concerns one.
    pub fn guest(&self) -> Option<&GuestId> {
        match self {
            Self::Revoke { guest, .. }
            | Self::Reduce { guest, .. }
            | Self::Demote { guest }
            | Self::RevokeInvitation { guest }
            | Self::DisableLogin { guest }
            | Self::ResetMfa { guest, .. }
            | Self::Deactivate { guest }
            | Self::RemoveAdopted { guest }
            | Self::Unmanage { guest }
            | Self::Purge { guest, .. }
            | Self::UpdateGuest { guest, .. }
            | Self::InviteGuest { guest, .. }
            | Self::ResendInvitation { guest, .. }
            | Self::EnableLogin { guest }
            | Self::Promote { guest }
            | Self::Grant { guest, .. } => Some(guest),
            Self::DeactivatePartner { .. }
            | Self::PurgePartner { .. }
            | Self::ApplyPartner { .. }
            | Self::ForgetShare { .. } => None,
        }
    }
}
