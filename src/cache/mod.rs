//! The declared objects in memory, from watch events or files: partner → memberships, shares. The cache reads each spec
//! into terms once, when it arrives, and returns the objects that a change affects. Pure data, without a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use crate::api;
use crate::domain::Email;
use crate::util::small_map::SmallMap;
use crate::validation::{MembershipTerms, PartnerTerms, ShareTerms};

mod dependents;
mod indexes;
mod object;
mod object_ref;
pub mod resource_version;
mod status;
mod status_counts;
mod watched_namespaces;

pub use dependents::Dependents;
pub use object::{AnyCachedObject, CacheEntry, CachedMetadata, CachedObject};
pub use object_ref::{Kind, ObjectRef};
pub use status::CachedStatus;
pub use status_counts::StatusFact;
pub use watched_namespaces::{ALL_NAMESPACES, Collection, WatchedNamespaces};

/// A declared object.
#[derive(Clone, Debug)]
pub enum Object {
    /// A partner.
    Partner(Box<api::LocalPartner>),
    /// A membership.
    Membership(Box<api::GuestMembership>),
    /// A share.
    Share(Box<api::AccountShare>),
    /// An object that does not match our types. It is stored by name and UID, and never counts as absent.
    Unreadable {
        /// Its kind.
        kind: Kind,
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// The mismatch with our types.
        error: String,
    },
}

impl Object {
    /// The object's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Partner(_) => Kind::Partner,
            Self::Membership(_) => Kind::Membership,
            Self::Share(_) => Kind::Share,
            Self::Unreadable { kind, .. } => *kind,
        }
    }

    /// The object's metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Partner(object) => object.meta(),
            Self::Membership(object) => object.meta(),
            Self::Share(object) => object.meta(),
            Self::Unreadable { metadata, .. } => metadata,
        }
    }

    /// The object's name.
    pub fn key(&self) -> ObjectRef {
        let meta = self.metadata();
        ObjectRef::new(self.kind(), meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    }
}

/// A partner and its terms.
pub type Partner = CachedObject<api::LocalPartnerStatus, PartnerTerms>;
/// A membership and its terms.
pub type Membership = CachedObject<api::GuestMembershipStatus, MembershipTerms>;
/// A share and its terms.
pub type Share = CachedObject<api::AccountShareStatus, ShareTerms>;

/// Namespace and name.
pub type Name = (Arc<str>, Arc<str>);
type Slots<S, T> = BTreeMap<Name, CacheEntry<S, T>>;
type Names = BTreeSet<Name>;

/// The declared objects.
#[derive(Debug, Default)]
pub struct ObjectCache {
    partners: Slots<api::LocalPartnerStatus, PartnerTerms>,
    memberships: Slots<api::GuestMembershipStatus, MembershipTerms>,
    shares: Slots<api::AccountShareStatus, ShareTerms>,
    /// Partner → its memberships' and shares' names.
    members_of: BTreeMap<Name, BTreeSet<Arc<str>>>,
    /// Partner → its memberships with the role Guest Admin.
    admins_of: BTreeMap<Name, BTreeSet<Arc<str>>>,
    shares_of: BTreeMap<Name, BTreeSet<Arc<str>>>,
    /// Address → memberships, in all namespaces.
    by_address: BTreeMap<Email, SmallMap<Name, ()>>,
    /// Address → memberships that it invites.
    by_inviter: BTreeMap<Email, Names>,
    /// Address → partners that list it as Host Admin.
    by_host_admin: BTreeMap<Email, Names>,
    /// Account → shares.
    by_account: BTreeMap<String, Names>,
    /// Propagator → shares that name it, of any partner of the namespace.
    by_propagator: BTreeMap<Name, Names>,
    /// Membership UIDs.
    membership_uids: BTreeMap<Arc<str>, Name>,
    /// Partner UIDs.
    partner_uids: BTreeMap<Arc<str>, Name>,
    /// Share UIDs.
    share_uids: BTreeMap<Arc<str>, Name>,
    /// How often the statuses report each fact.
    status_counts: BTreeMap<(Kind, StatusFact), usize>,
}

impl ObjectCache {
    /// The entry of a partner's name.
    pub fn partner(&self, namespace: &str, name: &str) -> Option<&CacheEntry<api::LocalPartnerStatus, PartnerTerms>> {
        self.partners.get(&(namespace.into(), name.into()))
    }

