//! What names an object.

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
    /// All three.
    pub const ALL: [Self; 3] = [Self::Partner, Self::Membership, Self::Share];

    /// The kind's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "LocalPartner",
            Self::Membership => "GuestMembership",
            Self::Share => "AccountShare",
        }
    }
}

/// Names an object. Shared text: a key stands in many places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// Names an object.
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// Stands for the sweep, which has no object: no object is without a name.
    pub fn garbage_collection() -> Self {
        Self::new(Kind::Partner, "", "")
    }

    /// Whether it stands for the sweep.
    pub fn is_garbage_collection(&self) -> bool {
        self.name.is_empty()
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            // The sweep has a name in the log only; an object of a file without one has none.
            return match &*self.namespace {
                "" => f.write_str("garbage collection"),
                namespace => write!(f, "{} {namespace}/(without a name)", self.kind.as_str()),
            };
        }
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}
