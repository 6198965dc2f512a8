//! The meaning of each reason, its purpose and its fix: the one source of `guestlist explain` and of `docs/rules.md`.

mod others;
mod rules;

use std::fmt::Write as _;

use crate::domain::Reason;
use others::{OTHERS, STATES};
use rules::RULES;

/// The kind of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonGroup {
    /// A rule. An object that breaks it has a violation.
    Rule,
    /// A rule about an object or a fact that may still appear. The object waits for it.
    WaitingRule,
    /// A reason that is neither a rule nor a state.
    Other,
    /// A state of a guest, or of an object.
    State,
}

/// The entry of a reason.
#[derive(Clone, Copy, Debug)]
pub struct ReasonEntry {
    /// The reason.
    pub reason: Reason,
    /// Its kind.
    pub sort: ReasonGroup,
    /// For a rule the stages that enforce it: `S` the API server (CEL), `F` `guestlist check`, `R` the reconcile. For other
    /// reasons the objects and outputs that show it.
    pub enforced_by: &'static str,
    /// The rule, or the meaning.
    pub meaning: &'static str,
    /// The purpose.
    pub why: &'static str,
    /// The fix.
    pub fix: &'static str,
    /// An example of the fix: YAML of a spec or of the workspace policy, or a command. Empty: none is needed.
    pub example: &'static str,
}

const fn rule(
    reason: Reason,
    enforced_by: &'static str,
    meaning: &'static str,
    why: &'static str,
    fix: &'static str,
    example: &'static str,
) -> ReasonEntry {
    ReasonEntry { reason, sort: ReasonGroup::Rule, enforced_by, meaning, why, fix, example }
}

const fn waits(
    reason: Reason,
    enforced_by: &'static str,
    meaning: &'static str,
    why: &'static str,
    fix: &'static str,
    example: &'static str,
) -> ReasonEntry {
    ReasonEntry { reason, sort: ReasonGroup::WaitingRule, enforced_by, meaning, why, fix, example }
}

const fn other(
    reason: Reason,
    enforced_by: &'static str,
    meaning: &'static str,
    fix: &'static str,
    example: &'static str,
) -> ReasonEntry {
    ReasonEntry { reason, sort: ReasonGroup::Other, enforced_by, meaning, why: "", fix, example }
}

const fn state(
    reason: Reason,
    enforced_by: &'static str,
    meaning: &'static str,
    fix: &'static str,
    example: &'static str,
) -> ReasonEntry {
    ReasonEntry { reason, sort: ReasonGroup::State, enforced_by, meaning, why: "", fix, example }
}

/// The entry of a reason.
pub fn entry(reason: Reason) -> ReasonEntry {
    at(reason as usize)
}

const fn at(place: usize) -> ReasonEntry {
    let (others, states) = (RULES.len(), RULES.len() + OTHERS.len());
    if place < others {
        RULES[place]
    } else if place < states {
        OTHERS[place - others]
    } else {
        STATES[place - states]
    }
}

// Each reason has its entry at its position in `Reason`. A new reason without an entry does not compile.
const _: () = {
    assert!(RULES.len() + OTHERS.len() + STATES.len() == Reason::ALL.len());
    let mut place = 0;
    while place < Reason::ALL.len() {
        assert!(at(place).reason as usize == place && Reason::ALL[place] as usize == place);
        place += 1;
    }
};

/// The output of `guestlist explain REASON`.
pub fn explain(reason: Reason) -> String {
    let ReasonEntry { reason, sort, enforced_by, meaning, why, fix, example } = entry(reason);
    let sort = match sort {
        ReasonGroup::Rule => "a rule",
        ReasonGroup::WaitingRule => "a rule that waits for a missing object",
        ReasonGroup::Other => "a reason that is not a rule",
        ReasonGroup::State => "a state",
    };
    let mut text = format!("{reason} ({sort})\n\n  {meaning}\n");
    if !why.is_empty() {
        let _ = write!(text, "\nWhy\n  {why}\n");
    }
    let _ = write!(text, "\nFix\n  {fix}\n");
    if !example.is_empty() {
        let _ = write!(text, "\nExample\n    {}\n", example.replace('\n', "\n    "));
    }
    let _ = write!(text, "\n{}\n", enforcement(enforced_by));
    text
}

/// The stages that enforce a rule, or the places that show another reason.
fn enforcement(enforced_by: &str) -> String {
    let stage = |letter: &str| match letter {
        "S" => Some("the API server (CEL in the CRD)"),
        "F" => Some("guestlist check, as far as the files tell"),
        "R" => Some("the operator"),
        _ => None,
    };
    let stages: Option<Vec<_>> = enforced_by.split(' ').map(stage).collect();
    match stages {
        Some(stages) => format!("Enforced by\n  {}", stages.join("; ")),
        None => format!("Shown in\n  {enforced_by}"),
    }
}

/// The text of `docs/rules.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "<!-- Generated from src/validation/catalog by `make generate`; do not edit. -->\n\n# Rules and reasons\n\nEvery condition and every broken rule has one reason of this list; [check.md](check.md) lists the other diagnostics of\n`guestlist check`. If an object breaks several rules, its condition has the\nfirst of them in this order, and `status.violations` lists all. `guestlist explain REASON` prints an entry.\n\nEnforced by: **S** the API server (CEL in the CRD), **F** `guestlist check`, as far as the files tell, **R** the operator,\nwhich is the final authority. A rule marked *Waits* is about an object that may still appear.\n\n## Rules\n\n| reason | enforced by | rule | why | fix |\n|---|---|---|---|---|\n",
    );
    let rows = |text: &mut String, wanted: &dyn Fn(ReasonGroup) -> bool, why: bool| {
        for entry in Reason::ALL.iter().map(|reason| entry(*reason)).filter(|entry| wanted(entry.sort)) {
            let waits = if entry.sort == ReasonGroup::WaitingRule { " *Waits.*" } else { "" };
            let why = if why { format!(" {} |", entry.why) } else { String::new() };
            let _ = writeln!(
                text,
                "| `{}` | {} | {}{waits} |{why} {} |",
                entry.reason, entry.enforced_by, entry.meaning, entry.fix
            );
        }
    };
    rows(&mut text, &|sort| matches!(sort, ReasonGroup::Rule | ReasonGroup::WaitingRule), true);
    text.push_str("\n## Other reasons\n\n| reason | shown in | meaning | fix |\n|---|---|---|---|\n");
    rows(&mut text, &|sort| sort == ReasonGroup::Other, false);
    text.push_str("\n## States\n\n| reason | shown in | meaning | fix |\n|---|---|---|---|\n");
    rows(&mut text, &|sort| sort == ReasonGroup::State, false);
    text
}
