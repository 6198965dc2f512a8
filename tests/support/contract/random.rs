//! Random actions in random order: the directory matches a short model, and never breaks a rule.

use std::collections::BTreeMap;

use guestlist::directory::{Error, GuestChange, GuestRecord, Login, MfaRecord, Operation, PartnerChange};
use guestlist::domain::{GuestRole, MfaMethod, ShareRole};
use proptest::prelude::*;

use super::*;

const ACCOUNTS: [&str; 2] = ["instagram", "tiktok"];

/// An action of a person or of the operator. Numbers name one of two guests and one of two accounts.
#[derive(Clone, Debug)]
pub enum Action {
    Admit(usize),
    Invite(usize),
    Revoke(usize),
    Disable(usize),
    Enable(usize),
    Demote(usize),
    Promote(usize),
    Give(usize, usize, ShareRole),
    Lower(usize, usize),
    Withhold(usize, usize),
    Deactivate(usize),
    ResetMfa(usize),
    PartnerOff,
    PartnerOn,
    Accepts(usize),
    Enrolls(usize),
    IsReset(usize),
    /// An administrator disables or enables the login.
    Switched(usize, bool),
    Deleted(usize, bool),
}

/// Guests take the actions that lead to grants twice as often, so that most runs reach them.
pub fn actions() -> impl Strategy<Value = Vec<Action>> {
    let guest = || 0..2_usize;
    let account = || 0..2_usize;
    let role = prop_oneof![Just(ShareRole::Collaborator), Just(ShareRole::Manager)];
    let action = prop_oneof![
        3 => guest().prop_map(Action::Admit),
        3 => guest().prop_map(Action::Accepts),
        3 => guest().prop_map(Action::Enrolls),
        6 => (guest(), account(), role).prop_map(|(guest, account, role)| Action::Give(guest, account, role)),
        1 => guest().prop_map(Action::Invite),
        1 => guest().prop_map(Action::Revoke),
        1 => guest().prop_map(Action::Disable),
        2 => guest().prop_map(Action::Enable),
        1 => guest().prop_map(Action::Demote),
        1 => guest().prop_map(Action::Promote),
        1 => (guest(), account()).prop_map(|(guest, account)| Action::Lower(guest, account)),
        1 => (guest(), account()).prop_map(|(guest, account)| Action::Withhold(guest, account)),
        1 => guest().prop_map(Action::Deactivate),
        1 => guest().prop_map(Action::ResetMfa),
        1 => Just(Action::PartnerOff),
        2 => Just(Action::PartnerOn),
        1 => guest().prop_map(Action::IsReset),
        1 => (guest(), any::<bool>()).prop_map(|(guest, on)| Action::Switched(guest, on)),
        1 => (account(), any::<bool>()).prop_map(|(account, deleted)| Action::Deleted(account, deleted)),
    ];
    proptest::collection::vec(action, 1..60)
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Guest {
    live: bool,
    invited: bool,
    joined: bool,
    login: bool,
    /// An administrator disabled the login.
    blocked: bool,
    admin: bool,
    grants: BTreeMap<&'static str, ShareRole>,
}

#[derive(Debug, Default)]
struct Model {
    guests: [Option<Guest>; 2],
    mfa: [bool; 2],
    deleted: [bool; 2],
    partner_away: bool,
}

impl Model {
    /// Applies the action. Returns whether it succeeds.
    fn act(&mut self, action: &Action) -> bool {
        let Self { guests, mfa, deleted, partner_away } = self;
        match *action {
            Action::Admit(n) => match &guests[n] {
                Some(guest) if guest.live => true,
                Some(guest) if guest.blocked => false,
                _ if *partner_away => false,
                _ => {
                    let guest = Guest { live: true, invited: true, login: true, admin: true, ..Guest::default() };
                    guests[n] = Some(guest);
                    true
                }
            },
            Action::Invite(n) => give_to(&mut guests[n], |guest| {
                guest.invited |= !guest.joined && !guest.blocked;
                !guest.joined && !guest.blocked
            }),
            Action::Enable(n) => give_to(&mut guests[n], |guest| {
                guest.login |= !guest.blocked;
                !guest.blocked
            }),
            Action::Promote(n) => give_to(&mut guests[n], |guest| {
                guest.admin = true;
                true
            }),
            Action::Give(n, account, role) => give_to(&mut guests[n], |guest| {
                let fits = guest.joined && guest.login && mfa[n] && !deleted[account];
                let fits = fits && (guest.admin || role == ShareRole::Collaborator);
                if fits {
                    guest.grants.insert(ACCOUNTS[account], role);
                }
                fits
            }),
            Action::Revoke(n) => take_from(&mut guests[n], |guest| guest.invited = false),
            Action::Disable(n) => take_from(&mut guests[n], |guest| guest.login = false),
            Action::Demote(n) => take_from(&mut guests[n], |guest| {
                guest.admin = false;
                guest.grants.values_mut().for_each(|role| *role = ShareRole::Collaborator);
            }),
            Action::Lower(n, account) => take_from(&mut guests[n], |guest| {
                guest.grants.entry(ACCOUNTS[account]).and_modify(|role| *role = ShareRole::Collaborator);
            }),
            Action::Withhold(n, account) => take_from(&mut guests[n], |guest| {
                guest.grants.remove(ACCOUNTS[account]);
            }),
            Action::Deactivate(n) => take_from(&mut guests[n], |guest| {
                let keep =
                    Guest { joined: guest.joined, admin: guest.admin, blocked: guest.blocked, ..Guest::default() };
                *guest = keep;
            }),
            Action::ResetMfa(n) => {
                if let Some(guest) = guests[n].as_mut().filter(|_| mfa[n]) {
                    mfa[n] = false;
                    guest.grants.clear();
                }
                true
            }
            Action::PartnerOff => {
                let empty = !guests.iter().flatten().any(|guest| guest.live);
                *partner_away |= empty;
                empty
            }
            Action::PartnerOn => {
                *partner_away = false;
                true
            }
            Action::Accepts(n) => give_to(&mut guests[n], |guest| {
                let follows = guest.joined || (guest.invited && guest.login);
                guest.joined |= follows;
                guest.invited &= !follows;
                follows
            }),
            Action::Enrolls(n) => give_to(&mut guests[n], |guest| {
                mfa[n] |= guest.joined && guest.login;
                guest.joined && guest.login
            }),
            Action::IsReset(n) => give_to(&mut guests[n], |_| {
                mfa[n] = false;
                true
            }),
            Action::Switched(n, on) => guests[n].as_mut().is_some_and(|guest| {
                guest.login = on && guest.live;
                guest.blocked = !on;
                true
            }),
            Action::Deleted(account, now) => {
                deleted[account] = now;
                true
            }
        }
    }
}

fn give_to(guest: &mut Option<Guest>, act: impl FnOnce(&mut Guest) -> bool) -> bool {
    guest.as_mut().filter(|guest| guest.live).is_some_and(act)
}

fn take_from(guest: &mut Option<Guest>, act: impl FnOnce(&mut Guest)) -> bool {
    if let Some(guest) = guest {
        act(guest);
    }
    true
}

fn address(n: usize) -> Email {
    email(["bob@acme.example", "carol@acme.example"][n])
}

fn id(n: usize) -> GuestId {
    guest(["bob", "carol"][n])
}

/// The operation of an action. `None`: people act themselves.
fn operation(action: &Action, now: i64) -> Option<Operation> {
    Some(match *action {
        Action::Admit(n) => admit(&address(n), at(1_000_000)),
        Action::Invite(n) => {
            Operation::Guest { id: id(n), change: GuestChange::ResendInvitation { expires_at: at(2_000_000) } }
        }
        Action::Revoke(n) => Operation::Guest { id: id(n), change: GuestChange::RevokeInvitation },
        Action::Disable(n) => Operation::Guest { id: id(n), change: GuestChange::DisableLogin },
        Action::Enable(n) => Operation::Guest { id: id(n), change: GuestChange::EnableLogin },
        Action::Demote(n) => Operation::Guest { id: id(n), change: GuestChange::Demote },
        Action::Promote(n) => Operation::Guest { id: id(n), change: GuestChange::Promote },
        Action::Give(n, account, role) => {
            Operation::Guest { id: id(n), change: GuestChange::Grant { grants: vec![grant(ACCOUNTS[account], role)] } }
        }
        Action::Lower(n, account) => Operation::Guest {
            id: id(n),
            change: GuestChange::Reduce { grants: vec![grant(ACCOUNTS[account], ShareRole::Collaborator)] },
        },
        Action::Withhold(n, account) => {
            Operation::Guest { id: id(n), change: GuestChange::Revoke { accounts: vec![ACCOUNTS[account].to_owned()] } }
        }
        Action::Deactivate(n) => Operation::Guest { id: id(n), change: GuestChange::Deactivate },
        Action::ResetMfa(n) => {
            Operation::Guest { id: id(n), change: GuestChange::ResetMfa { enrolled_before: at(now) } }
        }
        Action::PartnerOff => Operation::Partner { id: acme(), change: PartnerChange::Deactivate },
        Action::PartnerOn => ensure_partner(),
        Action::Accepts(_) | Action::Enrolls(_) | Action::IsReset(_) | Action::Switched(..) | Action::Deleted(..) => {
            return None;
        }
    })
}

fn play(player: &dyn Player, action: &Action, now: i64) -> bool {
    match *action {
        Action::Accepts(n) => player.accept(&address(n), seen(now)).is_ok(),
        Action::Enrolls(n) => player.enroll(&address(n), MfaMethod::TOTP, seen(now)).is_ok(),
        Action::IsReset(n) => player.reset(&address(n), seen(now)).is_ok(),
        Action::Switched(n, on) => player.set_login(&address(n), on).is_ok(),
        Action::Deleted(account, deleted) => player.set_deleted(ACCOUNTS[account], deleted).is_ok(),
        _ => unreachable!("an operation"),
    }
}

fn modelled(record: &GuestRecord) -> Guest {
    Guest {
        live: record.is_live(),
        invited: record.invitation.is_some(),
        joined: record.joined_at.is_some(),
        login: record.login.is_enabled(),
        blocked: record.login == Login::DisabledByOther,
        admin: record.role == GuestRole::GuestAdmin,
        grants: record
            .grants
            .iter()
            .map(|(account, held)| (ACCOUNTS[usize::from(account == ACCOUNTS[1])], held.grant.role))
            .collect(),
    }
}

/// Runs actions on a directory and on the model side by side.
pub async fn agree(subject: Subject, actions: Vec<Action>) {
    let mut model = Model::default();
    let mut last: BTreeMap<Email, GuestRecord> = BTreeMap::new();
    let mut cursor = subject.cursor().await;
    subject.directory.changes(cursor).await.unwrap();
    for (now, action) in (100_i64..).zip(&actions) {
        let expected = model.act(action);
        let ours = operation(action, now);
        let went = match &ours {
            Some(operation) => match subject.run(operation, now).await {
                Ok(_) => true,
                Err(Error::Changed { .. }) => false,
                Err(fault) => panic!("{action:?}: {fault}"),
            },
            None => play(subject.player.as_ref(), action, now),
        };
        assert_eq!(went, expected, "{action:?} after {actions:?}");
        let told = subject.directory.changes(cursor).await.unwrap();
        cursor = told.cursor;
        for n in 0..2 {
            let record = subject.directory.guest(&address(n)).await.unwrap();
            assert_eq!(record.as_ref().map(modelled), model.guests[n], "{action:?} in {actions:?}");
            let Some(record) = record else { continue };
            lawful(&record, model.mfa[n]);
            let before = last.insert(address(n), record.clone());
            let same = before.as_ref() == Some(&record);
            let moved = before.as_ref().is_none_or(|before| before.revision < record.revision);
            assert!(same || moved, "{action:?} changed a record and not its revision");
            let hinted = told.changed.contains(&guestlist::directory::Changed::Guest(address(n)));
            assert!(same || ours.is_some() || hinted, "{action:?} was not told");
            assert!(ours.is_none() || !hinted, "{action:?} was reported to its own cause");
        }
    }
}

fn lawful(record: &GuestRecord, mfa: bool) {
    let MfaRecord::Known(methods) = &record.mfa else { panic!("the embedded directory knows") };
    assert_eq!(!methods.is_empty(), mfa);
    let enrolled = methods.keys().copied().collect();
    for held in record.grants.values() {
        assert!(record.is_live(), "who is deactivated holds {held:?}");
        assert!(record.role == GuestRole::GuestAdmin || held.grant.role == ShareRole::Collaborator, "{held:?}");
        let effective = held.is_effective(record.login, record.joined_at.is_some(), &enrolled, at(0));
        assert!(!effective || mfa, "{held:?} is effective without MFA");
    }
}
