//! The file: its identification, its tables, and the messages for a file that is not usable.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::super::Error;
use super::checkpoint::{Log, beside};
use super::{digest, integrity};

/// Identifies the file as a guestlist directory (`glst`).
pub(super) const APPLICATION_ID: i32 = 0x676c_7374;

/// The maximum wait for another process's transaction.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The tables. Constraints enforce the invariants of single rows.
const TABLES: &str = "
PRAGMA application_id = 0x676c7374;
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  installation TEXT,
  cluster TEXT,
  epoch INTEGER NOT NULL DEFAULT 0
);
INSERT INTO meta (id) VALUES (1);

CREATE TABLE users (
  email TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  verified INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE accounts (
  name TEXT PRIMARY KEY,
  deleted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE account_owners (
  account TEXT NOT NULL REFERENCES accounts (name),
  email TEXT NOT NULL,
  PRIMARY KEY (account, email)
) WITHOUT ROWID;
CREATE INDEX account_owners_by_email ON account_owners (email);

CREATE TABLE partners (
  id TEXT PRIMARY KEY,
  installation TEXT NOT NULL,
  cluster TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  display_name TEXT NOT NULL,
  host_admins TEXT NOT NULL,
  suspended INTEGER NOT NULL DEFAULT 0,
  deactivated_at TEXT
) WITHOUT ROWID;

CREATE TABLE guests (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  address TEXT NOT NULL UNIQUE,
  installation TEXT NOT NULL,
  cluster TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('Created', 'Adopted')),
  partner TEXT NOT NULL REFERENCES partners (id),
  partner_name TEXT NOT NULL,
  display_name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('GuestUser', 'GuestAdmin')),
  admitted_at TEXT NOT NULL,
  sent_at TEXT,
  invitation_ends TEXT,
  joined_at TEXT,
  login INTEGER NOT NULL CHECK (login IN (0, 1)),
  mfa_lost_at TEXT,
  deactivated_at TEXT,
  CHECK ((sent_at IS NULL) = (invitation_ends IS NULL)),
  CHECK (deactivated_at IS NULL OR (sent_at IS NULL AND login = 0))
) WITHOUT ROWID;
CREATE INDEX guests_by_partner ON guests (partner);

CREATE TABLE mfa (
  address TEXT NOT NULL,
  method TEXT NOT NULL CHECK (method IN ('TOTP', 'WebAuthn')),
  enrolled_at TEXT NOT NULL,
  PRIMARY KEY (address, method)
) WITHOUT ROWID;

CREATE TABLE grants (
  guest TEXT NOT NULL REFERENCES guests (id),
  account TEXT NOT NULL REFERENCES accounts (name),
  role TEXT NOT NULL CHECK (role IN ('Collaborator', 'Manager')),
  share TEXT NOT NULL,
  share_uid TEXT NOT NULL,
  allowed TEXT NOT NULL CHECK (allowed <> ''),
  asked TEXT NOT NULL CHECK (asked <> ''),
  until TEXT,
  since TEXT NOT NULL,
  PRIMARY KEY (guest, account)
) WITHOUT ROWID;
CREATE TRIGGER no_manager_for_a_guest_user BEFORE INSERT ON grants
  WHEN new.role = 'Manager' AND (SELECT role FROM guests WHERE id = new.guest) = 'GuestUser'
  BEGIN SELECT RAISE(ABORT, 'a Guest User is never Manager'); END;
CREATE TRIGGER no_raise_for_a_guest_user BEFORE UPDATE ON grants
  WHEN new.role = 'Manager' AND (SELECT role FROM guests WHERE id = new.guest) = 'GuestUser'
  BEGIN SELECT RAISE(ABORT, 'a Guest User is never Manager'); END;
CREATE TRIGGER no_guest_user_with_manager BEFORE UPDATE OF role ON guests
  WHEN new.role = 'GuestUser' AND EXISTS (SELECT 1 FROM grants WHERE guest = new.id AND role = 'Manager')
  BEGIN SELECT RAISE(ABORT, 'a Guest User is never Manager'); END;
CREATE TRIGGER no_grant_for_the_deactivated BEFORE INSERT ON grants
  WHEN (SELECT deactivated_at FROM guests WHERE id = new.guest) IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'who is deactivated holds nothing'); END;
