//! `guestlist directory …` as people and scripts run it: a process, its output and its exit code.
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Output;

use crate::support::contract::{acme, bob, ensure_partner, give, grant, guest, mark, us};
use assert_cmd::Command;
use futures::executor::block_on;
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{DirectoryWriter, Epoch, GuestChange, NewGuest, Operation};
use guestlist::domain::{GuestRole, ShareRole};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const PEOPLE: &str = "users:
- {email: Alice@host.example, name: Alice Example}
accounts:
- {name: instagram, owners: [alice@host.example]}
- {name: tiktok, owners: [alice@host.example]}
";

/// A folder with a directory and files beside it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn furnished() -> Self {
        let desk = Self::new();
        desk.says(
            &["import", &desk.file("people.yaml", PEOPLE)],
            "created     user alice@host.example: name \"Alice Example\", enabled, address verified\n\
             created     account \"instagram\": owners alice@host.example\n\
             created     account \"tiktok\": owners alice@host.example\n\
             3 created, 0 configured, 0 unchanged, 0 skipped",
        );
        desk
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("directory.db")
    }

    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        name.to_owned()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::cargo_bin("guestlist")
            .unwrap()
            .current_dir(self.folder.path())
            .env("GUESTLIST_DIRECTORY", format!("sqlite:{}", self.path().display()))
            .arg("directory")
            .args(args)
            .output()
            .unwrap()
    }

    fn says(&self, args: &[&str], expected: &str) {
        let output = self.run(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {err}");
        assert_eq!(out.trim_end(), expected, "{args:?}");
    }

    /// Asserts that a command fails with this message and changes nothing.
    fn refuses(&self, args: &[&str], expected: &str) {
        let before = self.shown();
        let output = self.run(args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert_eq!(err.trim_end(), format!("error: {expected}"), "{args:?}");
        assert!(output.stdout.is_empty());
        assert_eq!(self.shown(), before, "{args:?}");
    }

    fn shown(&self) -> Value {
        let output = self.run(&["show", "-o", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Executes operations like an operator.
    fn operator(&self, operations: &[Operation]) {
        let directory = Inline::new(Store::open(&self.path(), OpenMode::Write).unwrap());
        block_on(async {
            directory.claim(&us()).await.unwrap();
            for operation in operations {
                directory.execute(operation, None, Timestamp::now(), Epoch(0)).await.unwrap();
            }
        });
    }

    /// Invites Bob to acme; the invitation expires after this many seconds.
    fn invite(&self, seconds: i64) {
        let admit = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Invite(NewGuest {
                mark: mark("bob-of-acme", "u-bob"),
                partner: acme(),
                partner_name: "acme".to_owned(),
                address: bob(),
                display_name: "Bob Example".to_owned(),
                role: GuestRole::GuestAdmin,
                allowed: guestlist::domain::all_methods(),
                expires_at: Timestamp::now() + SignedDuration::from_secs(seconds),
            }),
        };
        self.operator(&[ensure_partner(), admit]);
    }
}

fn state(shown: &Value) -> &str {
    shown["guests"][0]["state"].as_str().unwrap()
}

#[test]
fn importing_adds_and_updates_and_removes_nothing() {
    let desk = Desk::furnished();
    desk.says(
        &["import", "people.yaml"],
        "unchanged   user alice@host.example\nunchanged   account \"instagram\"\nunchanged   account \"tiktok\"\n\
         0 created, 0 configured, 3 unchanged, 0 skipped",
    );
    let changed = desk.file("changed.yaml", "accounts: [{name: tiktok, owners: [zoe@host.example]}, {name: x}]\n");
    let lines = "configured  account \"tiktok\": owners from alice@host.example to zoe@host.example\n\
                 created     account \"x\": owners none\n1 created, 1 configured, 0 unchanged, 0 skipped";
    let before = desk.shown();
    desk.says(&["import", "--dry-run", &changed], &format!("{lines}; nothing was written"));
    assert_eq!(desk.shown(), before);
    let warned = desk.run(&["import", "--dry-run", &changed]).stderr;
    assert!(String::from_utf8_lossy(&warned).contains("the owner zoe@host.example is no user of the directory"));
    desk.says(&["import", &changed], lines);
    let shown = desk.shown();
    assert_eq!(shown["users"], json!([{"email": "alice@host.example"}]));
    assert_eq!(
        shown["accounts"],
        json!([
            {"name": "instagram", "owners": ["alice@host.example"], "deleted": false},
            {"name": "tiktok", "owners": ["zoe@host.example"], "deleted": false},
            {"name": "x", "owners": [], "deleted": false},
        ])
    );
    desk.says(&["import", &desk.file("empty.yaml", "users:\n")], "0 created, 0 configured, 0 unchanged, 0 skipped");
}

#[test]
fn import_dry_run_without_a_directory_writes_nothing() {
    let desk = Desk::new();
    let people = desk.file("people.yaml", "accounts: [{name: x}]\n");
    let said = "created     account \"x\": owners none\n1 created, 0 configured, 0 unchanged, 0 skipped";
    desk.says(&["import", "--dry-run", &people], &format!("{said}; nothing was written"));
    assert!(!desk.path().exists());
    std::fs::write(desk.path(), "").unwrap();
    desk.says(&["import", "--dry-run", &people], &format!("{said}; nothing was written"));
    assert_eq!(std::fs::metadata(desk.path()).unwrap().len(), 0);
    desk.says(&["import", &people], said);
}

/// Runs `directory show` as a user without write permission: permissions do not apply to root.
fn shown_by_nobody(desk: &Desk) -> Output {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_guestlist"));
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let copied = desk.folder.path().join("guestlist");
    if is_root && !copied.exists() {
        // The binary may be in a folder that only root can read.
        std::fs::copy(&built, &copied).unwrap();
    }
    let mut command = std::process::Command::new(if is_root { copied } else { built });
    command.env("GUESTLIST_DIRECTORY", format!("sqlite:{}", desk.path().display())).args(["directory", "show"]);
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    command.output().unwrap()
}

#[test]
fn directory_in_read_only_folder_is_shown_if_file_is_complete() {
    let desk = Desk::furnished();
    let allow = |mode| std::fs::set_permissions(desk.folder.path(), Permissions::from_mode(mode)).unwrap();
    std::fs::set_permissions(desk.path(), Permissions::from_mode(0o444)).unwrap();
    allow(0o555);
    let shown = shown_by_nobody(&desk);
    allow(0o755);
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && said.contains("instagram"), "{said}{}", String::from_utf8_lossy(&shown.stderr));
    // Changes may exist in the log alone.
    let log = desk.file("directory.db-wal", "log");
    allow(0o555);
    let shown = shown_by_nobody(&desk);
    allow(0o755);
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(!shown.status.success() && said.contains("read-only") && said.contains(&log), "{said}");
}

#[test]
fn import_entry_keeps_the_values_that_it_leaves_out() {
    let desk = Desk::furnished();
    let off = "users: [{email: alice@host.example, enabled: false, verified: false}]";
    desk.says(
        &["import", &desk.file("off.yaml", off)],
        "configured  user alice@host.example: enabled from true to false, verified from true to false\n\
         0 created, 1 configured, 0 unchanged, 0 skipped",
    );
    let (before, bare) = (desk.shown(), desk.file("bare.yaml", "users: [{email: alice@host.example}]"));
    for args in [&["import", &bare, "--dry-run"] as &[&str], &["import", &bare]] {
        let written = if args.len() > 2 { "; nothing was written" } else { "" };
        let same =
            format!("unchanged   user alice@host.example\n0 created, 0 configured, 1 unchanged, 0 skipped{written}");
        desk.says(args, &same);
    }
    assert_eq!(desk.shown(), before);
    let named = "users: [{email: alice@host.example, name: ''}]";
    desk.says(
        &["import", &desk.file("named.yaml", named)],
        "configured  user alice@host.example: name from \"Alice Example\" to \"\"\n\
         0 created, 1 configured, 0 unchanged, 0 skipped",
    );
}

#[test]
fn import_refuses_text_for_boolean_and_hidden_characters() {
    let desk = Desk::furnished();
    for field in ["enabled", "verified"] {
        for text in ["\"no\"", "'true'", "\"false\"", "1"] {
            let file = format!("users:\n- {{email: zoe@host.example, {field}: {text}}}\n");
            let said = desk.run(&["import", &desk.file("bad.yaml", &file)]).stderr;
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains("bad.yaml:2:") && said.contains("true or false"), "{file}: {said}");
        }
    }
    for (file, place) in [
        ("users:\n- {email: zoe@host.example, name: \"Zoe\\u202e\"}\n", "bad.yaml:2:35: "),
        ("users:\n- {email: zoe@host.example, name: \"Zoe\\e[2J\"}\n", "bad.yaml:2:35: "),
        ("accounts:\n- {name: \"wiki\\u2066\"}\n", "bad.yaml:2:10: "),
    ] {
        let said = desk.run(&["import", &desk.file("bad.yaml", file)]).stderr;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(place) && said.contains("has the character U+"), "{file}: {said}");
    }
    assert_eq!(desk.shown()["users"].as_array().map(Vec::len), Some(1));
}

