//! Every listing at the edges of its pages: full to the last row, one row more, rows that come and go between two pages, pages
//! that are short, repeated or refused.

use std::collections::BTreeSet;

use guestlist::directory::{Changed, Cursor, Execute as _, Fault, Observe as _, Operation};
use serde_json::json;

use super::furnish::{acme, admit, at, bob, ensure_partner, us};
use super::wire::Fate;
use super::{BEGAN, Stage};
use crate::support::realm_in_memory::{Asked, Realm};

/// A listing that guestlist reads in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Users,
    /// The one guest comes after all other users.
    Guests,
    Accounts,
    Mails,
    Shares,
    Partners,
    /// The guest is the last of the members, and an invitation was left behind.
    Members,
    /// The guest is the last of those of whom applications are told nothing.
    Untold,
    /// Users found by an attribute: all former guests of a partner but the last.
    Found,
    /// The last event is about the guest.
    AdminEvents,
    UserEvents,
}

const ALL: [Listing; 11] = [
    Listing::Users,
    Listing::Guests,
    Listing::Accounts,
    Listing::Mails,
    Listing::Shares,
    Listing::Partners,
    Listing::Members,
    Listing::Untold,
    Listing::Found,
    Listing::AdminEvents,
    Listing::UserEvents,
];

impl Listing {
    fn page(self) -> usize {
        match self {
            Self::Members | Self::Untold => 1000,
            _ => 100,
        }
    }

    fn is_of_events(self) -> bool {
        matches!(self, Self::AdminEvents | Self::UserEvents)
    }

    /// Whether a request asks for a page of it.
    fn is_asked(self, asked: &Asked, realm: &Realm) -> bool {
        let below = |branch: &str| {
            let path =
                |id: &String| realm.groups.get(id).is_some_and(|group| group["path"] == format!("/guestlist/{branch}"));
            asked.path.first().is_some_and(|first| first == "groups")
                && asked.path.len() == 3
                && path(&asked.path[1])
                && asked.value("search").is_none()
        };
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let found = asked.value("q").is_some();
        asked.is_read()
            && match (self, path.as_slice()) {
                (Self::Users | Self::Guests, ["users"]) => !found && asked.value("email").is_none(),
                (Self::Found, ["users"]) => asked.value("q").is_some_and(|q| q.starts_with("guestlist.partner:")),
                (Self::Accounts, _) => below("accounts"),
                (Self::Mails, _) => below("mails"),
                (Self::Shares, _) => below("shares"),
                (Self::Untold, _) => below("untold"),
                (Self::Partners, ["organizations"]) => !found,
                (Self::Members, ["organizations", _, "members"]) => true,
                (Self::AdminEvents, ["admin-events"]) | (Self::UserEvents, ["events"]) => {
                    asked.value("direction") == Some("asc")
                }
                _ => false,
            }
    }

