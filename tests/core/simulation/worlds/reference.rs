//! A second implementation of the rules of access, from the stored objects as JSON and the facts of the directory. It shares
//! no code with the planner, and follows docs/rules.md.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::directory::{AccountRecord, GuestRecord, Login, MfaRecord, Origin, ShareRecord, UserRecord};
use guestlist::index::{Key, Kind};
use guestlist::rules::{MfaMethod, ShareRole};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub type Methods = BTreeSet<MfaMethod>;

/// Access that the rules give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
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

/// (membership, account) → right.
pub type Rights = BTreeMap<(Key, String), Right>;

/// The facts that decide about access, at one moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub objects: &'a BTreeMap<Key, Value>,
    pub policy: &'a Value,
    pub accounts: &'a [AccountRecord],
    pub users: &'a [UserRecord],
    pub guests: &'a [GuestRecord],
    pub shares: &'a [ShareRecord],
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

pub fn is_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub fn is_paused(object: &Value) -> bool {
    object.pointer("/metadata/annotations/guestlist.dev~1paused").is_some_and(|value| value == "true")
}

fn hours(value: &Value) -> Option<SignedDuration> {
    let text = value.as_str()?;
    Some(SignedDuration::from_hours(text.strip_suffix('h').unwrap().parse().unwrap()))
}

