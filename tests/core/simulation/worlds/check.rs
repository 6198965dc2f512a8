//! The checks of each operation.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{AccessChange, GuestChange, GuestRecord, NewGuest, Operation, Origin, Snapshot};
use jiff::SignedDuration;

use super::super::driver::{Running, Sim};
use super::{promise, unknown_mfa, view};
use crate::support::worlds::reference::{self, View};

/// Checks an operation before the directory accepts or refuses it.
pub fn is_tried(sim: &Sim, operation: &Operation, before: &Snapshot) {
    let Some(id) = operation.guest() else { return };
    let Some(record) = before.guests.iter().find(|guest| guest.id == *id) else { return };
    let adopted = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Adopted);
    let only_for_made = matches!(
        operation,
        Operation::Guest {
            change: GuestChange::DisableLogin
                | GuestChange::EnableLogin
                | GuestChange::ResetMfa { .. }
                | GuestChange::Deactivate
                | GuestChange::Purge { .. },
            ..
        }
    );
    let wrong = adopted && only_for_made && !sim.is_former;
    assert!(!wrong, "{operation:?} of {}, who was adopted", record.address);
}

fn membership_of(record: &GuestRecord) -> ObjectRef {
    let mark = record.mark.as_ref().unwrap();
    ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name)
}

/// Checks one operation after its execution.
pub fn look(sim: &Sim, running: &Running, operation: &Operation, before: &Snapshot, after: &Snapshot) {
    if let Err(broken) = promise::kept(before, after, operation, sim.now) {
        panic!("{operation:?} of {}: {broken}", running.about.key);
    }
    let watch = sim.watch.as_ref().unwrap();
    let unknown = unknown_mfa(sim);
    // Every state from the plan of this operation until now: the operator may know any of them.
    let versions = sim.server.since(running.seen);
    let views: Vec<View<'_>> = versions
        .iter()
        .flat_map(|objects| watch.outside[running.outside..].iter().map(move |outside| (objects, outside)))
        .map(|(objects, outside)| View {
            objects,
            policy: &outside.policy,
            accounts: &outside.accounts,
            users: &outside.users,
            guests: &after.guests,
            shares: &before.shares,
            unknown: &unknown,
            now: sim.now,
        })
        .collect();
    access(sim, running, operation, (before, after), &views);
    let id = operation.guest();
    let old = id.and_then(|id| before.guests.iter().find(|guest| guest.id == *id));
    let new = id.and_then(|id| after.guests.iter().find(|guest| guest.id == *id));
    if operation.access_change() == AccessChange::Remove
        && let Some(record) = old
    {
        let may_end = |view: &View<'_>| View { guests: &before.guests, ..*view }.may_end(record);
        let purges = matches!(operation, Operation::Guest { change: GuestChange::Purge { .. }, .. });
        assert!(purges || views.iter().any(may_end), "{operation:?}, and a membership declares {}", record.address);
    }
    if operation.access_change() == AccessChange::Grant
        && let Some(record) = new
    {
        let key = membership_of(record);
        assert!(!views.iter().all(|view| view.is_paused(&key)), "{operation:?} of {key}, which is paused");
    }
    match operation {
        Operation::Guest { change: GuestChange::Invite(_), .. } => admission(operation, before, &views),
        Operation::Guest { change: GuestChange::Purge { .. }, .. } => purge(sim, operation, before, &views),
        _ => {}
    }
}

