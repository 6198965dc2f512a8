//! The embedded directory's file: one value is changed, and the backend reads everything.

use futures::executor::block_on;
use guestlist::directory::sqlite::{Inline, OpenMode, Store, register_digest};
use guestlist::directory::{Cursor, DirectoryReader, PartnerId};
use guestlist::domain::Email;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::harness::{Subject, fuzz};

/// One row for each table.
const ROWS: &str = "
UPDATE meta SET installation = 'prod', cluster = 'c', epoch = 3;
INSERT INTO users VALUES ('alice@host.example', 'Alice Example', 1, 1);
INSERT INTO accounts VALUES ('ads', 0);
INSERT INTO account_owners VALUES ('ads', 'alice@host.example');
INSERT INTO partners (id, installation, cluster, namespace, name, uid, display_name, host_admins)
  VALUES ('p1', 'prod', 'c', 'partners', 'acme', 'aa', 'Acme', 'alice@host.example');
INSERT INTO guests (id, revision, address, installation, cluster, namespace, name, uid, origin, partner, partner_name,
    display_name, role, admitted_at, sent_at, invitation_ends, joined_at, login)
  VALUES ('g1', 1, 'bob@acme.example', 'prod', 'c', 'partners', 'bob', 'bb', 'Created', 'p1', 'acme', 'Bob', 'GuestAdmin',
    '2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z', '2026-01-04T00:00:00.000000000Z',
    '2026-01-02T00:00:00.000000000Z', 1);
INSERT INTO mfa VALUES ('bob@acme.example', 'TOTP', '2026-01-02T00:00:00.000000000Z');
INSERT INTO grants VALUES ('g1', 'ads', 'Manager', 's', 's1', 'TOTP,WebAuthn', 'TOTP', '2027-01-01T00:00:00.000000000Z',
  '2026-01-02T00:00:00.000000000Z');
INSERT INTO mails VALUES ('bob@acme.example', '2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z partners');
INSERT INTO shares VALUES ('s1', 'acme', 'ads');
INSERT INTO purged VALUES ('2026-01-01T00:01:00.000000000Z', 3);
INSERT INTO changes (kind, key) VALUES ('guest', 'bob@acme.example');
PRAGMA ignore_check_constraints = ON;
PRAGMA foreign_keys = OFF;
PRAGMA synchronous = OFF;
";

const WORDS: [&str; 14] = [
    "guest",
    "partner",
    "account",
    "user",
    "purged",
    "everything",
    "TOTP",
    ",",
    "\n",
    "@acme.example",
    "Guestlist",
    "Other",
    "+00:00",
    "9999-12-30T22:00:00Z",
];

/// Every table and column with its value.
fn values(connection: &Connection) -> Vec<(String, Value)> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'";
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let value = |(table, column): (String, String)| {
        let read = format!("SELECT {column} FROM {table} LIMIT 1");
        (format!("{table} {column}"), connection.query_row(&read, [], |row| row.get(0)).unwrap())
    };
    columns
        .map(|found| value(found.unwrap()))
        .filter(|(place, _)| place != "meta id" && place != "meta digest")
        .collect()
}

/// Reads everything, and ignores failures.
async fn read(directory: &Inline) {
    drop(directory.owner().await);
    drop(directory.cursor().await);
    drop(directory.partners(None).await);
    drop(directory.guests(None).await);
    drop(directory.accounts(None).await);
    drop(directory.users(None).await);
    drop(directory.mails(None).await);
    drop(directory.shares(None).await);
    drop(directory.purged().await);
    drop(directory.partner(&PartnerId("p1".to_owned())).await);
    drop(directory.account("ads").await);
    for address in ["bob@acme.example", "alice@host.example"].map(|text| Email::parse(text).unwrap()) {
        drop(directory.guest(&address).await);
        drop(directory.user(&address).await);
    }
    for since in [0, 1, i64::MAX] {
        drop(directory.changes(Cursor(since)).await);
    }
}

#[test]
fn values_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    drop(Store::open(&file, OpenMode::Create).unwrap());
    let connection = Connection::open(&file).unwrap();
    register_digest(&connection).unwrap();
    connection.execute_batch(ROWS).unwrap();
    let directory = Inline::new(Store::open(&file, OpenMode::Read).unwrap());
    let guest = block_on(directory.guests(None)).unwrap().items.remove(0);
    assert!(guest.grants.contains_key("ads"), "the file reads before anything is changed");
    let sound = values(&connection);
    let corpus = sound.iter().map(|(place, value)| match value {
        Value::Text(text) => format!("{place}\n{text}").into_bytes(),
        Value::Integer(number) => format!("{place}\n{number}").into_bytes(),
        Value::Null | Value::Real(_) | Value::Blob(_) => format!("{place}\n").into_bytes(),
    });
    let corpus = corpus.collect();
    fuzz(Subject { name: "sqlite", corpus, words: &WORDS, share: 4 }, |input| {
        let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let place = String::from_utf8_lossy(&input[..at]);
        // If this value cannot be read, another value is changed.
        let (place, before) =
            sound.iter().find(|(known, _)| *known == place).unwrap_or(&sound[input.len() % sound.len()]);
        let bytes = input.get(at + 1..).unwrap_or_default();
        let value = match std::str::from_utf8(bytes) {
            Ok(text) => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer),
            Err(_) => Value::Blob(bytes.to_vec()),
        };
        let (table, column) = place.split_once(' ').unwrap();
        let set = format!("UPDATE {table} SET {column} = ?1");
        if connection.execute(&set, [&value]).is_ok() {
            block_on(read(&directory));
            connection.execute(&set, [before]).unwrap();
        }
    });
    assert_eq!(values(&connection), sound);
}
