//! Plans a partner. It owns its record and its Host Admins in the directory, and counts its memberships and shares.

use jiff::Timestamp;

use super::common::{self, Common};
use super::conditions::{self, KindCondition, Summary, Truth, show};
use super::evaluate::{EvaluatedMembership, EvaluatedPartner, Presence};
use super::lifecycle::State;
use super::membership::end;
use super::ownership::{is_being_deleted, name, namespace, uid};
use super::{Deletion, Event, Finalizer, Inputs, Plan, Status, Step};
use crate::api;
use crate::cache::{CacheEntry, CachedMetadata, Kind, ObjectRef, Partner};
use crate::directory::{GuestRecord, Integrity, Operation, Origin, OwnershipMark, PartnerChange, PartnerId};
use crate::domain::{GuestRole, Reason};
use crate::validation::Taint;

/// Plans the partner of a name.
pub fn plan(inputs: Inputs<'_>, namespace: &str, name: &str) -> Plan {
    let Some(slot) = inputs.declared.partner(namespace, name) else { return Plan::nothing() };
    let partner = EvaluatedPartner::of(inputs, namespace, name);
    let CacheEntry::Read(entry) = slot else { return unreadable(inputs, slot) };
    if !inputs.directory_available {
        let status = unavailable(inputs, entry);
        return Plan { status: Some(Status::Partner(Box::new(status))), ..Plan::nothing() };
    }
    if let Presence::Leaving { .. } = partner.presence {
        return remove(inputs, &partner, entry);
    }
    let mut steps = Vec::new();
    let events = partner.violations.first().map(|first| Event::refused(first.reason)).into_iter().collect();
    ensure(inputs, &partner, entry, &mut steps);
    let finalizer = if partner.record.is_some() || !steps.is_empty() { Finalizer::Hold } else { Finalizer::Leave };
    Plan {
        steps,
        finalizer,
        status: Some(Status::Partner(Box::new(status(inputs, &partner, entry)))),
        events,
        next_check: partner.expires_at.filter(|end| *end > inputs.now),
        ..Plan::nothing()
    }
}

fn unreadable(inputs: Inputs<'_>, slot: &CacheEntry<api::LocalPartnerStatus, crate::validation::PartnerTerms>) -> Plan {
    let meta = slot.metadata();
    if !inputs.directory_available {
        return Plan::nothing();
    }
    if is_being_deleted(meta) {
        // `spec.deletion` is unreadable. As with Block, the finalizer stays until no membership or share names the
        // partner.
        let left = inputs.declared.member_count(namespace(meta), name(meta))
            + inputs.declared.share_count(namespace(meta), name(meta));
        let finalizer = if left == 0 { Finalizer::Release } else { Finalizer::Leave };
        return Plan { finalizer, ..Plan::nothing() };
    }
    let status = api::LocalPartnerStatus { conditions: common::unreadable(slot), ..api::LocalPartnerStatus::default() };
    Plan { status: Some(Status::Partner(Box::new(status))), ..Plan::nothing() }
}

/// Adds the steps that create or update the record. A partner that allows no grants gets no record. A pause or an
/// unreadable policy prevents both.
fn ensure(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Partner, steps: &mut Vec<Step>) {
    if partner.paused || !inputs.workspace.is_readable() {
        return;
    }
    let tainted = partner.violations.iter().any(|violation| violation.taint == Taint::Object);
    let live = partner.record.filter(|record| record.deactivated_at.is_none());
    if tainted || partner.has_unreadable_mark() || (live.is_none() && partner.blocked.is_some()) {
        return;
    }
    let meta = &entry.metadata;
    let mark = OwnershipMark {
        installation: inputs.owner.installation.clone(),
        cluster: inputs.owner.cluster.clone(),
        namespace: namespace(meta).to_owned(),
        name: name(meta).to_owned(),
        uid: uid(meta).to_owned(),
        origin: Origin::Created,
    };
    let display_name = display_name(entry);
    let id = partner.record.map_or_else(|| PartnerId::of(uid(meta)), |record| record.id.clone());
    let now = live.is_some_and(|record| record.suspended);
    // The suspension is recorded after all revocations. If a guest has received a grant since, the guest's own
    // membership revokes it.
    let suspended = partner.is_shut() && (now || has_no_access(inputs, &id));
    let same = live.is_some_and(|record| {
        record.mark == mark
            && record.display_name == display_name
            && record.host_admins == partner.host_admins
            && record.integrity == Integrity::Intact
    });
    let mut push = |suspended, because: &str| {
        let (id, mark, display_name) = (id.clone(), mark.clone(), display_name.clone());
        let host_admins = partner.host_admins.clone();
        steps.push(Step {
            operation: Operation::Partner {
                id,
                change: PartnerChange::Apply { mark, display_name, host_admins, suspended },
            },
            reason: Reason::Reconciled,
            message: because.to_owned(),
        });
    };
    if !same {
        push(now, "the record follows the object");
    }
    // A separate step, so that the result is the same whether the guests are withheld before this plan or after it.
    if suspended != now {
        push(suspended, if suspended { "its guests hold no grants" } else { "no longer suspended or expired" });
    }
}

