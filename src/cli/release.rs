//! `guestlist release`: the ways on that only a person can decide: letting go of a cluster's objects, of orphans, and taking
//! over a directory.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::offline::input::{FILES, Given, Input};
use super::offline::session::load;
use super::{Problem, ask, offline};
use crate::directory::{Execute, Mirror, Owner};
use crate::index::{Index, Key, Kind, Membership, has_finalizer};
use crate::operator::cluster::Cluster;
use crate::plan::{Extent, NO_INVITATIONS, Scope, Step, World, behind, sweep};
use crate::rules::printable;

#[derive(Debug, Args)]
#[command(after_help = "\
--all is for uninstalling: without our finalizers the objects can be deleted, and nobody's access changes. --orphans gives the
marks of guests whom the cluster does not declare back, for good: they stay as workspace users and keep none of what was shared
with them, and become guests again only where policy and partner adopt them. Restore memberships that are missing by mistake first.
--missing is for a directory that was restored from an old copy or is new (DirectoryBehind). It resets the status of each
membership whose guest the directory has no record of, and a running operator invites these guests again.
--take-over makes a directory that another cluster or installation ran this one's, marks and all.

Examples:
  guestlist release --all
  guestlist release --orphans --workspace workspace.yaml --directory sqlite:directory.db
  guestlist release --missing --workspace workspace.yaml --directory sqlite:directory.db
  guestlist release --take-over --workspace workspace.yaml --directory sqlite:directory.db
  guestlist release --take-over=files --workspace workspace.yaml --directory sqlite:directory.db")]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    what: What,
    /// The workspace policy, for all but --all: it names the installation
    #[arg(long, value_name = "FILE", env = "GUESTLIST_WORKSPACE", required_unless_present = "all")]
    workspace: Option<std::path::PathBuf>,
    /// The directory, for all but --all: sqlite:PATH or keycloak:URL#REALM
    #[arg(long, value_name = "ADDRESS", env = "GUESTLIST_DIRECTORY", default_value = "sqlite:guestlist.db")]
    directory: String,
    /// Without asking
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Take our finalizers off all objects of the cluster, without touching the directory
    #[arg(long)]
    all: bool,
    /// Give the marks of guests back whom the cluster does not declare
    #[arg(long)]
    orphans: bool,
    /// Have guests invited again that the statuses name and the directory has no record of
    #[arg(long)]
    missing: bool,
    /// Make the directory this cluster's, or that of manifests in files
    #[arg(long, value_enum, value_name = "WHOSE", num_args = 0..=1, require_equals = true, default_missing_value = "cluster")]
    take_over: Option<Whose>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Whose {
    /// Of the cluster that kubectl talks to
    Cluster,
    /// Of `guestlist apply`
    Files,
}

pub(super) fn run(args: &ReleaseArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let runtime = offline::runtime()?;
    match (args.what.take_over, args.what.orphans) {
        (Some(whose), _) => runtime.block_on(take_over(args, whose, out)),
        (None, true) => runtime.block_on(orphans(args, out)),
        (None, false) if args.what.missing => runtime.block_on(missing(args, out)),
        (None, false) => runtime.block_on(all(args, out)),
    }
}

async fn all(args: &ReleaseArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let cluster = Cluster::connect().await?;
    let mut objects = cluster.objects().await?;
    objects.retain(|object| has_finalizer(object.metadata().finalizers.iter().flatten()));
    if objects.is_empty() {
        writeln!(out, "no object has our finalizer")?;
        return Ok(());
    }
    let count = objects.len();
    ask(
        args.yes,
        &format!(
            "{count} objects lose the finalizer that takes access away when they are deleted; stop the operator first, it puts it back"
        ),
    )?;
    for object in &objects {
        if cluster.let_go(object).await? {
            writeln!(out, "removed the finalizer of {}", printable(&object.key().to_string()))?;
        }
    }
    Ok(())
}

async fn orphans(args: &ReleaseArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let input = args.input()?;
    let directory = input.execute()?;
    let mut steps = orphaned(&input, directory.as_ref()).await?;
    if steps.is_empty() {
        writeln!(out, "every guest in the directory is declared; there is no orphan")?;
        return Ok(());
    }
    for step in &steps {
        writeln!(out, "{}", printable(&step.because))?;
    }
    let count = steps.len();
    ask(
        args.yes,
        &format!(
            "{count} marks are given back: these people stay as workspace users, and no membership makes guests of them again unless \
             they are adopted; where memberships are missing by mistake, restore those instead"
        ),
    )?;
    // The answer may have taken its time: whoever is declared by now stays.
    let still = orphaned(&input, directory.as_ref()).await?;
    steps.retain(|step| still.contains(step));
    let epoch = directory.epoch().await?;
    for step in &steps {
        directory.execute(&step.operation, None, Timestamp::now(), epoch).await?;
    }
    writeln!(out, "{} marks were given back", steps.len())?;
    Ok(())
}

