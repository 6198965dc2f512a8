//! The worlds that are explored, and what people and the directory do in each. Everything at once would be too much: each
//! world lets some things vary and keeps the others still.

use super::state::{Directory, GUESTS, Guest, Held, Mfa, Object, PARTNERS, Presence, Record, SHARES, State};

/// What varies in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Memberships are created and deleted.
    Members,
    /// They change their role.
    Roles,
    /// They are suspended and not any more.
    Suspended,
    /// They break a rule and are mended.
    Invalid,
    /// Shares are created and deleted.
    Shares,
    /// They exclude one or the other.
    Exclude,
    /// They are suspended, or give less.
    ShareSpec,
    /// The sharer loses the account and gets it back.
    Owners,
    /// Partners are created, suspended and deleted.
    Partners,
    /// MFA is reset.
    Reset,
    /// The directory cannot tell MFA for a while.
    Unknown,
    /// Objects go though they have a finalizer.
    Vanish,
    /// The directory is changed behind our back.
    Drift,
    /// What happens is not seen at once.
    Unseen,
    /// An operation's answer is lost.
    Lost,
}

pub struct Setup {
    pub name: &'static str,
    pub partner_of_guest: [usize; GUESTS],
    pub partner_of_share: [usize; SHARES],
    /// How many shares there are.
    pub shares: usize,
    /// Everybody has joined and turned MFA on before it begins.
    pub joined: bool,
    pub vary: &'static [Vary],
}

/// Something that happens, and where it leads.
pub type Event = (String, State);

impl Setup {
    pub fn varies(&self, what: Vary) -> bool {
        self.vary.contains(&what)
    }

