//! Reads the inputs of `plan` and `apply`: manifests, the policy and the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};

use super::guest_access::GuestAccess;
use super::object_store::InMemoryObjects;
use super::render::{ORDER, Unready, unready_conditions};
use super::session::{CompletedStep, OfflineSession, SessionOutcome, Sleep, load};
use super::unmanaged::UnmanagedGuest;
use crate::cache::{Kind, Object};
use crate::cli::check::{self, Accepted, Places};
use crate::directory::sqlite::{Inline, Store};
use crate::directory::{DirectoryReader, DirectoryUrl, DirectoryWriter, Epoch, Owner, Snapshot};
use crate::domain::Email;
use crate::operator::cluster::Cluster;
use crate::operator::kubeconfig::ClusterChoice;
use crate::plan::PruneScope;
use crate::plan::annotations::all_ineffective;
use crate::plan::later::LaterGrant;
use crate::util::clock::Clock;
use crate::workspace_policy::WorkspacePolicy;

/// The cluster name in the ownership marks of objects from files.
pub const FILES: &str = "files";

/// After this time, a read of the directory counts as slow.
const LONG: Duration = Duration::from_secs(30);

/// Arguments that both commands have.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("complete").multiple(true))]
pub struct Manifests {
    /// The workspace policy
    #[arg(long, value_name = "FILE", env = "GUESTLIST_WORKSPACE")]
    pub workspace: PathBuf,
    /// The directory: sqlite:PATH, or keycloak:URL#REALM with its credentials in the environment
    #[arg(long, value_name = "ADDRESS", env = "GUESTLIST_DIRECTORY", default_value = "sqlite:guestlist.db")]
    pub directory: String,
    /// The namespace of objects that name none; objects of another one are refused, as by kubectl
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Files and directories to leave out, such as overlays/** or values*.yaml; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<check::Glob>,
    /// Deactivate guests of declared partners that no file declares
    #[arg(long, group = "complete")]
    pub prune: bool,
    /// Most guests that may be removed within 24 hours; by default three or a quarter of all. If there are more, none is removed
    #[arg(long, value_name = "NUMBER", requires = "complete")]
    pub max_removals: Option<usize>,
}

/// The inputs of a session.
#[derive(Clone)]
pub struct DesiredState {
    /// The objects.
    pub objects: Vec<Object>,
    /// The places of the objects in the files.
    pub places: Places,
    /// Problems of the objects that do not stop the command.
    pub warnings: Vec<String>,
    /// The policy.
    pub workspace: WorkspacePolicy,
    /// The owner in the ownership marks.
    pub owner: Owner,
    /// The partners whose undeclared guests may be deactivated.
    pub prune_scope: PruneScope,
}

impl Manifests {
    /// Reads a cluster's objects and the policy, to show the next operations of its operator.
    pub async fn read_cluster(&self, cluster: &ClusterChoice) -> Result<DesiredState, String> {
        let workspace = check::policy(&self.workspace)?;
        let cluster = Cluster::connect(cluster).await?;
        let objects = cluster.objects().await?;
        let namespaces: Vec<_> = objects.iter().map(|object| object.key().namespace).collect();
        let wide = workspace.wide_patterns(namespaces.iter().map(|namespace| &**namespace));
        let mut warnings: Vec<String> = wide.into_iter().map(|warning| check::POLICY.to_owned() + &warning).collect();
        warnings.extend(objects.iter().flat_map(annotations_without_effect));
        let owner = Owner { installation: workspace.installation().to_owned(), cluster: cluster.identity };
        let prune_scope = PruneScope::Everything;
        Ok(DesiredState { objects, places: Places::default(), warnings, workspace, owner, prune_scope })
    }

    /// Reads the files and the policy. The error is a sentence for people.
    pub fn read(&self, paths: &[PathBuf]) -> Result<DesiredState, String> {
        let workspace = check::policy(&self.workspace)?;
        let examined = check::examine((paths, &self.exclude), self.namespace.as_deref(), &workspace, Timestamp::now());
        let Accepted { objects, places, warnings } = examined.refusal()?;
        let owner = Owner { installation: workspace.installation().to_owned(), cluster: FILES.to_owned() };
        let at_most = self.max_removals;
        let prune_scope = if self.prune { PruneScope::DeclaredPartners { at_most } } else { PruneScope::Declared };
        Ok(DesiredState { objects, places, warnings, workspace, owner, prune_scope })
    }

    /// Reads the files, the policy and the directory; concurrently where the directory is a server. If both fail, the
    /// error is that of the files. A failed read of the directory alone is part of the result. `meanwhile` runs beside
    /// a slow read.
    pub async fn read_beside<D: DirectoryReader + ?Sized>(
        &self,
        paths: &[PathBuf],
        open: impl FnOnce() -> Result<Arc<D>, String>,
        meanwhile: impl AsyncFnOnce(&DesiredState, &Arc<D>),
    ) -> Result<(DesiredState, Arc<D>, Result<Snapshot, String>), String> {
        // Input from a pipe may come late, so the directory is read after it.
        let is_there = |path: &PathBuf| path.as_os_str() != "-" && (path.is_file() || path.is_dir());
        if !matches!(self.place(), Ok(DirectoryUrl::Keycloak(_))) || !paths.iter().all(is_there) {
            let desired = self.read(paths)?;
            let directory = open()?;
            let held = wait(&desired, &directory, pin!(load(directory.as_ref())), meanwhile).await;
            return Ok((desired, directory, held));
        }
        let opened = open();
        let held = async { load(opened.as_ref().map_err(Clone::clone)?.as_ref()).await };
        let (input, paths) = (self.clone(), paths.to_vec());
        let files = tokio::task::spawn_blocking(move || input.read(&paths));
        let files = async { files.await.map_err(|error| format!("failed to read the files: {error}"))? };
        let (desired, held) = match select(pin!(files), pin!(held)).await {
            Either::Left((desired, held)) => {
                let (desired, directory) = (desired?, opened.as_ref().map_err(Clone::clone)?);
                let held = wait(&desired, directory, held, meanwhile).await;
                (desired, held)
            }
            Either::Right((held, files)) => (files.await?, held),
        };
        Ok((desired, opened?, held))
    }

    /// The URL of the directory.
    pub fn place(&self) -> Result<DirectoryUrl, String> {
        DirectoryUrl::read(&self.directory)
    }

    /// Opens the existing directory read-only.
    pub fn observe(&self) -> Result<Arc<dyn DirectoryReader>, String> {
        self.place()?.observe().map_err(|fault| fault.to_string())
    }

    /// Opens the existing directory.
    pub fn execute(&self) -> Result<Arc<dyn DirectoryWriter>, String> {
        self.place()?.execute(false).map_err(|fault| fault.to_string())
    }
}

/// Waits for a read of the directory. `meanwhile` runs beside a slow one.
async fn wait<D: DirectoryReader + ?Sized>(
    desired: &DesiredState,
    directory: &Arc<D>,
    mut reading: Pin<&mut impl Future<Output = Result<Snapshot, String>>>,
    meanwhile: impl AsyncFnOnce(&DesiredState, &Arc<D>),
) -> Result<Snapshot, String> {
    match tokio::time::timeout(LONG, reading.as_mut()).await {
        Ok(held) => held,
        Err(_) => futures::join!(reading, meanwhile(desired, directory)).0,
    }
}

/// The result of a run, or of its rehearsal.
pub struct Rehearsal {
    /// Every operation, in order.
    pub operations: Vec<CompletedStep>,
    /// The objects that wait or have to be fixed.
    pub unready: Vec<Unready>,
    /// The unmanaged guests and grants: no file declares them, and they are not pruned.
    pub unmanaged: Vec<UnmanagedGuest>,
    /// The problems that belong to no object, each with its cause.
    pub problems: Vec<String>,
    /// The failed operations, each with its cause.
    pub failed: Vec<String>,
    /// The guests without access because the directory's listing shows no MFA method of theirs.
    pub to_recheck: BTreeSet<Email>,
    /// The content of the directory.
    pub snapshot: Snapshot,
    /// The number of calls to the directory, by endpoint.
    pub calls: BTreeMap<&'static str, u64>,
    /// The grants that follow, and their conditions.
    pub later: Vec<LaterGrant>,
    /// The guests and their access at the end.
    pub guests: Vec<GuestAccess>,
    /// Problems of the directory and of the objects that do not stop the command.
    pub warnings: Vec<String>,
}

impl Rehearsal {
    /// Problems of the directory, of the objects and of sign-in that do not stop the command.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().cloned().chain(self.snapshot.sign_in.warnings()).collect()
    }

    /// Whether anything has to be fixed.
    pub fn is_broken(&self) -> bool {
        !self.problems.is_empty() || !self.failed.is_empty() || self.unready.iter().any(|unready| unready.broken)
    }
}

/// Rehearses on an in-memory copy of the directory, which itself is only read. With a cluster, the directory is read
/// before the objects. Otherwise a guest that is admitted in between would appear undeclared.
pub async fn rehearse(
    desired: &DesiredState,
    directory: &dyn DirectoryReader,
    snapshot: Snapshot,
) -> Result<Rehearsal, String> {
    rehearse_at(desired, directory, snapshot, Timestamp::now()).await
}

/// Rehearses at an instant: two rehearsals at the same instant differ only by their inputs.
pub async fn rehearse_at(
    desired: &DesiredState,
    directory: &dyn DirectoryReader,
    snapshot: Snapshot,
    now: Timestamp,
) -> Result<Rehearsal, String> {
    if let Some(owner) = directory.owner().await.map_err(|fault| fault.to_string())?
        && owner != desired.owner
    {
        return Err(foreign(&owner, &desired.owner));
    }
    let progress = progress();
    let mut rehearsal = run_on_copy(desired, snapshot, now, &progress).await?;
    if recheck(directory, &mut rehearsal).await? {
        rehearsal = run_on_copy(desired, rehearsal.snapshot, now, &progress).await?;
    }
    progress.finish_and_clear();
    let warnings = desired.warnings(directory.warnings());
    Ok(Rehearsal { calls: directory.calls(), warnings, ..rehearsal })
}

/// The content of a directory after these files are applied to it. Guests that no file declares stay.
pub async fn applied_at(desired: &DesiredState, snapshot: Snapshot, now: Timestamp) -> Result<Snapshot, String> {
    let sign_in = snapshot.sign_in.clone();
    let copy = copy(desired, &snapshot)?;
    let epoch = copy.lead().await.map_err(|fault| fault.to_string())?;
    let desired = DesiredState { prune_scope: PruneScope::Declared, ..desired.clone() };
    desired.run(snapshot, copy.clone(), epoch, 1, rehearsal_clock(now), |_| ()).await?;
    Ok(Snapshot { sign_in, ..self::load(copy.as_ref()).await? })
}

async fn run_on_copy(
    desired: &DesiredState,
    snapshot: Snapshot,
    now: Timestamp,
    progress: &ProgressBar,
) -> Result<Rehearsal, String> {
    let copy = copy(desired, &snapshot)?;
    let epoch = copy.lead().await.map_err(|fault| fault.to_string())?;
    desired.run(snapshot, copy, epoch, 1, rehearsal_clock(now), |_| progress.inc(1)).await
}

/// A copy of a directory in memory.
fn copy(desired: &DesiredState, snapshot: &Snapshot) -> Result<Arc<Inline>, String> {
    Store::copy(snapshot, &desired.owner).map(|store| Arc::new(Inline::new(store))).map_err(|fault| fault.to_string())
}

/// The clock of a rehearsal: time passes only while the rehearsal waits, and then at once.
fn rehearsal_clock(now: Timestamp) -> (Clock, Sleep) {
    let waited = Arc::new(AtomicU64::new(0));
    let passed = Arc::clone(&waited);
    let since = move || SignedDuration::from_millis(i64::try_from(passed.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
    let clock = Clock::new(move || now.checked_add(since()).unwrap_or(Timestamp::MAX));
    let wait = move |pause: Duration| -> BoxFuture<'static, ()> {
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        waited.fetch_add(pause, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    };
    (clock, Box::new(wait))
}

/// Reads each guest individually that has no access for lack of an MFA method, because a listing may omit methods.
/// Returns whether any record differs from the listing.
async fn recheck(directory: &dyn DirectoryReader, rehearsal: &mut Rehearsal) -> Result<bool, String> {
    let mut any = false;
    for guest in rehearsal.snapshot.guests.iter_mut().filter(|guest| rehearsal.to_recheck.contains(&guest.address)) {
        let now = directory.guest(&guest.address).await.map_err(|fault| fault.to_string())?;
        if let Some(now) = now.filter(|now| now != guest) {
            *guest = now;
            any = true;
        }
    }
    Ok(any)
}

/// Shows a progress bar, on a terminal only.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} operations planned in {elapsed}");
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}

impl DesiredState {
    /// Runs a session until it converges. Reports each operation once it is done.
    pub async fn session(
        &self,
        snapshot: Snapshot,
        directory: Arc<dyn DirectoryWriter>,
        epoch: Epoch,
        workers: usize,
        tell: impl FnMut(&CompletedStep),
    ) -> Result<Rehearsal, String> {
        let time: (Clock, Sleep) = (Clock::new(Timestamp::now), Box::new(|pause| Box::pin(tokio::time::sleep(pause))));
        self.run(snapshot, directory, epoch, workers, time, tell).await
    }

    /// The warnings of the directory, and those about the objects.
    fn warnings(&self, directory: Vec<String>) -> Vec<String> {
        directory.into_iter().chain(self.warnings.iter().cloned()).collect()
    }

    async fn run(
        &self,
        snapshot: Snapshot,
        directory: Arc<dyn DirectoryWriter>,
        epoch: Epoch,
        workers: usize,
        (clock, wait): (Clock, Sleep),
        mut tell: impl FnMut(&CompletedStep),
    ) -> Result<Rehearsal, String> {
        let objects = Arc::new(InMemoryObjects::holding(self.objects.iter().cloned(), clock.clone()));
        let session = OfflineSession {
            owner: self.owner.clone(),
            workspace: self.workspace.clone(),
            objects: objects.clone(),
            snapshot: snapshot.clone(),
            directory: Arc::clone(&directory),
            epoch,
            clock,
            prune_scope: self.prune_scope,
            workers,
            wait,
        };
        let mut operations = Vec::new();
        let run = session.run(|done| {
            tell(done);
            operations.push(done.clone());
        });
        let SessionOutcome { problems, failed, to_recheck, unmanaged, later, guests } = run.await?;
        Ok(Rehearsal {
            operations,
            unready: all_unready(&objects, &self.places),
            unmanaged,
            problems,
            failed,
            to_recheck,
            snapshot,
            calls: directory.calls(),
            later,
            guests,
            warnings: self.warnings(directory.warnings()),
        })
    }
}

/// The annotations that do nothing on an object of a cluster.
fn annotations_without_effect(object: &Object) -> Vec<String> {
    let key = object.key();
    let found = all_ineffective(key.kind, object.metadata().annotations.iter().flatten(), Timestamp::now());
    found.into_iter().map(|message| format!("{key}: {message}")).collect()
}

/// All objects that are not in order.
fn all_unready(objects: &InMemoryObjects, places: &Places) -> Vec<Unready> {
    let of_kind = |kind: &Kind| objects.statuses(*kind, |key, status| unready_conditions(key, status, places));
    ORDER.iter().flat_map(of_kind).flatten().collect()
}

/// The error for a directory of another owner, with its fix.
pub fn foreign(owner: &Owner, ours: &Owner) -> String {
    let who = |owner: &Owner| match owner.cluster.as_str() {
        FILES => format!("installation {:?}, run from files", owner.installation),
        cluster => format!("installation {:?}, run by an operator in the cluster {cluster}", owner.installation),
    };
    format!(
        "ForeignDirectory: the directory belongs to {}, and this is {}; nothing was changed. A directory has \
         one owner: use another directory, correct the policy's installation, or adopt this one with guestlist \
         detach --adopt-directory{}",
        who(owner),
        who(ours),
        if ours.cluster == FILES { "=files" } else { "" }
    )
}
