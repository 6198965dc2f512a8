//! Converts the compact state of a directory to its records, and back.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use guestlist::directory::{
    AccountRecord, DirectoryCache, Grant, GrantRecord, GuestId, GuestRecord, InvitationRecord, Login, MfaRecord,
    Origin, OwnershipMark, PartnerId, PartnerRecord, Revision, Snapshot, UserRecord,
};
use guestlist::domain::{Email, GuestRole, MfaMethod, ShareRole, all_methods};
use jiff::Timestamp;

use super::directory::Double;
use super::objects::HOST;
use super::setup::Setup;
use super::state::{Directory, GUESTS, Guest, Held, Methods, Mfa, PARTNERS, Record, SHARES, State};

pub const SPACE: &str = "partners";
pub const PARTNER: [&str; PARTNERS] = ["acme", "beta"];
pub const MEMBER: [&str; GUESTS] = ["carol", "bob"];
pub const ACCOUNT: [&str; SHARES] = ["instagram", "newsletter"];

static ADDRESSES: LazyLock<[Email; GUESTS]> =
    LazyLock::new(|| MEMBER.map(|name| Email::parse(&format!("{name}@guests.example")).unwrap()));
static HOSTS: LazyLock<[Email; 2]> = LazyLock::new(|| [true, false].map(|owned| Email::parse(owner(owned)).unwrap()));
static LONG_AGO: LazyLock<Timestamp> = LazyLock::new(|| at("2026-10-01T00:00:00Z"));
static NOW: LazyLock<Timestamp> = LazyLock::new(|| at("2027-01-01T00:00:00Z"));
/// The end that specs name.
pub static SOON: LazyLock<Timestamp> = LazyLock::new(|| at("2027-01-01T12:00:00Z"));
static LATE: LazyLock<Timestamp> = LazyLock::new(|| at("2027-01-02T00:00:00Z"));
static UNKNOWN_SINCE: LazyLock<Timestamp> = LazyLock::new(|| at("2026-12-31T23:00:00Z"));
static UNKNOWN_LONG_SINCE: LazyLock<Timestamp> = LazyLock::new(|| at("2026-12-30T00:00:00Z"));
static INVITATION_END: LazyLock<Timestamp> = LazyLock::new(|| at("2027-06-01T00:00:00Z"));

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    *NOW
}

/// The present instant of a state.
pub fn instant(state: &State) -> Timestamp {
    if state.late { *LATE } else { *NOW }
}

/// The instant of everything that has happened before.
pub fn long_ago() -> Timestamp {
    *LONG_AGO
}

pub fn address(who: usize) -> &'static Email {
    &ADDRESSES[who]
}

/// The owner of an account: the sharer, or another Host Admin.
pub fn owner(owned: bool) -> &'static str {
    if owned { HOST } else { "zoe@host.example" }
}

/// The UID of the present object, or of a deleted one of the same name.
pub fn uid(name: &str, mine: bool) -> String {
    if mine { format!("uid-{name}") } else { format!("gone-{name}") }
}

fn is_mine(uid: &str) -> bool {
    uid.starts_with("uid-")
}

pub fn mark(name: &str, mine: bool, adopted: bool) -> OwnershipMark {
    OwnershipMark {
        installation: "default".to_owned(),
        cluster: "test".to_owned(),
        namespace: SPACE.to_owned(),
        name: name.to_owned(),
        uid: uid(name, mine),
        origin: if adopted { Origin::Adopted } else { Origin::Created },
    }
}

pub fn partner_id(which: usize) -> PartnerId {
    PartnerId(format!("partner-{}", PARTNER[which]))
}

pub fn guest_id(who: usize) -> GuestId {
    GuestId(format!("guest-{}", MEMBER[who]))
}

pub fn methods(methods: Methods) -> guestlist::domain::Methods {
    match methods {
        Methods::Any => all_methods(),
        Methods::Totp => [MfaMethod::TOTP].into(),
        Methods::WebAuthn => [MfaMethod::WebAuthn].into(),
    }
}

fn compact_methods(methods: &guestlist::domain::Methods) -> Methods {
    match (methods.contains(&MfaMethod::TOTP), methods.contains(&MfaMethod::WebAuthn)) {
        (true, false) => Methods::Totp,
        (false, true) => Methods::WebAuthn,
        (both, _) => {
            assert!(both, "a record allows no method");
            Methods::Any
        }
    }
}

