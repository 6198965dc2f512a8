//! `guestlist detach`: ends the link between objects, orphans or a directory and the installation that manages them. Each of
//! these steps needs a person's decision.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::offline::manifests::{DesiredState, FILES, Manifests};
use super::offline::session::load;
use super::run::ClusterArgs;
use super::{Problem, ask, offline};
use crate::cache::{ALL_NAMESPACES, Kind, Membership, ObjectCache, ObjectRef, has_finalizer};
use crate::directory::{DirectoryCache, DirectoryWriter, Owner};
use crate::domain::printable;
use crate::operator::cluster::Cluster;
use crate::operator::kubeconfig::ClusterChoice;
use crate::plan::{AvailableFacts, Inputs, NO_INVITATIONS, PruneScope, Step, gc, missing_guests};

#[derive(Debug, Args)]
#[command(after_help = "\
--all is for uninstalling: without guestlist's finalizers the objects can be deleted, and no access changes.
--orphans removes the ownership marks and grants of guests that the cluster does not declare. They stay as workspace users, and \
become guests again only where policy and partner adopt them. Restore memberships that are missing by mistake first.
--missing is for a directory that was restored from an old copy or is new (DirectoryBehind). It resets the status of each \
membership whose guest the directory has no record of, and a running operator invites these guests again.
--adopt-directory assigns a directory of another cluster or installation to this one, with all ownership marks.

Examples:
  guestlist detach --all
  guestlist detach --orphans --workspace workspace.yaml --directory sqlite:directory.db
  guestlist detach --missing --workspace workspace.yaml --directory sqlite:directory.db
  guestlist detach --adopt-directory --workspace workspace.yaml --directory sqlite:directory.db
  guestlist detach --adopt-directory=files --workspace workspace.yaml --directory sqlite:directory.db")]
pub(super) struct DetachArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The workspace policy, for all but --all: it names the installation
    #[arg(long, value_name = "FILE", env = "GUESTLIST_WORKSPACE", required_unless_present = "all")]
    workspace: Option<std::path::PathBuf>,
    /// The directory, for all but --all: sqlite:PATH or keycloak:URL#REALM
    #[arg(long, value_name = "ADDRESS", env = "GUESTLIST_DIRECTORY", default_value = "sqlite:guestlist.db")]
    directory: String,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// Remove guestlist's finalizers from all objects of the cluster; the directory does not change
    #[arg(long)]
    all: bool,
    /// Remove the ownership marks and grants of guests that the cluster does not declare
    #[arg(long)]
    orphans: bool,
    /// Invite guests again that the statuses name and the directory has no record of
    #[arg(long)]
    missing: bool,
    /// Assign the directory to this cluster, or to manifests in files
    #[arg(long, value_enum, value_name = "OWNER", num_args = 0..=1, require_equals = true, default_missing_value = "cluster")]
    adopt_directory: Option<NewOwner>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NewOwner {
    /// The cluster that kubectl talks to
    Cluster,
    /// The manifests of `guestlist apply`
    Files,
}

pub(super) fn run(args: &DetachArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let runtime = offline::runtime()?;
    match (args.target.adopt_directory, args.target.orphans) {
        (Some(whose), _) => runtime.block_on(adopt_directory(args, whose, out)),
        (None, true) => runtime.block_on(orphans(args, out)),
        (None, false) if args.target.missing => runtime.block_on(missing(args, out)),
        (None, false) => runtime.block_on(all(args, out)),
    }
}

async fn all(args: &DetachArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let cluster = Cluster::connect(&args.cluster.choice()).await?;
    let mut objects = cluster.objects().await?;
    objects.retain(|object| has_finalizer(object.metadata().finalizers.iter().flatten()));
    if objects.is_empty() {
        writeln!(out, "no object has guestlist's finalizer")?;
        return Ok(());
    }
    let count = objects.len();
    ask(
        args.yes,
        &format!(
            "{count} objects lose the finalizer that revokes access when they are deleted; stop the operator first, because it adds the finalizer again"
        ),
    )?;
    for object in &objects {
        if cluster.remove_finalizer(object).await? {
            writeln!(out, "removed the finalizer of {}", printable(&object.key().to_string()))?;
        }
    }
    Ok(())
}

async fn orphans(args: &DetachArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let input = args.input()?;
    let directory = input.execute()?;
    let mut steps = orphaned(&input, &args.cluster.choice(), directory.as_ref()).await?;
    if steps.is_empty() {
        writeln!(out, "every guest in the directory is declared; there is no orphan")?;
        return Ok(());
    }
    for step in &steps {
        writeln!(out, "{}", printable(&step.message))?;
    }
    let count = steps.len();
    ask(
        args.yes,
        &format!(
            "{count} ownership marks are removed: these guests lose their grants and stay as workspace users, and a membership has \
             to adopt them to make them guests again; if memberships are missing by mistake, restore them instead"
        ),
    )?;
    // The confirmation may have taken long: a guest that is declared by now stays.
    let still = orphaned(&input, &args.cluster.choice(), directory.as_ref()).await?;
    steps.retain(|step| still.contains(step));
    let epoch = directory.epoch().await?;
    for step in &steps {
        directory.execute(&step.operation, None, Timestamp::now(), epoch).await?;
    }
    writeln!(out, "{} ownership marks were removed", steps.len())?;
    Ok(())
}

