//! `guestlist plan`: shows the changes of a reconcile and their reasons. It opens the directory read-only.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::offline::compare::{self, AccessDifference, Direction, Side, compare};
use super::offline::manifests::{DesiredState, Manifests, Rehearsal, applied_at, rehearse, rehearse_at};
use super::offline::render::{Subjects, Text, json};
use super::offline::session::load;
use super::offline::{later, markdown};
use super::run::ClusterArgs;
use super::{check, offline};
use crate::cache::{Object, ObjectRef};
use crate::domain::printable_json;
use crate::plan::PruneScope;

/// Exit code: there are changes.
const CHANGES: u8 = 2;

#[derive(Debug, Args)]
#[command(after_help = "\
Shows every operation that `guestlist apply` would do now, in its order, with the object that asks for it and why; then the \
grants that follow later without a change of the files, each with its conditions; then what waits, and what is to be fixed. \
Nothing is written.

With --base, shows instead the differences between two sets of files: the guests, and the accounts that they have or may get, \
now and later. Both sets count as complete for the partners that they declare, as with `apply --prune`.

Examples:
  guestlist plan manifests/ --workspace workspace.yaml --directory sqlite:directory.db
  guestlist plan manifests/ --workspace workspace.yaml --prune -o json > plan.json
  guestlist plan manifests/ --base main/manifests/ --workspace workspace.yaml -o markdown
  guestlist plan --from-cluster --context prod --workspace workspace.yaml --directory sqlite:directory.db

Exit status: 0 nothing to do now; 2 there are operations; 1 an error, or a rule is broken. With --base: 0 no difference; 2 there \
are differences; 1 an error, or PATH breaks a rule.",
mut_arg("kubeconfig", |arg| arg.requires("from_cluster")), mut_arg("context", |arg| arg.requires("from_cluster")))]
pub(super) struct PlanArgs {
    /// Files, directories (all .yaml, .yml and .json in them, at any depth), or - for standard input
    #[arg(required_unless_present = "from_cluster", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    input: Manifests,
    /// The operations that the operator is about to run in the cluster of the kubeconfig, and the reasons it waits for
    #[arg(long, conflicts_with_all = ["paths", "prune", "max_removals", "namespace"])]
    from_cluster: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The files before the change (repeatable, as PATH): show the differences of access between them and PATH
    #[arg(long, value_name = "OLD_PATH", conflicts_with = "from_cluster", group = "complete")]
    base: Vec<PathBuf>,
    /// The workspace policy before the change; default: the same as for PATH
    #[arg(long, value_name = "FILE", requires = "base")]
    base_workspace: Option<PathBuf>,
    /// The output format
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
    /// For a pull request: tables
    Markdown,
}

pub(super) fn run(args: &PlanArgs, out: &mut dyn Write) -> ExitCode {
    let shown = if args.base.is_empty() {
        plan(args).and_then(|rehearsal| {
            show(args.output, &rehearsal, out)?;
            Ok((rehearsal.is_broken(), rehearsal.operations.is_empty()))
        })
    } else {
        differences(args).and_then(|(changes, rehearsal)| {
            show_changes(args.output, &changes, &rehearsal, out)?;
            Ok((rehearsal.is_broken(), changes.is_empty()))
        })
    };
    match shown {
        Ok((true, _)) => ExitCode::FAILURE,
        Ok((false, true)) => ExitCode::SUCCESS,
        Ok((false, false)) => ExitCode::from(CHANGES),
        Err(problem) => offline::failed(&problem),
    }
}

/// The differences between two sets of files on one directory at one instant, and the rehearsal of the new one.
fn differences(args: &PlanArgs) -> Result<(Vec<AccessDifference>, Rehearsal), String> {
    let stdin = |paths: &[PathBuf]| paths.iter().any(|path| path.as_os_str() == "-");
    if stdin(&args.paths) && stdin(&args.base) {
        return Err("standard input can be PATH or the base, not both".to_owned());
    }
    let mut input = args.input.clone();
    let workspace = args.base_workspace.clone().unwrap_or_else(|| input.workspace.clone());
    let before = Manifests { workspace, ..input.clone() }.read(&args.base);
    let mut before = before.map_err(|problem| format!("failed to read the base:\n{problem}"))?;
    input.prune = true;
    let runtime = offline::runtime()?;
    runtime.block_on(async {
        let nothing = async |_: &DesiredState, _: &_| {};
        let (mut after, directory, held) = input.read_beside(&args.paths, || input.observe(), nothing).await?;
        let held = held?;
        // The comparison ignores the limit on removals: it compares files, not runs.
        let at_most = Some(args.input.max_removals.unwrap_or(usize::MAX));
        for desired in [&mut before, &mut after] {
            desired.prune_scope = PruneScope::DeclaredPartners { at_most };
        }
        let now = jiff::Timestamp::now();
        let old = rehearse_at(&before, directory.as_ref(), held.clone(), now).await?;
        // Immutable fields are compared with the values that the base recorded.
        let held = if edits_immutable(&before, &after) { applied_at(&before, held, now).await? } else { held };
        let new = rehearse_at(&after, directory.as_ref(), held, now).await?;
        let changes = compare(&Side::of(&old.guests, &old.later), &Side::of(&new.guests, &new.later));
        Ok((changes, new))
    })
}

