//! Declared and observed facts under suppositions: changes that can each be undone.

use jiff::Timestamp;

use super::super::{AvailableFacts, Inputs, NO_INVITATIONS, PruneScope, plan};
use crate::cache::{ALL_NAMESPACES, Object, ObjectCache, ObjectRef};
use crate::directory::apply::{AppliedRecord, ApplyContext, apply};
use crate::directory::{
    AccountRecord, DirectoryCache, GuestChange, GuestId, GuestRecord, Integrity, Login, MfaRecord, NewGuest, Operation,
    Owner, PartnerChange, PartnerId, PartnerRecord, UserRecord,
};
use crate::domain::{Email, MfaMethod};
use crate::util::small_map::SmallMap;
use crate::workspace_policy::WorkspacePolicy;

/// The inputs that no supposition changes.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The policy.
    pub workspace: &'a WorkspacePolicy,
    /// The installation and cluster.
    pub owner: &'a Owner,
    /// How far the declared objects are complete.
    pub prune_scope: PruneScope,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Frame<'a> {
    /// The inputs for these objects and records.
    pub fn inputs<'w>(self, declared: &'w ObjectCache, observed: &'w DirectoryCache) -> Inputs<'w>
    where
        'a: 'w,
    {
        let Self { workspace, owner, prune_scope, now } = self;
        Inputs {
            declared,
            observed,
            workspace,
            owner,
            directory_available: true,
            unsent: false,
            invitations: &NO_INVITATIONS,
            scope: AvailableFacts::ALL,
            prune_scope,
            namespaces: &ALL_NAMESPACES,
            now,
        }
    }
}

/// The value that a change replaced.
enum Undo {
    Guest(Email, Option<Box<GuestRecord>>),
    User(Email, Option<UserRecord>),
    Account(String, Option<AccountRecord>),
    Partner(PartnerId, Option<Box<PartnerRecord>>),
    Object(ObjectRef, String),
    Time(Timestamp),
}

/// The supposed facts.
pub struct Supposition<'a> {
    index: &'a mut ObjectCache,
    directory_cache: &'a mut DirectoryCache,
    frame: Frame<'a>,
    undo: Vec<Undo>,
}

impl<'a> Supposition<'a> {
    /// The facts without a supposition.
    pub fn new(index: &'a mut ObjectCache, directory_cache: &'a mut DirectoryCache, frame: Frame<'a>) -> Self {
        Self { index, directory_cache, frame, undo: Vec::new() }
    }

