//! The rules over all objects together: runs the evaluation of a reconcile with the facts that files contain, and finds
//! the place of each violation.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::finding::{Code, Finding, Location};
use super::names::is_subdomain;
use super::object::ManifestObject;
use crate::cache::{ALL_NAMESPACES, AnyCachedObject, CacheEntry, Kind, ObjectCache, ObjectRef, Share};
use crate::directory::{DirectoryCache, Owner};
use crate::domain::{Reason, quote, time};
use crate::plan::evaluate::evaluate;
use crate::plan::{AvailableFacts, Inputs, NO_INVITATIONS, PruneScope};
use crate::validation::Violation;
use crate::workspace_policy::WorkspacePolicy;
use crate::yaml::node::Node;

/// Less time is too short for a person to read a mail or set up MFA.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);

/// The name that stands for the cluster of objects from files.
const NO_CLUSTER: &str = "files";

/// Evaluates all objects. Without a policy, the rules of the policy are skipped.
pub fn all(
    objects: Vec<ManifestObject>,
    policy: Option<&WorkspacePolicy>,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let mut first: BTreeMap<ObjectRef, Location> = BTreeMap::new();
    let mut index = ObjectCache::default();
    let mut lists: BTreeMap<Kind, Vec<AnyCachedObject>> = BTreeMap::new();
    let mut judged = Vec::with_capacity(objects.len());
    for object in objects {
        let ManifestObject { key, source, root, broken, declared } = object;
        let here = Location::new(source, &root.locate("metadata.name"));
        // An object without a name is refused already, and cannot be a duplicate.
        let again = first.get(&key).filter(|_| !key.name.is_empty());
        if let Some(other) = again {
            let message =
                format!("{key} stands in these files a second time; one of the two would overwrite the other");
            let finding = Finding::error(Code::DuplicateObject, here, message).of(&key, "metadata.name");
            findings.push(Finding { other: Some(other.clone()), ..finding });
            // A duplicate is still checked by the rules of a single object.
            let mut alone = ObjectCache::default();
            alone.replace(&key.kind.into(), vec![declared.into()]);
            let place = LocatedObject { key, source, root, broken };
            place.report(own(&alone, &place.key), None, |_| None, findings);
            continue;
        }
        first.insert(key.clone(), here);
        lists.entry(key.kind).or_default().push(declared.into());
        judged.push(LocatedObject { key, source, root, broken });
    }
    for (kind, list) in lists {
        index.replace(&kind.into(), list);
    }
    let nobody = WorkspacePolicy::default();
    let workspace = policy.unwrap_or(&nobody);
    let owner = Owner { installation: workspace.installation().to_owned(), cluster: NO_CLUSTER.to_owned() };
    let world = Inputs {
        declared: &index,
        observed: &DirectoryCache::default(),
        workspace,
        owner: &owner,
        directory_available: true,
        unsent: false,
        invitations: &NO_INVITATIONS,
        scope: AvailableFacts { directory: false, policy: policy.is_some(), incumbents: true },
        prune_scope: PruneScope::Declared,
        namespaces: &ALL_NAMESPACES,
        now,
    };
    for object in &judged {
        if let Some(judgement) = evaluate(world, &object.key) {
            let other = |reason| first.get(&conflicting_object(&index, &object.key, reason)?).cloned();
            object.report(judgement.violations, judgement.wait, other, findings);
        }
        object.report_missing_memberships(&index, findings);
        object.report_past_end(&index, now, findings);
        object.report_short_durations(&index, findings);
    }
}

/// The rules that one object decides.
fn own(index: &ObjectCache, key: &ObjectRef) -> Vec<Violation> {
    let violations = match key.kind {
        Kind::Partner => {
            index.partner(&key.namespace, &key.name).and_then(CacheEntry::read).map(|it| it.reading.violations.clone())
        }
        Kind::Membership => index
            .membership(&key.namespace, &key.name)
            .and_then(CacheEntry::read)
            .map(|it| it.reading.violations.clone()),
        Kind::Share => {
            index.share(&key.namespace, &key.name).and_then(CacheEntry::read).map(|it| it.reading.violations.clone())
        }
    };
    violations.unwrap_or_default()
}

