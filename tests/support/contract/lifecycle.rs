//! The result of each operation, and that a repetition changes nothing.

use guestlist::directory::{
    Error, GuestChange, InvitationRecord, Login, MfaRecord, NewGuest, Operation, PartnerChange,
};
use guestlist::domain::{GuestRole, MfaMethod, ShareRole};

use super::*;

pub async fn admitting_writes_record_and_mark_and_sends_one_mail(subject: Subject) {
    let effect = subject.done(&admit(&bob(), at(10_000)), 10).await;
    let record = subject.record(&bob()).await;
    assert_eq!(effect.guest.as_ref(), Some(&record));
    assert_eq!(record.mark, Some(mark("bob", "u-bob")));
    assert_eq!((&record.id, &record.address, &record.partner), (&guest("bob"), &bob(), &acme()));
    assert_eq!(record.invitation, Some(InvitationRecord { sent_at: at(10), expires_at: at(10_000) }));
    assert_eq!((record.last_mail_at, record.joined_at, record.login), (Some(at(10)), None, Login::Enabled));
    assert_eq!((record.role, record.grants.len(), record.deactivated_at), (GuestRole::GuestAdmin, 0, None));
    // The answer is lost, and a new plan has another end: no second mail.
    subject.done(&admit(&bob(), at(20_000)), 20).await;
    assert_eq!(subject.record(&bob()).await, record);
}

/// Each operation, with the operations that have to precede it.
fn every_operation() -> Vec<(&'static str, Vec<Operation>, Operation)> {
    let bob_id = || guest("bob");
    let manager = || vec![give("bob", vec![grant("instagram", ShareRole::Manager)])];
    let mut described = mark("bob-2", "u-bob-2");
    "others".clone_into(&mut described.namespace);
    let describe = Operation::Guest {
        id: bob_id(),
        change: GuestChange::Update {
            mark: described,
            partner: acme(),
            partner_name: "acme-2".to_owned(),
            display_name: "Bobby".to_owned(),
            allowed: [MfaMethod::WebAuthn].into(),
        },
    };
    let rename = Operation::Partner {
        id: acme(),
        change: PartnerChange::Apply {
            mark: mark("acme", "u-acme-2"),
            display_name: "Acme".to_owned(),
            host_admins: vec![],
            suspended: false,
        },
    };
    let carol = email("carol@acme.example");
    let lower = vec![grant("instagram", ShareRole::Collaborator)];
    vec![
        (
            "withhold",
            manager(),
            Operation::Guest { id: bob_id(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } },
        ),
        ("lower", manager(), Operation::Guest { id: bob_id(), change: GuestChange::Reduce { grants: lower } }),
        ("demote", manager(), Operation::Guest { id: bob_id(), change: GuestChange::Demote }),
        (
            "revoke",
            vec![admit(&carol, at(9_000))],
            Operation::Guest { id: guest("carol"), change: GuestChange::RevokeInvitation },
        ),
        ("disable", vec![], Operation::Guest { id: bob_id(), change: GuestChange::DisableLogin }),
        ("reset", vec![], Operation::Guest { id: bob_id(), change: GuestChange::ResetMfa { enrolled_before: at(50) } }),
        ("deactivate", manager(), Operation::Guest { id: bob_id(), change: GuestChange::Deactivate }),
        (
            "deactivate partner",
            vec![Operation::Guest { id: bob_id(), change: GuestChange::Deactivate }],
            Operation::Partner { id: acme(), change: PartnerChange::Deactivate },
        ),
        ("give back", manager(), Operation::Guest { id: bob_id(), change: GuestChange::Detach }),
        (
            "purge",
            vec![Operation::Guest { id: bob_id(), change: GuestChange::Deactivate }],
            Operation::Guest { id: bob_id(), change: GuestChange::Purge { since: at(60), at_most: 1 } },
        ),
        (
            "purge partner",
            vec![
                Operation::Guest { id: bob_id(), change: GuestChange::Deactivate },
                Operation::Guest { id: bob_id(), change: GuestChange::Purge { since: at(60), at_most: 1 } },
                Operation::Partner { id: acme(), change: PartnerChange::Deactivate },
            ],
            Operation::Partner { id: acme(), change: PartnerChange::Purge { since: at(60) } },
        ),
        (
            "forget share",
            [manager(), vec![Operation::Guest { id: bob_id(), change: GuestChange::Deactivate }]].concat(),
            Operation::ForgetShare { share_uid: grant("instagram", ShareRole::Manager).share_uid },
        ),
        ("ensure partner", vec![], rename),
        ("suspend partner", vec![], suspend_partner()),
        ("lift", vec![suspend_partner()], ensure_partner()),
        ("describe", vec![], describe),
        ("admit", vec![], admit(&carol, at(9_000))),
        (
            "admit again",
            vec![Operation::Guest { id: bob_id(), change: GuestChange::Deactivate }],
            admit(&bob(), at(9_000)),
        ),
        (
            "invite",
            vec![admit(&carol, at(9_000))],
            Operation::Guest { id: guest("carol"), change: GuestChange::ResendInvitation { expires_at: at(9_500) } },
        ),
        (
            "enable",
            vec![Operation::Guest { id: bob_id(), change: GuestChange::DisableLogin }],
            Operation::Guest { id: bob_id(), change: GuestChange::EnableLogin },
        ),
        (
            "promote",
            vec![Operation::Guest { id: bob_id(), change: GuestChange::Demote }],
            Operation::Guest { id: bob_id(), change: GuestChange::Promote },
        ),
        ("give", vec![], give("bob", vec![grant("instagram", ShareRole::Manager)])),
    ]
}