#[test]
fn set_owner_warns_of_a_missing_owner() {
    let desk = Desk::furnished();
    let output = desk.run(&["set-owner", "tiktok", "alcie@host.example"]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "warning: account \"tiktok\": the owner alcie@host.example is no user of the directory; did you mean \
         alice@host.example?\n"
    );
    assert!(desk.run(&["set-owner", "tiktok", "alice@host.example"]).stderr.is_empty());
}

#[test]
fn import_with_any_problem_names_all_and_imports_nothing() {
    let desk = Desk::furnished();
    let file = "users:
- {email: new@host.example}
- {email: NEW@host.example}
- {email: nobody}
accounts:
- {name: z, owners: [somewhere]}
- {name: ''}
";
    desk.refuses(
        &["import", &desk.file("bad.yaml", file)],
        "bad.yaml:3:11: new@host.example stands in line 2 already
bad.yaml:4:11: \"nobody\" has no @; write one mailbox as bob@acme.example
bad.yaml:6:22: \"somewhere\" has no @; write one mailbox as bob@acme.example
bad.yaml:7:10: an account needs a name
nothing was imported",
    );
    for (file, expected) in [
        ("users: [{emial: a@host.example}]", "1:10: there is no field \"emial\"; did you mean \"email\"?"),
        ("accounts: [{replicas: 3}]", "1:13: there is no field \"replicas\"; known are name, owners"),
        ("users: [{name: x}]", "1:10: the field \"email\" is missing"),
        ("users: []\nusers: []", "2:1: the key \"users\" stands twice"),
        ("users: []\n---\nusers: []", "3:1: a second document begins here; write one document a file"),
    ] {
        let expected = format!("bad.yaml:{expected}\nnothing was imported");
        desk.refuses(&["import", &desk.file("bad.yaml", file)], &expected);
    }
    desk.refuses(&["import", "nowhere.yaml"], "nowhere.yaml cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_guest_is_not_imported_as_a_user() {
    let desk = Desk::furnished();
    desk.invite(3_600);
    desk.refuses(
        &["import", &desk.file("bob.yaml", "users: [{email: new@host.example}, {email: bob@acme.example}]")],
        "bob.yaml:1:44: bob@acme.example is a guest; delete the membership before importing a user\nnothing was imported",
    );
}

#[test]
fn a_guest_is_not_made_owner_by_hand_or_by_import() {
    let desk = Desk::furnished();
    desk.invite(3_600);
    let accounts = desk.file("owner.yaml", "accounts: [{name: new, owners: [zoe@host.example, bob@acme.example]}]");
    let words = |account: &str| {
        format!(
            "bob@acme.example is a guest and cannot own {account}; delete the membership first, or name another Owner"
        )
    };
    let place = "owner.yaml:1:51: ";
    desk.refuses(&["import", &accounts], &format!("{place}{}\nnothing was imported", words("new")));
    desk.refuses(&["set-owner", "tiktok", "zoe@host.example", "bob@acme.example"], &words("tiktok"));
    assert_eq!(desk.shown()["accounts"][1]["owners"], json!(["alice@host.example"]));
}

#[test]
fn a_guest_joins_and_turns_mfa_on_and_loses_it() {
    let desk = Desk::furnished();
    desk.refuses(
        &["accept", "bob@acme.example"],
        "bob@acme.example has no invitation; `guestlist directory show` lists the guests",
    );
    desk.invite(3_600);
    assert_eq!(state(&desk.shown()), "Invited");
    desk.refuses(
        &["enroll-mfa", "bob@acme.example"],
        "bob@acme.example has not joined yet; accept the invitation first",
    );
    desk.says(&["accept", "Bob@ACME.example"], "bob@acme.example joined");
    desk.says(&["accept", "bob@acme.example"], "bob@acme.example had joined already");
    assert_eq!(state(&desk.shown()), "Joined");
    desk.refuses(&["enroll-mfa", "bob@acme.example", "--method", "SMS"], "--method \"SMS\" is none of TOTP, WebAuthn");
    desk.says(&["enroll-mfa", "bob@acme.example"], "bob@acme.example turned TOTP on");
    desk.says(&["enroll-mfa", "bob@acme.example"], "bob@acme.example had TOTP on already");
    desk.says(&["enroll-mfa", "bob@acme.example", "--method", "WebAuthn"], "bob@acme.example turned WebAuthn on");
    let shown = desk.shown();
    assert_eq!((state(&shown), &shown["guests"][0]["mfa"]), ("Active", &json!(["TOTP", "WebAuthn"])));
    desk.says(&["reset-mfa", "bob@acme.example"], "MFA of bob@acme.example was reset");
    desk.says(&["reset-mfa", "bob@acme.example"], "bob@acme.example had no MFA");
    assert_eq!(state(&desk.shown()), "Joined");
}

#[test]
fn expired_revoked_or_suspended_invitation_cannot_be_accepted() {
    let desk = Desk::furnished();
    desk.invite(-1);
    assert_eq!(state(&desk.shown()), "InvitationExpired");
    let output = desk.run(&["accept", "bob@acme.example"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("the invitation of bob@acme.example expired at"), "{err}");
    assert!(err.contains("guestlist.dev/resend-invitation"), "{err}");
    let expires_at = Timestamp::now() + SignedDuration::from_hours(1);
    desk.operator(&[
        Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at } },
        Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin },
    ]);
    assert_eq!(state(&desk.shown()), "Suspended");
    desk.refuses(
        &["accept", "bob@acme.example"],
        "bob@acme.example is suspended or expired; the invitation cannot be followed now",
    );
    desk.operator(&[
        Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin },
        Operation::Guest { id: guest("bob"), change: GuestChange::RevokeInvitation },
    ]);
    desk.refuses(
        &["accept", "bob@acme.example"],
        "the invitation of bob@acme.example was revoked; there is nothing to accept",
    );
    desk.operator(&[Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }]);
    desk.refuses(&["accept", "bob@acme.example"], "bob@acme.example was a guest; the membership is gone");
}

