//! Of whom applications are told anything: the members of one group, whose role the client scope asks for. It is the second
//! hand on what a guest holds. Where the realm's user profile lets nobody write him any more he is put out of the group, and
//! the claim is gone from his next token whatever his attributes say. A realm that was prepared before there was such a group
//! has none, and is as it was.
//!
//! Who was put out has a group of his own besides: few, and read with each listing, where reading all who are told would take
//! as long as all else.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::super::Error;
use super::Inner;
use super::client::{Call, Client, ClientError, optional};
use super::endpoints::{GROUP_MEMBERS, JOIN_GROUP, LEAVE_GROUP};
use super::groups::{self, Branch};
use super::pages;
use super::representations::{Group, Member};

/// The group below the root of ours.
pub const NAME: &str = "claims-enabled";
/// Its path.
pub const PATH: &str = "/guestlist/claims-enabled";
/// The role that its members have, and that the client scope asks for.
pub const ROLE: &str = "guestlist-claims";
/// The attribute of the group, and of the root of ours, that says that the client scope asks for the role.
pub const SHUT: &str = "guestlist.claims-enabled";

/// How many members are read at once: little is said of each.
const MEMBERS: usize = 1_000;

/// Who was put out, as far as it is known.
#[derive(Default)]
pub struct ClaimsGate(Mutex<Known>);

#[derive(Default)]
struct Known {
    gate: Gate,
    /// The group of whom was put out, where there is one.
    out_group: Option<String>,
    /// Keycloak's identifiers of users who were put out, as they were read.
    out: HashSet<String>,
    /// What became of whom since that reading began.
    since: HashMap<String, Place>,
    /// It was said that there is no gate.
    said: bool,
}

/// The group, and whether it counts.
#[derive(Clone, Default)]
enum Gate {
    /// Nobody looked.
    #[default]
    Unseen,
    /// It was not there when somebody looked. Whether it has to be was not asked.
    Missing,
    /// The realm is of a time before there was one.
    None,
    There(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Applications are told of him.
    In,
    /// He was put out.
    Out,
    /// He is in neither group.
    Neither,
}

impl ClaimsGate {
    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in the groups right below the root of ours, as they are now.
    pub fn learn(&self, groups: &[Group]) {
        let of = |name| groups.iter().find(|group| group.name == name);
        let gate = of(NAME).filter(|group| group.attributes.contains_key(SHUT));
        self.with(|known| {
            known.gate = gate.map_or(Gate::Missing, |group| Gate::There(group.id.clone()));
            // Where the look was older than the group, the group stands.
            known.out_group = of(Branch::Untold.name()).map(|group| group.id.clone()).or(known.out_group.take());
        });
    }

    /// Whether applications are told nothing of a user, whatever his attributes say.
    pub fn is_out(&self, user: &str) -> bool {
        self.with(|known| known.since.get(user).map_or_else(|| known.out.contains(user), |place| *place == Place::Out))
    }

    /// A user was made as a member of the group.
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
    /// The group of whom applications are told, where the realm has one that counts.
    pub(super) async fn told_group(&self) -> Result<Option<String>, Error> {
        if matches!(self.audience.with(|known| known.gate.clone()), Gate::Unseen) {
            self.survey().await?;
        }
        match self.audience.with(|known| known.gate.clone()) {
            Gate::There(group) => return Ok(Some(group)),
            Gate::None => return Ok(None),
            Gate::Unseen | Gate::Missing => {}
        }
        if groups::root_says(&self.client, &self.tree, SHUT).await? {
            let message = format!(
                "the group {PATH} is gone, or its attribute {SHUT}: no application sees the accounts of any guest; run \
                 `guestlist directory setup`"
            );
            return Err(Error::Refused { message });
        }
        let said = self.audience.with(|known| {
            // Setup may have made it meanwhile, and another task found it.
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

    /// Reads who was put out, at the beginning of each listing of users.
    pub(super) async fn read_audience(&self) -> Result<(), Error> {
        // What became of whom until now stands until it is read.
        self.audience.with(|known| {
            for (user, place) in std::mem::take(&mut known.since) {
                if place == Place::Out {
                    known.out.insert(user);
                } else {
                    known.out.remove(&user);
                }
            }
        });
        let there = self.told_group().await?.is_some();
        let out = match self.audience.with(|known| known.out_group.clone()) {
            Some(group) if there => optional(members(&self.client, &group).await)?.unwrap_or_default(),
            Some(_) | None => HashSet::new(),
        };
        self.audience.with(|known| known.out = out);
        Ok(())
    }

    /// Applications are told what a user's attributes say. Whom guestlist made is in since then.
    pub(super) async fn let_in(&self, user: &str, made: bool) -> Result<(), Error> {
        let Some(group) = self.told_group().await? else { return Ok(()) };
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

    /// Applications are told nothing of a user, whatever his attributes say. It is noted first.
    pub(super) async fn put_out(&self, user: &str) -> Result<(), Error> {
        let Some(group) = self.told_group().await? else { return Ok(()) };
        let out = self.tree.id(&self.client, Some(Branch::Untold)).await?;
        self.client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &out])).await?;
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        self.audience.with(|known| {
            known.out_group = Some(out);
            known.since.insert(user.to_owned(), Place::Out);
        });
        Ok(())
    }

    /// A user is let go: nothing of ours stays on him.
    pub(super) async fn leave_audience(&self, user: &str) -> Result<(), Error> {
        let Some(group) = self.told_group().await? else { return Ok(()) };
        optional(self.client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        if self.audience.is_out(user) {
            self.no_more_out(user).await?;
        }
        self.audience.became(user, Place::Neither);
        Ok(())
    }

    async fn no_more_out(&self, user: &str) -> Result<(), Error> {
        let out = self.tree.id(&self.client, Some(Branch::Untold)).await?;
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
