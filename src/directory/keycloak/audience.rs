//! Of whom applications are told anything: the members of one group, whose role the client scope asks for. It is the second
//! hand on what a guest holds. Where the realm's user profile lets nobody write him any more he is put out of the group, and
//! the claim is gone from his next token whatever his attributes say. A realm that was prepared before there was such a group
//! has none, and is as it was.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::super::Fault;
use super::client::{Call, Client, Failed, optional};
use super::endpoints::{CREATE_CHILD, GROUP_BY_PATH, GROUP_MEMBERS, JOIN_GROUP, LEAVE_GROUP};
use super::pages;
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

/// The group of whom was put out: few, and read with each listing, where reading all who are told would take as long as all
/// else.
const OUT: &str = "untold";

/// Who was put out, as far as it is known.
#[derive(Default)]
pub struct Audience(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The group. `None`: nobody looked; `Some(None)`: the realm has none, or does not ask for its role.
    #[allow(clippy::option_option, reason = "not looked, not there, there")]
    group: Option<Option<String>>,
    /// Keycloak's identifiers of users who were put out.
    out: HashSet<String>,
    /// Of users who are in for certain.
    joined: HashSet<String>,
    /// It was said that there is none.
    said: bool,
    /// Who was put out, or came in again, since a listing began.
    moved: HashMap<String, bool>,
}

impl Audience {
    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether applications are told nothing of a user, whatever his attributes say.
    pub fn is_out(&self, user: &str) -> bool {
        self.with(|known| known.out.contains(user))
    }

    /// Somebody came in.
    pub fn joined(&self, user: &str) {
        self.with(|known| {
            known.out.remove(user);
            known.joined.insert(user.to_owned());
            known.moved.insert(user.to_owned(), false);
        });
    }

    /// The group, where the realm has one that counts.
    pub async fn group(&self, client: &Client) -> Result<Option<String>, Failed> {
        if let Some(known) = self.with(|known| known.group.clone()) {
            return Ok(known);
        }
        let found = by_path(client, &[ROOT, NAME]).await?;
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

    /// Reads who was put out, at the beginning of each listing of users.
    pub async fn read(&self, client: &Client) -> Result<(), Failed> {
        self.with(|known| {
            known.moved.clear();
            known.joined.clear();
            // Whether there is one now is seen anew.
            known.group = None;
        });
        let mut out = HashSet::new();
        if self.group(client).await?.is_some()
            && let Some(group) = by_path(client, &[ROOT, OUT]).await?
        {
            out = members(client, &group.id).await?;
        }
        self.with(|known| {
            known.out = out;
            for (user, out) in std::mem::take(&mut known.moved) {
                if out {
                    known.out.insert(user)
                } else {
                    known.out.remove(&user)
                };
            }
        });
        Ok(())
    }

    /// Applications are told what a user's attributes say. Whom guestlist made is in since then.
    pub async fn join(&self, client: &Client, user: &str, made: bool) -> Result<(), Failed> {
        let Some(group) = self.group(client).await? else { return Ok(()) };
        let (out, known) = self.with(|known| (known.out.contains(user), made || known.joined.contains(user)));
        if known && !out {
            return Ok(());
        }
        client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &group])).await?;
        if out {
            self.no_more_out(client, user).await?;
        }
        self.joined(user);
        Ok(())
    }

    /// Applications are told nothing of a user, whatever his attributes say. It is noted first.
    pub async fn put_out(&self, client: &Client, user: &str) -> Result<(), Failed> {
        let Some(group) = self.group(client).await? else { return Ok(()) };
        let out = out_group(client).await?;
        client.call(Call::put(JOIN_GROUP, &["users", user, "groups", &out])).await?;
        optional(client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        self.with(|known| {
            known.out.insert(user.to_owned());
            known.joined.remove(user);
            known.moved.insert(user.to_owned(), true);
        });
        Ok(())
    }

    /// A user is let go: nothing of ours stays on him.
    pub async fn leave(&self, client: &Client, user: &str) -> Result<(), Failed> {
        let Some(group) = self.group(client).await? else { return Ok(()) };
        optional(client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &group])).await)?;
        if self.is_out(user) {
            self.no_more_out(client, user).await?;
        }
        self.with(|known| {
            known.out.remove(user);
            known.joined.remove(user);
            known.moved.insert(user.to_owned(), false);
        });
        Ok(())
    }

    async fn no_more_out(&self, client: &Client, user: &str) -> Result<(), Failed> {
        if let Some(out) = by_path(client, &[ROOT, OUT]).await? {
            optional(client.call(Call::delete(LEAVE_GROUP, &["users", user, "groups", &out.id])).await)?;
        }
        Ok(())
    }
}

async fn by_path(client: &Client, path: &[&str]) -> Result<Option<Group>, Failed> {
    let path = [&["group-by-path"], path].concat();
    match optional(client.call(Call::get(GROUP_BY_PATH, &path)).await)? {
        Some(answer) => answer.read().map(Some),
        None => Ok(None),
    }
}

/// The group of whom was put out, made where it is not there.
async fn out_group(client: &Client) -> Result<String, Failed> {
    if let Some(known) = by_path(client, &[ROOT, OUT]).await? {
        return Ok(known.id);
    }
    let root = by_path(client, &[ROOT]).await?.map(|root| root.id).unwrap_or_default();
    let call = Call::post(CREATE_CHILD, &["groups", &root, "children"]).json(json!({"name": OUT}));
    match client.call(call).await {
        Ok(_) => {}
        // Somebody was quicker.
        Err(failed) if failed.is(409) => {}
        Err(failed) => return Err(failed),
    }
    let made = by_path(client, &[ROOT, OUT]).await?;
    made.map(|made| made.id).ok_or_else(|| {
        Failed::Fault(Fault::Unavailable { context: format!("the group /{ROOT}/{OUT} was made and is not there") })
    })
}

/// Whether the client scope of the realm asks for the role: the root of our groups says so too.
async fn is_shut(client: &Client) -> Result<bool, Failed> {
    Ok(by_path(client, &[ROOT]).await?.is_some_and(|root| root.attributes.contains_key(SHUT)))
}

/// The members of a group.
async fn members(client: &Client, group: &str) -> Result<HashSet<String>, Failed> {
    let page = async |first| {
        let call = Call::get(GROUP_MEMBERS, &["groups", group, "members"]).with("briefRepresentation", true);
        client.call(call.page(first, MEMBERS)).await?.read()
    };
    let all = pages::all(MEMBERS, |member: &Member| &member.id, page).await?;
    Ok(all.into_iter().map(|member| member.id).collect())
}