/// Whether an object has another address, partner or account in the new files.
fn edits_immutable(before: &DesiredState, after: &DesiredState) -> bool {
    let values = |object: &Object| match object {
        Object::Membership(it) => Some((it.spec.email.to_ascii_lowercase(), it.spec.partner_ref.name.clone())),
        Object::Share(it) => Some((it.spec.account.clone(), it.spec.partner_ref.name.clone())),
        Object::Partner(_) | Object::Unreadable { .. } => None,
    };
    let old: BTreeMap<ObjectRef, _> =
        before.objects.iter().filter_map(|object| Some((object.key(), values(object)?))).collect();
    after.objects.iter().any(|object| old.get(&object.key()).is_some_and(|old| Some(old) != values(object).as_ref()))
}

fn plan(args: &PlanArgs) -> Result<Rehearsal, String> {
    let runtime = offline::runtime()?;
    runtime.block_on(async {
        let (desired, directory, held) = if args.from_cluster {
            let directory = args.input.observe()?;
            let held = load(directory.as_ref()).await?;
            (args.input.read_cluster(&args.cluster.choice()).await?, directory, held)
        } else {
            let nothing = async |_: &DesiredState, _: &_| {};
            let (desired, directory, held) =
                args.input.read_beside(&args.paths, || args.input.observe(), nothing).await?;
            (desired, directory, held?)
        };
        rehearse(&desired, directory.as_ref(), held).await
    })
}

/// Prints the planned operations.
pub(super) fn show(output: Format, rehearsal: &Rehearsal, out: &mut dyn Write) -> Result<(), String> {
    let Rehearsal { operations, snapshot, .. } = rehearsal;
    let written = match output {
        Format::Json => pretty(&programs(rehearsal))?,
        Format::Markdown => markdown::plan(rehearsal, &Text::new(false, Subjects::of(snapshot, operations))),
        Format::Text => {
            let mut text = Text::new(check::has_colour(), Subjects::of(snapshot, operations));
            let mut all: String = operations.iter().map(|done| text.operation(done)).collect();
            let head = text.paint("1;36", "later");
            all += &later::text(&rehearsal.later, &head);
            all += &unfinished(rehearsal, &text);
            let later = later::count(&rehearsal.later);
            all + &format!("Plan: {}, {later}.\n", text.summary(operations, " now"))
        }
    };
    write(&written, out)
}

/// Writes the differences to a base.
fn show_changes(
    output: Format,
    changes: &[AccessDifference],
    rehearsal: &Rehearsal,
    out: &mut dyn Write,
) -> Result<(), String> {
    let written = match output {
        Format::Json => {
            let mut value = programs(rehearsal);
            value["changes"] = compare::json(changes);
            pretty(&value)?
        }
        Format::Markdown => markdown::comparison(changes, rehearsal),
        Format::Text => {
            let text = Text::new(check::has_colour(), Subjects::default());
            let colour = |direction| match direction {
                Direction::Gained => "32",
                Direction::Lost => "31",
                Direction::Changed => "33",
            };
            compare::text(changes, |direction, word| text.paint(colour(direction), word))
                + &unfinished(rehearsal, &text)
                + &format!("Changes of access: {}.\n", compare::count(changes))
        }
    };
    write(&written, out)
}

/// The waiting objects, the problems, and the unmanaged guests.
fn unfinished(rehearsal: &Rehearsal, text: &Text) -> String {
    let unready = rehearsal.unready.iter().map(|unready| text.unready_line(unready));
    let left = rehearsal.unmanaged.iter().map(|left| text.unmanaged_line(left));
    let problems = rehearsal.problems.iter().chain(&rehearsal.failed).map(|problem| text.problem(problem));
    let warnings = rehearsal.warnings();
    let warnings = warnings.iter().map(|warning| text.warning(warning));
    unready.chain(left).chain(problems).chain(warnings).collect()
}

fn programs(rehearsal: &Rehearsal) -> serde_json::Value {
    let Rehearsal {
        operations,
        unready,
        unmanaged,
        problems,
        failed,
        snapshot,
        calls,
        warnings: _,
        later,
        to_recheck: _,
        guests: _,
    } = rehearsal;
    let problems: Vec<String> = problems.iter().chain(failed).cloned().collect();
    let mut value = json(operations, unready, unmanaged, &problems, &Subjects::of(snapshot, operations));
    value["later"] = later::json(later);
    if !calls.is_empty() {
        value["calls"] = serde_json::json!(calls);
    }
    let warnings = rehearsal.warnings();
    if !warnings.is_empty() {
        value["warnings"] = serde_json::json!(warnings);
    }
    value
}

fn pretty(value: &serde_json::Value) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| printable_json(&text) + "\n").map_err(|error| error.to_string())
}

fn write(written: &str, out: &mut dyn Write) -> Result<(), String> {
    match out.write_all(written.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("failed to write the output: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
