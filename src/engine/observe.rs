//! Observed facts of the directory: a full read, changes by other parties, and the results of our own operations.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cache::{Dependents, Kind, ObjectRef};
use crate::directory::error::Retry;
use crate::directory::{
    AccountRecord, Applied, Error, GuestRecord, Login, MAILS_KEPT, MfaRecord, Origin, PURGES_KEPT, PartnerRecord,
    SignInGate, Snapshot,
};
use crate::domain::Email;
use crate::engine::queue::Priority;
use crate::engine::{Engine, Observed};

impl Engine {
    /// Records that the directory is unavailable.
    pub(super) fn directory_down(&mut self, fault: &Error, now: Timestamp) {
        if fault.retry() == Retry::Stop {
            self.fatal = Some(fault.to_string());
            return;
        }
        let first = !self.health.problems.contains_key("DirectoryUnavailable");
        self.health.directory = false;
        self.not_read_yet(now);
        self.health.problems.insert("DirectoryUnavailable", fault.to_string());
        if first {
            tracing::error!(%fault, "DirectoryUnavailable: what was true is kept until it answers");
            self.queue_all_when_complete();
        }
    }

    pub(super) fn load(&mut self, snapshot: Snapshot, now: Timestamp) {
        self.stop_at_foreign_mark(
            snapshot
                .guests
                .iter()
                .filter_map(|guest| guest.mark.as_ref())
                .chain(snapshot.partners.iter().filter(|partner| partner.is_readable()).map(|partner| &partner.mark)),
        );
        let first = !self.health.directory;
        let mut changes = Vec::new();
        let listed: BTreeSet<Email> = snapshot.guests.iter().map(|guest| guest.address.clone()).collect();
        let gone: Vec<Email> = self
            .directory
            .guests()
            .map(|guest| guest.address.clone())
            .filter(|address| !listed.contains(address))
            .collect();
        changes.extend(gone.into_iter().map(|address| Observed::Guest(address, None)));
        changes.extend(snapshot.guests.into_iter().map(|g| Observed::Guest(g.address.clone(), Some(Box::new(g)))));
        let partners: BTreeSet<_> = snapshot.partners.iter().map(|partner| partner.id.clone()).collect();
        let gone = self.directory.partners().map(|partner| partner.id.clone()).filter(|id| !partners.contains(id));
        changes.extend(gone.collect::<Vec<_>>().into_iter().map(|id| Observed::Partner(id, None)));
        changes.extend(snapshot.partners.into_iter().map(|p| Observed::Partner(p.id.clone(), Some(Box::new(p)))));
        let accounts: BTreeSet<_> = snapshot.accounts.iter().map(|account| account.name.clone()).collect();
        let gone =
            self.directory.accounts().map(|account| account.name.clone()).filter(|name| !accounts.contains(name));
        changes.extend(gone.collect::<Vec<_>>().into_iter().map(|name| Observed::Account(name, None)));
        changes.extend(snapshot.accounts.into_iter().map(|a| Observed::Account(a.name.clone(), Some(a))));
        let users: BTreeSet<Email> = snapshot.users.iter().map(|user| user.email.clone()).collect();
        let left: Vec<Email> =
            self.directory.users().map(|user| user.email.clone()).filter(|email| !users.contains(email)).collect();
        changes.extend(left.into_iter().map(|email| Observed::User(email, None)));
        changes.extend(snapshot.users.into_iter().map(|user| Observed::User(user.email.clone(), Some(user))));
        for change in changes {
            // Records that we wrote during the full read are newer than its result.
            let stale = match &change {
                Observed::Guest(address, _) => self.written_since_loading.0.contains(address),
                Observed::Partner(id, _) => self.written_since_loading.1.contains(id),
                Observed::Account(..) | Observed::User(..) | Observed::Purged(_) => false,
            };
            if !stale {
                // While a task runs, a difference may be its result, which has not arrived yet.
                if self.queue.running() == 0 {
                    self.note_drift(&change);
                }
                let touched = self.observe(change, true, now);
                if !first {
                    self.touch(touched, Priority::Live, now);
                }
            }
        }
        for mail in snapshot.mails {
            self.directory.set_mail(&mail);
        }
        self.directory.set_shares(snapshot.shares);
        self.directory.set_purged(&snapshot.purged);
        let ago = |age| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        self.directory.forget_before(ago(MAILS_KEPT), ago(PURGES_KEPT));
        self.note_sign_in(snapshot.sign_in);
        self.health.directory = true;
        self.directory_read_at = Some(now);
        self.is_read();
        if self.health.problems.remove("DirectoryUnavailable").is_some() {
            tracing::info!("the directory answers again");
        }
        for address in std::mem::take(&mut self.rechecked) {
            // The guest may have enrolled the missing method, which the listing does not show.
            let touched = self.objects.dependents_of_guest(&address);
            self.touch(touched, Priority::Resync, now);
        }
        if first && self.is_complete() {
            self.touch_all(Priority::Resync);
        }
    }

