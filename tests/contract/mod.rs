//! What every directory keeps, whichever backend is behind it: a factory gives a fresh one, and somebody who plays what
//! happens in a workspace without guestlist.
#![allow(dead_code, reason = "each test file uses what it needs")]

pub mod adopted;
pub mod changes;
pub mod end;
pub mod file;
pub mod gate;
pub mod lifecycle;
pub mod memory;
pub mod owner;
pub mod paging;
pub mod random;

use std::sync::Arc;

use guestlist::directory::Import;
use guestlist::directory::{
    AccountRecord, Cursor, Effect, Epoch, Execute, Fault, Grant, GuestId, GuestRecord, Mark, Operation, Origin, Owner,
    PartnerId, Revision, UserRecord,
};
use guestlist::rules::{Email, GuestRole, MfaMethod, ShareRole, all_methods};
use jiff::Timestamp;

/// Plays the people of a workspace.
pub trait Player: Send + Sync {
    /// Users and accounts come in.
    fn import(&self, import: &Import) -> Result<(), Fault>;
    /// A guest follows his invitation.
    fn accept(&self, email: &Email, now: Timestamp) -> Result<bool, Fault>;
    /// A guest turns MFA on.
    fn enroll(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Fault>;
    /// MFA is taken away behind everybody's back.
    fn reset(&self, email: &Email, now: Timestamp) -> Result<bool, Fault>;
    /// An account changes hands.
    fn set_owner(&self, account: &str, owner: &Email) -> Result<bool, Fault>;
    /// An account goes or comes back.
    fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Fault>;
}

/// A fresh directory, claimed and led, with Alice, two accounts and the partner acme.
pub struct Subject {
    pub directory: Arc<dyn Execute>,
    pub player: Arc<dyn Player>,
    pub epoch: Epoch,
    /// Keeps what the directory stands on.
    pub ground: Option<tempfile::TempDir>,
}

/// Makes an empty directory whose pages hold so many records.
pub type Factory = fn(usize) -> Subject;

/// An instant, finer than a microsecond on purpose: what goes in comes back.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + seconds, 123_456_789).unwrap()
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub fn bob() -> Email {
    email("bob@acme.example")
}

pub fn alice() -> Email {
    email("alice@host.example")
}

pub fn us() -> Owner {
    Owner { installation: "prod".to_owned(), cluster: "c-1".to_owned() }
}

pub fn mark(name: &str, uid: &str) -> Mark {
    Mark {
        installation: "prod".to_owned(),
        cluster: "c-1".to_owned(),
        namespace: "partners".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        origin: Origin::Made,
    }
}

pub fn guest(id: &str) -> GuestId {
    GuestId(format!("g-{id}"))
}

pub fn acme() -> PartnerId {
    PartnerId("p-acme".to_owned())
}

pub fn ensure_partner() -> Operation {
    Operation::EnsurePartner {
        partner: acme(),
        mark: mark("acme", "u-acme"),
        display_name: "Acme Agency".to_owned(),
        host_admins: vec![alice()],
    }
}

/// Admits somebody as Guest Admin, under a name that is the local part of his address.
pub fn admit(address: &Email, expires_at: Timestamp) -> Operation {
    let name = address.as_str().split('@').next().unwrap();
    Operation::Admit {
        guest: guest(name),
        mark: mark(name, &format!("u-{name}")),
        partner: acme(),
        partner_name: "acme".to_owned(),
        address: address.clone(),
        display_name: name.to_owned(),
        role: GuestRole::GuestAdmin,
        expires_at,
    }
}

pub fn grant(account: &str, role: ShareRole) -> Grant {
    Grant {
        account: account.to_owned(),
        role,
        share: "share".to_owned(),
        share_uid: format!("u-{account}"),
        allowed: all_methods(),
        asked: all_methods(),
        until: None,
    }
}

pub fn give(who: &str, grants: Vec<Grant>) -> Operation {
    Operation::Give { guest: guest(who), grants }
}

pub fn user(address: &Email) -> UserRecord {
    UserRecord { email: address.clone(), name: "Somebody".to_owned(), enabled: true, verified: true }
}

impl Subject {
    /// Puts in what every case starts from.
    pub async fn furnish(mut self) -> Self {
        self.directory.claim(&us()).await.unwrap();
        self.epoch = self.directory.lead().await.unwrap();
        let account = |name: &str| AccountRecord { name: name.to_owned(), owners: vec![alice()], deleted: false };
        let import = Import { users: vec![user(&alice())], accounts: vec![account("instagram"), account("tiktok")] };
        self.player.import(&import).unwrap();
        self.done(&ensure_partner(), 0).await;
        self
    }

    pub async fn run(&self, operation: &Operation, seconds: i64) -> Result<Effect, Fault> {
        self.directory.execute(operation, None, at(seconds), self.epoch).await
    }

    pub async fn run_on(&self, operation: &Operation, basis: Revision) -> Result<Effect, Fault> {
        self.directory.execute(operation, Some(basis), at(100), self.epoch).await
    }

    pub async fn done(&self, operation: &Operation, seconds: i64) -> Effect {
        self.run(operation, seconds).await.unwrap_or_else(|fault| panic!("{operation:?}: {fault}"))
    }

    /// Refused, and nothing was written for it.
    pub async fn refused(&self, operation: &Operation, seconds: i64) -> Fault {
        let before = self.cursor().await;
        let fault = self.run(operation, seconds).await.expect_err(&format!("{operation:?} went through"));
        assert_eq!(self.cursor().await, before, "{operation:?} was refused and wrote");
        fault
    }

    /// The plan behind the operation is stale.
    pub async fn stale(&self, operation: &Operation, seconds: i64) {
        let fault = self.refused(operation, seconds).await;
        assert!(matches!(fault, Fault::Changed { .. }), "{operation:?}: {fault}");
    }

    pub async fn cursor(&self) -> Cursor {
        self.directory.cursor().await.unwrap()
    }

    pub async fn record(&self, address: &Email) -> GuestRecord {
        self.directory.guest(address).await.unwrap().expect("the guest is there")
    }

    /// Bob as Guest Admin who was admitted (at 10), joined (20), turned TOTP on (30).
    pub async fn with_bob(self) -> Self {
        self.done(&admit(&bob(), at(10_000)), 10).await;
        self.player.accept(&bob(), at(20)).unwrap();
        self.player.enroll(&bob(), MfaMethod::TOTP, at(30)).unwrap();
        self
    }

    /// The same, and he is Manager of instagram.
    pub async fn with_manager(self) -> Self {
        let subject = self.with_bob().await;
        subject.done(&give("bob", vec![grant("instagram", ShareRole::Manager)]), 40).await;
        subject
    }
}
