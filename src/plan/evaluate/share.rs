//! A share judged: its violations, whether its sharer may share, and whether it lets access through.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::Inputs;
use super::super::ownership::{Order, is_behind, is_being_deleted, is_paused, namespace, order, uid};
use super::Decision;
use super::membership::broken_rule;
use super::partner::{EvaluatedPartner, Presence};
use crate::cache::{CacheEntry, Membership, Share, has_finalizer};
use crate::domain::{Email, GuestRole, Methods, Reason, ShareRole, all_methods};
use crate::validation::{Taint, Violation, cross_object, messages};

/// How many who could pass an account on a message names.
const MOST_NAMED: usize = 3;

/// Whether the sharer owns the account in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorized {
    /// He does.
    Yes,
    /// He does not (any more).
    No,
    /// Not judged: the account or the sharer is not known.
    Unknown,
}

/// A share judged as a whole. Its entries are judged by [`entry_violations`].
#[derive(Clone, Debug)]
pub struct EvaluatedShare<'a> {
    /// As declared.
    pub entry: &'a Share,
    /// Broken rules that taint the whole share, and entries that are wrong in themselves.
    pub violations: Vec<Violation>,
    /// What it waits for.
    pub wait: Option<Reason>,
    /// Whether the sharer owns the account.
    pub authorized: Authorized,
    /// The earlier of its own end and its partner's.
    pub expires_at: Option<Timestamp>,
    /// The methods it asks for.
    pub asked: Methods,
    /// Whether it lets access through, whoever the guest.
    pub gate: Decision,
    /// The propagators judged so far: a thousand entries may name the same one.
    propagators: RefCell<BTreeMap<String, Propagation>>,
}

impl<'a> EvaluatedShare<'a> {
    /// Judges a share.
    pub fn of(world: Inputs<'a>, partner: &EvaluatedPartner<'a>, entry: &'a Share) -> Self {
        let terms = &entry.reading.terms;
        let mut violations = entry.reading.violations.clone();
        violations.extend(share_violations(world, partner, entry));
        violations.sort();
        let partner_methods = partner.entry.map_or_else(all_methods, |entry| entry.reading.terms.methods.clone());
        let (wait, authorized) = account(world, partner, entry);
        let mut view = Self {
            entry,
            violations,
            wait,
            authorized,
            expires_at: [terms.expires_at, partner.expires_at].into_iter().flatten().min(),
            asked: match &terms.methods {
                Some(methods) => methods.intersection(&partner_methods).copied().collect(),
                None => partner_methods,
            },
            gate: Decision::Allow,
            propagators: RefCell::default(),
        };
        view.gate = view.what_gates(world, partner);
        view
    }

    /// Whether a membership may pass the account on, judged once for this view. The world and the partner are those of
    /// [`Self::of`].
    pub fn propagation(&self, world: Inputs<'_>, partner: &EvaluatedPartner<'_>, propagator: &str) -> Propagation {
        if let Some(judged) = self.propagators.borrow().get(propagator) {
            return *judged;
        }
        let judged = propagation(world, partner, self.entry, propagator);
        self.propagators.borrow_mut().insert(propagator.to_owned(), judged);
        judged
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        super::super::ownership::name(&self.entry.metadata)
    }

