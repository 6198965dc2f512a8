//! The explored environments and their events. Everything at once would be too much, so in each environment some things
//! vary and the others stay constant.

use guestlist::cache::Kind;

use super::state::{
    Declared, Directory, GUESTS, Guest, Held, MemberSpec, Methods, Mfa, Object, Override, PARTNERS, Pin, Presence,
    Record, SHARES, State,
};

/// The part of an environment that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Memberships are created and deleted.
    Members,
    /// Memberships change their role.
    Roles,
    /// Memberships are suspended and resumed.
    Suspended,
    /// Memberships break a rule and are fixed.
    Invalid,
    /// Memberships name the other partner.
    Moved,
    /// Shares are created and deleted.
    Shares,
    /// Shares exclude one guest or the other.
    Exclude,
    /// Shares are suspended, or grant less.
    ShareSpec,
    /// Entries of shares are pinned to addresses, and guest 0 has an override.
    Entries,
    /// The sharer loses the account and gets it back.
    Owners,
    /// A partner is created and deleted.
    Partner(usize),
    /// A partner is suspended and resumed.
    SuspendedPartner(usize),
    /// Partners allow adoption or not.
    Adoption,
    /// Objects of a kind are paused.
    Paused(Kind),
    /// Objects of a kind have an end, which passes.
    Ends(Kind),
    /// Objects of a kind narrow the MFA methods: of memberships only that of guest 0, who also enrols WebAuthn.
    Narrowed(Kind),
    /// MFA is reset.
    Reset,
    /// The directory cannot tell MFA for a while.
    Unknown,
    /// Objects vanish in spite of their finalizers.
    Vanish,
    /// An administrator changes the directory.
    Drift,
    /// The operator sees an event late.
    Unseen,
    /// The answer of an operation is lost.
    Lost,
}

pub struct Setup {
    pub name: &'static str,
    pub partner_of_guest: [usize; GUESTS],
    pub partner_of_share: [usize; SHARES],
    /// The number of shares.
    pub shares: usize,
    /// The guests that are users of the workspace.
    pub adopted: [bool; GUESTS],
    /// All guests have joined and enrolled MFA in the initial state.
    pub joined: bool,
    pub vary: &'static [Vary],
}

impl Setup {
    pub fn varies(&self, what: Vary) -> bool {
        self.vary.contains(&what)
    }

    /// The partner that a membership names.
    pub fn home(&self, declared: &Declared, who: usize) -> usize {
        let home = self.partner_of_guest[who];
        if declared.members[who].spec.moved { PARTNERS - 1 - home } else { home }
    }

    fn partners(&self) -> impl Iterator<Item = usize> + '_ {
        (0..PARTNERS).filter(|which| self.partner_of_guest.contains(which) || self.varies(Vary::Moved))
    }

    /// The initial state: all constant objects are declared, and the directory is empty.
    pub fn start(&self) -> State {
        let mut state =
            State { directory: Directory { owned: [true; SHARES], ..Directory::default() }, ..State::default() };
        for which in self.partners().filter(|which| !self.varies(Vary::Partner(*which))) {
            state.declared.partners[which].presence = Presence::There;
            state.declared.partners[which].spec.adopts = self.adopted.contains(&true);
        }
        for who in 0..GUESTS {
            state.declared.members[who] = if self.varies(Vary::Members) { Object::default() } else { member(who) };
        }
        for what in 0..self.shares {
            if !self.varies(Vary::Shares) {
                state.declared.shares[what].presence = Presence::There;
            }
        }
        state
    }

    /// The states after each possible act of people and the directory.
    pub fn events(&self, state: &State) -> Vec<State> {
        let mut events = Events { setup: self, state, after: Vec::new() };
        for which in self.partners() {
            events.partner(which);
        }
        for who in 0..GUESTS {
            events.member(who);
            events.facts(who);
        }
        for what in 0..self.shares {
            events.share(what);
        }
        if self.vary.iter().any(|vary| matches!(vary, Vary::Ends(_))) && !state.late {
            events.after.push(State { late: true, ..*state });
        }
        events.after
    }
}

