//! Planners with one bug each.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{
    AccessChange, DirectoryCache, GuestChange, GuestRecord, Login, MfaRecord, NewGuest, Operation, Origin,
};
use guestlist::domain::{Email, GuestRole, MfaMethod, Reason, ShareRole, all_methods};
use guestlist::plan::{Finalizer, Inputs, Plan, Status, Step, plan};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};

fn without(world: Inputs<'_>, key: &ObjectRef, drop: impl Fn(&Operation) -> bool) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.retain(|step| !drop(&step.operation));
    plan
}

fn changed(world: Inputs<'_>, key: &ObjectRef, change: impl Fn(&mut Operation)) -> Plan {
    let mut plan = plan(world, key);
    for step in &mut plan.steps {
        change(&mut step.operation);
    }
    plan
}

macro_rules! drops {
    ($($name:ident: $change:ident;)+) => {
        $(pub fn $name(world: Inputs<'_>, key: &ObjectRef) -> Plan {
            without(world, key, |operation| matches!(operation, Operation::Guest { change: GuestChange::$change { .. }, .. }))
        })+
    };
}

drops! {
    withholds_nothing: Revoke;
    lowers_nothing: Reduce;
    demotes_nobody: Demote;
    promotes_nobody: Promote;
    gives_nothing: Grant;
    disables_no_login: DisableLogin;
    enables_no_login: EnableLogin;
    describes_nobody: Update;
    ends_nobody: Deactivate;
    resets_no_mfa: ResetMfa;
}

/// Compares only the role, not the methods and the end.
pub fn lowers_by_role_only(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let held = |account: &str, role: ShareRole| {
        let mut guests = world.observed.guests();
        guests.any(|guest| guest.grants.get(account).is_some_and(|held| held.grant.role == role))
    };
    without(world, key, |operation| match operation {
        Operation::Guest { change: GuestChange::Reduce { grants }, .. } => {
            grants.iter().all(|grant| held(&grant.account, grant.role))
        }
        _ => false,
    })
}

pub fn gives_without_an_end(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    changed(world, key, |operation| {
        if let Operation::Guest { change: GuestChange::Grant { grants } | GuestChange::Reduce { grants }, .. } =
            operation
        {
            for grant in grants.iter_mut() {
                grant.until = None;
            }
        }
    })
}

pub fn gives_for_any_allowed_method(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    changed(world, key, |operation| {
        if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = operation {
            for grant in grants.iter_mut() {
                grant.allowed = all_methods();
            }
        }
    })
}

pub fn gives_for_any_asked_method(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    changed(world, key, |operation| {
        if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = operation {
            for grant in grants.iter_mut() {
                grant.asked = all_methods();
            }
        }
    })
}

pub fn gives_manager_to_guest_admins(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let admin = world.declared.membership(&key.namespace, &key.name).and_then(|slot| slot.read());
    let admin = admin.is_some_and(|entry| entry.reading.terms.role == GuestRole::GuestAdmin);
    changed(world, key, |operation| {
        if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = operation {
            for grant in grants.iter_mut().filter(|_| admin) {
                grant.role = ShareRole::Manager;
            }
        }
    })
}

pub fn admits_guest_admins_only(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = changed(world, key, |operation| {
        if let Operation::Guest { change: GuestChange::Invite(NewGuest { role, .. }), .. } = operation {
            *role = GuestRole::GuestAdmin;
        }
    });
    let steps = plan
        .steps
        .into_iter()
        .filter(|step| !matches!(step.operation, Operation::Guest { change: GuestChange::Demote, .. }))
        .collect();
    Plan { steps, ..plan }
}

pub fn gives_before_it_revokes(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    plan.steps.sort_by_key(|step| step.operation.access_change() != AccessChange::Grant);
    plan
}

pub fn ends_an_hour_late(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    plan(Inputs { now: world.now - SignedDuration::from_hours(1), ..world }, key)
}

pub fn ends_an_hour_early(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    plan(Inputs { now: world.now + SignedDuration::from_hours(1), ..world }, key)
}

pub fn looks_again_only_when_something_happens(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    Plan { next_check: None, ..plan(world, key) }
}

pub fn looks_again_an_hour_late(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = plan(world, key);
    Plan { next_check: plan.next_check.map(|at| at + SignedDuration::from_hours(1)), ..plan }
}

pub fn knows_no_policy(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let text = r#"{domains: [host.example], tenants: [{namespace: "*", hostAdmins: ["*@host.example"]}]}"#;
    let workspace = WorkspacePolicy::parse(text).unwrap();
    plan(Inputs { workspace: &workspace, ..world }, key)
}

pub fn releases_before_it_has_ended_anybody(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = without(world, key, |operation| operation.access_change() == AccessChange::Remove);
    if plan.finalizer == Finalizer::Release { Plan { steps: Vec::new(), ..plan } } else { plan }
}

