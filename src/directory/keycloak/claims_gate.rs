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
pub const REQUIRED: &str = "guestlist.claims-enabled";

/// The number of members in one call; a member is a small record.
const MEMBERS: usize = 1_000;

/// The users whose claims are blocked, as far as known.
#[derive(Default)]
pub struct ClaimsGate(Mutex<KnownClaims>);

#[derive(Default)]
struct KnownClaims {
    group: ClaimsGroup,
    /// The group of excluded users, if it exists.
    blocked_group: Option<String>,
    /// Keycloak's identifiers of excluded users, as last read.
    blocked: HashSet<String>,
    /// Changes of users since that read began.
    since: HashMap<String, ClaimsState>,
    /// The warning about a realm without the group was logged.
    warned: bool,
}

/// The claims group, and whether it has an effect.
#[derive(Clone, Default)]
enum ClaimsGroup {
    /// Not read yet.
    #[default]
    Unread,
    /// The group was missing at the last read. Whether the realm needs it is not known yet.
    Missing,
    /// An older setup prepared the realm, so it has no group.
    Unused,
    Present(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimsState {
    /// Applications see the user's claims.
    Allowed,
    /// The user is excluded.
    Blocked,
    /// The user is in neither group.
    Outside,
}

impl ClaimsGate {
    fn with<T>(&self, work: impl FnOnce(&mut KnownClaims) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Updates the state from the groups directly below guestlist's root group.
    pub fn learn(&self, groups: &[Group]) {
        let of = |name| groups.iter().find(|group| group.name == name);
        let gate = of(NAME).filter(|group| group.attributes.contains_key(REQUIRED));
        self.with(|known| {
            known.group = gate.map_or(ClaimsGroup::Missing, |group| ClaimsGroup::Present(group.id.clone()));
            // The listing may be older than the group, so a known group is kept.
            known.blocked_group =
                of(Branch::ClaimsBlocked.name()).map(|group| group.id.clone()).or(known.blocked_group.take());
        });
    }

    /// Whether the user's claims are blocked, whatever the attributes contain.
    pub fn is_blocked(&self, user: &str) -> bool {
        self.with(|known| {
            known.since.get(user).map_or_else(|| known.blocked.contains(user), |state| *state == ClaimsState::Blocked)
        })
    }

    /// Notes a user who was created as a member of the group.
    pub fn joined(&self, user: &str) {
        self.set_state(user, ClaimsState::Allowed);
    }

    fn set_state(&self, user: &str, state: ClaimsState) {
        self.with(|known| known.since.insert(user.to_owned(), state));
    }

    fn is_allowed(&self, user: &str) -> bool {
        self.with(|known| known.since.get(user) == Some(&ClaimsState::Allowed))
    }
}

impl Inner {
    /// The claims group, if the realm has one with an effect.
    pub(super) async fn claims_group(&self) -> Result<Option<String>, Error> {
        if matches!(self.claims.with(|known| known.group.clone()), ClaimsGroup::Unread) {
            self.survey().await?;
        }
        match self.claims.with(|known| known.group.clone()) {
            ClaimsGroup::Present(group) => return Ok(Some(group)),
            ClaimsGroup::Unused => return Ok(None),
            ClaimsGroup::Unread | ClaimsGroup::Missing => {}
        }
        if self.groups().root_has_attribute(REQUIRED).await? {
            let message = format!(
                "the group {PATH} is gone, or its attribute {REQUIRED}: no application sees the accounts of any guest; run \
                 `guestlist directory setup`"
            );
            return Err(Error::Refused { message });
        }
        let warned = self.claims.with(|known| {
            // Setup may have created the group in the meantime, and another task may have read it.
            if matches!(known.group, ClaimsGroup::Missing) {
                known.group = ClaimsGroup::Unused;
            }
            std::mem::replace(&mut known.warned, true)
        });
        if !warned {
            tracing::warn!(
                "the realm was prepared by an older guestlist: if its user profile refuses a write of a guest, guestlist \
                 only ends their sessions; `guestlist directory setup` fixes it"
            );
        }
        Ok(None)
    }

    /// Reads the excluded users, at the beginning of each listing of users.
    pub(super) async fn read_claims_gate(&self) -> Result<(), Error> {
        // Changes up to now stay in effect until the read is complete.
        self.claims.with(|known| {
            for (user, state) in std::mem::take(&mut known.since) {
                if state == ClaimsState::Blocked {
                    known.blocked.insert(user);
                } else {
                    known.blocked.remove(&user);
                }
            }
        });
        let there = self.claims_group().await?.is_some();
        let blocked = match self.claims.with(|known| known.blocked_group.clone()) {
            Some(group) if there => optional(members(&self.client, &group).await)?.unwrap_or_default(),
            Some(_) | None => HashSet::new(),
        };
        self.claims.with(|known| known.blocked = blocked);
        Ok(())
    }

    /// Allows the claims of a user. A user that guestlist created is a member from the start.
    pub(super) async fn allow_claims(&self, user: &str, is_created: bool) -> Result<(), Error> {
        let Some(group) = self.claims_group().await? else { return Ok(()) };
        let blocked = self.claims.is_blocked(user);
        if !blocked && (is_created || self.claims.is_allowed(user)) {
            return Ok(());
        }
        if blocked {
            self.end_sessions(user).await?;
        }
        self.client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &group])).await?;
        if blocked {
            self.leave_blocked_group(user).await?;
        }
        self.claims.set_state(user, ClaimsState::Allowed);
        Ok(())
    }

    /// Blocks the claims of a user, whatever the attributes contain. The user joins the second group first.
    pub(super) async fn block_claims(&self, user: &str) -> Result<(), Error> {
        let Some(group) = self.claims_group().await? else { return Ok(()) };
        let blocked = self.groups().id(Some(Branch::ClaimsBlocked)).await?;
        self.client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &blocked])).await?;
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        self.claims.with(|known| {
            known.blocked_group = Some(blocked);
            known.since.insert(user.to_owned(), ClaimsState::Blocked);
        });
        Ok(())
    }

    /// Removes an unmanaged user from both groups.
    pub(super) async fn leave_claims_groups(&self, user: &str) -> Result<(), Error> {
        let Some(group) = self.claims_group().await? else { return Ok(()) };
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        if self.claims.is_blocked(user) {
            self.leave_blocked_group(user).await?;
        }
        self.claims.set_state(user, ClaimsState::Outside);
        Ok(())
    }

    async fn leave_blocked_group(&self, user: &str) -> Result<(), Error> {
        let blocked = self.groups().id(Some(Branch::ClaimsBlocked)).await?;
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &blocked])).await)?;
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
