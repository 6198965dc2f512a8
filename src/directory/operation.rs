//! Changes of the directory, as data: the pure core plans them, a backend executes them.

use jiff::Timestamp;

use super::{Grant, GuestId, OwnershipMark, PartnerId};
use crate::domain::time::seconds;
use crate::domain::{Email, GuestRole, Methods};

/// One change of the directory. Executing it twice has the same effect as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Changes a guest's record.
    Guest {
        /// The guest.
        id: GuestId,
        /// The change.
        change: GuestChange,
    },
    /// Changes a partner's record.
    Partner {
        /// The partner.
        id: PartnerId,
        /// The change.
        change: PartnerChange,
    },
    /// Deletes the record of a share that no longer exists.
    ForgetShare {
        /// The share's UID.
        share_uid: String,
    },
}

/// A change of a guest's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestChange {
    /// Revokes these accounts.
    Revoke {
        /// The accounts' names.
        accounts: Vec<String>,
    },
    /// Replaces grants by smaller ones (a lower role, fewer methods, an earlier end). Never adds a grant.
    Reduce {
        /// The grants after the operation.
        grants: Vec<Grant>,
    },
    /// Changes the role to Guest User.
    Demote,
    /// Revokes the open invitation: its link stops working.
    RevokeInvitation,
    /// Disables the login and ends the sessions. Only for users that guestlist created.
    DisableLogin,
    /// Removes the MFA methods that were enrolled before an instant, and ends the sessions.
    ResetMfa {
        /// Methods enrolled before this instant are removed.
        enrolled_before: Timestamp,
    },
    /// Removes grants, invitation and sessions, and disables the login. The record and its ownership mark stay. Only
    /// for users that guestlist created.
    Deactivate,
    /// Removes grants, invitation, membership and ownership mark; the user stays. Only for adopted users.
    Release,
    /// Removes grants, invitation and ownership mark of an orphan; the user stays.
    Detach,
    /// Deletes the deactivated record of a user that guestlist created. It applies only to the deactivation at
    /// `since`, and at most `at_most` times an hour.
    Purge {
        /// The time of the deactivation.
        since: Timestamp,
        /// The maximum number of purges an hour.
        at_most: u32,
    },
    /// Updates the guest's name, ownership mark and allowed MFA methods. The address in the mark never changes.
    Update {
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
    /// reactivated as Invited. The identifier is the deactivated record's, or a new one derived from the object's UID
    /// and the address.
    Invite(NewGuest),
    /// Sends the invitation again; the previous link stops working.
    ResendInvitation {
        /// The new end of the invitation.
        expires_at: Timestamp,
    },
    /// Enables the login.
    EnableLogin,
    /// Changes the role to Guest Admin.
    Promote,
    /// Adds grants, or raises them.
    Grant {
        /// The grants after the operation.
        grants: Vec<Grant>,
    },
}

/// The content of a new guest's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGuest {
    /// The ownership mark.
    pub mark: OwnershipMark,
    /// The partner's record.
    pub partner: PartnerId,
    /// The partner's name.
    pub partner_name: String,
    /// The address to invite.
    pub address: Email,
    /// The guest's name.
    pub display_name: String,
    /// The guest's role.
    pub role: GuestRole,
    /// The MFA methods allowed to the guest.
    pub allowed: Methods,
    /// The end of the invitation.
    pub expires_at: Timestamp,
}

/// A change of a partner's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartnerChange {
    /// Creates or reactivates the partner, or updates its ownership mark, name, Host Admins and suspension.
    Apply {
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
    /// Deactivates a partner without live guests; its record and ownership mark stay.
    Deactivate,
    /// Deletes the deactivated record of a partner without guests.
    Purge {
        /// The time of the deactivation.
        since: Timestamp,
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
    /// All values of [`Operation::name`].
    pub const NAMES: [&str; 19] = [
        "revoke",
        "reduce",
        "demote",
        "revoke_invitation",
        "disable_login",
        "reset_mfa",
        "deactivate",
        "unmanage",
        "purge",
        "update_guest",
        "invite_guest",
        "resend_invitation",
        "enable_login",
        "promote",
        "grant",
        "apply_partner",
        "deactivate_partner",
        "purge_partner",
        "forget_share",
    ];

    /// The operation without the times that change with each plan, so that equal plans compare as equal.
    #[must_use]
    pub fn timeless(&self) -> Self {
        let mut same = self.clone();
        if let Self::Guest {
            change:
                GuestChange::Invite(NewGuest { expires_at: time, .. })
                | GuestChange::ResendInvitation { expires_at: time }
                | GuestChange::Purge { since: time, .. },
            ..
        }
        | Self::Partner { change: PartnerChange::Purge { since: time }, .. } = &mut same
        {
            *time = Timestamp::MIN;
        }
        same
    }

    /// The operation's effect on access.
    pub fn access_change(&self) -> AccessChange {
        match self {
            Self::Guest { change, .. } => change.access_change(),
            Self::Partner { change: PartnerChange::Apply { .. }, .. } | Self::ForgetShare { .. } => AccessChange::None,
            Self::Partner { change: PartnerChange::Deactivate | PartnerChange::Purge { .. }, .. } => {
                AccessChange::Remove
            }
        }
    }

    /// The guest that the operation concerns, if it concerns one.
    pub fn guest(&self) -> Option<&GuestId> {
        match self {
            Self::Guest { id, .. } => Some(id),
            Self::Partner { .. } | Self::ForgetShare { .. } => None,
        }
    }

    /// The name in metrics, logs and JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Guest { change, .. } => change.name(),
            Self::Partner { change: PartnerChange::Apply { .. }, .. } => "apply_partner",
            Self::Partner { change: PartnerChange::Deactivate, .. } => "deactivate_partner",
            Self::Partner { change: PartnerChange::Purge { .. }, .. } => "purge_partner",
            Self::ForgetShare { .. } => "forget_share",
        }
    }

    /// A description for people, without the guest or partner.
    pub fn describe(&self) -> String {
        match self {
            Self::Guest { change, .. } => change.describe(),
            Self::Partner { change: PartnerChange::Apply { display_name, host_admins, suspended, .. }, .. } => {
                let suspended = if *suspended { ", suspended" } else { "" };
                let admins = host_admins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                format!("update the partner {display_name:?} (Host Admins: {admins}){suspended}")
            }
            Self::Partner { change: PartnerChange::Deactivate, .. } => "deactivate the partner".to_owned(),
            Self::Partner { change: PartnerChange::Purge { since }, .. } => {
                format!("purge the partner's record, deactivated since {}", seconds(*since))
            }
            Self::ForgetShare { .. } => "delete the record of the share".to_owned(),
        }
    }
}

