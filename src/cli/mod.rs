//! The command line: arguments in, exit codes out. Each command has the module of its name.

mod apply;
mod check;
mod detach;
mod directory;
mod explain;
mod log_level;
pub mod offline;
mod plan;
mod reference;
mod run;
mod terminal;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::api;
use crate::domain::printable_lines;
use crate::util::panic_report;
pub use check::read_manifests;
pub use directory::read_import;
use terminal::{Terminal, print_error};

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
  guestlist check --workspace workspace.yaml manifests/
  guestlist plan --workspace workspace.yaml --directory sqlite:directory.db manifests/
  guestlist explain MfaCannotBeWaived
  guestlist directory show

Exit status: 0 in order; 1 it failed, or a rule is broken; 2 wrong usage, or input that cannot be read.
Of plan: 0 nothing to do; 2 there are changes; 1 anything else."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(run::RunArgs),
    /// Check manifests by every rule that files alone can decide: no cluster, no directory
    Check(check::CheckArgs),
    /// Show what a reconcile would do to the directory, and why; writes nothing
    Plan(plan::PlanArgs),
    /// Do once what plan shows, without a cluster
    Apply(apply::ApplyArgs),
    /// Detach objects, orphans or a directory from the installation that manages them
    Detach(detach::DetachArgs),
    /// Explain the reason of a condition, a refusal or a diagnostic
    Explain(explain::ExplainArgs),
    /// Print the custom resource definitions as YAML
    #[command(after_help = "Examples:\n  guestlist crds | kubectl apply --server-side -f -")]
    Crds(CrdsArgs),
    /// Show the embedded directory, import people and accounts, and act as a guest
    Directory(directory::DirectoryArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  source <(guestlist completions bash)")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct CrdsArgs {
    /// Write one file a kind into this folder instead
    #[arg(long, value_name = "FOLDER")]
    output: Option<std::path::PathBuf>,
}

/// Runs the command line with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    panic_report::install();
    let mut out = Terminal::new(std::io::stdout().lock());
    let result = match cli.command {
        Command::Run(args) => return run::run(args),
        Command::Check(args) => return check::run(&args, &mut out),
        Command::Plan(args) => return plan::run(&args, &mut out),
        Command::Apply(args) => return apply::run(&args, &mut out),
        Command::Detach(args) => detach::run(&args, &mut out),
        Command::Explain(args) => explain::run(&args, &mut out),
        Command::Crds(args) => crds(&args, &mut out),
        Command::Directory(args) => directory::run(args, &mut out),
        Command::Completions { shell } => {
            // The script goes into memory first: the generator panics if the output is closed early.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "guestlist", &mut script);
            out.write_all(&script).map_err(Problem::Output)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) if problem.is_closed_pipe() => ExitCode::SUCCESS,
        Err(problem) => {
            print_error(&problem.to_string());
            problem.exit_code()
        }
    }
}

/// Checks the words of a command line without running it, for tests of the documentation.
///
/// # Errors
///
/// The words are no command line of guestlist: clap's error has the reason.
pub fn check_arguments(words: &[String]) -> Result<(), clap::Error> {
    Cli::try_parse_from(words).map(drop)
}

/// Prints clap's message for wrong usage or for --help. In `plan`, exit code 2 means changes, as in Terraform, so wrong
/// usage is 1.
fn misused(error: &clap::Error) -> ExitCode {
    drop(error.print());
    let plans = std::env::args_os().nth(1).is_some_and(|command| command == "plan");
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if plans => ExitCode::FAILURE,
        code => ExitCode::from(u8::try_from(code).unwrap_or(2)),
    }
}

/// A problem as a sentence for people.
#[derive(Debug, thiserror::Error)]
enum Problem {
    /// The problem and its fix.
    #[error("{0}")]
    Message(String),
    /// The command did its part; this many steps remain to be done by hand.
    #[error("--strict: steps remain to be done by hand: {0}; see the lines above")]
    ByHand(usize),
    /// The output is closed, or cannot be written.
    #[error("failed to write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Exit code for steps that remain to be done by hand.
const BY_HAND: u8 = 3;

impl Problem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::ByHand(_) => ExitCode::from(BY_HAND),
            Self::Message(_) | Self::Output(_) => ExitCode::FAILURE,
        }
    }

    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Message(text)
    }
}

impl From<crate::directory::Error> for Problem {
    fn from(fault: crate::directory::Error) -> Self {
        Self::Message(fault.to_string())
    }
}

/// Asks for confirmation of an irreversible change, unless `--yes` confirms it.
fn ask(yes: bool, what: &str) -> Result<(), String> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(format!("{what}; standard input is no terminal, so nothing was done. Confirm with --yes"));
    }
    eprint!("{}. Continue? Type \"yes\" to confirm: ", printable_lines(what));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| format!("failed to read the answer: {error}"))?;
    if answer.trim() == "yes" { Ok(()) } else { Err("not confirmed; nothing was done".to_owned()) }
}

fn crds(args: &CrdsArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::Message(format!("failed to write the CRDs: {error}"));
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
