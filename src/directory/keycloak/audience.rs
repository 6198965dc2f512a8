//! Of whom applications are told anything: the members of one group, whose role the client scope asks for. It is the second
//! hand on what a guest holds. Where the realm's user profile lets nobody write him any more he is put out of the group, and
//! the claim is gone from his next token whatever his attributes say. A realm that was prepared before there was such a group
//! has none, and is as it was.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::super::Fault;
use super::client::{Call, Client, Failed, optional};
use super::endpoints::{GROUP_BY_PATH, GROUP_MEMBERS, JOIN_GROUP, LEAVE_GROUP};
use super::pages::{Pages, Step};
use super::realm::ROOT;
use super::wire::{Group, Member};

/// The group below the root of ours.
pub const NAME: &str = "told";
/// Its path.
pub const PATH: &str = "/guestlist/told";
/// The role that its members have, and that the client scope asks for.
pub const ROLE: &str = "guestlist-told";
/// The attribute of the group, and of the root of ours, that says that the client scope asks for the role.
pub const SHUT: &str = "guestlist.told";

/// How many members are read at once: little is said of each.
const MEMBERS: usize = 1_000;

/// Who is a member, as far as it is known.
#[derive(Default)]
pub struct Audience(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The group. `None`: nobody looked; `Some(None)`: the realm has none, or does not ask for its role.
    #[allow(clippy::option_option, reason = "not looked, not there, there")]
    group: Option<Option<String>>,
    /// Keycloak's identifiers of users → whether they are members.
    users: HashMap<String, bool>,
    /// Whoever is not among them is no member.
    whole: bool,
    /// It was said that there is none.
    said: bool,
    /// Who came or went since a listing began.
    moved: HashMap<String, bool>,
}

impl Audience {
    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether applications are told nothing of a user, whatever his attributes say.
    pub fn is_out(&self, user: &str) -> bool {
        self.with(|known| known.users.get(user).map_or(known.whole, |member| !member))
    }

    /// Somebody came or went.
    pub fn moved(&self, user: &str, member: bool) {
        self.with(|known| {
            known.users.insert(user.to_owned(), member);
            known.moved.insert(user.to_owned(), member);
        });
    }

    /// The group, where the realm has one that counts.
    pub async fn group(&self, client: &Client) -> Result<Option<String>, Failed> {
        if let Some(known) = self.with(|known| known.group.clone()) {
            return Ok(known);
        }
        let found = match optional(client.call(Call::get(GROUP_BY_PATH, &["group-by-path", "guestlist", NAME])).await)?
        {
            Some(answer) => Some(answer.read::<Group>()?),
            None => None,
        };
        let group = found.filter(|group| group.attributes.contains_key(SHUT)).map(|group| group.id);
        if group.is_none() && is_shut(client).await? {
            let message = format!(
                "the group {PATH} is gone, or its attribute {SHUT}: applications are told of no guest what he may use; run \
                 `guestlist directory bootstrap`"
            );
            return Err(Failed::Fault(Fault::Refused { message }));
        }
        if group.is_none() && !self.with(|known| std::mem::replace(&mut known.said, true)) {
            tracing::warn!(
                "the realm was prepared by an older guestlist: where its user profile lets nobody write a guest any more, he is \
                 signed out and nothing else; `guestlist directory bootstrap` mends it"
            );
        }
        self.with(|known| known.group = Some(group.clone()));
        Ok(group)
    }

    /// Reads who is in it, at the beginning of each listing of users.
    pub async fn read(&self, client: &Client) -> Result<(), Failed> {
        self.with(|known| {
            known.moved.clear();
            // Whether there is one now is seen anew.
            known.group.take_if(|group| group.is_none());
        });
        let mut users = None;
        if let Some(group) = self.group(client).await? {
            users = members(client, &group).await?;
            if users.is_none() {
                self.with(|known| known.group = Some(None));
            }
        }
        self.with(|known| {
            known.whole = users.is_some();
            known.users = users.unwrap_or_default();
            let moved = std::mem::take(&mut known.moved);
            known.users.extend(moved);
        });
        Ok(())
    }

    /// Applications are told what a user's attributes say.
    pub async fn join(&self, client: &Client, user: &str) -> Result<(), Failed> {
        let Some(group) = self.group(client).await? else { return Ok(()) };
        if self.with(|known| known.users.get(user) == Some(&true)) {
            return Ok(());
        }
        client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &group])).await?;
        self.moved(user, true);
        Ok(())
    }

    /// Applications are told nothing of a user, whatever his attributes say.
    pub async fn leave(&self, client: &Client, user: &str) -> Result<(), Failed> {
        let Some(group) = self.group(client).await? else { return Ok(()) };
        optional(client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        self.moved(user, false);
        Ok(())
    }
}

/// Whether the client scope of the realm asks for the role: the root of our groups says so too.
async fn is_shut(client: &Client) -> Result<bool, Failed> {
    match optional(client.call(Call::get(GROUP_BY_PATH, &["group-by-path", ROOT])).await)? {
        Some(answer) => Ok(answer.read::<Group>()?.attributes.contains_key(SHUT)),
        None => Ok(false),
    }
}

/// The members of the group. `None`: it is not there any more.
async fn members(client: &Client, group: &str) -> Result<Option<HashMap<String, bool>>, Failed> {
    let mut all = HashMap::new();
    let mut pages = Pages::of(MEMBERS);
    loop {
        let call = Call::get(GROUP_MEMBERS, &["groups", group, "members"]).with("briefRepresentation", true);
        let Some(answer) = optional(client.call(call.page(pages.first(), MEMBERS)).await)? else { return Ok(None) };
        let ids: Vec<String> = answer.read::<Vec<Member>>()?.into_iter().map(|member| member.id).collect();
        let step = pages.turn(&ids);
        all.extend(ids.into_iter().map(|id| (id, true)));
        if step == Step::End {
            return Ok(Some(all));
        }
    }
}
