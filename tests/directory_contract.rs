//! What any directory must do, shown on the embedded one in both its shells: every operation twice is once, the last gate
//! holds, nothing is written where nothing changes, pages add up, hints miss nothing, and it survives `kill -9`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test file")]

use std::collections::BTreeSet;
use std::path::Path;

use guestlist::directory::sqlite::play::Import;
use guestlist::directory::sqlite::{Access, Directory, Inline, Store};
use guestlist::directory::{
    AccountRecord, Changed, Epoch, Execute, Fault, Grant, GuestId, GuestRecord, Mark, Operation, Origin, Owner,
    PartnerId, Revision, UserRecord,
};
use guestlist::rules::{Email, GuestRole, Methods, MfaMethod, ShareRole};
use jiff::{SignedDuration, Timestamp};

fn now() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn mark(name: &str, uid: &str) -> Mark {
    Mark {
        installation: "test".into(),
        cluster: "cluster".into(),
        namespace: "partners".into(),
        name: name.into(),
        uid: uid.into(),
        origin: Origin::Made,
    }
}

fn partner() -> Operation {
    Operation::EnsurePartner {
        partner: PartnerId("p".into()),
        mark: mark("acme", "u-acme"),
        display_name: "Acme".into(),
        host_admins: vec![email("alice@host.example")],
    }
}

fn admit(name: &str, uid: &str, role: GuestRole) -> Operation {
    Operation::Admit {
        guest: GuestId(format!("g-{name}")),
        mark: mark(name, uid),
        partner: PartnerId("p".into()),
        partner_name: "acme".into(),
        address: email(&format!("{name}@acme.example")),
        display_name: name.into(),
        role,
        expires_at: now() + SignedDuration::from_hours(72),
    }
}

fn grant(account: &str, role: ShareRole) -> Grant {
    let totp: Methods = [MfaMethod::TOTP].into();
    Grant {
        account: account.into(),
        role,
        share: "share".into(),
        share_uid: "u-share".into(),
        allowed: totp.clone(),
        asked: totp,
        until: None,
    }
}

fn guest(name: &str) -> GuestId {
    GuestId(format!("g-{name}"))
}

/// A directory, and a second connection to the same file on which the guest is played.
struct World<D> {
    directory: D,
    player: Store,
    epoch: Epoch,
    _folder: tempfile::TempDir,
}

async fn world<D: Execute>(shell: impl Fn(Store) -> D) -> World<D> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    let directory = shell(Store::open(&path, Access::Create).unwrap().with_page(2));
    let mut player = Store::open(&path, Access::Write).unwrap();
    let user = |text: &str| UserRecord { email: email(text), name: String::new(), enabled: true, verified: true };
    let account =
        |name: &str| AccountRecord { name: name.into(), owners: vec![email("alice@host.example")], deleted: false };
    player
        .import(&Import { users: vec![user("alice@host.example")], accounts: vec![account("a"), account("b")] })
        .unwrap();
    let epoch = directory.lead().await.unwrap();
    let world = World { directory, player, epoch, _folder: folder };
    world.run(&partner()).await.unwrap();
    world
}

impl<D: Execute> World<D> {
    async fn run(&self, operation: &Operation) -> Result<Option<GuestRecord>, Fault> {
        self.directory.execute(operation, None, now(), self.epoch).await.map(|effect| effect.guest)
    }

    /// Twice is once: the second time nothing changes, not even a revision.
    async fn twice(&self, operation: &Operation) -> GuestRecord {
        let first = self.run(operation).await.unwrap();
        let second = self.run(operation).await.unwrap();
        assert_eq!(first, second, "{operation:?} twice is not once");
        first.unwrap()
    }

    fn joins(&mut self, name: &str) {
        let address = email(&format!("{name}@acme.example"));
        self.player.accept(&address, now()).unwrap();
        self.player.enroll_mfa(&address, MfaMethod::TOTP, now()).unwrap();
    }
}