    /// Logs each change in whether sign-in enforces MFA.
    fn note_sign_in(&mut self, now: SignInGate) {
        if self.health.sign_in == now {
            return;
        }
        match &now {
            SignInGate::Enforced => tracing::info!("sign-in to the directory enforces MFA again"),
            SignInGate::Open(_) | SignInGate::Unknown(_) => {
                now.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
            }
        }
        self.health.sign_in = now;
    }

    /// Records memberships whose record another party changed in fields that only guestlist writes. An Event reports
    /// the correction.
    pub(super) fn note_drift(&mut self, change: &Observed) {
        let mark = match change {
            Observed::Guest(address, new) => {
                let old = self.directory.guest(address).filter(|old| drifted(old, new.as_deref()));
                old.and_then(|old| old.mark.as_ref())
            }
            Observed::Partner(id, new) => {
                let old = self.directory.partner(id).filter(|old| old.is_live());
                old.filter(|old| new.as_deref() != Some(*old)).map(|old| &old.mark)
            }
            Observed::Account(..) | Observed::User(..) | Observed::Purged(..) => None,
        };
        let uid = mark.map(|mark| mark.uid.clone());
        self.drifted.extend(uid);
    }

    /// Stores a present record, and returns the affected objects. `outside`: another party changed it.
    pub(super) fn observe(&mut self, change: Observed, outside: bool, now: Timestamp) -> Dependents {
        match change {
            Observed::Guest(address, record) => {
                let old = self.directory.guest(&address);
                let newer = |old: &GuestRecord| {
                    record.as_ref().is_some_and(|new| new.id == old.id && new.revision < old.revision)
                };
                if old == record.as_deref() || old.is_some_and(newer) {
                    return Dependents::default();
                }
                let old = old.cloned();
                let freed = old.as_ref().is_some_and(GuestRecord::is_live)
                    && !record.as_deref().is_some_and(GuestRecord::is_live);
                let unknown = record.as_ref().is_some_and(|guest| guest.mfa == MfaRecord::Unknown);
                let of = |guest: &GuestRecord| {
                    Some(ObjectRef::new(
                        Kind::Partner,
                        guest.mark.as_ref()?.namespace.as_str(),
                        guest.partner_name.as_str(),
                    ))
                };
                let partner = record.as_deref().or(old.as_ref()).and_then(of);
                self.directory.set_guest(&address, record.map(|record| *record));
                self.directory.set_mfa_unknown_since(&address, unknown.then_some(now));
                let mut touched = self.objects.dependents_of_guest(&address);
                // The guest's partner counts them, and a suspended partner waits for their grants, even without a
                // membership.
                touched.counts.extend(partner.filter(|partner| self.objects.metadata(partner).is_some()));
                // The first full read queues all objects anyway.
                let facts = self.directory.guest(&address).map(membership_facts);
                if self.health.directory && old.as_ref().map(membership_facts) != facts {
                    touched.merge(self.objects.dependents_of_propagators_at(&address));
                }
                let departed = old.as_ref().filter(|old| !old.is_live());
                if let Some(mark) = departed.and_then(|old| old.mark.as_ref()) {
                    touched.merge(self.objects.dependents_of_propagator(&mark.namespace, &mark.name));
                }
                if let Some((mark, name)) =
                    old.filter(|_| freed).and_then(|old| old.mark.map(|mark| (mark, old.partner_name)))
                {
                    touched.merge(self.objects.dependents_of_place(&mark.namespace, &name));
                }
                touched
            }
            Observed::Partner(id, record) => {
                let old = self.directory.partner(&id).cloned();
                if old.as_ref() == record.as_deref() {
                    return Dependents::default();
                }
                let mark = record.as_deref().or(old.as_ref()).map(|record| record.mark.clone());
                // Memberships depend on the existence and suspension of the record, not on its name or Host Admins.
                let stands = |record: &PartnerRecord| (record.deactivated_at, record.suspended);
                let matters = outside || old.as_ref().map(stands) != record.as_deref().map(stands);
                self.directory.set_partner(&id, record.map(|record| *record));
                let matters = mark.filter(|_| matters);
                matters.map(|mark| self.objects.dependents_of_partner(&mark.namespace, &mark.name)).unwrap_or_default()
            }
            Observed::Account(name, record) => {
                if self.directory.account(&name) == record.as_ref() {
                    return Dependents::default();
                }
                let owners =
                    |record: Option<&AccountRecord>| record.map(|account| account.owners.clone()).unwrap_or_default();
                let mut concerned = owners(self.directory.account(&name));
                concerned.extend(owners(record.as_ref()));
                self.directory.set_account(&name, record);
                let mut touched = self.objects.dependents_of_account(&name);
                for owner in concerned {
                    touched.merge(self.objects.dependents_of_user(&owner));
                }
                touched
            }
            Observed::User(email, record) => {
                if self.directory.user(&email) == record.as_ref() {
                    return Dependents::default();
                }
                self.directory.set_user(&email, record);
                self.objects.dependents_of_user(&email)
            }
            Observed::Purged(purged) => {
                self.directory.set_purged(&purged);
                Dependents::default()
            }
        }
    }

