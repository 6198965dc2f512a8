//! What can be done to the directory, as data: planned by the pure core, executed by a backend.

use jiff::Timestamp;

use super::{Grant, GuestId, OwnershipMark, PartnerId};
use crate::domain::{Email, GuestRole, Methods};

/// One change. Executing one twice is the same as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Revokes these accounts.
    Revoke {
        /// The guest.
        guest: GuestId,
        /// The accounts' names.
        accounts: Vec<String>,
    },
    /// Replaces grants by ones that give less (a lower role, fewer methods, an earlier end). Never adds one.
    Reduce {
        /// The guest.
        guest: GuestId,
        /// The grants as they shall be.
        grants: Vec<Grant>,
    },
    /// Records the role Guest User.
    Demote {
        /// The guest.
        guest: GuestId,
    },
    /// The open invitation cannot be followed any more.
    RevokeInvitation {
        /// The guest.
        guest: GuestId,
    },
    /// Turns the login off and ends sessions. For users we made.
    DisableLogin {
        /// The guest.
        guest: GuestId,
    },
    /// Removes the MFA that was enrolled before an instant, and ends sessions.
    ResetMfa {
        /// The guest.
        guest: GuestId,
        /// Factors enrolled before this instant are removed.
        enrolled_before: Timestamp,
    },
    /// Grants, invitation, sessions and login go; the record and its mark stay. For users we made.
    Deactivate {
        /// The guest.
        guest: GuestId,
    },
    /// Removes grants, invitation, membership and ownership mark; the user stays. For adopted users.
    RemoveAdopted {
        /// The guest.
        guest: GuestId,
    },
    /// Removes grants, invitation and ownership mark of an orphan; the user stays.
    Unmanage {
        /// The guest.
        guest: GuestId,
    },
    /// The deactivated record of a user we made goes for good. Only that deactivation's, and no more of them an hour than
    /// the pace allows.
    Purge {
        /// The guest.
        guest: GuestId,
        /// Since when it has been deactivated.
        since: Timestamp,
        /// How many may be purged in an hour.
        at_most: u32,
    },
    /// The deactivated record of a partner without guests goes for good.
    PurgePartner {
        /// The partner.
        partner: PartnerId,
        /// Since when it has been deactivated.
        since: Timestamp,
    },
    /// Deletes the record of a share that is gone.
    ForgetShare {
        /// The share's UID.
        share_uid: String,
    },
    /// Deactivates a partner without live guests; its record and ownership mark stay.
    DeactivatePartner {
        /// The partner.
        partner: PartnerId,
    },
    /// Creates the partner, revives it, passes its mark on, or brings name, Host Admins and whether it is suspended up to
    /// date.
    ApplyPartner {
        /// Its identifier.
        partner: PartnerId,
        /// The mark.
        mark: OwnershipMark,
        /// The name shown to people.
        display_name: String,
        /// Who runs it, sorted.
        host_admins: Vec<Email>,
        /// It is suspended. That comes last, when its guests hold nothing any more, and is lifted first.
        suspended: bool,
    },
    /// Brings the guest's name, mark and allowed MFA methods up to date. The mark's address never changes.
    UpdateGuest {
        /// The guest.
        guest: GuestId,
        /// The mark.
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
    /// First acceptance: writes record and mark (or revives a deactivated record at Invited) and sends the first mail.
    InviteGuest {
        /// The guest's identifier: the deactivated record's, or a new one derived from the object's UID and the address.
        guest: GuestId,
        /// The mark.
        mark: OwnershipMark,
        /// The partner's record.
        partner: PartnerId,
        /// The partner's name.
        partner_name: String,
        /// Whom to invite.
        address: Email,
        /// The guest's name.
        display_name: String,
        /// The guest's role.
        role: GuestRole,
        /// The MFA methods allowed to the guest.
        allowed: Methods,
        /// Until when the invitation can be followed.
        expires_at: Timestamp,
    },
    /// Sends the invitation again; the link sent before is dead.
    ResendInvitation {
        /// The guest.
        guest: GuestId,
        /// Until when it can be followed.
        expires_at: Timestamp,
    },
    /// Turns the login on again.
    EnableLogin {
        /// The guest.
        guest: GuestId,
    },
    /// Records the role Guest Admin.
    Promote {
        /// The guest.
        guest: GuestId,
    },
    /// Grants accounts, or raises grants.
    Grant {
        /// The guest.
        guest: GuestId,
        /// The grants as they shall be.
        grants: Vec<Grant>,
    },
}

/// What an operation does to access. Ordered as operations of one plan are: every prefix is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessChange {
    /// Revokes access.
    Revoke,
    /// Changes no access.
    None,
    /// Grants access, or a step towards it. A pause holds it back.
    Grant,
    /// Removes a guest's or a partner's record. Reads live before it acts. A pause holds it back, except during deletion.
    Remove,
}

impl Operation {
    /// The same, whenever it was planned: the moment until which an invitation holds moves on with each plan.
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

    /// What the operation does to access.
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

    /// The guest it is about, where it is about one.
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