/// The object that already has the address or account that `key` claims. Files of one author may name both.
fn conflicting_object(index: &ObjectCache, key: &ObjectRef, reason: Reason) -> Option<ObjectRef> {
    let (namespace, name) = (&*key.namespace, &*key.name);
    let (meta, kind) = if reason == Reason::AlreadyGuest {
        let mine = index.membership(namespace, name)?.read()?;
        let mut rivals = index.memberships_for(mine.reading.terms.email.as_ref()?);
        (&rivals.find(|other| !std::ptr::eq(*other, mine))?.metadata, Kind::Membership)
    } else if reason == Reason::DuplicateShare {
        let mine = index.share(namespace, name)?.read()?;
        let ours = |other: &&Share| {
            let place = (other.metadata.namespace.as_deref(), &other.reading.terms.partner);
            !std::ptr::eq(*other, mine) && place == (Some(namespace), &mine.reading.terms.partner)
        };
        (&index.shares_of_account(&mine.reading.terms.account).find(ours)?.metadata, Kind::Share)
    } else {
        return None;
    };
    Some(ObjectRef::new(kind, meta.namespace.as_deref()?, meta.name.as_deref()?))
}

/// An object and the places of its fields.
struct LocatedObject {
    key: ObjectRef,
    source: usize,
    root: crate::yaml::node::Node,
    broken: BTreeSet<String>,
}

impl LocatedObject {
    fn report(
        &self,
        violations: Vec<Violation>,
        wait: Option<Reason>,
        other: impl Fn(Reason) -> Option<Location>,
        findings: &mut Vec<Finding>,
    ) {
        for violation in violations {
            if !self.is_broken(&violation.path) {
                let at = self.place(&violation.path);
                let finding = Finding::error(Code::Rule(violation.reason), at, violation.message);
                let finding = Finding { other: other(violation.reason), ..finding };
                findings.push(finding.of(&self.key, violation.path));
            }
        }
        if let Some(reason) = wait
            && let Some((path, message)) = waiting_field(reason)
        {
            let named = path
                .split('.')
                .try_fold(&self.root, |node, name| node.get(name))
                .and_then(Node::text)
                .filter(|_| reason == Reason::PartnerNotFound);
            let impossible = named.and_then(impossible);
            self.warn(reason, path, impossible.unwrap_or_else(|| message.to_owned()), findings);
        }
    }

    fn warn(&self, reason: Reason, path: &str, message: String, findings: &mut Vec<Finding>) {
        if !self.is_broken(path) {
            let finding = Finding::warning(Code::Rule(reason), self.place(path), message);
            findings.push(finding.of(&self.key, path));
        }
    }

    fn place(&self, path: &str) -> Location {
        Location::new(self.source, &self.root.locate(path))
    }

    /// Whether the field, a field around it or a field in it has a stand-in value.
    fn is_broken(&self, path: &str) -> bool {
        let around = path.match_indices(['.', '[']).map(|(at, _)| path.get(..at).unwrap_or_default());
        let within = |mark: char| {
            let inner = format!("{path}{mark}");
            self.broken.range(inner.clone()..).next().is_some_and(|broken| broken.starts_with(&inner))
        };
        self.broken.contains(path)
            || around.into_iter().any(|outer| self.broken.contains(outer))
            || within('.')
            || within('[')
    }

    /// Reports an end in the past: with a wrong year, nobody would be invited, without any message.
    fn report_past_end(&self, index: &ObjectCache, now: Timestamp, findings: &mut Vec<Finding>) {
        let (namespace, name) = (&self.key.namespace, &self.key.name);
        let end = match self.key.kind {
            Kind::Partner => {
                index.partner(namespace, name).and_then(CacheEntry::read).and_then(|it| it.reading.terms.expires_at)
            }
            Kind::Membership => {
                index.membership(namespace, name).and_then(CacheEntry::read).and_then(|it| it.reading.terms.expires_at)
            }
            Kind::Share => {
                index.share(namespace, name).and_then(CacheEntry::read).and_then(|it| it.reading.terms.expires_at)
            }
        };
        if end.is_some_and(|end| end <= now) {
            let message = "this instant has passed: nothing is granted, and no new guest is invited".to_owned();
            self.warn(Reason::Expired, "spec.expiresAt", message, findings);
        }
    }

