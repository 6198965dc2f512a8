//! The embedded directory's file: clear errors for an unusable file, a second connection beside the first, and no write
//! without a change.
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::contract::file::{folder, furnished, import};
use crate::support::contract::{admit, at, bob, email, ensure_partner, guest, us};
use futures::executor::block_on;
use futures::{FutureExt, poll};
use guestlist::directory::import::EntryOutcome;
use guestlist::directory::sqlite::{Directory, Inline, OpenMode, ReadOnly, Store};
use guestlist::directory::{
    Changed, Cursor, DirectoryReader, DirectoryWriter, Epoch, Error, GuestChange, Operation, Owner,
};
use rusqlite::Connection;

fn refusal(file: &Path, access: OpenMode) -> String {
    match Store::open(file, access) {
        Err(Error::Refused { message }) => message,
        Err(fault) => panic!("{fault}"),
        Ok(_) => panic!("{} was opened", file.display()),
    }
}

#[test]
fn a_file_that_is_not_there_says_how_to_make_one() {
    let (_folder, file) = folder();
    let message = refusal(&file, OpenMode::Write);
    assert!(message.contains("there is no directory at") && message.contains("directory import"), "{message}");
    assert!(!file.exists());
}

#[test]
fn empty_file_is_refused_unless_a_directory_is_created() {
    let (_folder, file) = folder();
    std::fs::write(&file, "").unwrap();
    let messages = [OpenMode::Write, OpenMode::Read].map(|access| refusal(&file, access));
    assert_eq!(messages[0], messages[1]);
    assert!(messages[0].contains("is empty") && messages[0].contains("directory import"), "{messages:?}");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    drop(Store::open(&file, OpenMode::Create).unwrap());
    drop(Store::open(&file, OpenMode::Write).unwrap());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (_folder, file) = folder();
    let message = refusal(&file.join("deeper.db"), OpenMode::Create);
    assert!(message.contains("folder has to exist"), "{message}");
}

#[test]
fn a_file_that_is_not_sqlite_stays_as_it_is() {
    let (_folder, file) = folder();
    let text = "# a policy, not a directory\n".repeat(100);
    std::fs::write(&file, &text).unwrap();
    for access in [OpenMode::Create, OpenMode::Write, OpenMode::Read] {
        let message = refusal(&file, access);
        assert!(message.contains("is not an SQLite file"), "{message}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn another_programs_sqlite_file_stays_as_it_is() {
    let (_folder, file) = folder();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1").unwrap();
    let before = std::fs::read(&file).unwrap();
    for access in [OpenMode::Create, OpenMode::Write, OpenMode::Read] {
        let message = refusal(&file, access);
        assert!(message.contains("not a guestlist directory"), "{message}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_newer_releases_file_stays_as_it_is() {
    let (_folder, file) = folder();
    drop(Store::open(&file, OpenMode::Create).unwrap());
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let message = refusal(&file, OpenMode::Write);
    assert!(message.contains("newer guestlist") && message.contains("Upgrade"), "{message}");
    let version: i64 = Connection::open(&file).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn older_releases_file_is_named_by_a_reader() {
    let (_folder, file) = folder();
    drop(Store::open(&file, OpenMode::Create).unwrap());
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 1).unwrap();
    let message = refusal(&file, OpenMode::Read);
    assert!(message.contains("older guestlist") && message.contains("`guestlist apply`"), "{message}");
}

#[test]
fn read_only_connection_cannot_write() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let store = Store::open(&file, OpenMode::Read).unwrap();
    let read = Directory::start(store).unwrap();
    let fault = block_on(read.execute(&admit(&bob(), at(100)), None, at(1), epoch)).unwrap_err();
    assert!(matches!(&fault, Error::Refused { message } if message.contains("read-only")), "{fault}");
    let read = ReadOnly::start(Store::open(&file, OpenMode::Read).unwrap()).unwrap();
    block_on(directory.execute(&admit(&bob(), at(100)), None, at(1), epoch)).unwrap();
    assert!(block_on(read.guest(&bob())).unwrap().is_some(), "a reader sees what the writer did");
}

#[test]
fn many_may_create_one_file_at_the_same_instant() {
    for _ in 0..5 {
        let (_folder, file) = folder();
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let (file, barrier) = (file.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    barrier.wait();
                    Store::open(&file, OpenMode::Create).and_then(|mut store| store.import(&import())).map(|_| ())
                })
            })
            .collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    }
}