pub async fn every_operation_done_twice_is_done_once(make: Factory) {
    for (name, before, operation) in every_operation() {
        let subject = make(500).furnish().await.with_bob().await;
        for step in before {
            subject.done(&step, 60).await;
        }
        let untouched = subject.cursor().await;
        let once = subject.done(&operation, 70).await;
        let written = subject.cursor().await;
        assert!(written > untouched, "{name} did nothing");
        let twice = subject.done(&operation, 80).await;
        assert_eq!(once, twice, "{name}");
        assert_eq!(subject.cursor().await, written, "{name} wrote twice");
    }
}

pub async fn deactivated_guest_holds_nothing_and_keeps_the_mark(subject: Subject) {
    let subject = subject.with_manager().await;
    let record =
        subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await.guest.unwrap();
    assert_eq!(
        (record.deactivated_at, record.login, record.invitation),
        (Some(at(50)), Login::DisabledByGuestlist, None)
    );
    assert_eq!((record.grants.len(), record.mark.as_ref()), (0, Some(&mark("bob", "u-bob"))));
    for operation in [
        give("bob", vec![grant("instagram", ShareRole::Collaborator)]),
        Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin },
        Operation::Guest { id: guest("bob"), change: GuestChange::Promote },
        Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(900) } },
    ] {
        subject.stale(&operation, 60).await;
    }
    assert!(subject.player.accept(&bob(), seen(60)).is_err());
    assert!(subject.player.enroll(&bob(), MfaMethod::WebAuthn, seen(60)).is_err());
}

pub async fn deactivated_guest_returns_at_invited_with_former_mfa(subject: Subject) {
    let subject = subject.with_manager().await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    let mut again = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { mark: new, role, .. }), .. } = &mut again {
        *new = mark("robert", "u-robert");
        *role = GuestRole::GuestUser;
    }
    let record = subject.done(&again, 60).await.guest.unwrap();
    assert_eq!((record.joined_at, record.login, record.deactivated_at), (None, Login::Enabled, None));
    assert_eq!((record.grants.len(), record.role, record.last_mail_at), (0, GuestRole::GuestUser, Some(at(60))));
    assert_eq!(record.mark, Some(mark("robert", "u-robert")));
    assert!(matches!(&record.mfa, MfaRecord::Known(methods) if methods.contains_key(&MfaMethod::TOTP)));
    // Methods that were enrolled before the acceptance do not count.
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 70).await;
    subject.player.accept(&bob(), seen(80)).unwrap();
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 90).await;
}

pub async fn an_address_is_a_guest_once(subject: Subject) {
    let subject = subject.with_bob().await;
    let mut other = admit(&bob(), at(10_000));
    if let Operation::Guest { id, change: GuestChange::Invite(NewGuest { mark: new, .. }) } = &mut other {
        *new = mark("bob", "u-other");
        *id = guest("other");
    }
    assert!(matches!(subject.refused(&other, 50).await, Error::Exists { .. }));
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 60).await;
    // The operation revives the existing record, or changes nothing.
    subject.stale(&other, 70).await;
    // An identifier belongs to one address forever.
    let mut taken = admit(&email("carol@acme.example"), at(10_000));
    if let Operation::Guest { id, change: GuestChange::Invite(_) } = &mut taken {
        *id = guest("bob");
    }
    assert!(matches!(subject.refused(&taken, 70).await, Error::Exists { .. }));
}

