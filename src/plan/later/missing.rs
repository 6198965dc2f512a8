//! The next missing fact of a membership or a share, by the reason of its evaluation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::Inputs;
use super::super::access::access;
use super::super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare, inviting_membership};
use super::super::lifecycle::State;
use super::super::ownership::is_paused;
use super::{Fact, Precondition, key_of};
use crate::api;
use crate::cache::{CacheEntry, Membership, Object, ObjectRef};
use crate::directory::Grant;
use crate::domain::{Email, GuestRole, Methods, Reason};
use crate::validation::{DomainRule, cross_object};

/// A missing fact.
pub struct MissingFact {
    /// The condition.
    pub condition: Precondition,
    /// The object that would be declared.
    pub declared: Option<Box<Object>>,
    /// The inviter who would be Active.
    pub inviter: Option<ObjectRef>,
}

impl MissingFact {
    fn on(reason: Reason, fact: Fact) -> Self {
        Self { condition: Precondition { reason, fact }, declared: None, inviter: None }
    }
}

impl<T> From<MissingFact> for Progress<T> {
    fn from(missing: MissingFact) -> Self {
        Self::Lacks(Box::new(missing))
    }
}

/// The result of an evaluation.
pub enum Progress<T> {
    /// Access is allowed.
    Open(T),
    /// A fact is missing.
    Lacks(Box<MissingFact>),
    /// The next reconcile makes progress on the supposed facts.
    Reconcile,
}

