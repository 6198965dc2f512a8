//! Reads the log of changes for a follower. While nothing changes, a poll costs one pragma.
//!
//! `PRAGMA data_version` changes when *another* connection commits. The feed also reports this connection's own
//! writes, unless the caller received their effect. A response that was lost (a deadline passed) is a change like any
//! other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::directory::{Changed, Changes, Cursor, PartnerId};
use crate::domain::Email;

/// The maximum number of lines in the log of changes. A follower further behind reads everything again.
pub const KEPT: i64 = 10_000;

/// The lines that this connection wrote and whose effects reached the caller. Each range has its first and last line;
/// ranges are ascending, with gaps between them.
#[derive(Debug, Default)]
pub struct Answered(Vec<(i64, i64)>);

impl Answered {
    /// Adds the line of an effect that reached its caller.
    pub fn add(&mut self, line: Option<i64>) {
        let Some(line) = line else { return };
        self.0.push((line, line));
        self.0.sort_unstable();
        self.0.dedup_by(|next, before| {
            let touches = next.0 <= before.1 + 1;
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
    }

    fn has(&self, line: i64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Whether it contains all lines after `after`, up to and including `to`.
    fn covers(&self, after: i64, to: i64) -> bool {
        after >= to || self.0.iter().any(|(first, last)| *first <= after + 1 && to <= *last)
    }

    fn forget(&mut self, to: i64) {
        self.0.retain(|(_, last)| *last > to);
    }
}

/// The read position of a connection's follower.
#[derive(Debug, Default)]
pub struct ChangeFeed {
    /// `data_version` before the last read, and the last line of that read.
    seen: Option<(i64, i64)>,
    /// The last known line.
    head: i64,
    answered: Arc<Mutex<Answered>>,
}

impl ChangeFeed {
    /// The set into which the worker adds the lines of effects that reached their callers.
    pub fn answered(&self) -> Arc<Mutex<Answered>> {
        Arc::clone(&self.answered)
    }

    /// Notes a line that this connection wrote.
    pub fn wrote(&mut self, line: Option<i64>) {
        self.head = self.head.max(line.unwrap_or_default());
    }

    /// Forgets the read position, so that the next read uses the log alone.
    pub fn start_over(&mut self) {
        self.seen = None;
    }

    /// The changes after `since` that the follower has not received as effects.
    pub fn changes(&mut self, connection: &Connection, since: Cursor) -> rusqlite::Result<Changes> {
        let version = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = self.seen.is_some_and(|(seen, read)| seen == version && read <= since.0 && since.0 <= self.head);
        if alone && answered.covers(since.0, self.head) {
            answered.forget(self.head);
            self.seen = Some((version, self.head));
            return Ok(Changes { cursor: Cursor(self.head), changed: BTreeSet::new() });
        }
        // One snapshot, because another process may trim the log during the read.
        let snapshot = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        let cursor = head(&snapshot)?;
        let changed = if since > cursor || oldest(&snapshot)?.is_none_or(|oldest| since.0 + 1 < oldest) {
            // The log is empty, or the file is another one (a restored backup), or the log does not reach back to
            // `since`.
            if cursor == since { BTreeSet::new() } else { BTreeSet::from([Changed::Everything]) }
        } else {
            changes_of(&snapshot, since, cursor, &answered)?
        };
        answered.forget(cursor.0);
        self.head = cursor.0;
        self.seen = Some((version, cursor.0));
        Ok(Changes { cursor, changed })
    }
}

/// The last line ever written.
pub fn head(connection: &Connection) -> rusqlite::Result<Cursor> {
    let sql = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(Cursor)
}

fn oldest(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT min(seq) FROM changes")?.query_row([], |row| row.get(0))
}

fn changes_of(
    connection: &Connection,
    since: Cursor,
    to: Cursor,
    answered: &Answered,
) -> rusqlite::Result<BTreeSet<Changed>> {
    let sql = "SELECT seq, kind, key FROM changes WHERE seq > ?1 AND seq <= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![since.0, to.0])?;
    let mut changed = BTreeSet::new();
    while let Some(row) = rows.next()? {
        if !answered.has(row.get(0)?) {
            hint(&row.get::<_, String>(1)?, row.get(2)?, &mut changed);
        }
    }
    Ok(changed)
}

/// Adds the hints for one line of the log.
fn hint(kind: &str, key: String, hints: &mut BTreeSet<Changed>) {
    let address = |key: &str, of: fn(Email) -> Changed| Email::parse(key).map_or(Changed::Everything, of);
    hints.insert(match kind {
        "guest" | "gone" | "purged" => address(&key, Changed::Guest),
        "user" => address(&key, Changed::User),
        "partner" => Changed::Partner(PartnerId(key)),
        "account" => Changed::Account(key),
        // Shares are read again with everything else.
        "share" => return,
        _ => Changed::Everything,
    });
    if kind == "purged" {
        hints.insert(Changed::Purged);
    }
}
