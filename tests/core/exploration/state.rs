//! A state of the small world, as compact as it can be: what is declared, what the directory holds, and what was last
//! seen of one guest where that is not what is so. Instants are left out: each step happens long after the one before.

use std::fmt;

pub const GUESTS: usize = 2;
pub const SHARES: usize = 2;
pub const PARTNERS: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Presence {
    #[default]
    Absent,
    There,
    Leaving,
}

/// An object: whether it is there, with our finalizer, and what its spec says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object<S> {
    pub presence: Presence,
    pub held: bool,
    pub spec: S,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartnerSpec {
    pub suspended: bool,
    pub cascade: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberSpec {
    pub admin: bool,
    pub suspended: bool,
    /// It breaks a rule: it says that MFA is not required.
    pub invalid: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareSpec {
    pub collaborator: bool,
    pub suspended: bool,
    pub exclude: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Declared {
    pub partners: [Object<PartnerSpec>; PARTNERS],
    pub members: [Object<MemberSpec>; GUESTS],
    pub shares: [Object<ShareSpec>; SHARES],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Record {
    #[default]
    None,
    Live,
    /// Of a partner: live, and suspended.
    Suspended,
    Deactivated,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mfa {
    #[default]
    Off,
    On,
    /// The directory cannot tell, for less than a day.
    Unknown,
    /// It has not been able to tell for longer.
    UnknownLong,
}

/// A grant: whether as Manager, and whether through the share of today or one of that name which is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Held {
    pub manager: bool,
    pub mine: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guest {
    pub record: Record,
    /// The mark names the object of today, not one that is gone.
    pub mine: bool,
    pub admin: bool,
    pub invited: bool,
    pub joined: bool,
    pub login: bool,
    /// An administrator disabled the login.
    pub blocked: bool,
    pub mfa: Mfa,
    pub grants: [Option<Held>; SHARES],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Directory {
    pub partners: [(Record, bool); PARTNERS],
    pub guests: [Guest; GUESTS],
    /// Whether the sharer owns the share's account.
    pub owned: [bool; SHARES],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    pub declared: Declared,
    pub directory: Directory,
    /// A guest whom the operator last saw otherwise than he is.
    pub seen: Option<(u8, Guest)>,
}

impl State {
    /// As the operator last saw the directory.
    pub fn view(&self) -> Directory {
        let mut view = self.directory;
        if let Some((who, guest)) = self.seen {
            view.guests[usize::from(who)] = guest;
        }
        view
    }

    /// What is seen as it is need not be told apart.
    pub fn settled(mut self) -> Self {
        if self.seen.is_some_and(|(who, guest)| self.directory.guests[usize::from(who)] == guest) {
            self.seen = None;
        }
        self
    }

    /// The object is gone: what bears its UID bears that of one that is gone.
    pub fn without_member(mut self, who: usize) -> Self {
        self.declared.members[who] = Object::default();
        self.directory.guests[who].mine = false;
        if let Some((_, guest)) = self.seen.as_mut().filter(|(seen, _)| usize::from(*seen) == who) {
            guest.mine = false;
        }
        self.settled()
    }

    pub fn without_share(mut self, what: usize) -> Self {
        self.declared.shares[what] = Object::default();
        let seen = self.seen.iter_mut().map(|(_, guest)| guest);
        for guest in self.directory.guests.iter_mut().chain(seen) {
            if let Some(held) = &mut guest.grants[what] {
                held.mine = false;
            }
        }
        self.settled()
    }

    pub fn without_partner(mut self, which: usize) -> Self {
        self.declared.partners[which] = Object::default();
        self.directory.partners[which].1 = false;
        self
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (which, partner) in self.declared.partners.iter().enumerate() {
            let (record, mine) = self.directory.partners[which];
            if partner.presence != Presence::Absent || record != Record::None {
                let spec = words(&[(partner.spec.suspended, "suspended"), (partner.spec.cascade, "deleted with all")]);
                writeln!(
                    f,
                    "    partner {which}: {partner} {spec}; record {record:?} {}",
                    words(&[(!mine, "of one gone")])
                )?;
            }
        }
        for (who, member) in self.declared.members.iter().enumerate() {
            let MemberSpec { admin, suspended, invalid } = member.spec;
            let spec = words(&[(admin, "Guest Admin"), (suspended, "suspended"), (invalid, "invalid")]);
            writeln!(f, "    guest {who}: {member} {spec}; {}", self.directory.guests[who])?;
        }
        for (what, share) in self.declared.shares.iter().enumerate() {
            let ShareSpec { collaborator, suspended, exclude } = share.spec;
            let spec = words(&[(collaborator, "as Collaborator"), (suspended, "suspended")]);
            let owned = words(&[(!self.directory.owned[what], "; the account is not the sharer's")]);
            writeln!(f, "    share {what}: {share} {spec} excludes {exclude:?}{owned}")?;
        }
        match self.seen {
            Some((who, guest)) => writeln!(f, "    guest {who} was last seen otherwise: {guest}"),
            None => Ok(()),
        }
    }
}

/// What is so, in words.
fn words(said: &[(bool, &'static str)]) -> String {
    said.iter().filter(|(so, _)| *so).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

impl<S> fmt::Display for Object<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.presence, if self.held { " with finalizer" } else { "" })
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (!self.mine, "of one gone"),
            (self.admin, "Guest Admin"),
            (self.invited, "invited"),
            (self.joined, "joined"),
            (self.login, "may log in"),
            (self.blocked, "disabled by an administrator"),
        ];
        write!(f, "record {:?} {}; MFA {:?}", self.record, words(&flags), self.mfa)?;
        for (what, held) in self.grants.iter().enumerate() {
            if let Some(held) = held {
                let role = if held.manager { "Manager" } else { "Collaborator" };
                write!(f, "; holds {what} as {role} {}", words(&[(!held.mine, "through a share that is gone")]))?;
            }
        }
        Ok(())
    }
}
