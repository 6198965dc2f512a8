//! Copies of an embedded directory: by `cp` without writes, by `cp` at any moment, and by `guestlist directory backup`.
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::contract::file::{folder, furnished};
use crate::support::contract::{admit, at, bob, email, us};
use futures::executor::block_on;
use guestlist::directory::sqlite::{Directory, OpenMode, Store, backup};
use guestlist::directory::{DirectoryReader, DirectoryWriter, Error, Snapshot};
use rusqlite::Connection;

fn beside(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

fn everything(file: &Path) -> Result<Snapshot, Error> {
    Store::open(file, OpenMode::Read)?.everything()
}

/// The contents of a copy of the file alone.
fn copied_alone(file: &Path) -> Snapshot {
    let copy = file.with_extension("copy");
    fs::copy(file, &copy).unwrap();
    let held = everything(&copy).unwrap();
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(beside(&copy, end)));
    }
    held
}

fn log_is_empty(file: &Path) -> bool {
    fs::metadata(beside(file, "-wal")).map_or(0, |file| file.len()) == 0
}

#[test]
fn directory_at_rest_is_whole_in_its_file() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    for n in 0..20 {
        let address = email(&format!("guest{n}@acme.example"));
        block_on(directory.execute(&admit(&address, at(100)), None, at(1), epoch)).unwrap();
    }
    let began = Instant::now();
    while !log_is_empty(&file) {
        assert!(began.elapsed() < Duration::from_mins(1), "the log is not emptied");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(copied_alone(&file).guests.len(), 20);
    // A second process that ends while the first one stays.
    Store::open(&file, OpenMode::Write).unwrap().accept(&email("guest3@acme.example"), at(2)).unwrap();
    assert_eq!(copied_alone(&file), everything(&file).unwrap());
}

#[test]
fn directory_that_is_closed_is_whole_in_its_file() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let other = directory.clone();
    for n in 0..20 {
        let address = email(&format!("guest{n}@acme.example"));
        block_on(directory.execute(&admit(&address, at(100)), None, at(1), epoch)).unwrap();
        if n == 10 {
            block_on(other.cursor()).unwrap();
        }
    }
    drop(other);
    drop(directory);
    assert_eq!(copied_alone(&file).guests.len(), 20);
    assert!(!beside(&file, "-wal").exists());
}

