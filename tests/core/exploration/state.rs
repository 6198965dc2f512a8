//! A state of the small environment, as compact as possible: the declared objects, the directory, and the record of one
//! guest as the operator last saw it. Time has two instants: before and after the ends in the specs.

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

/// An object: whether it exists, has guestlist's finalizer and is paused, and its spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object<S> {
    pub presence: Presence,
    pub held: bool,
    pub paused: bool,
    pub spec: S,
}

/// MFA methods. In a spec, `Any` is an omitted field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Methods {
    #[default]
    Any,
    Totp,
    WebAuthn,
}

impl Methods {
    pub const ALL: [Self; 3] = [Self::Any, Self::Totp, Self::WebAuthn];

    pub fn has_totp(self) -> bool {
        self != Self::WebAuthn
    }

    pub fn is_within(self, other: Self) -> bool {
        other == Self::Any || self == other
    }

    /// The methods that both contain, if there are any.
    pub fn meet(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, methods) | (methods, Self::Any) => Some(methods),
            (one, two) => (one == two).then_some(one),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartnerSpec {
    pub suspended: bool,
    pub cascade: bool,
    /// The partner has an end.
    pub ends: bool,
    pub methods: Methods,
    /// Users of the workspace may become its guests.
    pub adopts: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberSpec {
    pub admin: bool,
    pub suspended: bool,
    /// The membership breaks a rule: it sets that MFA is not required.
    pub invalid: bool,
    /// The membership names the other partner.
    pub moved: bool,
    /// The membership has an end.
    pub ends: bool,
    pub methods: Methods,
}

/// The pinned address of the entry of guest 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pin {
    #[default]
    None,
    Fits,
    Differs,
}

impl Pin {
    pub const ALL: [Self; 3] = [Self::None, Self::Fits, Self::Differs];
}

/// The entry of guest 0 among the overrides of the role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Override {
    #[default]
    None,
    Manager,
    Collaborator,
    /// Manager, pinned to another address.
    Differs,
}

