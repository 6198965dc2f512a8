//! What the directory was last seen to hold, in memory: read in pages once a resync, kept up to date by changes and by
//! the effects of our own operations. Pure data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    AccountRecord, Applied, GuestId, GuestRecord, MailRecord, OwnershipMark, PartnerId, PartnerRecord, Purged,
    SentMail, ShareRecord, UserRecord,
};
use crate::domain::Email;

/// The observed world.
#[derive(Clone, Debug, Default)]
pub struct DirectoryCache {
    guests: BTreeMap<Email, Box<GuestRecord>>,
    guest_ids: BTreeMap<GuestId, Email>,
    /// UID → the live guest whose mark has it. From files a UID comes of a name: who had it before may be deactivated.
    guest_uids: BTreeMap<String, Email>,
    partner_guests: BTreeMap<PartnerId, BTreeSet<Email>>,
    /// Membership (namespace, partner, name) → addresses that were deactivated under it.
    departed: BTreeMap<(String, String, String), BTreeSet<Email>>,
    /// Share UID → who holds its account through it.
    share_holders: BTreeMap<String, BTreeSet<Email>>,
    partners: BTreeMap<PartnerId, PartnerRecord>,
    partner_names: BTreeMap<(String, String), BTreeSet<PartnerId>>,
    accounts: BTreeMap<String, AccountRecord>,
    owners: BTreeMap<Email, u32>,
    users: BTreeMap<Email, UserRecord>,
    mfa_unknown_since: BTreeMap<Email, Timestamp>,
    /// Address → its last mail, whether its record is still there or not.
    mails: BTreeMap<Email, Timestamp>,
    /// Namespace → the mails that it had sent lately, whatever became of their records.
    sent: BTreeMap<String, BTreeSet<(Timestamp, Email)>>,
    /// Share UID → what it was when something was first given through it.
    shares: BTreeMap<String, ShareRecord>,
    destroyed: Purged,
    /// UIDs of memberships whose status says that they were admitted, and whose record is not there.
    missing: BTreeSet<String>,
}

impl DirectoryCache {
    /// UIDs of memberships whose status says that they were admitted, and whose record was not there when this was first read.
    pub fn missing(&self) -> &BTreeSet<String> {
        &self.missing
    }

    /// Sets the UIDs of the memberships without a record.
    pub fn set_missing(&mut self, missing: BTreeSet<String>) {
        self.missing = missing;
    }

    /// Takes in what an operation left behind.
    pub fn apply(&mut self, effect: &Applied) {
        if let Some(gone) = &effect.gone
            && let Some(address) = self.guest_ids.get(gone).cloned()
        {
            self.set_guest(&address, None);
        }
        if let Some(guest) = &effect.guest {
            self.set_guest(&guest.address.clone(), Some(guest.clone()));
        }
        if let Some(partner) = &effect.partner {
            self.set_partner(&partner.id.clone(), Some(partner.clone()));
        }
        if let Some(gone) = &effect.partner_gone {
            self.set_partner(gone, None);
        }
        self.apply_memory(effect);
    }

    /// Takes in what an operation left behind beside the records.
    pub fn apply_memory(&mut self, effect: &Applied) {
        if let Some(uid) = &effect.share_gone {
            self.shares.remove(uid);
        }
        if let Some(destroyed) = &effect.destroyed {
            self.set_destroyed(destroyed);
        }
    }

    /// Takes in a guest as read live; `None`: he is not there.
    pub fn set_guest(&mut self, address: &Email, record: Option<GuestRecord>) {
        if let Some(old) = self.guests.remove(address) {
            self.guest_ids.remove(&old.id);
            if let Some(mark) = &old.mark {
                if self.guest_uids.get(&mark.uid) == Some(address) {
                    self.guest_uids.remove(&mark.uid);
                }
                take(&mut self.departed, &membership(mark, &old), address);
            }
            take(&mut self.partner_guests, &old.partner, address);
            for record in old.grants.values() {
                take(&mut self.share_holders, &record.grant.share_uid, address);
            }
        }
        if let Some(mut record) = record {
            // One text for both, where nobody changed it.
            if record.email == *address {
                record.email = address.clone();
            }
            record.address = address.clone();
            self.guest_ids.insert(record.id.clone(), address.clone());
            if let Some(mark) = &record.mark {
                if record.is_live() {
                    self.guest_uids.insert(mark.uid.clone(), address.clone());
                } else {
                    self.departed.entry(membership(mark, &record)).or_default().insert(address.clone());
                }
            }
            if let Some(at) = record.last_mail_at {
                self.set_mail(&MailRecord { address: address.clone(), at, recent: record.recent_mails.clone() });
            }
            for held in record.grants.values() {
                let share = ShareRecord {
                    uid: held.grant.share_uid.clone(),
                    partner_name: record.partner_name.clone(),
                    account: held.grant.account.clone(),
                };
                self.shares.entry(share.uid.clone()).or_insert(share);
                self.share_holders.entry(held.grant.share_uid.clone()).or_default().insert(address.clone());
            }
            self.partner_guests.entry(record.partner.clone()).or_default().insert(address.clone());
            self.guests.insert(address.clone(), Box::new(record));
        }
    }

