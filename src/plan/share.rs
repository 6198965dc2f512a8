//! Plans a share. It owns nothing in the directory: memberships are computed from it. Its own reconcile validates and
//! counts. It revokes only where a membership's reconcile cannot.

use std::collections::BTreeMap;

use super::access::access;
use super::common::{self, Common};
use super::conditions::{self, KindCondition, LISTED, Summary, Truth, show};
use super::evaluate::share::{Authorized, entry_violations};
use super::evaluate::{Decision, EvaluatedMembership, EvaluatedPartner, EvaluatedShare};
use super::ownership::{is_behind, is_being_deleted, is_paused, is_processed, namespace, uid};
use super::{Event, Finalizer, Inputs, Plan, Status, Step};
use crate::api;
use crate::cache::{CacheEntry, Share};
use crate::directory::{GuestChange, GuestRecord, Operation};
use crate::domain::Reason;
use crate::validation::Violation;

type ShareSlot = CacheEntry<api::AccountShareStatus, crate::validation::ShareTerms>;

/// Plans the share of a name.
pub fn plan(inputs: Inputs<'_>, space: &str, share: &str) -> Plan {
    let Some(slot) = inputs.declared.share(space, share) else { return Plan::nothing() };
    if !inputs.directory_available {
        let status = slot.read().map(|entry| Status::Share(Box::new(unavailable(inputs, entry))));
        return Plan { status, ..Plan::nothing() };
    }
    let meta = slot.metadata();
    if is_being_deleted(meta) {
        return remove(inputs, slot);
    }
    let CacheEntry::Read(entry) = slot else {
        let conditions = common::unreadable(slot);
        let status = api::AccountShareStatus { conditions, ..api::AccountShareStatus::default() };
        return Plan { status: Some(Status::Share(Box::new(status))), ..Plan::nothing() };
    };
    let partner = EvaluatedPartner::of(inputs, space, &entry.reading.terms.partner);
    let view = EvaluatedShare::of(inputs, &partner, entry);
    // Guests of memberships that cannot be processed lose their grants through a share that is denied, or that excludes
    // them.
    let shut = matches!(view.gate, Decision::Deny(_));
    let steps = withhold(inputs, slot, |guest| {
        let name = guest.mark.as_ref().map(|mark| mark.name.as_str()).unwrap_or_default();
        (shut || entry.reading.terms.exclude.contains_key(name)) && !is_processed(inputs, guest)
    });
    let mut violations = view.violations.clone();
    violations.extend(entry_violations(inputs, &partner, &view));
    violations.sort();
    let mut events = Vec::new();
    // A cascading deletion includes the share and its guests, so violations about them need no Event.
    if partner.cascade_since().is_none() {
        events.extend(violations.first().map(|first| Event::refused(first.reason)));
        if view.authorized == Authorized::No {
            events.push(Event::gives_nothing(Reason::SharerNotOwner));
        }
    }
    Plan {
        steps,
        finalizer: Finalizer::Hold,
        status: Some(Status::Share(Box::new(status(inputs, &partner, &view, &violations)))),
        events,
        next_check: view.expires_at.filter(|end| *end > inputs.now),
        ..Plan::nothing()
    }
}

/// Plans the deletion; the finalizer stays while a guest has a grant through the share. Each guest's membership revokes
/// the grant, so that only one reconcile does so. The share itself revokes grants of guests without a working
/// membership. An unreadable share names no partner, so that no membership triggers its reconcile. It therefore revokes
/// all grants itself.
fn remove(inputs: Inputs<'_>, slot: &ShareSlot) -> Plan {
    let steps = withhold(inputs, slot, |guest| slot.read().is_none() || !is_processed(inputs, guest));
    if !steps.is_empty() {
        return Plan { steps, events: vec![Event::REMOVED], ..Plan::nothing() };
    }
    if holders(inputs, slot).into_iter().any(|guest| !held(inputs, slot, guest).is_empty()) {
        return Plan::nothing();
    }
    let steps = inputs.observed.share(uid(slot.metadata())).map(|share| forget(&share.uid));
    Plan { steps: steps.into_iter().collect(), finalizer: Finalizer::Release, ..Plan::nothing() }
}

