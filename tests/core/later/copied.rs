//! A rehearsal keeps every fact that a directory reports, even those that the embedded directory cannot store.

use std::path::Path;

use guestlist::directory::sqlite::{OpenMode, Store};
use guestlist::directory::{
    Grant, GrantRecord, GuestChange, GuestId, GuestRecord, Integrity, InvitationRecord, Login, MfaRecord, Operation,
    Origin, Owner, OwnershipMark, PartnerId, Revision, SentMail, Snapshot,
};
use guestlist::domain::{GuestRole, Methods, MfaMethod, Reason, ShareRole};
use guestlist::plan::later::Fact;
use jiff::Timestamp;

use super::environment::email;
use super::generate::{Dice, settled};

fn methods(dice: &mut Dice) -> Methods {
    MfaMethod::ALL.iter().copied().filter(|_| !dice.one_in(3)).collect()
}

/// A record as any backend may report it.
fn record(dice: &mut Dice, owner: &Owner, number: i64) -> GuestRecord {
    let at = |number: i64| Timestamp::from_second(1_800_000_000 + number).unwrap();
    let address = email(&format!("guest-{number}@acme.example"));
    let grant = |dice: &mut Dice, account: &str| {
        let grant = Grant {
            account: account.to_owned(),
            role: dice.of(ShareRole::ALL),
            share: format!("share-{account}"),
            share_uid: dice.of(&["", "uid"]).to_owned(),
            allowed: methods(dice),
            asked: methods(dice),
            until: dice.one_in(2).then(|| at(900)),
        };
        (account.to_owned(), GrantRecord { grant, since: at(3) })
    };
    let last_mail_at = dice.one_in(2).then(|| at(5));
    let recent = |at: Timestamp| SentMail { at, namespace: dice.of(&["partners", "team"]).to_owned() };
    let recent_mails = last_mail_at.map(recent).into_iter().collect();
    let known = methods(dice).into_iter().map(|method| (method, at(4))).collect();
    GuestRecord {
        id: GuestId(format!("id-{number}")),
        revision: Revision(number),
        mark: Some(OwnershipMark {
            installation: owner.installation.clone(),
            cluster: owner.cluster.clone(),
            namespace: "partners".to_owned(),
            name: format!("guest-{number}"),
            uid: format!("uid-{number}"),
            origin: dice.of(&[Origin::Created, Origin::Adopted]),
        }),
        email: if dice.one_in(2) { email(&format!("new-{number}@acme.example")) } else { address.clone() },
        address,
        partner: PartnerId(dice.of(&["one", "nobody's"]).to_owned()),
        partner_name: "acme".to_owned(),
        display_name: dice.of(&["", "Bob", "a\nb"]).to_owned(),
        role: dice.of(GuestRole::ALL),
        invitation: dice.one_in(2).then(|| InvitationRecord { sent_at: at(1), expires_at: at(2) }),
        admitted_at: at(1),
        last_mail_at,
        recent_mails,
        joined_at: dice.one_in(2).then(|| at(2)),
        login: dice.of(&[Login::Enabled, Login::DisabledByGuestlist, Login::DisabledByOther]),
        mfa: if dice.one_in(3) { MfaRecord::Unknown } else { MfaRecord::Known(known) },
        mfa_lost_at: dice.one_in(3).then(|| at(6)),
        allowed: methods(dice),
        grants: ["instagram", "tiktok"].iter().filter(|_| dice.one_in(2)).map(|it| grant(&mut Dice(7), it)).collect(),
        deactivated_at: dice.one_in(4).then(|| at(7)),
        integrity: dice.of(&[Integrity::Intact, Integrity::Outdated]),
    }
}

#[test]
fn copy_reports_each_record_as_it_was_loaded() {
    let owner = Owner { installation: "test".to_owned(), cluster: "files".to_owned() };
    for seed in 1..=100 {
        let mut dice = Dice(seed);
        let guests: Vec<GuestRecord> = (1..=4).map(|number| record(&mut dice, &owner, number)).collect();
        let all = Snapshot { guests, ..Snapshot::default() };
        let mut copy = Store::copy(&all, &owner).unwrap();
        assert_eq!(copy.everything().unwrap().guests, all.guests, "seed {seed}");
        let copy = guestlist::directory::sqlite::Inline::new(copy);
        for guest in &all.guests {
            let nothing = Operation::Guest {
                id: guest.id.clone(),
                change: GuestChange::Revoke { accounts: vec!["no account".to_owned()] },
            };
            let run = async {
                let execute = guestlist::directory::DirectoryWriter::execute;
                execute(&copy, &nothing, None, Timestamp::UNIX_EPOCH, guestlist::directory::Epoch(9)).await
            };
            let effect = futures::executor::block_on(run).unwrap();
            assert_eq!(effect.guest.as_ref(), Some(guest), "seed {seed}");
        }
    }
    assert!(Store::open(Path::new(":memory:"), OpenMode::Create).unwrap().everything().unwrap().guests.is_empty());
}

fn bob(all: &mut Snapshot) -> &mut GuestRecord {
    all.guests.iter_mut().find(|guest| guest.address == email("bob@acme.example")).unwrap()
}

#[test]
fn changed_address_is_planned_as_one_revocation() {
    let environment = settled();
    let (rest, done) = environment.rehearse(|all| bob(all).email = email("robert@acme.example"));
    assert!(
        matches!(done.as_slice(), [Operation::Guest { change: GuestChange::Revoke { accounts }, .. }] if *accounts == ["instagram"]),
        "{done:?}"
    );
    let facts: Vec<&Fact> = rest.later.iter().flat_map(|one| &one.conditions).map(|one| &one.fact).collect();
    assert_eq!(facts, [&Fact::AddressRestored { guest: email("bob@acme.example") }]);
    // The grant was revoked, and the address exists again: the account is granted.
    let again = |all: &mut Snapshot| bob(all).grants.clear();
    let (rest, done) = environment.rehearse(again);
    assert!(
        matches!(done.as_slice(), [Operation::Guest { change: GuestChange::Grant { .. }, .. }])
            && rest.later.is_empty(),
        "{done:?}"
    );
}

#[test]
fn unknown_mfa_is_planned_as_no_change_and_granted_later() {
    let environment = settled();
    let (rest, done) = environment.rehearse(|all| bob(all).mfa = MfaRecord::Unknown);
    assert!(done.is_empty() && rest.later.is_empty(), "{done:?}");
    let (rest, done) = environment.rehearse(|all| {
        bob(all).mfa = MfaRecord::Unknown;
        bob(all).grants.clear();
    });
    assert!(done.is_empty(), "{done:?}");
    let reasons: Vec<Reason> = rest.later.iter().flat_map(|one| &one.conditions).map(|one| one.reason).collect();
    assert_eq!(reasons, [Reason::MfaUnknown]);
}