/// The rules grant a guest's gains, and do not grant a guest's losses.
fn access(
    sim: &Sim,
    running: &Running,
    operation: &Operation,
    (before, after): (&Snapshot, &Snapshot),
    views: &[View<'_>],
) {
    let (had, has) = (reference::held(&before.guests), reference::held(&after.guests));
    if had == has {
        return;
    }
    let rights: Vec<_> = views.iter().map(View::rights).collect();
    let unknown = unknown_mfa(sim);
    // The operator may know the kinds of objects at different times.
    let known: Vec<View<'_>> = sim.watch.as_ref().unwrap().outside[running.outside..]
        .iter()
        .map(|outside| View {
            objects: &running.known,
            policy: &outside.policy,
            accounts: &outside.accounts,
            users: &outside.users,
            ..view(sim, before, &unknown)
        })
        .collect();
    let known_rights: Vec<_> = known.iter().map(View::rights).collect();
    for (place, gained) in has.iter().filter(|(place, now)| had.get(*place).is_none_or(|had| !had.covers(now))) {
        let allowed = rights.iter().any(|rights| rights.get(place).is_some_and(|right| right.covers(gained)));
        let facts = || views.last().unwrap().facts(place, gained);
        assert!(allowed, "{place:?} is given {gained:?} by {operation:?}, and no rule gives it\n{}", facts());
        // An operation leaves no excess access for a later one: it is revoked before any access is added.
        for (other, held) in had.iter().filter(|(other, _)| other.0 == place.0) {
            let given = |rights: &reference::Rights| rights.get(other).is_some_and(|right| right.covers(held));
            let fits = rights.iter().chain(&known_rights).any(given)
                || views.iter().chain(&known).any(|view| view.keeps(other, held));
            assert!(fits, "{place:?} is given while {other:?} still exceeds the rules: {held:?}");
        }
    }
    for (place, lost) in had.iter().filter(|(place, had)| !has.get(*place).is_some_and(|has| has.covers(had))) {
        let all = views.iter().zip(&rights).chain(known.iter().zip(&known_rights));
        let entitled = all.into_iter().all(|(view, rights)| {
            let right = rights.get(place).filter(|right| right.share_uid == lost.share_uid);
            right.is_some_and(|right| right.covers(lost)) || view.keeps(place, lost)
        });
        let facts = || views.last().unwrap().facts(place, lost);
        assert!(!entitled, "{place:?} is revoked for no reason by {operation:?}: {lost:?}\n{}", facts());
    }
}

/// A partner has capacity for a new guest, and only a user of the workspace is adopted.
fn admission(operation: &Operation, before: &Snapshot, views: &[View<'_>]) {
    let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, partner, partner_name, address, .. }), .. } =
        operation
    else {
        return;
    };
    let live = before.guests.iter().filter(|guest| guest.is_live() && guest.partner == *partner).count() as u64;
    let has_room = |view: &View<'_>| view.most_guests(&mark.namespace, partner_name).is_none_or(|most| live < most);
    assert!(views.iter().any(has_room), "{address} is admitted, and {partner_name} has {live} guests already");
    let key = ObjectRef::new(Kind::Partner, &*mark.namespace, &**partner_name);
    let fits = |view: &View<'_>| {
        let user = view.users.iter().any(|user| user.email == *address);
        let adopts = view.objects.get(&key).is_some_and(|partner| view.adopts(&mark.namespace, partner));
        if mark.origin == Origin::Adopted { user && adopts } else { !user }
    };
    assert!(views.iter().any(fits), "{address} is admitted as {:?}", mark.origin);
}

/// A record is purged when it is due, and the number of records an hour stays within the policy.
fn purge(sim: &Sim, operation: &Operation, before: &Snapshot, views: &[View<'_>]) {
    let Operation::Guest { id: guest, change: GuestChange::Purge { since, .. } } = operation else { return };
    let record = before.guests.iter().find(|record| record.id == *guest).unwrap();
    let key = membership_of(record);
    let partner = ObjectRef::new(Kind::Partner, &*key.namespace, &*record.partner_name);
    let hour_ago = sim.now - SignedDuration::from_hours(1);
    let lately = sim.watch.as_ref().unwrap().purged.iter().filter(|at| **at > hour_ago).count();
    let marked = before.guests.iter().filter(|guest| guest.mark.is_some()).count();
    let fits = |view: &View<'_>| {
        let (after, percent) = view.pace();
        let paused =
            [&key, &partner].iter().any(|key| view.objects.get(*key).is_some_and(|it| reference::is_paused(it)));
        let in_pace = lately < ((marked + lately) * percent).div_ceil(100);
        sim.now.duration_since(*since) >= after && in_pace && !paused
    };
    assert!(
        views.iter().any(fits),
        "{} is purged after {:?}; {lately} of {marked} records were purged in the last hour",
        record.address,
        sim.now.duration_since(*since)
    );
    assert_eq!(record.deactivated_at, Some(*since));
}