struct Events<'a> {
    setup: &'a Setup,
    state: &'a State,
    after: Vec<State>,
}

impl Events<'_> {
    fn add(&mut self, vary: Vary, change: impl FnOnce(&mut State)) {
        if self.setup.varies(vary) {
            let mut after = *self.state;
            change(&mut after);
            self.after.push(after);
        }
    }

    fn partner(&mut self, which: usize) {
        let partner = self.state.declared.partners[which];
        match partner.presence {
            Presence::Absent => {
                self.add(Vary::Partner(which), |it| it.declared.partners[which].presence = Presence::There);
            }
            Presence::There => {
                self.add(Vary::SuspendedPartner(which), |it| it.declared.partners[which].spec.suspended ^= true);
                for cascade in [false, true] {
                    self.add(Vary::Partner(which), |it| {
                        it.declared.partners[which].spec.cascade = cascade;
                        it.declared.partners[which].presence = Presence::Leaving;
                        if !partner.held {
                            *it = it.without_partner(which);
                        }
                    });
                }
                self.add(Vary::Adoption, |it| it.declared.partners[which].spec.adopts ^= true);
                self.add(Vary::Paused(Kind::Partner), |it| it.declared.partners[which].paused ^= true);
                self.add(Vary::Ends(Kind::Partner), |it| it.declared.partners[which].spec.ends ^= true);
                for methods in Methods::ALL.into_iter().filter(|methods| *methods != partner.spec.methods) {
                    self.add(Vary::Narrowed(Kind::Partner), |it| it.declared.partners[which].spec.methods = methods);
                }
            }
            Presence::Leaving => {}
        }
    }

    fn member(&mut self, who: usize) {
        let object = self.state.declared.members[who];
        match object.presence {
            Presence::Absent => self.add(Vary::Members, |it| it.declared.members[who] = member(who)),
            Presence::There => {
                self.add(Vary::Roles, |it| it.declared.members[who].spec.admin ^= true);
                self.add(Vary::Suspended, |it| it.declared.members[who].spec.suspended ^= true);
                self.add(Vary::Invalid, |it| it.declared.members[who].spec.invalid ^= true);
                self.add(Vary::Moved, |it| it.declared.members[who].spec.moved ^= true);
                self.add(Vary::Paused(Kind::Membership), |it| it.declared.members[who].paused ^= true);
                self.add(Vary::Ends(Kind::Membership), |it| it.declared.members[who].spec.ends ^= true);
                let others = Methods::ALL.into_iter().filter(|methods| who == 0 && *methods != object.spec.methods);
                for methods in others {
                    self.add(Vary::Narrowed(Kind::Membership), |it| it.declared.members[who].spec.methods = methods);
                }
                self.add(Vary::Members, |it| {
                    it.declared.members[who].presence = Presence::Leaving;
                    if !object.held {
                        *it = it.without_member(who);
                    }
                });
            }
            Presence::Leaving => {}
        }
        if object.presence != Presence::Absent {
            self.add(Vary::Vanish, |it| *it = it.without_member(who));
        }
    }

    fn share(&mut self, what: usize) {
        let object = self.state.declared.shares[what];
        self.add(Vary::Owners, |it| it.directory.owned[what] ^= true);
        match object.presence {
            Presence::Absent => self.add(Vary::Shares, |it| it.declared.shares[what].presence = Presence::There),
            Presence::There => {
                for exclude in [None, Some(0), Some(1)].into_iter().filter(|exclude| *exclude != object.spec.exclude) {
                    self.add(Vary::Exclude, |it| it.declared.shares[what].spec.exclude = exclude);
                }
                self.add(Vary::ShareSpec, |it| it.declared.shares[what].spec.suspended ^= true);
                self.add(Vary::ShareSpec, |it| it.declared.shares[what].spec.collaborator ^= true);
                for pin in Pin::ALL.into_iter().filter(|pin| *pin != object.spec.pin) {
                    self.add(Vary::Entries, |it| it.declared.shares[what].spec.pin = pin);
                }
                for role in Override::ALL.into_iter().filter(|role| *role != object.spec.role) {
                    self.add(Vary::Entries, |it| it.declared.shares[what].spec.role = role);
                }
                self.add(Vary::Paused(Kind::Share), |it| it.declared.shares[what].paused ^= true);
                self.add(Vary::Ends(Kind::Share), |it| it.declared.shares[what].spec.ends ^= true);
                for methods in Methods::ALL.into_iter().filter(|methods| *methods != object.spec.methods) {
                    self.add(Vary::Narrowed(Kind::Share), |it| it.declared.shares[what].spec.methods = methods);
                }
                self.add(Vary::Shares, |it| {
                    it.declared.shares[what].presence = Presence::Leaving;
                    if !object.held {
                        *it = it.without_share(what);
                    }
                });
            }
            Presence::Leaving => {}
        }
        if object.presence != Presence::Absent {
            self.add(Vary::Vanish, |it| *it = it.without_share(what));
        }
    }

    /// The acts of a guest, and changes of the record that the operator did not make.
    fn facts(&mut self, who: usize) {
        let (setup, state) = (self.setup, self.state);
        let guest = state.directory.guests[who];
        if guest.record != Record::Live {
            return;
        }
        let mut add = |able: bool, guest: Guest| {
            if able {
                let mut after = *state;
                after.directory.guests[who] = guest;
                if setup.varies(Vary::Unseen) && state.seen.is_none() {
                    let seen = u8::try_from(who).ok().map(|index| (index, state.directory.guests[who]));
                    self.after.push(State { seen, ..after });
                }
                self.after.push(after.settled());
            }
        };
        let enrolled = matches!(guest.mfa, Mfa::On | Mfa::Both);
        add(guest.invited && guest.login && !guest.joined, Guest { joined: true, invited: false, ..guest });
        add(guest.joined && guest.login && guest.mfa == Mfa::Off, with_mfa(guest, Mfa::On));
        add(enrolled && setup.varies(Vary::Reset), with_mfa(guest, Mfa::Off));
        let narrowed = who == 0 && setup.vary.iter().any(|vary| matches!(vary, Vary::Narrowed(_)));
        add(narrowed && guest.joined && guest.login && guest.mfa == Mfa::On, with_mfa(guest, Mfa::Both));
        let unknown = setup.varies(Vary::Unknown) && guest.joined;
        let known = enrolled || guest.mfa == Mfa::Off;
        add(unknown && known, with_mfa(guest, Mfa::Unknown));
        add(unknown && guest.mfa == Mfa::Unknown, with_mfa(guest, Mfa::UnknownLong));
        add(unknown && !known, with_mfa(guest, Mfa::On));
        add(unknown && !known, with_mfa(guest, Mfa::Off));
        let drift = setup.varies(Vary::Drift);
        add(drift, Guest { login: !guest.login, blocked: guest.login, ..guest });
        add(drift, Guest { admin: !guest.admin, ..guest });
        for what in (0..setup.shares).filter(|_| drift) {
            let mut after = guest;
            let mine = state.declared.shares[what].presence != Presence::Absent;
            let held = Held { manager: false, mine, allowed: Methods::Any, asked: Methods::Any, ends: false };
            after.grants[what] = if guest.grants[what].is_some() { None } else { Some(held) };
            // The directory refuses a grant to a guest whose login is disabled.
            add(guest.login || guest.grants[what].is_some(), after);
        }
    }
}

fn with_mfa(mut guest: Guest, mfa: Mfa) -> Guest {
    guest.mfa = mfa;
    guest
}

fn member(who: usize) -> Object<MemberSpec> {
    let spec = MemberSpec { admin: who == 0, ..MemberSpec::default() };
    Object { presence: Presence::There, spec, ..Object::default() }
}