    fn partners(&self) -> impl Iterator<Item = usize> + '_ {
        (0..PARTNERS).filter(|which| self.partner_of_guest.contains(which))
    }

    /// Everything that does not come and go is declared, and nothing is in the directory yet.
    pub fn start(&self) -> State {
        let mut state =
            State { directory: Directory { owned: [true; SHARES], ..Directory::default() }, ..State::default() };
        for which in self.partners().filter(|_| !self.varies(Vary::Partners)) {
            state.declared.partners[which].presence = Presence::There;
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

    /// Everything that people and the directory may do next.
    pub fn events(&self, state: &State) -> Vec<Event> {
        let mut events = Vec::new();
        for which in self.partners().filter(|_| self.varies(Vary::Partners)) {
            Self::partner(state, which, &mut events);
        }
        for who in 0..GUESTS {
            self.member(state, who, &mut events);
            let mut facts = Vec::new();
            self.facts(state, who, &mut facts);
            for (label, after) in facts {
                if self.varies(Vary::Unseen) && state.seen.is_none() {
                    let seen = u8::try_from(who).ok().map(|index| (index, state.directory.guests[who]));
                    events.push((format!("{label}, unseen"), State { seen, ..after }));
                }
                events.push((label, after.settled()));
            }
        }
        for what in 0..self.shares {
            self.share(state, what, &mut events);
        }
        events
    }

    fn partner(state: &State, which: usize, events: &mut Vec<Event>) {
        let partner = state.declared.partners[which];
        let mut add = |label: &str, change: &dyn Fn(&mut State)| {
            let mut after = *state;
            change(&mut after);
            events.push((format!("partner {which} {label}"), after));
        };
        match partner.presence {
            Presence::Absent => add("is created", &|it| it.declared.partners[which].presence = Presence::There),
            Presence::There => {
                add("is suspended or not", &|it| it.declared.partners[which].spec.suspended ^= true);
                for cascade in [false, true] {
                    add(if cascade { "is deleted with all" } else { "is deleted" }, &|it| {
                        it.declared.partners[which].spec.cascade = cascade;
                        it.declared.partners[which].presence = Presence::Leaving;
                        if !partner.held {
                            *it = it.without_partner(which);
                        }
                    });
                }
            }
            Presence::Leaving => {}
        }
    }

    fn member(&self, state: &State, who: usize, events: &mut Vec<Event>) {
        let object = state.declared.members[who];
        let mut add = |vary: Vary, label: &str, change: &dyn Fn(&mut State)| {
            if self.varies(vary) {
                let mut after = *state;
                change(&mut after);
                events.push((format!("membership {who} {label}"), after));
            }
        };
        match object.presence {
            Presence::Absent => add(Vary::Members, "is created", &|it| it.declared.members[who] = member(who)),
            Presence::There => {
                add(Vary::Roles, "changes its role", &|it| it.declared.members[who].spec.admin ^= true);
                add(Vary::Suspended, "is suspended or not", &|it| it.declared.members[who].spec.suspended ^= true);
                add(Vary::Invalid, "breaks a rule or not", &|it| it.declared.members[who].spec.invalid ^= true);
                add(Vary::Members, "is deleted", &|it| {
                    it.declared.members[who].presence = Presence::Leaving;
                    if !object.held {
                        *it = it.without_member(who);
                    }
                });
            }
            Presence::Leaving => {}
        }
        if object.presence != Presence::Absent {
            add(Vary::Vanish, "vanishes", &|it| *it = it.without_member(who));
        }
    }

    fn share(&self, state: &State, what: usize, events: &mut Vec<Event>) {
        let object = state.declared.shares[what];
        let mut add = |vary: Vary, label: &str, change: &dyn Fn(&mut State)| {
            if self.varies(vary) {
                let mut after = *state;
                change(&mut after);
                events.push((format!("share {what} {label}"), after));
            }
        };
        add(Vary::Owners, "loses its owner or gets him back", &|it| it.directory.owned[what] ^= true);
        match object.presence {
            Presence::Absent => {
                add(Vary::Shares, "is created", &|it| it.declared.shares[what].presence = Presence::There);
            }
            Presence::There => {
                for exclude in [None, Some(0), Some(1)].into_iter().filter(|exclude| *exclude != object.spec.exclude) {
                    let label = format!("excludes {exclude:?}");
                    add(Vary::Exclude, &label, &|it| it.declared.shares[what].spec.exclude = exclude);
                }
                add(Vary::ShareSpec, "is suspended or not", &|it| it.declared.shares[what].spec.suspended ^= true);
                add(Vary::ShareSpec, "gives more or less", &|it| it.declared.shares[what].spec.collaborator ^= true);
                add(Vary::Shares, "is deleted", &|it| {
                    it.declared.shares[what].presence = Presence::Leaving;
                    if !object.held {
                        *it = it.without_share(what);
                    }
                });
            }
            Presence::Leaving => {}
        }
        if object.presence != Presence::Absent {
            add(Vary::Vanish, "vanishes", &|it| *it = it.without_share(what));
        }
    }

    /// What a guest does, and what becomes of him behind our back.
    fn facts(&self, state: &State, who: usize, events: &mut Vec<Event>) {
        let guest = state.directory.guests[who];
        if guest.record != Record::Live {
            return;
        }
        let mut add = |able: bool, label: &str, after: Guest| {
            if able {
                let mut state = *state;
                state.directory.guests[who] = after;
                events.push((format!("guest {who} {label}"), state));
            }
        };
        let accepts = guest.invited && guest.login && !guest.joined;
        add(accepts, "accepts", Guest { joined: true, invited: false, ..guest });
        add(guest.joined && guest.login && guest.mfa == Mfa::Off, "turns MFA on", told(guest, Mfa::On));
        add(guest.mfa == Mfa::On && self.varies(Vary::Reset), "loses MFA", told(guest, Mfa::Off));
        let unknown = self.varies(Vary::Unknown) && guest.joined;
        let known = matches!(guest.mfa, Mfa::Off | Mfa::On);
        add(unknown && known, "has MFA that nobody can tell", told(guest, Mfa::Unknown));
        add(unknown && guest.mfa == Mfa::Unknown, "has had it for a day", told(guest, Mfa::UnknownLong));
        add(unknown && !known, "is known to have MFA", told(guest, Mfa::On));
        add(unknown && !known, "is known to have none", told(guest, Mfa::Off));
        let drift = self.varies(Vary::Drift);
        add(drift, "has the login switched", Guest { login: !guest.login, blocked: guest.login, ..guest });
        add(drift, "has his role switched", Guest { admin: !guest.admin, ..guest });
        for what in (0..self.shares).filter(|_| drift) {
            let mut after = guest;
            after.grants[what] = match guest.grants[what] {
                Some(_) => None,
                None => Some(Held { manager: false, mine: state.declared.shares[what].presence != Presence::Absent }),
            };
            add(true, &format!("is given or loses {what} behind our back"), after);
        }
    }
}

fn told(mut guest: Guest, mfa: Mfa) -> Guest {
    guest.mfa = mfa;
    guest
}

fn member(who: usize) -> Object<super::state::MemberSpec> {
    let mut object = Object { presence: Presence::There, ..Object::default() };
    object.spec = super::state::MemberSpec { admin: who == 0, ..Default::default() };
    object
}
