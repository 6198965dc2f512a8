//! `guestlist completions`: for the shell to complete what is typed.

use std::process::ExitCode;

use clap_complete::Shell;

use super::output;

/// Prints completions for a shell.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  source <(guestlist completions bash)\n  guestlist completions zsh > \"${fpath[1]}/_guestlist\"\n  guestlist completions fish > ~/.config/fish/completions/guestlist.fish"
)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    // Into memory first: the generator would panic where the pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "guestlist", &mut script);
    output::print(&String::from_utf8_lossy(&script), 0)
}
