//! A digest of all rows, which proves that the pages of a file belong to one state of the directory. Triggers update
//! it in `meta`, in the transaction that changes a row. Pages of two states, a log beside the wrong file and a
//! damaged row give another digest. See `docs/adr/0009-backups-and-the-journal.md`.
//!
//! The digest of a row covers the table's name and the values. The digest of all rows is the exclusive or of the row
//! digests. The order does not matter, and the same step adds a row and removes it.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, Transaction};
use uuid::Uuid;

/// Registers the function that the triggers call. A connection without it can read, but every write fails.
///
/// # Errors
///
/// SQLite refuses the function.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("guestlist_digest", -1, flags, |row| Ok(row.get::<i64>(0)? ^ row_digest(row)))
}

/// The arguments are a digest to combine with, the table's name, and the values of the row.
fn row_digest(row: &Context<'_>) -> i64 {
    let mut bytes = Vec::with_capacity(256);
    for value in (1..row.len()).map(|index| row.get_raw(index)) {
        let mut put = |kind: u8, value: &[u8]| {
            bytes.push(kind);
            bytes.extend_from_slice(&value.len().to_le_bytes());
            bytes.extend_from_slice(value);
        };
        match value {
            ValueRef::Null => put(0, &[]),
            ValueRef::Integer(number) => put(1, &number.to_le_bytes()),
            ValueRef::Real(number) => put(2, &number.to_le_bytes()),
            ValueRef::Text(text) => put(3, text),
            ValueRef::Blob(blob) => put(4, blob),
        }
    }
    // The UUID is a SHA-1 in which a few bits are fixed, at different positions in its halves.
    let (high, low) = Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).as_u64_pair();
    (high ^ low).cast_signed()
}

/// Creates the triggers for the current tables and the digest of their rows: the last step of each change of the schema.
pub(super) fn renew(tx: &Transaction<'_>) -> Result<()> {
    for (table, columns) in tables(tx)? {
        for (event, rows) in [("insert", &["new"][..]), ("update", &["old", "new"]), ("delete", &["old"])] {
            let digest = rows.iter().fold("digest".to_owned(), |digest, row| call(&digest, &table, row, &columns));
            tx.execute_batch(&format!(
                "DROP TRIGGER IF EXISTS digest_of_{table}_{event};
                 CREATE TRIGGER digest_of_{table}_{event} AFTER {event} ON {table}
                 BEGIN UPDATE meta SET digest = {digest}; END;"
            ))?;
        }
    }
    tx.execute("UPDATE meta SET digest = ?1", [of_rows(tx)?]).map(drop)
}

/// Whether the rows have the digest in `meta`.
pub(super) fn matches(connection: &Connection) -> Result<bool> {
    let stored: i64 = connection.query_row("SELECT digest FROM meta", [], |row| row.get(0))?;
    Ok(stored == of_rows(connection)?)
}

fn of_rows(connection: &Connection) -> Result<i64> {
    let mut digest = 0;
    for (table, columns) in tables(connection)? {
        let sql = format!("SELECT {} FROM {table}", call("0", &table, &table, &columns));
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            digest ^= row.get::<_, i64>(0)?;
        }
    }
    Ok(digest)
}

fn call(digest: &str, table: &str, row: &str, columns: &[String]) -> String {
    let values: Vec<_> = columns.iter().map(|column| format!("{row}.{column}")).collect();
    format!("guestlist_digest({digest}, '{table}', {})", values.join(", "))
}

/// All tables with their columns, except `meta`, which holds the digest in its only row.
fn tables(connection: &Connection) -> Result<Vec<(String, Vec<String>)>> {
    let list = |sql: &str, of: &[&str]| -> Result<Vec<String>> {
        connection.prepare(sql)?.query_map(rusqlite::params_from_iter(of), |row| row.get(0))?.collect()
    };
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'meta' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let columns = |table: String| {
        let columns = list("SELECT name FROM pragma_table_info(?1) ORDER BY cid", &[&table])?;
        Ok((table, columns))
    };
    list(sql, &[])?.into_iter().map(columns).collect()
}
