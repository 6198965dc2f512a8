//! A second implementation of the access rules, on the stored objects as JSON and the facts of the directory. It shares
//! no code with the planner, and follows docs/rules.md.

mod member;
mod share;

use std::collections::{BTreeMap, BTreeSet};

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{AccountRecord, GuestRecord, Origin, ShareRecord, Snapshot, UserRecord};
use guestlist::domain::{MfaMethod, ShareRole};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Objects;

pub type Methods = BTreeSet<MfaMethod>;

/// Access that the rules grant, or that a guest has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    pub member: ObjectRef,
    pub role: ShareRole,
    pub allowed: Methods,
    pub asked: Methods,
    pub until: Option<Timestamp>,
    pub share: String,
    pub share_uid: String,
}

impl Right {
    /// Whether this right is at least the other one.
    pub fn covers(&self, other: &Self) -> bool {
        let not_later = match (other.until, self.until) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(theirs), Some(mine)) => theirs <= mine,
        };
        self.role >= other.role
            && not_later
            && other.allowed.is_subset(&self.allowed)
            && other.asked.is_subset(&self.asked)
    }
}

/// The guest's address and the account.
pub type Place = (String, String);
pub type Rights = BTreeMap<Place, Right>;

/// Whether access is granted, only retained, or withheld. The most restrictive of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    Open,
    /// A fact is unknown or the object is paused: nothing is granted, and nothing is revoked.
    Keep,
    Shut,
}

fn shut_if(condition: bool) -> Gate {
    if condition { Gate::Shut } else { Gate::Open }
}

fn keep_if(condition: bool) -> Gate {
    if condition { Gate::Keep } else { Gate::Open }
}

/// If more guests are orphans than this number and this share of all guests, they stay unchanged.
const FEW_ORPHANS: usize = 3;
const FEW_ORPHANS_PERCENT: usize = 25;

/// The facts that decide about access, at one moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub objects: &'a Objects,
    pub policy: &'a Value,
    pub accounts: &'a [AccountRecord],
    pub users: &'a [UserRecord],
    pub guests: &'a [GuestRecord],
    pub shares: &'a [ShareRecord],
    /// The addresses whose MFA the operator has not known since an instant.
    pub unknown: &'a BTreeMap<String, Timestamp>,
    pub now: Timestamp,
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value[field].as_array().into_iter().flatten()
}

fn named<'v>(value: &'v Value, field: &str, name: &str) -> Option<&'v Value> {
    list(value, field).find(|entry| entry["name"] == name)
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

pub fn is_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub fn is_paused(object: &Value) -> bool {
    object.pointer("/metadata/annotations/guestlist.dev~1paused").is_some_and(|value| value == "true")
}

/// Whether an object does not fit the types.
pub fn is_unreadable(object: &Value) -> bool {
    let mfa = &object["spec"]["mfa"];
    !mfa.is_null() && !mfa.is_object()
}

fn hours(value: &Value) -> Option<SignedDuration> {
    let text = value.as_str()?;
    Some(SignedDuration::from_hours(text.strip_suffix(['h', 's']).unwrap().parse().unwrap()))
}

fn methods(spec: &Value) -> Option<Methods> {
    let list = spec["mfa"]["methods"].as_array()?;
    let parse = |name: &Value| *MfaMethod::ALL.iter().find(|method| method.as_str() == name).unwrap();
    Some(list.iter().map(parse).collect())
}

fn all_methods() -> Methods {
    MfaMethod::ALL.iter().copied().collect()
}

fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap()
}

/// Equal, or one below the other.
fn is_related(a: &str, b: &str) -> bool {
    let below = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
    a == b || below(a, b) || below(b, a)
}

impl<'a> View<'a> {
    /// A view of a directory in which MFA is known.
    pub fn of(objects: &'a Objects, policy: &'a Value, all: &'a Snapshot, now: Timestamp) -> Self {
        static KNOWN: BTreeMap<String, Timestamp> = BTreeMap::new();
        Self {
            objects,
            policy,
            accounts: &all.accounts,
            users: &all.users,
            guests: &all.guests,
            shares: &all.shares,
            unknown: &KNOWN,
            now,
        }
    }

