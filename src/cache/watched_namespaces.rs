//! The namespaces whose objects are declared here, and the collections that the operator lists and watches in them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::cache::{Kind, ObjectRef};
use crate::domain::is_dns_label;

/// The objects of one kind, in one namespace or in all: the content of one list, and the subject of one watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection {
    /// The kind.
    pub kind: Kind,
    /// The namespace; `None`: all namespaces.
    pub namespace: Option<Arc<str>>,
}

impl Collection {
    /// Whether an object belongs to the collection.
    pub fn contains(&self, key: &ObjectRef) -> bool {
        self.kind == key.kind && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }
}

impl From<Kind> for Collection {
    /// The collection of all namespaces.
    fn from(kind: Kind) -> Self {
        Self { kind, namespace: None }
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} in namespace {namespace}", self.kind.as_str()),
            None => f.write_str(self.kind.as_str()),
        }
    }
}

/// The namespaces whose objects are declared here. Objects of other namespaces may exist; they are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WatchedNamespaces {
    /// All namespaces.
    #[default]
    All,
    /// These namespaces; at least one.
    Only(BTreeSet<Arc<str>>),
}

/// All namespaces.
pub static ALL_NAMESPACES: WatchedNamespaces = WatchedNamespaces::All;

impl WatchedNamespaces {
    /// The namespaces with these names; without a name, all namespaces.
    ///
    /// # Errors
    ///
    /// A name is empty, is not the name of a namespace, or occurs twice.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut only = BTreeSet::new();
        for name in names {
            if name.is_empty() {
                return Err("the name of a namespace is empty; write a name, or omit the option to watch all \
                            namespaces"
                    .to_owned());
            }
            if !is_dns_label(name) {
                return Err(format!(
                    "{name:?} is not the name of a namespace: lower-case letters, digits and inner hyphens, at most 63"
                ));
            }
            if !only.insert(Arc::from(name)) {
                return Err(format!("the namespace {name:?} is given twice; write it once"));
            }
        }
        Ok(if only.is_empty() { Self::All } else { Self::Only(only) })
    }

    /// Whether the objects of a namespace are declared here.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(namespaces) => namespaces.contains(namespace),
        }
    }

    /// The collections that contain all declared objects, each object once.
    pub fn collections(&self) -> BTreeSet<Collection> {
        let of = |kind: Kind| match self {
            Self::All => vec![Collection::from(kind)],
            Self::Only(namespaces) => {
                let one = |namespace: &Arc<str>| Collection { kind, namespace: Some(namespace.clone()) };
                namespaces.iter().map(one).collect()
            }
        };
        Kind::ALL.into_iter().flat_map(of).collect()
    }

    /// The collection that contains an object.
    pub fn collection_of(&self, key: &ObjectRef) -> Collection {
        let namespace = match self {
            Self::All => None,
            Self::Only(_) => Some(key.namespace.clone()),
        };
        Collection { kind: key.kind, namespace }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_all_namespaces() {
        let all = WatchedNamespaces::named([]).unwrap();
        assert_eq!(all, ALL_NAMESPACES);
        assert!(all.contains("partners") && all.contains("team-a"));
        let names: Vec<String> = all.collections().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["LocalPartner", "GuestMembership", "AccountShare"]);
    }

    #[test]
    fn named_namespaces_have_a_collection_for_each_kind() {
        let two = WatchedNamespaces::named(["team-b", "team-a"]).unwrap();
        assert!(two.contains("team-a") && two.contains("team-b") && !two.contains("team") && !two.contains(""));
        let collections = two.collections();
        assert_eq!(collections.len(), 6);
        let key = ObjectRef::new(Kind::Share, "team-a", "one");
        let holds: Vec<String> = collections.iter().filter(|it| it.contains(&key)).map(ToString::to_string).collect();
        assert_eq!(holds, ["AccountShare in namespace team-a"]);
        assert!(two.collection_of(&key).contains(&key));
    }

    #[test]
    fn wrong_names_of_namespaces_are_refused() {
        let refused = |names: &[&str]| WatchedNamespaces::named(names.iter().copied()).unwrap_err();
        assert!(refused(&["team-a", ""]).contains("empty"));
        assert!(refused(&["team-a", "b", "team-a"]).contains("\"team-a\" is given twice"));
        let longest = "a".repeat(63);
        assert!(WatchedNamespaces::named([longest.as_str()]).is_ok());
        for name in ["Team", "*", "team-*", "-a", "a-", "a.b", "a b", "ä", " a", "a/b", &"a".repeat(64)] {
            assert!(refused(&[name]).contains("is not the name of a namespace"), "{name}");
        }
    }
}
