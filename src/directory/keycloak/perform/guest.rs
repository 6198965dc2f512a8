//! What is done to a guest who has a record: looked at live, changed as data, written in one call; what takes away ends his
//! sessions.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::super::amend::{self, Amended, Around};
use super::super::super::{
    AccountRecord, Effect, Fault, GuestId, GuestRecord, MAILS_KEPT, MailRecord, MfaRecord, Operation, Origin, Revision,
    ShareRecord, Weight,
};
use super::super::client::{Call, Failed, optional};
use super::super::endpoints::{DELETE_CREDENTIAL, DELETE_USER, LOGOUT, PUT_USER};
use super::super::grants;
use super::super::guest::{self, CONFIGURE_TOTP, names};
use super::super::people::{self, People};
use super::super::wire::{Organization, User};
use super::super::{Inner, PoisonError, profile, realm};
use super::mail::Unsent;
use super::{refusal, stale};

/// What one change of a guest's record does.
struct Change<'a> {
    user: &'a User,
    organization: Option<Organization>,
    before: &'a GuestRecord,
    after: &'a GuestRecord,
    at: Timestamp,
    /// Something is taken away: nothing stands in the way of it.
    must: bool,
}

/// What an attribute says that the realm requires and that nobody knows.
const UNKNOWN: &str = "-";

impl Change<'_> {
    fn made(&self) -> bool {
        self.before.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Made)
    }

    /// Whether applications are told less than before, or the login goes off: what he is signed in with must not outlast it.
    /// They were told what his user says, also where it could not be used any more by the record: MFA that somebody took
    /// away, a grant that has ended.
    fn takes(&self) -> bool {
        let before = self.user.attributes.get(grants::ACCOUNTS).map(Vec::as_slice).unwrap_or_default();
        let after = grants::told(self.after, self.at);
        before.iter().any(|claim| !after.contains(claim)) || (self.before.login && !self.after.login)
    }

    fn leaves(&self) -> bool {
        self.after.mark.is_none() || self.after.deactivated_at.is_some()
    }
}

impl Inner {
    pub(super) async fn about_guest(
        &self,
        id: &GuestId,
        operation: &Operation,
        basis: Option<Revision>,
        at: Timestamp,
    ) -> Result<Effect, Fault> {
        let people = self.people();
        let found = people.user_of(id).await?;
        let record = match &found {
            Some(user) => self.look(user).await?.map(|record| (user, record)),
            None => None,
        };
        let Some((user, record)) = record else {
            // Who is not there has nothing that could be taken away, unless he is only not shown.
            profile::check(&self.client).await?;
            if let Operation::Destroy { .. } = operation {
                let destroyed = Some(realm::destroyed(&self.client, &self.tree).await?);
                return Ok(Effect { destroyed, ..self.gone(id) });
            }
            return match operation.weight() {
                Weight::Take | Weight::End => Ok(self.gone(id)),
                Weight::Keep | Weight::Give => Err(stale(&id.0)),
            };
        };
        if basis.is_some_and(|basis| basis != record.revision) {
            return Err(stale(&record.address));
        }
        if let Operation::Destroy { .. } | Operation::Release { .. } | Operation::GiveBack { .. } = operation {
            self.no_other_bears(user).await?;
        }
        if let Operation::Destroy { since, at_most, .. } = operation {
            return self.destroy(user, &record, *since, *at_most, at).await;
        }
        let accounts = self.accounts_that_stand(operation).await?;
        let home = match operation {
            Operation::DescribeGuest { partner, .. } => self.is_home(partner).await?,
            _ => true,
        };
        let owner = self.known_owner();
        let mut after = record.clone();
        let around = Around { at, owner: owner.as_ref(), accounts: &accounts, home };
        match amend::amend(&mut after, operation, &around).map_err(|refused| refusal(refused, &record))? {
            Amended::Same => return Ok(guest_is(record)),
            Amended::Changed | Amended::Unmarked => {}
        }
        if let Operation::Invite { .. } = operation {
            // Refused before anything is written.
            self.alone(user).await?;
        }
        if let Operation::Give { grants, .. } = operation {
            self.remember_shares(&record, grants.iter()).await?;
        }
        let must = matches!(operation.weight(), Weight::Take | Weight::End);
        let change =
            Change { user, organization: self.organization(&record.partner), before: &record, after: &after, at, must };
        self.change(&people, &change, operation).await
    }

    fn gone(&self, id: &GuestId) -> Effect {
        self.memory.forget(id);
        Effect { gone: Some(id.clone()), ..Effect::default() }
    }

