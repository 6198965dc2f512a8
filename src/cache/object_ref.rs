//! References to objects.

use std::fmt;
use std::sync::Arc;

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
    /// All three kinds.
    pub const ALL: [Self; 3] = [Self::Partner, Self::Membership, Self::Share];

    /// The kind in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "LocalPartner",
            Self::Membership => "GuestMembership",
            Self::Share => "AccountShare",
        }
    }
}

/// A reference to an object. The text is shared, because many structures contain the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind of the object.
    pub kind: Kind,
    /// The namespace; may be empty for a manifest without one.
    pub namespace: Arc<str>,
    /// The name; may be empty for a manifest without one.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// A reference from its parts.
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return write!(f, "{} {}/(without a name)", self.kind.as_str(), self.namespace);
        }
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}
