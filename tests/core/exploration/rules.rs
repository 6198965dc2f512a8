//! A second implementation of the access rules, on compact states. It shares no code with the planner.

use super::setup::{Setup, Vary};
use super::state::{GUESTS, Guest, Held, Methods, Mfa, Override, Pin, Presence, Record, SHARES, State};

/// Access to an account that the rules grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    pub manager: bool,
    pub allowed: Methods,
    pub asked: Methods,
    pub ends: bool,
    /// Nothing new is granted, and nothing is revoked: MFA is unknown, or an object is paused.
    pub keeps: bool,
}

/// Whether an object is at its end.
fn is_over(state: &State, ends: bool) -> bool {
    ends && state.late
}

/// The methods that a membership allows. `None`: it names methods that its partner does not allow.
fn methods_of(setup: &Setup, state: &State, who: usize) -> Option<Methods> {
    let partner = state.declared.partners[setup.home(&state.declared, who)].spec.methods;
    narrowed(state.declared.members[who].spec.methods, partner)
}

fn narrowed(methods: Methods, partner: Methods) -> Option<Methods> {
    if methods == Methods::Any { Some(partner) } else { methods.is_within(partner).then_some(methods) }
}

/// Whether a membership breaks a rule. The partner of a guest never changes. Users of the workspace become guests only
/// if the partner adopts them.
fn breaks_a_rule(setup: &Setup, state: &State, who: usize) -> bool {
    let spec = state.declared.members[who].spec;
    let live = state.directory.guests[who].record == Record::Live;
    let adopts = state.declared.partners[setup.home(&state.declared, who)].spec.adopts;
    let refused = if live { spec.moved } else { setup.adopted[who] && !adopts };
    spec.invalid || refused || methods_of(setup, state, who).is_none()
}

/// Whether a membership is in order: it exists, breaks no rule, and is neither suspended nor ended.
fn is_in_order(setup: &Setup, state: &State, who: usize) -> bool {
    let member = &state.declared.members[who];
    member.presence == Presence::There
        && !breaks_a_rule(setup, state, who)
        && !member.spec.suspended
        && !is_over(state, member.spec.ends)
}

/// Whether the operator only revokes access and does nothing else.
fn is_paused(setup: &Setup, state: &State, who: usize) -> bool {
    state.declared.members[who].paused || state.declared.partners[setup.home(&state.declared, who)].paused
}

/// Whether a share makes a Guest Admin its Manager. `None`: the entry of the guest is wrong.
fn manages(state: &State, who: usize, what: usize) -> Option<bool> {
    let spec = state.declared.shares[what].spec;
    match spec.role {
        Override::None => Some(!spec.collaborator),
        _ if who != 0 => Some(!spec.collaborator),
        Override::Manager => Some(true),
        Override::Collaborator => Some(false),
        Override::Differs => None,
    }
}

/// Access that the specs grant, regardless of the guest's acts so far.
fn by_spec(setup: &Setup, state: &State, who: usize, what: usize) -> Option<Right> {
    let (share, member) = (&state.declared.shares[what], &state.declared.members[who]);
    let home = setup.partner_of_share[what];
    let partner = &state.declared.partners[home];
    let allowed = methods_of(setup, state, who)?;
    let asked = narrowed(share.spec.methods, partner.spec.methods)?;
    let stands = share.presence == Presence::There
        && !share.spec.suspended
        && !is_over(state, share.spec.ends)
        && state.directory.owned[what]
        && gives(state, home)
        && is_in_order(setup, state, who)
        && setup.home(&state.declared, who) == home
        && share.spec.exclude.map(usize::from) != Some(who);
    if !stands {
        return None;
    }
    let manager = if member.spec.admin {
        manages(state, who, what)?
    } else {
        // Guest 1 is in the list of every share, propagated by guest 0.
        let by = &state.declared.members[0];
        let propagates = by.presence == Presence::There
            && by.spec.admin
            && !breaks_a_rule(setup, state, 0)
            && setup.home(&state.declared, 0) == home
            && share.spec.exclude != Some(0)
            && manages(state, 0, what) == Some(true);
        if who != 1 || !propagates || share.spec.pin == Pin::Differs {
            return None;
        }
        false
    };
    let ends = share.spec.ends || member.spec.ends || partner.spec.ends;
    Some(Right { manager, allowed, asked, ends, keeps: share.paused || is_paused(setup, state, who) })
}

