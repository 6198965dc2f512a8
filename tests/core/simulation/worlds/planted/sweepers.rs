//! Sweeps with one bug each.

use guestlist::directory::{Operation, Weight};
use guestlist::index::{Key, Kind};
use guestlist::plan::sweep::{Sweep, plan};
use guestlist::plan::{Step, World, is_orphan};
use guestlist::rules::Reason;
use guestlist::workspace::Workspace;
use jiff::SignedDuration;

pub fn withholds_too_many_orphans(world: World<'_>) -> Sweep {
    let mut sweep = plan(world);
    if !sweep.too_many_orphans {
        return sweep;
    }
    for guest in world.observed.guests().filter(|guest| is_orphan(world, guest) && !guest.grants.is_empty()) {
        let mark = guest.mark.as_ref().unwrap();
        let accounts = guest.grants.keys().cloned().collect();
        let operation = Operation::Withhold { guest: guest.id.clone(), accounts };
        let step = Step { operation, reason: Reason::Orphaned, because: String::new() };
        sweep.withhold.push((Key::new(Kind::Membership, &*mark.namespace, &*mark.name), vec![step]));
    }
    sweep
}

pub fn withholds_no_orphans(world: World<'_>) -> Sweep {
    let mut sweep = plan(world);
    sweep.withhold.retain(|(key, _)| key.kind != Kind::Membership);
    sweep
}

fn with_policy(world: World<'_>, change: impl Fn(&mut Workspace)) -> Sweep {
    let mut workspace = world.workspace.clone();
    change(&mut workspace);
    plan(World { workspace: &workspace, ..world })
}

pub fn purges_at_once(world: World<'_>) -> Sweep {
    with_policy(world, |workspace| workspace.purge.after = SignedDuration::ZERO)
}

pub fn purges_at_any_pace(world: World<'_>) -> Sweep {
    with_policy(world, |workspace| workspace.purge.per_hour_percent = 100)
}

pub fn purges_nothing(world: World<'_>) -> Sweep {
    let mut sweep = plan(world);
    sweep.steps.retain(|step| step.operation.weight() != Weight::End);
    sweep
}
