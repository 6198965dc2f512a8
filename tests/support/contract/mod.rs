//! The contract of every directory backend. A factory creates an empty directory, and a player makes the changes that
//! happen in a workspace without guestlist.
#![allow(dead_code, reason = "each test file uses what it needs")]

/// Passes the cases to a macro, in three groups: for a furnished directory, for a directory that the case furnishes,
/// and for a directory with epochs, cursors and pages of any size.
#[allow(unused_macros, reason = "what does not run the cases")]
macro_rules! with_every_case {
    ($then:ident) => {
        $then!(
            adopted::missing_user_is_not_adopted,
            adopted::the_adopted_are_never_disabled_reset_or_deactivated,
            adopted::adopting_releasing_and_adopting_again_works,
            adopted::created_guest_cannot_be_removed_as_adopted,
            adopted::whether_the_adopted_may_log_in_is_the_workspaces_word,
            changes::foreign_change_is_reported_once,
            changes::own_known_change_is_not_reported,
            changes::read_from_older_cursor_returns_every_change_since,
            disabled::login_disabled_by_guestlist_is_enabled_again,
            disabled::login_disabled_by_an_administrator_stays_disabled,
            disabled::login_enabled_by_an_administrator_can_be_disabled_again,
            disabled::invited_guest_with_disabled_login_gets_no_mail,
            disabled::removed_guest_with_disabled_login_is_not_revived,
            end::only_the_deactivation_that_was_planned_on_is_purged,
            end::no_more_are_purged_in_an_hour_than_the_operation_allows,
            end::purge_is_known_to_its_author_and_reported_to_others,
            end::workspace_user_keeps_mfa_when_guest_record_is_purged,
            end::partner_is_purged_once_deactivated_and_unreferenced,
            end::the_adopted_are_never_purged,
            end::unmanaged_guest_becomes_unverified_user_without_access,
            end::detached_guest_keeps_a_disabled_login,
            end::adopting_a_directory_takes_every_mark_and_the_leadership,
            end::adopting_a_directory_takes_ended_records_too,
            gate::a_guest_with_mfa_is_given_an_account,
            gate::guest_not_joined_is_granted_nothing,
            gate::nothing_is_given_without_mfa,
            gate::grant_needs_an_mfa_method_that_is_allowed_and_required,
            gate::nothing_is_given_while_the_login_is_off,
            gate::nothing_is_given_of_an_account_that_is_gone_or_never_was,
            gate::a_guest_user_is_never_manager,
            gate::demoting_leaves_no_manager_at_any_instant,
            gate::a_grant_that_has_ended_is_not_given,
            gate::one_forbidden_grant_holds_back_all_grants_of_its_operation,
            gate::raising_keeps_since_when,
            gate::lowering_never_raises_and_never_adds,
            gate::operation_planned_on_an_older_record_is_not_done,
            gate::return_planned_on_an_older_record_is_not_done,
            gate::taking_from_nobody_is_done_and_giving_to_nobody_is_not,
            lifecycle::admitting_writes_record_and_mark_and_sends_one_mail,
            lifecycle::deactivated_guest_holds_nothing_and_keeps_the_mark,
            lifecycle::deactivated_guest_returns_at_invited_with_former_mfa,
            lifecycle::an_address_is_a_guest_once,
            lifecycle::a_workspace_user_is_not_made_a_guest,
            lifecycle::invitation_is_accepted_until_expired_revoked_or_login_off,
            lifecycle::mfa_is_enrolled_after_joining_and_reset_is_kept_until_again,
            lifecycle::mfa_reset_revokes_the_grants,
            lifecycle::mfa_is_lost_with_the_last_method_only,
            lifecycle::allowed_methods_are_recorded_and_follow_the_object,
            lifecycle::a_mark_passes_on_as_it_is_and_a_deactivated_one_never,
            lifecycle::partner_with_live_guest_stays_and_deactivated_admits_none,
            lifecycle::deactivated_partner_is_no_longer_suspended,
            memory::the_last_mail_to_an_address_outlives_its_record,
            memory::mail_without_a_record_is_forgotten_after_retention,
            memory::mails_of_the_last_hour_outlive_their_record,
            memory::mails_of_the_last_hour_outlive_a_return,
            memory::mail_of_a_record_is_never_forgotten,
            memory::share_grants_one_account_to_one_partner_until_forgotten,
            memory::share_is_not_forgotten_while_it_grants_any_role,
            memory::account_has_the_owners_last_set_also_while_deleted,
            memory::a_guest_is_never_owner_made_or_adopted,
            owner::a_second_installation_or_cluster_is_refused,
            owner::a_mark_of_somebody_else_is_not_written;
            with lifecycle::every_operation_done_twice_is_done_once,
            paging::the_deactivated_are_listed_too,
            paging::change_between_two_pages_is_reported_as_a_change;
            embedded disabled::login_disabled_by_both_stays_disabled,
            changes::a_cursor_from_the_future_means_another_file,
            changes::user_who_was_a_guest_is_reported,
            lifecycle::returning_guest_has_the_record_of_a_new_one,
            owner::former_leader_writes_nothing_not_even_revocations;
            embedded_with paging::a_listing_in_small_pages_holds_everybody_once,
            paging::accounts_users_and_partners_come_in_pages_too,
            paging::every_listing_is_the_same_in_pages_of_any_size
        );
    };
}

