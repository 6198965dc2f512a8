//! Whether the opened file is still the one at its path. SQLite continues with a file that was moved, deleted or
//! replaced, and no other process sees it. A revocation written there would have no effect.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::checkpoint::beside;
use super::schema::{APPLICATION_ID, unwritten};

/// Bytes that an operation may need in the write-ahead log, with a margin.
const ROOM: usize = 256 * 1024;

/// A path, and the file that was at it when it was opened.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    /// Device and inode; `None`: no file to compare with (`:memory:`).
    file: Option<(u64, u64)>,
}

impl Opened {
    /// Records which file is at the path now.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), file: identity(path).ok() }
    }

    /// Fails if another file, or none, is at the path.
    pub fn check(&self) -> Result<(), Error> {
        let Some(file) = self.file else { return Ok(()) };
        let path = self.path.display();
        let context = match identity(&self.path) {
            Ok(now) if now == file => return Ok(()),
            // Revocations in the old file are not in the new one, and readers of the directory read the new one.
            Ok(_) if is_directory(&self.path) => {
                let message = format!(
                    "{path} was replaced by another directory while guestlist ran, and nothing more is done in the one that was \
                     there; start guestlist again, so that it goes on with this one"
                );
                return Err(Error::Replaced { message });
            }
            Ok(_) => {
                format!("{path} was replaced by a file that is no directory while guestlist ran; put the old one back")
            }
            Err(error) if error.kind() == ErrorKind::NotFound => format!(
                "{path} was moved or deleted while guestlist ran; put it back: a restart without it begins with an empty directory"
            ),
            Err(error) => format!("{path} cannot be read: {error}"),
        };
        Err(Error::Unavailable { context })
    }

    /// Fails if the volume has no room for an operation. A write by SQLite does not tell that for sure: a failed
    /// operation leaves a longer write-ahead log, and a small write fits into it.
    pub fn check_room(&self) -> Result<(), Error> {
        if self.file.is_none() {
            return Ok(());
        }
        let probe = beside(&self.path, "-room");
        let written = File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![0; ROOM])?;
            file.sync_data()
        });
        let removed = std::fs::remove_file(&probe);
        written.and(removed).map_err(|error| Error::Unavailable { context: unwritten("write to the directory", error) })
    }
}

/// Whether a file has the header of a guestlist directory. It reads the bytes without SQLite, which would create
/// files beside it.
fn is_directory(path: &Path) -> bool {
    let mut head = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.starts_with(b"SQLite format 3\0") && head.ends_with(&APPLICATION_ID.to_be_bytes())
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
