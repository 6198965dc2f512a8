//! The declared world in memory, fed by watch events or by files: partner → memberships, shares. It reads each spec
//! into terms once, when it comes in, and says which objects a change touches. Pure data, no clock.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api;

/// One of the three kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `LocalPartner`
    Partner,
    /// `GuestMembership`
    Membership,
    /// `AccountShare`
    Share,
}

impl Kind {
    /// The kind's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "LocalPartner",
            Self::Membership => "GuestMembership",
            Self::Share => "AccountShare",
        }
    }
}

/// Names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// An object as it is stored.
#[derive(Clone, Debug)]
pub enum Declared {
    /// A partner.
    Partner(Box<api::LocalPartner>),
    /// A membership.
    Membership(Box<api::GuestMembership>),
    /// A share.
    Share(Box<api::AccountShare>),
    /// An object that does not fit our types: kept by name and UID, never taken for absent.
    Unreadable {
        /// Its kind.
        kind: Kind,
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// What does not fit.
        error: String,
    },
}

/// The declared world.
#[derive(Debug, Default)]
pub struct Index {}

impl Index {
    /// Takes in an object that was added or changed (or returned by a write of ours). Returns the keys that the change
    /// touches; an event that is older than what is stored, or that changes nothing we read, touches nothing.
    pub fn apply(&mut self, object: Declared) -> BTreeSet<Key> {
        unimplemented!("{object:?}")
    }

    /// Forgets an object that was deleted; an event about another UID than the stored one is ignored.
    pub fn delete(&mut self, key: &Key, uid: &str) -> BTreeSet<Key> {
        unimplemented!("{key} {uid}")
    }

    /// A complete list of one kind: what it lacks is deleted, what it has replaces what is stored, also where its
    /// resourceVersions are lower (a restore). Returns the keys whose world changed.
    pub fn replace(&mut self, kind: Kind, objects: Vec<Declared>) -> BTreeSet<Key> {
        unimplemented!("{kind:?} {objects:?}")
    }

    /// The metadata of an object, readable or not.
    pub fn metadata(&self, key: &Key) -> Option<&ObjectMeta> {
        unimplemented!("{key}")
    }

    /// All keys of one kind.
    pub fn keys(&self, kind: Kind) -> impl Iterator<Item = Key> + '_ {
        let _ = kind;
        std::iter::empty()
    }
}
