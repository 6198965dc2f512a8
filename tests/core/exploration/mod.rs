//! Every state of a small world, one by one: two guests of one partner or of two, up to two shares, and whatever people,
//! guests and a faulty directory do to them in any order. In each state the law is read once more (`law.rs`, which shares
//! nothing with the planner) and held against what the planner does there, wherever it is stopped; as long as nobody else
//! does anything, no way leads round in a circle, so that the operator comes to rest; and there everybody has exactly what
//! the law says.
//!
//! One world with everything in it would be too large: there are several, and each lets some things vary. Left out, and
//! held elsewhere: instants (expiry, mail intervals, deadlines, the pace of destroying), pauses, adoption, addresses and
//! whose they are, quotas, pins and overrides, more than one guest seen late at once, an edit between two operations of
//! one plan, the conditions. Orphans are few here, so that they are always withheld. The directory remembers no share that
//! nobody holds.
mod agree;
mod directory;
mod inflate;
mod law;
mod mutants;
mod operator;
mod search;
mod setup;
mod state;

use guestlist::plan::plan;
use setup::Setup;
use setup::Vary::{
    Drift, Exclude, Invalid, Lost, Members, Owners, Partners, Reset, Roles, ShareSpec, Shares, Suspended, Unknown,
    Unseen, Vanish,
};

const PEOPLE: Setup = Setup {
    name: "people",
    partner_of_guest: [0, 0],
    partner_of_share: [0, 0],
    shares: 1,
    joined: false,
    vary: &[Members, Roles],
};
const JOINED: Setup = Setup { joined: true, ..PEOPLE };
const MFA: Setup = Setup { name: "MFA", vary: &[Exclude, Reset, Unknown, Unseen, Lost], ..JOINED };
const RULES: Setup = Setup { name: "rules", vary: &[Invalid, Suspended, Roles, Reset], ..JOINED };
const SHARE: Setup = Setup { name: "one share", vary: &[Shares, Exclude, ShareSpec, Owners, Roles], ..JOINED };
const SHARES: Setup = Setup { name: "two shares", shares: 2, vary: &[Shares, Exclude], ..JOINED };
const PARTNERS: Setup = Setup {
    name: "two partners",
    partner_of_guest: [0, 1],
    partner_of_share: [0, 1],
    shares: 2,
    vary: &[Partners],
    ..JOINED
};
const PARTNER: Setup = Setup { name: "one partner", vary: &[Partners, Members], ..JOINED };
const DRIFT: Setup = Setup { name: "drift", vary: &[Drift, Roles], ..JOINED };
const VANISHING: Setup = Setup { name: "vanishing objects", vary: &[Members, Shares, Vanish], ..JOINED };
const LOST: Setup = Setup { name: "lost answers", vary: &[Members, Unseen, Lost], ..JOINED };

fn is_lawful_everywhere(setup: &Setup) {
    match search::explore(setup, plan) {
        Ok(seen) => {
            println!(
                "{}: {} states, {} at rest, {} moves, {} events",
                setup.name, seen.states, seen.at_rest, seen.moves, seen.events
            );
        }
        Err(fault) => panic!("{fault}"),
    }
}

#[test]
fn people_who_come_and_go_and_change_roles() {
    is_lawful_everywhere(&PEOPLE);
}

#[test]
fn mfa_that_is_reset_unknown_and_seen_late() {
    is_lawful_everywhere(&MFA);
}

#[test]
fn memberships_that_break_a_rule_or_are_suspended() {
    is_lawful_everywhere(&RULES);
}

#[test]
fn a_share_that_changes_in_every_way() {
    is_lawful_everywhere(&SHARE);
}

#[test]
fn two_shares_that_come_and_go() {
    is_lawful_everywhere(&SHARES);
}

#[test]
fn two_partners_that_come_and_go() {
    is_lawful_everywhere(&PARTNERS);
}

#[test]
fn a_partner_with_members_that_come_and_go() {
    is_lawful_everywhere(&PARTNER);
}

#[test]
fn a_directory_that_is_changed_behind_our_back() {
    is_lawful_everywhere(&DRIFT);
}

#[test]
fn objects_that_vanish_in_spite_of_their_finalizer() {
    is_lawful_everywhere(&VANISHING);
}

#[test]
fn answers_that_are_lost() {
    is_lawful_everywhere(&LOST);
}