    /// The entry of a membership's name.
    pub fn membership(
        &self,
        namespace: &str,
        name: &str,
    ) -> Option<&CacheEntry<api::GuestMembershipStatus, MembershipTerms>> {
        self.memberships.get(&(namespace.into(), name.into()))
    }

    /// The entry of a share's name.
    pub fn share(&self, namespace: &str, name: &str) -> Option<&CacheEntry<api::AccountShareStatus, ShareTerms>> {
        self.shares.get(&(namespace.into(), name.into()))
    }

    /// The readable memberships that name a partner.
    pub fn members<'a>(&'a self, namespace: &'a str, partner: &str) -> impl Iterator<Item = &'a Membership> {
        let names = self.members_of.get(&(namespace.into(), partner.into()));
        names.into_iter().flatten().filter_map(move |name| self.membership(namespace, name).and_then(CacheEntry::read))
    }

    /// The names of a partner's memberships with the role Guest Admin.
    pub fn guest_admins(&self, namespace: &str, partner: &str) -> impl Iterator<Item = &str> {
        let names = self.admins_of.get(&(namespace.into(), partner.into()));
        names.into_iter().flatten().map(|name| &**name)
    }

    /// How many memberships name a partner.
    pub fn member_count(&self, namespace: &str, partner: &str) -> usize {
        self.members_of.get(&(namespace.into(), partner.into())).map_or(0, BTreeSet::len)
    }

    /// The readable shares that name a partner.
    pub fn shares<'a>(&'a self, namespace: &'a str, partner: &str) -> impl Iterator<Item = &'a Share> {
        let names = self.shares_of.get(&(namespace.into(), partner.into()));
        names.into_iter().flatten().filter_map(move |name| self.share(namespace, name).and_then(CacheEntry::read))
    }

    /// The readable shares of an account, of every partner.
    pub fn shares_of_account(&self, account: &str) -> impl Iterator<Item = &Share> {
        let names = self.by_account.get(account);
        names.into_iter().flatten().filter_map(|(namespace, name)| self.share(namespace, name)?.read())
    }

    /// How many shares name a partner.
    pub fn share_count(&self, namespace: &str, partner: &str) -> usize {
        self.shares_of.get(&(namespace.into(), partner.into())).map_or(0, BTreeSet::len)
    }

