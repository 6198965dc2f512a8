//! The grants that follow without a change of the manifests, and the conditions of each.
//!
//! The search evaluates why a grant is withheld, supposes the missing fact, and evaluates again. It uses `access`,
//! [`EvaluatedMembership`] and [`plan`](super::plan), which decide the grants of a reconcile. A reason that only a
//! change of a spec or of the policy removes ends the search.

mod fact;
mod missing;
mod supposition;

pub use fact::{Fact, Precondition};
pub use supposition::Frame;

use super::access::access;
use super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare};
use super::ownership::name;
use crate::cache::{CacheEntry, Kind, Membership, ObjectCache, ObjectRef};
use crate::directory::{DirectoryCache, Grant};
use crate::domain::{Email, Methods};
use missing::{MissingFact, Progress, of_member, of_share};
use supposition::Supposition;

/// More facts than any grant depends on.
const MOST_FACTS: usize = 12;
/// A Guest Admin invites the guest, and a Host Admin invites the Guest Admin.
const MOST_INVITERS: usize = 3;

/// A grant that follows.
#[derive(Clone, Debug, PartialEq)]
pub struct LaterGrant {
    /// The membership.
    pub member: ObjectRef,
    /// The partner.
    pub partner: String,
    /// The guest.
    pub guest: Email,
    /// The grant.
    pub grant: Grant,
    /// The conditions, in the order in which they are met.
    pub conditions: Vec<Precondition>,
}

/// All grants that follow from the declared objects, by membership and share. `index` and `directory_cache` must have no pending
/// changes, and are unchanged afterwards.
pub fn later(index: &mut ObjectCache, directory_cache: &mut DirectoryCache, frame: Frame<'_>) -> Vec<LaterGrant> {
    let members: Vec<ObjectRef> = index.keys(Kind::Membership).collect();
    let mut supposition = Supposition::new(index, directory_cache, frame);
    let mut found = Vec::new();
    for member in &members {
        of_membership(&mut supposition, member, &mut found);
        supposition.undo_to(0);
    }
    found
}

/// The directory's data about the guest before any supposition.
struct Before {
    email: Email,
    partner: String,
    held: Vec<Grant>,
    enrolled: Methods,
}

impl Before {
    fn of(supposition: &Supposition<'_>, member: &ObjectRef) -> Option<Self> {
        let inputs = supposition.inputs();
        let entry = inputs.declared.membership(&member.namespace, &member.name).and_then(CacheEntry::read)?;
        let partner = EvaluatedPartner::of(inputs, &member.namespace, &entry.reading.terms.partner);
        let view = EvaluatedMembership::of(inputs, &partner, entry);
        let record = view.claim.live();
        Some(Self {
            email: entry.reading.terms.email.clone()?,
            partner: partner.name.clone(),
            held: record.iter().flat_map(|record| record.grants.values()).map(|held| held.grant.clone()).collect(),
            enrolled: view.enrolled.unwrap_or_default(),
        })
    }
}

fn of_membership(supposition: &mut Supposition<'_>, member: &ObjectRef, found: &mut Vec<LaterGrant>) {
    let Some(before) = Before::of(supposition, member) else { return };
    let Some(conditions) = open_member(supposition, member, MOST_INVITERS) else { return };
    let base = supposition.changes();
    for (share, gate, grant) in grants(supposition, member) {
        let opened = match gate {
            Decision::Allow => Some((grant, Vec::new())),
            Decision::Retain(_) | Decision::Deny(_) => open_share(supposition, member, &share),
        };
        supposition.undo_to(base);
        let Some((grant, more)) = opened.filter(|(grant, _)| !before.held.contains(grant)) else { continue };
        let conditions = tidy(conditions.iter().cloned().chain(more), &before.enrolled, &grant);
        let (guest, partner) = (before.email.clone(), before.partner.clone());
        found.push(LaterGrant { member: member.clone(), partner, guest, grant, conditions });
    }
}

/// Supposes the missing facts of a membership until it allows access. `None`: only a change of a spec allows it, or it
/// needs more inviters.
fn open_member(supposition: &mut Supposition<'_>, member: &ObjectRef, inviters: usize) -> Option<Vec<Precondition>> {
    let mut conditions: Vec<Precondition> = Vec::new();
    for _ in 0..MOST_FACTS {
        match of_member(supposition.inputs(), member)? {
            Progress::Open(()) => return Some(conditions),
            Progress::Lacks(missing) => suppose(supposition, *missing, &mut conditions, inviters)?,
            // Without a supposed change, a reconcile has no effect.
            Progress::Reconcile if supposition.changes() > 0 && supposition.reconcile(member) => {}
            Progress::Reconcile => return None,
        }
    }
    None
}

