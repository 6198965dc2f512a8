//! An evaluated share: its violations, whether its sharer owns the account, and its access decision.

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

/// Maximum number of propagators that a message names.
const MOST_NAMED: usize = 3;

/// Whether the sharer is an Owner of the account in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorized {
    /// The sharer is an Owner.
    Yes,
    /// The sharer is not an Owner.
    No,
    /// Not evaluated: the account or the sharer is unknown.
    Unknown,
}

/// An evaluated share as a whole. [`entry_violations`] evaluates its entries.
#[derive(Clone, Debug)]
pub struct EvaluatedShare<'a> {
    /// The declared share.
    pub entry: &'a Share,
    /// Violations that taint the whole share, and violations of single entries that need no other object.
    pub violations: Vec<Violation>,
    /// The fact that it waits for.
    pub wait: Option<Reason>,
    /// Whether the sharer is an Owner of the account.
    pub authorized: Authorized,
    /// The earlier of its own end and its partner's end.
    pub expires_at: Option<Timestamp>,
    /// The MFA methods that it requires.
    pub asked: Methods,
    /// The decision for all guests; a guest's own facts can only restrict it.
    pub gate: Decision,
    /// A cache of evaluated propagators: a thousand entries may name the same one.
    propagators: RefCell<BTreeMap<String, Propagation>>,
}

impl<'a> EvaluatedShare<'a> {
    /// Evaluates a share.
    pub fn of(inputs: Inputs<'a>, partner: &EvaluatedPartner<'a>, entry: &'a Share) -> Self {
        let terms = &entry.reading.terms;
        let mut violations = entry.reading.violations.clone();
        violations.extend(share_violations(inputs, partner, entry));
        violations.sort();
        let partner_methods = partner.entry.map_or_else(all_methods, |entry| entry.reading.terms.methods.clone());
        let (wait, authorized) = account(inputs, partner, entry);
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
        view.gate = view.decide(inputs, partner);
        view
    }

    /// Whether a membership may pass the account on. The result is cached, so `inputs` and `partner` must be those of
    /// [`Self::of`].
    pub fn propagation(&self, inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, propagator: &str) -> Propagation {
        if let Some(judged) = self.propagators.borrow().get(propagator) {
            return *judged;
        }
        let judged = propagation(inputs, partner, self.entry, propagator);
        self.propagators.borrow_mut().insert(propagator.to_owned(), judged);
        judged
    }

    /// The name of the object.
    pub fn name(&self) -> &'a str {
        super::super::ownership::name(&self.entry.metadata)
    }

    fn decide(&self, inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> Decision {
        let meta = &self.entry.metadata;
        if is_being_deleted(meta) || partner.cascade_since().is_some() {
            return Decision::Deny(Reason::Terminating);
        }
        if let Some(violation) = self.violations.iter().find(|violation| violation.taint == Taint::Object) {
            return Decision::Deny(violation.reason);
        }
        // If the partner is unreadable, or other files may declare it, the grants that it allows are unknown. The
        // revocations that follow from the share and its sharer are known.
        let unknown = match partner.presence {
            Presence::Unreadable => Some(Reason::Unreadable),
            Presence::Absent if !inputs.is_whole(partner.namespace, &partner.name) => Some(Reason::PartnerNotFound),
            Presence::Absent | Presence::There | Presence::Leaving { .. } => None,
        };
        if let Some(reason) = partner.blocked.or(self.wait).filter(|_| unknown.is_none()) {
            return Decision::Deny(reason);
        }
        if self.authorized == Authorized::No {
            return Decision::Deny(Reason::SharerNotOwner);
        }
        if self.entry.reading.terms.suspended || partner.suspended {
            return Decision::Deny(Reason::Suspended);
        }
        if self.expires_at.is_some_and(|end| end <= inputs.now) {
            return Decision::Deny(Reason::Expired);
        }
        if let Some(reason) = unknown {
            return Decision::Retain(reason);
        }
        if is_paused(meta) {
            return Decision::Retain(Reason::Paused);
        }
        // A share without a finalizer could disappear and leave its grants behind. The share's own reconcile adds the
        // finalizer.
        if has_finalizer(&meta.finalizers) { Decision::Allow } else { Decision::Retain(Reason::Pending) }
    }
}

