//! Plans garbage collection: access of guests without a membership, and records that are due for a purge. It is
//! computed from what the directory records, so that a restart changes neither what is done nor the pace.

use jiff::{SignedDuration, Timestamp};

use super::ownership::{is_orphan, is_paused};
use super::share::forget;
use super::{Inputs, PruneScope, Step};
use crate::cache::{CacheEntry, Kind, ObjectRef};
use crate::directory::{
    GuestChange, GuestRecord, Integrity, Login, Operation, Origin, OwnershipMark, PURGES_KEPT, PartnerChange,
    PartnerRecord, ShareRecord, purged_lately,
};
use crate::domain::Reason;

/// Up to this number of orphans, or up to this percentage of all guests, garbage collection revokes their access.
const FEW_ORPHANS: usize = 3;
const FEW_ORPHANS_PERCENT: usize = 25;
/// How long a pruned guest counts towards the limit. Otherwise frequent small prunes would never reach it.
const PRUNED_LATELY: SignedDuration = SignedDuration::from_hours(24);

/// The result of garbage collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GarbageCollection {
    /// The live guests without a membership.
    pub orphans: Vec<Orphan>,
    /// Guests without a membership that files deactivated within the last 24 hours.
    pub pruned: usize,
    /// The number of live guests of the watched namespaces, plus `pruned`.
    pub guests: usize,
    /// The number of live guests of other namespaces, whose access does not change.
    pub unwatched: usize,
    /// The number of orphans exceeds the limit, which suggests another cause. Their access does not change.
    pub too_many_orphans: bool,
    /// Revocations of access that no object declares: of orphans, and through shares that no longer exist. Each one has
    /// the key of the absent object, and is valid only while no object has that key.
    pub revocations: Vec<(ObjectRef, Vec<Step>)>,
    /// Purges, disabled logins, and share records to forget.
    pub steps: Vec<Step>,
    /// When the next garbage collection is due without an event.
    pub next_check: Option<Timestamp>,
}

/// A guest with an ownership mark and without a membership.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The namespace in the ownership mark.
    pub namespace: String,
    /// The membership's name in the ownership mark.
    pub name: String,
    /// The address of the guest.
    pub address: String,
}

/// Plans garbage collection.
pub fn plan(inputs: Inputs<'_>) -> GarbageCollection {
    let mut collection = GarbageCollection::default();
    if !inputs.directory_available {
        return collection;
    }
    let live = || inputs.observed.guests().filter(|guest| guest.is_live() && inputs.is_in_scope(guest));
    let orphans: Vec<_> = live().filter(|guest| is_declared_here(inputs, guest) && is_orphan(inputs, guest)).collect();
    collection.pruned = inputs.observed.guests().filter(|guest| is_pruned(inputs, guest)).count();
    let watched = live().count();
    collection.guests = watched + collection.pruned;
    collection.unwatched = inputs.observed.live_count() - watched;
    let gone = orphans.len() + collection.pruned;
    let many = match inputs.prune_scope {
        PruneScope::DeclaredPartners { at_most: Some(most) } => gone > most,
        PruneScope::Everything | PruneScope::DeclaredPartners { at_most: None } | PruneScope::Declared => {
            gone > FEW_ORPHANS && gone * 100 > collection.guests * FEW_ORPHANS_PERCENT
        }
    };
    collection.too_many_orphans = many && !orphans.is_empty();
    collection.orphans = orphans.iter().filter_map(|guest| Some(Orphan::of(guest, guest.mark.as_ref()?))).collect();
    if !collection.too_many_orphans {
        collection.revocations = orphans.iter().filter_map(|guest| revocation(inputs, guest)).collect();
        collection.revocations.extend(left_behind(inputs));
    }
    collection.revocations.extend(without_share(inputs));
    collection.steps = disable_reopened_logins(inputs);
    collection.steps.extend(unmarked_grants(inputs));
    collection.steps.extend(forgotten_shares(inputs));
    // A purge cannot be undone, so it needs a readable policy for its pace.
    if inputs.workspace.is_readable() {
        purge_guests(inputs, &mut collection);
        purge_partners(inputs, &mut collection);
    }
    collection
}