pub fn never_sets_its_finalizer(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Hold { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

pub fn never_removes_its_finalizer(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let plan = plan(world, key);
    let finalizer = if plan.finalizer == Finalizer::Release { Finalizer::Leave } else { plan.finalizer };
    Plan { finalizer, ..plan }
}

pub fn sets_the_transition_time_each_time(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    if let Some(Status::Membership(status)) = &mut plan.status {
        for condition in &mut status.conditions {
            condition.last_transition_time = world.now.to_string();
        }
        status.account_count = status.account_count.map(|_| world.now.as_second());
    }
    plan
}

pub fn writes_the_next_generation(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    match &mut plan.status {
        Some(Status::Membership(status)) => status.observed_generation = status.observed_generation.map(|it| it + 1),
        Some(Status::Share(status)) => status.observed_generation = status.observed_generation.map(|it| it + 1),
        Some(Status::Partner(_)) | None => {}
    }
    plan
}

pub fn says_active_once_joined(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    if let Some(Status::Membership(status)) = &mut plan.status
        && status.state.as_deref() == Some("Joined")
    {
        status.state = Some("Active".to_owned());
    }
    plan
}

pub fn writes_no_status(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    Plan { status: None, ..plan(world, key) }
}

pub fn enables_a_login_of_an_administrator(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    let disabled = world.observed.guests().find(|guest| {
        guest.is_live()
            && guest.login == Login::DisabledByOther
            && guest.mark.as_ref().is_some_and(|mark| *mark.name == *key.name && *mark.namespace == *key.namespace)
    });
    if let Some(guest) = disabled.filter(|_| plan.steps.is_empty()) {
        let operation = Operation::Guest { id: guest.id.clone(), change: GuestChange::EnableLogin };
        plan.steps.push(Step { operation, reason: Reason::Reconciled, message: String::new() });
    }
    plan
}

/// Plans on other records than the present ones.
fn believes(world: Inputs<'_>, key: &ObjectRef, other: impl Fn(&mut GuestRecord)) -> Plan {
    let mut directory_cache: DirectoryCache = world.observed.clone();
    for guest in world.observed.guests() {
        let mut believed = guest.clone();
        other(&mut believed);
        directory_cache.set_guest(&guest.address, Some(believed));
    }
    plan(Inputs { observed: &directory_cache, ..world }, key)
}

pub fn takes_unknown_mfa_for_off(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    believes(world, key, |guest| {
        if guest.mfa == MfaRecord::Unknown {
            guest.mfa = MfaRecord::Known([].into());
        }
    })
}

pub fn takes_unknown_mfa_for_on(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    believes(world, key, |guest| {
        if guest.mfa == MfaRecord::Unknown {
            let since = Timestamp::UNIX_EPOCH;
            guest.mfa = MfaRecord::Known([(MfaMethod::TOTP, since), (MfaMethod::WebAuthn, since)].into());
        }
    })
}

pub fn takes_adopted_users_for_made_ones(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    believes(world, key, |guest| {
        if let Some(mark) = &mut guest.mark {
            mark.origin = Origin::Created;
        }
    })
}

pub fn adopts_whatever_the_policy_says(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let text =
        r#"{domains: [host.example], tenants: [{namespace: "*", hostAdmins: ["*@host.example"], adoption: true}]}"#;
    let workspace = WorkspacePolicy::parse(text).unwrap();
    let adopting = plan(Inputs { workspace: &workspace, ..world }, key);
    let adopts = |step: &Step| matches!(&step.operation, Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } if mark.origin == Origin::Adopted);
    if adopting.steps.iter().any(adopts) { adopting } else { plan(world, key) }
}

/// The live guests of a membership's partner, without its own guest.
fn neighbours<'w>(world: Inputs<'w>, key: &ObjectRef) -> Vec<&'w GuestRecord> {
    let entry = world.declared.membership(&key.namespace, &key.name).and_then(|slot| slot.read());
    let Some(terms) = entry.map(|entry| &entry.reading.terms) else { return Vec::new() };
    let theirs = |guest: &&GuestRecord| {
        let here = guest.mark.as_ref().is_some_and(|mark| *mark.namespace == *key.namespace);
        here && guest.is_live() && guest.partner_name == terms.partner && Some(&guest.address) != terms.email.as_ref()
    };
    world.observed.guests().filter(theirs).collect()
}

pub fn admits_one_guest_too_many(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut directory_cache: DirectoryCache = world.observed.clone();
    if let (Kind::Membership, Some(guest)) = (key.kind, neighbours(world, key).first()) {
        directory_cache.set_guest(&guest.address, None);
    }
    let more = plan(Inputs { observed: &directory_cache, ..world }, key);
    let admits =
        more.steps.iter().any(|step| matches!(step.operation, Operation::Guest { change: GuestChange::Invite(_), .. }));
    if admits { more } else { plan(world, key) }
}

pub fn admits_one_guest_too_few(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut directory_cache: DirectoryCache = world.observed.clone();
    if let (Kind::Membership, Some(guest)) = (key.kind, neighbours(world, key).first()) {
        let mut another = (*guest).clone();
        "another".clone_into(&mut another.id.0);
        another.address = Email::parse("another@acme.example").unwrap();
        if let Some(mark) = &mut another.mark {
            "another".clone_into(&mut mark.uid);
        }
        directory_cache.set_guest(&another.address.clone(), Some(another));
    }
    let admits = |plan: &Plan| {
        plan.steps.iter().any(|step| matches!(step.operation, Operation::Guest { change: GuestChange::Invite(_), .. }))
    };
    let right = plan(world, key);
    if admits(&right) { plan(Inputs { observed: &directory_cache, ..world }, key) } else { right }
}

pub fn enables_the_login_of_a_paused_membership(world: Inputs<'_>, key: &ObjectRef) -> Plan {
    let mut plan = plan(world, key);
    let entry = world.declared.membership(&key.namespace, &key.name).and_then(|slot| slot.read());
    let Some(entry) = entry.filter(|_| key.kind == Kind::Membership && plan.steps.is_empty()) else { return plan };
    let paused = entry.metadata.annotations.get("guestlist.dev/paused").is_some_and(|value| value == "true");
    let record = entry.metadata.uid.as_deref().and_then(|uid| world.observed.live_by_uid(uid));
    if let Some(record) = record.filter(|record| paused && record.login == Login::DisabledByGuestlist) {
        let operation = Operation::Guest { id: record.id.clone(), change: GuestChange::EnableLogin };
        plan.steps.push(Step { operation, reason: Reason::Reconciled, message: String::new() });
    }
    plan
}
