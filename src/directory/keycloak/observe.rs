//! Reading the realm.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::super::{
    AccountRecord, CallObserver, Changed, Changes, Cursor, DirectoryReader, Error, GuestRecord, MailRecord, Owner,
    Page, PageToken, PartnerId, PartnerRecord, Purged, ShareRecord, SignInGate, UserRecord,
};
use super::client::{Call, ClientError, optional};
use super::endpoints::{GET_ORGANIZATION, LIST_ORGANIZATIONS, LIST_USERS};
use super::pages::{PAGE, PageStep};
use super::representations::{Organization, User};
use super::{Directory, Inner, Listing, PoisonError, organizations, sign_in};
use crate::directory::keycloak::users::{guest, profile, recovery, substitutes, usernames};
use crate::domain::Email;

/// The number of concurrent page reads. A page is expensive for the server, except pages behind the last one.
const AT_ONCE: usize = 3;
/// The number of pages that are read before their guests are returned.
const TOGETHER: usize = 6;

impl Inner {
    /// Several pages of guests. Workspace users on these pages are kept for their own listing.
    async fn list_guests(&self, page: Option<PageToken>) -> Result<Page<GuestRecord>, Error> {
        let mut held = self.listing.lock().await;
        if page.is_none() {
            *held = None;
            self.read_claims_gate().await?;
            if self.known_owner().is_none() || self.partner_organizations().is_empty() {
                self.list_organizations().await?;
            }
        }
        let listing = held.get_or_insert_with(Listing::default);
        if page.as_ref().is_some_and(|page| page.0 != listing.pages.first().to_string()) {
            return Err(Error::Unavailable { context: "another listing of users began meanwhile".to_owned() });
        }
        let reader = self.users();
        let mut step = PageStep::On;
        let mut read = Vec::new();
        {
            // No other call may wait in this loop: one of the reads may be renewing the token that all calls need.
            let max = listing.pages.size();
            let ahead = stream::iter(listing.pages.next_offsets().take(TOGETHER));
            let mut pages = ahead.map(|first| reader.page(first, max)).buffered(AT_ONCE);
            while step == PageStep::On
                && let Some(users) = pages.next().await
            {
                let users = match users {
                    // A slow realm manages fewer users: return the pages that were read, and continue with smaller
                    // ones.
                    Err(ClientError::Late { .. }) if listing.pages.shrink() => break,
                    users => users?,
                };
                step = listing.pages.add_page(&users.iter().map(|user| user.id.clone()).collect::<Vec<_>>())?;
                read.extend(users);
            }
        }
        let Listing { seen, organization_data, users, blockers, marked, .. } = listing;
        let guests = async {
            let mut items = Vec::new();
            for user in read {
                if seen.insert(user.id.clone()) {
                    let user = reader.read(&user).await?;
                    blockers.extend(usernames::at_username(&user).into_iter().chain(recovery::at_addresses(&user)));
                    items.extend(match reader.guest(&user, Some(organization_data)).await? {
                        // Two users have the mark and its address, which Keycloak can allow.
                        Some(guest) if !marked.insert(guest.address.clone()) => recovery::record(&user),
                        guest => guest,
                    });
                    users.extend(guest::workspace_user(&user));
                }
            }
            Ok(items)
        };
        let shown = async {
            // If the realm hides guestlist's attributes, it seems to have no guests.
            if step == PageStep::End { profile::check(&self.client).await } else { Ok(()) }
        };
        let (mut items, ()) = futures::try_join!(guests, shown)?;
        if step == PageStep::End {
            listing.is_whole = true;
            let Listing { blockers, marked, .. } = listing;
            items.extend(blockers.drain(..).filter(|one| marked.insert(one.address.clone())));
        }
        let next = (step != PageStep::End).then(|| PageToken(listing.pages.first().to_string()));
        Ok(Page { items, next })
    }

    async fn list_shares(&self) -> Result<Page<ShareRecord>, Error> {
        let found = self.groups().shares().await?;
        let known = found.iter().map(|share| (share.uid.clone(), share.clone())).collect();
        *self.shares.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(whole(found))
    }

