//! A rehearsal keeps every fact that a directory reports, even those that the embedded directory cannot store.

use std::path::Path;

use guestlist::directory::sqlite::{OpenMode, Store};
use guestlist::directory::{
    AccountRecord, Grant, GrantRecord, GuestChange, GuestId, GuestRecord, Integrity, InvitationRecord, Login,
    MailRecord, MfaRecord, Operation, Origin, Owner, OwnershipMark, PartnerChange, PartnerId, PartnerRecord, Revision,
    SentMail, ShareRecord, Snapshot, UserRecord,
};
use guestlist::domain::{Email, GuestRole, Methods, MfaMethod, Reason, ShareRole};
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

/// Everything but guests, as any backend may report it, in the order of a read.
fn rest(dice: &mut Dice, owner: &Owner) -> Snapshot {
    let at = |number: i64| Timestamp::from_second(1_800_000_000 + number).unwrap();
    let people = ["alice@host.example", "dan@host.example", "zoe@host.example"].map(email);
    let some = |dice: &mut Dice| people.iter().filter(|_| dice.one_in(2)).cloned().collect::<Vec<_>>();
    let partner = |dice: &mut Dice, name: &str| PartnerRecord {
        id: PartnerId(format!("id-{name}")),
        mark: OwnershipMark {
            installation: owner.installation.clone(),
            cluster: owner.cluster.clone(),
            namespace: "partners".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            origin: Origin::Created,
        },
        display_name: dice.of(&["", "Acme", "a\nb"]).to_owned(),
        host_admins: some(dice),
        suspended: dice.one_in(2),
        deactivated_at: dice.one_in(3).then(|| at(7)),
        integrity: dice.of(&[Integrity::Intact, Integrity::Outdated, Integrity::Unreadable]),
    };
    let mail = |dice: &mut Dice, number: i64| MailRecord {
        address: email(&format!("former-{number}@acme.example")),
        at: at(number),
        recent: (0..dice.roll(3)).map(|_| SentMail { at: at(number), namespace: "partners".to_owned() }).collect(),
    };
    let user = |dice: &mut Dice, address: &Email| UserRecord {
        email: address.clone(),
        name: dice.of(&["", "Zoe Example"]).to_owned(),
        enabled: dice.one_in(2),
        verified: dice.one_in(2),
    };
    let account = |dice: &mut Dice, name: &str| AccountRecord {
        name: name.to_owned(),
        owners: some(dice),
        deleted: dice.one_in(2),
    };
    let share = |dice: &mut Dice, uid: &str| ShareRecord {
        uid: uid.to_owned(),
        partner_name: dice.of(&["acme", "beta"]).to_owned(),
        account: dice.of(&["instagram", "tiktok"]).to_owned(),
    };
    Snapshot {
        partners: ["acme", "beta", "gamma"].map(|name| partner(dice, name)).to_vec(),
        guests: Vec::new(),
        accounts: ["instagram", "tiktok"].map(|name| account(dice, name)).to_vec(),
        users: people.iter().map(|address| user(dice, address)).collect(),
        mails: (1..4).map(|number| mail(dice, number)).collect(),
        shares: ["uid-1", "uid-2"].map(|uid| share(dice, uid)).to_vec(),
        purged: (1..4).map(|minute| (at(60 * minute), 1 + u32::from(dice.one_in(2)))).collect(),
        ..Snapshot::default()
    }
}

#[test]
fn copy_reports_everything_else_as_it_was_loaded() {
    let owner = Owner { installation: "test".to_owned(), cluster: "files".to_owned() };
    for seed in 1..=100 {
        let all = rest(&mut Dice(seed), &owner);
        let mut copy = Store::copy(&all, &owner).unwrap();
        assert_eq!(copy.everything().unwrap(), all, "seed {seed}");
    }
}

/// Otherwise the rehearsal would plan the same write again and again.
#[test]
fn record_that_a_copy_writes_again_is_intact() {
    let owner = Owner { installation: "test".to_owned(), cluster: "files".to_owned() };
    let mut written = 0;
    for seed in 1..=100 {
        let mut dice = Dice(seed);
        let mut all = rest(&mut dice, &owner);
        all.partners[0].deactivated_at = None;
        all.guests = (1..=4).map(|number| record(&mut dice, &owner, number)).collect();
        all.guests.retain(|guest| guest.deactivated_at.is_none());
        let copy = guestlist::directory::sqlite::Inline::new(Store::copy(&all, &owner).unwrap());
        let partner = all.partners[0].clone();
        let apply = Operation::Partner {
            id: partner.id.clone(),
            change: PartnerChange::Apply {
                mark: partner.mark,
                display_name: partner.display_name,
                host_admins: partner.host_admins,
                suspended: partner.suspended,
            },
        };
        let update = |guest: &GuestRecord| Operation::Guest {
            id: guest.id.clone(),
            change: GuestChange::Update {
                mark: guest.mark.clone().unwrap(),
                partner: partner.id.clone(),
                partner_name: guest.partner_name.clone(),
                display_name: guest.display_name.clone(),
                allowed: guest.allowed.clone(),
            },
        };
        for operation in [apply].into_iter().chain(all.guests.iter().map(update)) {
            let execute = guestlist::directory::DirectoryWriter::execute;
            let epoch = guestlist::directory::Epoch(9);
            let done = execute(&copy, &operation, None, Timestamp::UNIX_EPOCH, epoch);
            let effect = futures::executor::block_on(done).unwrap();
            assert!(effect.guest.is_none_or(|guest| guest.integrity == Integrity::Intact), "{seed}: {operation:?}");
            written += 1;
        }
        let now = copy.0.lock().unwrap().everything().unwrap();
        assert!(now.guests.iter().all(|guest| guest.integrity == Integrity::Intact), "seed {seed}");
        assert_eq!(now.partners[0].integrity, Integrity::Intact, "seed {seed}");
    }
    assert!(written > 200, "{written}");
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
