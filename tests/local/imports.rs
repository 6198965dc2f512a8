//! `guestlist directory import` makes exactly the changes that `--dry-run` prints in the embedded directory.
use std::path::Path;

use crate::support::import_files::Numbers;
use guestlist::directory::import::{EntryOutcome, ExistingRecords, KnownUser, UserChanges, plan};
use guestlist::directory::sqlite::{OpenMode, Store};
use guestlist::directory::{AccountRecord, Import, UserRecord};
use guestlist::domain::Email;

#[test]
fn import_matches_its_rehearsal() {
    for seed in 0..300 {
        let mut numbers = Numbers(seed);
        let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
        store.import(&numbers.file("")).unwrap();
        if numbers.below(3) == 0 {
            drop(store.set_deleted("wiki", true));
        }
        let file = numbers.file("");
        let before = store.everything().unwrap();
        let said = store.rehearse_import(&file).unwrap();
        assert_eq!(store.everything().unwrap(), before, "seed {seed}: a rehearsal wrote");
        assert_eq!(store.import(&file).unwrap(), said, "seed {seed}");
        let after = store.everything().unwrap();
        let named = |email: &Email| file.users.iter().any(|user| user.email == *email);
        let (old, new) = (&before.users, &after.users);
        assert!(old.iter().filter(|user| !named(&user.email)).all(|user| new.contains(user)), "seed {seed}");
        assert!(file.users.iter().all(|user| new.contains(user)), "seed {seed}");
        let declared = |name: &str| file.accounts.iter().find(|account| account.name == name);
        for account in &after.accounts {
            let was = before.accounts.iter().find(|was| was.name == account.name);
            match declared(&account.name) {
                None => assert_eq!(was, Some(account), "seed {seed}"),
                Some(wanted) => {
                    assert_eq!(account.owners, wanted.owners, "seed {seed}");
                    assert_eq!(account.deleted, was.is_some_and(|was| was.deleted), "seed {seed}");
                }
            }
        }
        assert_eq!(said.lines.len(), file.users.len() + file.accounts.len());
        let again = store.import(&file).unwrap();
        assert_eq!(again.count(EntryOutcome::Unchanged), again.lines.len(), "seed {seed}: {again:?}");
        assert_eq!(store.everything().unwrap(), after, "seed {seed}");
    }
}

/// Runs `guestlist` in a folder: its exit code, and both outputs.
fn guestlist(folder: &Path, args: &[&str]) -> (i32, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_guestlist"));
    let output = command.current_dir(folder).env_clear().args(args).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn entry_that_names_a_guest_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("people.yaml", "users: [{email: alice@host.example}]\naccounts: [{name: a, owners: [alice@host.example]}]\n");
    write("policy.yaml", "domains: [host.example]\ntenants: [{namespace: default, hostAdmins: ['*@host.example']}]\n");
    write(
        "guests.yaml",
        "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {hostAdmins: [alice@host.example]}\n---\n\
         apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {name: carol}\nspec: {partnerRef: {name: acme}, email: carol@acme.example, invitedBy: alice@host.example}\n",
    );
    let directory = ["--directory", "sqlite:d.db"];
    let run = |args: &[&str]| guestlist(folder.path(), &[args, &directory].concat());
    assert_eq!(run(&["directory", "import", "people.yaml"]).0, 0);
    let (code, said) = run(&["apply", "guests.yaml", "--workspace", "policy.yaml", "--yes"]);
    assert_eq!(code, 0, "{said}");
    write(
        "more.yaml",
        "users:\n- {email: carol@acme.example}\naccounts:\n- {name: b, owners: [carol@acme.example]}\n- {name: c, owners: [alice@host.example]}\n",
    );
    for args in [&["directory", "import", "more.yaml"][..], &["directory", "import", "more.yaml", "--dry-run"]] {
        let (code, said) = run(args);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("more.yaml:2:11: carol@acme.example is a guest; delete the membership"), "{said}");
        assert!(said.contains("more.yaml:4:22: carol@acme.example is a guest and cannot own b;"), "{said}");
        assert!(said.ends_with("nothing was imported\n"), "{said}");
    }
    assert!(!run(&["directory", "show", "-o", "json"]).1.contains("\"c\""));
}