    fn what_gates(&self, world: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Decision {
        let meta = &self.entry.metadata;
        if is_being_deleted(meta) || partner.cascades().is_some() {
            return Decision::Deny(Reason::Terminating);
        }
        if let Some(violation) = self.violations.iter().find(|violation| violation.taint == Taint::Object) {
            return Decision::Deny(violation.reason);
        }
        // What an unreadable partner gives is unknown. What the share itself and its sharer revoke is not.
        let unreadable = partner.presence == Presence::Unreadable;
        if let Some(reason) = partner.blocked.or(self.wait).filter(|_| !unreadable) {
            return Decision::Deny(reason);
        }
        if self.authorized == Authorized::No {
            return Decision::Deny(Reason::SharerNotOwner);
        }
        if self.entry.reading.terms.suspended || partner.suspended {
            return Decision::Deny(Reason::Suspended);
        }
        if self.expires_at.is_some_and(|end| end <= world.now) {
            return Decision::Deny(Reason::Expired);
        }
        if unreadable {
            return Decision::Retain(Reason::Unreadable);
        }
        if is_paused(meta) {
            return Decision::Retain(Reason::Paused);
        }
        // Without its finalizer it could vanish and leave behind what it gave. It is put on in the share's own pass.
        if has_finalizer(&meta.finalizers) { Decision::Allow } else { Decision::Retain(Reason::Pending) }
    }
}

/// The rules that taint a share as a whole and need more than the share.
fn share_violations(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> Vec<Violation> {
    let terms = &entry.reading.terms;
    let mut found = Vec::new();
    if let Some(sharer) = &terms.shared_by {
        if world.scope.policy && !world.workspace.speaks_for(partner.namespace, sharer) {
            let space = partner.namespace;
            found.push(messages::host_admin_not_allowed_here(Taint::Object, "spec.sharedBy", sharer, space));
        } else if partner.entry.is_some_and(|partner| !lists(partner, sharer))
            || world.observed.guest(sharer).is_some_and(crate::directory::GuestRecord::has_membership)
        {
            found.push(messages::sharer_not_host_admin(sharer));
        }
    }
    if let (Some(methods), Some(theirs)) = (&terms.methods, partner.methods()) {
        found.extend(cross_object::methods_within(methods, theirs, "spec.mfa.methods"));
    }
    if let Some(recorded) = world.observed.share(uid(&entry.metadata)) {
        if recorded.partner_name != terms.partner {
            found.push(messages::immutable("spec.partnerRef.name", &recorded.partner_name));
        }
        if recorded.account != terms.account {
            found.push(messages::immutable("spec.account", &recorded.account));
        }
    }
    // One that is wrong in itself claims nothing: told apart from its rivals only once it is fixed.
    if world.scope.incumbents && is_sound(world, partner, entry) && is_duplicate(world, partner, entry) {
        found.push(messages::duplicate_share(&terms.account));
    }
    found
}

fn lists(partner: &crate::cache::Partner, email: &Email) -> bool {
    partner.reading.terms.host_admins.iter().any(|admin| admin.email == *email)
}

/// One share per partner and account: the one through which something was given, then the order of claims.
fn is_duplicate(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> bool {
    fn rank<'s>(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, share: &'s Share) -> (bool, Order<'s>) {
        let known = world.observed.share(uid(&share.metadata)).is_some() || gives(world, partner, share);
        (!known, order(&share.metadata))
    }
    let mut rivals = world
        .declared
        .shares_of_account(&entry.reading.terms.account)
        .filter(|other| {
            namespace(&other.metadata) == partner.namespace
                && other.reading.terms.partner == partner.name
                && !std::ptr::eq(*other, entry)
                && !is_being_deleted(&other.metadata)
        })
        .peekable();
    if rivals.peek().is_none() {
        return false;
    }
    let mine = rank(world, partner, entry);
    rivals.any(|other| is_sound(world, partner, other) && rank(world, partner, other) < mine)
}

/// Whether somebody holds the account through this share, or through the one that it was before it was made anew.
fn gives(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, share: &Share) -> bool {
    let mut held = partner
        .record
        .into_iter()
        .flat_map(|record| world.observed.guests_of(&record.id))
        .filter_map(|guest| guest.grants.get(&share.reading.terms.account));
    held.any(|held| is_behind(world, &share.metadata, &held.grant))
}

/// Whether a share breaks no rule on its own that taints it: such a one claims nothing.
fn is_sound(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> bool {
    let sharer = entry.reading.terms.shared_by.as_ref();
    let spoken_for = || {
        sharer.is_some_and(|sharer| {
            (!world.scope.policy || world.workspace.speaks_for(partner.namespace, sharer))
                && partner.entry.is_none_or(|partner| lists(partner, sharer))
        })
    };
    entry.reading.violations.iter().all(|violation| violation.taint == Taint::Entry) && spoken_for()
}

/// Whether the account is there, and whether the sharer owns it.
fn account(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> (Option<Reason>, Authorized) {
    let terms = &entry.reading.terms;
    if partner.presence == Presence::Absent {
        return (Some(Reason::PartnerNotFound), Authorized::Unknown);
    }
    if !world.scope.directory {
        return (partner.blocked, Authorized::Unknown);
    }
    let missing = terms
        .shared_by
        .as_ref()
        .is_some_and(|sharer| partner.entry.is_some_and(|entry| lists(entry, sharer)) && !partner.has_admin(sharer));
    // An account of strangers and one that does not exist get the same word.
    let account = world.observed.account(&terms.account).filter(|account| {
        !account.deleted && account.owners.iter().any(|owner| world.workspace.speaks_for(partner.namespace, owner))
    });
    let Some(account) = account else {
        return (partner.blocked.or(Some(Reason::AccountNotFound)), Authorized::Unknown);
    };
    if missing {
        return (partner.blocked.or(Some(Reason::HostAdminNotFound)), Authorized::Unknown);
    }
    let owns = terms.shared_by.as_ref().is_some_and(|sharer| account.owners.contains(sharer));
    (partner.blocked, if owns { Authorized::Yes } else { Authorized::No })
}

/// The entries of a share that break a rule which needs more than the share. Only what concerns a membership that is
/// there is judged.
pub fn entry_violations(
    world: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    share: &EvaluatedShare<'_>,
) -> Vec<Violation> {
    let entry = share.entry;
    let terms = &entry.reading.terms;
    let mut found = Vec::new();
    let mut candidates = None;
    for item in terms.guest_users.values() {
        let path = format!("spec.guestUsers[{}]", item.index);
        found.extend(not_a_guest(world, partner, &path, &item.name, item.email.as_ref()));
        let sleeps = member(world, partner, &item.name).is_some_and(|m| m.reading.terms.role == GuestRole::GuestAdmin);
        // Of a partner that is not there nobody can say who is its Guest Admin.
        let judged = !sleeps
            && partner.presence != Presence::Absent
            && !hangs_on_what_does_not_read(world, partner, entry, &item.propagated_by);
        if judged && let Propagation::Invalid { broken_rule } = share.propagation(world, partner, &item.propagated_by) {
            let candidates = candidates.get_or_insert_with(|| propagators(world, partner, share));
            found.push(messages::propagation_needs_manager(item.index, &item.propagated_by, broken_rule, candidates));
        }
    }
    for item in terms.role_overrides.values() {
        let path = format!("spec.roleOverrides[{}]", item.index);
        found.extend(not_a_guest(world, partner, &path, &item.name, item.email.as_ref()));
        let is_user = |guest: &Membership| guest.reading.terms.role == GuestRole::GuestUser && super::role_reads(guest);
        let user = member(world, partner, &item.name).is_some_and(is_user);
        if user && item.role == Some(ShareRole::Manager) {
            found.push(messages::manager_needs_guest_admin(&format!("{path}.role"), &item.name));
        }
    }
    for item in terms.exclude.values() {
        let path = format!("spec.exclude[{}]", item.index);
        found.extend(not_a_guest(world, partner, &path, &item.name, item.email.as_ref()));
    }
    found
}

/// Whether somebody could be Manager but for a role, his own or the share's, that says nothing: that is told once, and gives
/// nothing.
fn hangs_on_what_does_not_read(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share, name: &str) -> bool {
    let terms = &entry.reading.terms;
    if member(world, partner, name).is_some_and(|guest| !super::role_reads(guest)) {
        return true;
    }
    entry.reading.violations.iter().any(|violation| violation.path == "spec.guestAdminRole")
        && !terms.role_overrides.contains_key(name)
        && !terms.exclude.contains_key(name)
        && member(world, partner, name).is_some_and(|guest| guest.reading.terms.role == GuestRole::GuestAdmin)
}

fn not_a_guest(
    world: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    path: &str,
    name: &str,
    pin: Option<&Email>,
) -> Option<Violation> {
    let entry = world.declared.membership(partner.namespace, name).and_then(CacheEntry::read)?;
    if entry.reading.terms.partner != partner.name {
        return Some(messages::not_a_guest_of_partner(&format!("{path}.name"), name, &partner.name));
    }
    // An address that does not read is the membership's own fault.
    let other = pin.zip(entry.reading.terms.email.as_ref()).is_some_and(|(pin, email)| pin != email);
    other.then(|| messages::not_the_pinned_guest(&format!("{path}.email"), name))
}

/// Whether an entry's pin and partner fit the membership.
pub fn fits(partner: &EvaluatedPartner<'_>, entry: &Membership, pin: Option<&Email>) -> bool {
    entry.reading.terms.partner == partner.name && pin.is_none_or(|pin| entry.reading.terms.email.as_ref() == Some(pin))
}

fn member<'a>(world: Inputs<'a>, partner: &EvaluatedPartner<'_>, name: &str) -> Option<&'a Membership> {
    let entry = world.declared.membership(partner.namespace, name).and_then(CacheEntry::read)?;
    (entry.reading.terms.partner == partner.name).then_some(entry)
}

/// Whether somebody may pass an account on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// He may.
    Valid,
    /// His membership is not there (yet).
    NotThere,
    /// His membership does not read.
    Unreadable,
    /// He may not (any more).
    Invalid {
        /// The rule that the membership breaks, if that is the only obstacle.
        broken_rule: Option<Reason>,
    },
}

/// Judges a propagator: a Guest Admin of the same partner, not excluded, and Manager of this share by spec, Active or not.
/// A membership that breaks a rule gives nothing, so it passes nothing on.
fn propagation(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share, propagator: &str) -> Propagation {
    let slot = world.declared.membership(partner.namespace, propagator);
    let Some(slot) = slot else {
        // One who left is remembered by his deactivated mark; one who never was may still come.
        let left = world.observed.has_departed(partner.namespace, &partner.name, propagator);
        return if left { Propagation::Invalid { broken_rule: None } } else { Propagation::NotThere };
    };
    let Some(guest) = slot.read() else { return Propagation::Unreadable };
    let terms = &entry.reading.terms;
    let manages = manager_by_spec(entry, partner, guest) == Some(ShareRole::Manager);
    let there = guest.reading.terms.partner == partner.name
        && guest.reading.terms.role == GuestRole::GuestAdmin
        && !is_being_deleted(&guest.metadata)
        && !terms.exclude.contains_key(propagator);
    if !there || !manages {
        return Propagation::Invalid { broken_rule: None };
    }
    match broken_rule(world, partner, guest) {
        None => Propagation::Valid,
        broken_rule => Propagation::Invalid { broken_rule },
    }
}

/// What a Guest Admin gets by spec: the share's role or his override. `None`: his override is tainted.
pub fn manager_by_spec(share: &Share, partner: &EvaluatedPartner<'_>, guest: &Membership) -> Option<ShareRole> {
    let terms = &share.reading.terms;
    match terms.role_overrides.get(super::super::ownership::name(&guest.metadata)) {
        Some(item) if !fits(partner, guest, item.email.as_ref()) => None,
        Some(item) => item.role,
        None => Some(terms.guest_admin_role),
    }
}

/// Who could pass the account on: named in the message where somebody else cannot. Asks only those whom the share makes
/// Manager: many shares of a partner with many guests would otherwise ask each guest for each share.
fn propagators(world: Inputs<'_>, partner: &EvaluatedPartner<'_>, share: &EvaluatedShare<'_>) -> Vec<String> {
    let terms = &share.entry.reading.terms;
    let first_valid = |names: &mut dyn Iterator<Item = &str>| {
        let valid = |name: &&str| share.propagation(world, partner, name) == Propagation::Valid;
        names.filter(valid).take(MOST_NAMED).map(str::to_owned).collect()
    };
    if terms.guest_admin_role == ShareRole::Manager {
        return first_valid(&mut world.declared.guest_admins(partner.namespace, &partner.name));
    }
    let managers = terms.role_overrides.values().filter(|item| item.role == Some(ShareRole::Manager));
    first_valid(&mut managers.map(|item| item.name.as_str()))
}
