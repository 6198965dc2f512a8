//! Simulates the workspace around guestlist: imports, guests who accept an invitation or enrol MFA, and changes of
//! Owners. The embedded directory has no identity provider, so the command line simulates these steps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::change_feed;
use super::rows::{self, changed, stamp};
use super::schema::fault;
use super::{Error, Store};
use crate::directory::import::{ExistingRecords, KnownUser, Planned, UserChanges, plan};
use crate::directory::{
    AccountRecord, GuestRecord, Import, ImportFile, Imported, Login, MfaRecord, Origin, SignInGate, Snapshot,
    UserRecord,
};
use crate::domain::{Email, MfaMethod};

fn refuse<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused { message: message.into() })
}

impl Store {
    fn edit<T>(&mut self, context: &str, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let failed = |error: rusqlite::Error| fault(context, &error);
        let tx = self.connection().transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = work(&tx)?;
        let head = change_feed::head(&tx).map_err(failed)?;
        tx.commit().map_err(failed)?;
        // No caller received this change as an effect, so the change feed reports it.
        self.follow.wrote(Some(head.0));
        Ok(result)
    }

    /// The whole content, in one snapshot.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn everything(&mut self) -> Result<Snapshot, Error> {
        let failed = |error: rusqlite::Error| fault("read the directory", &error);
        // A snapshot for reading waits for no writer, and no writer waits for it.
        let tx = self.connection().transaction_with_behavior(TransactionBehavior::Deferred).map_err(failed)?;
        let read = || -> rusqlite::Result<Snapshot> {
            Ok(Snapshot {
                partners: rows::partners(&tx, "ORDER BY namespace, name", &[])?,
                guests: rows::guests(&tx, "ORDER BY namespace, address", &[])?,
                accounts: rows::accounts(&tx, "ORDER BY name", &[])?,
                users: rows::users(&tx, "ORDER BY email", &[])?,
                mails: rows::mails(&tx, "ORDER BY address", &[])?,
                shares: rows::shares(&tx, "ORDER BY uid", &[])?,
                purged: rows::purged(&tx)?,
                sign_in: SignInGate::default(),
            })
        };
        let mut all = read().map_err(failed)?;
        drop(tx);
        all.guests.iter_mut().for_each(|guest| self.copied.complete(guest));
        all.partners.iter_mut().for_each(|partner| self.copied.complete_partner(partner));
        Ok(all)
    }

    /// Adds and updates users and accounts, all or nothing; removes nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn import(&mut self, import: &Import) -> Result<Imported, Error> {
        self.import_as(|_| Ok(import.clone()))
    }

    /// Imports a file whose entries may leave fields out.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn import_file(&mut self, file: &ImportFile) -> Result<Imported, Error> {
        self.import_as(|tx| completed(tx, file))
    }

    fn import_as(&mut self, read: impl FnOnce(&Connection) -> Result<Import, Error>) -> Result<Imported, Error> {
        self.edit("import", |tx| {
            let failed = |error: rusqlite::Error| fault("import", &error);
            let planned = plan_import(tx, &read(tx)?)?;
            for user in &planned.users {
                put_user(tx, user).map_err(failed)?;
            }
            for account in &planned.accounts {
                put_account(tx, account).map_err(failed)?;
            }
            Ok(planned.said)
        })
    }

    /// The result that an import would have. Nothing is written.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn rehearse_import(&mut self, import: &Import) -> Result<Imported, Error> {
        let snapshot = self.connection().transaction_with_behavior(TransactionBehavior::Deferred);
        let snapshot = snapshot.map_err(|error| fault("read the directory", &error))?;
        plan_import(&snapshot, import).map(|planned| planned.said)
    }

    /// Rehearses the import of a file whose entries may leave fields out.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn rehearse_import_file(&mut self, file: &ImportFile) -> Result<Imported, Error> {
        let import = completed(self.connection(), file)?;
        self.rehearse_import(&import)
    }

    /// Simulates a guest who accepts the invitation.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn accept(&mut self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        self.edit("accept", |tx| {
            let guest = live_guest(tx, email)?;
            if guest.joined_at.is_some() {
                return Ok(false);
            }
            let Some(invitation) = guest.invitation else {
                return refuse(format!("the invitation of {email} was revoked; there is nothing to accept"));
            };
            if invitation.expires_at <= now {
                return refuse(format!(
                    "the invitation of {email} expired at {}; have it sent again (annotation guestlist.dev/resend-invitation)",
                    invitation.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
                ));
            }
            if !guest.login.is_enabled() {
                return refuse(format!("{email} is suspended or expired; the invitation cannot be followed now"));
            }
            let sql = "UPDATE guests SET joined_at = ?2, sent_at = NULL, invitation_ends = NULL, mfa_lost_at = NULL \
                       WHERE id = ?1";
            update(tx, &guest, sql, params![guest.id.0, stamp(now)])?;
            Ok(true)
        })
    }

    /// Simulates a guest who enrols an MFA method.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn enroll_mfa(&mut self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Error> {
        self.edit("enrol MFA", |tx| {
            let guest = live_guest(tx, email)?;
            if guest.joined_at.is_none() {
                return refuse(format!("{email} has not joined yet; accept the invitation first"));
            }
            if !guest.login.is_enabled() {
                return refuse(format!("the login of {email} is off (suspended or expired)"));
            }
            let MfaRecord::Known(methods) = &guest.mfa else { return refuse("the directory cannot tell") };
            if methods.contains_key(&method) {
                return Ok(false);
            }
            let sql = "INSERT INTO mfa (address, method, enrolled_at) VALUES (?1, ?2, ?3)";
            tx.execute(sql, params![email.as_str(), method.as_str(), stamp(now)])
                .map_err(|error| fault("enrol MFA", &error))?;
            update(tx, &guest, "UPDATE guests SET mfa_lost_at = NULL WHERE id = ?1", params![guest.id.0])?;
            Ok(true)
        })
    }

    /// Simulates an administrator who disables or enables a guest's login, also that of a deactivated guest.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn set_login(&mut self, email: &Email, enabled: bool) -> Result<bool, Error> {
        self.edit("switch the login", |tx| {
            let failed = |error: rusqlite::Error| fault("read a guest", &error);
            let Some(guest) = rows::one_guest(tx, "WHERE address = ?1", email.as_str()).map_err(failed)? else {
                return refuse(format!("{email} is no guest; `guestlist directory show` lists the guests"));
            };
            if guest.login == if enabled { Login::Enabled } else { Login::DisabledByOther } {
                return Ok(false);
            }
            let sql = "UPDATE guests SET disabled_by_other = NOT ?2, \
                       login = CASE WHEN ?2 THEN deactivated_at IS NULL ELSE login END WHERE id = ?1";
            update(tx, &guest, sql, params![guest.id.0, enabled])?;
            Ok(true)
        })
    }

    /// Simulates the removal of all MFA methods outside guestlist.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn reset_mfa(&mut self, email: &Email, now: Timestamp) -> Result<bool, Error> {
        self.edit("reset MFA", |tx| {
            let guest = live_guest(tx, email)?;
            let failed = |error: rusqlite::Error| fault("reset MFA", &error);
            let rows = tx.execute("DELETE FROM mfa WHERE address = ?1", [email.as_str()]).map_err(failed)?;
            if rows == 0 {
                return Ok(false);
            }
            update(tx, &guest, "UPDATE guests SET mfa_lost_at = ?2 WHERE id = ?1", params![guest.id.0, stamp(now)])?;
            Ok(true)
        })
    }

    /// Replaces the Owners of an account.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn set_owner(&mut self, account: &str, owners: &BTreeSet<Email>) -> Result<bool, Error> {
        self.edit("set the owners", |tx| {
            let old = known_account(tx, account)?;
            no_guest_owns(tx, account, owners.iter())?;
            let new = AccountRecord { owners: owners.iter().cloned().collect(), ..old.clone() };
            if new != old {
                put_account(tx, &new).map_err(|error| fault("set the owners", &error))?;
            }
            Ok(new != old)
        })
    }

    /// Deletes or restores an account. Its grants stay until the next reconcile.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. Nothing changes.
    pub fn set_deleted(&mut self, account: &str, deleted: bool) -> Result<bool, Error> {
        self.edit("delete or restore the account", |tx| {
            let old = known_account(tx, account)?;
            if old.deleted != deleted {
                put_account(tx, &AccountRecord { deleted, ..old.clone() })
                    .map_err(|error| fault("delete or restore the account", &error))?;
            }
            Ok(old.deleted != deleted)
        })
    }
}

