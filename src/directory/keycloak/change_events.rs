//! Changes in the realm, read from its events if the realm keeps them. They are hints that save a full read. Without
//! events, a change is seen at the next full read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;

use super::super::{Changed, Changes, Cursor, Error};
use super::client::{Call, ClientError, Endpoint, optional};
use super::endpoints::{ADMIN_EVENTS, EVENTS_CONFIG, GET_GROUP, USER_EVENTS};
use super::representations::Group;
use super::{Inner, groups, pages};
use crate::directory::keycloak::organizations;
use crate::directory::keycloak::users::{guest, substitutes, usernames};
use crate::domain::Email;

/// The number of events in one call.
const PAGE: usize = 100;
/// Events have a time before they can be read, so each poll reads again this many milliseconds before the cursor.
const OVERLAP: i64 = 3000;
/// If an event is later than Keycloak's clock by more than this many milliseconds, the clock has been set back since.
const SET_BACK: i64 = 10_000;
/// From this number of events on, everything is read again instead.
const MOST: usize = 2000;
/// The events of daily use, which change no data that guestlist reads. All other kinds are evaluated, including kinds
/// of newer Keycloak versions.
const TRAFFIC: &str = "CODE_TO_TOKEN REFRESH_TOKEN TOKEN_EXCHANGE INTROSPECT_TOKEN USER_INFO_REQUEST VALIDATE_ACCESS_TOKEN \
                       PERMISSION_TOKEN AUTHREQID_TO_TOKEN OAUTH2_DEVICE_AUTH OAUTH2_DEVICE_CODE_TO_TOKEN \
                       OAUTH2_DEVICE_VERIFY_USER_CODE CLIENT_LOGIN LOGIN LOGOUT";

/// The read position in the realm's events.
#[derive(Default)]
pub struct EventCursor(Mutex<CursorState>);

#[derive(Default)]
struct CursorState {
    cursor: i64,
    /// Events that the next poll reads again, and that were reported already.
    ids: HashSet<(i64, String)>,
    /// Changes that a read found, for the next poll.
    found: BTreeSet<Changed>,
    /// Whether the realm keeps events; `None`: not read yet.
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
    /// In administrators' events.
    auth_details: Option<Author>,
    resource_path: Option<String>,
    resource_type: Option<String>,
    operation_type: String,
    /// In users' events.
    user_id: Option<String>,
    #[serde(rename = "type")]
    sort: String,
    details: BTreeMap<String, Value>,
}

impl Event {
    /// Whether the event cannot have changed anything. A sign-in through an identity provider may update the user,
    /// and failed sign-ins may disable the user.
    fn is_traffic(&self) -> bool {
        let failed = self.sort.ends_with("_ERROR") && !self.sort.starts_with("USER_DISABLED");
        let names_provider = self.details.contains_key("identity_provider");
        (failed || TRAFFIC.split(' ').any(|sort| sort == self.sort)) && !names_provider
    }
}

/// The objects that events concern, each once.
#[derive(Default)]
struct About<'a> {
    users: BTreeSet<&'a str>,
    groups: BTreeSet<&'a str>,
    organizations: BTreeSet<&'a str>,
    /// Organizations whose members or invitations changed.
    peopled: BTreeSet<&'a str>,
    /// Users that our own service account created.
    created: BTreeSet<&'a str>,
    /// Groups that our own service account wrote.
    written: BTreeSet<&'a str>,
}

impl<'a> About<'a> {
    fn add(&mut self, event: &'a Event) {
        let Some(path) = &event.resource_path else {
            self.users.extend(event.user_id.as_deref());
            return;
        };
        let parts: Vec<&'a str> = path.split('/').collect();
        match (event.resource_type.as_deref(), parts.as_slice()) {
            (_, ["organizations", _, "members", "invite-user"] | ["users", "profile", ..]) => false,
            (_, ["users", user, ..] | ["organizations", _, "members", user]) => self.users.insert(user),
            (Some("GROUP"), ["groups", group, ..]) => self.groups.insert(group),
            (_, ["organizations", organization, "members" | "invitations", ..]) => self.peopled.insert(organization),
            (_, ["organizations", organization, ..]) => self.organizations.insert(organization),
            _ => false,
        };
    }

