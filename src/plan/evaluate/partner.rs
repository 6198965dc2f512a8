//! A partner as its memberships and shares see it: who runs it, and whether it gives anything.

use jiff::Timestamp;

use super::super::Inputs;
use super::super::ownership::{is_paused, uid};
use crate::cache::{CacheEntry, Partner};
use crate::directory::PartnerRecord;
use crate::domain::{Deletion, Domain, Email, Methods, Reason};
use crate::validation::{DomainRule, Taint, Violation, messages};

/// Whether a partner is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not declared (yet, or any more).
    Absent,
    /// It does not read: nothing new is given and nothing taken away.
    Unreadable,
    /// It is there.
    There,
    /// It is being deleted.
    Leaving {
        /// With all that is its.
        cascade: bool,
        /// Since when.
        since: Timestamp,
    },
}

/// A partner as its memberships and shares see it.
#[derive(Clone, Debug)]
pub struct EvaluatedPartner<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub presence: Presence,
    /// As declared, where it reads.
    pub entry: Option<&'a Partner>,
    /// All broken rules.
    pub violations: Vec<Violation>,
    /// The Host Admins that the namespace may speak for, whether they are found or not.
    pub allowed_admins: Vec<&'a Email>,
    /// Their domains.
    pub admin_domains: Vec<Domain>,
    /// Those of them who exist and are no guests, sorted.
    pub host_admins: Vec<Email>,
    /// What it waits for.
    pub wait: Option<Reason>,
    /// Those whom it waits for.
    pub missing_admins: Vec<&'a Email>,
    /// Why it gives nothing.
    pub blocked: Option<Reason>,
    /// Its record in the directory.
    pub record: Option<&'a PartnerRecord>,
    /// By annotation.
    pub paused: bool,
    /// By spec.
    pub suspended: bool,
    /// Its end.
    pub expires_at: Option<Timestamp>,
    /// Its end has passed.
    pub expired: bool,
}

impl<'a> EvaluatedPartner<'a> {
    /// Looks at a partner.
    pub fn of(world: Inputs<'a>, namespace: &'a str, name: &str) -> Self {
        let slot = world.declared.partner(namespace, name);
        let mut view = Self {
            namespace,
            name: name.to_owned(),
            presence: Presence::Absent,
            entry: slot.and_then(CacheEntry::read),
            violations: Vec::new(),
            allowed_admins: Vec::new(),
            admin_domains: Vec::new(),
            host_admins: Vec::new(),
            missing_admins: Vec::new(),
            wait: None,
            blocked: Some(Reason::PartnerNotFound),
            record: record(world, namespace, name),
            paused: slot.is_some_and(|slot| is_paused(slot.metadata())),
            suspended: false,
            expires_at: None,
            expired: false,
        };
        let Some(entry) = view.entry else {
            if slot.is_some() {
                view.presence = Presence::Unreadable;
                view.blocked = Some(Reason::Unreadable);
            }
            return view;
        };
        let terms = &entry.reading.terms;
        let meta = &entry.metadata;
        view.presence = match &meta.deletion_timestamp {
            Some(since) => Presence::Leaving { cascade: terms.deletion == Deletion::Cascade, since: since.0 },
            None => Presence::There,
        };
        view.suspended = terms.suspended;
        view.expires_at = terms.expires_at;
        view.expired = terms.expires_at.is_some_and(|end| end <= world.now);
        view.judge_admins(world, entry);
        view.violations.extend(entry.reading.violations.iter().cloned());
        view.violations.sort();
        view.blocked = view.what_blocks();
        view
    }

    /// Whether it is suspended or at its end.
    pub fn is_shut(&self) -> bool {
        self.suspended || self.expired
    }

    /// Whether its record says still that it is suspended, and that is about to be lifted: nobody is given anything before.
    pub fn is_being_lifted(&self) -> bool {
        self.record.is_some_and(|record| record.suspended) && !self.is_shut() && self.blocked.is_none()
    }

