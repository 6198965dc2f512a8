//! Listings have pages, and a change between two pages is reported as a change event.

use std::collections::BTreeSet;

use guestlist::directory::{Changed, GuestChange, Operation};

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
