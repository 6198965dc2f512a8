//! Where the directory is, as `--directory` says it, and the ways to open it: to read and nothing else, or to write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::sqlite::{self, OpenMode, ReadOnly, Store};
use super::{DirectoryReader, DirectoryWriter, Error, keycloak, scheme};

/// How many operations are done at once on Keycloak. A file has one writer.
const AT_ONCE: usize = 8;

/// A directory's place.
#[derive(Clone, Debug)]
pub enum DirectoryUrl {
    /// An embedded directory's file.
    Sqlite(PathBuf),
    /// A realm of Keycloak.
    Keycloak(Box<keycloak::Settings>),
}

impl DirectoryUrl {
    /// Reads `sqlite:PATH` or `keycloak:URL#REALM`. What Keycloak needs besides comes from the environment.
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

    /// How many operations are done at once.
    pub fn at_once(&self) -> usize {
        match self {
            Self::Sqlite(_) => 1,
            Self::Keycloak(_) => AT_ONCE,
        }
    }

    /// The network file system that an embedded directory's file lies on, if any.
    pub fn network_disk(&self) -> Option<String> {
        match self {
            Self::Sqlite(path) => sqlite::network_disk(path),
            Self::Keycloak(_) => None,
        }
    }

    /// Opens it by a handle that can only read.
    pub fn observe(&self) -> Result<Arc<dyn DirectoryReader>, Error> {
        match self {
            Self::Sqlite(path) => Ok(Arc::new(ReadOnly::start(Store::open(path, OpenMode::Read)?).map_err(unstarted)?)),
            Self::Keycloak(settings) => Ok(Arc::new(keycloak(settings)?)),
        }
    }

    /// Opens it. `create`: a file that is not there is made.
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