#[test]
fn show_prints_everything_for_programs() {
    let desk = Desk::furnished();
    desk.invite(3_600);
    desk.says(&["accept", "bob@acme.example"], "bob@acme.example joined");
    desk.says(&["enroll-mfa", "bob@acme.example"], "bob@acme.example turned TOTP on");
    let collaborator = grant("tiktok", ShareRole::Collaborator);
    desk.operator(&[give("bob", vec![grant("instagram", ShareRole::Manager), collaborator])]);
    desk.says(&["delete-account", "tiktok"], "tiktok is deleted");
    let grants = |instagram: bool| {
        json!([
            {"account": "instagram", "role": "Manager", "effective": instagram},
            {"account": "tiktok", "role": "Collaborator", "effective": false},
        ])
    };
    assert_eq!(
        desk.shown(),
        json!({
            "partners": [{
                "namespace": "partners", "name": "acme", "displayName": "Acme Agency",
                "hostAdmins": ["alice@host.example"],
            }],
            "guests": [{
                "namespace": "partners", "email": "bob@acme.example", "partner": "acme", "role": "GuestAdmin",
                "state": "Active", "mfa": ["TOTP"], "grants": grants(true),
            }],
            "accounts": [
                {"name": "instagram", "owners": ["alice@host.example"], "deleted": false},
                {"name": "tiktok", "owners": ["alice@host.example"], "deleted": true},
            ],
            "users": [{"email": "alice@host.example"}],
            "deactivated": [],
        })
    );
    // The directory withholds the access itself, without any reconcile.
    desk.says(&["reset-mfa", "bob@acme.example"], "MFA of bob@acme.example was reset");
    assert_eq!(desk.shown()["guests"][0]["grants"], grants(false));
    desk.operator(&[Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }]);
    let mut shown = desk.shown();
    let since = shown["deactivated"][0]["since"].take();
    since.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(shown["guests"], json!([]));
    let gone = json!({"namespace": "partners", "name": "bob-of-acme", "email": "bob@acme.example", "since": null});
    assert_eq!(shown["deactivated"], json!([gone]));
    // Methods that are enrolled now, or were enrolled before, appear only after a new acceptance.
    desk.invite(3_600);
    desk.says(&["accept", "bob@acme.example"], "bob@acme.example joined");
    desk.says(&["enroll-mfa", "bob@acme.example"], "bob@acme.example turned TOTP on");
    desk.operator(&[Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }]);
    desk.invite(3_600);
    assert_eq!(desk.shown()["guests"][0]["mfa"], json!([]));
    desk.says(&["accept", "bob@acme.example"], "bob@acme.example joined");
    assert_eq!(desk.shown()["guests"][0]["mfa"], json!(["TOTP"]));
}