async fn every_operation_twice_is_once<D: Execute>(shell: impl Fn(Store) -> D) {
    let mut world = world(shell).await;
    world.run(&partner()).await.unwrap();
    let invited = world.twice(&admit("bob", "u1", GuestRole::GuestAdmin)).await;
    assert_eq!(invited.last_mail_at, Some(now()));
    world.twice(&Operation::RevokeInvitation { guest: guest("bob") }).await;
    world.twice(&Operation::Invite { guest: guest("bob"), expires_at: now() + SignedDuration::from_hours(1) }).await;
    world.joins("bob");
    let give = Operation::Give { guest: guest("bob"), grants: vec![grant("a", ShareRole::Manager)] };
    assert_eq!(world.twice(&give).await.grants.len(), 1);
    let lower = Operation::Lower { guest: guest("bob"), grants: vec![grant("a", ShareRole::Collaborator)] };
    assert_eq!(world.twice(&lower).await.grants["a"].grant.role, ShareRole::Collaborator);
    world.twice(&Operation::Demote { guest: guest("bob") }).await;
    world.twice(&Operation::Promote { guest: guest("bob") }).await;
    world.twice(&Operation::DisableLogin { guest: guest("bob") }).await;
    world.twice(&Operation::EnableLogin { guest: guest("bob") }).await;
    let before = now() + SignedDuration::from_secs(1);
    world.twice(&Operation::ResetMfa { guest: guest("bob"), enrolled_before: before }).await;
    assert!(
        world.twice(&Operation::Withhold { guest: guest("bob"), accounts: vec!["a".into()] }).await.grants.is_empty()
    );
    assert!(!world.twice(&Operation::Deactivate { guest: guest("bob") }).await.is_live());
    // The record is revived at Invited, with nothing left but what the identity enrolled.
    let revived = world.twice(&admit("bob", "u2", GuestRole::GuestUser)).await;
    assert!(revived.is_live() && revived.joined_at.is_none() && revived.grants.is_empty());
}

async fn the_last_gate_holds<D: Execute>(shell: impl Fn(Store) -> D) {
    let mut world = world(shell).await;
    world.run(&admit("bob", "u1", GuestRole::GuestUser)).await.unwrap();
    let give = |account, role| Operation::Give { guest: guest("bob"), grants: vec![grant(account, role)] };
    let address = email("bob@acme.example");
    let refused = |result: Result<_, Fault>| matches!(result, Err(Fault::Changed { .. }));
    assert!(refused(world.run(&give("a", ShareRole::Collaborator)).await), "before he joined");
    world.player.accept(&address, now()).unwrap();
    assert!(refused(world.run(&give("a", ShareRole::Collaborator)).await), "before MFA");
    world.player.enroll_mfa(&address, MfaMethod::WebAuthn, now()).unwrap();
    assert!(refused(world.run(&give("a", ShareRole::Collaborator)).await), "by a method that does not count");
    world.player.enroll_mfa(&address, MfaMethod::TOTP, now()).unwrap();
    assert!(refused(world.run(&give("a", ShareRole::Manager)).await), "a Guest User as Manager");
    world.player.set_deleted("a", true).unwrap();
    assert!(refused(world.run(&give("a", ShareRole::Collaborator)).await), "a deleted account");
    world.player.set_deleted("a", false).unwrap();
    world.run(&Operation::DisableLogin { guest: guest("bob") }).await.unwrap();
    assert!(refused(world.run(&give("a", ShareRole::Collaborator)).await), "with the login off");
    world.run(&Operation::EnableLogin { guest: guest("bob") }).await.unwrap();
    assert_eq!(world.run(&give("a", ShareRole::Collaborator)).await.unwrap().unwrap().grants.len(), 1);
    let raise = Operation::Lower { guest: guest("bob"), grants: vec![grant("a", ShareRole::Manager)] };
    assert!(refused(world.run(&raise).await), "raised by lowering");
}

async fn an_address_has_one_live_membership_and_strangers_are_refused<D: Execute>(shell: impl Fn(Store) -> D) {
    let world = world(shell).await;
    world.run(&admit("bob", "u1", GuestRole::GuestUser)).await.unwrap();
    assert!(matches!(world.run(&admit("bob", "u2", GuestRole::GuestUser)).await, Err(Fault::Exists { .. })));
    let mut user = admit("alice", "u3", GuestRole::GuestUser);
    if let Operation::Admit { address, .. } = &mut user {
        *address = email("alice@host.example");
    }
    assert!(matches!(world.run(&user).await, Err(Fault::Exists { .. })));
    assert!(matches!(
        world.run(&Operation::DeactivatePartner { partner: PartnerId("p".into()) }).await,
        Err(Fault::Changed { .. })
    ));
}

