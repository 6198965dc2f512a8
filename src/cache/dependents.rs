//! The objects that a change affects. The result may include unaffected objects, but must not miss one. Planning an
//! unaffected object costs microseconds and changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cache::{CacheEntry, Kind, Name, ObjectCache, ObjectRef};
use crate::domain::{Email, GuestRole};
use crate::util::small_map::SmallMap;

/// The objects that a change affects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependents {
    /// The objects to plan soon, because their grants or operations may change.
    pub keys: BTreeSet<ObjectRef>,
    /// The objects whose counts alone may change. They are planned when the partner's guests have converged.
    pub counts: BTreeSet<ObjectRef>,
}

impl Dependents {
    /// Adds the objects that another change affects.
    pub fn merge(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.counts.extend(other.counts);
    }

    /// Whether no object is affected.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.counts.is_empty()
    }
}

impl ObjectCache {
    /// The objects that a change of a declared object affects: itself, and those that depend on its terms.
    pub(super) fn dependents_of_declared(&self, key: &ObjectRef) -> Dependents {
        let mut touched = self.dependents_of_name(key);
        match key.kind {
            Kind::Partner => {
                // A new guest must not be a Host Admin of any partner.
                if let Some(partner) = self.partner(&key.namespace, &key.name).and_then(CacheEntry::read) {
                    for admin in &partner.reading.terms.host_admins {
                        self.add_addressed(&mut touched, &admin.email);
                        touched.merge(self.dependents_of_propagators_at(&admin.email));
                    }
                }
            }
            Kind::Membership => {
                if let Some(membership) = self.membership(&key.namespace, &key.name).and_then(CacheEntry::read) {
                    let terms = &membership.reading.terms;
                    if let Some(email) = &terms.email {
                        self.add_addressed(&mut touched, email);
                        self.add_invited(&mut touched, email);
                        touched.merge(self.dependents_of_propagators_at(email));
                        // A Guest Admin invited by a Host Admin breaks a rule while a membership has the Host Admin's address.
                        if self.by_host_admin.contains_key(email) {
                            touched.merge(self.passed_on_by(self.by_inviter.get(email).into_iter().flatten()));
                        }
                    }
                    self.add_partner(&mut touched, &key.namespace, &terms.partner, false);
                    self.add_quota(&mut touched, &key.namespace, &terms.partner);
                    self.add_named_elsewhere(&mut touched, &key.namespace, &terms.partner, &key.name);
                    touched.merge(self.dependents_of_propagator(&key.namespace, &key.name));
                }
            }
            Kind::Share => match self.share(&key.namespace, &key.name) {
                Some(CacheEntry::Read(share)) => {
                    let terms = &share.reading.terms;
                    self.add_partner(&mut touched, &key.namespace, &terms.partner, true);
                    for (namespace, name) in self.by_account.get(&terms.account).into_iter().flatten() {
                        touched.keys.insert(ObjectRef::new(Kind::Share, namespace.clone(), name.clone()));
                    }
                }
                // The share's partner is unknown, so any guest of its namespace may have a grant through it.
                Some(CacheEntry::Unreadable { .. }) => {
                    let here = self.memberships.range((key.namespace.clone(), "".into())..);
                    let here = here.take_while(|((namespace, _), _)| *namespace == key.namespace);
                    touched.keys.extend(here.map(|((namespace, name), _)| {
                        ObjectRef::new(Kind::Membership, namespace.clone(), name.clone())
                    }));
                }
                None => {}
            },
        }
        touched
    }

    /// The objects that depend on an object's name alone, whether it exists or not.
    pub(super) fn dependents_of_name(&self, key: &ObjectRef) -> Dependents {
        let mut touched = Dependents::default();
        touched.keys.insert(key.clone());
        if key.kind == Kind::Partner {
            let name = (key.namespace.clone(), key.name.clone());
            for member in self.members_of.get(&name).into_iter().flatten() {
                touched.keys.insert(ObjectRef::new(Kind::Membership, key.namespace.clone(), member.clone()));
            }
            for share in self.shares_of.get(&name).into_iter().flatten() {
                touched.keys.insert(ObjectRef::new(Kind::Share, key.namespace.clone(), share.clone()));
            }
        }
        touched
    }

