//! The directory fails: locked, moved away, replaced, or of another owner. Each failure has a clear message in the log
//! and at /readyz, changes nobody's access, and ends by itself where possible.

use std::path::Path;

use rusqlite::Connection;

use crate::support::harness::{BOB, CAROL, Stage};
use crate::support::operator::eventually;

/// The directory's file and SQLite's files beside it.
fn files(database: &Path) -> [std::path::PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| format!("{}{end}", database.display()).into())
}

fn rename(from: &Path, to: &Path) {
    for (from, to) in files(from).into_iter().zip(files(to)) {
        if from.exists() {
            std::fs::rename(from, to).unwrap();
        }
    }
}

#[test]
fn locked_directory_is_awaited_at_start_and_while_running() {
    let mut stage = Stage::prepare();
    let lock = Connection::open(stage.operator.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    stage.operator.go();
    stage.operator.is_unready(&["DirectoryUnavailable", "locked"]);
    assert!(stage.operator.runs(), "{}", stage.operator.log());
    lock.execute_batch("ROLLBACK").unwrap();
    stage.operator.is_ready();
    stage.settle();

    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    stage.partners().patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    let line = stage.operator.logs(&["partners/bob", "another process holds the file locked", "tried again"]);
    assert!(line.contains("WARN"), "{line}");
    // An access that could not be revoked is not reported as revoked: not by the guest, its share or the partner.
    stage.operator.is_unready(&["DirectoryUnavailable", "another process holds the file locked"]);
    for object in ["gm/bob", "share/instagram", "lp/acme"] {
        stage.partners().says(object, "DirectoryUnavailable");
    }
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"]);
    lock.execute_batch("ROLLBACK").unwrap();
    stage.partners().guest("bob", BOB, "Suspended", &[]);
    stage.operator.is_ready();
    for object in ["share/instagram", "lp/acme"] {
        stage.partners().says(object, "Reconciled");
    }
    assert_eq!(stage.operator.access(CAROL), ["instagram:Manager"]);
}

#[test]
fn moved_or_replaced_directory_is_noticed_and_used_on_return() {
    let mut stage = Stage::start();
    stage.settle();
    let (here, there) = (stage.operator.database(), stage.operator.folder.join("elsewhere.db"));
    rename(&here, &there);
    stage.operator.is_unready(&["DirectoryUnavailable", "directory.db"]);
    stage.operator.logs(&["ERROR", "DirectoryUnavailable", "directory.db", "moved"]);
    stage.partners().shows("gm/bob", "is unknown", |seen| {
        let ready = crate::support::harness::condition(seen, "Ready");
        ready["reason"] == "DirectoryUnavailable" && ready["status"] == "Unknown"
    });
    // Nothing counts as deleted, and nothing is written to the file that was moved away.
    stage.partners().patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    stage.partners().says("gm/carol", "DirectoryUnavailable");
    rename(&there, &here);
    stage.operator.is_ready();
    stage.partners().guest("bob", BOB, "Suspended", &[]);
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);

    // Another file in its place is not written to, whatever its content.
    for other in ["not a directory at all", ""] {
        rename(&here, &there);
        std::fs::write(&here, other).unwrap();
        stage.operator.is_unready(&["DirectoryUnavailable", "directory.db"]);
        stage.partners().says("gm/carol", "DirectoryUnavailable");
        assert_eq!(std::fs::read_to_string(&here).unwrap(), other);
        std::fs::remove_file(&here).unwrap();
        rename(&there, &here);
        stage.operator.is_ready();
        stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
    }
    assert!(stage.operator.runs());
}

#[test]
fn older_directory_ends_operator_and_next_start_revokes_excess() {
    let mut stage = Stage::start();
    stage.settle();
    let (here, older) = (stage.operator.database(), stage.operator.folder.join("older.db"));
    let sql = format!("VACUUM INTO '{}'", older.display());
    Connection::open(&here).unwrap().execute_batch(&sql).unwrap();
    stage.partners().patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    stage.partners().guest("bob", BOB, "Suspended", &[]);
    for file in &files(&here)[1..] {
        std::fs::remove_file(file).unwrap();
    }
    std::fs::rename(&older, &here).unwrap();
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"], "as it was then");
    eventually("the operator ends", || if stage.operator.runs() { Err("it runs".to_owned()) } else { Ok(()) });
    stage.operator.logs(&["directory.db", "was replaced by another directory"]);
    stage.operator.start();
    stage.partners().guest("bob", BOB, "Suspended", &[]);
    stage.operator.has_access(BOB, &[]);
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
}

#[test]
fn foreign_file_is_named_and_unchanged_until_directory_returns() {
    let mut stage = Stage::prepare();
    let (here, there) = (stage.operator.database(), stage.operator.folder.join("elsewhere.db"));
    rename(&here, &there);
    let foreign = |path: &Path| Connection::open(path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let newer = |path: &Path| {
        for (from, to) in files(&there).iter().zip(files(path)) {
            if from.exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
        Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    };
    let text = |path: &Path| std::fs::write(path, "shopping list").unwrap();
    let puts: [&dyn Fn(&Path); 3] = [&text, &foreign, &newer];
    let words = ["is not an SQLite file", "not a guestlist directory", "newer guestlist"];
    for (put, words) in puts.into_iter().zip(words) {
        put(&here);
        let before = std::fs::read(&here).unwrap();
        stage.operator.go();
        stage.operator.is_unready(&["DirectoryUnavailable", "directory.db", words]);
        stage.operator.logs(&["ERROR", "directory.db", words]);
        stage.operator.kill();
        assert_eq!(std::fs::read(&here).unwrap(), before, "nothing was changed");
        for file in files(&here).iter().filter(|file| file.exists()) {
            std::fs::remove_file(file).unwrap();
        }
    }
    text(&here);
    stage.operator.go();
    stage.operator.is_unready(&["is not an SQLite file"]);
    std::fs::remove_file(&here).unwrap();
    rename(&there, &here);
    stage.operator.is_ready();
    stage.settle();
}

#[test]
fn a_directory_of_another_installation_is_not_touched() {
    let mut stage = Stage::start();
    stage.settle();
    stage.operator.kill();
    stage.operator.policy(&crate::support::operator::POLICY.replace("installation: test", "installation: another"));
    let before = stage.operator.show();
    stage.operator.go();
    let line = stage.operator.logs(&["ERROR", "ForeignDirectory"]);
    assert!(
        line.contains("\"test\"") && line.contains("\"another\"") && line.contains("nothing was changed"),
        "{line}"
    );
    assert_eq!(stage.operator.show(), before);
}