pub async fn a_workspace_user_is_not_made_a_guest(subject: Subject) {
    assert!(matches!(subject.refused(&admit(&alice(), at(10_000)), 50).await, Error::Exists { .. }));
    assert_eq!(subject.directory.guest(&alice()).await.unwrap(), None);
}

pub async fn invitation_is_accepted_until_expired_revoked_or_login_off(subject: Subject) {
    subject.done(&admit(&bob(), at(100)), 10).await;
    assert!(subject.player.accept(&bob(), seen(101)).is_err(), "expired");
    subject
        .done(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(1_000) } },
            110,
        )
        .await;
    let record = subject.record(&bob()).await;
    assert_eq!(record.invitation, Some(InvitationRecord { sent_at: at(110), expires_at: at(1_000) }));
    assert_eq!(record.last_mail_at, Some(at(110)));
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }, 120).await;
    assert!(subject.player.accept(&bob(), seen(130)).is_err(), "suspended");
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }, 140).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::RevokeInvitation }, 150).await;
    assert!(subject.player.accept(&bob(), seen(160)).is_err(), "revoked");
    subject
        .done(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(2_000) } },
            170,
        )
        .await;
    assert!(subject.player.accept(&bob(), seen(1_999)).unwrap());
    assert!(!subject.player.accept(&bob(), seen(2_500)).unwrap(), "joined already");
    let record = subject.record(&bob()).await;
    assert_eq!((record.joined_at, record.invitation), (Some(seen(1_999)), None));
    subject
        .stale(
            &Operation::Guest { id: guest("bob"), change: GuestChange::ResendInvitation { expires_at: at(3_000) } },
            2_600,
        )
        .await;
}

pub async fn mfa_is_enrolled_after_joining_and_reset_is_kept_until_again(subject: Subject) {
    subject.done(&admit(&bob(), at(10_000)), 10).await;
    assert!(subject.player.enroll(&bob(), MfaMethod::TOTP, seen(15)).is_err(), "not joined");
    subject.player.accept(&bob(), seen(20)).unwrap();
    assert!(subject.player.enroll(&bob(), MfaMethod::TOTP, seen(30)).unwrap());
    assert!(!subject.player.enroll(&bob(), MfaMethod::TOTP, seen(31)).unwrap(), "on already");
    let enrolled = |seconds| MfaRecord::Known([(MfaMethod::TOTP, seen(seconds))].into());
    assert_eq!(subject.record(&bob()).await.mfa, enrolled(30));
    // Methods that were enrolled at this instant or later stay.
    let reset = |seconds| Operation::Guest {
        id: guest("bob"),
        change: GuestChange::ResetMfa { enrolled_before: seen(seconds) },
    };
    let before = subject.cursor().await;
    subject.done(&reset(30), 40).await;
    assert_eq!(subject.cursor().await, before);
    let record = subject.done(&reset(31), 50).await.guest.unwrap();
    assert_eq!((record.mfa, record.mfa_lost_at), (MfaRecord::Known([].into()), Some(at(50))));
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(60)).unwrap();
    let record = subject.record(&bob()).await;
    assert_eq!((record.mfa, record.mfa_lost_at), (enrolled(60), None));
    subject.player.reset(&bob(), seen(70)).unwrap();
    assert!(!subject.player.reset(&bob(), seen(80)).unwrap(), "nothing to take");
    assert_eq!(subject.record(&bob()).await.mfa_lost_at, Some(seen(70)));
}

pub async fn mfa_reset_revokes_the_grants(subject: Subject) {
    let subject = subject.with_manager().await;
    assert!(!subject.record(&bob()).await.grants.is_empty());
    let reset = Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before: seen(1_000) } };
    let record = subject.done(&reset, 50).await.guest.unwrap();
    assert!(record.grants.is_empty() && record.mfa == MfaRecord::Known([].into()), "{record:?}");
    assert_eq!(subject.record(&bob()).await.grants, record.grants);
}

pub async fn allowed_methods_are_recorded_and_follow_the_object(subject: Subject) {
    let mut operation = admit(&bob(), at(10_000));
    if let Operation::Guest { change: GuestChange::Invite(NewGuest { allowed, .. }), .. } = &mut operation {
        *allowed = [MfaMethod::WebAuthn].into();
    }
    subject.done(&operation, 10).await;
    assert_eq!(subject.record(&bob()).await.allowed, [MfaMethod::WebAuthn].into());
    for methods in [all_methods(), [MfaMethod::TOTP].into()] {
        let describe = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Update {
                mark: mark("bob", "u-bob"),
                partner: acme(),
                partner_name: "acme".to_owned(),
                display_name: "bob".to_owned(),
                allowed: methods.clone(),
            },
        };
        let after = subject.done(&describe, 20).await.guest.unwrap();
        assert_eq!((&after.allowed, &subject.record(&bob()).await), (&methods, &after));
        assert_eq!(subject.done(&describe, 30).await.guest.unwrap(), after, "twice is once");
    }
}

