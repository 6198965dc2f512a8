//! The law, read once more and on compact states: it shares nothing with the planner.

use super::setup::{Setup, Vary};
use super::state::{GUESTS, Guest, Mfa, Presence, Record, SHARES, State};

/// Whether a share lets a guest have its account, as what, and whether only as far as he has it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub manager: bool,
    /// Nobody can tell his MFA: he keeps what he has.
    pub keeps: bool,
}

/// What the specs give, whatever the guest has done so far.
fn by_spec(setup: &Setup, state: &State, who: usize, what: usize) -> Option<bool> {
    let (share, member) = (&state.declared.shares[what], &state.declared.members[who]);
    let home = setup.partner_of_share[what];
    let stands = share.presence == Presence::There
        && !share.spec.suspended
        && state.directory.owned[what]
        && gives(state, home)
        && member.presence == Presence::There
        && !member.spec.suspended
        && !member.spec.invalid
        && setup.partner_of_guest[who] == home
        && share.spec.exclude.map(usize::from) != Some(who);
    if !stands {
        return None;
    }
    if member.spec.admin {
        return Some(!share.spec.collaborator);
    }
    // Guest 1 is in every share's list, passed on by guest 0.
    let by = &state.declared.members[0];
    let passes = by.presence == Presence::There
        && by.spec.admin
        && !by.spec.invalid
        && setup.partner_of_guest[0] == home
        && share.spec.exclude != Some(0)
        && !share.spec.collaborator;
    (who == 1 && passes).then_some(false)
}

/// Whether a partner lets anything through. One that is deleted with `Block` does until it is empty.
fn gives(state: &State, which: usize) -> bool {
    let partner = &state.declared.partners[which];
    let there = match partner.presence {
        Presence::Absent => false,
        Presence::There => true,
        Presence::Leaving => !partner.spec.cascade,
    };
    there && !partner.spec.suspended
}

pub fn allowed(setup: &Setup, state: &State, who: usize, what: usize) -> Option<Allowed> {
    let guest = &state.directory.guests[who];
    let manager = by_spec(setup, state, who, what)?;
    let keeps = match guest.mfa {
        Mfa::Off | Mfa::UnknownLong => return None,
        Mfa::On => false,
        Mfa::Unknown => true,
    };
    (guest.record == Record::Live && guest.joined && !guest.blocked).then_some(Allowed { manager, keeps })
}

/// Whether a guest holds more of an account than the law gives him at this moment.
fn exceeds(setup: &Setup, state: &State, who: usize, what: usize) -> bool {
    let Some(held) = state.directory.guests[who].grants[what] else { return false };
    allowed(setup, state, who, what).is_none_or(|allowed| held.manager && !allowed.manager)
}

/// Whether a guest can use what he holds, as the directory's own gate says.
fn is_effective(guest: &Guest) -> bool {
    guest.record == Record::Live && guest.login && guest.joined && guest.mfa == Mfa::On
}