/// The steps that remove the orphans' ownership marks. The directory is read first: a guest admitted before the objects are read
/// is declared by then.
async fn orphaned(
    input: &Manifests,
    cluster: &ClusterChoice,
    directory: &dyn DirectoryWriter,
) -> Result<Vec<Step>, String> {
    let (desired, index, directory_cache) = compared(input, cluster, directory).await?;
    Ok(gc::detach_orphans(Inputs {
        declared: &index,
        observed: &directory_cache,
        workspace: &desired.workspace,
        owner: &desired.owner,
        directory_available: true,
        unsent: false,
        invitations: &NO_INVITATIONS,
        scope: AvailableFacts::ALL,
        prune_scope: PruneScope::Everything,
        namespaces: &ALL_NAMESPACES,
        now: Timestamp::now(),
    }))
}

/// The cluster's objects beside the directory's guests.
async fn compared(
    input: &Manifests,
    cluster: &ClusterChoice,
    directory: &dyn DirectoryWriter,
) -> Result<(DesiredState, ObjectCache, DirectoryCache), String> {
    let owner = directory.owner().await.map_err(|fault| fault.to_string())?;
    let snapshot = load(directory).await?;
    let desired = input.read_cluster(cluster).await?;
    if let Some(owner) = owner.filter(|owner| *owner != desired.owner) {
        return Err(offline::manifests::foreign(&owner, &desired.owner));
    }
    let mut index = ObjectCache::default();
    for kind in Kind::ALL {
        index.replace(
            &kind.into(),
            desired.objects.iter().filter(|object| object.kind() == kind).cloned().map(Into::into).collect(),
        );
    }
    let mut directory_cache = DirectoryCache::default();
    for guest in snapshot.guests {
        directory_cache.set_guest(&guest.address.clone(), Some(guest));
    }
    Ok((desired, index, directory_cache))
}

/// The keys and names of memberships without a record in the directory whose status reports an invitation.
async fn unknown(
    input: &Manifests,
    cluster: &ClusterChoice,
    directory: &dyn DirectoryWriter,
) -> Result<BTreeMap<String, (ObjectRef, String)>, String> {
    let (_, index, directory_cache) = compared(input, cluster, directory).await?;
    let entry = |entry: &Membership| {
        let meta = &entry.metadata;
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
        let key = ObjectRef::new(Kind::Membership, text(&meta.namespace), text(&meta.name));
        (text(&meta.uid), (key, missing_guests::named(entry)))
    };
    Ok(missing_guests::missing(&index, &directory_cache).map(entry).collect())
}

async fn missing(args: &DetachArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let input = args.input()?;
    let directory = input.execute()?;
    let mut found = unknown(&input, &args.cluster.choice(), directory.as_ref()).await?;
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
    // The directory may have been restored during the confirmation.
    let still = unknown(&input, &args.cluster.choice(), directory.as_ref()).await?;
    found.retain(|uid, _| still.contains_key(uid));
    let cluster = Cluster::connect(&args.cluster.choice()).await?;
    for (uid, (key, named)) in &found {
        if cluster.forget_admission(key, uid).await? {
            writeln!(out, "{} is invited again", printable(named))?;
        }
    }
    Ok(())
}

async fn adopt_directory(args: &DetachArgs, whose: NewOwner, out: &mut dyn Write) -> Result<(), Problem> {
    let input = args.input()?;
    let workspace = super::check::policy(&input.workspace)?;
    let cluster = match whose {
        NewOwner::Cluster => Cluster::connect(&args.cluster.choice()).await?.identity,
        NewOwner::Files => FILES.to_owned(),
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
                "the directory and all its ownership marks go from installation {:?} (cluster {}) to {:?} (cluster {}); the operator or \
                 apply that uses it stops at once",
                known.installation, known.cluster, owner.installation, owner.cluster
            ),
        )?,
        None => {}
    }
    directory.take_over(&owner).await?;
    writeln!(out, "the directory belongs to installation {:?} (cluster {}) now", owner.installation, owner.cluster)?;
    Ok(())
}

impl DetachArgs {
    fn input(&self) -> Result<Manifests, String> {
        Ok(Manifests {
            workspace: self.workspace.clone().ok_or("--workspace names the policy; it is needed here")?,
            directory: self.directory.clone(),
            namespace: None,
            exclude: Vec::new(),
            prune: false,
            max_removals: None,
        })
    }
}