    /// Writes the change, then does what follows from it.
    async fn change(&self, people: &People<'_>, change: &Change<'_>, operation: &Operation) -> Result<Effect, Fault> {
        if change.organization.is_none() && matches!(operation, Operation::Invite { .. }) {
            // Nothing is noted of a mail that cannot go out.
            return Err(stale(&change.before.partner_name));
        }
        let written = match self.write_user(change).await {
            // It cannot be written, whatever was tried. He does not stay signed in with it.
            Err(fault @ Fault::Refused { .. }) if change.must => {
                self.sign_out(change.user).await?;
                return Err(fault);
            }
            written => written?,
        };
        if let Operation::ResetMfa { enrolled_before, .. } = operation {
            self.delete_credentials(people, change.user, *enrolled_before).await?;
        }
        let reset = matches!(operation, Operation::ResetMfa { .. });
        if reset || change.takes() {
            self.sign_out(change.user).await?;
        }
        if let Some(organization) = &change.organization {
            let revoked = change.before.invitation.is_some() && change.after.invitation.is_none();
            if revoked || change.leaves() {
                // First of all: who has followed it and has no password yet is a member already.
                self.revoke(organization, change.user).await?;
                self.take_out(organization, change.user).await?;
            }
        }
        if let Operation::Invite { .. } = operation {
            return self.mail_again(people, change, written).await;
        }
        if change.after.mark.is_none() {
            self.remember_mail(change.before, change.at).await?;
            return Ok(self.gone(&change.before.id));
        }
        // What was just taken off a user is not what he has.
        let now = if reset { people.user(&written.id).await?.unwrap_or(written) } else { written };
        Self::after(people, &now, change.after)
    }

    pub(super) async fn sign_out(&self, user: &User) -> Result<(), Fault> {
        optional(self.client.call(Call::post(LOGOUT, &["users", &user.id, "logout"])).await)?;
        Ok(())
    }

    /// The record as it is after what was written.
    fn after(people: &People<'_>, user: &User, after: &GuestRecord) -> Result<Effect, Fault> {
        let member = after.joined_at.is_some();
        let record = people.known(user, member, after.invitation).ok_or_else(|| stale(&after.address))?;
        Ok(guest_is(record))
    }

    /// Who accepted and stopped before he had a password cannot go on by himself: his link is used up. He is taken out and
    /// invited anew, so that there is one link at a time, and one that can be revoked.
    async fn mail_again(&self, people: &People<'_>, change: &Change<'_>, written: User) -> Result<Effect, Fault> {
        let Some(organization) = &change.organization else { return Err(stale(&change.before.partner_name)) };
        let (sent, invitation) = match change.after.invitation {
            Some(invitation) => match self.send_anew(organization, &written).await {
                Ok(()) => (Ok(()), Some(self.ends(organization, &written, invitation).await?)),
                Err(Unsent::Surely(fault)) => (Err(fault), None),
                Err(Unsent::Maybe(fault)) => return Err(fault),
            },
            None => (Ok(()), None),
        };
        if let Err(fault) = sent {
            // It did not go out: it is due as before.
            let undone =
                GuestRecord { invitation: None, last_mail_at: change.before.last_mail_at, ..change.after.clone() };
            let back = Change {
                user: &written,
                organization: None,
                before: change.after,
                after: &undone,
                at: change.at,
                must: false,
            };
            self.write_user(&back).await?;
            return Err(fault);
        }
        Self::after(people, &written, &GuestRecord { invitation, ..change.after.clone() })
    }

    async fn send_anew(&self, organization: &Organization, user: &User) -> Result<(), Unsent> {
        self.take_out(organization, user).await.map_err(Unsent::Surely)?;
        self.send(organization, user, false).await
    }

    /// One write: attributes, login and what he has to do at his next sign-in. The user as he is then.
    async fn write_user(&self, change: &Change<'_>) -> Result<User, Fault> {
        let mut user = change.user.clone();
        let failed = |error| Fault::Refused { message: format!("failed to write {}: {error}", change.before.address) };
        guest::write(change.after, &mut user.attributes, change.at).map_err(failed)?;
        if change.made() {
            user.enabled = change.after.login && change.after.deactivated_at.is_none();
            if change.before.display_name != change.after.display_name {
                (user.first_name, user.last_name) = names(&change.after.display_name);
            }
            let none = matches!(&change.after.mfa, MfaRecord::Known(mfa) if mfa.is_empty());
            if none && !user.required_actions.iter().any(|action| action == CONFIGURE_TOTP) {
                user.required_actions.push(CONFIGURE_TOTP.to_owned());
            }
            // Nobody vouches for the address of who is given back; who follows a link proves his.
            user.email_verified =
                change.after.mark.is_some() && (user.email_verified || change.after.joined_at.is_some());
        }
        let mut put = self.put_user(change.user, &user).await;
        while change.must
            && let Err(failed) = &put
            && let missing = failed.missing()
            && missing.iter().any(|name| !user.attributes.contains_key(*name))
        {
            tracing::warn!(user = user.id, ?missing, "the realm's user profile requires what this guest does not have");
            let unknown = missing.iter().map(|name| ((*name).to_owned(), vec![UNKNOWN.to_owned()]));
            user.attributes.extend(unknown);
            put = self.put_user(change.user, &user).await;
        }
        optional(put)?.ok_or_else(|| stale(&change.before.address))?;
        Ok(user)
    }