    /// Adds an event of our own service account. It may be that of a command, such as an import.
    fn add_own(&mut self, event: &'a Event) {
        let parts: Vec<&'a str> = event.resource_path.as_deref().unwrap_or_default().split('/').collect();
        match (event.resource_type.as_deref(), parts.as_slice()) {
            (Some("USER"), ["users", user]) if event.operation_type == "CREATE" => self.created.insert(user),
            (Some("GROUP"), ["groups", group, ..]) => self.written.insert(group),
            _ => false,
        };
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Author {
    user_id: Option<String>,
}

/// The time from which events are read: the cursor. If Keycloak's clock was set back, new events have earlier times,
/// so it is the present time. All in milliseconds of Keycloak's clock.
fn read_from(cursor: i64, now: i64) -> i64 {
    let newest = if cursor > now.saturating_add(SET_BACK) { now } else { cursor };
    newest.saturating_sub(OVERLAP).max(0)
}

impl EventCursor {
    fn with<T>(&self, work: impl FnOnce(&mut CursorState) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// Makes the next poll report a change.
    pub(super) fn changed_too(&self, change: Changed) {
        self.event_cursor.with(|state| state.found.insert(change));
    }

    /// Whether the realm keeps both kinds of events and the service account may read them.
    async fn keeps_events(&self) -> Result<bool, Error> {
        if let Some(kept) = self.event_cursor.with(|state| state.kept) {
            return Ok(kept);
        }
        let config = match self.client.call(Call::get(EVENTS_CONFIG, &["events", "config"])).await {
            Ok(answer) => answer.read::<Config>()?,
            Err(ClientError::Fault(Error::Refused { .. })) => Config::default(),
            Err(failed) => return Err(failed.into()),
        };
        let kept = config.events_enabled && config.admin_events_enabled;
        if !kept {
            tracing::warn!(
                "the realm keeps no events, or the service account lacks the role view-events: guestlist sees changes by others \
                 only at the next resync; `guestlist directory setup` sets both"
            );
        }
        self.event_cursor.with(|state| state.kept = Some(kept));
        Ok(kept)
    }

    pub(super) async fn cursor(&self) -> Result<Cursor, Error> {
        // Each full read checks again whether events are kept and how long invitations last.
        self.lifetime.lock().unwrap_or_else(PoisonError::into_inner).seconds = None;
        self.event_cursor.with(|state| state.kept = None);
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
        self.event_cursor.with(|state| {
            state.cursor = cursor;
            state.ids = ids;
        });
        Ok(Cursor(cursor))
    }

    pub(super) async fn changes(&self, since: Cursor) -> Result<Changes, Error> {
        let nothing = Changes { cursor: since, changed: BTreeSet::new() };
        // Another installation may own the directory now; the former leader must stop.
        self.check_owner().await?;
        let found = self.event_cursor.with(|state| std::mem::take(&mut state.found));
        if !found.is_empty() {
            return Ok(Changes { cursor: since, changed: found });
        }
        if !self.keeps_events().await? {
            return Ok(nothing);
        }
        let now = self.server_clock.difference(&self.client).to_keycloak(self.now().as_millisecond());
        let from = read_from(since.0, now);
        let (mut events, newest) = self.events(ADMIN_EVENTS, "admin-events", from).await?;
        let (of_users, newest_of_users) = self.events(USER_EVENTS, "events", from).await?;
        events.extend(of_users);
        let cursor = newest.max(newest_of_users).max(since.0);
        if events.len() >= MOST {
            return Ok(Changes { cursor: Cursor(cursor), changed: [Changed::Everything].into() });
        }
        let known = self.event_cursor.with(|state| (state.cursor == since.0).then(|| state.ids.clone()));
        let us = self.client.subject().await?;
        let mut about = About::default();
        for event in &events {
            let ours =
                event.auth_details.as_ref().is_some_and(|author| author.user_id.is_some() && author.user_id == us);
            let new = match &known {
                Some(known) => !known.contains(&(event.time, event.id.clone())),
                None => event.time > since.0,
            };
            match (new, ours) {
                (true, false) => about.add(event),
                (true, true) => about.add_own(event),
                (false, _) => {}
            }
        }
        let mut changed = self.changed(&about).await?;
        changed.extend(self.changed_by_command(&about).await?);
        let next_from = read_from(cursor, now);
        let read_again = events.into_iter().filter(|event| event.time >= next_from);
        let ids = read_again.map(|event| (event.time, event.id)).collect();
        self.event_cursor.with(|state| {
            state.cursor = cursor;
            state.ids = ids;
        });
        Ok(Changes { cursor: Cursor(cursor), changed })
    }

    /// The events that may be changes, and the time of the newest event of all.
    async fn events(&self, endpoint: Endpoint, path: &str, from: i64) -> Result<(Vec<Event>, i64), Error> {
        let mut all: Vec<Event> = Vec::new();
        let (mut read, mut newest) = (0, 0);
        let mut before = Vec::new();
        loop {
            let call = Call::get(endpoint, &[path]).with("dateFrom", from).with("direction", "asc");
            let page: Vec<Event> = self.client.call(call.page(read, PAGE)).await?.read()?;
            let last = page.len() < PAGE;
            let ids: Vec<_> = page.iter().map(|event| (event.time, event.id.clone())).collect();
            if !last && ids == before {
                return Err(pages::repeated_page());
            }
            before = ids;
            read += page.len();
            newest = page.iter().map(|event| event.time).max().unwrap_or(0).max(newest);
            all.extend(page.into_iter().filter(|event| !event.is_traffic()));
            if last || all.len() >= MOST {
                return Ok((all, newest));
            }
        }
    }

    /// The changes that the events mean.
    async fn changed(&self, about: &About<'_>) -> Result<BTreeSet<Changed>, Error> {
        let organizations = self.partner_organizations();
        let mut changed = BTreeSet::new();
        for id in about.peopled.union(&about.organizations) {
            let known = organizations.iter().find(|(_, home)| home.id == *id).map(|(partner, _)| partner);
            match known.filter(|_| !about.peopled.contains(id)) {
                Some(partner) => drop(changed.insert(Changed::Partner(partner.clone()))),
                // The members of a partner changed, or an organization that may have become a partner.
                None if known.is_some() || self.is_partner(id).await? => return Ok([Changed::Everything].into()),
                None => {}
            }
        }
        for user in &about.users {
            changed.extend(self.user_changed(user).await?.into_iter().flatten());
        }
        for group in &about.groups {
            changed.extend(self.group_changed(group).await?);
        }
        Ok(changed)
    }

    /// The changes that commands made with our own service account. The operator itself writes no account, and creates
    /// no user without a mark.
    async fn changed_by_command(&self, about: &About<'_>) -> Result<BTreeSet<Changed>, Error> {
        let mut changed = BTreeSet::new();
        for id in about.created.iter().filter(|id| self.cache.address_of(id).is_none()) {
            let user = self.users().user(id).await?.filter(|user| !guest::is_marked(user));
            changed.extend(user.and_then(|user| Email::parse(&user.email).ok()).map(Changed::User));
        }
        if about.written.is_empty() {
            return Ok(changed);
        }
        let accounts = self.groups().id(Some(groups::Branch::Accounts)).await?;
        for id in &about.written {
            if *id == accounts {
                changed.insert(Changed::Everything);
            } else if !self.groups().is_known(id).await {
                let group = self.group(id).await?.filter(|group| group.parent_id.as_ref() == Some(&accounts));
                changed.extend(group.map(|group| Changed::Account(group.name)));
            }
        }
        Ok(changed)
    }

    async fn is_partner(&self, organization: &str) -> Result<bool, Error> {
        let read = self.read_organization(organization).await?;
        Ok(!organizations::records(read.into_iter().collect()).is_empty())
    }

    async fn user_changed(&self, id: &str) -> Result<[Option<Changed>; 2], Error> {
        let everything = Ok([Some(Changed::Everything), None]);
        let unreadable = substitutes::id(id);
        if self.cache.user_of(&unreadable).is_some() {
            // A guest with the same mark may be readable now.
            self.cache.forget(&unreadable);
            return everything;
        }
        if let Some(address) = self.cache.address_of(id) {
            return Ok([Some(Changed::Guest(address)), None]);
        }
        let reader = self.users();
        // The user is gone, so the address is unknown.
        let Some(user) = reader.user(id).await? else { return everything };
        let user = reader.read(&user).await?;
        Ok(match guest::address(&user) {
            Some(address) => [Some(Changed::Guest(address)), None],
            None if guest::is_marked(&user) => return everything,
            None => [
                Email::parse(&user.email).ok().map(Changed::User),
                usernames::at_username(&user).map(|identity| Changed::Guest(identity.address)),
            ],
        })
    }

    async fn group_changed(&self, id: &str) -> Result<Option<Changed>, Error> {
        let accounts = self.groups().id(Some(groups::Branch::Accounts)).await?;
        if id == accounts {
            return Ok(Some(Changed::Everything));
        }
        let Some(group) = self.group(id).await? else { return Ok(Some(Changed::Everything)) };
        Ok((group.parent_id == Some(accounts)).then_some(Changed::Account(group.name)))
    }

    /// A group, if it exists.
    async fn group(&self, id: &str) -> Result<Option<Group>, Error> {
        let answer = optional(self.client.call(Call::get(GET_GROUP, &["groups", id])).await)?;
        Ok(answer.map(|answer| answer.read()).transpose()?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn events_after_clock_was_set_back_are_read() {
        assert_eq!(read_from(0, 1_000_000), 0);
        assert_eq!(read_from(900_000, 1_000_000), 897_000);
        assert_eq!(read_from(1_002_000, 1_000_000), 999_000, "the difference is known to seconds only");
        assert_eq!(read_from(91_000_000, 1_000_000), 997_000, "25 hours ahead until now");
    }

    #[test]
    fn only_events_without_changes_are_skipped() {
        let event = |sort: &str, details: &str| {
            let text = format!(r#"{{"id": "1", "time": 1, "userId": "u", "type": "{sort}", "details": {details}}}"#);
            serde_json::from_str::<Event>(&text).unwrap().is_traffic()
        };
        for sort in ["LOGIN", "LOGIN_ERROR", "REFRESH_TOKEN", "CODE_TO_TOKEN", "LOGOUT", "UPDATE_TOTP_ERROR"] {
            assert!(event(sort, "{}"), "{sort}");
        }
        for sort in [
            "UPDATE_CREDENTIAL",
            "REMOVE_CREDENTIAL",
            "REMOVE_TOTP",
            "UPDATE_EMAIL",
            "UPDATE_PROFILE",
            "INVITE_ORG",
            "DELETE_ACCOUNT",
            "USER_DISABLED_BY_PERMANENT_LOCKOUT",
            "USER_DISABLED_BY_PERMANENT_LOCKOUT_ERROR",
            "SOMETHING_NEW",
        ] {
            assert!(!event(sort, "{}"), "{sort}");
        }
        assert!(!event("LOGIN", r#"{"identity_provider": "corporate"}"#), "it may have reported another address");
        let of_an_administrator = r#"{"id": "1", "time": 1, "resourcePath": "users/u", "resourceType": "USER"}"#;
        assert!(!serde_json::from_str::<Event>(of_an_administrator).unwrap().is_traffic());
    }
}
