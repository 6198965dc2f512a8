//! How an object hangs together with others: what is written down of it when it comes, and taken out when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Declared, Entry, Index, Key, Kind, Meta, Slot, Stored};
use crate::rules::{GuestRole, read};

impl Index {
    pub(super) fn link(&mut self, key: &Key, object: Declared) {
        let name = (key.namespace.clone(), key.name.clone());
        let uid: Arc<str> = object.metadata().uid.as_deref().unwrap_or_default().into();
        match key.kind {
            Kind::Partner => self.partner_uids.insert(Arc::clone(&uid), name.clone()),
            Kind::Membership => self.membership_uids.insert(Arc::clone(&uid), name.clone()),
            Kind::Share => self.share_uids.insert(Arc::clone(&uid), name.clone()),
        };
        let kept = {
            let name = name.clone();
            move |metadata: ObjectMeta| Meta::from(metadata).sharing(&name, &uid)
        };
        match object {
            Declared::Partner(object) => {
                let reading = read::partner(&object.spec);
                for admin in &reading.terms.host_admins {
                    self.by_host_admin.entry(admin.email.clone()).or_default().insert(name.clone());
                }
                let status = Stored::new(object.status.as_ref());
                let entry = Entry { metadata: kept(object.metadata), status, reading };
                self.partners.insert(name, Slot::Read(Box::new(entry)));
            }
            Declared::Membership(object) => {
                let reading = read::membership(&object.spec);
                let partner = (key.namespace.clone(), reading.terms.partner.as_str().into());
                if reading.terms.role == GuestRole::GuestAdmin {
                    self.admins_of.entry(partner.clone()).or_default().insert(key.name.clone());
                }
                self.members_of.entry(partner).or_default().insert(key.name.clone());
                if let Some(email) = &reading.terms.email {
                    self.by_address.entry(email.clone()).or_default().insert(name.clone(), ());
                }
                if let Some(email) = &reading.terms.invited_by {
                    self.by_inviter.entry(email.clone()).or_default().insert(name.clone());
                }
                let status = Stored::new(object.status.as_ref());
                let entry = Entry { metadata: kept(object.metadata), status, reading };
                self.memberships.insert(name, Slot::Read(Box::new(entry)));
            }
            Declared::Share(object) => {
                let reading = read::share(&object.spec);
                let partner = (key.namespace.clone(), reading.terms.partner.as_str().into());
                self.shares_of.entry(partner).or_default().insert(key.name.clone());
                self.by_account.entry(reading.terms.account.clone()).or_default().insert(name.clone());
                let status = Stored::new(object.status.as_ref());
                let entry = Entry { metadata: kept(object.metadata), status, reading };
                self.shares.insert(name, Slot::Read(Box::new(entry)));
            }
            Declared::Unreadable { kind, metadata, .. } => match kind {
                Kind::Partner => {
                    self.partners.insert(name, Slot::Unreadable(Box::new(kept(*metadata))));
                }
                Kind::Membership => {
                    self.memberships.insert(name, Slot::Unreadable(Box::new(kept(*metadata))));
                }
                Kind::Share => {
                    self.shares.insert(name, Slot::Unreadable(Box::new(kept(*metadata))));
                }
            },
        }
    }

    pub(super) fn unlink(&mut self, key: &Key) {
        let name = (key.namespace.clone(), key.name.clone());
        match key.kind {
            Kind::Partner => {
                let Some(old) = self.partners.remove(&name) else { return };
                self.partner_uids.remove(old.metadata().uid.as_deref().unwrap_or_default());
                for admin in old.read().iter().flat_map(|entry| &entry.reading.terms.host_admins) {
                    take(&mut self.by_host_admin, &admin.email, &name);
                }
            }
            Kind::Membership => {
                let Some(old) = self.memberships.remove(&name) else { return };
                self.membership_uids.remove(old.metadata().uid.as_deref().unwrap_or_default());
                let Some(entry) = old.read() else { return };
                let terms = &entry.reading.terms;
                let partner = (key.namespace.clone(), terms.partner.as_str().into());
                take(&mut self.admins_of, &partner, &key.name);
                take(&mut self.members_of, &partner, &key.name);
                if let Some(email) = &terms.email {
                    if let Some(names) = self.by_address.get_mut(email) {
                        names.remove(&name);
                        if names.is_empty() {
                            self.by_address.remove(email);
                        }
                    }
                }
                if let Some(email) = &terms.invited_by {
                    take(&mut self.by_inviter, email, &name);
                }
            }
            Kind::Share => {
                let Some(old) = self.shares.remove(&name) else { return };
                self.share_uids.remove(old.metadata().uid.as_deref().unwrap_or_default());
                let Some(entry) = old.read() else { return };
                let terms = &entry.reading.terms;
                take(&mut self.shares_of, &(key.namespace.clone(), terms.partner.as_str().into()), &key.name);
                take(&mut self.by_account, &terms.account, &name);
            }
        }
    }
}

/// Takes a value out of a map of sets and drops the set when it is empty.
fn take<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
