//! Compares the record that an operation results in: by the pure function that Keycloak's backend uses, and in the embedded
//! directory.

use guestlist::directory::apply::{AppliedRecord, ApplyContext, PreconditionFailed, apply};
use guestlist::directory::{Applied, DirectoryWriter, Error, GuestChange, GuestId, GuestRecord, Operation, Revision};
use jiff::Timestamp;

/// The record that the pure function computes.
pub struct Expected {
    guest: GuestId,
    basis: Option<Revision>,
    before: GuestRecord,
    after: GuestRecord,
    outcome: Result<AppliedRecord, PreconditionFailed>,
}

async fn record(directory: &dyn DirectoryWriter, id: &GuestId) -> Option<GuestRecord> {
    let mut page = None;
    loop {
        let guests = directory.guests(page).await.unwrap();
        if let Some(found) = guests.items.into_iter().find(|guest| guest.id == *id) {
            return Some(found);
        }
        page = Some(guests.next?);
    }
}

fn named_accounts(operation: &Operation) -> Vec<String> {
    match operation {
        Operation::Guest { change: GuestChange::Grant { grants }, .. } => {
            grants.iter().map(|grant| grant.account.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// The expected record, before the operation is executed. `None`: the pure function does not cover the operation.
pub async fn expected(
    directory: &dyn DirectoryWriter,
    operation: &Operation,
    basis: Option<Revision>,
    at: Timestamp,
) -> Option<Expected> {
    let Operation::Guest { id: guest, change } = operation else { return None };
    if matches!(change, GuestChange::Invite(_) | GuestChange::Purge { .. }) {
        return None;
    }
    let before = record(directory, guest).await?;
    // A separate record of the share keeps its account and partner.
    if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = operation {
        let shares = directory.shares(None).await.unwrap().items;
        let other = |uid: &str, account: &str| {
            shares.iter().any(|it| it.uid == uid && (it.account != account || it.partner_name != before.partner_name))
        };
        if grants.iter().any(|grant| other(&grant.share_uid, &grant.account)) {
            return None;
        }
    }
    let mut accounts = Vec::new();
    for name in named_accounts(operation) {
        if directory.account(&name).await.unwrap().is_some_and(|account| !account.deleted) {
            accounts.push(name);
        }
    }
    let partner_is_live = match operation {
        Operation::Guest { change: GuestChange::Update { partner, .. }, .. } => {
            directory.partner(partner).await.unwrap().is_some_and(|partner| partner.deactivated_at.is_none())
        }
        _ => true,
    };
    let owner = directory.owner().await.unwrap();
    let mut after = before.clone();
    let context = ApplyContext { at, owner: owner.as_ref(), accounts: &accounts, partner_is_live };
    let outcome = apply(&mut after, change, &context);
    Some(Expected { guest: guest.clone(), basis, before, after, outcome })
}

/// Asserts, after the operation was executed, that both backends have the same record.
pub async fn agrees(
    directory: &dyn DirectoryWriter,
    expected: Expected,
    done: &Result<Applied, Error>,
    operation: &Operation,
) {
    let stale = expected.basis.is_some_and(|basis| basis != expected.before.revision);
    if stale || matches!(done, Err(Error::Fenced | Error::Unavailable { .. })) {
        return;
    }
    let now = record(directory, &expected.guest).await;
    let timeless = |record: &GuestRecord| GuestRecord { revision: Revision(0), ..record.clone() };
    match (&expected.outcome, done) {
        (Ok(AppliedRecord::Unmarked), Ok(_)) => {
            assert!(now.is_none_or(|now| now.mark.is_none()), "{operation:?} leaves the mark");
        }
        (Ok(AppliedRecord::Same | AppliedRecord::Changed), Ok(_)) => {
            assert_eq!(now.as_ref().map(timeless), Some(timeless(&expected.after)), "{operation:?}");
        }
        (Err(_), Err(_)) => assert_eq!(now, Some(expected.before), "{operation:?} was refused"),
        (outcome, done) => panic!("{operation:?}: the pure function says {outcome:?}, the embedded directory {done:?}"),
    }
}
