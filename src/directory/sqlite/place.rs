//! Whether the file that was opened is still the one that its name stands for. SQLite goes on with a file that was moved,
//! deleted or replaced, unseen by everybody else: what is taken away there is taken away nowhere.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Fault;

/// A file's name, and which file it stood for.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// Device and inode; `None`: nothing to compare with (`:memory:`).
    file: Option<(u64, u64)>,
}

impl Place {
    /// Notes which file a name stands for now.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), file: identity(path).ok() }
    }

    /// Fails where the name stands for another file, or for none.
    pub fn check(&self) -> Result<(), Fault> {
        let Some(file) = self.file else { return Ok(()) };
        let path = self.path.display();
        let context = match identity(&self.path) {
            Ok(now) if now == file => return Ok(()),
            Ok(_) => format!(
                "{path} was replaced by another file while guestlist ran; put the old one back, or restart guestlist to use this one"
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => format!(
                "{path} was moved or deleted while guestlist ran; put it back: a restart without it begins with an empty directory"
            ),
            Err(error) => format!("{path} cannot be looked at: {error}"),
        };
        Err(Fault::Unavailable { context })
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
