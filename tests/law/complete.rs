//! No rule is forgotten: each word of the law has a pair at each door that the table of the law says it has.

use std::collections::BTreeSet;

use guestlist::rules::{Reason, Sort, entry};

use super::directory::SCENARIOS;
use super::pairs::{Asked, PAIRS};

/// Early answers that need the directory, which files do not have: only the reconcile (and the webhook) can tell.
const NOT_IN_FILES: [Reason; 1] = [Reason::HostAdminIsGuest];

#[test]
fn every_rule_has_a_pair_at_every_door_of_its_own() {
    for reason in
        Reason::ALL.iter().copied().filter(|reason| matches!(entry(*reason).sort, Sort::Rule | Sort::WaitingRule))
    {
        let has = |asked: &[Asked]| PAIRS.iter().any(|pair| pair.reason == reason && asked.contains(&pair.asked));
        let by_directory = SCENARIOS.iter().any(|scenario| scenario.reason == reason);
        let doors: BTreeSet<&str> = entry(reason).said_by.split(' ').collect();
        assert!(!doors.is_empty(), "{reason} has no door");
        for door in doors {
            let tried = match door {
                "S" => has(&[Asked::Alone, Asked::Changed]),
                "A" => has(&[Asked::Together]) || NOT_IN_FILES.contains(&reason),
                "R" => has(&[Asked::Alone, Asked::Together, Asked::Changed]) || by_directory,
                other => panic!("{reason} names a door that nobody knows: {other}"),
            };
            assert!(tried, "{reason} has no pair at door {door}: add one to tests/law");
        }
    }
}

#[test]
fn no_pair_is_at_a_door_that_its_rule_does_not_have() {
    for pair in PAIRS {
        let doors = entry(pair.reason).said_by;
        let asked = match pair.asked {
            Asked::Alone | Asked::Changed => "S",
            Asked::Together => "R",
        };
        assert!(doors.contains(asked), "{pair:?} is at {doors}");
    }
}
