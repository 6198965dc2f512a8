//! Planners with deliberate bugs. The exploration catches each for the right reason.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{AccessChange, DirectoryCache, GuestChange, MfaRecord, NewGuest, Operation};
use guestlist::domain::{GuestRole, MfaMethod, Reason};
use guestlist::plan::{Finalizer, Inputs, Plan, plan};

use super::inflate::{ACCOUNT, SPACE, long_ago, now};
use super::operator::{PLANNER, Planner};
use super::search::explore;
use super::setup::Setup;
use super::state::{Declared, Directory, Methods, Override, Pin};
use super::{
    ADOPTED, ADOPTED_PEOPLE, DRIFT, ENDING_PEOPLE, ENDS, ENTRIES, JOINED, METHODS, MFA, MOVED, PAUSED, PAUSED_PEOPLE,
    PEOPLE, SHARE, SHARES,
};

/// Plans with wrong facts about MFA.
fn believes(world: Inputs<'_>, key: &ObjectRef, other: impl Fn(&MfaRecord) -> MfaRecord) -> Plan {
    let mut directory_cache: DirectoryCache = world.observed.clone();
    for guest in world.observed.guests() {
        let mut believed = guest.clone();
        believed.mfa = other(&guest.mfa);
        directory_cache.set_guest(&guest.address, Some(believed));
    }
    plan(Inputs { observed: &directory_cache, ..world }, key)
}

fn forgets_mfa(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    believes(world, key, |_| MfaRecord::Known([(MfaMethod::TOTP, long_ago())].into()))
}

fn reads_unknown_as_false(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    believes(world, key, |mfa| match mfa {
        MfaRecord::Unknown => MfaRecord::Known([].into()),
        MfaRecord::Known(methods) => MfaRecord::Known(methods.clone()),
    })
}

fn reads_unknown_as_true(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    believes(world, key, |mfa| match mfa {
        MfaRecord::Unknown => MfaRecord::Known([(MfaMethod::TOTP, long_ago())].into()),
        MfaRecord::Known(methods) => MfaRecord::Known(methods.clone()),
    })
}

fn gives_before_it_takes_away(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    if key.kind == Kind::Membership {
        plan.steps.reverse();
    }
    plan
}

fn without(world: Inputs<'_>, key: &ObjectRef, drop: impl Fn(&Operation) -> bool) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.retain(|step| !drop(&step.operation));
    plan
}

fn keeps_the_grant_of_an_excluded_one(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let excludes = |account: &String| {
        let share = world.declared.share(SPACE, account).and_then(|slot| slot.read());
        share.is_some_and(|share| share.reading.terms.exclude.contains_key(&*key.name))
    };
    without(world, key, |operation| match operation {
        Operation::Guest { change: GuestChange::Revoke { accounts }, .. } => accounts.iter().any(excludes),
        _ => false,
    })
}

fn withholds_nothing(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Revoke { .. }, .. }))
}

fn demotes_nobody(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Demote, .. }))
}

fn lets_go_before_it_has_ended_anything(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = without(world, key, |operation| operation.access_change() == AccessChange::Remove);
    if plan.finalizer == Finalizer::Release { Plan { steps: Vec::new(), ..plan } } else { plan }
}

fn never_puts_its_finalizer_on(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Hold { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

fn makes_everybody_manager(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    for step in &mut plan.steps {
        if let Operation::Guest { change: GuestChange::Invite(NewGuest { role, .. }), .. } = &mut step.operation {
            *role = GuestRole::GuestAdmin;
        }
    }
    without_demoting(plan)
}

fn without_demoting(mut plan: Plan) -> Plan {
    plan.steps.retain(|step| !matches!(step.operation, Operation::Guest { change: GuestChange::Demote, .. }));
    plan
}

/// Revokes a grant again that an administrator just revoked.
fn withholds_in_every_pass(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    let record = world.observed.guests().find(|guest| guest.mark.as_ref().is_some_and(|mark| *mark.name == *key.name));
    if let Some(record) = record.filter(|_| key.kind == Kind::Membership && plan.steps.is_empty()) {
        let accounts = vec![ACCOUNT[1].to_owned()];
        let operation = Operation::Guest { id: record.id.clone(), change: GuestChange::Revoke { accounts } };
        plan.steps.push(guestlist::plan::Step { operation, reason: Reason::Reconciled, message: String::new() });
    }
    plan
}

/// Records the end of a grant, but ignores that it passes.
fn lets_no_time_pass(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    plan(Inputs { now: now(), ..world }, key)
}

fn releases_nobody(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Release, .. }))
}

fn disables_no_login(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::DisableLogin, .. }))
}

fn describes_nobody(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::Update { .. }, .. }))
}

