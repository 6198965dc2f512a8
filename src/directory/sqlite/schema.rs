//! The file: its identification, its schema version, and the messages for a file that is not usable.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::super::Error;
use super::checkpoint::{Log, beside};
use super::tables::{WITH_DIGEST, steps};
use super::{digest, integrity};

/// Identifies the file as a guestlist directory (`glst`).
pub(super) const APPLICATION_ID: i32 = 0x676c_7374;

/// The maximum wait for another process's transaction.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The path of a directory in memory.
const IN_MEMORY: &str = ":memory:";

/// Fills a new directory in memory from an empty one that has all steps behind it. The steps take longer than most
/// plans do.
fn copy_empty(connection: &mut Connection) -> Result<(), Error> {
    static EMPTY: Mutex<Option<Connection>> = Mutex::new(None);
    let mut empty = EMPTY.lock().unwrap_or_else(PoisonError::into_inner);
    let empty = match &mut *empty {
        Some(empty) => empty,
        none => none.insert(empty_in_memory()?),
    };
    let copied = Backup::new(empty, connection).and_then(|copy| copy.step(-1));
    copied.map(drop).map_err(|error| refused(Path::new(IN_MEMORY), &error))
}

fn empty_in_memory() -> Result<Connection, Error> {
    let path = Path::new(IN_MEMORY);
    let fail = |error: rusqlite::Error| refused(path, &error);
    let mut connection = Connection::open_in_memory().map_err(fail)?;
    digest::register(&connection).map_err(fail)?;
    let steps = steps();
    migrate(path, &mut connection, &steps, i64::try_from(steps.len()).unwrap_or(i64::MAX))?;
    Ok(connection)
}

/// The access that the caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Read and write; a missing file is created.
    Create,
    /// Read and write; the file must exist and not be empty.
    Write,
    /// Read only; the file must exist and not be empty.
    Read,
}

/// Opens a file, or `:memory:`, and checks that it is one consistent directory. A file that fails the check is not
/// changed.
pub(super) fn open(path: &Path, access: OpenMode) -> Result<(Connection, Log), Error> {
    let flags = match access {
        OpenMode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        OpenMode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        OpenMode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let missing = access != OpenMode::Create && path != Path::new(IN_MEMORY) && !path.exists();
    if missing {
        return Err(Error::Refused {
            message: format!(
                "there is no directory at {}; create it with `guestlist directory import FILE --directory sqlite:{}`",
                path.display(),
                path.display()
            ),
        });
    }
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags, access)?;
    if path == Path::new(IN_MEMORY) {
        copy_empty(&mut connection)?;
    }
    // A refused file stays unchanged: closing would write the log into it, and the log may belong to another file.
    let keeps_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keeps_log, true).map_err(|error| refused(path, &error))?;
    prepare(path, &mut connection, access)?;
    connection.set_db_config(keeps_log, false).map_err(|error| refused(path, &error))?;
    let log = if access == OpenMode::Read {
        Log::of_reader(path)
    } else {
        Log::of(&connection).map_err(|error| refused(path, &error))?
    };
    // After a crash, the last transactions are only in the log.
    log.checkpoint(&connection, BUSY_TIMEOUT);
    Ok((connection, log))
}

/// Opens a connection. To read a file in WAL mode, SQLite creates an index (`-shm`) beside it. If the folder is read-only
/// and holds no log, the file alone is complete, and SQLite opens it as immutable.
fn connect(path: &Path, flags: OpenFlags, access: OpenMode) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| refused(path, &error))?;
    if access != OpenMode::Read {
        return Ok(connection);
    }
    let read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let cannot = [Some(ErrorCode::CannotOpen), Some(ErrorCode::ReadOnly)];
    if !read.is_err_and(|error| cannot.contains(&error.sqlite_error_code())) {
        return Ok(connection);
    }
    let log = beside(path, "-wal");
    if log.exists() {
        let message = format!(
            "{} cannot be read: its folder is read-only, and changes may be in the log {} alone. Copy both files to a folder \
             that guestlist can write to, and name the copy.",
            path.display(),
            log.display()
        );
        return Err(Error::Refused { message });
    }
    let name = path.to_str().ok_or_else(|| Error::Refused { message: format!("{} is not UTF-8", path.display()) })?;
    let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{name}?immutable=1"), flags).map_err(|error| refused(path, &error))
}