#[test]
fn show_prints_tables_for_people() {
    let desk = Desk::furnished();
    desk.invite(3_600);
    desk.says(&["accept", "bob@acme.example"], "bob@acme.example joined");
    desk.says(&["enroll-mfa", "bob@acme.example"], "bob@acme.example turned TOTP on");
    desk.operator(&[give("bob", vec![grant("instagram", ShareRole::Manager)])]);
    desk.says(&["delete-account", "instagram"], "instagram is deleted");
    let output = String::from_utf8(desk.run(&["show"]).stdout).unwrap();
    let rows: Vec<Vec<&str>> = output.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |text: &str| assert!(rows.contains(&text.split_whitespace().collect()), "{text} is not in\n{output}");
    row("NAMESPACE PARTNER DISPLAY NAME HOST ADMINS");
    row("partners acme Acme Agency alice@host.example");
    row("NAMESPACE PARTNER GUEST ROLE STATE MFA GRANTS");
    row("partners acme bob@acme.example GuestAdmin Active TOTP instagram:Manager (not effective)");
    row("ACCOUNT OWNERS DELETED");
    row("instagram alice@host.example yes");
    row("tiktok alice@host.example");
}

#[test]
fn accounts_change_hands_go_and_come_back() {
    let desk = Desk::furnished();
    desk.says(&["set-owner", "tiktok", "zoe@host.example", "Alice@host.example"], "tiktok has new Owners");
    desk.says(&["set-owner", "tiktok", "alice@host.example", "zoe@host.example"], "tiktok had these Owners already");
    assert_eq!(desk.shown()["accounts"][1]["owners"], json!(["alice@host.example", "zoe@host.example"]));
    desk.says(&["delete-account", "tiktok"], "tiktok is deleted");
    desk.says(&["delete-account", "tiktok"], "tiktok was deleted already");
    desk.says(&["restore-account", "tiktok"], "tiktok is back");
    desk.says(&["restore-account", "tiktok"], "tiktok was not deleted");
    for command in ["delete-account", "restore-account"] {
        let expected = "the directory has no account \"myspace\"; `guestlist directory show` lists them";
        desk.refuses(&[command, "myspace"], expected);
    }
    desk.refuses(&["set-owner", "tiktok", "zoe"], "\"zoe\" has no @; write one mailbox as bob@acme.example");
    assert_eq!(desk.run(&["set-owner", "tiktok"]).status.code(), Some(2), "an account has Owners");
}

