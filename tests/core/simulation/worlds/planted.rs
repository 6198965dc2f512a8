//! Planted bugs: planners, executors and stores with one bug each. The random worlds catch every bug within a few worlds; a
//! bug that they miss is a hole in the checks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use guestlist::directory::{Login, Operation, Weight};
use guestlist::index::Key;
use guestlist::operator::engine::Planner;
use guestlist::plan::{Finalizer, Plan, Status, Step, World, plan};
use guestlist::rules::{GuestRole, MfaMethod, ShareRole, all_methods};
use guestlist::workspace::Workspace;
use jiff::SignedDuration;

use super::run_with;

/// A bug in the planner, in the executor of operations, or in the object store.
#[derive(Clone, Copy)]
pub enum Bug {
    Planner(Planner),
    /// The operation that is executed instead; `None`: none.
    Executor(fn(&Operation) -> Option<Operation>),
    Store(StoreBug),
}

#[derive(Clone, Copy, PartialEq)]
pub enum StoreBug {
    /// A new list keeps objects that were deleted.
    RelistKeepsGoneObjects,
    /// The store reports no deletions.
    DeletionsAreLost,
    /// The answer to a write is the object from before.
    AnswerIsOld,
    /// The term never ends.
    TermNeverEnds,
    /// The store reports no changes in the directory.
    DirectoryChangesAreLost,
}

fn without(world: World<'_>, key: &Key, drop: impl Fn(&Operation) -> bool) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.retain(|step| !drop(&step.operation));
    plan
}

fn changed(world: World<'_>, key: &Key, change: impl Fn(&mut Operation)) -> Plan {
    let mut plan = plan(world, key);
    for step in &mut plan.steps {
        change(&mut step.operation);
    }
    plan
}

macro_rules! drops {
    ($($name:ident: $operation:ident;)+) => {
        $(fn $name(world: World<'_>, key: &Key) -> Plan {
            without(world, key, |operation| matches!(operation, Operation::$operation { .. }))
        })+
    };
}

drops! {
    withholds_nothing: Withhold;
    lowers_nothing: Lower;
    demotes_nobody: Demote;
    promotes_nobody: Promote;
    gives_nothing: Give;
    disables_no_login: DisableLogin;
    enables_no_login: EnableLogin;
    describes_nobody: DescribeGuest;
    ends_nobody: Deactivate;
    resets_no_mfa: ResetMfa;
}

/// Compares only the role, not the methods and the end.
fn lowers_by_role_only(world: World<'_>, key: &Key) -> Plan {
    let held = |account: &str, role: ShareRole| {
        let mut guests = world.observed.guests();
        guests.any(|guest| guest.grants.get(account).is_some_and(|held| held.grant.role == role))
    };
    without(world, key, |operation| match operation {
        Operation::Lower { grants, .. } => grants.iter().all(|grant| held(&grant.account, grant.role)),
        _ => false,
    })
}

fn gives_without_an_end(world: World<'_>, key: &Key) -> Plan {
    changed(world, key, |operation| {
        if let Operation::Give { grants, .. } | Operation::Lower { grants, .. } = operation {
            for grant in grants.iter_mut() {
                grant.until = None;
            }
        }
    })
}

fn gives_for_any_allowed_method(world: World<'_>, key: &Key) -> Plan {
    changed(world, key, |operation| {
        if let Operation::Give { grants, .. } = operation {
            for grant in grants.iter_mut() {
                grant.allowed = all_methods();
            }
        }
    })
}

fn gives_for_any_asked_method(world: World<'_>, key: &Key) -> Plan {
    changed(world, key, |operation| {
        if let Operation::Give { grants, .. } = operation {
            for grant in grants.iter_mut() {
                grant.asked = all_methods();
            }
        }
    })
}

