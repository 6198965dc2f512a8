//! Whether a file is one consistent directory. A copy made during writes may mix pages of two states and still open
//! without an error. The check reads the whole file.

use rusqlite::Connection;

use super::digest;

/// SQLite counts the changes in its own table. Triggers do not see that number, so the digest does not cover it.
const SEQUENCE: &str = "SELECT ifnull((SELECT max(seq) FROM changes), 0) \
                        IS (SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes')";

/// The first problem of the file, if there is one.
pub(super) fn problem(connection: &Connection, has_digest: bool) -> rusqlite::Result<Option<String>> {
    let whole: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Ok(Some(whole));
    }
    if !connection.query_row(SEQUENCE, [], |row| row.get(0))? {
        return Ok(Some("the last change is missing from the log of changes".to_owned()));
    }
    if has_digest && !digest::matches(connection)? {
        return Ok(Some("its records come from different states of the directory".to_owned()));
    }
    Ok(None)
}
