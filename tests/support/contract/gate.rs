//! The directory's own check: whatever the plan, the directory grants nothing to a guest without the right to it.

use std::collections::BTreeSet;

use guestlist::directory::{Error, Grant, GuestChange, Operation};
use guestlist::domain::{GuestRole, MfaMethod, ShareRole};

use super::*;

pub async fn a_guest_with_mfa_is_given_an_account(subject: Subject) {
    let subject = subject.with_bob().await;
    let wanted = grant("instagram", ShareRole::Manager);
    let effect = subject.done(&give("bob", vec![wanted.clone()]), 40).await;
    let record = subject.record(&bob()).await;
    assert_eq!(effect.guest.as_ref(), Some(&record));
    assert_eq!((&record.grants["instagram"].grant, record.grants["instagram"].since), (&wanted, at(40)));
}

pub async fn guest_not_joined_is_granted_nothing(subject: Subject) {
    subject.done(&admit(&bob(), at(10_000)), 10).await;
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
}

pub async fn nothing_is_given_without_mfa(subject: Subject) {
    subject.done(&admit(&bob(), at(10_000)), 10).await;
    subject.player.accept(&bob(), seen(20)).unwrap();
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(50)).unwrap();
    subject.player.reset(&bob(), seen(60)).unwrap();
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 70).await;
}

pub async fn grant_needs_an_mfa_method_that_is_allowed_and_required(subject: Subject) {
    let subject = subject.with_bob().await;
    let webauthn = BTreeSet::from([MfaMethod::WebAuthn]);
    let wanted = grant("instagram", ShareRole::Collaborator);
    for grant in
        [Grant { allowed: webauthn.clone(), ..wanted.clone() }, Grant { asked: webauthn.clone(), ..wanted.clone() }]
    {
        subject.stale(&give("bob", vec![grant.clone()]), 40).await;
    }
    subject.player.enroll(&bob(), MfaMethod::WebAuthn, seen(50)).unwrap();
    subject.done(&give("bob", vec![Grant { asked: webauthn, ..wanted }]), 60).await;
}

pub async fn nothing_is_given_while_the_login_is_off(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin }, 35).await;
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin }, 45).await;
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 50).await;
}

pub async fn nothing_is_given_of_an_account_that_is_gone_or_never_was(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.player.set_deleted("instagram", true).unwrap();
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
    subject.stale(&give("bob", vec![grant("myspace", ShareRole::Collaborator)]), 40).await;
    subject.player.set_deleted("instagram", false).unwrap();
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 50).await;
}

pub async fn a_guest_user_is_never_manager(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Demote }, 35).await;
    subject.stale(&give("bob", vec![grant("instagram", ShareRole::Manager)]), 40).await;
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 45).await;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Promote }, 50).await;
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Manager)]), 55).await;
}

pub async fn demoting_leaves_no_manager_at_any_instant(subject: Subject) {
    let subject = subject.with_manager().await;
    let effect = subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Demote }, 50).await;
    let record = effect.guest.unwrap();
    assert_eq!(record.role, GuestRole::GuestUser);
    assert_eq!(record.grants["instagram"].grant.role, ShareRole::Collaborator);
}

pub async fn a_grant_that_has_ended_is_not_given(subject: Subject) {
    let subject = subject.with_bob().await;
    let ends = |seconds| Grant { until: Some(at(seconds)), ..grant("instagram", ShareRole::Collaborator) };
    subject.stale(&give("bob", vec![ends(40)]), 40).await;
    subject.done(&give("bob", vec![ends(41)]), 40).await;
}

pub async fn one_forbidden_grant_holds_back_all_grants_of_its_operation(subject: Subject) {
    let subject = subject.with_bob().await;
    let grants = vec![grant("instagram", ShareRole::Collaborator), grant("myspace", ShareRole::Collaborator)];
    subject.stale(&give("bob", grants), 40).await;
    assert!(subject.record(&bob()).await.grants.is_empty());
}

pub async fn raising_keeps_since_when(subject: Subject) {
    let subject = subject.with_bob().await;
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)]), 40).await;
    subject.done(&give("bob", vec![grant("instagram", ShareRole::Manager)]), 50).await;
    let held = subject.record(&bob()).await.grants["instagram"].clone();
    assert_eq!((held.grant.role, held.since), (ShareRole::Manager, at(40)));
}

