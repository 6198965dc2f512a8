//! Garbage collection with one bug each.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{AccessChange, GuestChange, Operation};
use guestlist::domain::Reason;
use guestlist::plan::gc::{GarbageCollection, plan};
use guestlist::plan::{Inputs, Step, is_orphan};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;

pub fn withholds_too_many_orphans(world: Inputs<'_>) -> GarbageCollection {
    let mut sweep = plan(world);
    if !sweep.too_many_orphans {
        return sweep;
    }
    for guest in world.observed.guests().filter(|guest| is_orphan(world, guest) && !guest.grants.is_empty()) {
        let mark = guest.mark.as_ref().unwrap();
        let accounts = guest.grants.keys().cloned().collect();
        let operation = Operation::Guest { id: guest.id.clone(), change: GuestChange::Revoke { accounts } };
        let step = Step { operation, reason: Reason::Orphaned, message: String::new() };
        sweep.revocations.push((ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name), vec![step]));
    }
    sweep
}

pub fn withholds_no_orphans(world: Inputs<'_>) -> GarbageCollection {
    let mut sweep = plan(world);
    sweep.revocations.retain(|(key, _)| key.kind != Kind::Membership);
    sweep
}

fn with_policy(world: Inputs<'_>, change: impl Fn(&mut WorkspacePolicy)) -> GarbageCollection {
    let mut workspace = world.workspace.clone();
    change(&mut workspace);
    plan(Inputs { workspace: &workspace, ..world })
}

pub fn purges_at_once(world: Inputs<'_>) -> GarbageCollection {
    with_policy(world, |workspace| workspace.purge.after = SignedDuration::ZERO)
}

pub fn purges_at_any_pace(world: Inputs<'_>) -> GarbageCollection {
    with_policy(world, |workspace| workspace.purge.per_hour_percent = 100)
}

pub fn purges_nothing(world: Inputs<'_>) -> GarbageCollection {
    let mut sweep = plan(world);
    sweep.steps.retain(|step| step.operation.access_change() != AccessChange::Remove);
    sweep
}