/// Whether all objects of the guest's partner are declared here. An ownership mark without a readable partner cannot be
/// declared elsewhere.
fn is_declared_here(inputs: Inputs<'_>, guest: &GuestRecord) -> bool {
    let whole =
        |mark: &OwnershipMark| guest.partner_name.is_empty() || inputs.is_whole(&mark.namespace, &guest.partner_name);
    inputs.is_in_scope(guest) && guest.mark.as_ref().is_some_and(whole)
}

/// Whether absence from the files is a request to remove a guest (`apply --prune`).
fn from_files(inputs: Inputs<'_>) -> bool {
    matches!(inputs.prune_scope, PruneScope::DeclaredPartners { .. })
}

/// Whether files deactivated the guest lately because no file declares them. A cluster never does; there the guest
/// stays an orphan.
fn is_pruned(inputs: Inputs<'_>, guest: &GuestRecord) -> bool {
    let lately = |since: Timestamp| inputs.now.duration_since(since) < PRUNED_LATELY;
    from_files(inputs)
        && guest.deactivated_at.is_some_and(lately)
        && inputs.declared.memberships_for(&guest.address).next().is_none()
        && is_declared_here(inputs, guest)
}

/// The steps that detach all orphans: `guestlist detach --orphans`. Garbage collection never does.
pub fn detach_orphans(inputs: Inputs<'_>) -> Vec<Step> {
    let orphans = inputs.observed.guests().filter(|guest| is_orphan(inputs, guest));
    let give_back = |guest: &GuestRecord| Step {
        operation: Operation::Guest { id: guest.id.clone(), change: GuestChange::Detach },
        reason: Reason::Orphaned,
        message: format!("no membership declares {}, so the ownership mark is removed", guest.address),
    };
    orphans.map(give_back).collect()
}

impl Orphan {
    fn of(guest: &GuestRecord, mark: &OwnershipMark) -> Self {
        Self { namespace: mark.namespace.clone(), name: mark.name.clone(), address: guest.address.to_string() }
    }
}

/// Revokes the access of an orphan. The record stays, and a membership that is declared again can inherit it.
fn revocation(inputs: Inputs<'_>, guest: &GuestRecord) -> Option<(ObjectRef, Vec<Step>)> {
    let mark = guest.mark.as_ref()?;
    let step = |operation| Step {
        operation,
        reason: Reason::Orphaned,
        message: format!("no membership declares {}", guest.address),
    };
    let mut steps = Vec::new();
    if !guest.grants.is_empty() {
        let accounts = guest.grants.keys().cloned().collect();
        steps.push(step(Operation::Guest { id: guest.id.clone(), change: GuestChange::Revoke { accounts } }));
    }
    if guest.invitation.is_some() {
        steps.push(step(Operation::Guest { id: guest.id.clone(), change: GuestChange::RevokeInvitation }));
    }
    // An object that a cluster lacks may be restored. In files, its absence is a request to remove it.
    if from_files(inputs) {
        let guest = guest.id.clone();
        steps.push(step(match mark.origin {
            Origin::Created => Operation::Guest { id: guest, change: GuestChange::Deactivate },
            Origin::Adopted => Operation::Guest { id: guest, change: GuestChange::Release },
        }));
    }
    let key = ObjectRef::new(Kind::Membership, mark.namespace.clone(), mark.name.clone());
    (!steps.is_empty()).then_some((key, steps))
}

/// Revokes grants through absent shares from guests whose membership is unreadable. For all other guests, their
/// membership's reconcile does so. A share of the same name would inherit these grants.
fn without_share(inputs: Inputs<'_>) -> Vec<(ObjectRef, Vec<Step>)> {
    let stuck =
        |mark: &OwnershipMark| inputs.declared.membership_by_uid(&mark.uid).is_some_and(|slot| slot.read().is_none());
    let mut found = Vec::new();
    for guest in inputs.observed.guests().filter(|guest| guest.is_live() && is_declared_here(inputs, guest)) {
        let Some(mark) = guest.mark.as_ref().filter(|mark| stuck(mark)) else { continue };
        for (account, held) in &guest.grants {
            let gone = !inputs.declared.has_share_uid(&held.grant.share_uid)
                && inputs.declared.share(&mark.namespace, &held.grant.share).is_none();
            if gone {
                let operation = Operation::Guest {
                    id: guest.id.clone(),
                    change: GuestChange::Revoke { accounts: vec![account.clone()] },
                };
                let because = format!("no share grants {account} to {}", guest.address);
                let step = Step { operation, reason: Reason::Terminating, message: because };
                found.push((ObjectRef::new(Kind::Share, mark.namespace.clone(), &*held.grant.share), vec![step]));
            }
        }
    }
    found
}

