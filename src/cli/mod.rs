//! The command line: what each command is called and takes. What a command does is in the file of its name.
//!
//! A command has `Arguments` (clap's) and a function `run` that returns the process's exit status.

mod check;
mod completions;
mod crds;
mod explain;
mod output;
mod run;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Usage, input that cannot be read: the status of everything that could not be tried.
const UNUSABLE: u8 = 2;

#[derive(Parser)]
#[command(
    name = "guestlist",
    version,
    about = "Keeps guest access to shared accounts declarative",
    long_about = "Keeps guest access to shared accounts declarative: local partners, guests who get nothing before they \
                  turned MFA on, and account shares, as Kubernetes objects.",
    after_help = "Exit status: 0 in order; 1 what was asked for failed or broke a rule; 2 wrong usage, or input that \
                  cannot be read.\n`guestlist COMMAND --help` shows examples.",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Explain(explain::Arguments),
    Crds(crds::Arguments),
    Completions(completions::Arguments),
}

/// Where the identity directory is: the same flag for every command that opens it.
#[derive(Args, Clone, Debug)]
pub(crate) struct DirectoryFlag {
    /// The identity directory: sqlite:PATH, a file that is made where it is missing
    #[arg(long, env = "GUESTLIST_DIRECTORY", value_name = "ADDRESS", default_value = "sqlite:guestlist.db")]
    pub directory: String,
}

/// Runs the command line with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Whoever closed the pipe does not want to read it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(UNUSABLE));
        }
    };
    match cli.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// The command line as clap knows it: for completions.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
