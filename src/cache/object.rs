//! The stored form of an object: only the fields that are read again. Objects in the form of the server take three
//! times the memory.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api;
use crate::cache::status::CachedStatus;
use crate::cache::status_counts::{CountedStatus, StatusFacts, unreadable};
use crate::cache::{Kind, Name, Object, ObjectRef};
use crate::util::small_map::SmallMap;
use crate::validation::{MembershipTerms, PartnerTerms, ReadSpec, ShareTerms, spec};

/// The stored metadata: no labels, owners or managed fields. Of the annotations only guestlist's are stored, because
/// the one of kubectl repeats the spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CachedMetadata {
    /// The namespace; `None` for a manifest without one.
    pub namespace: Option<Arc<str>>,
    /// The name; `None` for a manifest without one.
    pub name: Option<Arc<str>>,
    /// The UID.
    pub uid: Option<Arc<str>>,
    /// The resourceVersion; files have none.
    pub resource_version: Option<String>,
    /// The generation; files have none.
    pub generation: Option<i64>,
    /// The creation time; files have none.
    pub creation_timestamp: Option<Time>,
    /// The deletion timestamp, if the object is being deleted.
    pub deletion_timestamp: Option<Time>,
    /// All finalizers, also those of other controllers.
    pub finalizers: Vec<String>,
    /// The annotations of guestlist.
    pub annotations: SmallMap<String, String>,
}

impl From<ObjectMeta> for CachedMetadata {
    fn from(meta: ObjectMeta) -> Self {
        let mut finalizers = meta.finalizers.unwrap_or_default();
        finalizers.shrink_to_fit();
        // Misspelt annotations are stored too, because the operator warns of them.
        let ours = |(name, _): &(String, String)| api::is_annotation(name);
        Self {
            namespace: meta.namespace.map(Into::into),
            name: meta.name.map(Into::into),
            uid: meta.uid.map(Into::into),
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            finalizers,
            annotations: meta.annotations.into_iter().flatten().filter(ours).collect(),
        }
    }
}

/// A readable object, with its terms.
#[derive(Clone, Debug)]
pub struct CachedObject<S, T> {
    /// The metadata.
    pub metadata: CachedMetadata,
    /// The status.
    pub status: CachedStatus<S>,
    /// The terms and violations of the spec.
    pub reading: ReadSpec<T>,
}

/// The entry of a name.
#[derive(Clone, Debug)]
pub enum CacheEntry<S, T> {
    /// A readable object.
    Read(Box<CachedObject<S, T>>),
    /// An unreadable object.
    Unreadable {
        /// The metadata.
        metadata: Box<CachedMetadata>,
        /// The mismatch with our types.
        error: Box<str>,
    },
}

impl<S: CountedStatus + Serialize + DeserializeOwned, T> CacheEntry<S, T> {
    fn of(metadata: ObjectMeta, status: Option<S>, reading: ReadSpec<T>) -> Self {
        Self::Read(Box::new(CachedObject { metadata: metadata.into(), status: CachedStatus::new(status), reading }))
    }
}

impl<S: CountedStatus, T> CacheEntry<S, T> {
    /// The facts of the object's status, for the metrics.
    pub(super) fn facts(&self) -> StatusFacts {
        match self {
            Self::Read(entry) => Arc::clone(entry.status.facts()),
            Self::Unreadable { .. } => unreadable::<S>(),
        }
    }
}

impl<S, T> CacheEntry<S, T> {
    /// Shares one text for the name and UID, here and in all references to the object.
    pub(super) fn share(&mut self, name: &Name, uid: &Arc<str>) {
        let meta = match self {
            Self::Read(entry) => &mut entry.metadata,
            Self::Unreadable { metadata, .. } => metadata,
        };
        meta.namespace = meta.namespace.take().map(|_| Arc::clone(&name.0));
        meta.name = meta.name.take().map(|_| Arc::clone(&name.1));
        meta.uid = meta.uid.take().map(|_| Arc::clone(uid));
    }

    /// The metadata, readable or not.
    pub fn metadata(&self) -> &CachedMetadata {
        match self {
            Self::Read(entry) => &entry.metadata,
            Self::Unreadable { metadata, .. } => metadata,
        }
    }

    /// The object's key.
    pub fn key(&self, kind: Kind) -> ObjectRef {
        let CachedMetadata { namespace, name, .. } = self.metadata();
        ObjectRef::new(kind, namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default())
    }

    /// The object, if it is readable.
    pub fn read(&self) -> Option<&CachedObject<S, T>> {
        match self {
            Self::Read(entry) => Some(entry),
            Self::Unreadable { .. } => None,
        }
    }
}

/// An object in its stored form. A list is converted page by page, because all objects in the form of the server would
/// need twice the memory.
#[derive(Clone, Debug)]
pub enum AnyCachedObject {
    /// A partner.
    Partner(CacheEntry<api::LocalPartnerStatus, PartnerTerms>),
    /// A membership.
    Membership(CacheEntry<api::GuestMembershipStatus, MembershipTerms>),
    /// A share.
    Share(CacheEntry<api::AccountShareStatus, ShareTerms>),
}

impl AnyCachedObject {
    /// The object's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Partner(_) => Kind::Partner,
            Self::Membership(_) => Kind::Membership,
            Self::Share(_) => Kind::Share,
        }
    }

    /// The object's metadata.
    pub fn metadata(&self) -> &CachedMetadata {
        match self {
            Self::Partner(slot) => slot.metadata(),
            Self::Membership(slot) => slot.metadata(),
            Self::Share(slot) => slot.metadata(),
        }
    }

    /// The object's key.
    pub fn key(&self) -> ObjectRef {
        let CachedMetadata { namespace, name, .. } = self.metadata();
        ObjectRef::new(self.kind(), namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default())
    }
}

impl From<Object> for AnyCachedObject {
    fn from(object: Object) -> Self {
        match object {
            Object::Partner(object) => {
                let reading = spec::partner(&object.spec);
                Self::Partner(CacheEntry::of(object.metadata, object.status, reading))
            }
            Object::Membership(object) => {
                let reading = spec::membership(&object.spec);
                Self::Membership(CacheEntry::of(object.metadata, object.status, reading))
            }
            Object::Share(object) => {
                let reading = spec::share(&object.spec);
                Self::Share(CacheEntry::of(object.metadata, object.status, reading))
            }
            Object::Unreadable { kind, metadata, error } => {
                let (metadata, error) = (Box::new(CachedMetadata::from(*metadata)), error.into_boxed_str());
                match kind {
                    Kind::Partner => Self::Partner(CacheEntry::Unreadable { metadata, error }),
                    Kind::Membership => Self::Membership(CacheEntry::Unreadable { metadata, error }),
                    Kind::Share => Self::Share(CacheEntry::Unreadable { metadata, error }),
                }
            }
        }
    }
}