#[test]
fn policy_with_an_exponent_is_refused_in_plain_words() {
    let error =
        guestlist::workspace_policy::WorkspacePolicy::parse("tenants: []\ninvitationsPerHour: 1e3\n").unwrap_err();
    assert_eq!(error, "line 2, column 21: expected a whole number in digits, such as 30");
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

#[test]
fn existing_user_is_never_changed_where_users_are_only_added() {
    let user = |name: &str, enabled| UserRecord {
        email: email("ann@host.example"),
        name: name.to_owned(),
        enabled,
        verified: true,
    };
    let import = Import { users: vec![user("Ann", false)], accounts: vec![] };
    for (known, outcome) in [
        (Some(KnownUser::Workspace(user("Ann", false))), EntryOutcome::Unchanged),
        (Some(KnownUser::Workspace(user("Anna", true))), EntryOutcome::Skipped),
        (Some(KnownUser::FormerGuest), EntryOutcome::Skipped),
        (None, EntryOutcome::Created),
    ] {
        let users = known.into_iter().map(|known| (email("ann@host.example"), known)).collect();
        let planned = plan(&import, UserChanges::Add, &ExistingRecords { users, ..ExistingRecords::default() });
        assert_eq!(planned.said.lines[0].0, outcome);
        assert_eq!(planned.users.len(), usize::from(outcome == EntryOutcome::Created));
        let planned = plan(&import, UserChanges::LeaveOut, &ExistingRecords::default());
        assert_eq!((planned.users.len(), planned.said.lines.len(), planned.said.left_out), (0, 0, 1));
    }
}

#[test]
fn missing_owner_is_warned_of_with_a_suggestion() {
    let account = AccountRecord { name: "x".to_owned(), owners: vec![email("alcie@host.example")], deleted: false };
    let known = ExistingRecords { suggestions: [email("alice@host.example")].into(), ..ExistingRecords::default() };
    let planned = plan(&Import { users: vec![], accounts: vec![account] }, UserChanges::LeaveOut, &known);
    assert_eq!(
        planned.said.warnings,
        ["account \"x\": the owner alcie@host.example is no user of the directory; did you mean alice@host.example?"]
    );
}

#[test]
fn disabled_or_unverified_owner_is_warned_of() {
    let owner =
        |enabled, verified| UserRecord { email: email("ann@host.example"), name: String::new(), enabled, verified };
    let account = AccountRecord { name: "x".to_owned(), owners: vec![email("ann@host.example")], deleted: false };
    let warned = |people, old: KnownUser, new: Vec<UserRecord>| {
        let known = ExistingRecords { users: [(email("ann@host.example"), old)].into(), ..ExistingRecords::default() };
        plan(&Import { users: new, accounts: vec![account.clone()] }, people, &known).said.warnings.join("\n")
    };
    let (fine, off, open) = (owner(true, true), owner(false, true), owner(true, false));
    let known = |user: &UserRecord| KnownUser::Workspace(user.clone());
    for people in [UserChanges::Add, UserChanges::AddAndChange, UserChanges::LeaveOut] {
        assert_eq!(warned(people, known(&fine), vec![]), "");
        assert!(warned(people, known(&off), vec![]).contains("is disabled"), "{people:?}");
        assert!(warned(people, known(&open), vec![]).contains("no verified address"), "{people:?}");
    }
    // The state after the import counts.
    assert_eq!(warned(UserChanges::AddAndChange, known(&off), vec![fine.clone()]), "");
    assert!(warned(UserChanges::Add, known(&off), vec![fine.clone()]).contains("is disabled"));
    assert!(warned(UserChanges::AddAndChange, known(&fine), vec![off.clone()]).contains("is disabled"));
    for old in [KnownUser::FormerGuest, KnownUser::Username] {
        assert!(warned(UserChanges::Add, old, vec![fine.clone()]).contains("is no user"));
    }
}

#[test]
fn suggested_owner_differs_in_few_letters() {
    for (owner, near) in [("zoe", false), ("dna", true), ("d", false), ("dann", true), ("ivan", false)] {
        let account = AccountRecord {
            name: "x".to_owned(),
            owners: vec![email(&format!("{owner}@host.example"))],
            deleted: false,
        };
        let known = ExistingRecords { suggestions: [email("dan@host.example")].into(), ..ExistingRecords::default() };
        let planned = plan(&Import { users: vec![], accounts: vec![account] }, UserChanges::LeaveOut, &known);
        assert_eq!(planned.said.warnings[0].contains("did you mean dan@host.example"), near, "{owner}");
    }
}

#[test]
fn address_that_is_a_username_is_skipped() {
    let user = UserRecord { email: email("zoe@host.example"), name: String::new(), enabled: true, verified: true };
    let known =
        ExistingRecords { users: [(user.email.clone(), KnownUser::Username)].into(), ..ExistingRecords::default() };
    let planned = plan(&Import { users: vec![user], accounts: vec![] }, UserChanges::Add, &known);
    assert_eq!((planned.said.lines[0].0, planned.users.len()), (EntryOutcome::Skipped, 0));
}