    /// Whether it is being deleted with all that is its.
    pub fn cascades(&self) -> Option<Timestamp> {
        match self.presence {
            Presence::Leaving { cascade: true, since } => Some(since),
            Presence::Leaving { cascade: false, .. } | Presence::Absent | Presence::Unreadable | Presence::There => {
                None
            }
        }
    }

    /// Whether it is being deleted, either way.
    pub fn is_leaving(&self) -> bool {
        matches!(self.presence, Presence::Leaving { .. })
    }

    /// The methods that it allows, to hold others to. `None`: they do not read, which is its own fault, and it gives nothing
    /// meanwhile.
    pub fn methods(&self) -> Option<&'a Methods> {
        self.entry.filter(|entry| reads(entry, "spec.mfa.methods")).map(|entry| &entry.reading.terms.methods)
    }

    /// Which domains guests may come from, likewise.
    pub fn domains(&self) -> Option<&'a DomainRule> {
        let lists = ["spec.guests.allowedDomains", "spec.guests.deniedDomains"];
        self.entry.filter(|entry| lists.iter().all(|list| reads(entry, list))).map(|entry| &entry.reading.terms.domains)
    }

    /// Whether an address is one of the Host Admins that count.
    pub fn has_admin(&self, email: &Email) -> bool {
        self.host_admins.binary_search(email).is_ok()
    }

    fn judge_admins(&mut self, world: Inputs<'a>, entry: &'a Partner) {
        for admin in &entry.reading.terms.host_admins {
            let path = format!("spec.hostAdmins[{}]", admin.index);
            if world.scope.policy && !world.workspace.speaks_for(self.namespace, &admin.email) {
                self.violations.push(messages::host_admin_not_allowed_here(
                    Taint::Entry,
                    &path,
                    &admin.email,
                    self.namespace,
                ));
                continue;
            }
            self.allowed_admins.push(&admin.email);
            self.admin_domains.push(admin.email.domain());
            if world.observed.guest(&admin.email).is_some_and(crate::directory::GuestRecord::has_membership) {
                self.violations.push(messages::host_admin_is_guest(&path, &admin.email));
                continue;
            }
            let found = world.observed.user(&admin.email).is_some_and(|user| user.enabled && user.verified);
            if found || !world.scope.directory {
                self.host_admins.push(admin.email.clone());
            } else {
                self.missing_admins.push(&admin.email);
            }
        }
        self.host_admins.sort();
        if !self.missing_admins.is_empty() {
            self.wait = Some(Reason::HostAdminNotFound);
        }
    }

    fn what_blocks(&self) -> Option<Reason> {
        let tainted = self.violations.iter().find(|violation| violation.taint == Taint::Object);
        match tainted {
            Some(violation) => Some(violation.reason),
            // Everybody who is listed is absent: the partner gives nothing.
            None if self.host_admins.is_empty() => {
                Some(self.wait.or(self.violations.first().map(|v| v.reason)).unwrap_or(Reason::HostAdminRequired))
            }
            None => None,
        }
    }
}

/// Whether no rule that the partner breaks on its own lies in a field.
fn reads(entry: &Partner, field: &str) -> bool {
    !entry.reading.violations.iter().any(|violation| violation.path.starts_with(field))
}

/// A partner's record: the one that bears its UID, or a live one of its name whose object is gone. That passes to an object
/// on its way out, too: whoever deletes what was restored from a backup means what it stands for.
fn record<'a>(world: Inputs<'a>, namespace: &str, name: &str) -> Option<&'a PartnerRecord> {
    let own = world.declared.partner(namespace, name).map(|slot| uid(slot.metadata()));
    let mut passes = None;
    for record in world.observed.partners_named(namespace, name) {
        if Some(record.mark.uid.as_str()) == own {
            return Some(record);
        }
        if record.deactivated_at.is_none() && !world.declared.has_partner_uid(&record.mark.uid) {
            passes = Some(record);
        }
    }
    passes
}
