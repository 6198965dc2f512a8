//! Compares the double of the exploration with the embedded directory. From the same states, both accept and refuse the
//! same operations, and store the same records.

use std::path::Path;

use futures::executor::block_on;
use guestlist::directory::sqlite::{Inline, OpenMode, Store};
use guestlist::directory::{
    DirectoryWriter, Epoch, GuestChange, Import, NewGuest, Operation, Owner, PartnerChange, PartnerId, Revision,
};
use guestlist::domain::{Email, GuestRole, MfaMethod};
use jiff::Timestamp;

use super::directory::{Double, execute};
use super::edits;
use super::inflate::{
    ACCOUNT, MEMBER, PARTNER, address, compact, double, grant, guest_id, instant, long_ago, mark, methods, partner_id,
};
use super::setup::Setup;
use super::state::{Directory, GUESTS, Guest, Held, Methods, Mfa, PARTNERS, Record, SHARES, State};
use crate::support::worlds::Edit;

/// The number of states of a world that are compared, spread over all of them.
const SAMPLES: usize = 8;

struct Embedded {
    inline: Inline,
    epoch: Epoch,
}

impl Embedded {
    /// A directory with the records of a state. `None`: it cannot reach that state.
    fn with(setup: &Setup, state: &State) -> Option<Self> {
        let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
        let known = double(setup, &state.directory, [1; GUESTS]).all;
        store.import(&Import { users: known.users, accounts: known.accounts }).unwrap();
        let inline = Inline::new(store);
        block_on(inline.claim(&Owner { installation: "default".to_owned(), cluster: "test".to_owned() })).unwrap();
        let epoch = block_on(inline.lead()).unwrap();
        let embedded = Self { inline, epoch };
        let partners = state.directory.partners;
        for which in (0..PARTNERS).filter(|which| partners[*which].0 != Record::None) {
            embedded.run(&ensure(which, partners[which].1, partners[which].0 == Record::Suspended));
        }
        for who in 0..GUESTS {
            embedded.bring(setup, who, &state.directory.guests[who]);
        }
        for which in (0..PARTNERS).filter(|which| partners[*which].0 == Record::Deactivated) {
            embedded.run(&Operation::Partner { id: partner_id(which), change: PartnerChange::Deactivate });
        }
        (compact(&embedded.double(), &state.directory) == observable(state.directory)).then_some(embedded)
    }

    fn bring(&self, setup: &Setup, who: usize, guest: &Guest) {
        let (address, id) = (address(who), guest_id(who));
        let admit = admit(setup, who, &Guest { adopted: setup.adopted[who], ..*guest });
        let accept = || self.inline.0.lock().unwrap().accept(address, long_ago()).unwrap();
        if !guest.joined && guest.mfa != Mfa::Off {
            // MFA survives the end of the previous membership.
            self.run(&admit);
            accept();
            self.enrol(who, guest.mfa);
            let guest = id.clone();
            self.run(&if setup.adopted[who] {
                Operation::Guest { id: guest, change: GuestChange::Release }
            } else {
                Operation::Guest { id: guest, change: GuestChange::Deactivate }
            });
        }
        if guest.record == Record::None {
            return;
        }
        self.run(&admit);
        if guest.joined {
            accept();
            self.enrol(who, Mfa::Both);
            let held = guest.grants.iter().enumerate();
            let grants = held.filter_map(|(what, held)| Some(grant(what, (*held)?))).collect();
            self.run(&Operation::Guest { id: id.clone(), change: GuestChange::Grant { grants } });
            self.inline.0.lock().unwrap().reset_mfa(address, long_ago()).unwrap();
            self.enrol(who, guest.mfa);
        }
        let steps = [
            (!guest.invited, Operation::Guest { id: id.clone(), change: GuestChange::RevokeInvitation }),
            (!guest.login, Operation::Guest { id: id.clone(), change: GuestChange::DisableLogin }),
        ];
        for (_, operation) in steps.iter().filter(|(so, _)| *so) {
            self.run(operation);
        }
        if guest.blocked {
            self.inline.0.lock().unwrap().set_login(address, false).unwrap();
        }
        if guest.record == Record::Deactivated {
            self.run(&Operation::Guest { id, change: GuestChange::Deactivate });
        }
    }

    fn enrol(&self, who: usize, mfa: Mfa) {
        let enrolled: &[MfaMethod] = match mfa {
            Mfa::Both => MfaMethod::ALL,
            Mfa::On => &[MfaMethod::TOTP],
            Mfa::Off | Mfa::Unknown | Mfa::UnknownLong => &[],
        };
        for method in enrolled {
            self.inline.0.lock().unwrap().enroll_mfa(address(who), *method, long_ago()).unwrap();
        }
    }

