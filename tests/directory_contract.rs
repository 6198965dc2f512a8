//! The contract of a directory, held to every backend there is: the embedded one on a file with a thread of its own, and
//! in the caller's memory as simulations use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong ends the test")]

mod contract;

use std::path::Path;
use std::sync::{Arc, Mutex};

use contract::{Factory, Player, Subject, random};
use futures::executor::block_on;
use guestlist::directory::Import;
use guestlist::directory::sqlite::{Access, Directory, Inline, Store};
use guestlist::directory::{Epoch, Fault};
use guestlist::rules::{Email, MfaMethod};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Plays on a second connection to the file, as `guestlist directory …` does while the operator runs.
struct Beside {
    store: Mutex<Store>,
}

/// Plays on the very store that the directory is.
struct Within {
    inline: Arc<Inline>,
}

macro_rules! plays {
    ($player:ty, $($store:tt).+) => {
        impl Player for $player {
            fn import(&self, import: &Import) -> Result<(), Fault> {
                self.$($store).+.lock().unwrap().import(import).map(|_| ())
            }
            fn accept(&self, email: &Email, now: Timestamp) -> Result<bool, Fault> {
                self.$($store).+.lock().unwrap().accept(email, now)
            }
            fn enroll(&self, email: &Email, method: MfaMethod, now: Timestamp) -> Result<bool, Fault> {
                self.$($store).+.lock().unwrap().enroll_mfa(email, method, now)
            }
            fn reset(&self, email: &Email, now: Timestamp) -> Result<bool, Fault> {
                self.$($store).+.lock().unwrap().reset_mfa(email, now)
            }
            fn set_owner(&self, account: &str, owner: &Email) -> Result<bool, Fault> {
                self.$($store).+.lock().unwrap().set_owner(account, &[owner.clone()].into())
            }
            fn set_deleted(&self, account: &str, deleted: bool) -> Result<bool, Fault> {
                self.$($store).+.lock().unwrap().set_deleted(account, deleted)
            }
        }
    };
}

plays!(Beside, store);
plays!(Within, inline.0);

fn threaded(page: usize) -> Subject {
    let ground = tempfile::tempdir().unwrap();
    let file = ground.path().join("directory.db");
    let store = Store::open(&file, Access::Create).unwrap().with_page(page);
    let beside = Beside { store: Mutex::new(Store::open(&file, Access::Write).unwrap()) };
    Subject {
        directory: Arc::new(Directory::start(store).unwrap()),
        player: Arc::new(beside),
        epoch: Epoch(0),
        ground: Some(ground),
    }
}

fn inline(page: usize) -> Subject {
    let store = Store::open(Path::new(":memory:"), Access::Create).unwrap().with_page(page);
    let inline = Arc::new(Inline::new(store));
    let directory = Arc::clone(&inline);
    Subject { directory, player: Arc::new(Within { inline }), epoch: Epoch(0), ground: None }
}

/// A test a case, on each backend. Cases after `with` make their own directories.
macro_rules! every_backend {
    ($($cases:tt)+) => {
        mod on_a_file_with_a_thread {
            use super::*;
            const MAKE: Factory = threaded;
            cases!($($cases)+);
        }
        mod in_the_callers_memory {
            use super::*;
            const MAKE: Factory = inline;
            cases!($($cases)+);
        }
    };
}

macro_rules! cases {
    ($($room:ident::$case:ident),+ ; with $($maker_room:ident::$maker:ident),+) => {
        $(#[test]
        fn $case() {
            block_on(async { contract::$room::$case(MAKE(500).furnish().await).await });
        })+
        $(#[test]
        fn $maker() {
            block_on(contract::$maker_room::$maker(MAKE));
        })+
    };
}

