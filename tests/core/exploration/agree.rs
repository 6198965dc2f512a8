//! The double that the exploration runs on is held to the embedded directory: from states of the worlds, the same
//! operations are accepted and refused, and leave the same behind.

use std::path::Path;

use futures::executor::block_on;
use guestlist::directory::sqlite::{Access, Inline, Store};
use guestlist::directory::{Epoch, Everything, Execute, Import, Operation, Owner, PartnerId, Revision};
use guestlist::plan::plan;
use guestlist::rules::{GuestRole, MfaMethod};

use super::inflate::{
    ACCOUNT, PARTNER, address, compact, everything, grant, guest_id, long_ago, mark, now, partner_id,
};
use super::setup::Setup;
use super::state::{Directory, GUESTS, Guest, Held, Mfa, PARTNERS, Record, SHARES, State};
use super::{PARTNER as ONE_PARTNER, PEOPLE, SHARE, directory, search};

/// How far from the beginning of each world.
const NEAREST: usize = 3000;
/// How many states are looked at, spread over each world.
const SAMPLES: usize = 60;

struct Embedded {
    inline: Inline,
    epoch: Epoch,
}

impl Embedded {
    /// A directory that holds what a state says; `None`: it cannot be brought there.
    fn with(setup: &Setup, state: &State) -> Option<Self> {
        let mut store = Store::open(Path::new(":memory:"), Access::Create).unwrap();
        let known = everything(setup, &state.directory, [1; GUESTS]);
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
            embedded.run(&Operation::DeactivatePartner { partner: partner_id(which) });
        }
        (compact(&embedded.all(), &state.directory) == state.directory).then_some(embedded)
    }

    fn bring(&self, setup: &Setup, who: usize, guest: &Guest) {
        if guest.record == Record::None {
            return;
        }
        let (address, id) = (address(who), guest_id(who));
        self.run(&admit(setup, who, guest));
        if guest.joined {
            self.inline.0.lock().unwrap().accept(&address, long_ago()).unwrap();
            self.inline.0.lock().unwrap().enroll_mfa(&address, MfaMethod::TOTP, long_ago()).unwrap();
        }
        let grants = guest.grants.iter().enumerate().filter_map(|(what, held)| Some(grant(what, (*held)?))).collect();
        self.run(&Operation::Give { guest: id.clone(), grants });
        let steps = [
            (!guest.invited, Operation::RevokeInvitation { guest: id.clone() }),
            (!guest.login, Operation::DisableLogin { guest: id.clone() }),
        ];
        for (_, operation) in steps.iter().filter(|(so, _)| *so) {
            self.run(operation);
        }
        if guest.blocked {
            self.inline.0.lock().unwrap().set_login(&address, false).unwrap();
        }
        if guest.mfa == Mfa::Off {
            self.inline.0.lock().unwrap().reset_mfa(&address, long_ago()).unwrap();
        }
        if guest.record == Record::Deactivated {
            self.run(&Operation::Deactivate { guest: id });
        }
    }

    /// Whether it was done.
    fn run(&self, operation: &Operation) -> bool {
        block_on(self.inline.execute(operation, None, long_ago(), self.epoch)).is_ok()
    }

    fn all(&self) -> Everything {
        self.inline.0.lock().unwrap().everything().unwrap()
    }
}

fn ensure(which: usize, mine: bool, suspended: bool) -> Operation {
    Operation::EnsurePartner {
        partner: partner_id(which),
        mark: mark(PARTNER[which], mine),
        display_name: PARTNER[which].to_owned(),
        host_admins: Vec::new(),
        suspended,
    }
}

fn admit(setup: &Setup, who: usize, guest: &Guest) -> Operation {
    let home = setup.partner_of_guest[who];
    Operation::Admit {
        guest: guest_id(who),
        mark: mark(super::inflate::MEMBER[who], guest.mine),
        partner: partner_id(home),
        partner_name: PARTNER[home].to_owned(),
        address: address(who),
        display_name: address(who).to_string(),
        role: if guest.admin { GuestRole::GuestAdmin } else { GuestRole::GuestUser },
        allowed: guestlist::rules::all_methods(),
        expires_at: "2027-06-01T00:00:00Z".parse().unwrap(),
    }
}