    /// A realm with so many rows of it, more than none.
    async fn filled(self, count: usize) -> Realm {
        let mut realm = match self {
            Self::Guests | Self::Members | Self::Untold | Self::Found | Self::AdminEvents | Self::UserEvents => {
                with_bob().await
            }
            _ => Realm::new(BEGAN),
        };
        let names = (0..count).map(|n| format!("{n:05}"));
        match self {
            Self::Users => names.for_each(|name| drop(realm.stranger(&name))),
            Self::Guests => names.skip(1).for_each(|name| drop(realm.stranger(&name))),
            Self::Accounts | Self::Mails | Self::Shares => {
                let (branch, attributes) = match self {
                    Self::Accounts => ("accounts", json!({"name": ["ads"]})),
                    Self::Mails => ("mails", json!({"mailed-at": [at(0).to_string()]})),
                    _ => ("shares", json!({"partner": ["acme"], "account": ["ads"]})),
                };
                let children = format!("groups/{}/children", realm.group(&format!("/guestlist/{branch}")));
                for name in names {
                    realm.add(&children, json!({"name": format!("{name}@acme.example"), "attributes": attributes}));
                }
            }
            Self::Partners => {
                for name in names {
                    let mark = ["installation", "cluster", "namespace", "name", "uid", "id"];
                    let attributes: serde_json::Map<_, _> =
                        mark.map(|part| (format!("guestlist.{part}"), json!([name]))).into_iter().collect();
                    realm.add(
                        "organizations",
                        json!({"name": name, "alias": name, "enabled": true, "attributes": attributes}),
                    );
                }
            }
            Self::Members => {
                let organization = realm.organizations.keys().next().unwrap().clone();
                for name in names.skip(1) {
                    let user = realm.stranger(&name);
                    realm.members.insert((organization.clone(), user), false);
                }
                let row = realm.invitations.clone();
                realm.joins("bob@acme.example", Some("otp"));
                realm.invitations = row;
            }
            Self::Untold => {
                let untold = realm.group("/guestlist/untold");
                let mut told = vec!["bob@acme.example".to_owned()];
                for name in names.skip(1) {
                    realm.stranger(&name);
                    told.push(format!("{name}@host.example"));
                }
                let places: Vec<_> = told.iter().map(|address| (untold.clone(), realm.id_of(address))).collect();
                realm.in_group.extend(places);
                let bob = realm.id_of("bob@acme.example");
                realm.users.get_mut(&bob).unwrap()["attributes"]["guestlist.accounts"] = json!(["ads:collaborator"]);
            }
            Self::Found => {
                let live = realm.users[&realm.id_of("bob@acme.example")].clone();
                for name in names.skip(1) {
                    let text = live.to_string().replace("bob@acme.example", &format!("{name}@acme.example"));
                    let text = text
                        .replace("g-bob", &name)
                        .replace("\\\"admittedAt", "\\\"deactivatedAt\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"admittedAt");
                    realm.put_user(serde_json::from_str(&text).unwrap());
                }
            }
            Self::AdminEvents | Self::UserEvents => {
                let user = realm.id_of("bob@acme.example");
                let of_user = self == Self::UserEvents;
                (realm.admin_events, realm.events) = (Vec::new(), Vec::new());
                for n in 1..=count {
                    let event = match (of_user, n == count) {
                        (true, true) => json!({"type": "UPDATE_PROFILE", "userId": user}),
                        (true, false) => json!({"type": "LOGIN", "userId": user}),
                        (false, true) => json!({"resourceType": "USER", "resourcePath": format!("users/{user}")}),
                        (false, false) => json!({"resourceType": "CLIENT", "resourcePath": "clients/1"}),
                    };
                    realm.tell(of_user, event);
                }
            }
        }
        realm
    }

    /// Reads it: what of it is known afterwards.
    async fn read(self, stage: &Stage) -> Result<BTreeSet<String>, Fault> {
        let directory = &stage.directory;
        Ok(match self {
            Self::Users => {
                let users = directory.users(None).await?.items;
                users.into_iter().map(|user| user.email.as_str().split('@').next().unwrap().to_owned()).collect()
            }
            Self::Accounts => directory
                .accounts(None)
                .await?
                .items
                .into_iter()
                .map(|_| ())
                .enumerate()
                .map(|(n, ())| format!("{n:05}"))
                .collect(),
            Self::Mails => directory
                .mails(None)
                .await?
                .items
                .into_iter()
                .map(|mail| mail.address.as_str()[..5].to_owned())
                .collect(),
            Self::Shares => {
                directory.shares(None).await?.items.into_iter().map(|share| share.uid[..5].to_owned()).collect()
            }
            Self::Partners => directory.partners(None).await?.items.into_iter().map(|partner| partner.id.0).collect(),
            Self::Guests | Self::Members | Self::Untold => {
                let found = stage.guests().await?;
                let is_there = |guest: &guestlist::directory::GuestRecord| match self {
                    Self::Members => guest.joined_at.is_some(),
                    Self::Untold => guest.grants.values().all(guestlist::directory::GrantRecord::is_blocked),
                    _ => true,
                };
                found.iter().filter(|guest| is_there(guest)).map(|guest| guest.address.to_string()).collect()
            }
            Self::Found => {
                let put_away = Operation::DeactivatePartner { partner: acme() };
                let epoch = directory.epoch().await?;
                match directory.execute(&put_away, None, at(0), epoch).await {
                    Err(Fault::Changed { .. }) => [bob().to_string()].into(),
                    Err(fault) => return Err(fault),
                    Ok(_) => BTreeSet::new(),
                }
            }
            Self::AdminEvents | Self::UserEvents => {
                let changes = directory.changes(Cursor(0)).await?.changed;
                let named = |one: &Changed| matches!(one, Changed::Guest(_) | Changed::User(_));
                changes.iter().filter(|one| named(one)).map(|_| bob().to_string()).collect()
            }
        })
    }

    /// What is known after all of it was read.
    fn whole(self, count: usize) -> BTreeSet<String> {
        match self {
            Self::Users | Self::Accounts | Self::Mails | Self::Shares | Self::Partners => {
                (0..count).map(|n| format!("{n:05}")).collect()
            }
            _ => [bob().to_string()].into(),
        }
    }
}

/// A realm with the partner acme, to which Bob is invited.
async fn with_bob() -> Realm {
    let mut realm = Realm::new(BEGAN);
    let told = realm.group("/guestlist/told");
    for group in [told, realm.group("/guestlist")] {
        realm.groups.get_mut(&group).unwrap()["attributes"] = json!({"guestlist.told": ["true"]});
    }
    let stage = Stage::on(realm);
    stage.directory.claim(&us()).await.unwrap();
    let epoch = stage.directory.lead().await.unwrap();
    for operation in [ensure_partner(false), admit(guestlist::directory::Origin::Made)] {
        stage.directory.execute(&operation, None, at(0), epoch).await.unwrap();
    }
    stage.realm(|realm| realm.clone())
}

/// A stage that has looked at everything but the listing.
async fn stage(listing: Listing, count: usize) -> Stage {
    of(listing, listing.filled(count).await).await
}

/// The same in this realm.
async fn of(listing: Listing, realm: Realm) -> Stage {
    let stage = Stage::on(realm);
    if listing != Listing::Partners {
        stage.directory.owner().await.unwrap();
        stage.directory.partners(None).await.unwrap();
    }
    stage
}

/// Of each page that is asked for, counted from 0, this is the fate.
fn of_pages(stage: &Stage, listing: Listing, mut fate: impl FnMut(usize, &mut Realm) -> Fate + Send + 'static) {
    let mut page = 0;
    stage.wire.rules(move |asked, realm| {
        if !listing.is_asked(asked, realm) {
            return Fate::Passes;
        }
        page += 1;
        fate(page - 1, realm)
    });
}

#[tokio::test(start_paused = true)]
async fn listing_is_whole_at_every_edge_of_its_pages() {
    for listing in ALL {
        let page = listing.page();
        // Each page shares a row with the one before: two full ones are one row less than twice as many.
        let edges = [page - 1, page, page + 1, 2 * page - 1, 1, 2 * page - 2, 2 * page, 2 * page + 1];
        for count in edges.into_iter().take(if page > 100 { 4 } else { 8 }) {
            let stage = stage(listing, count).await;
            stage.wire.seen();
            assert_eq!(listing.read(&stage).await, Ok(listing.whole(count)), "{listing:?} of {count}");
            let seen = stage.wire.seen();
            let one_by_one = seen.iter().filter(|seen| seen.asked.path.len() == 4 && seen.asked.path[2] == "members");
            assert_eq!(one_by_one.count(), 0, "{listing:?} of {count}: the listing tells who is a member");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn empty_listing_is_empty_and_no_fault() {
    let stage = Stage::new();
    for listing in
        [Listing::Users, Listing::Accounts, Listing::Mails, Listing::Shares, Listing::Partners, Listing::AdminEvents]
    {
        assert_eq!(listing.read(&stage).await, Ok(BTreeSet::new()), "{listing:?}");
    }
    assert_eq!(stage.directory.guests(None).await.unwrap().items, []);
}

/// As many rows as fill three pages and begin a fourth.
fn several(listing: Listing) -> usize {
    if listing.page() > 100 { listing.page() + 1 } else { 3 * listing.page() + 1 }
}

#[tokio::test(start_paused = true)]
async fn listing_with_a_refused_page_is_an_error() {
    for listing in ALL {
        let stage = stage(listing, several(listing)).await;
        of_pages(&stage, listing, |_, _| Fate::Passes);
        listing.read(&stage).await.unwrap();
        for fate in [Fate::Refused(500), Fate::Refused(404), Fate::Unreached, Fate::BreaksOff, Fate::Patience(503, "1")]
        {
            // The pages of users are read ahead, several at once: those behind the end do not count.
            if matches!(listing, Listing::Untold | Listing::Found) && fate == Fate::Refused(404) {
                // The group is gone, and nobody is in it; and a search that finds no path is no search for a guest.
                continue;
            }
            for refused in 0..several(listing) / listing.page() + 1 {
                // What is only read is asked for once more where the connection fails.
                of_pages(&stage, listing, move |page, _| if page >= refused { fate } else { Fate::Passes });
                let read = listing.read(&stage).await;
                assert!(read.is_err(), "{listing:?}, page {refused}, {fate:?}: {read:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn page_that_fails_once_is_read_again() {
    for listing in ALL {
        let count = several(listing);
        let realm = listing.filled(count).await;
        for fate in [Fate::Unreached, Fate::Lost, Fate::BreaksOff, Fate::Refused(401)] {
            let stage = of(listing, realm.clone()).await;
            of_pages(&stage, listing, move |page, _| if page == 1 { fate } else { Fate::Passes });
            assert_eq!(listing.read(&stage).await, Ok(listing.whole(count)), "{listing:?}: {fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_go_between_two_pages_hide_no_other() {
    for listing in ALL.into_iter().filter(|listing| !listing.is_of_events()) {
        let count = several(listing);
        let realm = listing.filled(count).await;
        for gone in [1, 50, 120] {
            let stage = of(listing, realm.clone()).await;
            let names: BTreeSet<String> = (0..gone).map(|n| format!("{n:05}")).collect();
            let doomed = names.clone();
            of_pages(&stage, listing, move |page, realm| {
                if page == 1 {
                    let named = |name: &str| doomed.contains(name.split('@').next().unwrap_or_default());
                    realm.users.retain(|_, user| !named(user["username"].as_str().unwrap_or_default()));
                    realm.groups.retain(|_, group| !named(group["name"].as_str().unwrap_or_default()));
                    realm.organizations.retain(|_, one| !named(one["name"].as_str().unwrap_or_default()));
                    let there: BTreeSet<String> = realm.users.keys().cloned().collect();
                    realm.members.retain(|(_, user), _| there.contains(user));
                    realm.in_group.retain(|(_, user)| there.contains(user));
                }
                Fate::Passes
            });
            let read = listing.read(&stage).await.unwrap();
            let stayed: BTreeSet<String> = match listing {
                Listing::Accounts => (0..count - gone).map(|n| format!("{n:05}")).collect(),
                _ => listing.whole(count).difference(&names).cloned().collect(),
            };
            assert!(stayed.is_subset(&read), "{listing:?}, {gone} gone: {:?}", stayed.difference(&read));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_between_two_pages_hide_no_other() {
    for listing in ALL.into_iter().filter(|listing| !listing.is_of_events() && *listing != Listing::Accounts) {
        let count = several(listing);
        let stage = stage(listing, count).await;
        of_pages(&stage, listing, move |page, realm| {
            let user = realm.stranger(&format!("!{page}"));
            if let Some(organization) = realm.organizations.keys().next().cloned() {
                realm.members.insert((organization, user), false);
            }
            for path in ["/guestlist/accounts", "/guestlist/mails", "/guestlist/shares"] {
                let branch = realm.group(path);
                realm.add(&format!("groups/{branch}/children"), json!({"name": format!("!{page}")}));
            }
            let name = format!("!{page}");
            realm.add("organizations", json!({"name": name, "alias": name, "enabled": true}));
            Fate::Passes
        });
        let read = listing.read(&stage).await.unwrap();
        assert!(listing.whole(count).is_subset(&read), "{listing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn short_page_in_the_middle_does_not_end_a_listing() {
    for listing in ALL.into_iter().filter(|listing| !listing.is_of_events()) {
        let count = several(listing);
        let realm = listing.filled(count).await;
        for dropped in [1, 30] {
            let stage = of(listing, realm.clone()).await;
            of_pages(&stage, listing, move |page, _| if page == 0 { Fate::Drops(dropped) } else { Fate::Passes });
            let read = listing.read(&stage).await.unwrap();
            let last = match listing {
                Listing::Accounts => format!("{:05}", count - dropped - 1),
                _ => listing.whole(count).last().unwrap().clone(),
            };
            assert!(read.contains(&last), "{listing:?}, {dropped} dropped: {} of {count}", read.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn listing_whose_pages_are_all_the_first_is_an_error() {
    for listing in ALL {
        let stage = stage(listing, several(listing)).await;
        of_pages(&stage, listing, |_, _| Fate::FirstPage);
        let Err(Fault::Unavailable { context }) = listing.read(&stage).await else { panic!("{listing:?}") };
        assert!(context.contains("the parameter `first` does not reach Keycloak"), "{listing:?}: {context}");
    }
}

#[tokio::test(start_paused = true)]
async fn take_over_changes_the_mark_of_every_guest_or_fails() {
    let other = guestlist::directory::Owner { installation: "other".to_owned(), cluster: "c-2".to_owned() };
    for count in [99, 100, 101, 199, 200] {
        let stage = stage(Listing::Guests, count).await;
        let said = stage.directory.take_over(&other).await;
        let (_, guest) = (said.unwrap(), stage.restarted().directory.guest(&bob()).await.unwrap().unwrap());
        assert_eq!(guest.mark.unwrap().installation, "other", "{count}");
    }
    let stage = stage(Listing::Guests, 250).await;
    of_pages(&stage, Listing::Guests, |_, _| Fate::FirstPage);
    assert!(matches!(stage.directory.take_over(&other).await, Err(Fault::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn stranger_on_the_last_page_of_members_keeps_a_partner_on() {
    for count in [1000, 1001, 1999] {
        let mut realm = with_bob().await;
        let organization = realm.organizations.keys().next().unwrap().clone();
        let bob = realm.users[&realm.id_of("bob@acme.example")].clone();
        // All are guests but the last.
        for n in 1..count {
            let name = format!("{n:05}");
            let text =
                bob.to_string().replace("bob@acme.example", &format!("{name}@acme.example")).replace("g-bob", &name);
            let user = realm.put_user(serde_json::from_str(&text).unwrap());
            realm.members.insert((organization.clone(), user), false);
        }
        let stranger = realm.stranger("zoe");
        realm.members.insert((organization.clone(), stranger), false);
        let stage = Stage::on(realm);
        stage.directory.claim(&us()).await.unwrap();
        let epoch = stage.directory.epoch().await.unwrap();
        stage.directory.execute(&ensure_partner(true), None, at(0), epoch).await.unwrap();
        assert_eq!(stage.realm(|realm| realm.organizations[&organization]["enabled"].clone()), true, "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_changes_than_are_told_one_by_one_are_told_as_everything() {
    for (count, told) in [(1999, false), (2000, true), (2001, true)] {
        let stage = stage(Listing::UserEvents, 1).await;
        stage.realm(|realm| {
            let user = realm.id_of("bob@acme.example");
            realm.events.clear();
            (0..count).for_each(|_| realm.tell(true, json!({"type": "UPDATE_PROFILE", "userId": user})));
        });
        let changed = stage.directory.changes(Cursor(0)).await.unwrap().changed;
        let everything: BTreeSet<Changed> = [Changed::Everything].into();
        assert_eq!(changed == everything, told, "{count}: {changed:?}");
    }
}