fn completed(tx: &Connection, file: &ImportFile) -> Result<Import, Error> {
    let users = rows::users(tx, "", &[]).map_err(|error| fault("read the directory", &error))?;
    Ok(file.complete(&users.into_iter().map(|user| (user.email.clone(), user)).collect()))
}

fn plan_import(tx: &Connection, import: &Import) -> Result<Planned, Error> {
    for user in &import.users {
        let made = |guest: GuestRecord| guest.mark.is_some_and(|mark| mark.origin == Origin::Created);
        if guest_now(tx, &user.email)?.is_some_and(made) {
            return refuse(format!("{} is a guest; delete the membership before importing a user", user.email));
        }
    }
    for account in &import.accounts {
        no_guest_owns(tx, &account.name, account.owners.iter())?;
    }
    let read = || -> rusqlite::Result<ExistingRecords> {
        let users: BTreeMap<_, _> = rows::users(tx, "", &[])?
            .into_iter()
            .map(|user| (user.email.clone(), KnownUser::Workspace(user)))
            .collect();
        let suggestions = users.keys().cloned().collect();
        Ok(ExistingRecords { users, accounts: rows::accounts(tx, "", &[])?, suggestions })
    };
    let known = read().map_err(|error| fault("read the directory", &error))?;
    Ok(plan(import, UserChanges::AddAndChange, &known))
}