fn mfa(mfa: Mfa) -> MfaRecord {
    let since = *LONG_AGO;
    match mfa {
        Mfa::Off => MfaRecord::Known([].into()),
        Mfa::On => MfaRecord::Known([(MfaMethod::TOTP, since)].into()),
        Mfa::Both => MfaRecord::Known([(MfaMethod::TOTP, since), (MfaMethod::WebAuthn, since)].into()),
        Mfa::Unknown | Mfa::UnknownLong => MfaRecord::Unknown,
    }
}

/// `before` contains how long MFA has been unknown, which no directory reports.
fn compact_mfa(mfa: &MfaRecord, before: Mfa) -> Mfa {
    match mfa {
        MfaRecord::Known(enrolled) if enrolled.is_empty() => Mfa::Off,
        MfaRecord::Known(enrolled) if enrolled.contains_key(&MfaMethod::WebAuthn) => Mfa::Both,
        MfaRecord::Known(_) => Mfa::On,
        MfaRecord::Unknown => before,
    }
}

pub fn grant(what: usize, held: Held) -> Grant {
    Grant {
        account: ACCOUNT[what].to_owned(),
        role: if held.manager { ShareRole::Manager } else { ShareRole::Collaborator },
        share: ACCOUNT[what].to_owned(),
        share_uid: uid(ACCOUNT[what], held.mine),
        allowed: methods(held.allowed),
        asked: methods(held.asked),
        until: held.ends.then(|| *SOON),
    }
}

/// A guest's record. `None`: there is none.
fn guest(setup: &Setup, who: usize, guest: &Guest, revision: i64) -> Option<GuestRecord> {
    let held = |(what, held): (usize, &Option<Held>)| {
        let record = GrantRecord { grant: grant(what, (*held)?), since: long_ago() };
        Some((ACCOUNT[what].to_owned(), record))
    };
    (guest.record != Record::None).then(|| GuestRecord {
        id: guest_id(who),
        revision: Revision(revision),
        mark: Some(mark(MEMBER[who], guest.mine, guest.adopted)),
        address: address(who).clone(),
        email: address(who).clone(),
        partner: partner_id(setup.partner_of_guest[who]),
        partner_name: PARTNER[setup.partner_of_guest[who]].to_owned(),
        display_name: address(who).to_string(),
        role: if guest.admin { GuestRole::GuestAdmin } else { GuestRole::GuestUser },
        invitation: guest.invited.then(|| InvitationRecord { sent_at: long_ago(), expires_at: *INVITATION_END }),
        admitted_at: long_ago(),
        last_mail_at: Some(long_ago()),
        recent_mails: Vec::new(),
        joined_at: guest.joined.then(long_ago),
        login: match (guest.login, guest.blocked) {
            (true, _) => Login::Enabled,
            (false, true) => Login::DisabledByOther,
            (false, false) => Login::DisabledByGuestlist,
        },
        mfa: mfa(guest.mfa),
        mfa_lost_at: None,
        allowed: methods(guest.allowed),
        grants: guest.grants.iter().enumerate().filter_map(held).collect(),
        deactivated_at: (guest.record == Record::Deactivated).then(long_ago),
        integrity: guestlist::directory::Integrity::Intact,
    })
}

/// The records of a directory.
pub fn double(setup: &Setup, directory: &Directory, revisions: [i64; GUESTS]) -> Double {
    let user = |email: &Email| UserRecord {
        email: email.clone(),
        name: "User Example".to_owned(),
        enabled: true,
        verified: true,
    };
    let partner = |(which, (record, mine)): (usize, &(Record, bool))| {
        (*record != Record::None).then(|| PartnerRecord {
            id: partner_id(which),
            mark: mark(PARTNER[which], *mine, false),
            display_name: PARTNER[which].to_owned(),
            host_admins: vec![HOSTS[0].clone()],
            suspended: *record == Record::Suspended,
            deactivated_at: (*record == Record::Deactivated).then(long_ago),
            integrity: guestlist::directory::Integrity::Intact,
        })
    };
    let account = |(what, owned): (usize, &bool)| AccountRecord {
        name: ACCOUNT[what].to_owned(),
        owners: vec![HOSTS[usize::from(!*owned)].clone()],
        deleted: false,
    };
    let adopted = || (0..GUESTS).filter(|who| setup.adopted[*who]);
    let guests = directory.guests.iter().enumerate();
    let all = Snapshot {
        partners: directory.partners.iter().enumerate().filter_map(partner).collect(),
        guests: guests.filter_map(|(who, it)| guest(setup, who, it, revisions[who])).collect(),
        accounts: directory.owned.iter().enumerate().map(account).collect(),
        users: HOSTS.iter().chain(adopted().map(address)).map(user).collect(),
        ..Snapshot::default()
    };
    let without_record = adopted().filter(|who| directory.guests[*who].record == Record::None);
    let kept = without_record.map(|who| (address(who).clone(), mfa(directory.guests[who].mfa)));
    Double { mfa: kept.collect::<BTreeMap<_, _>>(), all }
}

