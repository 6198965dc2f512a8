//! Compares a file of users and accounts with a directory of any backend. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountRecord, UserRecord};
use crate::domain::Email;
use crate::util::suggest::nearest_within;

/// Users and accounts to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// Workspace users.
    pub users: Vec<UserRecord>,
    /// Accounts and their Owners.
    pub accounts: Vec<AccountRecord>,
}

/// A file to import: users whose entries may leave fields out, and accounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportFile {
    /// Workspace users.
    pub users: Vec<UserEntry>,
    /// Accounts and their Owners.
    pub accounts: Vec<AccountRecord>,
}

/// The entry of a user. A field that it leaves out keeps the value of an existing user.
#[derive(Clone, Debug, PartialEq)]
pub struct UserEntry {
    /// The address.
    pub email: Email,
    /// The name; empty for a new user.
    pub name: Option<String>,
    /// Whether the user may log in; `true` for a new user.
    pub enabled: Option<bool>,
    /// Whether the address is verified; `true` for a new user.
    pub verified: Option<bool>,
}

impl ImportFile {
    /// Fills in the fields that entries leave out.
    pub fn complete(&self, existing: &BTreeMap<Email, UserRecord>) -> Import {
        let complete = |entry: &UserEntry| {
            let old = existing.get(&entry.email);
            let name = entry.name.clone().or_else(|| old.map(|old| old.name.clone()));
            UserRecord {
                email: entry.email.clone(),
                name: name.unwrap_or_default(),
                enabled: entry.enabled.or(old.map(|old| old.enabled)).unwrap_or(true),
                verified: entry.verified.or(old.map(|old| old.verified)).unwrap_or(true),
            }
        };
        Import { users: self.users.iter().map(complete).collect(), accounts: self.accounts.clone() }
    }
}

/// The changes of users that an import may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserChanges {
    /// Add and change them: the embedded directory has no other source.
    AddAndChange,
    /// Add those who do not exist. Existing users are never changed.
    Add,
    /// Leave users unchanged.
    LeaveOut,
}

/// A user that the directory has already.
#[derive(Clone, Debug, PartialEq)]
pub enum KnownUser {
    /// A workspace user.
    Workspace(UserRecord),
    /// A former guest.
    FormerGuest,
    /// No user has the address, but it is the username of a user with another address.
    Username,
}

/// The records of the directory that the entries of a file name.
#[derive(Clone, Debug, Default)]
pub struct ExistingRecords {
    /// The users of the file and the Owners of its accounts, as far as they exist.
    pub users: BTreeMap<Email, KnownUser>,
    /// All accounts.
    pub accounts: Vec<AccountRecord>,
    /// Addresses that may have been meant.
    pub suggestions: BTreeSet<Email>,
}

/// The outcome of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// It is added.
    Created,
    /// It is changed.
    Configured,
    /// It exists with the file's values.
    Unchanged,
    /// It exists, differs from the file, and stays as it is.
    Skipped,
    /// The directory refused it.
    Failed,
}

impl EntryOutcome {
    /// Whether an import writes the entry.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Created | Self::Configured)
    }

    /// The first word of the entry's line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// One line for each entry.
    pub lines: Vec<(EntryOutcome, String)>,
    /// Probable mistakes.
    pub warnings: Vec<String>,
    /// How many users of the file were left out.
    pub left_out: usize,
}

impl Imported {
    /// How many entries have this outcome.
    pub fn count(&self, outcome: EntryOutcome) -> usize {
        self.lines.iter().filter(|(held, _)| *held == outcome).count()
    }
}

/// The writes of an import, and their report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// Users to write.
    pub users: Vec<UserRecord>,
    /// Accounts to write.
    pub accounts: Vec<AccountRecord>,
    /// The report.
    pub said: Imported,
}

/// Compares a file with a directory.
pub fn plan(import: &Import, people: UserChanges, known: &ExistingRecords) -> Planned {
    let mut planned = Planned::default();
    match people {
        UserChanges::LeaveOut => planned.said.left_out = import.users.len(),
        UserChanges::Add | UserChanges::AddAndChange => {
            for user in &import.users {
                let line = user_line(user, people, known.users.get(&user.email));
                planned.users.extend(line.0.is_written().then(|| user.clone()));
                planned.said.lines.push(line);
            }
        }
    }
    for account in &import.accounts {
        let old = known.accounts.iter().find(|old| old.name == account.name);
        let new = AccountRecord { deleted: old.is_some_and(|old| old.deleted), ..account.clone() };
        let line = account_line(&new, old);
        planned.said.warnings.extend(owner_warnings(&new, import, people, known));
        planned.accounts.extend(line.0.is_written().then_some(new));
        planned.said.lines.push(line);
    }
    planned
}