    /// Takes in a partner as read live.
    pub fn set_partner(&mut self, id: &PartnerId, record: Option<PartnerRecord>) {
        if let Some(old) = self.partners.remove(id) {
            take(&mut self.partner_names, &(old.mark.namespace, old.mark.name), id);
        }
        if let Some(record) = record {
            let key = (record.mark.namespace.clone(), record.mark.name.clone());
            self.partner_names.entry(key).or_default().insert(id.clone());
            self.partners.insert(id.clone(), record);
        }
    }

    /// Takes in an account as read live.
    pub fn set_account(&mut self, name: &str, record: Option<AccountRecord>) {
        if let Some(old) = self.accounts.remove(name) {
            for owner in &old.owners {
                if let Some(count) = self.owners.get_mut(owner) {
                    *count -= 1;
                    if *count == 0 {
                        self.owners.remove(owner);
                    }
                }
            }
        }
        if let Some(record) = record {
            for owner in &record.owners {
                *self.owners.entry(owner.clone()).or_default() += 1;
            }
            self.accounts.insert(name.to_owned(), record);
        }
    }

    /// Takes in a workspace user as read live.
    pub fn set_user(&mut self, email: &Email, record: Option<UserRecord>) {
        match record {
            Some(record) => self.users.insert(email.clone(), record),
            None => self.users.remove(email),
        };
    }

    /// The guest with this address.
    pub fn guest(&self, address: &Email) -> Option<&GuestRecord> {
        self.guests.get(address).map(Box::as_ref)
    }

    /// The live guest whose mark has this UID.
    pub fn live_by_uid(&self, uid: &str) -> Option<&GuestRecord> {
        self.guest_uids.get(uid).and_then(|address| self.guests.get(address).map(Box::as_ref))
    }

    /// The guest with this identifier.
    pub fn guest_by_id(&self, id: &GuestId) -> Option<&GuestRecord> {
        self.guest_ids.get(id).and_then(|address| self.guests.get(address).map(Box::as_ref))
    }

    /// Whether somebody left a membership of this name: his record is deactivated and not purged yet.
    pub fn has_departed(&self, namespace: &str, partner: &str, name: &str) -> bool {
        self.departed.contains_key(&(namespace.to_owned(), partner.to_owned(), name.to_owned()))
    }

