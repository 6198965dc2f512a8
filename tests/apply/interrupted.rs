//! `apply` that is killed goes on where it was: the same end, and nobody is invited twice.

use std::time::Duration;

use super::folder::{Folder, PARTNER, guest};

fn mails(folder: &Folder) -> i64 {
    let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    // The mark's revision counts what was written about a guest.
    connection.query_row("SELECT count(*) FROM mails", [], |row| row.get(0)).unwrap()
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
    for round in 0..60 {
        let mut apply =
            folder.command(&["apply", "manifests", "--yes"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        // At another moment each time: while it reads, between two operations, at the end.
        std::thread::sleep(Duration::from_millis(5 + round * 3));
        if apply.try_wait().unwrap().is_some() {
            break;
        }
        apply.kill().unwrap();
        apply.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 2, "it was killed {kills} times only");
    let sent = folder.addresses("guests").len();
    let said = folder.apply();
    assert!(said.contains(&format!("(give: {}, ", 40 - sent)), "{said}");
    assert_eq!(folder.addresses("guests"), whole.addresses("guests"));
    assert_eq!(mails(&folder), 40);
    assert_eq!(folder.plan().0, 0);
}