fn gives_manager_to_guest_admins(world: World<'_>, key: &Key) -> Plan {
    let admin = world.declared.membership(&key.namespace, &key.name).and_then(|slot| slot.read());
    let admin = admin.is_some_and(|entry| entry.reading.terms.role == GuestRole::GuestAdmin);
    changed(world, key, |operation| {
        if let Operation::Give { grants, .. } = operation {
            for grant in grants.iter_mut().filter(|_| admin) {
                grant.role = ShareRole::Manager;
            }
        }
    })
}

fn admits_guest_admins_only(world: World<'_>, key: &Key) -> Plan {
    let plan = changed(world, key, |operation| {
        if let Operation::Admit { role, .. } = operation {
            *role = GuestRole::GuestAdmin;
        }
    });
    let steps = plan.steps.into_iter().filter(|step| !matches!(step.operation, Operation::Demote { .. })).collect();
    Plan { steps, ..plan }
}

fn gives_before_it_revokes(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.sort_by_key(|step| step.operation.weight() != Weight::Give);
    plan
}

fn ends_an_hour_late(world: World<'_>, key: &Key) -> Plan {
    plan(World { now: world.now - SignedDuration::from_hours(1), ..world }, key)
}

fn ends_an_hour_early(world: World<'_>, key: &Key) -> Plan {
    plan(World { now: world.now + SignedDuration::from_hours(1), ..world }, key)
}

fn looks_again_only_when_something_happens(world: World<'_>, key: &Key) -> Plan {
    Plan { next_look: None, ..plan(world, key) }
}

fn looks_again_an_hour_late(world: World<'_>, key: &Key) -> Plan {
    let plan = plan(world, key);
    Plan { next_look: plan.next_look.map(|at| at + SignedDuration::from_hours(1)), ..plan }
}

fn knows_no_policy(world: World<'_>, key: &Key) -> Plan {
    let text = r#"{domains: [host.example], tenants: [{namespace: "*", hostAdmins: ["*@host.example"]}]}"#;
    let workspace = Workspace::parse(text).unwrap();
    plan(World { workspace: &workspace, ..world }, key)
}

fn releases_before_it_has_ended_anybody(world: World<'_>, key: &Key) -> Plan {
    let plan = without(world, key, |operation| operation.weight() == Weight::End);
    if plan.finalizer == Finalizer::Release { Plan { steps: Vec::new(), ..plan } } else { plan }
}

