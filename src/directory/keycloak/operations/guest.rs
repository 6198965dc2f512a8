//! Operations on a guest with a record. Each reads the live state, applies the change as data and writes it in one
//! call. A revocation also ends the sessions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::super::apply::{self, AppliedRecord, ApplyContext};
use super::super::super::{
    AccessChange, AccountRecord, Applied, Epoch, Error, GuestChange, GuestId, GuestRecord, MAILS_KEPT, MailRecord,
    MfaRecord, Origin, ShareRecord,
};
use super::super::client::{Call, optional};
use super::super::endpoints::{DELETE_CREDENTIAL, DELETE_USER};
use super::super::grants;
use super::super::representations::{Organization, User};
use super::super::{Inner, PoisonError};
use super::invitation::{Prior, SendError};
use super::{Context, refusal, stale};
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::profile;
use crate::directory::keycloak::users::reader;
use crate::directory::keycloak::users::reader::UserReader;
use crate::domain::MfaMethod;

/// How long Keycloak may take to list a requested invitation, unless its mail server is slow.
const MAIL_IN_PROGRESS: SignedDuration = SignedDuration::from_secs(5);

/// One change of a guest's record.
#[derive(Clone)]
pub(super) struct GuestUpdate<'a> {
    pub user: &'a User,
    pub organization: Option<Organization>,
    pub before: &'a GuestRecord,
    pub after: &'a GuestRecord,
    pub at: Timestamp,
    /// The change revokes access, so a refused write must not stop it.
    pub revokes: bool,
}

impl GuestUpdate<'_> {
    pub fn is_created(&self) -> bool {
        self.before.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created)
    }

    /// Whether the change removes claims or disables the login; existing sessions must then end. The comparison uses
    /// the claims in the user's attributes. They may contain unusable grants too: lost MFA, or an end that has
    /// passed.
    pub fn reduces_access(&self) -> bool {
        let before = self.user.attributes.get(grants::ACCOUNTS).map(Vec::as_slice).unwrap_or_default();
        let after = grants::claims_of(self.after, self.at);
        before.iter().any(|claim| !grants::covers(&after, claim))
            || (self.before.login.is_enabled() && !self.after.login.is_enabled())
    }

    /// Whether every factor of the last write has been replaced since. Another party reset them, and sessions may be
    /// older.
    fn has_new_factors(&self) -> bool {
        let before = guest::recorded(self.user).mfa;
        let MfaRecord::Known(now) = &self.before.mfa else { return false };
        let kept = |(method, at): (&MfaMethod, &Timestamp)| now.get(method).is_some_and(|since| *since <= *at);
        !before.is_empty() && !before.iter().any(kept)
    }

    /// Whether the change removes the ownership mark.
    pub fn removes_mark(&self) -> bool {
        self.before.mark.is_some() && self.after.mark.is_none()
    }

    /// Whether the change ends the invitation or the membership.
    fn ends_membership(&self) -> bool {
        let revoked = self.before.invitation.is_some() && self.after.invitation.is_none();
        revoked || self.removes_mark() || self.after.deactivated_at.is_some()
    }
}