fn user_line(user: &UserRecord, people: UserChanges, old: Option<&KnownUser>) -> (EntryOutcome, String) {
    let email = &user.email;
    let old = match old {
        None => {
            let name = &user.name;
            let enabled = if user.enabled { "enabled" } else { "disabled" };
            let verified = if user.verified { "address verified" } else { "address not verified" };
            return (EntryOutcome::Created, format!("user {email}: name {name:?}, {enabled}, {verified}"));
        }
        Some(KnownUser::FormerGuest) => {
            return (EntryOutcome::Skipped, format!("user {email}: was a guest, and existing users are never changed"));
        }
        Some(KnownUser::Username) => {
            return (EntryOutcome::Skipped, format!("user {email}: it is the username of a user with another address"));
        }
        Some(KnownUser::Workspace(old)) => old,
    };
    let mut changes = Vec::new();
    if old.name != user.name {
        changes.push(format!("name from {:?} to {:?}", old.name, user.name));
    }
    for (what, old, new) in [("enabled", old.enabled, user.enabled), ("verified", old.verified, user.verified)] {
        if old != new {
            changes.push(format!("{what} from {old} to {new}"));
        }
    }
    let changes = changes.join(", ");
    match (changes.is_empty(), people) {
        (true, _) => (EntryOutcome::Unchanged, format!("user {email}")),
        (false, UserChanges::AddAndChange) => (EntryOutcome::Configured, format!("user {email}: {changes}")),
        (false, UserChanges::Add | UserChanges::LeaveOut) => {
            (EntryOutcome::Skipped, format!("user {email}: existing users are never changed ({changes})"))
        }
    }
}

fn account_line(new: &AccountRecord, old: Option<&AccountRecord>) -> (EntryOutcome, String) {
    let name = &new.name;
    match old {
        None => (EntryOutcome::Created, format!("account {name:?}: owners {}", owners(new))),
        Some(old) if old == new => (EntryOutcome::Unchanged, format!("account {name:?}")),
        Some(old) => {
            (EntryOutcome::Configured, format!("account {name:?}: owners from {} to {}", owners(old), owners(new)))
        }
    }
}

fn owners(account: &AccountRecord) -> String {
    let owners = account.owners.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if owners.is_empty() { "none".to_owned() } else { owners }
}

/// A warning for each Owner who, after the import, is no enabled user with a verified address.
fn owner_warnings(
    account: &AccountRecord,
    import: &Import,
    people: UserChanges,
    known: &ExistingRecords,
) -> Vec<String> {
    let warning = |owner: &Email| {
        let problem = match after(owner, import, people, known) {
            Some(user) if user.enabled && user.verified => return None,
            Some(user) if user.enabled => "has no verified address; their shares grant nothing until it is".to_owned(),
            Some(_) => "is disabled; their shares grant nothing until the user is enabled".to_owned(),
            None => {
                let hint = suggestion(owner, import, people, known).map(|email| format!("; did you mean {email}?"));
                let hint = hint.unwrap_or_else(|| "; their shares grant nothing until that user exists".to_owned());
                format!("is no user of the directory{hint}")
            }
        };
        Some(format!("account {:?}: the owner {owner} {problem}", account.name))
    };
    account.owners.iter().filter_map(warning).collect()
}

/// The workspace user at an address after the import.
fn after<'a>(
    address: &Email,
    import: &'a Import,
    people: UserChanges,
    known: &'a ExistingRecords,
) -> Option<&'a UserRecord> {
    let imported = import.users.iter().find(|user| user.email == *address);
    match (people, known.users.get(address)) {
        (UserChanges::AddAndChange, Some(KnownUser::Workspace(old))) => Some(imported.unwrap_or(old)),
        (UserChanges::Add | UserChanges::LeaveOut, Some(KnownUser::Workspace(old))) => Some(old),
        (UserChanges::Add | UserChanges::LeaveOut, Some(KnownUser::FormerGuest | KnownUser::Username))
        | (UserChanges::LeaveOut, None) => None,
        (UserChanges::AddAndChange | UserChanges::Add, _) => imported,
    }
}

/// The address of a user that may have been meant: one or two letters differ, of a name that is long enough.
fn suggestion<'a>(
    owner: &Email,
    import: &'a Import,
    people: UserChanges,
    known: &'a ExistingRecords,
) -> Option<&'a str> {
    let imported = import.users.iter().filter(|_| people != UserChanges::LeaveOut).map(|user| &user.email);
    let meant = imported.chain(&known.suggestions).filter(|email| *email != owner).map(Email::as_str);
    let name = owner.as_str().split('@').next().unwrap_or_default().chars().count();
    nearest_within(owner.as_str(), meant, (name / 3).clamp(1, 2))
}
