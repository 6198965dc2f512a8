//! The records in guestlist's groups: accounts with their Owners, mails to addresses without a record, shares, and
//! recent purges.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::{AccountRecord, MailRecord, Purged, SENT_KEPT, SentMail, ShareRecord};
use super::client::ClientError;
use super::groups::{Branch, GroupStore};
use super::representations::{Attributes, Group, first};
use crate::domain::Email;

const PURGED: &str = "purged";
const OWNERS: &str = "guestlist.owners";
const DELETED: &str = "deleted";
const NAME: &str = "name";
const MAILED_AT: &str = "mailed-at";
const RECENT_MAILS: &str = "recent-mails";
const PARTNER: &str = "partner";
const ACCOUNT: &str = "account";

impl GroupStore<'_> {
    /// The numbers of recently purged records, by minute.
    pub async fn read_purges(&self) -> Result<Purged, ClientError> {
        let root = self.root().await?;
        Ok(parse_purges(&root))
    }

    /// Writes the numbers of recently purged records, by minute.
    pub async fn write_purges(&self, purged: &Purged) -> Result<(), ClientError> {
        let mut root = self.root().await?;
        let values = purged.iter().map(|(minute, count)| format!("{minute}={count}")).collect();
        root.attributes.insert(PURGED.to_owned(), values);
        self.put(&root).await
    }

    /// All accounts.
    pub async fn accounts(&self) -> Result<Vec<AccountRecord>, ClientError> {
        Ok(self.children(Branch::Accounts).await?.iter().map(account).collect())
    }

    /// One account.
    pub async fn one_account(&self, name: &str) -> Result<Option<AccountRecord>, ClientError> {
        Ok(self.child(Branch::Accounts, name).await?.as_ref().map(account))
    }

    /// Writes an account.
    pub async fn set_account(&self, account: &AccountRecord) -> Result<(), ClientError> {
        let mut attributes = Attributes::new();
        attributes.insert(OWNERS.to_owned(), account.owners.iter().map(ToString::to_string).collect());
        attributes.insert(NAME.to_owned(), vec![account.name.clone()]);
        if account.deleted {
            attributes.insert(DELETED.to_owned(), vec!["true".to_owned()]);
        }
        attributes.retain(|_, values| !values.is_empty());
        self.set_child(Branch::Accounts, &account.name, attributes).await
    }

    /// The mails to addresses without a record.
    pub async fn mails(&self) -> Result<Vec<MailRecord>, ClientError> {
        let read = |group: &Group| {
            let at = first(&group.attributes, MAILED_AT)?.parse().ok()?;
            Some(MailRecord { address: Email::parse(&group.name).ok()?, at, recent: recent(group) })
        };
        Ok(self.children(Branch::Mails).await?.iter().filter_map(read).collect())
    }

    /// Stores the mails to an address before its record is removed.
    pub async fn remember_mail(&self, mail: &MailRecord) -> Result<(), ClientError> {
        // The group may already have mails to an earlier record of the address.
        let known = self.child(Branch::Mails, mail.address.as_str()).await?;
        let since = mail.at.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN);
        let earlier = known.as_ref().map(recent).unwrap_or_default();
        let all: BTreeSet<SentMail> =
            earlier.into_iter().filter(|sent| sent.at > since).chain(mail.recent.clone()).collect();
        let mut attributes: Attributes = [(MAILED_AT.to_owned(), vec![format!("{:.9}", mail.at)])].into();
        attributes.insert(RECENT_MAILS.to_owned(), all.iter().map(ToString::to_string).collect());
        attributes.retain(|_, values| !values.is_empty());
        self.set_child(Branch::Mails, mail.address.as_str(), attributes).await
    }

    /// Deletes mails that are too old to have an effect.
    pub async fn forget_mails(&self, before: Timestamp) -> Result<(), ClientError> {
        for group in self.children(Branch::Mails).await? {
            let old = first(&group.attributes, MAILED_AT).and_then(|text| text.parse::<Timestamp>().ok());
            if old.is_some_and(|at| at < before) {
                self.delete(&group.id).await?;
            }
        }
        Ok(())
    }

    /// The shares that have had a grant.
    pub async fn shares(&self) -> Result<Vec<ShareRecord>, ClientError> {
        Ok(self.children(Branch::Shares).await?.iter().filter_map(share).collect())
    }

    /// Records a share at its first grant. Returns the recorded share, which never changes.
    pub async fn remember_share(&self, new: &ShareRecord) -> Result<ShareRecord, ClientError> {
        let attributes =
            [(PARTNER.to_owned(), vec![new.partner_name.clone()]), (ACCOUNT.to_owned(), vec![new.account.clone()])]
                .into();
        if let Some(known) = self.make_child(Branch::Shares, &new.uid, &attributes).await? {
            if let Some(known) = share(&known) {
                return Ok(known);
            }
            self.put(&Group { attributes, ..known }).await?;
        }
        Ok(new.clone())
    }

    /// Deletes the record of a share.
    pub async fn forget_share(&self, uid: &str) -> Result<(), ClientError> {
        match self.child(Branch::Shares, uid).await? {
            Some(group) => self.delete(&group.id).await,
            None => Ok(()),
        }
    }
}

fn parse_purges(root: &Group) -> Purged {
    let values = root.attributes.get(PURGED).map(Vec::as_slice).unwrap_or_default();
    let read = |text: &String| {
        let (minute, count) = text.split_once('=')?;
        Some((minute.parse::<Timestamp>().ok()?, count.parse().ok()?))
    };
    values.iter().filter_map(read).collect()
}

/// The account that a group describes.
fn account(group: &Group) -> AccountRecord {
    let owners = group.attributes.get(OWNERS).map(Vec::as_slice).unwrap_or_default();
    // An Owner with an unreadable address is ignored.
    let mut owners: Vec<Email> = owners.iter().filter_map(|text| Email::parse(text).ok()).collect();
    owners.sort();
    owners.dedup();
    let deleted = first(&group.attributes, DELETED) == Some("true");
    let name = first(&group.attributes, NAME).unwrap_or(&group.name).to_owned();
    AccountRecord { name, owners, deleted }
}

/// The mails of the last hour in a group's attributes.
fn recent(group: &Group) -> Vec<SentMail> {
    group.attributes.get(RECENT_MAILS).into_iter().flatten().filter_map(|text| SentMail::parse(text)).collect()
}

fn share(group: &Group) -> Option<ShareRecord> {
    let value = |name| first(&group.attributes, name).map(str::to_owned);
    Some(ShareRecord { uid: group.name.clone(), partner_name: value(PARTNER)?, account: value(ACCOUNT)? })
}
