//! Explores every state of small environments: two guests of one partner or of two, up to two shares. People, guests and a
//! faulty directory act in any order. A second implementation of the rules (`rules.rs`), which shares no code with the
//! planner, checks each state. Every prefix of a plan is safe. While no other event happens, the operator converges, and
//! then all guests have exactly the access that the rules grant.
//!
//! The objects and the events are those of `tests/support/worlds`: specs come from `specs`, and each event is a list of
//! `Edit`s (`edits.rs`). The edits of an event have to lead to the objects of the state after it.
//!
//! One environment with everything would be too large. So there are several, and in each only some things vary. Other tests
//! cover mail intervals, deadlines of MFA, the rate of purging, quotas, conditions and concurrent stale guests, and edits
//! between two operations of one plan. There are few orphans here, so that their access is always revoked.
mod directory;
mod directory_equivalence;
mod edits;
mod hash;
mod inflate;
mod mutants;
mod objects;
mod operator;
mod rules;
mod search;
mod setup;
mod state;

use guestlist::cache::Kind;
use operator::PLANNER;
use setup::Setup;
use setup::Vary::{
    Adoption, Drift, Ends, Entries, Exclude, Invalid, Lost, Members, Moved, Narrowed, Owners, Partner, Paused, Reset,
    Roles, ShareSpec, Shares, Suspended, SuspendedPartner, Unknown, Unseen, Vanish,
};

const PEOPLE: Setup = Setup {
    name: "people",
    partner_of_guest: [0, 0],
    partner_of_share: [0, 0],
    shares: 1,
    adopted: [false, false],
    joined: false,
    vary: &[Members, Roles],
};
const JOINED: Setup = Setup { joined: true, ..PEOPLE };
const MFA: Setup = Setup { name: "MFA", vary: &[Exclude, Reset, Unknown, Unseen, Lost], ..JOINED };
const RULES: Setup = Setup { name: "rules", vary: &[Invalid, Suspended, Roles, Reset], ..JOINED };
const MOVED: Setup = Setup { name: "another partner", vary: &[Moved, Suspended, Roles], ..JOINED };
const SHARE: Setup = Setup { name: "one share", vary: &[Shares, Exclude, ShareSpec, Owners, Roles], ..JOINED };
const ENTRIES: Setup = Setup { name: "entries of a share", vary: &[Entries, Exclude, Roles], ..JOINED };
const SHARES: Setup = Setup { name: "two shares", shares: 2, vary: &[Shares, Exclude], ..JOINED };
const TWO_PARTNERS: Setup = Setup {
    name: "two partners",
    partner_of_guest: [0, 1],
    partner_of_share: [0, 1],
    shares: 2,
    vary: &[Partner(0), Partner(1)],
    ..JOINED
};
const SUSPENDED_PARTNERS: Setup =
    Setup { name: "suspended partners", vary: &[Partner(0), SuspendedPartner(0), SuspendedPartner(1)], ..TWO_PARTNERS };
const ONE_PARTNER: Setup = Setup { name: "one partner", vary: &[Partner(0), Members], ..JOINED };
const SUSPENDED_PARTNER: Setup = Setup { name: "suspended partner", vary: &[SuspendedPartner(0), Members], ..JOINED };
const DRIFT: Setup = Setup { name: "drift", vary: &[Drift, Roles], ..JOINED };
const VANISHING: Setup = Setup { name: "vanishing memberships", vary: &[Members, Vanish], ..JOINED };
const VANISHING_SHARES: Setup = Setup { name: "vanishing shares", vary: &[Shares, Vanish, Exclude, Roles], ..JOINED };
const LOST: Setup = Setup { name: "lost answers", vary: &[Members, Unseen, Lost], ..JOINED };
const PAUSED: Setup = Setup {
    name: "pauses",
    vary: &[Paused(Kind::Partner), Paused(Kind::Membership), Paused(Kind::Share), Exclude, Roles],
    ..JOINED
};
const PAUSED_PEOPLE: Setup = Setup { name: "people during pauses", vary: &[Paused(Kind::Partner), Members], ..PEOPLE };
const ENDS: Setup = Setup {
    name: "ends",
    vary: &[Ends(Kind::Partner), Ends(Kind::Membership), Ends(Kind::Share), Paused(Kind::Share)],
    ..JOINED
};
const ENDING_PEOPLE: Setup =
    Setup { name: "people with an end", vary: &[Ends(Kind::Membership), Partner(0)], ..PEOPLE };
