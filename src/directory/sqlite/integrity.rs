//! Whether a file is one directory, and not pages of two: a copy that was made while the directory was being written may open
//! without an error. The check reads all of it: 10,000 guests take a tenth of a second.

use rusqlite::Connection;

/// Says what is wrong, or nothing. A query that returns a row found something.
const RULES: [(&str, &str); 9] = [
    ("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", "a row refers to one that is missing"),
    // Transactions leave no gap in the log of changes, also those that were rolled back.
    (
        "SELECT count(*) FROM changes HAVING count(*) <> ifnull(max(seq) - min(seq) + 1, 0)",
        "the log of changes has a gap",
    ),
    (
        "SELECT 1 FROM (SELECT max(seq) AS last FROM changes) WHERE last IS NOT NULL \
         AND last IS NOT (SELECT seq FROM sqlite_sequence WHERE name = 'changes')",
        "the log of changes does not end where it was written last",
    ),
    // The last line about a guest and their record come from one transaction.
    (
        "SELECT 1 FROM (SELECT key, kind, max(seq) AS seq FROM changes \
         WHERE kind IN ('guest', 'gone', 'destroyed') GROUP BY key) AS last \
         LEFT JOIN guests ON guests.address = last.key \
         WHERE last.kind = 'guest' AND ifnull(guests.revision, 0) < last.seq LIMIT 1",
        "a guest's record is older than the log of changes says",
    ),
    (
        "SELECT 1 FROM guests WHERE revision > \
         ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0) LIMIT 1",
        "a guest's record is newer than the log of changes",
    ),
    // What each single transaction keeps true.
    (
        "SELECT 1 FROM guests LEFT JOIN mails USING (address) \
         WHERE sent_at IS NOT NULL AND ifnull(mailed_at, '') < sent_at LIMIT 1",
        "an invitation was sent without a mail",
    ),
    (
        "SELECT 1 FROM grants JOIN guests ON guests.id = grants.guest \
         WHERE joined_at IS NULL OR deactivated_at IS NOT NULL LIMIT 1",
        "a guest holds an account without having joined",
    ),
    (
        "SELECT 1 FROM grants JOIN guests ON guests.id = grants.guest \
         WHERE grants.role = 'Manager' AND guests.role = 'GuestUser' LIMIT 1",
        "a Guest User is Manager",
    ),
    (
        "SELECT 1 FROM guests JOIN partners ON partners.id = guests.partner \
         WHERE guests.deactivated_at IS NULL AND partners.deactivated_at IS NOT NULL LIMIT 1",
        "a partner was deactivated before its guests",
    ),
];

/// The first problem of the file, if there is one.
pub(super) fn problem(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let whole: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Ok(Some(whole));
    }
    for (sql, what) in RULES {
        if connection.prepare(sql)?.exists([])? {
            return Ok(Some(what.to_owned()));
        }
    }
    Ok(None)
}