    async fn list_users(&self) -> Result<Page<UserRecord>, Error> {
        // A listing that failed or is incomplete does not have all users.
        if let Some(listing) = self.listing.lock().await.take_if(|listing| listing.is_whole) {
            return Ok(Page { items: listing.users, next: None });
        }
        let mut token = None;
        loop {
            token = self.list_guests(token).await?.next;
            if token.is_none() {
                let listing = self.listing.lock().await.take();
                return Ok(Page { items: listing.map(|listing| listing.users).unwrap_or_default(), next: None });
            }
        }
    }

    pub(super) async fn read_partner(&self, id: &PartnerId) -> Result<Option<(PartnerRecord, Organization)>, Error> {
        let known = self.organization(id);
        let mut found = match &known {
            Some(home) => self.read_organization(&home.id).await?.into_iter().collect(),
            None => Vec::new(),
        };
        if found.is_empty() {
            found = self.organizations_with(&organizations::with_id(id)).await?;
        }
        let read = organizations::records(found).into_iter().find(|(record, _)| record.id == *id);
        let home =
            read.as_ref().filter(|(record, _)| record.is_readable()).map(|(_, organization)| organization.clone());
        if known.is_some_and(|known| home.as_ref().is_none_or(|home| home.id != known.id)) {
            // The organization was deleted, so its memberships are gone. Or its ownership mark is unreadable now.
            self.changed_too(Changed::Everything);
        }
        self.set_organization(id, home);
        Ok(read)
    }

    /// The organizations that a query finds.
    pub(super) async fn organizations_with(&self, question: &str) -> Result<Vec<Organization>, Error> {
        let call = Call::get(LIST_ORGANIZATIONS, &["organizations"]).with("q", question);
        Ok(self.client.call(call.with("briefRepresentation", false).page(0, PAGE)).await?.read()?)
    }

    pub(super) async fn read_organization(&self, id: &str) -> Result<Option<Organization>, Error> {
        let call = Call::get(GET_ORGANIZATION, &["organizations", id]);
        match optional(self.client.call(call).await)? {
            Some(answer) => Ok(Some(answer.read()?)),
            None => Ok(None),
        }
    }

    async fn read_guest(&self, address: &Email) -> Result<Option<GuestRecord>, Error> {
        let reader = self.users();
        if let Some(user) = substitutes::user_at(address) {
            let Some(user) = reader.user(user).await? else { return Ok(None) };
            return Ok(self.guest_record(&user).await?.filter(|record| record.address == *address));
        }
        match reader.user_marked(address).await? {
            Ok(user) => self.guest_record(&user).await,
            Err(unreadable) => {
                if self.cache.user_at(address).is_some() {
                    profile::check(&self.client).await?;
                }
                if let Some(user) = unreadable.first() {
                    // The claims are in the user's own record.
                    let own = unreadable.iter().filter_map(|user| substitutes::address(&user.id));
                    own.for_each(|own| self.changed_too(Changed::Guest(own)));
                    return Ok(Some(recovery::at_address(address.clone(), user)));
                }
                Ok(self.user_named(address).await?.as_ref().and_then(usernames::at_username))
            }
        }
    }

    /// The user whose username is an address.
    pub(super) async fn user_named(&self, address: &Email) -> Result<Option<User>, Error> {
        let call = Call::get(LIST_USERS, &["users"]).with("username", address).with("exact", true);
        let found: Vec<User> = self.client.call(call.with("briefRepresentation", false).page(0, 2)).await?.read()?;
        Ok(found.into_iter().find(|user| user.username.eq_ignore_ascii_case(address.as_str())))
    }

    /// Reads a guest's record from the user and, for all other facts, from Keycloak.
    pub(super) async fn guest_record(&self, user: &User) -> Result<Option<GuestRecord>, Error> {
        let partner = guest::recorded(user).partner;
        if let Some(partner) = partner.filter(|partner| self.organization(partner).is_none()) {
            self.read_partner(&partner).await?;
        }
        match optional(self.users().guest_record(user).await) {
            Ok(Some(record)) => Ok(record),
            Err(failed) => Err(failed.into()),
            // The guest's organization no longer exists.
            Ok(None) => {
                if let Some(partner) = guest::recorded(user).partner {
                    self.read_partner(&partner).await?;
                }
                Ok(self.users().guest_record(user).await?)
            }
        }
    }

