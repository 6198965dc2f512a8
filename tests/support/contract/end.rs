//! The last step of a removal, unmanaged guests, and a directory that changes its owner.

use guestlist::directory::Import;
use guestlist::directory::{
    Changed, Error, GuestChange, MfaRecord, NewGuest, Operation, Origin, Owner, PartnerChange, Purged, purged_lately,
};
use guestlist::domain::ShareRole;

use super::*;

fn destroy(who: &str, since: i64, at_most: u32) -> Operation {
    Operation::Guest { id: guest(who), change: GuestChange::Purge { since: at(since), at_most } }
}

fn count(purged: &Purged, seconds: i64) -> u32 {
    purged_lately(purged, at(seconds))
}

pub async fn only_the_deactivation_that_was_planned_on_is_purged(subject: Subject) {
    let subject = subject.with_manager().await;
    subject.stale(&destroy("bob", 50, 9), 45).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    subject.stale(&destroy("bob", 49, 9), 60).await;
    // The guest returned and left again.
    subject.done(&admit(&bob(), at(10_000)), 70).await;
    subject.stale(&destroy("bob", 50, 9), 80).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 90).await;
    subject.stale(&destroy("bob", 50, 9), 100).await;
    let effect = subject.done(&destroy("bob", 90, 9), 110).await;
    assert_eq!((effect.gone, effect.guest), (Some(guest("bob")), None));
    assert_eq!(subject.directory.guest(&bob()).await.unwrap(), None);
    // The purge also removed the guest's MFA methods.
    let record = subject.done(&admit(&bob(), at(10_000)), 120).await.guest.unwrap();
    assert_eq!(record.mfa, MfaRecord::Known([].into()));
}

pub async fn no_more_are_purged_in_an_hour_than_the_operation_allows(subject: Subject) {
    for name in ["bob", "carol", "dave"] {
        subject.done(&admit(&email(&format!("{name}@acme.example")), at(10_000)), 10).await;
        subject.done(&Operation::Guest { id: guest(name), change: GuestChange::Deactivate }, 20).await;
    }
    let effect = subject.done(&destroy("bob", 20, 1), 100).await;
    assert_eq!(effect.purged, Some(subject.directory.purged().await.unwrap()));
    // Repeating the operation changes nothing and counts once.
    subject.done(&destroy("bob", 20, 1), 110).await;
    let purged = subject.directory.purged().await.unwrap();
    assert_eq!((count(&purged, 110), count(&purged, 100 + 3_599)), (1, 1));
    subject.stale(&destroy("carol", 20, 1), 120).await;
    subject.stale(&destroy("carol", 20, 1), 100 + 3_599).await;
    subject.done(&destroy("carol", 20, 2), 130).await;
    // The count covers the whole minute.
    subject.done(&destroy("dave", 20, 1), 130 + 3_660).await;
    let purged = subject.directory.purged().await.unwrap();
    assert_eq!((count(&purged, 130 + 3_660), purged.len()), (1, 1), "what is older than an hour is forgotten");
}

pub async fn purge_is_known_to_its_author_and_reported_to_others(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    let cursor = subject.cursor().await;
    subject.directory.changes(cursor).await.unwrap();
    subject.done(&destroy("bob", 50, 9), 60).await;
    assert_eq!(subject.directory.changes(cursor).await.unwrap().changed, [].into());
    if !subject.directory.fences() {
        // Another operator leads only after this one, and starts with a full read.
        return;
    }
    // A reader with an older cursor receives the change.
    subject.player.import(&Import { users: vec![user(&email("zoe@host.example"))], accounts: vec![] }).unwrap();
    subject.directory.changes(subject.cursor().await).await.unwrap();
    let told = subject.directory.changes(cursor).await.unwrap().changed;
    assert!(told.contains(&Changed::Purged) && told.contains(&Changed::Guest(bob())), "{told:?}");
}

pub async fn workspace_user_keeps_mfa_when_guest_record_is_purged(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    subject.player.import(&Import { users: vec![user(&bob())], accounts: vec![] }).unwrap();
    subject.done(&destroy("bob", 50, 9), 60).await;
    assert_eq!(subject.directory.user(&bob()).await.unwrap(), Some(user(&bob())));
    let mut adopt = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut adopt {
        mark.origin = Origin::Adopted;
    }
    let record = subject.done(&adopt, 70).await.guest.unwrap();
    assert!(matches!(record.mfa, MfaRecord::Known(methods) if methods.len() == 1));
}

pub async fn partner_is_purged_once_deactivated_and_unreferenced(subject: Subject) {
    let subject = subject.with_bob().await;
    let destroy_partner = |since| Operation::Partner { id: acme(), change: PartnerChange::Purge { since: at(since) } };
    subject.stale(&destroy_partner(60), 50).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    subject.done(&Operation::Partner { id: acme(), change: PartnerChange::Deactivate }, 60).await;
    subject.stale(&destroy_partner(60), 70).await;
    subject.done(&destroy("bob", 50, 9), 80).await;
    subject.stale(&destroy_partner(59), 90).await;
    let effect = subject.done(&destroy_partner(60), 100).await;
    assert_eq!((effect.partner, effect.partner_gone), (None, Some(acme())));
    assert_eq!(subject.directory.partner(&acme()).await.unwrap(), None);
    subject.done(&ensure_partner(), 110).await;
    subject.done(&admit(&bob(), at(10_000)), 120).await;
}