    /// Reports durations that are too short to act in. The API server accepts them, and with a wrong unit no guest
    /// could join.
    fn report_short_durations(&self, index: &ObjectCache, findings: &mut Vec<Finding>) {
        if self.key.kind != Kind::Partner {
            return;
        }
        let Some(partner) = index.partner(&self.key.namespace, &self.key.name).and_then(CacheEntry::read) else {
            return;
        };
        let terms = &partner.reading.terms;
        for (path, duration, effect) in [
            (
                "spec.invitations.expireAfter",
                Some(terms.invitation_lifetime),
                "nobody can accept an invitation in time",
            ),
            ("spec.mfa.enrolWithin", Some(terms.enrol_within), "guests are Suspended until they turn MFA on"),
            ("spec.guests.maxDuration", terms.max_duration, "memberships end before the guest can join"),
        ] {
            let Some(short) = duration.filter(|duration| *duration < SHORTEST) else { continue };
            if !self.is_broken(path) {
                let short = time::show_duration(short);
                let message = format!("{short} is shorter than a minute, so {effect}; write a longer duration, as 72h");
                let finding = Finding::warning(Code::ShortDuration, self.place(path), message);
                findings.push(finding.of(&self.key, path));
            }
        }
    }

    /// Reports the entries of a share that name memberships missing from these files, if the files contain the share's
    /// partner.
    fn report_missing_memberships(&self, index: &ObjectCache, findings: &mut Vec<Finding>) {
        if self.key.kind != Kind::Share {
            return;
        }
        let Some(share) = index.share(&self.key.namespace, &self.key.name).and_then(CacheEntry::read) else { return };
        let terms = &share.reading.terms;
        if index.partner(&self.key.namespace, &terms.partner).is_none() {
            return;
        }
        let mut named = Vec::new();
        for item in terms.guest_users.values() {
            named.push((format!("spec.guestUsers[{}].name", item.index), &item.name));
            named.push((format!("spec.guestUsers[{}].propagatedBy", item.index), &item.propagated_by));
        }
        for item in terms.role_overrides.values() {
            named.push((format!("spec.roleOverrides[{}].name", item.index), &item.name));
        }
        for item in terms.exclude.values() {
            named.push((format!("spec.exclude[{}].name", item.index), &item.name));
        }
        for (path, name) in named {
            if index.membership(&self.key.namespace, name).is_none() {
                let until = if path.starts_with("spec.exclude") {
                    "the entry excludes no guest until there is"
                } else {
                    "the entry grants nothing until there is"
                };
                let absent = || format!("there is no membership {name} in these files; {until}");
                let message = impossible(name).unwrap_or_else(absent);
                self.warn(Reason::MembershipNotFound, &path, message, findings);
            }
        }
    }
}

/// The reason why no object can have this name.
fn impossible(name: &str) -> Option<String> {
    let form = "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";
    (!is_subdomain(name)).then(|| format!("no object can have the name {}: {form}; correct it", quote(name)))
}

/// The field that makes an object wait, and why. `None`: the partner causes the wait. The partner's own finding reports
/// it once, instead of once for each guest.
pub fn waiting_field(reason: Reason) -> Option<(&'static str, &'static str)> {
    if reason == Reason::PartnerNotFound {
        Some(("spec.partnerRef.name", "this partner is not in these files; the object waits until it is there"))
    } else if reason == Reason::InviterNotActive {
        Some(("spec.invitedBy", "the inviter is not declared; the invitation waits until they are"))
    } else if reason == Reason::HostDomainsUnknown {
        Some(("spec.email", "the workspace policy names no corporate domains; no guest is invited until it does"))
    } else if reason == Reason::Unreadable {
        Some(("spec.partnerRef.name", "this partner does not read; the object waits until it does"))
    } else {
        None
    }
}
