//! What a platform team declares in a realm beside guests: accounts with their Owners, and people where nobody else keeps
//! them.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::{AccountRecord, Everything, Fault, Import, Imported, Observe, Origin, Page, PageToken, UserRecord};
use super::client::Call;
use super::endpoints::CREATE_USER;
use super::guest::names;
use super::wire::User;
use super::{Directory, Inner, guest, realm};
use crate::rules::Email;

fn refuse<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Refused { message: message.into() })
}

impl Directory {
    /// Everything that the realm holds of ours and of the workspace's.
    pub async fn everything(&self) -> Result<Everything, Fault> {
        Ok(Everything {
            partners: pages(|page| self.partners(page)).await?,
            guests: pages(|page| self.guests(page)).await?,
            accounts: pages(|page| self.accounts(page)).await?,
            users: pages(|page| self.users(page)).await?,
            mails: pages(|page| self.mails(page)).await?,
            shares: pages(|page| self.shares(page)).await?,
            destroyed: self.destroyed().await?,
            sign_in: self.sign_in().await,
        })
    }

    /// Adds and updates users and accounts; removes nothing. Everything is looked at before anything is written.
    pub async fn import(&self, import: &Import) -> Result<Imported, Fault> {
        let inner = &self.0;
        let mut done = Imported::default();
        let mut users = Vec::new();
        for user in &import.users {
            if let Some(guest) = self.guest(&user.email).await?
                && guest.is_live()
                && guest.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Made)
            {
                return refuse(format!("{} is a guest; delete the membership before importing a user", user.email));
            }
            let old = inner.read_user(&user.email).await?;
            done.count(old.as_ref(), user);
            users.extend((old.as_ref() != Some(user)).then_some(user));
        }
        let known = inner.list_accounts().await?;
        let mut accounts = Vec::new();
        for account in &import.accounts {
            self.no_guest_owns(&account.name, account.owners.iter()).await?;
            let old = known.iter().find(|known| known.name == account.name);
            let new = AccountRecord { deleted: old.is_some_and(|old| old.deleted), ..account.clone() };
            done.count(old, &new);
            accounts.extend((old != Some(&new)).then_some(new));
        }
        for user in users {
            inner.put_person(user).await?;
        }
        for account in accounts {
            realm::set_account(&inner.client, &inner.tree, &account).await?;
        }
        Ok(done)
    }

    /// An account changes hands.
    pub async fn set_owner(&self, account: &str, owners: &BTreeSet<Email>) -> Result<bool, Fault> {
        let old = self.known_account(account).await?;
        self.no_guest_owns(account, owners.iter()).await?;
        let new = AccountRecord { owners: owners.iter().cloned().collect(), ..old.clone() };
        realm::set_account(&self.0.client, &self.0.tree, &new).await?;
        Ok(new != old)
    }

    /// An account goes, or comes back.
    pub async fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Fault> {
        let old = self.known_account(account).await?;
        let new = AccountRecord { deleted, ..old.clone() };
        realm::set_account(&self.0.client, &self.0.tree, &new).await?;
        Ok(new != old)
    }

    async fn known_account(&self, account: &str) -> Result<AccountRecord, Fault> {
        match self.account(account).await? {
            Some(account) => Ok(account),
            None => refuse(format!("the realm has no account {account:?}; `guestlist directory show` lists them")),
        }
    }

    async fn no_guest_owns(&self, account: &str, owners: impl Iterator<Item = &Email>) -> Result<(), Fault> {
        for owner in owners {
            if self.guest(owner).await?.is_some_and(|guest| guest.is_live()) {
                return refuse(format!(
                    "{owner} is a guest and cannot own {account}; delete the membership first, or name another Owner"
                ));
            }
        }
        Ok(())
    }
}

impl Inner {
    async fn put_person(&self, user: &UserRecord) -> Result<(), Fault> {
        let (first_name, last_name) = names(&user.name);
        let Some(before) = self.people().user_at(&user.email).await? else {
            let body = json!({
                "username": user.email.as_str(),
                "email": user.email.as_str(),
                "firstName": first_name,
                "lastName": last_name,
                "enabled": user.enabled,
                "emailVerified": user.verified,
            });
            return Ok(self.client.call(Call::post(CREATE_USER, &["users"]).json(body)).await.map(drop)?);
        };
        let mut after = before.clone();
        (after.enabled, after.email_verified) = (user.enabled, user.verified);
        if guest::person(&before).is_some_and(|known| known.name != user.name) {
            (after.first_name, after.last_name) = (first_name, last_name);
        }
        if has_left(&before) {
            // Whoever was a guest and comes back as one of the workspace's own people is nobody's guest any more.
            if let Some(record) = self.look(&before).await? {
                self.remember_mail(&record, self.now()).await?;
                self.memory.forget(&record.id);
                self.leave_audience(&before.id).await?;
            }
            after.attributes.retain(|name, _| !guest::ALL.contains(&name.as_str()));
        }
        Ok(self.put_user(&before, &after).await?)
    }
}

fn has_left(user: &User) -> bool {
    guest::is_marked(user) && !guest::recorded(user).live
}

async fn pages<T, F>(mut page: impl FnMut(Option<PageToken>) -> F) -> Result<Vec<T>, Fault>
where
    F: Future<Output = Result<Page<T>, Fault>>,
{
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let Page { items, next } = page(token).await?;
        all.extend(items);
        match next {
            Some(next) => token = Some(next),
            None => return Ok(all),
        }
    }
}
