//! The rules of shares: whether a share allows access, and the access that it grants to a guest.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::GuestRecord;
use guestlist::domain::ShareRole;
use serde_json::Value;

use super::{
    Gate, Right, View, instant, is_deleted, is_paused, is_unreadable, keep_if, list, named, shut_if, text, uid,
};

impl<'a> View<'a> {
    /// Whether a share breaks no rule that concerns all of it.
    pub(super) fn share_is_sound(&self, key: &ObjectRef, share: &Value) -> bool {
        let sharer = text(&share["spec"], "sharedBy");
        let listed = self.partner_of(key).is_none_or(|it| list(&it["spec"], "hostAdmins").any(|admin| admin == sharer));
        share["spec"]["mfa"]["required"] != false && self.may_name(&key.namespace, sharer) && listed
    }

    /// Whether a grant was made through a share, or through a deleted one of the same name.
    pub(super) fn is_behind(
        &self,
        key: &ObjectRef,
        share: &Value,
        namespace: &str,
        name: &str,
        share_uid: &str,
    ) -> bool {
        let declared =
            |wanted: &str| self.objects.iter().any(|(key, object)| key.kind == Kind::Share && uid(object) == wanted);
        uid(share) == share_uid || (*key.namespace == *namespace && *key.name == *name && !declared(share_uid))
    }

    /// Whether a share is the effective one for its partner and account: the one known to the directory, then the
    /// earliest.
    pub(super) fn is_first(&self, key: &ObjectRef, share: &'a Value) -> bool {
        let rank = |key: &ObjectRef, share: &'a Value| {
            let through = |guest: &GuestRecord| {
                let space = guest.mark.as_ref().map(|mark| mark.namespace.as_str()).unwrap_or_default();
                let account = guest.grants.get(text(&share["spec"], "account"));
                account.is_some_and(|held| {
                    guest.partner_name == text(&share["spec"]["partnerRef"], "name")
                        && self.is_behind(key, share, space, &held.grant.share, &held.grant.share_uid)
                })
            };
            let known = self.shares.iter().any(|known| known.uid == uid(share)) || self.guests.iter().any(through);
            (!known, instant(&share["metadata"]["creationTimestamp"]), uid(share))
        };
        self.of_kind(Kind::Share)
            .filter(|(other, object)| {
                *other != key
                    && other.namespace == key.namespace
                    && object["spec"]["account"] == share["spec"]["account"]
                    && object["spec"]["partnerRef"] == share["spec"]["partnerRef"]
                    && !is_deleted(object)
                    && self.share_is_sound(other, object)
            })
            .all(|(other, object)| rank(key, share) < rank(other, object))
    }

    /// Whether a share allows access, regardless of the guest.
    pub(super) fn share_gate(&self, key: &ObjectRef, share: &'a Value) -> Gate {
        let spec = &share["spec"];
        let Some(stored) = self.stored_partner(key) else { return Gate::Shut };
        let partner = Some(stored).filter(|partner| !is_unreadable(partner));
        let sharer = text(spec, "sharedBy");
        let account = self.accounts.iter().find(|account| account.name == text(spec, "account") && !account.deleted);
        let owned = account.map(|account| account.owners.iter().any(|owner| owner.as_str() == sharer));
        let stands = !is_deleted(share)
            && spec["suspended"] != true
            && instant(&spec["expiresAt"]).is_none_or(|end| self.now < end)
            && self.share_is_sound(key, share)
            && self.record(sharer).is_none()
            && self.is_first(key, share);
        let through = match partner {
            Some(partner) => {
                self.partner_gives(&key.namespace, partner)
                    && self.host_admins(&key.namespace, partner).contains(&sharer)
                    && Self::allowed_methods(share, Some(partner)).is_some()
                    && owned == Some(true)
            }
            None => owned != Some(false),
        };
        shut_if(!stands || !through).max(keep_if(partner.is_none() || is_paused(share)))
    }

    /// Whether an entry's pin is the address of the membership.
    pub(super) fn fits(&self, namespace: &str, entry: &Value) -> bool {
        let member = self.get(&ObjectRef::new(Kind::Membership, namespace, text(entry, "name")));
        entry["email"].is_null() || member.is_some_and(|member| member["spec"]["email"] == entry["email"])
    }

    /// The role of a Guest Admin by spec.
    pub(super) fn admin_role(&self, namespace: &str, share: &Value, name: &str) -> Option<ShareRole> {
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

    /// The role of a guest by the specs, and whether it is granted or only retained.
    pub(super) fn role_by_spec(
        &self,
        share_key: &ObjectRef,
        share: &Value,
        member_key: &ObjectRef,
    ) -> Option<(Gate, ShareRole)> {
        let (space, spec) = (&*share_key.namespace, &share["spec"]);
        let member = &self.objects[member_key];
        if named(spec, "exclude", &member_key.name).is_some() {
            return None;
        }
        if member["spec"]["role"] == "GuestAdmin" {
            return self.admin_role(space, spec, &member_key.name).map(|role| (Gate::Open, role));
        }
        let entry = named(spec, "guestUsers", &member_key.name)?;
        let by = text(entry, "propagatedBy");
        let key = ObjectRef::new(Kind::Membership, space, by);
        let propagator = self.get(&key)?;
        let entry_is_valid = self.fits(space, entry) && (entry["role"].is_null() || entry["role"] == "Collaborator");
        if is_unreadable(propagator) {
            return entry_is_valid.then_some((Gate::Keep, ShareRole::Collaborator));
        }
        let unknown = self.stored_partner(&key).is_some_and(is_unreadable);
        let valid = entry_is_valid
            && propagator["spec"]["partnerRef"] == share["spec"]["partnerRef"]
            && propagator["spec"]["role"] == "GuestAdmin"
            && !is_deleted(propagator)
            && named(spec, "exclude", by).is_none()
            && (unknown || self.breaks_no_rule(&key))
            && self.admin_role(space, spec, by) == Some(ShareRole::Manager);
        valid.then_some((Gate::Open, ShareRole::Collaborator))
    }

    /// The access of a membership through a share, and whether it is granted or only retained. `None`: no access.
    pub(super) fn access(
        &self,
        share_key: &ObjectRef,
        share: &'a Value,
        key: &ObjectRef,
        record: &GuestRecord,
    ) -> Option<(Gate, Right)> {
        let member = self.get(key).filter(|member| !is_unreadable(member))?;
        let same = key.namespace == share_key.namespace && member["spec"]["partnerRef"] == share["spec"]["partnerRef"];
        let (entry, role) = Some(()).filter(|()| same).and_then(|()| self.role_by_spec(share_key, share, key))?;
        let partner = self.partner_of(key);
        let allowed = Self::allowed_methods(member, partner)?;
        let asked = Self::allowed_methods(share, partner)?;
        let missing = Self::enrolled(record).is_some_and(|enrolled| enrolled.is_disjoint(&asked));
        let gates = [entry, self.member_gate(key, member, record), self.share_gate(share_key, share), shut_if(missing)];
        let gate = gates.into_iter().max().unwrap();
        let end = match partner {
            Some(partner) => Self::end_of_member(member, partner, record),
            None => instant(&member["spec"]["expiresAt"]),
        };
        let ends =
            [end, instant(&share["spec"]["expiresAt"]), partner.and_then(|it| instant(&it["spec"]["expiresAt"]))];
        let until = ends.into_iter().flatten().min();
        let (share, share_uid) = (share_key.name.to_string(), uid(share).to_owned());
        (gate != Gate::Shut)
            .then(|| (gate, Right { member: key.clone(), role, allowed, asked, until, share, share_uid }))
    }
}
