//! Logins that an administrator disabled: guestlist enables only the logins that it disabled itself.

use guestlist::directory::{GuestChange, Login, NewGuest, Operation};
use guestlist::domain::{MfaMethod, ShareRole};

use super::*;

fn disable() -> Operation {
    Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }
}

fn enable() -> Operation {
    Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }
}

async fn login(subject: &Subject) -> Login {
    subject.record(&bob()).await.login
}

pub async fn login_disabled_by_guestlist_is_enabled_again(subject: Subject) {
    let subject = subject.with_bob().await;
    let record = subject.done(&disable(), 40).await.guest.unwrap();
    assert_eq!((record.login, login(&subject).await), (Login::DisabledByGuestlist, Login::DisabledByGuestlist));
    let record = subject.done(&enable(), 50).await.guest.unwrap();
    assert_eq!((record.login, login(&subject).await), (Login::Enabled, Login::Enabled));
}

pub async fn login_disabled_by_an_administrator_stays_disabled(subject: Subject) {
    let subject = subject.with_manager().await;
    let before = subject.record(&bob()).await.revision;
    assert!(subject.player.set_login(&bob(), false).unwrap());
    let record = subject.record(&bob()).await;
    assert!(record.login == Login::DisabledByOther && record.revision > before);
    subject.stale(&enable(), 50).await;
    // A suspension in between changes nothing about it.
    subject.done(&disable(), 60).await;
    subject.stale(&enable(), 70).await;
    subject.stale(&give("bob", vec![grant("tiktok", ShareRole::Collaborator)]), 80).await;
    // A revocation succeeds.
    subject
        .done(
            &Operation::Guest {
                id: guest("bob"),
                change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
            },
            90,
        )
        .await;
    assert_eq!(login(&subject).await, Login::DisabledByOther);
    assert!(subject.player.set_login(&bob(), true).unwrap());
    assert_eq!(login(&subject).await, Login::Enabled);
    subject.done(&give("bob", vec![grant("tiktok", ShareRole::Collaborator)]), 100).await;
}

pub async fn login_enabled_by_an_administrator_can_be_disabled_again(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&disable(), 40).await;
    subject.player.set_login(&bob(), true).unwrap();
    assert_eq!(login(&subject).await, Login::Enabled);
    subject.done(&disable(), 50).await;
    assert_eq!(login(&subject).await, Login::DisabledByGuestlist);
    subject.done(&enable(), 60).await;
}

pub async fn login_disabled_by_both_stays_disabled(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&disable(), 40).await;
    subject.player.set_login(&bob(), false).unwrap();
    assert_eq!(login(&subject).await, Login::DisabledByOther);
    subject.stale(&enable(), 50).await;
    subject.player.set_login(&bob(), true).unwrap();
    assert_eq!(login(&subject).await, Login::Enabled);
}

pub async fn invited_guest_with_disabled_login_gets_no_mail(subject: Subject) {
    subject.done(&admit(&bob(), at(10_000)), 10).await;
    subject.player.set_login(&bob(), false).unwrap();
    subject
        .stale(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(20_000) } },
            20,
        )
        .await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::RevokeInvitation }, 30).await;
    subject
        .stale(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(20_000) } },
            40,
        )
        .await;
    subject.player.set_login(&bob(), true).unwrap();
    subject
        .done(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(20_000) } },
            50,
        )
        .await;
}

pub async fn removed_guest_with_disabled_login_is_not_revived(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.player.set_login(&bob(), false).unwrap();
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 40).await;
    let mut again = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark: new, .. }), .. } = &mut again {
        *new = mark("robert", "u-robert");
    }
    subject.stale(&again, 50).await;
    assert_eq!(login(&subject).await, Login::DisabledByOther);
    // The record is the only memory of that decision.
    subject
        .stale(&Operation::Guest { id: guest("bob"), change: GuestChange::Purge { since: at(40), at_most: 9 } }, 55)
        .await;
    subject.player.set_login(&bob(), true).unwrap();
    let record = subject.done(&again, 60).await.guest.unwrap();
    assert_eq!((record.login, record.joined_at, record.deactivated_at), (Login::Enabled, None, None));
    subject.player.accept(&bob(), seen(70)).unwrap();
    assert!(!subject.player.enroll(&bob(), MfaMethod::TOTP, seen(80)).unwrap(), "the MFA of before counts");
}