    /// Who holds an account through the share with this UID.
    pub fn holders<'a>(&'a self, share_uid: &str) -> impl Iterator<Item = &'a GuestRecord> {
        self.share_holders
            .get(share_uid)
            .into_iter()
            .flatten()
            .filter_map(|address| self.guests.get(address).map(Box::as_ref))
    }

    /// All guests, by address.
    pub fn guests(&self) -> impl Iterator<Item = &GuestRecord> {
        self.guests.values().map(Box::as_ref)
    }

    /// The guests of a partner's record, live or not.
    pub fn guests_of(&self, partner: &PartnerId) -> impl Iterator<Item = &GuestRecord> {
        self.partner_guests
            .get(partner)
            .into_iter()
            .flatten()
            .filter_map(|address| self.guests.get(address).map(Box::as_ref))
    }

    /// A partner by its identifier.
    pub fn partner(&self, id: &PartnerId) -> Option<&PartnerRecord> {
        self.partners.get(id)
    }

    /// The partner records whose mark has this namespace and name.
    pub fn partners_named(&self, namespace: &str, name: &str) -> impl Iterator<Item = &PartnerRecord> {
        self.partner_names
            .get(&(namespace.to_owned(), name.to_owned()))
            .into_iter()
            .flatten()
            .filter_map(|id| self.partners.get(id))
    }

    /// All partners.
    pub fn partners(&self) -> impl Iterator<Item = &PartnerRecord> {
        self.partners.values()
    }

    /// An account, also a deleted one.
    pub fn account(&self, name: &str) -> Option<&AccountRecord> {
        self.accounts.get(name)
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountRecord> {
        self.accounts.values()
    }

    /// Whether somebody owns any account.
    pub fn owns_any_account(&self, email: &Email) -> bool {
        self.owners.contains_key(email)
    }

    /// A workspace user.
    pub fn user(&self, email: &Email) -> Option<&UserRecord> {
        self.users.get(email)
    }

    /// All workspace users.
    pub fn users(&self) -> impl Iterator<Item = &UserRecord> {
        self.users.values()
    }

    /// A mail went out. A mail never becomes unsent, so the later one counts.
    pub fn set_mail(&mut self, mail: &MailRecord) {
        let MailRecord { address, at, recent } = mail;
        let last = self.mails.entry(address.clone()).or_insert(*at);
        *last = (*at).max(*last);
        for SentMail { at, namespace } in recent {
            self.sent.entry(namespace.clone()).or_default().insert((*at, address.clone()));
        }
    }

    /// How many mails of a namespace are remembered; those that count are among them.
    pub fn sent_count(&self, namespace: &str) -> usize {
        self.sent.get(namespace).map_or(0, BTreeSet::len)
    }

    /// When the mails of a namespace went out that are younger than an instant, the earliest first.
    pub fn sent_after(&self, namespace: &str, since: Timestamp) -> impl Iterator<Item = Timestamp> + use<'_> {
        let sent = self.sent.get(namespace).into_iter().flat_map(move |sent| sent.iter().rev());
        let mut young: Vec<Timestamp> = sent.map(|(at, _)| *at).take_while(|at| *at > since).collect();
        young.reverse();
        young.into_iter()
    }

    /// When the last mail to an address went out, whatever became of its record.
    pub fn last_mail(&self, address: &Email) -> Option<Timestamp> {
        self.mails.get(address).copied()
    }

    /// All shares that are remembered, as they were listed. What is held now is remembered in any case.
    pub fn set_shares(&mut self, listed: Vec<ShareRecord>) {
        let held = |(uid, _): &(String, ShareRecord)| self.share_holders.contains_key(uid);
        let mut shares: BTreeMap<_, _> = std::mem::take(&mut self.shares).into_iter().filter(held).collect();
        shares.extend(listed.into_iter().map(|share| (share.uid.clone(), share)));
        self.shares = shares;
    }

    /// What a share was when something was first given through it.
    pub fn share(&self, uid: &str) -> Option<&ShareRecord> {
        self.shares.get(uid)
    }

    /// All shares that are remembered.
    pub fn shares(&self) -> impl Iterator<Item = &ShareRecord> {
        self.shares.values()
    }

    /// How many records were purged lately. A minute's count never shrinks.
    pub fn set_destroyed(&mut self, destroyed: &Purged) {
        for (minute, count) in destroyed {
            let known = self.destroyed.entry(*minute).or_default();
            *known = (*known).max(*count);
        }
    }

    /// How many records were purged lately, by the minute.
    pub fn destroyed(&self) -> &Purged {
        &self.destroyed
    }

    /// Forgets what is too old to matter to anybody.
    pub fn forget_before(&mut self, mails: Timestamp, destroyed: Timestamp) {
        self.mails.retain(|_, at| *at >= mails);
        // Both count for an hour.
        self.sent.values_mut().for_each(|mails| mails.retain(|(at, _)| *at > destroyed));
        self.sent.retain(|_, mails| !mails.is_empty());
        self.destroyed.retain(|minute, _| *minute > destroyed);
    }

    /// Since when the directory has not been able to tell this guest's MFA; `None`: it can.
    pub fn mfa_unknown_since(&self, address: &Email) -> Option<Timestamp> {
        self.mfa_unknown_since.get(address).copied()
    }

    /// Remembers since when MFA has been unknown. `None`: it is known again.
    pub fn set_mfa_unknown_since(&mut self, address: &Email, since: Option<Timestamp>) {
        match since {
            Some(since) => {
                self.mfa_unknown_since.entry(address.clone()).or_insert(since);
            }
            None => {
                self.mfa_unknown_since.remove(address);
            }
        }
    }
}

/// Whose membership it is or was: namespace, partner, name.
fn membership(mark: &OwnershipMark, record: &GuestRecord) -> (String, String, String) {
    (mark.namespace.clone(), record.partner_name.clone(), mark.name.clone())
}

/// Takes a value out of a map of sets and drops the set when it is empty.
fn take<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