/// Purges deactivated users that guestlist created, the longest deactivated first, at the pace of the policy. A record stays
/// if an administrator disabled its login: it is the only memory of that decision.
fn purge_guests(inputs: Inputs<'_>, collection: &mut GarbageCollection) {
    let pace = &inputs.workspace.purge;
    let lately = purged_lately(inputs.observed.purged(), inputs.now);
    // The percentage applies to the number of guests an hour ago, so that purges do not slow down the pace.
    let marked = |guest: &&GuestRecord| guest.mark.is_some() && inputs.is_in_scope(guest);
    let marked = inputs.observed.guests().filter(marked).count() + lately as usize;
    let at_most = u32::try_from((marked * usize::from(pace.per_hour_percent)).div_ceil(100)).unwrap_or(u32::MAX);
    let mut waiting: Vec<(Timestamp, &GuestRecord)> = inputs
        .observed
        .guests()
        .filter_map(|guest| Some((guest.deactivated_at?, guest)))
        .filter(|(_, guest)| {
            let made = |mark: &OwnershipMark| mark.origin == Origin::Created && !is_held(inputs, guest, mark);
            let disabled = guest.login == Login::DisabledByOther;
            !disabled && is_declared_here(inputs, guest) && guest.mark.as_ref().is_some_and(made)
        })
        .collect();
    waiting.sort_by(|(a, first), (b, second)| (a, &first.address).cmp(&(b, &second.address)));
    let is_due = |since: Timestamp| since.checked_add(pace.after).is_ok_and(|due| due <= inputs.now);
    let due = waiting.iter().take_while(|(since, _)| is_due(*since)).count();
    let now = due.min(at_most.saturating_sub(lately) as usize);
    for (since, guest) in &waiting[..now] {
        collection.steps.push(Step {
            operation: Operation::Guest { id: guest.id.clone(), change: GuestChange::Purge { since: *since, at_most } },
            reason: Reason::Terminating,
            message: format!("{} was deactivated at {since} and did not come back", guest.address),
        });
    }
    if let Some((since, _)) = waiting.get(due) {
        collection.check_at(since.checked_add(pace.after).ok());
    }
    if now < due {
        // When the oldest purge of this hour stops counting.
        let counted = inputs.observed.purged().keys().filter_map(|minute| minute.checked_add(PURGES_KEPT).ok());
        collection.check_at(counted.filter(|over| *over > inputs.now).min());
    }
}

/// Whether the partner, or a membership that was created again, is paused. If so, nothing is purged.
fn is_held(inputs: Inputs<'_>, guest: &GuestRecord, mark: &OwnershipMark) -> bool {
    let partner = inputs.declared.partner(&mark.namespace, &guest.partner_name).map(CacheEntry::metadata);
    let membership = inputs.declared.membership(&mark.namespace, &mark.name).map(CacheEntry::metadata);
    partner.into_iter().chain(membership).any(is_paused)
}

/// Deactivates partners without an object and without a live guest, after a finalizer was removed by hand. While a live
/// guest exists, a partner created again under the name inherits the record and the guest.
fn left_behind(inputs: Inputs<'_>) -> Vec<(ObjectRef, Vec<Step>)> {
    let left = |partner: &&PartnerRecord| {
        let mark = &partner.mark;
        inputs.prune_scope == PruneScope::Everything
            && inputs.is_watched(&mark.namespace)
            && partner.is_live()
            && inputs.declared.partner(&mark.namespace, &mark.name).is_none()
            && !inputs.declared.has_partner_uid(&mark.uid)
            && !inputs.observed.guests_of(&partner.id).any(GuestRecord::is_live)
    };
    let put_away = |partner: &PartnerRecord| {
        let (namespace, name) = (&partner.mark.namespace, &partner.mark.name);
        let step = Step {
            operation: Operation::Partner { id: partner.id.clone(), change: PartnerChange::Deactivate },
            reason: Reason::Orphaned,
            message: format!("no object declares the partner {namespace}/{name}"),
        };
        (ObjectRef::new(Kind::Partner, &**namespace, &**name), vec![step])
    };
    inputs.observed.partners().filter(left).map(put_away).collect()
}

