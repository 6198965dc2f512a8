//! The rules of memberships: the owner of a record, the state of a guest, and MFA.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{GuestRecord, Login, MfaRecord, OwnershipMark};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Gate, Methods, View, domain, hours, instant, is_deleted, is_paused, is_related, is_unreadable, keep_if, list,
    shut_if, text, uid,
};

impl<'a> View<'a> {
    pub(super) fn membership_with(&self, wanted: &str) -> Option<(&'a ObjectRef, &'a Value)> {
        let mut all = self.objects.iter().map(|(key, object)| (key, &**object));
        all.find(|(key, object)| key.kind == Kind::Membership && uid(object) == wanted)
    }

    /// Whether this membership may inherit the ownership mark of a vanished one.
    pub(super) fn inherits(record: &GuestRecord, mark: &OwnershipMark, key: &ObjectRef, member: &Value) -> bool {
        let same = *mark.name == *key.name || member["spec"]["partnerRef"]["name"] == record.partner_name;
        *mark.namespace == *key.namespace && same
    }

    /// The owner of a live record: the membership in its ownership mark, or the heir of a vanished one.
    pub(super) fn owner_of(&self, record: &GuestRecord) -> Option<(&'a ObjectRef, &'a Value)> {
        let mark = record.mark.as_ref()?;
        if let Some(found) = self.membership_with(&mark.uid) {
            return Some(found);
        }
        let created = |object: &'a Value| instant(&object["metadata"]["creationTimestamp"]);
        let rank = |(key, object): &(&'a ObjectRef, &'a Value)| {
            (is_deleted(object), *mark.name != *key.name, created(object), uid(object))
        };
        let heirs = self.of_kind(Kind::Membership).filter(|(key, member)| {
            text(&member["spec"], "email") == record.address.as_str()
                && Self::inherits(record, mark, key, member)
                && !self
                    .guests
                    .iter()
                    .any(|other| other.is_live() && other.mark.as_ref().is_some_and(|other| *other.uid == *uid(member)))
        });
        heirs.min_by_key(rank)
    }

