//! `guestlist explain`: the meaning of a reason, its purpose and its fix; the reference as Markdown.

use std::io::Write;

use super::Problem;
use super::reference::ReferencePage;
use crate::api::ConditionType;
use crate::domain::Reason;
use crate::util::suggest::nearest;
use crate::validation;
use crate::validation::ReasonGroup;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  guestlist explain PropagationNeedsManager\n  guestlist explain            # lists all reasons"
)]
pub(super) struct ExplainArgs {
    /// The reason of a condition or a violation, or the type of a condition; without it, all are listed
    reason: Option<String>,
    /// Print a page of the reference as Markdown
    #[arg(long, value_name = "PAGE", num_args = 0..=1, default_missing_value = "rules", conflicts_with = "reason")]
    markdown: Option<ReferencePage>,
}

pub(super) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), Problem> {
    if let Some(page) = args.markdown {
        write!(out, "{}", page.text())?;
        return Ok(());
    }
    let Some(word) = &args.reason else { return list(out) };
    let (reason, condition) = (Reason::parse(word), ConditionType::parse(word));
    if reason.is_none() && condition.is_none() {
        return Err(Problem::Message(unknown(word)));
    }
    if let Some(reason) = reason {
        write!(out, "{}", validation::explain(reason))?;
    }
    if let Some(type_) = condition {
        let (also, kinds, meaning) = (if reason.is_some() { "\n" } else { "" }, type_.kinds(), type_.meaning());
        writeln!(out, "{also}{} (a condition of {kinds})\n\n  {meaning}", type_.as_str())?;
    }
    Ok(())
}

fn unknown(word: &str) -> String {
    let words = Reason::ALL.iter().map(|reason| reason.as_str());
    let near = nearest(word, words.chain(ConditionType::ALL.into_iter().map(ConditionType::as_str)));
    let hint = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
    format!("no reason {word:?}; {hint}`guestlist explain` lists all reasons")
}

fn list(out: &mut dyn Write) -> Result<(), Problem> {
    let sections = [
        ("Rules", ReasonGroup::Rule),
        ("Rules that wait for a missing object", ReasonGroup::WaitingRule),
        ("Other reasons", ReasonGroup::Other),
        ("States", ReasonGroup::State),
    ];
    for (title, sort) in sections {
        writeln!(out, "{title}\n")?;
        for entry in Reason::ALL.iter().map(|reason| validation::entry(*reason)).filter(|entry| entry.sort == sort) {
            writeln!(out, "  {:<24} {}", entry.reason.as_str(), first_sentence(entry.meaning))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "Conditions\n")?;
    for type_ in ConditionType::ALL {
        writeln!(out, "  {:<24} {}", type_.as_str(), type_.kinds())?;
    }
    writeln!(out, "\n`guestlist explain REASON` prints its purpose and its fix.")?;
    Ok(())
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first)
}