every_backend!(
    adopted::who_is_not_there_is_not_adopted,
    adopted::the_adopted_are_never_disabled_reset_or_deactivated,
    adopted::adopting_releasing_and_adopting_again_works,
    adopted::who_was_made_is_not_released,
    adopted::whether_the_adopted_may_log_in_is_the_workspaces_word,
    changes::what_happens_behind_our_back_is_told_once,
    changes::what_we_did_and_know_of_is_not_told_to_us,
    changes::somebody_who_reads_from_an_older_cursor_is_told_everything_since,
    changes::a_cursor_from_the_future_means_another_file,
    end::only_the_deactivation_that_was_planned_on_is_destroyed,
    end::no_more_are_destroyed_in_an_hour_than_the_operation_allows,
    end::who_destroyed_something_knows_and_others_are_told,
    end::who_became_a_workspace_user_keeps_his_mfa_when_his_record_is_destroyed,
    end::a_partner_is_destroyed_when_it_was_put_away_and_nobody_refers_to_it,
    end::the_adopted_are_never_destroyed,
    end::who_is_given_back_is_the_workspaces_without_access_and_speaks_for_nobody,
    end::who_takes_a_directory_over_has_every_mark_and_the_lead,
    gate::a_guest_with_mfa_is_given_an_account,
    gate::nothing_is_given_to_who_has_not_joined,
    gate::nothing_is_given_without_mfa,
    gate::nothing_is_given_by_a_method_that_is_not_allowed_or_not_asked_for,
    gate::nothing_is_given_while_the_login_is_off,
    gate::nothing_is_given_of_an_account_that_is_gone_or_never_was,
    gate::a_guest_user_is_never_manager,
    gate::demoting_leaves_no_manager_at_any_instant,
    gate::a_grant_that_has_ended_is_not_given,
    gate::one_grant_that_may_not_be_given_holds_the_others_of_its_operation_back,
    gate::raising_keeps_since_when,
    gate::lowering_never_raises_and_never_adds,
    gate::what_was_planned_on_an_older_record_is_not_done,
    gate::taking_from_nobody_is_done_and_giving_to_nobody_is_not,
    lifecycle::admitting_writes_record_and_mark_and_sends_one_mail,
    lifecycle::a_guest_who_is_deactivated_holds_nothing_and_keeps_his_mark,
    lifecycle::a_deactivated_guest_comes_back_at_invited_with_the_mfa_he_had,
    lifecycle::an_address_is_a_guest_once,
    lifecycle::a_workspace_user_is_not_made_a_guest,
    lifecycle::an_invitation_is_followed_until_it_expires_is_revoked_or_the_login_is_off,
    lifecycle::mfa_is_turned_on_after_joining_and_a_reset_is_remembered_until_it_is_on_again,
    lifecycle::a_mark_passes_on_as_it_is_and_a_deactivated_one_never,
    lifecycle::a_partner_with_a_live_guest_is_not_put_away_and_one_put_away_takes_nobody_in,
    memory::the_last_mail_to_an_address_outlives_its_record,
    memory::a_mail_without_a_record_is_forgotten_when_it_matters_to_nobody_any_more,
    memory::a_share_gives_one_account_to_one_partner_until_it_is_forgotten,
    memory::a_guest_is_never_owner_made_or_adopted,
    owner::a_second_installation_or_cluster_is_refused,
    owner::a_mark_of_somebody_else_is_not_written,
    owner::who_lost_the_lead_writes_nothing_not_even_what_takes_away;
    with lifecycle::every_operation_done_twice_is_done_once,
    paging::a_listing_in_small_pages_holds_everybody_once,
    paging::the_deactivated_are_listed_too,
    paging::accounts_users_and_partners_come_in_pages_too,
    paging::what_changes_between_two_pages_is_told_as_a_change
);

fn agree_in_random_runs(make: Factory, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = |actions| {
        block_on(async { random::agree(make(500).furnish().await, actions).await });
        Ok(())
    };
    TestRunner::new(config).run(&random::actions(), run).unwrap();
}

#[test]
fn in_memory_random_runs_end_where_the_model_says_and_never_break_the_law() {
    agree_in_random_runs(inline, 200);
}

#[test]
fn on_a_file_random_runs_end_where_the_model_says_and_never_break_the_law() {
    agree_in_random_runs(threaded, 12);
}