#[test]
fn file_locked_too_long_is_unavailable_and_works_afterwards() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let admit = admit(&bob(), at(100));
    let fault = block_on(directory.execute(&admit, None, at(1), epoch)).unwrap_err();
    assert!(matches!(&fault, Error::Unavailable { context } if context.contains("another process")), "{fault}");
    assert!(block_on(directory.guest(&bob())).unwrap().is_none(), "reading does not wait");
    other.execute_batch("ROLLBACK").unwrap();
    block_on(directory.execute(&admit, None, at(1), epoch)).unwrap();
}

#[test]
fn whole_directory_is_read_while_another_process_writes() {
    let (_folder, file) = folder();
    let (_directory, _) = furnished(&file);
    let mut store = Store::open(&file, OpenMode::Write).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(!store.everything().unwrap().partners.is_empty());
}

#[test]
fn directory_without_room_is_not_writable() {
    let (_folder, file) = folder();
    let (directory, _) = furnished(&file);
    block_on(directory.check_writable()).unwrap();
    // A folder in place of the file that takes the room. `tests/cluster/node/trouble.rs` fills a volume.
    let room = format!("{}-room", file.display());
    std::fs::create_dir(&room).unwrap();
    let fault = block_on(directory.check_writable()).unwrap_err();
    assert!(matches!(&fault, Error::Unavailable { context } if context.contains("is there room left")), "{fault}");
    std::fs::remove_dir(&room).unwrap();
    block_on(directory.check_writable()).unwrap();
}

#[test]
fn cancelled_operation_is_not_done() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    block_on(async {
        let (first, second) = (admit(&bob(), at(100)), admit(&email("carol@acme.example"), at(100)));
        let mut busy = directory.execute(&first, None, at(1), epoch);
        assert!(poll!(&mut busy).is_pending());
        let mut given_up = directory.execute(&second, None, at(1), epoch);
        assert!(poll!(&mut given_up).is_pending());
        drop(given_up);
        other.execute_batch("ROLLBACK").unwrap();
        busy.await.unwrap();
        assert!(directory.guest(&bob()).await.unwrap().is_some());
        assert!(directory.guest(&email("carol@acme.example")).await.unwrap().is_none());
    });
}

#[test]
fn operation_with_lost_response_is_reported_as_change() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    block_on(async {
        let cursor = directory.cursor().await.unwrap();
        assert!(directory.changes(cursor).await.unwrap().changed.is_empty());
        let operation = admit(&bob(), at(100));
        let mut lost = directory.execute(&operation, None, at(1), epoch);
        assert!(poll!(&mut lost).is_pending());
        // Requests are served in order: this answer shows that the other request is done.
        assert!(directory.guest(&bob()).await.unwrap().is_some());
        drop(lost);
        let changes = directory.changes(cursor).await.unwrap();
        assert_eq!(changes.changed, BTreeSet::from([Changed::Guest(bob())]));
        assert!(directory.changes(changes.cursor).await.unwrap().changed.is_empty());
    });
}

#[test]
fn reader_far_behind_rereads_everything_and_follower_does_not() {
    let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
    store.import(&import()).unwrap();
    let directory = Inline::new(store);
    let cursor = block_on(directory.cursor()).unwrap();
    let mut follower = cursor;
    for n in 0..10_010 {
        let changed = directory.0.lock().unwrap().set_deleted("tiktok", n % 2 == 0).unwrap();
        assert!(changed);
        let changes = (n % 1_000 == 0).then(|| block_on(directory.changes(follower)).unwrap());
        if let Some(changes) = changes {
            assert_eq!(changes.changed, BTreeSet::from([Changed::Account("tiktok".to_owned())]));
            follower = changes.cursor;
        }
    }
    let changes = block_on(directory.changes(cursor)).unwrap();
    assert_eq!(changes.changed, BTreeSet::from([Changed::Everything]));
    assert_eq!(changes.cursor, Cursor(cursor.0 + 10_010));
}

/// The log holds 10,000 lines. A reader whose next line is the oldest one misses nothing.
#[test]
fn reader_at_the_end_of_the_log_misses_no_change() {
    let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
    store.import(&import()).unwrap();
    let directory = Inline::new(store);
    let cursor = block_on(directory.cursor()).unwrap();
    let set_deleted = |name: &str, deleted: bool| directory.0.lock().unwrap().set_deleted(name, deleted).unwrap();
    assert!(set_deleted("instagram", true));
    for lines in 2..=10_003_usize {
        assert!(set_deleted("tiktok", lines % 2 == 0));
        if lines < 9_998 {
            continue;
        }
        let changed = block_on(directory.changes(cursor)).unwrap().changed;
        let both = ["instagram", "tiktok"].map(|name| Changed::Account(name.to_owned()));
        let expected = if lines <= 10_000 { BTreeSet::from(both) } else { BTreeSet::from([Changed::Everything]) };
        assert_eq!(changed, expected, "{lines} lines");
    }
}

