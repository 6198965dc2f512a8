//! Warnings that the operator logs once: about wildcards of the policy, and about annotations without effect.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cache::{Kind, ObjectRef};
use crate::engine::Engine;
use crate::plan::annotations::all_ineffective;

/// The warnings that were logged and still apply.
#[derive(Default)]
pub(super) struct Logged {
    wide_patterns: BTreeSet<String>,
    pub annotations: BTreeMap<ObjectRef, Vec<String>>,
}

impl Engine {
    /// Warns of wildcards that cover longer names, once each.
    pub(super) fn report_wide_patterns(&mut self) {
        let keys = Kind::ALL.into_iter().flat_map(|kind| self.objects.keys(kind));
        let namespaces: BTreeSet<String> = keys.map(|key| key.namespace.to_string()).collect();
        let wide: BTreeSet<String> =
            self.workspace.wide_patterns(namespaces.iter().map(String::as_str)).into_iter().collect();
        for warning in wide.difference(&self.logged.wide_patterns) {
            tracing::warn!("the workspace policy: {warning}");
        }
        self.logged.wide_patterns = wide;
    }

    /// Warns of annotations of an object without effect, once for each text.
    pub(super) fn report_annotations(&mut self, key: &ObjectRef, now: Timestamp) {
        let Some(meta) = self.objects.metadata(key) else { return };
        let found = all_ineffective(key.kind, meta.annotations.iter(), now);
        let logged = self.logged.annotations.remove(key).unwrap_or_default();
        for message in found.iter().filter(|message| !logged.contains(message)) {
            tracing::warn!(%key, "{message}");
        }
        if !found.is_empty() {
            self.logged.annotations.insert(key.clone(), found);
        }
    }
}
