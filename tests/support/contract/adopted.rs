//! An adopted user existed before guestlist, and is never disabled, reset, deactivated or purged.

use guestlist::directory::Import;
use guestlist::directory::{Error, GuestChange, Login, NewGuest, Operation, Origin, UserRecord};
use guestlist::domain::{MfaMethod, ShareRole};

use super::*;

fn adopt() -> Operation {
    let mut operation = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark, .. }), .. } = &mut operation {
        mark.origin = Origin::Adopted;
    }
    operation
}

fn workspace_user(subject: &Subject, enabled: bool) {
    let user = UserRecord { enabled, ..user(&bob()) };
    subject.player.import(&Import { users: vec![user], accounts: vec![] }).unwrap();
}

pub async fn missing_user_is_not_adopted(subject: Subject) {
    subject.stale(&adopt(), 10).await;
}

pub async fn the_adopted_are_never_disabled_reset_or_deactivated(subject: Subject) {
    workspace_user(&subject, true);
    subject.done(&adopt(), 10).await;
    subject.player.accept(&bob(), seen(20)).unwrap();
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(30)).unwrap();
    for operation in [
        Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin },
        Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin },
        Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before: at(1_000) } },
        Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate },
    ] {
        let fault = subject.refused(&operation, 40).await;
        assert!(matches!(fault, Error::Refused { .. }), "{operation:?}: {fault}");
    }
}

pub async fn adopting_releasing_and_adopting_again_works(subject: Subject) {
    workspace_user(&subject, true);
    subject.done(&adopt(), 10).await;
    subject.player.accept(&bob(), seen(20)).unwrap();
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(30)).unwrap();
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
    let old = subject.record(&bob()).await.revision;
    let effect = subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }, 50).await;
    assert_eq!((effect.gone, effect.guest), (Some(guest("bob")), None));
    assert_eq!(subject.directory.guest(&bob()).await.unwrap(), None);
    assert_eq!(subject.directory.user(&bob()).await.unwrap(), Some(user(&bob())));
    let record = subject.done(&adopt(), 60).await.guest.unwrap();
    assert_eq!((record.joined_at, record.grants.len()), (None, 0));
    // A plan for the former record is not applied to the current one.
    assert!(record.revision > old, "{:?} after {old:?}", record.revision);
}

pub async fn created_guest_cannot_be_removed_as_adopted(subject: Subject) {
    let subject = subject.with_bob().await;
    let fault = subject.refused(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }, 40).await;
    assert!(matches!(fault, Error::Refused { .. }), "{fault}");
}

pub async fn whether_the_adopted_may_log_in_is_the_workspaces_word(subject: Subject) {
    workspace_user(&subject, true);
    subject.done(&adopt(), 10).await;
    subject.player.accept(&bob(), seen(20)).unwrap();
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(30)).unwrap();
    let before = subject.record(&bob()).await;
    assert!(before.login.is_enabled());
    workspace_user(&subject, false);
    let after = subject.record(&bob()).await;
    assert!(after.login == Login::DisabledByOther && after.revision > before.revision);
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
}
