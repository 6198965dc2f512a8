//! The indexes of an object: added when it is stored, removed when it is deleted.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::cache::{AnyCachedObject, Kind, Name, ObjectCache, ObjectRef, StatusFact};
use crate::domain::GuestRole;
use crate::validation::{MembershipTerms, ShareTerms};

impl ObjectCache {
    pub(super) fn link(&mut self, key: &ObjectRef, object: AnyCachedObject) {
        let name = (key.namespace.clone(), key.name.clone());
        let uid = object.metadata().uid.clone().unwrap_or_default();
        match object {
            AnyCachedObject::Partner(mut slot) => {
                slot.share(&name, &uid);
                self.count(Kind::Partner, &slot.facts());
                self.partner_uids.insert(uid, name.clone());
                for admin in slot.read().iter().flat_map(|entry| &entry.reading.terms.host_admins) {
                    self.by_host_admin.entry(admin.email.clone()).or_default().insert(name.clone());
                }
                self.partners.insert(name, slot);
            }
            AnyCachedObject::Membership(mut slot) => {
                slot.share(&name, &uid);
                self.count(Kind::Membership, &slot.facts());
                self.membership_uids.insert(uid, name.clone());
                if let Some(entry) = slot.read() {
                    self.link_membership(&name, &entry.reading.terms);
                }
                self.memberships.insert(name, slot);
            }
            AnyCachedObject::Share(mut slot) => {
                slot.share(&name, &uid);
                self.count(Kind::Share, &slot.facts());
                self.share_uids.insert(uid, name.clone());
                if let Some(entry) = slot.read() {
                    let terms = &entry.reading.terms;
                    let partner = (key.namespace.clone(), terms.partner.as_str().into());
                    self.shares_of.entry(partner).or_default().insert(key.name.clone());
                    self.by_account.entry(terms.account.clone()).or_default().insert(name.clone());
                    for propagator in propagators(terms) {
                        let propagator = (key.namespace.clone(), propagator.into());
                        self.by_propagator.entry(propagator).or_default().insert(name.clone());
                    }
                }
                self.shares.insert(name, slot);
            }
        }
    }

    fn link_membership(&mut self, name: &Name, terms: &MembershipTerms) {
        let partner = (name.0.clone(), terms.partner.as_str().into());
        if terms.role == GuestRole::GuestAdmin {
            self.admins_of.entry(partner.clone()).or_default().insert(name.1.clone());
        }
        self.members_of.entry(partner).or_default().insert(name.1.clone());
        if let Some(email) = &terms.email {
            self.by_address.entry(email.clone()).or_default().insert(name.clone(), ());
        }
        if let Some(email) = &terms.invited_by {
            self.by_inviter.entry(email.clone()).or_default().insert(name.clone());
        }
    }

    fn count(&mut self, kind: Kind, facts: &[(StatusFact, u16)]) {
        for (fact, count) in facts {
            *self.status_counts.entry((kind, *fact)).or_default() += usize::from(*count);
        }
    }

    fn discount(&mut self, kind: Kind, facts: &[(StatusFact, u16)]) {
        for (fact, count) in facts {
            if let Entry::Occupied(mut known) = self.status_counts.entry((kind, *fact)) {
                *known.get_mut() = known.get().saturating_sub(usize::from(*count));
                if *known.get() == 0 {
                    known.remove();
                }
            }
        }
    }

    pub(super) fn unlink(&mut self, key: &ObjectRef) {
        let name = (key.namespace.clone(), key.name.clone());
        match key.kind {
            Kind::Partner => {
                let Some(old) = self.partners.remove(&name) else { return };
                self.discount(Kind::Partner, &old.facts());
                self.partner_uids.remove(old.metadata().uid.as_deref().unwrap_or_default());
                for admin in old.read().iter().flat_map(|entry| &entry.reading.terms.host_admins) {
                    take(&mut self.by_host_admin, &admin.email, &name);
                }
            }
            Kind::Membership => {
                let Some(old) = self.memberships.remove(&name) else { return };
                self.discount(Kind::Membership, &old.facts());
                self.membership_uids.remove(old.metadata().uid.as_deref().unwrap_or_default());
                let Some(entry) = old.read() else { return };
                let terms = &entry.reading.terms;
                let partner = (key.namespace.clone(), terms.partner.as_str().into());
                take(&mut self.admins_of, &partner, &key.name);
                take(&mut self.members_of, &partner, &key.name);
                if let Some(email) = &terms.email
                    && let Some(names) = self.by_address.get_mut(email)
                {
                    names.remove(&name);
                    if names.is_empty() {
                        self.by_address.remove(email);
                    }
                }
                if let Some(email) = &terms.invited_by {
                    take(&mut self.by_inviter, email, &name);
                }
            }
            Kind::Share => {
                let Some(old) = self.shares.remove(&name) else { return };
                self.discount(Kind::Share, &old.facts());
                self.share_uids.remove(old.metadata().uid.as_deref().unwrap_or_default());
                let Some(entry) = old.read() else { return };
                let terms = &entry.reading.terms;
                take(&mut self.shares_of, &(key.namespace.clone(), terms.partner.as_str().into()), &key.name);
                take(&mut self.by_account, &terms.account, &name);
                for propagator in propagators(terms) {
                    take(&mut self.by_propagator, &(key.namespace.clone(), propagator.into()), &name);
                }
            }
        }
    }
}

/// The memberships that a share names as propagators, without duplicates.
fn propagators(terms: &ShareTerms) -> BTreeSet<&str> {
    terms.guest_users.values().map(|entry| entry.propagated_by.as_str()).collect()
}

/// Removes a value from a map of sets, and the set when it is empty.
fn take<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
