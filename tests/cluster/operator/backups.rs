//! The directory is restored from a copy or is new, and statuses name further guests: no guest gets a second mail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::harness::{BOB, CAROL, Stage, WORLD, condition};
use crate::support::operator::eventually;

fn beside(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

/// Copies a directory, with or without its log, as `cp` does.
fn copy(from: &Path, to: &Path, with_log: bool) {
    for end in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(beside(to, end)));
    }
    std::fs::copy(from, to).unwrap();
    if with_log && beside(from, "-wal").exists() {
        std::fs::copy(beside(from, "-wal"), beside(to, "-wal")).unwrap();
    }
}

/// The time of the last mail to each address. Read from a copy, because a read may change the file.
fn mails(file: &Path) -> Option<BTreeMap<String, String>> {
    let read = file.with_extension("read");
    copy(file, &read, true);
    let connection = Connection::open(&read).unwrap();
    let mut statement = connection.prepare("SELECT address, mailed_at FROM mails").ok()?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).ok()?.collect::<Result<_, _>>().ok()
}

fn newcomer(name: &str) -> String {
    let bob = WORLD.split("---").nth(1).unwrap();
    format!("---{}", bob.replace("bob", name).replace(CAROL, "alice@host.example"))
}

fn memberships(stage: &Stage) -> Vec<Value> {
    let list = stage.plane.read("/apis/guestlist.dev/v1alpha1/namespaces/partners/guestmemberships").unwrap();
    list["items"].as_array().unwrap().clone()
}

/// The statuses without their conditions.
fn statuses(stage: &Stage) -> BTreeMap<String, Value> {
    let said = |mut object: Value| {
        object["status"]["conditions"] = Value::Null;
        (object["metadata"]["name"].as_str().unwrap().to_owned(), object["status"].clone())
    };
    memberships(stage).into_iter().map(said).collect()
}

fn counts(stage: &Stage, missing: usize) {
    eventually("the metric counts the missing guests", || {
        let text = stage.operator.probe("/metrics")?;
        if text.contains(&format!("guestlist_missing_guests {missing}")) { Ok(()) } else { Err(text) }
    });
}

#[test]
fn empty_directory_below_statuses_sends_no_mail() {
    let mut stage = Stage::start();
    stage.settle();
    stage.rests(2);
    let before = statuses(&stage);
    assert_eq!(stage.operator.terminate(), Some(0));
    let database = stage.operator.database();
    let old = stage.operator.folder.join("old.db");
    copy(&database, &old, false);
    std::fs::remove_file(&database).unwrap();
    stage.operator.directory_ok(&["import", stage.operator.folder.join("people.yaml").to_str().unwrap()]);
    stage.operator.go();
    stage.operator.is_unready(&["DirectoryBehind", "no record of 2 of 2 memberships", "guestlist detach --missing"]);
    stage.operator.logs(&["ERROR", "DirectoryBehind", "partners/bob (bob@acme.example)", "partners/carol"]);
    stage.apply(&newcomer("ned"));
    for name in ["gm/bob", "gm/carol", "gm/ned"] {
        stage.partners().says(name, "DirectoryBehind");
    }
    counts(&stage, 2);
    let ned = stage.partners().get("gm/ned");
    assert_eq!(condition(&ned, "Ready")["status"], "False");
    let mut now = statuses(&stage);
    now.remove("ned");
    assert_eq!(now, before, "the statuses keep what they say");
    assert_eq!(mails(&database), Some(BTreeMap::new()));
    let plan = stage.operator.guestlist(stage.plane.kubeconfig(), &["plan", "--from-cluster"]);
    let said = String::from_utf8([plan.stdout, plan.stderr].concat()).unwrap();
    assert!(said.contains("DirectoryBehind") && !said.contains("+ invite"), "{said}");

    // The old directory returns: all guests have their former records, and the newcomer is invited.
    assert_eq!(stage.operator.terminate(), Some(0));
    copy(&old, &database, false);
    stage.operator.start();
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    stage.partners().guest("ned", "ned@acme.example", "Invited", &[]);
    let (then, now) = (mails(&old).unwrap(), mails(&database).unwrap());
    assert!(then.iter().all(|(address, at)| now[address] == *at), "{then:?} {now:?}");
}

