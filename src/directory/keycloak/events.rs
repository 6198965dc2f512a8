//! What changed, from the realm's own events where they are kept: hints that save a full reading. Without them each change is
//! seen at the next full reading.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::super::{Changed, Changes, Cursor, Fault};
use super::client::{Call, Failed, optional};
use super::endpoints::{ADMIN_EVENTS, EVENTS_CONFIG, GET_GROUP, USER_EVENTS};
use super::wire::Group;
use super::{Inner, damaged, guest, realm};
use crate::rules::Email;

/// How many events are read at once.
const PAGE: usize = 100;
/// An event is stamped before it can be read: how far back is looked again, in milliseconds.
const OVERLAP: i64 = 3000;
/// More events than these are not told one by one: everything is read again.
const MOST: usize = 2000;

/// What has been read.
#[derive(Default)]
pub struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    cursor: i64,
    /// Events around the cursor that were told already.
    ids: HashSet<(i64, String)>,
    /// Everything is to be read again.
    everything: bool,
    /// Whether the realm keeps events: `None`, nobody looked.
    kept: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    events_enabled: bool,
    admin_events_enabled: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Event {
    id: String,
    time: i64,
    /// Of the administrators' events.
    auth_details: Option<Author>,
    resource_path: Option<String>,
    resource_type: Option<String>,
    /// Of the users' own events.
    user_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Author {
    user_id: Option<String>,
}

impl Told {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// Everything has changed at once.
    pub(super) fn all_changed(&self) {
        self.told.with(|state| state.everything = true);
    }

    /// Whether the realm keeps both kinds of events and lets us read them.
    async fn keeps_events(&self) -> Result<bool, Fault> {
        if let Some(kept) = self.told.with(|state| state.kept) {
            return Ok(kept);
        }
        let config = match self.client.call(Call::get(EVENTS_CONFIG, &["events", "config"])).await {
            Ok(answer) => answer.read::<Config>()?,
            Err(Failed::Fault(Fault::Refused { .. })) => Config::default(),
            Err(failed) => return Err(failed.into()),
        };
        let kept = config.events_enabled && config.admin_events_enabled;
        if !kept {
            tracing::warn!(
                "the realm keeps no events, or the service account lacks the role view-events: what happens behind guestlist's \
                 back is seen at the next resync only; `guestlist directory bootstrap` sets both"
            );
        }
        self.told.with(|state| state.kept = Some(kept));
        Ok(kept)
    }

    pub(super) async fn cursor(&self) -> Result<Cursor, Fault> {
        // Each full reading looks anew whether events are kept now.
        self.told.with(|state| state.kept = None);
        if !self.keeps_events().await? {
            return Ok(Cursor(0));
        }
        let mut cursor = 0;
        let mut ids = HashSet::new();
        for (endpoint, path) in [(ADMIN_EVENTS, "admin-events"), (USER_EVENTS, "events")] {
            let call = Call::get(endpoint, &[path]).with("direction", "desc").page(0, PAGE);
            let latest: Vec<Event> = self.client.call(call).await?.read()?;
            cursor = latest.iter().map(|event| event.time).max().unwrap_or(0).max(cursor);
            ids.extend(latest.into_iter().map(|event| (event.time, event.id)));
        }
        self.told.with(|state| {
            state.cursor = cursor;
            state.ids = ids;
        });
        Ok(Cursor(cursor))
    }

    pub(super) async fn changes(&self, since: Cursor) -> Result<Changes, Fault> {
        let nothing = Changes { cursor: since, changed: BTreeSet::new() };
        // Somebody else may have taken it over: he who led it does not go on.
        self.still_ours().await?;
        if self.told.with(|state| std::mem::take(&mut state.everything)) {
            return Ok(Changes { cursor: since, changed: [Changed::Everything].into() });
        }
        if !self.keeps_events().await? {
            return Ok(nothing);
        }
        let from = since.0.saturating_sub(OVERLAP).max(0);
        let mut events = self.events(ADMIN_EVENTS, "admin-events", from).await?;
        events.extend(self.events(USER_EVENTS, "events", from).await?);
        if events.len() >= MOST {
            let cursor = Cursor(events.iter().map(|event| event.time).max().unwrap_or(since.0));
            return Ok(Changes { cursor, changed: [Changed::Everything].into() });
        }
        let cursor = events.iter().map(|event| event.time).max().unwrap_or(since.0).max(since.0);
        let known = self
            .told
            .with(|state| if state.cursor == since.0 { std::mem::take(&mut state.ids) } else { HashSet::new() });
        let us = self.client.subject().await?;
        let mut changed = BTreeSet::new();
        for event in &events {
            let ours =
                event.auth_details.as_ref().is_some_and(|author| author.user_id.is_some() && author.user_id == us);
            if !ours && !known.contains(&(event.time, event.id.clone())) && (event.time > since.0 || !known.is_empty())
            {
                changed.extend(self.changed(event).await?);
            }
        }
        let near = events.into_iter().filter(|event| event.time >= cursor - OVERLAP);
        let ids = near.map(|event| (event.time, event.id)).collect();
        self.told.with(|state| {
            state.cursor = cursor;
            state.ids = ids;
        });
        Ok(Changes { cursor: Cursor(cursor), changed })
    }

    async fn events(&self, endpoint: super::client::Endpoint, path: &str, from: i64) -> Result<Vec<Event>, Fault> {
        let mut all: Vec<Event> = Vec::new();
        loop {
            let call = Call::get(endpoint, &[path]).with("dateFrom", from).with("direction", "asc");
            let page: Vec<Event> = self.client.call(call.page(all.len(), PAGE)).await?.read()?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last || all.len() >= MOST {
                return Ok(all);
            }
        }
    }

    /// What an event is about.
    async fn changed(&self, event: &Event) -> Result<Option<Changed>, Fault> {
        if let Some(path) = &event.resource_path {
            let parts: Vec<&str> = path.split('/').collect();
            return match (event.resource_type.as_deref(), parts.as_slice()) {
                (_, ["users", user, ..] | ["organizations", _, "members", user]) if *user != "invite-user" => {
                    self.user_changed(user).await
                }
                (Some("GROUP"), ["groups", group, ..]) => self.group_changed(group).await,
                (_, ["organizations", _, "members", "invite-user"]) => Ok(None),
                (_, ["organizations", _, "members" | "invitations", ..]) => Ok(Some(Changed::Everything)),
                (_, ["organizations", organization, ..]) => Ok(self.organization_changed(organization)),
                _ => Ok(None),
            };
        }
        match &event.user_id {
            Some(user) => self.user_changed(user).await,
            None => Ok(None),
        }
    }

    async fn user_changed(&self, id: &str) -> Result<Option<Changed>, Fault> {
        if let Some(address) = self.memory.address_of(id) {
            return Ok(Some(Changed::Guest(address)));
        }
        let people = self.people();
        // Who it was is not known any more.
        let Some(user) = people.user(id).await? else { return Ok(Some(Changed::Everything)) };
        let user = people.himself(&user).await?;
        Ok(match guest::is_marked(&user) {
            true => damaged::address(&user).map(Changed::Guest),
            false => Email::parse(&user.email).ok().map(Changed::User),
        })
    }

    async fn group_changed(&self, id: &str) -> Result<Option<Changed>, Fault> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Placed {
            #[serde(flatten)]
            group: Group,
            parent_id: Option<String>,
        }
        let accounts = self.tree.id(&self.client, Some(realm::Branch::Accounts)).await?;
        if id == accounts {
            return Ok(Some(Changed::Everything));
        }
        match optional(self.client.call(Call::get(GET_GROUP, &["groups", id])).await)? {
            Some(answer) => {
                let placed: Placed = answer.read()?;
                Ok((placed.parent_id == Some(accounts)).then_some(Changed::Account(placed.group.name)))
            }
            None => Ok(Some(Changed::Everything)),
        }
    }

    fn organization_changed(&self, id: &str) -> Option<Changed> {
        let homes = self.homes();
        homes.iter().find(|(_, home)| home.organization.id == id).map(|(partner, _)| Changed::Partner(partner.clone()))
    }
}
