//! Before `apply` reads the directory in full, it revokes the access that the files end, guest by guest. Everything
//! else waits for the full read.

use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::manifests::DesiredState;
use super::object_store::InMemoryObjects;
use super::session::CompletedStep;
use crate::cache::{ALL_NAMESPACES, CacheEntry, Kind, ObjectCache, ObjectRef};
use crate::directory::{DirectoryCache, DirectoryReader, DirectoryWriter, Epoch, GuestRecord, Snapshot};
use crate::domain::Email;
use crate::engine::{Task, TaskSubject};
use crate::executor::Executor;
use crate::executor::lease_term::LeaseTerm;
use crate::plan::{AvailableFacts, Inputs, NO_INVITATIONS, Plan, revoke};
use crate::util::clock::Clock;

/// Number of concurrent reads.
const AT_ONCE: usize = 4;
/// Number of consecutive failed reads after which this phase gives up.
const MAX_FAILED_READS: usize = 8;

/// The revocations that follow from the files, planned on individually read guests.
pub struct EarlyRevocation {
    objects: Arc<InMemoryObjects>,
    index: ObjectCache,
    directory_cache: DirectoryCache,
    clock: Clock,
    plans: Vec<(ObjectRef, Plan)>,
    /// A message for each guest that could not be read.
    pub failed: Vec<String>,
}

impl EarlyRevocation {
    /// Reads each guest whose access the files may end. Guests whose access the files certainly end come first.
    pub async fn plan(desired: &DesiredState, directory: &(impl DirectoryReader + ?Sized)) -> Self {
        let clock = Clock::new(Timestamp::now);
        let objects = Arc::new(InMemoryObjects::holding(desired.objects.iter().cloned(), clock.clone()));
        let mut index = ObjectCache::default();
        for kind in Kind::ALL {
            index.replace(&kind.into(), objects.list(kind).into_iter().map(Into::into).collect());
        }
        let (mut directory_cache, mut failed) = (DirectoryCache::default(), Vec::new());
        let mut keys: Vec<ObjectRef> = index.keys(Kind::Membership).collect();
        let inputs = inputs(desired, &index, &directory_cache, clock.now());
        keys.retain(|key| revoke::may_revoke(inputs, key));
        keys.sort_by_cached_key(|key| !revoke::is_ended(inputs, key));
        let addressed: Vec<(ObjectRef, Email)> =
            keys.into_iter().filter_map(|key| Some((key.clone(), address(&index, &key)?))).collect();
        let reads = addressed.iter().map(async |(key, address)| (key, address, directory.guest(address).await));
        let (mut reads, mut any) = (stream::iter(reads).buffered(AT_ONCE), false);
        while let Some((key, address, read)) = reads.next().await {
            match read {
                Ok(record) => {
                    any = true;
                    directory_cache.set_guest(address, record);
                }
                Err(fault) => failed.push(format!("{key}: {fault}")),
            }
            // If the directory does not answer, the remaining guests are not read.
            if !any && failed.len() >= MAX_FAILED_READS {
                break;
            }
        }
        drop(reads);
        let now = clock.now();
        let planned = addressed
            .iter()
            .map(|(key, _)| (key.clone(), revoke::plan(self::inputs(desired, &index, &directory_cache, now), key)));
        let plans = planned.filter(|(_, plan)| !plan.steps.is_empty()).collect();
        Self { objects, index, directory_cache, clock, plans, failed }
    }

    /// Every operation, in order.
    pub fn operations(&self) -> Vec<CompletedStep> {
        let done = |key: &ObjectRef, plan: &Plan| -> Vec<CompletedStep> {
            plan.steps.iter().map(|step| CompletedStep { key: key.into(), step: step.clone() }).collect()
        };
        self.plans.iter().flat_map(|(key, plan)| done(key, plan)).collect()
    }

    /// The records of these guests, as a snapshot without anything else.
    pub fn read(&self) -> Snapshot {
        let guests: Vec<GuestRecord> = self.directory_cache.guests().cloned().collect();
        Snapshot { guests, ..Snapshot::default() }
    }

    /// Executes the plan and reports each operation once it is done. Returns the failures with their causes.
    pub async fn execute(
        &self,
        directory: Arc<dyn DirectoryWriter>,
        epoch: Epoch,
        mut tell: impl FnMut(&CompletedStep),
    ) -> Vec<String> {
        let executor = Executor {
            objects: self.objects.clone(),
            directory,
            epoch,
            term: LeaseTerm::endless(self.clock.clone()),
            clock: self.clock.clone(),
            metrics: Arc::default(),
        };
        let mut failed = Vec::new();
        for (key, plan) in &self.plans {
            let (steps, basis) = (plan.steps.clone(), plan.basis);
            let task = Task::Execute { checks: Vec::new(), steps, basis, events: Vec::new() };
            let outcome = executor.run(TaskSubject::of(&self.index, key.into()), task).await;
            for step in plan.steps.iter().take(outcome.effects.len()) {
                tell(&CompletedStep { key: key.into(), step: step.clone() });
            }
            failed.extend(outcome.failure.map(|failure| format!("{key}: {}", failure.cause())));
        }
        failed
    }
}

fn inputs<'a>(
    desired: &'a DesiredState,
    index: &'a ObjectCache,
    directory_cache: &'a DirectoryCache,
    now: Timestamp,
) -> Inputs<'a> {
    Inputs {
        declared: index,
        observed: directory_cache,
        workspace: &desired.workspace,
        owner: &desired.owner,
        directory_available: false,
        unsent: false,
        invitations: &NO_INVITATIONS,
        scope: AvailableFacts::SPECS,
        prune_scope: desired.prune_scope,
        namespaces: &ALL_NAMESPACES,
        now,
    }
}

fn address(index: &ObjectCache, key: &ObjectRef) -> Option<Email> {
    index.membership(&key.namespace, &key.name).and_then(CacheEntry::read)?.reading.terms.email.clone()
}
