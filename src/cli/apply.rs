//! `guestlist apply`: makes the changes of one reconcile, without a cluster.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Runtime;

use super::offline::early_revocation::EarlyRevocation;
use super::offline::later;
use super::offline::manifests::{DesiredState, Manifests, Rehearsal, foreign, rehearse};
use super::offline::render::{Subjects, Text, revokes_access};
use super::offline::session::{CompletedStep, load};
use super::plan::{Format, show};
use super::{ask, check, offline};
use crate::directory::{DirectoryWriter, Epoch, Error};

/// Another process became the leader of the directory.
const LEADERSHIP_LOST: &str = "another apply, or an operator, became the leader of the directory meanwhile, and this apply stopped: it did \
                         only the operations that are listed as done. Run it again to see the remaining operations";

#[derive(Debug, Args)]
#[command(after_help = "\
For pipelines without an operator, and for trying guestlist out. Shows the output of `guestlist plan`, asks before it revokes \
or removes anything, and runs the operations. After an interruption the next apply continues; a further apply does nothing.

While the directory is slow or fails, apply revokes the access that the files end, guest by guest. Everything else waits until \
the directory is read in full. While it is slow, this needs --yes.

Without --prune, apply changes only guests that the files declare. With it, guests of declared partners that no file declares \
lose their access and are deactivated. If these are more than three within 24 hours, and more than a quarter of all guests, \
they stay as they are.

Examples:
  guestlist apply manifests/ --workspace workspace.yaml --directory sqlite:directory.db
  guestlist apply manifests/ --workspace workspace.yaml --prune --yes

