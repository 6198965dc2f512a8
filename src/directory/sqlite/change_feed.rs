//! Following the changes: which hints a follower still has to be told, at the cost of one pragma while nothing happens.
//!
//! `PRAGMA data_version` moves when *another* connection commits. What this connection wrote itself is told too, unless
//! its effect was handed to whoever asked for it: an answer that got lost (a deadline passed) is a change like any other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::directory::{Changed, Changes, Cursor, PartnerId};
use crate::domain::Email;

/// How many lines the log of changes keeps. Who falls further behind reads everything again.
pub const KEPT: i64 = 10_000;

/// The lines that were written by us and whose effects arrived: ranges, first and last, ascending, never touching.
#[derive(Debug, Default)]
pub struct Answered(Vec<(i64, i64)>);

impl Answered {
    /// An effect arrived.
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

    /// Whether all lines after one and up to another are in it.
    fn covers(&self, after: i64, to: i64) -> bool {
        after >= to || self.0.iter().any(|(first, last)| *first <= after + 1 && to <= *last)
    }

    fn forget(&mut self, to: i64) {
        self.0.retain(|(_, last)| *last > to);
    }
}

/// How far a connection's follower has read.
#[derive(Debug, Default)]
pub struct ChangeFeed {
    /// `data_version` before the last reading, and how far that reading came.
    seen: Option<(i64, i64)>,
    /// The last line that we know of.
    head: i64,
    answered: Arc<Mutex<Answered>>,
}

impl ChangeFeed {
    /// Where the shell notes the effects that arrived.
    pub fn answered(&self) -> Arc<Mutex<Answered>> {
        Arc::clone(&self.answered)
    }

    /// This connection wrote a line.
    pub fn wrote(&mut self, line: Option<i64>) {
        self.head = self.head.max(line.unwrap_or_default());
    }

    /// Nothing is known of this connection's own writes: the next reading goes by the log alone.
    pub fn start_over(&mut self) {
        self.seen = None;
    }

    /// What a follower who has read up to `since` does not know yet.
    pub fn changes(&mut self, connection: &Connection, since: Cursor) -> rusqlite::Result<Changes> {
        let version = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = self.seen.is_some_and(|(seen, read)| seen == version && read <= since.0 && since.0 <= self.head);
        if alone && answered.covers(since.0, self.head) {
            answered.forget(self.head);
            self.seen = Some((version, self.head));
            return Ok(Changes { cursor: Cursor(self.head), changed: BTreeSet::new() });
        }
        // One snapshot: the log may be cut at its far end while we read.
        let snapshot = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        let cursor = head(&snapshot)?;
        let changed = if since > cursor || oldest(&snapshot)?.is_none_or(|oldest| since.0 + 1 < oldest) {
            // Nothing was ever written, or the file is another (a restored backup), or the log does not reach back so far.
            if cursor == since { BTreeSet::new() } else { BTreeSet::from([Changed::Everything]) }
        } else {
            told(&snapshot, since, cursor, &answered)?
        };
        answered.forget(cursor.0);
        self.head = cursor.0;
        self.seen = Some((version, cursor.0));
        Ok(Changes { cursor, changed })
    }
}

/// The last line that was ever written.
pub fn head(connection: &Connection) -> rusqlite::Result<Cursor> {
    let sql = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(Cursor)
}

fn oldest(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT min(seq) FROM changes")?.query_row([], |row| row.get(0))
}

fn told(
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

/// A line of the log, as hints.
fn hint(kind: &str, key: String, hints: &mut BTreeSet<Changed>) {
    let address = |key: &str, of: fn(Email) -> Changed| Email::parse(key).map_or(Changed::Everything, of);
    hints.insert(match kind {
        "guest" | "gone" | "purged" => address(&key, Changed::Guest),
        "user" => address(&key, Changed::User),
        "partner" => Changed::Partner(PartnerId(key)),
        "account" => Changed::Account(key),
        // Somebody who needs to know reads them anew with everything else.
        "share" => return,
        _ => Changed::Everything,
    });
    if kind == "purged" {
        hints.insert(Changed::Destroyed);
    }
}
