//! The command line: arguments in, exit codes out. What a command does stands in the module of its name.

mod directory;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::api;
use crate::rules::{Reason, explain};

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(
    name = "guestlist",
    version,
    about = "Keeps guest access to shared accounts declarative: local partners, MFA-gated guests, account shares",
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  guestlist crds | kubectl apply --server-side -f -
  guestlist run --workspace workspace.yaml --directory sqlite:directory.db
  guestlist explain MfaCannotBeWaived
  guestlist directory show"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(run::RunArgs),
    /// Explain a word that a condition, a refusal or a diagnostic says
    Explain(ExplainArgs),
    /// Print the custom resource definitions as YAML
    #[command(after_help = "Examples:\n  guestlist crds | kubectl apply --server-side -f -")]
    Crds(CrdsArgs),
    /// Look at the embedded directory, import people and accounts, and play the guest
    Directory(directory::DirectoryArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  source <(guestlist completions bash)")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  guestlist explain PropagationNeedsManager\n  guestlist explain            # lists all words"
)]
struct ExplainArgs {
    /// The word, as a condition's reason says it; left out: all words
    reason: Option<String>,
    /// Print the whole table as Markdown
    #[arg(long, conflicts_with = "reason")]
    markdown: bool,
}

#[derive(Debug, Args)]
struct CrdsArgs {
    /// Write one file a kind into this folder instead
    #[arg(long, value_name = "FOLDER")]
    output: Option<std::path::PathBuf>,
}

/// Runs the command line with the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout().lock();
    let result = match cli.command {
        Command::Run(args) => return run::run(args),
        Command::Explain(args) => explain_words(&args, &mut out),
        Command::Crds(args) => crds(&args, &mut out),
        Command::Directory(args) => directory::run(args, &mut out),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "guestlist", &mut out);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) if problem.is_closed_pipe() => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// A problem in words, for a person at a terminal.
#[derive(Debug, thiserror::Error)]
enum Problem {
    /// What is wrong and how to mend it.
    #[error("{0}")]
    Said(String),
    /// Nobody reads our output any more, or it cannot be written.
    #[error("failed to write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl Problem {
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Said(text)
    }
}

impl From<crate::directory::Fault> for Problem {
    fn from(fault: crate::directory::Fault) -> Self {
        Self::Said(fault.to_string())
    }
}

fn explain_words(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), Problem> {
    if args.markdown {
        write!(out, "{}", crate::rules::markdown())?;
        return Ok(());
    }
    let Some(word) = &args.reason else {
        for reason in Reason::ALL {
            writeln!(out, "{:<26} {}", reason.as_str(), crate::rules::entry(*reason).meaning)?;
        }
        return Ok(());
    };
    match Reason::parse(word) {
        Some(reason) => write!(out, "{}", explain(reason))?,
        None => return Err(Problem::Said(unknown_word(word))),
    }
    Ok(())
}

fn unknown_word(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let near = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .min_by_key(|known| distance(&known.to_ascii_lowercase(), &lower))
        .unwrap_or_default();
    format!("no word {word:?}; did you mean {near}? `guestlist explain` lists all words")
}

/// How many single-character edits lie between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn crds(args: &CrdsArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::Said(format!("failed to write the CRDs: {error}"));
    let Some(folder) = &args.output else {
        write!(out, "{}", api::crds_yaml().map_err(|error| failed(&error))?)?;
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    for (name, content) in api::crd_files().map_err(|error| failed(&error))? {
        std::fs::write(folder.join(name), content).map_err(|error| failed(&error))?;
    }
    Ok(())
}