fn methods(spec: &Value) -> Option<Methods> {
    let list = spec["mfa"]["methods"].as_array()?;
    let parse = |name: &Value| *MfaMethod::ALL.iter().find(|method| method.as_str() == name).unwrap();
    Some(list.iter().map(parse).collect())
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
    fn of(&self, kind: Kind) -> impl Iterator<Item = (&'a Key, &'a Value)> + use<'a> {
        self.objects.iter().filter(move |(key, _)| key.kind == kind)
    }

    pub fn partner_of(&self, key: &Key) -> Option<&'a Value> {
        let name = self.objects.get(key)?["spec"]["partnerRef"]["name"].as_str()?;
        self.objects.get(&Key::new(Kind::Partner, &*key.namespace, name))
    }

    /// Whether the policy lets a namespace name this Host Admin.
    fn may_name(&self, namespace: &str, address: &str) -> bool {
        list(self.policy, "tenants").any(|tenant| {
            let pattern = text(tenant, "namespace");
            let fits =
                pattern == namespace || pattern.strip_suffix('*').is_some_and(|head| namespace.starts_with(head));
            let names = |admin: &Value| {
                let admin = admin.as_str().unwrap();
                admin == address || admin.strip_prefix("*@").is_some_and(|of| of == domain(address))
            };
            fits && list(tenant, "hostAdmins").any(names)
        })
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

    pub fn partner_gives(&self, namespace: &str, partner: &'a Value) -> bool {
        let spec = &partner["spec"];
        let cascades = is_deleted(partner) && spec["deletion"] == "Cascade";
        let both_lists = !spec["guests"]["allowedDomains"].is_null() && !spec["guests"]["deniedDomains"].is_null();
        !cascades
            && spec["suspended"] != true
            && instant(&spec["expiresAt"]).is_none_or(|end| self.now < end)
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

    fn allowed_methods(member: &Value, partner: &Value) -> Option<Methods> {
        let theirs = methods(&partner["spec"]).unwrap_or_else(|| MfaMethod::ALL.iter().copied().collect());
        match methods(&member["spec"]) {
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

    /// The live record of a membership.
    fn own_record(&self, key: &Key, member: &Value) -> Option<&'a GuestRecord> {
        let record = self.record(&text(&member["spec"], "email").to_ascii_lowercase())?;
        let mark = record.mark.as_ref()?;
        (*mark.namespace == *key.namespace && *mark.name == *key.name).then_some(record)
    }

    /// Whether a membership breaks no rule of its own, conflicts over the address apart.
    fn breaks_no_rule(&self, key: &Key) -> bool {
        let Some((member, partner)) = self.objects.get(key).zip(self.partner_of(key)) else { return false };
        let spec = &member["spec"];
        let address = text(spec, "email").to_ascii_lowercase();
        let invited_by = text(spec, "invitedBy");
        let listed = list(&partner["spec"], "hostAdmins").any(|admin| admin == invited_by);
        let host = listed
            || self.may_name(&key.namespace, invited_by)
            || list(self.policy, "domains").filter_map(Value::as_str).any(|host| is_related(host, domain(invited_by)));
        let in_order = spec["mfa"]["required"] != false
            && Self::allowed_methods(member, partner).is_some()
            && self.address_is_taken_in(&key.namespace, &address, partner)
            && (!host || self.may_name(&key.namespace, invited_by));
        in_order && (self.own_record(key, member).is_some() || self.may_be_new(key, member, partner))
    }

    /// The rules that concern new memberships only.
    fn may_be_new(&self, key: &Key, member: &Value, partner: &'a Value) -> bool {
        let spec = &member["spec"];
        let address = text(spec, "email").to_ascii_lowercase();
        let is_user = self.users.iter().any(|user| user.email.as_str() == address);
        let longest = hours(&partner["spec"]["guests"]["maxDuration"]).map(|longest| self.now + longest);
        let too_long = longest.zip(instant(&spec["expiresAt"])).is_some_and(|(longest, end)| end > longest);
        let invited_by = text(spec, "invitedBy");
        let colleague = self.of(Kind::Membership).any(|(other, object)| {
            other != key
                && other.namespace == key.namespace
                && object["spec"]["partnerRef"] == spec["partnerRef"]
                && object["spec"]["email"] == invited_by
                && object["spec"]["role"] == "GuestAdmin"
                && !is_deleted(object)
        });
        let listed = list(&partner["spec"], "hostAdmins").any(|admin| admin == invited_by);
        // An outsider may yet become a Guest Admin, and invites Guest Users only.
        let outsider = domain(invited_by) != "host.example" && spec["role"] != "GuestAdmin" && invited_by != address;
        let colleague_may = colleague && spec["role"] != "GuestAdmin";
        !is_user && !too_long && (listed || colleague_may || outsider)
    }

    /// The record of a membership that breaks no rule, whether or not the guest has joined.
    pub fn member_in_order(&self, key: &Key) -> Option<&'a GuestRecord> {
        let member = self.objects.get(key)?;
        let partner = self.partner_of(key)?;
        let record = self.own_record(key, member)?;
        let ended = Self::end_of_member(member, partner, record).is_some_and(|end| end <= self.now);
        let in_order = !is_deleted(member)
            && member["spec"]["suspended"] != true
            && !ended
            && self.breaks_no_rule(key)
            && self.partner_gives(&key.namespace, partner);
        in_order.then_some(record)
    }

    /// The enrolled methods of a guest who may sign in.
    fn enrolled(record: &GuestRecord) -> Methods {
        match &record.mfa {
            MfaRecord::Known(methods) if record.joined_at.is_some() && record.login == Login::Enabled => {
                methods.keys().copied().collect()
            }
            MfaRecord::Known(_) | MfaRecord::Unknown => Methods::new(),
        }
    }

    /// The methods allowed to a membership's guest. `None`: the membership lists methods that its partner does not allow.
    pub fn allowed_of(&self, key: &Key) -> Option<Methods> {
        Self::allowed_methods(self.objects.get(key)?, self.partner_of(key)?)
    }

    /// Whether a guest is Active: in order, joined, and one of the allowed methods is enrolled.
    pub fn is_active(&self, key: &Key) -> bool {
        let record = self.member_in_order(key).zip(self.partner_of(key));
        record.is_some_and(|(record, partner)| {
            let allowed = Self::allowed_methods(&self.objects[key], partner).unwrap();
            !Self::enrolled(record).is_disjoint(&allowed)
        })
    }

    /// Whether a share breaks no rule that concerns all of it.
    fn share_is_sound(&self, key: &Key, share: &Value) -> bool {
        let sharer = text(&share["spec"], "sharedBy");
        let listed = self.partner_of(key).is_none_or(|it| list(&it["spec"], "hostAdmins").any(|admin| admin == sharer));
        share["spec"]["mfa"]["required"] != false && self.may_name(&key.namespace, sharer) && listed
    }

    /// Whether a share counts among those of one partner and account: the one known to the directory, then the earliest.
    fn is_first(&self, key: &Key, share: &'a Value) -> bool {
        let rank = |share: &'a Value| {
            let uid = share["metadata"]["uid"].as_str().unwrap();
            let through = |guest: &GuestRecord| guest.grants.values().any(|held| held.grant.share_uid == uid);
            let known = self.shares.iter().any(|known| known.uid == uid) || self.guests.iter().any(through);
            (!known, instant(&share["metadata"]["creationTimestamp"]), uid)
        };
        self.of(Kind::Share)
            .filter(|(other, object)| {
                *other != key
                    && other.namespace == key.namespace
                    && object["spec"]["account"] == share["spec"]["account"]
                    && object["spec"]["partnerRef"] == share["spec"]["partnerRef"]
                    && !is_deleted(object)
                    && self.share_is_sound(other, object)
            })
            .all(|(_, object)| rank(share) < rank(object))
    }

    fn share_gives(&self, key: &Key, share: &'a Value) -> bool {
        let spec = &share["spec"];
        let Some(partner) = self.partner_of(key) else { return false };
        let sharer = text(spec, "sharedBy");
        let owned = self.accounts.iter().any(|account| {
            account.name == text(spec, "account")
                && !account.deleted
                && account.owners.iter().any(|owner| owner.as_str() == sharer)
        });
        !is_deleted(share)
            && spec["suspended"] != true
            && instant(&spec["expiresAt"]).is_none_or(|end| self.now < end)
            && self.partner_gives(&key.namespace, partner)
            && self.share_is_sound(key, share)
            && self.host_admins(&key.namespace, partner).contains(&sharer)
            && Self::allowed_methods(share, partner).is_some()
            && owned
            && self.is_first(key, share)
    }

    /// Whether an entry's pin is the address of the membership.
    fn fits(&self, namespace: &str, entry: &Value) -> bool {
        let member = self.objects.get(&Key::new(Kind::Membership, namespace, text(entry, "name")));
        entry["email"].is_null() || member.is_some_and(|member| member["spec"]["email"] == entry["email"])
    }

    /// The role of a Guest Admin by spec.
    fn admin_role(&self, namespace: &str, share: &Value, name: &str) -> Option<ShareRole> {
        let parse = |role: &str| match role {
            "Manager" => Some(ShareRole::Manager),
            "Owner" => None,
            _ => Some(ShareRole::Collaborator),
        };
        match named(share, "roleOverrides", name) {
            Some(entry) if !self.fits(namespace, entry) => None,
            Some(entry) => parse(text(entry, "role")),
            None => parse(text(share, "guestAdminRole")),
        }
    }

    fn role_by_spec(&self, share_key: &Key, share: &Value, member_key: &Key) -> Option<ShareRole> {
        let (space, spec) = (&*share_key.namespace, &share["spec"]);
        let member = &self.objects[member_key];
        if named(spec, "exclude", &member_key.name).is_some() {
            return None;
        }
        if member["spec"]["role"] == "GuestAdmin" {
            return self.admin_role(space, spec, &member_key.name);
        }
        let entry = named(spec, "guestUsers", &member_key.name)?;
        let by = text(entry, "propagatedBy");
        let propagator = self.objects.get(&Key::new(Kind::Membership, space, by))?;
        let valid = self.fits(space, entry)
            && (entry["role"].is_null() || entry["role"] == "Collaborator")
            && propagator["spec"]["partnerRef"] == share["spec"]["partnerRef"]
            && propagator["spec"]["role"] == "GuestAdmin"
            && !is_deleted(propagator)
            && named(spec, "exclude", by).is_none()
            && self.breaks_no_rule(&Key::new(Kind::Membership, space, by))
            && self.admin_role(space, spec, by) == Some(ShareRole::Manager);
        valid.then_some(ShareRole::Collaborator)
    }

    pub fn rights(&self) -> Rights {
        let mut found = Rights::new();
        for (share_key, share) in self.of(Kind::Share).filter(|(key, share)| self.share_gives(key, share)) {
            let partner = self.partner_of(share_key).unwrap();
            for (key, member) in self.of(Kind::Membership) {
                let same =
                    key.namespace == share_key.namespace && member["spec"]["partnerRef"] == share["spec"]["partnerRef"];
                let Some(role) = Some(()).filter(|()| same).and_then(|()| self.role_by_spec(share_key, share, key))
                else {
                    continue;
                };
                let Some(record) = self.member_in_order(key) else { continue };
                let allowed = Self::allowed_methods(member, partner).unwrap();
                let asked = Self::allowed_methods(share, partner).unwrap();
                let enrolled = Self::enrolled(record);
                if enrolled.is_disjoint(&allowed) || enrolled.is_disjoint(&asked) {
                    continue;
                }
                let ends = [
                    Self::end_of_member(member, partner, record),
                    instant(&share["spec"]["expiresAt"]),
                    instant(&partner["spec"]["expiresAt"]),
                ];
                let right = Right {
                    role,
                    allowed,
                    asked,
                    until: ends.into_iter().flatten().min(),
                    share: share_key.name.to_string(),
                    share_uid: share["metadata"]["uid"].as_str().unwrap().to_owned(),
                };
                found.insert((key.clone(), text(&share["spec"], "account").to_owned()), right);
            }
        }
        found
    }

    /// The next instant at which time alone changes access.
    pub fn next_change(&self) -> Option<Timestamp> {
        let own = self.objects.values().filter_map(|object| instant(&object["spec"]["expiresAt"]));
        let longest = self.of(Kind::Membership).filter_map(|(key, member)| {
            Self::end_of_member(member, self.partner_of(key)?, self.record(text(&member["spec"], "email"))?)
        });
        let instants: BTreeSet<_> = own.chain(longest).filter(|end| *end > self.now).collect();
        let now = self.rights();
        instants.into_iter().find(|at| View { now: *at, ..*self }.rights() != now)
    }

    /// Whether anything of a membership or a share is paused.
    pub fn is_paused(&self, key: &Key) -> bool {
        self.objects.get(key).is_some_and(is_paused) || self.partner_of(key).is_some_and(is_paused)
    }

    /// Whether a guest may be removed: no membership declares the guest, or that membership is being deleted.
    pub fn may_end(&self, record: &GuestRecord) -> bool {
        let Some(mark) = &record.mark else { return false };
        let key = Key::new(Kind::Membership, &*mark.namespace, &*mark.name);
        let Some(member) = self.objects.get(&key).filter(|member| member["metadata"]["uid"] == *mark.uid) else {
            return true;
        };
        let cascade = self
            .partner_of(&key)
            .is_some_and(|partner| is_deleted(partner) && partner["spec"]["deletion"] == "Cascade");
        is_deleted(member) || cascade
    }
}

/// All grants of the guests, by membership and account.
pub fn held(guests: &[GuestRecord]) -> Rights {
    let mut found = Rights::new();
    for guest in guests.iter().filter(|guest| guest.is_live()) {
        let mark = guest.mark.as_ref().unwrap();
        let key = Key::new(Kind::Membership, &*mark.namespace, &*mark.name);
        for (account, held) in &guest.grants {
            let grant = &held.grant;
            let right = Right {
                role: grant.role,
                allowed: grant.allowed.clone(),
                asked: grant.asked.clone(),
                until: grant.until,
                share: grant.share.clone(),
                share_uid: grant.share_uid.clone(),
            };
            found.insert((key.clone(), account.clone()), right);
        }
    }
    found
}

/// Whether guestlist created the user behind a record.
pub fn is_made(record: &GuestRecord) -> bool {
    record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Made)
}