    pub(super) async fn read_user(&self, email: &Email) -> Result<Option<UserRecord>, Error> {
        let reader = self.users();
        let Some(found) = reader.user_at(email).await? else { return Ok(None) };
        Ok(guest::workspace_user(reader.read(&found).await?.as_ref()))
    }
}

fn whole<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: None }
}

impl DirectoryReader for Directory {
    /// Fails if the realm would show guestlist's attributes to users, let them edit them, or drop them.
    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        profile::check(&self.0.client).boxed()
    }

    fn sign_in(&self) -> BoxFuture<'_, SignInGate> {
        sign_in::check(&self.0.client).boxed()
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.0.client.calls()
    }

    fn observe_calls(&self, observer: CallObserver) {
        self.0.client.observe_calls(observer);
    }

    fn warnings(&self) -> Vec<String> {
        self.0.server_clock.warning(&self.0.client).into_iter().collect()
    }

    fn waiting(&self) -> Option<(&'static str, std::time::Duration)> {
        self.0.client.waiting()
    }

    /// The client sets a deadline for each kind of call.
    fn bounds_calls(&self) -> bool {
        true
    }

    fn owner(&self) -> BoxFuture<'_, Result<Option<Owner>, Error>> {
        self.0.read_owner().boxed()
    }

    fn cursor(&self) -> BoxFuture<'_, Result<Cursor, Error>> {
        self.0.cursor().boxed()
    }

    /// Each poll reads the owner and two kinds of events.
    fn poll(&self) -> std::time::Duration {
        std::time::Duration::from_secs(2)
    }

    fn changes(&self, since: Cursor) -> BoxFuture<'_, Result<Changes, Error>> {
        self.0.changes(since).boxed()
    }

    fn partners(&self, _page: Option<PageToken>) -> BoxFuture<'_, Result<Page<PartnerRecord>, Error>> {
        async { self.0.list_organizations().await.map(whole) }.boxed()
    }

    fn guests(&self, page: Option<PageToken>) -> BoxFuture<'_, Result<Page<GuestRecord>, Error>> {
        self.0.list_guests(page).boxed()
    }

    fn accounts(&self, _page: Option<PageToken>) -> BoxFuture<'_, Result<Page<AccountRecord>, Error>> {
        async { self.0.list_accounts().await.map(whole) }.boxed()
    }

    fn users(&self, _page: Option<PageToken>) -> BoxFuture<'_, Result<Page<UserRecord>, Error>> {
        self.0.list_users().boxed()
    }

    fn mails(&self, _page: Option<PageToken>) -> BoxFuture<'_, Result<Page<MailRecord>, Error>> {
        async { Ok(whole(self.0.groups().mails().await?)) }.boxed()
    }

    fn shares(&self, _page: Option<PageToken>) -> BoxFuture<'_, Result<Page<ShareRecord>, Error>> {
        self.0.list_shares().boxed()
    }

    fn purged(&self) -> BoxFuture<'_, Result<Purged, Error>> {
        async { Ok(self.0.groups().read_purges().await?) }.boxed()
    }

    fn partner<'a>(&'a self, id: &'a PartnerId) -> BoxFuture<'a, Result<Option<PartnerRecord>, Error>> {
        async { Ok(self.0.read_partner(id).await?.map(|(record, _)| record)) }.boxed()
    }

    fn guest<'a>(&'a self, address: &'a Email) -> BoxFuture<'a, Result<Option<GuestRecord>, Error>> {
        self.0.read_guest(address).boxed()
    }

    fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<AccountRecord>, Error>> {
        async { Ok(self.0.groups().one_account(name).await?) }.boxed()
    }

    fn user<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<UserRecord>, Error>> {
        self.0.read_user(email).boxed()
    }
}
