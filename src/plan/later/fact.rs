//! The facts that a later grant depends on.

use std::fmt;

use jiff::Timestamp;

use super::super::conditions::show;
use crate::domain::{Email, Methods, Reason};

/// One condition of a later grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// The reason that withholds the grant until the fact is there.
    pub reason: Reason,
    /// The fact.
    pub fact: Fact,
}

/// A fact that becomes true without a change of the manifests that are planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The guest accepts the invitation.
    Accepts {
        /// The guest.
        guest: Email,
        /// The end of the invitation; `None`: it has not been sent yet.
        until: Option<Timestamp>,
    },
    /// The guest has MFA methods that count.
    EnrolsMfa {
        /// The guest.
        guest: Email,
        /// One method of each of these sets has to be enrolled.
        one_of: Vec<Methods>,
    },
    /// The inviter becomes an Active Guest Admin of the partner.
    InviterActive {
        /// The inviter.
        inviter: Email,
        /// The partner.
        partner: String,
    },
    /// One of these Host Admins is an enabled workspace user with a verified address.
    HostAdminFound {
        /// The Host Admins; one of them suffices.
        any_of: Vec<Email>,
    },
    /// The account exists, and the sharer is an Owner of it.
    AccountFound {
        /// The account.
        account: String,
        /// The sharer.
        owner: Email,
    },
    /// The sharer is an Owner of the account.
    OwnsAccount {
        /// The account.
        account: String,
        /// The sharer.
        owner: Email,
    },
    /// The partner is declared.
    PartnerDeclared {
        /// The namespace.
        namespace: String,
        /// The partner.
        name: String,
    },
    /// The membership of a propagator is declared.
    PropagatorDeclared {
        /// The namespace.
        namespace: String,
        /// The membership.
        name: String,
        /// The partner.
        partner: String,
    },
    /// The next mail to the address may go out.
    MailIntervalPassed {
        /// The address.
        guest: Email,
        /// The earliest time.
        at: Timestamp,
    },
    /// The namespace may send another invitation.
    InvitationAllowed {
        /// The address.
        guest: Email,
        /// The earliest time.
        at: Timestamp,
    },
    /// The directory has the invited address again.
    AddressRestored {
        /// The invited address.
        guest: Email,
    },
    /// An administrator enables the login of the guest.
    LoginEnabled {
        /// The guest.
        guest: Email,
    },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepts { guest, until: Some(until) } => {
                write!(f, "{guest} accepts the invitation, which ends {}", show(*until))
            }
            Self::Accepts { guest, until: None } => write!(f, "{guest} accepts the invitation"),
            Self::EnrolsMfa { guest, one_of } => {
                let sets = one_of
                    .iter()
                    .map(|methods| methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(" or "));
                write!(f, "{guest} has MFA on: {}", sets.collect::<Vec<_>>().join(", and "))
            }
            Self::InviterActive { inviter, partner } => {
                write!(f, "the inviter {inviter} is an Active Guest Admin of {partner}")
            }
            Self::HostAdminFound { any_of } => {
                let names = any_of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
                write!(f, "the Host Admin {names} is an enabled workspace user with a verified address")
            }
            Self::AccountFound { account, owner } => {
                write!(f, "the account {account} exists in the directory, and {owner} is an Owner of it")
            }
            Self::OwnsAccount { account, owner } => write!(f, "the sharer {owner} is an Owner of {account}"),
            Self::PartnerDeclared { namespace, name } => write!(f, "LocalPartner {namespace}/{name} is declared"),
            Self::PropagatorDeclared { namespace, name, partner } => {
                write!(f, "GuestMembership {namespace}/{name} is declared, as a Guest Admin of {partner}")
            }
            Self::MailIntervalPassed { guest, at } => {
                write!(f, "the policy's mailInterval since the last mail to {guest} has passed, at {}", show(*at))
            }
            Self::InvitationAllowed { guest, at } => {
                write!(f, "the policy's invitationsPerHour allows the invitation of {guest}, at {} or later", show(*at))
            }
            Self::AddressRestored { guest } => write!(f, "the directory has the invited address {guest} again"),
            Self::LoginEnabled { guest } => write!(f, "an administrator of the directory enables the login of {guest}"),
        }
    }
}
