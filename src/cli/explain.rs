//! `guestlist explain`: what a word means, why the rule exists, and how to mend it.

use std::io::Write;

use super::Problem;
use crate::rules::{self, Reason, Sort};
use crate::wording::nearest;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  guestlist explain PropagationNeedsManager\n  guestlist explain            # lists all words"
)]
pub(super) struct ExplainArgs {
    /// The word, as a condition's reason says it; left out: all words
    reason: Option<String>,
    /// Print the whole table as Markdown
    #[arg(long, conflicts_with = "reason")]
    markdown: bool,
}

pub(super) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), Problem> {
    if args.markdown {
        write!(out, "{}", rules::markdown())?;
        return Ok(());
    }
    let Some(word) = &args.reason else { return list(out) };
    match Reason::parse(word) {
        Some(reason) => write!(out, "{}", rules::explain(reason))?,
        None => return Err(Problem::Said(unknown(word))),
    }
    Ok(())
}

fn unknown(word: &str) -> String {
    let near = nearest(word, Reason::ALL.iter().map(|reason| reason.as_str()));
    let hint = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
    format!("no word {word:?}; {hint}`guestlist explain` lists all words")
}

fn list(out: &mut dyn Write) -> Result<(), Problem> {
    let sections = [
        ("Rules: breaking one is a violation", Sort::Rule),
        ("Rules that wait: they heal when what is missing comes", Sort::WaitingRule),
        ("Words that are not rules", Sort::Word),
        ("States", Sort::State),
    ];
    for (title, sort) in sections {
        writeln!(out, "{title}\n")?;
        for entry in Reason::ALL.iter().map(|reason| rules::entry(*reason)).filter(|entry| entry.sort == sort) {
            writeln!(out, "  {:<24} {}", entry.reason.as_str(), first_sentence(entry.meaning))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "`guestlist explain WORD` says why it exists and how to mend it.")?;
    Ok(())
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first)
}
