//! The message of each rule, in one place: the problem and its fix. No message shows a tenant another tenant's objects.

use jiff::SignedDuration;

use crate::domain::quote;
use crate::domain::time::show_duration;
use crate::domain::{Email, GuestRole, Reason};
use crate::validation::{Taint, Violation};

/// A value that is not valid for its field.
pub fn invalid_value(path: impl Into<String>, message: impl Into<String>) -> Violation {
    Violation::object(Reason::InvalidValue, path, message)
}

/// A value that a set contains twice.
pub fn duplicate(path: impl Into<String>, value: &str) -> Violation {
    invalid_value(path, format!("{} stands here a second time; each value once", quote(value)))
}

/// No Host Admins, or too many.
pub fn host_admin_required(count: usize) -> Violation {
    let message = match count {
        0 => "a partner names at least one Host Admin; add the address of a workspace user".to_owned(),
        n => format!("a partner names at most 32 Host Admins, here are {n}; keep those who run it"),
    };
    Violation::object(Reason::HostAdminRequired, "spec.hostAdmins", message)
}

/// A Host Admin that the workspace policy does not let the namespace name.
pub fn host_admin_not_allowed_here(taint: Taint, path: &str, email: &Email, namespace: &str) -> Violation {
    let email = quote(email.as_str());
    let message = format!(
        "the workspace policy does not let namespace {namespace} speak for {email}; name a Host Admin that it lists"
    );
    Violation::new(taint, Reason::HostAdminNotAllowedHere, path, message)
}

/// A Host Admin with the address of a guest.
pub fn host_admin_is_guest(path: &str, email: &Email) -> Violation {
    let email = quote(email.as_str());
    Violation::entry(
        Reason::HostAdminIsGuest,
        path,
        format!("{email} is a guest of this workspace; name a workspace user"),
    )
}

/// MFA that is turned off.
pub fn mfa_cannot_be_waived(path: &str) -> Violation {
    Violation::object(Reason::MfaCannotBeWaived, path, "MFA cannot be turned off; remove the field or write true")
}

/// An unknown MFA method, or one that is not allowed.
pub fn mfa_method_not_allowed(path: impl Into<String>, message: impl Into<String>) -> Violation {
    Violation::object(Reason::MfaMethodNotAllowed, path, message)
}

/// A deadline for MFA enrolment that is too long.
pub fn mfa_deadline_too_long(within: SignedDuration) -> Violation {
    let message = format!("enrolWithin is at most 720h, here {}; shorten it", show_duration(within));
    Violation::object(Reason::MfaDeadlineTooLong, "spec.mfa.enrolWithin", message)
}

/// Text that is not one mailbox.
pub fn invalid_email(path: impl Into<String>, error: impl Into<String>) -> Violation {
    Violation::object(Reason::InvalidEmail, path, error)
}

/// A guest with an address on a host domain.
pub fn host_domain(email: &Email) -> Violation {
    let email = quote(email.as_str());
    let message = format!(
        "{email} is on a domain of the host organization, whose people are no guests; invite an outside address"
    );
    Violation::object(Reason::HostDomain, "spec.email", message)
}

/// An allowed and a denied domain list together, or an empty one.
pub fn domain_lists_exclusive(path: impl Into<String>, message: impl Into<String>) -> Violation {
    Violation::object(Reason::DomainListsExclusive, path, message)
}

/// An address that the partner's domain list does not admit.
pub fn domain_not_allowed(email: &Email) -> Violation {
    let email = quote(email.as_str());
    let message =
        format!("the partner does not admit the domain of {email}; use an address that it admits, or change its list");
    Violation::object(Reason::DomainNotAllowed, "spec.email", message)
}

/// A guest with the address of a workspace user.
pub fn is_workspace_user() -> Violation {
    Violation::object(
        Reason::IsWorkspaceUser,
        "spec.email",
        "the address belongs to the workspace already (a user, an account's Owner or a Host Admin); invite an outside address",
    )
}

/// An existing user without guestlist's ownership mark.
pub fn identity_exists() -> Violation {
    Violation::object(
        Reason::IdentityExists,
        "spec.email",
        "the directory holds an identity for this address, or one that signs in with it, and guestlist did not make it; remove it, change its username, or let policy and partner adopt it",
    )
}

/// An address that another live membership has.
pub fn already_guest() -> Violation {
    Violation::object(
        Reason::AlreadyGuest,
        "spec.email",
        "the address has a membership in this workspace already, and one person is guest of one partner; delete one of the two, or ask the platform team whose it is",
    )
}

