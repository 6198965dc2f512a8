//! `guestlist explain`: what a reason word means, why the rule exists, and how to mend it.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::output;
use crate::rules::{self, Reason, Sort};

/// Explains the word of a refusal, a condition or a diagnostic.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  guestlist explain HostDomain\n  guestlist explain            # lists every word\n\nExit status: 0; 1 for a word that does not exist."
)]
pub(super) struct Arguments {
    /// The word, whatever its case; none: a list of all
    #[arg(value_name = "REASON")]
    reason: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(word) = &arguments.reason else { return output::print(&list(), 0) };
    match Reason::parse(word) {
        Some(reason) => output::print(&rules::explain(reason), 0),
        None => output::fail(&unknown(word), 1),
    }
}

fn unknown(word: &str) -> String {
    let words = Reason::ALL.iter().map(|reason| reason.as_str());
    let hint = super::check::nearest(word, words).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    format!("there is no word {word:?}{hint}\n`guestlist explain` lists every word")
}

fn list() -> String {
    let sections = [
        ("Rules: breaking one is a violation", Sort::Rule),
        ("Rules that wait: they heal when what is missing comes", Sort::WaitingRule),
        ("Words that are not rules", Sort::Word),
        ("States", Sort::State),
    ];
    let mut text = String::new();
    for (title, sort) in sections {
        let _ = writeln!(text, "{title}\n");
        for entry in Reason::ALL.iter().map(|reason| rules::entry(*reason)).filter(|entry| entry.sort == sort) {
            let _ = writeln!(text, "  {:<24}{}", entry.reason.as_str(), first_sentence(entry.meaning));
        }
        text.push('\n');
    }
    text.push_str("`guestlist explain WORD` says why it exists and how to mend it.\n");
    text
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first)
}