pub mod adopted;
pub mod changes;
pub mod disabled;
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
    AccountRecord, Applied, Cursor, DirectoryWriter, Epoch, Error, Grant, GuestChange, GuestId, GuestRecord, NewGuest,
    Operation, Origin, Owner, OwnershipMark, PartnerChange, PartnerId, Revision, UserRecord,
};
use guestlist::domain::{Email, GuestRole, MfaMethod, ShareRole, all_methods};
use jiff::Timestamp;

use super::amended;

/// Makes the changes of the people in a workspace.
pub trait Player: Send + Sync {
    /// Imports users and accounts.
    fn import(&self, import: &Import) -> Result<(), Error>;
    /// A guest accepts the invitation.
    fn accept(&self, email: &Email, now: Timestamp) -> Result<bool, Error>;
    /// A guest enrols an MFA method.
    fn enroll(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Error>;
    /// An administrator removes a guest's MFA.
    fn reset(&self, email: &Email, now: Timestamp) -> Result<bool, Error>;
    /// An administrator disables or enables the login of a guest.
    fn set_login(&self, email: &Email, enabled: bool) -> Result<bool, Error>;
    /// An account gets another Owner.
    fn set_owner(&self, account: &str, owner: &Email) -> Result<bool, Error>;
    /// An account is deleted or restored.
    fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Error>;
}

/// A new directory, claimed and led, with Alice, two accounts and the partner acme.
pub struct Subject {
    pub directory: Arc<dyn DirectoryWriter>,
    pub player: Arc<dyn Player>,
    pub epoch: Epoch,
    /// Keeps the directory's folder.
    pub ground: Option<tempfile::TempDir>,
}

/// Creates an empty directory with this page size.
pub type Factory = fn(usize) -> Subject;

/// An instant with more precision than a microsecond: the directory has to return it unchanged.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + seconds, 123_456_789).unwrap()
}

