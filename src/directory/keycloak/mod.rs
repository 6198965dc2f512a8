//! Keycloak as the directory. Partners are organizations. Guests are users, whose attributes contain the ownership
//! mark and the grants. MFA is the state that Keycloak observes. `docs/keycloak.md` describes the layout, and
//! ADR 7 its reasons.

pub mod administration;
mod change_events;
mod claims_gate;
mod client;
mod endpoints;
mod grants;
mod group_records;
mod groups;
mod leadership;
mod locks;
mod mfa;
mod observe;
mod operations;
mod organizations;
mod pages;
mod representations;
mod server_clock;
pub mod setup;
mod sign_in;
mod users;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

pub use client::{Body, Credentials, Request, Response, Secret, Settings, Transport, Unanswered, client_id};

use super::{AccountRecord, Error, GuestRecord, Owner, PartnerId, PartnerRecord, ShareRecord, UserRecord};
use crate::directory::keycloak::users::cache::UserCache;
use crate::directory::keycloak::users::reader::{OrganizationData, PartnerOrganizations, UserReader};
use crate::domain::Email;
use crate::util::coalesce::CoalescedRead;
use change_events::EventCursor;
use claims_gate::ClaimsGate;
use client::{Call, Client};
use endpoints::LIST_ORGANIZATIONS;
use groups::{GroupStore, KnownGroups};
use leadership::Leadership;
use locks::Locks;
use pages::{PAGE, Pages};
use representations::Organization;
use server_clock::ServerClock;

/// Returns the present time.
pub type TimeSource = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A realm as the directory.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    client: Client,
    known_groups: KnownGroups,
    cache: UserCache,
    /// The claims gate.
    claims: ClaimsGate,
    /// Partner → its organization, as last read. Readers share the whole map; a change copies it.
    organizations: Mutex<Arc<PartnerOrganizations>>,
    /// The owner of the directory, once it is known.
    owner: Mutex<Option<Owner>>,
    /// The listing of users in progress. It also finds the workspace users.
    listing: AsyncMutex<Option<Listing>>,
    /// One change of a guest or a partner at a time, because each reads before it writes.
    locks: Locks,
    /// The leader's term.
    term: Leadership,
    /// The present time.
    clock: TimeSource,
    /// The difference between it and Keycloak's clock.
    server_clock: ServerClock,
    /// The events of the realm that were reported already.
    event_cursor: EventCursor,
    /// The accounts, read live before each grant.
    accounts: CoalescedRead<Vec<AccountRecord>>,
    /// The known shares. They never change.
    shares: Mutex<BTreeMap<String, ShareRecord>>,
    /// The lifetime of the realm's invitations.
    lifetime: Mutex<operations::Lifetime>,
}

#[derive(Default)]
struct Listing {
    pages: Pages,
    organization_data: OrganizationData,
    users: Vec<UserRecord>,
    /// Users who block an address.
    blockers: Vec<GuestRecord>,
    /// The addresses in ownership marks.
    marked: std::collections::BTreeSet<Email>,
    seen: std::collections::BTreeSet<String>,
    /// Whether the last page has been read.
    is_whole: bool,
}

impl Directory {
    /// Creates a directory in a realm, without a call.
    ///
    /// # Errors
    ///
    /// The settings do not fit together, or the certificates cannot be read.
    pub fn new(settings: Settings, clock: TimeSource) -> Result<Self, Error> {
        let server_clock = ServerClock::new(Arc::clone(&clock));
        Ok(Self::with(Client::new(settings)?, clock, server_clock))
    }

    /// The same over another transport than HTTP.
    pub fn with_transport(settings: Settings, clock: TimeSource, transport: Arc<dyn Transport>) -> Self {
        let server_clock = ServerClock::new(Arc::clone(&clock));
        Self::with(Client::with_transport(settings, transport), clock, server_clock)
    }

    /// The same for tests in which Keycloak's times follow this clock.
    pub fn with_same_clock(settings: Settings, clock: TimeSource, transport: Arc<dyn Transport>) -> Self {
        Self::with(Client::with_transport(settings, transport), clock, ServerClock::same())
    }