/// What is so in every state, whoever did what before. `Err`: what is not.
pub fn always(setup: &Setup, state: &State) -> Result<(), String> {
    for (who, guest) in state.directory.guests.iter().enumerate() {
        let held = || guest.grants.iter().enumerate().filter_map(|(what, held)| Some((what, (*held)?)));
        if guest.record != Record::Live && (held().next().is_some() || guest.login || guest.invited) {
            return Err(format!("guest {who} has gone and has something left"));
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

/// What an operation of the operator may do to a state. `seen`: he saw what was so.
pub fn step(setup: &Setup, before: &State, after: &State, seen: bool) -> Result<(), String> {
    for who in 0..GUESTS {
        let (old, new) = (before.directory.guests[who], after.directory.guests[who]);
        access(setup, before, after, who, seen)?;
        let member = &before.declared.members[who];
        let partner = setup.partner_of_guest[who];
        let in_order = member.presence == Presence::There && !member.spec.invalid && !member.spec.suspended;
        if new.record == Record::Live && old.record != Record::Live {
            if !in_order || before.declared.partners[partner].presence != Presence::There || !gives(before, partner) {
                return Err(format!("guest {who} is accepted though something stands in the way"));
            }
            if new.joined {
                return Err(format!("guest {who} comes back as if he had never left"));
            }
        } else if new.invited && !old.invited && (!in_order || !gives(before, partner) || old.joined || old.blocked) {
            // Revoked while something stood in the way; not otherwise, or people get mail for nothing.
            return Err(format!("guest {who} is invited once more though something stands in the way"));
        }
        if old.record == Record::Live && new.record != Record::Live {
            let orphan =
                member.presence == Presence::Absent && before.declared.partners[partner].presence == Presence::Leaving;
            if seen && member.presence != Presence::Leaving && !orphan {
                return Err(format!("guest {who} is ended and nobody deleted his membership"));
            }
            if new.record == Record::None {
                return Err(format!("guest {who} is destroyed before he is deactivated"));
            }
        }
        if old.blocked && new.login {
            return Err(format!("the login of guest {who} is enabled though an administrator disabled it"));
        }
        let off = old.login && !new.login;
        let partner = &before.declared.partners[partner];
        let ends = partner.spec.suspended || partner.presence != Presence::There || !in_order;
        if off && seen && !ends {
            return Err(format!("the login of guest {who} is turned off for no reason"));
        }
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
            (Some(had), Some(has)) => has.manager && !had.manager || has.mine && !had.mine,
        };
        if more {
            let fits = allowed.is_some_and(|it| !it.keeps && (it.manager || has.is_some_and(|has| !has.manager)));
            if !fits {
                return Err(format!("guest {who} is given {what}, which the law does not give him"));
            }
            let excess = is_effective(&old) && (0..SHARES).any(|other| exceeds(setup, before, who, other));
            if excess {
                return Err(format!("guest {who} is given {what} before what he must not have is taken away"));
            }
        }
        // Also through a share that is gone, where it was made anew under its name: a restore takes nothing away.
        let entitled = had.is_some() && allowed.is_some();
        if entitled && has.is_none() && seen {
            return Err(format!("guest {who} loses {what}, which the law gives him"));
        }
    }
    Ok(())
}

/// What is so when the operator has nothing left to do.
pub fn at_rest(setup: &Setup, state: &State) -> Result<(), String> {
    for who in 0..GUESTS {
        for what in 0..SHARES {
            let held = state.directory.guests[who].grants[what];
            match allowed(setup, state, who, what) {
                _ if exceeds(setup, state, who, what) => {
                    return Err(format!("at rest guest {who} holds {what}, which the law does not give him"));
                }
                Some(allowed)
                    if !allowed.keeps && held.is_none_or(|held| held.manager != allowed.manager || !held.mine) =>
                {
                    return Err(format!("at rest guest {who} does not have {what} as the law says"));
                }
                Some(_) | None => {}
            }
        }
        record(setup, state, who)?;
    }
    if state.declared.shares.iter().any(|share| share.presence == Presence::Leaving) {
        return Err("at rest a share is still being deleted".to_owned());
    }
    for (which, partner) in state.declared.partners.iter().enumerate() {
        let members = (0..GUESTS).any(|who| {
            setup.partner_of_guest[who] == which && state.declared.members[who].presence != Presence::Absent
        });
        let shares = (0..SHARES).any(|what| {
            setup.partner_of_share[what] == which && state.declared.shares[what].presence != Presence::Absent
        });
        let blocked = !partner.spec.cascade && (members || shares);
        if partner.presence == Presence::Leaving && !blocked {
            return Err(format!("at rest partner {which} is still being deleted"));
        }
    }
    Ok(())
}

fn record(setup: &Setup, state: &State, who: usize) -> Result<(), String> {
    let (guest, member) = (&state.directory.guests[who], &state.declared.members[who]);
    let which = setup.partner_of_guest[who];
    let partner = state.declared.partners[which];
    let open = partner.presence == Presence::There && !partner.spec.suspended;
    let spec = member.spec;
    match member.presence {
        Presence::Leaving => Err(format!("at rest membership {who} is still being deleted")),
        Presence::Absent if guest.record == Record::Live && guest.invited => {
            Err(format!("at rest guest {who} has no membership and an invitation"))
        }
        Presence::Absent if guest.record == Record::Live && !setup.varies(Vary::Vanish) => {
            Err(format!("at rest guest {who} has no membership and was not ended"))
        }
        Presence::There if open && !spec.invalid && !spec.suspended => {
            let fits = guest.record == Record::Live
                && guest.mine
                && (guest.login || guest.blocked)
                && guest.admin == spec.admin;
            if fits { Ok(()) } else { Err(format!("at rest guest {who} is not as his membership says")) }
        }
        Presence::There if spec.suspended && guest.login => {
            Err(format!("at rest guest {who} is suspended and may log in"))
        }
        Presence::There if spec.invalid && guest.invited => {
            Err(format!("at rest guest {who} breaks a rule and is invited"))
        }
        Presence::Absent | Presence::There => Ok(()),
    }
}