/// The directory cache of the operator.
pub fn directory_cache(all: &Snapshot, state: &State) -> DirectoryCache {
    let mut directory_cache = DirectoryCache::default();
    for partner in &all.partners {
        directory_cache.set_partner(&partner.id, Some(partner.clone()));
    }
    for account in &all.accounts {
        directory_cache.set_account(&account.name, Some(account.clone()));
    }
    for user in &all.users {
        directory_cache.set_user(&user.email, Some(user.clone()));
    }
    for guest in &all.guests {
        directory_cache.set_guest(&guest.address, Some(guest.clone()));
    }
    for (who, guest) in state.view().guests.iter().enumerate() {
        match guest.mfa {
            Mfa::Unknown => directory_cache.set_mfa_unknown_since(address(who), Some(*UNKNOWN_SINCE)),
            Mfa::UnknownLong => directory_cache.set_mfa_unknown_since(address(who), Some(*UNKNOWN_LONG_SINCE)),
            Mfa::Off | Mfa::On | Mfa::Both => {}
        }
    }
    directory_cache
}

/// The compact state of a directory.
pub fn compact(double: &Double, before: &Directory) -> Directory {
    let mut directory = Directory::default();
    for account in &double.all.accounts {
        let what = ACCOUNT.iter().position(|name| *name == account.name).unwrap();
        directory.owned[what] = account.owners.contains(&HOSTS[0]);
    }
    for partner in &double.all.partners {
        let which = PARTNER.iter().position(|name| *name == partner.mark.name).unwrap();
        let record = match (partner.deactivated_at, partner.suspended) {
            (Some(_), _) => Record::Deactivated,
            (None, true) => Record::Suspended,
            (None, false) => Record::Live,
        };
        directory.partners[which] = (record, is_mine(&partner.mark.uid));
    }
    for who in 0..GUESTS {
        let old = before.guests[who].mfa;
        directory.guests[who].mfa = double.mfa.get(address(who)).map_or(Mfa::Off, |mfa| compact_mfa(mfa, old));
    }
    for record in &double.all.guests {
        let who = (0..GUESTS).find(|who| *address(*who) == record.address).unwrap();
        let mut grants = [None; SHARES];
        for Grant { account, role, share_uid, allowed, asked, until, .. } in
            record.grants.values().map(|held| &held.grant)
        {
            let what = ACCOUNT.iter().position(|name| name == account).unwrap();
            grants[what] = Some(Held {
                manager: *role == ShareRole::Manager,
                mine: is_mine(share_uid),
                allowed: compact_methods(allowed),
                asked: compact_methods(asked),
                ends: until.is_some(),
            });
        }
        let mark = record.mark.as_ref();
        directory.guests[who] = Guest {
            record: if record.deactivated_at.is_some() { Record::Deactivated } else { Record::Live },
            mine: mark.is_some_and(|mark| is_mine(&mark.uid)),
            adopted: mark.is_some_and(|mark| mark.origin == Origin::Adopted),
            admin: record.role == GuestRole::GuestAdmin,
            invited: record.invitation.is_some(),
            joined: record.joined_at.is_some(),
            login: record.login.is_enabled(),
            blocked: record.login == Login::DisabledByOther,
            mfa: compact_mfa(&record.mfa, before.guests[who].mfa),
            allowed: compact_methods(&record.allowed),
            grants,
        };
    }
    directory
}
