//! The policy's limit of invitations per namespace and hour. Invitations beyond the limit wait for their turn.
//!
//! The count comes from the directory, so that no restart, deletion or new name bypasses it. [`InvitationQueue`] adds
//! the invitations that are being sent now, and the waiting memberships in order of arrival.

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
    /// The next position in the waiting order.
    next: u64,
}

/// An empty queue.
pub static NO_INVITATIONS: InvitationQueue = InvitationQueue { namespaces: BTreeMap::new(), next: 0 };

#[derive(Clone, Debug, Default)]
struct Namespace {
    sending: BTreeSet<ObjectRef>,
    waiting: BTreeMap<u64, ObjectRef>,
    places: BTreeMap<ObjectRef, u64>,
}

impl InvitationQueue {
    /// Adds a membership to the waiting order. A waiting membership keeps its position.
    pub fn wait(&mut self, key: &ObjectRef) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        if !namespace.places.contains_key(key) {
            namespace.places.insert(key.clone(), self.next);
            namespace.waiting.insert(self.next, key.clone());
            self.next += 1;
        }
    }

    /// Marks the invitation of a membership as being sent. This includes earlier steps, such as adding the finalizer.
    pub fn send(&mut self, key: &ObjectRef) {
        self.leave(key);
        self.namespaces.entry(key.namespace.clone()).or_default().sending.insert(key.clone());
    }

    /// Removes a membership from the waiting order. Returns whether it waited.
    pub fn leave(&mut self, key: &ObjectRef) -> bool {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else { return false };
        let place = namespace.places.remove(key);
        let waited = place.is_some_and(|place| namespace.waiting.remove(&place).is_some());
        self.tidy(key);
        waited
    }

    /// Ends the sending of a membership's invitation. Returns whether there was one.
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

    /// The number of invitations before that of a membership: those being sent, and those that have waited longer.
    /// Counts up to `at_most`.
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

/// When the invitation of a membership may be sent. `None`: now.
pub fn due_at(inputs: Inputs<'_>, key: &ObjectRef) -> Option<Timestamp> {
    let limit = inputs.workspace.invitations_per_hour;
    let before = inputs.invitations.before(key, limit);
    // The exact count is needed only if all remembered invitations together could exceed the limit.
    if inputs.observed.sent_count(&key.namespace) + before < limit {
        return None;
    }
    let sent: Vec<Timestamp> = sent_lately(inputs, &key.namespace).collect();
    let too_many = (sent.len() + before + 1).checked_sub(limit).filter(|more| *more > 0)?;
    let leaves = sent.get(too_many - 1).copied().unwrap_or(inputs.now);
    leaves.max(inputs.now.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN)).checked_add(SENT_KEPT).ok()
}

/// When the counted invitations were sent, earliest first. An invitation with a time in the future, from a clock that
/// is ahead, counts as long as one sent now.
fn sent_lately<'a>(inputs: Inputs<'a>, namespace: &str) -> impl Iterator<Item = Timestamp> + 'a {
    let since = inputs.now.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN);
    let until = inputs.now.checked_add(SENT_KEPT).unwrap_or(Timestamp::MAX);
    inputs.observed.sent_after(namespace, since).take_while(move |at| *at < until).map(move |at| at.min(inputs.now))
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

    #[test]
    fn sending_invitations_precede_waiting_ones_up_to_a_limit() {
        let mut invitations = InvitationQueue::default();
        for name in ["a", "b", "c", "d"] {
            invitations.wait(&key("ns", name));
        }
        for name in ["c", "b"] {
            invitations.send(&key("ns", name));
        }
        let before = |at_most| ["b", "c", "a", "d", "new"].map(|name| invitations.before(&key("ns", name), at_most));
        assert_eq!((before(9), before(1)), ([1, 1, 2, 3, 4], [1; 5]));
    }
}
