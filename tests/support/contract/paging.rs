//! Listings have pages, and a change between two pages is reported as a change event.

use std::collections::BTreeSet;

use guestlist::directory::{Changed, GuestChange, Import, Operation};
use guestlist::domain::ShareRole;

use super::*;

async fn all_guests(subject: &Subject) -> Vec<String> {
    let mut seen = Vec::new();
    let mut page = None;
    loop {
        let read = subject.directory.guests(page).await.unwrap();
        seen.extend(read.items.iter().map(|guest| guest.address.to_string()));
        page = read.next;
        if page.is_none() {
            return seen;
        }
    }
}

async fn seven(subject: &Subject) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    for n in 0..7 {
        let address = email(&format!("guest{n}@acme.example"));
        subject.done(&admit(&address, at(10_000)), n).await;
        made.insert(address.to_string());
    }
    made
}

pub async fn a_listing_in_small_pages_holds_everybody_once(make: Factory) {
    for size in [1, 2, 3, 7, 8] {
        let subject = make(size).furnish().await;
        let made = seven(&subject).await;
        let seen = all_guests(&subject).await;
        assert_eq!(seen.len(), 7, "pages of {size}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made, "pages of {size}");
    }
}

pub async fn the_deactivated_are_listed_too(make: Factory) {
    let subject = make(2).furnish().await;
    seven(&subject).await;
    subject.done(&Operation::Guest { id: guest("guest3"), change: GuestChange::Deactivate }, 50).await;
    assert_eq!(all_guests(&subject).await.len(), 7);
}

pub async fn accounts_users_and_partners_come_in_pages_too(make: Factory) {
    let subject = make(1).furnish().await;
    let first = subject.directory.accounts(None).await.unwrap();
    assert_eq!(first.items.len(), 1);
    let second = subject.directory.accounts(first.next).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    assert_ne!(first.items, second.items);
    let users = subject.directory.users(None).await.unwrap();
    assert_eq!((users.items.len(), users.next), (1, None));
    let partners = subject.directory.partners(None).await.unwrap();
    assert_eq!((partners.items.len(), partners.next), (1, None));
}

pub async fn change_between_two_pages_is_reported_as_a_change(make: Factory) {
    let subject = make(2).furnish().await;
    let made = seven(&subject).await;
    let cursor = subject.cursor().await;
    let first = subject.directory.guests(None).await.unwrap();
    let passed = first.items[0].address.clone();
    subject.player.accept(&passed, seen(50)).unwrap();
    let mut seen: BTreeSet<String> = first.items.iter().map(|guest| guest.address.to_string()).collect();
    let mut page = first.next;
    while page.is_some() {
        let read = subject.directory.guests(page).await.unwrap();
        seen.extend(read.items.iter().map(|guest| guest.address.to_string()));
        page = read.next;
    }
    assert_eq!(seen, made);
    let changes = subject.directory.changes(cursor).await.unwrap();
    let told = [Changed::Guest(passed), Changed::Everything].iter().any(|change| changes.changed.contains(change));
    assert!(told, "{changes:?}");
}

/// All items of a listing, in pages.
macro_rules! listed {
    ($subject:expr, $list:ident, $size:expr) => {{
        let (mut items, mut page) = (Vec::new(), None);
        for _ in 0..20 {
            let read = $subject.directory.$list(page).await.unwrap();
            assert!(read.items.len() <= $size);
            items.extend(read.items);
            page = read.next;
            if page.is_none() {
                break;
            }
        }
        items
    }};
}

pub async fn every_listing_is_the_same_in_pages_of_any_size(make: Factory) {
    let mut all = Vec::new();
    for size in [500, 3, 2, 1] {
        let subject = make(size).furnish().await.with_bob().await;
        subject.done(&admit(&email("carol@acme.example"), at(10_000)), 50).await;
        let grants = ["instagram", "tiktok"].map(|name| grant(name, ShareRole::Manager)).to_vec();
        subject.done(&give("bob", grants), 60).await;
        let mut beta = ensure_partner();
        if let Operation::Partner { id, .. } = &mut beta {
            *id = PartnerId("p-beta".to_owned());
        }
        subject.done(&beta, 70).await;
        let zoe = user(&email("zoe@host.example"));
        subject.player.import(&Import { users: vec![zoe], accounts: vec![] }).unwrap();
        all.push((
            listed!(subject, partners, size),
            listed!(subject, guests, size),
            listed!(subject, accounts, size),
            listed!(subject, users, size),
            listed!(subject, mails, size),
            listed!(subject, shares, size),
        ));
    }
    let (partners, guests, accounts, users, mails, shares) = &all[0];
    assert_eq!([partners.len(), guests.len(), accounts.len(), users.len(), mails.len(), shares.len()], [2; 6]);
    assert!(all.iter().all(|other| other == &all[0]), "{all:#?}");
}
