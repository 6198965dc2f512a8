//! A consistent copy of a directory, also while it is in use.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::schema::{self, fault};
use super::{Error, OpenMode, Store};

/// The number of live records in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Live partners.
    pub partners: u32,
    /// Live guests.
    pub guests: u32,
    /// Accounts.
    pub accounts: u32,
}

/// Copies a directory into a new file that only its owner may read. The copy is one state of the directory, also
/// during writes. It is on the disk when this returns. An existing file is never changed.
///
/// # Errors
///
/// The file cannot be read, or the copy exists or cannot be written.
pub fn backup(from: &Path, to: &Path) -> Result<Contents, Error> {
    let mut source = Store::open(from, OpenMode::Read)?;
    if to.symlink_metadata().is_ok() {
        return Err(exists(to));
    }
    let partial = partial(to)?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    made.map_err(|error| failed(&partial, &error))?;
    let done = copy(&mut source, &partial).and_then(|contents| publish(&partial, to).map(|()| contents));
    drop(fs::remove_file(&partial));
    done
}

/// The temporary file of the incomplete copy, in the same folder.
fn partial(to: &Path) -> Result<PathBuf, Error> {
    let name = to.file_name().ok_or_else(|| Error::Refused { message: format!("{} is no file name", to.display()) })?;
    let name = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
    Ok(to.with_file_name(name))
}

fn copy(source: &mut Store, partial: &Path) -> Result<Contents, Error> {
    let name = partial
        .to_str()
        .ok_or_else(|| Error::Refused { message: format!("{} is not UTF-8; name another file", partial.display()) })?;
    source.connection().execute("VACUUM INTO ?1", [name]).map_err(|error| fault("copy the directory", &error))?;
    let (copy, _) = schema::open(partial, OpenMode::Read)?;
    let count = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, u32>(0));
    let count = |sql| count(sql).map_err(|error| fault("read the copy", &error));
    let contents = Contents {
        partners: count("SELECT count(*) FROM partners WHERE deactivated_at IS NULL")?,
        guests: count("SELECT count(*) FROM guests WHERE deactivated_at IS NULL")?,
        accounts: count("SELECT count(*) FROM accounts")?,
    };
    let synced = File::open(partial).and_then(|file| file.sync_all());
    synced.map_err(|error| failed(partial, &error))?;
    Ok(contents)
}

/// Moves the complete copy to its final name. Fails if another file has the name by now.
fn publish(partial: &Path, to: &Path) -> Result<(), Error> {
    match fs::hard_link(partial, to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(to)),
        // Some file systems do not support hard links.
        Err(_) if to.symlink_metadata().is_err() => fs::rename(partial, to).map_err(|error| failed(to, &error))?,
        Err(_) => return Err(exists(to)),
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(to, &error))
}

fn exists(file: &Path) -> Error {
    let message = format!("{} exists, and a backup never overwrites a file; name a new one", file.display());
    Error::Refused { message }
}

fn failed(file: &Path, error: &std::io::Error) -> Error {
    Error::Refused { message: format!("failed to write the backup {}: {error}", file.display()) }
}