    /// The objects of a kind that fit the types.
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&'a ObjectRef, &'a Value)> + use<'a> {
        let all = self.objects.iter().map(|(key, object)| (key, &**object));
        all.filter(move |(key, object)| key.kind == kind && !is_unreadable(object))
    }

    fn get(&self, key: &ObjectRef) -> Option<&'a Value> {
        self.objects.get(key).map(|object| &**object)
    }

    /// The partner of an object, whether or not the partner fits the types.
    fn stored_partner(&self, key: &ObjectRef) -> Option<&'a Value> {
        let object = self.get(key).filter(|object| !is_unreadable(object))?;
        let name = object["spec"]["partnerRef"]["name"].as_str()?;
        self.get(&ObjectRef::new(Kind::Partner, &*key.namespace, name))
    }

    pub fn partner_of(&self, key: &ObjectRef) -> Option<&'a Value> {
        self.stored_partner(key).filter(|partner| !is_unreadable(partner))
    }

    fn tenants(&self, namespace: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let namespace = namespace.to_owned();
        list(self.policy, "tenants").filter(move |tenant| {
            let pattern = text(tenant, "namespace");
            pattern == namespace || pattern.strip_suffix('*').is_some_and(|head| namespace.starts_with(head))
        })
    }

    /// Whether the policy lets a namespace name this Host Admin.
    fn may_name(&self, namespace: &str, address: &str) -> bool {
        let names = |admin: &Value| {
            let admin = admin.as_str().unwrap();
            admin == address || admin.strip_prefix("*@").is_some_and(|of| of == domain(address))
        };
        self.tenants(namespace).any(|tenant| list(tenant, "hostAdmins").any(names))
    }

    /// Whether the policy and a partner both let users of the workspace be adopted.
    pub fn adopts(&self, namespace: &str, partner: &Value) -> bool {
        partner["spec"]["adoption"] == "Unmarked" && self.tenants(namespace).any(|tenant| tenant["adoption"] == true)
    }

    fn record(&self, address: &str) -> Option<&'a GuestRecord> {
        self.guests.iter().find(|guest| guest.address.as_str() == address && guest.is_live())
    }

    /// The valid Host Admins of a partner.
    fn host_admins(&self, namespace: &str, partner: &'a Value) -> Vec<&'a str> {
        let counts = |address: &&str| {
            let user = self.users.iter().find(|user| user.email.as_str() == *address);
            self.may_name(namespace, address)
                && self.record(address).is_none()
                && user.is_some_and(|user| user.enabled && user.verified)
        };
        list(&partner["spec"], "hostAdmins").filter_map(Value::as_str).filter(counts).collect()
    }

    /// Whether a partner is not suspended, not ended, and not being deleted with all its objects.
    fn is_on(&self, partner: &Value) -> bool {
        let spec = &partner["spec"];
        let cascades = is_deleted(partner) && spec["deletion"] == "Cascade";
        !cascades && spec["suspended"] != true && instant(&spec["expiresAt"]).is_none_or(|end| self.now < end)
    }

    pub fn partner_gives(&self, namespace: &str, partner: &'a Value) -> bool {
        let spec = &partner["spec"];
        let both_lists = !spec["guests"]["allowedDomains"].is_null() && !spec["guests"]["deniedDomains"].is_null();
        self.is_on(partner)
            && spec["mfa"]["required"] != false
            && !both_lists
            && !self.host_admins(namespace, partner).is_empty()
    }

    /// The end of a membership: the earliest of its own end, its partner's, and the longest time since its admission.
    pub fn end_of_member(member: &Value, partner: &Value, record: &GuestRecord) -> Option<Timestamp> {
        let longest = hours(&partner["spec"]["guests"]["maxDuration"]).map(|longest| record.admitted_at + longest);
        let ends = [instant(&member["spec"]["expiresAt"]), instant(&partner["spec"]["expiresAt"]), longest];
        ends.into_iter().flatten().min()
    }

    /// `None`: the object lists methods that its partner does not allow.
    fn allowed_methods(object: &Value, partner: Option<&Value>) -> Option<Methods> {
        let theirs = partner.and_then(|partner| methods(&partner["spec"])).unwrap_or_else(all_methods);
        match methods(&object["spec"]) {
            None => Some(theirs),
            Some(own) => own.is_subset(&theirs).then_some(own),
        }
    }

    fn address_is_taken_in(&self, namespace: &str, address: &str, partner: &'a Value) -> bool {
        let spec = &partner["spec"];
        let of = domain(address);
        let host = list(self.policy, "domains").filter_map(Value::as_str).any(|host| is_related(host, of));
        let admins = list(spec, "hostAdmins").filter_map(Value::as_str);
        let admin = admins.filter(|admin| self.may_name(namespace, admin)).any(|admin| is_related(domain(admin), of));
        let allowed = spec["guests"]["allowedDomains"].as_array().is_none_or(|list| list.iter().any(|it| it == of));
        let denied = list(&spec["guests"], "deniedDomains").filter_map(Value::as_str);
        let mut denied = denied.filter(|denied| *denied == of || of.ends_with(&format!(".{denied}")));
        !host && !admin && allowed && denied.next().is_none()
    }

    /// All access that the rules grant.
    pub fn rights(&self) -> Rights {
        let mut found = Rights::new();
        let owners: Vec<_> = self
            .guests
            .iter()
            .filter(|guest| guest.is_live())
            .filter_map(|guest| Some((guest, self.owner_of(guest)?.0)))
            .collect();
        for (share_key, share) in self.of_kind(Kind::Share) {
            if self.share_gate(share_key, share) != Gate::Open {
                continue;
            }
            for (record, key) in &owners {
                let Some((Gate::Open, right)) = self.access(share_key, share, key, record) else { continue };
                if self.holds_through_unreadable(record, text(&share["spec"], "account")) {
                    continue;
                }
                found.insert((record.address.to_string(), text(&share["spec"], "account").to_owned()), right);
            }
        }
        found
    }

    /// Whether a guest has an account through a share that does not fit the types. No other share replaces it.
    fn holds_through_unreadable(&self, record: &GuestRecord, account: &str) -> bool {
        let space = record.mark.as_ref().map(|mark| mark.namespace.as_str()).unwrap_or_default();
        record.grants.get(account).is_some_and(|held| {
            let key = ObjectRef::new(Kind::Share, space, &*held.grant.share);
            let (name, share_uid) = (&held.grant.share, &held.grant.share_uid);
            self.get(&key).is_some_and(|share| {
                is_unreadable(share) && !is_deleted(share) && self.is_behind(&key, share, space, name, share_uid)
            })
        })
    }

    /// Whether a grant must stay unchanged: a fact about it is unknown, an object is unreadable or paused, or too many
    /// guests are orphans.
    pub fn keeps(&self, place: &Place, held: &Right) -> bool {
        let Some(record) = self.record(&place.0) else { return false };
        let Some(mark) = &record.mark else { return false };
        let share_key = ObjectRef::new(Kind::Share, &*mark.namespace, &*held.share);
        let share = self.get(&share_key);
        let Some(share) = share.filter(|share| {
            !is_deleted(share) && self.is_behind(&share_key, share, &mark.namespace, &held.share, &held.share_uid)
        }) else {
            return false;
        };
        let stays = || {
            let excluded = named(&share["spec"], "exclude", &mark.name).is_some();
            is_unreadable(share) || (self.share_gate(&share_key, share) != Gate::Shut && !excluded)
        };
        let named = ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name);
        match self.owner_of(record) {
            Some((_, member)) if is_unreadable(member) => !is_deleted(member) && stays(),
            Some((key, member)) if is_unreadable(share) => self.member_gate(key, member, record) != Gate::Shut,
            Some((key, _)) => {
                let access = self.access(&share_key, share, key, record);
                access.is_some_and(|(gate, right)| gate == Gate::Keep && right.covers(held))
            }
            None if self.get(&named).is_some_and(is_unreadable) => stays(),
            None => self.too_many_orphans() && !self.is_leaving_partner(record) && stays(),
        }
    }

    /// The facts about a grant, for a failed check.
    pub fn facts(&self, place: &Place, held: &Right) -> String {
        let share = ObjectRef::new(Kind::Share, &*held.member.namespace, &*held.share);
        let account = self.accounts.iter().find(|account| account.name == place.1);
        format!("{}\n{}\n{account:?}", self.facts_of(&held.member), self.said(&share))
    }

    /// The facts about a membership.
    pub fn facts_of(&self, key: &ObjectRef) -> String {
        let member = self.get(key).map(|member| &member["spec"]);
        let partner = member.map(|spec| text(&spec["partnerRef"], "name")).unwrap_or_default();
        let partner = ObjectRef::new(Kind::Partner, &*key.namespace, partner);
        let record = self.guests.iter().find(|guest| {
            guest.mark.as_ref().is_some_and(|mark| *mark.name == *key.name && *mark.namespace == *key.namespace)
        });
        format!("now {}\n{}\n{}\n{record:?}\n{}", self.now, self.said(key), self.said(&partner), self.policy)
    }

    fn said(&self, key: &ObjectRef) -> String {
        let Some(object) = self.get(key) else { return format!("{key} is not there") };
        let metadata = &object["metadata"];
        let (annotations, deleted) = (&metadata["annotations"], &metadata["deletionTimestamp"]);
        format!("{key} {} {annotations} deleted {deleted} {}", metadata["uid"], object["spec"])
    }

    fn is_leaving_partner(&self, record: &GuestRecord) -> bool {
        let namespace = record.mark.as_ref().map(|mark| mark.namespace.as_str()).unwrap_or_default();
        self.get(&ObjectRef::new(Kind::Partner, namespace, &*record.partner_name)).is_some_and(is_deleted)
    }

    /// The live records that no membership declares. An unreadable membership of the same name may declare the record.
    pub fn orphans(&self) -> impl Iterator<Item = &'a GuestRecord> {
        self.guests.iter().filter(|guest| guest.is_live()).filter(|guest| {
            let mark = guest.mark.as_ref().unwrap();
            let named = ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name);
            self.owner_of(guest).is_none() && !self.get(&named).is_some_and(is_unreadable)
        })
    }

    pub fn too_many_orphans(&self) -> bool {
        let (orphans, live) = (self.orphans().count(), self.guests.iter().filter(|guest| guest.is_live()).count());
        orphans > FEW_ORPHANS && orphans * 100 > live * FEW_ORPHANS_PERCENT
    }

    /// The next instant at which time alone changes access.
    pub fn next_change(&self) -> Option<Timestamp> {
        let own = self.of_kind_any().filter_map(|object| instant(&object["spec"]["expiresAt"]));
        let longest = self
            .of_kind(Kind::Membership)
            .filter_map(|(key, member)| Self::end_of_member(member, self.partner_of(key)?, self.own_record(key)?));
        let unknown = self.guests.iter().filter_map(|guest| self.unknown_until(guest));
        let instants: BTreeSet<_> = own.chain(longest).chain(unknown).filter(|end| *end > self.now).collect();
        let held = held(self.guests);
        let standing = |view: &Self| {
            let kept: Vec<bool> = held.iter().map(|(place, held)| view.keeps(place, held)).collect();
            (view.rights(), kept)
        };
        let now = standing(self);
        instants.into_iter().find(|at| standing(&View { now: *at, ..*self }) != now)
    }

    fn of_kind_any(&self) -> impl Iterator<Item = &'a Value> {
        self.objects.values().map(|object| &**object).filter(|object| !is_unreadable(object))
    }

    /// Whether a membership or a share is paused, by itself or with its partner.
    pub fn is_paused(&self, key: &ObjectRef) -> bool {
        self.get(key).is_some_and(is_paused) || self.stored_partner(key).is_some_and(is_paused)
    }

    /// Whether a guest may be removed: the membership is being deleted, or is gone while its partner is being deleted.
    pub fn may_end(&self, record: &GuestRecord) -> bool {
        let Some(mark) = &record.mark else { return false };
        let Some((key, member)) = self.membership_with(&mark.uid).or_else(|| self.owner_of(record)) else {
            return self.is_leaving_partner(record);
        };
        let cascade =
            self.partner_of(key).is_some_and(|partner| is_deleted(partner) && partner["spec"]["deletion"] == "Cascade");
        is_deleted(member) || cascade
    }

    /// The largest number of live guests of a partner. `None`: no limit.
    pub fn most_guests(&self, namespace: &str, partner: &str) -> Option<u64> {
        let partner = self.get(&ObjectRef::new(Kind::Partner, namespace, partner))?;
        partner["spec"]["guests"]["maxGuests"].as_u64()
    }

    /// How long a record stays deactivated, and the share of the records that may be purged in an hour.
    pub fn pace(&self) -> (SignedDuration, usize) {
        let purge = &self.policy["purge"];
        let percent = purge["perHour"].as_str().and_then(|text| text.strip_suffix('%')).unwrap();
        (hours(&purge["after"]).unwrap(), percent.parse().unwrap())
    }
}

/// All grants of the guests.
pub fn held(guests: &[GuestRecord]) -> Rights {
    let mut found = Rights::new();
    for guest in guests.iter().filter(|guest| guest.is_live()) {
        let mark = guest.mark.as_ref().unwrap();
        for (account, held) in &guest.grants {
            let grant = &held.grant;
            let right = Right {
                member: ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name),
                role: grant.role,
                allowed: grant.allowed.clone(),
                asked: grant.asked.clone(),
                until: grant.until,
                share: grant.share.clone(),
                share_uid: grant.share_uid.clone(),
            };
            found.insert((guest.address.to_string(), account.clone()), right);
        }
    }
    found
}

/// Whether guestlist created the user behind a record.
pub fn is_created(record: &GuestRecord) -> bool {
    record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created)
}