/// Whether a partner grants anything. A partner that is deleted with `Block` does until it is empty.
fn gives(state: &State, which: usize) -> bool {
    let partner = &state.declared.partners[which];
    let there = match partner.presence {
        Presence::Absent => false,
        Presence::There => true,
        Presence::Leaving => !partner.spec.cascade,
    };
    there && !partner.spec.suspended && !is_over(state, partner.spec.ends)
}

fn has_one_of(mfa: Mfa, methods: Methods) -> bool {
    match mfa {
        Mfa::On => methods.has_totp(),
        Mfa::Both => true,
        Mfa::Off | Mfa::Unknown | Mfa::UnknownLong => false,
    }
}

fn has_both(mfa: Mfa, allowed: Methods, asked: Methods) -> bool {
    has_one_of(mfa, allowed) && has_one_of(mfa, asked)
}

pub fn allowed(setup: &Setup, state: &State, who: usize, what: usize) -> Option<Right> {
    let guest = &state.directory.guests[who];
    let said = by_spec(setup, state, who, what)?;
    let unknown = guest.mfa == Mfa::Unknown;
    let has_mfa = unknown || has_both(guest.mfa, said.allowed, said.asked);
    let stands = guest.record == Record::Live && guest.joined && !guest.blocked && has_mfa;
    stands.then_some(Right { keeps: said.keeps || unknown, ..said })
}

/// Whether a grant allows no more than the rules do.
fn is_within(held: Held, allowed: Right) -> bool {
    (allowed.manager || !held.manager)
        && held.allowed.is_within(allowed.allowed)
        && held.asked.is_within(allowed.asked)
        && (held.ends || !allowed.ends)
}

/// Whether a guest holds more of an account than the rules grant at this moment.
fn exceeds(setup: &Setup, state: &State, who: usize, what: usize) -> bool {
    let Some(held) = state.directory.guests[who].grants[what] else { return false };
    allowed(setup, state, who, what).is_none_or(|allowed| !is_within(held, allowed))
}

/// Whether a guest can use a grant, as the directory itself decides.
fn is_effective(state: &State, guest: &Guest, held: Held) -> bool {
    guest.record == Record::Live
        && guest.login
        && guest.joined
        && has_both(guest.mfa, held.allowed, held.asked)
        && !is_over(state, held.ends)
}

/// The invariants of every state, regardless of its history. `Err`: the broken invariant.
pub fn always(setup: &Setup, state: &State) -> Result<(), String> {
    for (who, guest) in state.directory.guests.iter().enumerate() {
        let held = || guest.grants.iter().enumerate().filter_map(|(what, held)| Some((what, (*held)?)));
        if guest.record != Record::Live && (held().next().is_some() || guest.login || guest.invited) {
            return Err(format!("guest {who} has gone and has something left"));
        }
        if guest.record != Record::None && guest.adopted != setup.adopted[who] {
            return Err(format!("guest {who} has a record of the wrong origin"));
        }
        if setup.varies(Vary::Drift) {
            continue;
        }
        if held().any(|(_, held)| held.manager && !guest.admin) {
            return Err(format!("guest {who} is Guest User and Manager"));
        }
        if held().next().is_some() && !guest.joined {
            return Err(format!("guest {who} holds something and has not joined"));
        }
        for (what, _) in held() {
            if setup.partner_of_guest[who] != setup.partner_of_share[what] {
                return Err(format!("guest {who} holds {what} of another partner"));
            }
        }
    }
    Ok(())
}

/// The limits of one operation of the operator. `seen`: the operator has seen the present state.
pub fn step(setup: &Setup, before: &State, after: &State, seen: bool) -> Result<(), String> {
    for who in 0..GUESTS {
        access(setup, before, after, who, seen)?;
        record_step(setup, before, after, who, seen)?;
    }
    Ok(())
}

