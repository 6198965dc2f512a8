//! Empties the write-ahead log into the directory's own file. SQLite leaves committed transactions in `FILE-wal`; a
//! copy of the file alone would be a valid directory without them. See `docs/adr/0009-backups-and-the-journal.md`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// The idle time after which the directory empties the log.
pub(super) const IDLE: Duration = Duration::from_millis(100);
/// The number of pages (4 KiB each) at which SQLite empties the log during a burst of writes. A copy of the file made
/// at that moment is inconsistent, so it should happen rarely.
const PAGES: u32 = 4_096;
/// The maximum time that a checkpoint waits for a reader of another process.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(50);

/// The write-ahead log of one connection.
#[derive(Debug)]
pub(super) struct Log {
    /// `None`: this connection has no log to write to.
    path: Option<PathBuf>,
    /// The directory's file, if the store's connection is read-only: a second connection empties the log.
    read_only: Option<PathBuf>,
}

impl Log {
    /// The log of a connection that may write.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        connection.pragma_update(None, "wal_autocheckpoint", PAGES)?;
        let path = connection.path().filter(|path| !path.is_empty()).map(|path| beside(Path::new(path), "-wal"));
        Ok(Self { path, read_only: None })
    }

    /// The log of a connection that only reads.
    pub(super) fn of_reader(file: &Path) -> Self {
        Self { path: Some(beside(file, "-wal")), read_only: Some(file.to_owned()) }
    }

    /// Whether the store has to empty the log when it is idle. A read-only store empties it only at open and close,
    /// because the writers do it in between.
    pub(super) fn waits_for_rest(&self) -> bool {
        self.read_only.is_none() && !self.is_empty()
    }

    /// Whether the log is empty, whichever process wrote it.
    pub(super) fn is_empty(&self) -> bool {
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        self.path.as_ref().is_none_or(|path| length(path) == 0)
    }

    /// Empties the log into the file. If another process is reading, the log stays until the next checkpoint.
    pub(super) fn checkpoint(&self, connection: &Connection, busy_timeout: Duration) {
        if self.is_empty() {
            return;
        }
        let run = || {
            if let Some(file) = &self.read_only {
                // Fails without write permission; the file then stays as it is.
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                return truncate(&Connection::open_with_flags(file, flags)?);
            }
            let done = truncate(connection);
            connection.busy_timeout(busy_timeout)?;
            done
        };
        match run() {
            Ok(busy) => tracing::trace!(busy, "write-ahead log emptied"),
            Err(error) => tracing::debug!(%error, "failed to empty the directory's write-ahead log"),
        }
    }
}

fn truncate(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(CHECKPOINT_TIMEOUT)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
}

/// The path of a file that SQLite keeps beside the directory's file.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