    /// Writes what differs of a user. Attributes go with his name and address, which Keycloak would erase.
    pub(in super::super) async fn put_user(&self, before: &User, after: &User) -> Result<(), Failed> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        let names = before.first_name != after.first_name || before.last_name != after.last_name;
        if before.attributes != after.attributes || names {
            put("attributes", json!(after.attributes));
            put("email", json!(after.email));
            put("firstName", json!(after.first_name));
            put("lastName", json!(after.last_name));
        }
        if before.enabled != after.enabled {
            put("enabled", json!(after.enabled));
        }
        if before.required_actions != after.required_actions {
            put("requiredActions", json!(after.required_actions));
        }
        if before.email_verified != after.email_verified {
            put("emailVerified", json!(after.email_verified));
        }
        if body.is_empty() {
            return Ok(());
        }
        self.client.call(Call::put(PUT_USER, &["users", &after.id]).json(Value::Object(body))).await.map(drop)
    }

    async fn delete_credentials(&self, people: &People<'_>, user: &User, before: Timestamp) -> Result<(), Fault> {
        for credential in people.credentials(&user.id).await? {
            if people::method(&credential).is_some() && credential.created() < before {
                let path = ["users", &user.id, "credentials", &credential.id];
                optional(self.client.call(Call::delete(DELETE_CREDENTIAL, &path)).await)?;
            }
        }
        Ok(())
    }

    async fn accounts_that_stand(&self, operation: &Operation) -> Result<Vec<String>, Fault> {
        let Operation::Give { grants, .. } = operation else { return Ok(Vec::new()) };
        let accounts = self.accounts_now().await?;
        let given = |account: &&AccountRecord| grants.iter().any(|grant| grant.account == account.name);
        let stand = accounts.iter().filter(given).filter(|account| !account.deleted);
        Ok(stand.map(|account| account.name.clone()).collect())
    }

    /// Nobody joins a partner that is not there or was put away.
    pub(super) async fn is_home(&self, partner: &super::super::PartnerId) -> Result<bool, Fault> {
        Ok(self.read_partner(partner).await?.is_some_and(|(record, _)| record.deactivated_at.is_none()))
    }

    async fn remember_shares<'a>(
        &self,
        record: &GuestRecord,
        grants: impl Iterator<Item = &'a super::super::super::Grant>,
    ) -> Result<(), Fault> {
        for grant in grants {
            let new = ShareRecord {
                uid: grant.share_uid.clone(),
                partner_name: record.partner_name.clone(),
                account: grant.account.clone(),
            };
            let known = self.shares.lock().unwrap_or_else(PoisonError::into_inner).get(&new.uid).cloned();
            let known = match known {
                Some(known) => known,
                None => realm::remember_share(&self.client, &self.tree, &new).await?,
            };
            if known != new {
                return Err(stale(&grant.share));
            }
            self.shares.lock().unwrap_or_else(PoisonError::into_inner).insert(new.uid.clone(), new);
        }
        Ok(())
    }

    /// The last mail outlives the record.
    pub(in super::super) async fn remember_mail(&self, record: &GuestRecord, at: Timestamp) -> Result<(), Fault> {
        let old = at.checked_sub(MAILS_KEPT).unwrap_or(Timestamp::MIN);
        realm::forget_mails(&self.client, &self.tree, old).await?;
        if let Some(mailed) = record.last_mail_at.filter(|mailed| *mailed >= old) {
            let mail = MailRecord { address: record.address.clone(), at: mailed };
            realm::remember_mail(&self.client, &self.tree, &mail).await?;
        }
        Ok(())
    }

    /// Only the deactivation that was planned on, no more than the pace allows, and what must be remembered first.
    async fn destroy(
        &self,
        user: &User,
        record: &GuestRecord,
        since: Timestamp,
        at_most: u32,
        at: Timestamp,
    ) -> Result<Effect, Fault> {
        if record.mark.as_ref().is_none_or(|mark| mark.origin == Origin::Adopted) {
            return Err(refusal(super::Refusal::Adopted, record));
        }
        if record.deactivated_at != Some(since) {
            return Err(stale(&record.address));
        }
        let _one_at_a_time = self.locks.hold("destroyed").await;
        let mut destroyed = realm::destroyed(&self.client, &self.tree).await?;
        if super::super::super::destroyed_lately(&destroyed, at) >= at_most {
            return Err(stale(&record.address));
        }
        let kept = at.checked_sub(super::super::super::DESTROYED_KEPT).unwrap_or(Timestamp::MIN);
        destroyed.retain(|minute, _| *minute > kept);
        *destroyed.entry(super::super::super::minute_of(at)).or_default() += 1;
        realm::set_destroyed(&self.client, &self.tree, &destroyed).await?;
        self.remember_mail(record, at).await?;
        optional(self.client.call(Call::delete(DELETE_USER, &["users", &user.id])).await)?;
        Ok(Effect { destroyed: Some(destroyed), ..self.gone(&record.id) })
    }
}

/// A guest as he is now.
pub(super) fn guest_is(record: GuestRecord) -> Effect {
    Effect { guest: Some(record), ..Effect::default() }
}
