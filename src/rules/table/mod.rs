//! What each word means, why it exists and how to mend it: the one source of `guestlist explain` and of `docs/rules.md`.

mod rules;
mod words;

use std::fmt::Write as _;

use super::Reason;
use rules::RULES;
use words::{STATES, WORDS};

/// What sort of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A rule: breaking it is a violation.
    Rule,
    /// A rule about something that may come: it waits.
    WaitingRule,
    /// A word that is not a rule.
    Word,
    /// A state of a guest, or of an object.
    State,
}

/// What a word means.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The word.
    pub reason: Reason,
    /// What sort of word.
    pub sort: Sort,
    /// Where it is said: `S` the API server (CEL), `A` the webhook (a later release), `F` `guestlist check`, `R` the reconcile;
    /// for words the objects.
    pub said_by: &'static str,
    /// The rule, or what it means.
    pub meaning: &'static str,
    /// Why it exists.
    pub why: &'static str,
    /// How to mend it.
    pub mend: &'static str,
    /// An example of that: YAML of a spec or of the workspace policy, or a command. Empty: there is nothing to write.
    pub example: &'static str,
}

const fn rule(
    reason: Reason,
    said_by: &'static str,
    meaning: &'static str,
    why: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Entry {
    Entry { reason, sort: Sort::Rule, said_by, meaning, why, mend, example }
}

const fn waits(
    reason: Reason,
    said_by: &'static str,
    meaning: &'static str,
    why: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Entry {
    Entry { reason, sort: Sort::WaitingRule, said_by, meaning, why, mend, example }
}

const fn word(
    reason: Reason,
    said_by: &'static str,
    meaning: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Entry {
    Entry { reason, sort: Sort::Word, said_by, meaning, why: "", mend, example }
}

const fn state(
    reason: Reason,
    said_by: &'static str,
    meaning: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Entry {
    Entry { reason, sort: Sort::State, said_by, meaning, why: "", mend, example }
}

/// What a word means.
pub fn entry(reason: Reason) -> Entry {
    at(reason as usize)
}

const fn at(place: usize) -> Entry {
    let (words, states) = (RULES.len(), RULES.len() + WORDS.len());
    if place < words {
        RULES[place]
    } else if place < states {
        WORDS[place - words]
    } else {
        STATES[place - states]
    }
}

// Each word has its entry, at its place in the order of the law: a new one without does not compile.
const _: () = {
    assert!(RULES.len() + WORDS.len() + STATES.len() == Reason::ALL.len());
    let mut place = 0;
    while place < Reason::ALL.len() {
        assert!(at(place).reason as usize == place && Reason::ALL[place] as usize == place);
        place += 1;
    }
};

/// What `guestlist explain REASON` prints.
pub fn explain(reason: Reason) -> String {
    let Entry { reason, sort, said_by, meaning, why, mend, example } = entry(reason);
    let sort = match sort {
        Sort::Rule => "a rule",
        Sort::WaitingRule => "a rule that waits: it heals when what is missing comes",
        Sort::Word => "a word that is not a rule",
        Sort::State => "a state",
    };
    let mut text = format!("{reason} ({sort})\n\n  {meaning}\n");
    if !why.is_empty() {
        let _ = write!(text, "\nWhy it exists\n  {why}\n");
    }
    let _ = write!(text, "\nHow to mend it\n  {mend}\n");
    if !example.is_empty() {
        let _ = write!(text, "\nFor example\n    {}\n", example.replace('\n', "\n    "));
    }
    let _ = write!(text, "\nWhere it is said\n  {}\n", doors(said_by));
    text
}

/// The doors in words.
fn doors(said_by: &str) -> String {
    let door = |letter: &str| match letter {
        "S" => Some("the API server (CEL in the CRD)"),
        "A" => Some("the admission webhook (a later release)"),
        "F" => Some("guestlist check, where files can tell"),
        "R" => Some("the operator's reconcile"),
        _ => None,
    };
    let doors: Option<Vec<_>> = said_by.split(' ').map(door).collect();
    doors.map_or_else(|| said_by.to_owned(), |doors| doors.join("; "))
}

/// `docs/rules.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "<!-- Generated from src/rules/table by `make generate`; do not edit. -->\n\n# Rules and words\n\nEvery refusal, condition and diagnostic says one word of this list. Where several rules are broken, the first in this\norder names the condition, and all are listed in `status.violations`. `guestlist explain WORD` prints each.\n\nDoors: **S** the API server (CEL in the CRD), **A** the admission webhook (a later release), **F** `guestlist check`, where\nfiles can tell, **R** the reconcile, which is the final authority.\n\n## Rules\n\n| word | doors | rule | why | how to mend it |\n|---|---|---|---|---|\n",
    );
    let rows = |text: &mut String, wanted: &dyn Fn(Sort) -> bool, why: bool| {
        for entry in Reason::ALL.iter().map(|reason| entry(*reason)).filter(|entry| wanted(entry.sort)) {
            let waits = if entry.sort == Sort::WaitingRule { " *Waits.*" } else { "" };
            let why = if why { format!(" {} |", entry.why) } else { String::new() };
            let _ = writeln!(
                text,
                "| `{}` | {} | {}{waits} |{why} {} |",
                entry.reason, entry.said_by, entry.meaning, entry.mend
            );
        }
    };
    rows(&mut text, &|sort| matches!(sort, Sort::Rule | Sort::WaitingRule), true);
    text.push_str("\n## Words that are not rules\n\n| word | said by | meaning | what to do |\n|---|---|---|---|\n");
    rows(&mut text, &|sort| sort == Sort::Word, false);
    text.push_str("\n## States\n\n| word | said by | meaning | what to do |\n|---|---|---|---|\n");
    rows(&mut text, &|sort| sort == Sort::State, false);
    text
}