    /// Plays an edit of guests, owners or administrators.
    fn play(&self, edit: &Edit) {
        let mut store = self.inline.0.lock().unwrap();
        let email = |text: &str| Email::parse(text).unwrap();
        match edit {
            Edit::Accept(address) => store.accept(&email(address), long_ago()).unwrap(),
            Edit::Enrol(address, method) => store.enroll_mfa(&email(address), *method, long_ago()).unwrap(),
            Edit::LoseMfa(address) => store.reset_mfa(&email(address), long_ago()).unwrap(),
            Edit::SetLogin(address, on) => store.set_login(&email(address), *on).unwrap(),
            Edit::SetOwners(account, owners) => {
                store.set_owner(account, &owners.iter().map(|owner| email(owner)).collect()).unwrap()
            }
            Edit::Tamper(operation) => {
                drop(store);
                self.run(operation)
            }
            _ => panic!("{edit:?} is no edit of the directory"),
        };
    }

    /// Runs an operation. Returns whether it succeeded.
    fn run(&self, operation: &Operation) -> bool {
        block_on(self.inline.execute(operation, None, long_ago(), self.epoch)).is_ok()
    }

    fn double(&self) -> Double {
        Double { all: self.inline.0.lock().unwrap().everything().unwrap(), ..Double::default() }
    }
}

/// The part of a state that a directory reports: it does not report the MFA of users without a record.
fn observable(mut directory: Directory) -> Directory {
    for guest in directory.guests.iter_mut().filter(|guest| guest.record == Record::None) {
        guest.mfa = Mfa::Off;
    }
    directory
}

fn ensure(which: usize, mine: bool, suspended: bool) -> Operation {
    Operation::Partner {
        id: partner_id(which),
        change: PartnerChange::Apply {
            mark: mark(PARTNER[which], mine, false),
            display_name: PARTNER[which].to_owned(),
            host_admins: Vec::new(),
            suspended,
        },
    }
}

fn admit(setup: &Setup, who: usize, guest: &Guest) -> Operation {
    let home = setup.partner_of_guest[who];
    Operation::Guest {
        id: guest_id(who),
        change: GuestChange::Invite(NewGuest {
            mark: mark(MEMBER[who], guest.mine, guest.adopted),
            partner: partner_id(home),
            partner_name: PARTNER[home].to_owned(),
            address: address(who).clone(),
            display_name: address(who).to_string(),
            role: if guest.admin { GuestRole::GuestAdmin } else { GuestRole::GuestUser },
            allowed: methods(guest.allowed),
            expires_at: "2027-06-01T00:00:00Z".parse().unwrap(),
        }),
    }
}

/// The operations about a guest, the partner and the shares.
fn operations(setup: &Setup, who: usize, now: Timestamp) -> Vec<Operation> {
    let guest = || guest_id(who);
    let home: PartnerId = partner_id(setup.partner_of_guest[who]);
    let adopted = setup.adopted[who];
    let held = |manager| Held { manager, mine: true, allowed: Methods::Any, asked: Methods::Any, ends: false };
    let give = |what, held| vec![grant(what, held)];
    let member = |admin, mine| Guest { mine, adopted, admin, ..Guest::default() };
    let other_origin = Guest { adopted: !adopted, ..member(false, false) };
    let describe = |adopted, allowed| Operation::Guest {
        id: guest(),
        change: GuestChange::Update {
            mark: mark(MEMBER[who], true, adopted),
            partner: home.clone(),
            partner_name: PARTNER[setup.partner_of_guest[who]].to_owned(),
            display_name: address(who).to_string(),
            allowed: methods(allowed),
        },
    };
    let mut all = vec![
        Operation::Guest {
            id: guest(),
            change: GuestChange::Grant { grants: give(0, Held { asked: Methods::WebAuthn, ..held(false) }) },
        },
        Operation::Guest {
            id: guest(),
            change: GuestChange::Reduce { grants: give(0, Held { ends: true, ..held(false) }) },
        },
        Operation::Guest {
            id: guest(),
            change: GuestChange::Reduce { grants: give(0, Held { allowed: Methods::Totp, ..held(false) }) },
        },
        describe(adopted, Methods::Totp),
        Operation::Guest {
            id: guest(),
            change: GuestChange::Grant { grants: give(0, Held { ends: true, ..held(false) }) },
        },
        Operation::Guest {
            id: guest(),
            change: GuestChange::Reduce { grants: give(0, Held { asked: Methods::Totp, ends: true, ..held(false) }) },
        },
        Operation::Guest {
            id: guest(),
            change: GuestChange::Grant { grants: give(1, Held { allowed: Methods::WebAuthn, ..held(false) }) },
        },
        Operation::Guest {
            id: guest(),
            change: GuestChange::Reduce { grants: give(1, Held { allowed: Methods::WebAuthn, ..held(false) }) },
        },
        describe(!adopted, Methods::Any),
        describe(adopted, Methods::WebAuthn),
        Operation::Guest { id: guest(), change: GuestChange::Demote },
        Operation::Guest { id: guest(), change: GuestChange::Grant { grants: give(0, held(true)) } },
        Operation::Guest { id: guest(), change: GuestChange::Grant { grants: give(1, held(false)) } },
        Operation::Guest { id: guest(), change: GuestChange::Reduce { grants: give(0, held(false)) } },
        Operation::Guest { id: guest(), change: GuestChange::Reduce { grants: give(1, held(true)) } },
        Operation::Guest { id: guest(), change: GuestChange::Promote },
        Operation::Guest { id: guest(), change: GuestChange::Grant { grants: give(1, held(true)) } },
        Operation::Guest { id: guest(), change: GuestChange::DisableLogin },
        Operation::Guest { id: guest(), change: GuestChange::Grant { grants: give(0, held(true)) } },
        Operation::Guest { id: guest(), change: GuestChange::EnableLogin },
        Operation::Guest { id: guest(), change: GuestChange::RevokeInvitation },
        Operation::Guest {
            id: guest(),
            change: GuestChange::ResendInvitation { expires_at: "2027-02-01T00:00:00Z".parse().unwrap() },
        },
        admit(setup, who, &member(true, true)),
        Operation::Partner { id: home.clone(), change: PartnerChange::Deactivate },
        Operation::Guest { id: guest(), change: GuestChange::Purge { since: long_ago(), at_most: 100 } },
        Operation::Guest { id: guest(), change: GuestChange::Deactivate },
        Operation::Guest { id: guest(), change: GuestChange::Promote },
        Operation::Guest {
            id: guest(),
            change: GuestChange::ResendInvitation { expires_at: "2027-02-02T00:00:00Z".parse().unwrap() },
        },
        admit(setup, who, &member(false, false)),
        Operation::Guest { id: guest(), change: GuestChange::Release },
        admit(setup, who, &other_origin),
        Operation::Guest { id: guest(), change: GuestChange::Deactivate },
        admit(setup, who, &other_origin),
        Operation::Partner { id: home.clone(), change: PartnerChange::Deactivate },
        admit(setup, who, &member(false, true)),
        Operation::Partner { id: home.clone(), change: PartnerChange::Purge { since: now } },
        Operation::Guest { id: guest(), change: GuestChange::Purge { since: now, at_most: 100 } },
        Operation::Partner { id: home.clone(), change: PartnerChange::Purge { since: now } },
        Operation::Guest { id: guest(), change: GuestChange::Demote },
        Operation::Guest { id: guest(), change: GuestChange::EnableLogin },
        ensure(setup.partner_of_guest[who], true, false),
        admit(setup, who, &member(true, true)),
    ];
    for (what, account) in ACCOUNT.iter().enumerate().take(SHARES) {
        all.push(Operation::ForgetShare { share_uid: grant(what, held(false)).share_uid });
        all.push(Operation::Guest {
            id: guest(),
            change: GuestChange::Revoke { accounts: vec![(*account).to_owned()] },
        });
    }
    all
}