impl GuestChange {
    /// The change's effect on access.
    pub fn access_change(&self) -> AccessChange {
        match self {
            Self::Revoke { .. }
            | Self::Reduce { .. }
            | Self::Demote
            | Self::RevokeInvitation
            | Self::DisableLogin
            | Self::ResetMfa { .. } => AccessChange::Revoke,
            Self::Update { .. } => AccessChange::None,
            Self::Invite(_)
            | Self::ResendInvitation { .. }
            | Self::EnableLogin
            | Self::Promote
            | Self::Grant { .. } => AccessChange::Grant,
            Self::Deactivate | Self::Release | Self::Detach | Self::Purge { .. } => AccessChange::Remove,
        }
    }

    /// Whether the change sends an invitation.
    pub fn sends_mail(&self) -> bool {
        matches!(self, Self::Invite(_) | Self::ResendInvitation { .. })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Revoke { .. } => "revoke",
            Self::Reduce { .. } => "reduce",
            Self::Demote => "demote",
            Self::RevokeInvitation => "revoke_invitation",
            Self::DisableLogin => "disable_login",
            Self::ResetMfa { .. } => "reset_mfa",
            Self::Deactivate => "deactivate",
            Self::Release => "release",
            Self::Detach => "detach",
            Self::Purge { .. } => "purge",
            Self::Update { .. } => "update_guest",
            Self::Invite(_) => "invite_guest",
            Self::ResendInvitation { .. } => "resend_invitation",
            Self::EnableLogin => "enable_login",
            Self::Promote => "promote",
            Self::Grant { .. } => "grant",
        }
    }

    fn describe(&self) -> String {
        let accounts = |grants: &[Grant]| {
            let one = |grant: &Grant| {
                let until = grant.until.map_or_else(String::new, |until| format!(" until {}", seconds(until)));
                format!("{} as {}{until}", grant.account, grant.role.as_str())
            };
            grants.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Revoke { accounts } => format!("revoke {}", accounts.join(", ")),
            Self::Reduce { grants } => format!("reduce to {}", accounts(grants)),
            Self::Demote => "record the role GuestUser".to_owned(),
            Self::RevokeInvitation => "revoke the invitation".to_owned(),
            Self::DisableLogin => "disable the login and end sessions".to_owned(),
            Self::ResetMfa { enrolled_before } => {
                format!("remove MFA enrolled before {} and end sessions", seconds(*enrolled_before))
            }
            Self::Deactivate => "deactivate the guest: disable the login, keep the record until the purge".to_owned(),
            Self::Release => {
                "release: revoke all grants, end the membership and remove the ownership mark; the user stays"
                    .to_owned()
            }
            Self::Detach => "detach: revoke all grants and remove the ownership mark; the user stays".to_owned(),
            Self::Purge { since, .. } => format!("purge the record, deactivated since {}", seconds(*since)),
            Self::Update { display_name, .. } => {
                format!("update the guest: name {display_name:?}, ownership mark, MFA methods")
            }
            Self::Invite(NewGuest { address, role, expires_at, .. }) => {
                format!("invite {address} as {}; the invitation ends {}", role.as_str(), seconds(*expires_at))
            }
            Self::ResendInvitation { expires_at } => {
                format!("resend the invitation; it ends {}", seconds(*expires_at))
            }
            Self::EnableLogin => "enable the login".to_owned(),
            Self::Promote => "record the role GuestAdmin".to_owned(),
            Self::Grant { grants } => format!("grant {}", accounts(grants)),
        }
    }
}