pub async fn the_adopted_are_never_purged(subject: Subject) {
    subject.player.import(&Import { users: vec![user(&bob())], accounts: vec![] }).unwrap();
    let mut adopt = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut adopt {
        mark.origin = Origin::Adopted;
    }
    subject.done(&adopt, 10).await;
    let fault = subject.refused(&destroy("bob", 10, 9), 20).await;
    assert!(matches!(fault, Error::Refused { .. }), "{fault}");
}

pub async fn unmanaged_guest_becomes_unverified_user_without_access(subject: Subject) {
    let subject = subject.with_manager().await;
    let effect = subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Detach }, 50).await;
    assert_eq!(effect.gone, Some(guest("bob")));
    assert_eq!(subject.directory.guest(&bob()).await.unwrap(), None);
    let user = subject.directory.user(&bob()).await.unwrap().unwrap();
    assert_eq!((user.name.as_str(), user.enabled, user.verified), ("bob", true, false));
    assert!(matches!(subject.refused(&admit(&bob(), at(10_000)), 60).await, Error::Exists { .. }));
    // A deactivated guest cannot become unmanaged: the record is purged in due time.
    subject.done(&admit(&email("carol@acme.example"), at(10_000)), 70).await;
    subject.done(&Operation::Guest { id: guest("carol"), change: GuestChange::Deactivate }, 80).await;
    subject.stale(&Operation::Guest { id: guest("carol"), change: GuestChange::Detach }, 90).await;
}

pub async fn adopting_a_directory_takes_every_mark_and_the_leadership(subject: Subject) {
    let subject = subject.with_manager().await;
    let cursor = subject.cursor().await;
    subject.directory.changes(cursor).await.unwrap();
    let before = subject.record(&bob()).await;
    let new = Owner { cluster: "c-2".to_owned(), ..us() };
    assert!(subject.directory.claim(&new).await.is_err());
    subject.directory.take_over(&new).await.unwrap();
    assert_eq!(subject.directory.changes(cursor).await.unwrap().changed, [Changed::Everything].into());
    let after = subject.record(&bob()).await;
    assert_eq!(after.mark.as_ref().unwrap().cluster, "c-2");
    assert!(after.revision > before.revision);
    assert_eq!(after.grants, before.grants, "it passes as it is");
    assert_eq!(subject.directory.partner(&acme()).await.unwrap().unwrap().mark.cluster, "c-2");
    // The former leader can no longer write, and cannot regain the lead by claiming it.
    let withhold =
        Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    assert_eq!(subject.refused(&withhold, 60).await, Error::Fenced);
    assert_eq!(subject.directory.claim(&us()).await, Err(Error::Foreign { owner: new.clone() }));
    let written = subject.cursor().await;
    subject.directory.take_over(&new).await.unwrap();
    subject.directory.claim(&new).await.unwrap();
    assert_eq!(subject.cursor().await, written, "taken over already");
    let epoch = subject.directory.lead().await.unwrap();
    let mut grant = give("bob", vec![grant("tiktok", ShareRole::Collaborator)]);
    if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = &mut grant {
        grants[0].until = Some(at(9_000));
    }
    subject.directory.execute(&grant, None, at(70), epoch).await.unwrap();
}

/// The user stays, and nothing that disabled the login is undone.
pub async fn detached_guest_keeps_a_disabled_login(subject: Subject) {
    for (name, by_guestlist, enabled) in
        [("bob", None, true), ("carol", Some(true), false), ("dave", Some(false), false)]
    {
        let address = email(&format!("{name}@acme.example"));
        subject.done(&admit(&address, at(10_000)), 10).await;
        match by_guestlist {
            Some(true) => {
                drop(subject.done(&Operation::Guest { id: guest(name), change: GuestChange::DisableLogin }, 20).await);
            }
            Some(false) => assert!(subject.player.set_login(&address, false).unwrap()),
            None => {}
        }
        subject.done(&Operation::Guest { id: guest(name), change: GuestChange::Detach }, 30).await;
        let user = subject.directory.user(&address).await.unwrap().unwrap();
        assert_eq!((user.enabled, user.verified), (enabled, false), "{name}");
    }
}

pub async fn adopting_a_directory_takes_ended_records_too(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    subject.done(&Operation::Partner { id: acme(), change: PartnerChange::Deactivate }, 60).await;
    subject.directory.take_over(&Owner { cluster: "c-2".to_owned(), ..us() }).await.unwrap();
    let (guest, partner) = (subject.record(&bob()).await, subject.directory.partner(&acme()).await.unwrap().unwrap());
    assert_eq!((guest.mark.unwrap().cluster.as_str(), guest.deactivated_at), ("c-2", Some(at(50))));
    assert_eq!((partner.mark.cluster.as_str(), partner.deactivated_at), ("c-2", Some(at(60))));
}
