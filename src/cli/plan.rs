//! `guestlist plan`: what a reconcile would do to the directory, and why. It holds the directory by a handle that can
//! only read.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::offline::input::{Input, Rehearsal, rehearse};
use super::offline::session::load;
use super::offline::words::{Known, Text, json};
use super::{check, offline};

/// There is something to do.
const CHANGES: u8 = 2;

#[derive(Debug, Args)]
#[command(after_help = "\
Shows every operation that `guestlist apply` would do now, in its order, with the object that asks for it and why; then what
waits, and what is to be mended. Nothing is written.

Examples:
  guestlist plan manifests/ --workspace workspace.yaml --directory sqlite:directory.db
  guestlist plan manifests/ --workspace workspace.yaml --prune -o json > plan.json
  guestlist plan --from-cluster --workspace workspace.yaml --directory sqlite:directory.db

Exit status: 0 nothing to do; 2 there are changes; 1 an error, or a rule is broken.")]
pub(super) struct PlanArgs {
    /// Files, directories (all .yaml, .yml and .json in them, at any depth), or - for standard input
    #[arg(required_unless_present = "from_cluster", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    input: Input,
    /// What the operator is about to do, by the objects of the cluster that kubectl talks to, and why it waits
    #[arg(long, conflicts_with_all = ["paths", "prune", "max_removals", "namespace"])]
    from_cluster: bool,
    /// How it is written
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
}

/// How operations are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs: one object, described in docs/plan.md
    Json,
}

pub(super) fn run(args: &PlanArgs, out: &mut dyn Write) -> ExitCode {
    match plan(args).and_then(|rehearsal| show(args.output, &rehearsal, out).map(|()| rehearsal)) {
        Ok(rehearsal) if rehearsal.is_broken() => ExitCode::FAILURE,
        Ok(rehearsal) if rehearsal.operations.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(CHANGES),
        Err(problem) => offline::failed(&problem),
    }
}

fn plan(args: &PlanArgs) -> Result<Rehearsal, String> {
    let runtime = offline::runtime()?;
    runtime.block_on(async {
        let (given, directory, held) = if args.from_cluster {
            let directory = args.input.observe()?;
            let held = load(directory.as_ref()).await?;
            (args.input.read_cluster().await?, directory, held)
        } else {
            args.input.read_beside(&args.paths, || args.input.observe()).await?
        };
        rehearse(&given, directory.as_ref(), held).await
    })
}

/// Writes what would be done.
pub(super) fn show(output: Format, rehearsal: &Rehearsal, out: &mut dyn Write) -> Result<(), String> {
    let Rehearsal { operations, standings, left_alone, problems, load, calls, failed, closer: _ } = rehearsal;
    let problems: Vec<String> = problems.iter().chain(failed).cloned().collect();
    let written = match output {
        Format::Json => {
            let mut value = json(operations, standings, left_alone, &problems, &Known::of(load, operations));
            if !calls.is_empty() {
                value["calls"] = serde_json::json!(calls);
            }
            serde_json::to_string_pretty(&value).map_err(|error| error.to_string())? + "\n"
        }
        Format::Text => {
            let mut text = Text::new(check::has_colour(), Known::of(load, operations));
            let mut all: String = operations.iter().map(|done| text.operation(done)).collect();
            all.extend(standings.iter().map(|standing| text.standing(standing)));
            all.extend(left_alone.iter().map(|left| text.left_alone(left)));
            all.extend(problems.iter().map(|problem| text.problem(problem)));
            all + &format!("Plan: {}.\n", text.summary(operations))
        }
    };
    match out.write_all(written.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("failed to write the output: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
