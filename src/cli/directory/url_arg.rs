//! The directory that a command names: a file or a realm of Keycloak. Offers the operations that both support.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::Problem;
use crate::directory::import::UserChanges;
use crate::directory::sqlite::{Contents, OpenMode, Store, backup};
use crate::directory::{
    self, AccountRecord, DirectoryReader, Error, Import, ImportFile, Imported, Snapshot, UserEntry, UserRecord,
    keycloak, scheme,
};
use crate::domain::Email;

/// The directory that a command names.
pub enum DirectoryArg {
    /// The embedded one.
    File(PathBuf),
    /// A realm, and the runtime for its calls.
    Realm(keycloak::Directory, Runtime),
}

/// Whether the argument names a realm of Keycloak.
pub fn is_keycloak(directory: &str) -> bool {
    directory.starts_with("keycloak:")
}

/// Whether a file exists and is not empty. An import writes into an empty one.
fn has_content(path: &Path) -> bool {
    path.metadata().map_or_else(|error| error.kind() != std::io::ErrorKind::NotFound, |file| file.len() > 0)
}

/// The error for a command that does not apply to this directory.
pub fn not_applicable(directory: &str, why: &str) -> Problem {
    format!("--directory {} cannot be used here: {why}", scheme(directory)).into()
}

impl DirectoryArg {
    /// Opens the directory at a URL.
    pub fn open(directory: &str) -> Result<Self, Problem> {
        match directory::DirectoryUrl::read(directory)? {
            directory::DirectoryUrl::Sqlite(path) => Ok(Self::File(path)),
            directory::DirectoryUrl::Keycloak(settings) => {
                let realm = keycloak::Directory::new(*settings, Arc::new(Timestamp::now))?;
                Ok(Self::Realm(realm, runtime()?))
            }
        }
    }

    /// Reads the whole directory.
    pub fn everything(&self) -> Result<Snapshot, Problem> {
        Ok(match self {
            Self::File(path) => Store::open(path, OpenMode::Read)?.everything()?,
            Self::Realm(realm, runtime) => runtime.block_on(realm.everything())?,
        })
    }

    /// Copies the embedded directory into a new file.
    pub fn backup(&self, directory: &str, file: &Path) -> Result<Contents, Problem> {
        match self {
            Self::File(path) => Ok(backup(path, file)?),
            Self::Realm(..) => Err(not_applicable(
                directory,
                "a realm is backed up with Keycloak's own means: its database, or `kc.sh export`",
            )),
        }
    }

    /// Adds and updates accounts and people. On Keycloak it only adds people, and only with `users`. A rehearsal writes
    /// nothing.
    pub fn import(&self, file: &ImportFile, users: bool, rehearsal: bool) -> Result<Imported, Problem> {
        let people = if users { UserChanges::Add } else { UserChanges::LeaveOut };
        Ok(match self {
            Self::File(path) if !rehearsal => Store::open(path, OpenMode::Create)?.import_file(file)?,
            Self::File(path) if has_content(path) => Store::open(path, OpenMode::Read)?.rehearse_import_file(file)?,
            Self::File(_) => Store::open(Path::new(":memory:"), OpenMode::Create)?.rehearse_import_file(file)?,
            Self::Realm(realm, runtime) => runtime.block_on(async {
                let import = file.complete(&if users { existing(realm, file).await? } else { BTreeMap::new() });
                realm.import(&import, people, rehearsal).await
            })?,
        })
    }

    /// A warning for each of these Owners without a user in the directory.
    pub fn owner_warnings(&self, account: &str, owners: &BTreeSet<Email>) -> Result<Vec<String>, Problem> {
        let owners = owners.iter().cloned().collect();
        let account = AccountRecord { name: account.to_owned(), owners, deleted: false };
        let import = Import { users: Vec::new(), accounts: vec![account] };
        let said = match self {
            Self::File(path) => Store::open(path, OpenMode::Read)?.rehearse_import(&import)?,
            Self::Realm(realm, runtime) => runtime.block_on(realm.import(&import, UserChanges::LeaveOut, true))?,
        };
        Ok(said.warnings)
    }

    /// Replaces the Owners of an account. Returns whether that changed the directory.
    pub fn set_owner(&self, account: &str, owners: &BTreeSet<Email>) -> Result<bool, Problem> {
        Ok(match self {
            Self::File(path) => Store::open(path, OpenMode::Write)?.set_owner(account, owners)?,
            Self::Realm(realm, runtime) => runtime.block_on(realm.set_owner(account, owners))?,
        })
    }

    /// Deletes or restores an account. Returns whether that changed the directory.
    pub fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Problem> {
        Ok(match self {
            Self::File(path) => Store::open(path, OpenMode::Write)?.set_deleted(account, deleted)?,
            Self::Realm(realm, runtime) => runtime.block_on(realm.set_deleted(account, deleted))?,
        })
    }

    /// The embedded directory, where commands simulate the guest. In a realm, a real guest acts.
    pub fn simulated(&self, directory: &str, instead: &str) -> Result<Store, Problem> {
        match self {
            Self::File(path) => Ok(Store::open(path, OpenMode::Write)?),
            Self::Realm(..) => Err(not_applicable(directory, instead)),
        }
    }
}

/// The users of a realm whose entries leave fields out.
async fn existing(realm: &keycloak::Directory, file: &ImportFile) -> Result<BTreeMap<Email, UserRecord>, Error> {
    let mut existing = BTreeMap::new();
    let partial = |entry: &&UserEntry| entry.name.is_none() || entry.enabled.is_none() || entry.verified.is_none();
    for entry in file.users.iter().filter(partial) {
        if let Some(user) = realm.user(&entry.email).await? {
            existing.insert(entry.email.clone(), user);
        }
    }
    Ok(existing)
}

/// The value of an environment variable.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Creates the runtime for calls to a realm.
pub fn runtime() -> Result<Runtime, Problem> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Problem::Message(format!("failed to start: {error}")))
}
