//! From a compact state to what the planner takes, and back.

use std::collections::BTreeMap;

use guestlist::api;
use guestlist::directory::{
    AccountRecord, Everything, Grant, GrantRecord, GuestId, GuestRecord, InvitationRecord, Login, Mark, MfaRecord,
    Mirror, Origin, PartnerId, PartnerRecord, Revision, UserRecord,
};
use guestlist::index::{self, Index};
use guestlist::rules::{Email, GuestRole, MfaMethod, ShareRole, all_methods};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::json;

use super::setup::Setup;
use super::state::{Declared, Directory, GUESTS, Guest, Held, Mfa, Object, PARTNERS, Presence, Record, SHARES, State};

pub const SPACE: &str = "partners";
pub const PARTNER: [&str; PARTNERS] = ["acme", "beta"];
pub const MEMBER: [&str; GUESTS] = ["carol", "bob"];
pub const ACCOUNT: [&str; SHARES] = ["instagram", "newsletter"];

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    at("2027-01-01T00:00:00Z")
}

/// When all that has happened before has happened.
pub fn long_ago() -> Timestamp {
    at("2026-10-01T00:00:00Z")
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub fn address(who: usize) -> Email {
    email(&format!("{}@guests.example", MEMBER[who]))
}

/// The UID of the object of today, or of one of its name that is gone.
fn uid(name: &str, mine: bool) -> String {
    if mine { format!("uid-{name}") } else { format!("gone-{name}") }
}

fn meta<S>(name: &str, object: &Object<S>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(SPACE.to_owned()),
        uid: Some(uid(name, true)),
        generation: Some(1),
        creation_timestamp: Some(Time(long_ago())),
        deletion_timestamp: (object.presence == Presence::Leaving).then(|| Time(now())),
        finalizers: object.held.then(|| vec![api::FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    }
}

/// What is declared, as the planner takes it.
pub fn index(setup: &Setup, declared: &Declared) -> Index {
    let mut index = Index::default();
    for (which, partner) in declared.partners.iter().enumerate().filter(|(_, it)| it.presence != Presence::Absent) {
        let deletion = if partner.spec.cascade { "Cascade" } else { "Block" };
        let spec =
            json!({"hostAdmins": ["alice@host.example"], "suspended": partner.spec.suspended, "deletion": deletion});
        let mut object = api::LocalPartner::new(PARTNER[which], serde_json::from_value(spec).unwrap());
        object.metadata = meta(PARTNER[which], partner);
        index.apply(index::Declared::Partner(Box::new(object)));
    }
    for (who, member) in declared.members.iter().enumerate().filter(|(_, it)| it.presence != Presence::Absent) {
        let mut spec = json!({
            "partnerRef": {"name": PARTNER[setup.partner_of_guest[who]]},
            "email": address(who).to_string(),
            "role": if member.spec.admin { "GuestAdmin" } else { "GuestUser" },
            "invitedBy": "alice@host.example",
            "suspended": member.spec.suspended,
        });
        if member.spec.invalid {
            spec["mfa"] = json!({"required": false});
        }
        let mut object = api::GuestMembership::new(MEMBER[who], serde_json::from_value(spec).unwrap());
        object.metadata = meta(MEMBER[who], member);
        index.apply(index::Declared::Membership(Box::new(object)));
    }
    for (what, share) in declared.shares.iter().enumerate().filter(|(_, it)| it.presence != Presence::Absent) {
        let exclude: Vec<_> = share.spec.exclude.iter().map(|who| json!({"name": MEMBER[usize::from(*who)]})).collect();
        let spec = json!({
            "partnerRef": {"name": PARTNER[setup.partner_of_share[what]]},
            "account": ACCOUNT[what],
            "sharedBy": "alice@host.example",
            "guestAdminRole": if share.spec.collaborator { "Collaborator" } else { "Manager" },
            "guestUsers": [{"name": MEMBER[1], "propagatedBy": MEMBER[0]}],
            "suspended": share.spec.suspended,
            "exclude": exclude,
        });
        let mut object = api::AccountShare::new(ACCOUNT[what], serde_json::from_value(spec).unwrap());
        object.metadata = meta(ACCOUNT[what], share);
        index.apply(index::Declared::Share(Box::new(object)));
    }
    index
}

pub fn mark(name: &str, mine: bool) -> Mark {
    Mark {
        installation: "default".to_owned(),
        cluster: "test".to_owned(),
        namespace: SPACE.to_owned(),
        name: name.to_owned(),
        uid: uid(name, mine),
        origin: Origin::Made,
    }
}

pub fn partner_id(which: usize) -> PartnerId {
    PartnerId(format!("partner-{}", PARTNER[which]))
}

pub fn guest_id(who: usize) -> GuestId {
    GuestId(format!("guest-{}", MEMBER[who]))
}

pub fn grant(what: usize, held: Held) -> Grant {
    Grant {
        account: ACCOUNT[what].to_owned(),
        role: if held.manager { ShareRole::Manager } else { ShareRole::Collaborator },
        share: ACCOUNT[what].to_owned(),
        share_uid: uid(ACCOUNT[what], held.mine),
        allowed: all_methods(),
        asked: all_methods(),
        until: None,
    }
}

/// A guest's record; `None`: there is none.
pub fn guest(setup: &Setup, who: usize, guest: &Guest, revision: i64) -> Option<GuestRecord> {
    let enrolled = BTreeMap::from([(MfaMethod::TOTP, long_ago())]);
    let open = InvitationRecord { sent_at: long_ago(), expires_at: at("2027-06-01T00:00:00Z") };
    let held = |(what, held): (usize, &Option<Held>)| {
        let record = GrantRecord { grant: grant(what, (*held)?), since: long_ago() };
        Some((ACCOUNT[what].to_owned(), record))
    };
    (guest.record != Record::None).then(|| GuestRecord {
        id: guest_id(who),
        revision: Revision(revision),
        mark: Some(mark(MEMBER[who], guest.mine)),
        address: address(who),
        email: address(who),
        partner: partner_id(setup.partner_of_guest[who]),
        partner_name: PARTNER[setup.partner_of_guest[who]].to_owned(),
        display_name: address(who).to_string(),
        role: if guest.admin { GuestRole::GuestAdmin } else { GuestRole::GuestUser },
        invitation: guest.invited.then_some(open),
        admitted_at: long_ago(),
        last_mail_at: Some(long_ago()),
        recent_mails: Vec::new(),
        joined_at: guest.joined.then(long_ago),
        login: match (guest.login, guest.blocked) {
            (true, _) => Login::Enabled,
            (false, true) => Login::DisabledByOther,
            (false, false) => Login::DisabledByGuestlist,
        },
        mfa: match guest.mfa {
            Mfa::Off => MfaRecord::Known([].into()),
            Mfa::On => MfaRecord::Known(enrolled.into_iter().collect()),
            Mfa::Unknown | Mfa::UnknownLong => MfaRecord::Unknown,
        },
        mfa_lost_at: None,
        allowed: all_methods(),
        grants: guest.grants.iter().enumerate().filter_map(held).collect(),
        deactivated_at: (guest.record == Record::Deactivated).then(long_ago),
    })
}

/// What a directory holds.
pub fn everything(setup: &Setup, directory: &Directory, revisions: [i64; GUESTS]) -> Everything {
    let user = |name: &str| UserRecord {
        email: email(&format!("{name}@host.example")),
        name: name.to_owned(),
        enabled: true,
        verified: true,
    };
    let partner = |(which, (record, mine)): (usize, &(Record, bool))| {
        (*record != Record::None).then(|| PartnerRecord {
            id: partner_id(which),
            mark: mark(PARTNER[which], *mine),
            display_name: PARTNER[which].to_owned(),
            host_admins: vec![email("alice@host.example")],
            suspended: *record == Record::Suspended,
            deactivated_at: (*record == Record::Deactivated).then(long_ago),
        })
    };
    let account = |(what, owned): (usize, &bool)| AccountRecord {
        name: ACCOUNT[what].to_owned(),
        owners: vec![email(if *owned { "alice@host.example" } else { "zoe@host.example" })],
        deleted: false,
    };
    let guests = directory.guests.iter().enumerate();
    Everything {
        partners: directory.partners.iter().enumerate().filter_map(partner).collect(),
        guests: guests.filter_map(|(who, it)| guest(setup, who, it, revisions[who])).collect(),
        accounts: directory.owned.iter().enumerate().map(account).collect(),
        users: vec![user("alice"), user("zoe")],
        ..Everything::default()
    }
}

/// What the operator sees of a directory.
pub fn mirror(all: &Everything, state: &State) -> Mirror {
    let mut mirror = Mirror::default();
    for partner in &all.partners {
        mirror.set_partner(&partner.id, Some(partner.clone()));
    }
    for account in &all.accounts {
        mirror.set_account(&account.name, Some(account.clone()));
    }
    for user in &all.users {
        mirror.set_user(&user.email, Some(user.clone()));
    }
    for guest in &all.guests {
        mirror.set_guest(&guest.address, Some(guest.clone()));
    }
    for (who, guest) in state.view().guests.iter().enumerate() {
        match guest.mfa {
            Mfa::Unknown => mirror.set_mfa_unknown_since(&address(who), Some(at("2026-12-31T23:00:00Z"))),
            Mfa::UnknownLong => mirror.set_mfa_unknown_since(&address(who), Some(at("2026-12-30T00:00:00Z"))),
            Mfa::Off | Mfa::On => {}
        }
    }
    mirror
}

/// What of a directory makes a state. `before` says for how long MFA has been unknown: no directory tells.
pub fn compact(all: &Everything, before: &Directory) -> Directory {
    let mut directory = Directory { owned: before.owned, ..Directory::default() };
    let mine = |mark: &Mark| mark.uid == uid(&mark.name, true);
    for partner in &all.partners {
        let which = PARTNER.iter().position(|name| *name == partner.mark.name).unwrap();
        let record = match (partner.deactivated_at, partner.suspended) {
            (Some(_), _) => Record::Deactivated,
            (None, true) => Record::Suspended,
            (None, false) => Record::Live,
        };
        directory.partners[which] = (record, mine(&partner.mark));
    }
    for record in &all.guests {
        let who = (0..GUESTS).find(|who| address(*who) == record.address).unwrap();
        let mut grants = [None; SHARES];
        for held in record.grants.values().map(|held| &held.grant) {
            let what = ACCOUNT.iter().position(|name| *name == held.account).unwrap();
            grants[what] =
                Some(Held { manager: held.role == ShareRole::Manager, mine: held.share_uid == uid(&held.share, true) });
        }
        directory.guests[who] = Guest {
            record: if record.deactivated_at.is_some() { Record::Deactivated } else { Record::Live },
            mine: record.mark.as_ref().is_some_and(mine),
            admin: record.role == GuestRole::GuestAdmin,
            invited: record.invitation.is_some(),
            joined: record.joined_at.is_some(),
            login: record.login.is_enabled(),
            blocked: record.login == Login::DisabledByOther,
            mfa: match &record.mfa {
                MfaRecord::Known(methods) if methods.is_empty() => Mfa::Off,
                MfaRecord::Known(_) => Mfa::On,
                MfaRecord::Unknown => before.guests[who].mfa,
            },
            grants,
        };
    }
    directory
}
