//! The owner of the directory, and its leader.

use guestlist::directory::{Error, GuestChange, NewGuest, Operation, Owner, PartnerChange};
use guestlist::domain::ShareRole;

use super::*;

pub async fn a_second_installation_or_cluster_is_refused(subject: Subject) {
    assert_eq!(subject.directory.owner().await.unwrap(), Some(us()));
    subject.directory.claim(&us()).await.unwrap();
    for other in [Owner { installation: "staging".to_owned(), ..us() }, Owner { cluster: "c-2".to_owned(), ..us() }] {
        let fault = subject.directory.claim(&other).await.unwrap_err();
        assert_eq!(fault, Error::Foreign { owner: us() });
    }
    assert_eq!(subject.directory.owner().await.unwrap(), Some(us()));
}

pub async fn a_mark_of_somebody_else_is_not_written(subject: Subject) {
    let mut foreign = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut foreign {
        "c-2".clone_into(&mut mark.cluster);
    }
    assert!(matches!(subject.refused(&foreign, 10).await, Error::Foreign { .. }));
    let mut foreign = ensure_partner();
    if let Operation::Partner { change: PartnerChange::Apply { mark, .. }, .. } = &mut foreign {
        "staging".clone_into(&mut mark.installation);
    }
    assert!(matches!(subject.refused(&foreign, 10).await, Error::Foreign { .. }));
}

pub async fn former_leader_writes_nothing_not_even_revocations(subject: Subject) {
    let subject = subject.with_manager().await;
    let new = subject.directory.lead().await.unwrap();
    assert!(new > subject.epoch);
    for operation in [
        give("bob", vec![grant("tiktok", ShareRole::Collaborator)]),
        Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } },
        Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate },
        Operation::Guest { id: guest("nobody"), change: GuestChange::Release },
        Operation::Partner { id: acme(), change: PartnerChange::Deactivate },
        ensure_partner(),
        admit(&email("carol@acme.example"), at(10_000)),
    ] {
        assert_eq!(subject.refused(&operation, 50).await, Error::Fenced, "{operation:?}");
    }
    let operation =
        Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    subject.directory.execute(&operation, None, at(60), new).await.unwrap();
    assert!(subject.record(&bob()).await.grants.is_empty());
}