fn record_step(setup: &Setup, before: &State, after: &State, who: usize, seen: bool) -> Result<(), String> {
    let (old, new) = (before.directory.guests[who], after.directory.guests[who]);
    let member = &before.declared.members[who];
    let home = setup.home(&before.declared, who);
    let partner = &before.declared.partners[home];
    let paused = is_paused(setup, before, who);
    let open = is_in_order(setup, before, who) && gives(before, home) && !paused;
    if new.record == Record::Live && old.record != Record::Live {
        if !open || partner.presence != Presence::There {
            return Err(format!("guest {who} is accepted though something stands in the way"));
        }
        if new.joined {
            return Err(format!("guest {who} comes back as joined"));
        }
    } else if new.invited && !old.invited && (!open || old.joined || old.blocked) {
        // The invitation is revoked while an obstacle exists, and not otherwise, so that people get no needless mail.
        return Err(format!("guest {who} is invited once more though something stands in the way"));
    }
    if old.record == Record::Live && new.record != Record::Live {
        let orphan = member.presence == Presence::Absent && partner.presence == Presence::Leaving;
        if seen && member.presence != Presence::Leaving && !orphan {
            return Err(format!("the record of guest {who} ends and the membership was not deleted"));
        }
        if new.record == Record::Deactivated && old.adopted {
            return Err(format!("guest {who} was adopted and is deactivated"));
        }
        if new.record == Record::None && !old.adopted {
            return Err(format!("guest {who} is purged before the deactivation"));
        }
        return Ok(());
    }
    if old.record == Record::Deactivated && new.record == Record::None && paused {
        return Err(format!("guest {who} is purged during a pause"));
    }
    let raised = new.admin && !old.admin || new.login && !old.login || new.allowed != old.allowed;
    if old.record == Record::Live && paused && raised {
        return Err(format!("the record of guest {who} changes during a pause"));
    }
    if old.blocked && new.login {
        return Err(format!("the login of guest {who} is enabled though an administrator disabled it"));
    }
    let ends = partner.spec.suspended
        || partner.presence != Presence::There
        || is_over(before, partner.spec.ends)
        || !is_in_order(setup, before, who);
    let off = old.login && !new.login;
    if off && (seen && !ends || old.adopted) {
        return Err(format!("the login of guest {who} is turned off for no reason"));
    }
    Ok(())
}

fn access(setup: &Setup, before: &State, after: &State, who: usize, seen: bool) -> Result<(), String> {
    let (old, new) = (before.directory.guests[who], after.directory.guests[who]);
    for what in 0..SHARES {
        let allowed = allowed(setup, before, who, what);
        let (had, has) = (old.grants[what], new.grants[what]);
        let more = match (had, has) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(had), Some(has)) => is_more(had, has),
        };
        if more {
            let fits = allowed.is_some_and(|it| !it.keeps && has.is_some_and(|has| is_within(has, it)));
            if !fits {
                return Err(format!("guest {who} is given {what}, which the rules do not give"));
            }
            let is_used = |other: usize| old.grants[other].is_some_and(|held| is_effective(before, &old, held));
            if (0..SHARES).any(|other| is_used(other) && exceeds(setup, before, who, other)) {
                return Err(format!("guest {who} is given {what} before excess access is revoked"));
            }
        }
        // This includes a deleted share that was created again with the same name: a restore revokes nothing.
        let kept = had.zip(allowed).is_some_and(|(had, allowed)| {
            common(had, allowed).is_some_and(|part| has.is_none_or(|has| is_more(has, part)))
        });
        if kept && seen {
            return Err(format!("guest {who} loses {what}, which the rules give"));
        }
    }
    Ok(())
}

/// Whether a grant allows more than before.
fn is_more(had: Held, has: Held) -> bool {
    has.manager && !had.manager
        || has.mine && !had.mine
        || !has.allowed.is_within(had.allowed)
        || !has.asked.is_within(had.asked)
        || had.ends && !has.ends
}

