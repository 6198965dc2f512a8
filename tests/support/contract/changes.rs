//! Change events: they cover at least each change, and none comes without a change.

use std::collections::BTreeSet;

use guestlist::directory::Import;
use guestlist::directory::{Changed, Cursor, GuestChange, Operation};
use guestlist::domain::{MfaMethod, ShareRole};

use super::*;

async fn told(subject: &Subject, cursor: &mut Cursor) -> BTreeSet<Changed> {
    let changes = subject.directory.changes(*cursor).await.unwrap();
    *cursor = changes.cursor;
    changes.changed
}

pub async fn foreign_change_is_reported_once(subject: Subject) {
    let subject = subject.with_bob().await;
    let mut cursor = subject.cursor().await;
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::new());
    let guest = || BTreeSet::from([Changed::Guest(bob())]);
    let account = || BTreeSet::from([Changed::Account("instagram".to_owned())]);
    subject.player.reset(&bob(), seen(40)).unwrap();
    assert_eq!(told(&subject, &mut cursor).await, guest());
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::new());
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(50)).unwrap();
    assert_eq!(told(&subject, &mut cursor).await, guest());
    subject.player.set_owner("instagram", &email("zoe@host.example")).unwrap();
    assert_eq!(told(&subject, &mut cursor).await, account());
    subject.player.set_deleted("instagram", true).unwrap();
    assert_eq!(told(&subject, &mut cursor).await, account());
    let zoe = email("zoe@host.example");
    subject.player.import(&Import { users: vec![user(&zoe)], accounts: vec![] }).unwrap();
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::from([Changed::User(zoe)]));
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::new());
}

pub async fn own_known_change_is_not_reported(subject: Subject) {
    let subject = subject.with_bob().await;
    let mut cursor = subject.cursor().await;
    told(&subject, &mut cursor).await;
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Manager)]), 40).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }, 45).await;
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::new());
    // The same with concurrent changes by others.
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }, 50).await;
    subject.player.set_deleted("tiktok", true).unwrap();
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Demote }, 55).await;
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::from([Changed::Account("tiktok".to_owned())]));
    assert_eq!(cursor, subject.cursor().await);
}

pub async fn read_from_older_cursor_returns_every_change_since(subject: Subject) {
    let subject = subject.with_bob().await;
    let old = subject.cursor().await;
    let mut quick = old;
    subject.player.reset(&bob(), seen(40)).unwrap();
    told(&subject, &mut quick).await;
    subject.player.set_deleted("tiktok", true).unwrap();
    told(&subject, &mut quick).await;
    let mut slow = old;
    let expected = BTreeSet::from([Changed::Guest(bob()), Changed::Account("tiktok".to_owned())]);
    assert_eq!(told(&subject, &mut slow).await, expected);
}

pub async fn a_cursor_from_the_future_means_another_file(subject: Subject) {
    let Cursor(now) = subject.cursor().await;
    let mut cursor = Cursor(now + 1_000);
    assert_eq!(told(&subject, &mut cursor).await, BTreeSet::from([Changed::Everything]));
    assert_eq!(cursor, Cursor(now));
}

pub async fn user_who_was_a_guest_is_reported(subject: Subject) {
    let subject = subject.with_bob().await;
    let mut cursor = subject.cursor().await;
    told(&subject, &mut cursor).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Detach }, 40).await;
    assert!(told(&subject, &mut cursor).await.contains(&Changed::User(bob())), "no effect names the new user");
}
