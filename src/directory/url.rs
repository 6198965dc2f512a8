//! The directory's address, as in `--directory`, and the functions that open it read-only or writable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::sqlite::{self, OpenMode, ReadOnly, Store};
use super::{DirectoryReader, DirectoryWriter, Error, keycloak, scheme};

/// The number of concurrent operations on Keycloak. An SQLite file has one writer.
const AT_ONCE: usize = 8;

/// The address of a directory.
#[derive(Clone, Debug)]
pub enum DirectoryUrl {
    /// The file of an embedded directory.
    Sqlite(PathBuf),
    /// A realm of Keycloak.
    Keycloak(Box<keycloak::Settings>),
}

impl DirectoryUrl {
    /// Parses `sqlite:PATH` or `keycloak:URL#REALM`. Keycloak's other settings come from the environment.
    ///
    /// # Errors
    ///
    /// The address has another form, or a setting of the environment is wrong.
    pub fn read(address: &str) -> Result<Self, String> {
        match address.split_once(':') {
            Some(("sqlite", ":memory:")) => {
                Err("--directory sqlite::memory: names no file, and its content would be lost at the \
                                                 end of the command; write sqlite:PATH, as in sqlite:guestlist.db"
                    .to_owned())
            }
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(Path::new(path).to_owned())),
            Some(("keycloak", _)) => {
                let settings = keycloak::Settings::read(address, |name| std::env::var(name).ok());
                settings.map(|settings| Self::Keycloak(Box::new(settings))).map_err(|fault| fault.to_string())
            }
            Some(_) | None => Err(format!(
                "--directory {} is not understood: write sqlite:PATH, as in sqlite:guestlist.db, or keycloak:URL#REALM",
                scheme(address)
            )),
        }
    }

    /// The maximum number of concurrent operations.
    pub fn at_once(&self) -> usize {
        match self {
            Self::Sqlite(_) => 1,
            Self::Keycloak(_) => AT_ONCE,
        }
    }

    /// The network file system of an embedded directory's file, if it is on one.
    pub fn network_disk(&self) -> Option<String> {
        match self {
            Self::Sqlite(path) => sqlite::network_disk(path),
            Self::Keycloak(_) => None,
        }
    }

    /// Opens the directory read-only.
    ///
    /// # Errors
    ///
    /// The directory cannot be opened.
    pub fn observe(&self) -> Result<Arc<dyn DirectoryReader>, Error> {
        match self {
            Self::Sqlite(path) => Ok(Arc::new(ReadOnly::start(Store::open(path, OpenMode::Read)?).map_err(unstarted)?)),
            Self::Keycloak(settings) => Ok(Arc::new(keycloak(settings)?)),
        }
    }

    /// Opens the directory for writing. With `create`, a missing file is created.
    ///
    /// # Errors
    ///
    /// The directory cannot be opened for writing.
    pub fn execute(&self, create: bool) -> Result<Arc<dyn DirectoryWriter>, Error> {
        match self {
            Self::Sqlite(path) => {
                let access = if create { OpenMode::Create } else { OpenMode::Write };
                Ok(Arc::new(sqlite::Directory::start(Store::open(path, access)?).map_err(unstarted)?))
            }
            Self::Keycloak(settings) => Ok(Arc::new(keycloak(settings)?)),
        }
    }
}

fn keycloak(settings: &keycloak::Settings) -> Result<keycloak::Directory, Error> {
    keycloak::Directory::new(settings.clone(), Arc::new(Timestamp::now))
}

fn unstarted(error: std::io::Error) -> Error {
    Error::Unavailable { context: format!("failed to start: {error}") }
}
