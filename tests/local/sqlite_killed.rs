//! Processes that are killed at any point, and concurrent writers: the file stays complete and keeps its invariants.
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::support::contract::file::{folder, furnished};
use crate::support::contract::{acme, admit, at, bob, ensure_partner, give, grant, guest};
use futures::executor::block_on;
use guestlist::directory::sqlite::{Directory, OpenMode, Store};
use guestlist::directory::{
    Cursor, DirectoryReader, DirectoryWriter, Grant, GuestChange, MfaRecord, Operation, PartnerChange,
};
use guestlist::domain::{GuestRole, MfaMethod, ShareRole};
use rusqlite::Connection;

/// The prefix of the line that the process prints before each of its first rounds, and the last of these rounds.
const ROUND: &str = "begins round ";
const MOST_ROUNDS: i64 = 3;

/// The process that is killed: it runs all operations repeatedly, as fast as it can.
#[test]
#[ignore = "run by the test below, in a process of its own that is killed"]
fn a_process_that_writes_until_it_is_killed() {
    let file = PathBuf::from(std::env::var_os("GUESTLIST_TEST_FILE").expect("the test below says which file"));
    let mut player = Store::open(&file, OpenMode::Write).unwrap();
    let directory = Directory::start(Store::open(&file, OpenMode::Write).unwrap()).unwrap();
    block_on(async {
        let epoch = directory.lead().await.unwrap();
        for n in 0_i64.. {
            if n <= MOST_ROUNDS {
                println!("{ROUND}{n}.");
            }
            let round = [
                admit(&bob(), at(n + 1_000)),
                Operation::Guest {
                    id: guest("bob"),
                    change: GuestChange::ResendInvitation { expires_at: at(n + 2_000) },
                },
                Operation::Guest { id: guest("bob"), change: GuestChange::Promote },
            ];
            for operation in &round {
                drop(directory.execute(operation, None, at(n), epoch).await);
            }
            drop(player.accept(&bob(), at(n)));
            drop(player.enroll_mfa(&bob(), MfaMethod::TOTP, at(n)));
            let round = [
                give("bob", vec![grant("instagram", ShareRole::Manager)]),
                give("bob", vec![grant("tiktok", ShareRole::Collaborator)]),
                Operation::Guest { id: guest("bob"), change: GuestChange::Demote },
                Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate },
                Operation::Partner { id: acme(), change: PartnerChange::Deactivate },
                ensure_partner(),
            ];
            for operation in &round {
                drop(directory.execute(operation, None, at(n), epoch).await);
            }
            drop(player.reset_mfa(&bob(), at(n)));
        }
    });
}

/// A process that writes until it is killed.
struct Writer {
    child: Child,
    /// The output of the process. If it is closed, the process stops.
    output: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    /// Waits until the process starts this round. It prints at most `MOST_ROUNDS` rounds.
    fn waits_for(&mut self, round: i64) {
        let expected = format!("{ROUND}{round}.");
        let mut lines = self.output.by_ref().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(&expected)), "the writer did not begin round {round}");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn writer(file: &Path) -> Writer {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite_killed::a_process_that_writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env("GUESTLIST_TEST_FILE", file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut writer = Writer { child, output };
    writer.waits_for(0);
    writer
}

/// The invariants of the file at every instant, checked without guestlist's code.
fn lawful(connection: &Connection) {
    let none = |sql: &str, what: &str| {
        let rows: i64 = connection.query_row(&format!("SELECT count(*) FROM ({sql})"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{what}");
    };
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    none("SELECT * FROM pragma_foreign_key_check", "a row points nowhere");
    let held = "SELECT 1 FROM grants JOIN guests ON guests.id = grants.guest WHERE";
    none(&format!("{held} deactivated_at IS NOT NULL"), "who is deactivated holds something");
    none(&format!("{held} joined_at IS NULL"), "who has not joined holds something");
    none(&format!("{held} guests.role = 'GuestUser' AND grants.role = 'Manager'"), "a Guest User is Manager");
    none("SELECT 1 FROM guests WHERE deactivated_at IS NOT NULL AND login", "who is deactivated may log in");
    let live = "SELECT 1 FROM guests JOIN partners ON partners.id = guests.partner WHERE";
    none(
        &format!("{live} guests.deactivated_at IS NULL AND partners.deactivated_at IS NOT NULL"),
        "a guest is live without the partner",
    );
    none("SELECT 1 FROM guests WHERE revision > (SELECT max(seq) FROM changes)", "a change left no line");
}

#[test]
fn process_killed_at_any_point_leaves_a_complete_and_valid_file() {
    let (_folder, file) = folder();
    drop(furnished(&file));
    // Delays that spread over the writes of a round, the same in each run.
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut written = Cursor(0);
    for kill in 0_i64..25 {
        let mut writer = writer(&file);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        writer.waits_for(1 + kill % MOST_ROUNDS);
        // This sleep varies the point within the round at which the process dies; the test does not depend on it.
        std::thread::sleep(Duration::from_micros((random >> 33) % 20_000));
        writer.kill();
        lawful(&Connection::open(&file).unwrap());
        let directory = Directory::start(Store::open(&file, OpenMode::Write).unwrap()).unwrap();
        let now = block_on(directory.cursor()).unwrap();
        assert!(now >= written, "kill {kill}: what was told is gone");
        written = now;
        let epoch = block_on(directory.lead()).unwrap();
        assert!(epoch.0 > kill, "an epoch came twice");
    }
    assert!(written.0 > 100, "the writer hardly wrote: {written:?}");
}

#[test]
fn observer_sees_no_broken_rule_while_two_processes_write() {
    let (_folder, file) = folder();
    let (directory, _) = furnished(&file);
    let writer = writer(&file);
    let observer = Connection::open(&file).unwrap();
    observer.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut beside = Store::open(&file, OpenMode::Write).unwrap();
    let mut seen = BTreeSet::new();
    let mut rounds = 0;
    while rounds < 300 || seen.len() < 4 {
        assert!(rounds < 20_000, "the observer saw hardly anything: {seen:?}");
        rounds += 1;
        observer.execute_batch("BEGIN").unwrap();
        lawful(&observer);
        observer.execute_batch("COMMIT").unwrap();
        if rounds % 10 == 0 {
            // The writer may hold the lock for longer than a write waits, if the disk stalls.
            let written = (0..20).any(|_| beside.set_deleted("tiktok", rounds % 20 == 0).is_ok());
            assert!(written, "the writer never leaves the lock to others");
        }
        let all = beside.everything().unwrap();
        for guest in &all.guests {
            let mfa = matches!(&guest.mfa, MfaRecord::Known(methods) if !methods.is_empty());
            for held in guest.grants.values() {
                let Grant { account, role, .. } = &held.grant;
                let effective = all.is_effective(guest, account, at(0));
                let stands = all.accounts.iter().any(|known| known.name == *account && !known.deleted);
                assert!(!effective || (mfa && guest.login.is_enabled() && stands), "{account} is effective: {guest:?}");
                assert!(guest.role == GuestRole::GuestAdmin || *role == ShareRole::Collaborator);
            }
            seen.insert((guest.is_live(), guest.joined_at.is_some(), mfa, guest.grants.len()));
        }
    }
    writer.kill();
    drop(directory);
}
