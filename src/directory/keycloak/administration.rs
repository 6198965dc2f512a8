//! Data of a realm besides guests, for the platform team: accounts with their Owners, and users that no other system
//! manages.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::all_pages;
use super::super::import::{EntryOutcome, ExistingRecords, KnownUser, Planned, UserChanges, plan};
use super::super::{AccountRecord, DirectoryReader, Error, Import, Imported, Origin, SignInGate, Snapshot, UserRecord};
use super::client::{Call, ClientError};
use super::endpoints::CREATE_USER;
use super::representations::User;
use super::{Directory, Inner};
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::guest::names;
use crate::domain::Email;

/// The number of users that are searched for a similar address of an Owner.
const SUGGESTED: usize = 500;

fn refuse<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused { message: message.into() })
}

impl Directory {
    /// The whole content of the realm, both guestlist's and the workspace's.
    ///
    /// # Errors
    ///
    /// The realm cannot be read.
    pub async fn everything(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot {
            partners: all_pages(|page| self.partners(page)).await?,
            guests: all_pages(|page| self.guests(page)).await?,
            accounts: all_pages(|page| self.accounts(page)).await?,
            users: all_pages(|page| self.users(page)).await?,
            mails: all_pages(|page| self.mails(page)).await?,
            shares: all_pages(|page| self.shares(page)).await?,
            purged: self.purged().await?,
            sign_in: SignInGate::default(),
        })
    }

    /// Adds and updates accounts, and adds users if `people` allows it; removes nothing. It reads everything before
    /// the first write; a rehearsal writes nothing. A failed entry is reported with its cause, and the others
    /// continue.
    ///
    /// # Errors
    ///
    /// The realm cannot be read or written. Entries before the failed one stay imported.
    pub async fn import(&self, import: &Import, people: UserChanges, rehearsal: bool) -> Result<Imported, Error> {
        let planned = plan(import, people, &self.known_of(import, people).await?);
        if rehearsal { Ok(planned.said) } else { Ok(self.write_import(planned).await) }
    }

    async fn write_import(&self, planned: Planned) -> Imported {
        let Planned { users, accounts, mut said } = planned;
        // The lines of entries to write, in the order of the writes: users, then accounts.
        let mut lines = said.lines.iter_mut().filter(|(outcome, _)| outcome.is_written());
        let mut note = |name: String, result: Result<(), Error>| {
            let (line, Err(fault)) = (lines.next(), result) else { return };
            if let Some(line) = line {
                *line = (EntryOutcome::Failed, format!("{name}: {fault}"));
            }
        };
        for user in &users {
            note(format!("user {}", user.email), self.0.add_person(user).await);
        }
        for account in &accounts {
            let written = self.0.groups().set_account(account).await;
            note(format!("account {:?}", account.name), written.map_err(Error::from));
        }
        said
    }

    /// The records of the realm that a file's entries name. Fails where a guest would become a user or an Owner.
    async fn known_of(&self, import: &Import, people: UserChanges) -> Result<ExistingRecords, Error> {
        let mut known = ExistingRecords { accounts: self.0.list_accounts().await?, ..ExistingRecords::default() };
        let users = import.users.iter().filter(|_| people != UserChanges::LeaveOut);
        for user in users {
            if let Some(guest) = self.guest(&user.email).await?
                && guest.is_live()
                && guest.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created)
            {
                return refuse(format!("{} is a guest; delete the membership before importing a user", user.email));
            }
            if let Some(held) = self.known_user(&user.email).await? {
                // Names that are equal without the characters that the realm refuses count as equal.
                let held = match held {
                    KnownUser::Workspace(held) if names(&held.name) == names(&user.name) => {
                        KnownUser::Workspace(UserRecord { name: user.name.clone(), ..held })
                    }
                    held @ (KnownUser::Workspace(_) | KnownUser::FormerGuest | KnownUser::Username) => held,
                };
                known.users.insert(user.email.clone(), held);
            }
        }
        let mut unknown = false;
        for account in &import.accounts {
            self.no_guest_owns(&account.name, account.owners.iter()).await?;
            for owner in &account.owners {
                if !known.users.contains_key(owner) {
                    let held = self.known_user(owner).await?;
                    unknown |= !matches!(held, Some(KnownUser::Workspace(_)));
                    known.users.extend(held.map(|held| (owner.clone(), held)));
                }
            }
        }
        if unknown {
            let some = self.0.users().page(0, SUGGESTED).await?;
            let is_guest = |user: &User| guest::is_marked(user);
            known.suggestions =
                some.iter().filter(|user| !is_guest(user)).filter_map(guest::person).map(|user| user.email).collect();
        }
        Ok(known)
    }

    async fn known_user(&self, email: &Email) -> Result<Option<KnownUser>, Error> {
        let Some(user) = self.0.users().user_at(email).await? else {
            return Ok(self.0.user_named(email).await?.map(|_| KnownUser::Username));
        };
        if has_left(&user) {
            return Ok(Some(KnownUser::FormerGuest));
        }
        Ok(guest::person(&user).map(KnownUser::Workspace))
    }

    /// Replaces the Owners of an account.
    ///
    /// # Errors
    ///
    /// The realm cannot be read or written.
    pub async fn set_owner(&self, account: &str, owners: &BTreeSet<Email>) -> Result<bool, Error> {
        let old = self.known_account(account).await?;
        self.no_guest_owns(account, owners.iter()).await?;
        let new = AccountRecord { owners: owners.iter().cloned().collect(), ..old.clone() };
        self.0.groups().set_account(&new).await?;
        Ok(new != old)
    }

    /// Deletes or restores an account.
    ///
    /// # Errors
    ///
    /// The realm cannot be read or written.
    pub async fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Error> {
        let old = self.known_account(account).await?;
        let new = AccountRecord { deleted, ..old.clone() };
        self.0.groups().set_account(&new).await?;
        Ok(new != old)
    }

    async fn known_account(&self, account: &str) -> Result<AccountRecord, Error> {
        match self.account(account).await? {
            Some(account) => Ok(account),
            None => refuse(format!("the realm has no account {account:?}; `guestlist directory show` lists them")),
        }
    }

    async fn no_guest_owns(&self, account: &str, owners: impl Iterator<Item = &Email>) -> Result<(), Error> {
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
    async fn add_person(&self, user: &UserRecord) -> Result<(), Error> {
        let (first_name, last_name) = names(&user.name);
        let body = json!({
            "username": user.email.as_str(),
            "email": user.email.as_str(),
            "firstName": first_name,
            "lastName": last_name,
            "enabled": user.enabled,
            "emailVerified": user.verified,
        });
        match self.client.call(Call::post(CREATE_USER, &["users"]).json(body)).await {
            Err(ClientError::Status { status: 409, said, .. }) => refuse(format!("Keycloak refuses the user: {said}")),
            result => Ok(result.map(drop)?),
        }
    }
}

fn has_left(user: &User) -> bool {
    guest::address(user).is_some() && !guest::recorded(user).live
}
