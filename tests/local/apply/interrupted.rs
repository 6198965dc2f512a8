//! A killed `apply` continues on the next run: the same end, and nobody is invited twice.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use super::folder::{Folder, PARTNER, guest};

fn mails(folder: &Folder) -> i64 {
    let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    // The revision in the ownership mark counts the writes of a guest's record.
    connection.query_row("SELECT count(*) FROM mails", [], |row| row.get(0)).unwrap()
}

/// The invited address in a line of `apply`.
fn invited(line: &str) -> Option<String> {
    line.split_once(": invite ")?.1.split_once(' ').map(|(address, _)| address.to_owned())
}

#[test]
fn killed_at_any_moment_the_next_apply_goes_on() {
    let names: Vec<String> = (0..40).map(|n| format!("guest-{n}")).collect();
    let guests: String = names.iter().map(|name| guest(name, "GuestUser")).collect();
    let manifests = [PARTNER, &guests].concat();
    let whole = Folder::new();
    whole.declare(&manifests);
    whole.apply();
    let folder = Folder::new();
    folder.declare(&manifests);
    let mut kills = 0;
    let mut told = Vec::new();
    // Killed during the read; after the plan is shown; then after one operation more each time.
    for lines in 0.. {
        let mut apply =
            folder.command(&["apply", "manifests", "--yes"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(apply.stdout.take().unwrap()).lines().map(Result::unwrap);
        if lines > 0 {
            said.find(|line| line.starts_with("Plan: "));
        }
        told.extend(said.by_ref().take(lines).filter_map(|line| invited(&line)));
        if lines > 0 && said.next().is_none() {
            assert!(apply.wait().unwrap().success());
            break;
        }
        apply.kill().unwrap();
        apply.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 1, "it was killed {kills} times only");
    let all = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), all, "a guest was invited twice");
    assert_eq!(folder.addresses("guests"), whole.addresses("guests"));
    assert_eq!(mails(&folder), 40);
    assert_eq!(folder.plan().0, 0);
}

#[test]
fn concurrent_applies_do_and_report_each_operation_once() {
    let guests: String = (0..30).map(|n| guest(&format!("guest-{n}"), "GuestUser")).collect();
    let manifests = [PARTNER, &guests].concat();
    let mut overtaken = 0;
    for round in 0..8 {
        let folder = Folder::new();
        folder.declare(&manifests);
        let start = || {
            let mut command = folder.command(&["apply", "manifests", "--yes"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let first = start();
        // The second one starts at another moment each time.
        std::thread::sleep(Duration::from_millis(round * 8));
        let both = [start(), first].map(|child| child.wait_with_output().unwrap());
        let mut told = Vec::new();
        for output in both {
            let said = String::from_utf8(output.stdout).unwrap();
            let problem = String::from_utf8(output.stderr).unwrap();
            // The completed operations follow the plan.
            let done = said.split_once("Plan: ").map_or("", |(_, done)| done);
            let done = done.rsplit_once("Plan: ").map_or(done, |(_, done)| done);
            told.extend(done.lines().filter_map(invited));
            if !output.status.success() {
                assert!(problem.contains("another apply") && problem.contains("Run it again"), "{problem}");
                overtaken += 1;
            }
        }
        told.sort();
        let all = told.len();
        told.dedup();
        assert_eq!(told.len(), all, "round {round}: something was told twice");
        assert_eq!(all, folder.addresses("guests").len(), "round {round}");
        folder.apply();
        assert_eq!(folder.addresses("guests").len(), 30);
    }
    println!("{overtaken} were overtaken");
}