/// Whether no live guest of a partner has a grant, and no created guest has an enabled login.
fn has_no_access(inputs: Inputs<'_>, partner: &PartnerId) -> bool {
    let made = |guest: &GuestRecord| guest.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    let mut live = inputs.observed.guests_of(partner).filter(|guest| guest.is_live());
    live.all(|guest| guest.grants.is_empty() && !(guest.login.is_enabled() && made(guest)))
}

fn display_name(entry: &Partner) -> String {
    let said = entry.reading.terms.display_name.as_ref();
    said.map_or_else(|| name(&entry.metadata).to_owned(), ToString::to_string)
}

/// Plans the deletion. `Block` waits until no membership or share names the partner. `Cascade` deletes the objects that
/// existed when the deletion began. In both cases the record is deactivated only when no live guest and no grant is
/// left.
fn remove(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Partner) -> Plan {
    // Objects created after the start of a cascade are not deleted, and do not delay it.
    let left = match partner.cascade_since() {
        Some(since) => objects_of(inputs, partner).filter(|(_, meta)| existed_at(meta, since)).count(),
        None => {
            inputs.declared.member_count(partner.namespace, &partner.name)
                + inputs.declared.share_count(partner.namespace, &partner.name)
        }
    };
    if left > 0 {
        let mut status = status(inputs, partner, entry);
        let mut situation = Summary::held(Reason::DeletionBlocked);
        if partner.cascade_since().is_some() {
            situation = Summary::held(Reason::Terminating);
        } else {
            let members = inputs.declared.member_count(partner.namespace, &partner.name);
            situation.message = format!(
                "{members} memberships and {} shares still name this partner; delete them, or set spec.deletion to Cascade.",
                left - members
            );
        }
        let old = entry.status.conditions();
        let domain = vec![guest_admin_present(inputs, partner)];
        status.conditions = conditions::write(&old, entry.metadata.generation, inputs.now, &situation, domain);
        // A blocked deletion keeps the guests' access, so the plan still grants and revokes.
        let mut steps = Vec::new();
        if partner.cascade_since().is_none() && partner.record.is_some_and(|record| record.deactivated_at.is_none()) {
            ensure(inputs, partner, entry, &mut steps);
        }
        return Plan {
            steps,
            deletions: cascade(inputs, partner),
            status: Some(Status::Partner(Box::new(status))),
            next_check: partner.expires_at.filter(|end| *end > inputs.now),
            ..Plan::nothing()
        };
    }
    let mut steps = Vec::new();
    if let Some(record) = partner.record {
        // No object declares these guests, so the deletion of their partner removes them.
        let live = |guest: &&GuestRecord| guest.is_live() && inputs.is_in_scope(guest);
        for guest in inputs.observed.guests_of(&record.id).filter(live) {
            let declared = guest.mark.as_ref().is_some_and(|mark| inputs.declared.has_membership_uid(&mark.uid));
            if !declared {
                steps.extend(end(guest));
            }
        }
        if record.is_live() {
            steps.push(Step {
                operation: Operation::Partner { id: record.id.clone(), change: PartnerChange::Deactivate },
                reason: Reason::Terminating,
                message: "the partner is being deleted and has no guests".to_owned(),
            });
        }
    }
    let events = if steps.is_empty() { Vec::new() } else { vec![Event::REMOVED] };
    Plan { steps, finalizer: Finalizer::Release, events, ..Plan::nothing() }
}

/// All readable memberships and shares that name the partner.
fn objects_of<'a>(
    inputs: Inputs<'a>,
    partner: &'a EvaluatedPartner<'_>,
) -> impl Iterator<Item = (Kind, &'a CachedMetadata)> {
    let memberships =
        inputs.declared.members(partner.namespace, &partner.name).map(|m| (Kind::Membership, &m.metadata));
    let shares = inputs.declared.shares(partner.namespace, &partner.name).map(|s| (Kind::Share, &s.metadata));
    memberships.chain(shares)
}