fn never_sets_its_finalizer(world: World<'_>, key: &Key) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Hold { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

fn never_removes_its_finalizer(world: World<'_>, key: &Key) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Release { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

fn sets_the_transition_time_each_time(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    if let Some(Status::Membership(status)) = &mut plan.status {
        for condition in &mut status.conditions {
            condition.last_transition_time = world.now.to_string();
        }
        status.account_count = status.account_count.map(|_| world.now.as_second());
    }
    plan
}

fn writes_the_next_generation(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    match &mut plan.status {
        Some(Status::Membership(status)) => status.observed_generation = status.observed_generation.map(|it| it + 1),
        Some(Status::Share(status)) => status.observed_generation = status.observed_generation.map(|it| it + 1),
        Some(Status::Partner(_)) | None => {}
    }
    plan
}

fn says_active_once_joined(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    if let Some(Status::Membership(status)) = &mut plan.status
        && status.state.as_deref() == Some("Joined")
    {
        status.state = Some("Active".to_owned());
    }
    plan
}

fn writes_no_status(world: World<'_>, key: &Key) -> Plan {
    Plan { status: None, ..plan(world, key) }
}

fn enables_a_login_of_an_administrator(world: World<'_>, key: &Key) -> Plan {
    let mut plan = plan(world, key);
    let disabled = world.observed.guests().find(|guest| {
        guest.is_live()
            && guest.login == Login::DisabledByOther
            && guest.mark.as_ref().is_some_and(|mark| *mark.name == *key.name && *mark.namespace == *key.namespace)
    });
    if let Some(guest) = disabled.filter(|_| plan.steps.is_empty()) {
        let operation = Operation::EnableLogin { guest: guest.id.clone() };
        plan.steps.push(Step { operation, reason: guestlist::rules::Reason::Reconciled, because: String::new() });
    }
    plan
}

macro_rules! executes {
    ($($name:ident: $pattern:pat => $then:expr;)+) => {
        $(fn $name(operation: &Operation) -> Option<Operation> {
            match operation.clone() {
                $pattern => $then,
                #[allow(unreachable_patterns, reason = "a bug may concern every operation")]
                other => Some(other),
            }
        })+
    };
}

executes! {
    withholds_all_but_the_last: Operation::Withhold { guest, mut accounts } => {
        accounts.pop();
        Some(Operation::Withhold { guest, accounts })
    };
    withholds_one_more: Operation::Withhold { guest, mut accounts } => {
        accounts.push("newsletter".to_owned());
        accounts.push("instagram".to_owned());
        accounts.push("tiktok".to_owned());
        Some(Operation::Withhold { guest, accounts })
    };
    lower_removes: Operation::Lower { guest, grants } => {
        Some(Operation::Withhold { guest, accounts: grants.into_iter().map(|grant| grant.account).collect() })
    };
    gives_only_the_first: Operation::Give { guest, mut grants } => {
        grants.truncate(1);
        Some(Operation::Give { guest, grants })
    };
    gives_without_methods: Operation::Give { guest, mut grants } => {
        for grant in &mut grants {
grant.asked = all_methods();
}
        Some(Operation::Give { guest, grants })
    };
    gives_collaborator: Operation::Give { guest, mut grants } => {
        for grant in &mut grants {
grant.role = ShareRole::Collaborator;
}
        Some(Operation::Give { guest, grants })
    };
    demote_is_forgotten: Operation::Demote { .. } => None;
    promote_demotes: Operation::Promote { guest } => Some(Operation::Demote { guest });
    deactivate_only_disables: Operation::Deactivate { guest } => Some(Operation::DisableLogin { guest });
    disable_deactivates: Operation::DisableLogin { guest } => Some(Operation::Deactivate { guest });
    invitation_never_ends: mut operation => {
        if let Operation::Admit { expires_at, .. } | Operation::Invite { expires_at, .. } = &mut operation {
            *expires_at = "2099-01-01T00:00:00Z".parse().unwrap();
        }
        Some(operation)
    };
    description_allows_every_method: Operation::DescribeGuest { guest, mark, partner, partner_name, display_name, .. } => {
        let allowed = MfaMethod::ALL.iter().copied().collect();
        Some(Operation::DescribeGuest { guest, mark, partner, partner_name, display_name, allowed })
    };
    description_forgets_the_name: Operation::DescribeGuest { guest, mark, partner, partner_name, allowed, .. } => {
        Some(Operation::DescribeGuest { guest, mark, partner, partner_name, display_name: String::new(), allowed })
    };
    partner_is_never_suspended: Operation::EnsurePartner { partner, mark, display_name, host_admins, .. } => {
        Some(Operation::EnsurePartner { partner, mark, display_name, host_admins, suspended: false })
    };
}

/// All bugs with their descriptions.
const BUGS: &[(&str, Bug)] = &[
    ("withholds nothing", Bug::Planner(withholds_nothing)),
    ("lowers nothing", Bug::Planner(lowers_nothing)),
    ("lowers by role only", Bug::Planner(lowers_by_role_only)),
    ("demotes nobody", Bug::Planner(demotes_nobody)),
    ("promotes nobody", Bug::Planner(promotes_nobody)),
    ("gives nothing", Bug::Planner(gives_nothing)),
    ("disables no login", Bug::Planner(disables_no_login)),
    ("enables no login", Bug::Planner(enables_no_login)),
    ("describes nobody", Bug::Planner(describes_nobody)),
    ("ends nobody", Bug::Planner(ends_nobody)),
    ("resets no MFA", Bug::Planner(resets_no_mfa)),
    ("gives without an end", Bug::Planner(gives_without_an_end)),
    ("gives for any allowed method", Bug::Planner(gives_for_any_allowed_method)),
    ("gives for any asked method", Bug::Planner(gives_for_any_asked_method)),
    ("gives Manager to Guest Admins", Bug::Planner(gives_manager_to_guest_admins)),
    ("admits Guest Admins only", Bug::Planner(admits_guest_admins_only)),
    ("gives before it revokes", Bug::Planner(gives_before_it_revokes)),
    ("ends an hour late", Bug::Planner(ends_an_hour_late)),
    ("ends an hour early", Bug::Planner(ends_an_hour_early)),
    ("looks again only when something happens", Bug::Planner(looks_again_only_when_something_happens)),
    ("looks again an hour late", Bug::Planner(looks_again_an_hour_late)),
    ("knows no policy", Bug::Planner(knows_no_policy)),
    ("releases before it has ended anybody", Bug::Planner(releases_before_it_has_ended_anybody)),
    ("never sets its finalizer", Bug::Planner(never_sets_its_finalizer)),
    ("never removes its finalizer", Bug::Planner(never_removes_its_finalizer)),
    ("sets the transition time each time", Bug::Planner(sets_the_transition_time_each_time)),
    ("writes the next generation", Bug::Planner(writes_the_next_generation)),
    ("says Active once joined", Bug::Planner(says_active_once_joined)),
    ("writes no status", Bug::Planner(writes_no_status)),
    ("enables a login of an administrator", Bug::Planner(enables_a_login_of_an_administrator)),
    ("withholds all but the last", Bug::Executor(withholds_all_but_the_last)),
    ("withholds one more", Bug::Executor(withholds_one_more)),
    ("lower removes", Bug::Executor(lower_removes)),
    ("gives only the first", Bug::Executor(gives_only_the_first)),
    ("gives without methods", Bug::Executor(gives_without_methods)),
    ("gives Collaborator", Bug::Executor(gives_collaborator)),
    ("demote is forgotten", Bug::Executor(demote_is_forgotten)),
    ("promote demotes", Bug::Executor(promote_demotes)),
    ("deactivate only disables", Bug::Executor(deactivate_only_disables)),
    ("disable deactivates", Bug::Executor(disable_deactivates)),
    ("invitation never ends", Bug::Executor(invitation_never_ends)),
    ("description allows every method", Bug::Executor(description_allows_every_method)),
    ("description forgets the name", Bug::Executor(description_forgets_the_name)),
    ("partner is never suspended", Bug::Executor(partner_is_never_suspended)),
    ("relist keeps gone objects", Bug::Store(StoreBug::RelistKeepsGoneObjects)),
    ("deletions are lost", Bug::Store(StoreBug::DeletionsAreLost)),
    ("answer is old", Bug::Store(StoreBug::AnswerIsOld)),
    ("term never ends", Bug::Store(StoreBug::TermNeverEnds)),
    ("directory changes are lost", Bug::Store(StoreBug::DirectoryChangesAreLost)),
];

/// The number of worlds within which a bug has to be caught.
const WORLDS: u64 = 12;

/// The first world that catches a bug, and its failure.
fn caught(bug: Bug) -> Option<(u64, String)> {
    (1..=WORLDS).find_map(|seed| {
        let panic = catch_unwind(AssertUnwindSafe(|| run_with(seed, Some(bug)))).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Some((seed, text.unwrap_or_default()))
    })
}

#[test]
fn random_worlds_catch_each_planted_bug() {
    let mut missed = Vec::new();
    for (name, bug) in BUGS {
        match caught(*bug) {
            Some((seed, how)) => {
                let how: String = how.chars().take(150).collect();
                println!("{name}: world {seed}, {how}");
            }
            None => missed.push(name),
        }
    }
    assert_eq!(missed, [] as [&&str; 0], "bugs that no world catches");
}
