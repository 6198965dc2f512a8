//! Facts that outlive the records: the last mail to an address, and the account and partner of a share at its first
//! grant.

use guestlist::directory::Import;
use guestlist::directory::{
    AccountRecord, DirectoryCache, Error, GuestChange, MAILS_KEPT, MailRecord, NewGuest, Operation, Origin, SENT_KEPT,
    ShareRecord,
};
use guestlist::domain::ShareRole;

use super::*;

/// The last mail to each address, from the listing or from its record.
async fn mails(subject: &Subject) -> Vec<MailRecord> {
    let listed = subject.directory.mails(None).await.unwrap().items;
    let guests = subject.directory.guests(None).await.unwrap().items;
    let recorded = guests.into_iter().filter_map(|guest| Some((guest.address, guest.last_mail_at?)));
    let all = listed.into_iter().map(|mail| (mail.address, mail.at)).chain(recorded);
    let all: std::collections::BTreeMap<_, _> = all.collect();
    all.into_iter().map(|(address, at)| MailRecord { address, at, recent: Vec::new() }).collect()
}

async fn shares(subject: &Subject) -> Vec<ShareRecord> {
    subject.directory.shares(None).await.unwrap().items
}

fn adopted(address: &Email) -> Operation {
    let mut operation = admit(address, at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut operation {
        mark.origin = Origin::Adopted;
    }
    operation
}

pub async fn the_last_mail_to_an_address_outlives_its_record(subject: Subject) {
    subject.player.import(&Import { users: vec![user(&bob())], accounts: vec![] }).unwrap();
    subject.done(&adopted(&bob()), 10).await;
    subject
        .done(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(20_000) } },
            20,
        )
        .await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }, 30).await;
    assert_eq!(mails(&subject).await, [MailRecord { address: bob(), at: at(20), recent: Vec::new() }]);
    let record = subject.done(&adopted(&bob()), 40).await.guest.unwrap();
    assert_eq!(record.last_mail_at, Some(at(40)));
    assert_eq!(mails(&subject).await, [MailRecord { address: bob(), at: at(40), recent: Vec::new() }]);
}

pub async fn mail_without_a_record_is_forgotten_after_retention(subject: Subject) {
    subject.player.import(&Import { users: vec![user(&bob())], accounts: vec![] }).unwrap();
    let kept = MAILS_KEPT.as_secs();
    subject.done(&adopted(&bob()), 0).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }, 10).await;
    subject.done(&admit(&email("carol@acme.example"), at(2 * kept)), kept).await;
    assert_eq!(mails(&subject).await.len(), 2);
    let later =
        Operation::Guest { id: guest("carol"), change: GuestChange::ResendInvitation { expires_at: at(3 * kept) } };
    subject.done(&later, kept + 1).await;
    let dave = email("dave@acme.example");
    subject.player.import(&Import { users: vec![user(&dave)], accounts: vec![] }).unwrap();
    subject.done(&adopted(&dave), kept + 1).await;
    subject.done(&Operation::Guest { id: guest("dave"), change: GuestChange::Release }, kept + 2).await;
    let mail = |name: &str| MailRecord {
        address: email(&format!("{name}@acme.example")),
        at: at(kept + 1),
        recent: Vec::new(),
    };
    assert_eq!(mails(&subject).await, [mail("carol"), mail("dave")]);
}

/// The times of a namespace's mails in the hour before an instant, as a process that starts then reads them.
async fn sent(subject: &Subject, namespace: &str, now: i64) -> Vec<Timestamp> {
    let mut directory_cache = DirectoryCache::default();
    for guest in subject.directory.guests(None).await.unwrap().items {
        directory_cache.set_guest(&guest.address.clone(), Some(guest));
    }
    for mail in subject.directory.mails(None).await.unwrap().items {
        directory_cache.set_mail(&mail);
    }
    directory_cache.sent_after(namespace, at(now - SENT_KEPT.as_secs())).collect()
}

pub async fn mails_of_the_last_hour_outlive_their_record(subject: Subject) {
    subject.player.import(&Import { users: vec![user(&bob())], accounts: vec![] }).unwrap();
    let admitted = adopted(&bob());
    let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &admitted else {
        panic!("{admitted:?}")
    };
    let namespace = mark.namespace.clone();
    subject.done(&admitted, 10).await;
    for again in [20, 30] {
        let operation = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::ResendInvitation { expires_at: at(20_000 + again) },
        };
        subject.done(&operation, again).await;
    }
    assert_eq!(sent(&subject, &namespace, 40).await, [at(10), at(20), at(30)]);
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }, 40).await;
    assert_eq!(sent(&subject, &namespace, 40).await, [at(10), at(20), at(30)]);
    subject.done(&adopted(&bob()), 50).await;
    subject.done(&admit(&email("carol@acme.example"), at(30_000)), 60).await;
    subject.done(&Operation::Guest { id: guest("carol"), change: GuestChange::Deactivate }, 70).await;
    let all = [10, 20, 30, 50, 60].map(at);
    assert_eq!(sent(&subject, &namespace, 70).await, all);
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }, 80).await;
    subject
        .done(&Operation::Guest { id: guest("carol"), change: GuestChange::Purge { since: at(70), at_most: 9 } }, 90)
        .await;
    assert_eq!(sent(&subject, &namespace, 90).await, all);
    assert_eq!(sent(&subject, "elsewhere", 90).await, []);
    assert_eq!(sent(&subject, &namespace, 3_640).await, [at(50), at(60)]);
}