impl Inner {
    pub(super) async fn change_guest(&self, id: &GuestId, change: &GuestChange, cx: Context) -> Result<Applied, Error> {
        let at = cx.at;
        let reader = self.users();
        let found = match reader.user_of(id).await? {
            Ok(user) => Some(user),
            Err(unreadable) if unreadable.is_empty() => None,
            // The mark is unreadable now.
            Err(_) => return Err(stale(&id.0)),
        };
        // Read before the live check, because the check may find the organization.
        let home = found.as_ref().and_then(|user| self.organization(&guest::recorded(user).partner?));
        let record = match &found {
            Some(user) => self.guest_record(user).await?.map(|record| (user, record)),
            None => None,
        };
        let Some((user, record)) = record else {
            // A guest without a record has no access to revoke, unless the realm only hides the record.
            profile::check(&self.client).await?;
            if let GuestChange::Purge { .. } = change {
                let purged = Some(self.groups().read_purges().await?);
                return Ok(Applied { purged, ..self.gone(id) });
            }
            return match change.access_change() {
                AccessChange::Revoke | AccessChange::Remove => Ok(self.gone(id)),
                AccessChange::None | AccessChange::Grant => Err(stale(&id.0)),
            };
        };
        if record.mark.is_none() && !matches!(change, GuestChange::Revoke { .. }) {
            return Err(stale(&record.address));
        }
        if cx.basis.is_some_and(|basis| basis != record.revision) {
            return Err(stale(&record.address));
        }
        if let GuestChange::Purge { .. } | GuestChange::Release | GuestChange::Detach = change {
            self.unmark_copies(user).await?;
        }
        if let GuestChange::Purge { since, at_most, .. } = change {
            return self.purge(user, &record, *since, *at_most, at).await;
        }
        let accounts = self.live_accounts(change).await?;
        let partner_is_live =
            if let GuestChange::Update { partner, .. } = change { self.is_live_partner(partner).await? } else { true };
        let owner = self.known_owner();
        let mut after = record.clone();
        let context = ApplyContext { at, owner: owner.as_ref(), accounts: &accounts, partner_is_live };
        match apply::apply(&mut after, change, &context).map_err(|refused| refusal(refused, &record))? {
            AppliedRecord::Same => return Ok(guest_is(record)),
            AppliedRecord::Changed | AppliedRecord::Unmarked => {}
        }
        if let GuestChange::ResendInvitation { .. } = change {
            // Checked before any write. A mail that cannot be sent is not recorded.
            home.ok_or_else(|| stale(&record.partner_name))?;
            refuse_second_mail(user, &record, at)?;
            self.ensure_unique_address(user).await?;
        }
        if let GuestChange::Grant { grants } = change {
            self.remember_shares(&record, grants.iter()).await?;
        }
        let revokes = matches!(change.access_change(), AccessChange::Revoke | AccessChange::Remove);
        let update = GuestUpdate {
            user,
            organization: self.organization(&record.partner),
            before: &record,
            after: &after,
            at,
            revokes,
        };
        self.update(&reader, &update, change, cx.epoch).await
    }

    fn gone(&self, id: &GuestId) -> Applied {
        self.cache.forget(id);
        Applied { gone: Some(id.clone()), ..Applied::default() }
    }