fn prepare(path: &Path, connection: &mut Connection, access: OpenMode) -> Result<(), Error> {
    let fail = |error: rusqlite::Error| refused(path, &error);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    // Without statistics of the tables, a query has one plan for all values. SQLite would compile it for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fail)?;
    digest::register(connection).map_err(fail)?;
    let (id, version, tables) = identity(connection).map_err(fail)?;
    let fresh = id == 0 && version == 0 && tables == 0;
    if !fresh && id != APPLICATION_ID {
        return Err(Error::Refused {
            message: format!(
                "{} is an SQLite file, but not a guestlist directory; nothing was changed. Name another file.",
                path.display()
            ),
        });
    }
    let steps = steps();
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(Error::Refused {
            message: format!(
                "{} was written by a newer guestlist (schema {version}, this one knows {known}); nothing was changed. Upgrade guestlist.",
                path.display()
            ),
        });
    }
    if fresh && access != OpenMode::Create {
        return Err(Error::Refused {
            message: format!(
                "{} is empty: it is not a directory yet, or its content was lost. Restore a copy, or create a new directory with \
                 `guestlist directory import FILE --directory sqlite:{}`",
                path.display(),
                path.display()
            ),
        });
    }
    if version >= 1 && path != Path::new(IN_MEMORY) {
        check_file(path, connection, version >= WITH_DIGEST)?;
    }
    if access == OpenMode::Read && version < known {
        return Err(Error::Refused {
            message: format!(
                "{} was written by an older guestlist (schema {version}, this one has {known}), and reading does not change it. \
                 Run `guestlist apply` or `guestlist run` on it once.",
                path.display()
            ),
        });
    }
    if access == OpenMode::Read {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
    // Without it, `INSERT OR REPLACE` deletes a row without the trigger, and the digest keeps that row.
    connection.pragma_update(None, "recursive_triggers", true).map_err(fail)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    if version < known {
        return migrate(path, connection, &steps, known);
    }
    wal(connection).map_err(fail)
}

/// Refuses a damaged file, or a copy made during writes.
fn check_file(path: &Path, connection: &Connection, has_digest: bool) -> Result<(), Error> {
    let snapshot = || {
        let tx = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        integrity::problem(&tx, has_digest)
    };
    match snapshot().map_err(|error| refused(path, &error))? {
        None => Ok(()),
        Some(problem) => Err(Error::Refused {
            message: format!(
                "{} is damaged: {problem}. Nothing was changed, and no mail was sent. {}.",
                path.display(),
                advice(path)
            ),
        }),
    }
}

/// The fix for a damaged file. A log that is not empty may belong to the file that a restored copy replaced.
fn advice(path: &Path) -> String {
    let another = "Was it copied while the directory was being written? Restore another copy; `guestlist directory backup FILE` \
                   makes one that is consistent";
    let (log, index) = (beside(path, "-wal"), beside(path, "-shm"));
    if std::fs::metadata(&log).map_or(0, |log| log.len()) == 0 {
        return another.to_owned();
    }
    let (log, index) = (log.display(), index.display());
    format!(
        "Was a copy restored here? Then {log} belongs to the file that was here before: remove {log} and {index} and try again. \
         {another}"
    )
}

/// The file's application identifier, schema version and number of tables. One snapshot, because another process may
/// be creating it.
fn identity(connection: &Connection) -> rusqlite::Result<(i32, i64, i64)> {
    let snapshot = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let tables = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id = snapshot.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = snapshot.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((id, version, tables))
}

/// Migrates a file to this version's schema. If another process migrates it first, nothing is left to do.
fn migrate(path: &Path, connection: &mut Connection, steps: &[M<'_>], known: i64) -> Result<(), Error> {
    let fail = |error: rusqlite::Error| refused(path, &error);
    wal(connection).map_err(fail)?;
    let Err(error) = Migrations::from_slice(steps).to_latest(connection) else { return Ok(()) };
    let now: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    if now == known {
        return Ok(());
    }
    if let rusqlite_migration::Error::RusqliteError { err, .. } = &error {
        return Err(refused(path, err));
    }
    Err(Error::Refused { message: format!("{} cannot be brought to this version's schema: {error}", path.display()) })
}

/// SQLite does not wait for a lock when it changes the journal mode, so this retries.
fn wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// The error for a file that cannot be opened.
fn refused(path: &Path, error: &rusqlite::Error) -> Error {
    let what = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "is not an SQLite file; nothing was changed. Name another file",
        Some(ErrorCode::DatabaseCorrupt) => {
            let message =
                format!("{} is damaged. Nothing was changed, and no mail was sent. {}.", path.display(), advice(path));
            return Error::Refused { message };
        }
        Some(ErrorCode::ReadOnly) => "is read-only; guestlist has to write to it (and to its folder)",
        Some(ErrorCode::CannotOpen) => "cannot be opened; its folder has to exist and to be writable",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            return Error::Unavailable { context: format!("{} is locked by another process", path.display()) };
        }
        Some(_) | None => return Error::Refused { message: format!("{} cannot be opened: {error}", path.display()) },
    };
    Error::Refused { message: format!("{} {what}.", path.display()) }
}

/// The message of a failed write. A full volume is a likely cause.
pub(super) fn unwritten(context: &str, error: impl std::fmt::Display) -> String {
    format!("failed to {context}: {error}; is there room left where the directory's file is?")
}

/// The error for a failed query, typed by the retry that it needs.
pub fn fault(context: &str, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => {
            Error::Refused { message: format!("failed to {context}: the directory's file is read-only") }
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::Refused {
            message: format!(
                "failed to {context}: the directory's file is damaged; restore it from a backup ({error})"
            ),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Unavailable {
            context: format!(
                "failed to {context}: another process holds the file locked for longer than {}s",
                BUSY_TIMEOUT.as_secs()
            ),
        },
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            Error::Unavailable { context: unwritten(context, error) }
        }
        Some(ErrorCode::ConstraintViolation) => Error::Changed { what: context.to_owned() },
        Some(_) | None => Error::Unavailable { context: format!("failed to {context}: {error}") },
    }
}
