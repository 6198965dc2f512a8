//! `DirectoryBehind`: no invitation is sent while the directory lacks records of guests that the statuses name.
//!
//! The comparison runs once per term, before the first plan. A record that disappears later is drift, and is corrected.

use std::collections::BTreeSet;

use crate::cache::{CacheEntry, Kind};
use crate::engine::{Engine, Priority};
use crate::plan::{PruneScope, missing_guests};

const SUBJECT: &str = "DirectoryBehind";
/// Maximum number of memberships that the log names.
const NAMED: usize = 10;

impl Engine {
    /// Compares the statuses with the directory, as soon as both are known in full. Only a cluster's statuses count,
    /// because the author of a file can write any status.
    pub(super) fn compare_statuses(&mut self) {
        let known = self.health.directory && self.is_listed();
        if self.compared || !known || self.prune_scope != PruneScope::Everything {
            return;
        }
        self.compared = true;
        let missing: Vec<_> = missing_guests::missing(&self.objects, &self.directory).collect();
        if missing.is_empty() {
            return;
        }
        let count = missing.len();
        let names: Vec<_> = missing.iter().take(NAMED).map(|entry| missing_guests::named(entry)).collect();
        let names = names.join(", ");
        let more = count.saturating_sub(NAMED);
        tracing::error!(
            count,
            more,
            "DirectoryBehind: the directory has no record of {names}; no invitation goes out. {WAY_ON}"
        );
        let uids = missing_guests::uids(missing.into_iter());
        self.directory.set_missing(uids);
        self.report_missing();
    }

    /// Checks memberships without a record again: the one with this UID, or all.
    pub(super) fn compare_again(&mut self, changed: Option<&str>) {
        let missing = self.directory.missing();
        let resolved: BTreeSet<String> = match changed {
            Some(uid) => missing.get(uid).into_iter().filter(|uid| !self.is_still_missing(uid)).cloned().collect(),
            None => missing.iter().filter(|uid| !self.is_still_missing(uid)).cloned().collect(),
        };
        if resolved.is_empty() {
            return;
        }
        self.directory.set_missing(missing.difference(&resolved).cloned().collect());
        for slot in resolved.iter().filter_map(|uid| self.objects.membership_by_uid(uid)) {
            self.queue.push(slot.key(Kind::Membership), Priority::Live);
        }
        self.report_missing();
        if self.directory.missing().is_empty() {
            tracing::info!(
                "DirectoryBehind is over: the directory has a record of every guest that a status names, and invitations go out again"
            );
            self.touch_all(Priority::Resync);
        }
    }

    fn is_still_missing(&self, uid: &str) -> bool {
        match self.objects.membership_by_uid(uid) {
            None => false,
            // The membership was readable when its record was found missing.
            Some(CacheEntry::Unreadable { .. }) => true,
            Some(CacheEntry::Read(entry)) => missing_guests::is_missing(entry, &self.directory),
        }
    }

    fn report_missing(&mut self) {
        let missing = self.directory.missing().len();
        self.health.missing_guests = missing;
        if missing == 0 {
            self.health.problems.remove(SUBJECT);
            return;
        }
        let all = self.objects.keys(Kind::Membership).count();
        let problem = format!(
            "the directory has no record of {missing} of {all} memberships, although their status says that the guest was invited; \
             no invitation goes out. {WAY_ON}"
        );
        self.health.problems.insert(SUBJECT, problem);
    }
}

const WAY_ON: &str = "Stop the operator and restore a newer copy of the directory; or delete these memberships; or have their \
                      guests invited again with guestlist detach --missing";
