//! No rule is forgotten: each word of the law has a pair at each door that the table of the law says it has.

use std::collections::BTreeSet;

use guestlist::rules::{Reason, Sort, entry};

use super::directory::SCENARIOS;
use super::pairs::{Asked, PAIRS};

#[test]
fn every_rule_has_a_pair_at_every_door_of_its_own() {
    for reason in
        Reason::ALL.iter().copied().filter(|reason| matches!(entry(*reason).sort, Sort::Rule | Sort::WaitingRule))
    {
        let has = |asked: &[Asked]| PAIRS.iter().any(|pair| pair.reason == reason && asked.contains(&pair.asked));
        let by_directory = SCENARIOS.iter().any(|scenario| scenario.reason == reason);
        let doors: BTreeSet<&str> = entry(reason).enforced_by.split(' ').collect();
        assert!(!doors.is_empty(), "{reason} has no door");
        for door in doors {
            let tried = match door {
                "S" => has(&[Asked::Alone, Asked::Changed]),
                "F" => has(&[Asked::Alone, Asked::Together]),
                "R" => has(&[Asked::Alone, Asked::Together, Asked::Changed]) || by_directory,
                other => panic!("{reason} names a door that nobody knows: {other}"),
            };
            assert!(tried, "{reason} has no pair at door {door}: add one to tests/core/law");
        }
    }
}

#[test]
fn no_pair_is_at_a_door_that_its_rule_does_not_have() {
    for pair in PAIRS {
        let doors = entry(pair.reason).enforced_by;
        let asked: &[&str] = match pair.asked {
            Asked::Alone => &["S", "F", "R"],
            Asked::Changed => &["S", "R"],
            Asked::Together => &["F", "R"],
        };
        assert!(asked.iter().all(|door| doors.split(' ').any(|has| has == *door)), "{pair:?} is at {doors}");
    }
}