/// The next missing fact of a membership. `None`: it needs a change of a spec.
pub fn of_member(inputs: Inputs<'_>, member: &ObjectRef) -> Option<Progress<()>> {
    let entry = inputs.declared.membership(&member.namespace, &member.name).and_then(CacheEntry::read)?;
    let partner = EvaluatedPartner::of(inputs, &member.namespace, &entry.reading.terms.partner);
    let view = EvaluatedMembership::of(inputs, &partner, entry);
    if partner.paused || is_paused(&entry.metadata) {
        return None;
    }
    let record = view.claim.live();
    let email = entry.reading.terms.email.clone()?;
    let reason = match view.gate {
        Decision::Allow => return Some(Progress::Open(())),
        Decision::Deny(reason) | Decision::Retain(reason) => reason,
    };
    if view.state == State::Invited && partner.blocked.is_none() {
        let until = record.and_then(|record| record.invitation).map(|invitation| invitation.expires_at);
        return Some(MissingFact::on(Reason::Invited, Fact::Accepts { guest: email, until }).into());
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the reasons end without a change of a spec")]
    let missing = match reason {
        Reason::PartnerNotFound => absent_partner(inputs, &partner)?,
        Reason::HostAdminNotFound => host_admin(&partner, entry.reading.terms.invited_by.as_ref())?,
        Reason::InviterNotActive => inviter(inputs, &partner, entry)?,
        Reason::MailInterval => {
            let at = view.wait?.until?;
            MissingFact::on(reason, Fact::MailIntervalPassed { guest: email, at })
        }
        Reason::InvitationLimit => {
            let at = view.wait?.until?;
            MissingFact::on(reason, Fact::InvitationAllowed { guest: email, at })
        }
        Reason::DisabledByAdministrator => MissingFact::on(reason, Fact::LoginEnabled { guest: email }),
        Reason::AddressChanged => MissingFact::on(reason, Fact::AddressRestored { guest: email }),
        Reason::MfaNotEnrolled | Reason::MfaMethodMissing | Reason::MfaEnrolmentOverdue | Reason::MfaUnknown => {
            MissingFact::on(reason, Fact::EnrolsMfa { guest: record?.address.clone(), one_of: Vec::new() })
        }
        Reason::Pending | Reason::InvitationExpired => return Some(Progress::Reconcile),
        _ => return None,
    };
    Some(missing.into())
}

/// The next missing fact of a share for a guest, or the grant. `None`: it needs a change of a spec.
pub fn of_share(inputs: Inputs<'_>, member: &ObjectRef, share: &str) -> Option<Progress<Grant>> {
    let entry = inputs.declared.membership(&member.namespace, &member.name).and_then(CacheEntry::read)?;
    let partner = EvaluatedPartner::of(inputs, &member.namespace, &entry.reading.terms.partner);
    let view = EvaluatedMembership::of(inputs, &partner, entry);
    let share = EvaluatedShare::of(
        inputs,
        &partner,
        inputs.declared.share(&member.namespace, share).and_then(CacheEntry::read)?,
    );
    let access = access(inputs, &partner, &share, &view)?;
    let reason = match access.gate {
        Decision::Allow => return Some(Progress::Open(access.grant)),
        Decision::Deny(reason) | Decision::Retain(reason) => reason,
    };
    let (account, owner) = (access.grant.account.clone(), share.entry.reading.terms.shared_by.clone()?);
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the reasons end without a change of a spec")]
    let missing = match reason {
        Reason::HostAdminNotFound => host_admin(&partner, Some(&owner))?,
        Reason::AccountNotFound => MissingFact::on(reason, Fact::AccountFound { account, owner }),
        Reason::SharerNotOwner => MissingFact::on(reason, Fact::OwnsAccount { account, owner }),
        Reason::MfaMethodMissing => {
            let guest = view.claim.live()?.address.clone();
            MissingFact::on(reason, Fact::EnrolsMfa { guest, one_of: vec![Methods::new()] })
        }
        Reason::MembershipNotFound => propagator(inputs, &partner, &access.through?)?,
        _ => return None,
    };
    Some(missing.into())
}

/// The missing Host Admins; one of them suffices. `acts`, if it is missing, is the only one that counts.
fn host_admin(partner: &EvaluatedPartner<'_>, acts: Option<&Email>) -> Option<MissingFact> {
    let any_of: Vec<Email> = match acts.filter(|acts| partner.missing_admins.contains(acts)) {
        Some(acts) => vec![acts.clone()],
        None => partner.missing_admins.iter().map(|admin| (*admin).clone()).collect(),
    };
    (!any_of.is_empty()).then(|| MissingFact::on(Reason::HostAdminNotFound, Fact::HostAdminFound { any_of }))
}

/// The missing inviter: a Guest Admin who is not Active or not declared, or a Host Admin who does not exist in the
/// directory.
fn inviter(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Membership) -> Option<MissingFact> {
    let inviter = entry.reading.terms.invited_by.clone()?;
    if partner.missing_admins.contains(&&inviter) {
        return host_admin(partner, Some(&inviter));
    }
    let (key, declared) = match inviting_membership(inputs, entry) {
        Some(colleague) => (key_of(partner.namespace, colleague), None),
        None => {
            let by = partner.host_admins.first()?;
            // No object has a name with a space.
            let name = format!("inviter {inviter}");
            let spec = guest_admin(partner, inviter.as_str(), by);
            let object = declared_member(partner.namespace, &name, spec);
            (object.key(), Some(Box::new(object)))
        }
    };
    let fact = Fact::InviterActive { inviter, partner: partner.name.clone() };
    let condition = Precondition { reason: Reason::InviterNotActive, fact };
    Some(MissingFact { condition, declared, inviter: Some(key) })
}

/// The undeclared partner, with all inviters and sharers of its objects as Host Admins.
fn absent_partner(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Option<MissingFact> {
    let members = inputs.declared.members(partner.namespace, &partner.name);
    let sharers = inputs.declared.shares(partner.namespace, &partner.name);
    let mut admins: Vec<&Email> = members
        .filter_map(|member| member.reading.terms.invited_by.as_ref())
        .chain(sharers.filter_map(|share| share.reading.terms.shared_by.as_ref()))
        .filter(|admin| inputs.workspace.allows_admin(partner.namespace, admin))
        .collect();
    admins.sort();
    admins.dedup();
    let spec = api::LocalPartnerSpec {
        host_admins: admins.iter().map(ToString::to_string).collect(),
        ..api::LocalPartnerSpec::default()
    };
    let metadata = metadata(partner.namespace, &partner.name);
    let object = Object::Partner(Box::new(api::LocalPartner { metadata, spec, status: None }));
    let fact = Fact::PartnerDeclared { namespace: partner.namespace.to_owned(), name: partner.name.clone() };
    let condition = Precondition { reason: Reason::PartnerNotFound, fact };
    (!admins.is_empty()).then(|| MissingFact { condition, declared: Some(Box::new(object)), inviter: None })
}

/// The undeclared membership of a propagator.
fn propagator(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, name: &str) -> Option<MissingFact> {
    if inputs.declared.membership(partner.namespace, name).is_some() {
        return None;
    }
    let by = partner.host_admins.first()?;
    let address = free_address(inputs, partner)?;
    let object = declared_member(partner.namespace, name, guest_admin(partner, &address, by));
    let fact = Fact::PropagatorDeclared {
        namespace: partner.namespace.to_owned(),
        name: name.to_owned(),
        partner: partner.name.clone(),
    };
    let condition = Precondition { reason: Reason::MembershipNotFound, fact };
    Some(MissingFact { condition, declared: Some(Box::new(object)), inviter: None })
}

/// An address that the partner admits and no membership has. `None`: every address breaks a rule.
fn free_address(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Option<String> {
    let domains = match partner.domains() {
        Some(DomainRule::Allowed(domains)) => domains.iter().map(ToString::to_string).collect(),
        Some(DomainRule::Any | DomainRule::Denied(_)) | None => vec!["guest.invalid".to_owned()],
    };
    let of_guests = |domain: &String| {
        let email = Email::parse(&format!("propagator@{domain}")).ok();
        email.is_some_and(|email| {
            cross_object::host_domain(&email, inputs.workspace.corporate_domains(), &partner.admin_domains).is_none()
        })
    };
    let domain = domains.into_iter().find(of_guests)?;
    let mut name = "propagator".to_owned();
    loop {
        let address = format!("{name}@{domain}");
        let email = Email::parse(&address).ok()?;
        let known = inputs.observed.user(&email).is_some() || inputs.observed.guest(&email).is_some();
        if !known && inputs.declared.memberships_for(&email).next().is_none() {
            return Some(address);
        }
        name.push('-');
    }
}

fn guest_admin(partner: &EvaluatedPartner<'_>, email: &str, invited_by: &Email) -> api::GuestMembershipSpec {
    api::GuestMembershipSpec {
        partner_ref: api::PartnerRef { name: partner.name.clone() },
        email: email.to_owned(),
        role: Some(GuestRole::GuestAdmin.as_str().to_owned()),
        invited_by: invited_by.to_string(),
        ..api::GuestMembershipSpec::default()
    }
}

fn declared_member(namespace: &str, name: &str, spec: api::GuestMembershipSpec) -> Object {
    Object::Membership(Box::new(api::GuestMembership { metadata: metadata(namespace, name), spec, status: None }))
}

fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(format!("supposed {namespace}/{name}")),
        ..ObjectMeta::default()
    }
}
