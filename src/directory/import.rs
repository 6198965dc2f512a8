//! People and accounts that come into a directory from a file, whichever backend it is.

use super::{AccountRecord, UserRecord};

/// A user or an account to be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// Workspace users.
    pub users: Vec<UserRecord>,
    /// Accounts and their Owners.
    pub accounts: Vec<AccountRecord>,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// New.
    pub added: usize,
    /// Changed.
    pub updated: usize,
    /// As they were.
    pub unchanged: usize,
}

impl Imported {
    /// Counts something that shall be there beside what was.
    pub fn count<T: PartialEq>(&mut self, old: Option<&T>, new: &T) {
        match old {
            None => self.added += 1,
            Some(old) if old == new => self.unchanged += 1,
            Some(_) => self.updated += 1,
        }
    }
}
