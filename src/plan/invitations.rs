//! How many invitations a namespace may send: the policy bounds them per hour, and what exceeds the bound waits for its turn.
//!
//! The count comes from the directory, so that no restart, no deletion and no new name evades it. [`Invitations`] adds what
//! the directory cannot know yet: invitations that are being sent now, and the memberships that wait, in the order in which
//! they began to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Inputs;
use crate::cache::ObjectRef;
use crate::directory::SENT_KEPT;

/// Invitations that are being sent, and those that wait for their turn.
#[derive(Clone, Debug, Default)]
pub struct InvitationQueue {
    namespaces: BTreeMap<Arc<str>, Namespace>,
    /// The next place in the order of those that wait.
    next: u64,
}

/// No invitation is being sent, and none waits.
pub static NO_INVITATIONS: InvitationQueue = InvitationQueue { namespaces: BTreeMap::new(), next: 0 };

#[derive(Clone, Debug, Default)]
struct Namespace {
    sending: BTreeSet<ObjectRef>,
    waiting: BTreeMap<u64, ObjectRef>,
    places: BTreeMap<ObjectRef, u64>,
}

impl InvitationQueue {
    /// A membership waits for its turn. It keeps the place that it has.
    pub fn wait(&mut self, key: &ObjectRef) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        if !namespace.places.contains_key(key) {
            namespace.places.insert(key.clone(), self.next);
            namespace.waiting.insert(self.next, key.clone());
            self.next += 1;
        }
    }

    /// The invitation of a membership is being sent from now on: what comes before it, such as a finalizer, included.
    pub fn send(&mut self, key: &ObjectRef) {
        self.leave(key);
        self.namespaces.entry(key.namespace.clone()).or_default().sending.insert(key.clone());
    }

    /// A membership stops waiting. Whether it waited.
    pub fn leave(&mut self, key: &ObjectRef) -> bool {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else { return false };
        let place = namespace.places.remove(key);
        let waited = place.is_some_and(|place| namespace.waiting.remove(&place).is_some());
        self.tidy(key);
        waited
    }

    /// The sending of a membership's invitation has ended. Whether there was one.
    pub fn end(&mut self, key: &ObjectRef) -> bool {
        let was = self.namespaces.get_mut(&key.namespace).is_some_and(|namespace| namespace.sending.remove(key));
        self.tidy(key);
        was
    }

    fn tidy(&mut self, key: &ObjectRef) {
        if self.namespaces.get(&key.namespace).is_some_and(|it| it.sending.is_empty() && it.waiting.is_empty()) {
            self.namespaces.remove(&key.namespace);
        }
    }

    /// How many invitations go before that of a membership: those that are being sent, and those that have waited for longer.
    /// Counted up to `at_most`.
    fn before(&self, key: &ObjectRef, at_most: usize) -> usize {
        let Some(namespace) = self.namespaces.get(&key.namespace) else { return 0 };
        if namespace.sending.contains(key) {
            return (namespace.sending.len() - 1).min(at_most);
        }
        let longer = match namespace.places.get(key) {
            Some(place) => namespace.waiting.range(..place).take(at_most).count(),
            None => namespace.waiting.len(),
        };
        (namespace.sending.len() + longer).min(at_most)
    }

    /// The memberships of a namespace that have waited the longest.
    pub fn first(&self, namespace: &str, at_most: usize) -> Vec<ObjectRef> {
        let waiting = self.namespaces.get(namespace).into_iter().flat_map(|namespace| namespace.waiting.values());
        waiting.take(at_most).cloned().collect()
    }
}

/// How many invitations a namespace may add now to those that are being sent.
pub fn left(world: Inputs<'_>, namespace: &str) -> usize {
    let sending = world.invitations.namespaces.get(namespace).map_or(0, |namespace| namespace.sending.len());
    let sent = sent_lately(world, namespace).count();
    world.workspace.invitations_per_hour.saturating_sub(sent + sending)
}

/// When the invitation of a membership may go out. `None`: now.
pub fn turn(world: Inputs<'_>, key: &ObjectRef) -> Option<Timestamp> {
    let limit = world.workspace.invitations_per_hour;
    let before = world.invitations.before(key, limit);
    // Each one is counted only where the sum of all that are remembered could be too many.
    if world.observed.sent_count(&key.namespace) + before < limit {
        return None;
    }
    let sent: Vec<Timestamp> = sent_lately(world, &key.namespace).collect();
    let too_many = (sent.len() + before + 1).checked_sub(limit).filter(|more| *more > 0)?;
    let leaves = sent.get(too_many - 1).copied().unwrap_or(world.now);
    leaves.max(world.now.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN)).checked_add(SENT_KEPT).ok()
}

/// When the invitations went out that count now, the earliest first. One that a clock ahead of ours wrote down counts for as
/// long as one that is sent now.
fn sent_lately<'a>(world: Inputs<'a>, namespace: &str) -> impl Iterator<Item = Timestamp> + 'a {
    let since = world.now.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN);
    let until = world.now.checked_add(SENT_KEPT).unwrap_or(Timestamp::MAX);
    world.observed.sent_after(namespace, since).take_while(move |at| *at < until).map(move |at| at.min(world.now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Kind;

    fn key(namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::new(Kind::Membership, namespace, name)
    }

    #[test]
    fn waiting_memberships_keep_their_order() {
        let mut invitations = InvitationQueue::default();
        for name in ["c", "a", "b", "a"] {
            invitations.wait(&key("ns", name));
        }
        invitations.wait(&key("other", "z"));
        let names = |invitations: &InvitationQueue| -> Vec<String> {
            invitations.first("ns", 9).iter().map(|key| key.name.to_string()).collect()
        };
        assert_eq!(names(&invitations), ["c", "a", "b"]);
        assert_eq!(["c", "a", "b", "new"].map(|name| invitations.before(&key("ns", name), 9)), [0, 1, 2, 3]);
        invitations.send(&key("ns", "c"));
        assert_eq!(names(&invitations), ["a", "b"]);
        assert_eq!(["c", "a", "b", "new"].map(|name| invitations.before(&key("ns", name), 9)), [0, 1, 2, 3]);
        assert!(invitations.end(&key("ns", "c")) && !invitations.end(&key("ns", "c")));
        assert!(invitations.leave(&key("ns", "a")) && invitations.leave(&key("ns", "b")));
        assert!(!invitations.leave(&key("ns", "b")));
        assert_eq!(invitations.before(&key("ns", "new"), 9), 0);
        assert_eq!(invitations.namespaces.len(), 1);
    }
}
