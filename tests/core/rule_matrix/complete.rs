//! Completeness: by the table of rules, each reason has a pair at each stage that enforces it.

use std::collections::BTreeSet;

use guestlist::domain::Reason;
use guestlist::validation::{ReasonGroup, entry};

use super::directory::SCENARIOS;
use super::pairs::{Asked, PAIRS};

#[test]
fn every_rule_has_a_pair_at_every_door_of_its_own() {
    for reason in Reason::ALL
        .iter()
        .copied()
        .filter(|reason| matches!(entry(*reason).sort, ReasonGroup::Rule | ReasonGroup::WaitingRule))
    {
        let has = |asked: &[Asked]| PAIRS.iter().any(|pair| pair.reason == reason && asked.contains(&pair.asked));
        let by_directory = SCENARIOS.iter().any(|scenario| scenario.reason == reason);
        let stages: BTreeSet<&str> = entry(reason).enforced_by.split(' ').collect();
        assert!(!stages.is_empty(), "{reason} is enforced nowhere");
        for stage in stages {
            let tried = match stage {
                "S" => has(&[Asked::Alone, Asked::Changed]),
                "F" => has(&[Asked::Alone, Asked::Together]),
                "R" => has(&[Asked::Alone, Asked::Together, Asked::Changed]) || by_directory,
                other => panic!("{reason} names an unknown stage: {other}"),
            };
            assert!(tried, "{reason} has no pair at stage {stage}: add one to tests/core/rule_matrix");
        }
    }
}

#[test]
fn no_pair_is_at_a_door_that_its_rule_does_not_have() {
    for pair in PAIRS {
        let stages = entry(pair.reason).enforced_by;
        let asked: &[&str] = match pair.asked {
            Asked::Alone => &["S", "F", "R"],
            Asked::Changed => &["S", "R"],
            Asked::Together => &["F", "R"],
        };
        assert!(asked.iter().all(|stage| stages.split(' ').any(|has| has == *stage)), "{pair:?} is at {stages}");
    }
}
