//! The live checks before a plan grants or removes access, so that it does not rely on outdated objects.

use std::collections::BTreeSet;

use crate::cache::{Kind, ObjectRef, resource_version};
use crate::directory::{AccessChange, GuestChange, Operation, OwnershipMark, PartnerChange};
use crate::engine::{Check, Engine};
use crate::plan::{Plan, Step};

impl Engine {
    /// The checks before the execution of a plan.
    pub(super) fn checks(&self, key: &ObjectRef, plan: &Plan) -> Vec<Check> {
        let mut checks = match plan.steps.iter().map(|step| step.operation.access_change()).max() {
            Some(AccessChange::Grant) => self.freshness(key, &plan.steps),
            // An object that is being deleted does not return, so its removal needs no check. For a partner, no
            // membership may name it.
            Some(AccessChange::Remove)
                if key.kind == Kind::Partner && self.objects.member_count(&key.namespace, &key.name) == 0 =>
            {
                vec![Check::NoMembers { partner: key.clone() }]
            }
            Some(AccessChange::Remove | AccessChange::None | AccessChange::Revoke) | None => Vec::new(),
        };
        checks.extend(self.successor_check(key, &plan.steps));
        checks
    }

    /// Checks that the object exists before it inherits or removes a record with another object's UID. In an outdated
    /// view, the other object may have replaced this one.
    fn successor_check(&self, key: &ObjectRef, steps: &[Step]) -> Option<Check> {
        let uid = self.objects.metadata(key)?.uid.clone()?;
        let marked = |step: &Step| -> Option<&OwnershipMark> {
            if let Operation::Partner { id: partner, change: PartnerChange::Deactivate | PartnerChange::Apply { .. } } =
                &step.operation
            {
                return self.directory.partner(partner).map(|record| &record.mark);
            }
            // For a partner's guests, the check is that no membership names it. For a share's guests, it is their
            // grants through it.
            let guest = step.operation.guest().filter(|_| key.kind == Kind::Membership)?;
            self.directory.guest_by_id(guest).filter(|record| record.is_live())?.mark.as_ref()
        };
        let others = steps.iter().filter_map(marked).any(|mark| *mark.uid != *uid);
        others.then(|| Check::Present { key: key.clone(), uid: uid.to_string() })
    }

    /// The check before a grant: each watch has reached the newest object that the plan used, or its objects are read
    /// live. The newest object needs no live read if the server just returned it for our own write.
    fn freshness(&self, key: &ObjectRef, steps: &[Step]) -> Vec<Check> {
        let mut keys = BTreeSet::from([key.clone()]);
        keys.extend(self.objects.partner_of(key));
        for step in steps {
            if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = &step.operation {
                for grant in grants {
                    keys.insert(ObjectRef::new(Kind::Share, key.namespace.clone(), grant.share.clone()));
                    keys.extend(self.propagator(key, &grant.share));
                }
            }
        }
        let version =
            |key: &ObjectRef| resource_version::number(self.objects.metadata(key)?.resource_version.as_deref());
        let newest = keys.iter().filter_map(version).max().unwrap_or(0);
        let reached = |key: &ObjectRef| {
            let collection = self.namespaces.collection_of(key);
            self.bookmarked.contains(&collection)
                && self.seen_versions.get(&collection).is_some_and(|version| *version >= newest)
        };
        let answered = |key: &ObjectRef| {
            let answer = self.rounds.get(key).and_then(|round| round.answered);
            answer.is_some() && answer == version(key) && answer == Some(newest)
        };
        keys.into_iter()
            // An object whose version cannot be compared is read live.
            .filter(|key| version(key).is_none() || (!reached(key) && !answered(key)))
            .filter_map(|key| {
                let meta = self.objects.metadata(&key)?;
                Some(Check::unchanged(key, meta))
            })
            .collect()
    }

    /// The Guest Admin who passes a share on to a membership. The grant depends on them too.
    fn propagator(&self, key: &ObjectRef, share: &str) -> Option<ObjectRef> {
        let terms = &self.objects.share(&key.namespace, share)?.read()?.reading.terms;
        let entry = terms.guest_users.values().find(|entry| *entry.name == *key.name)?;
        Some(ObjectRef::new(Kind::Membership, key.namespace.clone(), entry.propagated_by.clone()))
    }
}