#[test]
fn guests_of_a_lost_directory_are_invited_again_on_command() {
    let mut stage = Stage::start();
    stage.settle();
    stage.apply(&newcomer("ned"));
    stage.partners().guest("ned", "ned@acme.example", "Invited", &[]);
    stage.rests(2);
    let database = stage.operator.database();
    // Without pending writes the file alone contains everything.
    let old = stage.operator.folder.join("old.db");
    copy(&database, &old, false);
    stage.apply(&newcomer("sue"));
    stage.partners().guest("sue", "sue@acme.example", "Invited", &[]);
    assert_eq!(stage.operator.terminate(), Some(0));
    copy(&old, &database, false);
    stage.operator.go();
    stage.operator.is_unready(&["DirectoryBehind", "1 of 4"]);
    // Revocations continue.
    stage.partners().patch("gm/bob", r#"{"spec":{"suspended":true}}"#);
    stage.partners().guest("bob", BOB, "Suspended", &[]);
    stage.partners().says("gm/sue", "DirectoryBehind");
    assert_eq!(mails(&database), mails(&old));
    let detach = |args: &[&str]| {
        let output = stage.operator.guestlist(stage.plane.kubeconfig(), &[&["detach", "--missing"], args].concat());
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = detach(&[]);
    assert!(code == Some(1) && said.contains("no record of partners/sue (sue@acme.example)"), "{said}");
    assert_eq!(mails(&database), mails(&old));
    let (code, said) = detach(&["--yes"]);
    assert!(code == Some(0) && said.contains("partners/sue (sue@acme.example) is invited again"), "{said}");
    stage.operator.is_ready();
    stage.partners().guest("sue", "sue@acme.example", "Invited", &[]);
    counts(&stage, 0);
    let (code, said) = detach(&["--yes"]);
    assert!(code == Some(0) && said.contains("nothing is missing"), "{said}");
}

#[test]
fn copies_made_under_load_never_cause_a_second_mail() {
    let mut stage = Stage::start();
    stage.apply(WORLD);
    stage.partners().guest("carol", CAROL, "Invited", &[]);
    let database = stage.operator.database();
    let names: Vec<String> = (0..150).map(|n| format!("guest{n:03}")).collect();
    let load: String = names.iter().map(|name| newcomer(name)).collect();
    let mut copies = Vec::new();
    std::thread::scope(|scope| {
        let applied = scope.spawn(|| stage.apply(&load));
        let invited = || mails(&database).map_or(0, |mails| mails.len());
        while invited() < names.len() || !applied.is_finished() {
            let to = stage.operator.folder.join(format!("copy{}.db", copies.len()));
            copy(&database, &to, copies.len() % 2 == 0);
            copies.push(to);
            // The copies are spread over the load; their contents depend on chance.
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
    });
    stage.rests(2);
    let before = statuses(&stage);
    assert_eq!(stage.operator.terminate(), Some(0));
    let every = (copies.len() / 5).max(1);
    let (mut held, mut refused) = (0, 0);
    for chosen in copies.iter().step_by(every) {
        copy(chosen, &database, true);
        let then = mails(&database);
        stage.operator.go();
        let said = eventually("the copy is judged", || match stage.operator.probe("/readyz") {
            Ok(text) if text.contains("200 OK") || text.contains("DirectoryBehind") || text.contains("damaged") => {
                Ok(text)
            }
            Ok(text) | Err(text) => Err(text),
        });
        if said.contains("damaged") {
            refused += 1;
        } else {
            held += usize::from(said.contains("DirectoryBehind"));
            stage.rests(3);
            let now = mails(&database).unwrap();
            assert_eq!(Some(now), then, "a second mail from {}: {said}\n{}", chosen.display(), stage.operator.log());
        }
        assert_eq!(
            statuses(&stage).into_iter().map(known).collect::<Vec<_>>(),
            before.clone().into_iter().map(known).collect::<Vec<_>>()
        );
        stage.operator.kill();
    }
    assert!(held + refused > 0, "no copy was made under load");
}

fn known((name, status): (String, Value)) -> (String, Value) {
    (name, status["directoryId"].clone())
}