/// The guests that may have a grant through the share, or through an earlier share of the same name.
fn holders<'a>(inputs: Inputs<'a>, slot: &ShareSlot) -> Vec<&'a GuestRecord> {
    let meta = slot.metadata();
    match slot {
        CacheEntry::Read(entry) => {
            let partners = inputs.observed.partners_named(namespace(meta), &entry.reading.terms.partner);
            let guests = partners.flat_map(|partner| inputs.observed.guests_of(&partner.id));
            let found = inputs.observed.holders(uid(meta)).chain(guests);
            found.filter(|guest| inputs.is_in_scope(guest)).collect()
        }
        // The partner is unknown, so the result is all guests of the namespace.
        CacheEntry::Unreadable { .. } => {
            let here = |guest: &&GuestRecord| guest.mark.as_ref().is_some_and(|mark| mark.namespace == namespace(meta));
            inputs.observed.guests().filter(here).collect()
        }
    }
}

/// The accounts that a guest has through a share.
fn held(inputs: Inputs<'_>, slot: &ShareSlot, guest: &GuestRecord) -> Vec<String> {
    let held = guest.grants.values().filter(|held| is_behind(inputs, slot.metadata(), &held.grant));
    held.map(|held| held.grant.account.clone()).collect()
}

/// Revokes the share's account from its holders.
fn withhold(inputs: Inputs<'_>, slot: &ShareSlot, applies_to: impl Fn(&GuestRecord) -> bool) -> Vec<Step> {
    let mut steps = BTreeMap::new();
    for guest in holders(inputs, slot).into_iter().filter(|guest| applies_to(guest)) {
        let accounts = held(inputs, slot, guest);
        if !accounts.is_empty() {
            let operation = Operation::Guest { id: guest.id.clone(), change: GuestChange::Revoke { accounts } };
            let because = "the share is being deleted or grants nothing".to_owned();
            steps.insert(&guest.address, Step { operation, reason: Reason::Terminating, message: because });
        }
    }
    steps.into_values().collect()
}

/// The step that deletes the directory's record of a share.
pub fn forget(share_uid: &str) -> Step {
    Step {
        operation: Operation::ForgetShare { share_uid: share_uid.to_owned() },
        reason: Reason::Terminating,
        message: "the share is gone".to_owned(),
    }
}

fn unavailable(inputs: Inputs<'_>, entry: &Share) -> api::AccountShareStatus {
    let mut status = entry.status.read().unwrap_or_default();
    status.conditions = common::unavailable(&entry.metadata, &status.conditions, inputs.now);
    status
}

fn situation(view: &EvaluatedShare<'_>, partner: &EvaluatedPartner<'_>, violations: &[Violation]) -> Summary {
    if let Some(violated) = Summary::violated(violations) {
        return violated;
    }
    if let Some(wait) = view.wait {
        return Summary::waits(wait);
    }
    if view.authorized == Authorized::No {
        return Summary { reconciling: false, stalled: true, ..Summary::waits(Reason::SharerNotOwner) };
    }
    if is_paused(&view.entry.metadata) || partner.paused {
        return Summary::held(Reason::Paused);
    }
    Summary::fine(Reason::Reconciled)
}

