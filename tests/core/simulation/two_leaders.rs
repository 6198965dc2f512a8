//! Two processes at once: the Lease passes to a new process while the former leader has operations in progress. The
//! former leader knows that its term is over, or it does not, because its clock stands still or a call takes long. The
//! directory refuses its writes.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::cache::Collection;
use guestlist::directory::{Changed, Epoch};
use guestlist::engine::{Engine, Task};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::Timestamp;

use super::driver::{Running, Sim};
use super::line::{Ask, Call};

/// The number of steps that a former leader still makes.
const STEPS: usize = 12;
/// The number of steps in which the leader may reach an operation before its term ends.
const MOST_STEPS_BEFORE: usize = 10;
/// The number of calls of a task that the leader makes before its term ends in the middle of the next one.
const CALLS: usize = 3;

/// A task with a call in progress.
pub struct UnderWay {
    pub running: Running,
    pub call: Call,
    pub ask: Ask,
}

/// A former leader.
pub struct Former {
    engine: Engine,
    under_way: Vec<UnderWay>,
    running: Vec<Running>,
    places: BTreeMap<Collection, usize>,
    bookmarks: BTreeMap<Collection, u64>,
    pub changed: BTreeSet<Changed>,
    own: BTreeSet<u64>,
    epoch: Epoch,
    started: Timestamp,
    /// The process knows that its term is over.
    lapsed: bool,
    /// The version of the outside facts that it knows.
    known: usize,
    left: usize,
}

impl Sim {
    /// Another process becomes the leader. The present one has calls in progress. `unaware`: it does not know that its
    /// term is over.
    pub fn hand_over(&mut self, unaware: bool) {
        if self.former.is_some() || self.lapsed {
            return;
        }
        let (trouble, mut under_way) = (self.trouble.take(), Vec::new());
        for _ in 0..MOST_STEPS_BEFORE {
            if self.running.iter().any(|running| matches!(running.task, Task::Execute { .. })) || !self.step() {
                break;
            }
        }
        for _ in 0..self.running.len() {
            let running = self.running.remove(0);
            let calls = self.draw(CALLS);
            under_way.extend(self.begin_calls(running, calls));
        }
        self.trouble = trouble;
        // The new process belongs to the same installation.
        let owner = self.engine.owner().clone();
        let mut former = Former {
            engine: Engine::new(owner, WorkspacePolicy::default(), 1),
            under_way,
            running: Vec::new(),
            places: self.places.clone(),
            bookmarks: self.bookmarks.clone(),
            changed: self.changed.clone(),
            own: BTreeSet::new(),
            epoch: self.epoch,
            started: self.started,
            lapsed: !unaware,
            known: self.watch.as_ref().map_or(0, |watch| watch.known),
            left: STEPS,
        };
        std::mem::swap(&mut former.engine, &mut self.engine);
        std::mem::swap(&mut former.own, &mut self.own);
        self.former = Some(Box::new(former));
        self.restart();
    }

    /// Runs a step of the former leader.
    pub fn step_of_former(&mut self) {
        let Some(mut former) = self.former.take() else { return };
        let (trouble, under_way) = (self.trouble.take(), former.under_way.pop());
        let (lapsed, successor) = (std::mem::replace(&mut self.lapsed, former.lapsed), self.successor.take());
        self.change_places(&mut former);
        self.is_former = true;
        let goes_on = match under_way {
            Some(UnderWay { running, call, ask }) => {
                self.go_on(running, call, ask);
                true
            }
            None => self.step_of_leader(),
        };
        self.is_former = false;
        self.change_places(&mut former);
        (self.trouble, self.lapsed, self.successor) = (trouble, lapsed, successor);
        former.left -= 1;
        if goes_on && former.left > 0 && former.engine.fatal_error().is_none() {
            self.former = Some(former);
        }
    }

    fn change_places(&mut self, former: &mut Former) {
        std::mem::swap(&mut former.engine, &mut self.engine);
        std::mem::swap(&mut former.running, &mut self.running);
        std::mem::swap(&mut former.places, &mut self.places);
        std::mem::swap(&mut former.bookmarks, &mut self.bookmarks);
        std::mem::swap(&mut former.changed, &mut self.changed);
        std::mem::swap(&mut former.own, &mut self.own);
        std::mem::swap(&mut former.epoch, &mut self.epoch);
        std::mem::swap(&mut former.started, &mut self.started);
        if let Some(watch) = &mut self.watch {
            std::mem::swap(&mut former.known, &mut watch.known);
        }
    }
}