pub async fn share_grants_one_account_to_one_partner_until_forgotten(subject: Subject) {
    let subject = subject.with_manager().await;
    let share = grant("instagram", ShareRole::Manager).share_uid;
    let known = ShareRecord { uid: share.clone(), partner_name: "acme".to_owned(), account: "instagram".to_owned() };
    assert_eq!(shares(&subject).await, std::slice::from_ref(&known));
    let forget = Operation::ForgetShare { share_uid: share.clone() };
    subject.stale(&forget, 50).await;
    let withhold =
        Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    subject.done(&withhold, 60).await;
    assert_eq!(shares(&subject).await, [known]);
    let other = Grant { share_uid: share.clone(), ..grant("tiktok", ShareRole::Collaborator) };
    subject.stale(&give("bob", vec![other.clone()]), 70).await;
    let effect = subject.done(&forget, 80).await;
    assert_eq!((effect.share_gone, shares(&subject).await), (Some(share), vec![]));
    subject.done(&give("bob", vec![other]), 90).await;
}

pub async fn a_guest_is_never_owner_made_or_adopted(subject: Subject) {
    let carol = email("carol@acme.example");
    subject.player.import(&Import { users: vec![user(&carol)], accounts: vec![] }).unwrap();
    subject.done(&admit(&bob(), at(10_000)), 10).await;
    subject.done(&adopted(&carol), 10).await;
    let account = |name: &str, owner: &Email| AccountRecord {
        name: name.to_owned(),
        owners: vec![alice(), owner.clone()],
        deleted: false,
    };
    for owner in [bob(), carol.clone()] {
        let before = subject.cursor().await;
        let fault = subject.player.set_owner("instagram", &owner).unwrap_err();
        assert!(fault.to_string().contains(&format!("{owner} is a guest and cannot own instagram")), "{fault}");
        let accounts = vec![account("snapchat", &alice()), account("tiktok", &owner)];
        subject.player.import(&Import { users: vec![], accounts }).unwrap_err();
        assert_eq!(subject.cursor().await, before, "all or nothing");
        assert_eq!(subject.directory.account("snapchat").await.unwrap(), None);
    }
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 20).await;
    subject.done(&Operation::Guest { id: guest("carol"), change: GuestChange::Release }, 20).await;
    for owner in [bob(), carol] {
        subject.player.set_owner("instagram", &owner).unwrap();
        let mut operation = adopted(&owner);
        if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut operation
            && owner == bob()
        {
            mark.origin = Origin::Created;
        }
        // The directory refuses this even though the plan does not know the new Owner.
        let fault = subject.refused(&operation, 30).await;
        assert!(matches!(fault, Error::Exists { .. }), "{fault}");
    }
}

pub async fn mails_of_the_last_hour_outlive_a_return(subject: Subject) {
    subject.done(&admit(&bob(), at(10_000)), 10).await;
    let again = |seconds: i64| Operation::Guest {
        id: guest("bob"),
        change: GuestChange::ResendInvitation { expires_at: at(20_000 + seconds) },
    };
    subject.done(&again(20), 20).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 30).await;
    subject.done(&admit(&bob(), at(30_000)), 40).await;
    assert_eq!(sent(&subject, "partners", 50).await, [10, 20, 40].map(at));
    subject.done(&again(60), 60).await;
    assert_eq!(sent(&subject, "partners", 70).await, [10, 20, 40, 60].map(at));
}

pub async fn mail_of_a_record_is_never_forgotten(subject: Subject) {
    let later = MAILS_KEPT.as_secs() + 1;
    subject.done(&admit(&bob(), at(10_000)), 0).await;
    subject.done(&admit(&email("carol@acme.example"), at(2 * later)), later).await;
    assert_eq!(subject.record(&bob()).await.last_mail_at, Some(at(0)));
}

pub async fn share_is_not_forgotten_while_it_grants_any_role(subject: Subject) {
    let subject = subject.with_bob().await;
    for role in [ShareRole::Collaborator, ShareRole::Manager] {
        let held = grant("instagram", role);
        let forget = Operation::ForgetShare { share_uid: held.share_uid.clone() };
        subject.done(&give("bob", vec![held]), 40).await;
        subject.stale(&forget, 50).await;
        let withhold = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        };
        subject.done(&withhold, 60).await;
        subject.done(&forget, 70).await;
    }
}

pub async fn account_has_the_owners_last_set_also_while_deleted(subject: Subject) {
    let zoe = email("zoe@host.example");
    let owned = |owner: &Email, deleted: bool| {
        Some(AccountRecord { name: "instagram".to_owned(), owners: vec![owner.clone()], deleted })
    };
    let read = async || subject.directory.account("instagram").await.unwrap();
    subject.player.set_deleted("instagram", true).unwrap();
    assert_eq!(read().await, owned(&alice(), true));
    subject.player.set_owner("instagram", &zoe).unwrap();
    assert_eq!(read().await, owned(&zoe, true));
    // A file that names the account says nothing about its deletion.
    let accounts = owned(&alice(), false).into_iter().collect();
    subject.player.import(&Import { users: vec![], accounts }).unwrap();
    assert_eq!(read().await, owned(&alice(), true));
    subject.player.set_deleted("instagram", false).unwrap();
    assert_eq!(read().await, owned(&alice(), false));
}
