//! An evaluated partner, for its memberships and shares: its Host Admins, and whether it allows any grant.

use jiff::Timestamp;

use super::super::Inputs;
use super::super::ownership::{is_paused, uid};
use crate::cache::{CacheEntry, Partner};
use crate::directory::{PartnerId, PartnerRecord};
use crate::domain::{Deletion, Domain, Email, Methods, Reason};
use crate::validation::{DomainRule, Taint, Violation, messages};

/// Whether a partner is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not declared.
    Absent,
    /// It is unreadable: nothing is granted and nothing is revoked.
    Unreadable,
    /// It is declared, and not being deleted.
    There,
    /// It is being deleted.
    Leaving {
        /// Whether the deletion includes its memberships and shares.
        cascade: bool,
        /// The deletion timestamp.
        since: Timestamp,
    },
}

/// An evaluated partner.
#[derive(Clone, Debug)]
pub struct EvaluatedPartner<'a> {
    /// The namespace of the object.
    pub namespace: &'a str,
    /// The name of the object.
    pub name: String,
    /// Whether it is declared.
    pub presence: Presence,
    /// The declared partner, if it is readable.
    pub entry: Option<&'a Partner>,
    /// All broken rules.
    pub violations: Vec<Violation>,
    /// The Host Admins that the workspace policy lets the namespace name, found or not.
    pub allowed_admins: Vec<&'a Email>,
    /// The domains of `allowed_admins`.
    pub admin_domains: Vec<Domain>,
    /// The `allowed_admins` that are enabled, verified workspace users and no guests, sorted.
    pub host_admins: Vec<Email>,
    /// The fact that it waits for.
    pub wait: Option<Reason>,
    /// The Host Admins that it waits for.
    pub missing_admins: Vec<&'a Email>,
    /// The reason that it allows no grants.
    pub blocked: Option<Reason>,
    /// Its record in the directory.
    pub record: Option<&'a PartnerRecord>,
    /// Paused by annotation.
    pub paused: bool,
    /// Suspended by spec.
    pub suspended: bool,
    /// The end by spec.
    pub expires_at: Option<Timestamp>,
    /// The end has passed.
    pub expired: bool,
}

impl<'a> EvaluatedPartner<'a> {
    /// Evaluates a partner.
    pub fn of(inputs: Inputs<'a>, namespace: &'a str, name: &str) -> Self {
        let slot = inputs.declared.partner(namespace, name);
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
            record: record(inputs, namespace, name),
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
        view.expired = terms.expires_at.is_some_and(|end| end <= inputs.now);
        view.evaluate_admins(inputs, entry);
        view.violations.extend(entry.reading.violations.iter().cloned());
        view.violations.sort();
        view.blocked = view.blocking_reason();
        view
    }

    /// Whether it is suspended or expired.
    pub fn is_shut(&self) -> bool {
        self.suspended || self.expired
    }

    /// Whether its record still has a suspension that the next operation lifts. Until then, nothing is granted.
    pub fn is_suspension_ending(&self) -> bool {
        self.record.is_some_and(|record| record.suspended) && !self.is_shut() && self.blocked.is_none()
    }

    /// The deletion timestamp of a cascading deletion.
    pub fn cascade_since(&self) -> Option<Timestamp> {
        match self.presence {
            Presence::Leaving { cascade: true, since } => Some(since),
            Presence::Leaving { cascade: false, .. } | Presence::Absent | Presence::Unreadable | Presence::There => {
                None
            }
        }
    }

    /// The MFA methods that it allows. `None`: they are invalid, which is the partner's own violation, and it allows no
    /// grants.
    pub fn methods(&self) -> Option<&'a Methods> {
        self.entry.filter(|entry| reads(entry, "spec.mfa.methods")).map(|entry| &entry.reading.terms.methods)
    }

    /// The domains that guests may come from. `None`: they are invalid, as with [`Self::methods`].
    pub fn domains(&self) -> Option<&'a DomainRule> {
        let lists = ["spec.guests.allowedDomains", "spec.guests.deniedDomains"];
        self.entry.filter(|entry| lists.iter().all(|list| reads(entry, list))).map(|entry| &entry.reading.terms.domains)
    }

    /// Whether an address is one of `host_admins`.
    pub fn has_admin(&self, email: &Email) -> bool {
        self.host_admins.binary_search(email).is_ok()
    }

    /// Whether its record has an unreadable ownership mark. guestlist then leaves the record as it is.
    pub fn has_unreadable_mark(&self) -> bool {
        self.record.is_some_and(|record| !record.is_readable())
    }

    fn evaluate_admins(&mut self, inputs: Inputs<'a>, entry: &'a Partner) {
        for admin in &entry.reading.terms.host_admins {
            let path = format!("spec.hostAdmins[{}]", admin.index);
            if inputs.scope.policy && !inputs.workspace.allows_admin(self.namespace, &admin.email) {
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
            if inputs.observed.guest(&admin.email).is_some_and(crate::directory::GuestRecord::is_live) {
                self.violations.push(messages::host_admin_is_guest(&path, &admin.email));
                continue;
            }
            let found = inputs.observed.user(&admin.email).is_some_and(|user| user.enabled && user.verified);
            if found || !inputs.scope.directory {
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

    fn blocking_reason(&self) -> Option<Reason> {
        let tainted = self.violations.iter().find(|violation| violation.taint == Taint::Object);
        match tainted {
            Some(violation) => Some(violation.reason),
            None if self.has_unreadable_mark() => Some(Reason::OwnershipMarkUnreadable),
            // None of the listed Host Admins is found, so the partner allows no grants.
            None if self.host_admins.is_empty() => {
                Some(self.wait.or(self.violations.first().map(|v| v.reason)).unwrap_or(Reason::HostAdminRequired))
            }
            None => None,
        }
    }
}

/// Whether the partner's own violations leave a field readable.
fn reads(entry: &Partner, field: &str) -> bool {
    !entry.reading.violations.iter().any(|violation| violation.path.starts_with(field))
}

/// A partner's record: the one with its UID, or a live one of its name whose object no longer exists. It also passes to
/// an object that is being deleted. The deletion of an object restored from a backup therefore includes its record. If a
/// record of the name is unreadable, the partner gets no other object's record.
fn record<'a>(inputs: Inputs<'a>, namespace: &str, name: &str) -> Option<&'a PartnerRecord> {
    let own = inputs.declared.partner(namespace, name).map(|slot| uid(slot.metadata()));
    let (mut passes, mut unreadable) = (None, None);
    for record in inputs.observed.partners_named(namespace, name) {
        if !record.is_readable() {
            unreadable = Some(record);
        } else if Some(record.mark.uid.as_str()) == own {
            return Some(record);
        } else if record.deactivated_at.is_none() && !inputs.declared.has_partner_uid(&record.mark.uid) {
            passes = Some(record);
        }
    }
    // An unreadable record may have no name.
    let nameless = || inputs.observed.partner(&PartnerId::of(own?)).filter(|record| !record.is_readable());
    unreadable.or_else(nameless).or(passes)
}
