//! Copies of an embedded directory: by `cp` at rest, at any moment, and by `guestlist directory backup`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong ends the test")]

mod contract;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contract::file::{folder, furnished};
use contract::{admit, at, bob, email, give, grant, guest, us};
use futures::executor::block_on;
use guestlist::directory::sqlite::{Access, Directory, Store, backup};
use guestlist::directory::{Everything, Execute, Fault, Observe, Operation};
use guestlist::rules::{MfaMethod, ShareRole};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

fn beside(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

fn everything(file: &Path) -> Result<Everything, Fault> {
    Store::open(file, Access::Read)?.everything()
}

/// The contents of a copy of the file alone.
fn copied_alone(file: &Path) -> Everything {
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
        assert!(began.elapsed() < Duration::from_secs(60), "the log is not emptied");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(copied_alone(&file).guests.len(), 20);
    // A second process that ends while the first one stays.
    Store::open(&file, Access::Write).unwrap().accept(&email("guest3@acme.example"), at(2)).unwrap();
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
    // A killed process leaves the file and its log as they were.
    let hold = Connection::open(&file).unwrap();
    hold.execute_batch("BEGIN; SELECT count(*) FROM guests").unwrap();
    block_on(directory.execute(&admit(&bob(), at(100)), None, at(1), epoch)).unwrap();
    let crashed = file.with_extension("crashed");
    fs::copy(&file, &crashed).unwrap();
    fs::copy(beside(&file, "-wal"), beside(&crashed, "-wal")).unwrap();
    assert!(!log_is_empty(&crashed));
    let again = Directory::start(Store::open(&crashed, Access::Create).unwrap()).unwrap();
    assert!(log_is_empty(&crashed));
    assert_eq!(copied_alone(&crashed).guests.len(), 1);
    drop((again, hold));
}

/// A file and its log as a killed process leaves them, with one guest in the log alone.
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
    let reader = Store::open(&crashed, Access::Read).unwrap();
    assert!(log_is_empty(&crashed));
    assert_eq!(copied_alone(&crashed).guests.len(), 1);
    // Another process that is killed while the reader is open.
    let log = beside(&crashed, "-wal");
    let mut writer = Store::open(&crashed, Access::Write).unwrap();
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
    for access in [Access::Read, Access::Write] {
        fs::write(&log, &bytes).unwrap();
        let said = Store::open(&crashed, access).err().expect("pages of two states are refused").to_string();
        let names = |end| said.contains(&beside(&crashed, end).display().to_string());
        assert!(names("-wal") && names("-shm") && said.contains("remove"), "{access:?}: {said}");
    }
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
            // Guests are in it in the order of their invitations.
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
    let again = Directory::start(Store::open(&last, Access::Write).unwrap()).unwrap();
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

/// A directory whose every state is remembered, by the number of its last change.
struct Remembered {
    file: PathBuf,
    directory: Directory,
    player: Store,
    epoch: guestlist::directory::Epoch,
    states: BTreeMap<i64, Everything>,
    random: u64,
}

impl Remembered {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// Does something to one of many guests.
    fn step(&mut self, n: i64) {
        let who = self.random(60);
        let (address, id) = (email(&format!("guest{who}@acme.example")), format!("guest{who}"));
        let admit = admit(&address, at(n + 100_000));
        let operation = match self.random(6) {
            0 => Operation::Deactivate { guest: guest(&id) },
            1 => give(&id, vec![grant("tiktok", ShareRole::Collaborator)]),
            2 => {
                drop(self.player.accept(&address, at(n)));
                drop(self.player.enroll_mfa(&address, MfaMethod::TOTP, at(n)));
                return;
            }
            _ => admit,
        };
        drop(block_on(self.directory.execute(&operation, None, at(n), self.epoch)));
    }

    fn remember(&mut self) {
        let connection = Connection::open(&self.file).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let head = connection.query_row("SELECT ifnull(max(seq), 0) FROM changes", [], |row| row.get(0)).unwrap();
        let all = self.player.everything().unwrap();
        self.states.insert(head, all);
    }

    /// Empties the log, as it happens in the middle of a burst.
    fn empty_the_log(&self) {
        let connection = Connection::open(&self.file).unwrap();
        let _: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    }
}

/// Copies are made in pieces, with changes between any two of them. The copy is refused, or it is a state
/// that the directory had; pages of two states seldom fit together by chance.
#[test]
fn copy_of_two_states_is_refused() {
    let (folder, file) = folder();
    let (directory, epoch) = furnished(&file);
    let player = Store::open(&file, Access::Write).unwrap();
    let mut world = Remembered { file: file.clone(), directory, player, epoch, states: BTreeMap::new(), random: 7 };
    let (mut refused, mut same, mut unseen, mut n) = (0, 0, Vec::new(), 0);
    for round in 0..200 {
        let copy = folder.path().join("copy.db");
        let with_log = world.random(2) == 0;
        let mut parts: Vec<(&str, u64, u64)> = Vec::new();
        let length = fs::metadata(&file).unwrap().len();
        let cut = (1 + world.random(8)) * length / 8 / 4096 * 4096;
        parts.push(("", 0, cut));
        parts.push(("", cut, u64::MAX));
        if with_log {
            parts.push(("-wal", 0, u64::MAX));
        }
        for (end, from, to) in parts {
            copy_part(&file, &copy, end, from, to);
            for _ in 0..world.random(30) {
                n += 1;
                world.step(n);
                world.remember();
            }
            if world.random(3) > 0 {
                world.empty_the_log();
            }
        }
        match everything(&copy) {
            Err(fault) => {
                assert!(matches!(fault, Fault::Refused { .. }), "{fault:?}");
                refused += 1;
            }
            Ok(held) if world.states.values().any(|state| *state == held) => same += 1,
            Ok(_) => unseen.push((round, with_log)),
        }
        for end in ["", "-wal", "-shm"] {
            drop(fs::remove_file(beside(&copy, end)));
        }
    }
    println!("{refused} refused, {same} whole, undetected: {unseen:?}");
    assert!(refused > 20 && same > 20, "{refused} refused, {same} whole");
    assert!(unseen.len() * 20 < refused + same, "too many copies of two states were taken for one: {unseen:?}");
}

fn copy_part(file: &Path, copy: &Path, end: &str, from: u64, to: u64) {
    let Ok(bytes) = fs::read(beside(file, end)) else { return };
    let from = usize::try_from(from).unwrap().min(bytes.len());
    let to = usize::try_from(to).unwrap_or(usize::MAX).min(bytes.len());
    let target = fs::OpenOptions::new().create(true).truncate(false).write(true).open(beside(copy, end)).unwrap();
    target.write_all_at(&bytes[from..to], from as u64).unwrap();
}
