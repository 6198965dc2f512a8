//! Later grants for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::escape::plain;
use crate::domain::time::seconds;
use crate::plan::later::{LaterGrant, Precondition};

/// One later grant as a sentence.
pub fn sentence(later: &LaterGrant) -> String {
    let until = later.grant.until.map_or_else(String::new, |until| format!(" until {}", seconds(until)));
    format!("{} as {}{until}", plain(&later.grant.account), later.grant.role)
}

/// One condition as a sentence.
pub fn condition(condition: &Precondition) -> String {
    format!("{}: {}", condition.reason, plain(&condition.fact.to_string()))
}

/// Later grants for people, by guest. `head`: the first word, with its colours.
pub fn text(later: &[LaterGrant], head: &str) -> String {
    let mut text = String::new();
    let mut last = None;
    for one in later {
        if last != Some(&one.member) {
            let _ = writeln!(text, "{head}: {} ({})", one.member, one.guest);
            last = Some(&one.member);
        }
        let share = plain(&one.grant.share);
        let _ = writeln!(text, "  grant {} through AccountShare {}/{share}, once", sentence(one), one.member.namespace);
        for fact in &one.conditions {
            let _ = writeln!(text, "      {}", condition(fact));
        }
    }
    text
}

/// The number of later grants, as a phrase.
pub fn count(later: &[LaterGrant]) -> String {
    let s = if later.len() == 1 { "" } else { "s" };
    format!("{} grant{s} later", later.len())
}

/// Renders the later grants for programs, as in docs/plan.md.
pub fn json(later: &[LaterGrant]) -> Value {
    let one = |later: &LaterGrant| {
        json!({
            "guest": later.guest.as_str(),
            "partner": {"namespace": &*later.member.namespace, "name": later.partner},
            "account": later.grant.account,
            "role": later.grant.role.as_str(),
            "share": later.grant.share,
            "until": later.grant.until.map(|until| seconds(until).to_string()),
            "conditions": conditions(&later.conditions),
        })
    };
    later.iter().map(one).collect()
}

/// Conditions for programs.
pub fn conditions(conditions: &[Precondition]) -> Value {
    let one = |one: &Precondition| json!({"reason": one.reason.as_str(), "message": one.fact.to_string()});
    conditions.iter().map(one).collect()
}
