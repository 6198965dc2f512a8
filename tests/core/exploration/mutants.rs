//! Planners that are wrong on purpose. Each is caught, and for the right reason.

use guestlist::directory::{MfaRecord, Mirror, Operation, Weight};
use guestlist::index::{Key, Kind};
use guestlist::plan::{Finalizer, Plan, World, plan};
use guestlist::rules::{GuestRole, MfaMethod, Reason};

use super::inflate::{ACCOUNT, SPACE, long_ago};
use super::operator::Planner;
use super::search::explore;
use super::setup::Setup;
use super::{DRIFT, JOINED, MFA, PEOPLE, SHARE, SHARES};

/// Plans on other facts about MFA than there are.
fn believes(world: World<'_>, key: &Key, other: impl Fn(&MfaRecord) -> MfaRecord) -> Plan {
    let mut mirror: Mirror = world.observed.clone();
    for guest in world.observed.guests() {
        let mut believed = guest.clone();
        believed.mfa = other(&guest.mfa);
        mirror.set_guest(&guest.address, Some(believed));
    }
    plan(World { observed: &mirror, ..world }, key)
}

fn forgets_mfa(world: World<'_>, key: &Key) -> Plan {
    believes(world, key, |_| MfaRecord::Known([(MfaMethod::TOTP, long_ago())].into()))
}

fn reads_unknown_as_false(world: World<'_>, key: &Key) -> Plan {
    believes(world, key, |mfa| match mfa {
        MfaRecord::Unknown => MfaRecord::Known([].into()),
        MfaRecord::Known(methods) => MfaRecord::Known(methods.clone()),
    })
}

fn reads_unknown_as_true(world: World<'_>, key: &Key) -> Plan {
    believes(world, key, |mfa| match mfa {
        MfaRecord::Unknown => MfaRecord::Known([(MfaMethod::TOTP, long_ago())].into()),
        MfaRecord::Known(methods) => MfaRecord::Known(methods.clone()),
    })
}

fn gives_before_it_takes_away(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    if key.kind == Kind::Membership {
        plan.steps.reverse();
    }
    plan
}

fn without(world: World<'_>, key: &Key, drop: impl Fn(&Operation) -> bool) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.retain(|step| !drop(&step.operation));
    plan
}

fn keeps_the_grant_of_an_excluded_one(world: World<'_>, key: &Key) -> Plan {
    let excludes = |account: &String| {
        let share = world.declared.share(SPACE, account).and_then(|slot| slot.read());
        share.is_some_and(|share| share.reading.terms.exclude.contains_key(&*key.name))
    };
    without(world, key, |operation| match operation {
        Operation::Withhold { accounts, .. } => accounts.iter().any(excludes),
        _ => false,
    })
}

fn withholds_nothing(world: World<'_>, key: &Key) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Withhold { .. }))
}

fn demotes_nobody(world: World<'_>, key: &Key) -> Plan {
    without(world, key, |operation| matches!(operation, Operation::Demote { .. }))
}

fn lets_go_before_it_has_ended_anything(world: World<'_>, key: &Key) -> Plan {
    let plan = without(world, key, |operation| operation.weight() == Weight::End);
    if plan.finalizer == Finalizer::Release { Plan { steps: Vec::new(), ..plan } } else { plan }
}

fn never_puts_its_finalizer_on(world: World<'_>, key: &Key) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Hold { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

fn makes_everybody_manager(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    for step in &mut plan.steps {
        if let Operation::Admit { role, .. } = &mut step.operation {
            *role = GuestRole::GuestAdmin;
        }
    }
    without_demoting(plan)
}

fn without_demoting(mut plan: Plan) -> Plan {
    plan.steps.retain(|step| !matches!(step.operation, Operation::Demote { .. }));
    plan
}

/// What was withheld by hand a moment ago is withheld again.
fn withholds_in_every_pass(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    let record = world.observed.guests().find(|guest| guest.mark.as_ref().is_some_and(|mark| *mark.name == *key.name));
    if let Some(record) = record.filter(|_| key.kind == Kind::Membership && plan.steps.is_empty()) {
        let accounts = vec![ACCOUNT[1].to_owned()];
        let operation = Operation::Withhold { guest: record.id.clone(), accounts };
        plan.steps.push(guestlist::plan::Step { operation, reason: Reason::Reconciled, because: String::new() });
    }
    plan
}

#[test]
fn each_wrong_planner_is_caught_for_what_it_does() {
    let wrong: [(&str, Planner, &Setup, &str); 11] = [
        ("forgets MFA", forgets_mfa, &PEOPLE, "the directory refuses it"),
        ("reads unknown as false", reads_unknown_as_false, &MFA, "loses 0, which the law gives him"),
        ("reads unknown as true", reads_unknown_as_true, &MFA, "which the law does not give him"),
        (
            "gives before it takes away",
            gives_before_it_takes_away,
            &SHARES,
            "before what he must not have is taken away",
        ),
        ("keeps the grant of an excluded one", keeps_the_grant_of_an_excluded_one, &SHARE, "at rest guest"),
        ("withholds nothing", withholds_nothing, &SHARE, "at rest guest"),
        ("demotes nobody", demotes_nobody, &DRIFT, "is not as his membership says"),
        ("lets go before it has ended anything", lets_go_before_it_has_ended_anything, &PEOPLE, "was not ended"),
        ("never puts its finalizer on", never_puts_its_finalizer_on, &PEOPLE, "was not ended"),
        ("makes everybody Guest Admin", makes_everybody_manager, &PEOPLE, "is not as his membership says"),
        ("withholds in every pass", withholds_in_every_pass, &JOINED, "never comes to rest"),
    ];
    for (name, planner, setup, why) in wrong {
        match explore(setup, planner) {
            Ok(_) => panic!("a planner that {name} goes unnoticed"),
            Err(fault) => assert!(fault.contains(why), "a planner that {name} is caught for something else: {fault}"),
        }
    }
}
