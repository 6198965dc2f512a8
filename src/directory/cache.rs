//! The last known content of the directory, in memory. Each resync reads it in pages; changes and the effects of
//! operations keep it up to date. Pure data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    AccountRecord, Applied, GuestId, GuestRecord, MailRecord, MfaRecord, OwnershipMark, PartnerId, PartnerRecord,
    Purged, SentMail, ShareRecord, UserRecord,
};
use crate::domain::Email;

/// The cached records, with indexes.
#[derive(Clone, Debug, Default)]
pub struct DirectoryCache {
    guests: BTreeMap<Email, Box<GuestRecord>>,
    guest_ids: BTreeMap<GuestId, Email>,
    /// UID → the live guest whose ownership mark has it. A UID from files is derived from a name, so a deactivated
    /// guest may have it too.
    guest_uids: BTreeMap<String, Email>,
    partner_guests: BTreeMap<PartnerId, BTreeSet<Email>>,
    /// Membership (namespace, partner, name) → addresses that were deactivated under it.
    departed: BTreeMap<(String, String, String), BTreeSet<Email>>,
    /// Share UID → the guests with a grant through it.
    share_holders: BTreeMap<String, BTreeSet<Email>>,
    partners: BTreeMap<PartnerId, PartnerRecord>,
    partner_names: BTreeMap<(String, String), BTreeSet<PartnerId>>,
    accounts: BTreeMap<String, AccountRecord>,
    owners: BTreeMap<Email, u32>,
    users: BTreeMap<Email, UserRecord>,
    mfa_unknown_since: BTreeMap<Email, Timestamp>,
    /// Address → the time of its last mail. Entries outlive the guest's record.
    mails: BTreeMap<Email, Timestamp>,
    /// Namespace → the mails that it sent in the last hour. Entries outlive the guest's record.
    sent: BTreeMap<String, BTreeSet<(Timestamp, Email)>>,
    /// Share UID → the share as it was at its first grant.
    shares: BTreeMap<String, ShareRecord>,
    purged: Purged,
    /// UIDs of memberships with an admission in their status, but without a record.
    missing: BTreeSet<String>,
    /// The number of live guests.
    live: usize,
    /// When guests lost their last MFA method → the number of these guests: see [`DirectoryCache::mfa_lost`].
    mfa_lost: BTreeMap<Timestamp, usize>,
}

impl DirectoryCache {
    /// UIDs of memberships with an admission in their status, but without a record when the directory was first read.
    pub fn missing(&self) -> &BTreeSet<String> {
        &self.missing
    }

    /// Sets the UIDs of the memberships without a record.
    pub fn set_missing(&mut self, missing: BTreeSet<String>) {
        self.missing = missing;
    }

    /// Applies the effect of an operation to the cache.
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

    /// Applies the part of an effect that concerns shares and purged records.
    pub fn apply_memory(&mut self, effect: &Applied) {
        if let Some(uid) = &effect.share_gone {
            self.shares.remove(uid);
        }
        if let Some(purged) = &effect.purged {
            self.set_purged(purged);
        }
    }