/// Supposes the missing facts of a share until it grants the guest access. The membership already allows access.
fn open_share(
    supposition: &mut Supposition<'_>,
    member: &ObjectRef,
    share: &str,
) -> Option<(Grant, Vec<Precondition>)> {
    let mut conditions: Vec<Precondition> = Vec::new();
    for _ in 0..MOST_FACTS {
        match of_share(supposition.inputs(), member, share)? {
            Progress::Open(grant) => return Some((grant, conditions)),
            Progress::Lacks(missing) => suppose(supposition, *missing, &mut conditions, MOST_INVITERS)?,
            Progress::Reconcile => return None,
        }
    }
    None
}

/// Supposes a fact, and adds it as a condition. `None`: it was supposed already, or cannot be supposed.
fn suppose(
    supposition: &mut Supposition<'_>,
    missing: MissingFact,
    conditions: &mut Vec<Precondition>,
    inviters: usize,
) -> Option<()> {
    let MissingFact { condition, declared, inviter } = missing;
    if conditions.contains(&condition) {
        return None;
    }
    conditions.push(condition.clone());
    if let Some(object) = declared {
        supposition.declare(*object);
    }
    if let Some(inviter) = inviter {
        // The conditions of the inviter's own access are part of one condition: that they are Active.
        open_member(supposition, &inviter, inviters.checked_sub(1)?)?;
    }
    match condition.fact {
        Fact::Accepts { guest, .. } => supposition.guest(&guest, |record, now| {
            record.joined_at = Some(now);
            record.invitation = None;
        }),
        Fact::EnrolsMfa { guest, .. } => supposition.enrol(&guest),
        Fact::HostAdminFound { any_of } => supposition.user(any_of.first()?),
        Fact::AccountFound { account, owner } | Fact::OwnsAccount { account, owner } => {
            supposition.account(&account, &owner);
        }
        Fact::MailIntervalPassed { at, .. } | Fact::InvitationAllowed { at, .. } => supposition.pass(at),
        Fact::AddressRestored { guest } => supposition.guest(&guest, |record, _| {
            record.email = record.address.clone();
        }),
        Fact::LoginEnabled { guest } => supposition.enable_login(&guest),
        Fact::InviterActive { .. } | Fact::PartnerDeclared { .. } | Fact::PropagatorDeclared { .. } => {}
    }
    Some(())
}

/// The access of a membership through each share of the partner, on the supposed facts.
fn grants(supposition: &Supposition<'_>, member: &ObjectRef) -> Vec<(String, Decision, Grant)> {
    let inputs = supposition.inputs();
    let Some(entry) = inputs.declared.membership(&member.namespace, &member.name).and_then(CacheEntry::read) else {
        return Vec::new();
    };
    let partner = EvaluatedPartner::of(inputs, &member.namespace, &entry.reading.terms.partner);
    let view = EvaluatedMembership::of(inputs, &partner, entry);
    let shares = inputs.declared.shares(&member.namespace, &partner.name);
    let one = |share| {
        let share = EvaluatedShare::of(inputs, &partner, share);
        let access = access(inputs, &partner, &share, &view)?;
        Some((share.name().to_owned(), access.gate, access.grant))
    };
    shares.filter_map(one).collect()
}

/// Sets the MFA methods that count for this grant. Removes *any of these Host Admins* if a later condition names one.
fn tidy(conditions: impl Iterator<Item = Precondition>, enrolled: &Methods, grant: &Grant) -> Vec<Precondition> {
    let mut tidied: Vec<Precondition> = Vec::new();
    for mut condition in conditions {
        match &mut condition.fact {
            Fact::EnrolsMfa { one_of, .. } => *one_of = lacking(enrolled, &grant.allowed, &grant.asked),
            Fact::HostAdminFound { any_of } => {
                let implied = |other: &Precondition| {
                    matches!(&other.fact, Fact::HostAdminFound { any_of: others }
                        if any_of.iter().all(|admin| others.contains(admin)))
                };
                tidied.retain(|other| !implied(other));
            }
            Fact::Accepts { .. }
            | Fact::InviterActive { .. }
            | Fact::AccountFound { .. }
            | Fact::OwnsAccount { .. }
            | Fact::PartnerDeclared { .. }
            | Fact::PropagatorDeclared { .. }
            | Fact::MailIntervalPassed { .. }
            | Fact::InvitationAllowed { .. }
            | Fact::AddressRestored { .. }
            | Fact::LoginEnabled { .. } => {}
        }
        if !tidied.contains(&condition) {
            tidied.push(condition);
        }
    }
    tidied
}

/// The sets of methods that each still need one enrolled method.
fn lacking(enrolled: &Methods, allowed: &Methods, asked: &Methods) -> Vec<Methods> {
    let both: Methods = allowed.intersection(asked).copied().collect();
    match (enrolled.is_disjoint(allowed), enrolled.is_disjoint(asked)) {
        (true, true) if both.is_empty() => vec![allowed.clone(), asked.clone()],
        (true, true) => vec![both],
        (true, false) => vec![allowed.clone()],
        (false, true) => vec![asked.clone()],
        (false, false) => Vec::new(),
    }
}

fn key_of(namespace: &str, entry: &Membership) -> ObjectRef {
    ObjectRef::new(Kind::Membership, namespace, name(&entry.metadata))
}
