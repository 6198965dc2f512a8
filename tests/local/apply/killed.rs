//! `guestlist apply` is killed at any moment. After any next command, the directory's file alone contains everything.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use guestlist::directory::Snapshot;
use guestlist::directory::sqlite::{OpenMode, Store};

use crate::apply::folder::{Folder, PARTNER, guest};

/// The content of the copies under a name: the file, with its log if `log` is true.
fn copied(folder: &Folder, name: &str, log: bool) -> Snapshot {
    fs::copy(folder.path("directory.db"), folder.path(name)).unwrap();
    if log {
        fs::copy(folder.path("directory.db-wal"), folder.path(&format!("{name}-wal"))).unwrap();
    }
    let held = Store::open(&folder.path(name), OpenMode::Read).unwrap().everything().unwrap();
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(folder.path(&format!("{name}{end}"))));
    }
    held
}

#[test]
fn each_command_after_killed_apply_keeps_everything_in_the_file() {
    let folder = Folder::new();
    let guests: Vec<String> = (0..200).map(|n| guest(&format!("guest{n}"), "GuestUser")).collect();
    folder.declare(&[PARTNER.to_owned(), guests.concat()].concat());
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let commands: [&[&str]; 5] = [
        &["directory", "show"],
        &["plan", "manifests"],
        &["directory", "backup", "backup.db"],
        &["directory", "set-owner", "tiktok", "alice@host.example"],
        &["directory", "import", "people.yaml", "--dry-run"],
    ];
    let log = folder.path("directory.db-wal");
    let length = || fs::metadata(&log).map_or(0, |log| log.len());
    fs::copy(folder.path("directory.db"), folder.path("initial.db")).unwrap();
    let mut killed = 0;
    for command in commands {
        for end in ["", "-wal", "-shm"] {
            drop(fs::remove_file(folder.path(&format!("directory.db{end}"))));
        }
        fs::copy(folder.path("initial.db"), folder.path("directory.db")).unwrap();
        let mut apply = folder.command(&["apply", "manifests", "--yes"]).stdout(Stdio::null()).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let began = Instant::now();
        while length() < 30_000 && apply.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // This sleep varies the moment at which the process dies; the test does not depend on it.
        std::thread::sleep(Duration::from_millis((random >> 33) % 30));
        apply.kill().unwrap();
        apply.wait().unwrap();
        let left = length() > 0;
        killed += u32::from(left);
        let before = copied(&folder, "before.db", left);
        let (code, said) = folder.says(command);
        assert!(code != 1, "{command:?}: {said}");
        let held = copied(&folder, "after.db", false);
        assert_eq!((held.guests, held.mails), (before.guests, before.mails), "{command:?}");
    }
    assert!(killed > 2, "only {killed} processes died with something in the log");
}

#[test]
fn empty_file_and_no_file_are_refused_by_each_command() {
    let folder = Folder::new();
    folder.declare(PARTNER);
    for file in ["sqlite:empty.db", "sqlite::memory:"] {
        fs::write(folder.path("empty.db"), "").unwrap();
        for command in [
            &["plan", "manifests"] as &[&str],
            &["apply", "manifests", "--yes"],
            &["detach", "--orphans", "--yes"],
            &["directory", "show"],
            &["directory", "backup", "copy.db"],
            &["directory", "accept", "bob@acme.example"],
            &["directory", "set-owner", "tiktok", "alice@host.example"],
        ] {
            let (code, said) = folder.says(&[command, &["--directory", file]].concat());
            let told = if file.ends_with("memory:") { "names no file" } else { "empty.db is empty" };
            assert!(code == 1 && said.contains(told) && said.contains("sqlite:"), "{command:?} {file}: {code} {said}");
        }
    }
    assert_eq!(fs::metadata(folder.path("empty.db")).unwrap().len(), 0);
    assert!(folder.says(&["directory", "import", "people.yaml", "--directory", "sqlite::memory:"]).0 == 1);
    folder.ok(&["directory", "import", "people.yaml", "--directory", "sqlite:empty.db"]);
    folder.ok(&["apply", "manifests", "--yes", "--directory", "sqlite:empty.db"]);
}