/// Whether an object existed at an instant.
fn existed_at(meta: &CachedMetadata, since: Timestamp) -> bool {
    meta.creation_timestamp.as_ref().is_none_or(|created| created.0 <= since)
}

/// The deletions of a cascade: all objects that existed when it began.
fn cascade(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Vec<Deletion> {
    let Some(since) = partner.cascade_since() else { return Vec::new() };
    objects_of(inputs, partner)
        .filter(|(_, meta)| !is_being_deleted(meta) && existed_at(meta, since))
        .map(|(kind, meta)| Deletion {
            key: ObjectRef::new(kind, namespace(meta), name(meta)),
            uid: uid(meta).to_owned(),
        })
        .collect()
}

fn unavailable(inputs: Inputs<'_>, entry: &Partner) -> api::LocalPartnerStatus {
    let mut status = entry.status.read().unwrap_or_default();
    status.conditions = common::unavailable(&entry.metadata, &status.conditions, inputs.now);
    status
}

fn status(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Partner) -> api::LocalPartnerStatus {
    let old = entry.status.conditions();
    let situation = if let Some(violated) = Summary::violated(&partner.violations) {
        violated
    } else if let Some(wait) = partner.wait.or(partner.blocked) {
        waits(partner, wait)
    } else if partner.paused {
        Summary::held(Reason::Paused)
    } else if partner.record.is_none() && !inputs.workspace.is_readable() {
        Summary::waits(Reason::PolicyUnreadable)
    } else {
        Summary::fine(Reason::Reconciled)
    };
    let domain = vec![guest_admin_present(inputs, partner)];
    let Common { observed_generation, last_handled_reconcile_at, conditions, violations, violation_count } =
        Common::of(&entry.metadata, &old, inputs.now, &situation, domain, &partner.violations);
    api::LocalPartnerStatus {
        observed_generation,
        last_handled_reconcile_at,
        display_name: Some(display_name(entry)),
        directory_id: partner.record.map(|record| record.id.0.clone()),
        expires_at: partner.expires_at.map(show),
        conditions,
        violations,
        violation_count,
        guests: Some(guest_counts(inputs, partner)),
        shares: Some(conditions::count(inputs.declared.share_count(partner.namespace, &partner.name))),
    }
}

/// The summary of a waiting partner, with the names of the missing Host Admins.
fn waits(partner: &EvaluatedPartner<'_>, wait: Reason) -> Summary {
    let situation = Summary::waits(wait);
    if partner.missing_admins.is_empty() {
        return situation;
    }
    let who: Vec<&str> = partner.missing_admins.iter().map(|email| email.as_str()).collect();
    let who = who.join(", ");
    let message = format!("Not an enabled workspace user with a verified address (yet), and counted as absent: {who}.");
    Summary { message, ..situation }
}

/// The partner's memberships counted by state.
fn guest_counts(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> api::GuestCounts {
    let mut counts = api::GuestCounts {
        all: conditions::count(inputs.declared.member_count(partner.namespace, &partner.name)),
        ..api::GuestCounts::default()
    };
    for entry in inputs.declared.members(partner.namespace, &partner.name) {
        match EvaluatedMembership::of(inputs, partner, entry).shown_state() {
            State::Active => counts.active += 1,
            State::Invited => counts.invited += 1,
            State::Joined => counts.joined += 1,
            State::Suspended => counts.suspended += 1,
            State::Rejected => counts.rejected += 1,
            State::Terminating | State::Pending | State::Expired | State::InvitationExpired => {}
        }
    }
    counts.summary = format!("{}/{}", counts.active, counts.all);
    counts
}

/// The condition for an Active Guest Admin.
fn guest_admin_present(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> KindCondition {
    let mut best: Option<State> = None;
    for entry in inputs.declared.members(partner.namespace, &partner.name) {
        if entry.reading.terms.role == GuestRole::GuestAdmin {
            best = best.max(Some(EvaluatedMembership::of(inputs, partner, entry).state));
        }
    }
    let present = best == Some(State::Active);
    KindCondition {
        type_: api::ConditionType::GuestAdminPresent,
        status: Truth::from(present),
        reason: match best {
            Some(State::Active) => api::ConditionType::GuestAdminPresent.as_str(),
            Some(state) => state.reason().as_str(),
            None => Reason::MembershipNotFound.as_str(),
        },
        message: if present {
            "An Active Guest Admin is there.".to_owned()
        } else {
            "No Guest Admin is Active, so no guest can pass accounts on.".to_owned()
        },
    }
}
