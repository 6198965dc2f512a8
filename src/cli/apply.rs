//! `guestlist apply`: does once what a reconcile would do, without a cluster.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::offline::input::{Given, Input, Rehearsal, foreign, rehearse};
use super::offline::session::{Done, load};
use super::offline::words::{Known, Text, summary, takes};
use super::plan::{Format, show};
use super::{ask, check, offline};
use crate::directory::{Execute, Fault};

#[derive(Debug, Args)]
#[command(after_help = "\
For pipelines without an operator, and for trying guestlist out. Shows what `guestlist plan` shows, asks before it takes
anything away, and does it. What is interrupted goes on with the next apply; a second apply does nothing.

Without --prune only what the files declare is touched. With it, guests whom no file declares any more lose their access and
are deactivated, within the partners that are declared; so many that it looks like a mistake (more than three within 24
hours, and more than a quarter of all guests) are left alone.

Examples:
  guestlist apply manifests/ --workspace workspace.yaml --directory sqlite:directory.db
  guestlist apply manifests/ --workspace workspace.yaml --prune --yes

Exit status: 0 done, or nothing to do; 1 an error, a rule is broken, or it was not confirmed.")]
pub(super) struct ApplyArgs {
    /// Files, directories (all .yaml, .yml and .json in them, at any depth), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    input: Input,
    /// Take access away without asking
    #[arg(short, long)]
    yes: bool,
    /// How what was done is written
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(args: &ApplyArgs, out: &mut dyn Write) -> ExitCode {
    match apply(args, out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => offline::failed(&problem),
    }
}

/// Whether everything is in order in the end.
fn apply(args: &ApplyArgs, out: &mut dyn Write) -> Result<bool, String> {
    let given = args.input.read(&args.paths)?;
    let (directory, at_once) = (args.input.execute()?, args.input.place()?.at_once());
    let runtime = offline::runtime()?;
    runtime.block_on(directory.ready()).map_err(|fault| fault.to_string())?;
    let held = runtime.block_on(load(directory.as_ref()))?;
    let rehearsal = runtime.block_on(rehearse(&given, directory.as_ref(), held))?;
    match args.output {
        Format::Text => show(Format::Text, &rehearsal, out)?,
        // One object, of what was done in the end.
        Format::Json if rehearsal.operations.is_empty() => show(Format::Json, &rehearsal, out)?,
        Format::Json => {}
    }
    if rehearsal.operations.is_empty() {
        return Ok(!rehearsal.is_broken());
    }
    confirm(args.yes, &rehearsal)?;
    let text = matches!(args.output, Format::Text);
    let mut words = Text::new(check::has_colour(), Known::of(&rehearsal.load, &rehearsal.operations));
    if text {
        writeln!(out).map_err(|error| error.to_string())?;
    }
    let done = runtime.block_on(execute(&given, directory, at_once, |operation| {
        if text {
            // Who does not read to the end does not stop it.
            drop(out.write_all(words.operation(operation).as_bytes()).and_then(|()| out.flush()));
        }
    }))?;
    match args.output {
        Format::Json => show(Format::Json, &done, out)?,
        Format::Text => drop(writeln!(out, "Done: {}.", summary(&done.operations))),
    }
    Ok(!done.is_broken())
}

/// Asks before anything is taken away.
fn confirm(yes: bool, rehearsal: &Rehearsal) -> Result<(), String> {
    match rehearsal.operations.iter().filter(|done| takes(&done.step.operation)).count() {
        0 => Ok(()),
        1 => ask(yes, "1 operation takes something away"),
        taken => ask(yes, &format!("{taken} operations take something away")),
    }
}

/// Does it, on the directory itself; tells each operation once it is done.
async fn execute(
    given: &Given,
    directory: Arc<dyn Execute>,
    at_once: usize,
    mut tell: impl FnMut(&Done),
) -> Result<Rehearsal, String> {
    match directory.claim(&given.owner).await {
        Ok(()) => {}
        Err(Fault::Foreign { owner }) => return Err(foreign(&owner, &given.owner)),
        Err(fault) => return Err(fault.to_string()),
    }
    given.session(load(directory.as_ref()).await?, directory, at_once, |done| tell(done)).await
}