/// The part of a grant that the rules also grant. `None`: they have no method in common, so the grant is revoked first.
fn common(had: Held, allowed: Right) -> Option<Held> {
    Some(Held {
        manager: had.manager && allowed.manager,
        mine: had.mine,
        allowed: had.allowed.meet(allowed.allowed)?,
        asked: had.asked.meet(allowed.asked)?,
        ends: had.ends || allowed.ends,
    })
}

/// The invariants of a converged state.
pub fn at_rest(setup: &Setup, state: &State) -> Result<(), String> {
    for who in 0..GUESTS {
        for what in 0..SHARES {
            let held = state.directory.guests[who].grants[what];
            if exceeds(setup, state, who, what) {
                return Err(format!("at rest guest {who} holds {what}, which the rules do not give"));
            }
            let Some(allowed) = allowed(setup, state, who, what).filter(|allowed| !allowed.keeps) else { continue };
            let Right { manager, allowed, asked, ends, .. } = allowed;
            if held != Some(Held { manager, mine: true, allowed, asked, ends }) {
                return Err(format!("at rest guest {who} does not have {what} as the rules say"));
            }
        }
        record(setup, state, who)?;
    }
    if state.declared.shares.iter().any(|share| share.presence == Presence::Leaving) {
        return Err("at rest a share is still being deleted".to_owned());
    }
    for (which, partner) in state.declared.partners.iter().enumerate() {
        let members = (0..GUESTS).any(|who| {
            setup.home(&state.declared, who) == which && state.declared.members[who].presence != Presence::Absent
        });
        let shares = (0..SHARES).any(|what| {
            setup.partner_of_share[what] == which && state.declared.shares[what].presence != Presence::Absent
        });
        let blocked = !partner.spec.cascade && (members || shares);
        if partner.presence == Presence::Leaving && !blocked {
            return Err(format!("at rest partner {which} is still being deleted"));
        }
        let expected = if gives(state, which) { Record::Live } else { Record::Suspended };
        let (record, mine) = state.directory.partners[which];
        let described = record == expected && mine;
        if partner.presence == Presence::There && !partner.paused && !described {
            return Err(format!("at rest the record of partner {which} is {record:?}, not {expected:?}"));
        }
    }
    Ok(())
}

fn record(setup: &Setup, state: &State, who: usize) -> Result<(), String> {
    let (guest, member) = (&state.directory.guests[who], &state.declared.members[who]);
    let home = setup.home(&state.declared, who);
    let partner = &state.declared.partners[home];
    let live = guest.record == Record::Live;
    match member.presence {
        Presence::Leaving => return Err(format!("at rest membership {who} is still being deleted")),
        Presence::Absent if live && guest.invited => {
            return Err(format!("at rest guest {who} has no membership and an invitation"));
        }
        Presence::Absent if live && !setup.varies(Vary::Vanish) => {
            return Err(format!("at rest guest {who} has no membership and was not ended"));
        }
        Presence::Absent => return Ok(()),
        Presence::There => {}
    }
    let spec = member.spec;
    if live && guest.adopted && !guest.login {
        return Err(format!("at rest guest {who} was adopted and may not log in"));
    }
    let shut =
        spec.suspended || is_over(state, spec.ends) || partner.spec.suspended || is_over(state, partner.spec.ends);
    if live && !guest.adopted && guest.login && shut && partner.presence != Presence::Absent {
        return Err(format!("at rest guest {who} is suspended or at the end and may log in"));
    }
    if breaks_a_rule(setup, state, who) && guest.invited {
        return Err(format!("at rest guest {who} breaks a rule and is invited"));
    }
    let open = partner.presence == Presence::There && gives(state, home) && !is_paused(setup, state, who);
    if !open || !is_in_order(setup, state, who) {
        return Ok(());
    }
    let fits = live
        && guest.mine
        && (guest.login || guest.blocked)
        && guest.admin == spec.admin
        && Some(guest.allowed) == methods_of(setup, state, who);
    if fits { Ok(()) } else { Err(format!("at rest guest {who} is not as the membership says")) }
}