/// Whether the embedded directory can have a state: it always knows MFA, and only its Guest Admins are Managers.
fn is_possible(state: &State) -> bool {
    state.directory.guests.iter().all(|guest| {
        let manager = guest.grants.iter().flatten().any(|held| held.manager);
        !matches!(guest.mfa, Mfa::Unknown | Mfa::UnknownLong) && (guest.admin || !manager)
    })
}

/// Plays the edits of an event, and then the same operations on both. Returns the number of successful operations.
fn agrees(setup: &Setup, state: &State, turn: usize) -> usize {
    let Some(embedded) = Embedded::with(setup, state) else { return 0 };
    let mut events = setup.events(state);
    events.retain(|after| after.directory != state.directory && after.declared == state.declared && is_possible(after));
    let after = if events.is_empty() { *state } else { events[turn % events.len()] };
    let edits = edits::between(setup, state, &after);
    for edit in &edits {
        embedded.play(edit);
    }
    let state = &State { seen: None, ..after };
    assert_eq!(
        compact(&embedded.double(), &state.directory),
        observable(state.directory),
        "{edits:?} lead to\n{state}"
    );
    let now = instant(state);
    let kept = double(setup, &state.directory, [1; GUESTS]).mfa;
    let mut double = Double { mfa: kept, ..embedded.double() };
    let mut list: Vec<_> = (0..GUESTS).flat_map(|who| operations(setup, who, now)).collect();
    let length = list.len();
    list.rotate_left(turn * 7 % length);
    let mut done = 0;
    for (place, operation) in list.iter().enumerate() {
        let basis = (place % 11 == 10).then_some(Revision(-1));
        let here = block_on(embedded.inline.execute(operation, basis, now, embedded.epoch));
        let there = execute(&mut double, operation, basis, now);
        assert_eq!(here.is_ok(), there.is_ok(), "{operation:?}: {here:?} in\n{state}");
        let [this, that] = [&embedded.double(), &double].map(|double| compact(double, &state.directory));
        assert_eq!(this, observable(that), "{operation:?} in\n{state}");
        done += usize::from(here.is_ok());
    }
    done
}

/// Compares the double with the embedded directory in some states of a world.
pub fn compare(setup: &Setup, states: &[State]) {
    let known: Vec<_> = states.iter().filter(|state| is_possible(state)).collect();
    let some = known.iter().step_by(known.len().div_ceil(SAMPLES));
    let done: Vec<_> = some.enumerate().map(|(turn, state)| agrees(setup, state, turn)).collect();
    let compared = done.iter().filter(|done| **done > 0).count();
    assert!(compared * 2 >= done.len(), "too few states were compared: {compared} of {}", done.len());
}