/// The rules that taint a share as a whole and need other objects.
fn share_violations(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> Vec<Violation> {
    let terms = &entry.reading.terms;
    let mut found = Vec::new();
    if let Some(sharer) = &terms.shared_by {
        if inputs.scope.policy && !inputs.workspace.allows_admin(partner.namespace, sharer) {
            let space = partner.namespace;
            found.push(messages::host_admin_not_allowed_here(Taint::Object, "spec.sharedBy", sharer, space));
        } else if partner.entry.is_some_and(|partner| !lists(partner, sharer))
            || inputs.observed.guest(sharer).is_some_and(crate::directory::GuestRecord::is_live)
        {
            found.push(messages::sharer_not_host_admin(sharer));
        }
    }
    if let (Some(methods), Some(theirs)) = (&terms.methods, partner.methods()) {
        found.extend(cross_object::methods_within(methods, theirs, "spec.mfa.methods"));
    }
    if let Some(recorded) = inputs.observed.share(uid(&entry.metadata)) {
        if recorded.partner_name != terms.partner {
            found.push(messages::immutable("spec.partnerRef.name", &recorded.partner_name));
        }
        if recorded.account != terms.account {
            found.push(messages::immutable("spec.account", &recorded.account));
        }
    }
    // An invalid share does not compete with other shares of the account until it is fixed.
    if inputs.scope.incumbents && is_sound(inputs, partner, entry) && is_duplicate(inputs, partner, entry) {
        found.push(messages::duplicate_share(&terms.account));
    }
    found
}

fn lists(partner: &crate::cache::Partner, email: &Email) -> bool {
    partner.reading.terms.host_admins.iter().any(|admin| admin.email == *email)
}

/// Whether another share of the partner and account has precedence: first the share with recorded grants, then the
/// order of precedence.
fn is_duplicate(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> bool {
    fn rank<'s>(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, share: &'s Share) -> (bool, Order<'s>) {
        let known = inputs.observed.share(uid(&share.metadata)).is_some() || has_grants(inputs, partner, share);
        (!known, order(&share.metadata))
    }
    let mut rivals = inputs
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
    let mine = rank(inputs, partner, entry);
    rivals.any(|other| is_sound(inputs, partner, other) && rank(inputs, partner, other) < mine)
}

/// Whether a guest has a grant through this share, or through an earlier object of the same name.
fn has_grants(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, share: &Share) -> bool {
    let mut held = partner
        .record
        .into_iter()
        .flat_map(|record| inputs.observed.guests_of(&record.id))
        .filter_map(|guest| guest.grants.get(&share.reading.terms.account));
    held.any(|held| is_behind(inputs, &share.metadata, &held.grant))
}

/// Whether a share has no violation of its own that taints it. Only such a share competes for an account.
fn is_sound(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> bool {
    let sharer = entry.reading.terms.shared_by.as_ref();
    let spoken_for = || {
        sharer.is_some_and(|sharer| {
            (!inputs.scope.policy || inputs.workspace.allows_admin(partner.namespace, sharer))
                && partner.entry.is_none_or(|partner| lists(partner, sharer))
        })
    };
    entry.reading.violations.iter().all(|violation| violation.taint == Taint::Entry) && spoken_for()
}

/// Whether the account exists, and whether the sharer is an Owner of it.
fn account(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share) -> (Option<Reason>, Authorized) {
    let terms = &entry.reading.terms;
    if partner.presence == Presence::Absent {
        return (Some(Reason::PartnerNotFound), Authorized::Unknown);
    }
    if !inputs.scope.directory {
        return (partner.blocked, Authorized::Unknown);
    }
    let missing = terms
        .shared_by
        .as_ref()
        .is_some_and(|sharer| partner.entry.is_some_and(|entry| lists(entry, sharer)) && !partner.has_admin(sharer));
    // An account of other Owners and a missing account get the same reason.
    let account = inputs.observed.account(&terms.account).filter(|account| {
        !account.deleted && account.owners.iter().any(|owner| inputs.workspace.allows_admin(partner.namespace, owner))
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

/// The violations of a share's entries that need other objects. Only entries of existing memberships are evaluated.
pub fn entry_violations(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    share: &EvaluatedShare<'_>,
) -> Vec<Violation> {
    let entry = share.entry;
    let terms = &entry.reading.terms;
    let mut found = Vec::new();
    let mut candidates = None;
    for item in terms.guest_users.values() {
        let path = format!("spec.guestUsers[{}]", item.index);
        found.extend(not_a_guest(inputs, partner, &path, &item.name, item.email.as_ref()));
        let sleeps = member(inputs, partner, &item.name).is_some_and(|m| m.reading.terms.role == GuestRole::GuestAdmin);
        // The Guest Admins of an undeclared partner are unknown.
        let judged = !sleeps
            && partner.presence != Presence::Absent
            && !depends_on_unreadable(inputs, partner, entry, &item.propagated_by);
        if judged && let Propagation::Invalid { broken_rule } = share.propagation(inputs, partner, &item.propagated_by)
        {
            let candidates = candidates.get_or_insert_with(|| propagators(inputs, partner, share));
            found.push(messages::propagation_needs_manager(item.index, &item.propagated_by, broken_rule, candidates));
        }
    }
    for item in terms.role_overrides.values() {
        let path = format!("spec.roleOverrides[{}]", item.index);
        found.extend(not_a_guest(inputs, partner, &path, &item.name, item.email.as_ref()));
        let is_user = |guest: &Membership| guest.reading.terms.role == GuestRole::GuestUser && super::has_role(guest);
        let user = member(inputs, partner, &item.name).is_some_and(is_user);
        if user && item.role == Some(ShareRole::Manager) {
            found.push(messages::manager_needs_guest_admin(&format!("{path}.role"), &item.name));
        }
    }
    for item in terms.exclude.values() {
        let path = format!("spec.exclude[{}]", item.index);
        found.extend(not_a_guest(inputs, partner, &path, &item.name, item.email.as_ref()));
    }
    found
}

/// Whether only an invalid role, of the membership or the share, keeps a guest from being Manager. That violation is
/// reported once, and allows no grants.
fn depends_on_unreadable(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share, name: &str) -> bool {
    let terms = &entry.reading.terms;
    if member(inputs, partner, name).is_some_and(|guest| !super::has_role(guest)) {
        return true;
    }
    entry.reading.violations.iter().any(|violation| violation.path == "spec.guestAdminRole")
        && !terms.role_overrides.contains_key(name)
        && !terms.exclude.contains_key(name)
        && member(inputs, partner, name).is_some_and(|guest| guest.reading.terms.role == GuestRole::GuestAdmin)
}

fn not_a_guest(
    inputs: Inputs<'_>,
    partner: &EvaluatedPartner<'_>,
    path: &str,
    name: &str,
    pin: Option<&Email>,
) -> Option<Violation> {
    let entry = inputs.declared.membership(partner.namespace, name).and_then(CacheEntry::read)?;
    if entry.reading.terms.partner != partner.name {
        return Some(messages::not_a_guest_of_partner(&format!("{path}.name"), name, &partner.name));
    }
    // An invalid address is the membership's own violation.
    let other = pin.zip(entry.reading.terms.email.as_ref()).is_some_and(|(pin, email)| pin != email);
    other.then(|| messages::not_the_pinned_guest(&format!("{path}.email"), name))
}

/// Whether the membership matches an entry's address and partner.
pub fn fits(partner: &EvaluatedPartner<'_>, entry: &Membership, pin: Option<&Email>) -> bool {
    entry.reading.terms.partner == partner.name && pin.is_none_or(|pin| entry.reading.terms.email.as_ref() == Some(pin))
}

fn member<'a>(inputs: Inputs<'a>, partner: &EvaluatedPartner<'_>, name: &str) -> Option<&'a Membership> {
    let entry = inputs.declared.membership(partner.namespace, name).and_then(CacheEntry::read)?;
    (entry.reading.terms.partner == partner.name).then_some(entry)
}

/// Whether a guest may pass an account on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The guest may.
    Valid,
    /// The membership is not declared.
    NotThere,
    /// The membership is unreadable.
    Unreadable,
    /// The guest may not.
    Invalid {
        /// The rule that the membership breaks, if that is the only obstacle.
        broken_rule: Option<Reason>,
    },
}

/// Evaluates a propagator. It must be a Guest Admin of the same partner, not excluded, and Manager of this share by
/// spec; Active is not required. A membership that breaks a rule passes nothing on.
fn propagation(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, entry: &Share, propagator: &str) -> Propagation {
    let slot = inputs.declared.membership(partner.namespace, propagator);
    let Some(slot) = slot else {
        // A deactivated ownership mark shows that the membership existed. Without one, the membership may still be
        // declared later.
        let left = inputs.observed.has_departed(partner.namespace, &partner.name, propagator);
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
    match broken_rule(inputs, partner, guest) {
        None => Propagation::Valid,
        broken_rule => Propagation::Invalid { broken_rule },
    }
}

/// The role of a Guest Admin by spec: the share's role or the override. `None`: the override is tainted.
pub fn manager_by_spec(share: &Share, partner: &EvaluatedPartner<'_>, guest: &Membership) -> Option<ShareRole> {
    let terms = &share.reading.terms;
    match terms.role_overrides.get(super::super::ownership::name(&guest.metadata)) {
        Some(item) if !fits(partner, guest, item.email.as_ref()) => None,
        Some(item) => item.role,
        None => Some(terms.guest_admin_role),
    }
}

/// The valid propagators, for the message about an invalid one. Only guests that the share makes Manager are evaluated.
/// Otherwise many shares of a partner with many guests would evaluate each guest for each share.
fn propagators(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, share: &EvaluatedShare<'_>) -> Vec<String> {
    let terms = &share.entry.reading.terms;
    let first_valid = |names: &mut dyn Iterator<Item = &str>| {
        let valid = |name: &&str| share.propagation(inputs, partner, name) == Propagation::Valid;
        names.filter(valid).take(MOST_NAMED).map(str::to_owned).collect()
    };
    if terms.guest_admin_role == ShareRole::Manager {
        return first_valid(&mut inputs.declared.guest_admins(partner.namespace, &partner.name));
    }
    let managers = terms.role_overrides.values().filter(|item| item.role == Some(ShareRole::Manager));
    first_valid(&mut managers.map(|item| item.name.as_str()))
}