/// All bytes of the file and of its log.
fn bytes(file: &Path) -> Vec<Vec<u8>> {
    ["", "-wal"].iter().map(|end| std::fs::read(format!("{}{end}", file.display())).unwrap_or_default()).collect()
}

#[test]
fn at_rest_not_a_byte_of_the_file_changes() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let withhold =
        Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    let done = [
        ensure_partner(),
        admit(&bob(), at(100)),
        Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin },
        Operation::Guest { id: guest("bob"), change: GuestChange::Promote },
        withhold,
        Operation::Guest { id: guest("nobody"), change: GuestChange::Deactivate },
    ];
    block_on(async {
        directory.execute(&done[1], None, at(1), epoch).await.unwrap();
        // Without pending writes the file contains everything, and its log nothing.
        while !bytes(&file)[1].is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let before = bytes(&file);
        let mut cursor = directory.cursor().await.unwrap();
        for second in 0..50 {
            for operation in &done {
                directory.execute(operation, None, at(second), epoch).await.unwrap();
            }
            directory.claim(&us()).await.unwrap();
            let changes = directory.changes(cursor).await.unwrap();
            cursor = changes.cursor;
            assert_eq!(changes.changed, BTreeSet::new());
        }
        let other = Store::open(&file, OpenMode::Write).unwrap().import(&import()).unwrap();
        assert_eq!(other.count(EntryOutcome::Unchanged), 3);
        assert_eq!(bytes(&file), before);
    });
}

#[test]
fn two_connections_that_write_at_once_lose_nothing() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let beside = Mutex::new(Store::open(&file, OpenMode::Write).unwrap());
    let cursor = block_on(directory.cursor()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..100 {
                let owner = email(&format!("owner{n}@host.example"));
                beside.lock().unwrap().set_owner("tiktok", &[owner].into()).unwrap();
            }
        });
        for n in 0..100 {
            let address = email(&format!("guest{n}@acme.example"));
            block_on(directory.execute(&admit(&address, at(100)), None, at(1), epoch)).unwrap();
        }
    });
    let guests = block_on(directory.guests(None)).unwrap();
    assert_eq!((guests.items.len(), guests.next), (100, None));
    let account = block_on(directory.account("tiktok")).unwrap().unwrap();
    assert_eq!(account.owners, [email("owner99@host.example")]);
    let changes = block_on(directory.changes(cursor)).unwrap();
    assert_eq!(changes.changed, BTreeSet::from([Changed::Account("tiktok".to_owned())]));
}

#[test]
fn a_second_leader_on_the_same_file_fences_the_first() {
    let (_folder, file) = folder();
    let (first, epoch) = furnished(&file);
    let second = Directory::start(Store::open(&file, OpenMode::Write).unwrap()).unwrap();
    block_on(async {
        let fault = second.claim(&Owner { installation: "other".to_owned(), ..us() }).await.unwrap_err();
        assert_eq!(fault, Error::Foreign { owner: us() });
        let new = second.lead().await.unwrap();
        let admit = admit(&bob(), at(100));
        assert_eq!(first.execute(&admit, None, at(1), epoch).await.unwrap_err(), Error::Fenced);
        second.execute(&admit, None, at(1), new).await.unwrap();
        let cursor = first.cursor().await.unwrap();
        let changes = first.changes(Cursor(cursor.0 - 1)).await.unwrap();
        assert_eq!(changes.changed, BTreeSet::from([Changed::Guest(bob())]), "the other's doings are told");
    });
}

#[test]
fn a_store_does_thousands_of_operations_a_second() {
    let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
    store.import(&import()).unwrap();
    let directory = Inline::new(store);
    block_on(async {
        directory.execute(&ensure_partner(), None, at(0), Epoch(0)).await.unwrap();
        directory.execute(&admit(&bob(), at(100)), None, at(0), Epoch(0)).await.unwrap();
        let (off, on) = (
            Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin },
            Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin },
        );
        let began = Instant::now();
        for _ in 0..5_000 {
            directory.execute(&off, None, at(1), Epoch(0)).await.unwrap();
            directory.execute(&on, None, at(2), Epoch(0)).await.unwrap();
        }
        let took = began.elapsed();
        // A debug build on a busy machine takes about two seconds for 10,000 operations.
        assert!(took < Duration::from_secs(10), "10,000 operations took {took:?}");
    });
}

#[test]
fn abandoning_an_answer_does_not_block_the_next() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    block_on(async {
        for n in 0..50 {
            let operation = admit(&email(&format!("guest{n}@acme.example")), at(100));
            assert!(directory.execute(&operation, None, at(1), epoch).now_or_never().is_none());
        }
        directory.execute(&admit(&bob(), at(100)), None, at(1), epoch).await.unwrap();
    });
}
