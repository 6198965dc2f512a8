//! Emptying the write-ahead log into the directory's own file. SQLite leaves committed transactions in `FILE-wal`; a copy of the
//! file alone would be a valid directory without them. See `docs/adr/0009-backups-and-the-journal.md`.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

/// How long the directory waits for the next request before it empties the log.
pub(super) const IDLE: Duration = Duration::from_millis(100);
/// At this many pages (4 KiB each) SQLite empties the log in the middle of a burst. A copy of the file is torn only if it is made
/// while that happens, so it shall be rare.
const PAGES: u32 = 4_096;
/// How long a checkpoint waits for a reader of another process.
const PATIENCE: Duration = Duration::from_millis(50);

/// The write-ahead log of one connection.
#[derive(Debug)]
pub(super) struct Log {
    /// `None`: there is none that this connection may write to.
    path: Option<PathBuf>,
}

impl Log {
    /// The log of a connection that may write.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        connection.pragma_update(None, "wal_autocheckpoint", PAGES)?;
        let path = connection.path().filter(|path| !path.is_empty()).map(|path| PathBuf::from(format!("{path}-wal")));
        Ok(Self { path })
    }

    /// The log of a connection that only reads.
    pub(super) fn none() -> Self {
        Self { path: None }
    }

    /// Whether nothing is in the log, whichever process wrote it.
    pub(super) fn is_empty(&self) -> bool {
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        self.path.as_ref().is_none_or(|path| length(path) == 0)
    }

    /// Empties the log into the file. Where another process reads at the moment, it stays for the next time.
    pub(super) fn checkpoint(&self, connection: &Connection, patience: Duration) {
        if self.is_empty() {
            return;
        }
        let run = || {
            connection.busy_timeout(PATIENCE)?;
            let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            connection.busy_timeout(patience)?;
            done
        };
        match run() {
            Ok(busy) => tracing::trace!(busy, "write-ahead log emptied"),
            Err(error) => tracing::debug!(%error, "failed to empty the directory's write-ahead log"),
        }
    }
}