    /// Writes the update. Invitation and membership end before the write. Once the record has them as ended, no later
    /// operation would end them.
    async fn update(
        &self,
        reader: &UserReader<'_>,
        update: &GuestUpdate<'_>,
        change: &GuestChange,
        epoch: Epoch,
    ) -> Result<Applied, Error> {
        if update.revokes && update.ends_membership() {
            self.end_membership_or_revoke_rest(update).await?;
        }
        if let (GuestChange::ResendInvitation { .. }, Some(organization)) = (change, &update.organization) {
            // Before the write: once the record has the mail, a member of the organization counts as a guest who
            // followed it.
            self.take_out(organization, update.user).await?;
        }
        let reset = matches!(change, GuestChange::ResetMfa { .. });
        let grants_access = matches!(change, GuestChange::Grant { .. });
        if grants_access && !self.claims.is_blocked(&update.user.id) {
            // Before the write: once the record has the grant, no plan repeats this step. The guest may use all earlier
            // grants.
            self.allow_claims(&update.user.id, update.is_created()).await?;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other change is one write of the user")]
        let written = match change {
            GuestChange::ResetMfa { enrolled_before } => self.reset(reader, update, *enrolled_before).await?,
            GuestChange::EnableLogin => {
                self.end_tokens(&update.user.id, update.user.not_before).await?;
                self.write(update, false).await?
            }
            _ => {
                if grants_access && update.has_new_factors() {
                    self.end_sessions(&update.user.id).await?;
                }
                self.write(update, update.reduces_access()).await?
            }
        };
        if let GuestChange::ResendInvitation { .. } = change {
            return self.send_another_invitation(reader, update, written, epoch).await;
        }
        if grants_access {
            self.allow_claims(&written.id, update.is_created()).await?;
        }
        if !guest::is_marked(&written) {
            return Ok(self.gone(&update.before.id));
        }
        if reset || update.before.mark.is_none() {
            // The result is read again: neither the earlier state nor the cache is correct now.
            let gone = || stale(&update.before.address);
            let now = reader.user(&written.id).await?.ok_or_else(gone)?;
            return self.guest_record(&now).await?.map(guest_is).ok_or_else(gone);
        }
        Self::after(reader, &written, update.after)
    }

    /// The record after a write.
    fn after(reader: &UserReader<'_>, user: &User, after: &GuestRecord) -> Result<Applied, Error> {
        let member = after.joined_at.is_some();
        let record = reader.known(user, member, after.invitation).ok_or_else(|| stale(&after.address))?;
        Ok(guest_is(record))
    }

    /// Sends another invitation. A guest who accepted but set no password cannot continue, because the link is used
    /// up. The membership was removed before, so only one link exists at a time and it can be revoked.
    async fn send_another_invitation(
        &self,
        reader: &UserReader<'_>,
        update: &GuestUpdate<'_>,
        written: User,
        epoch: Epoch,
    ) -> Result<Applied, Error> {
        let Some(organization) = &update.organization else { return Err(stale(&update.before.partner_name)) };
        let (sent, invitation) = match update.after.invitation {
            Some(invitation) => match self.send(organization, &written, Prior::Possible(epoch)).await {
                Ok(()) => (Ok(()), Some(self.with_actual_expiry(organization, &written, invitation).await?)),
                Err(SendError::NotSent(fault)) => (Err(fault), None),
                Err(SendError::Unknown(fault)) => return Err(fault),
            },
            None => (Ok(()), None),
        };
        if let Err(fault) = sent {
            // The mail was not sent, so it stays due. After a lost leadership the earlier invitation was not revoked,
            // so it stays in the record.
            let invitation = update.before.invitation.filter(|_| fault == Error::Fenced);
            let undone = GuestRecord {
                invitation,
                last_mail_at: update.before.last_mail_at,
                recent_mails: update.before.recent_mails.clone(),
                ..update.after.clone()
            };
            self.undo_mail(&written, &undone, update.at).await?;
            return Err(fault);
        }
        Self::after(reader, &written, &GuestRecord { invitation, ..update.after.clone() })
    }

    pub(super) async fn delete_credentials(
        &self,
        reader: &UserReader<'_>,
        update: &GuestUpdate<'_>,
        before: Timestamp,
    ) -> Result<(), Error> {
        let user = &update.user.id;
        // If a credential's time is in the future, the recorded time of its method counts.
        let recorded = |method| match &update.before.mfa {
            MfaRecord::Known(mfa) => mfa.get(&method).copied(),
            MfaRecord::Unknown => None,
        };
        for credential in reader.credentials(user).await? {
            let Some(method) = reader::method(&credential) else { continue };
            let known = recorded(method).filter(|_| reader.is_in_future(credential.created()));
            if known.unwrap_or_else(|| credential.created()) < before {
                let path = ["users", user, "credentials", &credential.id];
                optional(self.client.call(Call::delete(DELETE_CREDENTIAL, &path)).await)?;
            }
        }
        Ok(())
    }

    /// The accounts that the change grants, that exist and are not deleted.
    async fn live_accounts(&self, change: &GuestChange) -> Result<Vec<String>, Error> {
        let GuestChange::Grant { grants } = change else { return Ok(Vec::new()) };
        let accounts = self.accounts_now().await?;
        let named = |account: &&AccountRecord| grants.iter().any(|grant| grant.account == account.name);
        let live = accounts.iter().filter(named).filter(|account| !account.deleted);
        Ok(live.map(|account| account.name.clone()).collect())
    }

    /// Whether the partner exists and is live, so that guests can join it.
    pub(super) async fn is_live_partner(&self, partner: &super::super::PartnerId) -> Result<bool, Error> {
        Ok(self.read_partner(partner).await?.is_some_and(|(record, _)| record.is_live()))
    }

    async fn remember_shares<'a>(
        &self,
        record: &GuestRecord,
        grants: impl Iterator<Item = &'a super::super::super::Grant>,
    ) -> Result<(), Error> {
        for grant in grants {
            let new = ShareRecord {
                uid: grant.share_uid.clone(),
                partner_name: record.partner_name.clone(),
                account: grant.account.clone(),
            };
            let known = self.shares.lock().unwrap_or_else(PoisonError::into_inner).get(&new.uid).cloned();
            let known = match known {
                Some(known) => known,
                None => self.groups().remember_share(&new).await?,
            };
            if known != new {
                return Err(stale(&grant.share));
            }
            self.shares.lock().unwrap_or_else(PoisonError::into_inner).insert(new.uid.clone(), new);
        }
        Ok(())
    }