    /// The inputs to evaluate.
    pub fn inputs(&self) -> Inputs<'_> {
        self.frame.inputs(self.index, self.directory_cache)
    }

    /// The number of changes.
    pub fn changes(&self) -> usize {
        self.undo.len()
    }

    /// Undoes all changes except the first ones.
    pub fn undo_to(&mut self, changes: usize) {
        while self.undo.len() > changes {
            match self.undo.pop() {
                Some(Undo::Guest(address, record)) => {
                    self.directory_cache.set_guest(&address, record.map(|record| *record));
                }
                Some(Undo::User(email, record)) => self.directory_cache.set_user(&email, record),
                Some(Undo::Account(name, record)) => self.directory_cache.set_account(&name, record),
                Some(Undo::Partner(id, record)) => self.directory_cache.set_partner(&id, record.map(|record| *record)),
                Some(Undo::Object(key, uid)) => drop(self.index.delete(&key, &uid)),
                Some(Undo::Time(now)) => self.frame.now = now,
                None => return,
            }
        }
    }

    /// Supposes that time passes until an instant.
    pub fn pass(&mut self, until: Timestamp) {
        self.undo.push(Undo::Time(self.frame.now));
        self.frame.now = until.max(self.frame.now);
    }

    /// Supposes an enabled workspace user with a verified address.
    pub fn user(&mut self, email: &Email) {
        let old = self.directory_cache.user(email).cloned();
        let name = old.as_ref().map_or_else(|| email.to_string(), |user| user.name.clone());
        self.directory_cache
            .set_user(email, Some(UserRecord { email: email.clone(), name, enabled: true, verified: true }));
        self.undo.push(Undo::User(email.clone(), old));
    }

    /// Supposes an account with this Owner.
    pub fn account(&mut self, name: &str, owner: &Email) {
        let old = self.directory_cache.account(name).cloned();
        let mut owners = old.as_ref().map(|account| account.owners.clone()).unwrap_or_default();
        if !owners.contains(owner) {
            owners.push(owner.clone());
            owners.sort();
        }
        self.directory_cache.set_account(name, Some(AccountRecord { name: name.to_owned(), owners, deleted: false }));
        self.undo.push(Undo::Account(name.to_owned(), old));
    }

    /// Supposes a change of a guest's record.
    pub fn guest(&mut self, address: &Email, change: impl FnOnce(&mut GuestRecord, Timestamp)) {
        let Some(mut record) = self.directory_cache.guest(address).cloned() else { return };
        change(&mut record, self.frame.now);
        self.set_guest(record);
    }

    /// Supposes an enabled login of a guest, or of the workspace user to adopt.
    pub fn enable_login(&mut self, address: &Email) {
        if self.directory_cache.user(address).is_some_and(|user| !user.enabled) {
            self.user(address);
        }
        self.guest(address, |record, _| record.login = Login::Enabled);
    }

    /// Supposes that every MFA method is enrolled.
    pub fn enrol(&mut self, address: &Email) {
        self.guest(address, |record, now| {
            let methods = MfaMethod::ALL.iter().map(|method| (*method, now));
            record.mfa = MfaRecord::Known(methods.collect::<SmallMap<_, _>>());
        });
    }

    /// Supposes that an object is declared.
    pub fn declare(&mut self, object: Object) {
        let (key, uid) = (object.key(), object.metadata().uid.clone().unwrap_or_default());
        drop(self.index.apply(object));
        self.undo.push(Undo::Object(key, uid));
    }

    /// Applies a reconcile to the records of a membership and its partner, without grants. Returns whether anything
    /// changed.
    pub fn reconcile(&mut self, member: &ObjectRef) -> bool {
        let home = self.inputs().declared.partner_of(member);
        // The plan of a partner is expensive, so it is made only if the membership's own plan changes nothing.
        [Some(member), home.as_ref()].into_iter().flatten().any(|key| {
            let steps = plan(self.inputs(), key).steps;
            // Every step is performed, also after one that changed something.
            steps.iter().filter(|step| self.execute(&step.operation)).count() > 0
        })
    }

    fn execute(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::Partner {
                id: partner,
                change: PartnerChange::Apply { mark, display_name, host_admins, suspended },
            } => {
                let record = PartnerRecord {
                    id: partner.clone(),
                    mark: mark.clone(),
                    display_name: display_name.clone(),
                    host_admins: host_admins.clone(),
                    suspended: *suspended,
                    deactivated_at: None,
                    integrity: Integrity::Intact,
                };
                let old = self.directory_cache.partner(partner).cloned();
                if old.as_ref() == Some(&record) {
                    return false;
                }
                self.directory_cache.set_partner(partner, Some(record));
                self.undo.push(Undo::Partner(partner.clone(), old.map(Box::new)));
                true
            }
            Operation::Guest { id, change: GuestChange::Invite(new) } => {
                let record = self.admitted(id, new);
                self.set_guest(record)
            }
            Operation::Guest {
                id,
                change:
                    change @ (GuestChange::ResendInvitation { .. }
                    | GuestChange::EnableLogin
                    | GuestChange::Update { .. }
                    | GuestChange::Demote
                    | GuestChange::Promote),
            } => {
                let Some(mut record) = self.directory_cache.guest_by_id(id).cloned() else { return false };
                let owner = Some(self.frame.owner);
                let context = ApplyContext { at: self.frame.now, owner, accounts: &[], partner_is_live: true };
                apply(&mut record, change, &context) == Ok(AppliedRecord::Changed) && self.set_guest(record)
            }
            Operation::Guest {
                change:
                    GuestChange::Revoke { .. }
                    | GuestChange::Reduce { .. }
                    | GuestChange::RevokeInvitation
                    | GuestChange::DisableLogin
                    | GuestChange::ResetMfa { .. }
                    | GuestChange::Deactivate
                    | GuestChange::Release
                    | GuestChange::Detach
                    | GuestChange::Purge { .. }
                    | GuestChange::Grant { .. },
                ..
            }
            | Operation::Partner { change: PartnerChange::Deactivate | PartnerChange::Purge { .. }, .. }
            | Operation::ForgetShare { .. } => false,
        }
    }

    /// The record after an admission. A record of an earlier membership keeps its MFA.
    fn admitted(&self, id: &GuestId, new: &NewGuest) -> GuestRecord {
        let record = new.record(id, self.frame.now);
        match self.directory_cache.guest(&new.address) {
            Some(old) => GuestRecord { mfa: old.mfa.clone(), ..record },
            None => record,
        }
    }

    /// Replaces a record. A supposed mail does not count towards the mail interval.
    fn set_guest(&mut self, mut record: GuestRecord) -> bool {
        let address = record.address.clone();
        let old = self.directory_cache.guest(&address).cloned().map(Box::new);
        record.last_mail_at = old.as_ref().and_then(|old| old.last_mail_at);
        record.recent_mails = old.as_ref().map(|old| old.recent_mails.clone()).unwrap_or_default();
        self.directory_cache.set_guest(&address, Some(record));
        self.undo.push(Undo::Guest(address, old));
        true
    }
}
