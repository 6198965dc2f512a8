//! An independent observer: checks the directory's file itself repeatedly for forbidden states.

use std::time::Duration;

use guestlist::directory::sqlite::{OpenMode, Store, register_digest};
use rusqlite::Connection;

use crate::support::looking::Observer;
use crate::support::operator::Operator;

/// The forbidden states, at any time and with any operator: a Guest User as Manager; a grant of a deactivated guest or
/// one that has not joined; a grant that was made while no allowed method was enrolled; two live guests with one
/// address; a live guest of a deactivated partner. A grant from before a loss of MFA may exist for a moment: the
/// directory does not let it be used.
const FORBIDDEN: &str = "SELECT
    (SELECT count(*) FROM grants JOIN guests ON guests.id = grants.guest
        WHERE (grants.role = 'Manager' AND guests.role = 'GuestUser')
           OR grants.role = 'Owner'
           OR guests.deactivated_at IS NOT NULL
           OR guests.joined_at IS NULL
           OR (NOT EXISTS (SELECT 1 FROM mfa WHERE mfa.address = guests.address)
               AND (guests.mfa_lost_at IS NULL OR grants.since > guests.mfa_lost_at)))
  + (SELECT count(*) FROM (SELECT address FROM guests WHERE deactivated_at IS NULL
        GROUP BY lower(address) HAVING count(*) > 1))
  + (SELECT count(*) FROM guests JOIN partners ON partners.id = guests.partner
        WHERE guests.deactivated_at IS NULL AND partners.deactivated_at IS NOT NULL)";

fn forbidden(connection: &Connection) -> i64 {
    connection.query_row(FORBIDDEN, [], |row| row.get(0)).unwrap()
}

/// Starts to check.
pub fn watch(operator: &Operator) -> Observer {
    let database = operator.database();
    let open = || {
        let connection = Connection::open(database).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    };
    Observer::begin(Duration::from_millis(10), open, |connection| match forbidden(connection) {
        0 => Vec::new(),
        count => vec![format!("{count} forbidden")],
    })
}

const PEOPLE: &str = "INSERT INTO accounts (name) VALUES ('a');
    INSERT INTO partners (id, installation, cluster, namespace, name, uid, display_name, host_admins)
        VALUES ('p', 'i', 'c', 'n', 'p', 'u', 'P', '');
    INSERT INTO guests (id, revision, address, installation, cluster, namespace, name, uid, origin, partner,
        partner_name, display_name, role, admitted_at, joined_at, login)
        VALUES ('g', 1, 'bob@acme.example', 'i', 'c', 'n', 'bob', 'u1', 'Created', 'p', 'p', 'Bob', 'GuestUser',
        '2027-01-01T00:00:00.000000000Z', '2027-01-01T00:00:00.000000000Z', 1);
    INSERT INTO mfa (address, method, enrolled_at)
        VALUES ('bob@acme.example', 'TOTP', '2027-01-01T00:01:00.000000000Z');
    INSERT INTO grants (guest, account, role, share, share_uid, allowed, asked, since)
        VALUES ('g', 'a', 'Collaborator', 's', 'us', 'TOTP', 'TOTP', '2027-01-01T00:02:00.000000000Z');";

#[test]
fn observer_notices_forbidden_states() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    drop(Store::open(&path, OpenMode::Create).unwrap());
    let connection = Connection::open(&path).unwrap();
    register_digest(&connection).unwrap();
    connection.execute_batch(PEOPLE).unwrap();
    let after = |change: &str| {
        connection.execute_batch(&format!("SAVEPOINT s; {change}")).unwrap();
        let seen = forbidden(&connection);
        connection.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
        seen
    };
    assert_eq!(after(""), 0);
    assert_eq!(after("DELETE FROM mfa"), 1, "given though MFA never was there");
    let lost =
        |at: &str| format!("DELETE FROM mfa; UPDATE guests SET mfa_lost_at = '2027-01-01T00:{at}:00.000000000Z'");
    assert_eq!(after(&lost("03")), 0, "given before MFA was lost");
    assert_eq!(after(&lost("01")), 1, "given after MFA was lost");
    assert_eq!(after("UPDATE guests SET joined_at = NULL"), 1);
    assert_eq!(after("UPDATE partners SET deactivated_at = '2027-01-01T00:03:00.000000000Z'"), 1);
    // The file's own triggers refuse these two; without them the observer would notice.
    let deactivated = "UPDATE guests SET login = 0, deactivated_at = '2027-01-01T00:03:00.000000000Z'";
    let manager = "UPDATE grants SET role = 'Manager'";
    for change in [deactivated, manager] {
        assert!(connection.execute_batch(change).is_err(), "{change}");
    }
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
    let triggers: Vec<String> =
        connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    assert_eq!((after(deactivated), after(manager)), (1, 1));
}