    fn with(client: Client, clock: TimeSource, server_clock: ServerClock) -> Self {
        Self(Arc::new(Inner {
            client,
            known_groups: KnownGroups::default(),
            cache: UserCache::default(),
            claims: ClaimsGate::default(),
            organizations: Mutex::default(),
            owner: Mutex::default(),
            listing: AsyncMutex::default(),
            locks: Locks::default(),
            term: Leadership::default(),
            server_clock,
            clock,
            event_cursor: EventCursor::default(),
            accounts: CoalescedRead::default(),
            shares: Mutex::default(),
            lifetime: Mutex::default(),
        }))
    }

    /// Fails early with a fix if the realm cannot be used.
    ///
    /// # Errors
    ///
    /// The realm does not answer, or refuses the credentials.
    pub async fn reachable(&self) -> Result<(), Error> {
        users::profile::check(&self.0.client).await?;
        self.0.groups().reachable().await
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn groups(&self) -> GroupStore<'_> {
        GroupStore { client: &self.client, known: &self.known_groups }
    }

    fn partner_organizations(&self) -> Arc<PartnerOrganizations> {
        Arc::clone(&self.organizations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn organization(&self, partner: &PartnerId) -> Option<Organization> {
        self.partner_organizations().get(partner).cloned()
    }

    fn set_organization(&self, partner: &PartnerId, home: Option<Organization>) {
        let mut organizations = self.organizations.lock().unwrap_or_else(PoisonError::into_inner);
        match home {
            Some(home) => Arc::make_mut(&mut organizations).insert(partner.clone(), home),
            None => Arc::make_mut(&mut organizations).remove(partner),
        };
    }

    fn users(&self) -> UserReader<'_> {
        let organizations = self.partner_organizations();
        let (client, cache, claims, server_clock) = (&self.client, &self.cache, &self.claims, &self.server_clock);
        UserReader { client, cache, claims, server_clock, organizations, now: self.now() }
    }

    /// All organizations with an ownership mark. The result replaces the known ones.
    async fn list_organizations(&self) -> Result<Vec<PartnerRecord>, Error> {
        match self.known_owner() {
            Some(_) => self.check_owner().await?,
            None => drop(self.read_owner().await?),
        }
        let page = async |first, max| {
            let call = Call::get(LIST_ORGANIZATIONS, &["organizations"]).with("briefRepresentation", false);
            self.client.call(call.listing(first, max)).await?.read()
        };
        let all = pages::all(PAGE, |organization: &Organization| &organization.id, page).await?;
        let found = organizations::records(all);
        let readable = found.iter().filter(|(record, _)| record.is_readable());
        let organizations = readable.map(|(record, organization)| (record.id.clone(), organization.clone())).collect();
        *self.organizations.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(organizations);
        Ok(found.into_iter().map(|(record, _)| record).collect())
    }

    /// Reads the groups directly below guestlist's root in one call: the owner, and all other data of that level.
    async fn survey(&self) -> Result<Option<Owner>, Error> {
        let children = self.groups().survey().await?;
        self.claims.learn(&children);
        Ok(groups::owner(&children))
    }

    async fn read_owner(&self) -> Result<Option<Owner>, Error> {
        let owner = self.survey().await?;
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&owner);
        Ok(owner)
    }

    /// Fails if the realm has lost its owner or has another one: it was created again, restored or taken over. Its
    /// listings then do not show the present guests.
    async fn check_owner(&self) -> Result<(), Error> {
        let Some(known) = self.known_owner() else { return Ok(()) };
        match self.survey().await? {
            Some(owner) if owner == known => Ok(()),
            Some(owner) => Err(Error::Foreign { owner }),
            None => Err(groups::owner_lost()),
        }
    }

    fn known_owner(&self) -> Option<Owner> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The accounts, from a read that began after this call.
    async fn accounts_now(&self) -> Result<Arc<Vec<AccountRecord>>, Error> {
        self.accounts.get(self.list_accounts()).await
    }

    async fn list_accounts(&self) -> Result<Vec<AccountRecord>, Error> {
        Ok(self.groups().accounts().await?)
    }
}