/// Purges a deactivated partner when none of its guests' records is left.
fn purge_partners(inputs: Inputs<'_>, collection: &mut GarbageCollection) {
    let ended = |partner: &&PartnerRecord| {
        inputs.is_whole(&partner.mark.namespace, &partner.mark.name)
            && !inputs.declared.has_partner_uid(&partner.mark.uid)
            && inputs.observed.guests_of(&partner.id).next().is_none()
    };
    for partner in inputs.observed.partners().filter(ended) {
        let Some(since) = partner.deactivated_at else { continue };
        let due = since.checked_add(inputs.workspace.purge.after).ok();
        if due.is_none_or(|due| due > inputs.now) {
            collection.check_at(due);
            continue;
        }
        collection.steps.push(Step {
            operation: Operation::Partner { id: partner.id.clone(), change: PartnerChange::Purge { since } },
            reason: Reason::Terminating,
            message: format!("{}/{} has no guest left", partner.mark.namespace, partner.mark.name),
        });
    }
}

/// Disables the login of deactivated guests that another party enabled again. If a membership has reactivated the guest
/// meanwhile, its reconcile enables the login.
fn disable_reopened_logins(inputs: Inputs<'_>) -> Vec<Step> {
    let made = |guest: &&GuestRecord| guest.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    let gone = inputs.observed.guests().filter(|guest| guest.deactivated_at.is_some() && guest.login.is_enabled());
    let shut = |guest: &GuestRecord| Step {
        operation: Operation::Guest { id: guest.id.clone(), change: GuestChange::DisableLogin },
        reason: Reason::Terminating,
        message: format!("{} was removed, and the login was turned on again from outside", guest.address),
    };
    gone.filter(made).filter(|guest| is_declared_here(inputs, guest)).map(shut).collect()
}

/// Revokes the claims of users without a readable ownership mark. Nothing else of these users changes.
fn unmarked_grants(inputs: Inputs<'_>) -> Vec<Step> {
    let revoke = |guest: &GuestRecord| {
        let accounts = guest.grants.keys().cloned().collect();
        Step {
            operation: Operation::Guest { id: guest.id.clone(), change: GuestChange::Revoke { accounts } },
            reason: Reason::OwnershipMarkUnreadable,
            message: format!("{} has no readable ownership mark", guest.email),
        }
    };
    inputs
        .observed
        .guests()
        .filter(|guest| {
            guest.integrity == Integrity::Unreadable && !guest.grants.is_empty() && inputs.is_in_scope(guest)
        })
        .map(revoke)
        .collect()
}

/// Forgets shares without an object and without a grant. Their names then become available for other accounts.
fn forgotten_shares(inputs: Inputs<'_>) -> Vec<Step> {
    let gone = |share: &&ShareRecord| {
        !inputs.declared.has_share_uid(&share.uid)
            && inputs.observed.holders(&share.uid).next().is_none()
            && is_declarable_here(inputs, share)
    };
    inputs.observed.shares().filter(gone).map(|share| forget(&share.uid)).collect()
}

/// Whether the share would be declared here. Its record contains the partner's name without the namespace, so all
/// partners of that name must be declared here.
fn is_declarable_here(inputs: Inputs<'_>, share: &ShareRecord) -> bool {
    let mut named = inputs.observed.partners().filter(|partner| partner.mark.name == share.partner_name).peekable();
    inputs.is_whole_cluster()
        || (named.peek().is_some() && named.all(|partner| inputs.is_whole(&partner.mark.namespace, &partner.mark.name)))
}

impl GarbageCollection {
    fn check_at(&mut self, instant: Option<Timestamp>) {
        self.next_check = [self.next_check, instant].into_iter().flatten().min();
    }
}