    /// The objects that a change of a guest's record affects: the memberships of the address, those that it invites,
    /// and the partners that list it.
    pub fn dependents_of_guest(&self, address: &Email) -> Dependents {
        let mut touched = Dependents::default();
        self.add_addressed(&mut touched, address);
        self.add_invited(&mut touched, address);
        for (namespace, name) in self.by_host_admin.get(address).into_iter().flatten() {
            touched.merge(self.dependents_of_name(&ObjectRef::new(Kind::Partner, namespace.clone(), name.clone())));
        }
        for membership in self.memberships_for(address) {
            let namespace = membership.metadata.namespace.as_deref().unwrap_or_default();
            touched.counts.extend(self.counting(namespace, &membership.reading.terms.partner));
        }
        // A partner that is being deleted waits until the directory has no guest of it. A share waits too, but its
        // check covers all guests that may have its account. It is therefore in `counts`.
        let deleting = touched.counts.iter().filter(|key| {
            key.kind == Kind::Partner && self.metadata(key).is_some_and(|meta| meta.deletion_timestamp.is_some())
        });
        touched.keys.extend(deleting.cloned().collect::<Vec<_>>());
        touched
    }

    /// The objects that depend on whether the memberships of an address break a rule. These are the shares through
    /// which they pass accounts on, and the guests who get the accounts.
    pub fn dependents_of_propagators_at(&self, address: &Email) -> Dependents {
        self.passed_on_by(self.by_address.get(address).into_iter().flat_map(SmallMap::keys))
    }