/// What gives the orphans' marks back. The directory is read first: who is admitted before the objects are read is declared by
/// then.
async fn orphaned(input: &Input, directory: &dyn Execute) -> Result<Vec<Step>, String> {
    let (given, index, mirror) = compared(input, directory).await?;
    Ok(sweep::give_back(World {
        declared: &index,
        observed: &mirror,
        workspace: &given.workspace,
        owner: &given.owner,
        directory_available: true,
        unsent: false,
        invitations: &NO_INVITATIONS,
        scope: Scope::ALL,
        extent: Extent::Everything,
        now: Timestamp::now(),
    }))
}

/// The cluster's objects beside the directory's guests.
async fn compared(input: &Input, directory: &dyn Execute) -> Result<(Given, Index, Mirror), String> {
    let owner = directory.owner().await.map_err(|fault| fault.to_string())?;
    let load = load(directory).await?;
    let given = input.read_cluster().await?;
    if let Some(owner) = owner.filter(|owner| *owner != given.owner) {
        return Err(offline::input::foreign(&owner, &given.owner));
    }
    let mut index = Index::default();
    for kind in Kind::ALL {
        index.replace(
            kind,
            given.objects.iter().filter(|object| object.kind() == kind).cloned().map(Into::into).collect(),
        );
    }
    let mut mirror = Mirror::default();
    for guest in load.guests {
        mirror.set_guest(&guest.address.clone(), Some(guest));
    }
    Ok((given, index, mirror))
}

/// The memberships whose status says that their guest was invited, without a record in the directory: their keys and names.
async fn unknown(input: &Input, directory: &dyn Execute) -> Result<BTreeMap<String, (Key, String)>, String> {
    let (_, index, mirror) = compared(input, directory).await?;
    let entry = |entry: &Membership| {
        let meta = &entry.metadata;
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
        let key = Key::new(Kind::Membership, text(&meta.namespace), text(&meta.name));
        (text(&meta.uid), (key, behind::named(entry)))
    };
    Ok(behind::missing(&index, &mirror).map(entry).collect())
}

async fn missing(args: &ReleaseArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let input = args.input()?;
    let directory = input.execute()?;
    let mut found = unknown(&input, directory.as_ref()).await?;
    if found.is_empty() {
        writeln!(out, "the directory has a record of every guest that a status names; nothing is missing")?;
        return Ok(());
    }
    for (_, named) in found.values() {
        writeln!(out, "no record of {}", printable(named))?;
    }
    let count = found.len();
    ask(
        args.yes,
        &format!(
            "{count} statuses are reset: the operator invites these guests again, and each gets a new mail. If a newer copy of the \
             directory has a record of these guests, restore that copy instead"
        ),
    )?;
    // The directory may have been restored while the question waited.
    let still = unknown(&input, directory.as_ref()).await?;
    found.retain(|uid, _| still.contains_key(uid));
    let cluster = Cluster::connect().await?;
    for (uid, (key, named)) in &found {
        if cluster.forget_admission(key, uid).await? {
            writeln!(out, "{} is invited again", printable(named))?;
        }
    }
    Ok(())
}

async fn take_over(args: &ReleaseArgs, whose: Whose, out: &mut dyn Write) -> Result<(), Problem> {
    let input = args.input()?;
    let workspace = super::check::policy(&input.workspace)?;
    let cluster = match whose {
        Whose::Cluster => Cluster::connect().await?.identity,
        Whose::Files => FILES.to_owned(),
    };
    let owner = Owner { installation: workspace.installation().to_owned(), cluster };
    let directory = input.execute()?;
    match directory.owner().await? {
        Some(known) if known == owner => {
            writeln!(
                out,
                "the directory belongs to installation {:?} (cluster {}) already",
                owner.installation, owner.cluster
            )?;
            return Ok(());
        }
        Some(known) => ask(
            args.yes,
            &format!(
                "the directory and every mark in it go from installation {:?} (cluster {}) to {:?} (cluster {}); whoever runs it \
                 stops at once",
                known.installation, known.cluster, owner.installation, owner.cluster
            ),
        )?,
        None => {}
    }
    directory.take_over(&owner).await?;
    writeln!(out, "the directory belongs to installation {:?} (cluster {}) now", owner.installation, owner.cluster)?;
    Ok(())
}

impl ReleaseArgs {
    fn input(&self) -> Result<Input, String> {
        Ok(Input {
            workspace: self.workspace.clone().ok_or("--workspace names the policy; it is needed here")?,
            directory: self.directory.clone(),
            namespace: None,
            exclude: Vec::new(),
            prune: false,
            max_removals: None,
        })
    }
}