pub async fn lowering_never_raises_and_never_adds(subject: Subject) {
    let subject = subject.with_bob().await;
    let totp = BTreeSet::from([MfaMethod::TOTP]);
    let held = Grant {
        until: Some(at(5_000)),
        allowed: totp.clone(),
        asked: totp.clone(),
        ..grant("instagram", ShareRole::Collaborator)
    };
    subject.done(&give("bob", vec![held.clone()]), 40).await;
    let lower =
        |grant: Grant| Operation::Guest { id: guest("bob"), change: GuestChange::Reduce { grants: vec![grant] } };
    for more in [
        Grant { role: ShareRole::Manager, ..held.clone() },
        Grant { until: None, ..held.clone() },
        Grant { until: Some(at(5_001)), ..held.clone() },
        Grant { allowed: all_methods(), ..held.clone() },
        Grant { asked: all_methods(), ..held.clone() },
    ] {
        subject.stale(&lower(more), 50).await;
    }
    let before = subject.cursor().await;
    subject.done(&lower(grant("tiktok", ShareRole::Collaborator)), 50).await;
    assert_eq!(subject.cursor().await, before);
    let less = Grant { until: Some(at(4_000)), ..held };
    let record = subject.done(&lower(less.clone()), 60).await.guest.unwrap();
    assert_eq!((&record.grants["instagram"].grant, record.grants["instagram"].since), (&less, at(40)));
}

pub async fn operation_planned_on_an_older_record_is_not_done(subject: Subject) {
    let subject = subject.with_bob().await;
    let old = subject.record(&bob()).await.revision;
    subject.player.reset(&bob(), seen(35)).unwrap();
    subject.player.enroll(&bob(), MfaMethod::TOTP, seen(36)).unwrap();
    let operation = give("bob", vec![grant("instagram", ShareRole::Collaborator)]);
    let fault = subject.run_on(&operation, old).await.unwrap_err();
    assert!(matches!(fault, Error::Changed { .. }), "{fault}");
    assert!(subject.record(&bob()).await.grants.is_empty());
    let new = subject.record(&bob()).await.revision;
    assert!(new > old);
    subject.run_on(&operation, new).await.unwrap();
}

pub async fn taking_from_nobody_is_done_and_giving_to_nobody_is_not(subject: Subject) {
    let nobody = || guest("nobody");
    let taken = [
        Operation::Guest { id: nobody(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } },
        Operation::Guest {
            id: nobody(),
            change: GuestChange::Reduce { grants: vec![grant("instagram", ShareRole::Collaborator)] },
        },
        Operation::Guest { id: nobody(), change: GuestChange::Demote },
        Operation::Guest { id: nobody(), change: GuestChange::RevokeInvitation },
        Operation::Guest { id: nobody(), change: GuestChange::DisableLogin },
        Operation::Guest { id: nobody(), change: GuestChange::ResetMfa { enrolled_before: at(0) } },
        Operation::Guest { id: nobody(), change: GuestChange::Deactivate },
        Operation::Guest { id: nobody(), change: GuestChange::Release },
    ];
    for operation in taken {
        let before = subject.cursor().await;
        assert_eq!(subject.done(&operation, 10).await.gone, Some(nobody()), "{operation:?}");
        assert_eq!(subject.cursor().await, before);
    }
    let given = [
        Operation::Guest { id: nobody(), change: GuestChange::ResendInvitation { expires_at: at(1_000) } },
        Operation::Guest { id: nobody(), change: GuestChange::EnableLogin },
        Operation::Guest { id: nobody(), change: GuestChange::Promote },
        give("nobody", vec![grant("instagram", ShareRole::Collaborator)]),
    ];
    for operation in given {
        subject.stale(&operation, 10).await;
    }
}

pub async fn return_planned_on_an_older_record_is_not_done(subject: Subject) {
    let subject = subject.with_bob().await;
    let old = subject.record(&bob()).await.revision;
    subject.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }, 50).await;
    let new = subject.record(&bob()).await;
    assert!(new.revision > old);
    let fault = subject.run_on(&admit(&bob(), at(10_000)), old).await.unwrap_err();
    assert!(matches!(fault, Error::Changed { .. }), "{fault}");
    assert_eq!(subject.record(&bob()).await, new);
    subject.run_on(&admit(&bob(), at(10_000)), new.revision).await.unwrap();
}