/// Everything that can be done about a guest, his partner and the shares.
fn operations(setup: &Setup, who: usize) -> Vec<Operation> {
    let guest = || guest_id(who);
    let home: PartnerId = partner_id(setup.partner_of_guest[who]);
    let give = |what, manager| vec![grant(what, Held { manager, mine: true })];
    let member = |admin, mine| Guest { mine, admin, ..Guest::default() };
    let mut all = vec![
        Operation::Demote { guest: guest() },
        Operation::Give { guest: guest(), grants: give(0, true) },
        Operation::Give { guest: guest(), grants: give(1, false) },
        Operation::Lower { guest: guest(), grants: give(0, false) },
        Operation::Lower { guest: guest(), grants: give(1, true) },
        Operation::Promote { guest: guest() },
        Operation::Give { guest: guest(), grants: give(1, true) },
        Operation::DisableLogin { guest: guest() },
        Operation::Give { guest: guest(), grants: give(0, true) },
        Operation::EnableLogin { guest: guest() },
        Operation::RevokeInvitation { guest: guest() },
        Operation::Invite { guest: guest(), expires_at: "2027-02-01T00:00:00Z".parse().unwrap() },
        admit(setup, who, &member(true, true)),
        Operation::DeactivatePartner { partner: home.clone() },
        Operation::Destroy { guest: guest(), since: long_ago(), at_most: 100 },
        Operation::Deactivate { guest: guest() },
        Operation::Promote { guest: guest() },
        Operation::Invite { guest: guest(), expires_at: "2027-02-02T00:00:00Z".parse().unwrap() },
        admit(setup, who, &member(false, false)),
        Operation::Release { guest: guest() },
        Operation::Deactivate { guest: guest() },
        Operation::DeactivatePartner { partner: home.clone() },
        admit(setup, who, &member(false, true)),
        Operation::DestroyPartner { partner: home.clone(), since: now() },
        Operation::Destroy { guest: guest(), since: now(), at_most: 100 },
        Operation::DestroyPartner { partner: home, since: now() },
        Operation::Demote { guest: guest() },
        Operation::EnableLogin { guest: guest() },
        ensure(setup.partner_of_guest[who], true, false),
        admit(setup, who, &member(true, true)),
    ];
    for (what, account) in ACCOUNT.iter().enumerate().take(SHARES) {
        all.push(Operation::ForgetShare { share_uid: grant(what, Held { manager: false, mine: true }).share_uid });
        all.push(Operation::Withhold { guest: guest(), accounts: vec![(*account).to_owned()] });
    }
    all
}

/// Runs the same on both; how many operations were done.
fn agrees(setup: &Setup, state: &State, turn: usize) -> usize {
    let Some(embedded) = Embedded::with(setup, state) else { return 0 };
    let mut double = embedded.all();
    let mut list: Vec<_> = (0..GUESTS).flat_map(|who| operations(setup, who)).collect();
    let length = list.len();
    list.rotate_left(turn * 7 % length);
    let mut done = 0;
    for (place, operation) in list.iter().enumerate() {
        let basis = (place % 11 == 10).then_some(Revision(-1));
        let here = block_on(embedded.inline.execute(operation, basis, now(), embedded.epoch));
        let there = directory::execute(&mut double, operation, basis, now());
        assert_eq!(here.is_ok(), there.is_ok(), "{operation:?}: {here:?} in\n{state}");
        let seen: [Directory; 2] = [&embedded.all(), &double].map(|all| compact(all, &state.directory));
        assert_eq!(seen[0], seen[1], "{operation:?} in\n{state}");
        done += usize::from(here.is_ok());
    }
    done
}

#[test]
fn the_double_does_what_the_embedded_directory_does() {
    for setup in [&PEOPLE, &SHARE, &ONE_PARTNER] {
        let states = search::nearest(setup, plan, NEAREST).unwrap();
        let known = |state: &&State| !state.directory.guests.iter().any(|guest| matches!(guest.mfa, Mfa::Unknown));
        let some = states.iter().filter(known).step_by(states.len().div_ceil(SAMPLES));
        let done: Vec<_> = some.enumerate().map(|(turn, state)| agrees(setup, state, turn)).collect();
        let compared = done.iter().filter(|done| **done > 0).count();
        println!(
            "{}: {compared} of {} states compared, {} operations",
            setup.name,
            done.len(),
            done.iter().sum::<usize>()
        );
        assert!(compared * 2 > done.len(), "too few states were compared: {compared} of {}", done.len());
    }
}