    /// Stores the last mail, which outlives the record.
    pub(in super::super) async fn remember_mail(&self, record: &GuestRecord, at: Timestamp) -> Result<(), Error> {
        let old = at.checked_sub(MAILS_KEPT).unwrap_or(Timestamp::MIN);
        self.groups().forget_mails(old).await?;
        if let Some(mailed) = record.last_mail_at.filter(|mailed| *mailed >= old) {
            let recent = record.recent_mails.clone();
            let mail = MailRecord { address: record.address.clone(), at: mailed, recent };
            self.groups().remember_mail(&mail).await?;
        }
        Ok(())
    }

    /// Purges only the deactivation that was planned on, within the hourly limit, after storing the facts that
    /// outlive the record.
    async fn purge(
        &self,
        user: &User,
        record: &GuestRecord,
        since: Timestamp,
        at_most: u32,
        at: Timestamp,
    ) -> Result<Applied, Error> {
        apply::purge(record, since).map_err(|refused| refusal(refused, record))?;
        let _one_at_a_time = self.locks.hold("purged").await;
        let mut purged = self.groups().read_purges().await?;
        if super::super::super::purged_lately(&purged, at) >= at_most {
            return Err(stale(&record.address));
        }
        let kept = at.checked_sub(super::super::super::PURGES_KEPT).unwrap_or(Timestamp::MIN);
        purged.retain(|minute, _| *minute > kept);
        *purged.entry(super::super::super::minute_of(at)).or_default() += 1;
        self.groups().write_purges(&purged).await?;
        self.remember_mail(record, at).await?;
        optional(self.client.call(Call::delete(DELETE_USER, &["users", &user.id])).await)?;
        Ok(Applied { purged: Some(purged), ..self.gone(&record.id) })
    }
}

/// Refuses another mail if the last one was requested less than [`MAIL_IN_PROGRESS`] ago and Keycloak shows no
/// invitation yet. Another process may have requested it. A second mail would invalidate the first link.
fn refuse_second_mail(user: &User, record: &GuestRecord, at: Timestamp) -> Result<(), Error> {
    let Some(asked) = guest::recorded(user).invited_at.filter(|_| record.invitation.is_none()) else { return Ok(()) };
    let left = (MAIL_IN_PROGRESS - at.duration_since(asked)).min(MAIL_IN_PROGRESS);
    match u64::try_from(left.as_millis()) {
        Ok(left) if left > 0 => {
            let context = format!("a mail to {} may still be in progress", record.address);
            Err(Error::Busy { context, after: Duration::from_secs(left.div_ceil(1000)) })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The effect of an operation on a guest who still has a record.
pub(super) fn guest_is(record: GuestRecord) -> Applied {
    Applied { guest: Some(record), ..Applied::default() }
}
