//! An administrator writes into the directory's file itself: the operator corrects and reports it within one resync.

use guestlist::directory::sqlite::register_digest;

use super::events::events;
use crate::support::harness::{BOB, CAROL, Stage};
use crate::support::operator::eventually;

#[test]
fn manual_edit_of_directory_is_corrected_with_an_event() {
    let mut stage = Stage::prepare();
    stage.operator.resync = "1s";
    stage.operator.start();
    stage.settle();
    let stolen = rusqlite::Connection::open(stage.operator.database()).unwrap();
    register_digest(&stolen).unwrap();
    stolen.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let sql = "INSERT INTO grants (guest, account, role, share, share_uid, allowed, asked, since)
        SELECT guest, 'tiktok', role, share, share_uid, allowed, asked, since FROM grants
        WHERE guest = (SELECT id FROM guests WHERE address = ?1)";
    assert_eq!(stolen.execute(sql, [CAROL]).unwrap(), 1);
    let told = |who: &str| {
        let wanted = format!("GuestMembership/{who} Warning Reconciled Correct");
        eventually(&wanted, || {
            let seen = events(&stage);
            if seen.contains(&wanted) { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    };
    told("carol");
    stage.operator.has_access(CAROL, &["instagram:Manager"]);
    // Grants that were removed from outside return.
    assert_eq!(stolen.execute("DELETE FROM grants", []).unwrap(), 2);
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    told("bob");
}