#[test]
fn wrong_planner_is_caught_for_its_bug() {
    type Plans = fn(Inputs<'_>, &ObjectRef) -> Plan;
    let wrong: [(&str, Plans, &Setup, &str); 15] = [
        ("forgets MFA", forgets_mfa, &PEOPLE, "the directory refuses it"),
        ("reads unknown as false", reads_unknown_as_false, &MFA, "loses 0, which the rules give"),
        ("reads unknown as true", reads_unknown_as_true, &MFA, "which the rules do not give"),
        ("gives before it takes away", gives_before_it_takes_away, &SHARES, "before excess access is revoked"),
        ("keeps the grant of an excluded one", keeps_the_grant_of_an_excluded_one, &SHARE, "at rest guest"),
        ("withholds nothing", withholds_nothing, &SHARE, "at rest guest"),
        ("demotes nobody", demotes_nobody, &DRIFT, "is not as the membership says"),
        ("lets go before it has ended anything", lets_go_before_it_has_ended_anything, &PEOPLE, "was not ended"),
        ("never puts its finalizer on", never_puts_its_finalizer_on, &PEOPLE, "was not ended"),
        ("makes everybody Guest Admin", makes_everybody_manager, &PEOPLE, "is not as the membership says"),
        ("withholds in every pass", withholds_in_every_pass, &JOINED, "does not come to rest"),
        ("lets no time pass", lets_no_time_pass, &ENDS, "which the rules do not give"),
        ("disables no login", disables_no_login, &ENDS, "and may log in"),
        ("releases nobody", releases_nobody, &ADOPTED_PEOPLE, "was not ended"),
        ("describes nobody", describes_nobody, &METHODS, "is not as the membership says"),
    ];
    for (name, plan, setup, why) in wrong {
        is_caught(name, Planner { plan, ..PLANNER }, setup, why);
    }
}

#[test]
fn planner_that_misreads_a_spec_is_caught() {
    type Reads = fn(&mut Declared);
    let wrong: [(&str, Reads, &Setup, &str); 16] = [
        ("the pause of a partner", |it| it.partners[0].paused = false, &PAUSED, "changes during a pause"),
        ("the pause of a partner", |it| it.partners[0].paused = false, &PAUSED_PEOPLE, ACCEPTS),
        ("the pause of a membership", |it| it.members[0].paused = false, &PAUSED, GIVES),
        ("the pause of a membership", |it| it.members[0].paused = false, &ADOPTED, GIVES),
        ("the pause of a share", |it| it.shares[0].paused = false, &PAUSED, GIVES),
        ("a pause, as suspension", |it| it.members[0].spec.suspended |= it.members[0].paused, &PAUSED, "loses 0"),
        ("the end of a partner", |it| it.partners[0].spec.ends = false, &ENDS, GIVES),
        ("the end of a membership", |it| it.members[0].spec.ends = false, &ENDS, GIVES),
        ("the end of a share", |it| it.shares[0].spec.ends = false, &ENDS, GIVES),
        ("the end of a membership", |it| it.members[0].spec.ends = false, &ENDING_PEOPLE, ACCEPTS),
        ("the methods of a partner", |it| it.partners[0].spec.methods = Methods::Any, &METHODS, GIVES),
        ("the methods of a membership", |it| it.members[0].spec.methods = Methods::Any, &METHODS, GIVES),
        ("the methods of a share", |it| it.shares[0].spec.methods = Methods::Any, &METHODS, GIVES),
        ("a pin", |it| it.shares[0].spec.pin = Pin::None, &ENTRIES, GIVES),
        ("an override", |it| it.shares[0].spec.role = Override::None, &ENTRIES, GIVES),
        ("another partner", |it| it.members.iter_mut().for_each(|it| it.spec.moved = false), &MOVED, GIVES),
    ];
    for (name, read, setup, why) in wrong {
        is_caught(&format!("misreads {name}"), Planner { read, ..PLANNER }, setup, why);
    }
    let adopts: fn(&mut Declared) = |it| it.partners[0].spec.adopts = true;
    is_caught("adopts without leave", Planner { read: adopts, ..PLANNER }, &ADOPTED_PEOPLE, ACCEPTS);
}

#[test]
fn planner_that_takes_an_adopted_user_for_created_is_caught() {
    let made: fn(&mut Directory) = |it| it.guests[0].adopted = false;
    let planner = Planner { see: made, ..PLANNER };
    for setup in [&ADOPTED, &ADOPTED_PEOPLE] {
        is_caught("takes adopted users for created", planner, setup, "the directory refuses it");
    }
}

const GIVES: &str = "which the rules do not give";
const ACCEPTS: &str = "is accepted though something stands in the way";

fn is_caught(name: &str, planner: Planner, setup: &Setup, why: &str) {
    match explore(setup, planner) {
        Ok(_) => panic!("a planner that {name} goes unnoticed in the world \"{}\"", setup.name),
        Err(fault) => assert!(fault.contains(why), "a planner that {name} is caught for something else: {fault}"),
    }
}