fn status(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    view: &EvaluatedShare<'_>,
    violations: &[Violation],
) -> api::AccountShareStatus {
    let terms = &view.entry.reading.terms;
    let old = view.entry.status.conditions();
    let situation = situation(view, partner, violations);
    let authorized = KindCondition {
        type_: api::ConditionType::Authorized,
        status: match view.authorized {
            Authorized::Yes => Truth::True,
            Authorized::No => Truth::False,
            Authorized::Unknown => Truth::Unknown,
        },
        reason: match view.authorized {
            Authorized::Yes => api::ConditionType::Authorized.as_str(),
            Authorized::No => Reason::SharerNotOwner.as_str(),
            Authorized::Unknown => situation.reason.as_str(),
        },
        message: match view.authorized {
            Authorized::Yes => "The sharer owns the account.",
            Authorized::No => conditions::sentence(Reason::SharerNotOwner),
            Authorized::Unknown => "The account or its sharer is not known (yet).",
        }
        .to_owned(),
    };
    let (grants, withheld) = grants(inputs, partner, view);
    let Common { observed_generation, last_handled_reconcile_at, conditions, violations, violation_count } =
        Common::of(&view.entry.metadata, &old, inputs.now, &situation, vec![authorized], violations);
    api::AccountShareStatus {
        observed_generation,
        last_handled_reconcile_at,
        expires_at: view.expires_at.map(show),
        shared_by: terms.shared_by.as_ref().map(ToString::to_string),
        role: Some(terms.guest_admin_role.as_str().to_owned()),
        conditions,
        violations,
        violation_count,
        grants: Some(grants),
        withheld: withheld.into_iter().take(LISTED).collect(),
    }
}

/// The counts of the share's grants, and the guests whose access is withheld.
fn grants(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    view: &EvaluatedShare<'_>,
) -> (api::GrantCounts, Vec<api::WithheldStatus>) {
    let terms = &view.entry.reading.terms;
    let mut counts = api::GrantCounts::default();
    let mut withheld = Vec::new();
    let mut hold = |name: &str, reason: Reason| {
        withheld.push(api::WithheldStatus { name: name.to_owned(), reason: reason.as_str().to_owned() });
    };
    for entry in inputs.declared.members(partner.namespace, &partner.name) {
        let name = super::ownership::name(&entry.metadata);
        let concerned =
            entry.reading.terms.role == crate::domain::GuestRole::GuestAdmin || terms.guest_users.contains_key(name);
        if !concerned {
            continue;
        }
        let member = EvaluatedMembership::of(inputs, partner, entry);
        let Some(access) = access(inputs, partner, view, &member) else { continue };
        let held = member.claim.live().and_then(|record| record.grants.get(&access.grant.account));
        let reason = match (access.gate, held) {
            (Decision::Deny(reason), _) | (Decision::Retain(reason), None) => Some(reason),
            (Decision::Allow | Decision::Retain(_), Some(held)) if held.is_blocked() => Some(Reason::DirectoryRefused),
            (Decision::Allow | Decision::Retain(_), Some(_)) => None,
            (Decision::Allow, None) if partner.paused || is_paused(&entry.metadata) => Some(Reason::Paused),
            (Decision::Allow, None) if !inputs.workspace.is_readable() => Some(Reason::PolicyUnreadable),
            (Decision::Allow, None) => Some(Reason::Pending),
        };
        match reason {
            None => counts.effective += 1,
            Some(reason) => {
                if access.rejected {
                    counts.rejected += 1;
                } else {
                    counts.withheld += 1;
                }
                hold(name, reason);
            }
        }
    }
    // Names without a membership, and names of other partners' guests.
    let listed = terms.guest_users.keys().chain(terms.role_overrides.keys());
    let mut seen = std::collections::BTreeSet::new();
    for name in listed.filter(|name| !terms.exclude.contains_key(*name)) {
        if !seen.insert(name) {
            continue;
        }
        match inputs.declared.membership(partner.namespace, name) {
            None => {
                counts.withheld += 1;
                hold(name, Reason::MembershipNotFound);
            }
            Some(CacheEntry::Unreadable { .. }) => {
                counts.withheld += 1;
                hold(name, Reason::Unreadable);
            }
            Some(CacheEntry::Read(entry)) if entry.reading.terms.partner != partner.name => {
                counts.rejected += 1;
                hold(name, Reason::NotAGuestOfPartner);
            }
            Some(CacheEntry::Read(_)) => {}
        }
    }
    counts.summary = format!("{}/{}", counts.effective, counts.effective + counts.withheld + counts.rejected);
    (counts, withheld)
}