    pub(super) fn apply_effect(&mut self, effect: Applied, now: Timestamp) -> Dependents {
        let mut touched = Dependents::default();
        self.directory.apply_memory(&effect);
        if let Some(gone) = effect.partner_gone {
            self.written_since_loading.1.insert(gone.clone());
            touched.merge(self.observe(Observed::Partner(gone, None), false, now));
        }
        if let Some(gone) = &effect.gone
            && let Some(address) = self.directory.guest_by_id(gone).map(|guest| guest.address.clone())
        {
            self.written_since_loading.0.insert(address.clone());
            touched.merge(self.observe(Observed::Guest(address, None), false, now));
        }
        if let Some(guest) = effect.guest {
            self.written_since_loading.0.insert(guest.address.clone());
            touched.merge(self.observe(Observed::Guest(guest.address.clone(), Some(Box::new(guest))), false, now));
        }
        if let Some(partner) = effect.partner {
            self.written_since_loading.1.insert(partner.id.clone());
            touched.merge(self.observe(Observed::Partner(partner.id.clone(), Some(Box::new(partner))), false, now));
        }
        touched
    }
}

/// The parts of a guest's record that the rules for memberships read.
fn membership_facts(record: &GuestRecord) -> (bool, Option<&str>, &str) {
    (record.is_live(), record.mark.as_ref().map(|mark| mark.uid.as_str()), &record.partner_name)
}

/// Whether another party changed fields that only guestlist writes: the grants, the role, or the login of a created
/// user.
fn drifted(old: &GuestRecord, new: Option<&GuestRecord>) -> bool {
    let made = old.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    // A login that an administrator disabled is their decision, and is not corrected.
    let switched = |new: &GuestRecord| made && old.login != new.login && new.login != Login::DisabledByOther;
    old.is_live() && new.is_none_or(|new| old.grants != new.grants || old.role != new.role || switched(new))
}