/// A partner that has reached its quota.
pub fn quota_exceeded(max: u64) -> Violation {
    let message =
        format!("the partner has room for {max} live memberships and no more; remove one, or raise guests.maxGuests");
    Violation::object(Reason::QuotaExceeded, "spec.partnerRef.name", message)
}

/// An inviter who may not invite a guest of this role.
pub fn inviter_not_allowed(email: &Email, role: GuestRole) -> Violation {
    let email = quote(email.as_str());
    let who = match role {
        GuestRole::GuestAdmin => "a Guest Admin is invited by a Host Admin of the partner",
        GuestRole::GuestUser => "a Guest User is invited by a Host Admin or a Guest Admin of the partner",
    };
    Violation::object(Reason::InviterNotAllowed, "spec.invitedBy", format!("{who}; {email} is none, so name one"))
}

/// A changed field that is immutable.
pub fn immutable(path: &str, recorded: &str) -> Violation {
    let recorded = quote(recorded);
    let message = format!(
        "the field never changes, and {recorded} is recorded; remove this object and declare one under another name"
    );
    Violation::object(Reason::Immutable, path, message)
}

/// An end that exceeds the partner's maximum duration.
pub fn expiry_too_long(longest: SignedDuration) -> Violation {
    let message = format!(
        "a membership of this partner lasts at most {} from its admission, which is still to come; choose an earlier time, or \
         leave the field out for the latest one",
        show_duration(longest)
    );
    Violation::object(Reason::ExpiryTooLong, "spec.expiresAt", message)
}

/// The role Owner in a share.
pub fn owner_never_shared(path: impl Into<String>, taint: Taint) -> Violation {
    Violation::new(taint, Reason::OwnerNeverShared, path, "Owner is never shared; write Manager or Collaborator")
}

/// The role Manager for a Guest User.
pub fn manager_needs_guest_admin(path: &str, name: &str) -> Violation {
    let message =
        format!("{name} is a Guest User and gets Collaborator at most; make it a Guest Admin, or remove the entry");
    Violation::entry(Reason::ManagerNeedsGuestAdmin, path, message)
}

/// A role other than Collaborator in an entry that passes an account on.
pub fn propagated_is_collaborator(path: impl Into<String>) -> Violation {
    let message = "what is passed on is always Collaborator; remove the field, or write Collaborator";
    Violation::entry(Reason::ManagerNeedsGuestAdmin, path, message)
}

/// A sharer who is not a Host Admin of the partner.
pub fn sharer_not_host_admin(email: &Email) -> Violation {
    let email = quote(email.as_str());
    let message = format!("{email} is not a Host Admin of the partner; add it to hostAdmins, or let one of them share");
    Violation::object(Reason::SharerNotHostAdmin, "spec.sharedBy", message)
}

/// An entry that names a membership of another partner.
pub fn not_a_guest_of_partner(path: &str, name: &str, partner: &str) -> Violation {
    let message = format!("{name} is not a membership of {partner}; name one that is");
    Violation::entry(Reason::NotAGuestOfPartner, path, message)
}

/// An entry with the address of another guest.
pub fn not_the_pinned_guest(path: &str, name: &str) -> Violation {
    let message =
        format!("{name} is another person than the address pinned here; correct the pin, or remove the entry");
    Violation::entry(Reason::NotAGuestOfPartner, path, message)
}

/// A propagator who cannot pass the account on.
pub fn propagation_needs_manager(
    index: usize,
    propagated_by: &str,
    broken_rule: Option<Reason>,
    candidates: &[String],
) -> Violation {
    let who = match candidates {
        [] => "no Guest Admin can now: make one Manager of this share".to_owned(),
        names => format!("use one of: {}", names.join(", ")),
    };
    let message = match broken_rule {
        Some(reason) => format!(
            "the membership {propagated_by} breaks a rule ({reason}), so it passes nothing on; correct it, or name another; {who}"
        ),
        None => format!("{propagated_by} is no Guest Admin of this partner with Manager here; {who}"),
    };
    Violation::entry(Reason::PropagationNeedsManager, format!("spec.guestUsers[{index}].propagatedBy"), message)
}

/// A second share of one partner and account.
pub fn duplicate_share(account: &str) -> Violation {
    let account = quote(account);
    let message = format!("another share of this partner shares {account} already; put everything into one share");
    Violation::object(Reason::DuplicateShare, "spec.account", message)
}
