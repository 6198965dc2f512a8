//! Every listing at the edges of its pages: exactly full pages, one row more, and rows that appear or vanish between
//! two pages. Also pages that are short, repeated or refused.

mod listing;

use std::collections::BTreeSet;

use guestlist::directory::{Changed, Cursor, DirectoryReader as _, DirectoryWriter as _, Error};
use serde_json::json;

use super::Stage;
use super::furnish::{at, bob, ensure_partner, us};
use super::representations::Fate;
use crate::support::realm_in_memory::Realm;
use listing::{ALL, Listing, of, stage, with_bob};

/// Sets the fate of each requested page, counted from 0.
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
        // Each page shares a row with the previous one: two full pages have one row less than twice a page.
        let edges = [page - 1, page, page + 1, 2 * page - 1, 1, 2 * page - 2, 2 * page, 2 * page + 1];
        for count in edges.into_iter().take(if page > 100 { 4 } else { 8 }) {
            let stage = stage(listing, count).await;
            stage.wire.seen();
            assert_eq!(listing.read(&stage).await, Ok(listing.whole(count)), "{listing:?} of {count}");
            let seen = stage.wire.seen();
            let pages = stage.realm(|realm| seen.iter().filter(|seen| listing.is_asked(&seen.asked, realm)).count());
            // One more page shows that nothing follows a short one; some pages of users are requested ahead.
            let most = count / (page - 1) + if listing.is_of_users() { 5 } else { 2 };
            assert!(pages <= most, "{listing:?} of {count}: {pages} pages");
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

/// The number of rows that fills three pages and begins a fourth.
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
            // Several pages of users are requested ahead: those after the end do not count.
            if matches!(listing, Listing::Untold | Listing::Found) && fate == Fate::Refused(404) {
                // A missing group has no members, and a search without a path does not search for a guest.
                continue;
            }
            for refused in 0..=several(listing) / listing.page() {
                // A read is repeated once after a failed connection.
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
        of_pages(&stage, listing, |_, _| Fate::Without("first"));
        let Err(Error::Unavailable { context }) = listing.read(&stage).await else { panic!("{listing:?}") };
        assert!(context.contains("the parameter `first` does not reach Keycloak"), "{listing:?}: {context}");
    }
}

#[tokio::test(start_paused = true)]
async fn take_over_changes_the_mark_of_every_guest_or_fails() {
    let other = guestlist::directory::Owner { installation: "other".to_owned(), cluster: "c-2".to_owned() };
    for count in [99, 100, 101, 199, 200] {
        let stage = stage(Listing::Guests, count).await;
        stage.directory.take_over(&other).await.unwrap();
        let guest = stage.restarted().directory.guest(&bob()).await.unwrap().unwrap();
        assert_eq!(guest.mark.unwrap().installation, "other", "{count}");
    }
    let stage = stage(Listing::Guests, 250).await;
    of_pages(&stage, Listing::Guests, |_, _| Fate::Without("first"));
    assert!(matches!(stage.directory.take_over(&other).await, Err(Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn stranger_on_the_last_page_of_members_keeps_a_partner_on() {
    for count in [1000, 1001, 1999] {
        let mut realm = with_bob().await;
        let organization = realm.organizations.keys().next().unwrap().clone();
        let bob = realm.users[&realm.id_of("bob@acme.example")].clone();
        // All users are guests except the last.
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
async fn too_many_changes_are_reported_as_everything() {
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