impl Override {
    pub const ALL: [Self; 4] = [Self::None, Self::Manager, Self::Collaborator, Self::Differs];
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareSpec {
    pub collaborator: bool,
    pub suspended: bool,
    pub exclude: Option<u8>,
    pub pin: Pin,
    pub role: Override,
    /// The share has an end.
    pub ends: bool,
    pub methods: Methods,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Declared {
    pub partners: [Object<PartnerSpec>; PARTNERS],
    pub members: [Object<MemberSpec>; GUESTS],
    pub shares: [Object<ShareSpec>; SHARES],
}

impl Declared {
    /// Both states without the objects that are equal.
    pub fn changes(mut before: Self, mut after: Self) -> [Self; 2] {
        fn drop_same<S: Default + PartialEq>(old: &mut [Object<S>], new: &mut [Object<S>]) {
            for (old, new) in old.iter_mut().zip(new).filter(|(old, new)| old == new) {
                *old = Object::default();
                *new = Object::default();
            }
        }
        drop_same(&mut before.partners, &mut after.partners);
        drop_same(&mut before.members, &mut after.members);
        drop_same(&mut before.shares, &mut after.shares);
        [before, after]
    }
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
    /// TOTP.
    On,
    /// TOTP and WebAuthn.
    Both,
    /// The directory cannot tell, for less than a day.
    Unknown,
    /// The directory has been unable to tell for longer.
    UnknownLong,
}

/// A grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Held {
    pub manager: bool,
    /// The grant names the present share, not a deleted one of the same name.
    pub mine: bool,
    /// The methods allowed to the guest.
    pub allowed: Methods,
    /// The methods that the share requires.
    pub asked: Methods,
    /// The grant ends by itself.
    pub ends: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guest {
    pub record: Record,
    /// The ownership mark names the present object, not a deleted one.
    pub mine: bool,
    /// The ownership mark records the user as adopted.
    pub adopted: bool,
    pub admin: bool,
    pub invited: bool,
    pub joined: bool,
    pub login: bool,
    /// An administrator disabled the login.
    pub blocked: bool,
    /// The MFA of a workspace user: also while no record exists.
    pub mfa: Mfa,
    pub allowed: Methods,
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
    /// The ends in the specs have passed.
    pub late: bool,
    /// A guest whose record has changed since the operator last read it.
    pub seen: Option<(u8, Guest)>,
}

impl State {
    /// The directory as the operator last read it.
    pub fn view(&self) -> Directory {
        let mut view = self.directory;
        if let Some((who, guest)) = self.seen {
            view.guests[usize::from(who)] = guest;
        }
        view
    }

    /// A record in its present state needs no separate copy.
    pub fn settled(mut self) -> Self {
        if self.seen.is_some_and(|(who, guest)| self.directory.guests[usize::from(who)] == guest) {
            self.seen = None;
        }
        self
    }

    /// The object is deleted: an ownership mark with its UID is then the mark of a deleted object.
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
                let PartnerSpec { suspended, cascade, ends, methods, adopts } = partner.spec;
                let flags = [
                    (suspended, "suspended"),
                    (cascade, "deleted with all"),
                    (ends, "with an end"),
                    (adopts, "adopts"),
                ];
                let gone = words(&[(!mine, "of one gone")]);
                writeln!(f, "    partner {which}: {partner} {} {methods:?}; record {record:?} {gone}", words(&flags))?;
            }
        }
        for (who, member) in self.declared.members.iter().enumerate() {
            let MemberSpec { admin, suspended, invalid, moved, ends, methods } = member.spec;
            let flags = [
                (admin, "Guest Admin"),
                (suspended, "suspended"),
                (invalid, "invalid"),
                (moved, "of the other partner"),
                (ends, "with an end"),
            ];
            let guest = self.directory.guests[who];
            writeln!(f, "    guest {who}: {member} {} {methods:?}; {guest}", words(&flags))?;
        }
        for (what, share) in self.declared.shares.iter().enumerate() {
            let ShareSpec { collaborator, suspended, exclude, pin, role, ends, methods } = share.spec;
            let flags = [(collaborator, "as Collaborator"), (suspended, "suspended"), (ends, "with an end")];
            let owned = words(&[(!self.directory.owned[what], "; the sharer does not own the account")]);
            let entries = format!("excludes {exclude:?}, pin {pin:?}, override {role:?}");
            writeln!(f, "    share {what}: {share} {} {methods:?}, {entries}{owned}", words(&flags))?;
        }
        if self.late {
            writeln!(f, "    all ends have passed")?;
        }
        match self.seen {
            Some((who, guest)) => writeln!(f, "    guest {who} was last seen as: {guest}"),
            None => Ok(()),
        }
    }
}

/// The names of the flags that are set.
fn words(flags: &[(bool, &'static str)]) -> String {
    flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

impl<S> fmt::Display for Object<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finalizer = if self.held { " with finalizer" } else { "" };
        write!(f, "{:?}{finalizer}{}", self.presence, if self.paused { ", paused" } else { "" })
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (!self.mine, "of one gone"),
            (self.adopted, "adopted"),
            (self.admin, "Guest Admin"),
            (self.invited, "invited"),
            (self.joined, "joined"),
            (self.login, "may log in"),
            (self.blocked, "disabled by an administrator"),
        ];
        write!(f, "record {:?} {}; MFA {:?} of {:?}", self.record, words(&flags), self.mfa, self.allowed)?;
        for (what, held) in self.grants.iter().enumerate() {
            if let Some(held) = held {
                let role = if held.manager { "Manager" } else { "Collaborator" };
                let flags = [(!held.mine, "through a share that is gone"), (held.ends, "with an end")];
                write!(f, "; holds {what} as {role} with {:?} and {:?} {}", held.allowed, held.asked, words(&flags))?;
            }
        }
        Ok(())
    }
}