pub(super) fn put_user(tx: &Connection, user: &UserRecord) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO users (email, name, enabled, verified) VALUES (?1, ?2, ?3, ?4)",
        params![user.email.as_str(), user.name, user.enabled, user.verified],
    )?;
    // The workspace controls the login of an adopted guest.
    let adopted = rows::one_guest(tx, "WHERE origin = 'Adopted' AND address = ?1", user.email.as_str())?;
    if adopted.is_some() {
        changed(tx, "guest", user.email.as_str())?;
    }
    changed(tx, "user", user.email.as_str())?;
    Ok(())
}

pub(super) fn put_account(tx: &Connection, account: &AccountRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO accounts (name, deleted) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET deleted = ?2";
    tx.execute(sql, params![account.name, account.deleted])?;
    tx.execute("DELETE FROM account_owners WHERE account = ?1", [&account.name])?;
    for owner in &account.owners {
        let sql = "INSERT OR IGNORE INTO account_owners (account, email) VALUES (?1, ?2)";
        tx.execute(sql, params![account.name, owner.as_str()])?;
    }
    changed(tx, "account", &account.name)?;
    Ok(())
}

fn update(tx: &Connection, guest: &GuestRecord, sql: &str, values: impl rusqlite::Params) -> Result<(), Error> {
    let run = || {
        tx.execute(sql, values)?;
        changed(tx, "guest", guest.address.as_str())
    };
    run().map(|_| ()).map_err(|error| fault("change the guest", &error))
}

fn live_guest(tx: &Connection, email: &Email) -> Result<GuestRecord, Error> {
    let found =
        rows::one_guest(tx, "WHERE address = ?1", email.as_str()).map_err(|error| fault("read a guest", &error))?;
    match found {
        Some(guest) if guest.is_live() => Ok(guest),
        Some(_) => refuse(format!("{email} was a guest; the membership is gone")),
        None => refuse(format!("{email} has no invitation; `guestlist directory show` lists the guests")),
    }
}

/// The live guest of an address.
fn guest_now(tx: &Connection, email: &Email) -> Result<Option<GuestRecord>, Error> {
    rows::one_guest(tx, "WHERE deactivated_at IS NULL AND address = ?1", email.as_str())
        .map_err(|error| fault("read a guest", &error))
}

/// Refuses Owners that are live guests, created or adopted.
fn no_guest_owns<'a>(tx: &Connection, account: &str, owners: impl IntoIterator<Item = &'a Email>) -> Result<(), Error> {
    for owner in owners {
        if guest_now(tx, owner)?.is_some() {
            return refuse(format!(
                "{owner} is a guest and cannot own {account}; delete the membership first, or name another Owner"
            ));
        }
    }
    Ok(())
}

fn known_account(tx: &Connection, account: &str) -> Result<AccountRecord, Error> {
    let failed = |error: rusqlite::Error| fault("read an account", &error);
    let known: Option<String> = tx
        .query_row("SELECT name FROM accounts WHERE name = ?1", [account], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    match known {
        Some(_) => Ok(rows::accounts(tx, "WHERE name = ?1", &[&account]).map_err(failed)?.remove(0)),
        None => refuse(format!("the directory has no account {account:?}; `guestlist directory show` lists them")),
    }
}