    /// Replaces a guest by the record just read; `None` removes the guest.
    pub fn set_guest(&mut self, address: &Email, record: Option<GuestRecord>) {
        if let Some(old) = self.guests.remove(address) {
            self.discount(&old);
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
            // Both fields share one allocation while the address is unchanged.
            if record.email == *address {
                record.email = address.clone();
            }
            record.address = address.clone();
            self.count(&record);
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

    fn count(&mut self, record: &GuestRecord) {
        self.live += usize::from(record.is_live());
        if let Some(lost) = waits_for_mfa_since(record) {
            *self.mfa_lost.entry(lost).or_default() += 1;
        }
    }

    fn discount(&mut self, record: &GuestRecord) {
        self.live = self.live.saturating_sub(usize::from(record.is_live()));
        let Some(lost) = waits_for_mfa_since(record) else { return };
        if let Some(count) = self.mfa_lost.get_mut(&lost) {
            *count -= 1;
            if *count == 0 {
                self.mfa_lost.remove(&lost);
            }
        }
    }

    /// The number of live guests.
    pub fn live_count(&self) -> usize {
        self.live
    }

    /// When live guests with an enabled login lost their last MFA method, and how many lost it then.
    pub fn mfa_lost(&self) -> &BTreeMap<Timestamp, usize> {
        &self.mfa_lost
    }

    /// Replaces a partner by the record just read; `None` removes it.
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

    /// Replaces an account by the record just read; `None` removes it.
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

    /// Replaces a workspace user by the record just read; `None` removes the user.
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

    /// The live guest whose ownership mark has this UID.
    pub fn live_by_uid(&self, uid: &str) -> Option<&GuestRecord> {
        self.guest_uids.get(uid).and_then(|address| self.guests.get(address).map(Box::as_ref))
    }

    /// The guest with this identifier.
    pub fn guest_by_id(&self, id: &GuestId) -> Option<&GuestRecord> {
        self.guest_ids.get(id).and_then(|address| self.guests.get(address).map(Box::as_ref))
    }

    /// Whether a membership of this name has a deactivated guest whose record is not purged yet.
    pub fn has_departed(&self, namespace: &str, partner: &str, name: &str) -> bool {
        self.departed.contains_key(&(namespace.to_owned(), partner.to_owned(), name.to_owned()))
    }

    /// The guests with a grant through the share with this UID.
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

    /// The partner records whose ownership mark has this namespace and name.
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

    /// An account, including deleted ones.
    pub fn account(&self, name: &str) -> Option<&AccountRecord> {
        self.accounts.get(name)
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountRecord> {
        self.accounts.values()
    }

    /// Whether the user owns at least one account.
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

    /// Records a mail. The later of two times wins, because a sent mail stays sent.
    pub fn set_mail(&mut self, mail: &MailRecord) {
        let MailRecord { address, at, recent } = mail;
        let last = self.mails.entry(address.clone()).or_insert(*at);
        *last = (*at).max(*last);
        for SentMail { at, namespace } in recent {
            self.sent.entry(namespace.clone()).or_default().insert((*at, address.clone()));
        }
    }

    /// How many mails of a namespace are remembered. The count may include mails older than an hour.
    pub fn sent_count(&self, namespace: &str) -> usize {
        self.sent.get(namespace).map_or(0, BTreeSet::len)
    }

    /// The times of a namespace's mails after an instant, the earliest first.
    pub fn sent_after(&self, namespace: &str, since: Timestamp) -> impl Iterator<Item = Timestamp> + use<'_> {
        let sent = self.sent.get(namespace).into_iter().flat_map(move |sent| sent.iter().rev());
        let mut young: Vec<Timestamp> = sent.map(|(at, _)| *at).take_while(|at| *at > since).collect();
        young.reverse();
        young.into_iter()
    }

    /// The time of the last mail to an address. It outlives the guest's record.
    pub fn last_mail(&self, address: &Email) -> Option<Timestamp> {
        self.mails.get(address).copied()
    }

    /// Replaces the remembered shares by a listing. Shares with current grants are kept in any case.
    pub fn set_shares(&mut self, listed: Vec<ShareRecord>) {
        let held = |(uid, _): &(String, ShareRecord)| self.share_holders.contains_key(uid);
        let mut shares: BTreeMap<_, _> = std::mem::take(&mut self.shares).into_iter().filter(held).collect();
        shares.extend(listed.into_iter().map(|share| (share.uid.clone(), share)));
        self.shares = shares;
    }

    /// The share as it was at its first grant.
    pub fn share(&self, uid: &str) -> Option<&ShareRecord> {
        self.shares.get(uid)
    }

    /// All shares that are remembered.
    pub fn shares(&self) -> impl Iterator<Item = &ShareRecord> {
        self.shares.values()
    }

    /// Records the purges by minute. The count of a minute never decreases.
    pub fn set_purged(&mut self, purged: &Purged) {
        for (minute, count) in purged {
            let known = self.purged.entry(*minute).or_default();
            *known = (*known).max(*count);
        }
    }

    /// The number of records purged, by minute.
    pub fn purged(&self) -> &Purged {
        &self.purged
    }

    /// Removes mails and purge counts that are too old to have an effect.
    pub fn forget_before(&mut self, mails: Timestamp, purged: Timestamp) {
        self.mails.retain(|_, at| *at >= mails);
        // Recent mails and purges both count for one hour.
        self.sent.values_mut().for_each(|mails| mails.retain(|(at, _)| *at > purged));
        self.sent.retain(|_, mails| !mails.is_empty());
        self.purged.retain(|minute, _| *minute > purged);
    }

    /// Since when the directory cannot read this guest's MFA; `None`: it can.
    pub fn mfa_unknown_since(&self, address: &Email) -> Option<Timestamp> {
        self.mfa_unknown_since.get(address).copied()
    }

    /// Records since when the MFA is unknown; `None`: it is known again.
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

/// When a guest who may log in lost the last MFA method. `None`: they have one, never had one, or may not log in.
fn waits_for_mfa_since(record: &GuestRecord) -> Option<Timestamp> {
    let enrolled = matches!(&record.mfa, MfaRecord::Known(methods) if !methods.is_empty());
    record.mfa_lost_at.filter(|_| record.is_live() && record.login.is_enabled() && !enrolled)
}

/// The key of a guest's membership: namespace, partner, name.
fn membership(mark: &OwnershipMark, record: &GuestRecord) -> (String, String, String) {
    (mark.namespace.clone(), record.partner_name.clone(), mark.name.clone())
}

/// Removes a value from a map of sets, and the set once it is empty.
fn take<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