const METHODS: Setup = Setup {
    name: "narrowed methods",
    vary: &[Narrowed(Kind::Partner), Narrowed(Kind::Membership), Narrowed(Kind::Share)],
    ..JOINED
};
const ADOPTED: Setup = Setup {
    name: "adopted guests",
    adopted: [true, false],
    vary: &[Suspended, Ends(Kind::Partner), Paused(Kind::Membership)],
    ..JOINED
};
const ADOPTED_PEOPLE: Setup = Setup { name: "adopted people", vary: &[Adoption, Members], ..ADOPTED };

fn follows_the_rules(setup: &Setup) {
    match search::explore(setup, PLANNER) {
        Ok(seen) => {
            println!(
                "{}: {} states, {} at rest, {} moves, {} events",
                setup.name,
                seen.states.len(),
                seen.at_rest,
                seen.moves,
                seen.events
            );
            directory_equivalence::compare(setup, &seen.states);
        }
        Err(fault) => panic!("{fault}"),
    }
}

#[test]
fn people_with_roles_follow_the_rules() {
    follows_the_rules(&PEOPLE);
}

#[test]
fn mfa_reset_unknown_or_seen_late_follows_the_rules() {
    follows_the_rules(&MFA);
}

#[test]
fn invalid_or_suspended_memberships_follow_the_rules() {
    follows_the_rules(&RULES);
}

#[test]
fn memberships_of_another_partner_follow_the_rules() {
    follows_the_rules(&MOVED);
}

#[test]
fn paused_objects_follow_the_rules() {
    follows_the_rules(&PAUSED);
}

#[test]
fn people_during_pauses_follow_the_rules() {
    follows_the_rules(&PAUSED_PEOPLE);
}

#[test]
fn objects_with_an_end_follow_the_rules() {
    follows_the_rules(&ENDS);
}

#[test]
fn people_with_an_end_follow_the_rules() {
    follows_the_rules(&ENDING_PEOPLE);
}

#[test]
fn narrowed_methods_follow_the_rules() {
    follows_the_rules(&METHODS);
}

#[test]
fn suspended_adopted_users_follow_the_rules() {
    follows_the_rules(&ADOPTED);
}

#[test]
fn adopted_people_follow_the_rules() {
    follows_the_rules(&ADOPTED_PEOPLE);
}

#[test]
fn pins_and_overrides_follow_the_rules() {
    follows_the_rules(&ENTRIES);
}

#[test]
fn changes_of_a_share_follow_the_rules() {
    follows_the_rules(&SHARE);
}

#[test]
fn two_shares_follow_the_rules() {
    follows_the_rules(&SHARES);
}

#[test]
fn two_partners_follow_the_rules() {
    follows_the_rules(&TWO_PARTNERS);
}

#[test]
fn suspended_partners_follow_the_rules() {
    follows_the_rules(&SUSPENDED_PARTNERS);
}

#[test]
fn members_of_a_suspended_partner_follow_the_rules() {
    follows_the_rules(&SUSPENDED_PARTNER);
}

#[test]
fn members_of_a_deleted_partner_follow_the_rules() {
    follows_the_rules(&ONE_PARTNER);
}

#[test]
fn changes_by_an_administrator_follow_the_rules() {
    follows_the_rules(&DRIFT);
}

#[test]
fn vanishing_memberships_follow_the_rules() {
    follows_the_rules(&VANISHING);
}

#[test]
fn vanishing_shares_follow_the_rules() {
    follows_the_rules(&VANISHING_SHARES);
}

#[test]
fn operations_with_lost_answers_follow_the_rules() {
    follows_the_rules(&LOST);
}
