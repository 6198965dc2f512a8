//! The claims gate: applications see claims only of the members of one group, because the client scope requires the
//! group's role. It protects grants a second time. If the realm's user profile refuses every write of a user,
//! guestlist removes the user from the group. The next token then has no claim, whatever the attributes contain. A
//! realm of an older setup lacks the group and works without it.
//!
//! Excluded users are also in a second group. It is small, and each listing reads it; reading the large first group
//! would take as long as everything else.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::super::Error;
use super::Inner;
use super::client::{Call, Client, ClientError, optional};
use super::endpoints::{GROUP_MEMBERS, JOIN_GROUP, LEAVE_GROUP};
use super::groups::Branch;
use super::pages;
use super::representations::{Group, Member};

/// The name of the claims group, below guestlist's root group.
pub const NAME: &str = "claims-enabled";
/// The path of the claims group.
pub const PATH: &str = "/guestlist/claims-enabled";
/// The role that the group's members have and the client scope requires.
pub const ROLE: &str = "guestlist-claims";
/// The attribute of the claims group and of the root group. It records that the client scope requires the role.
pub const SHUT: &str = "guestlist.claims-enabled";

/// The number of members in one call; a member is a small record.
const MEMBERS: usize = 1_000;

/// The users whose claims are blocked, as far as known.
#[derive(Default)]
pub struct ClaimsGate(Mutex<Known>);

#[derive(Default)]
struct Known {
    gate: Gate,
    /// The group of excluded users, if it exists.
    out_group: Option<String>,
    /// Keycloak's identifiers of excluded users, as last read.
    out: HashSet<String>,
    /// Changes of users since that read began.
    since: HashMap<String, Place>,
    /// The warning about a realm without the group was logged.
    said: bool,
}

/// The claims group, and whether it has an effect.
#[derive(Clone, Default)]
enum Gate {
    /// Not read yet.
    #[default]
    Unseen,
    /// The group was missing at the last read. Whether the realm needs it is not known yet.
    Missing,
    /// An older setup prepared the realm, so it has no group.
    None,
    There(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Applications see the user's claims.
    In,
    /// The user is excluded.
    Out,
    /// The user is in neither group.
    Neither,
}

impl ClaimsGate {
    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Updates the state from the groups directly below guestlist's root group.
    pub fn learn(&self, groups: &[Group]) {
        let of = |name| groups.iter().find(|group| group.name == name);
        let gate = of(NAME).filter(|group| group.attributes.contains_key(SHUT));
        self.with(|known| {
            known.gate = gate.map_or(Gate::Missing, |group| Gate::There(group.id.clone()));
            // The listing may be older than the group, so a known group is kept.
            known.out_group = of(Branch::ClaimsBlocked.name()).map(|group| group.id.clone()).or(known.out_group.take());
        });
    }

    /// Whether the user's claims are blocked, whatever the attributes contain.
    pub fn is_out(&self, user: &str) -> bool {
        self.with(|known| known.since.get(user).map_or_else(|| known.out.contains(user), |place| *place == Place::Out))
    }

    /// Notes a user who was created as a member of the group.
    pub fn joined(&self, user: &str) {
        self.became(user, Place::In);
    }

    fn became(&self, user: &str, place: Place) {
        self.with(|known| known.since.insert(user.to_owned(), place));
    }

    fn is_in(&self, user: &str) -> bool {
        self.with(|known| known.since.get(user) == Some(&Place::In))
    }
}

impl Inner {
    /// The claims group, if the realm has one with an effect.
    pub(super) async fn claims_group(&self) -> Result<Option<String>, Error> {
        if matches!(self.audience.with(|known| known.gate.clone()), Gate::Unseen) {
            self.survey().await?;
        }
        match self.audience.with(|known| known.gate.clone()) {
            Gate::There(group) => return Ok(Some(group)),
            Gate::None => return Ok(None),
            Gate::Unseen | Gate::Missing => {}
        }
        if self.groups().root_says(SHUT).await? {
            let message = format!(
                "the group {PATH} is gone, or its attribute {SHUT}: no application sees the accounts of any guest; run \
                 `guestlist directory setup`"
            );
            return Err(Error::Refused { message });
        }
        let said = self.audience.with(|known| {
            // Setup may have created the group in the meantime, and another task may have read it.
            if matches!(known.gate, Gate::Missing) {
                known.gate = Gate::None;
            }
            std::mem::replace(&mut known.said, true)
        });
        if !said {
            tracing::warn!(
                "the realm was prepared by an older guestlist: if its user profile refuses a write of a guest, guestlist \
                 only ends their sessions; `guestlist directory setup` fixes it"
            );
        }
        Ok(None)
    }

    /// Reads the excluded users, at the beginning of each listing of users.
    pub(super) async fn read_audience(&self) -> Result<(), Error> {
        // Changes up to now stay in effect until the read is complete.
        self.audience.with(|known| {
            for (user, place) in std::mem::take(&mut known.since) {
                if place == Place::Out {
                    known.out.insert(user);
                } else {
                    known.out.remove(&user);
                }
            }
        });
        let there = self.claims_group().await?.is_some();
        let out = match self.audience.with(|known| known.out_group.clone()) {
            Some(group) if there => optional(members(&self.client, &group).await)?.unwrap_or_default(),
            Some(_) | None => HashSet::new(),
        };
        self.audience.with(|known| known.out = out);
        Ok(())
    }

    /// Allows the claims of a user. A user that guestlist created is a member from the start.
    pub(super) async fn let_in(&self, user: &str, made: bool) -> Result<(), Error> {
        let Some(group) = self.claims_group().await? else { return Ok(()) };
        let out = self.audience.is_out(user);
        if !out && (made || self.audience.is_in(user)) {
            return Ok(());
        }
        if out {
            self.end_sessions(user).await?;
        }
        self.client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &group])).await?;
        if out {
            self.no_more_out(user).await?;
        }
        self.audience.became(user, Place::In);
        Ok(())
    }

    /// Blocks the claims of a user, whatever the attributes contain. The user joins the second group first.
    pub(super) async fn put_out(&self, user: &str) -> Result<(), Error> {
        let Some(group) = self.claims_group().await? else { return Ok(()) };
        let out = self.groups().id(Some(Branch::ClaimsBlocked)).await?;
        self.client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &out])).await?;
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        self.audience.with(|known| {
            known.out_group = Some(out);
            known.since.insert(user.to_owned(), Place::Out);
        });
        Ok(())
    }

    /// Removes an unmanaged user from both groups.
    pub(super) async fn leave_audience(&self, user: &str) -> Result<(), Error> {
        let Some(group) = self.claims_group().await? else { return Ok(()) };
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        if self.audience.is_out(user) {
            self.no_more_out(user).await?;
        }
        self.audience.became(user, Place::Neither);
        Ok(())
    }

    async fn no_more_out(&self, user: &str) -> Result<(), Error> {
        let out = self.groups().id(Some(Branch::ClaimsBlocked)).await?;
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &out])).await)?;
        Ok(())
    }
}

/// The members of a group.
async fn members(client: &Client, group: &str) -> Result<HashSet<String>, ClientError> {
    let page = async |first, max| {
        let call = Call::get(GROUP_MEMBERS, &["groups", group, "members"]).with("briefRepresentation", true);
        client.call(call.listing(first, max)).await?.read()
    };
    let all = pages::all(MEMBERS, |member: &Member| &member.id, page).await?;
    Ok(all.into_iter().map(|member| member.id).collect())
}