    /// The live record of a membership.
    pub fn own_record(&self, key: &ObjectRef) -> Option<&'a GuestRecord> {
        self.guests
            .iter()
            .filter(|guest| guest.is_live())
            .find(|guest| self.owner_of(guest).is_some_and(|it| it.0 == key))
    }

    /// Whether a membership breaks no rule of its own, conflicts over the address apart.
    pub(super) fn breaks_no_rule(&self, key: &ObjectRef) -> bool {
        let Some((member, partner)) = self.get(key).zip(self.partner_of(key)) else { return false };
        let spec = &member["spec"];
        let address = text(spec, "email").to_ascii_lowercase();
        let invited_by = text(spec, "invitedBy");
        let listed = list(&partner["spec"], "hostAdmins").any(|admin| admin == invited_by);
        let host = listed
            || self.may_name(&key.namespace, invited_by)
            || list(self.policy, "domains").filter_map(Value::as_str).any(|host| is_related(host, domain(invited_by)));
        let record = self.own_record(key);
        let in_order = spec["mfa"]["required"] != false
            && Self::allowed_methods(member, Some(partner)).is_some()
            && self.address_is_taken_in(&key.namespace, &address, partner)
            && record.is_none_or(|record| record.address.as_str() == address)
            && (!host || self.may_name(&key.namespace, invited_by));
        in_order && (record.is_some() || self.may_be_new(key, member, partner))
    }

    /// The rules that concern new memberships only.
    pub(super) fn may_be_new(&self, key: &ObjectRef, member: &Value, partner: &'a Value) -> bool {
        let spec = &member["spec"];
        let address = text(spec, "email").to_ascii_lowercase();
        let is_user = self.users.iter().any(|user| user.email.as_str() == address);
        let longest = hours(&partner["spec"]["guests"]["maxDuration"]).map(|longest| self.now + longest);
        let too_long = longest.zip(instant(&spec["expiresAt"])).is_some_and(|(longest, end)| end > longest);
        let invited_by = text(spec, "invitedBy");
        let colleague = self.of_kind(Kind::Membership).any(|(other, object)| {
            other != key
                && other.namespace == key.namespace
                && object["spec"]["partnerRef"] == spec["partnerRef"]
                && object["spec"]["email"] == invited_by
                && object["spec"]["role"] == "GuestAdmin"
                && !is_deleted(object)
        });
        let listed = list(&partner["spec"], "hostAdmins").any(|admin| admin == invited_by);
        // An outsider may become a Guest Admin later, and invites Guest Users only.
        let outsider = domain(invited_by) != "host.example" && spec["role"] != "GuestAdmin" && invited_by != address;
        let colleague_may = colleague && spec["role"] != "GuestAdmin";
        (!is_user || self.adopts(&key.namespace, partner)) && !too_long && (listed || colleague_may || outsider)
    }

    /// The record of a membership that is not suspended, ended, deleted or in violation of a rule, regardless of its
    /// partner.
    pub(super) fn stands(&self, key: &ObjectRef) -> Option<&'a GuestRecord> {
        let member = self.get(key).filter(|member| !is_unreadable(member))?;
        let record = self.own_record(key)?;
        let ended = match self.partner_of(key) {
            Some(partner) => Self::end_of_member(member, partner, record),
            None => instant(&member["spec"]["expiresAt"]),
        };
        let on = !is_deleted(member)
            && member["spec"]["suspended"] != true
            && ended.is_none_or(|end| self.now < end)
            && self.partner_of(key).is_none_or(|partner| self.is_on(partner) && self.breaks_no_rule(key));
        on.then_some(record)
    }

    /// The record of a membership that is in order, whether or not the guest has joined.
    pub fn member_in_order(&self, key: &ObjectRef) -> Option<&'a GuestRecord> {
        let gives = self.partner_of(key).is_some_and(|partner| self.partner_gives(&key.namespace, partner));
        self.stands(key).filter(|_| gives)
    }

    pub(super) fn may_sign_in(record: &GuestRecord) -> bool {
        record.joined_at.is_some() && record.login == Login::Enabled
    }

    /// The enrolled methods of a guest who may sign in. `None`: the directory cannot tell.
    pub(super) fn enrolled(record: &GuestRecord) -> Option<Methods> {
        match &record.mfa {
            _ if !Self::may_sign_in(record) => Some(Methods::new()),
            MfaRecord::Known(methods) => Some(methods.keys().copied().collect()),
            MfaRecord::Unknown => None,
        }
    }

    /// The instant until which unknown MFA revokes nothing.
    pub(super) fn unknown_until(&self, record: &GuestRecord) -> Option<Timestamp> {
        let most = hours(&self.policy["mfaUnknownMax"]).unwrap_or(SignedDuration::from_hours(24));
        (record.mfa == MfaRecord::Unknown).then(|| {
            let since = self.unknown.get(record.address.as_str()).copied().unwrap_or(self.now);
            since.saturating_add(most).unwrap()
        })
    }

    /// The methods allowed to a membership's guest. `None`: the membership lists methods that its partner does not allow.
    pub fn allowed_of(&self, key: &ObjectRef) -> Option<Methods> {
        Self::allowed_methods(self.get(key)?, Some(self.partner_of(key)?))
    }

    /// Whether a guest is Active: in order, joined, and with an allowed method enrolled. If the directory cannot tell,
    /// a guest with grants counts as enrolled.
    pub fn is_active(&self, key: &ObjectRef) -> bool {
        let member = self.get(key).filter(|member| !is_unreadable(member));
        let record = member.and_then(|member| Some((member, self.stands(key)?)));
        record.is_some_and(|(member, record)| match Self::enrolled(record) {
            Some(enrolled) => {
                let allowed = Self::allowed_methods(member, self.partner_of(key)).unwrap_or_default();
                !enrolled.is_disjoint(&allowed)
            }
            None => !record.grants.is_empty(),
        })
    }

    /// The state of a guest whose membership breaks no rule and is not being deleted. `None`: the directory has no guest.
    pub fn state_of(&self, key: &ObjectRef) -> Option<&'static str> {
        let (member, partner, record) = (self.get(key)?, self.partner_of(key)?, self.own_record(key)?);
        let has_passed = |end: Option<Timestamp>| end.is_some_and(|end| end <= self.now);
        let enrolled = match &record.mfa {
            MfaRecord::Known(methods) => Some(methods.keys().copied().collect::<Methods>()),
            MfaRecord::Unknown => None,
        };
        let allowed = Self::allowed_methods(member, Some(partner)).unwrap_or_default();
        let counts = enrolled.as_ref().map_or(!record.grants.is_empty(), |enrolled| !enrolled.is_disjoint(&allowed));
        let disabled = record.login == Login::DisabledByOther;
        // The time to enrol begins with joining, and again with each reset.
        let within = hours(&partner["spec"]["mfa"]["enrolWithin"]).unwrap_or(SignedDuration::from_hours(168));
        let deadline =
            record.joined_at.map(|joined| record.mfa_lost_at.map_or(joined, |lost| lost.max(joined)) + within);
        let lacks_all = enrolled.is_some_and(|enrolled| enrolled.is_empty());
        let cascades = is_deleted(partner) && partner["spec"]["deletion"] == "Cascade";
        Some(match () {
            () if cascades => return None,
            () if [member, partner].iter().any(|object| object["spec"]["suspended"] == true) => "Suspended",
            () if lacks_all && !disabled && has_passed(deadline) => "Suspended",
            () if has_passed(Self::end_of_member(member, partner, record)) => "Expired",
            () if disabled => "Suspended",
            () if record.joined_at.is_some() && counts => "Active",
            () if record.joined_at.is_some() => "Joined",
            () if record.invitation.is_some_and(|invitation| self.now < invitation.expires_at) => "Invited",
            () => "InvitationExpired",
        })
    }

    /// Whether a membership allows access, regardless of the share.
    pub(super) fn member_gate(&self, key: &ObjectRef, member: &'a Value, record: &GuestRecord) -> Gate {
        let Some(stored) = self.stored_partner(key) else { return Gate::Shut };
        let readable = !is_unreadable(stored);
        let in_order = self.stands(key).is_some() && (!readable || self.partner_gives(&key.namespace, stored));
        let allowed = Self::allowed_methods(member, readable.then_some(stored)).unwrap_or_default();
        let mfa = match Self::enrolled(record) {
            Some(enrolled) => shut_if(enrolled.is_disjoint(&allowed)),
            None if self.unknown_until(record).is_some_and(|until| until <= self.now) => Gate::Shut,
            None => Gate::Keep,
        };
        let held_back = !readable || is_paused(member) || is_paused(stored);
        shut_if(!in_order).max(mfa).max(keep_if(held_back))
    }
}