    /// The readable memberships with an address, in all namespaces.
    pub fn memberships_for<'a>(&'a self, address: &Email) -> impl Iterator<Item = &'a Membership> {
        let names = self.by_address.get(address);
        names
            .into_iter()
            .flat_map(SmallMap::keys)
            .filter_map(|(namespace, name)| self.membership(namespace, name)?.read())
    }

    /// The partners that list an address as Host Admin.
    pub fn partners_of_host_admin(&self, address: &Email) -> impl Iterator<Item = &Name> {
        self.by_host_admin.get(address).into_iter().flatten()
    }

    /// Whether a membership with this UID is stored, readable or not.
    pub fn has_membership_uid(&self, uid: &str) -> bool {
        self.membership_uids.contains_key(uid)
    }

    /// Whether a partner with this UID is stored, readable or not.
    pub fn has_partner_uid(&self, uid: &str) -> bool {
        self.partner_uids.contains_key(uid)
    }

    /// Whether a share with this UID is stored, readable or not.
    pub fn has_share_uid(&self, uid: &str) -> bool {
        self.share_uids.contains_key(uid)
    }

    /// The membership with this UID.
    pub fn membership_by_uid(&self, uid: &str) -> Option<&CacheEntry<api::GuestMembershipStatus, MembershipTerms>> {
        self.membership_uids.get(uid).and_then(|name| self.memberships.get(name))
    }

    /// The metadata of an object, readable or not.
    pub fn metadata(&self, key: &ObjectRef) -> Option<&CachedMetadata> {
        match key.kind {
            Kind::Partner => self.partner(&key.namespace, &key.name).map(CacheEntry::metadata),
            Kind::Membership => self.membership(&key.namespace, &key.name).map(CacheEntry::metadata),
            Kind::Share => self.share(&key.namespace, &key.name).map(CacheEntry::metadata),
        }
    }

    /// Whether an object exists and is unreadable.
    pub fn is_unreadable(&self, key: &ObjectRef) -> bool {
        match key.kind {
            Kind::Partner => self.partner(&key.namespace, &key.name).is_some_and(|slot| slot.read().is_none()),
            Kind::Membership => self.membership(&key.namespace, &key.name).is_some_and(|slot| slot.read().is_none()),
            Kind::Share => self.share(&key.namespace, &key.name).is_some_and(|slot| slot.read().is_none()),
        }
    }

    /// The partner that an object belongs to (itself, for a partner). `None`: unknown, because the object is
    /// unreadable.
    pub fn partner_of(&self, key: &ObjectRef) -> Option<ObjectRef> {
        let partner = match key.kind {
            Kind::Partner => Some(&*key.name),
            Kind::Membership => self
                .membership(&key.namespace, &key.name)
                .and_then(CacheEntry::read)
                .map(|m| m.reading.terms.partner.as_str()),
            Kind::Share => self
                .share(&key.namespace, &key.name)
                .and_then(CacheEntry::read)
                .map(|s| s.reading.terms.partner.as_str()),
        };
        partner.map(|name| ObjectRef::new(Kind::Partner, key.namespace.clone(), name))
    }

    /// The number of objects of one kind, readable or not.
    pub fn count_of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Partner => self.partners.len(),
            Kind::Membership => self.memberships.len(),
            Kind::Share => self.shares.len(),
        }
    }

    /// How often the statuses of each kind report a fact. Facts that none reports are absent.
    pub fn status_counts(&self) -> &BTreeMap<(Kind, StatusFact), usize> {
        &self.status_counts
    }

    /// All keys of one kind.
    pub fn keys(&self, kind: Kind) -> impl Iterator<Item = ObjectRef> + '_ {
        self.keys_of(kind.into())
    }

    /// All keys of a collection.
    fn keys_of(&self, Collection { kind, namespace }: Collection) -> impl Iterator<Item = ObjectRef> + '_ {
        let first = namespace.clone().map_or(Bound::Unbounded, |namespace| Bound::Included((namespace, Arc::from(""))));
        let range = (first, Bound::Unbounded);
        let names: Box<dyn Iterator<Item = &Name>> = match kind {
            Kind::Partner => Box::new(self.partners.range(range).map(|(name, _)| name)),
            Kind::Membership => Box::new(self.memberships.range(range).map(|(name, _)| name)),
            Kind::Share => Box::new(self.shares.range(range).map(|(name, _)| name)),
        };
        names
            .take_while(move |(of, _)| namespace.as_ref().is_none_or(|namespace| namespace == of))
            .map(move |(namespace, name)| ObjectRef::new(kind, namespace.clone(), name.clone()))
    }

    /// Stores an object that was added or changed, or that a write of ours returned. Returns the keys that the change
    /// affects. An event older than the stored object, such as the echo of our own write, changes nothing.
    pub fn apply(&mut self, object: Object) -> Dependents {
        let object = AnyCachedObject::from(object);
        let key = object.key();
        if let Some(stored) = self.metadata(&key)
            && stored.uid == object.metadata().uid
            && version(object.metadata()) <= version(stored)
        {
            return Dependents::default();
        }
        self.put(&key, object)
    }

    /// Deletes an object. An event with another UID than the stored one is ignored.
    pub fn delete(&mut self, key: &ObjectRef, uid: &str) -> Dependents {
        if self.metadata(key).and_then(|meta| meta.uid.as_deref()) != Some(uid) {
            return Dependents::default();
        }
        self.remove(key)
    }

    /// Applies a complete list of a collection. Objects of the collection that it lacks are deleted. Its objects
    /// replace the stored ones, even with lower resourceVersions (a restore). Returns the affected keys.
    pub fn replace(&mut self, collection: &Collection, objects: Vec<AnyCachedObject>) -> Dependents {
        if self.keys_of(collection.clone()).next().is_none() {
            return self.fill(objects);
        }
        let mut touched = Dependents::default();
        let listed: BTreeSet<ObjectRef> = objects.iter().map(AnyCachedObject::key).collect();
        let gone: Vec<ObjectRef> = self.keys_of(collection.clone()).filter(|key| !listed.contains(key)).collect();
        for key in gone {
            touched.merge(self.remove(&key));
        }
        for object in objects {
            let key = object.key();
            let same = self.metadata(&key).is_some_and(|stored| {
                stored.uid == object.metadata().uid && stored.resource_version == object.metadata().resource_version
            });
            if !same {
                touched.merge(self.put(&key, object));
            }
        }
        touched
    }

    /// Stores the first list of a collection, which affects all stored objects. A computation per object would be
    /// quadratic, because each new membership under a quota affects all others.
    fn fill(&mut self, objects: Vec<AnyCachedObject>) -> Dependents {
        let mut touched = Dependents::default();
        if objects.is_empty() {
            return touched;
        }
        for object in objects {
            let key = object.key();
            self.unlink(&key);
            self.link(&key, object);
        }
        touched.keys = Kind::ALL.into_iter().flat_map(|kind| self.keys(kind).collect::<Vec<_>>()).collect();
        touched
    }

    fn put(&mut self, key: &ObjectRef, object: AnyCachedObject) -> Dependents {
        let key = &self.known(key);
        let mut touched = Dependents::default();
        let relevant = self.is_relevant(key, &object);
        if relevant {
            touched.merge(self.dependents_of_declared(key));
        }
        self.unlink(key);
        self.link(key, object);
        if relevant {
            touched.merge(self.dependents_of_declared(key));
        }
        touched.keys.insert(key.clone());
        touched
    }

    fn remove(&mut self, key: &ObjectRef) -> Dependents {
        let mut touched = self.dependents_of_declared(key);
        self.unlink(key);
        touched.merge(self.dependents_of_name(key));
        touched.keys.insert(key.clone());
        touched
    }

    /// The key with the already stored text, if there is one. Timers and indexes outlive many versions of an object.
    fn known(&self, key: &ObjectRef) -> ObjectRef {
        let name = (key.namespace.clone(), key.name.clone());
        let known = match key.kind {
            Kind::Partner => self.partners.get_key_value(&name).map(|(name, _)| name),
            Kind::Membership => self.memberships.get_key_value(&name).map(|(name, _)| name),
            Kind::Share => self.shares.get_key_value(&name).map(|(name, _)| name),
        };
        let (namespace, name) = known.cloned().unwrap_or(name);
        ObjectRef::new(key.kind, namespace, name)
    }

    /// Whether a change can affect other objects: any change except of status, other finalizers and bookkeeping.
    fn is_relevant(&self, key: &ObjectRef, new: &AnyCachedObject) -> bool {
        // Nothing is granted through a partner or a share without a finalizer, because it could disappear unnoticed. A
        // membership does not depend on others for this.
        let guards = |meta: &CachedMetadata| key.kind != Kind::Membership && has_finalizer(&meta.finalizers);
        let differs = |old: &CachedMetadata, new: &CachedMetadata| {
            old.uid != new.uid
                || old.deletion_timestamp != new.deletion_timestamp
                || old.annotations != new.annotations
                || guards(old) != guards(new)
        };
        let Some(stored) = self.metadata(key) else { return true };
        if differs(stored, new.metadata()) {
            return true;
        }
        let name = (key.namespace.clone(), key.name.clone());
        match new {
            AnyCachedObject::Partner(new) => terms_differ(self.partners.get(&name), new),
            AnyCachedObject::Membership(new) => terms_differ(self.memberships.get(&name), new),
            AnyCachedObject::Share(new) => terms_differ(self.shares.get(&name), new),
        }
    }
}

/// Whether a spec differs from the stored one, or is unreadable.
fn terms_differ<S, T: PartialEq>(old: Option<&CacheEntry<S, T>>, new: &CacheEntry<S, T>) -> bool {
    let (Some(old), Some(new)) = (old.and_then(CacheEntry::read), new.read()) else { return true };
    old.reading != new.reading
}

/// Whether the finalizers contain guestlist's.
pub fn has_finalizer<'a>(finalizers: impl IntoIterator<Item = &'a String>) -> bool {
    finalizers.into_iter().any(|finalizer| finalizer == api::FINALIZER)
}

/// The resourceVersion as a number. Objects from files have none.
fn version(meta: &CachedMetadata) -> Option<u64> {
    resource_version::number(meta.resource_version.as_deref())
}