async fn a_stale_plan_and_an_old_leader_write_nothing<D: Execute>(shell: impl Fn(Store) -> D) {
    let world = world(shell).await;
    let bob = world.run(&admit("bob", "u1", GuestRole::GuestUser)).await.unwrap().unwrap();
    let stale = Some(Revision(bob.revision.0 - 1));
    let promote = Operation::Promote { guest: guest("bob") };
    let result = world.directory.execute(&promote, stale, now(), world.epoch).await;
    assert!(matches!(result, Err(Fault::Changed { .. })));
    let newer = world.directory.lead().await.unwrap();
    assert!(newer > world.epoch);
    assert_eq!(world.run(&promote).await, Err(Fault::Fenced));
    let (ours, theirs) = (owner("ours"), owner("theirs"));
    world.directory.claim(&ours).await.unwrap();
    world.directory.claim(&ours).await.unwrap();
    assert_eq!(world.directory.claim(&theirs).await, Err(Fault::Foreign { owner: ours }));
}

fn owner(installation: &str) -> Owner {
    Owner { installation: installation.into(), cluster: "cluster".into() }
}

async fn pages_add_up_and_hints_name_what_others_changed<D: Execute>(shell: impl Fn(Store) -> D) {
    let mut world = world(shell).await;
    for name in ["a", "b", "c", "d", "e"] {
        world.run(&admit(name, name, GuestRole::GuestUser)).await.unwrap();
    }
    let (mut seen, mut page, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let read = world.directory.guests(page).await.unwrap();
        seen.extend(read.items.into_iter().map(|guest| guest.address));
        pages += 1;
        match read.next {
            Some(next) => page = Some(next),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (5, 3));
    let cursor = world.directory.cursor().await.unwrap();
    world.run(&Operation::Promote { guest: guest("a") }).await.unwrap();
    let own = world.directory.changes(cursor).await.unwrap();
    assert!(own.changed.is_empty(), "what we wrote ourselves is not told: {own:?}");
    world.player.accept(&email("b@acme.example"), now()).unwrap();
    world.player.set_owner("a", &[email("dan@host.example")].into()).unwrap();
    let changes = world.directory.changes(own.cursor).await.unwrap();
    let wanted = BTreeSet::from([Changed::Guest(email("b@acme.example")), Changed::Account("a".into())]);
    assert_eq!(changes.changed, wanted);
    assert!(world.directory.changes(changes.cursor).await.unwrap().changed.is_empty());
}

macro_rules! contract {
    ($($case:ident),+ $(,)?) => {
        mod on_a_thread_of_its_own {
            $(#[tokio::test] async fn $case() { super::$case(|store| super::Directory::start(store).unwrap()).await; })+
        }
        mod in_the_caller {
            $(#[tokio::test] async fn $case() { super::$case(super::Inline::new).await; })+
        }
    };
}

contract!(
    every_operation_twice_is_once,
    the_last_gate_holds,
    an_address_has_one_live_membership_and_strangers_are_refused,
    a_stale_plan_and_an_old_leader_write_nothing,
    pages_add_up_and_hints_name_what_others_changed,
);

#[test]
fn a_file_that_is_not_ours_newer_or_missing_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path, access, words: &str| match Store::open(path, access) {
        Err(Fault::Refused { message }) => assert!(message.contains(words), "{message}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{} was opened", path.display()),
    };
    let missing = folder.path().join("missing.db");
    refused(&missing, Access::Write, "there is no directory");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, but long enough to be looked at as one, byte by byte\n".repeat(9)).unwrap();
    refused(&text, Access::Create, "not an SQLite file");
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    refused(&foreign, Access::Create, "not a guestlist directory");
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
    let newer = folder.path().join("newer.db");
    drop(Store::open(&newer, Access::Create).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused(&newer, Access::Write, "newer guestlist");
}

#[test]
fn killed_in_the_middle_of_writing_the_file_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("directory.db").display());
    let people: String = (0..400).map(|n| format!("- {{email: user{n}@host.example}}\n")).collect();
    let file = folder.path().join("people.yaml");
    for round in 0..20_u64 {
        // Each round imports other names, so that there is always something to write.
        std::fs::write(&file, format!("users:\n{}", people.replace("user", &format!("r{round}u")))).unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_guestlist"))
            .args(["directory", "--directory", &address, "import", file.to_str().unwrap()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros(round * 1500));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut store = Store::open(&folder.path().join("directory.db"), Access::Create).unwrap();
    let users = store.everything().unwrap().users;
    // All or nothing: each round's 400 users are there, or none of them.
    assert_eq!(users.len() % 400, 0, "{} users", users.len());
}