/// An instant of another person's change: a backend may know it only to the millisecond.
pub fn seen(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(at(seconds).as_millisecond()).unwrap()
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

pub fn mark(name: &str, uid: &str) -> OwnershipMark {
    OwnershipMark {
        installation: "prod".to_owned(),
        cluster: "c-1".to_owned(),
        namespace: "partners".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        origin: Origin::Created,
    }
}

pub fn guest(id: &str) -> GuestId {
    GuestId(format!("g-{id}"))
}

pub fn acme() -> PartnerId {
    PartnerId("p-acme".to_owned())
}

pub fn ensure_partner() -> Operation {
    Operation::Partner {
        id: acme(),
        change: PartnerChange::Apply {
            mark: mark("acme", "u-acme"),
            display_name: "Acme Agency".to_owned(),
            host_admins: vec![alice()],
            suspended: false,
        },
    }
}

/// The same, suspended.
pub fn suspend_partner() -> Operation {
    let mut operation = ensure_partner();
    if let Operation::Partner { change: PartnerChange::Apply { suspended, .. }, .. } = &mut operation {
        *suspended = true;
    }
    operation
}

/// Admits a Guest Admin, named by the local part of the address.
pub fn admit(address: &Email, expires_at: Timestamp) -> Operation {
    let name = address.as_str().split('@').next().unwrap();
    Operation::Guest {
        id: guest(name),
        change: GuestChange::Invite(NewGuest {
            mark: mark(name, &format!("u-{name}")),
            partner: acme(),
            partner_name: "acme".to_owned(),
            address: address.clone(),
            display_name: name.to_owned(),
            role: GuestRole::GuestAdmin,
            allowed: all_methods(),
            expires_at,
        }),
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
    Operation::Guest { id: guest(who), change: GuestChange::Grant { grants } }
}

pub fn user(address: &Email) -> UserRecord {
    UserRecord { email: address.clone(), name: "Example User".to_owned(), enabled: true, verified: true }
}

impl Subject {
    /// Creates the initial state of every case.
    pub async fn furnish(mut self) -> Self {
        self.directory.claim(&us()).await.unwrap();
        self.epoch = self.directory.lead().await.unwrap();
        let account = |name: &str| AccountRecord { name: name.to_owned(), owners: vec![alice()], deleted: false };
        let import = Import { users: vec![user(&alice())], accounts: vec![account("instagram"), account("tiktok")] };
        self.player.import(&import).unwrap();
        self.done(&ensure_partner(), 0).await;
        self
    }

    pub async fn run(&self, operation: &Operation, seconds: i64) -> Result<Applied, Error> {
        self.execute(operation, None, at(seconds)).await
    }

    /// Compares the embedded directory with the pure function that Keycloak's backend uses.
    async fn execute(&self, operation: &Operation, basis: Option<Revision>, at: Timestamp) -> Result<Applied, Error> {
        let directory = self.directory.as_ref();
        let expected = if directory.fences() { amended::expected(directory, operation, basis, at).await } else { None };
        let done = directory.execute(operation, basis, at, self.epoch).await;
        if let Some(expected) = expected {
            amended::agrees(directory, expected, &done, operation).await;
        }
        done
    }

    pub async fn run_on(&self, operation: &Operation, basis: Revision) -> Result<Applied, Error> {
        self.execute(operation, Some(basis), at(100)).await
    }

    pub async fn done(&self, operation: &Operation, seconds: i64) -> Applied {
        self.run(operation, seconds).await.unwrap_or_else(|fault| panic!("{operation:?}: {fault}"))
    }

    /// Refused, and nothing was written for it.
    pub async fn refused(&self, operation: &Operation, seconds: i64) -> Error {
        let before = self.cursor().await;
        let fault = self.run(operation, seconds).await.expect_err(&format!("{operation:?} went through"));
        assert_eq!(self.cursor().await, before, "{operation:?} was refused and wrote");
        fault
    }

    /// The plan behind the operation is stale.
    pub async fn stale(&self, operation: &Operation, seconds: i64) {
        let fault = self.refused(operation, seconds).await;
        assert!(matches!(fault, Error::Changed { .. }), "{operation:?}: {fault}");
    }

    pub async fn cursor(&self) -> Cursor {
        self.directory.cursor().await.unwrap()
    }

    pub async fn record(&self, address: &Email) -> GuestRecord {
        self.directory.guest(address).await.unwrap().expect("the guest is there")
    }

    /// Bob as a Guest Admin who was admitted at 10, joined at 20, and enrolled TOTP at 30.
    pub async fn with_bob(self) -> Self {
        self.done(&admit(&bob(), at(10_000)), 10).await;
        self.player.accept(&bob(), seen(20)).unwrap();
        self.player.enroll(&bob(), MfaMethod::TOTP, seen(30)).unwrap();
        self
    }

    /// The same, with Bob as Manager of instagram.
    pub async fn with_manager(self) -> Self {
        let subject = self.with_bob().await;
        subject.done(&give("bob", vec![grant("instagram", ShareRole::Manager)]), 40).await;
        subject
    }
}