    fn passed_on_by<'a>(&self, memberships: impl Iterator<Item = &'a Name>) -> Dependents {
        let mut touched = Dependents::default();
        for (namespace, name) in memberships {
            let entry = self.membership(namespace, name).and_then(CacheEntry::read);
            let admin = entry.filter(|entry| entry.reading.terms.role == GuestRole::GuestAdmin);
            if admin.is_some() {
                touched.merge(self.dependents_of_propagator(namespace, name));
            }
        }
        touched
    }

    /// The objects whose status counts the guests of a partner.
    pub fn counting(&self, namespace: &str, partner: &str) -> impl Iterator<Item = ObjectRef> {
        let shares = self.shares_of.get(&(namespace.into(), partner.into())).into_iter().flatten();
        let space: Arc<str> = namespace.into();
        let shares = shares.map(move |share| ObjectRef::new(Kind::Share, Arc::clone(&space), share.clone()));
        [ObjectRef::new(Kind::Partner, namespace, partner)].into_iter().chain(shares)
    }

    /// The objects that a free place in the quota affects: the new memberships of a partner with a quota.
    pub fn dependents_of_place(&self, namespace: &str, partner: &str) -> Dependents {
        let mut touched = Dependents::default();
        self.add_quota(&mut touched, namespace, partner);
        touched
    }

    /// The objects that depend on a propagator: the shares that name it, and the guests who get accounts from it. A
    /// deactivated record shows that the propagator left; without a record, they may still join.
    pub fn dependents_of_propagator(&self, namespace: &str, name: &str) -> Dependents {
        let mut touched = Dependents::default();
        for (space, share) in self.by_propagator.get(&(namespace.into(), name.into())).into_iter().flatten() {
            touched.keys.insert(ObjectRef::new(Kind::Share, space.clone(), share.clone()));
            let entries =
                self.share(space, share).and_then(CacheEntry::read).map(|share| &share.reading.terms.guest_users);
            for entry in entries.into_iter().flat_map(|entries| entries.values()) {
                if entry.propagated_by == name {
                    touched.keys.insert(ObjectRef::new(Kind::Membership, namespace, entry.name.clone()));
                }
            }
        }
        touched
    }

    /// The objects that a change of an account affects: its shares, and the memberships of their partners.
    pub fn dependents_of_account(&self, account: &str) -> Dependents {
        let mut touched = Dependents::default();
        for (namespace, name) in self.by_account.get(account).into_iter().flatten() {
            touched.merge(self.dependents_of_declared(&ObjectRef::new(Kind::Share, namespace.clone(), name.clone())));
        }
        touched
    }

    /// The objects that a change of a workspace user affects. These are the partners that list the address as Host
    /// Admin with their memberships and shares, and new memberships of the address.
    pub fn dependents_of_user(&self, email: &Email) -> Dependents {
        let mut touched = self.dependents_of_propagators_at(email);
        self.add_addressed(&mut touched, email);
        for (namespace, name) in self.by_host_admin.get(email).into_iter().flatten() {
            touched.merge(self.dependents_of_name(&ObjectRef::new(Kind::Partner, namespace.clone(), name.clone())));
        }
        touched
    }

    /// The objects that a change of a partner's record affects: the partner, its memberships and its shares.
    pub fn dependents_of_partner(&self, namespace: &str, name: &str) -> Dependents {
        self.dependents_of_name(&ObjectRef::new(Kind::Partner, namespace, name))
    }

    fn add_addressed(&self, touched: &mut Dependents, address: &Email) {
        add_all(touched, Kind::Membership, self.by_address.get(address).into_iter().flat_map(SmallMap::keys));
    }

    fn add_invited(&self, touched: &mut Dependents, inviter: &Email) {
        add_all(touched, Kind::Membership, self.by_inviter.get(inviter).into_iter().flatten());
    }

    /// Adds new memberships that wait for a place in the partner's quota.
    fn add_quota(&self, touched: &mut Dependents, namespace: &str, partner: &str) {
        let has_quota = self
            .partner(namespace, partner)
            .and_then(CacheEntry::read)
            .is_some_and(|entry| entry.reading.terms.max_guests.is_some());
        if has_quota {
            for member in self.members_of.get(&(namespace.into(), partner.into())).into_iter().flatten() {
                touched.keys.insert(ObjectRef::new(Kind::Membership, namespace, member.clone()));
            }
        }
    }

    /// Adds the shares of other partners that name a membership, because the entry breaks a rule there.
    fn add_named_elsewhere(&self, touched: &mut Dependents, namespace: &str, partner: &str, name: &str) {
        let here = self.shares_of.range((namespace.into(), "".into())..);
        let others =
            here.take_while(|((space, _), _)| **space == *namespace).filter(|((_, other), _)| **other != *partner);
        for share in others.flat_map(|(_, shares)| shares) {
            let Some(share_entry) = self.share(namespace, share).and_then(CacheEntry::read) else { continue };
            let terms = &share_entry.reading.terms;
            if terms.guest_users.contains_key(name)
                || terms.role_overrides.contains_key(name)
                || terms.exclude.contains_key(name)
            {
                touched.keys.insert(ObjectRef::new(Kind::Share, namespace, share.clone()));
            }
        }
    }

    fn add_partner(&self, touched: &mut Dependents, namespace: &str, partner: &str, members: bool) {
        let key = ObjectRef::new(Kind::Partner, namespace, partner);
        if members {
            // A share affects the access of each guest; the partner only counts it.
            for member in self.members_of.get(&(namespace.into(), partner.into())).into_iter().flatten() {
                touched.keys.insert(ObjectRef::new(Kind::Membership, namespace, member.clone()));
            }
        } else {
            for share in self.shares_of.get(&(namespace.into(), partner.into())).into_iter().flatten() {
                touched.keys.insert(ObjectRef::new(Kind::Share, namespace, share.clone()));
            }
        }
        let deleting = self.metadata(&key).is_some_and(|meta| meta.deletion_timestamp.is_some());
        if deleting { &mut touched.keys } else { &mut touched.counts }.insert(key);
    }
}

fn add_all<'a>(touched: &mut Dependents, kind: Kind, names: impl Iterator<Item = &'a Name>) {
    for (namespace, name) in names {
        touched.keys.insert(ObjectRef::new(kind, namespace.clone(), name.clone()));
    }
}