#[test]
fn directory_opened_after_a_crash_is_whole_in_its_file() {
    let (_folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    // A killed process leaves the file and its log unchanged.
    let hold = Connection::open(&file).unwrap();
    hold.execute_batch("BEGIN; SELECT count(*) FROM guests").unwrap();
    block_on(directory.execute(&admit(&bob(), at(100)), None, at(1), epoch)).unwrap();
    let crashed = file.with_extension("crashed");
    fs::copy(&file, &crashed).unwrap();
    fs::copy(beside(&file, "-wal"), beside(&crashed, "-wal")).unwrap();
    assert!(!log_is_empty(&crashed));
    let again = Directory::start(Store::open(&crashed, OpenMode::Create).unwrap()).unwrap();
    assert!(log_is_empty(&crashed));
    assert_eq!(copied_alone(&crashed).guests.len(), 1);
    drop((again, hold));
}

/// A file and its log after a killed process, with one guest in the log alone.
fn crashed(file: &Path) -> PathBuf {
    let (directory, epoch) = furnished(file);
    let hold = Connection::open(file).unwrap();
    hold.execute_batch("BEGIN; SELECT count(*) FROM guests").unwrap();
    block_on(directory.execute(&admit(&bob(), at(100)), None, at(1), epoch)).unwrap();
    let crashed = file.with_extension("crashed");
    fs::copy(file, &crashed).unwrap();
    fs::copy(beside(file, "-wal"), beside(&crashed, "-wal")).unwrap();
    assert!(!log_is_empty(&crashed));
    crashed
}

#[test]
fn reader_of_a_crashed_directory_leaves_it_whole_in_its_file() {
    let (folder, file) = folder();
    let crashed = crashed(&file);
    let reader = Store::open(&crashed, OpenMode::Read).unwrap();
    assert!(log_is_empty(&crashed));
    assert_eq!(copied_alone(&crashed).guests.len(), 1);
    // Another process that is killed while the reader is open.
    let log = beside(&crashed, "-wal");
    let mut writer = Store::open(&crashed, OpenMode::Write).unwrap();
    let hold = Connection::open(&crashed).unwrap();
    hold.execute_batch("BEGIN; SELECT count(*) FROM guests").unwrap();
    assert!(writer.accept(&bob(), at(2)).unwrap() && fs::metadata(&log).unwrap().len() > 0);
    hold.execute_batch("COMMIT").unwrap();
    drop(reader);
    assert!(log_is_empty(&crashed));
    drop((hold, writer));
    backup(&crashed, &folder.path().join("backup.db")).unwrap();
}

#[test]
fn copy_restored_beside_an_old_log_names_the_log() {
    let (_folder, file) = folder();
    let crashed = crashed(&file);
    let log = beside(&crashed, "-wal");
    let copy = file.with_extension("copy");
    backup(&file, &copy).unwrap();
    fs::copy(&copy, &crashed).unwrap();
    // The log holds pages of another state.
    let bytes = fs::read(&log).unwrap();
    for access in [OpenMode::Read, OpenMode::Write] {
        fs::write(&log, &bytes).unwrap();
        let said = Store::open(&crashed, access).err().expect("pages of two states are refused").to_string();
        let names = |end| said.contains(&beside(&crashed, end).display().to_string());
        assert!(names("-wal") && names("-shm") && said.contains("remove"), "{access:?}: {said}");
    }
}

#[test]
fn other_program_cannot_change_a_record() {
    let (_folder, file) = folder();
    drop(furnished(&file));
    let other = Connection::open(&file).unwrap();
    let rename = "UPDATE partners SET display_name = 'Other'";
    let refusal = other.execute(rename, []).unwrap_err().to_string();
    assert!(refusal.contains("no such function: guestlist_digest"), "{refusal}");
    // The command can copy all rows to other pages.
    other.execute_batch("VACUUM").unwrap();
    assert_eq!(everything(&file).unwrap().partners[0].display_name, "Acme Agency");
    other.execute_batch("DROP TRIGGER digest_of_partners_update").unwrap();
    assert_eq!(other.execute(rename, []).unwrap(), 1);
    let refusal = everything(&file).unwrap_err().to_string();
    assert!(
        refusal.contains("its records come from different states") && refusal.contains("no mail was sent"),
        "{refusal}"
    );
}

#[test]
fn backup_of_a_directory_in_use_is_one_state_of_it() {
    let (folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                let address = email(&format!("guest{n:03}@acme.example"));
                block_on(directory.execute(&admit(&address, at(100)), None, at(1), epoch)).unwrap();
            }
        });
        let mut n = 0;
        while !writer.is_finished() || n == 0 {
            let copy = folder.path().join(format!("copy{n}.db"));
            let contents = backup(&file, &copy).unwrap();
            let held = everything(&copy).unwrap();
            assert_eq!(held.guests.len(), contents.guests as usize);
            // The copy contains the guests in the order of their invitations.
            let names: Vec<_> = (0..held.guests.len()).map(|n| format!("guest{n:03}@acme.example")).collect();
            assert_eq!(held.guests.iter().map(|guest| guest.address.to_string()).collect::<Vec<_>>(), names);
            assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
            n += 1;
        }
    });
    let last = folder.path().join("last.db");
    assert_eq!(backup(&file, &last).unwrap().guests, 300);
    assert_eq!(everything(&last).unwrap(), everything(&file).unwrap());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    // The copy is a directory like any other.
    let again = Directory::start(Store::open(&last, OpenMode::Write).unwrap()).unwrap();
    block_on(async {
        again.claim(&us()).await.unwrap();
        let epoch = again.lead().await.unwrap();
        again.execute(&admit(&bob(), at(100)), None, at(1), epoch).await.unwrap();
    });
}

#[test]
fn backup_never_overwrites_a_file() {
    let (folder, file) = folder();
    drop(furnished(&file));
    for there in [file.clone(), folder.path().join("notes.txt")] {
        if there != file {
            fs::write(&there, "notes").unwrap();
        }
        let before = fs::read(&there).unwrap();
        let refusal = backup(&file, &there).unwrap_err().to_string();
        assert!(refusal.contains("exists") && refusal.contains("name a new one"), "{refusal}");
        assert_eq!(fs::read(&there).unwrap(), before);
    }
    let nowhere = backup(&file, &folder.path().join("no/folder.db")).unwrap_err().to_string();
    assert!(nowhere.contains("failed to write the backup"), "{nowhere}");
}
