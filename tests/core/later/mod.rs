//! A later grant appears as soon as its conditions are met, and no other grant does. In generated environments, the
//! test makes each condition true in a directory and runs a real session on it.
mod conditions;
mod copied;
mod edited;
mod environment;
mod generate;
mod pruned;

use std::collections::BTreeSet;

use environment::{Environment, Held};
use generate::{Dice, world};
use guestlist::domain::{Email, MfaMethod};
use guestlist::plan::later::{Fact, LaterGrant};

/// Makes one condition true, with its prerequisites.
fn play(environment: &mut Environment, fact: &Fact) {
    match fact {
        Fact::Accepts { guest, .. } => environment.accepts(guest),
        Fact::EnrolsMfa { guest, one_of } => {
            for methods in one_of {
                environment.enrols(guest, *methods.iter().next().expect("no method would count"));
            }
        }
        Fact::InviterActive { inviter, partner } => environment.becomes_active(inviter, partner),
        Fact::HostAdminFound { any_of } => environment.user(&any_of[0]),
        Fact::AccountFound { account, owner } | Fact::OwnsAccount { account, owner } => {
            environment.owns(account, owner);
        }
        Fact::PartnerDeclared { name, .. } => environment.declare_partner(name),
        Fact::PropagatorDeclared { name, partner, .. } => environment.declare_guest_admin(name, None, partner),
        Fact::MailIntervalPassed { at, .. } | Fact::InvitationAllowed { at, .. } => {
            environment.now = environment.now.max(*at);
        }
        Fact::AddressRestored { .. } | Fact::LoginEnabled { .. } => panic!("the embedded directory has no {fact}"),
    }
    environment.apply();
}

fn held(later: &LaterGrant) -> Held {
    let grant = &later.grant;
    (later.guest.clone(), grant.account.clone(), grant.role, grant.share.clone())
}

#[test]
fn each_later_grant_appears_once_its_own_conditions_are_met() {
    let mut played = 0;
    for seed in 1..=60 {
        let mut environment = world(&mut Dice(seed));
        let later = environment.apply().later;
        for one in &later {
            let mut alone = environment.copy();
            assert!(!alone.held().contains(&held(one)), "seed {seed}: {one:?} is held already");
            for condition in &one.conditions {
                assert!(!alone.held().contains(&held(one)), "seed {seed}: {one:?} does not need {condition:?}");
                play(&mut alone, &condition.fact);
            }
            assert!(alone.held().contains(&held(one)), "seed {seed}: {one:#?} did not follow: {}", alone.lines());
            played += 1;
        }
    }
    assert!(played > 50, "only {played} later grants were played");
}

#[test]
fn unlisted_grant_never_appears() {
    let (mut appeared, mut complete) = (0, 0);
    for seed in 1..=40 {
        let mut dice = Dice(seed);
        let mut environment = world(&mut dice);
        let listed: BTreeSet<Held> = environment.apply().later.iter().map(held).collect();
        let before = environment.held();
        let guests = environment.guests();
        let sure = !environment.is_contended();
        let mut events = environment.events();
        let mut rounds = 0;
        while !events.is_empty() {
            let event = events.remove(dice.roll(events.len()));
            event(&mut environment);
            if dice.roll(3) > 0 && !events.is_empty() {
                continue;
            }
            environment.apply();
            for new in environment.held().difference(&before) {
                let ours = guests.contains(&new.0);
                assert!(
                    !ours || listed.contains(new),
                    "seed {seed}: {new:?} was not listed: {listed:?}{}",
                    environment.lines()
                );
            }
            let waits = sure && !environment.held().is_superset(&listed);
            if events.is_empty() && rounds < 6 && (waits || rounds < 2) {
                rounds += 1;
                events = environment.events();
            }
        }
        let after = environment.held();
        appeared += after.difference(&before).count();
        if sure {
            complete += 1;
            let missing: Vec<&Held> = listed.difference(&after).collect();
            assert!(missing.is_empty(), "seed {seed}: {missing:?} never came: {}", environment.lines());
        }
    }
    assert!(appeared > 50 && complete > 10, "{appeared} grants appeared, {complete} worlds were played to the end");
}

/// Enrols every method, so that each share's required method is included.
fn all_methods(environment: &mut Environment, guest: &Email) {
    for method in MfaMethod::ALL {
        environment.enrols(guest, *method);
    }
}
