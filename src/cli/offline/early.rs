//! Before the directory is read in full, `apply` revokes the access that the files end, guest by guest. Everything else waits
//! for the full reading.

use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::desk::Desk;
use super::input::Given;
use super::session::Done;
use crate::directory::{Epoch, Everything, Execute, GuestRecord, Mirror, Observe};
use crate::index::{Index, Key, Kind, Slot};
use crate::operator::clock::Clock;
use crate::operator::engine::Task;
use crate::operator::lease::Term;
use crate::operator::perform::{About, Performer};
use crate::plan::{NO_INVITATIONS, Plan, Scope, World, revoke};
use crate::rules::Email;

/// How many guests are read at once.
const AT_ONCE: usize = 4;
/// How many guests in a row cannot be read before no other is tried.
const HOPELESS: usize = 8;

/// The revocations that follow from the files, planned on guests who were read one by one.
pub struct Early {
    desk: Arc<Desk>,
    index: Index,
    mirror: Mirror,
    clock: Clock,
    plans: Vec<(Key, Plan)>,
    /// The guests who could not be read, and why.
    pub failed: Vec<String>,
}

impl Early {
    /// Reads each guest whose access the files may end, those first whose access they surely end.
    pub async fn plan(given: &Given, directory: &(impl Observe + ?Sized)) -> Self {
        let clock = Clock::new(Timestamp::now);
        let desk = Arc::new(Desk::holding(given.objects.iter().cloned(), clock.clone()));
        let mut index = Index::default();
        for kind in Kind::ALL {
            index.replace(kind, desk.list(kind).into_iter().map(Into::into).collect());
        }
        let (mut mirror, mut failed) = (Mirror::default(), Vec::new());
        let mut keys: Vec<Key> = index.keys(Kind::Membership).collect();
        let world = world(given, &index, &mirror, clock.now());
        keys.retain(|key| revoke::may_revoke(world, key));
        keys.sort_by_cached_key(|key| !revoke::is_ended(world, key));
        let addressed: Vec<(Key, Email)> =
            keys.into_iter().filter_map(|key| Some((key.clone(), address(&index, &key)?))).collect();
        let reads = addressed.iter().map(async |(key, address)| (key, address, directory.guest(address).await));
        let (mut reads, mut any) = (stream::iter(reads).buffered(AT_ONCE), false);
        while let Some((key, address, read)) = reads.next().await {
            match read {
                Ok(record) => {
                    any = true;
                    mirror.set_guest(address, record);
                }
                Err(fault) => failed.push(format!("{key}: {fault}")),
            }
            // A directory that does not answer is not asked for every guest.
            if !any && failed.len() >= HOPELESS {
                break;
            }
        }
        drop(reads);
        let now = clock.now();
        let planned =
            addressed.iter().map(|(key, _)| (key.clone(), revoke::plan(self::world(given, &index, &mirror, now), key)));
        let plans = planned.filter(|(_, plan)| !plan.steps.is_empty()).collect();
        Self { desk, index, mirror, clock, plans, failed }
    }

    /// Every operation, in order.
    pub fn operations(&self) -> Vec<Done> {
        let done = |key: &Key, plan: &Plan| -> Vec<Done> {
            plan.steps.iter().map(|step| Done { key: key.clone(), step: step.clone() }).collect()
        };
        self.plans.iter().flat_map(|(key, plan)| done(key, plan)).collect()
    }

    /// The records of the guests who were read, and nothing else.
    pub fn read(&self) -> Everything {
        let guests: Vec<GuestRecord> = self.mirror.guests().cloned().collect();
        Everything { guests, ..Everything::default() }
    }

    /// Executes the plan and reports each operation once it is done. Returns the failures with their causes.
    pub async fn execute(&self, directory: Arc<dyn Execute>, epoch: Epoch, mut tell: impl FnMut(&Done)) -> Vec<String> {
        let performer = Performer {
            objects: self.desk.clone(),
            directory,
            epoch,
            term: Term::endless(self.clock.clone()),
            clock: self.clock.clone(),
            metrics: Arc::default(),
        };
        let mut failed = Vec::new();
        for (key, plan) in &self.plans {
            let (steps, basis) = (plan.steps.clone(), plan.basis);
            let task = Task::Execute { checks: Vec::new(), steps, basis, notices: Vec::new() };
            let outcome = performer.perform(About::of(&self.index, key), task).await;
            for step in plan.steps.iter().take(outcome.effects.len()) {
                tell(&Done { key: key.clone(), step: step.clone() });
            }
            failed.extend(outcome.failure.map(|failure| format!("{key}: {}", failure.words())));
        }
        failed
    }
}

fn world<'a>(given: &'a Given, index: &'a Index, mirror: &'a Mirror, now: Timestamp) -> World<'a> {
    World {
        declared: index,
        observed: mirror,
        workspace: &given.workspace,
        owner: &given.owner,
        directory_available: false,
        unsent: false,
        invitations: &NO_INVITATIONS,
        scope: Scope::SPECS,
        extent: given.extent,
        now,
    }
}

fn address(index: &Index, key: &Key) -> Option<Email> {
    index.membership(&key.namespace, &key.name).and_then(Slot::read)?.reading.terms.email.clone()
}