Exit status: 0 done, or nothing to do; 1 an error, a rule is broken, or it was not confirmed; 2 wrong \
usage. A broken rule does not stop the other operations.")]
pub(super) struct ApplyArgs {
    /// Files, directories (all .yaml, .yml and .json in them, at any depth), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    input: Manifests,
    /// Do not ask for confirmation before access is revoked
    #[arg(short, long)]
    yes: bool,
    /// The output format
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

/// Applies the manifests. Returns whether every object is in order at the end.
fn apply(args: &ApplyArgs, out: &mut dyn Write) -> Result<bool, String> {
    let runtime = offline::runtime()?;
    let (desired, directory, held) = runtime.block_on(async {
        // No prompt can be shown during the read.
        let meanwhile = async |desired: &DesiredState, directory: &Arc<dyn DirectoryWriter>| {
            if args.yes {
                let revoked = revoke_early(args, desired, directory, out).await;
                eprint!("{}", revoked.unwrap_or_else(|problem| Some(problem + "\n")).unwrap_or_default());
            }
        };
        args.input.read_beside(&args.paths, || args.input.execute(), meanwhile).await
    })?;
    let held = match held {
        Ok(held) => held,
        Err(problem) => {
            let revoked = runtime.block_on(revoke_early(args, &desired, &directory, out));
            let revoked = revoked.unwrap_or_else(Some).map(|said| format!("\n{}", said.trim_end()));
            return Err(problem + &revoked.unwrap_or_default());
        }
    };
    let shown = runtime.block_on(rehearse(&desired, directory.as_ref(), held))?;
    let at_once = args.input.place()?.at_once();
    match args.output {
        Format::Text => show(Format::Text, &shown, out)?,
        Format::Markdown if shown.operations.is_empty() => show(Format::Markdown, &shown, out)?,
        // JSON output is a single object: the operations of the whole run.
        Format::Json if shown.operations.is_empty() => show(Format::Json, &shown, out)?,
        Format::Json | Format::Markdown => {}
    }
    if shown.operations.is_empty() {
        return Ok(!shown.is_broken());
    }
    let (shown, epoch) = confirm_and_lead(args, &desired, directory.as_ref(), &runtime, shown, out)?;
    let text = matches!(args.output, Format::Text);
    let renderer = Text::new(check::has_colour(), Subjects::of(&shown.snapshot, &shown.operations));
    if text {
        writeln!(out).map_err(|error| error.to_string())?;
    }
    let tell = |operation: &CompletedStep| {
        if text {
            // A closed output does not stop the operations.
            drop(out.write_all(renderer.done(operation).as_bytes()).and_then(|()| out.flush()));
        }
    };
    let done = runtime.block_on(desired.session(shown.snapshot, Arc::clone(&directory), epoch, at_once, tell));
    let done = match done {
        Ok(done) if done.failed.is_empty() => Ok(done),
        Ok(_) | Err(_) if runtime.block_on(directory.epoch()).is_ok_and(|now| now != epoch && now != Epoch::NONE) => {
            Err(LEADERSHIP_LOST.to_owned())
        }
        Ok(done) => {
            if !text {
                show(args.output, &done, out)?;
            }
            Err(done.failed.join("\n"))
        }
        Err(stopped) => Err(stopped),
    }?;
    match args.output {
        Format::Json | Format::Markdown => show(args.output, &done, out)?,
        Format::Text => drop(writeln!(out, "Done: {}.", done_summary(&renderer, &done))),
    }
    Ok(!done.is_broken())
}

fn done_summary(renderer: &Text, done: &Rehearsal) -> String {
    format!("{}, {}", renderer.summary(&done.operations, ""), later::count(&done.later))
}

/// Revokes the access that the files end, guest by guest, without a full read of the directory. Returns a report.
/// `None`: the files certainly revoke nothing at this point.
async fn revoke_early(
    args: &ApplyArgs,
    desired: &DesiredState,
    directory: &Arc<dyn DirectoryWriter>,
    out: &mut dyn Write,
) -> Result<Option<String>, String> {
    let early = EarlyRevocation::plan(desired, directory.as_ref()).await;
    let operations = early.operations();
    let unread = match early.failed.len() {
        0 => String::new(),
        count => format!("failed to read {count} guests:\n  {}\n", early.failed.join("\n  ")),
    };
    if operations.is_empty() {
        return Ok(None);
    }
    let mut renderer = Text::new(check::has_colour(), Subjects::of(&early.read(), &operations));
    let listed: String = operations.iter().map(|done| renderer.operation(done)).collect();
    // JSON output is a single object for the whole run.
    let mut write = |text: &str| match args.output {
        Format::Text => drop(out.write_all(text.as_bytes()).and_then(|()| out.flush())),
        Format::Json | Format::Markdown => eprint!("{text}"),
    };
    write(&format!("The directory is not read in full. The files end this access:\n{listed}"));
    ask(args.yes, &format!("{} operations revoke access", operations.len()))?;
    let epoch = lead(desired, directory.as_ref()).await?;
    let mut done = 0;
    let failed = early.execute(Arc::clone(directory), epoch, |operation| {
        done += 1;
        write(&renderer.done(operation));
    });
    let failed = failed.await;
    let failed: String = failed.into_iter().map(|why| why + "\n").collect();
    Ok(Some(format!(
        "The directory is not read in full: {done} of {} operations that revoke access were done, and nothing else. Run apply \
         again.\n{unread}{failed}",
        operations.len()
    )))
}

/// Asks for confirmation, becomes the leader, and reads the directory again. So no operation runs twice or without
/// being shown. The former leader is stopped before that read.
fn confirm_and_lead(
    args: &ApplyArgs,
    desired: &DesiredState,
    directory: &dyn DirectoryWriter,
    runtime: &Runtime,
    mut shown: Rehearsal,
    out: &mut dyn Write,
) -> Result<(Rehearsal, Epoch), String> {
    confirm(args.yes, &shown)?;
    loop {
        let epoch = runtime.block_on(lead(desired, directory))?;
        let now = runtime.block_on(rehearsal_of(desired, directory))?;
        let news = count_unseen(&shown.operations, &now.operations);
        shown = now;
        if news == 0 {
            return Ok((shown, epoch));
        }
        eprintln!("The directory changed meanwhile; {news} of these operations are new:");
        match args.output {
            Format::Text => show(Format::Text, &shown, out)?,
            Format::Json | Format::Markdown => show(Format::Text, &shown, &mut std::io::stderr())?,
        }
        ask(args.yes, &format!("{news} operations were not shown before"))?;
    }
}

/// The operations that would run now.
async fn rehearsal_of(desired: &DesiredState, directory: &dyn DirectoryWriter) -> Result<Rehearsal, String> {
    rehearse(desired, directory, load(directory).await?).await
}

/// The number of operations that were not shown before.
fn count_unseen(shown: &[CompletedStep], now: &[CompletedStep]) -> usize {
    let timeless = |done: &CompletedStep| format!("{} {:?}", done.key, done.step.operation.timeless());
    let shown: BTreeSet<String> = shown.iter().map(timeless).collect();
    now.iter().filter(|done| !shown.contains(&timeless(done))).count()
}

/// Asks before anything is revoked or removed.
fn confirm(yes: bool, rehearsal: &Rehearsal) -> Result<(), String> {
    match rehearsal.operations.iter().filter(|done| revokes_access(&done.step.operation)).count() {
        0 => Ok(()),
        1 => ask(yes, "1 operation revokes or removes something"),
        taken => ask(yes, &format!("{taken} operations revoke or remove something")),
    }
}

/// Becomes the leader of the directory.
async fn lead(desired: &DesiredState, directory: &dyn DirectoryWriter) -> Result<Epoch, String> {
    match directory.claim(&desired.owner).await {
        Ok(()) => directory.lead().await.map_err(|fault| fault.to_string()),
        Err(Error::Foreign { owner }) => Err(foreign(&owner, &desired.owner)),
        Err(fault) => Err(fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cache::{Kind, ObjectRef};
    use crate::directory::{GuestChange, GuestId, Operation};
    use crate::domain::Reason;
    use crate::plan::Step;

    fn done(operation: Operation) -> CompletedStep {
        let step = Step { operation, reason: Reason::Reconciled, message: String::new() };
        CompletedStep { key: ObjectRef::new(Kind::Membership, "partners", "bob").into(), step }
    }

    #[test]
    fn only_operations_absent_from_shown_plan_count_as_unseen() {
        let guest = || GuestId("bob".to_owned());
        let invite = |at: i64| {
            done(Operation::Guest {
                id: guest(),
                change: GuestChange::ResendInvitation { expires_at: Timestamp::constant(at, 0) },
            })
        };
        let take = |account: &str| {
            done(Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts: vec![account.to_owned()] } })
        };
        let shown = [invite(1), take("instagram")];
        assert_eq!(count_unseen(&shown, &[invite(2), take("instagram")]), 0);
        assert_eq!(count_unseen(&shown, &[take("instagram")]), 0);
        assert_eq!(count_unseen(&shown, &[]), 0);
        assert_eq!(count_unseen(&shown, &[take("tiktok"), take("instagram")]), 1);
    }
}