#[test]
fn a_directory_that_is_not_there_or_not_a_file_is_said_so() {
    let desk = Desk::new();
    let path = desk.path();
    let path = path.display();
    desk.refuses(
        &["show"],
        &format!("there is no directory at {path}; create it with `guestlist directory import FILE --directory sqlite:{path}`"),
    );
    assert!(!desk.path().exists(), "looking creates nothing");
    // Errors do not repeat the part after the scheme, because it may contain a password.
    for (directory, shown) in [("directory.db", "directory.db"), ("sqlite:", "sqlite:…")] {
        let expected = format!(
            "--directory {shown:?} is not understood: write sqlite:PATH, as in sqlite:guestlist.db, or keycloak:URL#REALM"
        );
        desk.refuses(&["show", "--directory", directory], &expected);
    }
    let password = ["show", "--directory", "keycloak:https://admin:secret@id.example#guests"];
    desk.refuses(
        &password,
        "--directory \"keycloak:…\": a URL with a user or a password is not taken: secrets come from the environment or from \
         files; write keycloak:URL#REALM, as in keycloak:https://id.host.example#workspace",
    );
    desk.refuses(
        &["setup"],
        "--directory \"sqlite:…\" cannot be used here: a realm of Keycloak is prepared, keycloak:URL#REALM; sqlite needs \
         nothing of it",
    );
}

#[test]
fn help_has_examples() {
    let desk = Desk::new();
    let output = String::from_utf8(desk.run(&["--help"]).stdout).unwrap();
    for text in ["Examples:", "guestlist directory import people.yaml", "GUESTLIST_DIRECTORY", "sqlite:guestlist.db"] {
        assert!(output.contains(text), "{text} is not in\n{output}");
    }
}