pub async fn a_mark_passes_on_as_it_is_and_a_deactivated_one_never(subject: Subject) {
    let subject = subject.with_manager().await;
    let before = subject.record(&bob()).await;
    let describe = |uid: &str| Operation::Guest {
        id: guest("bob"),
        change: GuestChange::Update {
            mark: mark("bob", uid),
            partner: acme(),
            partner_name: "acme".to_owned(),
            display_name: "bob".to_owned(),
            allowed: all_methods(),
        },
    };
    let after = subject.done(&describe("u-restored"), 50).await.guest.unwrap();
    let mut expected = before.clone();
    expected.mark = Some(mark("bob", "u-restored"));
    expected.revision = after.revision;
    assert_eq!(after, expected);
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 60).await;
    subject.stale(&describe("u-third"), 70).await;
}

pub async fn partner_with_live_guest_stays_and_deactivated_admits_none(subject: Subject) {
    let subject = subject.with_bob().await;
    let put_away = Operation::Partner { id: acme(), change: PartnerChange::Deactivate };
    subject.stale(&put_away, 50).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 60).await;
    let effect = subject.done(&put_away, 70).await;
    assert_eq!(effect.partner.unwrap().deactivated_at, Some(at(70)));
    subject.stale(&admit(&bob(), at(10_000)), 80).await;
    subject.stale(&admit(&email("carol@acme.example"), at(10_000)), 80).await;
    let effect = subject.done(&ensure_partner(), 90).await;
    assert_eq!(effect.partner.unwrap().deactivated_at, None);
    subject.done(&admit(&bob(), at(10_000)), 100).await;
}

pub async fn deactivated_partner_is_no_longer_suspended(subject: Subject) {
    subject.done(&suspend_partner(), 10).await;
    let put_away = Operation::Partner { id: acme(), change: PartnerChange::Deactivate };
    let effect = subject.done(&put_away, 20).await.partner.unwrap();
    assert_eq!((effect.deactivated_at, effect.suspended), (Some(at(20)), false));
    assert_eq!(subject.directory.partner(&acme()).await.unwrap(), Some(effect));
}

pub async fn mfa_is_lost_with_the_last_method_only(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.player.enroll(&bob(), MfaMethod::WebAuthn, seen(60)).unwrap();
    let totp = Grant { asked: [MfaMethod::TOTP].into(), ..grant("instagram", ShareRole::Manager) };
    subject.done(&give("bob", vec![totp, grant("tiktok", ShareRole::Manager)]), 70).await;
    let reset = |seconds| Operation::Guest {
        id: guest("bob"),
        change: GuestChange::ResetMfa { enrolled_before: seen(seconds) },
    };
    let record = subject.done(&reset(50), 80).await.guest.unwrap();
    assert_eq!((&record.mfa, record.mfa_lost_at), (&MfaRecord::Known([(MfaMethod::WebAuthn, seen(60))].into()), None));
    assert_eq!(record.grants.keys().collect::<Vec<_>>(), ["tiktok"]);
    let record = subject.done(&reset(90), 100).await.guest.unwrap();
    assert_eq!((record.mfa, record.mfa_lost_at), (MfaRecord::Known([].into()), Some(at(100))));
}

/// Only the enrolled methods and the earlier mails stay.
pub async fn returning_guest_has_the_record_of_a_new_one(subject: Subject) {
    let subject = subject.with_manager().await;
    subject.player.reset(&bob(), seen(45)).unwrap();
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    let mut again = admit(&bob(), at(10_000));
    let Operation::Guest { change: GuestChange::Invite(new), .. } = &mut again else { unreachable!() };
    (new.mark, new.role, new.allowed) = (mark("robert", "u-robert"), GuestRole::GuestUser, [MfaMethod::TOTP].into());
    (new.partner_name, new.display_name) = ("beta".to_owned(), "Robert".to_owned());
    let expected = new.record(&guest("bob"), at(60));
    let record = subject.done(&again, 60).await.guest.unwrap();
    let (revision, recent_mails) = (record.revision, record.recent_mails.clone());
    assert_eq!(record, GuestRecord { revision, recent_mails, ..expected });
}