CREATE TRIGGER no_deactivation_with_grants BEFORE UPDATE OF deactivated_at ON guests
  WHEN new.deactivated_at IS NOT NULL AND EXISTS (SELECT 1 FROM grants WHERE guest = new.id)
  BEGIN SELECT RAISE(ABORT, 'who is deactivated holds nothing'); END;

CREATE TRIGGER no_owner_for_a_guest BEFORE INSERT ON account_owners
  WHEN EXISTS (SELECT 1 FROM guests WHERE address = new.email AND deactivated_at IS NULL)
  BEGIN SELECT RAISE(ABORT, 'a guest is never Owner'); END;
CREATE TRIGGER no_guest_who_owns BEFORE INSERT ON guests
  WHEN new.deactivated_at IS NULL AND EXISTS (SELECT 1 FROM account_owners WHERE email = new.address)
  BEGIN SELECT RAISE(ABORT, 'a guest is never Owner'); END;
CREATE TRIGGER no_return_of_a_guest_who_owns BEFORE UPDATE OF deactivated_at ON guests
  WHEN new.deactivated_at IS NULL AND EXISTS (SELECT 1 FROM account_owners WHERE email = new.address)
  BEGIN SELECT RAISE(ABORT, 'a guest is never Owner'); END;

CREATE TABLE mails (
  address TEXT PRIMARY KEY,
  mailed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX mails_by_time ON mails (mailed_at);

CREATE TABLE shares (
  uid TEXT PRIMARY KEY,
  partner_name TEXT NOT NULL,
  account TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE purged (
  minute TEXT PRIMARY KEY,
  records INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  key TEXT NOT NULL
);
";

/// The mails of the last hour to an address, for the policy's `invitationsPerHour`.
const RECENT_MAILS: &str = "ALTER TABLE mails ADD COLUMN recent TEXT NOT NULL DEFAULT ''";

/// The MFA methods allowed to each guest. Earlier records allow all methods until their membership is next
/// reconciled.
const ALLOWED: &str =
    "ALTER TABLE guests ADD COLUMN allowed TEXT NOT NULL DEFAULT 'TOTP,WebAuthn' CHECK (allowed <> '');";

/// Marks logins that an administrator disabled; `login` holds guestlist's own decision.
const DISABLED_BY_OTHER: &str = "
ALTER TABLE guests ADD COLUMN disabled_by_other INTEGER NOT NULL DEFAULT 0 CHECK (disabled_by_other IN (0, 1));
";

/// The digest of all rows.
const DIGEST: &str = "ALTER TABLE meta ADD COLUMN digest INTEGER NOT NULL DEFAULT 0";

/// The schema version from which a file has a digest.
const WITH_DIGEST: i64 = 5;

/// The steps from an empty file to this version's schema. From the digest on, each step ends with [`digest::renew`].
fn steps() -> [M<'static>; 5] {
    let renew = |tx: &Transaction<'_>| digest::renew(tx).map_err(Into::into);
    [M::up(TABLES), M::up(RECENT_MAILS), M::up(ALLOWED), M::up(DISABLED_BY_OTHER), M::up_with_hook(DIGEST, renew)]
}

/// The path of a directory in memory.
const IN_MEMORY: &str = ":memory:";

/// Fills a new directory in memory from an empty one that has all steps behind it. The steps take longer than most
/// plans do.
fn copy_empty(connection: &mut Connection) -> Result<(), Error> {
    static EMPTY: Mutex<Option<Connection>> = Mutex::new(None);
    let path = Path::new(IN_MEMORY);
    let fail = |error: rusqlite::Error| refused(path, &error);
    let mut empty = EMPTY.lock().unwrap_or_else(PoisonError::into_inner);
    if empty.is_none() {
        let mut new = Connection::open_in_memory().map_err(fail)?;
        digest::register(&new).map_err(fail)?;
        let steps = steps();
        migrate(path, &mut new, &steps, i64::try_from(steps.len()).unwrap_or(i64::MAX))?;
        *empty = Some(new);
    }
    let Some(empty) = &*empty else { return Ok(()) };
    Backup::new(empty, connection).and_then(|copy| copy.step(-1)).map_err(fail)?;
    Ok(())
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
