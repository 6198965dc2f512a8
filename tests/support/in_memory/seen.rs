//! Reads the directory and the objects' statuses.

use super::*;

impl World {
    /// The live record of a membership's guest.
    pub fn record(&self, name: &str) -> Option<GuestRecord> {
        let mine = |guest: &&GuestRecord| guest.is_live() && guest.mark.as_ref().is_some_and(|mark| mark.name == name);
        self.directory_cache.guests().find(mine).cloned()
    }

    /// The access that is effective now, according to the directory itself.
    pub fn effective(&self) -> Access3 {
        let all = self.directory.0.lock().unwrap().everything().unwrap();
        let mut found = BTreeMap::new();
        for guest in &all.guests {
            for (account, held) in &guest.grants {
                if all.is_effective(guest, account, self.now) {
                    let name = guest.mark.as_ref().map(|mark| mark.name.clone()).unwrap_or_default();
                    found.insert((name, account.clone()), held.grant.role);
                }
            }
        }
        found
    }

    /// The same as text: `bob: instagram as Collaborator`.
    pub fn access(&self) -> Vec<String> {
        self.effective().into_iter().map(|((name, account), role)| format!("{name}: {account} as {role}")).collect()
    }

    pub fn membership_status(&self, name: &str) -> api::GuestMembershipStatus {
        match &self.objects[&ObjectRef::new(Kind::Membership, SPACE, name)] {
            Object::Membership(object) => object.status.clone().unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    pub fn state(&self, name: &str) -> String {
        self.membership_status(name).state.unwrap_or_default()
    }

    /// The reason of an object's condition.
    pub fn word(&self, kind: Kind, name: &str, condition: &str) -> String {
        let conditions = match &self.objects[&ObjectRef::new(kind, SPACE, name)] {
            Object::Partner(object) => object.status.clone().unwrap_or_default().conditions,
            Object::Membership(object) => object.status.clone().unwrap_or_default().conditions,
            Object::Share(object) => object.status.clone().unwrap_or_default().conditions,
            Object::Unreadable { .. } => Vec::new(),
        };
        let found = conditions.into_iter().find(|found| found.type_ == condition);
        found.map_or_else(|| "none".to_owned(), |found| format!("{}/{}", found.status, found.reason))
    }

    pub fn ready(&self, name: &str) -> String {
        self.word(Kind::Membership, name, "Ready")
    }

    pub fn share_status(&self, name: &str) -> api::AccountShareStatus {
        match &self.objects[&ObjectRef::new(Kind::Share, SPACE, name)] {
            Object::Share(object) => object.status.clone().unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    /// The withheld grants of a share, as text: `bob: MfaNotEnrolled`.
    pub fn withheld(&self, name: &str) -> Vec<String> {
        self.share_status(name).withheld.into_iter().map(|item| format!("{}: {}", item.name, item.reason)).collect()
    }

    pub fn violations(&self, kind: Kind, name: &str) -> Vec<String> {
        let list = match &self.objects[&ObjectRef::new(kind, SPACE, name)] {
            Object::Partner(object) => object.status.clone().unwrap_or_default().violations,
            Object::Membership(object) => object.status.clone().unwrap_or_default().violations,
            Object::Share(object) => object.status.clone().unwrap_or_default().violations,
            Object::Unreadable { .. } => Vec::new(),
        };
        list.into_iter().map(|violation| format!("{} {}", violation.reason, violation.path)).collect()
    }

    /// The number of mails that were sent.
    pub fn mails(&self) -> usize {
        let mail = |done: &&Operation| {
            matches!(
                done,
                Operation::Guest { change: GuestChange::Invite(_) | GuestChange::ResendInvitation { .. }, .. }
            )
        };
        self.done.iter().filter(mail).count()
    }
}
