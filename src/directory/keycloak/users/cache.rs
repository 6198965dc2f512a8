//! In-memory facts about users: those that Keycloak does not store, and those that save calls.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::directory::keycloak::representations::User;
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::guest::Seen;
use crate::directory::keycloak::users::recovery;
use crate::directory::keycloak::users::substitutes;
use crate::directory::{GuestId, GuestRecord, Revision};
use crate::domain::{Email, MfaMethod};

/// Facts about users in memory, by Keycloak's identifier and by guestlist's.
#[derive(Default)]
pub struct UserCache {
    known: Mutex<KnownUsers>,
}

#[derive(Default)]
struct KnownUsers {
    /// guestlist's identifier → Keycloak's.
    users: HashMap<GuestId, String>,
    /// The address in the ownership mark → Keycloak's identifier.
    addresses: HashMap<Email, String>,
    /// By Keycloak's identifier.
    guests: HashMap<String, Person>,
    revision: i64,
}

#[derive(Clone, Default)]
struct Person {
    seen: u64,
    revision: i64,
    joined_at: Option<Timestamp>,
    mfa_lost_at: Option<Timestamp>,
    enrolled: BTreeMap<MfaMethod, Timestamp>,
}

impl UserCache {
    fn with<T>(&self, work: impl FnOnce(&mut KnownUsers) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keycloak's identifier of a guest.
    pub fn user_of(&self, guest: &GuestId) -> Option<String> {
        self.with(|known| known.users.get(guest).cloned())
    }

    /// Keycloak's identifier of the guest with this address in the ownership mark.
    pub fn user_at(&self, address: &Email) -> Option<String> {
        self.with(|known| known.addresses.get(address).cloned())
    }

    /// The address in a user's ownership mark, as last read.
    pub fn address_of(&self, user: &str) -> Option<Email> {
        self.with(|known| known.addresses.iter().find(|(_, id)| *id == user).map(|(address, _)| address.clone()))
    }

    /// Removes a guest.
    pub fn forget(&self, guest: &GuestId) {
        self.with(|known| {
            if let Some(user) = known.users.remove(guest) {
                known.guests.remove(&user);
                known.addresses.retain(|_, id| *id != user);
            }
        });
    }

    /// Adds the facts just read about a user. Returns the record, whose revision increases with every change.
    pub fn remember(&self, user: &User, mut seen: Seen, now: Timestamp) -> Option<GuestRecord> {
        let recorded = guest::recorded(user);
        self.with(|known| {
            let mut person = known.guests.get(&user.id).cloned().unwrap_or_default();
            let joined = seen.member.unwrap_or(recorded.joined_at.is_some())
                && guest::has_chosen(user, recorded.joined_at, &seen);
            person.joined_at = joined.then(|| person.joined_at.or(seen.joined_at).unwrap_or(now));
            let before = if person.enrolled.is_empty() { &recorded.mfa } else { &person.enrolled };
            if let Some(enrolled) = &seen.enrolled {
                if !enrolled.is_empty() {
                    person.mfa_lost_at = None;
                } else if !before.is_empty() && person.mfa_lost_at.is_none() {
                    person.mfa_lost_at = Some(now);
                }
                person.enrolled.clone_from(enrolled);
            }
            seen.joined_at = person.joined_at;
            seen.mfa_lost_at = person.mfa_lost_at;
            let mut record = guest::record(user, &seen).or_else(|| recovery::record(user))?;
            let mut hasher = DefaultHasher::new();
            record.hash(&mut hasher);
            let print = hasher.finish();
            if print != person.seen {
                known.revision += 1;
                person.revision = known.revision;
                person.seen = print;
            }
            record.revision = Revision(person.revision);
            known.users.remove(&substitutes::id(&user.id));
            known.users.insert(record.id.clone(), user.id.clone());
            known.addresses.insert(record.address.clone(), user.id.clone());
            known.guests.insert(user.id.clone(), person);
            Some(record)
        })
    }

    /// The methods at the last read of a user, each with the time of its enrolment.
    pub fn enrolled(&self, user: &str) -> BTreeMap<MfaMethod, Timestamp> {
        self.with(|known| known.guests.get(user).map(|person| person.enrolled.clone()).unwrap_or_default())
    }

    /// When a user was first seen as joined.
    pub fn joined_at(&self, user: &str) -> Option<Timestamp> {
        self.with(|known| known.guests.get(user).and_then(|person| person.joined_at))
    }
}
